/* Records of brokers. */
#include <stdlib.h>

#include "base/memory.h"
#include "broker/metadata/image_internal.h"
#include "protocol/generated/broker_registration_change_record.h"
#include "protocol/generated/register_broker_record.h"

static void brokers_changed(struct image_changes *changes) {
    image_changes_add(changes, (struct image_change){.kind = IMAGE_BROKERS_CHANGED});
}

static void insert_by_id(struct image *image, struct image_broker *broker) {
    struct list *before = &image->brokers;
    LIST_FOREACH(it, &image->brokers) {
        if (CONTAINER_OF(it, struct image_broker, link)->id > broker->id) {
            before = it;
            break;
        }
    }
    list_insert_between(before->prev, before, &broker->link);
}

static struct uuid *dup_ids(struct arena *arena, const struct uuid *ids, int32_t count) {
    if (count <= 0) {
        return NULL;
    }
    struct uuid *copy = (struct uuid *)arena_array(arena, (size_t)count, sizeof(struct uuid));
    memcpy(copy, ids, (size_t)count * sizeof(struct uuid));
    return copy;
}

static void copy_endpoints(struct image_broker *broker,
                           const struct register_broker_record *record) {
    broker->endpoint_count = record->end_points_count;
    broker->endpoints = (struct image_endpoint *)arena_array(
        &broker->arena, (size_t)record->end_points_count, sizeof(struct image_endpoint));
    for (int32_t i = 0; i < record->end_points_count; i++) {
        broker->endpoints[i] = (struct image_endpoint){
            .name = arena_dup(&broker->arena, record->end_points[i].name),
            .host = arena_dup(&broker->arena, record->end_points[i].host),
            .port = record->end_points[i].port,
            .security_protocol = record->end_points[i].security_protocol,
        };
    }
}

static void copy_features(struct image_broker *broker,
                          const struct register_broker_record *record) {
    broker->feature_count = record->features_count;
    broker->features = (struct image_feature_range *)arena_array(
        &broker->arena, (size_t)record->features_count, sizeof(struct image_feature_range));
    for (int32_t i = 0; i < record->features_count; i++) {
        broker->features[i] = (struct image_feature_range){
            .name = arena_dup(&broker->arena, record->features[i].name),
            .min_level = record->features[i].min_supported_version,
            .max_level = record->features[i].max_supported_version,
        };
    }
}

bool apply_register_broker(struct image *image, const struct register_broker_record *record,
                           struct image_changes *changes) {
    struct image_broker *old = image_broker(image, record->broker_id);
    if (old != NULL) {
        list_remove(&old->link);
        image_broker_free(old);
    }
    struct image_broker *broker = NEW(struct image_broker);
    arena_init(&broker->arena, SIZE_MAX);
    broker->id = record->broker_id;
    broker->epoch = record->broker_epoch;
    broker->incarnation_id = record->incarnation_id;
    broker->rack = arena_dup(&broker->arena, record->rack);
    broker->fenced = record->fenced;
    broker->in_controlled_shutdown = record->in_controlled_shutdown;
    copy_endpoints(broker, record);
    copy_features(broker, record);
    broker->log_dir_count = record->log_dirs_count;
    broker->log_dirs = dup_ids(&broker->arena, record->log_dirs, record->log_dirs_count);
    broker->cordoned_log_dir_count = record->cordoned_log_dirs_count;
    broker->cordoned_log_dirs =
        dup_ids(&broker->arena, record->cordoned_log_dirs, record->cordoned_log_dirs_count);
    insert_by_id(image, broker);
    brokers_changed(changes);
    return true;
}

static struct image_broker *find(struct image *image, int32_t id, int64_t epoch) {
    struct image_broker *broker = image_broker(image, id);
    return broker != NULL && broker->epoch == epoch ? broker : NULL;
}

bool apply_unregister_broker(struct image *image, int32_t id, int64_t epoch,
                             struct image_changes *changes) {
    struct image_broker *broker = find(image, id, epoch);
    if (broker == NULL) {
        return false;
    }
    list_remove(&broker->link);
    image_broker_free(broker);
    brokers_changed(changes);
    return true;
}

bool apply_broker_fenced(struct image *image, int32_t id, int64_t epoch, bool fenced,
                         struct image_changes *changes) {
    struct image_broker *broker = find(image, id, epoch);
    if (broker == NULL) {
        return false;
    }
    broker->fenced = fenced;
    brokers_changed(changes);
    return true;
}

bool apply_broker_registration_change(struct image *image,
                                      const struct broker_registration_change_record *record,
                                      struct image_changes *changes) {
    struct image_broker *broker = find(image, record->broker_id, record->broker_epoch);
    if (broker == NULL || record->fenced < -1 || record->fenced > 1 ||
        record->in_controlled_shutdown < 0 || record->in_controlled_shutdown > 1) {
        return false;
    }
    if (record->fenced != 0) {
        broker->fenced = record->fenced == 1;
    }
    if (record->in_controlled_shutdown == 1) {
        broker->in_controlled_shutdown = true;
    }
    if (record->log_dirs_count > 0) {
        broker->log_dirs = dup_ids(&broker->arena, record->log_dirs, record->log_dirs_count);
        broker->log_dir_count = record->log_dirs_count;
    }
    if (record->cordoned_log_dirs_count >= 0) {
        broker->cordoned_log_dirs =
            dup_ids(&broker->arena, record->cordoned_log_dirs, record->cordoned_log_dirs_count);
        broker->cordoned_log_dir_count = record->cordoned_log_dirs_count;
    }
    brokers_changed(changes);
    return true;
}
