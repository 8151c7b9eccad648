/*
 * Start and stop are chains of steps on shard 0, each begun from the callback of the one before:
 *
 *   log dirs opened -> quorum joined, controller listeners opened -> caught up with the quorum ->
 *   logs loaded -> coordinators started on every shard -> broker registered -> unfenced ->
 *   listeners opened -> configured topics ensured
 *
 *   the controller lets the broker go -> listeners closed -> coordinators closed on every shard ->
 *   metadata log closed -> logs closed, checkpoints and clean-shutdown markers written
 *
 * A controller that is no broker has started when it has caught up. A step that fails ends the
 * start. What was opened until then is given up without I/O, as a crash would: the next start
 * recovers. Only a listener that cannot be opened is followed by a clean stop, since everything
 * else is in order then.
 *
 * Some steps wait for other nodes, perhaps for ever: they say so in the log, and a stop ends them.
 */
#include "broker/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/controller/controller.h"
#include "broker/controller/controller_brokers.h"
#include "broker/controller/controller_channel.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/topic_wish.h"
#include "broker/group/group.h"
#include "broker/lifecycle/controller_registration.h"
#include "broker/lifecycle/lifecycle.h"
#include "broker/metadata/image.h"
#include "broker/metrics/meters.h"
#include "broker/metrics/metrics.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/replica.h"
#include "broker/server/server.h"
#include "broker/telemetry/telemetry.h"
#include "raft/quorum.h"
#include "runtime/log.h"

/* A call on every shard, one after another, from shard 0 and back. */
struct round {
    struct post post;
    struct node *node;
    int next;
    void (*fn)(struct node_shard *shard);
    void (*done)(struct node *node);
};

enum node_step {
    STEP_DIRS,
    STEP_METADATA, /* waits for the quorum */
    STEP_LOGS,
    STEP_REGISTER, /* waits for the controller, as the next two */
    STEP_UNFENCE,
    STEP_TOPICS,
    STEP_RUNNING,
};

