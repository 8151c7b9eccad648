/*
 * The controller: what the quorum tells, and the loop from decision to answer.
 *
 *   decide on the controller's image -> propose (append) -> apply to the controller's image
 *       ... synced on a majority: committed ...
 *   apply on every shard -> all shards told -> answer
 *
 * The controller's image is ahead of the shards' by what is not committed yet. So the next decision
 * does not wait for the disk, and many decisions share one sync, while nobody outside sees anything
 * that a crash, or another leader, could take back. It exists only while this node leads: made from
 * the committed image of shard 0 when leadership begins, dropped when it is lost, and who waits for
 * records that were not told as committed is told that this is the wrong controller.
 *
 * Start: what the quorum tells until this node has caught up is collected in one image, which then
 * fills the shards'. From then on each committed batch goes to the shards, whoever leads.
 */
#include "broker/controller/controller.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/controller/controller_channel.h"
#include "broker/controller/controller_internal.h"
#include "broker/controller/partition_change.h"
#include "broker/metadata/features.h"
#include "broker/metadata/image_write.h"
#include "broker/node.h"
#include "broker/quorum/quorum_requests.h"
#include "protocol/generated/abort_transaction_record.h"
#include "protocol/message.h"
#include "runtime/log.h"

struct controller *controller_new(struct node *node) {
    struct controller *controller = NEW(struct controller);
    controller->node = node;
    controller->image = image_new();
    controller->image->remember_removed = true; /* until the logs are loaded */
    controller->last_leader = -1;
    controller->committed = -1;
    controller->applied = -1;
    list_init(&controller->ops);
    list_init(&controller->applies);
    list_init(&controller->producer_id_waiters);
    controller->brokers = controller_brokers_new(controller);
    return controller;
}

void controller_free(struct controller *controller) {
    if (controller == NULL) {
        return;
    }
    controller_applies_free(controller);
    controller_ids_free(controller);
    controller_brokers_free(controller->brokers);
    metadata_log_free(controller->quorum);
    image_free(controller->image);
    free(controller);
}

/* ---- Deciding -------------------------------------------------------------------------------- */

void decision_init(struct controller *controller, struct decision *d, struct arena *arena) {
    const struct node *node = controller->node;
    const struct image *image = controller->active ? controller->image : node->shards[0].image;
    *d = (struct decision){
        .image = image,
        .config = node->config,
        .broker = node->shards[0].config,
        .machine = node->machine,
        .sessions = controller_brokers_sessions(controller->brokers),
        .cluster_id = slice_str(node->cluster_id),
        .now_ms = shard_now_ms(node->shards[0].shard),
        .node_id = node->id,
        .metadata_version = image_feature_level(image, FEATURE_METADATA_VERSION),
        .kraft_version = metadata_log_kraft_version(controller->quorum),
        .next_offset = controller->active ? quorum_end_offset(controller->quorum) : -1,
        .arena = arena,
    };
    if (controller->active && d->kraft_version == 0) {
        d->kraft_upgrade_refusal = quorum_upgrade_refusal(controller->quorum);
    }
    record_list_init(&d->records, arena);
}

static enum kafka_error propose(struct controller *controller, const struct decision *d,
                                int64_t *last_offset) {
    int64_t base_offset;
    int result =
        quorum_propose(controller->quorum, d->records.values, d->records.count, &base_offset);
    if (result != 0) {
        return result == -EAGAIN ? ERROR_NOT_CONTROLLER : ERROR_UNKNOWN_SERVER_ERROR;
    }
    for (int i = 0; i < d->records.count; i++) {
        bool ok = image_apply(controller->image, d->records.values[i], NULL);
        ASSERT(ok);
    }
    *last_offset = base_offset + d->records.count - 1;
    controller->image->offset = *last_offset;
    return ERROR_NONE;
}

