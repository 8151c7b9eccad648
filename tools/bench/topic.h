/* The topic of a run: made before it, deleted after it. */
#ifndef TOOLS_BENCH_TOPIC_H
#define TOOLS_BENCH_TOPIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/uuid.h"
#include "tools/bench/options.h"
#include "tools/client/rpc.h"

struct topic_broker {
    int32_t node_id;
    const char *host;
    uint16_t port;
};

struct topic {
    const char *name;
    struct uuid id;
    bool created; /* by this run */
    int32_t partition_count;
    int32_t *leaders; /* by partition: an index into brokers */
    int64_t *offsets; /* by partition: the end when the run began */
    int broker_count;
    struct topic_broker *brokers; /* those that lead a partition */
    struct arena arena;           /* of all the above */
};

/*
 * Creates the topic when it does not exist, and waits until every partition has a leader. False
 * with the reason on stderr; topic_release() is due in any case.
 */
bool topic_prepare(struct topic *topic, struct rpc *rpc, const struct bench_options *options);

/* A topic that needs no preparation: for bench/floor.c, of which only partition 0 can be read, and
 * for pings. */
void topic_prepare_raw(struct topic *topic, const struct bench_options *options);

/* Sets out[partition] to the start (timestamp -2) or the end (-1) of each partition. A broker that
 * has just been told that it leads a partition may not know yet: it is asked again. False with a
 * message on stderr. */
bool topic_list_offsets(struct topic *topic, int64_t timestamp, int64_t *out);

/* Failures are only said on stderr. */
void topic_delete(struct topic *topic, struct rpc *rpc);

void topic_release(struct topic *topic);

#endif
