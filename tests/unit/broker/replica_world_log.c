/* Logs in memory, in the place of storage/: their syncs end when the test says so. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "replica_world.h"
#include "runtime/file.h"

struct log *world_make_log(int topic, int32_t index) {
    struct log *log = NEW(struct log);
    buffer_init(&log->bytes, (size_t)1 << 24);
    list_init(&log->waiters);
    log->file.refs = 1;
    log->epoch = -1;
    log->topic_id = world.topics[topic].id;
    snprintf(log->directory, sizeof(log->directory), "/data/%s-%d",
             (const char *)world.topics[topic].name.data, index);
    world.logs[topic][index] = log;
    return log;
}

void log_start_on(struct log *log, struct shard *shard) {
}

void log_free(struct log *log) {
    ASSERT(log->file.refs == 1);
    ASSERT(list_empty(&log->waiters) || !log->closed);
    for (int i = 0; i < WORLD_TOPICS; i++) {
        for (int j = 0; j < WORLD_PARTITIONS_MAX; j++) {
            if (world.logs[i][j] == log) {
                world.logs[i][j] = NULL;
            }
        }
    }
    buffer_release(&log->bytes);
    epochs_release(&log->epochs);
    free(log);
}

void log_close(struct log *log, bool clean, void (*closed)(struct log *log, int result, void *ctx),
               void *ctx) {
    while (!list_empty(&log->waiters)) {
        struct log_waiter *waiter = LIST_FIRST(&log->waiters, struct log_waiter, link);
        list_remove(&waiter->link);
        waiter->fn(waiter, -ECANCELED);
    }
    log->closed = true;
    closed(log, 0, ctx);
}

void log_set_config(struct log *log, const struct log_config *config) {
    log->config = *config;
}

const struct log_config *log_config(const struct log *log) {
    return &log->config;
}

const char *log_directory(const struct log *log) {
    return log->directory;
}

int64_t log_start_offset(const struct log *log) {
    return log->start;
}

int64_t log_high_watermark(const struct log *log) {
    return log->high_watermark;
}

int64_t log_end_offset(const struct log *log) {
    return log->end;
}

int64_t log_synced_end(const struct log *log) {
    return log->synced;
}

int64_t log_recovery_point(const struct log *log) {
    return log->synced;
}

int64_t log_last_stable_offset(const struct log *log) {
    return log->high_watermark;
}

int64_t log_bytes(const struct log *log) {
    return (int64_t)log->bytes.len;
}

void log_raise_high_watermark(struct log *log, int64_t offset) {
    ASSERT(offset <= log->end && offset >= log->high_watermark);
    log->high_watermark = offset;
}

static void assign_epoch(struct log *log, int32_t epoch) {
    epochs_assign(&log->epochs, epoch, log->end);
    log->epoch = epochs_latest(&log->epochs);
}

static int log_store(struct log *log, const uint8_t *data, size_t len) {
    ASSERT(!log->closed);
    if (world.append_result != 0) {
        return world.append_result;
    }
    struct batch batch;
    ASSERT(batch_parse(slice_make(data, len), &batch) == BATCH_OK);
    ASSERT(batch.base_offset == log->end);
    ASSERT(log->batch_count < (int)ARRAY_LEN(log->batches));
    assign_epoch(log, batch.partition_leader_epoch);
    log->batches[log->batch_count++] = (struct log_range){
        .pos = (int64_t)log->bytes.len,
        .len = len,
        .first_offset = log->end,
        .next_offset = batch_last_offset(&batch) + 1,
    };
    buffer_append(&log->bytes, data, len);
    log->end = batch_last_offset(&batch) + 1;
    return 0;
}

int log_append(struct log *log, uint8_t *data, const struct produce_verdict *verdict,
               int32_t leader_epoch, struct log_append *out) {
    *out = (struct log_append){.first_offset = -1, .append_time_ms = -1};
    out->error = world.append_error;
    if (out->error != ERROR_NONE) {
        return 0;
    }
    if (world.duplicate_of >= 0) {
        out->first_offset = out->last_offset = world.duplicate_of;
        out->duplicate = true;
        world.duplicate_of = -1;
        return 0;
    }
    batch_set_base_offset(data, log->end);
    batch_set_leader_epoch(data, leader_epoch);
    out->first_offset = log->end;
    int result = log_store(log, data, batch_size(&verdict->batch));
    out->last_offset = log->end - 1;
    return result;
}

int log_append_as_is(struct log *log, const uint8_t *data, size_t len) {
    for (size_t done = 0; done < len;) {
        struct batch batch;
        if (batch_parse(slice_make(data + done, len - done), &batch) != BATCH_OK ||
            batch.base_offset != log->end) {
            return -EINVAL;
        }
        int result = log_store(log, data + done, batch_size(&batch));
        if (result != 0) {
            return result;
        }
        done += batch_size(&batch);
    }
    return 0;
}

void log_when_synced(struct log *log, struct log_waiter *waiter, int64_t offset,
                     void (*fn)(struct log_waiter *waiter, int result)) {
    waiter->offset = offset;
    waiter->fn = fn;
    list_append(&log->waiters, &waiter->link);
}

void log_waiter_cancel(struct log_waiter *waiter) {
    list_remove(&waiter->link);
}

int log_read(struct log *log, int64_t offset, int64_t limit, size_t max_bytes, bool at_least_one,
             struct log_range *out) {
    log->reads++;
    *out = (struct log_range){.first_offset = offset, .next_offset = offset};
    if (offset < log->start || offset > log->end) {
        return -ERANGE;
    }
    for (int i = 0; i < log->batch_count; i++) {
        const struct log_range *batch = &log->batches[i];
        if (batch->next_offset <= offset || batch->next_offset > limit) {
            continue;
        }
        if (out->len + batch->len > max_bytes && !(at_least_one && out->len == 0)) {
            break;
        }
        if (out->len == 0) {
            out->pos = batch->pos;
            out->first_offset = batch->first_offset;
            out->file = file_ref(&log->file);
        }
        out->len += batch->len;
        out->next_offset = batch->next_offset;
    }
    return 0;
}

int log_aborted_transactions(struct log *log, int64_t offset, int64_t upper, struct arena *arena,
                             struct log_aborted **out, int *count) {
    *count = 0;
    return 0;
}

/* Timestamps are offsets here. */
static void lookup_run(struct work *work) {
}

