/* ElectLeaders, and the elections that the controller starts by itself from time to time. */
#include "broker/controller/partition_change.h"
#include "protocol/generated/elect_leaders_request.h"
#include "protocol/generated/elect_leaders_response.h"
#include "protocol/message.h"

enum election_type { PREFERRED = 0, UNCLEAN = 1 };

/* How many preferred leaders one periodic decision brings back. */
#define ELECTIONS_MAX 1000

typedef struct elect_leaders_response_partition_result partition_result;

static bool is_preferred(const struct image_partition *partition) {
    return partition->replica_count == 0 || partition->leader == partition->replicas[0];
}

static struct verdict elect(struct decision *d, const struct image_topic *topic, int32_t index,
                            int8_t type) {
    const struct image_partition *partition = topic == NULL ? NULL : image_partition(topic, index);
    if (partition == NULL || partition->replica_count == 0) {
        return verdict(ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                       error_message(ERROR_UNKNOWN_TOPIC_OR_PARTITION));
    }
    if (type == PREFERRED ? is_preferred(partition) : partition->leader != NO_LEADER) {
        return verdict(ERROR_ELECTION_NOT_NEEDED, error_message(ERROR_ELECTION_NOT_NEEDED));
    }
    struct partition_change change;
    partition_change_init(&change, d, topic, partition);
    change.election = type == PREFERRED ? ELECT_PREFERRED : ELECT_UNCLEAN;
    if (!partition_change_emit(&change)) {
        enum kafka_error error = type == PREFERRED ? ERROR_PREFERRED_LEADER_NOT_AVAILABLE
                                                   : ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE;
        return verdict(error, error_message((int16_t)error));
    }
    return VERDICT_OK;
}

static void put(partition_result *out, int32_t index, struct verdict outcome) {
    out->partition_id = index;
    out->error_code = (int16_t)outcome.error;
    out->error_message = outcome.message;
}

/* Whether the request has the partition before; it is elected for once. */
static bool repeats(const struct elect_leaders_request *request, int32_t topic, int32_t index) {
    const struct elect_leaders_request_topic_partitions *asked = &request->topic_partitions[topic];
    for (int32_t t = 0; t <= topic; t++) {
        const struct elect_leaders_request_topic_partitions *other = &request->topic_partitions[t];
        int32_t count = t == topic ? index : other->partitions_count;
        if (slice_equal(other->topic, asked->topic) &&
            ids_contain(other->partitions, count, asked->partitions[index])) {
            return true;
        }
    }
    return false;
}

static void elect_asked(struct decision *d, const struct elect_leaders_request *request,
                        int8_t type, struct elect_leaders_response *response) {
    for (int32_t t = 0; t < request->topic_partitions_count; t++) {
        const struct elect_leaders_request_topic_partitions *asked = &request->topic_partitions[t];
        struct elect_leaders_response_replica_election_result *out =
            &response->replica_election_results[t];
        const struct image_topic *topic = image_topic_by_name(d->image, asked->topic);
        out->topic = asked->topic;
        out->partition_result_count = asked->partitions_count;
        out->partition_result = (partition_result *)arena_array(
            d->arena, (size_t)asked->partitions_count, sizeof(partition_result));
        for (int32_t p = 0; p < asked->partitions_count; p++) {
            int before = d->records.count;
            struct verdict outcome = elect(d, topic, asked->partitions[p], type);
            if (d->records.count > before && repeats(request, t, p)) {
                decision_rewind(d, before);
            }
            put(&out->partition_result[p], asked->partitions[p], outcome);
        }
    }
}

