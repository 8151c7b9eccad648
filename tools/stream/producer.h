/*
 * Records into one topic: collected in batches by partition, sent to the leaders, answered, sent
 * again where that helps, in order. Idempotent where the broker serves that, so that a record that
 * is sent again is not doubled.
 *
 * Nothing happens behind the caller's back: batches are sent and answers taken by producer_add()
 * when a batch is full, by producer_poll() and by producer_flush().
 */
#ifndef TOOLS_STREAM_PRODUCER_H
#define TOOLS_STREAM_PRODUCER_H

#include "protocol/compression.h"
#include "protocol/records.h"
#include "tools/client/client.h"

struct outgoing {
    struct slice key, value; /* may be null */
    struct record_header *headers;
    int32_t header_count;
    int64_t timestamp; /* NO_TIMESTAMP: now */
    int32_t partition; /* -1: by the key as Java's clients do it, without key any */
    int64_t mark;      /* the caller's own */
};

struct producer_options {
    int16_t acks;    /* -1, 0, 1 */
    bool without_id; /* not idempotent, whatever the broker serves */
    enum compression codec;
    int level;            /* of the codec; INT32_MIN: its default */
    int32_t timeout_ms;   /* for acks, and for an answer */
    int64_t block_ms;     /* how long the topic may be missing, and room for a record */
    int64_t delivery_ms;  /* how long a batch is tried, from its first record on */
    int32_t retries;      /* how often it is sent again */
    bool tell_unanswered; /* refuses what is given up without answer, and goes on */
    int64_t linger_ms;    /* how long a batch waits for more records; -1: until the flush */
    int32_t in_flight;    /* how many requests one broker may have to answer, 1 or more */
    size_t batch_bytes;   /* of one batch, uncompressed, unless it is a single record */
    size_t buffer_bytes;  /* of all that is not answered; what has no room waits */
    size_t record_bytes;  /* of one record; what is larger is refused */
};

#define PRODUCER_OPTIONS_DEFAULT                                                                   \
    ((struct producer_options){.acks = -1,                                                         \
                               .level = INT32_MIN,                                                 \
                               .timeout_ms = 30000,                                                \
                               .block_ms = 60000,                                                  \
                               .delivery_ms = 30000,                                               \
                               .retries = INT32_MAX,                                               \
                               .linger_ms = -1,                                                    \
                               .in_flight = 1,                                                     \
                               .batch_bytes = (size_t)256 << 10,                                   \
                               .buffer_bytes = (size_t)32 << 20,                                   \
                               .record_bytes = SIZE_MAX})

struct parcel;
struct producer_link;

struct producer {
    struct client *client;
    struct slice topic;
    struct producer_options options;
    int32_t *leaders;     /* by partition; heap, as all below */
    int32_t *sequences;   /* by partition: of the first record that is not acknowledged */
    struct parcel **open; /* by partition: the batch that collects; may be NULL */
    int32_t *ahead;       /* by partition: scratch of sending */
    int32_t partition_count;
    struct parcel *first, **last; /* batches that wait or are sent, the oldest first */
    struct producer_link *links;  /* to leaders */
    size_t link_count;
    size_t bytes; /* of all batches */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t sticky; /* where records without key go until its batch is sent */
    bool failed;    /* a batch was given up since no broker answers */

    /* Told of each record that was written, and of each that the broker refused for good. offset:
     * -1 when it is not told (acks=0). text: for people. Either may be NULL. */
    void (*written)(void *ctx, const struct outgoing *record, int64_t offset);
    void (*refused)(void *ctx, const struct outgoing *record, int16_t code, struct slice text);
    void *ctx;
    uint64_t acknowledged, refused_count;
    uint64_t request_count, request_bytes; /* sent, with the bytes of their batches */
    uint64_t sent_count,
        retried_count; /* records in them; those in requests that were not the first */
};

/* Waits for the topic, which is made where the broker makes topics. Returns 0, an error code of
 * Kafka, or -1, with the client's error. */
int16_t producer_init(struct producer *producer, struct client *client, struct slice topic,
                      const struct producer_options *options);
void producer_release(struct producer *producer);

/* Copies the record; sends what is full, and waits while there is no room. False with the client's
 * error when no broker answers. A partition that does not exist is refused. */
bool producer_add(struct producer *producer, const struct outgoing *record);

/* Sends what is due and takes answers until nothing more comes for wait_ms. As producer_add().
 * Until the flush, answers are due on the client's connections to leaders: ask them nothing else.
 */
bool producer_poll(struct producer *producer, int64_t wait_ms);

/* Sends all that is collected and waits for the answers. */
bool producer_flush(struct producer *producer);

/* What a record takes at most in a batch of its own, as Java's clients reckon it. */
size_t producer_record_bytes(const struct outgoing *record);

/* The hash by which Java's clients choose partitions. */
uint32_t murmur2(struct slice key);

#endif
