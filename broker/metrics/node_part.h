/*
 * What only shard 0 knows of the node when it is asked for its metrics: the cluster as its image
 * has it, the quorum, log dirs. As struct metrics_part (part.h): a copy that nobody changes.
 *
 * A node that is the active controller tells what no other could: brokers, and partitions without a
 * leader.
 */
#ifndef BROKER_METRICS_NODE_PART_H
#define BROKER_METRICS_NODE_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "broker/quorum/quorum_requests.h"

struct image;
struct node;

struct node_broker {
    int32_t id;
    struct slice host;
    int32_t port;
};

/* A topic that is this node's to tell. */
struct node_topic {
    struct node_topic *next;
    struct slice name;
    int32_t partitions;
};

/* A partition without a leader; only of the active controller. */
struct node_orphan {
    struct node_orphan *next;
    struct slice topic;
    int32_t index;
    int32_t replicas;
    int32_t isr;
};

struct node_dir {
    const char *path; /* in the arena */
    bool online;
    int64_t total_bytes; /* of its file system; filled by the worker */
    int64_t free_bytes;
};

/* One number that a client has pushed. */
struct node_client_series {
    const char *family; /* in the arena, as the next */
    struct slice labels;
    double value;
    bool counter;
};

struct node_part {
    struct arena arena;
    uint64_t cursor; /* private: of the image's topics (hmap_scan) */
    bool whole;      /* all topics were looked at */
    int32_t id;
    bool is_broker;
    bool is_controller;
    bool ready;
    bool each_partition; /* metrics.per.partition */
    int shard_count;

    bool has_quorum;
    struct quorum_status quorum;
    double appended_per_second; /* of records, since the page before; as the next two */
    double fetched_per_second;
    double commit_ms; /* average of a batch; NaN where there was none */
    int64_t applied_offset;

    bool active; /* the active controller */
    uint64_t unclean_elections;
    int32_t active_brokers;
    int32_t fenced_brokers;
    int32_t topic_total; /* of the cluster, as the next three */
    int32_t partition_total;
    int32_t offline_partitions;
    int32_t not_preferred;

    struct node_broker *brokers;
    int32_t broker_count;
    struct node_topic *topics;
    struct node_orphan *orphans;
    struct node_dir *dirs;
    int32_t dir_count;

    int32_t telemetry_clients;
    struct node_client_series *client_series; /* the worker sorts them */
    int32_t client_series_count;
    int32_t client_series_left_out;
};

/* Of the page before, for what is told as a rate. */
struct node_part_before {
    int64_t at_ns;
    struct quorum_counts counts;
    double appended_per_second;
    double fetched_per_second;
    double commit_ms;
};

/*
 * A new part has all but the cluster's topics, which node_part_collect() adds, in turns, until the
 * part is whole. It returns how many topics and partitions it looked at: `most`, of which it
 * exceeds only what the last topic has.
 */
struct node_part *node_part_new(struct node *node, struct node_part_before *before);
int node_part_collect(struct node_part *part, const struct image *image, int most);
void node_part_free(struct node_part *part); /* NULL does nothing */

#endif
