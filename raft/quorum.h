/*
 * The quorum of the metadata log, as the controller sees it.
 *
 * The controller proposes batches of records; the quorum appends them, replicates them and tells,
 * in order, which are committed. To be appended is not to be committed: only a committed batch may
 * be answered for or shown to anybody. With one voter committed means synced on this node's disk;
 * with more it means synced on a majority, and the controller must not be able to tell the
 * difference.
 *
 * Implemented in broker/quorum/. All calls on one shard. What is told comes from inside calls into
 * the quorum too (a proposal of a single voter may commit what was before); it may propose.
 */
#ifndef RAFT_QUORUM_H
#define RAFT_QUORUM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/list.h"
#include "base/slice.h"

struct quorum;

/* A batch of records, or the whole content of a snapshot. The receiver owns it. */
struct quorum_batch {
    struct list link;   /* the owner's */
    struct arena arena; /* holds the values */
    struct slice *values;
    int count;
    int64_t base_offset;
    int64_t last_offset;
    int64_t timestamp_ms;
    int32_t epoch;
    int16_t kraft_version; /* finalized at its end */
    bool snapshot;         /* replaces all that was told before, of which it may lack parts */
    size_t bytes;          /* the quorum's */
};

static inline void quorum_batch_free(struct quorum_batch *batch) {
    arena_release(&batch->arena);
    free(batch);
}

/* What the quorum tells its user. */
struct quorum_client {
    /* Every committed batch once, in order, a snapshot first where there is one; whoever proposed
     * it. The batch passes to the client. */
    void (*committed)(void *ctx, struct quorum_batch *batch);

    /* This node leads from now on, in this epoch: all that was committed before has been told. */
    void (*leading)(void *ctx, int32_t epoch);

    /* Once, and before leading(): all that was committed when this node first heard from a leader
     * (or became it) has been told. Until then what is known may be old. */
    void (*caught_up)(void *ctx);

    /* It leads no more: proposals that were not told as committed may be gone. The client goes back
     * to what was committed. */
    void (*lost)(void *ctx);

    /* The leader that this node knows is another, or none (-1). */
    void (*leader_changed)(void *ctx, int32_t leader_id, int32_t epoch);

    /* The log cannot be written any more (negative errno); the process has to end. */
    void (*failed)(void *ctx, int error);
    void *ctx;
};

/*
 * Appends values as one atomic batch; *base_offset is the offset of the first. The values are
 * copied. -EAGAIN: this node does not lead (from leading() to lost() it does, but lost() may be on
 * its way already); -EMSGSIZE: above the limit of a batch; -EIO: the log cannot be written, and
 * failed() was called. committed() may be called before this returns.
 */
MUST_CHECK int quorum_propose(struct quorum *quorum, const struct slice *values, int count,
                              int64_t *base_offset);

/* The offset that the next proposal gets. */
int64_t quorum_end_offset(const struct quorum *quorum);
int64_t quorum_high_watermark(const struct quorum *quorum);

/* -1: unknown. */
int32_t quorum_leader(const struct quorum *quorum);
int32_t quorum_epoch(const struct quorum *quorum);

/* Where the controller listener of the leader is reached; false while that is not known. Valid
 * until the next call into the quorum. */
bool quorum_leader_address(const struct quorum *quorum, const char **host, int *port);

#endif
