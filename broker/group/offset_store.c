#include "broker/group/offset_store.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/group/bytes.h"

void offset_store_init(struct offset_store *store) {
    hmap_init(&store->topics);
    store->count = 0;
}

static void offset_topic_free(struct offset_topic *topic) {
    for (int32_t i = 0; i < topic->count; i++) {
        bytes_free(&topic->entries[i].metadata);
    }
    free(topic->entries);
    bytes_free(&topic->name);
    free(topic);
}

void offset_store_release(struct offset_store *store) {
    HMAP_FOREACH(it, &store->topics) {
        struct offset_topic *topic = CONTAINER_OF(it, struct offset_topic, node);
        hmap_remove(&store->topics, it);
        offset_topic_free(topic);
    }
    hmap_release(&store->topics);
    store->count = 0;
}

struct offset_topic *offset_store_topic(const struct offset_store *store, struct slice topic) {
    HMAP_FOREACH_HASH(it, &store->topics, hash_bytes(topic)) {
        struct offset_topic *found = CONTAINER_OF(it, struct offset_topic, node);
        if (slice_equal(found->name, topic)) {
            return found;
        }
    }
    return NULL;
}

/* The index of the first entry whose partition is not below `partition`. */
static int32_t lower_bound(const struct offset_topic *topic, int32_t partition) {
    int32_t low = 0;
    int32_t high = topic->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (topic->entries[middle].partition < partition) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool holds(const struct offset_topic *topic, int32_t index, int32_t partition) {
    return index < topic->count && topic->entries[index].partition == partition;
}

const struct group_offset *offset_store_find(const struct offset_store *store, struct slice topic,
                                             int32_t partition) {
    const struct offset_topic *found = offset_store_topic(store, topic);
    if (found == NULL) {
        return NULL;
    }
    int32_t index = lower_bound(found, partition);
    return holds(found, index, partition) ? &found->entries[index] : NULL;
}

static struct group_offset *make_room(struct offset_topic *topic, int32_t index) {
    if (topic->count == topic->cap) {
        topic->cap = topic->cap == 0 ? 1 : topic->cap * 2;
        topic->entries = xrealloc(topic->entries, (size_t)topic->cap * sizeof(*topic->entries));
    }
    memmove(&topic->entries[index + 1], &topic->entries[index],
            (size_t)(topic->count - index) * sizeof(*topic->entries));
    topic->count++;
    return &topic->entries[index];
}

void offset_store_put(struct offset_store *store, struct slice topic,
                      const struct group_offset *offset) {
    struct offset_topic *found = offset_store_topic(store, topic);
    if (found == NULL) {
        found = NEW(struct offset_topic);
        found->name = bytes_copy(topic);
        hmap_insert(&store->topics, &found->node, hash_bytes(topic));
    }
    int32_t index = lower_bound(found, offset->partition);
    struct group_offset *entry;
    if (holds(found, index, offset->partition)) {
        entry = &found->entries[index];
        if (entry->record_offset > offset->record_offset) {
            return;
        }
        bytes_free(&entry->metadata);
    } else {
        entry = make_room(found, index);
        store->count++;
    }
    *entry = *offset;
    entry->metadata = bytes_copy(offset->metadata);
}

bool offset_store_remove(struct offset_store *store, struct slice topic, int32_t partition,
                         int64_t record_offset) {
    struct offset_topic *found = offset_store_topic(store, topic);
    int32_t index = found == NULL ? 0 : lower_bound(found, partition);
    if (found == NULL || !holds(found, index, partition) ||
        found->entries[index].record_offset > record_offset) {
        return false;
    }
    bytes_free(&found->entries[index].metadata);
    found->count--;
    store->count--;
    memmove(&found->entries[index], &found->entries[index + 1],
            (size_t)(found->count - index) * sizeof(*found->entries));
    if (found->count == 0) {
        hmap_remove(&store->topics, &found->node);
        offset_topic_free(found);
    }
    return true;
}
