#include "broker/api/api_error.h"

#include <stddef.h>

#include "broker/server/request.h"
#include "protocol/generated/add_raft_voter_request.h"
#include "protocol/generated/alter_configs_request.h"
#include "protocol/generated/alter_configs_response.h"
#include "protocol/generated/alter_partition_reassignments_request.h"
#include "protocol/generated/alter_partition_reassignments_response.h"
#include "protocol/generated/create_partitions_request.h"
#include "protocol/generated/create_partitions_response.h"
#include "protocol/generated/create_topics_request.h"
#include "protocol/generated/create_topics_response.h"
#include "protocol/generated/delete_topics_request.h"
#include "protocol/generated/delete_topics_response.h"
#include "protocol/generated/elect_leaders_request.h"
#include "protocol/generated/elect_leaders_response.h"
#include "protocol/generated/incremental_alter_configs_request.h"
#include "protocol/generated/incremental_alter_configs_response.h"
#include "protocol/generated/list_partition_reassignments_request.h"
#include "protocol/generated/update_features_request.h"

enum {
    KEY_CREATE_TOPICS = 19,
    KEY_DELETE_TOPICS = 20,
    KEY_ALTER_CONFIGS = 33,
    KEY_CREATE_PARTITIONS = 37,
    KEY_ELECT_LEADERS = 43,
    KEY_INCREMENTAL_ALTER_CONFIGS = 44,
    KEY_ALTER_PARTITION_REASSIGNMENTS = 45,
    KEY_LIST_PARTITION_REASSIGNMENTS = 46,
    KEY_UPDATE_FEATURES = 57,
    KEY_ADD_RAFT_VOTER = 80,
};

/* ---- Responses ------------------------------------------------------------------------------- */

static void fill_create_topics(struct arena *arena, const struct create_topics_request *body,
                               enum kafka_error error, struct create_topics_response *out) {
    out->topics = MESSAGE_ARRAY(arena, create_topics_response_creatable_topic_result,
                                (size_t)body->topics_count);
    out->topics_count = body->topics_count;
    for (int32_t i = 0; i < body->topics_count; i++) {
        out->topics[i].name = body->topics[i].name;
        out->topics[i].error_code = (int16_t)error;
        out->topics[i].error_message = slice_str(error_message((int16_t)error));
    }
}

/* Names up to version 5, names or ids from 6 on. */
static void fill_delete_topics(struct arena *arena, const struct delete_topics_request *body,
                               enum kafka_error error, struct delete_topics_response *out) {
    int32_t count = body->topics_count + body->topic_names_count;
    out->responses =
        MESSAGE_ARRAY(arena, delete_topics_response_deletable_topic_result, (size_t)count);
    out->responses_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct delete_topics_response_deletable_topic_result *result = &out->responses[i];
        if (i < body->topics_count) {
            result->name = body->topics[i].name;
            result->topic_id = body->topics[i].topic_id;
        } else {
            result->name = body->topic_names[i - body->topics_count];
        }
        result->error_code = (int16_t)error;
        result->error_message = slice_str(error_message((int16_t)error));
    }
}

static void fill_create_partitions(struct arena *arena,
                                   const struct create_partitions_request *body,
                                   enum kafka_error error, struct create_partitions_response *out) {
    out->results =
        MESSAGE_ARRAY(arena, create_partitions_response_topic_result, (size_t)body->topics_count);
    out->results_count = body->topics_count;
    for (int32_t i = 0; i < body->topics_count; i++) {
        out->results[i].name = body->topics[i].name;
        out->results[i].error_code = (int16_t)error;
        out->results[i].error_message = slice_str(error_message((int16_t)error));
    }
}

