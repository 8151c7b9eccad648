/* CreatePartitions: more partitions for topics that exist. */
#include "broker/controller/decision.h"
#include "protocol/generated/create_partitions_request.h"
#include "protocol/generated/create_partitions_response.h"
#include "protocol/message.h"

/* The same bound as for new topics. */
#define PARTITIONS_MAX 10000

static bool named_twice(const struct create_partitions_request *request, int32_t index) {
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (i != index && slice_equal(request->topics[i].name, request->topics[index].name)) {
            return true;
        }
    }
    return false;
}

/* Whether an earlier entry has the name, and so answers for this one too. */
static bool repeats(const struct create_partitions_request *request, int32_t index) {
    for (int32_t i = 0; i < index && request->topics_count <= DECISION_RECORDS_MAX; i++) {
        if (slice_equal(request->topics[i].name, request->topics[index].name)) {
            return true;
        }
    }
    return false;
}

static struct verdict add_partitions(struct decision *d,
                                     const struct create_partitions_request_topic *request) {
    const struct image_topic *topic = image_topic_by_name(d->image, request->name);
    if (topic == NULL) {
        return verdict(ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                       error_message(ERROR_UNKNOWN_TOPIC_OR_PARTITION));
    }
    if (request->count <= topic->partition_count) {
        return verdict_printf(d, ERROR_INVALID_PARTITIONS,
                              "The topic has %d partitions; it cannot get %d",
                              topic->partition_count, request->count);
    }
    int32_t more = request->count - topic->partition_count;
    if (more > PARTITIONS_MAX) {
        return verdict(ERROR_POLICY_VIOLATION, "A request may create at most 10000 partitions");
    }
    bool manual = request->assignments_count >= 0;
    if (manual && request->assignments_count != more) {
        return verdict_printf(d, ERROR_INVALID_REPLICA_ASSIGNMENT,
                              "%d partitions are to be added and %d are assigned", more,
                              request->assignments_count);
    }
    int32_t factor = topic->partitions[0].replica_count;
    int32_t *placed = NULL;
    if (!manual) {
        struct verdict ok = place_replicas(d, more, (int16_t)factor, &placed);
        if (ok.error != ERROR_NONE) {
            return ok;
        }
    }
    for (int32_t i = 0; i < more; i++) {
        const int32_t *replicas =
            manual ? request->assignments[i].broker_ids : placed + (size_t)i * (size_t)factor;
        if (manual) {
            struct verdict ok =
                check_assignment(d, replicas, request->assignments[i].broker_ids_count, factor);
            if (ok.error != ERROR_NONE) {
                return ok;
            }
        }
        if (!add_new_partition(d, topic->id, topic->partition_count + i, replicas, factor)) {
            return verdict(ERROR_INVALID_REPLICA_ASSIGNMENT,
                           "All brokers of a partition are fenced or shutting down");
        }
    }
    return VERDICT_OK;
}

void decide_create_partitions(struct decision *d, const struct create_partitions_request *request,
                              struct create_partitions_response *response) {
    message_init(&create_partitions_response_desc, response);
    response->results = (struct create_partitions_response_topic_result *)arena_array(
        d->arena, (size_t)request->topics_count, sizeof(*response->results));
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (repeats(request, i)) {
            continue;
        }
        struct create_partitions_response_topic_result *result =
            &response->results[response->results_count++];
        int before = d->records.count;
        struct verdict outcome =
            request->topics_count > DECISION_RECORDS_MAX
                ? verdict(ERROR_POLICY_VIOLATION, "The request needs more than 10000 records")
            : named_twice(request, i)
                ? verdict(ERROR_INVALID_REQUEST, "The topic is named twice in the request")
                : add_partitions(d, &request->topics[i]);
        decision_check_size(d, &outcome);
        if (outcome.error != ERROR_NONE || request->validate_only) {
            decision_rewind(d, before);
        }
        result->name = request->topics[i].name;
        result->error_code = (int16_t)outcome.error;
        result->error_message = outcome.message;
    }
}
