/*
 * AlterPartition: the leader of partitions says who is in sync. Its view is checked against this
 * one, in Kafka's order: what it does not know yet, or knows better, decides which error it gets.
 */
#include <string.h>

#include "broker/controller/partition_change.h"
#include "protocol/generated/alter_partition_request.h"
#include "protocol/generated/alter_partition_response.h"
#include "protocol/message.h"

typedef struct alter_partition_request_partition_data asked_partition;
typedef struct alter_partition_response_partition_data answered_partition;

/* Both forms of the new ISR as one: epoch -1 where the version does not carry it. */
static struct ids isr_of(const struct decision *d, const asked_partition *asked, int16_t version,
                         int64_t **epochs) {
    int32_t count = version >= 3 ? asked->new_isr_with_epochs_count : asked->new_isr_count;
    size_t size = count > 0 ? (size_t)count : 1;
    int32_t *ids = (int32_t *)arena_array(d->records.arena, size, sizeof(int32_t));
    *epochs = (int64_t *)arena_array(d->records.arena, size, sizeof(int64_t));
    for (int32_t i = 0; i < count; i++) {
        ids[i] = version >= 3 ? asked->new_isr_with_epochs[i].broker_id : asked->new_isr[i];
        (*epochs)[i] = version >= 3 ? asked->new_isr_with_epochs[i].broker_epoch : -1;
    }
    return (struct ids){ids, count > 0 ? count : 0};
}

static bool is_subset(struct ids isr, const struct image_partition *partition) {
    for (int32_t i = 0; i < isr.count; i++) {
        if (!ids_contain(partition->replicas, partition->replica_count, isr.ids[i]) ||
            ids_contain(isr.ids, i, isr.ids[i])) {
            return false;
        }
    }
    return isr.count > 0;
}

static bool all_eligible(const struct image *image, struct ids isr, const int64_t *epochs) {
    for (int32_t i = 0; i < isr.count; i++) {
        const struct image_broker *broker = image_broker(image, isr.ids[i]);
        if (!broker_is_active(image, isr.ids[i]) ||
            (epochs[i] != -1 && epochs[i] != broker->epoch)) {
            return false;
        }
    }
    return true;
}

static enum kafka_error check(const struct decision *d, int32_t broker,
                              const struct image_partition *partition, const asked_partition *asked,
                              struct ids isr, const int64_t *epochs) {
    if (asked->leader_epoch > partition->leader_epoch ||
        asked->partition_epoch > partition->partition_epoch) {
        return ERROR_NOT_CONTROLLER; /* it knows more than this node, which must be behind */
    }
    if (asked->leader_epoch < partition->leader_epoch) {
        return ERROR_FENCED_LEADER_EPOCH;
    }
    if (broker != partition->leader) {
        return ERROR_INVALID_REQUEST;
    }
    if (asked->partition_epoch < partition->partition_epoch) {
        return ERROR_INVALID_UPDATE_VERSION;
    }
    bool known_state = asked->leader_recovery_state == LEADER_RECOVERED ||
                       asked->leader_recovery_state == LEADER_RECOVERING;
    if (!known_state || !is_subset(isr, partition) ||
        !ids_contain(isr.ids, isr.count, partition->leader) ||
        (asked->leader_recovery_state == LEADER_RECOVERING && isr.count > 1) ||
        (asked->leader_recovery_state == LEADER_RECOVERING &&
         partition->leader_recovery_state == LEADER_RECOVERED)) {
        return ERROR_INVALID_REQUEST;
    }
    return all_eligible(d->image, isr, epochs) ? ERROR_NONE : ERROR_INELIGIBLE_REPLICA;
}

/* Whether the request has the partition before: the second is decided on what is no longer true. */
static bool repeats(const struct alter_partition_request_topic_data *topic, int32_t index) {
    for (int32_t i = 0; i < index; i++) {
        if (topic->partitions[i].partition_index == topic->partitions[index].partition_index) {
            return true;
        }
    }
    return false;
}

static void answer(const struct decision *d, const struct partition_change *change,
                   answered_partition *out) {
    size_t count = (size_t)change->isr.count;
    out->leader_id = change->leader;
    out->leader_epoch = change->leader_epoch;
    out->partition_epoch = change->partition_epoch;
    out->leader_recovery_state = change->recovery;
    out->isr = (int32_t *)arena_array(d->arena, count + 1, sizeof(int32_t));
    out->isr_count = change->isr.count;
    if (count > 0) {
        memcpy(out->isr, change->isr.ids, count * sizeof(int32_t));
    }
}

static void alter(struct decision *d, const struct alter_partition_request *request,
                  const struct image_topic *topic,
                  const struct alter_partition_request_topic_data *asked_topic, int32_t index,
                  int16_t version, answered_partition *out) {
    const asked_partition *asked = &asked_topic->partitions[index];
    const struct image_partition *partition = image_partition(topic, asked->partition_index);
    int64_t *epochs;
    struct ids isr = isr_of(d, asked, version, &epochs);
    enum kafka_error error = partition == NULL || partition->replica_count == 0
                                 ? ERROR_UNKNOWN_TOPIC_OR_PARTITION
                                 : check(d, request->broker_id, partition, asked, isr, epochs);
    if (error == ERROR_NONE && repeats(asked_topic, index)) {
        error = ERROR_INVALID_UPDATE_VERSION;
    }
    if (error == ERROR_NONE) {
        struct partition_change change;
        partition_change_init(&change, d, topic, partition);
        change.isr = isr;
        change.recovery = asked->leader_recovery_state;
        (void)partition_change_emit(&change);
        /* A reassignment that this completes may have moved the leader: it must look again. */
        error = change.leader != request->broker_id ? ERROR_NEW_LEADER_ELECTED : ERROR_NONE;
        if (error == ERROR_NONE) {
            answer(d, &change, out);
        }
    }
    out->error_code = (int16_t)error;
}

void decide_alter_partition(struct decision *d, const struct alter_partition_request *request,
                            int16_t version, struct alter_partition_response *response) {
    message_init(&alter_partition_response_desc, response);
    response->error_code =
        (int16_t)check_broker_epoch(d->image, request->broker_id, request->broker_epoch);
    if (response->error_code != ERROR_NONE) {
        return;
    }
    response->topics_count = request->topics_count;
    response->topics = (struct alter_partition_response_topic_data *)arena_array(
        d->arena, (size_t)request->topics_count, sizeof(*response->topics));
    for (int32_t t = 0; t < request->topics_count; t++) {
        const struct alter_partition_request_topic_data *asked = &request->topics[t];
        struct alter_partition_response_topic_data *out = &response->topics[t];
        const struct image_topic *topic = image_topic_by_id(d->image, asked->topic_id);
        out->topic_id = asked->topic_id;
        out->partitions_count = asked->partitions_count;
        out->partitions = (answered_partition *)arena_array(
            d->arena, (size_t)asked->partitions_count, sizeof(*out->partitions));
        for (int32_t p = 0; p < asked->partitions_count; p++) {
            out->partitions[p].partition_index = asked->partitions[p].partition_index;
            if (topic == NULL) {
                out->partitions[p].error_code = ERROR_UNKNOWN_TOPIC_ID;
            } else {
                alter(d, request, topic, asked, p, version, &out->partitions[p]);
            }
        }
    }
}