enum kafka_error controller_submit(struct controller *controller, struct decision *d,
                                   struct controller_op *op,
                                   void (*fn)(struct controller_op *op, enum kafka_error error)) {
    if (!controller->active) {
        return ERROR_NOT_CONTROLLER;
    }
    op->fn = fn;
    op->last_offset = quorum_end_offset(controller->quorum) - 1;
    if (d->records.count > 0) {
        enum kafka_error error = propose(controller, d, &op->last_offset);
        if (error != ERROR_NONE) {
            return error;
        }
        controller->unclean_elections += (uint64_t)d->unclean_elections;
    }
    if (d->kraft_upgrade) {
        enum kafka_error error = quorum_upgrade(controller->quorum);
        if (error != ERROR_NONE) {
            return error == ERROR_NOT_LEADER_OR_FOLLOWER ? ERROR_NOT_CONTROLLER : error;
        }
        op->last_offset = quorum_end_offset(controller->quorum) - 1;
    }
    if (op->last_offset <= controller->applied) {
        op->fn(op, ERROR_NONE);
    } else {
        list_append(&controller->ops, &op->link);
    }
    return ERROR_NONE;
}

/* ---- What the quorum tells ------------------------------------------------------------------- */

/* Before this node has caught up, everything told is old: it only builds the image. */
static void replay(struct controller *controller, struct quorum_batch *batch) {
    if (batch->snapshot && controller->image->offset >= 0) {
        image_free(controller->image);
        controller->image = image_new();
        controller->image->remember_removed = true;
    }
    for (int i = 0; i < batch->count && !controller->replay_failed; i++) {
        if (!image_apply(controller->image, batch->values[i], NULL)) {
            controller->replay_failed = true;
            controller_explain_record(batch->values[i], batch->base_offset + i,
                                      &controller->replay_errmsg);
        }
    }
    controller->image->offset = batch->last_offset;
    controller->image->epoch = batch->epoch;
    controller->image->kraft_version = batch->kraft_version;
    quorum_batch_free(batch);
}

static void arm_snapshot_timer(struct controller *controller) {
    int64_t interval_ms =
        config_int(controller->node->config, CONFIG_METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS);
    if (interval_ms > 0) {
        timer_start(&controller->snapshot_timer, interval_ms);
    }
}

static void write_snapshot(struct controller *controller) {
    const struct image *committed = controller->node->shards[0].image;
    arm_snapshot_timer(controller);
    if (committed->in_transaction) {
        return;
    }
    struct arena arena;
    struct record_list values;
    arena_init(&arena, SIZE_MAX);
    record_list_init(&values, &arena);
    image_write(committed, &values);
    metadata_log_snapshot(controller->quorum, &values, committed->offset, committed->epoch);
    arena_release(&arena);
}

static void on_snapshot_timer(struct timer *timer) {
    struct controller *controller = CONTAINER_OF(timer, struct controller, snapshot_timer);
    if (metadata_log_bytes_since_snapshot(controller->quorum) > 0) {
        write_snapshot(controller);
    }
    arm_snapshot_timer(controller);
}

static void on_committed(void *ctx, struct quorum_batch *batch) {
    struct controller *controller = ctx;
    controller->committed = batch->last_offset;
    if (!controller->caught_up) {
        replay(controller, batch);
        return;
    }
    if (!controller->active) {
        image_free(controller->image); /* falls behind from now on */
        controller->image = NULL;
    }
    controller_apply(controller, batch);
    if (metadata_log_bytes_since_snapshot(controller->quorum) >
        config_int(controller->node->config,
                   CONFIG_METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS)) {
        write_snapshot(controller);
    }
}

/* A copy of the committed image. Records of an open transaction are not in it; its end is decided
 * by who makes the copy. */
static struct image *copy_committed(const struct controller *controller) {
    const struct image *committed = controller->node->shards[0].image;
    struct image *copy = image_new();
    struct arena arena;
    struct record_list values;
    arena_init(&arena, SIZE_MAX);
    record_list_init(&values, &arena);
    image_write(committed, &values);
    for (int i = 0; i < values.count; i++) {
        bool ok = image_apply(copy, values.values[i], NULL);
        ASSERT(ok);
    }
    arena_release(&arena);
    copy->offset = committed->offset;
    copy->epoch = committed->epoch;
    return copy;
}

