/*
 * What a log knows of its producers: sequences (KIP-98, a window of five batches) and transactions.
 *
 * The state is a function of the batches below `end_offset`. It is saved as a snapshot file:
 *
 *     i16 version 1, u32 CRC-32C of what follows, i32 count, then entries of 46 bytes:
 *     i64 producer id, i16 epoch, i32 last sequence, i64 last offset, i32 offset delta,
 *     i64 timestamp, i32 coordinator epoch, i64 first offset of the open transaction (-1 none)
 */
#ifndef STORAGE_PRODUCERS_H
#define STORAGE_PRODUCERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/hmap.h"
#include "base/slice.h"
#include "protocol/records.h"

#define PRODUCER_WINDOW         5
#define PRODUCER_SNAPSHOT_ENTRY 46

struct producer_batch {
    int32_t last_sequence;
    int32_t offset_delta;
    int64_t last_offset;
    int64_t timestamp;
};

struct producer {
    struct hmap_node by_id;
    int64_t producer_id;
    int16_t epoch;
    int32_t coordinator_epoch;
    int64_t last_timestamp;
    int64_t txn_first_offset;                       /* -1: no open transaction */
    struct producer_batch batches[PRODUCER_WINDOW]; /* oldest first */
    int batch_count;
};

/* A transaction that is open, or whose marker is not below the high watermark yet. */
struct txn {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset; /* of the marker; -1 while open */
};

struct producers {
    struct hmap by_id;
    struct txn *txns; /* heap; by first_offset */
    int txn_count;
    int txn_cap;
    int64_t end_offset; /* everything below is accounted for */
};

/* One transaction that a marker ended. */
struct txn_end {
    bool ended; /* false: the marker ended nothing */
    bool aborted;
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;
    int64_t last_stable_offset; /* right after it */
};

/* What the control record of a transaction marker says. */
struct txn_marker {
    bool valid; /* false: another kind of control record */
    bool commit;
    int32_t coordinator_epoch;
};

void producers_init(struct producers *producers);
void producers_release(struct producers *producers);
/* The producer of the newest batch that is known; NULL when there is none. */
const struct producer *producers_newest(const struct producers *producers);

void producers_reset(struct producers *producers, int64_t end_offset);

/* Checks a batch of a client. *duplicate is set for one that is in the window. */
enum kafka_error producers_check(const struct producers *producers, const struct batch *batch,
                                 struct producer_batch *duplicate, bool *is_duplicate);

/* Accounts a batch that is in the log. `marker` is that of a control batch, else NULL. */
void producers_update(struct producers *producers, const struct batch *batch,
                      const struct txn_marker *marker, struct txn_end *ended);

/* Reads the marker out of one whole control batch. */
struct txn_marker txn_marker_read(struct slice batch_bytes, const struct batch *batch);

/* The first offset of the earliest transaction that is not below the high watermark; -1 none. */
int64_t producers_first_unstable(const struct producers *producers);

/* Forgets ended transactions whose markers are below the high watermark. */
void producers_raise_high_watermark(struct producers *producers, int64_t high_watermark);

void producers_expire(struct producers *producers, int64_t now_ms, int64_t expiration_ms);

void producers_encode(const struct producers *producers, struct buffer *out);

/* False for anything that is not a snapshot; the state is empty then. */
MUST_CHECK bool producers_decode(struct producers *producers, struct slice bytes,
                                 int64_t end_offset);

#endif
