/* AssignReplicasToDirs (KIP-858): a broker says in which log dir a replica of it lies. */
#include "broker/controller/partition_change.h"
#include "protocol/generated/assign_replicas_to_dirs_request.h"
#include "protocol/generated/assign_replicas_to_dirs_response.h"
#include "protocol/message.h"

#define METADATA_VERSION_DIRECTORIES 17

typedef struct assign_replicas_to_dirs_request_topic_data asked_topic;
typedef struct assign_replicas_to_dirs_response_topic_data answered_topic;

static enum kafka_error assign(struct decision *d, int32_t broker, struct uuid directory,
                               const struct image_topic *topic, int32_t index) {
    const struct image_partition *partition = image_partition(topic, index);
    if (partition == NULL || partition->replica_count == 0) {
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (!ids_contain(partition->replicas, partition->replica_count, broker)) {
        return ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    struct partition_change change;
    partition_change_init(&change, d, topic, partition);
    change.moved = broker;
    change.directory = directory;
    if (!broker_has_directory(d->image, broker, directory)) {
        /* It lies in one that has failed: the broker cannot serve it. */
        partition_change_leave(&change, broker);
        change.never = broker;
    }
    (void)partition_change_emit(&change);
    return ERROR_NONE;
}

static void assign_topic(struct decision *d, int32_t broker, struct uuid directory,
                         const asked_topic *asked, answered_topic *out) {
    const struct image_topic *topic = image_topic_by_id(d->image, asked->topic_id);
    out->topic_id = asked->topic_id;
    out->partitions_count = asked->partitions_count;
    out->partitions = (struct assign_replicas_to_dirs_response_partition_data *)arena_array(
        d->arena, (size_t)asked->partitions_count, sizeof(*out->partitions));
    for (int32_t p = 0; p < asked->partitions_count; p++) {
        int32_t index = asked->partitions[p].partition_index;
        out->partitions[p].partition_index = index;
        out->partitions[p].error_code =
            (int16_t)(topic == NULL ? ERROR_UNKNOWN_TOPIC_ID
                                    : assign(d, broker, directory, topic, index));
    }
}

void decide_assign_replicas_to_dirs(struct decision *d,
                                    const struct assign_replicas_to_dirs_request *request,
                                    struct assign_replicas_to_dirs_response *response) {
    message_init(&assign_replicas_to_dirs_response_desc, response);
    enum kafka_error error =
        d->metadata_version < METADATA_VERSION_DIRECTORIES
            ? ERROR_UNSUPPORTED_VERSION
            : check_broker_epoch(d->image, request->broker_id, request->broker_epoch);
    if (error != ERROR_NONE) {
        response->error_code = (int16_t)error;
        return;
    }
    response->directories_count = request->directories_count;
    response->directories = (struct assign_replicas_to_dirs_response_directory_data *)arena_array(
        d->arena, (size_t)request->directories_count, sizeof(*response->directories));
    for (int32_t i = 0; i < request->directories_count; i++) {
        const struct assign_replicas_to_dirs_request_directory_data *asked =
            &request->directories[i];
        struct assign_replicas_to_dirs_response_directory_data *out = &response->directories[i];
        out->id = asked->id;
        out->topics_count = asked->topics_count;
        out->topics = (answered_topic *)arena_array(d->arena, (size_t)asked->topics_count,
                                                    sizeof(*out->topics));
        for (int32_t t = 0; t < asked->topics_count; t++) {
            assign_topic(d, request->broker_id, asked->id, &asked->topics[t], &out->topics[t]);
        }
    }
}
