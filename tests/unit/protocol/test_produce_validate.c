#include "tests/unit/protocol/batches.h"

static const struct produce_rules plain_rules = {
    .now_ms = SAMPLE_TIME,
    .timestamp_before_max_ms = INT64_MAX,
    .timestamp_after_max_ms = 3600000,
    .target = COMPRESSION_PRODUCER,
    .target_level = INT32_MIN,
    .record_max = RECORD_MAX,
};

static struct arena test_arena;

static struct produce_verdict judge(struct slice in, const struct produce_rules *rules) {
    struct produce_verdict verdict;
    uint8_t *copy = exact_copy(in);
    arena_init(&test_arena, SIZE_MAX);
    produce_validate(slice_make(copy, in.len), rules, &test_arena, &verdict);
    cr_assert(in.len == 0 || memcmp(copy, in.data, in.len) == 0, "the bytes are not changed");
    free(copy);
    return verdict;
}

/* The verdict on the two records after one header field was changed and the CRC made right. */
static struct produce_verdict judge_with(size_t at, size_t size, int64_t value) {
    struct slice in = unhex(TWO_RECORDS);
    uint8_t *data = (uint8_t *)(uintptr_t)in.data;
    uint8_t be[8];
    store_be64(be, (uint64_t)value);
    memcpy(data + at, be + 8 - size, size);
    reseal(in);
    struct produce_verdict verdict = judge(in, &plain_rules);
    arena_release(&test_arena);
    free(data);
    return verdict;
}

Test(produce_validate, a_good_batch_is_accepted_without_an_allocation) {
    struct slice in = unhex(TWO_RECORDS);
    struct produce_verdict verdict = judge(in, &plain_rules);
    cr_assert_eq(verdict.error, ERROR_NONE);
    cr_assert_null(verdict.message);
    cr_assert_eq(verdict.record_error_count, 0);
    cr_assert_eq(verdict.max_timestamp, SAMPLE_TIME + 5);
    cr_assert_eq(verdict.offset_of_max_timestamp, 1);
    cr_assert_eq(verdict.batch.max_timestamp, SAMPLE_TIME + 5);
    cr_assert_eq(verdict.batch.record_count, 2);
    cr_assert_not(verdict.rewrite);
    cr_assert_eq(test_arena.used, 0);
    free((void *)(uintptr_t)in.data);
}

Test(produce_validate, every_truncation_is_refused) {
    struct slice in = unhex(TWO_RECORDS);
    for (size_t len = 0; len < in.len; len++) {
        struct produce_verdict verdict = judge(slice_make(in.data, len), &plain_rules);
        cr_assert_eq(verdict.error, ERROR_INVALID_RECORD, "%zu", len);
        cr_assert_not_null(verdict.message);
    }
    free((void *)(uintptr_t)in.data);
}

