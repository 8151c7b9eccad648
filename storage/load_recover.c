/*
 * Reading segments at load: the clean tail, the replay of producer state, and recovery.
 *
 * Recovery reads every batch from the segment of the recovery point on. Where the bytes stop being
 * batches, one of two things happened:
 *
 *   - a crash tore what was not synced: nothing valid follows; it is cut off;
 *   - the disk damaged what was there: valid batches follow, or the place is below the recovery
 *     point, or the segment is sealed (a producer snapshot at the base of the next one says that
 *     all before it was synced). That is -EUCLEAN, and no record is touched.
 *
 * The same for a whole segment: one that does not follow on the segment before it, which is not
 * sealed, was written before its predecessor's tail was lost, and goes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "runtime/log.h"
#include "storage/loader.h"
#include "storage/txn_index.h"

#define SNAPSHOT_MAX      (256 << 20)
#define CONTROL_BATCH_MAX (64 << 10)

_Static_assert(CONTROL_BATCH_MAX <= LOADER_WINDOW, "a control batch fits the window");

int load_segment_end(struct loader *loader, struct segment *segment, int64_t *out) {
    struct batch_cursor cursor;
    struct batch batch;
    int64_t at = 0;
    batch_cursor_init(&cursor, segment->log_file, 0, segment->size, loader->window,
                      BATCH_CURSOR_WINDOW_MIN);
    int result;
    while ((result = batch_cursor_next(&cursor, &batch, &at)) == 1) {
        int valid = batch_cursor_check_crc(&cursor, &batch, at);
        if (valid != 1) {
            return valid == 0 ? -EBADMSG : valid;
        }
        *out = batch_last_offset(&batch) + 1;
    }
    return result;
}

/* Accounts a batch that lies at `at`; *ended as producers_update(). */
static int replay_batch(struct loader *loader, struct batch_cursor *cursor,
                        const struct batch *batch, int64_t at, struct txn_end *ended) {
    struct txn_marker marker = {0};
    if ((batch->attributes & BATCH_ATTR_CONTROL) != 0 && batch->producer_id >= 0 &&
        batch_size(batch) <= CONTROL_BATCH_MAX) {
        int error = 0;
        const uint8_t *bytes = batch_cursor_bytes(cursor, at, batch_size(batch), &error);
        if (bytes == NULL) {
            return error;
        }
        marker = txn_marker_read(slice_make(bytes, batch_size(batch)), batch);
    }
    producers_update(&loader->log->producers, batch, &marker, ended);
    return 0;
}

/* ---- Clean ----------------------------------------------------------------------------------- */

int load_clean_tail(struct loader *loader) {
    struct log *log = loader->log;
    struct segment *active = log_active(log);
    log->end_offset = active->base_offset;
    if (active->size == 0) {
        int result = segment_open_indexes(active);
        active->max_known = true;
        return result;
    }
    /* From the last entry of the index on; a walk from the start when it leads nowhere. */
    struct batch_cursor cursor;
    struct segment_hit hit;
    int result = segment_find(active, active->base_offset + INT32_MAX, &cursor, loader->window,
                              BATCH_CURSOR_WINDOW_MIN, &hit);
    if (result < 0) {
        return result;
    }
    int64_t pos = 0;
    result = offset_index_floor(active->offset_index, active->offset_count, INT32_MAX, &pos);
    if (result != 0) {
        return result;
    }
    struct batch batch;
    int64_t at = 0;
    for (int tries = 0; tries < 2; tries++) {
        batch_cursor_init(&cursor, active->log_file, pos, active->size, loader->window,
                          BATCH_CURSOR_WINDOW_MIN);
        log->end_offset = active->base_offset;
        while ((result = batch_cursor_next(&cursor, &batch, &at)) == 1) {
            log->end_offset = batch_last_offset(&batch) + 1;
        }
        if (result == 0 && log->end_offset > active->base_offset) {
            return segment_know_max_timestamp(active);
        }
        pos = 0;
    }
    return result == 0 ? -EBADMSG : result;
}

/* ---- Producer state -------------------------------------------------------------------------- */