struct node_start {
    enum node_step step;
    struct errmsg errmsg;
    struct round round;
    struct timer patience; /* while a step waits for other nodes */
    struct topic_ensure *topics;
    int64_t began_ns;
    bool stopping; /* node_stop() was called */
    bool stop_begun;
    void (*started)(void *ctx, int exit_code);
    void *started_ctx;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* ---- Rounds ---------------------------------------------------------------------------------- */

static void round_end(struct post *post) {
    struct round *round = CONTAINER_OF(post, struct round, post);
    round->done(round->node);
}

static void round_step(struct post *post) {
    struct round *round = CONTAINER_OF(post, struct round, post);
    struct node *node = round->node;
    round->fn(&node->shards[round->next]);
    round->next++;
    if (round->next < node->shard_count) {
        shard_post(node->shards[round->next].shard, post, round_step);
    } else {
        shard_post(node->shards[0].shard, post, round_end);
    }
}

static void for_each_shard(struct node *node, void (*fn)(struct node_shard *shard),
                           void (*done)(struct node *node)) {
    struct round *round = &node->start->round;
    *round = (struct round){.node = node, .fn = fn, .done = done};
    round_step(&round->post);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void patience_fired(struct timer *timer);

struct node *node_new(struct machine *machine, const struct config *config) {
    struct node *node = NEW(struct node);
    node->machine = machine;
    node->config = config;
    node->id = (int32_t)config_int(config, CONFIG_NODE_ID);
    node->shard_count = machine_shard_count(machine);
    node->start = NEW(struct node_start);
    for (int i = 0; i < node->shard_count; i++) {
        struct node_shard *shard = &node->shards[i];
        shard->node = node;
        shard->shard = machine_shard(machine, i);
        shard->index = i;
        shard->image = image_new();
        list_init(&shard->wishes);
        shard->config = broker_config_new(config, node->id);
        shard->meters = meters_new();
        shard->replicas = replica_manager_new(shard);
        shard->groups = group_manager_new(shard);
    }
    node->controller = controller_new(node);
    node->controller_channel = controller_channel_new(node);
    node->lifecycle = lifecycle_new(node);
    node->controller_registration = controller_registration_new(node);
    node->start->topics = topic_ensure_new(node);
    timer_init(&node->start->patience, node->shards[0].shard, patience_fired);
    node->log_manager = log_manager_new(node);
    node->telemetry = telemetry_new(node);
    node->server = server_new(node);
    server_on_connection_closed(node->server, controller_broker_disconnected, node);
    node->metrics = metrics_new(node);
    return node;
}

void node_free(struct node *node) {
    if (node == NULL) {
        return;
    }
    metrics_free(node->metrics);
    for (int i = 0; i < node->shard_count; i++) {
        group_manager_free(node->shards[i].groups);
        replica_manager_free(node->shards[i].replicas);
    }
    log_manager_free(node->log_manager);
    timer_stop(&node->start->patience);
    topic_ensure_free(node->start->topics);
    controller_registration_free(node->controller_registration);
    lifecycle_free(node->lifecycle);
    controller_channel_free(node->controller_channel);
    controller_free(node->controller);
    for (int i = 0; i < node->shard_count; i++) {
        topic_wishes_free(&node->shards[i]);
        broker_config_free(node->shards[i].config);
        image_free(node->shards[i].image);
    }
    telemetry_free(node->telemetry);
    server_free(node->server); /* last: others wait with timers and links in requests' arenas */
    for (int i = 0; i < node->shard_count; i++) {
        meters_free(node->shards[i].meters);
    }
    free(node->start);
    free(node);
}

/* ---- Start ----------------------------------------------------------------------------------- */

/* How often a step that waits for other nodes says so. */
#define PATIENCE_MS 5000

static void stop_begin(struct node *node);

static void start_end(struct node *node, int exit_code) {
    timer_stop(&node->start->patience);
    node->start->started(node->start->started_ctx, exit_code);
}

/* Goes to the next step; false when a stop was asked for in this one, which then begins, and the
 * node stays in its step. */
static bool step_to(struct node *node, enum node_step step) {
    if (node->start->stopping) {
        stop_begin(node);
        return false;
    }
    node->start->step = step;
    return true;
}

/* Whether the step before failed; then the start has ended. */
static bool step_failed(struct node *node, int result, int exit_code) {
    if (result == 0) {
        return false;
    }
    struct errmsg *errmsg = &node->start->errmsg;
    LOG_ERROR(node->machine, "node", "start failed", "reason=\"%s\"",
              errmsg->text[0] != '\0' ? errmsg->text : strerror(-result));
    start_end(node, exit_code);
    return true;
}

static void patience_fired(struct timer *timer) {
    struct node_start *start = CONTAINER_OF(timer, struct node_start, patience);
    struct node *node = start->round.node;
    static const char *const waits[] = {
        [STEP_METADATA] = "the metadata quorum has no leader that this node can reach, or it has "
                          "not caught up with it",
        [STEP_REGISTER] = "the controller has not registered this broker",
        [STEP_UNFENCE] = "the controller has not unfenced this broker",
        [STEP_TOPICS] = "the configured topics cannot be created yet",
    };
    const struct quorum *quorum = controller_quorum(node);
    if (start->step == STEP_RUNNING || waits[start->step] == NULL || quorum == NULL) {
        return;
    }
    LOG_WARN(node->machine, "node", "the start waits",
             "reason=\"%s\" leader=%d epoch=%d waited_ms=%lld", waits[start->step],
             (int)quorum_leader(quorum), (int)quorum_epoch(quorum),
             (long long)((clock_now_ns(node->machine) - start->began_ns) / 1000000));
    timer_start(timer, PATIENCE_MS);
}

static void on_listener_failure_stopped(void *ctx) {
    struct node *node = ctx;
    start_end(node, NODE_EXIT_LISTENER);
}

/* Opens the listeners of one scope; where that fails, the start ends with a clean stop. */
static bool open_listeners(struct node *node, enum api_scope scope) {
    struct node_start *start = node->start;
    if (server_open(node->server, scope, &start->errmsg) == 0) {
        return true;
    }
    LOG_ERROR(node->machine, "node", "start failed", "reason=\"%s\"", start->errmsg.text);
    node_stop(node, on_listener_failure_stopped, node);
    return false;
}

static void running(struct node *node) {
    if (!step_to(node, STEP_RUNNING)) {
        return;
    }
    /* Kafka's words, as in lifecycle.c. */
    LOG_INFO(node->machine, "node", "Kafka Server started",
             "node_id=%d cluster_id=%s shards=%d took_ms=%lld", node->id, node->cluster_id,
             node->shard_count,
             (long long)((clock_now_ns(node->machine) - node->start->began_ns) / 1000000));
    start_end(node, NODE_EXIT_OK);
}

static void topics_ensured(void *ctx, int result) {
    struct node *node = ctx;
    if (node->start->step == STEP_RUNNING) {
        if (result != 0) {
            LOG_ERROR(node->machine, "node", "configured topics are missing", "reason=\"%s\"",
                      node->start->errmsg.text);
        }
    } else if (!step_failed(node, result, NODE_EXIT_METADATA)) {
        running(node);
    }
}

/* A node alone has its topics when it says that it has started. In a cluster they may have to wait
 * for brokers that start after this one. */
static void ensure_topics(struct node *node) {
    struct node_start *start = node->start;
    if (!config_is_alone(node->config)) {
        running(node);
    }
    if (!start->stopping) {
        topic_ensure_start(start->topics, &start->errmsg, topics_ensured, node);
    }
}

/* Not before this broker is unfenced: until then it would tell clients of a cluster without brokers
 * and without a controller, which some believe for half a minute. */
static void open_to_clients(void *ctx) {
    struct node *node = ctx;
    if (step_to(node, STEP_TOPICS) && open_listeners(node, API_SCOPE_BROKER)) {
        ensure_topics(node);
    }
}

static void unfence_broker(void *ctx, int result) {
    struct node *node = ctx;
    if (!step_failed(node, result, NODE_EXIT_METADATA) && step_to(node, STEP_UNFENCE)) {
        lifecycle_unfence(node->lifecycle, open_to_clients, node);
    }
}

static void register_broker(struct node *node) {
    if (step_to(node, STEP_REGISTER)) {
        log_manager_start(node->log_manager);
        lifecycle_register(node->lifecycle, &node->start->errmsg, unfence_broker, node);
    }
}

static void start_groups(struct node_shard *shard) {
    group_manager_start(shard->groups);
}

static void start_coordinators(void *ctx, int result) {
    struct node *node = ctx;
    if (!step_failed(node, result, NODE_EXIT_LOG_DIR)) {
        for_each_shard(node, start_groups, register_broker);
    }
}

static void load_logs(void *ctx, int result) {
    struct node *node = ctx;
    if (step_failed(node, result, NODE_EXIT_METADATA)) {
        return;
    }
    controller_registration_start(node->controller_registration);
    if (!config_is_broker(node->config)) {
        running(node);
    } else if (step_to(node, STEP_LOGS)) {
        log_manager_load(node->log_manager, &node->start->errmsg, start_coordinators, node);
    }
}

static void join_quorum(void *ctx, int result) {
    struct node *node = ctx;
    if (!step_failed(node, result, NODE_EXIT_LOG_DIR) && step_to(node, STEP_METADATA)) {
        timer_start(&node->start->patience, PATIENCE_MS);
        controller_start(node->controller, log_manager_metadata_dir(node->log_manager),
                         &node->start->errmsg, load_logs, node);
        (void)open_listeners(node, API_SCOPE_CONTROLLER);
    }
}

void node_start(struct node *node, void (*started)(void *ctx, int exit_code), void *ctx) {
    struct node_start *start = node->start;
    start->started = started;
    start->started_ctx = ctx;
    start->round.node = node;
    start->began_ns = clock_now_ns(node->machine);
    node->incarnation_id = random_uuid(node->machine);
    int failed = metrics_open(node->metrics, &start->errmsg);
    if (!step_failed(node, failed, NODE_EXIT_LISTENER)) {
        log_manager_open(node->log_manager, &start->errmsg, join_quorum, node);
    }
}

/* ---- Stop ------------------------------------------------------------------------------------ */

static void end_stop(void *ctx) {
    struct node *node = ctx;
    metrics_close(node->metrics);
    LOG_INFO(node->machine, "node", "stopped", "node_id=%d", node->id);
    node->start->stopped(node->start->stopped_ctx);
}

static void close_logs(void *ctx) {
    struct node *node = ctx;
    log_manager_stop(node->log_manager, end_stop, node);
}

static void close_metadata(struct node *node) {
    if (node->start->step >= STEP_METADATA) {
        controller_stop(node->controller, close_logs, node);
    } else {
        close_logs(node);
    }
}

static void close_groups(struct node_shard *shard) {
    group_manager_close(shard->groups);
}

static void close_coordinators(void *ctx) {
    struct node *node = ctx;
    lifecycle_stop(node->lifecycle);
    controller_registration_stop(node->controller_registration);
    topic_ensure_stop(node->start->topics);
    controller_channel_close(node->controller_channel);
    for_each_shard(node, close_groups, close_metadata);
}

static void close_listeners(void *ctx) {
    struct node *node = ctx;
    server_close(node->server, close_coordinators, node);
}

static void stop_begin(struct node *node) {
    if (node->start->stop_begun) {
        return;
    }
    node->start->stop_begun = true;
    timer_stop(&node->start->patience);
    lifecycle_shut_down(node->lifecycle, close_listeners, node);
}

void node_stop(struct node *node, void (*stopped)(void *ctx), void *ctx) {
    struct node_start *start = node->start;
    if (start->stopping) {
        return;
    }
    start->stopping = true;
    start->stopped = stopped;
    start->stopped_ctx = ctx;
    LOG_INFO(node->machine, "node", "stopping", "node_id=%d", node->id);
    if (start->step != STEP_DIRS && start->step != STEP_LOGS) {
        stop_begin(node); /* those two end by themselves, and then go here */
    }
}

const char *node_not_running(const struct node *node) {
    static const char *const steps[] = {
        [STEP_DIRS] = "the log directories are being opened",
        [STEP_METADATA] = "waiting for the metadata quorum",
        [STEP_LOGS] = "the logs of the partitions are being loaded",
        [STEP_REGISTER] = "waiting for the controller to register this broker",
        [STEP_UNFENCE] = "waiting for the controller to unfence this broker",
        [STEP_TOPICS] = "the configured topics are being created",
        [STEP_RUNNING] = NULL,
    };
    return node->start->stopping ? "the node is stopping" : steps[node->start->step];
}

void node_fail(struct node *node, const char *reason) {
    LOG_ERROR(node->machine, "node", "cannot go on", "reason=\"%s\"", reason);
    machine_set_exit_code(node->machine, NODE_EXIT_FAILED);
    machine_stop(node->machine);
}

/* ---- While running --------------------------------------------------------------------------- */

static bool brokers_changed(const struct image_delta *delta) {
    for (int i = 0; i < delta->count; i++) {
        if (delta->changes[i].kind == IMAGE_BROKERS_CHANGED) {
            return true;
        }
    }
    return false;
}

void node_shard_apply(struct node_shard *shard, const struct image_delta *delta) {
    for (int i = 0; i < delta->count; i++) {
        const struct image_change *change = &delta->changes[i];
        if (change->kind == IMAGE_CONFIG_CHANGED && change->config_type == CONFIG_RESOURCE_BROKER) {
            broker_config_apply(shard->config, shard->image);
            if (shard->index == 0) {
                server_config_changed(shard->node->server);
            }
            break;
        }
    }
    replica_manager_apply(shard->replicas, delta);
    group_manager_apply(shard->groups, delta);
    meters_apply(shard->meters, delta);
    if (shard->index == 0) {
        telemetry_apply(shard->node->telemetry, delta);
    }
    if (shard->index == 0 && brokers_changed(delta)) {
        lifecycle_brokers_changed(shard->node->lifecycle);
    }
}

void node_controller_changed(struct node *node) {
    controller_channel_leader_changed(node->controller_channel);
    lifecycle_controller_changed(node->lifecycle);
}

int node_listener_port(const struct node *node, const char *listener_name) {
    return server_listener_port(node->server, listener_name);
}

int node_partition_shard(const struct node *node, struct uuid topic_id, int32_t partition) {
    return (int)(hash_combine(uuid_hash(topic_id), (uint64_t)(uint32_t)partition) %
                 (uint64_t)node->shard_count);
}
