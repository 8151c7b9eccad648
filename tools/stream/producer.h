/*
 * Records into one topic: collected, sent to the leaders, answered, sent again where that helps.
 * One request at a time for each leader; idempotent where the broker serves that, so that a record
 * that is sent again is not doubled.
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
};

struct producer_options {
    int16_t acks; /* -1, 0, 1 */
    enum compression codec;
    int32_t timeout_ms; /* for acks */
    int64_t block_ms;   /* how long the topic may be missing */
    size_t batch_bytes; /* of records that are collected before they are sent */
};

#define PRODUCER_OPTIONS_DEFAULT                                                                   \
    ((struct producer_options){                                                                    \
        .acks = -1, .timeout_ms = 30000, .block_ms = 60000, .batch_bytes = (size_t)256 << 10})

struct producer {
    struct client *client;
    struct slice topic;
    struct producer_options options;
    struct arena arena; /* of what is collected */
    struct outgoing *records;
    size_t count, cap;
    size_t bytes;
    int32_t *leaders; /* by partition; heap */
    int32_t *sequences;
    int32_t partition_count;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t sticky; /* where records without key go until the next flush */

    /* Told of each record that the broker refused for good; text: for people. */
    void (*refused)(void *ctx, const struct outgoing *record, int16_t code, struct slice text);
    void *ctx;
    uint64_t acknowledged, refused_count;
};

/* Waits for the topic, which is made where the broker makes topics. Returns 0, an error code of
 * Kafka, or -1, with the client's error. */
int16_t producer_init(struct producer *producer, struct client *client, struct slice topic,
                      const struct producer_options *options);
void producer_release(struct producer *producer);

/* Copies the record; sends when enough is collected. False with the client's error when no broker
 * answers. A partition that does not exist is refused. */
bool producer_add(struct producer *producer, const struct outgoing *record);

/* Sends all that is collected and waits for the answers. */
bool producer_flush(struct producer *producer);

/* The hash by which Java's clients choose partitions. */
uint32_t murmur2(struct slice key);

#endif
