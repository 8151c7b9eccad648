#include "storage/batch_cursor.h"

#include <errno.h>

#include "base/crc32c.h"

void batch_cursor_init(struct batch_cursor *cursor, struct file *file, int64_t pos, int64_t end,
                       uint8_t *window, size_t window_cap) {
    ASSERT(window_cap >= BATCH_CURSOR_WINDOW_MIN);
    ASSERT(pos >= 0 && end >= 0);
    *cursor = (struct batch_cursor){
        .file = file, .pos = pos, .end = end, .window = window, .window_cap = window_cap};
}

const uint8_t *batch_cursor_bytes(struct batch_cursor *cursor, int64_t pos, size_t len,
                                  int *error) {
    ASSERT(len <= cursor->window_cap && pos >= 0);
    if (pos > cursor->end || (int64_t)len > cursor->end - pos) {
        *error = -EBADMSG;
        return NULL;
    }
    bool inside = pos >= cursor->window_pos &&
                  pos - cursor->window_pos <= (int64_t)cursor->window_len &&
                  (int64_t)len <= cursor->window_pos + (int64_t)cursor->window_len - pos;
    if (!inside) {
        int64_t left = cursor->end - pos;
        size_t want = left < (int64_t)cursor->window_cap ? (size_t)left : cursor->window_cap;
        int64_t got = file_read_at(cursor->file, cursor->window, want, pos);
        cursor->window_pos = pos;
        cursor->window_len = got < 0 ? 0 : (size_t)got;
        if (got < 0 || got < (int64_t)len) {
            *error = got < 0 ? (int)got : -EBADMSG;
            return NULL;
        }
    }
    return cursor->window + (pos - cursor->window_pos);
}

int batch_cursor_next(struct batch_cursor *cursor, struct batch *out, int64_t *at) {
    int64_t left = cursor->end - cursor->pos;
    if (left <= 0) {
        return 0;
    }
    size_t want = left < BATCH_HEADER_SIZE ? (size_t)left : BATCH_HEADER_SIZE;
    int error = 0;
    const uint8_t *bytes = batch_cursor_bytes(cursor, cursor->pos, want, &error);
    if (bytes == NULL) {
        return error;
    }
    enum batch_parse parse = batch_parse(slice_make(bytes, want), out);
    if (parse == BATCH_OLD_MAGIC) {
        return -ENOTSUP;
    }
    bool whole = (parse == BATCH_OK || parse == BATCH_INCOMPLETE) && want == BATCH_HEADER_SIZE &&
                 (int64_t)batch_size(out) <= left;
    if (!whole) {
        return -EBADMSG;
    }
    *at = cursor->pos;
    cursor->pos += (int64_t)batch_size(out);
    return 1;
}

int batch_cursor_check_crc(struct batch_cursor *cursor, const struct batch *batch, int64_t at) {
    int64_t pos = at + BATCH_CRC_START;
    int64_t end = at + (int64_t)batch_size(batch);
    uint32_t crc = 0;
    while (pos < end) {
        size_t len =
            end - pos < (int64_t)cursor->window_cap ? (size_t)(end - pos) : cursor->window_cap;
        int error = 0;
        const uint8_t *bytes = batch_cursor_bytes(cursor, pos, len, &error);
        if (bytes == NULL) {
            return error;
        }
        crc = crc32c_extend(crc, bytes, len);
        pos += (int64_t)len;
    }
    return crc == batch->crc;
}
