#include "tools/bench/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "protocol/generated/produce_request.h"
#include "protocol/records.h"
#include "tools/client/rpc.h"

#define PRODUCE        0
#define TIMEOUT_MS     30000
#define CORRELATION_AT 8 /* behind length, key and version */
#define BATCH_MAX      ((size_t)1 << 30)
#define WORD_LEN       8
#define VOCABULARY     256
#define PRODUCER_AT    43
#define EPOCH_AT       51
#define SEQUENCE_AT    53

/* Words drawn from a small vocabulary, which every codec makes about half of or less; the same
 * bytes in every run. */
static void fill_value(uint8_t *value, size_t len, uint64_t *state) {
    static const char letters[] = "etaoinshrdlucmfw";
    for (size_t i = 0; i < len; i++) {
        if (i % WORD_LEN == 0) {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
        }
        uint64_t word = (*state % VOCABULARY + 1) * 0x9e3779b97f4a7c15u;
        value[i] = (uint8_t)letters[word >> (4 * (i % WORD_LEN)) & 15];
    }
}

static bool build_batch(const struct bench_options *options, struct buffer *out) {
    struct batch_options batch = BATCH_OPTIONS_DEFAULT;
    batch.codec = options->codec;
    struct batch_builder builder;
    batch_builder_init(&builder, &batch, BATCH_MAX);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    uint8_t *value = xmalloc(options->record_size + 1);
    uint64_t state = 0x9e3779b97f4a7c15u;
    for (int32_t i = 0; i < options->batch_records; i++) {
        fill_value(value, options->record_size, &state);
        batch_builder_add(&builder, now_ms, SLICE_NULL, slice_make(value, options->record_size),
                          NULL, 0);
    }
    free(value);
    bool built = batch_builder_finish(&builder, out);
    batch_builder_release(&builder);
    return built;
}

/* Where the first value begins in the encoded batch; 0 when no stamp can stand there. */
static size_t find_stamp(const struct bench_options *options, struct slice batch) {
    if (options->codec != COMPRESSION_NONE || options->record_size < STAMP_SIZE) {
        return 0;
    }
    uint8_t value[STAMP_SIZE];
    uint64_t state = 0x9e3779b97f4a7c15u;
    fill_value(value, sizeof(value), &state);
    const uint8_t *found = memmem(batch.data, batch.len, value, sizeof(value));
    ASSERT(found != NULL);
    return (size_t)(found - batch.data);
}

/* ---- Kafka's request ------------------------------------------------------------------------- */

static void encode_produce(const struct bench_options *options, const struct topic *topic,
                           int16_t version, int32_t partition, struct slice batch,
                           struct buffer *out) {
    struct produce_request_partition_produce_data data =
        produce_request_partition_produce_data_defaults;
    data.index = partition;
    data.records = (struct message_records){.data = batch.data, .len = batch.len};
    struct produce_request_topic_produce_data t = produce_request_topic_produce_data_defaults;
    t.name = slice_str(topic->name);
    t.topic_id = topic->id;
    t.partition_data = &data;
    t.partition_data_count = 1;
    struct produce_request request;
    message_init(&produce_request_desc, &request);
    request.acks = options->acks;
    request.timeout_ms = TIMEOUT_MS;
    request.topic_data = &t;
    request.topic_data_count = 1;
    frame_request(out, PRODUCE, version, 0, &request, NULL);
}

/* The partition's index stands where two requests that differ in nothing else differ. */
static size_t find_partition(struct slice a, struct slice b) {
    size_t at = 0;
    while (at < a.len && a.data[at] == b.data[at]) {
        at++;
    }
    ASSERT(a.len == b.len && at + 4 <= a.len);
    return at;
}

