#include "runtime/frame.h"

#include <stdlib.h>

#include "base/assert.h"

struct frame *frame_new(size_t len) {
    if (len > INT32_MAX) {
        return NULL;
    }
    struct frame *frame = malloc(sizeof(*frame) + len);
    if (frame != NULL) {
        atomic_init(&frame->refs, 1);
        frame->len = len;
    }
    return frame;
}

struct frame *frame_ref(struct frame *frame) {
    if (frame != NULL) {
        int before = atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
        ASSERT(before > 0);
    }
    return frame;
}

void frame_unref(struct frame *frame) {
    if (frame == NULL) {
        return;
    }
    int before = atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        free(frame);
    }
}
