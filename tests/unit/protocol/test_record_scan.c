/* Walking compressed records without keeping them: judged against the iterator that keeps them. */
#include "protocol/record_scan.h"
#include "tests/unit/protocol/batches.h"

#define VARINT_SIZE_FOR_TEST 4

#define LARGE ((size_t)200 * 1000)

static struct slice stream_of(struct slice in) {
    return slice_make(in.data + BATCH_HEADER_SIZE, in.len - BATCH_HEADER_SIZE);
}

static int ways_given;

static void give_way(void) {
    ways_given++;
}

/* Both walk the batch; how the scan ends, having seen what the iterator sees. */
static int compare(struct slice in, enum compression codec, size_t record_max) {
    struct batch batch;
    batch_parse(in, &batch);
    batch.attributes = (int16_t)((batch.attributes & ~BATCH_ATTR_CODEC) | (int)codec);
    struct record_iterator *iterator = record_iterator_new(in, &batch, record_max);
    struct record_scan *scan = record_scan_new(codec, stream_of(in), batch.record_count, record_max,
                                               batch_decompressed_max(in.len), NULL);
    struct record record;
    struct record_marks marks;
    int want;
    int got;
    do {
        want = record_iterator_next(iterator, &record);
        got = record_scan_next(scan, &marks);
        cr_assert_eq(got > 0, want > 0, "%d is not %d", got, want);
        cr_assert_eq(got < 0, want < 0, "%d is not %d", got, want);
        if (got > 0) {
            cr_assert_eq(marks.has_key, !slice_is_null(record.key));
            cr_assert_eq(marks.offset_delta, record.offset_delta);
            cr_assert_eq(
                (int64_t)((uint64_t)batch.base_timestamp + (uint64_t)marks.timestamp_delta),
                record.timestamp);
        }
    } while (got > 0);
    cr_assert_eq(record_scan_next(scan, &marks), got);
    record_scan_free(scan);
    record_iterator_free(iterator);
    return got;
}

/* Records of all sizes around the window's, with and without keys and headers. */
static struct slice mixed(enum compression codec, uint64_t seed, int count, size_t size_max) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = codec;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, SIZE_MAX);
    uint8_t *bytes = sample_bytes(size_max, seed);
    for (int i = 0; i < count; i++) {
        struct slice value = slice_make(bytes, next_random(&seed) % (size_max + 1));
        struct slice key = slice_make(bytes, next_random(&seed) % (size_max / 3 + 1));
        struct record_header header = {.key = slice_str("h"), .value = value};
        batch_builder_add(&builder, SAMPLE_TIME + i, i % 3 == 0 ? SLICE_NULL : key,
                          i % 5 == 0 ? SLICE_NULL : value, &header, i % 2);
    }
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    cr_assert(batch_builder_finish(&builder, &out));
    batch_builder_release(&builder);
    free(bytes);
    return slice_make(out.data, out.len);
}

Test(record_scan, every_codec_is_walked_as_the_iterator_does) {
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct slice small = mixed((enum compression)codec, 1, 500, 300);
        cr_assert_eq(compare(small, (enum compression)codec, RECORD_MAX), 0);
        free((void *)(uintptr_t)small.data);
        struct slice large = mixed((enum compression)codec, 2, 20, LARGE);
        cr_assert_eq(compare(large, (enum compression)codec, RECORD_MAX), 0);
        cr_assert_eq(compare(large, (enum compression)codec, 1000), -2);
        free((void *)(uintptr_t)large.data);
    }
}

/* Without compression every byte of the stream says something. */
Test(record_scan, what_is_malformed_is_refused_where_the_iterator_does) {
    uint64_t seed = 3;
    for (int round = 0; round < 20; round++) {
        struct slice in = mixed(COMPRESSION_NONE, (uint64_t)round, 6, round % 2 ? 40 : LARGE);
        for (int i = 0; i < 300; i++) {
            uint8_t *copy = exact_copy(in);
            size_t span = in.len - BATCH_HEADER_SIZE;
            size_t at = next_random(&seed) % (i % 2 ? span : 40);
            copy[BATCH_HEADER_SIZE + at] ^= (uint8_t)(1u << next_random(&seed) % 8);
            compare(slice_make(copy, in.len), COMPRESSION_NONE, RECORD_MAX);
            free(copy);
        }
        free((void *)(uintptr_t)in.data);
    }
}

/* A record of a length and a body, behind a header that counts it. */
static int judge_large(const uint8_t *head, size_t head_len, size_t body_len) {
    size_t size = BATCH_HEADER_SIZE + VARINT_SIZE_FOR_TEST + body_len;
    uint8_t *bytes = xcalloc(1, size);
    struct slice model = unhex(TWO_RECORDS);
    memcpy(bytes, model.data, BATCH_HEADER_SIZE);
    free((void *)(uintptr_t)model.data);
    store_be32(bytes + 8, (uint32_t)(size - BATCH_LOG_OVERHEAD));
    store_be32(bytes + 57, 1);
    uint32_t zigzag = (uint32_t)body_len << 1;
    for (int i = 0; i < VARINT_SIZE_FOR_TEST; i++) {
        bytes[BATCH_HEADER_SIZE + i] =
            (uint8_t)((zigzag >> (7 * i) & 0x7f) | (i + 1 < VARINT_SIZE_FOR_TEST ? 0x80 : 0));
    }
    memcpy(bytes + BATCH_HEADER_SIZE + VARINT_SIZE_FOR_TEST, head, head_len);
    int got = compare(slice_make(bytes, size), COMPRESSION_NONE, RECORD_MAX);
    free(bytes);
    return got;
}

Test(record_scan, large_records_with_faults_in_each_field_are_corrupt) {
    /* attributes, timestamp, offset, key, value: null; headers: none, but zeros follow. */
    static const uint8_t left_over[] = {0, 0, 0, 1, 1, 0};
    static const uint8_t no_such_key[] = {0, 0, 0, 3};
    static const uint8_t key_beyond[] = {0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f};
    static const uint8_t endless_time[] = {0,    0xff, 0xff, 0xff, 0xff, 0xff,
                                           0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t too_many_headers[] = {0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f};
    static const uint8_t null_header_key[] = {0, 0, 0, 1, 1, 2, 1};
    cr_assert_eq(judge_large(left_over, sizeof(left_over), LARGE), -1);
    cr_assert_eq(judge_large(no_such_key, sizeof(no_such_key), LARGE), -1);
    cr_assert_eq(judge_large(key_beyond, sizeof(key_beyond), LARGE), -1);
    cr_assert_eq(judge_large(endless_time, sizeof(endless_time), LARGE), -1);
    cr_assert_eq(judge_large(too_many_headers, sizeof(too_many_headers), LARGE), -1);
    cr_assert_eq(judge_large(null_header_key, sizeof(null_header_key), LARGE), -1);
}

Test(record_scan, no_more_is_decompressed_than_allowed) {
    struct slice in = mixed(COMPRESSION_ZSTD, 4, 20, LARGE);
    struct batch batch;
    cr_assert_eq(batch_parse(in, &batch), BATCH_OK);
    struct record_scan *scan = record_scan_new(COMPRESSION_ZSTD, stream_of(in), batch.record_count,
                                               RECORD_MAX, LARGE, give_way);
    struct record_marks marks;
    int got;
    while ((got = record_scan_next(scan, &marks)) == 1) {}
    cr_assert_eq(got, -2);
    cr_assert_geq(ways_given, LARGE / (64 * 1024));
    record_scan_free(scan);
    free((void *)(uintptr_t)in.data);
}
