/* AlterPartitionReassignments and ListPartitionReassignments (KIP-455). */
#include <string.h>

#include "broker/controller/partition_change.h"
#include "protocol/generated/alter_partition_reassignments_request.h"
#include "protocol/generated/alter_partition_reassignments_response.h"
#include "protocol/generated/list_partition_reassignments_request.h"
#include "protocol/generated/list_partition_reassignments_response.h"
#include "protocol/message.h"

typedef struct alter_partition_reassignments_request_reassignable_topic asked_topic;
typedef struct alter_partition_reassignments_request_reassignable_partition asked_partition;
typedef struct list_partition_reassignments_response_ongoing_topic_reassignment moving_topic;
typedef struct list_partition_reassignments_response_ongoing_partition_reassignment
    moving_partition;

static int32_t *ids_array(const struct decision *d, int32_t count) {
    return (int32_t *)arena_array(d->records.arena, (size_t)count + 1, sizeof(int32_t));
}

/* Appends those of `ids` that are not in `others`; returns the new count. */
static int32_t append_missing(int32_t *out, int32_t count, const int32_t *ids, int32_t id_count,
                              const int32_t *others, int32_t other_count) {
    for (int32_t i = 0; i < id_count; i++) {
        if (!ids_contain(others, other_count, ids[i])) {
            out[count++] = ids[i];
        }
    }
    return count;
}

/* ---- Start and cancel ------------------------------------------------------------------------ */

static struct verdict cancel(struct decision *d, const struct image_topic *topic,
                             const struct image_partition *partition) {
    if (!partition_is_moving(partition)) {
        return verdict(ERROR_NO_REASSIGNMENT_IN_PROGRESS,
                       error_message(ERROR_NO_REASSIGNMENT_IN_PROGRESS));
    }
    int32_t *replicas = ids_array(d, partition->replica_count);
    int32_t *isr = ids_array(d, partition->isr_count);
    int32_t replica_count =
        append_missing(replicas, 0, partition->replicas, partition->replica_count,
                       partition->adding_replicas, partition->adding_replica_count);
    int32_t isr_count = append_missing(isr, 0, partition->isr, partition->isr_count,
                                       partition->adding_replicas, partition->adding_replica_count);
    if (replica_count == 0) {
        return verdict(ERROR_INVALID_REPLICA_ASSIGNMENT, "All replicas are new ones");
    }
    struct partition_change change;
    partition_change_init(&change, d, topic, partition);
    if (isr_count == 0 && partition->isr_count > 0) {
        if (change.election != ELECT_UNCLEAN) {
            return verdict(ERROR_INVALID_REPLICA_ASSIGNMENT,
                           "Going back would need an unclean election of a leader");
        }
        for (int32_t i = 0; i < replica_count && isr_count == 0; i++) {
            if (broker_is_active(d->image, replicas[i])) {
                isr[isr_count++] = replicas[i];
            }
        }
        if (isr_count == 0) {
            return verdict(ERROR_INVALID_REPLICA_ASSIGNMENT, "None of the old replicas is alive");
        }
        change.recovery = LEADER_RECOVERING;
    }
    change.isr = (struct ids){isr, isr_count};
    change.replicas = (struct ids){replicas, replica_count};
    change.removing = (struct ids){NULL, 0};
    change.adding = (struct ids){NULL, 0};
    (void)partition_change_emit(&change);
    return VERDICT_OK;
}

static struct verdict check_factor(const struct decision *d,
                                   const struct image_partition *partition,
                                   const asked_partition *asked) {
    int32_t count = 0;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        count += !ids_contain(partition->removing_replicas, partition->removing_replica_count,
                              partition->replicas[i]);
    }
    return count == asked->replicas_count
               ? VERDICT_OK
               : verdict_printf(d, ERROR_INVALID_REPLICATION_FACTOR,
                                "The partition has %d replicas; it cannot get %d", count,
                                asked->replicas_count);
}

/*
 * During the move the replicas are the target's, then the old ones. What a reassignment under way
 * was adding is not in sync as a rule: it stays "adding" when the new target has it too.
 */
static void move(struct decision *d, const struct image_topic *topic,
                 const struct image_partition *partition, const asked_partition *asked) {
    int32_t bound = partition->replica_count + asked->replicas_count;
    int32_t *old = ids_array(d, bound);
    int32_t *replicas = ids_array(d, bound);
    int32_t *removing = ids_array(d, bound);
    int32_t *adding = ids_array(d, bound);
    int32_t old_count = append_missing(old, 0, partition->replicas, partition->replica_count,
                                       partition->adding_replicas, partition->adding_replica_count);
    int32_t adding_count =
        append_missing(adding, 0, asked->replicas, asked->replicas_count, old, old_count);
    int32_t removing_count =
        append_missing(removing, 0, partition->replicas, partition->replica_count, asked->replicas,
                       asked->replicas_count);
    int32_t replica_count =
        append_missing(replicas, 0, asked->replicas, asked->replicas_count, NULL, 0);
    replica_count = append_missing(replicas, replica_count, removing, removing_count, NULL, 0);
    struct partition_change change;
    partition_change_init(&change, d, topic, partition);
    change.replicas = (struct ids){replicas, replica_count};
    change.removing = (struct ids){removing, removing_count};
    change.adding = (struct ids){adding, adding_count};
    (void)partition_change_emit(&change);
}

