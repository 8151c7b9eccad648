/*
 * A view of bytes that belong to somebody else. Kafka's nullable strings and bytes are slices too:
 * null is data == NULL; an empty value has a data pointer that is not NULL.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t len;
};

#define SLICE_NULL ((struct slice){NULL, 0})

/* A slice of a string literal, without its NUL. */
#define SLICE_LIT(literal) ((struct slice){(const uint8_t *)("" literal), sizeof(literal) - 1})

/* printf("%.*s", SLICE_ARG(s)) */
#define SLICE_ARG(s) (int)(s).len, (const char *)(s).data

static inline struct slice slice_make(const void *data, size_t len) {
    return (struct slice){data, len};
}

/* s may be NULL, which gives the null slice. */
static inline struct slice slice_str(const char *s) {
    return s == NULL ? SLICE_NULL : slice_make(s, strlen(s));
}

static inline bool slice_is_null(struct slice s) {
    return s.data == NULL;
}

/* Null equals only null. */
static inline bool slice_equal(struct slice a, struct slice b) {
    return a.len == b.len && slice_is_null(a) == slice_is_null(b) &&
           (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_equal_str(struct slice a, const char *s) {
    return slice_equal(a, slice_str(s));
}

/* Byte order, shorter first where one is the head of the other; <0, 0 or >0. */
static inline int slice_compare(struct slice a, struct slice b) {
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Strict decimal with optional '-', the whole slice, no blanks; false when it does not fit. */
bool slice_parse_i64(struct slice s, int64_t *out);

/* A NUL-terminated heap copy; the caller frees it. The slice must not be null. */
char *slice_to_cstr(struct slice s);

/* Valid UTF-8 without overlong forms and surrogates. */
bool slice_is_utf8(struct slice s);

#endif
