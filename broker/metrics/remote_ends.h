/*
 * High watermarks of partitions that this node does not replicate, but has committed offsets of: it
 * asks their leaders for them (ListOffsets), as a consumer does, before a page is made.
 *
 * What is not answered in time stays unknown, and the page without its lag.
 */
#ifndef BROKER_METRICS_REMOTE_ENDS_H
#define BROKER_METRICS_REMOTE_ENDS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/hmap.h"
#include "base/slice.h"
#include "broker/metrics/part.h"

struct node;
struct remote_asker;

struct remote_end {
    struct hmap_node node; /* remote_ends.by_name; private, with the next */
    struct remote_end *next;
    struct slice topic;
    int32_t index;
    int64_t high_watermark; /* -1: not known */
};

/* What of a page has to be asked for, and then what was answered. */
struct remote_ends {
    struct remote_end *items;
    int32_t count;
    struct hmap by_name;
};

/* On a worker: finds what has to be asked for. Everything lies in the arena but the map. */
void remote_ends_find(struct remote_ends *ends, struct metrics_part **parts, int part_count,
                      struct arena *arena);
void remote_ends_release(struct remote_ends *ends);

/* -1: not known. */
int64_t remote_ends_lookup(const struct remote_ends *ends, struct slice topic, int32_t index);

/* ---- Asking, on shard 0 ---------------------------------------------------------------------- */

struct remote_asker *remote_asker_new(struct node *node);
void remote_asker_free(struct remote_asker *asker); /* memory only */

/* Ends what is under way, without telling. */
void remote_asker_close(struct remote_asker *asker);

/* Calls done(ctx) when all leaders have answered or will not: perhaps before this returns. One at a
 * time. */
void remote_asker_ask(struct remote_asker *asker, struct remote_ends *ends, void (*done)(void *ctx),
                      void *ctx);

#endif