static struct verdict reassign(struct decision *d, struct slice name, const asked_partition *asked,
                               bool factor_may_change) {
    const struct image_topic *topic = image_topic_by_name(d->image, name);
    const struct image_partition *partition =
        topic == NULL ? NULL : image_partition(topic, asked->partition_index);
    if (partition == NULL || partition->replica_count == 0) {
        return verdict(ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                       error_message(ERROR_UNKNOWN_TOPIC_OR_PARTITION));
    }
    if (asked->replicas_count < 0) {
        return cancel(d, topic, partition);
    }
    struct verdict ok = check_assignment(d, asked->replicas, asked->replicas_count, -1);
    if (ok.error == ERROR_NONE && !factor_may_change) {
        ok = check_factor(d, partition, asked);
    }
    if (ok.error == ERROR_NONE) {
        move(d, topic, partition, asked);
    }
    return ok;
}

/* Whether the request has the partition before: the second would undo the first. */
static bool repeats(const struct alter_partition_reassignments_request *request, int32_t topic,
                    int32_t index) {
    const asked_topic *asked = &request->topics[topic];
    for (int32_t t = 0; t <= topic; t++) {
        const asked_topic *other = &request->topics[t];
        int32_t count = t == topic ? index : other->partitions_count;
        for (int32_t p = 0; p < count && slice_equal(other->name, asked->name); p++) {
            if (other->partitions[p].partition_index == asked->partitions[index].partition_index) {
                return true;
            }
        }
    }
    return false;
}

void decide_alter_partition_reassignments(
    struct decision *d, const struct alter_partition_reassignments_request *request,
    struct alter_partition_reassignments_response *response) {
    message_init(&alter_partition_reassignments_response_desc, response);
    response->error_message = request->topics_count == 0 ? SLICE_LIT("") : SLICE_NULL;
    response->allow_replication_factor_change = request->allow_replication_factor_change;
    response->responses_count = request->topics_count;
    response->responses =
        (struct alter_partition_reassignments_response_reassignable_topic_response *)arena_array(
            d->arena, (size_t)request->topics_count, sizeof(*response->responses));
    for (int32_t t = 0; t < request->topics_count; t++) {
        const asked_topic *asked = &request->topics[t];
        struct alter_partition_reassignments_response_reassignable_topic_response *out =
            &response->responses[t];
        out->name = asked->name;
        out->partitions_count = asked->partitions_count;
        out->partitions =
            (struct alter_partition_reassignments_response_reassignable_partition_response *)
                arena_array(d->arena, (size_t)asked->partitions_count, sizeof(*out->partitions));
        for (int32_t p = 0; p < asked->partitions_count; p++) {
            int before = d->records.count;
            struct verdict outcome = reassign(d, asked->name, &asked->partitions[p],
                                              request->allow_replication_factor_change);
            if (d->records.count > before && repeats(request, t, p)) {
                outcome = verdict(ERROR_INVALID_REQUEST, "The partition is named twice");
            }
            decision_check_size(d, &outcome);
            if (outcome.error != ERROR_NONE) {
                decision_rewind(d, before);
            }
            out->partitions[p].partition_index = asked->partitions[p].partition_index;
            out->partitions[p].error_code = (int16_t)outcome.error;
            out->partitions[p].error_message = outcome.message;
        }
    }
}

/* ---- List ------------------------------------------------------------------------------------ */

static int32_t *dup_ids(const struct decision *d, const int32_t *ids, int32_t count) {
    int32_t *copy = (int32_t *)arena_array(d->arena, (size_t)count + 1, sizeof(int32_t));
    if (count > 0) {
        memcpy(copy, ids, (size_t)count * sizeof(int32_t));
    }
    return copy;
}

static void describe(const struct decision *d, const struct image_partition *partition,
                     moving_partition *out) {
    *out = (moving_partition){
        .partition_index = partition->index,
        .replicas = dup_ids(d, partition->replicas, partition->replica_count),
        .replicas_count = partition->replica_count,
        .adding_replicas = dup_ids(d, partition->adding_replicas, partition->adding_replica_count),
        .adding_replicas_count = partition->adding_replica_count,
        .removing_replicas =
            dup_ids(d, partition->removing_replicas, partition->removing_replica_count),
        .removing_replicas_count = partition->removing_replica_count,
    };
}

/* Lists those of the topic that move; of `indexes` only, where it is not NULL. */
static void list_topic(const struct decision *d, const struct image_topic *topic,
                       const struct list_partition_reassignments_request_topics *asked,
                       struct list_partition_reassignments_response *response) {
    moving_topic *out = &response->topics[response->topics_count];
    int32_t count = asked == NULL ? topic->partition_count : asked->partition_indexes_count;
    *out = (moving_topic){.partitions = (moving_partition *)arena_array(
                              d->arena, (size_t)(count > 0 ? count : 1), sizeof(moving_partition))};
    for (int32_t i = 0; i < count; i++) {
        const struct image_partition *partition =
            image_partition(topic, asked == NULL ? i : asked->partition_indexes[i]);
        if (partition != NULL && partition_is_moving(partition)) {
            describe(d, partition, &out->partitions[out->partitions_count++]);
        }
    }
    if (out->partitions_count > 0) {
        out->name = arena_dup(d->arena, topic->name);
        response->topics_count++;
    }
}

void decide_list_partition_reassignments(struct decision *d,
                                         const struct list_partition_reassignments_request *request,
                                         struct list_partition_reassignments_response *response) {
    bool all = request->topics_count < 0;
    size_t bound = all ? d->image->topics_by_id.count : (size_t)request->topics_count;
    message_init(&list_partition_reassignments_response_desc, response);
    response->error_message = SLICE_NULL;
    response->topics = (moving_topic *)arena_array(d->arena, bound + 1, sizeof(*response->topics));
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct image_topic *topic = image_topic_by_name(d->image, request->topics[i].name);
        if (topic != NULL) {
            list_topic(d, topic, &request->topics[i], response);
        }
    }
    if (all) {
        HMAP_FOREACH(node, &d->image->topics_by_id) {
            list_topic(d, CONTAINER_OF(node, struct image_topic, by_id), NULL, response);
        }
    }
}
