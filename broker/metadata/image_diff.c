#include "broker/metadata/image_diff.h"

#include "broker/metadata/image.h"
#include "broker/metadata/image_changes.h"

static void topic_change(struct image_changes *changes, enum image_change_kind kind,
                         const struct image_topic *topic, int32_t partition) {
    image_changes_add(changes, (struct image_change){.kind = kind,
                                                     .topic_id = topic->id,
                                                     .topic_name = topic->name,
                                                     .partition = partition});
}

static void diff_deleted(const struct image *from, const struct image *to,
                         struct image_changes *changes) {
    HMAP_FOREACH(node, &from->topics_by_id) {
        const struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_id);
        if (image_topic_by_id(to, topic->id) == NULL) {
            topic_change(changes, IMAGE_TOPIC_DELETED, topic, 0);
        }
    }
}

/* Every change of a partition takes a new epoch of it. */
static void diff_partitions(const struct image_topic *from, const struct image_topic *to,
                            struct image_changes *changes) {
    for (int32_t i = 0; i < to->partition_count; i++) {
        if (i >= from->partition_count) {
            topic_change(changes, IMAGE_PARTITION_CREATED, to, i);
        } else if (from->partitions[i].partition_epoch != to->partitions[i].partition_epoch ||
                   from->partitions[i].leader_epoch != to->partitions[i].leader_epoch) {
            topic_change(changes, IMAGE_PARTITION_CHANGED, to, i);
        }
    }
}

static void diff_topics(const struct image *from, const struct image *to,
                        struct image_changes *changes) {
    HMAP_FOREACH(node, &to->topics_by_id) {
        const struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_id);
        const struct image_topic *old = image_topic_by_id(from, topic->id);
        if (old == NULL) {
            topic_change(changes, IMAGE_TOPIC_CREATED, topic, 0);
        } else {
            diff_partitions(old, topic, changes);
        }
    }
}

static bool same_entries(const struct image_config_resource *a,
                         const struct image_config_resource *b) {
    struct list *x = a->entries.next;
    struct list *y = b->entries.next;
    for (; x != &a->entries && y != &b->entries; x = x->next, y = y->next) {
        const struct image_config *left = CONTAINER_OF(x, struct image_config, link);
        const struct image_config *right = CONTAINER_OF(y, struct image_config, link);
        if (!slice_equal(left->name, right->name) || !slice_equal(left->value, right->value)) {
            return false;
        }
    }
    return x == &a->entries && y == &b->entries;
}

/* Resources of `these` that are not in `others`, or differ there and `differing` is wanted. */
static void diff_configs(const struct image *these, const struct image *others, bool differing,
                         struct image_changes *changes) {
    HMAP_FOREACH(node, &these->configs) {
        const struct image_config_resource *resource =
            CONTAINER_OF(node, struct image_config_resource, node);
        const struct image_config_resource *other =
            image_config_resource(others, resource->type, resource->name);
        if (other == NULL || (differing && !same_entries(resource, other))) {
            image_changes_add(changes, (struct image_change){.kind = IMAGE_CONFIG_CHANGED,
                                                             .config_type = resource->type,
                                                             .config_name = resource->name});
        }
    }
}

void image_diff(const struct image *from, const struct image *to, struct image_changes *changes) {
    diff_deleted(from, to, changes);
    diff_configs(from, to, false, changes);
    diff_configs(to, from, true, changes);
    image_changes_add(changes, (struct image_change){.kind = IMAGE_FEATURES_CHANGED});
    image_changes_add(changes, (struct image_change){.kind = IMAGE_BROKERS_CHANGED});
    diff_topics(from, to, changes);
}
