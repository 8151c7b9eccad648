#include "protocol/record_frame.h"

bool cursor_uvarint_slow(struct cursor *cursor, size_t size_max, uint64_t *out) {
    uint64_t value = 0;
    for (size_t i = 0; i < size_max && cursor->at < cursor->end; i++) {
        uint8_t byte = *cursor->at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

bool record_headers_check(struct cursor *cursor, int32_t count) {
    /* The count is a claim; bytes are a fact. */
    if (count < 0 || (size_t)count > cursor_left(cursor) / HEADER_SIZE_MIN) {
        return false;
    }
    for (int32_t i = 0; i < count; i++) {
        struct slice ignored;
        if (!cursor_bytes(cursor, false, &ignored) || !cursor_bytes(cursor, true, &ignored)) {
            return false;
        }
    }
    return cursor->at == cursor->end;
}

bool record_headers_next(struct slice *headers, struct record_header *out) {
    struct cursor cursor = cursor_of(*headers);
    if (headers->len == 0 || !cursor_bytes(&cursor, false, &out->key) ||
        !cursor_bytes(&cursor, true, &out->value)) {
        return false;
    }
    *headers = slice_make(cursor.at, cursor_left(&cursor));
    return true;
}
