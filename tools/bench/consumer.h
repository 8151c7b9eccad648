/* Connections that fetch, check what they get, and know how old it is. */
#ifndef TOOLS_BENCH_CONSUMER_H
#define TOOLS_BENCH_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/bench/bench.h"
#include "tools/bench/conn.h"

/* A partition that a connection reads. */
struct fetch_part {
    int32_t partition;
    int64_t offset;   /* of the next fetch; of bench/floor.c: a position */
    int64_t end;      /* no further than here; INT64_MAX: for ever */
    uint64_t batches; /* that came */
    bool changed;     /* the session does not know the offset yet */
};

struct consumer {
    struct bench_conn conn;
    struct bench *bench;
    struct fetch_part *parts;
    int part_count;
    int *index_of;  /* by partition; -1: not read here */
    int unfinished; /* parts before their end */
    bool waiting;   /* for an answer */
    int32_t correlation_id;
    int32_t session_id;
    int32_t session_epoch; /* -1: without session */
    struct arena arena;
    struct buffer frame;
};

/* Where consumers begin and end, by partition; NULL: at 0, and never. */
struct consumer_range {
    const int64_t *from;
    const int64_t *to;
};

/* Connects options->consumers, each to a leader, with an equal part of its partitions (or, with
 * `every`, all of them), and sends the first fetches; false with a message. */
bool consumers_open(struct bench *bench, const struct consumer_range *range, bool every);
void consumers_close(struct bench *bench);

/* Whether all that was asked for has been read. */
bool consumers_done(const struct bench *bench);

#endif
