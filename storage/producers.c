#include "storage/producers.h"

#include <stdlib.h>

#include "base/memory.h"

void producers_init(struct producers *producers) {
    *producers = (struct producers){0};
    hmap_init(&producers->by_id);
}

const struct producer *producers_newest(const struct producers *producers) {
    const struct producer *newest = NULL;
    int64_t last_offset = -1;
    HMAP_FOREACH(node, &producers->by_id) {
        const struct producer *producer = CONTAINER_OF(node, struct producer, by_id);
        if (producer->batch_count > 0 &&
            producer->batches[producer->batch_count - 1].last_offset > last_offset) {
            newest = producer;
            last_offset = producer->batches[producer->batch_count - 1].last_offset;
        }
    }
    return newest;
}

void producers_reset(struct producers *producers, int64_t end_offset) {
    HMAP_FOREACH(node, &producers->by_id) {
        hmap_remove(&producers->by_id, node);
        free(CONTAINER_OF(node, struct producer, by_id));
    }
    producers->txn_count = 0;
    producers->end_offset = end_offset;
}

void producers_release(struct producers *producers) {
    producers_reset(producers, 0);
    hmap_release(&producers->by_id);
    free(producers->txns);
    producers->txns = NULL;
    producers->txn_cap = 0;
}

static struct producer *find_producer(const struct producers *producers, int64_t producer_id) {
    HMAP_FOREACH_HASH(node, &producers->by_id, hash_u64((uint64_t)producer_id)) {
        struct producer *producer = CONTAINER_OF(node, struct producer, by_id);
        if (producer->producer_id == producer_id) {
            return producer;
        }
    }
    return NULL;
}

static struct producer *add_producer(struct producers *producers, int64_t producer_id) {
    struct producer *producer = NEW(struct producer);
    producer->producer_id = producer_id;
    producer->epoch = -1;
    producer->coordinator_epoch = -1;
    producer->last_timestamp = NO_TIMESTAMP;
    producer->txn_first_offset = -1;
    hmap_insert(&producers->by_id, &producer->by_id, hash_u64((uint64_t)producer_id));
    return producer;
}

/* Sequences are 31 bits wide: after 2^31-1 comes 0. */
static int32_t sequence_add(int32_t sequence, int32_t delta) {
    return (int32_t)(((uint32_t)sequence + (uint32_t)delta) & INT32_MAX);
}

static int32_t first_sequence(const struct producer_batch *batch) {
    return sequence_add(batch->last_sequence, -batch->offset_delta);
}

/* ---- Checks ---------------------------------------------------------------------------------- */

static bool find_duplicate(const struct producer *producer, const struct batch *batch,
                           struct producer_batch *duplicate) {
    if (batch->producer_epoch != producer->epoch) {
        return false;
    }
    for (int i = 0; i < producer->batch_count; i++) {
        const struct producer_batch *known = &producer->batches[i];
        if (first_sequence(known) == batch->base_sequence &&
            known->last_sequence == batch_last_sequence(batch)) {
            *duplicate = *known;
            return true;
        }
    }
    return false;
}

