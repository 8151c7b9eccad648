/*
 * Deleting: retention, raised starts, truncation.
 *
 * Old segments leave the log at once. A worker renames their files to .deleted, oldest first and
 * with a directory sync after each, so that a power cut cannot leave a hole; after
 * file.delete.delay.ms another unlinks them. What a stop interrupts the next load finishes.
 *
 * Truncation is rare and done on the spot, newest first: what is appended next may need the names.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "runtime/log.h"
#include "storage/log_internal.h"
#include "storage/txn_index.h"

#define EPOCHS_RETRY_MS 5

/* The .log last: while it is there, the rest belongs to it. */
static const char *const segment_suffixes[] = {SUFFIX_SNAPSHOT, SUFFIX_TXN_INDEX, SUFFIX_TIME_INDEX,
                                               SUFFIX_INDEX, SUFFIX_LOG};

static void batch_free(struct delete_batch *batch) {
    free(batch->bases);
    free(batch);
}

void log_delete_free(struct log *log) {
    LIST_FOREACH_SAFE(it, &log->deletes) {
        struct delete_batch *batch = CONTAINER_OF(it, struct delete_batch, link);
        list_remove(&batch->link);
        batch_free(batch);
    }
    log->deleting = NULL;
}

/* ---- On the worker --------------------------------------------------------------------------- */

static int rename_segment(const struct log *log, int64_t base) {
    for (size_t i = 0; i < ARRAY_LEN(segment_suffixes); i++) {
        struct path from;
        struct path to;
        path_of_offset(&from, log->directory, base, segment_suffixes[i], "");
        path_of_offset(&to, log->directory, base, segment_suffixes[i], SUFFIX_DELETED);
        int result = path_rename(log->machine, from.text, to.text);
        if (result != 0 && result != -ENOENT) {
            return result;
        }
    }
    return directory_sync(log->machine, log->directory);
}

static void rename_run(struct work *work) {
    struct delete_batch *batch = CONTAINER_OF(work, struct delete_batch, work);
    for (int i = 0; i < batch->count && batch->result == 0; i++) {
        batch->result = rename_segment(batch->log, batch->bases[i]);
    }
}

/* On a full disk the leader epochs cannot be written; then an empty file stays as the sign that the
 * first segment was deleted, until the next load. */
static int leave_sign(const struct log *log, int64_t base) {
    struct path path;
    struct file *file = NULL;
    path_of_offset(&path, log->directory, base, SUFFIX_LOG, SUFFIX_DELETED);
    int result = file_open(log->machine, path.text, FILE_WRITE, &file);
    if (result == 0) {
        result = file_truncate(file, 0);
    }
    if (result == 0) {
        result = file_sync(file);
    }
    file_unref(file);
    return result == -ENOENT ? 0 : result;
}

static void unlink_run(struct work *work) {
    struct delete_batch *batch = CONTAINER_OF(work, struct delete_batch, work);
    const struct log *log = batch->log;
    if (batch->leave_sign) {
        batch->result = leave_sign(log, batch->bases[--batch->count]);
    }
    for (int i = 0; i < batch->count; i++) {
        for (size_t k = 0; k < ARRAY_LEN(segment_suffixes); k++) {
            struct path path;
            path_of_offset(&path, log->directory, batch->bases[i], segment_suffixes[k],
                           SUFFIX_DELETED);
            int result = path_unlink(log->machine, path.text);
            if (result != 0 && result != -ENOENT) {
                batch->result = result;
            }
        }
    }
    if (batch->result == 0) {
        batch->result = directory_sync(log->machine, log->directory);
    }
}

/* ---- On the shard ---------------------------------------------------------------------------- */

static void delete_step(struct log *log);

static void rename_done(struct work *work) {
    struct delete_batch *batch = CONTAINER_OF(work, struct delete_batch, work);
    struct log *log = batch->log;
    log->deleting = NULL;
    batch->renamed = true;
    batch->unlink_at_ms = shard_now_ms(log->shard) + log->config.file_delete_delay_ms;
    if (batch->result != 0) {
        log_fail(log, batch->result, "delete segments");
    }
    delete_step(log);
}

static void unlink_done(struct work *work) {
    struct delete_batch *batch = CONTAINER_OF(work, struct delete_batch, work);
    struct log *log = batch->log;
    if (batch->result != 0) {
        LOG_WARN(log->machine, "storage", "segment not unlinked", "dir=%s error=\"%s\"",
                 log->directory, strerror(-batch->result));
    }
    log->deleting = NULL;
    list_remove(&batch->link);
    batch_free(batch);
    delete_step(log);
}

