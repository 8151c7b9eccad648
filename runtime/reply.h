/* The insides of a reply (runtime/net.h), for the two networks. Private to runtime/. */
#ifndef RUNTIME_REPLY_H
#define RUNTIME_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct frame;
struct file;

#define REPLY_PARTS_INLINE 4

enum reply_part_kind { REPLY_HEAP, REPLY_FRAME, REPLY_FILE };

struct reply_part {
    enum reply_part_kind kind;
    size_t len;
    const uint8_t *data; /* heap and frame */
    int64_t pos;         /* file */
    union {
        void *heap;
        struct frame *frame;
        struct file *file;
    } owner;
};

struct reply {
    struct list link;  /* in the connection's output */
    size_t len;        /* of all parts */
    uint8_t prefix[4]; /* the length on the wire; set by the connection */
    int part_count;
    int part_cap;
    struct reply_part *parts; /* parts_inline or heap */
    struct reply_part parts_inline[REPLY_PARTS_INLINE];
};

/* Drops what one part owns; the part is empty then. */
void reply_part_release(struct reply_part *part);

#endif
