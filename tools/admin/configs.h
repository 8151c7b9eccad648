/* Configurations of topics, brokers, groups and client metrics. */
#ifndef TOOLS_ADMIN_CONFIGS_H
#define TOOLS_ADMIN_CONFIGS_H

#include "protocol/generated/describe_configs_response.h"
#include "protocol/generated/list_config_resources_response.h"
#include "tools/admin/topics.h"

enum config_resource {
    CONFIG_TOPIC = 2,
    CONFIG_BROKER = 4,
    CONFIG_BROKER_LOGGER = 8,
    CONFIG_CLIENT_METRICS = 16,
    CONFIG_GROUP = 32,
};

enum config_source {
    SOURCE_TOPIC = 1,
    SOURCE_BROKER = 2,
    SOURCE_BROKER_DEFAULT = 3,
    SOURCE_STATIC = 4,
    SOURCE_DEFAULT = 5,
    SOURCE_BROKER_LOGGER = 6,
    SOURCE_CLIENT_METRICS = 7,
    SOURCE_GROUP = 8,
};

/* "DYNAMIC_TOPIC_CONFIG" */
const char *config_source_name(int8_t source);

/* All keys of one resource, sorted by name; an empty broker name is the default of all brokers.
 * NULL with the client's error where no answer came; else see error_code of the result. */
const struct describe_configs_response_result *
configs_describe(struct client *client, enum config_resource type, struct slice name);

struct config_change {
    struct slice name;
    struct slice value; /* null: back to the default */
};
bool configs_alter(struct client *client, enum config_resource type, struct slice name,
                   const struct config_change *changes, int32_t count, struct outcome *outcome);

/* The names of resources of this kind that have a configuration of their own. */
const struct list_config_resources_response *configs_list(struct client *client,
                                                          enum config_resource type);

/* Reorders keys as Java's HashMap would list them, which is how Kafka's tools print them. */
void configs_sort_as_java(struct describe_configs_response_resource_result *configs, int32_t count);

#endif
