#include "tests/unit/protocol/batches.h"

Test(batch, header_fields_are_read_where_kafka_puts_them) {
    struct slice in = unhex(COMMIT_MARKER);
    struct batch batch;
    cr_assert_eq(batch_parse(in, &batch), BATCH_OK);
    cr_assert_eq(batch.base_offset, 7);
    cr_assert_eq(batch.length, 66);
    cr_assert_eq(batch_size(&batch), in.len);
    cr_assert_eq(batch.partition_leader_epoch, 2);
    cr_assert_eq(batch.magic, 2);
    cr_assert_eq(batch.attributes, BATCH_ATTR_TRANSACTIONAL | BATCH_ATTR_CONTROL);
    cr_assert_eq(batch.last_offset_delta, 0);
    cr_assert_eq(batch.base_timestamp, SAMPLE_TIME);
    cr_assert_eq(batch.max_timestamp, SAMPLE_TIME);
    cr_assert_eq(batch.producer_id, 1000);
    cr_assert_eq(batch.producer_epoch, 4);
    cr_assert_eq(batch.base_sequence, -1);
    cr_assert_eq(batch_last_sequence(&batch), -1);
    cr_assert_eq(batch.record_count, 1);
    cr_assert(batch_crc_valid(in));
    free((void *)(uintptr_t)in.data);
}

Test(batch, every_proper_prefix_is_incomplete) {
    struct slice in = unhex(TWO_RECORDS);
    for (size_t len = 0; len < in.len; len++) {
        uint8_t *copy = exact_copy(slice_make(in.data, len));
        struct batch batch;
        cr_assert_eq(batch_parse(slice_make(copy, len), &batch), BATCH_INCOMPLETE, "%zu", len);
        cr_assert_eq(batch.record_count, len >= BATCH_HEADER_SIZE ? 2 : 0);
        free(copy);
    }
    free((void *)(uintptr_t)in.data);
}

