/*
 * DescribeConfigs (32): configurations of topics, brokers, groups, client-metrics subscriptions and
 * loggers, with where each value comes from (KIP-133, KIP-226, KIP-569).
 */
#include <inttypes.h>

#include "base/assert.h"
#include "broker/api/api.h"
#include "broker/config/config.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "protocol/generated/describe_configs_request.h"
#include "protocol/generated/describe_configs_response.h"
#include "runtime/log_levels.h"
#include "storage/log_dir.h"

/* What is asked of one resource. */
struct question {
    struct request *request;
    const struct describe_configs_request *body;
    const struct describe_configs_request_resource *resource;
    struct describe_configs_response_result *result;
};

static void fail(const struct question *q, enum kafka_error error, const char *text) {
    q->result->error_code = (int16_t)error;
    q->result->error_message = slice_str(text);
}

static bool wanted(const struct question *q, struct slice name) {
    if (q->resource->configuration_keys_count <= 0) {
        return true;
    }
    for (int32_t i = 0; i < q->resource->configuration_keys_count; i++) {
        if (slice_equal(q->resource->configuration_keys[i], name)) {
            return true;
        }
    }
    return false;
}

static void fill_synonyms(const struct question *q, const struct config_explanation *explanation,
                          struct describe_configs_response_resource_result *out) {
    struct arena *arena = &q->request->arena;
    out->synonyms = arena_array(arena, (size_t)explanation->synonym_count, sizeof(*out->synonyms));
    out->synonyms_count = explanation->synonym_count;
    for (int i = 0; i < explanation->synonym_count; i++) {
        const struct config_synonym *synonym = &explanation->synonyms[i];
        out->synonyms[i] = (struct describe_configs_response_synonym){
            .name = slice_str(synonym->name),
            .value = synonym->value,
            .source = (int8_t)synonym->source,
        };
    }
}

static void fill_config(const struct question *q, const struct config_explanation *explanation,
                        struct describe_configs_response_resource_result *out) {
    bool knows_sources = q->request->version >= 1;
    *out = (struct describe_configs_response_resource_result){
        .name = explanation->name,
        .value = explanation->value,
        .read_only = explanation->read_only,
        .is_sensitive = explanation->sensitive,
        .is_default = !knows_sources && explanation->source == CONFIG_SOURCE_DEFAULT,
        .config_source = (int8_t)explanation->source,
        .config_type = (int8_t)(explanation->key == NULL ? 0 : explanation->key->type),
    };
    if (q->body->include_synonyms) {
        fill_synonyms(q, explanation, out);
    }
    if (q->body->include_documentation && explanation->key != NULL) {
        out->documentation = slice_str(explanation->key->doc);
    }
}

static void answer(const struct question *q) {
    const struct node_shard *at = q->request->at;
    struct arena *arena = &q->request->arena;
    struct config_explanation *explanations;
    int count;
    config_explain(at->config, at->image, q->resource->resource_type, q->resource->resource_name,
                   arena, &explanations, &count);
    q->result->configs = arena_array(arena, (size_t)count, sizeof(*q->result->configs));
    q->result->configs_count = 0;
    for (int i = 0; i < count; i++) {
        if (wanted(q, explanations[i].name)) {
            fill_config(q, &explanations[i], &q->result->configs[q->result->configs_count++]);
        }
    }
}

/* The level of the process's log is Kafka's root logger; the others are its components. */
static void answer_loggers(const struct question *q) {
    static const char *const levels[LOG_LEVEL_COUNT] = {"DEBUG", "INFO", "WARN", "ERROR"};
    const struct log_levels *all = log_levels(q->request->at->node->machine);
    q->result->configs =
        arena_array(&q->request->arena, LOG_COMPONENT_COUNT + 1, sizeof(*q->result->configs));
    for (int i = -1; i < LOG_COMPONENT_COUNT; i++) {
        struct slice name = slice_str(i < 0 ? "root" : log_component_name(i));
        if (wanted(q, name)) {
            q->result->configs[q->result->configs_count++] =
                (struct describe_configs_response_resource_result){
                    .name = name,
                    .value = slice_str(levels[log_levels_get(all, i)]),
                    .config_source = CONFIG_SOURCE_DYNAMIC_BROKER_LOGGER,
                };
        }
    }
}

/* Whether the resource's name is this broker's id. */
static bool is_own_id(const struct question *q) {
    int64_t id;
    return slice_parse_i64(q->resource->resource_name, &id) && id == q->request->at->node->id;
}

static void answer_topic(const struct question *q) {
    if (!topic_name_valid(q->resource->resource_name)) {
        fail(q, ERROR_INVALID_TOPIC_EXCEPTION, "Not a valid name of a topic");
    } else if (image_topic_by_name(q->request->at->image, q->resource->resource_name) == NULL) {
        fail(q, ERROR_UNKNOWN_TOPIC_OR_PARTITION, "");
    } else {
        answer(q);
    }
}

static void answer_one(const struct question *q) {
    switch (q->resource->resource_type) {
    case CONFIG_RESOURCE_TOPIC:
        answer_topic(q);
        return;
    case CONFIG_RESOURCE_BROKER:
        if (q->resource->resource_name.len > 0 && !is_own_id(q)) {
            fail(q, ERROR_INVALID_REQUEST,
                 arena_printf(&q->request->arena,
                              "The broker id must be %" PRId32 " or empty, which is the default of "
                              "all brokers",
                              q->request->at->node->id));
            return;
        }
        answer(q);
        return;
    case CONFIG_RESOURCE_BROKER_LOGGER:
        if (!is_own_id(q)) {
            fail(q, ERROR_INVALID_REQUEST, "Loggers are described by the broker they belong to");
            return;
        }
        answer_loggers(q);
        return;
    case CONFIG_RESOURCE_CLIENT_METRICS:
    case CONFIG_RESOURCE_GROUP:
        if (q->resource->resource_name.len == 0) {
            fail(q, ERROR_INVALID_REQUEST, "The name of the resource must not be empty");
            return;
        }
        answer(q);
        return;
    default:
        break; /* refused before */
    }
}

/* One resource of a type that is not known spoils the others, as in Kafka. */
static bool any_type_unknown(const struct describe_configs_request *body) {
    for (int32_t i = 0; i < body->resources_count; i++) {
        switch (body->resources[i].resource_type) {
        case CONFIG_RESOURCE_TOPIC:
        case CONFIG_RESOURCE_BROKER:
        case CONFIG_RESOURCE_BROKER_LOGGER:
        case CONFIG_RESOURCE_CLIENT_METRICS:
        case CONFIG_RESOURCE_GROUP:
            break;
        default:
            return true;
        }
    }
    return false;
}

void api_describe_configs(struct request *request) {
    const struct describe_configs_request *body = request->body;
    struct describe_configs_response response = {0};
    response.results =
        arena_array(&request->arena, (size_t)body->resources_count, sizeof(*response.results));
    response.results_count = body->resources_count;
    bool refused = any_type_unknown(body);
    for (int32_t i = 0; i < body->resources_count; i++) {
        struct question q = {
            .request = request,
            .body = body,
            .resource = &body->resources[i],
            .result = &response.results[i],
        };
        *q.result = (struct describe_configs_response_result){
            .resource_type = q.resource->resource_type,
            .resource_name = q.resource->resource_name,
            .error_message = SLICE_LIT(""),
        };
        if (refused) {
            fail(&q, ERROR_INVALID_REQUEST, "The request names a type of resource that is unknown");
        } else {
            answer_one(&q);
        }
    }
    request_respond(request, &response);
}
