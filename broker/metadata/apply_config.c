/* Records of configurations and features. */
#include <stdlib.h>

#include "base/memory.h"
#include "broker/metadata/image_internal.h"
#include "protocol/generated/config_record.h"
#include "protocol/generated/feature_level_record.h"

static uint64_t config_hash(int8_t type, struct slice name) {
    return hash_combine((uint64_t)(uint8_t)type, hash_bytes(name));
}

/* The entry of that name, or NULL and in *before the place where it belongs. */
static struct image_config *find_entry(struct image_config_resource *resource, struct slice name,
                                       struct list **before) {
    *before = &resource->entries;
    LIST_FOREACH(it, &resource->entries) {
        struct image_config *entry = CONTAINER_OF(it, struct image_config, link);
        int order = slice_compare(entry->name, name);
        if (order == 0) {
            return entry;
        }
        if (order > 0) {
            *before = it;
            break;
        }
    }
    return NULL;
}

static void set_entry(struct image *image, const struct config_record *record,
                      struct image_config_resource *resource) {
    if (resource == NULL) {
        resource = NEW(struct image_config_resource);
        resource->type = record->resource_type;
        resource->name = image_dup(record->resource_name);
        list_init(&resource->entries);
        hmap_insert(&image->configs, &resource->node, config_hash(resource->type, resource->name));
    }
    struct list *before;
    struct image_config *entry = find_entry(resource, record->name, &before);
    if (entry == NULL) {
        entry = NEW(struct image_config);
        entry->name = image_dup(record->name);
        list_insert_between(before->prev, before, &entry->link);
    } else {
        image_slice_free(entry->value);
    }
    entry->value = image_dup(record->value);
}

static void remove_entry(struct image *image, struct image_config_resource *resource,
                         struct slice name) {
    struct list *before;
    struct image_config *entry = resource == NULL ? NULL : find_entry(resource, name, &before);
    if (entry == NULL) {
        return;
    }
    list_remove(&entry->link);
    image_slice_free(entry->name);
    image_slice_free(entry->value);
    free(entry);
    if (list_empty(&resource->entries)) {
        image_config_resource_free(image, resource);
    }
}

bool apply_config(struct image *image, const struct config_record *record,
                  struct image_changes *changes) {
    struct image_config_resource *resource =
        image_config_resource(image, record->resource_type, record->resource_name);
    if (slice_is_null(record->value)) {
        remove_entry(image, resource, record->name);
    } else {
        set_entry(image, record, resource);
    }
    image_changes_add(changes, (struct image_change){.kind = IMAGE_CONFIG_CHANGED,
                                                     .config_type = record->resource_type,
                                                     .config_name = record->resource_name});
    return true;
}

bool apply_feature_level(struct image *image, const struct feature_level_record *record,
                         struct image_changes *changes) {
    struct list *before = &image->features;
    struct image_feature *feature = NULL;
    LIST_FOREACH(it, &image->features) {
        struct image_feature *other = CONTAINER_OF(it, struct image_feature, link);
        int order = slice_compare(other->name, record->name);
        if (order == 0) {
            feature = other;
            break;
        }
        if (order > 0) {
            before = it;
            break;
        }
    }
    if (record->feature_level == 0) {
        if (feature != NULL) {
            list_remove(&feature->link);
            image_slice_free(feature->name);
            free(feature);
        }
    } else {
        if (feature == NULL) {
            feature = NEW(struct image_feature);
            feature->name = image_dup(record->name);
            list_insert_between(before->prev, before, &feature->link);
        }
        feature->level = record->feature_level;
    }
    image_changes_add(changes, (struct image_change){.kind = IMAGE_FEATURES_CHANGED});
    return true;
}
