/* Connections that send the payload again and again: produce requests, or pings. */
#ifndef TOOLS_BENCH_PRODUCER_H
#define TOOLS_BENCH_PRODUCER_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/bench/bench.h"
#include "tools/bench/conn.h"

/* A partition that a connection writes to. */
struct route {
    int32_t partition;
    int32_t sequence;  /* of the next batch */
    uint64_t consumed; /* events of it that consumers saw; see consumer.c */
};

/* A request that waits for its answer. */
struct flight {
    uint64_t number;
    int64_t intended_ns;
};

struct producer {
    struct bench_conn conn;
    struct bench *bench;
    uint64_t index;
    struct route *routes;
    uint64_t route_count;
    uint64_t due;           /* events that are to be sent */
    uint64_t sent;          /* events that were sent */
    struct flight *flights; /* a ring of options->in_flight */
    uint64_t flight_first;
    uint64_t flight_count;
    int32_t correlation_id; /* of the next answer */
    int64_t producer_id;
    int16_t producer_epoch;
    struct arena arena;
};

/* Connects all producers of the bench, to the leaders of their partitions; false with a message. */
bool producers_open(struct bench *bench);
void producers_close(struct bench *bench);

/* Hands out all events that are due at now_ns and sends what may be sent; with a closed loop, fills
 * what may be in flight. */
void producers_dispatch(struct bench *bench, int64_t now_ns);

/* The producer and the route of an event. */
struct producer *producer_of(const struct bench *bench, uint64_t number);
struct route *route_of(const struct bench *bench, uint64_t number);

#endif
