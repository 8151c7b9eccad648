/*
 * Finding the bytes for a fetch. The tail is answered from the ring of the newest batches; what is
 * older takes a binary search in the offset index and a walk over at most about
 * index.interval.bytes of headers, at the begin and at the end of the range.
 */
#include <errno.h>

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
        if (result == 0) {
            out->file = file_ref(segment->log_file);
        }
    }
    if (result != 0) {
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
        struct file *file = NULL;
        int result =
            txn_index_open(log->machine, log->directory, log->segments[i]->base_offset, &file);
        if (result == -ENOENT) {
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
