#include "tests/unit/protocol/batches.h"

static struct batch parsed(struct slice in) {
    struct batch batch;
    cr_assert_eq(batch_parse(in, &batch), BATCH_OK);
    return batch;
}

Test(record_iterator, records_of_another_encoder_are_read) {
    struct slice in = unhex(TWO_RECORDS);
    batch_set_base_offset((uint8_t *)(uintptr_t)in.data, 100);
    struct batch batch = parsed(in);
    struct record_iterator *iterator = record_iterator_new(in, &batch, RECORD_MAX);
    struct record record;
    cr_assert_eq(record_iterator_next(iterator, &record), 1);
    cr_assert_eq(record.offset, 100);
    cr_assert_eq(record.timestamp, SAMPLE_TIME);
    cr_assert(slice_equal_str(record.key, "k"));
    cr_assert(slice_equal_str(record.value, "v"));
    cr_assert_eq(record.header_count, 1);
    struct record_header header;
    cr_assert(record_headers_next(&record.headers, &header));
    cr_assert(slice_equal_str(header.key, "h"));
    cr_assert(slice_equal_str(header.value, "x"));
    cr_assert_not(record_headers_next(&record.headers, &header));
    cr_assert_eq(record_iterator_next(iterator, &record), 1);
    cr_assert_eq(record.offset, 101);
    cr_assert_eq(record.timestamp, SAMPLE_TIME + 5);
    cr_assert(slice_is_null(record.key));
    cr_assert(slice_equal_str(record.value, "hello"));
    cr_assert_eq(record.header_count, 0);
    cr_assert_eq(record_iterator_next(iterator, &record), 0);
    cr_assert_eq(record_iterator_next(iterator, &record), 0);
    record_iterator_free(iterator);
    free((void *)(uintptr_t)in.data);
}

Test(record_iterator, control_batches_of_kafka_are_read) {
    const char *vectors[] = {COMMIT_MARKER, LEADER_CHANGE};
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct slice in = unhex(vectors[i]);
        struct batch batch = parsed(in);
        cr_assert(batch_crc_valid(in));
        int32_t count;
        cr_assert_eq(walk(in, &batch, RECORD_MAX, &count), 0);
        cr_assert_eq(count, 1);
        free((void *)(uintptr_t)in.data);
    }
}

Test(record_iterator, log_append_time_is_the_time_of_every_record) {
    struct slice in = unhex(TWO_RECORDS);
    batch_set_max_timestamp((uint8_t *)(uintptr_t)in.data, in.len, true, 42);
    struct batch batch = parsed(in);
    struct record_iterator *iterator = record_iterator_new(in, &batch, RECORD_MAX);
    struct record record;
    cr_assert_eq(record_iterator_next(iterator, &record), 1);
    cr_assert_eq(record.timestamp, 42);
    record_iterator_free(iterator);
    free((void *)(uintptr_t)in.data);
}

/* One record of 200 that the fixtures hold; fixtures/README.md has the rule. */
static void check_java_record(const struct record *record, int i) {
    char text[1024];
    cr_assert_eq(record->offset, i);
    cr_assert_eq(record->timestamp, SAMPLE_TIME + i);
    if (i % 10 == 9) {
        cr_assert(slice_is_null(record->key));
    } else {
        snprintf(text, sizeof(text), "key-%d", i);
        cr_assert(slice_equal_str(record->key, text));
    }
    if (i % 50 == 7) {
        cr_assert(slice_is_null(record->value));
    } else {
        for (int j = 0; j < 100; j++) {
            snprintf(text + 10 * j, 12, "%010d", i); /* a byte more than any i here needs */
        }
        cr_assert(slice_equal_str(record->value, text));
    }
    cr_assert_eq(record->header_count, i % 3 == 0 ? 2 : 0);
    if (i % 3 == 0) {
        struct slice headers = record->headers;
        struct record_header header;
        snprintf(text, sizeof(text), "x%d", i);
        cr_assert(record_headers_next(&headers, &header));
        cr_assert(slice_equal_str(header.key, "h"));
        cr_assert(slice_equal_str(header.value, text));
        cr_assert(record_headers_next(&headers, &header));
        cr_assert(slice_equal_str(header.key, "n"));
        cr_assert(slice_is_null(header.value));
    }
}