static void fill_alter_configs(struct arena *arena, const struct alter_configs_request *body,
                               enum kafka_error error, struct alter_configs_response *out) {
    out->responses = MESSAGE_ARRAY(arena, alter_configs_response_resource_response,
                                   (size_t)body->resources_count);
    out->responses_count = body->resources_count;
    for (int32_t i = 0; i < body->resources_count; i++) {
        out->responses[i].resource_type = body->resources[i].resource_type;
        out->responses[i].resource_name = body->resources[i].resource_name;
        out->responses[i].error_code = (int16_t)error;
        out->responses[i].error_message = slice_str(error_message((int16_t)error));
    }
}

static void fill_incremental_alter_configs(struct arena *arena,
                                           const struct incremental_alter_configs_request *body,
                                           enum kafka_error error,
                                           struct incremental_alter_configs_response *out) {
    out->responses =
        MESSAGE_ARRAY(arena, incremental_alter_configs_response_alter_configs_resource_response,
                      (size_t)body->resources_count);
    out->responses_count = body->resources_count;
    for (int32_t i = 0; i < body->resources_count; i++) {
        out->responses[i].resource_type = body->resources[i].resource_type;
        out->responses[i].resource_name = body->resources[i].resource_name;
        out->responses[i].error_code = (int16_t)error;
        out->responses[i].error_message = slice_str(error_message((int16_t)error));
    }
}

/* Before there was an error at the top, each partition that was named had it. */
static void fill_elect_leaders(struct arena *arena, int16_t version,
                               const struct elect_leaders_request *body, enum kafka_error error,
                               struct elect_leaders_response *out) {
    if (version > 0) {
        out->error_code = (int16_t)error;
        return;
    }
    int32_t count = body->topic_partitions_count > 0 ? body->topic_partitions_count : 0;
    out->replica_election_results =
        MESSAGE_ARRAY(arena, elect_leaders_response_replica_election_result, (size_t)count);
    out->replica_election_results_count = count;
    for (int32_t t = 0; t < count; t++) {
        const struct elect_leaders_request_topic_partitions *asked = &body->topic_partitions[t];
        struct elect_leaders_response_replica_election_result *topic =
            &out->replica_election_results[t];
        topic->topic = asked->topic;
        topic->partition_result = MESSAGE_ARRAY(arena, elect_leaders_response_partition_result,
                                                (size_t)asked->partitions_count);
        topic->partition_result_count = asked->partitions_count;
        for (int32_t p = 0; p < asked->partitions_count; p++) {
            topic->partition_result[p].partition_id = asked->partitions[p];
            topic->partition_result[p].error_code = (int16_t)error;
            topic->partition_result[p].error_message = slice_str(error_message((int16_t)error));
        }
    }
}

static void fill_reassignments(struct arena *arena,
                               const struct alter_partition_reassignments_request *body,
                               enum kafka_error error,
                               struct alter_partition_reassignments_response *out) {
    out->error_code = (int16_t)error;
    out->error_message = slice_str(error_message((int16_t)error));
    out->responses =
        MESSAGE_ARRAY(arena, alter_partition_reassignments_response_reassignable_topic_response,
                      (size_t)body->topics_count);
    out->responses_count = body->topics_count;
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct alter_partition_reassignments_request_reassignable_topic *asked =
            &body->topics[t];
        struct alter_partition_reassignments_response_reassignable_topic_response *topic =
            &out->responses[t];
        topic->name = asked->name;
        topic->partitions = MESSAGE_ARRAY(
            arena, alter_partition_reassignments_response_reassignable_partition_response,
            (size_t)asked->partitions_count);
        topic->partitions_count = asked->partitions_count;
        for (int32_t p = 0; p < asked->partitions_count; p++) {
            topic->partitions[p].partition_index = asked->partitions[p].partition_index;
            topic->partitions[p].error_code = (int16_t)error;
            topic->partitions[p].error_message = slice_str(error_message((int16_t)error));
        }
    }
}

