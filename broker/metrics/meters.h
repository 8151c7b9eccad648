/*
 * The counters of a shard: plain integers that only its thread touches. Whoever does something that
 * is counted adds to them; part_collect() (part.h) copies them when they are asked for.
 *
 * Counters only grow, from the start of the process.
 */
#ifndef BROKER_METRICS_METERS_H
#define BROKER_METRICS_METERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hmap.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "broker/metrics/durations.h"

struct image;
struct image_delta;
struct meters;

/* What is counted of a topic, and of all together. Requests are counted once for each partition
 * they name, as Kafka counts them. */
struct topic_counts {
    uint64_t bytes_in;    /* of record batches appended for producers */
    uint64_t messages_in; /* records in them */
    uint64_t bytes_out;   /* of records sent to consumers */
    uint64_t produce_requests;
    uint64_t fetch_requests; /* of followers too */
    uint64_t failed_produce_requests;
    uint64_t failed_fetch_requests;
};

struct topic_meter {
    struct hmap_node node; /* meters.topics; private */
    struct uuid id;
    struct slice name; /* heap */
    struct topic_counts counts;
};

/* Requests by kind: the API keys, then what Kafka tells apart of Fetch. */
#define METER_FETCH_CONSUMER 100
#define METER_FETCH_FOLLOWER 101
#define METER_KINDS          102

/* No API has as many versions; what is above counts as the last. */
#define METER_VERSIONS 24

/* Of one kind of request that this shard has answered. */
struct request_meter {
    uint64_t by_version[METER_VERSIONS];
    struct durations total; /* from being begun to the answer */
};

struct meters {
    struct topic_counts all;
    uint64_t replication_bytes_in;
    uint64_t replication_bytes_out;
    struct hmap topics;                          /* struct topic_meter */
    struct topic_meter *last;                    /* the last that was asked for */
    struct request_meter *requests[METER_KINDS]; /* heap; NULL until there was one */
    int64_t asked_ns;                            /* the loop's idleness, since it was asked last: */
    int64_t asked_cpu_ns;
    double idle; /* share of time, 0..1 */
};

struct meters *meters_new(void);
void meters_free(struct meters *meters);

/* Batches of producers were appended; answers carry records to consumers. What is counted of a
 * topic that the image does not have is only counted in `all`. */
void meters_appended(struct meters *meters, const struct image *image, struct uuid topic_id,
                     size_t bytes, int32_t records);
void meters_sent(struct meters *meters, const struct image *image, struct uuid topic_id,
                 size_t bytes);

/* A partition of a request was done with. */
void meters_produce_request(struct meters *meters, const struct image *image, struct uuid topic_id,
                            bool failed);
void meters_fetch_request(struct meters *meters, const struct image *image, struct uuid topic_id,
                          bool failed);

/* Topics that are gone are forgotten. */
void meters_apply(struct meters *meters, const struct image_delta *delta);

/* A request was answered. */
void meters_request(struct meters *meters, int kind, int16_t version, int64_t took_ns);

/* Kafka's name of a kind of request, "Produce"; NULL where there is none. */
const char *meter_kind_name(int kind);

#endif