/* 1: read; 0: not understood; or an errno. */
static int read_snapshot(struct loader *loader, int64_t offset) {
    struct path path;
    path_of_offset(&path, loader->log->directory, offset, SUFFIX_SNAPSHOT, "");
    uint8_t *bytes = NULL;
    size_t len = 0;
    int result = file_read_all(loader->machine, path.text, SNAPSHOT_MAX, &bytes, &len);
    if (result != 0) {
        errmsg_set(loader->errmsg, "cannot read %s: %s", path.text, strerror(-result));
        return result;
    }
    bool good = producers_decode(&loader->log->producers, slice_make(bytes, len), offset);
    free(bytes);
    if (!good) {
        LOG_WARN(loader->machine, "storage", "producer snapshot not understood",
                 "file=%s action=\"the one before it is used\"", path.text);
    }
    return good;
}

static int replay_segment(struct loader *loader, struct segment *segment, int64_t from,
                          int64_t end_offset) {
    struct batch_cursor cursor;
    struct segment_hit hit;
    int result = segment_find(segment, from, &cursor, loader->window, LOADER_WINDOW, &hit);
    while (result == 1 && hit.batch.base_offset < end_offset) {
        struct txn_end ended;
        result = replay_batch(loader, &cursor, &hit.batch, hit.at, &ended);
        if (result == 0) {
            result = batch_cursor_next(&cursor, &hit.batch, &hit.at);
        }
    }
    segment_close_files(segment);
    return result < 0 ? result : 0;
}

/* The batch that ends at `offset`. */
static bool find_batch_ending(struct loader *loader, int64_t offset, struct batch *out) {
    struct segment *segment = loader->log->segments[log_segment_index(loader->log, offset)];
    struct batch_cursor cursor;
    struct segment_hit hit = {0};
    if (offset < segment->base_offset) {
        return false;
    }
    int found =
        segment_find(segment, offset, &cursor, loader->window, BATCH_CURSOR_WINDOW_MIN, &hit);
    segment_close_files(segment);
    *out = hit.batch;
    return found == 1 && batch_last_offset(&hit.batch) == offset;
}

static int64_t newest_offset(const struct producer *producer) {
    return producer->batches[producer->batch_count - 1].last_offset;
}

/* Whether the snapshot knows the producer of the last batch below its offset, and nothing newer,
 * and the log has the newest batch that the snapshot knows. */
static bool snapshot_agrees(struct loader *loader, int64_t offset) {
    const struct log *log = loader->log;
    const struct producer *last = producers_newest(&log->producers);
    struct batch batch;
    if (last != NULL) {
        bool kept =
            newest_offset(last) >= log->segments[0]->base_offset && !log->config.cleanup_compact;
        if (newest_offset(last) >= offset ||
            (kept && (!find_batch_ending(loader, newest_offset(last), &batch) ||
                      batch.producer_id != last->producer_id))) {
            return false;
        }
    }
    if (!find_batch_ending(loader, offset - 1, &batch) || batch.producer_id < 0 ||
        (batch.attributes & BATCH_ATTR_CONTROL) != 0) {
        return true; /* nothing to compare with */
    }
    /* Not an age: the batch may be of any time, and the difference of any size. */
    int64_t remembered_ms = clock_wall_ms(loader->machine) - log->config.producer_id_expiration_ms;
    bool forgotten = batch.max_timestamp < remembered_ms;
    return forgotten || (last != NULL && last->producer_id == batch.producer_id &&
                         newest_offset(last) == offset - 1);
}

int load_producers(struct loader *loader, int64_t end_offset) {
    struct log *log = loader->log;
    producers_reset(&log->producers, log->segments[0]->base_offset);
    int read = 0;
    for (int i = loader->snapshot_count - 1; i >= 0 && read == 0; i--) {
        if (loader->snapshots[i] <= end_offset) {
            read = read_snapshot(loader, loader->snapshots[i]);
            if (read == 1 && !snapshot_agrees(loader, loader->snapshots[i])) {
                LOG_WARN(loader->machine, "storage", "producer snapshot is of another log",
                         "dir=%s offset=%" PRId64 " action=\"the one before it is used\"",
                         log->directory, loader->snapshots[i]);
                producers_reset(&log->producers, log->segments[0]->base_offset);
                read = 0;
            }
        }
    }
    if (read < 0) {
        return read;
    }
    int64_t from = log->producers.end_offset;
    int result = 0;
    for (int i = log_segment_index(log, from);
         i < log->segment_count && log->segments[i]->base_offset < end_offset && result == 0; i++) {
        if (from < end_offset) {
            result = replay_segment(loader, log->segments[i], from, end_offset);
        }
    }
    if (result != 0) {
        errmsg_set(loader->errmsg, "cannot replay producer state in %s: %s", log->directory,
                   strerror(-result));
    }
    log->producers.end_offset = end_offset;
    return result;
}

