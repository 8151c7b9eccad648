/*
 * Walks the batches of a segment file by their headers, in small reads.
 *
 * The window is the caller's memory: a few KiB for a look-up, more for a scan of a whole file.
 */
#ifndef STORAGE_BATCH_CURSOR_H
#define STORAGE_BATCH_CURSOR_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/records.h"
#include "runtime/file.h"

#define BATCH_CURSOR_WINDOW_MIN 4096

struct batch_cursor {
    struct file *file; /* borrowed */
    int64_t pos;       /* of the next batch */
    int64_t end;       /* of what may be read */
    uint8_t *window;   /* private from here on */
    size_t window_cap;
    int64_t window_pos;
    size_t window_len;
};

/* window_cap >= BATCH_CURSOR_WINDOW_MIN. */
void batch_cursor_init(struct batch_cursor *cursor, struct file *file, int64_t pos, int64_t end,
                       uint8_t *window, size_t window_cap);

/*
 * 1: *out is the next header and *at its position. 0: nothing left. -EBADMSG: what follows is not a
 * whole batch (cursor->pos is where it begins). -ENOTSUP: magic 0 or 1. Else the errno of the read.
 */
MUST_CHECK int batch_cursor_next(struct batch_cursor *cursor, struct batch *out, int64_t *at);

/* Whether the CRC of the batch at `at` holds: 1, 0 or the negative errno of the read. */
MUST_CHECK int batch_cursor_check_crc(struct batch_cursor *cursor, const struct batch *batch,
                                      int64_t at);

/* len <= window_cap bytes at pos, or NULL with *error set: -EBADMSG behind the end. Valid until the
 * next call of any of these functions. */
const uint8_t *batch_cursor_bytes(struct batch_cursor *cursor, int64_t pos, size_t len, int *error);

#endif
