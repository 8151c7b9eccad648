/*
 * Checks of what a load does not read in full: finished segments that were synced, and all of a log
 * that was closed cleanly. Each costs a few small reads. What lies inside of these segments is
 * checked when it is read for the first time (log_read.c).
 *
 *   - segments follow on one another: each begins where the one before it ends, none is missing;
 *   - the log reaches as far as the recovery point and the producer snapshots say it was synced;
 *   - the leader epochs agree with those in the batches;
 *   - an offset index that leads nowhere is rebuilt.
 */
#include <errno.h>
#include <inttypes.h>

#include "runtime/log.h"
#include "storage/loader.h"

static int damaged(struct loader *loader, int64_t base, const char *why) {
    errmsg_set(loader->errmsg, "%s/%020" PRId64 ".log is damaged: %s; nothing was changed",
               loader->log->directory, base, why);
    return -EUCLEAN;
}

/* ---- Segments -------------------------------------------------------------------------------- */

/* Walks from `pos` to the end of the file. 1 and *end: it ends with a whole batch; 0: it does not.
 */
static int walk_to_end(struct loader *loader, struct segment *segment, int64_t pos, int64_t *end) {
    struct batch_cursor cursor;
    struct batch batch;
    int64_t at = 0;
    int64_t next = segment->base_offset;
    int result;
    batch_cursor_init(&cursor, segment->log_file, pos, segment->size, loader->window,
                      BATCH_CURSOR_WINDOW_MIN);
    while ((result = batch_cursor_next(&cursor, &batch, &at)) == 1) {
        if (batch.base_offset < next ||
            batch_last_offset(&batch) - segment->base_offset > INT32_MAX) {
            return 0;
        }
        next = batch_last_offset(&batch) + 1;
    }
    *end = next;
    /* A position that leads nowhere may look like the batch of an older format. */
    return result == 0 ? 1 : result == -EBADMSG || result == -ENOTSUP ? 0 : result;
}

/* Where the segment ends, from the last entry of its index on: 1, 0 for damage, or an errno. */
static int find_end(struct loader *loader, int index, int64_t *end) {
    struct segment *segment = loader->log->segments[index];
    int result = segment_open_log(segment);
    if (result == 0) {
        result = segment_open_indexes(segment);
    }
    int64_t pos = 0;
    if (result == 0) {
        result = offset_index_floor(segment->offset_index, segment->offset_count, INT32_MAX, &pos);
    }
    if (result != 0) {
        return result;
    }
    if (pos > 0 && pos < segment->size) {
        result = walk_to_end(loader, segment, pos, end);
        if (result != 0) {
            return result;
        }
    }
    result = walk_to_end(loader, segment, 0, end);
    if (result == 1 && pos > 0) {
        LOG_WARN(loader->machine, "storage", "offset index leads nowhere",
                 "dir=%s base_offset=%" PRId64 " action=\"rebuilt\"", loader->log->directory,
                 segment->base_offset);
        loader->index_missing[index] = true;
    }
    return result;
}

static int check_segment(struct loader *loader, int index) {
    struct log *log = loader->log;
    struct segment *segment = log->segments[index];
    int64_t next = log->segments[index + 1]->base_offset;
    int64_t end = 0;
    int result = find_end(loader, index, &end);
    segment_close_files(segment);
    if (result < 0) {
        errmsg_set(loader->errmsg, "cannot read segment %" PRId64 " of %s: %s",
                   segment->base_offset, log->directory, strerror(-result));
        return result;
    }
    if (result == 0) {
        return damaged(loader, segment->base_offset, "it does not end with a whole batch");
    }
    /* Compaction leaves gaps. */
    bool follows = end == next || (end < next && segment->size > 0 && log->config.cleanup_compact);
    return follows ? 0 : damaged(loader, segment->base_offset, "the next segment does not follow");
}

int load_check_trusted(struct loader *loader, int first) {
    int result = 0;
    for (int i = 0; i < first && result == 0; i++) {
        struct segment *segment = loader->log->segments[i];
        segment->unverified_end = segment->size;
        if (i + 1 < loader->log->segment_count && !loader->index_missing[i]) {
            result = check_segment(loader, i);
        }
    }
    return result;
}

/* ---- The whole log --------------------------------------------------------------------------- */

int load_check_reach(struct loader *loader) {
    const struct log *log = loader->log;
    int64_t synced = loader->options->recovery_point;
    for (int i = 0; i < loader->snapshot_count; i++) {
        synced = loader->snapshots[i] > synced ? loader->snapshots[i] : synced;
    }
    int64_t end = log->segment_count == 0 ? -1 : log->end_offset;
    if (end >= synced || (end < 0 && synced == 0)) {
        return 0;
    }
    if (end < 0) {
        errmsg_set(loader->errmsg,
                   "%s has no segment, but records up to offset %" PRId64
                   " had been synced; nothing was changed",
                   log->directory, synced);
    } else {
        errmsg_set(loader->errmsg,
                   "%s ends at offset %" PRId64 ", but records up to %" PRId64
                   " had been synced; nothing was changed",
                   log->directory, end, synced);
    }
    return -EUCLEAN;
}

