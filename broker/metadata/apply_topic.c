/* Records of topics and partitions. */
#include <stdlib.h>

#include "base/memory.h"
#include "broker/metadata/image_internal.h"
#include "protocol/generated/clear_elr_record.h"
#include "protocol/generated/partition_change_record.h"
#include "protocol/generated/partition_record.h"
#include "protocol/generated/remove_topic_record.h"
#include "protocol/generated/topic_record.h"

/* A topic has far fewer; the bound keeps a damaged record from asking for all memory. */
#define PARTITION_INDEX_MAX 10000000

/* How far a record's partition may lie beyond those that are known: more than any request creates,
 * and little enough that a damaged record does not make a topic of millions. */
#define PARTITION_GAP_MAX 10000

#define LEADER_UNCHANGED         (-2)
#define RECOVERY_STATE_UNCHANGED (-1)

bool apply_topic(struct image *image, const struct topic_record *record,
                 struct image_changes *changes) {
    if (image_topic_by_name(image, record->name) != NULL ||
        image_topic_by_id(image, record->topic_id) != NULL) {
        return false;
    }
    struct image_topic *topic = NEW(struct image_topic);
    topic->id = record->topic_id;
    topic->name = image_dup(record->name);
    topic->created_at = image->offset;
    hmap_insert(&image->topics_by_name, &topic->by_name, hash_bytes(topic->name));
    hmap_insert(&image->topics_by_id, &topic->by_id, uuid_hash(topic->id));
    image_changes_add(changes, (struct image_change){.kind = IMAGE_TOPIC_CREATED,
                                                     .topic_id = topic->id,
                                                     .topic_name = topic->name});
    return true;
}

static void set_ids(int32_t **ids, int32_t *count, const int32_t *from, int32_t from_count) {
    free(*ids);
    *ids = NULL;
    *count = from_count > 0 ? from_count : 0;
    if (from_count > 0) {
        *ids = (int32_t *)xmalloc((size_t)from_count * sizeof(int32_t));
        memcpy(*ids, from, (size_t)from_count * sizeof(int32_t));
    }
}

static void set_directories(struct image_partition *partition, const struct uuid *from,
                            int32_t count) {
    free(partition->directories);
    partition->directories = NULL;
    if (count > 0 && count == partition->replica_count) {
        partition->directories = (struct uuid *)xmalloc((size_t)count * sizeof(struct uuid));
        memcpy(partition->directories, from, (size_t)count * sizeof(struct uuid));
    }
}

/* Makes room up to `index`; in a snapshot partitions may come in any order. */
static void grow(struct image_topic *topic, int32_t index) {
    size_t count = (size_t)index + 1;
    topic->partitions = (struct image_partition *)xrealloc(topic->partitions,
                                                           count * sizeof(struct image_partition));
    for (int32_t i = topic->partition_count; i <= index; i++) {
        topic->partitions[i] = (struct image_partition){.index = i, .leader = -1};
    }
    topic->partition_count = index + 1;
}

bool apply_partition(struct image *image, const struct partition_record *record,
                     struct image_changes *changes) {
    struct image_topic *topic = image_topic_by_id(image, record->topic_id);
    if (topic == NULL || record->partition_id < 0 || record->partition_id > PARTITION_INDEX_MAX ||
        record->partition_id > topic->partition_count + PARTITION_GAP_MAX ||
        record->replicas_count <= 0) {
        return false;
    }
    bool known = record->partition_id < topic->partition_count &&
                 topic->partitions[record->partition_id].replica_count > 0;
    if (record->partition_id >= topic->partition_count) {
        grow(topic, record->partition_id);
    }
    struct image_partition *partition = &topic->partitions[record->partition_id];
    set_ids(&partition->replicas, &partition->replica_count, record->replicas,
            record->replicas_count);
    set_ids(&partition->isr, &partition->isr_count, record->isr, record->isr_count);
    set_ids(&partition->elr, &partition->elr_count, record->eligible_leader_replicas,
            record->eligible_leader_replicas_count);
    set_ids(&partition->last_known_elr, &partition->last_known_elr_count, record->last_known_elr,
            record->last_known_elr_count);
    set_ids(&partition->removing_replicas, &partition->removing_replica_count,
            record->removing_replicas, record->removing_replicas_count);
    set_ids(&partition->adding_replicas, &partition->adding_replica_count, record->adding_replicas,
            record->adding_replicas_count);
    set_directories(partition, record->directories, record->directories_count);
    partition->leader = record->leader;
    partition->leader_epoch = record->leader_epoch;
    partition->partition_epoch = record->partition_epoch;
    partition->leader_recovery_state = record->leader_recovery_state;
    if (topic->created_at != image->offset) {
        image_changes_add(changes, (struct image_change){.kind = known ? IMAGE_PARTITION_CHANGED
                                                                       : IMAGE_PARTITION_CREATED,
                                                         .topic_id = topic->id,
                                                         .topic_name = topic->name,
                                                         .partition = partition->index});
    }
    return true;
}