static void lookup_finish(struct work *work) {
    struct log_lookup *lookup = CONTAINER_OF(work, struct log_lookup, work);
    lookup->fn(lookup, 0);
}

static void lookup_start(struct log *log, struct log_lookup *lookup, int64_t offset, int64_t limit,
                         void (*fn)(struct log_lookup *lookup, int result)) {
    bool found = offset < limit;
    lookup->fn = fn;
    lookup->found_offset = found ? offset : -1;
    lookup->found_timestamp = found ? offset : -1;
    lookup->found_epoch = found ? log->epoch : -1;
    work_submit(&world.machine.shards[0], &lookup->work, lookup_run, lookup_finish);
}

void log_find_timestamp(struct log *log, struct log_lookup *lookup, int64_t timestamp,
                        int64_t limit, void (*fn)(struct log_lookup *lookup, int result)) {
    lookup_start(log, lookup, timestamp, limit, fn);
}

void log_find_max_timestamp(struct log *log, struct log_lookup *lookup, int64_t limit,
                            void (*fn)(struct log_lookup *lookup, int result)) {
    lookup_start(log, lookup, limit - 1, limit, fn);
}

int log_assign_epoch(struct log *log, int32_t epoch) {
    assign_epoch(log, epoch);
    return 0;
}

int32_t log_latest_epoch(const struct log *log) {
    return log->epoch;
}

int32_t log_epoch_of_offset(const struct log *log, int64_t offset) {
    return epochs_of_offset(&log->epochs, offset);
}

void log_end_of_epoch(const struct log *log, int32_t epoch, int32_t *found_epoch,
                      int64_t *end_offset) {
    epochs_end_of(&log->epochs, epoch, log->end, found_epoch, end_offset);
}

int log_truncate(struct log *log, int64_t offset) {
    if (log->busy) {
        return -EBUSY;
    }
    while (log->batch_count > 0 && log->batches[log->batch_count - 1].next_offset > offset) {
        log->batch_count--;
        log->end = log->batches[log->batch_count].first_offset;
    }
    log->synced = log->synced < log->end ? log->synced : log->end;
    log->high_watermark = log->high_watermark < log->end ? log->high_watermark : log->end;
    epochs_cut_end(&log->epochs, log->end);
    log->epoch = epochs_latest(&log->epochs);
    log->truncations++;
    return 0;
}

int log_restart_at(struct log *log, int64_t offset) {
    log->batch_count = 0;
    log->start = log->end = log->synced = log->high_watermark = offset;
    epochs_cut_end(&log->epochs, 0);
    log->epoch = -1;
    return 0;
}

int log_raise_start(struct log *log, int64_t offset) {
    ASSERT(offset <= log->high_watermark);
    log->start = offset;
    return 0;
}

void log_apply_retention(struct log *log, int64_t now_ms) {
}

void log_expire_producers(struct log *log, int64_t now_ms) {
}

void log_producers(struct log *log, struct arena *arena, struct log_producer **out, int *count) {
    *out = ARENA_NEW(arena, struct log_producer);
    **out = (struct log_producer){.producer_id = 7, .current_txn_start_offset = -1};
    *count = 1;
}
