/*
 * Appending: the bytes go to the page cache on the shard's thread. An append that fails for want of
 * space is undone by cutting the files back; any other failure fails the log.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "runtime/log.h"
#include "storage/log_internal.h"
#include "storage/txn_index.h"

/* Transaction markers are small; a control batch above this is damage. */
#define CONTROL_BATCH_MAX (64 << 10)

void log_ring_clear(struct log *log) {
    log->ring_count = 0;
}

static void ring_add(struct log *log, const struct batch *batch, int64_t at) {
    if (log->ring == NULL) {
        log->ring = xcalloc(LOG_RING_SIZE, sizeof(*log->ring));
    }
    log->ring[log->ring_count++ % LOG_RING_SIZE] = (struct ring_entry){
        .base_offset = batch->base_offset, .next_offset = batch_last_offset(batch) + 1, .at = at};
}

/* ---- Rolling --------------------------------------------------------------------------------- */

int log_roll(struct log *log, int64_t base_offset) {
    struct segment *old = log_active(log);
    ASSERT(base_offset > old->base_offset);
    int result = segment_finish_time_index(old);
    struct segment *segment = NULL;
    if (result == 0) {
        segment = segment_new(log->machine, log->directory, base_offset);
        result = segment_create(segment);
    }
    if (result != 0) {
        segment_free(segment);
        return result;
    }
    log_add_segment(log, segment);
    log->names_dirty = true;
    log->end_offset = base_offset;
    log_ring_clear(log);
    log_add_seal(log, base_offset);
    log->roll_jitter_ms =
        log->config.segment_jitter_ms > 0
            ? (int64_t)random_below(log->machine, (uint64_t)log->config.segment_jitter_ms)
            : 0;
    LOG_DEBUG(log->machine, "storage", "segment rolled", "dir=%s base_offset=%" PRId64,
              log->directory, base_offset);
    log_schedule(log);
    return 0;
}

static bool roll_due(const struct log *log, int64_t last_offset, int64_t max_timestamp,
                     size_t len) {
    const struct segment *active = log_active(log);
    const struct log_config *config = &log->config;
    if (last_offset - active->base_offset > INT32_MAX) {
        return true;
    }
    if (active->size == 0) {
        return false;
    }
    int64_t since = max_timestamp >= 0 && active->first_timestamp >= 0
                        ? max_timestamp - active->first_timestamp
                        : clock_wall_ms(log->machine) - active->created_ms;
    return active->size > config->segment_bytes - (int64_t)len ||
           active->size > (int64_t)INT32_MAX - (int64_t)len ||
           since > config->segment_ms - log->roll_jitter_ms ||
           active->offset_count >= config->segment_index_bytes / OFFSET_INDEX_ENTRY ||
           active->time_count >= config->segment_index_bytes / TIME_INDEX_ENTRY - 1;
}

/* ---- Accounting ------------------------------------------------------------------------------ */

/* Producer state of a batch that is in the log; data may be NULL for what is no control batch. */
static int account_producer(struct log *log, const struct batch *batch, const uint8_t *data) {
    struct txn_marker marker = {0};
    if ((batch->attributes & BATCH_ATTR_CONTROL) != 0 && batch->producer_id >= 0 &&
        batch_size(batch) <= CONTROL_BATCH_MAX) {
        marker = txn_marker_read(slice_make(data, batch_size(batch)), batch);
    }
    struct txn_end ended;
    producers_update(&log->producers, batch, &marker, &ended);
    if (ended.ended && ended.aborted) {
        struct segment *active = log_active(log);
        active->index_dirty = true;
        active->no_txn_index = false;
        return txn_index_append(log->machine, log->directory, active->base_offset, &ended);
    }
    return 0;
}

static void after_append(struct log *log) {
    const struct log_config *config = &log->config;
    if (config->durable || log->end_offset - log->synced_end >= config->flush_messages) {
        log->sync_wanted_end = log->end_offset;
        log_schedule(log);
    } else if (config->flush_ms != INT64_MAX && log->shard != NULL &&
               !timer_running(&log->flush_timer)) {
        timer_start(&log->flush_timer, config->flush_ms);
    }
    if (log->epochs.dirty) {
        log_schedule(log);
    }
}

/* The process is out of descriptors, which says nothing about the disk: a later append may do. */
static bool out_of_files(int error) {
    return error == -EMFILE || error == -ENFILE;
}

/* What an append changes, to put it back. */
struct undo {
    struct segment fields;
    struct segment *segment;
};

static struct undo undo_begin(const struct log *log) {
    struct segment *active = log_active(log);
    return (struct undo){.fields = *active, .segment = active};
}

/* Files that were opened meanwhile stay open. */
static int undo_append(struct log *log, struct undo *undo, int error) {
    struct segment *segment = undo->segment;
    undo->fields.log_file = segment->log_file;
    log->bytes -= segment->size - undo->fields.size;
    *segment = undo->fields;
    int result = segment_cut_back(segment);
    if (error != -ENOSPC || result != 0) {
        log_fail(log, error != -ENOSPC ? error : result, "append");
        return -EIO;
    }
    return -ENOSPC;
}

/* ---- Appending ------------------------------------------------------------------------------- */

