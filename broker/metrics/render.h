/*
 * Parts to text. On a worker: nothing here looks at anything but the parts.
 *
 * The page has a limit: beyond RENDER_MAX bytes no more series of partitions and groups are told,
 * and barnabas_metrics_truncated is 1.
 */
#ifndef BROKER_METRICS_RENDER_H
#define BROKER_METRICS_RENDER_H

#include "base/buffer.h"
#include "broker/metrics/node_part.h"
#include "broker/metrics/part.h"
#include "broker/metrics/remote_ends.h"
#include "runtime/machine.h"

#define RENDER_MAX ((size_t)48 * 1024 * 1024)

/* Of the making of pages; of the one before. */
struct render_costs {
    uint64_t pages;
    int64_t collect_ns; /* on all loops together */
    int64_t turn_ns;    /* the longest that a loop spent at once, for the last page */
    int64_t render_ns;  /* on workers */
    size_t bytes;       /* of the last page */
};

struct render {
    struct buffer *out;
    struct metrics_part **parts; /* one of each shard */
    int part_count;
    const struct node_part *node;
    const struct remote_ends *remote;
    const struct process_usage *usage;
    const struct render_costs *costs;
    struct arena *arena; /* scratch: until the page is done */
    bool truncated;
};

void render_page(struct render *render);

/* Whether there is room for more series. */
bool render_has_room(struct render *render);

void render_requests(struct render *render); /* render_requests.c: topics, requests, connections */
void render_partitions(struct render *render); /* render_partitions.c */
void render_groups(struct render *render);     /* render_groups.c: after render_partitions() */
void render_telemetry(struct render *render);  /* render_telemetry.c */
void render_node(struct render *render); /* render_node.c: controller, quorum, dirs, process */

#endif
