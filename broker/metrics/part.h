/*
 * What one shard tells when a node is asked for its metrics: a copy that nobody changes any more.
 *
 * A part is made on its shard, a piece in each turn of the loop (part_collect), and read by a
 * worker. It is one arena and holds no pointer out of it, but for constant text. Lists are in no
 * order.
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
    struct part_partition *next;
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
    int32_t partition;
    int64_t offset;
};

/* A topic of which a group has committed offsets. */
struct part_group_topic {
    struct part_group_topic *next;
    struct slice name;
    struct part_offset *offsets; /* by partition */
    int32_t offset_count;
};

/* A consumer group whose coordinator this shard is. */
struct part_group {
    struct part_group *next;
    struct slice id;
    int32_t coordinator; /* its partition of __consumer_offsets */
    enum group_state state;
    int32_t members;
    struct part_group_topic *topics;
    int32_t offset_count; /* of all topics */
};

struct part_topic {
    struct part_topic *next;
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

/* Where the next turn goes on; private. */
struct part_walk {
    enum { PART_TOPICS, PART_PARTITIONS, PART_GROUPS, PART_OFFSETS, PART_WHOLE } stage;
    uint64_t cursor;          /* of the map that is walked (hmap_scan) */
    int32_t coordinator;      /* whose groups are walked */
    struct part_group *group; /* whose offsets are walked */
};

struct metrics_part {
    struct arena arena;
    struct part_walk walk;
    int shard;
    double idle; /* share of time that the loop had nothing to do, 0..1 */

    struct topic_counts all;
    uint64_t replication_bytes_in;
    uint64_t replication_bytes_out;
    struct part_topic *topics;
    struct part_request *requests;
    int32_t request_count;
    struct part_listener *listeners;
    int32_t listener_count;

    struct part_partition *partitions;
    int32_t partition_count;
    struct part_group *groups;
};

/*
 * All on its shard. A new part has what is counted for the shard as a whole; part_collect() adds
 * topics, partitions and groups, whose numbers nobody limits. It returns how many it looked at,
 * empty places in maps included: `most`, of which it exceeds only what one topic of one group has
 * committed. Call it, in turns, until part_is_whole(). What comes or goes meanwhile is told or not.
 */
struct metrics_part *part_new(struct node_shard *shard);
int part_collect(struct metrics_part *part, struct node_shard *shard, int most);
bool part_is_whole(const struct metrics_part *part);
void part_free(struct metrics_part *part); /* NULL does nothing */

#endif