/* Starts the next piece of work, or the timer for it. Renames come before unlinks. */
static void delete_step(struct log *log) {
    if (log->phase != LOG_RUNNING || log->error != 0 || log->deleting != NULL) {
        log_schedule(log);
        return;
    }
    int64_t now_ms = shard_now_ms(log->shard);
    int64_t next_ms = INT64_MAX;
    struct delete_batch *due = NULL;
    LIST_FOREACH(it, &log->deletes) {
        struct delete_batch *batch = CONTAINER_OF(it, struct delete_batch, link);
        if (!batch->renamed) {
            log->deleting = batch;
            work_submit_slow(log->shard, &batch->work, rename_run, rename_done);
            return;
        }
        if (due == NULL && batch->unlink_at_ms <= now_ms) {
            due = batch;
        }
        next_ms = batch->unlink_at_ms < next_ms ? batch->unlink_at_ms : next_ms;
    }
    /* The leader epochs say where the log starts. Until they do, what was renamed is the only sign
     * that segments were deleted, not lost. */
    bool epochs_behind =
        (log->bytes > 0 && epochs_unsaved(&log->epochs, log->end_offset)) || log->job != NULL;
    bool disk_full = now_ms < log->sync_retry_ms;
    if (due != NULL && epochs_behind && !disk_full) {
        timer_start(&log->delete_timer, EPOCHS_RETRY_MS);
    } else if (due != NULL) {
        log->deleting = due;
        due->leave_sign = epochs_behind;
        work_submit_slow(log->shard, &due->work, unlink_run, unlink_done);
    } else if (next_ms != INT64_MAX) {
        timer_start(&log->delete_timer, next_ms - now_ms);
    }
}

static void on_delete_timer(struct timer *timer) {
    delete_step(CONTAINER_OF(timer, struct log, delete_timer));
}

void log_delete_start(struct log *log) {
    timer_init(&log->delete_timer, log->shard, on_delete_timer);
    delete_step(log);
}

/* Takes the `count` oldest segments out of the log; one stays. */
static void log_delete_segments(struct log *log, int count) {
    ASSERT(count < log->segment_count);
    if (count == 0) {
        return;
    }
    struct delete_batch *batch = NEW(struct delete_batch);
    batch->log = log;
    batch->count = count;
    batch->bases = xcalloc((size_t)count, sizeof(*batch->bases));
    for (int i = 0; i < count; i++) {
        struct segment *segment = log->segments[i];
        batch->bases[i] = segment->base_offset;
        log->bytes -= segment->size;
        LOG_INFO(log->machine, "storage", "segment deleted",
                 "dir=%s base_offset=%" PRId64 " bytes=%" PRId64, log->directory,
                 segment->base_offset, segment->size);
        segment_free(segment);
    }
    log->segment_count -= count;
    memmove(log->segments, log->segments + count,
            (size_t)log->segment_count * sizeof(*log->segments));
    if (log->start_offset < log->segments[0]->base_offset) {
        log->start_offset = log->segments[0]->base_offset;
    }
    epochs_cut_start(&log->epochs, log->start_offset);
    list_append(&log->deletes, &batch->link);
    if (log->shard != NULL) {
        log_schedule(log); /* the epochs are to be written */
        delete_step(log);
    }
}

/* ---- What to delete -------------------------------------------------------------------------- */

static int64_t segment_end(const struct log *log, int i) {
    return i + 1 < log->segment_count ? log->segments[i + 1]->base_offset : log->end_offset;
}

/* An empty active segment is never deleted. */
static bool may_delete(const struct log *log, int i) {
    return segment_end(log, i) <= log->high_watermark &&
           (i + 1 < log->segment_count || log->segments[i]->size > 0);
}

/* INT64_MAX, not old, when it cannot be known: what is damaged is not deleted. */
static int64_t youngest_ms(struct segment *segment) {
    if (segment_know_max_timestamp(segment) != 0) {
        return INT64_MAX;
    }
    if (segment->max_timestamp >= 0) {
        return segment->max_timestamp;
    }
    int64_t mtime_ms = INT64_MAX; /* unknown: not old */
    if (segment_open_log(segment) != 0 || file_mtime_ms(segment->log_file, &mtime_ms) != 0) {
        return INT64_MAX;
    }
    return mtime_ms;
}

static int count_by_start(const struct log *log) {
    int count = 0;
    while (count + 1 < log->segment_count &&
           log->segments[count + 1]->base_offset <= log->start_offset && may_delete(log, count)) {
        count++;
    }
    return count;
}

static int count_by_time(const struct log *log, int64_t now_ms) {
    int count = 0;
    if (log->config.retention_ms < 0) {
        return 0;
    }
    while (count < log->segment_count && may_delete(log, count)) {
        int64_t youngest = youngest_ms(log->segments[count]);
        if (youngest >= now_ms || now_ms - youngest <= log->config.retention_ms) {
            break;
        }
        count++;
    }
    return count;
}

