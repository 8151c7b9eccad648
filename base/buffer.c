#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

#define BUFFER_CAP_MIN 64

void buffer_init(struct buffer *buffer, size_t max) {
    *buffer = (struct buffer){.max = max};
}

void buffer_release(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){.max = buffer->max};
}

void buffer_reset(struct buffer *buffer) {
    buffer->len = 0;
    buffer->failed = false;
}

bool buffer_reserve(struct buffer *buffer, size_t len) {
    if (buffer->failed || len > buffer->max - buffer->len) {
        buffer->failed = true;
        return false;
    }
    if (len <= buffer->cap - buffer->len) {
        return true;
    }
    size_t cap = buffer->cap < BUFFER_CAP_MIN ? BUFFER_CAP_MIN : buffer->cap;
    while (cap < buffer->len + len) {
        cap = cap > buffer->max / 2 ? buffer->max : cap * 2;
    }
    buffer->data = xrealloc(buffer->data, cap);
    buffer->cap = cap;
    return true;
}

uint8_t *buffer_extend(struct buffer *buffer, size_t len) {
    if (!buffer_reserve(buffer, len)) {
        return NULL;
    }
    uint8_t *start = buffer->data + buffer->len;
    buffer->len += len;
    return start;
}

void buffer_append(struct buffer *buffer, const void *data, size_t len) {
    if (len == 0) {
        return;
    }
    uint8_t *to = buffer_extend(buffer, len);
    if (to != NULL) {
        memcpy(to, data, len);
    }
}

void buffer_append_slice(struct buffer *buffer, struct slice s) {
    buffer_append(buffer, s.data, s.len);
}

void buffer_append_str(struct buffer *buffer, const char *s) {
    buffer_append(buffer, s, strlen(s));
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(len >= 0);
    if (buffer_reserve(buffer, (size_t)len + 1)) {
        vsnprintf((char *)buffer->data + buffer->len, (size_t)len + 1, format, again);
        buffer->len += (size_t)len;
    }
    va_end(again);
}

void buffer_put_u8(struct buffer *buffer, uint8_t value) {
    buffer_append(buffer, &value, sizeof(value));
}

void buffer_put_be16(struct buffer *buffer, uint16_t value) {
    uint8_t *to = buffer_extend(buffer, sizeof(value));
    if (to != NULL) {
        store_be16(to, value);
    }
}

void buffer_put_be32(struct buffer *buffer, uint32_t value) {
    uint8_t *to = buffer_extend(buffer, sizeof(value));
    if (to != NULL) {
        store_be32(to, value);
    }
}

void buffer_put_be64(struct buffer *buffer, uint64_t value) {
    uint8_t *to = buffer_extend(buffer, sizeof(value));
    if (to != NULL) {
        store_be64(to, value);
    }
}
