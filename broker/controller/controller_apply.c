/*
 * Committed batches on their way to the images of the shards.
 *
 * Each shard applies the same batches in the same order (posts between two shards keep their
 * order), brings itself up to the change, and tells shard 0. What waited for the batch goes on when
 * the last shard has told: a client that was answered finds its change wherever it asks next.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "broker/controller/controller_internal.h"
#include "broker/metadata/image_changes.h"
#include "broker/node.h"

struct apply_part {
    struct post post;
    struct apply *apply;
    struct node_shard *shard;
};

struct apply {
    struct list link;
    struct controller *controller;
    struct quorum_batch *batch;
    int missing; /* shards that have not told */
    struct apply_part parts[];
};

static void apply_free(struct apply *apply) {
    list_remove(&apply->link);
    quorum_batch_free(apply->batch);
    free(apply);
}

void controller_applies_free(struct controller *controller) {
    LIST_FOREACH_SAFE(it, &controller->applies) {
        apply_free(CONTAINER_OF(it, struct apply, link));
    }
}

static void told(struct apply *apply) {
    struct controller *controller = apply->controller;
    if (--apply->missing > 0) {
        return;
    }
    ASSERT(apply->batch->last_offset >= controller->applied);
    controller->applied = apply->batch->last_offset;
    apply_free(apply);
    while (!list_empty(&controller->ops)) {
        struct controller_op *op = LIST_FIRST(&controller->ops, struct controller_op, link);
        if (op->last_offset > controller->applied) {
            break;
        }
        list_remove(&op->link);
        op->fn(op);
    }
}

static void on_told(struct post *post) {
    told(CONTAINER_OF(post, struct apply_part, post)->apply);
}

static void apply_on_shard(struct apply_part *part) {
    const struct quorum_batch *batch = part->apply->batch;
    struct image *image = part->shard->image;
    struct image_changes changes;
    image_changes_init(&changes);
    for (int i = 0; i < batch->count; i++) {
        /* The controller's image has taken the same records already. */
        bool ok = image_apply(image, batch->values[i], &changes);
        ASSERT(ok);
    }
    image->offset = batch->last_offset;
    image->epoch = batch->epoch;
    if (changes.count > 0) {
        struct image_delta delta = image_changes_delta(&changes);
        node_shard_apply(part->shard, &delta);
    }
    image_changes_release(&changes);
}

static void on_shard(struct post *post) {
    struct apply_part *part = CONTAINER_OF(post, struct apply_part, post);
    apply_on_shard(part);
    shard_post(part->shard->node->shards[0].shard, &part->post, on_told);
}

void controller_apply(struct controller *controller, struct quorum_batch *batch) {
    struct node *node = controller->node;
    size_t count = (size_t)node->shard_count;
    struct apply *apply =
        (struct apply *)xcalloc(1, sizeof(struct apply) + count * sizeof(struct apply_part));
    apply->controller = controller;
    apply->batch = batch;
    apply->missing = node->shard_count;
    list_append(&controller->applies, &apply->link);
    for (size_t i = 0; i < count; i++) {
        apply->parts[i].apply = apply;
        apply->parts[i].shard = &node->shards[i];
        if (i > 0) {
            shard_post(node->shards[i].shard, &apply->parts[i].post, on_shard);
        }
    }
    apply_on_shard(&apply->parts[0]);
    told(apply);
}
