#include "tools/admin/configs.h"

#include <stdlib.h>

#include "base/memory.h"
#include "protocol/generated/describe_configs_request.h"
#include "protocol/generated/incremental_alter_configs_request.h"
#include "protocol/generated/incremental_alter_configs_response.h"
#include "protocol/generated/list_config_resources_request.h"

#define OPERATION_SET    0
#define OPERATION_DELETE 1

const char *config_source_name(int8_t source) {
    static const char *const names[] = {
        [SOURCE_TOPIC] = "DYNAMIC_TOPIC_CONFIG",
        [SOURCE_BROKER] = "DYNAMIC_BROKER_CONFIG",
        [SOURCE_BROKER_DEFAULT] = "DYNAMIC_DEFAULT_BROKER_CONFIG",
        [SOURCE_STATIC] = "STATIC_BROKER_CONFIG",
        [SOURCE_DEFAULT] = "DEFAULT_CONFIG",
        [SOURCE_BROKER_LOGGER] = "DYNAMIC_BROKER_LOGGER_CONFIG",
        [SOURCE_CLIENT_METRICS] = "DYNAMIC_CLIENT_METRICS_CONFIG",
        [SOURCE_GROUP] = "DYNAMIC_GROUP_CONFIG",
    };
    return source > 0 && (size_t)source < ARRAY_LEN(names) ? names[source] : "UNKNOWN";
}

/* Brokers answer for themselves; the rest is for any. */
static int32_t node_for(enum config_resource type, struct slice name) {
    int64_t id;
    if ((type == CONFIG_BROKER || type == CONFIG_BROKER_LOGGER) && slice_parse_i64(name, &id) &&
        id >= 0 && id <= INT32_MAX) {
        return (int32_t)id;
    }
    return CLIENT_ANY;
}

static int by_name(const void *a, const void *b) {
    return slice_compare(((const struct describe_configs_response_resource_result *)a)->name,
                         ((const struct describe_configs_response_resource_result *)b)->name);
}

const struct describe_configs_response_result *
configs_describe(struct client *client, enum config_resource type, struct slice name) {
    struct describe_configs_request_resource resource = describe_configs_request_resource_defaults;
    resource.resource_name = name;
    resource.resource_type = (int8_t)type;
    resource.configuration_keys_count = -1;
    struct describe_configs_request request;
    message_init(&describe_configs_request_desc, &request);
    request.resources = &resource;
    request.resources_count = 1;
    request.include_synonyms = true;
    const struct describe_configs_response *response = client_call(
        client, node_for(type, name), API_DESCRIBE_CONFIGS, VERSION_MAX, &request, NULL);
    if (response == NULL) {
        return NULL;
    }
    if (response->results_count != 1) {
        errmsg_set(&client->error, "the broker does not tell of this configuration");
        return NULL;
    }
    const struct describe_configs_response_result *result = &response->results[0];
    if (result->configs_count > 0) {
        qsort(result->configs, (size_t)result->configs_count, sizeof(*result->configs), by_name);
    }
    return result;
}

bool configs_alter(struct client *client, enum config_resource type, struct slice name,
                   const struct config_change *changes, int32_t count, struct outcome *outcome) {
    struct incremental_alter_configs_request_alter_configs_resource resource =
        incremental_alter_configs_request_alter_configs_resource_defaults;
    resource.resource_name = name;
    resource.resource_type = (int8_t)type;
    resource.configs = MESSAGE_ARRAY(
        &client->answers, incremental_alter_configs_request_alterable_config, (size_t)count);
    resource.configs_count = count;
    for (int32_t i = 0; i < count; i++) {
        bool delete = slice_is_null(changes[i].value);
        resource.configs[i].name = changes[i].name;
        resource.configs[i].config_operation = delete ? OPERATION_DELETE : OPERATION_SET;
        resource.configs[i].value = delete ? SLICE_LIT("") : changes[i].value;
    }
    struct incremental_alter_configs_request request;
    message_init(&incremental_alter_configs_request_desc, &request);
    request.resources = &resource;
    request.resources_count = 1;
    bool controller = client->controllers && type == CONFIG_BROKER;
    const struct incremental_alter_configs_response *response =
        client_call(client, controller ? CLIENT_ANY : node_for(type, name),
                    API_INCREMENTAL_ALTER_CONFIGS, VERSION_MAX, &request, NULL);
    return OUTCOME_OF_ONE(response, responses, outcome);
}

const struct list_config_resources_response *configs_list(struct client *client,
                                                          enum config_resource type) {
    struct list_config_resources_request request;
    message_init(&list_config_resources_request_desc, &request);
    int8_t wanted = (int8_t)type;
    if (client_serves(client, CLIENT_ANY, API_LIST_CONFIG_RESOURCES, 1)) {
        request.resource_types = &wanted;
        request.resource_types_count = 1;
    } else if (type != CONFIG_CLIENT_METRICS) {
        errmsg_set(&client->error, "the broker does not list configurations of this kind");
        return NULL;
    }
    return client_call(client, CLIENT_ANY, API_LIST_CONFIG_RESOURCES, 1, &request, NULL);
}

/* String.hashCode() with the spreading of HashMap; for ASCII. */
static uint32_t java_hash(struct slice s) {
    uint32_t hash = 0;
    for (size_t i = 0; i < s.len; i++) {
        hash = 31 * hash + s.data[i];
    }
    return hash ^ (hash >> 16);
}

void configs_sort_as_java(struct describe_configs_response_resource_result *configs,
                          int32_t count) {
    uint32_t buckets = 16;
    while (count > 0 && (uint32_t)count > buckets / 4 * 3) {
        buckets *= 2;
    }
    struct describe_configs_response_resource_result *sorted =
        xcalloc((size_t)count + 1, sizeof(*sorted));
    int32_t taken = 0;
    for (uint32_t bucket = 0; bucket < buckets; bucket++) {
        for (int32_t i = 0; i < count; i++) {
            if ((java_hash(configs[i].name) & (buckets - 1)) == bucket) {
                sorted[taken++] = configs[i];
            }
        }
    }
    memcpy(configs, sorted, (size_t)count * sizeof(*configs));
    free(sorted);
}
