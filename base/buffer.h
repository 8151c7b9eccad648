/*
 * A growable run of bytes with a maximum, and big-endian reads and writes.
 *
 * Appending is sticky: the first append beyond the maximum sets `failed` and this and all later
 * appends do nothing, so a writer checks once, at the end.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/slice.h"

struct buffer {
    uint8_t *data; /* heap, owned; NULL while empty */
    size_t len;
    size_t cap;
    size_t max; /* of len */
    bool failed;
};

void buffer_init(struct buffer *buffer, size_t max);

/* Frees the memory; the buffer is empty, keeps its maximum, and may be released again. */
void buffer_release(struct buffer *buffer);

/* Empty, not failed, memory kept. */
void buffer_reset(struct buffer *buffer);

/* Makes room for `len` more bytes without changing len; false (and failed) beyond the maximum. */
bool buffer_reserve(struct buffer *buffer, size_t len);

/* Appends `len` uninitialised bytes and returns them; NULL when failed. Valid until next append. */
uint8_t *buffer_extend(struct buffer *buffer, size_t len);

void buffer_append(struct buffer *buffer, const void *data, size_t len);
void buffer_append_slice(struct buffer *buffer, struct slice s);
void buffer_append_str(struct buffer *buffer, const char *s);
void buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

void buffer_put_u8(struct buffer *buffer, uint8_t value);
void buffer_put_be16(struct buffer *buffer, uint16_t value);
void buffer_put_be32(struct buffer *buffer, uint32_t value);
void buffer_put_be64(struct buffer *buffer, uint64_t value);

static inline struct slice buffer_slice(const struct buffer *buffer) {
    return slice_make(buffer->data != NULL ? (const void *)buffer->data : "", buffer->len);
}

/* Big-endian integers at an unaligned address. */
static inline uint16_t load_be16(const void *p) {
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap16(v);
}
static inline uint32_t load_be32(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap32(v);
}
static inline uint64_t load_be64(const void *p) {
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap64(v);
}
static inline void store_be16(void *p, uint16_t v) {
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof(v));
}
static inline void store_be32(void *p, uint32_t v) {
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof(v));
}
static inline void store_be64(void *p, uint64_t v) {
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof(v));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "loads and stores swap bytes");

#endif