static void propose_first(struct controller *controller, const struct decision *d) {
    int64_t last_offset;
    if (d->records.count > 0 && propose(controller, d, &last_offset) != ERROR_NONE) {
        LOG_ERROR(controller->node->machine, "controller", "the first records were not proposed",
                  "count=%d", d->records.count);
    }
}

/*
 * What a new leader writes before anything else: the end of the transaction that the leader before
 * has left open, which nobody else will end; and as the first leader ever, what the directory was
 * formatted with.
 */
static void open_term(struct controller *controller) {
    struct arena arena;
    struct decision d;
    arena_init(&arena, SIZE_MAX);
    decision_init(controller, &d, &arena);
    if (controller->node->shards[0].image->in_transaction) {
        struct abort_transaction_record record;
        message_init(&abort_transaction_record_desc, &record);
        record.reason = SLICE_LIT("the leader that began it is gone");
        record_list_add(&d.records, RECORD_ABORT_TRANSACTION, 0, &abort_transaction_record_desc,
                        &record);
    }
    if (d.metadata_version == 0) {
        const struct slice *values;
        int count;
        metadata_log_bootstrap(controller->quorum, &values, &count);
        for (int i = 0; i < count; i++) {
            record_list_add_value(&d.records, values[i]);
        }
    }
    propose_first(controller, &d);
    if (elr_enabled(controller->image)) {
        decision_init(controller, &d, &arena);
        add_elr_records(&d);
        propose_first(controller, &d);
    }
    arena_release(&arena);
}

static void on_leading(void *ctx, int32_t epoch) {
    struct controller *controller = ctx;
    if (controller->replay_failed || controller->stopping) {
        return;
    }
    if (controller->image == NULL) {
        controller->image = copy_committed(controller);
    }
    controller->active = true;
    LOG_INFO(controller->node->machine, "controller", "leading",
             "epoch=%" PRId32 " offset=%" PRId64, epoch, controller->image->offset);
    open_term(controller);
    controller_brokers_begin(controller->brokers, controller->last_leader);
    controller->last_leader = -1;
}

static void on_lost(void *ctx) {
    struct controller *controller = ctx;
    if (!controller->active) {
        return;
    }
    controller->active = false;
    controller_brokers_end(controller->brokers);
    image_free(controller->image);
    controller->image = NULL;
    LOG_INFO(controller->node->machine, "controller", "leads no more", "committed=%" PRId64,
             controller->committed);
    controller_ops_lost(controller);
}

static void on_leader_changed(void *ctx, int32_t leader_id, int32_t epoch) {
    struct controller *controller = ctx;
    LOG_INFO(controller->node->machine, "controller", "leader of the metadata quorum",
             "leader=%" PRId32 " epoch=%" PRId32, leader_id, epoch);
    if (leader_id >= 0 && leader_id != controller->node->id) {
        controller->last_leader = leader_id;
    }
    node_controller_changed(controller->node);
}

static void on_failed(void *ctx, int error) {
    struct controller *controller = ctx;
    LOG_ERROR(controller->node->machine, "controller", "metadata log failed", "reason=\"%s\"",
              strerror(-error));
    node_fail(controller->node, "the metadata log cannot be written");
}

/* ---- Start ----------------------------------------------------------------------------------- */

static void start_end(struct controller *controller, int result) {
    controller->starting = false;
    if (!controller->stopping) {
        controller->done(controller->ctx, result);
    }
}

static void filled(struct controller_op *op, enum kafka_error error) {
    (void)error; /* what was told as committed is not lost */
    start_end(CONTAINER_OF(op, struct controller, step), 0);
}

