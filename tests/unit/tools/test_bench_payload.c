#include <criterion/criterion.h>

#include "protocol/generated/produce_request.h"
#include "protocol/generated/request_header.h"
#include "protocol/records.h"
#include "tools/bench/payload.h"

static struct bench_options options_of(size_t record_size, int32_t records) {
    return (struct bench_options){.record_size = record_size, .batch_records = records, .acks = -1};
}

static const struct topic topic = {.name = "topic", .id = {{1, 2, 3}}, .partition_count = 9};

static const struct payload_variables variables = {
    .correlation_id = 77,
    .partition = 5,
    .stamp = {.run_id = 0xfeedface, .number = 123456789, .intended_ns = -42},
    .producer_id = NO_PRODUCER_ID,
};

/* The batch inside a frame, after decoding all around it. */
static struct slice decode(const uint8_t *frame, size_t len, int16_t version, struct arena *arena) {
    cr_assert_eq(load_be32(frame), len - 4);
    struct slice in = slice_make(frame + 4, len - 4);
    struct request_header header;
    size_t used;
    cr_assert_eq(
        message_decode(&request_header_desc, version >= 9 ? 2 : 1, in, arena, &header, &used),
        MESSAGE_OK);
    cr_assert_eq(header.correlation_id, 77);
    cr_assert_eq(header.request_api_key, 0);
    cr_assert_eq(header.request_api_version, version);
    struct produce_request *request = arena_alloc(arena, sizeof(*request));
    cr_assert_eq(message_decode(&produce_request_desc, version,
                                slice_make(in.data + used, in.len - used), arena, request, NULL),
                 MESSAGE_OK);
    cr_assert_eq(request->topic_data_count, 1);
    cr_assert_eq(request->topic_data[0].partition_data[0].index, 5);
    struct message_records *records = &request->topic_data[0].partition_data[0].records;
    return slice_make(records->data, records->len);
}

Test(payload, is_a_valid_request_in_every_version) {
    for (int16_t version = 3; version <= 13; version++) {
        struct bench_options options = options_of(100, 3);
        struct payload payload;
        cr_assert(payload_init_produce(&payload, &options, &topic, version));
        uint8_t *frame = malloc(payload_frame_len(&payload));
        payload_write(&payload, &variables, frame);
        struct arena arena;
        arena_init(&arena, SIZE_MAX);
        struct slice bytes = decode(frame, payload_frame_len(&payload), version, &arena);
        struct batch batch;
        cr_assert_eq(batch_parse(bytes, &batch), BATCH_OK);
        cr_assert(batch_crc_valid(bytes));
        cr_assert_eq(batch.record_count, 3);
        struct stamp stamp;
        cr_assert(payload_read_stamp(&payload, bytes, &stamp));
        cr_assert_eq(stamp.run_id, 0xfeedface);
        cr_assert_eq(stamp.number, 123456789);
        cr_assert_eq(stamp.intended_ns, -42);
        arena_release(&arena);
        free(frame);
        payload_release(&payload);
    }
}

Test(payload, carries_producer_and_sequence) {
    struct bench_options options = options_of(10, 1); /* too short for a stamp */
    struct payload payload;
    cr_assert(payload_init_produce(&payload, &options, &topic, 9));
    cr_assert_eq(payload.stamp_at, 0);
    struct payload_variables own = variables;
    own.producer_id = 4711;
    own.producer_epoch = 3;
    own.sequence = INT32_MAX;
    uint8_t *frame = malloc(payload_frame_len(&payload));
    payload_write(&payload, &own, frame);
    struct batch batch;
    struct slice bytes = slice_make(frame + payload.batch_at, payload.batch_len);
    cr_assert_eq(batch_parse(bytes, &batch), BATCH_OK);
    cr_assert(batch_crc_valid(bytes));
    cr_assert_eq(batch.producer_id, 4711);
    cr_assert_eq(batch.producer_epoch, 3);
    cr_assert_eq(batch.base_sequence, INT32_MAX);
    free(frame);
    payload_release(&payload);
}

Test(payload, a_compressed_batch_is_left_as_it_is) {
    struct bench_options options = options_of(1000, 10);
    options.codec = COMPRESSION_LZ4;
    struct payload payload;
    cr_assert(payload_init_produce(&payload, &options, &topic, 9));
    cr_assert_eq(payload.stamp_at, 0);
    cr_assert_lt(payload.batch_len, 10000);
    uint8_t *frame = malloc(payload_frame_len(&payload));
    payload_write(&payload, &variables, frame);
    cr_assert(batch_crc_valid(slice_make(frame + payload.batch_at, payload.batch_len)));
    free(frame);
    payload_release(&payload);
}

Test(payload, other_batches_have_no_stamp) {
    struct bench_options options = options_of(100, 1);
    struct payload payload;
    cr_assert(payload_init_produce(&payload, &options, &topic, 9));
    struct stamp stamp;
    struct slice shorter = slice_make(payload.frame.data + payload.batch_at, payload.batch_len - 1);
    cr_assert_not(payload_read_stamp(&payload, shorter, &stamp));
    payload_release(&payload);
}
