#include "tests/unit/protocol/batches.h"

static void build_two(const struct batch_options *options, struct buffer *out) {
    struct batch_builder builder;
    batch_builder_init(&builder, options, SIZE_MAX);
    struct record_header header = {SLICE_LIT("h"), SLICE_LIT("x")};
    batch_builder_add(&builder, SAMPLE_TIME, SLICE_LIT("k"), SLICE_LIT("v"), &header, 1);
    batch_builder_add(&builder, SAMPLE_TIME + 5, SLICE_NULL, SLICE_LIT("hello"), NULL, 0);
    cr_assert(batch_builder_finish(&builder, out));
    batch_builder_release(&builder);
}

Test(batch_builder, writes_the_same_bytes_as_kafka) {
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    build_two(&options, &out);
    struct slice expected = unhex(TWO_RECORDS);
    cr_assert(slice_equal(buffer_slice(&out), expected));
    free((void *)(uintptr_t)expected.data);
    buffer_release(&out);
}

Test(batch_builder, writes_the_same_marker_as_kafka) {
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.base_offset = 7;
    options.partition_leader_epoch = 2;
    options.transactional = true;
    options.control = true;
    options.producer_id = 1000;
    options.producer_epoch = 4;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, SIZE_MAX);
    batch_builder_add(&builder, SAMPLE_TIME, slice_make("\0\0\0\1", 4),
                      slice_make("\0\0\0\0\0\3", 6), NULL, 0);
    cr_assert(batch_builder_finish(&builder, &out));
    struct slice expected = unhex(COMMIT_MARKER);
    cr_assert(slice_equal(buffer_slice(&out), expected));
    free((void *)(uintptr_t)expected.data);
    batch_builder_release(&builder);
    buffer_release(&out);
}

Test(batch_builder, appends_behind_what_is_there_and_starts_again) {
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    buffer_append_str(&out, "abc");
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    build_two(&options, &out);
    struct slice expected = unhex(TWO_RECORDS);
    cr_assert(slice_equal(slice_make(out.data + 3, out.len - 3), expected));
    build_two(&options, &out);
    cr_assert_eq(out.len, 3 + 2 * expected.len);
    cr_assert(slice_equal(slice_make(out.data + 3 + expected.len, expected.len), expected));
    free((void *)(uintptr_t)expected.data);
    buffer_release(&out);
}

Test(batch_builder, nothing_gives_no_batch) {
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, SIZE_MAX);
    cr_assert_eq(batch_builder_len(&builder), 0);
    cr_assert_not(batch_builder_finish(&builder, &out));
    cr_assert_eq(out.len, 0);
    batch_builder_release(&builder);
    buffer_release(&out);
}

Test(batch_builder, a_size_limit_fails_the_batch_and_leaves_the_output_alone) {
    struct slice expected = unhex(TWO_RECORDS);
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    for (size_t max = 0; max <= expected.len; max++) {
        struct buffer out;
        buffer_init(&out, 1000);
        buffer_append_str(&out, "abc");
        struct batch_builder builder;
        batch_builder_init(&builder, &options, max);
        struct record_header header = {SLICE_LIT("h"), SLICE_LIT("x")};
        batch_builder_add(&builder, SAMPLE_TIME, SLICE_LIT("k"), SLICE_LIT("v"), &header, 1);
        batch_builder_add(&builder, SAMPLE_TIME + 5, SLICE_NULL, SLICE_LIT("hello"), NULL, 0);
        if (max == expected.len) {
            cr_assert_eq(batch_builder_len(&builder), expected.len);
        }
        cr_assert_eq(batch_builder_finish(&builder, &out), max == expected.len, "%zu", max);
        cr_assert_eq(out.len, max == expected.len ? 3 + expected.len : 3);
        batch_builder_release(&builder);
        buffer_release(&out);
    }
    free((void *)(uintptr_t)expected.data);
}

Test(batch_builder, an_output_that_is_too_small_keeps_its_old_length) {
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct batch_options options = BATCH_OPTIONS_DEFAULT;
        options.codec = (enum compression)codec;
        for (size_t max = 3; max < 80; max++) {
            struct buffer out;
            buffer_init(&out, max);
            buffer_append_str(&out, "abc");
            struct batch_builder builder;
            batch_builder_init(&builder, &options, SIZE_MAX);
            batch_builder_add(&builder, 1, SLICE_NULL, SLICE_LIT("some twenty bytes ..."), NULL, 0);
            cr_assert_not(batch_builder_finish(&builder, &out));
            cr_assert_eq(out.len, 3);
            batch_builder_release(&builder);
            buffer_release(&out);
        }
    }
}

