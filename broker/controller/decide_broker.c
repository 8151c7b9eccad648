/* Registration of this node's broker, and producer ids. */
#include "broker/controller/decision.h"
#include "broker/metadata/features.h"
#include "protocol/generated/broker_registration_change_record.h"
#include "protocol/generated/partition_change_record.h"
#include "protocol/generated/producer_ids_record.h"
#include "protocol/generated/register_broker_record.h"
#include "protocol/message.h"

static int16_t lowest(int16_t a, int16_t b) {
    return a < b ? a : b;
}

void decide_register_broker(struct decision *d, const struct broker_registration *registration) {
    struct register_broker_record record;
    int16_t version = register_broker_record_version(d->metadata_version);
    struct arena scratch;
    arena_init(&scratch, SIZE_MAX);
    message_init(&register_broker_record_desc, &record);
    record.broker_id = d->node_id;
    record.incarnation_id = registration->incarnation_id;
    record.broker_epoch = d->next_offset;
    record.rack = registration->rack;
    record.fenced = true;
    size_t count = (size_t)registration->endpoint_count;
    record.end_points = (struct register_broker_record_broker_endpoint *)arena_array(
        &scratch, count, sizeof(*record.end_points));
    record.end_points_count = registration->endpoint_count;
    for (size_t i = 0; i < count; i++) {
        record.end_points[i] = (struct register_broker_record_broker_endpoint){
            .name = registration->endpoints[i].name,
            .host = registration->endpoints[i].host,
            .port = registration->endpoints[i].port,
            .security_protocol = registration->endpoints[i].security_protocol,
        };
    }
    while (supported_features[record.features_count].name != NULL) {
        record.features_count++;
    }
    record.features = (struct register_broker_record_broker_feature *)arena_array(
        &scratch, (size_t)record.features_count, sizeof(*record.features));
    for (int32_t i = 0; i < record.features_count; i++) {
        record.features[i] = (struct register_broker_record_broker_feature){
            .name = slice_str(supported_features[i].name),
            .min_supported_version = supported_features[i].min_level,
            .max_supported_version = supported_features[i].max_level,
        };
    }
    if (version >= 3) {
        record.log_dirs = (struct uuid *)arena_array(&scratch, (size_t)registration->log_dir_count,
                                                     sizeof(struct uuid));
        record.log_dirs_count = registration->log_dir_count;
        for (int i = 0; i < registration->log_dir_count; i++) {
            record.log_dirs[i] = registration->log_dirs[i];
        }
    }
    record_list_add(&d->records, RECORD_REGISTER_BROKER, version, &register_broker_record_desc,
                    &record);
    arena_release(&scratch);
}

static bool contains(const int32_t *ids, int32_t count, int32_t id) {
    for (int32_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* A partition without leader takes this broker when it is in sync, or eligible where nobody is. */
static void lead_if_possible(struct decision *d, const struct image_topic *topic,
                             const struct image_partition *partition) {
    bool in_sync = contains(partition->isr, partition->isr_count, d->node_id);
    bool eligible =
        partition->isr_count == 0 && contains(partition->elr, partition->elr_count, d->node_id);
    if (partition->leader != -1 || (!in_sync && !eligible)) {
        return;
    }
    struct partition_change_record record;
    message_init(&partition_change_record_desc, &record);
    record.topic_id = topic->id;
    record.partition_id = partition->index;
    record.leader = d->node_id;
    int32_t self = d->node_id;
    struct arena scratch;
    arena_init(&scratch, SIZE_MAX);
    if (eligible) {
        record.isr = &self;
        record.isr_count = 1;
        record.eligible_leader_replicas =
            (int32_t *)arena_array(&scratch, (size_t)partition->elr_count, sizeof(int32_t));
        record.eligible_leader_replicas_count = 0;
        for (int32_t i = 0; i < partition->elr_count; i++) {
            if (partition->elr[i] != self) {
                record.eligible_leader_replicas[record.eligible_leader_replicas_count++] =
                    partition->elr[i];
            }
        }
    }
    record_list_add(&d->records, RECORD_PARTITION_CHANGE,
                    lowest(partition_record_version(d->metadata_version), 2),
                    &partition_change_record_desc, &record);
    arena_release(&scratch);
}

void decide_unfence_broker(struct decision *d) {
    const struct image_broker *broker = image_broker(d->image, d->node_id);
    if (broker == NULL || !broker->fenced) {
        return;
    }
    struct broker_registration_change_record record;
    message_init(&broker_registration_change_record_desc, &record);
    record.broker_id = broker->id;
    record.broker_epoch = broker->epoch;
    record.fenced = -1;
    record_list_add(&d->records, RECORD_BROKER_REGISTRATION_CHANGE,
                    broker_registration_change_record_version(d->metadata_version),
                    &broker_registration_change_record_desc, &record);
    HMAP_FOREACH(node, &d->image->topics_by_id) {
        const struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_id);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            lead_if_possible(d, topic, &topic->partitions[i]);
        }
    }
}

void decide_producer_ids(struct decision *d, int64_t *first) {
    const struct image_broker *broker = image_broker(d->image, d->node_id);
    struct producer_ids_record record;
    *first = d->image->next_producer_id;
    message_init(&producer_ids_record_desc, &record);
    record.broker_id = d->node_id;
    record.broker_epoch = broker == NULL ? -1 : broker->epoch;
    record.next_producer_id = *first + PRODUCER_ID_BLOCK;
    record_list_add(&d->records, RECORD_PRODUCER_IDS, 0, &producer_ids_record_desc, &record);
}
