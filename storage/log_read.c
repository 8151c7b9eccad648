/*
 * Finding the bytes for a fetch. The tail is answered from the ring of the newest batches; what is
 * older takes a binary search in the offset index and a walk over at most about
 * index.interval.bytes of headers, at the begin and at the end of the range.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "runtime/log.h"
#include "storage/log_internal.h"
#include "storage/txn_index.h"

/* The oldest entry that the ring still has. */
static uint64_t ring_begin(const struct log *log) {
    return log->ring_count > LOG_RING_SIZE ? log->ring_count - LOG_RING_SIZE : 0;
}

static const struct ring_entry *ring_at(const struct log *log, uint64_t i) {
    return &log->ring[i % LOG_RING_SIZE];
}

/* The first batch of the segment that ends behind offset, when the ring knows it. */
static bool ring_find(const struct log *log, int64_t offset, uint64_t *found) {
    uint64_t begin = ring_begin(log);
    if (log->ring_count == 0 || offset >= ring_at(log, log->ring_count - 1)->next_offset) {
        return false;
    }
    const struct ring_entry *oldest = ring_at(log, begin);
    if (offset < oldest->base_offset &&
        (oldest->at != 0 || offset < log_active(log)->base_offset)) {
        return false;
    }
    uint64_t i = log->ring_count - 1;
    while (i > begin && ring_at(log, i - 1)->next_offset > offset) {
        i--;
    }
    *found = i;
    return true;
}

/* Where batch i of the ring ends. */
static int64_t ring_end(const struct log *log, uint64_t i) {
    return i + 1 == log->ring_count ? log_active(log)->size : ring_at(log, i + 1)->at;
}

/* A read that begins in the ring. */
static void read_ring(const struct log *log, uint64_t first, int64_t limit, size_t max_bytes,
                      bool at_least_one, struct log_range *out) {
    out->pos = ring_at(log, first)->at;
    out->first_offset = ring_at(log, first)->base_offset;
    out->next_offset = out->first_offset;
    for (uint64_t i = first; i < log->ring_count; i++) {
        int64_t pos = ring_end(log, i);
        int64_t next_offset = ring_at(log, i)->next_offset;
        bool fits = pos - out->pos <= (int64_t)max_bytes || (at_least_one && i == first);
        if (next_offset > limit || !fits) {
            return;
        }
        out->len = (size_t)(pos - out->pos);
        out->next_offset = next_offset;
    }
}

/* The position in the segment where batches that end above `limit` begin, or its size. */
static int limit_position(struct log *log, struct segment *segment, int64_t limit, int64_t *pos) {
    *pos = segment->size;
    if (segment == log_active(log)) {
        if (limit >= log->end_offset) {
            return 0;
        }
        uint64_t i = 0;
        if (ring_find(log, limit, &i)) {
            *pos = ring_at(log, i)->at;
            return 0;
        }
    }
    uint8_t window[BATCH_CURSOR_WINDOW_MIN];
    struct batch_cursor cursor;
    struct segment_hit hit;
    int result = segment_find(segment, limit, &cursor, window, sizeof(window), &hit);
    if (result == 1) {
        *pos = hit.at;
    }
    return result < 0 ? result : 0;
}

static int read_segment(struct log *log, struct segment *segment, const struct segment_hit *hit,
                        int64_t limit, bool limited, size_t max_bytes, bool at_least_one,
                        struct log_range *out) {
    int64_t limit_pos = segment->size;
    if (limited) {
        int result = limit_position(log, segment, limit, &limit_pos);
        if (result != 0) {
            return result;
        }
    }
    int64_t first_end = hit->at + (int64_t)batch_size(&hit->batch);
    if (first_end > limit_pos || (!at_least_one && first_end - hit->at > (int64_t)max_bytes)) {
        return 0;
    }
    int64_t room = limit_pos - hit->at;
    int64_t end = hit->at + (room < (int64_t)max_bytes ? room : (int64_t)max_bytes);
    if (end < first_end) {
        end = first_end;
    }
    int64_t next_offset = 0;
    int result = segment_floor(segment, hit->at, hit->batch.base_offset, end, &end, &next_offset);
    if (result != 0) {
        return result;
    }
    out->pos = hit->at;
    out->len = (size_t)(end - hit->at);
    out->first_offset = hit->batch.base_offset;
    out->next_offset = next_offset;
    return 0;
}

