/*
 * What one shard tells when a node is asked for its metrics: a copy that nobody changes any more.
 *
 * A part is made on its shard (part_collect), filled on shard 0 with what that shard alone knows
 * (node_part.h), and read by a worker. It is one arena and holds no pointer out of it, but for
 * constant text.
 */
#ifndef BROKER_METRICS_PART_H
#define BROKER_METRICS_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "broker/group/classic_group.h"
#include "broker/metrics/meters.h"

struct node_shard;

/* A partition that this node replicates. */
struct part_partition {
    struct slice topic;
    int32_t index;
    bool leads;            /* this node: what is of the whole partition is its to tell */
    bool leader_preferred; /* the leader is the first replica */
    bool online;           /* there is a log: the offsets are known */
    bool under_replicated; /* of a leader, as the next three */
    bool under_min_isr;
    bool at_min_isr;
    int32_t replicas;
    int32_t isr;
    int64_t log_start;
    int64_t high_watermark;
    int64_t stable_offset;
    int64_t log_end;
    int64_t bytes;
    int32_t segments;
};

struct part_offset {
    struct slice topic;
    int32_t partition;
    int64_t offset;
};

/* A consumer group whose coordinator this shard is. */
struct part_group {
    struct slice id;
    enum group_state state;
    int32_t members;
    struct part_offset *offsets;
    int32_t offset_count;
};

struct part_topic {
    struct slice name;
    struct topic_counts counts;
};

struct part_request {
    const char *name; /* "Produce" */
    uint64_t by_version[METER_VERSIONS];
    struct durations total;
};

/* Connections of a listener on this shard. */
struct part_listener {
    struct slice name;
    int32_t connections;
};

struct metrics_part {
    struct arena arena;
    int shard;
    double idle; /* share of time that the loop had nothing to do, 0..1 */

    struct topic_counts all;
    uint64_t replication_bytes_in;
    uint64_t replication_bytes_out;
    struct part_topic *topics;
    int32_t topic_count;
    struct part_request *requests;
    int32_t request_count;
    struct part_listener *listeners;
    int32_t listener_count;

    struct part_partition *partitions; /* those of `partition_count` that are asked for */
    int32_t partition_count;
    struct part_group *groups;
    int32_t group_count;
};

/* On its shard. The caller frees the part with part_free(). */
struct metrics_part *part_collect(struct node_shard *shard);
void part_free(struct metrics_part *part); /* NULL does nothing */

#endif
