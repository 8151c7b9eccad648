/*
 * Headers of record batches. Nothing here looks at records, except for the CRC over them.
 */
#include "base/crc32c.h"
#include "protocol/record_frame.h"
#include "protocol/records.h"

/* Where the fields lie; records.h has the picture. */
enum {
    AT_BASE_OFFSET = 0,
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = BATCH_MAGIC_OFFSET,
    AT_CRC = BATCH_CRC_OFFSET,
    AT_ATTRIBUTES = BATCH_CRC_START,
    AT_LAST_OFFSET_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_RECORD_COUNT = 57,
};
_Static_assert(AT_RECORD_COUNT + 4 == BATCH_HEADER_SIZE, "the header ends with the count");

/* What a length can be at least, for each magic: all fixed fields behind it. */
#define LENGTH_MIN_MAGIC_0 14
#define LENGTH_MIN_MAGIC_1 22
#define LENGTH_MIN         (BATCH_HEADER_SIZE - BATCH_LOG_OVERHEAD)

/* data: at least BATCH_HEADER_SIZE bytes. Nothing is checked. */
static void batch_header_read(const uint8_t *data, struct batch *out) {
    *out = (struct batch){
        .base_offset = (int64_t)load_be64(data + AT_BASE_OFFSET),
        .length = (int32_t)load_be32(data + AT_LENGTH),
        .partition_leader_epoch = (int32_t)load_be32(data + AT_LEADER_EPOCH),
        .magic = (int8_t)data[AT_MAGIC],
        .crc = load_be32(data + AT_CRC),
        .attributes = (int16_t)load_be16(data + AT_ATTRIBUTES),
        .last_offset_delta = (int32_t)load_be32(data + AT_LAST_OFFSET_DELTA),
        .base_timestamp = (int64_t)load_be64(data + AT_BASE_TIMESTAMP),
        .max_timestamp = (int64_t)load_be64(data + AT_MAX_TIMESTAMP),
        .producer_id = (int64_t)load_be64(data + AT_PRODUCER_ID),
        .producer_epoch = (int16_t)load_be16(data + AT_PRODUCER_EPOCH),
        .base_sequence = (int32_t)load_be32(data + AT_BASE_SEQUENCE),
        .record_count = (int32_t)load_be32(data + AT_RECORD_COUNT),
    };
}

void batch_header_write(uint8_t *data, const struct batch *batch) {
    store_be64(data + AT_BASE_OFFSET, (uint64_t)batch->base_offset);
    store_be32(data + AT_LENGTH, (uint32_t)batch->length);
    store_be32(data + AT_LEADER_EPOCH, (uint32_t)batch->partition_leader_epoch);
    data[AT_MAGIC] = (uint8_t)batch->magic;
    store_be32(data + AT_CRC, batch->crc);
    store_be16(data + AT_ATTRIBUTES, (uint16_t)batch->attributes);
    store_be32(data + AT_LAST_OFFSET_DELTA, (uint32_t)batch->last_offset_delta);
    store_be64(data + AT_BASE_TIMESTAMP, (uint64_t)batch->base_timestamp);
    store_be64(data + AT_MAX_TIMESTAMP, (uint64_t)batch->max_timestamp);
    store_be64(data + AT_PRODUCER_ID, (uint64_t)batch->producer_id);
    store_be16(data + AT_PRODUCER_EPOCH, (uint16_t)batch->producer_epoch);
    store_be32(data + AT_BASE_SEQUENCE, (uint32_t)batch->base_sequence);
    store_be32(data + AT_RECORD_COUNT, (uint32_t)batch->record_count);
}

static uint32_t batch_crc(const uint8_t *data, size_t size) {
    return crc32c(data + BATCH_CRC_START, size - BATCH_CRC_START);
}

void batch_seal(uint8_t *data, size_t size) {
    ASSERT(size >= BATCH_HEADER_SIZE);
    store_be32(data + AT_CRC, batch_crc(data, size));
}

/* The fields must be possible together. Compaction leaves fewer records than offsets. */
static bool header_plausible(const struct batch *batch) {
    if (batch->base_offset < 0 || batch->last_offset_delta < 0 || batch->record_count < 0 ||
        batch->base_offset > INT64_MAX - batch->last_offset_delta) {
        return false;
    }
    if (batch->record_count > (int64_t)batch->last_offset_delta + 1) {
        return false;
    }
    int64_t records_len = batch->length - LENGTH_MIN;
    return batch_codec(batch) != COMPRESSION_NONE ||
           (int64_t)batch->record_count * RECORD_SIZE_MIN <= records_len;
}

enum batch_parse batch_parse(struct slice in, struct batch *out) {
    *out = (struct batch){0};
    if (in.len < BATCH_LOG_OVERHEAD) {
        return BATCH_INCOMPLETE;
    }
    out->base_offset = (int64_t)load_be64(in.data + AT_BASE_OFFSET);
    out->length = (int32_t)load_be32(in.data + AT_LENGTH);
    if (out->length < LENGTH_MIN_MAGIC_0 || out->length > INT32_MAX - BATCH_LOG_OVERHEAD) {
        return BATCH_CORRUPT;
    }
    if (in.len <= AT_MAGIC) {
        return BATCH_INCOMPLETE;
    }
    out->magic = (int8_t)in.data[AT_MAGIC];
    if (out->magic == 0 || out->magic == 1) {
        bool fits = out->magic == 0 || out->length >= LENGTH_MIN_MAGIC_1;
        return fits ? BATCH_OLD_MAGIC : BATCH_CORRUPT;
    }
    if (out->magic != 2 || out->length < LENGTH_MIN) {
        return BATCH_CORRUPT;
    }
    if (in.len < BATCH_HEADER_SIZE) {
        return BATCH_INCOMPLETE;
    }
    batch_header_read(in.data, out);
    if (!header_plausible(out)) {
        return BATCH_CORRUPT;
    }
    return in.len < batch_size(out) ? BATCH_INCOMPLETE : BATCH_OK;
}

bool batch_crc_valid(struct slice in) {
    return in.len >= BATCH_HEADER_SIZE && load_be32(in.data + AT_CRC) == batch_crc(in.data, in.len);
}

int32_t batch_last_sequence(const struct batch *batch) {
    if (batch->base_sequence < 0) {
        return -1;
    }
    /* Sequences are 31 bits wide. */
    return (int32_t)(((uint32_t)batch->base_sequence + (uint32_t)batch->last_offset_delta) &
                     INT32_MAX);
}

void batch_set_base_offset(uint8_t *data, int64_t base_offset) {
    store_be64(data + AT_BASE_OFFSET, (uint64_t)base_offset);
}

void batch_set_leader_epoch(uint8_t *data, int32_t partition_leader_epoch) {
    store_be32(data + AT_LEADER_EPOCH, (uint32_t)partition_leader_epoch);
}

void batch_set_max_timestamp(uint8_t *data, size_t size, bool log_append, int64_t max_timestamp) {
    uint16_t attributes = load_be16(data + AT_ATTRIBUTES);
    attributes = (uint16_t)(log_append ? attributes | BATCH_ATTR_LOG_APPEND
                                       : attributes & ~BATCH_ATTR_LOG_APPEND);
    store_be16(data + AT_ATTRIBUTES, attributes);
    store_be64(data + AT_MAX_TIMESTAMP, (uint64_t)max_timestamp);
    batch_seal(data, size);
}
