/*
 * Records of partitions, from their leaders. One request at a time for each leader, all leaders at
 * once. Control records and those of aborted transactions are left out.
 */
#ifndef TOOLS_STREAM_CONSUMER_H
#define TOOLS_STREAM_CONSUMER_H

#include "protocol/records.h"
#include "tools/client/client.h"

/* Where reading begins, as offset: as in offsets.h, or below. */
#define START_TAIL(n) (-1000 - (int64_t)(n)) /* n records before the end */

enum consumer_reset {
    RESET_LATEST, /* where an offset does not exist */
    RESET_EARLIEST,
    RESET_NONE,
};

struct source {
    struct slice topic;
    int32_t partition;
    int64_t offset;         /* the next one; a start before consumer_start() */
    int64_t start_time;     /* >= 0: instead of offset, the first record of this time or later */
    int64_t stop;           /* the first that is not read any more; -1: none */
    int64_t stop_time;      /* >= 0: the first record of this time or later is not read any more */
    int64_t high_watermark; /* as told last; -1: not yet */
    int32_t leader;         /* -1: to be looked up */
    bool at_end;            /* caught up with the high watermark */
    bool paused;            /* nothing is read; such a source does not count for the end */
};

struct incoming {
    const struct source *source;
    const struct record *record;
    bool log_append_time;
    int32_t leader_epoch; /* when it was written */
};

struct consumer_options {
    enum consumer_reset reset;
    bool read_committed;
    int32_t fetch_bytes; /* for each partition */
    int32_t min_bytes;   /* what a broker waits for */
    int32_t max_bytes;   /* of an answer */
    int32_t wait_ms;     /* how long a broker waits for records */
};
#define CONSUMER_OPTIONS_DEFAULT                                                                   \
    ((struct consumer_options){                                                                    \
        .fetch_bytes = 1 << 20, .min_bytes = 1, .max_bytes = 50 << 20, .wait_ms = 500})

struct consumer {
    struct client *client;
    struct consumer_options options;
    struct source *sources; /* heap */
    size_t count;

    /* Told of each record, in order by partition; false stops the poll behind it. */
    bool (*record)(void *ctx, const struct incoming *incoming);
    void *ctx;
};

void consumer_init(struct consumer *consumer, struct client *client,
                   const struct consumer_options *options);
void consumer_release(struct consumer *consumer);

struct source *consumer_add(struct consumer *consumer, struct slice topic, int32_t partition,
                            int64_t start);

/* Turns starts into offsets. 0, the first error code of Kafka, or -1, with the client's error. */
int16_t consumer_start(struct consumer *consumer);

/* One round of fetches. Returns how many records came; -1 with the client's error and *code (0
 * without answer) when it makes no sense to go on. */
int64_t consumer_poll(struct consumer *consumer, int16_t *code);

/* Whether every source has reached its stop, or the end of its log. */
bool consumer_stopped(const struct consumer *consumer);
bool consumer_at_end(const struct consumer *consumer);

#endif
