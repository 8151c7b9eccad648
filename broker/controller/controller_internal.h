/* Between the files of the controller. Shard 0 only. */
#ifndef BROKER_CONTROLLER_CONTROLLER_INTERNAL_H
#define BROKER_CONTROLLER_CONTROLLER_INTERNAL_H

#include "base/list.h"
#include "broker/controller/controller.h"
#include "broker/controller/decision.h"
#include "broker/quorum/metadata_log.h"
#include "runtime/machine.h"

/* Something that waits until its records are committed and applied on every shard. */
struct controller_op {
    struct list link;
    int64_t last_offset;
    void (*fn)(struct controller_op *op);
};

struct controller {
    struct node *node;
    struct image *image; /* all that was decided, committed or not */
    struct quorum *quorum;
    bool active;

    struct list ops;     /* struct controller_op, by last_offset */
    struct list applies; /* committed batches on their way to the shards */
    int64_t applied;     /* everything up to here is applied on every shard */

    int64_t next_producer_id; /* of the block in hand */
    int64_t producer_id_end;
    struct list producer_id_waiters;
    struct controller_op producer_id_op;
    int64_t producer_id_block;
    bool allocating;

    struct arena arena; /* of the step of start or registration under way */
    struct controller_op step;
    struct errmsg *errmsg;
    bool replay_failed;
    void (*done)(void *ctx, int result);
    void (*stopped)(void *ctx);
    void *ctx;
};

void decision_init(struct controller *controller, struct decision *d, struct arena *arena);

/*
 * Proposes the decision's records and applies them to the controller's image; op->fn follows when
 * they are committed and applied everywhere. Without records it follows as soon as everything that
 * the decision may have seen is committed: perhaps before this returns. An error means that nothing
 * was proposed and fn will not be called.
 */
MUST_CHECK enum kafka_error controller_submit(struct controller *controller, struct decision *d,
                                              struct controller_op *op,
                                              void (*fn)(struct controller_op *op));

/* Hands a committed batch to every shard (controller_apply.c); owns it from now on. */
void controller_apply(struct controller *controller, struct quorum_batch *batch);
void controller_applies_free(struct controller *controller);

/* Drops what waits for producer ids (controller_ids.c). */
void controller_ids_free(struct controller *controller);

#endif