Test(batch, every_flipped_bit_under_the_crc_is_seen) {
    struct slice in = unhex(TWO_RECORDS);
    uint8_t *copy = exact_copy(in);
    for (size_t bit = BATCH_CRC_OFFSET * 8; bit < in.len * 8; bit++) {
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_not(batch_crc_valid(slice_make(copy, in.len)), "bit %zu", bit);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    cr_assert(batch_crc_valid(slice_make(copy, in.len)));
    cr_assert_not(batch_crc_valid(slice_make(copy, BATCH_HEADER_SIZE - 1)));
    free(copy);
    free((void *)(uintptr_t)in.data);
}

/* The verdict on the sample after a change of one field. */
static enum batch_parse parse_with(size_t at, size_t size, int64_t value) {
    struct slice in = unhex(TWO_RECORDS);
    uint8_t *data = (uint8_t *)(uintptr_t)in.data;
    uint8_t be[8];
    store_be64(be, (uint64_t)value);
    memcpy(data + at, be + 8 - size, size);
    struct batch batch;
    enum batch_parse result = batch_parse(in, &batch);
    free(data);
    return result;
}

Test(batch, impossible_headers_are_corrupt) {
    cr_assert_eq(parse_with(8, 4, 0), BATCH_CORRUPT);
    cr_assert_eq(parse_with(8, 4, -1), BATCH_CORRUPT);
    cr_assert_eq(parse_with(8, 4, 48), BATCH_CORRUPT);
    cr_assert_eq(parse_with(8, 4, INT32_MAX - 11), BATCH_CORRUPT);
    cr_assert_eq(parse_with(8, 4, INT32_MAX - 12), BATCH_INCOMPLETE);
    cr_assert_eq(parse_with(16, 1, 3), BATCH_CORRUPT);
    cr_assert_eq(parse_with(16, 1, -1), BATCH_CORRUPT);
    cr_assert_eq(parse_with(0, 8, -1), BATCH_CORRUPT);
    cr_assert_eq(parse_with(0, 8, INT64_MAX), BATCH_CORRUPT);
    cr_assert_eq(parse_with(0, 8, INT64_MAX - 1), BATCH_OK);
    cr_assert_eq(parse_with(23, 4, -1), BATCH_CORRUPT);
    cr_assert_eq(parse_with(23, 4, 0), BATCH_CORRUPT, "two records in one offset");
    cr_assert_eq(parse_with(23, 4, 9), BATCH_OK, "compaction leaves holes");
    cr_assert_eq(parse_with(57, 4, -1), BATCH_CORRUPT);
    cr_assert_eq(parse_with(57, 4, 0), BATCH_OK, "compaction leaves nothing");
    cr_assert_eq(parse_with(57, 4, 3), BATCH_CORRUPT);
}

Test(batch, a_count_that_the_size_cannot_hold_is_corrupt) {
    struct slice in = unhex(TWO_RECORDS);
    uint8_t *data = (uint8_t *)(uintptr_t)in.data;
    store_be32(data + 23, 1000);
    store_be32(data + 57, 1000);
    struct batch batch;
    cr_assert_eq(batch_parse(in, &batch), BATCH_CORRUPT);
    store_be16(data + 21, COMPRESSION_ZSTD); /* compressed, they may be there */
    cr_assert_eq(batch_parse(in, &batch), BATCH_OK);
    free(data);
}

Test(batch, old_magics_are_told_apart_from_corruption) {
    cr_assert_eq(parse_with(16, 1, 0), BATCH_OLD_MAGIC);
    cr_assert_eq(parse_with(16, 1, 1), BATCH_OLD_MAGIC);
    uint8_t data[26] = {0};
    store_be32(data + 8, 14);
    struct batch batch;
    cr_assert_eq(batch_parse(slice_make(data, sizeof(data)), &batch), BATCH_OLD_MAGIC);
    cr_assert_eq(batch_size(&batch), 26);
    data[16] = 1; /* needs 22 */
    cr_assert_eq(batch_parse(slice_make(data, sizeof(data)), &batch), BATCH_CORRUPT);
}

Test(batch, offset_and_epoch_are_stamped_without_touching_the_crc) {
    struct slice in = unhex(TWO_RECORDS);
    uint8_t *data = (uint8_t *)(uintptr_t)in.data;
    batch_set_base_offset(data, INT64_C(0x123456789a));
    batch_set_leader_epoch(data, 77);
    struct batch batch;
    cr_assert_eq(batch_parse(in, &batch), BATCH_OK);
    cr_assert_eq(batch.base_offset, INT64_C(0x123456789a));
    cr_assert_eq(batch_last_offset(&batch), INT64_C(0x123456789b));
    cr_assert_eq(batch.partition_leader_epoch, 77);
    cr_assert(batch_crc_valid(in));
    free(data);
}

Test(batch, a_new_max_timestamp_renews_the_crc) {
    struct slice in = unhex(TWO_RECORDS);
    uint8_t *data = (uint8_t *)(uintptr_t)in.data;
    struct batch batch;
    batch_set_max_timestamp(data, in.len, false, 5);
    cr_assert_eq(batch_parse(in, &batch), BATCH_OK);
    cr_assert_eq(batch.max_timestamp, 5);
    cr_assert_eq(batch.attributes, 0);
    cr_assert(batch_crc_valid(in));
    batch_set_max_timestamp(data, in.len, true, 6);
    cr_assert_eq(batch_parse(in, &batch), BATCH_OK);
    cr_assert_eq(batch.max_timestamp, 6);
    cr_assert_eq(batch.attributes, BATCH_ATTR_LOG_APPEND);
    cr_assert(batch_crc_valid(in));
    free(data);
}

Test(batch, sequences_wrap_to_zero) {
    struct batch batch = {.base_sequence = INT32_MAX - 1, .last_offset_delta = 1};
    cr_assert_eq(batch_last_sequence(&batch), INT32_MAX);
    batch.last_offset_delta = 2;
    cr_assert_eq(batch_last_sequence(&batch), 0);
    batch.last_offset_delta = INT32_MAX;
    cr_assert_eq(batch_last_sequence(&batch), INT32_MAX - 2);
    batch.base_sequence = -1;
    cr_assert_eq(batch_last_sequence(&batch), -1);
}
