/*
 * A run of the load generator: one thread, one epoll, connections that produce (or ping) and
 * connections that fetch, and what they count.
 *
 * Events are numbered over all connections: event n belongs to connection n mod `producer_count`
 * and is its k-th, k = n / producer_count. A connection takes its partitions in turn. So a consumer
 * can tell from the number in a stamp what it should read next, and when that was due.
 */
#ifndef TOOLS_BENCH_BENCH_H
#define TOOLS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/errors.h"
#include "tools/bench/histogram.h"
#include "tools/bench/options.h"
#include "tools/bench/payload.h"
#include "tools/bench/process.h"
#include "tools/bench/schedule.h"
#include "tools/bench/topic.h"
#include "tools/client/rpc.h"

#define ERROR_CODE_MAX 200

/* Running sums; the difference of two of them is what happened in between. Bytes are those of
 * encoded batches. */
struct bench_totals {
    uint64_t sent;  /* requests */
    uint64_t acked; /* requests */
    uint64_t acked_records;
    uint64_t acked_bytes;
    uint64_t fetches; /* answers */
    uint64_t batches; /* that consumers got */
    uint64_t records;
    uint64_t bytes;
    uint64_t heartbeats; /* answers */
};

/* The totals and clocks at one moment. */
struct bench_sample {
    int64_t at_ns;
    int64_t broker_cpu_ns;
    int64_t own_cpu_ns;
    struct machine_cpu machine;
    struct bench_totals totals;
};

struct bench_faults {
    uint64_t codes[ERROR_CODE_MAX + 2]; /* answers with an error, by code + 1 */
    uint64_t lost_connections;
    uint64_t malformed; /* answers or batches that do not decode, or fail their checksum */
    uint64_t disorder;  /* batches doubled, missing or out of order */
    const char *detail; /* of the first; constant */
};

struct producer;
struct consumer;
struct member;

struct bench {
    const struct bench_options *options;
    struct rpc rpc;
    struct topic topic;
    int16_t produce_version; /* of ping: that of the request */
    int16_t fetch_version;
    struct payload payload;
    uint64_t run_id;
    int epoll;

    struct producer *producers;
    int producer_count;
    struct consumer *consumers;
    int consumer_count;
    struct member *members;
    int member_count;

    struct schedule schedule;
    bool open_loop;
    bool sending;            /* new requests may be sent */
    uint64_t event_count;    /* of the whole run, or to be filled */
    uint64_t dispatched;     /* events that were due so far */
    uint64_t in_flight;      /* requests */
    int64_t measure_from_ns; /* by intended time */
    int64_t measure_to_ns;

    struct bench_totals totals;
    uint64_t acked_sum; /* checksums of event numbers, in any order */
    uint64_t consumed_sum;
    struct bench_faults faults;
    struct histogram *ack; /* ns, from the intended time to the answer */
    struct histogram *e2e; /* ns, from the intended time to the consumer */
    struct histogram *lag; /* ns, from the intended time to the sending: the generator's own */

    struct bench_sample from;
    struct bench_sample to;
    int64_t rss_max;
    int64_t pss_max;
    pid_t pid;
};

/* Scrambles an event's number for the checksums. */
static inline uint64_t bench_mix(uint64_t number) {
    number = (number + 1) * 0x9e3779b97f4a7c15u;
    return number ^ (number >> 29);
}

static inline bool bench_measured(const struct bench *bench, int64_t intended_ns) {
    return intended_ns >= bench->measure_from_ns && intended_ns < bench->measure_to_ns;
}

/* Counts an answer's error code; 0 is none. True when it was an error. */
bool bench_count_error(struct bench *bench, int16_t code, const char *api);

/* How many faults of all kinds. */
uint64_t bench_fault_count(const struct bench *bench);

/* `barnabasctl bench`: argv begins behind "bench". The exit code. */
int bench_main(int argc, char **argv);

#endif
