/*
 * Bytes as a client sends them, through all that looks at record batches: header, validation,
 * iteration, rewriting. What a fuzzer would not find is made right for most: CRC, length, magic.
 *
 * Input: u8 rules, u8 what is not made right, then the batch.
 */
#include "protocol/records.h"
#include "tests/fuzz/fuzz.h"

#define PREFIX      2
#define RECORD_MAX  ((size_t)1 << 20)
#define REBUILT_MAX ((size_t)1 << 20)

/* Touches every byte of a record, for the sanitizers. */
static uint64_t digest(const struct record *record) {
    uint64_t sum = (uint64_t)record->offset + (uint64_t)record->timestamp;
    for (size_t i = 0; i < record->key.len; i++) {
        sum += record->key.data[i];
    }
    for (size_t i = 0; i < record->value.len; i++) {
        sum += record->value.data[i];
    }
    struct slice headers = record->headers;
    struct record_header header;
    int32_t count = 0;
    while (record_headers_next(&headers, &header)) {
        sum += header.key.len + header.value.len;
        count++;
    }
    ASSERT(count == record->header_count);
    return sum;
}

/* A validated batch can be walked to its end, and again after it was rewritten. */
static void walk(struct slice in, const struct batch *batch, bool valid) {
    struct record_iterator *iterator = record_iterator_new(in, batch, RECORD_MAX);
    struct record record;
    volatile uint64_t sum = 0;
    int got;
    while ((got = record_iterator_next(iterator, &record)) == 1) {
        sum += digest(&record);
    }
    (void)sum;
    ASSERT(IMPLIES(valid, got == 0));
    record_iterator_free(iterator);
}

static void validate(struct slice in, uint8_t choice, size_t record_max) {
    struct produce_rules rules = {
        .compacted = (choice & 1) != 0,
        .log_append_time = (choice & 2) != 0,
        .header_only = (choice & 4) != 0,
        .now_ms = INT64_C(1700000000000),
        .timestamp_before_max_ms = (choice & 8) != 0 ? 1000 : INT64_MAX,
        .timestamp_after_max_ms = 3600000,
        .target = (choice & 0xf0) == 0 ? COMPRESSION_LZ4 : COMPRESSION_PRODUCER,
        .target_level = INT32_MIN,
        .record_max = record_max,
    };
    static struct arena arena;
    arena.limit = SIZE_MAX;
    struct produce_verdict verdict;
    produce_validate(in, &rules, &arena, &verdict);
    ASSERT((verdict.error == ERROR_NONE) == (verdict.message == NULL));
    ASSERT(verdict.record_error_count <= RECORD_ERRORS_MAX);
    if (verdict.error == ERROR_NONE) {
        struct batch batch;
        ASSERT(batch_parse(in, &batch) == BATCH_OK);
        bool looked_into = !rules.header_only || batch_codec(&batch) == COMPRESSION_NONE;
        walk(in, &batch, looked_into && record_max == RECORD_MAX);
        uint8_t *out;
        size_t out_len;
        if (verdict.rewrite && batch_rebuild(in, &rules, REBUILT_MAX, &out, &out_len)) {
            struct batch rebuilt;
            ASSERT(batch_parse(slice_make(out, out_len), &rebuilt) == BATCH_OK);
            ASSERT(rebuilt.record_count == batch.record_count);
            walk(slice_make(out, out_len), &rebuilt, true);
            free(out);
        }
    }
    arena_reset(&arena);
}

/* Whatever is not kept as it came. */
static void make_right(uint8_t *batch, size_t size, uint8_t keep) {
    if ((keep & 1) == 0) {
        store_be64(batch, 0);
    }
    if ((keep & 2) == 0) {
        store_be32(batch + 8, (uint32_t)(size - BATCH_LOG_OVERHEAD));
    }
    if ((keep & 4) == 0) {
        batch[BATCH_MAGIC_OFFSET] = 2;
    }
    if ((keep & 8) == 0) {
        batch_set_max_timestamp(batch, size, (batch[22] & BATCH_ATTR_LOG_APPEND) != 0,
                                (int64_t)load_be64(batch + 35));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < PREFIX) {
        return 0;
    }
    struct batch batch;
    size -= PREFIX;
    uint8_t *copy = fuzz_copy(data + PREFIX, size);
    if (batch_parse(slice_make(copy, size), &batch) == BATCH_OK) {
        walk(slice_make(copy, batch_size(&batch)), &batch, false);
    }
    if (size >= BATCH_HEADER_SIZE) {
        make_right(copy, size, data[1]);
    }
    validate(slice_make(copy, size), data[0], (data[1] & 16) != 0 ? 16 : RECORD_MAX);
    return 0;
}