/* ---- Bytes that nobody has looked at yet ------------------------------------------------------
 *
 * What was closed cleanly, or lies below the recovery point, is not read when the log is loaded. It
 * is checked when it is read for the first time, a step at a time, so that damage is an error and
 * never data. The cost is one more reading of pages that are about to be sent.
 */

#define VERIFY_STEP   (256 << 10)
#define VERIFY_WINDOW (64 << 10)

static bool batch_in_place(const struct log *log, const struct segment *segment,
                           const struct batch *batch, int64_t next_offset) {
    int32_t epoch = batch->partition_leader_epoch;
    bool gap = batch->base_offset > next_offset && !log->config.cleanup_compact;
    bool known = epoch >= 0 && log->epochs.count > 0 &&
                 batch_last_offset(batch) >= log->epochs.entries[0].start_offset;
    return batch->base_offset >= next_offset && !gap &&
           batch_last_offset(batch) - segment->base_offset <= INT32_MAX &&
           batch_last_offset(batch) < log->end_offset && epoch >= -1 &&
           (!known || epochs_of_offset(&log->epochs, batch_last_offset(batch)) == epoch);
}

/* What the batch behind this one begins with, or the next segment, or the end of the log: no
 * checksum covers offsets, so each batch vouches for the one before it. */
static bool next_in_place(const struct log *log, const struct segment *segment,
                          struct batch_cursor *cursor, int64_t next_offset) {
    int64_t next = log->end_offset;
    if (cursor->pos < segment->size) {
        struct batch_cursor ahead = *cursor;
        struct batch batch;
        int64_t at = 0;
        if (batch_cursor_next(&ahead, &batch, &at) != 1) {
            return true; /* the damage is there */
        }
        next = batch.base_offset;
        cursor->window_pos = ahead.window_pos; /* they share the window */
        cursor->window_len = ahead.window_len;
    } else if (segment != log_active(log)) {
        next = log->segments[log_segment_index(log, segment->base_offset) + 1]->base_offset;
    }
    return next == next_offset || (next > next_offset && log->config.cleanup_compact);
}

/* Checks batches from `pos` on, one at least, up to about a step: -EUCLEAN for damage. *end: where
 * the last good one ends; *next_offset: what follows on it. */
static int verify_batches(const struct log *log, const struct segment *segment, int64_t pos,
                          int64_t limit, int64_t *end, int64_t *next_offset) {
    uint8_t *window = xmalloc(VERIFY_WINDOW);
    struct batch_cursor cursor;
    struct batch batch;
    int64_t at = 0;
    int result = 0;
    batch_cursor_init(&cursor, segment->log_file, pos, segment->size, window, VERIFY_WINDOW);
    *end = pos;
    while (*end < limit && (*end == pos || *end - pos < VERIFY_STEP)) {
        result = batch_cursor_next(&cursor, &batch, &at);
        if (result == 1) {
            result = batch_in_place(log, segment, &batch, *next_offset)
                         ? batch_cursor_check_crc(&cursor, &batch, at)
                         : 0;
        }
        if (result != 1 || !next_in_place(log, segment, &cursor, batch_last_offset(&batch) + 1)) {
            break;
        }
        *end = cursor.pos;
        *next_offset = batch_last_offset(&batch) + 1;
    }
    free(window);
    return result < 0 && result != -EBADMSG ? result : *end > pos ? 0 : -EUCLEAN;
}

/* Cuts the range to what is good; the first batch must be. */
static int verify_range(const struct log *log, struct segment *segment, struct log_range *range) {
    int64_t end = range->pos + (int64_t)range->len;
    bool verified = range->pos >= segment->verified_from && end <= segment->verified_to;
    if (range->len == 0 || range->pos >= segment->unverified_end || verified) {
        return 0;
    }
    int64_t good_end = 0;
    int64_t next_offset = range->first_offset;
    int result = verify_batches(log, segment, range->pos, end, &good_end, &next_offset);
    if (result != 0) {
        if (!segment->damage_told) {
            segment->damage_told = true;
            LOG_ERROR(log->machine, "storage", "segment is damaged",
                      "dir=%s base_offset=%" PRId64 " offset=%" PRId64 " position=%" PRId64,
                      log->directory, segment->base_offset, range->first_offset, range->pos);
        }
        return result;
    }
    if (range->pos > segment->verified_to || range->pos < segment->verified_from) {
        segment->verified_from = range->pos;
    }
    segment->verified_to = good_end;
    if (good_end < end) {
        range->len = (size_t)(good_end - range->pos);
        range->next_offset = next_offset;
    }
    return 0;
}

