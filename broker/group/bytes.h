/* Heap copies of slices, for what outlives the request it came with. */
#ifndef BROKER_GROUP_BYTES_H
#define BROKER_GROUP_BYTES_H

#include <stdlib.h>

#include "base/memory.h"
#include "base/slice.h"

/* Null stays null; empty values cost no memory. Ended by bytes_free(). */
static inline struct slice bytes_copy(struct slice s) {
    if (s.data == NULL || s.len == 0) {
        return s.data == NULL ? SLICE_NULL : SLICE_LIT("");
    }
    uint8_t *copy = xmalloc(s.len);
    memcpy(copy, s.data, s.len);
    return slice_make(copy, s.len);
}

/* Leaves the null slice. */
static inline void bytes_free(struct slice *s) {
    if (s->len > 0) {
        free((void *)(uintptr_t)s->data);
    }
    *s = SLICE_NULL;
}

/* Replaces a copy by another; `to` may be a part of `*s`. */
static inline void bytes_set(struct slice *s, struct slice to) {
    struct slice copy = bytes_copy(to);
    bytes_free(s);
    *s = copy;
}

/* Empty where null is not allowed. */
static inline struct slice bytes_or_empty(struct slice s) {
    return s.data == NULL ? SLICE_LIT("") : s;
}

#endif