Test(produce_validate, every_flipped_bit_under_the_crc_is_corrupt_message) {
    struct slice in = unhex(TWO_RECORDS);
    uint8_t *data = (uint8_t *)(uintptr_t)in.data;
    for (size_t bit = BATCH_CRC_OFFSET * 8; bit < in.len * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(judge(in, &plain_rules).error, ERROR_CORRUPT_MESSAGE, "bit %zu", bit);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(data);
}

Test(produce_validate, no_flipped_bit_reads_out_of_bounds_when_the_crc_is_right) {
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        sample_batch(&out, (enum compression)codec, 4, 12);
        for (size_t bit = BATCH_CRC_START * 8; bit < out.len * 8; bit++) {
            out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            reseal(buffer_slice(&out));
            struct produce_verdict verdict = judge(buffer_slice(&out), &plain_rules);
            cr_assert(verdict.error == ERROR_NONE || verdict.message != NULL);
            arena_release(&test_arena);
            out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        buffer_release(&out);
    }
}

Test(produce_validate, headers_that_contradict_themselves_are_invalid) {
    cr_assert_eq(judge_with(0, 8, 1).error, ERROR_INVALID_RECORD, "base offset");
    cr_assert_eq(judge_with(23, 4, -1).error, ERROR_INVALID_RECORD, "last offset delta");
    cr_assert_eq(judge_with(23, 4, 2).error, ERROR_INVALID_RECORD, "more offsets than records");
    cr_assert_eq(judge_with(57, 4, 0).error, ERROR_INVALID_RECORD, "no records");
    cr_assert_eq(judge_with(57, 4, -1).error, ERROR_INVALID_RECORD, "negative count");
    cr_assert_eq(judge_with(57, 4, 1).error, ERROR_INVALID_RECORD, "fewer records than offsets");
    cr_assert_eq(judge_with(57, 4, INT32_MAX).error, ERROR_INVALID_RECORD, "too many");
}

Test(produce_validate, a_count_beyond_the_bytes_is_invalid) {
    struct slice in = unhex(TWO_RECORDS);
    uint8_t *data = (uint8_t *)(uintptr_t)in.data;
    for (uint32_t count = 1; count < 20; count++) {
        store_be32(data + 23, count - 1);
        store_be32(data + 57, count);
        reseal(in);
        cr_assert_eq(judge(in, &plain_rules).error, count == 2 ? ERROR_NONE : ERROR_INVALID_RECORD);
    }
    free(data);
}

Test(produce_validate, lengths_and_magics_are_told_apart) {
    cr_assert_eq(judge_with(16, 1, 1).error, ERROR_INVALID_RECORD, "old magic");
    cr_assert_eq(judge_with(16, 1, 3).error, ERROR_CORRUPT_MESSAGE, "unknown magic");
    cr_assert_eq(judge_with(8, 4, 13).error, ERROR_CORRUPT_MESSAGE, "length too small");
    cr_assert_eq(judge_with(8, 4, 70).error, ERROR_INVALID_RECORD, "bytes behind the batch");
}

Test(produce_validate, clients_may_not_write_control_batches) {
    cr_assert_eq(judge_with(21, 2, BATCH_ATTR_CONTROL).error, ERROR_INVALID_RECORD);
}

Test(produce_validate, a_producer_id_needs_a_sequence) {
    cr_assert_eq(judge_with(43, 8, 1000).error, ERROR_INVALID_RECORD);
    cr_assert_eq(judge_with(43, 8, 0).error, ERROR_INVALID_RECORD);
    cr_assert_eq(judge_with(43, 8, -2).error, ERROR_NONE, "all negative ids are none");
    cr_assert_eq(judge_with(53, 4, 5).error, ERROR_NONE);
}

Test(produce_validate, an_unknown_codec_is_unsupported) {
    for (int codec = COMPRESSION_COUNT; codec <= BATCH_ATTR_CODEC; codec++) {
        cr_assert_eq(judge_with(21, 2, codec).error, ERROR_UNSUPPORTED_COMPRESSION_TYPE);
    }
}

Test(produce_validate, a_stream_that_does_not_decompress_is_invalid) {
    for (int codec = 1; codec < COMPRESSION_COUNT; codec++) {
        cr_assert_eq(judge_with(21, 2, codec).error, ERROR_INVALID_RECORD);
    }
}

/* Batches whose second record has no key, in all codecs. */
static void keyless_batch(struct buffer *out, enum compression codec, int32_t count) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = codec;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, SIZE_MAX);
    for (int32_t i = 0; i < count; i++) {
        batch_builder_add(&builder, SAMPLE_TIME, i % 2 == 1 ? SLICE_NULL : SLICE_LIT("k"),
                          SLICE_LIT("v"), NULL, 0);
    }
    cr_assert(batch_builder_finish(&builder, out));
    batch_builder_release(&builder);
}

Test(produce_validate, compacted_topics_need_keys_and_say_which_record_has_none) {
    struct produce_rules rules = plain_rules;
    rules.compacted = true;
    rules.header_only = true; /* keys matter more */
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        keyless_batch(&out, (enum compression)codec, 40);
        cr_assert_eq(judge(buffer_slice(&out), &plain_rules).error, ERROR_NONE);
        struct produce_verdict verdict = judge(buffer_slice(&out), &rules);
        cr_assert_eq(verdict.error, ERROR_INVALID_RECORD);
        cr_assert_eq(verdict.record_error_count, 20);
        for (int i = 0; i < 20; i++) {
            cr_assert_eq(verdict.record_errors[i].batch_index, 2 * i + 1);
            cr_assert_not_null(verdict.record_errors[i].message);
        }
        arena_release(&test_arena);
        buffer_release(&out);
    }
}

Test(produce_validate, record_errors_are_bounded_but_the_refusal_is_not) {
    struct produce_rules rules = plain_rules;
    rules.compacted = true;
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    keyless_batch(&out, COMPRESSION_NONE, 10000);
    struct produce_verdict verdict = judge(buffer_slice(&out), &rules);
    cr_assert_eq(verdict.error, ERROR_INVALID_RECORD);
    cr_assert_eq(verdict.record_error_count, RECORD_ERRORS_MAX);
    arena_release(&test_arena);
    struct arena full;
    arena_init(&full, 0);
    produce_validate(buffer_slice(&out), &rules, &full, &verdict);
    cr_assert_eq(verdict.error, ERROR_INVALID_RECORD);
    cr_assert_eq(verdict.record_error_count, 0);
    buffer_release(&out);
}