/* All partitions; those that need no election are left out of the answer. */
static void elect_all(struct decision *d, int8_t type, struct elect_leaders_response *response) {
    int32_t t = 0;
    HMAP_FOREACH(node, &d->image->topics_by_name) {
        const struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_name);
        struct elect_leaders_response_replica_election_result *out =
            &response->replica_election_results[t++];
        out->topic = arena_dup(d->arena, topic->name);
        out->partition_result = (partition_result *)arena_array(
            d->arena, (size_t)topic->partition_count, sizeof(partition_result));
        for (int32_t p = 0; p < topic->partition_count; p++) {
            struct verdict outcome = elect(d, topic, p, type);
            if (outcome.error != ERROR_ELECTION_NOT_NEEDED) {
                put(&out->partition_result[out->partition_result_count++], p, outcome);
            }
        }
    }
}

static void refuse_type(struct decision *d, const struct elect_leaders_request *request,
                        struct elect_leaders_response *response) {
    struct verdict outcome = verdict(ERROR_INVALID_REQUEST, "The type of election is not known");
    bool nothing_asked = request->topic_partitions_count == 0;
    response->error_code = nothing_asked ? ERROR_NONE : ERROR_INVALID_REQUEST;
    int32_t count = request->topic_partitions_count < 0 ? 0 : request->topic_partitions_count;
    response->replica_election_results_count = count;
    response->replica_election_results =
        (struct elect_leaders_response_replica_election_result *)arena_array(
            d->arena, (size_t)count, sizeof(*response->replica_election_results));
    for (int32_t t = 0; t < count; t++) {
        const struct elect_leaders_request_topic_partitions *asked = &request->topic_partitions[t];
        struct elect_leaders_response_replica_election_result *out =
            &response->replica_election_results[t];
        out->topic = asked->topic;
        out->partition_result_count = asked->partitions_count;
        out->partition_result = (partition_result *)arena_array(
            d->arena, (size_t)asked->partitions_count, sizeof(partition_result));
        for (int32_t p = 0; p < asked->partitions_count; p++) {
            put(&out->partition_result[p], asked->partitions[p], outcome);
        }
    }
}

void decide_elect_leaders(struct decision *d, const struct elect_leaders_request *request,
                          int16_t version, struct elect_leaders_response *response) {
    int8_t type = version == 0 ? PREFERRED : request->election_type;
    message_init(&elect_leaders_response_desc, response);
    if (type != PREFERRED && type != UNCLEAN) {
        refuse_type(d, request, response);
        return;
    }
    bool all = request->topic_partitions_count < 0;
    int32_t count = all ? (int32_t)d->image->topics_by_name.count : request->topic_partitions_count;
    response->replica_election_results_count = count;
    response->replica_election_results =
        (struct elect_leaders_response_replica_election_result *)arena_array(
            d->arena, (size_t)count, sizeof(*response->replica_election_results));
    if (all) {
        elect_all(d, type, response);
    } else {
        elect_asked(d, request, type, response);
    }
    struct verdict size = VERDICT_OK;
    decision_check_size(d, &size);
    if (size.error != ERROR_NONE) {
        decision_rewind(d, 0);
        message_init(&elect_leaders_response_desc, response);
        response->error_code = (int16_t)size.error;
    }
}

/* ---- From time to time ----------------------------------------------------------------------- */

void decide_preferred_leaders(struct decision *d) {
    HMAP_FOREACH(node, &d->image->topics_by_id) {
        const struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_id);
        for (int32_t p = 0; p < topic->partition_count && d->records.count < ELECTIONS_MAX; p++) {
            if (!is_preferred(&topic->partitions[p]) && topic->partitions[p].leader != NO_LEADER) {
                (void)elect(d, topic, p, PREFERRED);
            }
        }
    }
}

void decide_unclean_leaders(struct decision *d) {
    HMAP_FOREACH(node, &d->image->topics_by_id) {
        const struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_id);
        bool allowed = topic_unclean_election(d, topic->name);
        for (int32_t p = 0;
             p < topic->partition_count && allowed && d->records.count < ELECTIONS_MAX; p++) {
            if (topic->partitions[p].leader == NO_LEADER) {
                (void)elect(d, topic, p, UNCLEAN);
            }
        }
    }
}
