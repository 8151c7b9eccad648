/*
 * A received frame: bytes with a reference count, so that what was received can go to a file
 * without a copy and outlive the connection.
 *
 * Bytes are received into it once and then belong to whoever holds the only reference, who may
 * change them in place (the broker stamps base offsets).
 */
#ifndef RUNTIME_FRAME_H
#define RUNTIME_FRAME_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct frame {
    atomic_int refs;
    size_t len;
    _Alignas(16) uint8_t data[];
};

/* One reference, `len` uninitialised bytes; NULL when memory is out, or above INT32_MAX, which no
 * length on the wire can be. */
struct frame *frame_new(size_t len);

/* Any thread; the last unref frees. NULL is allowed. */
struct frame *frame_ref(struct frame *frame);
void frame_unref(struct frame *frame);

#endif
