/* Between the files of the controller. Shard 0 only. */
#ifndef BROKER_CONTROLLER_CONTROLLER_INTERNAL_H
#define BROKER_CONTROLLER_CONTROLLER_INTERNAL_H

#include "base/list.h"
#include "broker/controller/controller.h"
#include "broker/controller/controller_brokers.h"
#include "broker/controller/controller_channel.h"
#include "broker/controller/decision.h"
#include "broker/quorum/metadata_log.h"
#include "protocol/generated/allocate_producer_ids_request.h"
#include "runtime/machine.h"

/* Something that waits until its records are committed and applied on every shard. */
struct controller_op {
    struct list link;
    int64_t last_offset;

    /* NONE; or NOT_CONTROLLER: leadership was lost before the records were told as committed, so
     * that they may be kept, or gone. */
    void (*fn)(struct controller_op *op, enum kafka_error error);
};

struct controller {
    struct node *node;
    struct quorum *quorum;

    /* While this node leads: all that was decided, committed or not. Before it has caught up: what
     * was told so far. Else NULL. */
    struct image *image;
    bool opened;
    bool caught_up;
    struct timer snapshot_timer; /* when the last snapshot is as old as one may get */
    bool active;                 /* leads */
    int32_t last_leader;         /* of the quorum, other than this node, since it led itself; -1 */
    struct controller_brokers *brokers;

    uint64_t unclean_elections; /* decided here since the start of the process */

    struct list ops;     /* struct controller_op, by last_offset */
    struct list applies; /* committed batches on their way to the shards */
    int64_t committed;   /* everything up to here has been told as committed */
    int64_t applied;     /* everything up to here is applied on every shard */

    int64_t next_producer_id; /* of the block in hand */
    int64_t producer_id_end;
    struct list producer_id_waiters;
    struct controller_call producer_id_call;
    struct allocate_producer_ids_request producer_id_request;
    bool allocating;

    struct controller_op step; /* of the start */
    struct errmsg *errmsg;
    struct errmsg replay_errmsg; /* the first record that could not be applied */
    bool replay_failed;
    bool starting; /* done is owed for the start */
    bool stopping;
    void (*done)(void *ctx, int result);
    void (*stopped)(void *ctx);
    void *ctx;
};

void decision_init(struct controller *controller, struct decision *d, struct arena *arena);

/*
 * Proposes the decision's records and applies them to the controller's image; op->fn follows when
 * they are committed and applied everywhere, or when that is not to be hoped for any more. Without
 * records it follows as soon as everything that the decision may have seen is committed: perhaps
 * before this returns. An error means that nothing was proposed and fn will not be called.
 */
MUST_CHECK enum kafka_error
controller_submit(struct controller *controller, struct decision *d, struct controller_op *op,
                  void (*fn)(struct controller_op *op, enum kafka_error error));

/* Hands a committed batch to every shard (controller_apply.c); owns it from now on. */
void controller_apply(struct controller *controller, struct quorum_batch *batch);
void controller_applies_free(struct controller *controller);

/* Ends ops that wait for records which were not told as committed (controller_apply.c). */
void controller_ops_lost(struct controller *controller);

/* Why image_apply() refused `value`. */
void controller_explain_record(struct slice value, int64_t offset, struct errmsg *out);

/* Drops what waits for producer ids (controller_ids.c). */
void controller_ids_free(struct controller *controller);

#endif
