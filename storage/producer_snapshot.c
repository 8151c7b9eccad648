/* The snapshot file of the producer state; producers.h has its layout. */
#include "base/crc32c.h"
#include "base/memory.h"
#include "storage/producers.h"

#include <stdlib.h>

#define SNAPSHOT_VERSION   1
#define SNAPSHOT_CRC_AT    2
#define SNAPSHOT_CRC_START 6
#define SNAPSHOT_HEADER    10

static int compare_ids(const void *a, const void *b) {
    const struct producer *const *pa = a;
    const struct producer *const *pb = b;
    return ((*pa)->producer_id > (*pb)->producer_id) - ((*pa)->producer_id < (*pb)->producer_id);
}

static void encode_entry(const struct producer *producer, struct buffer *out) {
    const struct producer_batch none = {
        .last_sequence = -1, .last_offset = -1, .timestamp = producer->last_timestamp};
    const struct producer_batch *last =
        producer->batch_count == 0 ? &none : &producer->batches[producer->batch_count - 1];
    buffer_put_be64(out, (uint64_t)producer->producer_id);
    buffer_put_be16(out, (uint16_t)producer->epoch);
    buffer_put_be32(out, (uint32_t)last->last_sequence);
    buffer_put_be64(out, (uint64_t)last->last_offset);
    buffer_put_be32(out, (uint32_t)last->offset_delta);
    buffer_put_be64(out, (uint64_t)producer->last_timestamp);
    buffer_put_be32(out, (uint32_t)producer->coordinator_epoch);
    buffer_put_be64(out, (uint64_t)producer->txn_first_offset);
}

void producers_encode(const struct producers *producers, struct buffer *out) {
    size_t start = out->len;
    buffer_put_be16(out, SNAPSHOT_VERSION);
    buffer_put_be32(out, 0);
    buffer_put_be32(out, (uint32_t)producers->by_id.count);
    /* By id: the same state gives the same bytes. */
    size_t count = producers->by_id.count;
    const struct producer **sorted = xcalloc(count + 1, sizeof(*sorted));
    size_t i = 0;
    HMAP_FOREACH(node, &producers->by_id) {
        sorted[i++] = CONTAINER_OF(node, struct producer, by_id);
    }
    qsort(sorted, count, sizeof(*sorted), compare_ids);
    for (i = 0; i < count; i++) {
        encode_entry(sorted[i], out);
    }
    free(sorted);
    if (!out->failed) {
        uint8_t *bytes = out->data + start;
        store_be32(bytes + SNAPSHOT_CRC_AT,
                   crc32c(bytes + SNAPSHOT_CRC_START, out->len - start - SNAPSHOT_CRC_START));
    }
}

/* A batch that holds one producer's last batch, or the begin of its transaction. */
static void replay(struct producers *producers, const struct batch *batch) {
    struct txn_end ended;
    producers_update(producers, batch, NULL, &ended);
}

static bool decode_entry(struct producers *producers, const uint8_t *p) {
    int64_t producer_id = (int64_t)load_be64(p);
    int64_t last_offset = (int64_t)load_be64(p + 14);
    int32_t offset_delta = (int32_t)load_be32(p + 22);
    int64_t txn_first_offset = (int64_t)load_be64(p + 38);
    if (producer_id < 0 || last_offset < -1 || offset_delta < 0 || txn_first_offset < -1 ||
        last_offset == INT64_MAX || txn_first_offset == INT64_MAX ||
        (last_offset >= 0 && offset_delta > last_offset)) {
        return false;
    }
    struct batch batch = {
        .base_offset = txn_first_offset,
        .attributes = txn_first_offset >= 0 ? BATCH_ATTR_TRANSACTIONAL : 0,
        .producer_id = producer_id,
        .producer_epoch = (int16_t)load_be16(p + 8),
        .base_sequence = -1,
        .max_timestamp = (int64_t)load_be64(p + 26),
    };
    replay(producers, &batch);
    HMAP_FOREACH_HASH(node, &producers->by_id, hash_u64((uint64_t)producer_id)) {
        struct producer *producer = CONTAINER_OF(node, struct producer, by_id);
        if (producer->producer_id != producer_id) {
            continue;
        }
        producer->coordinator_epoch = (int32_t)load_be32(p + 34);
        if (last_offset >= 0) {
            producer->batch_count = 1;
            producer->batches[0] = (struct producer_batch){
                .last_sequence = (int32_t)load_be32(p + 10),
                .offset_delta = offset_delta,
                .last_offset = last_offset,
                .timestamp = (int64_t)load_be64(p + 26),
            };
        }
    }
    return true;
}

bool producers_decode(struct producers *producers, struct slice bytes, int64_t end_offset) {
    producers_reset(producers, end_offset);
    if (bytes.len < SNAPSHOT_HEADER || load_be16(bytes.data) != SNAPSHOT_VERSION ||
        load_be32(bytes.data + SNAPSHOT_CRC_AT) !=
            crc32c(bytes.data + SNAPSHOT_CRC_START, bytes.len - SNAPSHOT_CRC_START)) {
        return false;
    }
    uint64_t count = load_be32(bytes.data + SNAPSHOT_CRC_START);
    if (count * PRODUCER_SNAPSHOT_ENTRY != bytes.len - SNAPSHOT_HEADER) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!decode_entry(producers, bytes.data + SNAPSHOT_HEADER + i * PRODUCER_SNAPSHOT_ENTRY)) {
            producers_reset(producers, end_offset);
            return false;
        }
    }
    producers->end_offset = end_offset;
    return true;
}
