/*
 * How batch headers and records lie in bytes; shared by the files that implement records.h and not
 * for others.
 *
 * A record, after its own length (varint):
 *
 *     i8 attributes, varlong timestamp delta, varint offset delta, varint key length (-1 null),
 * key, varint value length (-1 null), value, varint header count, for each header: varint key
 * length, key, varint value length (-1 null), value
 *
 * varint and varlong are zigzag numbers in groups of seven bits, lowest group first, of at most 5
 * and 10 bytes (KIP-98).
 */
#ifndef PROTOCOL_RECORD_FRAME_H
#define PROTOCOL_RECORD_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "protocol/records.h"

#define VARINT_SIZE_MAX  5
#define VARLONG_SIZE_MAX 10

/* Six fields of at least one byte, behind a length of one byte. */
#define RECORD_SIZE_MIN 7
#define HEADER_SIZE_MIN 2

/* A place in bytes that may run out; `at` never passes `end`. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static inline struct cursor cursor_of(struct slice s) {
    return (struct cursor){s.data, s.data + s.len};
}

static inline size_t cursor_left(const struct cursor *cursor) {
    return (size_t)(cursor->end - cursor->at);
}

/* An unsigned varint of any length; false when it does not end within size_max bytes. */
bool cursor_uvarint_slow(struct cursor *cursor, size_t size_max, uint64_t *out);

/* One byte or two, as nearly all varints of records have. */
static inline bool cursor_uvarint(struct cursor *cursor, size_t size_max, uint64_t *out) {
    const uint8_t *at = cursor->at;
    if (cursor_left(cursor) >= 2) {
        if (at[0] < 0x80) {
            *out = at[0];
            cursor->at += 1;
            return true;
        }
        if (at[1] < 0x80) {
            *out = (uint64_t)(at[0] & 0x7f) | (uint64_t)at[1] << 7;
            cursor->at += 2;
            return true;
        }
    }
    return cursor_uvarint_slow(cursor, size_max, out);
}

static inline bool cursor_varint(struct cursor *cursor, int32_t *out) {
    uint64_t raw;
    if (!cursor_uvarint(cursor, VARINT_SIZE_MAX, &raw)) {
        return false;
    }
    uint32_t bits = (uint32_t)raw;
    *out = (int32_t)((bits >> 1) ^ (0u - (bits & 1)));
    return true;
}

static inline bool cursor_varlong(struct cursor *cursor, int64_t *out) {
    uint64_t raw;
    if (!cursor_uvarint(cursor, VARLONG_SIZE_MAX, &raw)) {
        return false;
    }
    *out = (int64_t)((raw >> 1) ^ (UINT64_C(0) - (raw & 1)));
    return true;
}

/* A length and that many bytes; -1 is null where that is allowed. */
static inline bool cursor_bytes(struct cursor *cursor, bool nullable, struct slice *out) {
    int32_t len;
    if (!cursor_varint(cursor, &len)) {
        return false;
    }
    if (len < 0) {
        *out = SLICE_NULL;
        return nullable && len == -1;
    }
    if ((size_t)len > cursor_left(cursor)) {
        return false;
    }
    *out = slice_make(cursor->at, (size_t)len);
    cursor->at += len;
    return true;
}

/* A record as it is written, relative to its batch. */
struct record_frame {
    int64_t timestamp_delta;
    int32_t offset_delta;
    struct slice key;
    struct slice value;
    int32_t header_count;
    struct slice headers;
};

/* Walks the headers to the end of the cursor; false unless there are exactly `count`. */
bool record_headers_check(struct cursor *cursor, int32_t count);

/* body: a record without its length. False unless it is well-formed to the last byte. */
static inline bool record_frame_read(struct slice body, struct record_frame *out) {
    struct cursor cursor = cursor_of(body);
    if (body.len == 0) {
        return false;
    }
    cursor.at++; /* attributes, which have no meaning yet */
    if (!cursor_varlong(&cursor, &out->timestamp_delta) ||
        !cursor_varint(&cursor, &out->offset_delta) || !cursor_bytes(&cursor, true, &out->key) ||
        !cursor_bytes(&cursor, true, &out->value) || !cursor_varint(&cursor, &out->header_count)) {
        return false;
    }
    out->headers = slice_make(cursor.at, cursor_left(&cursor));
    if (out->header_count == 0) {
        return cursor.at == cursor.end;
    }
    return record_headers_check(&cursor, out->header_count);
}

/* Adds as Java does: the sum of a hostile base and delta wraps instead of being undefined. */
static inline int64_t wrapping_add(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* Writes all of the header, with the CRC as in the struct. */
void batch_header_write(uint8_t *data, const struct batch *batch);

/* Computes the CRC of a whole batch and stores it. */
void batch_seal(uint8_t *data, size_t size);

#endif