Test(record_iterator, batches_compressed_by_the_java_client_are_read) {
    const char *codecs[] = {"gzip", "snappy", "lz4", "zstd"};
    for (size_t c = 0; c < ARRAY_LEN(codecs); c++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/java_%s.batch", FIXTURES, codecs[c]);
        FILE *file = fopen(path, "rb");
        cr_assert_not_null(file, "%s", path);
        static uint8_t data[64 * 1024];
        struct slice in = slice_make(data, fread(data, 1, sizeof(data), file));
        fclose(file);
        struct batch batch = parsed(in);
        cr_assert(batch_crc_valid(in));
        cr_assert_eq(batch_codec(&batch), (enum compression)(c + 1));
        struct record_iterator *iterator = record_iterator_new(in, &batch, RECORD_MAX);
        struct record record;
        for (int i = 0; i < 300; i++) {
            cr_assert_eq(record_iterator_next(iterator, &record), 1, "%s %d", codecs[c], i);
            check_java_record(&record, i);
        }
        cr_assert_eq(record_iterator_next(iterator, &record), 0);
        record_iterator_free(iterator);
    }
}

Test(record_iterator, every_codec_gives_back_what_was_built) {
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        sample_batch(&out, (enum compression)codec, 500, 777);
        struct slice in = buffer_slice(&out);
        struct batch batch = parsed(in);
        struct record_iterator *iterator = record_iterator_new(in, &batch, RECORD_MAX);
        struct record record;
        for (int32_t i = 0; i < 500; i++) {
            cr_assert_eq(record_iterator_next(iterator, &record), 1);
            uint8_t *value = sample_bytes(777, (uint64_t)i);
            cr_assert(slice_equal(record.value, slice_make(value, 777)));
            cr_assert_eq(record.offset_delta, i);
            free(value);
        }
        cr_assert_eq(record_iterator_next(iterator, &record), 0);
        record_iterator_free(iterator);
        buffer_release(&out);
    }
}

Test(record_iterator, a_record_larger_than_the_window_is_read_up_to_the_limit) {
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        sample_batch(&out, (enum compression)codec, 3, 300000);
        struct slice in = buffer_slice(&out);
        struct batch batch = parsed(in);
        int32_t count;
        cr_assert_eq(walk(in, &batch, 300100, &count), 0);
        cr_assert_eq(count, 3);
        cr_assert_eq(walk(in, &batch, 300000, &count), -2);
        cr_assert_eq(count, 0);
        buffer_release(&out);
    }
}

Test(record_iterator, a_count_that_is_wrong_in_either_direction_is_corrupt) {
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        sample_batch(&out, (enum compression)codec, 10, 100);
        struct slice in = buffer_slice(&out);
        struct batch batch = parsed(in);
        int32_t count;
        batch.record_count = 9;
        cr_assert_eq(walk(in, &batch, RECORD_MAX, &count), -1);
        cr_assert_eq(count, 9);
        batch.record_count = 11;
        cr_assert_eq(walk(in, &batch, RECORD_MAX, &count), -1);
        cr_assert_eq(count, 10);
        buffer_release(&out);
    }
}

Test(record_iterator, no_truncation_is_read_to_the_end) {
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        sample_batch(&out, (enum compression)codec, 5, 20);
        for (size_t len = BATCH_HEADER_SIZE; len < out.len; len++) {
            uint8_t *copy = exact_copy(slice_make(out.data, len));
            struct batch batch = parsed(buffer_slice(&out));
            batch.length = (int32_t)(len - BATCH_LOG_OVERHEAD);
            int32_t count;
            cr_assert_eq(walk(slice_make(copy, len), &batch, RECORD_MAX, &count), -1,
                         "codec %d, %zu of %zu", codec, len, out.len);
            free(copy);
        }
        buffer_release(&out);
    }
}

