#include "broker/metadata/image_write.h"

#include <stdlib.h>

#include "broker/metadata/features.h"
#include "broker/metadata/image_internal.h"
#include "protocol/generated/begin_transaction_record.h"
#include "protocol/generated/config_record.h"
#include "protocol/generated/feature_level_record.h"
#include "protocol/generated/partition_record.h"
#include "protocol/generated/producer_ids_record.h"
#include "protocol/generated/register_broker_record.h"
#include "protocol/generated/topic_record.h"
#include "protocol/message.h"

static void write_feature(const struct image_feature *feature, struct record_list *out) {
    struct feature_level_record record;
    message_init(&feature_level_record_desc, &record);
    record.name = feature->name;
    record.feature_level = feature->level;
    record_list_add(out, RECORD_FEATURE_LEVEL, 0, &feature_level_record_desc, &record);
}

static void write_features(const struct image *image, struct record_list *out) {
    LIST_FOREACH(it, &image->features) {
        const struct image_feature *feature = CONTAINER_OF(it, struct image_feature, link);
        if (slice_equal_str(feature->name, FEATURE_METADATA_VERSION)) {
            write_feature(feature, out);
        }
    }
    LIST_FOREACH(it, &image->features) {
        const struct image_feature *feature = CONTAINER_OF(it, struct image_feature, link);
        if (!slice_equal_str(feature->name, FEATURE_METADATA_VERSION)) {
            write_feature(feature, out);
        }
    }
}

static void write_broker(const struct image_broker *broker, int16_t metadata_version,
                         struct record_list *out) {
    struct register_broker_record record;
    int16_t version = register_broker_record_version(metadata_version);
    message_init(&register_broker_record_desc, &record);
    record.broker_id = broker->id;
    record.broker_epoch = broker->epoch;
    record.incarnation_id = broker->incarnation_id;
    record.rack = broker->rack;
    record.fenced = broker->fenced;
    record.in_controlled_shutdown = broker->in_controlled_shutdown;
    record.end_points_count = broker->endpoint_count;
    record.end_points = (struct register_broker_record_broker_endpoint *)arena_array(
        out->arena, (size_t)broker->endpoint_count,
        sizeof(struct register_broker_record_broker_endpoint));
    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        const struct image_endpoint *endpoint = &broker->endpoints[i];
        record.end_points[i] = (struct register_broker_record_broker_endpoint){
            .name = endpoint->name,
            .host = endpoint->host,
            .port = endpoint->port,
            .security_protocol = endpoint->security_protocol,
        };
    }
    record.features_count = broker->feature_count;
    record.features = (struct register_broker_record_broker_feature *)arena_array(
        out->arena, (size_t)broker->feature_count,
        sizeof(struct register_broker_record_broker_feature));
    for (int32_t i = 0; i < broker->feature_count; i++) {
        record.features[i] = (struct register_broker_record_broker_feature){
            .name = broker->features[i].name,
            .min_supported_version = broker->features[i].min_level,
            .max_supported_version = broker->features[i].max_level,
        };
    }
    if (version >= 3) {
        record.log_dirs = broker->log_dirs;
        record.log_dirs_count = broker->log_dir_count;
    }
    if (version >= 4) {
        record.cordoned_log_dirs = broker->cordoned_log_dirs;
        record.cordoned_log_dirs_count = broker->cordoned_log_dir_count;
    }
    record_list_add(out, RECORD_REGISTER_BROKER, version, &register_broker_record_desc, &record);
}

static void write_partition(const struct image_topic *topic,
                            const struct image_partition *partition, int16_t metadata_version,
                            struct record_list *out) {
    struct partition_record record;
    int16_t version = partition_record_version(metadata_version);
    message_init(&partition_record_desc, &record);
    record.topic_id = topic->id;
    record.partition_id = partition->index;
    record.replicas = partition->replicas;
    record.replicas_count = partition->replica_count;
    record.isr = partition->isr;
    record.isr_count = partition->isr_count;
    record.removing_replicas = partition->removing_replicas;
    record.removing_replicas_count = partition->removing_replica_count;
    record.adding_replicas = partition->adding_replicas;
    record.adding_replicas_count = partition->adding_replica_count;
    record.leader = partition->leader;
    record.leader_epoch = partition->leader_epoch;
    record.partition_epoch = partition->partition_epoch;
    record.leader_recovery_state = partition->leader_recovery_state;
    if (version >= 1) {
        /* Unassigned (all zero) where the directories were never told. */
        record.directories = partition->directories;
        record.directories_count = partition->replica_count;
        if (partition->directories == NULL) {
            record.directories = (struct uuid *)arena_array(
                out->arena, (size_t)partition->replica_count, sizeof(struct uuid));
        }
    }
    if (version >= 2 && partition->elr_count > 0) {
        record.eligible_leader_replicas = partition->elr;
        record.eligible_leader_replicas_count = partition->elr_count;
    }
    if (version >= 2 && partition->last_known_elr_count > 0) {
        record.last_known_elr = partition->last_known_elr;
        record.last_known_elr_count = partition->last_known_elr_count;
    }
    record_list_add(out, RECORD_PARTITION, version, &partition_record_desc, &record);
}

