#include "broker/api/topics_merge.h"

#include <string.h>

#include "base/arena.h"
#include "base/hmap.h"
#include "base/slice.h"
#include "base/uuid.h"

struct seen_topic {
    struct hmap_node node;
    uint8_t *out;  /* in the new array */
    int32_t total; /* of its partitions, with repeats */
};

struct seen_partition {
    struct hmap_node node;
    uint8_t *out;
};

struct merge {
    struct arena *arena;
    const struct topics_layout *layout;
    enum topics_repeats repeats;
    struct seen_topic *of; /* by number in the request, the first of each */
    struct seen_topic **first;
};

static uint8_t **partitions_of(const struct merge *merge, uint8_t *topic) {
    return (uint8_t **)(topic + merge->layout->partitions);
}

static int32_t *count_of(const struct merge *merge, uint8_t *topic) {
    return (int32_t *)(topic + merge->layout->partitions_count);
}

static struct uuid id_of(const struct merge *merge, const uint8_t *topic) {
    struct uuid id = UUID_ZERO;
    if (merge->layout->topic_id != TOPICS_NO_ID) {
        memcpy(&id, topic + merge->layout->topic_id, sizeof(id));
    }
    return id;
}

static struct slice name_of(const struct merge *merge, const uint8_t *topic) {
    struct slice name;
    memcpy(&name, topic + merge->layout->name, sizeof(name));
    return name;
}

static struct seen_topic *find_topic(const struct merge *merge, const struct hmap *seen,
                                     uint64_t hash, const uint8_t *topic) {
    HMAP_FOREACH_HASH(node, seen, hash) {
        struct seen_topic *other = CONTAINER_OF(node, struct seen_topic, node);
        if (slice_equal(name_of(merge, other->out), name_of(merge, topic)) &&
            uuid_equal(id_of(merge, other->out), id_of(merge, topic))) {
            return other;
        }
    }
    return NULL;
}

/* Copies each topic once, without partitions yet; how many there are. */
static int32_t copy_topics(struct merge *merge, uint8_t *in, int32_t count, uint8_t *out) {
    size_t size = merge->layout->topic_size;
    struct hmap seen;
    hmap_init(&seen);
    int32_t used = 0;
    for (int32_t i = 0; i < count; i++) {
        uint8_t *topic = in + (size_t)i * size;
        int32_t partitions = *count_of(merge, topic);
        if (partitions <= 0) {
            continue;
        }
        struct uuid id = id_of(merge, topic);
        uint64_t hash = hash_combine(hash_bytes(name_of(merge, topic)),
                                     hash_bytes(slice_make((const uint8_t *)&id, sizeof(id))));
        struct seen_topic *first =
            merge->repeats == REPEATS_KEEP ? NULL : find_topic(merge, &seen, hash, topic);
        if (first == NULL) {
            first = &merge->of[i];
            first->out = out + (size_t)used++ * size;
            memcpy(first->out, topic, size);
            hmap_insert(&seen, &first->node, hash);
        }
        first->total += partitions;
        merge->first[i] = first;
    }
    hmap_release(&seen);
    return used;
}

static struct seen_partition *find_partition(const struct merge *merge, const struct hmap *seen,
                                             uint64_t hash, const uint8_t *partition) {
    HMAP_FOREACH_HASH(node, seen, hash) {
        struct seen_partition *other = CONTAINER_OF(node, struct seen_partition, node);
        if (memcmp(other->out + merge->layout->index, partition + merge->layout->index,
                   sizeof(int32_t)) == 0) {
            return other;
        }
    }
    return NULL;
}

/* Drops earlier words about a partition: its place stays, the content is that of the last. */
static void drop_repeats(struct merge *merge, uint8_t *topic) {
    size_t size = merge->layout->partition_size;
    uint8_t *partitions = *partitions_of(merge, topic);
    int32_t count = *count_of(merge, topic);
    struct seen_partition *places =
        arena_array(merge->arena, (size_t)count, sizeof(struct seen_partition));
    struct hmap seen;
    hmap_init(&seen);
    int32_t used = 0;
    for (int32_t i = 0; i < count; i++) {
        uint8_t *partition = partitions + (size_t)i * size;
        uint32_t index;
        memcpy(&index, partition + merge->layout->index, sizeof(index));
        uint64_t hash = hash_u64(index);
        struct seen_partition *earlier = find_partition(merge, &seen, hash, partition);
        if (earlier == NULL) {
            earlier = &places[used];
            earlier->out = partitions + (size_t)used++ * size;
            hmap_insert(&seen, &earlier->node, hash);
        }
        memmove(earlier->out, partition, size);
    }
    hmap_release(&seen);
    *count_of(merge, topic) = used;
}

static void copy_partitions(struct merge *merge, uint8_t *in, int32_t count) {
    size_t size = merge->layout->partition_size;
    for (int32_t i = 0; i < count; i++) {
        struct seen_topic *first = merge->first[i];
        if (first == &merge->of[i]) { /* the first words about this topic */
            *partitions_of(merge, first->out) =
                arena_array(merge->arena, (size_t)first->total, size);
            *count_of(merge, first->out) = 0;
        }
        if (first != NULL) {
            uint8_t *topic = in + (size_t)i * merge->layout->topic_size;
            int32_t *used = count_of(merge, first->out);
            memcpy(*partitions_of(merge, first->out) + (size_t)*used * size,
                   *partitions_of(merge, topic), (size_t)*count_of(merge, topic) * size);
            *used += *count_of(merge, topic);
        }
    }
}

int32_t topics_merge(struct arena *arena, const struct topics_layout *layout,
                     enum topics_repeats repeats, void **topics, int32_t count) {
    struct merge merge = {.arena = arena, .layout = layout, .repeats = repeats};
    uint8_t *in = *topics;
    if (count <= 0 || (count == 1 && *count_of(&merge, in) == 1)) {
        return count;
    }
    uint8_t *out = arena_array(arena, (size_t)count, layout->topic_size);
    merge.of = arena_array(arena, (size_t)count, sizeof(struct seen_topic));
    merge.first = arena_array(arena, (size_t)count, sizeof(struct seen_topic *));
    int32_t used = copy_topics(&merge, in, count, out);
    copy_partitions(&merge, in, count);
    for (int32_t i = 0; i < used && repeats == REPEATS_MERGE; i++) {
        drop_repeats(&merge, out + (size_t)i * layout->topic_size);
    }
    *topics = out;
    return used;
}