static void encode_kafka(struct payload *payload, const struct bench_options *options,
                         const struct topic *topic, int16_t version, struct slice batch) {
    struct buffer other;
    buffer_init(&other, SIZE_MAX);
    encode_produce(options, topic, version, 0, batch, &payload->frame);
    encode_produce(options, topic, version, -1, batch, &other);
    payload->partition_at = find_partition(buffer_slice(&payload->frame), buffer_slice(&other));
    buffer_release(&other);
    const uint8_t *found = memmem(payload->frame.data, payload->frame.len, batch.data, batch.len);
    ASSERT(found != NULL);
    payload->batch_at = (size_t)(found - payload->frame.data);
}

static void encode_raw(struct payload *payload, struct slice batch) {
    buffer_put_be32(&payload->frame, (uint32_t)(RAW_HEADER - 4 + batch.len));
    buffer_put_be16(&payload->frame, RAW_PRODUCE);
    buffer_put_be16(&payload->frame, 0);
    buffer_put_be32(&payload->frame, 0);
    payload->raw = true;
    payload->batch_at = payload->frame.len;
    buffer_append_slice(&payload->frame, batch);
}

bool payload_init_produce(struct payload *payload, const struct bench_options *options,
                          const struct topic *topic, int16_t version) {
    *payload =
        (struct payload){.records = options->batch_records, .correlation_at = CORRELATION_AT};
    buffer_init(&payload->frame, SIZE_MAX);
    struct buffer batch;
    buffer_init(&batch, BATCH_MAX);
    bool built = build_batch(options, &batch);
    if (built) {
        payload->batch_len = batch.len;
        payload->stamp_at = find_stamp(options, buffer_slice(&batch));
        if (options->raw) {
            encode_raw(payload, buffer_slice(&batch));
        } else {
            encode_kafka(payload, options, topic, version, buffer_slice(&batch));
        }
    } else {
        fputs("bench: the batch would be too large\n", stderr);
    }
    buffer_release(&batch);
    return built;
}

void payload_init_request(struct payload *payload, struct buffer *frame) {
    *payload = (struct payload){.frame = *frame, .correlation_at = CORRELATION_AT, .records = 1};
    buffer_init(frame, frame->max);
}

void payload_release(struct payload *payload) {
    buffer_release(&payload->frame);
}

/* ---- Sending and receiving ------------------------------------------------------------------- */

void payload_write(const struct payload *payload, const struct payload_variables *variables,
                   uint8_t *out) {
    memcpy(out, payload->frame.data, payload->frame.len);
    store_be32(out + payload->correlation_at, (uint32_t)variables->correlation_id);
    if (payload->partition_at != 0) {
        store_be32(out + payload->partition_at, (uint32_t)variables->partition);
    }
    if (payload->raw) {
        store_be16(out + RAW_PARTITION_AT, (uint16_t)variables->partition);
    }
    if (payload->batch_at == 0) {
        return;
    }
    uint8_t *batch = out + payload->batch_at;
    bool idempotent = variables->producer_id != NO_PRODUCER_ID;
    if (idempotent) {
        store_be64(batch + PRODUCER_AT, (uint64_t)variables->producer_id);
        store_be16(batch + EPOCH_AT, (uint16_t)variables->producer_epoch);
        store_be32(batch + SEQUENCE_AT, (uint32_t)variables->sequence);
    }
    if (payload->stamp_at != 0) {
        store_be64(batch + payload->stamp_at, variables->stamp.run_id);
        store_be64(batch + payload->stamp_at + 8, variables->stamp.number);
        store_be64(batch + payload->stamp_at + 16, (uint64_t)variables->stamp.intended_ns);
    }
    if (idempotent || payload->stamp_at != 0) {
        store_be32(batch + BATCH_CRC_OFFSET,
                   crc32c(batch + BATCH_CRC_START, payload->batch_len - BATCH_CRC_START));
    }
}

bool payload_read_stamp(const struct payload *payload, struct slice batch, struct stamp *out) {
    if (payload->stamp_at == 0 || batch.len != payload->batch_len) {
        return false;
    }
    const uint8_t *stamp = batch.data + payload->stamp_at;
    out->run_id = load_be64(stamp);
    out->number = load_be64(stamp + 8);
    out->intended_ns = (int64_t)load_be64(stamp + 16);
    return true;
}