/* Without the CRC, flipped bits may give other records, but never an overread. */
Test(record_iterator, no_flipped_bit_reads_out_of_bounds) {
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        sample_batch(&out, (enum compression)codec, 5, 20);
        uint8_t *copy = exact_copy(buffer_slice(&out));
        for (size_t bit = 0; bit < out.len * 8; bit++) {
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            struct batch batch;
            if (batch_parse(slice_make(copy, out.len), &batch) == BATCH_OK) {
                int32_t count;
                walk(slice_make(copy, out.len), &batch, 1 << 20, &count);
                cr_assert_leq(count, batch.record_count);
            }
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        free(copy);
        buffer_release(&out);
    }
}

Test(record_iterator, a_length_that_lies_is_corrupt_and_allocates_nothing) {
    /* zstd of a record that claims 1 GiB and has 3 bytes. */
    uint8_t claim[8] = {0x80, 0x80, 0x80, 0x80, 0x08, 0, 0, 0};
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    sample_batch(&out, COMPRESSION_ZSTD, 1, 1);
    out.len = BATCH_HEADER_SIZE;
    cr_assert(compress(COMPRESSION_ZSTD, INT32_MIN, slice_make(claim, sizeof(claim)), &out));
    store_be32(out.data + 8, (uint32_t)(out.len - BATCH_LOG_OVERHEAD));
    struct batch batch = parsed(buffer_slice(&out));
    int32_t count;
    cr_assert_eq(walk(buffer_slice(&out), &batch, SIZE_MAX, &count), -1);
    buffer_release(&out);
}

Test(record_iterator, malformed_bodies_are_corrupt) {
    const char *bodies[] = {
        "00",                   /* no body at all */
        "0200",                 /* attributes only */
        "0c000000030100",       /* a key of length -2 */
        "0c000000010300",       /* a value of length -2 */
        "0c000000010101",       /* a header count of -1 */
        "0c000000010102",       /* a header that is not there */
        "0e00000001010200",     /* half a header */
        "10000000010102010100", /* a null header key */
        "0e00000001010000",     /* a byte too many */
        "120000000101020001"
        "00",                                   /* a byte behind the headers */
        "0c000000040100",                       /* a key that reaches beyond */
        "0c00ffffffffff",                       /* a timestamp without end */
        "ffffffffff00",                         /* a length without end */
        "01",                                   /* a negative length */
        "1e00ffffffffffffffffffff010000010100", /* a varlong of eleven bytes */
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct slice body = unhex(bodies[i]);
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        sample_batch(&out, COMPRESSION_NONE, 1, 1);
        out.len = BATCH_HEADER_SIZE;
        buffer_append_slice(&out, body);
        struct slice in = slice_make(exact_copy(buffer_slice(&out)), out.len);
        struct batch batch;
        batch_parse(buffer_slice(&out), &batch);
        batch.length = (int32_t)(out.len - BATCH_LOG_OVERHEAD);
        int32_t count;
        cr_assert_eq(walk(in, &batch, RECORD_MAX, &count), -1, "%s", bodies[i]);
        cr_assert_eq(count, 0);
        free((void *)(uintptr_t)in.data);
        free((void *)(uintptr_t)body.data);
        buffer_release(&out);
    }
}

Test(record_iterator, an_unknown_codec_is_corrupt) {
    struct slice in = unhex(TWO_RECORDS);
    store_be16((uint8_t *)(uintptr_t)in.data + 21, 5);
    struct batch batch = parsed(in);
    int32_t count;
    cr_assert_eq(walk(in, &batch, RECORD_MAX, &count), -1);
    free((void *)(uintptr_t)in.data);
}

Test(record_iterator, an_emptied_batch_has_no_records) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.last_offset_delta = 4;
    options.codec = COMPRESSION_ZSTD;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, SIZE_MAX);
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    cr_assert(batch_builder_finish(&builder, &out));
    struct batch batch = parsed(buffer_slice(&out));
    int32_t count;
    cr_assert_eq(walk(buffer_slice(&out), &batch, RECORD_MAX, &count), 0);
    cr_assert_eq(count, 0);
    cr_assert_eq(batch_last_offset(&batch), 4);
    batch_builder_release(&builder);
    buffer_release(&out);
}
