/* What all fuzz targets share: the entry points, inputs that trap when overread, and dice. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

/* Of libFuzzer: changes the bytes somehow; returns the new size. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FUZZ_ADDRESS_SANITIZER 1
#endif
#endif

#define FUZZ_INPUT_MAX ((size_t)1 << 20)

/*
 * A writable copy of the input that ends where memory ends: with AddressSanitizer a heap block of
 * its size, else the last bytes before a page that cannot be read. Valid until the next call.
 */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size) {
    static uint8_t *area;
    uint8_t *copy;
#ifdef FUZZ_ADDRESS_SANITIZER
    free(area);
    area = (uint8_t *)xmalloc(size + (size == 0));
    copy = area;
#else
    if (area == NULL) {
        void *map = mmap(NULL, FUZZ_INPUT_MAX + 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT(map != MAP_FAILED);
        area = (uint8_t *)map;
        int failed = mprotect(area + FUZZ_INPUT_MAX, 4096, PROT_NONE);
        ASSERT(failed == 0);
    }
    ASSERT(size <= FUZZ_INPUT_MAX);
    copy = area + FUZZ_INPUT_MAX - size;
#endif
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

static inline struct slice fuzz_input(const uint8_t *data, size_t size) {
    return slice_make(fuzz_copy(data, size), size);
}

/* Cuts the first byte off; 0 when there is none. */
static inline uint8_t fuzz_take_u8(struct slice *in) {
    if (in->len == 0) {
        return 0;
    }
    uint8_t byte = in->data[0];
    *in = slice_make(in->data + 1, in->len - 1);
    return byte;
}

/* Cuts off up to `len` bytes. */
static inline struct slice fuzz_take(struct slice *in, size_t len) {
    len = len < in->len ? len : in->len;
    struct slice taken = slice_make(in->data, len);
    *in = slice_make(in->data + len, in->len - len);
    return taken;
}

/* Cuts off [u16 length, bytes]. */
static inline struct slice fuzz_take_block(struct slice *in) {
    size_t len = fuzz_take_u8(in);
    len = len << 8 | fuzz_take_u8(in);
    return fuzz_take(in, len);
}

/* Puts new_len bytes in the place of old_len ones at `at`; the new size, or 0 when it is too much.
 */
static inline size_t fuzz_splice(uint8_t *data, size_t size, size_t size_max, size_t at,
                                 size_t old_len, const void *bytes, size_t new_len) {
    if (size - old_len + new_len > size_max) {
        return 0;
    }
    memmove(data + at + new_len, data + at + old_len, size - at - old_len);
    if (new_len > 0) {
        memcpy(data + at, bytes, new_len);
    }
    return size - old_len + new_len;
}

/* splitmix64 */
static inline uint64_t fuzz_random(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* As message_dice.draw; ctx is a uint64_t of state. */
static inline uint64_t fuzz_draw_random(void *ctx) {
    return fuzz_random((uint64_t *)ctx);
}

/* As message_dice.draw; ctx is a slice of input, of which every draw takes a byte: the low bits are
 * that byte, the others follow from it. Zero behind the end. */
static inline uint64_t fuzz_draw_input(void *ctx) {
    struct slice *in = (struct slice *)ctx;
    if (in->len == 0) {
        return 0;
    }
    uint64_t byte = fuzz_take_u8(in);
    uint64_t state = byte * 31 + in->len;
    return byte < 128 ? byte : fuzz_random(&state) << 8 | byte;
}

#endif