static enum kafka_error judge_time(int64_t timestamp, const struct produce_rules *rules) {
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, SIZE_MAX);
    batch_builder_add(&builder, SAMPLE_TIME, SLICE_NULL, SLICE_LIT("v"), NULL, 0);
    batch_builder_add(&builder, timestamp, SLICE_NULL, SLICE_LIT("v"), NULL, 0);
    cr_assert(batch_builder_finish(&builder, &out));
    struct produce_verdict verdict = judge(buffer_slice(&out), rules);
    cr_assert_eq(verdict.record_error_count, verdict.error == ERROR_NONE ? 0 : 1);
    cr_assert(verdict.error == ERROR_NONE || verdict.record_errors[0].batch_index == 1);
    arena_release(&test_arena);
    batch_builder_release(&builder);
    buffer_release(&out);
    return verdict.error;
}

Test(produce_validate, timestamps_are_bounded_on_both_sides) {
    struct produce_rules rules = plain_rules;
    rules.timestamp_before_max_ms = 1000;
    rules.timestamp_after_max_ms = 2000;
    cr_assert_eq(judge_time(SAMPLE_TIME - 1000, &rules), ERROR_NONE);
    cr_assert_eq(judge_time(SAMPLE_TIME - 1001, &rules), ERROR_INVALID_TIMESTAMP);
    cr_assert_eq(judge_time(SAMPLE_TIME + 2000, &rules), ERROR_NONE);
    cr_assert_eq(judge_time(SAMPLE_TIME + 2001, &rules), ERROR_INVALID_TIMESTAMP);
    cr_assert_eq(judge_time(NO_TIMESTAMP, &rules), ERROR_NONE);
    cr_assert_eq(judge_time(INT64_MIN, &rules), ERROR_INVALID_TIMESTAMP);
    cr_assert_eq(judge_time(INT64_MAX, &rules), ERROR_INVALID_TIMESTAMP);
    cr_assert_eq(judge_time(0, &plain_rules), ERROR_NONE);
    cr_assert_eq(judge_time(INT64_MIN, &plain_rules), ERROR_NONE, "no limit is no limit");
    rules.log_append_time = true;
    cr_assert_eq(judge_time(0, &rules), ERROR_NONE);
}

Test(produce_validate, only_topics_of_create_time_take_a_log_append_flag) {
    struct produce_verdict verdict = judge_with(21, 2, BATCH_ATTR_LOG_APPEND);
    cr_assert_eq(verdict.error, ERROR_NONE);
}

Test(produce_validate, log_append_time_is_put_into_the_stored_header) {
    struct produce_rules rules = plain_rules;
    rules.log_append_time = true;
    rules.now_ms = 99;
    struct slice in = unhex(TWO_RECORDS);
    struct produce_verdict verdict = judge(in, &rules);
    cr_assert_eq(verdict.error, ERROR_NONE);
    cr_assert_eq(verdict.batch.attributes, BATCH_ATTR_LOG_APPEND);
    cr_assert_eq(verdict.batch.max_timestamp, 99);
    cr_assert_eq(verdict.max_timestamp, 99);
    cr_assert_eq(verdict.offset_of_max_timestamp, 0);
    cr_assert_not(verdict.rewrite);
    free((void *)(uintptr_t)in.data);
}

Test(produce_validate, a_wrong_max_timestamp_is_corrected) {
    struct slice in = unhex(TWO_RECORDS);
    batch_set_max_timestamp((uint8_t *)(uintptr_t)in.data, in.len, false, 1);
    struct produce_verdict verdict = judge(in, &plain_rules);
    cr_assert_eq(verdict.error, ERROR_NONE);
    cr_assert_eq(verdict.batch.max_timestamp, SAMPLE_TIME + 5);
    free((void *)(uintptr_t)in.data);
}

Test(produce_validate, a_record_above_the_limit_is_too_large) {
    struct produce_rules rules = plain_rules;
    rules.record_max = 999;
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        sample_batch(&out, (enum compression)codec, 3, 1000);
        cr_assert_eq(judge(buffer_slice(&out), &rules).error, ERROR_MESSAGE_TOO_LARGE);
        buffer_release(&out);
    }
}

Test(produce_validate, header_only_does_not_look_into_compressed_records) {
    struct produce_rules rules = plain_rules;
    rules.header_only = true;
    struct slice in = unhex(TWO_RECORDS);
    store_be16((uint8_t *)(uintptr_t)in.data + 21, COMPRESSION_GZIP); /* which they are not */
    reseal(in);
    struct produce_verdict verdict = judge(in, &rules);
    cr_assert_eq(verdict.error, ERROR_NONE);
    cr_assert_eq(verdict.max_timestamp, SAMPLE_TIME + 5);
    cr_assert_eq(verdict.offset_of_max_timestamp, 1);
    rules.now_ms = 0; /* the maximum in the header is judged all the same */
    cr_assert_eq(judge(in, &rules).error, ERROR_INVALID_TIMESTAMP);
    arena_release(&test_arena);
    rules.now_ms = SAMPLE_TIME;
    rules.target = COMPRESSION_ZSTD; /* a rewrite must look */
    cr_assert_eq(judge(in, &rules).error, ERROR_INVALID_RECORD);
    free((void *)(uintptr_t)in.data);
}

