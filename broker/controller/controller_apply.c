/*
 * Committed batches on their way to the images of the shards.
 *
 * Each shard applies the same batches in the same order (posts between two shards keep their
 * order), brings itself up to the change, and tells shard 0. What waited for the batch goes on when
 * the last shard has told: a client that was answered finds its change wherever it asks next.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/controller/controller_internal.h"
#include "broker/metadata/image_changes.h"
#include "broker/metadata/image_diff.h"
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
        op->fn(op, ERROR_NONE);
    }
}

void controller_ops_lost(struct controller *controller) {
    LIST_FOREACH_SAFE(it, &controller->ops) {
        struct controller_op *op = CONTAINER_OF(it, struct controller_op, link);
        if (op->last_offset > controller->committed) {
            list_remove(&op->link);
            op->fn(op, ERROR_NOT_CONTROLLER);
        }
    }
}

static void on_told(struct post *post) {
    told(CONTAINER_OF(post, struct apply_part, post)->apply);
}

void controller_explain_record(struct slice value, int64_t offset, struct errmsg *out) {
    int type = -1;
    int16_t version = -1;
    struct slice body;
    (void)metadata_record_parse(value, &type, &version, &body);
    errmsg_set(out,
               "the metadata record of type %d, version %d at offset %" PRId64
               " is not known to this release, or contradicts what is before it",
               type, version, offset);
}

/* Only a batch of another leader can hold a record that is refused: this node's own have been
 * applied to the controller's image. */
static void apply_values(struct node_shard *shard, struct image *image,
                         const struct quorum_batch *batch, struct image_changes *changes) {
    for (int i = 0; i < batch->count; i++) {
        if (!image_apply(image, batch->values[i], changes)) {
            struct errmsg errmsg;
            controller_explain_record(batch->values[i], batch->base_offset + i, &errmsg);
            node_fail(shard->node, errmsg.text);
            return;
        }
    }
}

/* A snapshot makes a new image; what differs from the old one is what has changed. */
static void apply_snapshot(struct node_shard *shard, const struct quorum_batch *batch,
                           struct image_changes *changes) {
    struct image *old = shard->image;
    struct image *image = image_new();
    apply_values(shard, image, batch, NULL);
    image_diff(old, image, changes);
    shard->image = image;
    image_free(old);
}

static void apply_on_shard(struct apply_part *part) {
    const struct quorum_batch *batch = part->apply->batch;
    struct node_shard *shard = part->shard;
    struct image_changes changes;
    image_changes_init(&changes);
    if (batch->snapshot) {
        apply_snapshot(shard, batch, &changes);
    } else {
        apply_values(shard, shard->image, batch, &changes);
    }
    shard->image->offset = batch->last_offset;
    shard->image->epoch = batch->epoch;
    shard->image->kraft_version = batch->kraft_version;
    if (changes.count > 0) {
        struct image_delta delta = image_changes_delta(&changes);
        node_shard_apply(shard, &delta);
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