static int count_by_size(const struct log *log) {
    int count = 0;
    if (log->config.retention_bytes < 0) {
        return 0;
    }
    int64_t excess = log->bytes - log->config.retention_bytes;
    while (count < log->segment_count && may_delete(log, count) &&
           excess >= log->segments[count]->size) {
        excess -= log->segments[count]->size;
        count++;
    }
    return count;
}

/* Segments that nobody read or wrote since the last round need no open files. */
static void close_idle_files(struct log *log) {
    for (int i = 0; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        if (!segment->recently_used) {
            segment_close_files(segment);
        }
        segment->recently_used = false;
    }
}

void log_apply_retention(struct log *log, int64_t now_ms) {
    if (log->error != 0 || log->phase != LOG_RUNNING) {
        return;
    }
    close_idle_files(log);
    int count = count_by_start(log);
    if (log->config.cleanup_delete) {
        int by_time = count_by_time(log, now_ms);
        int by_size = count_by_size(log);
        count = by_time > count ? by_time : count;
        count = by_size > count ? by_size : count;
    }
    if (count == log->segment_count) {
        int result = log_roll(log, log->end_offset);
        if (result == -ENOSPC) {
            count--; /* the rest goes and makes space for the next round */
        } else if (result != 0) {
            log_fail(log, result, "roll for retention");
            return;
        }
    }
    log_delete_segments(log, count);
}

int log_raise_start(struct log *log, int64_t offset) {
    if (offset > log->high_watermark) {
        return -ERANGE;
    }
    if (log->error != 0) {
        return -EIO;
    }
    if (offset > log->start_offset) {
        log->start_offset = offset;
        epochs_cut_start(&log->epochs, offset);
        log_delete_segments(log, count_by_start(log));
        log_schedule(log);
    }
    return 0;
}

/* ---- Truncation ------------------------------------------------------------------------------ */

static int unlink_segment(struct log *log, int64_t base, bool with_snapshot) {
    for (size_t i = 0; i < ARRAY_LEN(segment_suffixes); i++) {
        struct path path;
        path_of_offset(&path, log->directory, base, segment_suffixes[i], "");
        if (!with_snapshot && strcmp(segment_suffixes[i], SUFFIX_SNAPSHOT) == 0) {
            continue;
        }
        int result = path_unlink(log->machine, path.text);
        if (result != 0 && result != -ENOENT) {
            return result;
        }
    }
    return 0;
}

/* Snapshots vouch for what is below them: those above the new end go before the records do. */
static int drop_snapshots(struct log *log, int64_t above) {
    char **names = NULL;
    size_t count = 0;
    int result = directory_list(log->machine, log->directory, &names, &count);
    for (size_t i = 0; i < count && result == 0; i++) {
        int64_t offset = 0;
        const char *suffix = NULL;
        if (path_parse_offset(names[i], &offset, &suffix) && strcmp(suffix, SUFFIX_SNAPSHOT) == 0 &&
            offset > above) {
            struct path path;
            result = path_unlink(log->machine, path_join(&path, log->directory, names[i]));
        }
    }
    free(names);
    return result == 0 ? directory_sync(log->machine, log->directory) : result;
}

static int drop_last_segment(struct log *log) {
    struct segment *segment = log_active(log);
    int result = unlink_segment(log, segment->base_offset, true);
    if (result == 0) {
        result = directory_sync(log->machine, log->directory);
    }
    log->bytes -= segment->size;
    log->segment_count--;
    segment_free(segment);
    return result;
}

/* Cuts the active segment at a batch position and its indexes with it. */
static int cut_active(struct log *log, int64_t pos, int64_t end_offset) {
    struct segment *segment = log_active(log);
    log->bytes -= segment->size - pos;
    segment->size = pos;
    int64_t relative = end_offset - segment->base_offset;
    while (segment->offset_count > 0) {
        uint8_t entry[OFFSET_INDEX_ENTRY];
        int64_t got = file_read_at(segment->offset_index, entry, sizeof(entry),
                                   (segment->offset_count - 1) * OFFSET_INDEX_ENTRY);
        if (got != OFFSET_INDEX_ENTRY) {
            return got < 0 ? (int)got : -EIO;
        }
        if ((int32_t)load_be32(entry) < relative) {
            break;
        }
        segment->offset_count--;
    }
    int64_t last_relative = 0;
    int result = 0;
    for (;;) {
        result = time_index_last(segment->time_index, segment->time_count, &segment->last_time,
                                 &last_relative);
        if (result != 0 || segment->time_count == 0 || last_relative < relative) {
            break;
        }
        segment->time_count--;
    }
    segment->max_timestamp = segment->last_time;
    segment->max_timestamp_offset = segment->base_offset + last_relative;
    segment->dirty = true;
    segment->index_dirty = true;
    if (result == 0) {
        result = segment_cut_back(segment);
    }
    return result != 0
               ? result
               : txn_index_cut(log->machine, log->directory, segment->base_offset, end_offset);
}

