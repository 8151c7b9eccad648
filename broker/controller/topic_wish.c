/*
 * Topics that this node wants to exist: auto-created ones, and those that the configuration
 * declares. They are asked for with CreateTopics from the active controller, wherever it is, so
 * that they pass the same checks as anybody's.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/controller/controller.h"
#include "broker/controller/controller_channel.h"
#include "broker/controller/controller_internal.h"
#include "broker/controller/topic_wish.h"
#include "broker/node.h"
#include "protocol/generated/create_topics_request.h"
#include "protocol/generated/create_topics_response.h"
#include "runtime/log.h"

#define API_CREATE_TOPICS 19
#define WISH_TIMEOUT_MS   5000

/* Between two tries for topics that the cluster cannot have yet. */
#define ENSURE_RETRY_MS 500

/* What the builders of requests (auto_create.c) look at. */
static void wish_decision(struct node_shard *from, struct arena *arena, struct decision *d) {
    *d = (struct decision){
        .image = from->image,
        .config = from->node->config,
        .broker = from->config,
        .machine = from->node->machine,
        .node_id = from->node->id,
        .arena = arena,
    };
}

static void begin_call(struct controller_call *call, struct node_shard *from,
                       const void *(*build)(struct controller_call *call, int16_t version),
                       void (*fn)(struct controller_call *call, enum kafka_error error,
                                  int16_t version, const void *response)) {
    *call = (struct controller_call){
        .from = from,
        .api_key = API_CREATE_TOPICS,
        .version_min = 5,
        .version_max = 7,
        .timeout_ms = WISH_TIMEOUT_MS,
        .build = build,
        .fn = fn,
    };
    controller_call(call);
}

/* ---- Auto-creation --------------------------------------------------------------------------- */

struct topic_wish {
    struct list link; /* node_shard.wishes */
    struct controller_call call;
    struct arena arena;
    const struct create_topics_request *request;
    struct slice name;
};

static void wish_free(struct topic_wish *wish) {
    list_remove(&wish->link);
    arena_release(&wish->arena);
    free(wish);
}

static const void *build_wish(struct controller_call *call, int16_t version) {
    (void)version;
    return CONTAINER_OF(call, struct topic_wish, call)->request;
}

static void on_wish_answered(struct controller_call *call, enum kafka_error error, int16_t version,
                             const void *answer) {
    struct topic_wish *wish = CONTAINER_OF(call, struct topic_wish, call);
    const struct create_topics_response *response = answer;
    struct machine *machine = call->from->node->machine;
    struct slice reason = SLICE_LIT("");
    (void)version;
    if (error == ERROR_NONE && response->topics_count > 0) {
        error = (enum kafka_error)response->topics[0].error_code;
        reason = response->topics[0].error_message;
    }
    if (error == ERROR_NONE) {
        LOG_INFO(machine, "controller", "topic auto-created", "topic=%.*s", SLICE_ARG(wish->name));
    } else if (error != ERROR_TOPIC_ALREADY_EXISTS) {
        LOG_WARN(machine, "controller", "topic not auto-created",
                 "topic=%.*s error=%d reason=\"%.*s\"", SLICE_ARG(wish->name), error,
                 SLICE_ARG(reason));
    }
    wish_free(wish);
}

void controller_auto_create_topic(struct node_shard *from, struct slice name) {
    LIST_FOREACH(it, &from->wishes) {
        if (slice_equal(CONTAINER_OF(it, struct topic_wish, link)->name, name)) {
            return;
        }
    }
    if (image_topic_by_name(from->image, name) != NULL) {
        return;
    }
    struct topic_wish *wish = NEW(struct topic_wish);
    struct decision d;
    arena_init(&wish->arena, SIZE_MAX);
    wish_decision(from, &wish->arena, &d);
    wish->name = arena_dup(&wish->arena, name);
    wish->request = auto_create_request(&d, wish->name);
    list_append(&from->wishes, &wish->link);
    begin_call(&wish->call, from, build_wish, on_wish_answered);
}

void topic_wishes_free(struct node_shard *shard) {
    LIST_FOREACH_SAFE(it, &shard->wishes) {
        wish_free(CONTAINER_OF(it, struct topic_wish, link));
    }
}

/* ---- Configured topics ----------------------------------------------------------------------- */