static enum kafka_error check_sequence(const struct producer *producer, const struct batch *batch) {
    if (batch->producer_epoch != producer->epoch) {
        /* A new epoch starts a new sequence. */
        return batch->base_sequence == 0 || producer->epoch == -1
                   ? ERROR_NONE
                   : ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    int32_t last = producer->batch_count == 0
                       ? -1
                       : producer->batches[producer->batch_count - 1].last_sequence;
    int32_t next = last == -1 ? 0 : sequence_add(last, 1);
    return batch->base_sequence == next ? ERROR_NONE : ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

enum kafka_error producers_check(const struct producers *producers, const struct batch *batch,
                                 struct producer_batch *duplicate, bool *is_duplicate) {
    *is_duplicate = false;
    const struct producer *producer = find_producer(producers, batch->producer_id);
    if (producer == NULL) {
        return ERROR_NONE; /* expired or never seen: any sequence starts it */
    }
    bool control = (batch->attributes & BATCH_ATTR_CONTROL) != 0;
    if (!control && find_duplicate(producer, batch, duplicate)) {
        *is_duplicate = true;
        return ERROR_NONE;
    }
    if (batch->producer_epoch < producer->epoch) {
        return ERROR_INVALID_PRODUCER_EPOCH;
    }
    if (control) {
        return ERROR_NONE;
    }
    enum kafka_error error = check_sequence(producer, batch);
    if (error == ERROR_NONE && producer->txn_first_offset >= 0 &&
        (batch->attributes & BATCH_ATTR_TRANSACTIONAL) == 0) {
        error = ERROR_INVALID_TXN_STATE;
    }
    return error;
}

struct txn_marker txn_marker_read(struct slice batch_bytes, const struct batch *batch) {
    struct txn_marker marker = {0};
    struct record_iterator *iterator = record_iterator_new(batch_bytes, batch, batch_bytes.len);
    struct record record;
    if (record_iterator_next(iterator, &record) == 1 && record.key.len >= 4 &&
        record.value.len >= 6 && load_be16(record.key.data) == 0) {
        uint16_t type = load_be16(record.key.data + 2);
        marker.valid = type <= 1; /* 0 abort, 1 commit */
        marker.commit = type == 1;
        marker.coordinator_epoch = (int32_t)load_be32(record.value.data + 2);
    }
    record_iterator_free(iterator);
    return marker;
}

/* ---- Transactions ---------------------------------------------------------------------------- */

static void start_txn(struct producers *producers, int64_t producer_id, int64_t first_offset) {
    if (producers->txn_count == producers->txn_cap) {
        producers->txn_cap = producers->txn_cap == 0 ? 4 : producers->txn_cap * 2;
        producers->txns =
            xrealloc(producers->txns, (size_t)producers->txn_cap * sizeof(*producers->txns));
    }
    int i = producers->txn_count++;
    for (; i > 0 && producers->txns[i - 1].first_offset > first_offset; i--) {
        producers->txns[i] = producers->txns[i - 1];
    }
    producers->txns[i] =
        (struct txn){.producer_id = producer_id, .first_offset = first_offset, .last_offset = -1};
}

static void end_txn(struct producers *producers, struct producer *producer, int64_t marker_offset,
                    bool commit, struct txn_end *ended) {
    *ended = (struct txn_end){
        .ended = true,
        .aborted = !commit,
        .producer_id = producer->producer_id,
        .first_offset = producer->txn_first_offset,
        .last_offset = marker_offset,
        .last_stable_offset = marker_offset + 1,
    };
    bool stable_found = false;
    for (int i = 0; i < producers->txn_count; i++) {
        struct txn *txn = &producers->txns[i];
        if (txn->last_offset >= 0) {
            continue;
        }
        if (txn->producer_id == producer->producer_id) {
            txn->last_offset = marker_offset;
        } else if (!stable_found) {
            ended->last_stable_offset = txn->first_offset;
            stable_found = true;
        }
    }
    producer->txn_first_offset = -1;
}

int64_t producers_first_unstable(const struct producers *producers) {
    return producers->txn_count == 0 ? -1 : producers->txns[0].first_offset;
}

void producers_raise_high_watermark(struct producers *producers, int64_t high_watermark) {
    int kept = 0;
    for (int i = 0; i < producers->txn_count; i++) {
        struct txn txn = producers->txns[i];
        if (txn.last_offset < 0 || txn.last_offset >= high_watermark) {
            producers->txns[kept++] = txn;
        }
    }
    producers->txn_count = kept;
}

/* ---- Changes --------------------------------------------------------------------------------- */

static void add_batch(struct producer *producer, const struct batch *batch) {
    if (producer->batch_count == PRODUCER_WINDOW) {
        memmove(producer->batches, producer->batches + 1,
                (PRODUCER_WINDOW - 1) * sizeof(producer->batches[0]));
        producer->batch_count--;
    }
    producer->batches[producer->batch_count++] = (struct producer_batch){
        .last_sequence = batch_last_sequence(batch),
        .offset_delta = batch->last_offset_delta,
        .last_offset = batch_last_offset(batch),
        .timestamp = batch->max_timestamp,
    };
}

void producers_update(struct producers *producers, const struct batch *batch,
                      const struct txn_marker *marker, struct txn_end *ended) {
    *ended = (struct txn_end){0};
    producers->end_offset = batch_last_offset(batch) + 1;
    bool control = (batch->attributes & BATCH_ATTR_CONTROL) != 0;
    if (batch->producer_id < 0 || (control && (marker == NULL || !marker->valid))) {
        return;
    }
    struct producer *producer = find_producer(producers, batch->producer_id);
    if (producer == NULL) {
        producer = add_producer(producers, batch->producer_id);
    }
    if (batch->producer_epoch != producer->epoch) {
        producer->epoch = batch->producer_epoch;
        producer->batch_count = 0;
    }
    producer->last_timestamp = batch->max_timestamp;
    if (control) {
        producer->coordinator_epoch = marker->coordinator_epoch;
        if (producer->txn_first_offset >= 0) {
            end_txn(producers, producer, batch_last_offset(batch), marker->commit, ended);
        }
        return;
    }
    if (batch->base_sequence >= 0) {
        add_batch(producer, batch);
    }
    bool transactional = (batch->attributes & BATCH_ATTR_TRANSACTIONAL) != 0;
    if (transactional && producer->txn_first_offset < 0) {
        producer->txn_first_offset = batch->base_offset;
        start_txn(producers, batch->producer_id, batch->base_offset);
    }
}

void producers_expire(struct producers *producers, int64_t now_ms, int64_t expiration_ms) {
    HMAP_FOREACH(node, &producers->by_id) {
        struct producer *producer = CONTAINER_OF(node, struct producer, by_id);
        if (producer->txn_first_offset < 0 && producer->last_timestamp <= now_ms - expiration_ms) {
            hmap_remove(&producers->by_id, node);
            free(producer);
        }
    }
}