/* ---- Recovery -------------------------------------------------------------------------------- */

/* Looks for a whole batch with a good CRC behind `pos`: 1 found, 0 none, or an errno. */
static int find_batch_behind(struct loader *loader, struct segment *segment, int64_t pos,
                             int64_t offset_min, int64_t *found) {
    struct batch_cursor scan;
    struct batch_cursor check;
    batch_cursor_init(&scan, segment->log_file, 0, segment->size, loader->second_window,
                      LOADER_WINDOW);
    for (int64_t at = pos + 1; segment->size - at >= BATCH_HEADER_SIZE;) {
        size_t len = segment->size - at < LOADER_WINDOW ? (size_t)(segment->size - at)
                                                        : (size_t)LOADER_WINDOW;
        int error = 0;
        const uint8_t *bytes = batch_cursor_bytes(&scan, at, len, &error);
        if (bytes == NULL) {
            return error;
        }
        size_t candidates = len - BATCH_HEADER_SIZE + 1;
        for (size_t i = 0; i < candidates; i++) {
            const uint8_t *magic = memchr(bytes + i + BATCH_MAGIC_OFFSET, 2, candidates - i);
            if (magic == NULL) {
                break;
            }
            i = (size_t)(magic - bytes) - BATCH_MAGIC_OFFSET;
            struct batch batch;
            enum batch_parse parse = batch_parse(slice_make(bytes + i, BATCH_HEADER_SIZE), &batch);
            if ((parse != BATCH_OK && parse != BATCH_INCOMPLETE) ||
                batch.base_offset < offset_min ||
                batch.base_offset - segment->base_offset > INT32_MAX ||
                (batch.attributes & ~0x7f) != 0 ||
                (int64_t)batch_size(&batch) > segment->size - at - (int64_t)i) {
                continue;
            }
            batch_cursor_init(&check, segment->log_file, 0, segment->size, loader->window,
                              LOADER_WINDOW);
            int valid = batch_cursor_check_crc(&check, &batch, at + (int64_t)i);
            if (valid != 0) {
                *found = at + (int64_t)i;
                return valid;
            }
        }
        at += (int64_t)candidates;
    }
    return 0;
}

static int damaged(struct loader *loader, const struct segment *segment, int64_t pos,
                   const char *why) {
    errmsg_set(loader->errmsg,
               "%s/%020" PRId64 ".log is damaged at position %" PRId64 ": %s; nothing was cut",
               segment->dir, segment->base_offset, pos, why);
    return -EUCLEAN;
}

/* The bytes at `pos` are no batch: 0 when they may be cut off, else -EUCLEAN. */
static int judge_damage(struct loader *loader, int index, int64_t pos, int64_t next_offset) {
    const struct log *log = loader->log;
    struct segment *segment = log->segments[index];
    if (next_offset < loader->options->recovery_point) {
        return damaged(loader, segment, pos, "records below the recovery point are unreadable");
    }
    if (index + 1 < log->segment_count &&
        load_has_snapshot(loader, log->segments[index + 1]->base_offset)) {
        return damaged(loader, segment, pos, "the segment had been synced in full");
    }
    int64_t found = 0;
    int result = find_batch_behind(loader, segment, pos, next_offset, &found);
    return result == 1 ? damaged(loader, segment, pos, "readable records follow it") : result;
}

/* What never had a byte has nothing to recover, and nothing to sync. */
static bool is_blank(const struct segment *segment) {
    return segment->size == 0 && segment->offset_count == 0 && segment->time_count == 0;
}

