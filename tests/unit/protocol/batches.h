/* Batches for the tests of records and compression. */
#ifndef TESTS_UNIT_PROTOCOL_BATCHES_H
#define TESTS_UNIT_PROTOCOL_BATCHES_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "protocol/records.h"

#define RECORD_MAX  ((size_t)64 * 1024 * 1024)
#define SAMPLE_TIME INT64_C(1700000000000)

/* Two records: k/v with header h=x, and null/"hello" 5 ms later. Made by another encoder. */
#define TWO_RECORDS                                                                                \
    "00000000000000000000004affffffff0235b75e8c0000000000010000018bcfe568000000018bcfe56805"       \
    "ffffffffffffffffffffffffffff0000000218000000026b0276020268027816000a02010a68656c6c6f00"

/* A COMMIT marker at offset 7 of producer 1000, epoch 4. */
#define COMMIT_MARKER                                                                              \
    "000000000000000700000042000000020223f1f13a0030000000000000018bcfe568000000018bcfe56800000000" \
    "00"                                                                                           \
    "000003e80004ffffffff000000012000000008000000010c00000000000300"

/* A LEADER_CHANGE batch of epoch 1. */
#define LEADER_CHANGE                                                                              \
    "00000000000000000000004f00000001021154eaf90020000000000000018bcfe568000000018bcfe56800ffffff" \
    "ffffffffffffffffffffff000000013a0000000800000002260000000000010200000001000200000001000000"

/* The bytes of a hexadecimal text; heap. */
static inline struct slice unhex(const char *hex) {
    size_t len = strlen(hex) / 2;
    uint8_t *data = xmalloc(len);
    for (size_t i = 0; i < len; i++) {
        unsigned byte = 0;
        cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        data[i] = (uint8_t)byte;
    }
    return slice_make(data, len);
}

/* A copy of exactly its size, so that the address sanitizer sees an overread of one byte. */
static inline uint8_t *exact_copy(struct slice s) {
    uint8_t *copy = xmalloc(s.len > 0 ? s.len : 1);
    memcpy(copy, s.data, s.len);
    return copy;
}

/* A pseudo-random sequence that is the same in every run. */
static inline uint32_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 32);
}

/* `len` bytes, compressible about as text is; heap. */
static inline uint8_t *sample_bytes(size_t len, uint64_t seed) {
    uint8_t *data = xmalloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)("etaoin shrdlu\n{}"[next_random(&seed) % 16]);
    }
    return data;
}

/* A batch of `count` records whose values have `value_len` bytes, in `out`. */
static inline void sample_batch(struct buffer *out, enum compression codec, int32_t count,
                                size_t value_len) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = codec;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, SIZE_MAX);
    for (int32_t i = 0; i < count; i++) {
        uint8_t *value = sample_bytes(value_len, (uint64_t)i);
        char key[16];
        int key_len = snprintf(key, sizeof(key), "key-%d", i);
        batch_builder_add(&builder, SAMPLE_TIME + i, slice_make(key, (size_t)key_len),
                          slice_make(value, value_len), NULL, 0);
        free(value);
    }
    cr_assert(batch_builder_finish(&builder, out));
    batch_builder_release(&builder);
}

/* Recomputes the CRC of a batch that a test changed by hand. */
static inline void reseal(struct slice batch) {
    uint8_t *data = (uint8_t *)(uintptr_t)batch.data;
    batch_set_max_timestamp(data, batch.len, false, (int64_t)load_be64(data + 35));
}

/* Iterates to the end: the last result, and the number of records. */
static inline int walk(struct slice in, const struct batch *batch, size_t record_max,
                       int32_t *count) {
    struct record_iterator *iterator = record_iterator_new(in, batch, record_max);
    struct record record;
    int got;
    *count = 0;
    while ((got = record_iterator_next(iterator, &record)) == 1) {
        ++*count;
    }
    record_iterator_free(iterator);
    return got;
}

#endif