/* One line for each segment that cannot be read. */
static void tell_unreadable(const struct log *log, struct segment *segment, int error) {
    if (segment != NULL && !segment->damage_told) {
        segment->damage_told = true;
        LOG_ERROR(log->machine, "storage", "segment cannot be read",
                  "dir=%s base_offset=%" PRId64 " reason=\"%s\"", log->directory,
                  segment->base_offset, strerror(-error));
    }
}

int log_read(struct log *log, int64_t offset, int64_t limit, size_t max_bytes, bool at_least_one,
             struct log_range *out) {
    *out = (struct log_range){.first_offset = offset, .next_offset = offset};
    if (offset < log->start_offset || offset > log->end_offset) {
        return -ERANGE;
    }
    if (limit > log->end_offset) {
        limit = log->end_offset;
    }
    if (max_bytes > INT32_MAX) {
        max_bytes = INT32_MAX;
    }
    struct segment *segment = NULL;
    int result = 0;
    uint64_t first = 0;
    if (offset >= limit) {
        return 0;
    }
    if (ring_find(log, offset, &first)) {
        segment = log_active(log);
        read_ring(log, first, limit, max_bytes, at_least_one, out);
    } else {
        /* Behind the last batch of a segment, and in gaps, the next segment goes on. */
        for (int i = log_segment_index(log, offset); i < log->segment_count; i++) {
            uint8_t window[BATCH_CURSOR_WINDOW_MIN];
            struct batch_cursor cursor;
            struct segment_hit hit;
            segment = log->segments[i];
            result = segment_find(segment, offset, &cursor, window, sizeof(window), &hit);
            if (result == 1 && hit.batch.base_offset > offset && segment->unverified_end > hit.at &&
                !log->config.cleanup_compact) {
                result = -EUCLEAN; /* what was here has another offset now */
                break;
            }
            if (result == 1) {
                bool limited =
                    i == log->segment_count - 1 || limit < log->segments[i + 1]->base_offset;
                result =
                    read_segment(log, segment, &hit, limit, limited, max_bytes, at_least_one, out);
                break;
            }
            if (result < 0) {
                break;
            }
        }
    }
    if (result == 0 && out->len > 0) {
        result = segment_open_log(segment);
    }
    if (result == 0) {
        result = verify_range(log, segment, out);
    }
    if (result == 0 && out->len > 0) {
        out->file = file_ref(segment->log_file);
    }
    if (result != 0) {
        tell_unreadable(log, segment, result);
        *out = (struct log_range){.first_offset = offset, .next_offset = offset};
    }
    return result;
}

int log_aborted_transactions(struct log *log, int64_t offset, int64_t upper, struct arena *arena,
                             struct log_aborted **out, int *count) {
    int cap = 0;
    *out = NULL;
    *count = 0;
    bool more = true;
    for (int i = log_segment_index(log, offset); i < log->segment_count && more; i++) {
        struct segment *segment = log->segments[i];
        struct file *file = NULL;
        if (segment->no_txn_index) {
            continue;
        }
        int result = txn_index_open(log->machine, log->directory, segment->base_offset, &file);
        if (result == -ENOENT) {
            segment->no_txn_index = true;
            continue;
        }
        if (result != 0) {
            return result;
        }
        struct txn_end entry;
        for (int64_t at = 0; (result = txn_index_read(file, at, &entry)) == 1; at++) {
            if (entry.last_offset >= offset && entry.first_offset < upper) {
                if (*count == cap) {
                    cap = cap == 0 ? 8 : cap * 2;
                    struct log_aborted *grown = arena_array(arena, (size_t)cap, sizeof(*grown));
                    if (grown == NULL) {
                        file_unref(file);
                        return -ENOMEM;
                    }
                    if (*count > 0) {
                        memcpy(grown, *out, (size_t)*count * sizeof(*grown));
                    }
                    *out = grown;
                }
                (*out)[(*count)++] = (struct log_aborted){.producer_id = entry.producer_id,
                                                          .first_offset = entry.first_offset};
            }
            if (entry.last_stable_offset >= upper) {
                more = false;
                break;
            }
        }
        file_unref(file);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}
