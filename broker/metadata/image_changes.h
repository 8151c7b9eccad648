/* What image_apply() changed, as a growing list; becomes a struct image_delta. */
#ifndef BROKER_METADATA_IMAGE_CHANGES_H
#define BROKER_METADATA_IMAGE_CHANGES_H

#include "base/arena.h"
#include "broker/metadata/image.h"

struct image_changes {
    struct image_change *items; /* heap */
    int count;
    int capacity;
    struct arena arena; /* names */
};

void image_changes_init(struct image_changes *changes);
void image_changes_release(struct image_changes *changes);

/* Empty again, memory kept. */
void image_changes_reset(struct image_changes *changes);

/* Adds a change; names are copied. `changes` may be NULL (nobody asks). */
void image_changes_add(struct image_changes *changes, struct image_change change);

/* Valid until the next add, reset or release. */
static inline struct image_delta image_changes_delta(const struct image_changes *changes) {
    return (struct image_delta){.changes = changes->items, .count = changes->count};
}

#endif