/* The rebuilt batch has the same records at 0, 1, 2, ... */
static void check_rebuild(struct slice in, const struct produce_rules *rules,
                          enum compression codec, int32_t count) {
    uint8_t *out;
    size_t out_len;
    cr_assert(batch_rebuild(in, rules, SIZE_MAX, &out, &out_len));
    struct batch before, after;
    batch_parse(in, &before);
    cr_assert_eq(batch_parse(slice_make(out, out_len), &after), BATCH_OK);
    cr_assert(batch_crc_valid(slice_make(out, out_len)));
    cr_assert_eq(batch_codec(&after), codec);
    cr_assert_eq(after.record_count, count);
    cr_assert_eq(after.last_offset_delta, count - 1);
    cr_assert_eq(after.producer_id, before.producer_id);
    cr_assert_eq(after.producer_epoch, before.producer_epoch);
    cr_assert_eq(after.base_sequence, before.base_sequence);
    cr_assert_eq(after.attributes & BATCH_ATTR_TRANSACTIONAL,
                 before.attributes & BATCH_ATTR_TRANSACTIONAL);
    struct record_iterator *old = record_iterator_new(in, &before, RECORD_MAX);
    struct record_iterator *new = record_iterator_new(slice_make(out, out_len), &after, RECORD_MAX);
    struct record a, b;
    for (int32_t i = 0; i < count; i++) {
        cr_assert_eq(record_iterator_next(old, &a), 1);
        cr_assert_eq(record_iterator_next(new, &b), 1);
        cr_assert_eq(b.offset_delta, i);
        cr_assert(slice_equal(a.key, b.key));
        cr_assert(slice_equal(a.value, b.value));
        cr_assert_eq(b.timestamp, rules->log_append_time ? rules->now_ms : a.timestamp);
    }
    cr_assert_eq(record_iterator_next(new, &b), 0);
    record_iterator_free(old);
    record_iterator_free(new);
    uint8_t *too_small;
    cr_assert_not(batch_rebuild(in, rules, out_len - 1, &too_small, &out_len));
    cr_assert_null(too_small);
    free(out);
}

Test(produce_validate, another_target_codec_rewrites) {
    for (int from = 0; from < COMPRESSION_COUNT; from++) {
        for (int to = 0; to < COMPRESSION_COUNT; to++) {
            struct produce_rules rules = plain_rules;
            rules.target = (enum compression)to;
            rules.log_append_time = (from + to) % 2 == 1;
            struct buffer out;
            buffer_init(&out, SIZE_MAX);
            sample_batch(&out, (enum compression)from, 20, 100);
            store_be64(out.data + 43, 1000);
            store_be16(out.data + 51, 3);
            store_be32(out.data + 53, 17);
            store_be16(out.data + 21, (uint16_t)(from | BATCH_ATTR_TRANSACTIONAL));
            reseal(buffer_slice(&out));
            struct produce_verdict verdict = judge(buffer_slice(&out), &rules);
            cr_assert_eq(verdict.error, ERROR_NONE);
            cr_assert_eq(verdict.rewrite, from != to);
            cr_assert_eq(batch_codec(&verdict.batch), (enum compression)to);
            check_rebuild(buffer_slice(&out), &rules, (enum compression)to, 20);
            buffer_release(&out);
        }
    }
}

Test(produce_validate, offsets_that_are_not_consecutive_are_rewritten) {
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        struct batch_options options = BATCH_OPTIONS_DEFAULT;
        options.codec = (enum compression)codec;
        struct batch_builder builder;
        batch_builder_init(&builder, &options, SIZE_MAX);
        batch_builder_add_at(&builder, 5, SAMPLE_TIME, SLICE_LIT("a"), SLICE_LIT("1"), NULL, 0);
        batch_builder_add_at(&builder, 9, SAMPLE_TIME + 7, SLICE_LIT("b"), SLICE_LIT("2"), NULL, 0);
        cr_assert(batch_builder_finish(&builder, &out));
        store_be32(out.data + 23, 1); /* the header as if nothing were wrong */
        reseal(buffer_slice(&out));
        struct produce_verdict verdict = judge(buffer_slice(&out), &plain_rules);
        cr_assert_eq(verdict.error, ERROR_NONE);
        cr_assert(verdict.rewrite);
        cr_assert_eq(verdict.offset_of_max_timestamp, 1);
        check_rebuild(buffer_slice(&out), &plain_rules, (enum compression)codec, 2);
        batch_builder_release(&builder);
        buffer_release(&out);
    }
}
