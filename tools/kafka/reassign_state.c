/* kafka-reassign-partitions: what the cluster has and does */
#include <stdlib.h>
#include <string.h>

#include "protocol/generated/describe_log_dirs_request.h"
#include "protocol/generated/describe_log_dirs_response.h"
#include "protocol/generated/list_partition_reassignments_request.h"
#include "tools/kafka/reassign.h"

bool state_topics(struct kafka_call *call, const struct slice *names, int32_t count,
                  struct topic_list *out) {
    if (!topics_describe(&call->client, names, count, 0, out)) {
        reassign_fail_as(call, 0, call->client.error.text);
        return false;
    }
    for (int32_t i = 0; i < out->count; i++) {
        if (out->items[i].code != ERROR_NONE) {
            reassign_fail_as(call, out->items[i].code,
                             out->items[i].code == ERROR_UNKNOWN_TOPIC_OR_PARTITION
                                 ? arena_printf(&call->arena, "Topic %.*s not found.",
                                                SLICE_ARG(out->items[i].name))
                                 : error_message(out->items[i].code));
            return false;
        }
    }
    return true;
}

static const struct partition_info *find_partition(const struct topic_list *topics,
                                                   const struct move *move) {
    const struct topic_info *topic = topic_find(topics, move->topic);
    for (int32_t i = 0; topic != NULL && i < topic->partition_count; i++) {
        if (topic->partitions[i].index == move->partition) {
            return &topic->partitions[i];
        }
    }
    return NULL;
}

bool state_current(struct kafka_call *call, const struct plan *plan, struct plan *out) {
    struct slice *names;
    int32_t count = plan_topics(call, plan, &names);
    struct topic_list topics;
    if (!state_topics(call, names, count, &topics)) {
        return false;
    }
    *out = (struct plan){
        .moves = arena_array(&call->arena, (size_t)plan->count + 1, sizeof(*out->moves)),
        .count = plan->count};
    for (int32_t i = 0; i < plan->count; i++) {
        const struct partition_info *partition = find_partition(&topics, &plan->moves[i]);
        if (partition == NULL) {
            reassign_fail_as(call, ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                             arena_printf(&call->arena, "Unable to find partition: %.*s-%d",
                                          SLICE_ARG(plan->moves[i].topic),
                                          plan->moves[i].partition));
            return false;
        }
        out->moves[i] = (struct move){.topic = plan->moves[i].topic,
                                      .partition = plan->moves[i].partition,
                                      .replicas = partition->replicas};
    }
    state_fill_dirs(call, out);
    return true;
}

const struct list_partition_reassignments_response *state_ongoing(struct kafka_call *call) {
    struct list_partition_reassignments_request request;
    message_init(&list_partition_reassignments_request_desc, &request);
    request.topics_count = -1;
    const struct list_partition_reassignments_response *response = client_call(
        &call->client, CLIENT_ANY, API_LIST_PARTITION_REASSIGNMENTS, VERSION_MAX, &request, NULL);
    if (response == NULL) {
        reassign_fail_as(call, 0, call->client.error.text);
    } else if (response->error_code != ERROR_NONE) {
        reassign_fail_as(call, response->error_code, error_message(response->error_code));
        response = NULL;
    }
    return response;
}

const ongoing_move *state_find(const struct list_partition_reassignments_response *ongoing,
                               struct slice topic, int32_t partition) {
    for (int32_t t = 0; t < ongoing->topics_count; t++) {
        for (int32_t p = 0; p < ongoing->topics[t].partitions_count; p++) {
            if (ongoing->topics[t].partitions[p].partition_index == partition &&
                slice_equal(ongoing->topics[t].name, topic)) {
                return &ongoing->topics[t].partitions[p];
            }
        }
    }
    return NULL;
}

void state_dirs(struct kafka_call *call, int32_t broker, struct slice topic, int32_t partition,
                struct slice *current, struct slice *future) {
    struct describe_log_dirs_request_describable_log_dir_topic asked = {
        .topic = topic, .partitions = &partition, .partitions_count = 1};
    struct describe_log_dirs_request request;
    message_init(&describe_log_dirs_request_desc, &request);
    request.topics = &asked;
    request.topics_count = 1;
    *current = SLICE_NULL;
    *future = SLICE_NULL;
    const struct describe_log_dirs_response *response =
        client_call(&call->client, broker, API_DESCRIBE_LOG_DIRS, VERSION_MAX, &request, NULL);
    if (response == NULL) {
        return;
    }
    for (int32_t d = 0; d < response->results_count; d++) {
        for (int32_t t = 0; t < response->results[d].topics_count; t++) {
            const struct describe_log_dirs_response_topic *found = &response->results[d].topics[t];
            for (int32_t p = 0; p < found->partitions_count; p++) {
                if (found->partitions[p].partition_index == partition &&
                    slice_equal(found->name, topic)) {
                    *(found->partitions[p].is_future_key ? future : current) =
                        response->results[d].log_dir;
                }
            }
        }
    }
}

void state_fill_dirs(struct kafka_call *call, struct plan *plan) {
    for (int32_t i = 0; i < plan->count; i++) {
        struct move *move = &plan->moves[i];
        move->dirs =
            arena_array(&call->arena, (size_t)move->replicas.count + 1, sizeof(*move->dirs));
        for (int32_t r = 0; r < move->replicas.count; r++) {
            struct slice future;
            state_dirs(call, move->replicas.items[r], move->topic, move->partition, &move->dirs[r],
                       &future);
            if (slice_is_null(move->dirs[r])) {
                move->dirs[r] = SLICE_LIT("any");
            }
        }
    }
}
