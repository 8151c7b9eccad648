/* What a run of `barnabasctl bench` is to do, and its command line. */
#ifndef TOOLS_BENCH_OPTIONS_H
#define TOOLS_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/compression.h"

#define TOPIC_CONFIGS_MAX 16

enum bench_mode {
    BENCH_PRODUCE, /* produce only */
    BENCH_CONSUME, /* fill a topic, then read all of it as fast as the broker answers */
    BENCH_E2E,     /* produce, and consume what is produced */
    BENCH_PING,    /* requests that touch no topic */
    BENCH_IDLE,    /* consumers in groups that wait for what never comes */
};

struct bench_options {
    enum bench_mode mode;
    const char *host;
    uint16_t port;
    bool raw; /* the frames of bench/floor.c instead of Kafka's */

    const char *topic; /* NULL: a new one that is deleted in the end */
    bool keep_topic;
    bool delete_topic; /* although it was there before */
    int32_t partitions;
    int16_t replication_factor;
    const char *topic_configs[TOPIC_CONFIGS_MAX]; /* "key=value" */
    int topic_config_count;

    bool saturate;       /* closed loop: as many as are in flight */
    uint64_t rate_milli; /* records per 1000 s; of ping: requests */
    size_t record_size;  /* bytes of a record's value */
    int32_t batch_records;
    int connections;
    int in_flight; /* requests per connection */
    int16_t acks;  /* -1, 0, 1 */
    enum compression codec;
    bool idempotent;

    int consumers; /* connections that fetch */
    bool sessions; /* fetch sessions (KIP-227) */
    int64_t fill;  /* bytes to write before a consume run */
    int32_t min_bytes;
    int32_t max_wait_ms;
    int32_t fetch_bytes;
    int32_t partition_bytes;
    bool ping_metadata; /* Metadata of all topics instead of ApiVersions */

    double warmup_s;
    double duration_s;

    pid_t pid; /* of the broker; 0: not known */
    bool find_pid;
    const char *json; /* a file, or "-" for stdout; NULL: none */
    bool quiet;       /* no table, no progress */
};

/*
 * Reads the arguments behind "bench". 0, or the exit code with which to end: the help was asked for
 * (printed), or something is wrong (said on stderr). Strings point into argv.
 */
int bench_options_parse(int argc, char **argv, struct bench_options *out, bool *help);

/* "10", "64k", "1.5M": decimal, with binary multiples k, M and G; false for anything else, or below
 * 0, or above INT64_MAX. */
bool bench_parse_size(const char *text, int64_t *out);

#endif
