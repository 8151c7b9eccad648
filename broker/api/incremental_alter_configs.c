/*
 * IncrementalAlterConfigs (44): broker/controller/decide_configs.c. Loggers are no metadata: the
 * level of this process is changed here, once the rest is decided.
 */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "protocol/generated/incremental_alter_configs_request.h"
#include "protocol/generated/incremental_alter_configs_response.h"
#include "runtime/log.h"

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

/* The level of the process's log stands for Kafka's root logger; it can be set, not removed. */
static struct verdict
alter_logger(const struct request *request,
             const struct incremental_alter_configs_request_alter_configs_resource *r,
             bool validate_only) {
    enum log_level level = LOG_LEVEL_INFO;
    int64_t id;
    if (!slice_parse_i64(r->resource_name, &id) || id != request->at->node->id) {
        return verdict(ERROR_INVALID_REQUEST, "Loggers are changed on the broker they belong to");
    }
    for (int32_t i = 0; i < r->configs_count; i++) {
        if (!slice_equal_str(r->configs[i].name, "root")) {
            return verdict(ERROR_INVALID_CONFIG, "The only logger is root");
        }
        if (r->configs[i].config_operation != 0) {
            return verdict(ERROR_INVALID_REQUEST, "The level of root can only be set");
        }
        if (!parse_level(r->configs[i].value, &level)) {
            return verdict(ERROR_INVALID_CONFIG,
                           "A level is one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL");
        }
    }
    if (r->configs_count > 0 && !validate_only) {
        log_set_level(request->at->node->machine, level);
    }
    return VERDICT_OK;
}

static void *decide(struct decision *d, const struct request *request) {
    const struct incremental_alter_configs_request *body = request->body;
    struct incremental_alter_configs_response *response =
        ARENA_NEW(d->arena, struct incremental_alter_configs_response);
    decide_incremental_alter_configs(d, body, response);
    for (int32_t i = 0; i < body->resources_count; i++) {
        if (body->resources[i].resource_type == CONFIG_RESOURCE_BROKER_LOGGER) {
            struct verdict outcome =
                alter_logger(request, &body->resources[i], body->validate_only);
            response->responses[i].error_code = (int16_t)outcome.error;
            response->responses[i].error_message = outcome.message;
        }
    }
    return response;
}

void api_incremental_alter_configs(struct request *request) {
    controller_request(request, decide);
}
