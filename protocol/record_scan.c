#include "protocol/record_scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "protocol/record_frame.h"

#define WINDOW_SIZE ((size_t)64 * 1024)

enum { SCAN_RECORD = 1, SCAN_END = 0, SCAN_CORRUPT = -1, SCAN_TOO_LARGE = -2 };

struct record_scan {
    int state;          /* what next() returns from now on, unless SCAN_RECORD */
    int32_t count_left; /* records */
    size_t record_max;
    struct decompressor *decompressor;
    void (*give_way)(void);
    bool stream_ended;
    struct cursor unread; /* in the window */
    uint8_t window[WINDOW_SIZE];
};

struct record_scan *record_scan_new(enum compression codec, struct slice stream,
                                    int32_t record_count, size_t record_max, size_t output_max,
                                    void (*give_way)(void)) {
    struct record_scan *scan = xmalloc(sizeof(*scan));
    scan->decompressor = decompressor_new(codec, stream, output_max);
    scan->state = scan->decompressor == NULL ? SCAN_CORRUPT : SCAN_RECORD;
    scan->count_left = record_count;
    scan->record_max = record_max;
    scan->give_way = give_way;
    scan->stream_ended = false;
    scan->unread = (struct cursor){scan->window, scan->window};
    return scan;
}

void record_scan_free(struct record_scan *scan) {
    if (scan != NULL) {
        decompressor_free(scan->decompressor);
        free(scan);
    }
}

/* Decompresses until `want` bytes, at most a window, are unread or the stream ends. */
static bool scan_fill(struct record_scan *scan, size_t want) {
    size_t have = cursor_left(&scan->unread);
    if (have >= want || scan->stream_ended) {
        return true;
    }
    memmove(scan->window, scan->unread.at, have);
    int64_t count = 1;
    while (have < want && count > 0) {
        count = decompressor_read(scan->decompressor, scan->window + have, WINDOW_SIZE - have);
        have += count > 0 ? (size_t)count : 0;
    }
    if (scan->give_way != NULL) {
        scan->give_way();
    }
    scan->stream_ended = count == 0;
    scan->unread = (struct cursor){scan->window, scan->window + have};
    if (count < 0) {
        scan->state = (int)count;
    }
    return count >= 0;
}

static bool scan_fail(struct record_scan *scan, int state) {
    scan->state = state;
    return false;
}

/* ---- Records that are larger than the window ------------------------------------------------- */

/* A number within the record, of which `left` bytes are left. */
static bool scan_varlong(struct record_scan *scan, size_t size_max, size_t *left, uint64_t *out) {
    size_t want = *left < size_max ? *left : size_max;
    if (!scan_fill(scan, want)) {
        return false;
    }
    struct cursor cursor = scan->unread;
    if (cursor_left(&cursor) > want) {
        cursor.end = cursor.at + want;
    }
    if (!cursor_uvarint(&cursor, size_max, out)) {
        return scan_fail(scan, SCAN_CORRUPT);
    }
    *left -= (size_t)(cursor.at - scan->unread.at);
    scan->unread.at = cursor.at;
    return true;
}

static bool scan_varint(struct record_scan *scan, size_t *left, int32_t *out) {
    uint64_t raw;
    if (!scan_varlong(scan, VARINT_SIZE_MAX, left, &raw)) {
        return false;
    }
    uint32_t bits = (uint32_t)raw;
    *out = (int32_t)((bits >> 1) ^ (0u - (bits & 1)));
    return true;
}

static bool scan_skip(struct record_scan *scan, size_t *left, size_t len) {
    if (len > *left) {
        return scan_fail(scan, SCAN_CORRUPT);
    }
    *left -= len;
    while (len > 0) {
        if (!scan_fill(scan, 1)) {
            return false;
        }
        size_t have = cursor_left(&scan->unread);
        if (have == 0) {
            return scan_fail(scan, SCAN_CORRUPT);
        }
        size_t step = have < len ? have : len;
        scan->unread.at += step;
        len -= step;
    }
    return true;
}

/* A length and that many bytes; -1 is null where that is allowed. */
static bool scan_bytes(struct record_scan *scan, size_t *left, bool nullable, bool *is_null) {
    int32_t len;
    if (!scan_varint(scan, left, &len)) {
        return false;
    }
    *is_null = len < 0;
    if (len < 0) {
        return (nullable && len == -1) || scan_fail(scan, SCAN_CORRUPT);
    }
    return scan_skip(scan, left, (size_t)len);
}

static bool scan_headers(struct record_scan *scan, size_t *left) {
    int32_t count;
    if (!scan_varint(scan, left, &count)) {
        return false;
    }
    if (count < 0 || (size_t)count > *left / HEADER_SIZE_MIN) {
        return scan_fail(scan, SCAN_CORRUPT);
    }
    for (int32_t i = 0; i < count; i++) {
        bool is_null;
        if (!scan_bytes(scan, left, false, &is_null) || !scan_bytes(scan, left, true, &is_null)) {
            return false;
        }
    }
    return *left == 0 || scan_fail(scan, SCAN_CORRUPT);
}

static bool scan_large_body(struct record_scan *scan, size_t left, struct record_marks *out) {
    uint64_t timestamp_delta;
    bool key_is_null;
    bool value_is_null;
    if (!scan_skip(scan, &left, 1) ||
        !scan_varlong(scan, VARLONG_SIZE_MAX, &left, &timestamp_delta) ||
        !scan_varint(scan, &left, &out->offset_delta) ||
        !scan_bytes(scan, &left, true, &key_is_null) ||
        !scan_bytes(scan, &left, true, &value_is_null) || !scan_headers(scan, &left)) {
        return false;
    }
    out->timestamp_delta =
        (int64_t)((timestamp_delta >> 1) ^ (UINT64_C(0) - (timestamp_delta & 1)));
    out->has_key = !key_is_null;
    return true;
}

/* ---- All records ----------------------------------------------------------------------------- */

static bool scan_record(struct record_scan *scan, struct record_marks *out) {
    int32_t len;
    if (!scan_fill(scan, VARINT_SIZE_MAX)) {
        return false;
    }
    if (!cursor_varint(&scan->unread, &len) || len < 0) {
        return scan_fail(scan, SCAN_CORRUPT);
    }
    if ((size_t)len > scan->record_max) {
        return scan_fail(scan, SCAN_TOO_LARGE);
    }
    if ((size_t)len > WINDOW_SIZE) {
        return scan_large_body(scan, (size_t)len, out);
    }
    if (!scan_fill(scan, (size_t)len)) {
        return false;
    }
    struct record_frame frame;
    if ((size_t)len > cursor_left(&scan->unread) ||
        !record_frame_read(slice_make(scan->unread.at, (size_t)len), &frame)) {
        return scan_fail(scan, SCAN_CORRUPT);
    }
    scan->unread.at += len;
    *out = (struct record_marks){.timestamp_delta = frame.timestamp_delta,
                                 .offset_delta = frame.offset_delta,
                                 .has_key = !slice_is_null(frame.key)};
    return true;
}

int record_scan_next(struct record_scan *scan, struct record_marks *out) {
    if (scan->state != SCAN_RECORD) {
        return scan->state;
    }
    if (scan->count_left == 0) {
        if (scan_fill(scan, 1)) {
            scan->state = cursor_left(&scan->unread) == 0 ? SCAN_END : SCAN_CORRUPT;
        }
        return scan->state;
    }
    scan->count_left--;
    return scan_record(scan, out) ? SCAN_RECORD : scan->state;
}