bool apply_partition_change(struct image *image, const struct partition_change_record *record,
                            struct image_changes *changes) {
    struct image_topic *topic = image_topic_by_id(image, record->topic_id);
    struct image_partition *partition =
        topic == NULL ? NULL : image_partition(topic, record->partition_id);
    if (partition == NULL || partition->replica_count == 0 || record->replicas_count == 0 ||
        partition->leader_epoch == INT32_MAX || partition->partition_epoch == INT32_MAX) {
        return false;
    }
    if (record->isr_count >= 0) {
        set_ids(&partition->isr, &partition->isr_count, record->isr, record->isr_count);
    }
    if (record->replicas_count > 0) {
        if (record->replicas_count != partition->replica_count) {
            free(partition->directories);
            partition->directories = NULL;
        }
        set_ids(&partition->replicas, &partition->replica_count, record->replicas,
                record->replicas_count);
    }
    if (record->directories_count >= 0) {
        set_directories(partition, record->directories, record->directories_count);
    }
    if (record->removing_replicas_count >= 0) {
        set_ids(&partition->removing_replicas, &partition->removing_replica_count,
                record->removing_replicas, record->removing_replicas_count);
    }
    if (record->adding_replicas_count >= 0) {
        set_ids(&partition->adding_replicas, &partition->adding_replica_count,
                record->adding_replicas, record->adding_replicas_count);
    }
    if (record->eligible_leader_replicas_count >= 0) {
        set_ids(&partition->elr, &partition->elr_count, record->eligible_leader_replicas,
                record->eligible_leader_replicas_count);
    }
    if (record->last_known_elr_count >= 0) {
        set_ids(&partition->last_known_elr, &partition->last_known_elr_count,
                record->last_known_elr, record->last_known_elr_count);
    }
    if (record->leader_recovery_state != RECOVERY_STATE_UNCHANGED) {
        partition->leader_recovery_state = record->leader_recovery_state;
    }
    /* A record that names a leader starts an epoch, even with the same leader. */
    if (record->leader != LEADER_UNCHANGED) {
        partition->leader = record->leader;
        partition->leader_epoch++;
    }
    partition->partition_epoch++;
    image_changes_add(changes, (struct image_change){.kind = IMAGE_PARTITION_CHANGED,
                                                     .topic_id = topic->id,
                                                     .topic_name = topic->name,
                                                     .partition = partition->index});
    return true;
}

bool apply_remove_topic(struct image *image, const struct remove_topic_record *record,
                        struct image_changes *changes) {
    struct image_topic *topic = image_topic_by_id(image, record->topic_id);
    if (topic == NULL) {
        return false;
    }
    image_changes_add(changes, (struct image_change){.kind = IMAGE_TOPIC_DELETED,
                                                     .topic_id = topic->id,
                                                     .topic_name = topic->name});
    /* Its overrides go with it; there is no record for that. */
    struct image_config_resource *config =
        image_config_resource(image, CONFIG_RESOURCE_TOPIC, topic->name);
    if (config != NULL) {
        image_config_resource_free(image, config);
    }
    if (image->remember_removed) {
        struct image_removed_topic *removed = NEW(struct image_removed_topic);
        removed->id = topic->id;
        removed->name = image_dup(topic->name);
        list_append(&image->removed, &removed->link);
    }
    hmap_remove(&image->topics_by_name, &topic->by_name);
    hmap_remove(&image->topics_by_id, &topic->by_id);
    image_topic_free(topic);
    return true;
}

static void clear_elr(struct image_topic *topic, struct image_changes *changes) {
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct image_partition *partition = &topic->partitions[i];
        if (partition->elr_count == 0 && partition->last_known_elr_count == 0) {
            continue;
        }
        set_ids(&partition->elr, &partition->elr_count, NULL, 0);
        set_ids(&partition->last_known_elr, &partition->last_known_elr_count, NULL, 0);
        image_changes_add(changes, (struct image_change){.kind = IMAGE_PARTITION_CHANGED,
                                                         .topic_id = topic->id,
                                                         .topic_name = topic->name,
                                                         .partition = i});
    }
}

bool apply_clear_elr(struct image *image, const struct clear_elr_record *record,
                     struct image_changes *changes) {
    if (record->topic_name.len == 0) {
        HMAP_FOREACH(node, &image->topics_by_id) {
            clear_elr(CONTAINER_OF(node, struct image_topic, by_id), changes);
        }
        return true;
    }
    struct image_topic *topic = image_topic_by_name(image, record->topic_name);
    if (topic == NULL) {
        return false;
    }
    clear_elr(topic, changes);
    return true;
}
