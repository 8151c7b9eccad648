/*
 * The quorum of one: proposals are appended to the log and told as committed when they are synced.
 *
 * Group commit: at most one wait for the disk is under way. What is proposed meanwhile is covered
 * by the next one, so that any number of proposals costs at most two syncs one after another.
 *
 * A failed append or sync fails the log for good (storage/log.h); the client is told and ends the
 * process, because what the quorum promised can no longer be kept.
 */
#include "broker/quorum/metadata_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "broker/quorum/metadata_log_internal.h"
#include "runtime/log.h"

static void wait_for_sync(struct quorum *quorum);

static void fail(struct quorum *quorum, int error) {
    if (!quorum->failed) {
        quorum->failed = true;
        quorum->client.failed(quorum->client.ctx, error);
    }
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void deliver(struct quorum *quorum, struct quorum_batch *batch) {
    quorum->last_timestamp_ms = batch->timestamp_ms;
    quorum->client.committed(quorum->client.ctx, batch);
}

static void deliver_snapshot(struct quorum *quorum) {
    struct quorum_batch *batch = NEW(struct quorum_batch);
    arena_init(&batch->arena, SIZE_MAX);
    struct record_list values;
    record_list_init(&values, &batch->arena);
    for (int i = 0; i < quorum->snapshot_values.count; i++) {
        record_list_add_value(&values, quorum->snapshot_values.values[i]);
    }
    batch->values = values.values;
    batch->count = values.count;
    batch->last_offset = quorum->snapshots.latest.end_offset - 1;
    batch->epoch = quorum->snapshots.latest.epoch;
    batch->snapshot = true;
    batch->timestamp_ms = quorum->snapshot_timestamp_ms;
    deliver(quorum, batch);
}

static bool deliver_stored(struct quorum *quorum, struct slice bytes, const struct batch *header) {
    struct quorum_batch *batch = NEW(struct quorum_batch);
    arena_init(&batch->arena, SIZE_MAX);
    struct record_list values;
    record_list_init(&values, &batch->arena);
    bool control = (header->attributes & BATCH_ATTR_CONTROL) != 0;
    if (!control && !metadata_values_read(bytes, header, &values)) {
        quorum_batch_free(batch);
        return false;
    }
    batch->values = values.values;
    batch->count = values.count;
    batch->base_offset = header->base_offset;
    batch->last_offset = batch_last_offset(header);
    batch->epoch = header->partition_leader_epoch;
    batch->timestamp_ms = header->max_timestamp;
    deliver(quorum, batch);
    return true;
}

static void opened(struct quorum *quorum, int result) {
    record_list_init(&quorum->snapshot_values, &quorum->arena);
    quorum->errmsg = NULL;
    quorum->done(quorum->ctx, result);
}

/* The first batch of the epoch is durable, and with it everything before. */
static void on_elected(struct log_waiter *waiter, int result) {
    struct quorum *quorum = CONTAINER_OF(waiter, struct quorum, waiter);
    quorum->waiting = false;
    if (result != 0) {
        errmsg_set(quorum->errmsg, "cannot sync the metadata log %s: %s", quorum->dir,
                   strerror(-result));
        opened(quorum, result);
        return;
    }
    quorum->high_watermark = quorum->wait_offset;
    log_raise_high_watermark(quorum->log, quorum->high_watermark);
    int64_t from = log_start_offset(quorum->log);
    if (quorum->snapshots.found) {
        deliver_snapshot(quorum);
        from = quorum->snapshots.latest.end_offset;
    }
    result = metadata_log_scan(quorum, from, deliver_stored);
    if (result == 0) {
        quorum->leading = true;
        quorum->client.caught_up(quorum->client.ctx);
        quorum->client.leading(quorum->client.ctx, quorum->epoch);
    }
    opened(quorum, result);
}

static int append_leader_change(struct quorum *quorum) {
    struct metadata_control_batch batch = {
        .base_offset = log_end_offset(quorum->log),
        .epoch = quorum->epoch,
        .timestamp_ms = clock_wall_ms(quorum->machine),
        .type = CONTROL_LEADER_CHANGE,
        .voters = quorum->announce_voters,
        .voter = &quorum->voter,
    };
    struct buffer bytes;
    buffer_init(&bytes, METADATA_BATCH_MAX);
    (void)metadata_control_build(&batch, &bytes);
    int result = log_append_as_is(quorum->log, bytes.data, bytes.len);
    buffer_release(&bytes);
    return result;
}

static void on_loaded(struct work *work) {
    struct quorum *quorum = CONTAINER_OF(work, struct quorum, work);
    if (quorum->result != 0) {
        opened(quorum, quorum->result);
        return;
    }
    log_start_on(quorum->log, quorum->shard);
    int result = append_leader_change(quorum);
    if (result != 0) {
        errmsg_set(quorum->errmsg, "cannot write the metadata log %s: %s", quorum->dir,
                   strerror(-result));
        opened(quorum, result);
        return;
    }
    quorum->wait_offset = log_end_offset(quorum->log);
    quorum->waiting = true;
    log_when_synced(quorum->log, &quorum->waiter, quorum->wait_offset, on_elected);
}

struct quorum *metadata_log_open(const struct metadata_log_options *options, struct errmsg *errmsg,
                                 void (*done)(void *ctx, int result), void *ctx) {
    struct quorum *quorum = NEW(struct quorum);
    quorum->shard = options->shard;
    quorum->machine = shard_machine(options->shard);
    quorum->config = options->config;
    quorum->client = options->client;
    quorum->metadata_dir = xstrdup(options->metadata_dir);
    int len = asprintf(&quorum->dir, "%s/__cluster_metadata-0", options->metadata_dir);
    ASSERT(len >= 0);
    quorum->voter.id = options->node_id;
    quorum->control = METADATA_CONTROL_NONE;
    list_init(&quorum->inflight);
    buffer_init(&quorum->snapshot.bytes, SIZE_MAX);
    quorum->snapshot.quorum = quorum;
    arena_init(&quorum->arena, SIZE_MAX);
    record_list_init(&quorum->snapshot_values, &quorum->arena);
    record_list_init(&quorum->bootstrap_values, &quorum->arena);
    quorum->errmsg = errmsg;
    if (errmsg != NULL) {
        errmsg->text[0] = '\0';
    }
    quorum->done = done;
    quorum->ctx = ctx;
    work_submit(quorum->shard, &quorum->work, metadata_log_open_run, on_loaded);
    return quorum;
}

/* ---- Proposing ------------------------------------------------------------------------------- */

static struct quorum_batch *remember(const struct slice *values, int count, int64_t base_offset) {
    struct quorum_batch *batch = NEW(struct quorum_batch);
    arena_init(&batch->arena, SIZE_MAX);
    batch->values = (struct slice *)arena_array(&batch->arena, (size_t)count, sizeof(struct slice));
    for (int i = 0; i < count; i++) {
        batch->values[i] = arena_dup(&batch->arena, values[i]);
    }
    batch->count = count;
    batch->base_offset = base_offset;
    batch->last_offset = base_offset + count - 1;
    return batch;
}

int quorum_propose(struct quorum *quorum, const struct slice *values, int count,
                   int64_t *base_offset) {
    ASSERT(count > 0);
    if (!quorum->leading || quorum->failed) {
        return -EAGAIN;
    }
    int64_t now_ms = clock_wall_ms(quorum->machine);
    struct buffer bytes;
    buffer_init(&bytes, METADATA_BATCH_MAX + 4096);
    *base_offset = log_end_offset(quorum->log);
    int result = metadata_values_build(values, count, *base_offset, quorum->epoch, now_ms, &bytes)
                     ? 0
                     : -EMSGSIZE;
    if (result == 0) {
        result = log_append_as_is(quorum->log, bytes.data, bytes.len);
        if (result != 0) {
            fail(quorum, result);
        }
    }
    if (result == 0) {
        struct quorum_batch *batch = remember(values, count, *base_offset);
        batch->epoch = quorum->epoch;
        batch->timestamp_ms = now_ms;
        list_append(&quorum->inflight, &batch->link);
        quorum->bytes_since_snapshot += (int64_t)bytes.len;
        wait_for_sync(quorum);
    }
    buffer_release(&bytes);
    return result;
}

static void on_synced(struct log_waiter *waiter, int result) {
    struct quorum *quorum = CONTAINER_OF(waiter, struct quorum, waiter);
    quorum->waiting = false;
    if (result != 0) {
        if (result != -ECANCELED) {
            fail(quorum, result);
        }
        return;
    }
    quorum->high_watermark = quorum->wait_offset;
    log_raise_high_watermark(quorum->log, quorum->high_watermark);
    wait_for_sync(quorum);
    while (!list_empty(&quorum->inflight)) {
        struct quorum_batch *batch = LIST_FIRST(&quorum->inflight, struct quorum_batch, link);
        if (batch->last_offset >= quorum->high_watermark) {
            break;
        }
        list_remove(&batch->link);
        deliver(quorum, batch);
    }
}

static void wait_for_sync(struct quorum *quorum) {
    int64_t end = log_end_offset(quorum->log);
    if (quorum->waiting || quorum->failed || end <= quorum->high_watermark) {
        return;
    }
    quorum->waiting = true;
    quorum->wait_offset = end;
    log_when_synced(quorum->log, &quorum->waiter, end, on_synced);
}

int64_t quorum_end_offset(const struct quorum *quorum) {
    return log_end_offset(quorum->log);
}

int64_t quorum_high_watermark(const struct quorum *quorum) {
    return quorum->high_watermark;
}

int32_t quorum_leader(const struct quorum *quorum) {
    return quorum->leading ? quorum->voter.id : -1;
}

int32_t quorum_epoch(const struct quorum *quorum) {
    return quorum->epoch;
}

void metadata_log_bootstrap(const struct quorum *quorum, const struct slice **values, int *count) {
    *values = quorum->bootstrap_values.values;
    *count = quorum->bootstrap_values.count;
}

struct uuid metadata_log_directory_id(const struct quorum *quorum) {
    return quorum->voter.directory_id;
}

int16_t metadata_log_kraft_version(const struct quorum *quorum) {
    return quorum->kraft_version;
}

/* ---- Snapshots ------------------------------------------------------------------------------- */

int64_t metadata_log_bytes_since_snapshot(const struct quorum *quorum) {
    return quorum->bytes_since_snapshot;
}

static void snapshot_run(struct work *work) {
    struct snapshot_work *snapshot = CONTAINER_OF(work, struct snapshot_work, work);
    struct quorum *quorum = snapshot->quorum;
    snapshot->result =
        snapshot_write(quorum->machine, quorum->dir, snapshot->id, buffer_slice(&snapshot->bytes));
    if (snapshot->result == 0) {
        snapshot->result =
            snapshot_remove_below(quorum->machine, quorum->dir, snapshot->id.end_offset);
    }
}

static void on_closed(struct log *log, int result, void *ctx);

static void snapshot_done(struct work *work) {
    struct snapshot_work *snapshot = CONTAINER_OF(work, struct snapshot_work, work);
    struct quorum *quorum = snapshot->quorum;
    int result = snapshot->result;
    snapshot->running = false;
    buffer_release(&snapshot->bytes);
    if (result == 0 && !quorum->failed) {
        result = log_raise_start(quorum->log, snapshot->id.end_offset);
    }
    if (result == 0) {
        LOG_INFO(quorum->machine, "controller", "snapshot written",
                 "end_offset=%" PRId64 " epoch=%" PRId32, snapshot->id.end_offset,
                 snapshot->id.epoch);
    } else {
        LOG_ERROR(quorum->machine, "controller", "snapshot failed", "dir=%s reason=\"%s\"",
                  quorum->dir, strerror(-result));
    }
    if (quorum->closed != NULL) {
        log_close(quorum->log, true, on_closed, quorum);
    }
}

void metadata_log_snapshot(struct quorum *quorum, const struct record_list *values,
                           int64_t last_offset, int32_t epoch) {
    struct snapshot_work *snapshot = &quorum->snapshot;
    if (snapshot->running || quorum->failed) {
        return;
    }
    ASSERT(last_offset < quorum->high_watermark);
    snapshot->running = true;
    snapshot->id = (struct snapshot_id){last_offset + 1, epoch};
    quorum->bytes_since_snapshot = 0;
    buffer_reset(&snapshot->bytes);
    snapshot_build(values->values, values->count, snapshot->id, quorum->last_timestamp_ms,
                   quorum->kraft_version == 1, &quorum->voter, &snapshot->bytes);
    work_submit(quorum->shard, &snapshot->work, snapshot_run, snapshot_done);
}

/* ---- Closing --------------------------------------------------------------------------------- */

static void on_closed(struct log *log, int result, void *ctx) {
    struct quorum *quorum = (struct quorum *)ctx;
    (void)log;
    if (result != 0) {
        LOG_ERROR(quorum->machine, "controller", "metadata log not closed cleanly",
                  "dir=%s reason=\"%s\"", quorum->dir, strerror(-result));
    }
    quorum->closed(quorum->ctx);
}

void metadata_log_close(struct quorum *quorum, void (*done)(void *ctx), void *ctx) {
    quorum->leading = false;
    quorum->closed = done;
    quorum->ctx = ctx;
    if (!quorum->snapshot.running) {
        log_close(quorum->log, true, on_closed, quorum);
    }
}

void metadata_log_free(struct quorum *quorum) {
    if (quorum == NULL) {
        return;
    }
    LIST_FOREACH_SAFE(it, &quorum->inflight) {
        quorum_batch_free(CONTAINER_OF(it, struct quorum_batch, link));
    }
    if (quorum->log != NULL) {
        log_free(quorum->log);
    }
    buffer_release(&quorum->snapshot.bytes);
    arena_release(&quorum->arena);
    free(quorum->metadata_dir);
    free(quorum->dir);
    free(quorum);
}