Test(batch_builder, varints_of_every_length_come_back) {
    static const int64_t times[] = {
        0, -1, 63, 64, -64, -65, 8191, 8192, INT64_C(1) << 40, INT64_MAX, INT64_MIN};
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        uint8_t *value = sample_bytes((size_t)1 << (2 * i), i);
        batch_builder_add_at(&builder, (int32_t)((1u << (3 * i)) - 1), times[i], SLICE_NULL,
                             slice_make(value, (size_t)1 << (2 * i)), NULL, 0);
        free(value);
    }
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    cr_assert(batch_builder_finish(&builder, &out));
    struct batch batch;
    cr_assert_eq(batch_parse(buffer_slice(&out), &batch), BATCH_OK);
    cr_assert_eq(batch.last_offset_delta, (1 << 30) - 1);
    cr_assert_eq(batch.max_timestamp, INT64_MAX);
    struct record_iterator *iterator = record_iterator_new(buffer_slice(&out), &batch, RECORD_MAX);
    struct record record;
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        cr_assert_eq(record_iterator_next(iterator, &record), 1);
        cr_assert_eq(record.timestamp, times[i]);
        cr_assert_eq(record.offset_delta, (1 << (3 * i)) - 1);
        cr_assert_eq(record.value.len, (size_t)1 << (2 * i));
    }
    cr_assert_eq(record_iterator_next(iterator, &record), 0);
    record_iterator_free(iterator);
    batch_builder_release(&builder);
    buffer_release(&out);
}

Test(batch_builder, offsets_must_grow) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, SIZE_MAX);
    batch_builder_add_at(&builder, 3, 1, SLICE_NULL, SLICE_NULL, NULL, 0);
    batch_builder_add_at(&builder, 3, 1, SLICE_NULL, SLICE_NULL, NULL, 0);
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    cr_assert_not(batch_builder_finish(&builder, &out));
    batch_builder_release(&builder);
    buffer_release(&out);
}

/* What compaction writes: holes, a last offset that outlives its record, a delete horizon. */
Test(batch_builder, rewrites_what_compaction_kept) {
    struct slice in = unhex(TWO_RECORDS);
    struct batch batch;
    cr_assert_eq(batch_parse(in, &batch), BATCH_OK);
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.base_offset = 40;
    options.last_offset_delta = 9;
    options.delete_horizon_ms = SAMPLE_TIME + 1000;
    options.max_timestamp = SAMPLE_TIME + 99;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, SIZE_MAX);
    struct record_iterator *iterator = record_iterator_new(in, &batch, RECORD_MAX);
    struct record record;
    cr_assert_eq(record_iterator_next(iterator, &record), 1);
    batch_builder_add_record(&builder, 4, &record);
    record_iterator_free(iterator);
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    cr_assert(batch_builder_finish(&builder, &out));
    cr_assert(batch_crc_valid(buffer_slice(&out)));
    cr_assert_eq(batch_parse(buffer_slice(&out), &batch), BATCH_OK);
    cr_assert_eq(batch.attributes, BATCH_ATTR_DELETE_HORIZON);
    cr_assert_eq(batch.base_timestamp, SAMPLE_TIME + 1000);
    cr_assert_eq(batch.max_timestamp, SAMPLE_TIME + 99);
    cr_assert_eq(batch_last_offset(&batch), 49);
    cr_assert_eq(batch.record_count, 1);
    iterator = record_iterator_new(buffer_slice(&out), &batch, RECORD_MAX);
    cr_assert_eq(record_iterator_next(iterator, &record), 1);
    cr_assert_eq(record.offset, 44);
    cr_assert_eq(record.timestamp, SAMPLE_TIME, "deltas count from the horizon");
    cr_assert_eq(record.header_count, 1);
    struct record_header header;
    cr_assert(record_headers_next(&record.headers, &header));
    cr_assert(slice_equal_str(header.key, "h"));
    cr_assert_eq(record_iterator_next(iterator, &record), 0);
    record_iterator_free(iterator);
    batch_builder_release(&builder);
    buffer_release(&out);
    free((void *)(uintptr_t)in.data);
}

Test(batch_builder, null_and_empty_stay_different) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, SIZE_MAX);
    struct record_header headers[] = {{SLICE_LIT(""), SLICE_NULL}, {SLICE_LIT(""), SLICE_LIT("")}};
    batch_builder_add(&builder, 1, SLICE_LIT(""), SLICE_NULL, headers, 2);
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    cr_assert(batch_builder_finish(&builder, &out));
    struct batch batch;
    cr_assert_eq(batch_parse(buffer_slice(&out), &batch), BATCH_OK);
    struct record_iterator *iterator = record_iterator_new(buffer_slice(&out), &batch, RECORD_MAX);
    struct record record;
    cr_assert_eq(record_iterator_next(iterator, &record), 1);
    cr_assert_not(slice_is_null(record.key));
    cr_assert(slice_is_null(record.value));
    struct record_header header;
    cr_assert(record_headers_next(&record.headers, &header));
    cr_assert(slice_is_null(header.value));
    cr_assert(record_headers_next(&record.headers, &header));
    cr_assert_not(slice_is_null(header.value));
    record_iterator_free(iterator);
    batch_builder_release(&builder);
    buffer_release(&out);
}
