#include "broker/controller/controller_brokers.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/controller/broker_sessions.h"
#include "broker/controller/controller_internal.h"
#include "broker/node.h"
#include "runtime/log.h"
#include "runtime/machine.h"

/* A record of a partition has about 100 bytes, a batch at most METADATA_BATCH_MAX. */
#define RECORDS_AT_ONCE 10000

/* A timer that is so late tells that this node did not run. */
#define STOOD_STILL_MS 500

struct controller_brokers {
    struct controller *controller;
    struct broker_sessions *sessions;
    struct timer deadline; /* the next session that may be lost */
    struct timer balance;
    struct timer unclean;
};

/* Nobody waits for what the controller decides by itself. */
struct silent_op {
    struct controller_op op;
};

static void done(struct controller_op *op, enum kafka_error error) {
    (void)error;
    free(CONTAINER_OF(op, struct silent_op, op));
}

static struct shard *shard_of(const struct controller_brokers *brokers) {
    return brokers->controller->node->shards[0].shard;
}

/* Up to RECORDS_AT_ONCE records from `first` on, as a batch of their own. */
static enum kafka_error submit_part(struct controller *controller, const struct decision *d,
                                    int first) {
    struct decision part = *d;
    int left = d->records.count - first;
    part.records.values += first;
    part.records.count = left < RECORDS_AT_ONCE ? left : RECORDS_AT_ONCE;
    struct silent_op *op = NEW(struct silent_op);
    enum kafka_error error = controller_submit(controller, &part, &op->op, done);
    if (error != ERROR_NONE) {
        free(op);
    }
    return error;
}

/* Makes a decision of the controller's own, and submits what it says: many records in parts, each
 * of which leaves sane metadata, since a broker is told to be fenced behind all else. */
static void decide(struct controller_brokers *brokers,
                   void (*fn)(struct decision *d, int32_t argument), int32_t argument) {
    struct controller *controller = brokers->controller;
    struct arena arena;
    struct decision d;
    arena_init(&arena, SIZE_MAX);
    decision_init(controller, &d, &arena);
    fn(&d, argument);
    enum kafka_error error = ERROR_NONE;
    for (int i = 0; i < d.records.count && error == ERROR_NONE; i += RECORDS_AT_ONCE) {
        error = submit_part(controller, &d, i);
    }
    if (error != ERROR_NONE) {
        LOG_WARN(controller->node->machine, "controller", "records not written",
                 "count=%d error=%d", d.records.count, (int)error);
    }
    arena_release(&arena);
}

/* ---- Sessions -------------------------------------------------------------------------------- */

static void rearm(struct controller_brokers *brokers) {
    int64_t deadline_ms = broker_sessions_deadline(brokers->sessions);
    if (deadline_ms == INT64_MAX) {
        timer_stop(&brokers->deadline);
        return;
    }
    int64_t delay_ms = deadline_ms - shard_now_ms(shard_of(brokers));
    timer_start(&brokers->deadline, delay_ms > 0 ? delay_ms : 0);
}

static void on_deadline(struct timer *timer) {
    struct controller_brokers *brokers = CONTAINER_OF(timer, struct controller_brokers, deadline);
    struct controller *controller = brokers->controller;
    int64_t now_ms = shard_now_ms(shard_of(brokers));
    int64_t epoch;
    int32_t id;
    if (now_ms - broker_sessions_deadline(brokers->sessions) > STOOD_STILL_MS) {
        broker_sessions_excuse(brokers->sessions, now_ms);
    }
    while (controller->active &&
           (id = broker_sessions_lost(brokers->sessions, now_ms, &epoch)) >= 0) {
        const struct image_broker *broker = image_broker(controller->image, id);
        if (broker != NULL && broker->epoch == epoch && !broker->fenced) {
            LOG_WARN(controller->node->machine, "controller", "broker lost, it is fenced",
                     "broker=%" PRId32 " epoch=%" PRId64, id, broker->epoch);
            decide(brokers, decide_fence_broker, id);
        }
    }
    rearm(brokers);
}

/* ---- From time to time ----------------------------------------------------------------------- */

static int64_t balance_interval_ms(const struct controller_brokers *brokers) {
    const struct config *config = brokers->controller->node->config;
    int64_t seconds = config_int(config, CONFIG_LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS);
    return seconds < INT32_MAX ? seconds * 1000 : (int64_t)INT32_MAX * 1000;
}

