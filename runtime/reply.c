#include "runtime/reply.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "runtime/file.h"
#include "runtime/net.h"

struct reply *reply_new(void) {
    struct reply *reply = xmalloc(sizeof(*reply));
    list_init(&reply->link);
    reply->len = 0;
    reply->part_count = 0;
    reply->part_cap = REPLY_PARTS_INLINE;
    reply->parts = reply->parts_inline;
    return reply;
}

void reply_part_release(struct reply_part *part) {
    switch (part->kind) {
    case REPLY_HEAP:
        free(part->owner.heap);
        part->owner.heap = NULL;
        break;
    case REPLY_FRAME:
        frame_unref(part->owner.frame);
        part->owner.frame = NULL;
        break;
    case REPLY_FILE:
        file_unref(part->owner.file);
        part->owner.file = NULL;
        break;
    }
}

void reply_free(struct reply *reply) {
    if (reply == NULL) {
        return;
    }
    for (int i = 0; i < reply->part_count; i++) {
        reply_part_release(&reply->parts[i]);
    }
    if (reply->parts != reply->parts_inline) {
        free(reply->parts);
    }
    free(reply);
}

static struct reply_part *add_part(struct reply *reply, enum reply_part_kind kind, size_t len) {
    if (reply->part_count == reply->part_cap) {
        int cap = reply->part_cap * 2;
        struct reply_part *grown = NULL;
        if (reply->parts == reply->parts_inline) {
            grown = xmalloc((size_t)cap * sizeof(*grown));
            memcpy(grown, reply->parts_inline, sizeof(reply->parts_inline));
        } else {
            grown = xrealloc(reply->parts, (size_t)cap * sizeof(*grown));
        }
        reply->parts = grown;
        reply->part_cap = cap;
    }
    struct reply_part *part = &reply->parts[reply->part_count++];
    *part = (struct reply_part){.kind = kind, .len = len};
    reply->len += len;
    ASSERT(reply->len <= INT32_MAX);
    return part;
}

void reply_add_heap(struct reply *reply, void *data, size_t len) {
    struct reply_part *part = add_part(reply, REPLY_HEAP, len);
    part->data = data;
    part->owner.heap = data;
}

void reply_add_frame(struct reply *reply, struct frame *frame, const uint8_t *data, size_t len) {
    ASSERT(data >= frame->data && len <= frame->len &&
           (size_t)(data - frame->data) <= frame->len - len);
    struct reply_part *part = add_part(reply, REPLY_FRAME, len);
    part->data = data;
    part->owner.frame = frame;
}

void reply_add_file(struct reply *reply, struct file *file, int64_t pos, size_t len) {
    ASSERT(pos >= 0);
    struct reply_part *part = add_part(reply, REPLY_FILE, len);
    part->pos = pos;
    part->owner.file = file;
}

size_t reply_len(const struct reply *reply) {
    return reply->len;
}
