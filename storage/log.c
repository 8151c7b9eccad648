/*
 * A log's life and its plain questions. The rest is in log_load.c (opening, recovery),
 * log_append.c, log_sync.c (group commit, closing), log_read.c, log_lookup.c and log_delete.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "runtime/log.h"
#include "storage/log_internal.h"

void log_add_segment(struct log *log, struct segment *segment) {
    ASSERT(log->segment_count == 0 || log_active(log)->base_offset < segment->base_offset);
    if (log->segment_count == log->segment_cap) {
        log->segment_cap = log->segment_cap == 0 ? 2 : log->segment_cap * 2;
        log->segments = xrealloc(log->segments, (size_t)log->segment_cap * sizeof(*log->segments));
    }
    log->segments[log->segment_count++] = segment;
    log->bytes += segment->size;
}

int log_segment_index(const struct log *log, int64_t offset) {
    int low = 0;
    int high = log->segment_count - 1;
    while (low < high) {
        int middle = low + (high - low + 1) / 2;
        if (log->segments[middle]->base_offset <= offset) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

static void on_deferred(struct deferred *deferred) {
    struct log *log = CONTAINER_OF(deferred, struct log, deferred);
    if (log->error != 0 && !log->failure_told) {
        log->failure_told = true;
        if (log->on_failure != NULL) {
            log->on_failure(log, log->error, log->ctx);
        }
    }
    log_sync_step(log);
    if (log->phase == LOG_CLOSING) {
        log_close_step(log); /* may free the log */
    }
}

void log_schedule(struct log *log) {
    if (log->shard != NULL && log->phase != LOG_CLOSED) {
        deferred_schedule(&log->deferred);
    }
}

void log_fail(struct log *log, int error, const char *doing) {
    ASSERT(error < 0);
    if (log->error == 0) {
        log->error = error;
        LOG_ERROR(log->machine, "storage", "log failed", "dir=%s doing=\"%s\" error=\"%s\"",
                  log->directory, doing, strerror(-error));
    }
    log_schedule(log);
}

static void on_flush_timer(struct timer *timer) {
    struct log *log = CONTAINER_OF(timer, struct log, flush_timer);
    log->sync_wanted_end = log->end_offset;
    log_sync_step(log);
}

void log_start_on(struct log *log, struct shard *shard) {
    ASSERT(log->phase == LOG_LOADED);
    log->shard = shard;
    log->phase = LOG_RUNNING;
    deferred_init(&log->deferred, shard, on_deferred);
    timer_init(&log->flush_timer, shard, on_flush_timer);
    log_delete_start(log);
    log_schedule(log);
}

void log_close(struct log *log, bool clean, void (*closed)(struct log *log, int result, void *ctx),
               void *ctx) {
    ASSERT(log->phase == LOG_RUNNING);
    log->phase = LOG_CLOSING;
    log->close_clean = clean;
    log->closed = closed;
    log->closed_ctx = ctx;
    timer_stop(&log->flush_timer);
    timer_stop(&log->delete_timer);
    log_schedule(log);
}

void log_free(struct log *log) {
    if (log == NULL) {
        return;
    }
    if (log->shard != NULL) {
        deferred_cancel(&log->deferred);
        timer_stop(&log->flush_timer);
        timer_stop(&log->delete_timer);
    }
    log_sync_free(log);
    log_delete_free(log);
    log_lookup_free(log);
    for (int i = 0; i < log->segment_count; i++) {
        segment_free(log->segments[i]);
    }
    free(log->segments);
    free(log->ring);
    epochs_release(&log->epochs);
    producers_release(&log->producers);
    free(log->directory);
    free(log);
}

void log_set_config(struct log *log, const struct log_config *config) {
    log->config = *config;
    log_schedule(log);
}

const struct log_config *log_config(const struct log *log) {
    return &log->config;
}

const char *log_directory(const struct log *log) {
    return log->directory;
}

struct uuid log_topic_id(const struct log *log) {
    return log->topic_id;
}

int64_t log_start_offset(const struct log *log) {
    return log->start_offset;
}

int64_t log_high_watermark(const struct log *log) {
    return log->high_watermark;
}

int64_t log_end_offset(const struct log *log) {
    return log->end_offset;
}

int64_t log_synced_end(const struct log *log) {
    return log->synced_end;
}

int64_t log_recovery_point(const struct log *log) {
    return log->synced_end;
}

int64_t log_last_stable_offset(const struct log *log) {
    int64_t unstable = producers_first_unstable(&log->producers);
    return unstable >= 0 && unstable < log->high_watermark ? unstable : log->high_watermark;
}

int64_t log_bytes(const struct log *log) {
    return log->bytes;
}

int log_segment_count(const struct log *log) {
    return log->segment_count;
}

bool log_failed(const struct log *log) {
    return log->error != 0;
}

void log_raise_high_watermark(struct log *log, int64_t offset) {
    if (offset > log->end_offset) {
        offset = log->end_offset;
    }
    if (offset > log->high_watermark) {
        log->high_watermark = offset;
        producers_raise_high_watermark(&log->producers, offset);
    }
}

/* ---- Epochs ---------------------------------------------------------------------------------- */

int log_assign_epoch(struct log *log, int32_t epoch) {
    if (log->error != 0) {
        return -EIO;
    }
    epochs_assign(&log->epochs, epoch, log->end_offset);
    log_schedule(log);
    return 0;
}

int32_t log_latest_epoch(const struct log *log) {
    return epochs_latest(&log->epochs);
}

int32_t log_epoch_of_offset(const struct log *log, int64_t offset) {
    return epochs_of_offset(&log->epochs, offset);
}

void log_end_of_epoch(const struct log *log, int32_t epoch, int32_t *found_epoch,
                      int64_t *end_offset) {
    epochs_end_of(&log->epochs, epoch, log->end_offset, found_epoch, end_offset);
}

/* ---- Producers ------------------------------------------------------------------------------- */

void log_producers(struct log *log, struct arena *arena, struct log_producer **out, int *count) {
    *out = arena_array(arena, log->producers.by_id.count + 1, sizeof(**out));
    *count = 0;
    if (*out == NULL) {
        return;
    }
    HMAP_FOREACH(node, &log->producers.by_id) {
        const struct producer *producer = CONTAINER_OF(node, struct producer, by_id);
        int last = producer->batch_count - 1;
        (*out)[(*count)++] = (struct log_producer){
            .producer_id = producer->producer_id,
            .producer_epoch = producer->epoch,
            .last_sequence = last < 0 ? -1 : producer->batches[last].last_sequence,
            .last_timestamp = producer->last_timestamp,
            .coordinator_epoch = producer->coordinator_epoch,
            .current_txn_start_offset = producer->txn_first_offset,
        };
    }
}

void log_expire_producers(struct log *log, int64_t now_ms) {
    producers_expire(&log->producers, now_ms, log->config.producer_id_expiration_ms);
}
