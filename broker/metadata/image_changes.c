#include "broker/metadata/image_changes.h"

#include <stdlib.h>

#include "base/memory.h"

void image_changes_init(struct image_changes *changes) {
    *changes = (struct image_changes){0};
    arena_init(&changes->arena, SIZE_MAX);
}

void image_changes_release(struct image_changes *changes) {
    free(changes->items);
    arena_release(&changes->arena);
    image_changes_init(changes);
}

void image_changes_reset(struct image_changes *changes) {
    changes->count = 0;
    arena_reset(&changes->arena);
}

/* Several records of one batch often say the same kind of thing about one object. */
static bool same(const struct image_change *a, const struct image_change *b) {
    return a->kind == b->kind && uuid_equal(a->topic_id, b->topic_id) &&
           a->partition == b->partition && a->config_type == b->config_type &&
           slice_equal(a->config_name, b->config_name);
}

void image_changes_add(struct image_changes *changes, struct image_change change) {
    if (changes == NULL) {
        return;
    }
    if (changes->count > 0 && same(&changes->items[changes->count - 1], &change)) {
        return;
    }
    if (changes->count == changes->capacity) {
        changes->capacity = changes->capacity == 0 ? 16 : 2 * changes->capacity;
        changes->items = (struct image_change *)xrealloc(
            changes->items, (size_t)changes->capacity * sizeof(struct image_change));
    }
    change.topic_name = arena_dup(&changes->arena, change.topic_name);
    change.config_name = arena_dup(&changes->arena, change.config_name);
    changes->items[changes->count++] = change;
}
