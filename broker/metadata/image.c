/*
 * The image's memory and its look-ups. Every object owns its strings and arrays; records are copied
 * in by apply and freed when they are replaced.
 */
#include "broker/metadata/image.h"

#include <stdlib.h>

#include "base/memory.h"
#include "broker/metadata/image_internal.h"

struct slice image_dup(struct slice s) {
    if (slice_is_null(s)) {
        return SLICE_NULL;
    }
    uint8_t *copy = (uint8_t *)xmalloc(s.len + 1);
    if (s.len > 0) {
        memcpy(copy, s.data, s.len);
    }
    copy[s.len] = 0;
    return slice_make(copy, s.len);
}

void image_slice_free(struct slice s) {
    union {
        const uint8_t *constant;
        void *memory;
    } pointer = {.constant = s.data};
    free(pointer.memory);
}

struct image *image_new(void) {
    struct image *image = NEW(struct image);
    hmap_init(&image->topics_by_name);
    hmap_init(&image->topics_by_id);
    list_init(&image->brokers);
    list_init(&image->features);
    hmap_init(&image->configs);
    hmap_init(&image->opaque);
    list_init(&image->pending);
    list_init(&image->removed);
    image->offset = -1;
    return image;
}

void image_topic_free(struct image_topic *topic) {
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct image_partition *partition = &topic->partitions[i];
        free(partition->replicas);
        free(partition->isr);
        free(partition->elr);
        free(partition->last_known_elr);
        free(partition->removing_replicas);
        free(partition->adding_replicas);
        free(partition->directories);
    }
    free(topic->partitions);
    image_slice_free(topic->name);
    free(topic);
}

void image_broker_free(struct image_broker *broker) {
    arena_release(&broker->arena);
    free(broker);
}

static void feature_free(struct image_feature *feature) {
    image_slice_free(feature->name);
    free(feature);
}

void image_config_resource_free(struct image *image, struct image_config_resource *resource) {
    LIST_FOREACH_SAFE(it, &resource->entries) {
        struct image_config *entry = CONTAINER_OF(it, struct image_config, link);
        image_slice_free(entry->name);
        image_slice_free(entry->value);
        free(entry);
    }
    hmap_remove(&image->configs, &resource->node);
    image_slice_free(resource->name);
    free(resource);
}

static void opaque_free(struct image_opaque *opaque) {
    image_slice_free(opaque->key);
    image_slice_free(opaque->value);
    free(opaque);
}

void image_remember_removed(struct image *image) {
    image->remember_removed = true;
}

void image_forget_removed(struct image *image) {
    image->remember_removed = false;
    LIST_FOREACH_SAFE(it, &image->removed) {
        struct image_removed_topic *topic = CONTAINER_OF(it, struct image_removed_topic, link);
        list_remove(&topic->link);
        image_slice_free(topic->name);
        free(topic);
    }
}

void image_take_removed(struct image *image, struct image *from) {
    LIST_FOREACH_SAFE(it, &from->removed) {
        list_remove(it);
        list_append(&image->removed, it);
    }
    from->remember_removed = false;
}

bool image_has_removed_id(const struct image *image, struct uuid id) {
    LIST_FOREACH(it, &image->removed) {
        if (uuid_equal(CONTAINER_OF(it, struct image_removed_topic, link)->id, id)) {
            return true;
        }
    }
    return false;
}

bool image_has_removed_name(const struct image *image, struct slice name) {
    LIST_FOREACH(it, &image->removed) {
        if (slice_equal(CONTAINER_OF(it, struct image_removed_topic, link)->name, name)) {
            return true;
        }
    }
    return false;
}

void image_free(struct image *image) {
    if (image == NULL) {
        return;
    }
    image_forget_removed(image);
    HMAP_FOREACH(topic, &image->topics_by_id) {
        image_topic_free(CONTAINER_OF(topic, struct image_topic, by_id));
    }
    LIST_FOREACH_SAFE(broker, &image->brokers) {
        image_broker_free(CONTAINER_OF(broker, struct image_broker, link));
    }
    LIST_FOREACH_SAFE(feature, &image->features) {
        feature_free(CONTAINER_OF(feature, struct image_feature, link));
    }
    HMAP_FOREACH(resource, &image->configs) {
        image_config_resource_free(image,
                                   CONTAINER_OF(resource, struct image_config_resource, node));
    }
    HMAP_FOREACH(opaque, &image->opaque) {
        opaque_free(CONTAINER_OF(opaque, struct image_opaque, node));
    }
    LIST_FOREACH_SAFE(pending, &image->pending) {
        free(CONTAINER_OF(pending, struct image_pending, link));
    }
    hmap_release(&image->topics_by_name);
    hmap_release(&image->topics_by_id);
    hmap_release(&image->configs);
    hmap_release(&image->opaque);
    free(image);
}

struct image_topic *image_topic_by_name(const struct image *image, struct slice name) {
    if (slice_is_null(name)) {
        return NULL;
    }
    HMAP_FOREACH_HASH(node, &image->topics_by_name, hash_bytes(name)) {
        struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_name);
        if (slice_equal(topic->name, name)) {
            return topic;
        }
    }
    return NULL;
}

struct image_topic *image_topic_by_id(const struct image *image, struct uuid id) {
    HMAP_FOREACH_HASH(node, &image->topics_by_id, uuid_hash(id)) {
        struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_id);
        if (uuid_equal(topic->id, id)) {
            return topic;
        }
    }
    return NULL;
}

struct image_partition *image_partition(const struct image_topic *topic, int32_t index) {
    return index >= 0 && index < topic->partition_count ? &topic->partitions[index] : NULL;
}

struct image_broker *image_broker(const struct image *image, int32_t id) {
    LIST_FOREACH(it, &image->brokers) {
        struct image_broker *broker = CONTAINER_OF(it, struct image_broker, link);
        if (broker->id == id) {
            return broker;
        }
    }
    return NULL;
}

int16_t image_feature_level(const struct image *image, const char *name) {
    LIST_FOREACH(it, &image->features) {
        const struct image_feature *feature = CONTAINER_OF(it, struct image_feature, link);
        if (slice_equal_str(feature->name, name)) {
            return feature->level;
        }
    }
    return 0;
}

static uint64_t config_hash(int8_t type, struct slice name) {
    return hash_combine((uint64_t)(uint8_t)type, hash_bytes(name));
}

struct image_config_resource *image_config_resource(const struct image *image, int8_t type,
                                                    struct slice name) {
    HMAP_FOREACH_HASH(node, &image->configs, config_hash(type, name)) {
        struct image_config_resource *resource =
            CONTAINER_OF(node, struct image_config_resource, node);
        if (resource->type == type && slice_equal(resource->name, name)) {
            return resource;
        }
    }
    return NULL;
}

struct slice image_config_value(const struct image *image, int8_t type, struct slice name,
                                const char *key) {
    const struct image_config_resource *resource = image_config_resource(image, type, name);
    if (resource == NULL) {
        return SLICE_NULL;
    }
    LIST_FOREACH(it, &resource->entries) {
        const struct image_config *entry = CONTAINER_OF(it, struct image_config, link);
        if (slice_equal_str(entry->name, key)) {
            return entry->value;
        }
    }
    return SLICE_NULL;
}

bool topic_is_internal(struct slice name) {
    return slice_equal_str(name, TOPIC_CONSUMER_OFFSETS) ||
           slice_equal_str(name, TOPIC_TRANSACTION_STATE) ||
           slice_equal_str(name, TOPIC_SHARE_STATE);
}