/* The shards begin with the image as it was replayed. */
static void fill_shards(struct controller *controller) {
    struct image *first = controller->node->shards[0].image;
    struct quorum_batch *batch = NEW(struct quorum_batch);
    struct record_list values;
    arena_init(&batch->arena, SIZE_MAX);
    record_list_init(&values, &batch->arena);
    image_write(controller->image, &values);
    image_write_pending(controller->image, &values);
    batch->values = values.values;
    batch->count = values.count;
    batch->last_offset = controller->image->offset;
    batch->epoch = controller->image->epoch;
    batch->kraft_version = controller->image->kraft_version;
    image_remember_removed(first);
    image_take_removed(first, controller->image);
    controller_apply(controller, batch);
}

static int check_replayed(struct controller *controller) {
    int16_t level = image_feature_level(controller->image, FEATURE_METADATA_VERSION);
    if (controller->replay_failed) {
        errmsg_set(controller->errmsg, "%s", controller->replay_errmsg.text);
        return -EUCLEAN;
    }
    if (level > METADATA_VERSION_LATEST) {
        errmsg_set(controller->errmsg,
                   "the cluster has metadata.version %d; this release knows it up to %d", level,
                   METADATA_VERSION_LATEST);
        return -EINVAL;
    }
    return 0;
}

/* Goes on when both are true, in whatever order they came: the log is open, and caught up. */
static void go_on(struct controller *controller) {
    if (!controller->opened || !controller->caught_up || !controller->starting) {
        return;
    }
    int result = check_replayed(controller);
    if (result != 0) {
        start_end(controller, result);
        return;
    }
    controller->step.fn = filled;
    controller->step.last_offset = controller->node->shards[0].image->offset;
    if (controller->step.last_offset <= controller->applied) {
        start_end(controller, 0);
    } else {
        list_prepend(&controller->ops, &controller->step.link);
    }
}

static void on_caught_up(void *ctx) {
    struct controller *controller = ctx;
    controller->caught_up = true;
    if (!controller->replay_failed) {
        fill_shards(controller);
        timer_init(&controller->snapshot_timer, controller->node->shards[0].shard,
                   on_snapshot_timer);
        arm_snapshot_timer(controller);
    }
    go_on(controller);
}

static void on_opened(void *ctx, int result) {
    struct controller *controller = ctx;
    if (controller->stopping) {
        return;
    }
    if (result != 0) {
        start_end(controller, result);
        return;
    }
    controller->opened = true;
    go_on(controller);
}

void controller_start(struct controller *controller, const char *metadata_dir,
                      struct errmsg *errmsg, void (*done)(void *ctx, int result), void *ctx) {
    controller->errmsg = errmsg;
    controller->done = done;
    controller->ctx = ctx;
    controller->starting = true;
    struct metadata_log_options options = {
        .shard = controller->node->shards[0].shard,
        .node_shard = &controller->node->shards[0],
        .config = controller->node->config,
        .node_id = controller->node->id,
        .metadata_dir = metadata_dir,
        .client = {.committed = on_committed,
                   .caught_up = on_caught_up,
                   .leading = on_leading,
                   .lost = on_lost,
                   .leader_changed = on_leader_changed,
                   .failed = on_failed,
                   .ctx = controller},
    };
    controller->quorum = metadata_log_open(&options, errmsg, on_opened, controller);
}

/* ---- Stop ------------------------------------------------------------------------------------ */

static void on_closed(void *ctx) {
    struct controller *controller = ctx;
    controller->stopped(controller->ctx);
}

void controller_stop(struct controller *controller, void (*done)(void *ctx), void *ctx) {
    controller->active = false;
    controller_brokers_end(controller->brokers);
    if (controller->caught_up && !controller->replay_failed) {
        timer_stop(&controller->snapshot_timer);
    }
    controller->stopping = true;
    controller->stopped = done;
    controller->ctx = ctx;
    metadata_log_close(controller->quorum, on_closed, controller);
}

int64_t controller_applied_offset(const struct controller *controller) {
    return controller->applied;
}

bool controller_active(const struct controller *controller) {
    return controller->active;
}

uint64_t controller_unclean_elections(const struct controller *controller) {
    return controller->unclean_elections;
}