static int empty_indexes(struct segment *segment) {
    int result = segment_open_indexes(segment);
    bool blank = result == 0 && is_blank(segment);
    if (result == 0) {
        segment->offset_count = 0;
        segment->time_count = 0;
        segment->last_time = NO_TIMESTAMP;
        segment->bytes_since_index = 0;
        segment->max_timestamp = NO_TIMESTAMP;
        segment->max_timestamp_offset = segment->base_offset;
        segment->max_known = true;
        segment->first_timestamp = NO_TIMESTAMP;
        segment->dirty = !blank;
        segment->index_dirty = !blank;
    }
    if (result == 0 && !blank) {
        result = file_truncate(segment->offset_index, 0);
    }
    if (result == 0 && !blank) {
        result = file_truncate(segment->time_index, 0);
    }
    return result != 0 ? result
                       : txn_index_cut(segment->machine, segment->dir, segment->base_offset,
                                       segment->base_offset);
}

/* No checksum covers offset and epoch. */
static bool in_place(const struct loader *loader, const struct segment *segment,
                     const struct batch *batch) {
    const struct log *log = loader->log;
    /* Compaction leaves gaps, but not in what was appended last, unless it came from a leader. */
    bool may_gap =
        log->config.cleanup_compact && (segment != log_active(log) || loader->options->replicated ||
                                        batch_last_offset(batch) < loader->options->recovery_point);
    int32_t epoch = batch->partition_leader_epoch;
    int32_t limit = loader->options->epoch_limit;
    bool epoch_fits =
        epoch == -1 || (epoch >= 0 && epoch >= loader->last_epoch && (limit == 0 || epoch < limit));
    return epoch_fits && batch->base_offset >= log->end_offset &&
           (may_gap || batch->base_offset == log->end_offset) &&
           batch_last_offset(batch) - segment->base_offset <= INT32_MAX;
}

/* Checks and accounts one batch: 1 good, 0 damaged, or an errno; -EUCLEAN when its bytes are good
 * but cannot be in this place. */
static int recover_batch(struct loader *loader, struct segment *segment,
                         struct batch_cursor *cursor, const struct batch *batch, int64_t at) {
    struct log *log = loader->log;
    int result = batch_cursor_check_crc(cursor, batch, at);
    if (result != 1) {
        return result;
    }
    if (!in_place(loader, segment, batch)) {
        return damaged(loader, segment, at, "the batch there has the offset or epoch of another");
    }
    if (!load_epoch_agrees(loader, batch)) {
        return -ESTALE;
    }
    loader->last_epoch = batch->partition_leader_epoch;
    result = segment_index_batch(segment, batch, at, log->config.index_interval_bytes);
    struct txn_end ended = {0};
    if (result == 0) {
        result = replay_batch(loader, cursor, batch, at, &ended);
    }
    if (result == 0 && ended.ended && ended.aborted) {
        result = txn_index_append(segment->machine, segment->dir, segment->base_offset, &ended);
    }
    epochs_assign(&log->epochs, batch->partition_leader_epoch, batch->base_offset);
    log->end_offset = batch_last_offset(batch) + 1;
    return result == 0 ? 1 : result;
}

static int cut_tail(struct loader *loader, int index, int64_t pos) {
    struct log *log = loader->log;
    struct segment *segment = log->segments[index];
    LOG_WARN(loader->machine, "storage", "torn tail cut off",
             "dir=%s base_offset=%" PRId64 " bytes=%" PRId64 " log_end=%" PRId64, log->directory,
             segment->base_offset, segment->size - pos, log->end_offset);
    /* What came later goes first: the log must be a prefix at every moment. */
    int result = load_drop_segments(loader, index + 1);
    if (result == 0) {
        result = file_truncate(segment->log_file, pos);
    }
    log->bytes -= segment->size - pos;
    segment->size = pos;
    return result;
}

/* CRC-32 of the message sets of old (IEEE 802.3), bit by bit: this is rare. */
static uint32_t crc32_extend(uint32_t crc, const uint8_t *bytes, size_t len) {
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (UINT32_C(0xedb88320) & (0 - (crc & 1)));
        }
    }
    return ~crc;
}

/*
 * Whether what looks like a message of magic 0 or 1 is one: 1, 0, or an errno. A header that a
 * power cut tore between two sectors, with zeros from there on, looks like one too.
 */