/* Writes consecutive batches to the active segment and indexes them. */
static int write_run(struct log *log, const uint8_t *data, size_t len) {
    struct segment *active = log_active(log);
    int result = segment_open_log(active);
    if (result == 0 &&
        active->bytes_since_index + (int64_t)len > log->config.index_interval_bytes) {
        result = segment_open_indexes(active); /* before the undo: it sets the counts */
    }
    if (out_of_files(result)) {
        return result;
    }
    if (result != 0) {
        log_fail(log, result, "open");
        return -EIO;
    }
    struct undo undo = undo_begin(log);
    int64_t at = active->size;
    result = segment_write(active, data, len);
    if (result != 0) {
        return undo_append(log, &undo, result);
    }
    log->bytes += (int64_t)len;
    for (size_t done = 0; done < len && result == 0;) {
        struct batch batch;
        enum batch_parse parse = batch_parse(slice_make(data + done, len - done), &batch);
        ASSERT(parse == BATCH_OK);
        result = segment_index_batch(active, &batch, at + (int64_t)done,
                                     log->config.index_interval_bytes);
        done += batch_size(&batch);
    }
    if (result != 0) {
        return undo_append(log, &undo, result);
    }
    for (size_t done = 0; done < len;) {
        struct batch batch;
        enum batch_parse parse = batch_parse(slice_make(data + done, len - done), &batch);
        ASSERT(parse == BATCH_OK);
        ring_add(log, &batch, at + (int64_t)done);
        epochs_assign(&log->epochs, batch.partition_leader_epoch, batch.base_offset);
        log->end_offset = batch_last_offset(&batch) + 1;
        int account = account_producer(log, &batch, data + done);
        if (account != 0) {
            /* The batch is in the log; only its entry in the rebuildable index is missing. */
            log_fail(log, account, "transaction index");
            return -EIO;
        }
        done += batch_size(&batch);
    }
    return 0;
}

static int roll_if_due(struct log *log, int64_t first_offset, int64_t last_offset,
                       int64_t max_timestamp, size_t len) {
    if (!roll_due(log, last_offset, max_timestamp, len)) {
        return 0;
    }
    int result = log_roll(log, first_offset);
    if (result != 0 && result != -ENOSPC && !out_of_files(result)) {
        log_fail(log, result, "roll");
        return -EIO;
    }
    return result;
}

static bool check_producer(struct log *log, const struct batch *batch, struct log_append *out) {
    struct producer_batch duplicate;
    bool is_duplicate = false;
    if (batch->producer_id >= 0) {
        out->error = producers_check(&log->producers, batch, &duplicate, &is_duplicate);
    }
    if (is_duplicate) {
        out->duplicate = true;
        out->first_offset = duplicate.last_offset - duplicate.offset_delta;
        out->last_offset = duplicate.last_offset;
        out->append_time_ms = duplicate.timestamp; /* of either kind, as Kafka answers */
    }
    return out->error == ERROR_NONE && !is_duplicate;
}

int log_append(struct log *log, uint8_t *data, const struct produce_verdict *verdict,
               int32_t leader_epoch, struct log_append *out) {
    const struct batch *header = &verdict->batch;
    size_t len = batch_size(header);
    *out = (struct log_append){.first_offset = -1, .last_offset = -1, .append_time_ms = -1};
    if (log->error != 0 || log->phase >= LOG_CLOSING) {
        return -EIO;
    }
    if (!check_producer(log, header, out)) {
        return 0;
    }
    if ((int64_t)len > log->config.segment_bytes) {
        out->error = ERROR_RECORD_LIST_TOO_LARGE;
        return 0;
    }
    int64_t first_offset = log->end_offset;
    int64_t last_offset = first_offset + header->last_offset_delta;
    int result = roll_if_due(log, first_offset, last_offset, header->max_timestamp, len);
    if (result != 0) {
        return result;
    }
    batch_set_base_offset(data, first_offset);
    batch_set_leader_epoch(data, leader_epoch);
    result = write_run(log, data, len);
    if (result != 0) {
        return result;
    }
    out->first_offset = first_offset;
    out->last_offset = last_offset;
    if ((header->attributes & BATCH_ATTR_LOG_APPEND) != 0) {
        out->append_time_ms = header->max_timestamp;
    }
    after_append(log);
    return 0;
}

/* All of it must be whole batches in order from the log end on. */
static bool in_order(const struct log *log, const uint8_t *data, size_t len) {
    int64_t next = log->end_offset;
    for (size_t done = 0; done < len;) {
        struct batch batch;
        if (batch_parse(slice_make(data + done, len - done), &batch) != BATCH_OK ||
            batch.base_offset < next) {
            return false;
        }
        next = batch_last_offset(&batch) + 1;
        done += batch_size(&batch);
    }
    return len > 0;
}

int log_append_as_is(struct log *log, const uint8_t *data, size_t len) {
    if (log->error != 0 || log->phase >= LOG_CLOSING) {
        return -EIO;
    }
    if (!in_order(log, data, len)) {
        return -EINVAL;
    }
    size_t done = 0;
    while (done < len) {
        struct batch batch;
        enum batch_parse parse = batch_parse(slice_make(data + done, len - done), &batch);
        ASSERT(parse == BATCH_OK);
        int result = roll_if_due(log, batch.base_offset, batch_last_offset(&batch),
                                 batch.max_timestamp, batch_size(&batch));
        if (result != 0) {
            return result;
        }
        /* As many as fit without another roll go out in one write. */
        size_t run = batch_size(&batch);
        while (done + run < len) {
            parse = batch_parse(slice_make(data + done + run, len - done - run), &batch);
            ASSERT(parse == BATCH_OK);
            if (roll_due(log, batch_last_offset(&batch), batch.max_timestamp,
                         run + batch_size(&batch))) {
                break;
            }
            run += batch_size(&batch);
        }
        result = write_run(log, data + done, run);
        if (result != 0) {
            return result;
        }
        done += run;
    }
    after_append(log);
    return 0;
}
