/*
 * IncrementalAlterConfigs (44): broker/controller/decide_configs.c. Loggers are no metadata: the
 * levels of this process are changed here, once the rest is decided.
 */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "protocol/generated/incremental_alter_configs_request.h"
#include "protocol/generated/incremental_alter_configs_response.h"
#include "runtime/log_levels.h"

static bool parse_level(struct slice text, enum log_level *out) {
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {
        {"TRACE", LOG_LEVEL_DEBUG}, {"DEBUG", LOG_LEVEL_DEBUG}, {"INFO", LOG_LEVEL_INFO},
        {"WARN", LOG_LEVEL_WARN},   {"ERROR", LOG_LEVEL_ERROR}, {"FATAL", LOG_LEVEL_ERROR},
    };
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (slice_equal_str(text, levels[i].name)) {
            *out = levels[i].level;
            return true;
        }
    }
    return false;
}

enum { OP_SET = 0, OP_DELETE = 1 };

/* A logger: root, which is the level of the process's log, or a component of it; and what becomes
 * of it, LOG_LEVEL_COUNT: as root. */
struct logger_change {
    int component;
    enum log_level level;
};

static struct verdict
check_logger(const struct incremental_alter_configs_request_alterable_config *config,
             struct logger_change *out) {
    bool root = slice_equal_str(config->name, "root");
    out->component =
        root ? -1 : log_component_find((const char *)config->name.data, config->name.len);
    out->level = LOG_LEVEL_COUNT;
    if (config->config_operation == OP_SET && !parse_level(config->value, &out->level)) {
        return verdict(ERROR_INVALID_CONFIG,
                       "A level is one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL");
    }
    if (config->config_operation != OP_SET && config->config_operation != OP_DELETE) {
        return verdict(ERROR_INVALID_REQUEST, "The level of a logger can be set and deleted");
    }
    if (!root && out->component < 0) {
        return verdict(ERROR_INVALID_CONFIG, "There is no such logger; DescribeConfigs lists them");
    }
    if (root && config->config_operation == OP_DELETE) {
        return verdict(ERROR_INVALID_REQUEST, "The level of root cannot be deleted");
    }
    return VERDICT_OK;
}

/* All of a resource's loggers, or none. */
static struct verdict
alter_loggers(const struct request *request,
              const struct incremental_alter_configs_request_alter_configs_resource *r,
              bool validate_only) {
    int64_t id;
    if (!slice_parse_i64(r->resource_name, &id) || id != request->at->node->id) {
        return verdict(ERROR_INVALID_REQUEST, "Loggers are changed on the broker they belong to");
    }
    for (int32_t i = 0; i < r->configs_count; i++) {
        struct logger_change change;
        struct verdict ok = check_logger(&r->configs[i], &change);
        if (ok.error != ERROR_NONE) {
            return ok;
        }
    }
    for (int32_t i = 0; i < r->configs_count && !validate_only; i++) {
        struct logger_change change;
        (void)check_logger(&r->configs[i], &change);
        log_levels_set(log_levels(request->at->node->machine), change.component, change.level);
    }
    return VERDICT_OK;
}

static bool named_twice(const struct incremental_alter_configs_request *body, int32_t index) {
    for (int32_t i = 0; i < body->resources_count; i++) {
        if (i != index && body->resources[i].resource_type == CONFIG_RESOURCE_BROKER_LOGGER &&
            slice_equal(body->resources[i].resource_name, body->resources[index].resource_name)) {
            return true;
        }
    }
    return false;
}

static void answer_loggers(const struct request *request,
                           struct incremental_alter_configs_response *response) {
    const struct incremental_alter_configs_request *body = request->body;
    for (int32_t i = 0; i < body->resources_count; i++) {
        if (body->resources[i].resource_type == CONFIG_RESOURCE_BROKER_LOGGER) {
            struct verdict outcome =
                named_twice(body, i)
                    ? verdict(ERROR_INVALID_REQUEST, "The resource is named twice in the request")
                    : alter_loggers(request, &body->resources[i], body->validate_only);
            response->responses[i].error_code = (int16_t)outcome.error;
            response->responses[i].error_message = outcome.message;
            response->responses[i].resource_type = body->resources[i].resource_type;
            response->responses[i].resource_name = body->resources[i].resource_name;
        }
    }
}

static void *decide(struct decision *d, const struct request *request) {
    const struct incremental_alter_configs_request *body = request->body;
    struct incremental_alter_configs_response *response =
        ARENA_NEW(d->arena, struct incremental_alter_configs_response);
    decide_incremental_alter_configs(d, body, response);
    answer_loggers(request, response);
    return response;
}

/* Nothing for the controller: this broker answers by itself. Clients do not mix loggers with other
 * resources; of a request that does, the controller changes its own. */
static bool only_loggers(const struct incremental_alter_configs_request *body) {
    for (int32_t i = 0; i < body->resources_count; i++) {
        if (body->resources[i].resource_type != CONFIG_RESOURCE_BROKER_LOGGER) {
            return false;
        }
    }
    return body->resources_count > 0;
}

void api_incremental_alter_configs(struct request *request) {
    const struct incremental_alter_configs_request *body = request->body;
    if (only_loggers(body)) {
        struct incremental_alter_configs_response response;
        message_init(&incremental_alter_configs_response_desc, &response);
        response.responses_count = body->resources_count;
        response.responses =
            (struct incremental_alter_configs_response_alter_configs_resource_response *)
                arena_array(&request->arena, (size_t)body->resources_count,
                            sizeof(*response.responses));
        answer_loggers(request, &response);
        request_respond(request, &response);
        return;
    }
    controller_request(request, decide);
}