static int is_old_message(const struct segment *segment, struct batch_cursor *cursor,
                          const struct batch *batch, int64_t at) {
    int64_t end = at + (int64_t)batch_size(batch);
    if (end > segment->size) {
        return 0;
    }
    int error = 0;
    const uint8_t *bytes = batch_cursor_bytes(cursor, at, BATCH_MAGIC_OFFSET, &error);
    if (bytes == NULL) {
        return error;
    }
    uint32_t wanted = load_be32(bytes + BATCH_LOG_OVERHEAD);
    uint32_t crc = 0;
    for (int64_t pos = at + BATCH_MAGIC_OFFSET; pos < end;) {
        size_t len = end - pos < LOADER_WINDOW ? (size_t)(end - pos) : (size_t)LOADER_WINDOW;
        bytes = batch_cursor_bytes(cursor, pos, len, &error);
        if (bytes == NULL) {
            return error;
        }
        crc = crc32_extend(crc, bytes, len);
        pos += (int64_t)len;
    }
    return crc == wanted;
}

/* Recovers segment `index`; later ones go when its tail was torn. */
static int recover_segment(struct loader *loader, int index) {
    struct log *log = loader->log;
    struct segment *segment = log->segments[index];
    segment->unverified_end = 0;
    int result = segment_open_log(segment);
    if (result == 0) {
        /* What an earlier process failed to sync is in the cache, clean, and not on the disk. */
        file_drop_cache(segment->log_file, 0, segment->size);
        result = empty_indexes(segment);
    }
    if (result != 0) {
        return result;
    }
    struct batch_cursor cursor;
    batch_cursor_init(&cursor, segment->log_file, 0, segment->size, loader->window, LOADER_WINDOW);
    int64_t good_end = 0;
    for (;;) {
        struct batch batch;
        int64_t at = 0;
        result = batch_cursor_next(&cursor, &batch, &at);
        if (result == 0) {
            break;
        }
        if (result == 1) {
            result = recover_batch(loader, segment, &cursor, &batch, at);
        } else if (result == -ENOTSUP) {
            int old = is_old_message(segment, &cursor, &batch, good_end);
            result = old == 1 ? -ENOTSUP : old;
        }
        if (result == -EBADMSG) {
            result = 0;
        }
        if (result < 0) {
            return result;
        }
        if (result == 0) {
            result = judge_damage(loader, index, good_end, log->end_offset);
            if (result == 0) {
                result = cut_tail(loader, index, good_end);
            }
            if (result != 0) {
                return result;
            }
            break;
        }
        good_end = cursor.pos;
    }
    return segment_finish_time_index(segment);
}

/* Whether segment `index` follows on what was recovered before it; else it was lost with it. */
static int check_follows(struct loader *loader, int index, bool *follows) {
    const struct log *log = loader->log;
    struct segment *segment = log->segments[index];
    *follows =
        segment->base_offset == log->end_offset || load_has_snapshot(loader, segment->base_offset);
    if (segment->base_offset < log->end_offset) {
        return damaged(loader, segment, 0, "it overlaps the segment before it");
    }
    return 0;
}

int load_recover(struct loader *loader, int first) {
    struct log *log = loader->log;
    loader->last_epoch = -1;
    log->names_dirty = true; /* the crash may have come before the sync of new names */
    log->end_offset = log->segments[first]->base_offset;
    int result = 0;
    for (int i = first; i < log->segment_count && result == 0; i++) {
        bool follows = true;
        if (i > first) {
            result = check_follows(loader, i, &follows);
        }
        if (result == 0 && !follows) {
            result = load_drop_segments(loader, i);
            break;
        }
        if (result == 0) {
            log->end_offset = log->segments[i]->base_offset;
            if (i > first && !load_has_snapshot(loader, log->end_offset)) {
                log_add_seal(log, log->end_offset);
            }
            result = recover_segment(loader, i);
        }
        /* Its name is synced with its first record. */
        loader->changed |= !is_blank(log->segments[i]) || log->segments[i]->dirty;
    }
    if (result != 0 && result != -EUCLEAN && result != -ESTALE) {
        errmsg_set(loader->errmsg, "cannot recover %s: %s", log->directory, strerror(-result));
    }
    return result;
}