static void write_topic(const struct image_topic *topic, int16_t metadata_version,
                        struct record_list *out) {
    struct topic_record record;
    message_init(&topic_record_desc, &record);
    record.name = topic->name;
    record.topic_id = topic->id;
    record_list_add(out, RECORD_TOPIC, 0, &topic_record_desc, &record);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (topic->partitions[i].replica_count > 0) {
            write_partition(topic, &topic->partitions[i], metadata_version, out);
        }
    }
}

static int compare_topics(const void *a, const void *b) {
    const struct image_topic *left = *(struct image_topic *const *)a;
    const struct image_topic *right = *(struct image_topic *const *)b;
    return slice_compare(left->name, right->name);
}

static void write_topics(const struct image *image, int16_t metadata_version,
                         struct record_list *out) {
    struct image_topic **topics = (struct image_topic **)arena_array(
        out->arena, image->topics_by_id.count, sizeof(struct image_topic *));
    size_t count = 0;
    HMAP_FOREACH(node, &image->topics_by_id) {
        topics[count++] = CONTAINER_OF(node, struct image_topic, by_id);
    }
    if (count > 1) {
        qsort(topics, count, sizeof(struct image_topic *), compare_topics);
    }
    for (size_t i = 0; i < count; i++) {
        write_topic(topics[i], metadata_version, out);
    }
}

static int compare_resources(const void *a, const void *b) {
    const struct image_config_resource *left = *(struct image_config_resource *const *)a;
    const struct image_config_resource *right = *(struct image_config_resource *const *)b;
    int order = (left->type > right->type) - (left->type < right->type);
    return order != 0 ? order : slice_compare(left->name, right->name);
}

static void write_configs(const struct image *image, struct record_list *out) {
    struct image_config_resource **resources = (struct image_config_resource **)arena_array(
        out->arena, image->configs.count, sizeof(struct image_config_resource *));
    size_t count = 0;
    HMAP_FOREACH(node, &image->configs) {
        resources[count++] = CONTAINER_OF(node, struct image_config_resource, node);
    }
    if (count > 1) {
        qsort(resources, count, sizeof(struct image_config_resource *), compare_resources);
    }
    for (size_t i = 0; i < count; i++) {
        LIST_FOREACH(it, &resources[i]->entries) {
            const struct image_config *entry = CONTAINER_OF(it, struct image_config, link);
            struct config_record record;
            message_init(&config_record_desc, &record);
            record.resource_type = resources[i]->type;
            record.resource_name = resources[i]->name;
            record.name = entry->name;
            record.value = entry->value;
            record_list_add(out, RECORD_CONFIG, 0, &config_record_desc, &record);
        }
    }
}

static int compare_opaque(const void *a, const void *b) {
    const struct image_opaque *left = *(struct image_opaque *const *)a;
    const struct image_opaque *right = *(struct image_opaque *const *)b;
    return slice_compare(left->key, right->key);
}

static void write_opaque(const struct image *image, int type, struct record_list *out) {
    struct image_opaque **kept = (struct image_opaque **)arena_array(
        out->arena, image->opaque.count, sizeof(struct image_opaque *));
    size_t count = 0;
    HMAP_FOREACH(node, &image->opaque) {
        struct image_opaque *opaque = CONTAINER_OF(node, struct image_opaque, node);
        if (opaque->type == type) {
            kept[count++] = opaque;
        }
    }
    if (count > 1) {
        qsort(kept, count, sizeof(struct image_opaque *), compare_opaque);
    }
    for (size_t i = 0; i < count; i++) {
        record_list_add_value(out, kept[i]->value);
    }
}

void image_write(const struct image *image, struct record_list *out) {
    int16_t metadata_version = image_feature_level(image, FEATURE_METADATA_VERSION);
    write_features(image, out);
    LIST_FOREACH(it, &image->brokers) {
        write_broker(CONTAINER_OF(it, struct image_broker, link), metadata_version, out);
    }
    write_opaque(image, RECORD_REGISTER_CONTROLLER, out);
    write_topics(image, metadata_version, out);
    write_configs(image, out);
    write_opaque(image, RECORD_CLIENT_QUOTA, out);
    if (image->next_producer_id > 0) {
        struct producer_ids_record record;
        message_init(&producer_ids_record_desc, &record);
        record.broker_id = -1;
        record.next_producer_id = image->next_producer_id;
        record_list_add(out, RECORD_PRODUCER_IDS, 0, &producer_ids_record_desc, &record);
    }
    write_opaque(image, RECORD_ACCESS_CONTROL_ENTRY, out);
    write_opaque(image, RECORD_USER_SCRAM_CREDENTIAL, out);
    write_opaque(image, RECORD_DELEGATION_TOKEN, out);
    write_opaque(image, RECORD_ZK_MIGRATION_STATE, out);
}

void image_write_pending(const struct image *image, struct record_list *out) {
    if (!image->in_transaction) {
        return;
    }
    struct begin_transaction_record begin;
    message_init(&begin_transaction_record_desc, &begin);
    record_list_add(out, RECORD_BEGIN_TRANSACTION, 0, &begin_transaction_record_desc, &begin);
    LIST_FOREACH(it, &image->pending) {
        record_list_add_value(out, CONTAINER_OF(it, struct image_pending, link)->value);
    }
}
