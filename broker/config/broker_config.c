/*
 * Effective broker configuration: the static values with the dynamic ones of the image laid over
 * them, the default of all brokers first and then what was set for this broker.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/config/broker_config_internal.h"
#include "broker/metadata/image.h"

struct broker_config *broker_config_new(const struct config *config, int32_t node_id) {
    struct broker_config *broker = NEW(struct broker_config);
    broker->config = config;
    broker->values = config->values;
    broker->node_id = node_id;
    snprintf(broker->node_name, sizeof(broker->node_name), "%" PRId32, node_id);
    arena_init(&broker->texts, SIZE_MAX);
    return broker;
}

void broker_config_free(struct broker_config *config) {
    if (config != NULL) {
        arena_release(&config->texts);
        free(config);
    }
}

/* Values that are not valid, or not dynamic, are passed over: an older or a foreign controller may
 * have let them in. */
static void overlay(struct broker_config *broker, const struct image *image, struct slice name) {
    const struct image_config_resource *resource =
        image_config_resource(image, CONFIG_RESOURCE_BROKER, name);
    if (resource == NULL) {
        return;
    }
    LIST_FOREACH(it, &resource->entries) {
        const struct image_config *entry = CONTAINER_OF(it, struct image_config, link);
        enum config_id id = config_id_of(entry->name);
        if (id == CONFIG_NONE || config_key(id)->mode == CONFIG_MODE_READ_ONLY) {
            continue;
        }
        struct config_slot before = broker->values.slots[id];
        if (!config_values_set(&broker->values, id, arena_dup(&broker->texts, entry->value))) {
            broker->values.slots[id] = before;
        }
    }
}

void broker_config_apply(struct broker_config *config, const struct image *image) {
    arena_release(&config->texts);
    config->values = config->config->values;
    overlay(config, image, slice_make("", 0));
    overlay(config, image, slice_str(config->node_name));
    config_values_derive(&config->values);
}

int64_t broker_config_int(const struct broker_config *config, enum config_id id) {
    ASSERT(config_key(id)->type == CONFIG_TYPE_INT || config_key(id)->type == CONFIG_TYPE_LONG ||
           config_key(id)->type == CONFIG_TYPE_SHORT);
    return config->values.slots[id].number.integer;
}

struct slice broker_config_string(const struct broker_config *config, enum config_id id) {
    return config->values.slots[id].text;
}

static int64_t rate_of(const struct broker_config *config, const struct image *image,
                       const char *name) {
    struct slice value =
        image_config_value(image, CONFIG_RESOURCE_BROKER, slice_str(config->node_name), name);
    if (slice_is_null(value)) {
        value = image_config_value(image, CONFIG_RESOURCE_BROKER, slice_make("", 0), name);
    }
    int64_t rate = 0;
    bool valid = !slice_is_null(value) && slice_parse_i64(config_trim(value), &rate) && rate >= 0;
    return valid ? rate : INT64_MAX;
}

int64_t broker_config_throttled_rate(const struct broker_config *config, const struct image *image,
                                     bool leader) {
    return rate_of(config, image,
                   leader ? "leader.replication.throttled.rate"
                          : "follower.replication.throttled.rate");
}

int64_t broker_config_moving_rate(const struct broker_config *config, const struct image *image) {
    return rate_of(config, image, "replica.alter.log.dirs.io.max.bytes.per.second");
}