struct topic_ensure {
    struct node *node;
    struct controller_call call;
    bool calling;
    bool warned;
    struct timer timer;
    struct arena arena;
    const struct create_topics_request *request;
    struct errmsg *errmsg;
    void (*done)(void *ctx, int result);
    void *ctx;
};

static void ensure_try(struct topic_ensure *ensure);

static void ensure_timer_fired(struct timer *timer) {
    ensure_try(CONTAINER_OF(timer, struct topic_ensure, timer));
}

struct topic_ensure *topic_ensure_new(struct node *node) {
    struct topic_ensure *ensure = NEW(struct topic_ensure);
    ensure->node = node;
    arena_init(&ensure->arena, SIZE_MAX);
    timer_init(&ensure->timer, node->shards[0].shard, ensure_timer_fired);
    return ensure;
}

void topic_ensure_free(struct topic_ensure *ensure) {
    if (ensure != NULL) {
        timer_stop(&ensure->timer);
        arena_release(&ensure->arena);
        free(ensure);
    }
}

void topic_ensure_stop(struct topic_ensure *ensure) {
    ensure->done = NULL;
    timer_stop(&ensure->timer);
}

static void ensure_end(struct topic_ensure *ensure, int result) {
    void (*done)(void *ctx, int result) = ensure->done;
    ensure->done = NULL;
    done(ensure->ctx, result);
}

/* Whether another try may go better: brokers are missing, or the controller. */
static bool may_come(enum kafka_error error) {
    return error == ERROR_INVALID_REPLICATION_FACTOR || error == ERROR_NOT_CONTROLLER ||
           error == ERROR_REQUEST_TIMED_OUT;
}

/* The first error that is one, or NONE. */
static enum kafka_error first_error(struct topic_ensure *ensure,
                                    const struct create_topics_response *response) {
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct create_topics_response_creatable_topic_result *topic = &response->topics[i];
        if (topic->error_code != ERROR_NONE && topic->error_code != ERROR_TOPIC_ALREADY_EXISTS) {
            errmsg_set(ensure->errmsg, "the configured topic '%.*s' cannot be created: %.*s",
                       SLICE_ARG(topic->name), SLICE_ARG(topic->error_message));
            return (enum kafka_error)topic->error_code;
        }
    }
    return ERROR_NONE;
}

static const void *build_ensure(struct controller_call *call, int16_t version) {
    (void)version;
    return CONTAINER_OF(call, struct topic_ensure, call)->request;
}

static void on_ensure_answered(struct controller_call *call, enum kafka_error error,
                               int16_t version, const void *answer) {
    struct topic_ensure *ensure = CONTAINER_OF(call, struct topic_ensure, call);
    struct machine *machine = ensure->node->machine;
    (void)version;
    ensure->calling = false;
    if (ensure->done == NULL) {
        return;
    }
    if (error == ERROR_NONE) {
        error = first_error(ensure, answer);
    } else {
        errmsg_set(ensure->errmsg,
                   "the configured topics cannot be created: the controller does "
                   "not answer (error %d)",
                   error);
    }
    if (error == ERROR_NONE) {
        LOG_INFO(machine, "controller", "configured topics created", "count=%d",
                 (int)ensure->request->topics_count);
        ensure_end(ensure, 0);
        return;
    }
    if (config_is_alone(ensure->node->config) || !may_come(error)) {
        ensure_end(ensure, -EINVAL);
        return;
    }
    if (!ensure->warned) {
        LOG_WARN(machine, "controller", "configured topics not created yet", "reason=\"%s\"",
                 ensure->errmsg->text);
        ensure->warned = true;
    }
    timer_start(&ensure->timer, ENSURE_RETRY_MS);
}

static void ensure_try(struct topic_ensure *ensure) {
    struct decision d;
    arena_reset(&ensure->arena);
    wish_decision(&ensure->node->shards[0], &ensure->arena, &d);
    ensure->request = configured_topics_request(&d);
    if (ensure->request == NULL) {
        ensure_end(ensure, 0);
        return;
    }
    ensure->calling = true;
    begin_call(&ensure->call, &ensure->node->shards[0], build_ensure, on_ensure_answered);
}

void topic_ensure_start(struct topic_ensure *ensure, struct errmsg *errmsg,
                        void (*done)(void *ctx, int result), void *ctx) {
    ensure->errmsg = errmsg;
    ensure->done = done;
    ensure->ctx = ctx;
    ensure_try(ensure);
}