void api_respond_error(struct request *request, enum kafka_error error) {
    const struct api *api = api_by_key(request->api_key);
    struct arena *arena = &request->arena;
    void *response = arena_alloc(arena, message_size(api->response));
    message_init(api->response, response);
    switch (request->api_key) {
    case KEY_CREATE_TOPICS:
        fill_create_topics(arena, request->body, error, response);
        break;
    case KEY_DELETE_TOPICS:
        fill_delete_topics(arena, request->body, error, response);
        break;
    case KEY_ALTER_CONFIGS:
        fill_alter_configs(arena, request->body, error, response);
        break;
    case KEY_CREATE_PARTITIONS:
        fill_create_partitions(arena, request->body, error, response);
        break;
    case KEY_ELECT_LEADERS:
        fill_elect_leaders(arena, request->version, request->body, error, response);
        break;
    case KEY_INCREMENTAL_ALTER_CONFIGS:
        fill_incremental_alter_configs(arena, request->body, error, response);
        break;
    case KEY_ALTER_PARTITION_REASSIGNMENTS:
        fill_reassignments(arena, request->body, error, response);
        break;
    default:
        if (!message_set_error_code(api->response, response, (int16_t)error)) {
            request_respond_close(request, "the response has no place for its error");
            return;
        }
    }
    request_respond(request, response);
}

/* ---- What a response says -------------------------------------------------------------------- */

#define ANY_NOT_CONTROLLER(array, count)                                                           \
    for (int32_t i = 0; i < (count); i++) {                                                        \
        if ((array)[i].error_code == ERROR_NOT_CONTROLLER) {                                       \
            return ERROR_NOT_CONTROLLER;                                                           \
        }                                                                                          \
    }

enum kafka_error api_response_error(int16_t api_key, const void *response) {
    switch (api_key) {
    case KEY_CREATE_TOPICS: {
        const struct create_topics_response *it = response;
        ANY_NOT_CONTROLLER(it->topics, it->topics_count)
        return ERROR_NONE;
    }
    case KEY_DELETE_TOPICS: {
        const struct delete_topics_response *it = response;
        ANY_NOT_CONTROLLER(it->responses, it->responses_count)
        return ERROR_NONE;
    }
    case KEY_ALTER_CONFIGS: {
        const struct alter_configs_response *it = response;
        ANY_NOT_CONTROLLER(it->responses, it->responses_count)
        return ERROR_NONE;
    }
    case KEY_CREATE_PARTITIONS: {
        const struct create_partitions_response *it = response;
        ANY_NOT_CONTROLLER(it->results, it->results_count)
        return ERROR_NONE;
    }
    case KEY_INCREMENTAL_ALTER_CONFIGS: {
        const struct incremental_alter_configs_response *it = response;
        ANY_NOT_CONTROLLER(it->responses, it->responses_count)
        return ERROR_NONE;
    }
    default: {
        int16_t code = ERROR_NONE;
        message_error_code(api_by_key(api_key)->response, response, &code);
        return (enum kafka_error)code;
    }
    }
}

int64_t api_request_timeout_ms(const struct request *request) {
    const void *body = request->body;
    switch (request->api_key) {
    case KEY_CREATE_TOPICS:
        return ((const struct create_topics_request *)body)->timeout_ms;
    case KEY_DELETE_TOPICS:
        return ((const struct delete_topics_request *)body)->timeout_ms;
    case KEY_CREATE_PARTITIONS:
        return ((const struct create_partitions_request *)body)->timeout_ms;
    case KEY_ELECT_LEADERS:
        return ((const struct elect_leaders_request *)body)->timeout_ms;
    case KEY_ALTER_PARTITION_REASSIGNMENTS:
        return ((const struct alter_partition_reassignments_request *)body)->timeout_ms;
    case KEY_LIST_PARTITION_REASSIGNMENTS:
        return ((const struct list_partition_reassignments_request *)body)->timeout_ms;
    case KEY_UPDATE_FEATURES:
        return ((const struct update_features_request *)body)->timeout_ms;
    case KEY_ADD_RAFT_VOTER:
        return ((const struct add_raft_voter_request *)body)->timeout_ms;
    default:
        return -1;
    }
}
