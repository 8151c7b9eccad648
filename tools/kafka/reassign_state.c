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

struct dir_answer {
    int32_t broker;
    const struct describe_log_dirs_response *response; /* NULL: none */
};

struct dir_answers {
    struct dir_answer *items;
    int32_t count;
};

static const struct dir_answer *find_answer(const struct dir_answers *answers, int32_t broker) {
    for (int32_t i = 0; i < answers->count; i++) {
        if (answers->items[i].broker == broker) {
            return &answers->items[i];
        }
    }
    return NULL;
}

static bool has_replica(const struct move *move, int32_t broker) {
    for (int32_t r = 0; r < move->replicas.count; r++) {
        if (move->replicas.items[r] == broker) {
            return true;
        }
    }
    return false;
}

/* What the broker says of the partitions of the plan that it is to have replicas of; NULL when it
 * does not answer. */
static const struct describe_log_dirs_response *ask_dirs(struct kafka_call *call,
                                                         const struct plan *plan, int32_t broker) {
    typedef struct describe_log_dirs_request_describable_log_dir_topic asked_topic;
    struct describe_log_dirs_request request;
    message_init(&describe_log_dirs_request_desc, &request);
    size_t room = (size_t)plan->count + 1;
    request.topics =
        MESSAGE_ARRAY(&call->arena, describe_log_dirs_request_describable_log_dir_topic, room);
    request.topics_count = 0;
    int32_t *partitions = arena_array(&call->arena, room, sizeof(*partitions));
    for (int32_t i = 0; i < plan->count; i++) {
        const struct move *move = &plan->moves[i];
        if (!has_replica(move, broker)) {
            continue;
        }
        asked_topic *topic = request.topics + request.topics_count;
        if (request.topics_count > 0 && slice_equal(topic[-1].topic, move->topic)) {
            topic--;
        } else {
            *topic = (asked_topic){.topic = move->topic, .partitions = partitions};
            request.topics_count++;
        }
        topic->partitions_count++;
        *partitions++ = move->partition;
    }
    return client_call(&call->client, broker, API_DESCRIBE_LOG_DIRS, VERSION_MAX, &request, NULL);
}

struct dir_answers *state_ask_dirs(struct kafka_call *call, const struct plan *plan) {
    size_t replicas = 0;
    for (int32_t i = 0; i < plan->count; i++) {
        replicas += (size_t)plan->moves[i].replicas.count;
    }
    struct dir_answers *out = ARENA_NEW(&call->arena, struct dir_answers);
    *out =
        (struct dir_answers){.items = arena_array(&call->arena, replicas + 1, sizeof(*out->items))};
    for (int32_t i = 0; i < plan->count; i++) {
        for (int32_t r = 0; r < plan->moves[i].replicas.count; r++) {
            int32_t broker = plan->moves[i].replicas.items[r];
            if (find_answer(out, broker) == NULL) {
                out->items[out->count++] =
                    (struct dir_answer){broker, ask_dirs(call, plan, broker)};
            }
        }
    }
    return out;
}

void state_dirs(const struct dir_answers *answers, int32_t broker, struct slice topic,
                int32_t partition, struct slice *current, struct slice *future) {
    const struct dir_answer *answer = find_answer(answers, broker);
    const struct describe_log_dirs_response *response = answer == NULL ? NULL : answer->response;
    *current = SLICE_NULL;
    *future = SLICE_NULL;
    for (int32_t d = 0; response != NULL && d < response->results_count; d++) {
        for (int32_t t = 0; t < response->results[d].topics_count; t++) {
            const struct describe_log_dirs_response_topic *found = &response->results[d].topics[t];
            for (int32_t p = 0; slice_equal(found->name, topic) && p < found->partitions_count;
                 p++) {
                if (found->partitions[p].partition_index == partition) {
                    *(found->partitions[p].is_future_key ? future : current) =
                        response->results[d].log_dir;
                }
            }
        }
    }
}

void state_fill_dirs(struct kafka_call *call, struct plan *plan) {
    const struct dir_answers *answers = state_ask_dirs(call, plan);
    for (int32_t i = 0; i < plan->count; i++) {
        struct move *move = &plan->moves[i];
        move->dirs =
            arena_array(&call->arena, (size_t)move->replicas.count + 1, sizeof(*move->dirs));
        for (int32_t r = 0; r < move->replicas.count; r++) {
            struct slice future;
            state_dirs(answers, move->replicas.items[r], move->topic, move->partition,
                       &move->dirs[r], &future);
            if (slice_is_null(move->dirs[r])) {
                move->dirs[r] = SLICE_LIT("any");
            }
        }
    }
}
