/*
 * The request that is sent again and again: encoded once, so that sending costs a copy, a stamp and
 * a checksum. In the first record's value stands a stamp, by which consumers know what they read.
 */
#ifndef TOOLS_BENCH_PAYLOAD_H
#define TOOLS_BENCH_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"
#include "tools/bench/options.h"
#include "tools/bench/topic.h"

#define STAMP_SIZE 24

/* At the start of a value, big-endian, in this order. */
struct stamp {
    uint64_t run_id;     /* of all that this run wrote */
    uint64_t number;     /* of the event, over all connections */
    int64_t intended_ns; /* when it was due */
};

struct payload {
    struct buffer frame; /* the whole request, with its length in front */
    size_t correlation_at;
    size_t partition_at; /* of the partition's index, an i32; 0: the frame has none */
    bool raw;            /* it is a u16 at RAW_PARTITION_AT instead */
    size_t batch_at;     /* 0: the request carries no batch */
    size_t batch_len;
    size_t stamp_at; /* in the batch; 0: not stamped (compressed, or values too short) */
    int32_t records;
};

/* What differs from one request to the next. */
struct payload_variables {
    int32_t correlation_id;
    int32_t partition;
    struct stamp stamp;
    int64_t producer_id; /* NO_PRODUCER_ID: none */
    int16_t producer_epoch;
    int32_t sequence;
};

/* A Produce request in `version`, or in the dialect of bench/floor.c. False, with a message, when
 * the batch cannot be built. payload_release() is due in any case. */
bool payload_init_produce(struct payload *payload, const struct bench_options *options,
                          const struct topic *topic, int16_t version);

/* An encoded request without a batch; takes the buffer over. */
void payload_init_request(struct payload *payload, struct buffer *frame);

void payload_release(struct payload *payload);

static inline size_t payload_frame_len(const struct payload *payload) {
    return payload->frame.len;
}

/* Writes payload_frame_len() bytes. */
void payload_write(const struct payload *payload, const struct payload_variables *variables,
                   uint8_t *out);

/* Reads the stamp of a batch with the shape of this payload; false when it has another shape. */
bool payload_read_stamp(const struct payload *payload, struct slice batch, struct stamp *out);

/* Fields of the frames of bench/floor.c: a length, a key, a partition (u16), a correlation id, and
 * then a batch, or where to read and how much at most. */
#define RAW_PRODUCE      0
#define RAW_FETCH        1
#define RAW_PARTITION_AT 6
#define RAW_HEADER       12 /* with the length */
#define RAW_FETCH_SIZE   24 /* with the length: position i64, bytes i32 */

#endif