static int64_t unclean_interval_ms(const struct controller_brokers *brokers) {
    return config_int(brokers->controller->node->config,
                      CONFIG_UNCLEAN_LEADER_ELECTION_INTERVAL_MS);
}

static void prefer(struct decision *d, int32_t argument) {
    (void)argument;
    decide_preferred_leaders(d);
}

static void on_balance(struct timer *timer) {
    struct controller_brokers *brokers = CONTAINER_OF(timer, struct controller_brokers, balance);
    decide(brokers, prefer, 0);
    timer_start(timer, balance_interval_ms(brokers));
}

static void elect_uncleanly(struct decision *d, int32_t argument) {
    (void)argument;
    decide_unclean_leaders(d);
}

static void on_unclean(struct timer *timer) {
    struct controller_brokers *brokers = CONTAINER_OF(timer, struct controller_brokers, unclean);
    decide(brokers, elect_uncleanly, 0);
    timer_start(timer, unclean_interval_ms(brokers));
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct controller_brokers *controller_brokers_new(struct controller *controller) {
    struct controller_brokers *brokers = NEW(struct controller_brokers);
    struct shard *shard = controller->node->shards[0].shard;
    brokers->controller = controller;
    brokers->sessions =
        broker_sessions_new(config_int(controller->node->config, CONFIG_BROKER_SESSION_TIMEOUT_MS));
    timer_init(&brokers->deadline, shard, on_deadline);
    timer_init(&brokers->balance, shard, on_balance);
    timer_init(&brokers->unclean, shard, on_unclean);
    return brokers;
}

void controller_brokers_end(struct controller_brokers *brokers) {
    broker_sessions_end(brokers->sessions);
    timer_stop(&brokers->deadline);
    timer_stop(&brokers->balance);
    timer_stop(&brokers->unclean);
}

void controller_brokers_free(struct controller_brokers *brokers) {
    if (brokers != NULL) {
        controller_brokers_end(brokers);
        broker_sessions_free(brokers->sessions);
        LIST_FOREACH_SAFE(it, &brokers->controller->ops) { /* after a crash */
            struct controller_op *op = CONTAINER_OF(it, struct controller_op, link);
            if (op->fn == done) {
                list_remove(&op->link);
                free(CONTAINER_OF(op, struct silent_op, op));
            }
        }
        free(brokers);
    }
}

void controller_brokers_begin(struct controller_brokers *brokers, int32_t led_before) {
    const struct controller *controller = brokers->controller;
    broker_sessions_begin(brokers->sessions, controller->image, controller->node->id, led_before,
                          quorum_end_offset(controller->quorum), shard_now_ms(shard_of(brokers)));
    rearm(brokers);
    if (config_bool(controller->node->config, CONFIG_AUTO_LEADER_REBALANCE_ENABLE)) {
        timer_start(&brokers->balance, balance_interval_ms(brokers));
    }
    timer_start(&brokers->unclean, unclean_interval_ms(brokers));
}

const struct broker_sessions *
controller_brokers_sessions(const struct controller_brokers *brokers) {
    return brokers->sessions;
}

void controller_broker_heard(struct node *node, int32_t id, int64_t epoch, int64_t metadata_offset,
                             uint64_t connection) {
    struct controller_brokers *brokers = node->controller->brokers;
    if (node->controller->active) {
        broker_sessions_heard(brokers->sessions, id, epoch, metadata_offset, connection,
                              shard_now_ms(shard_of(brokers)));
        rearm(brokers);
    }
}

void controller_broker_stopping(struct node *node, int32_t id) {
    if (node->controller->active) {
        broker_sessions_stopping(node->controller->brokers->sessions, id,
                                 quorum_end_offset(node->controller->quorum));
    }
}

void controller_broker_gone(struct node *node, int32_t id) {
    broker_sessions_forget(node->controller->brokers->sessions, id);
}

void controller_broker_disconnected(void *ctx, uint64_t connection) {
    struct node *node = ctx;
    struct controller_brokers *brokers = node->controller->brokers;
    if (node->controller->active) {
        broker_sessions_connection_closed(brokers->sessions, connection,
                                          shard_now_ms(shard_of(brokers)));
        rearm(brokers);
    }
}