int load_check_clean_end(struct loader *loader) {
    const struct log_options *options = loader->options;
    const struct log *log = loader->log;
    if (!options->clean || !options->recovery_point_known ||
        log->end_offset == options->recovery_point) {
        return 0;
    }
    errmsg_set(loader->errmsg,
               "%s ends at offset %" PRId64 ", but ended at %" PRId64
               " when it was closed; nothing was changed",
               log->directory, log->end_offset, options->recovery_point);
    return -EUCLEAN;
}

int load_check_start(struct loader *loader) {
    const struct log *log = loader->log;
    const struct epochs *epochs = &log->epochs;
    int64_t first = log->segments[0]->base_offset;
    bool known = loader->options->log_start_offset >= 0 && epochs->count > 0;
    if (!known || loader->options->log_start_offset >= first ||
        epochs->entries[0].start_offset >= first ||
        (loader->deletion_interrupted && !loader->options->clean)) {
        return 0;
    }
    errmsg_set(loader->errmsg,
               "%s begins at offset %" PRId64 ", but its records begin at %" PRId64
               "; nothing was changed",
               log->directory, first, epochs->entries[0].start_offset);
    return -EUCLEAN;
}

/* ---- Leader epochs --------------------------------------------------------------------------- */

/* Whether the file's epochs say the same of this batch as the batch itself. */
static bool epoch_agrees(const struct epochs *epochs, const struct batch *batch) {
    int32_t epoch = batch->partition_leader_epoch;
    if (epoch == -1) {
        return true; /* written before there were epochs */
    }
    if (epochs->count == 0) {
        return false;
    }
    if (batch_last_offset(batch) < epochs->entries[0].start_offset) {
        return epoch <= epochs->entries[0].epoch; /* below the log start: cut off */
    }
    return epochs_of_offset(epochs, batch_last_offset(batch)) == epoch;
}

bool load_epoch_agrees(const struct loader *loader, const struct batch *batch) {
    return loader->rewrite_epochs || epoch_agrees(&loader->log->epochs, batch);
}

/* An epoch that begins inside of a segment must begin with a batch. */
static int check_entry(struct loader *loader, const struct epoch_entry *entry, bool *agrees) {
    const struct log *log = loader->log;
    int index = log_segment_index(log, entry->start_offset);
    struct segment *segment = log->segments[index];
    if (entry->start_offset <= segment->base_offset) {
        return 0; /* its first batch was looked at */
    }
    struct batch_cursor cursor;
    struct segment_hit hit;
    int result = segment_find(segment, entry->start_offset, &cursor, loader->window,
                              BATCH_CURSOR_WINDOW_MIN, &hit);
    segment_close_files(segment);
    if (result == 1) {
        bool begins = hit.batch.base_offset == entry->start_offset ||
                      entry->start_offset == log->epochs.entries[0].start_offset ||
                      log->config.cleanup_compact;
        *agrees = begins && hit.batch.partition_leader_epoch >= entry->epoch;
    }
    return result < 0 && result != -EBADMSG ? result : 0;
}

/* And what lies before it is of an earlier epoch. */
static int check_before(struct loader *loader, const struct epoch_entry *entry, bool *agrees) {
    const struct log *log = loader->log;
    if (entry == log->epochs.entries || entry->start_offset <= log->segments[0]->base_offset) {
        return 0;
    }
    struct segment *segment = log->segments[log_segment_index(log, entry->start_offset - 1)];
    struct batch_cursor cursor;
    struct segment_hit hit;
    int result = segment_find(segment, entry->start_offset - 1, &cursor, loader->window,
                              BATCH_CURSOR_WINDOW_MIN, &hit);
    segment_close_files(segment);
    if (result == 1 && hit.batch.base_offset < entry->start_offset) {
        *agrees = hit.batch.partition_leader_epoch < entry->epoch;
    }
    return result < 0 && result != -EBADMSG ? result : 0;
}

int load_check_epochs(struct loader *loader) {
    const struct log *log = loader->log;
    bool agrees = true;
    for (int i = 0; i < log->segment_count && agrees; i++) {
        const struct batch *first = &loader->first_batches[i];
        agrees = first->magic == 0 || epoch_agrees(&log->epochs, first);
    }
    int result = 0;
    for (int i = 0; i < log->epochs.count && agrees && result == 0; i++) {
        result = check_entry(loader, &log->epochs.entries[i], &agrees);
        if (result == 0 && agrees) {
            result = check_before(loader, &log->epochs.entries[i], &agrees);
        }
    }
    if (result != 0) {
        errmsg_set(loader->errmsg, "cannot read %s: %s", log->directory, strerror(-result));
    } else if (!agrees) {
        load_distrust_epochs(loader);
    }
    return result;
}

void load_distrust_epochs(struct loader *loader) {
    LOG_WARN(loader->machine, "storage", "leader epochs differ from the log",
             "dir=%s action=\"rebuilt from the log\"", loader->log->directory);
    epochs_release(&loader->log->epochs);
    loader->log->epochs.dirty = true;
    loader->rewrite_epochs = true;
}
