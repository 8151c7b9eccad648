/*
 * Records of uncompressed batches are read where they lie. Compressed ones pass through a window: a
 * heap block that holds the unread end of what was decompressed, and grows, while bytes really
 * arrive, to the size of a record that does not fit. So a length that lies costs nothing.
 *
 * The first failure is final: every later call returns it again.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "protocol/record_frame.h"
#include "protocol/records.h"

#define WINDOW_SIZE ((size_t)64 * 1024)

/* However small the compressed batch is, it may decompress to this; see batch_decompressed_max().
 */
#define DECOMPRESSED_FLOOR     ((size_t)16 * 1024 * 1024)
#define DECOMPRESSED_RATIO_MAX 100

enum { STATE_READING = 1, STATE_END = 0, STATE_CORRUPT = -1, STATE_TOO_LARGE = -2 };

struct record_iterator {
    struct batch batch;
    size_t record_max;
    int state;            /* what next() returns from now on, unless STATE_READING */
    int32_t index;        /* of the next record */
    struct cursor unread; /* in the batch itself, or in the window */

    struct decompressor *decompressor; /* NULL when the batch is not compressed */
    bool stream_ended;
    uint8_t *window;
    size_t window_size;
};

size_t batch_decompressed_max(size_t compressed_len) {
    size_t by_ratio;
    if (__builtin_mul_overflow(compressed_len, (size_t)DECOMPRESSED_RATIO_MAX, &by_ratio)) {
        return SIZE_MAX;
    }
    return by_ratio < DECOMPRESSED_FLOOR ? DECOMPRESSED_FLOOR : by_ratio;
}

struct record_iterator *record_iterator_new(struct slice batch_bytes, const struct batch *batch,
                                            size_t record_max) {
    struct record_iterator *iterator = NEW(struct record_iterator);
    iterator->batch = *batch;
    iterator->record_max = record_max;
    iterator->state = STATE_READING;
    if (batch_bytes.len < BATCH_HEADER_SIZE || batch_bytes.len != batch_size(batch)) {
        iterator->state = STATE_CORRUPT;
        return iterator;
    }
    struct slice records =
        slice_make(batch_bytes.data + BATCH_HEADER_SIZE, batch_bytes.len - BATCH_HEADER_SIZE);
    /* A batch that compaction emptied may still name a codec: there is no stream to open. */
    bool emptied = batch->record_count == 0 && records.len == 0;
    if (batch_codec(batch) == COMPRESSION_NONE || emptied) {
        iterator->unread = cursor_of(records);
        return iterator;
    }
    iterator->decompressor =
        decompressor_new(batch_codec(batch), records, batch_decompressed_max(records.len));
    if (iterator->decompressor == NULL) {
        iterator->state = STATE_CORRUPT;
        return iterator;
    }
    iterator->window = xmalloc(WINDOW_SIZE);
    iterator->window_size = WINDOW_SIZE;
    iterator->unread = (struct cursor){iterator->window, iterator->window};
    return iterator;
}

void record_iterator_free(struct record_iterator *iterator) {
    if (iterator != NULL) {
        decompressor_free(iterator->decompressor);
        free(iterator->window);
        free(iterator);
    }
}

/* Decompresses until `want` bytes are unread or the stream ends. */
static int iterator_fill(struct record_iterator *iterator, size_t want) {
    size_t have = cursor_left(&iterator->unread);
    if (have >= want || iterator->decompressor == NULL || iterator->stream_ended) {
        return STATE_READING;
    }
    memmove(iterator->window, iterator->unread.at, have);
    int state = STATE_READING;
    while (have < want && !iterator->stream_ended && state == STATE_READING) {
        if (have == iterator->window_size) {
            size_t doubled = iterator->window_size * 2;
            iterator->window_size = doubled < want ? doubled : want;
            iterator->window = xrealloc(iterator->window, iterator->window_size);
        }
        int64_t count = decompressor_read(iterator->decompressor, iterator->window + have,
                                          iterator->window_size - have);
        if (count > 0) {
            have += (size_t)count;
        } else if (count == 0) {
            iterator->stream_ended = true;
        } else {
            state = (int)count;
        }
    }
    iterator->unread = (struct cursor){iterator->window, iterator->window + have};
    return state;
}

/* After the last record: nothing may be left, in the batch or in the stream. */
static int iterator_finish(struct record_iterator *iterator) {
    int state = iterator_fill(iterator, 1);
    if (state != STATE_READING) {
        return state;
    }
    return cursor_left(&iterator->unread) == 0 ? STATE_END : STATE_CORRUPT;
}

/* Takes the body of the next record off `unread`. */
static int iterator_body(struct record_iterator *iterator, struct slice *body) {
    int state = iterator_fill(iterator, VARINT_SIZE_MAX);
    if (state != STATE_READING) {
        return state;
    }
    int32_t len;
    if (!cursor_varint(&iterator->unread, &len) || len < 0) {
        return STATE_CORRUPT;
    }
    if (iterator->decompressor == NULL && (size_t)len > cursor_left(&iterator->unread)) {
        return STATE_CORRUPT;
    }
    if ((size_t)len > iterator->record_max) {
        return STATE_TOO_LARGE;
    }
    state = iterator_fill(iterator, (size_t)len);
    if (state != STATE_READING) {
        return state;
    }
    if ((size_t)len > cursor_left(&iterator->unread)) {
        return STATE_CORRUPT;
    }
    *body = slice_make(iterator->unread.at, (size_t)len);
    iterator->unread.at += len;
    return STATE_READING;
}

int record_iterator_next(struct record_iterator *iterator, struct record *out) {
    if (iterator->state != STATE_READING) {
        return iterator->state;
    }
    if (iterator->index >= iterator->batch.record_count) {
        iterator->state = iterator_finish(iterator);
        return iterator->state;
    }
    struct slice body;
    struct record_frame frame;
    iterator->state = iterator_body(iterator, &body);
    if (iterator->state != STATE_READING) {
        return iterator->state;
    }
    if (!record_frame_read(body, &frame)) {
        iterator->state = STATE_CORRUPT;
        return iterator->state;
    }
    const struct batch *batch = &iterator->batch;
    bool log_append = (batch->attributes & BATCH_ATTR_LOG_APPEND) != 0;
    *out = (struct record){
        .offset = wrapping_add(batch->base_offset, frame.offset_delta),
        .timestamp = log_append ? batch->max_timestamp
                                : wrapping_add(batch->base_timestamp, frame.timestamp_delta),
        .offset_delta = frame.offset_delta,
        .key = frame.key,
        .value = frame.value,
        .header_count = frame.header_count,
        .headers = frame.headers,
    };
    iterator->index++;
    return STATE_READING;
}