/* The largest timestamp that is left, of the batches behind the last time index entry. */
static int know_cut_max(struct segment *segment) {
    uint8_t window[BATCH_CURSOR_WINDOW_MIN];
    struct batch_cursor cursor;
    struct batch batch;
    int64_t at = 0;
    int64_t pos = 0;
    int result = offset_index_floor(segment->offset_index, segment->offset_count, INT32_MAX, &pos);
    if (result != 0) {
        return result;
    }
    batch_cursor_init(&cursor, segment->log_file, pos, segment->size, window, sizeof(window));
    while ((result = batch_cursor_next(&cursor, &batch, &at)) == 1) {
        if (batch.max_timestamp > segment->max_timestamp) {
            segment->max_timestamp = batch.max_timestamp;
            segment->max_timestamp_offset = batch_last_offset(&batch);
        }
    }
    segment->max_known = true;
    return result;
}

static int truncate_to(struct log *log, int64_t offset) {
    while (log->segment_count > 1 && log_active(log)->base_offset >= offset) {
        int result = drop_last_segment(log);
        if (result != 0) {
            return result;
        }
    }
    struct segment *segment = log_active(log);
    uint8_t window[BATCH_CURSOR_WINDOW_MIN];
    struct batch_cursor cursor;
    struct segment_hit hit;
    int result = segment_find(segment, offset, &cursor, window, sizeof(window), &hit);
    if (result < 0) {
        return result;
    }
    int64_t end_offset = offset;
    if (result == 1) {
        end_offset = hit.batch.base_offset < offset ? hit.batch.base_offset : offset;
        result = cut_active(log, hit.at, end_offset);
        if (result == 0) {
            result = know_cut_max(segment);
        }
    }
    log->end_offset = end_offset;
    return result;
}

/* All that follows from a new log end: producers, epochs, marks. */
static int after_truncation(struct log *log) {
    log_sync_truncated(log, log->end_offset);
    log_ring_clear(log);
    log->truncations++;
    epochs_cut_end(&log->epochs, log->end_offset);
    if (log->high_watermark > log->end_offset) {
        log->high_watermark = log->end_offset;
    }
    while (log->seal_count > 0 && log->seals[log->seal_count - 1].offset > log->end_offset) {
        buffer_release(&log->seals[--log->seal_count].snapshot);
    }
    int result = log_reload_producers(log);
    if (result == 0 && log->error == 0) {
        result = log->job == NULL ? log_sync_now(log) : 0;
    }
    log_schedule(log);
    return result;
}

/* The log may have failed already. */
static int cut_to(struct log *log, int64_t offset) {
    int result = drop_snapshots(log, offset);
    if (result == 0) {
        result = truncate_to(log, offset);
    }
    if (result == 0) {
        result = after_truncation(log);
    }
    if (result != 0) {
        log_fail(log, result, "truncate");
    }
    return result;
}

void log_cut_unsynced(struct log *log) {
    ASSERT(log->job == NULL);
    /* Below its start a log is not cut: it is refused then, if something is left behind the gap. */
    if (log->synced_end < log->end_offset && log->synced_end >= log->start_offset) {
        (void)cut_to(log, log->synced_end);
    }
}

int log_truncate(struct log *log, int64_t offset) {
    if (log->error != 0) {
        return -EIO;
    }
    if (offset >= log->end_offset) {
        /* An epoch that started here and has no record yet goes too (KAFKA-10706). */
        epochs_cut_end(&log->epochs, offset);
        log_schedule(log);
        return 0;
    }
    if (offset < log->start_offset) {
        return log_restart_at(log, offset);
    }
    if (log->job != NULL) {
        return -EBUSY;
    }
    return cut_to(log, offset);
}

int log_restart_at(struct log *log, int64_t offset) {
    if (log->error != 0) {
        return -EIO;
    }
    if (log->deleting != NULL || log->job != NULL) {
        return -EBUSY;
    }
    int result = drop_snapshots(log, offset);
    while (log->segment_count > 0 && result == 0) {
        result = drop_last_segment(log);
    }
    if (result != 0 && log->segment_count > 0) {
        log_fail(log, result, "restart");
        return result;
    }
    struct segment *segment = segment_new(log->machine, log->directory, offset);
    if (result == 0) {
        result = segment_create(segment);
    }
    log_add_segment(log, segment);
    log->end_offset = offset;
    log->start_offset = offset;
    log->high_watermark = offset;
    log->names_dirty = true;
    if (result == 0) {
        result = after_truncation(log);
    }
    if (result != 0) {
        log_fail(log, result, "restart");
    }
    return result;
}
