#include "broker/config/config_keys.h"

#include "base/assert.h"
#include "broker/metadata/image.h"

#define BROKER_KEY(id, name, type, value, valid, mode, internal, support, doc)                     \
    {name,                                                                                         \
     value,                                                                                        \
     valid,                                                                                        \
     doc,                                                                                          \
     CONFIG_TYPE_##type,                                                                           \
     CONFIG_MODE_##mode,                                                                           \
     CONFIG_NONE,                                                                                  \
     CONFIG_SUPPORT_##support,                                                                     \
     internal},
#define OTHER_KEY(id, name, type, value, valid, broker_key, internal, support, doc)                \
    {name,                                                                                         \
     value,                                                                                        \
     valid,                                                                                        \
     doc,                                                                                          \
     CONFIG_TYPE_##type,                                                                           \
     CONFIG_MODE_READ_ONLY,                                                                        \
     broker_key,                                                                                   \
     CONFIG_SUPPORT_##support,                                                                     \
     internal},

static const struct config_key broker_keys[] = {CONFIG_BROKER_TABLE(BROKER_KEY)};
static const struct config_key topic_keys[] = {CONFIG_TOPIC_TABLE(OTHER_KEY)};
static const struct config_key group_keys[] = {CONFIG_GROUP_TABLE(OTHER_KEY)};
static const struct config_key client_metrics_keys[] = {CONFIG_CLIENT_METRICS_TABLE(OTHER_KEY)};

static const struct config_key_table broker_table = {broker_keys, ARRAY_LEN(broker_keys)};
static const struct config_key_table topic_table = {topic_keys, ARRAY_LEN(topic_keys)};
static const struct config_key_table group_table = {group_keys, ARRAY_LEN(group_keys)};
static const struct config_key_table client_metrics_table = {client_metrics_keys,
                                                             ARRAY_LEN(client_metrics_keys)};

const struct config_key_table *config_key_table(int8_t resource_type) {
    switch (resource_type) {
    case CONFIG_RESOURCE_TOPIC:
        return &topic_table;
    case CONFIG_RESOURCE_BROKER:
        return &broker_table;
    case CONFIG_RESOURCE_CLIENT_METRICS:
        return &client_metrics_table;
    case CONFIG_RESOURCE_GROUP:
        return &group_table;
    default:
        return NULL;
    }
}

int config_key_find(const struct config_key_table *table, struct slice name) {
    int low = 0;
    int high = table->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = slice_compare(name, slice_str(table->keys[middle].name));
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return -1;
}

const struct config_key *config_key(enum config_id id) {
    ASSERT(id >= 0 && id < CONFIG_ID_COUNT);
    return &broker_keys[id];
}

const struct config_key *topic_config_key(enum topic_config_id id) {
    ASSERT((int)id >= 0 && id < TOPIC_CONFIG_ID_COUNT);
    return &topic_keys[id];
}

enum config_id config_id_of(struct slice name) {
    int index = config_key_find(&broker_table, name);
    return index < 0 ? CONFIG_NONE : (enum config_id)index;
}

/* Kafka's synonyms: the finer unit wins over the coarser one. */
static const enum config_id retention_fallbacks[] = {CONFIG_LOG_RETENTION_MINUTES,
                                                     CONFIG_LOG_RETENTION_HOURS};
static const enum config_id roll_fallbacks[] = {CONFIG_LOG_ROLL_HOURS};
static const enum config_id jitter_fallbacks[] = {CONFIG_LOG_ROLL_JITTER_HOURS};
static const enum config_id flush_fallbacks[] = {CONFIG_LOG_FLUSH_SCHEDULER_INTERVAL_MS};
static const enum config_id log_dirs_fallbacks[] = {CONFIG_LOG_DIR};
static const enum config_id node_id_fallbacks[] = {CONFIG_BROKER_ID};

static const struct {
    enum config_id id;
    const enum config_id *fallbacks;
    int count;
} fallback_lists[] = {
    {CONFIG_LOG_RETENTION_MS, retention_fallbacks, ARRAY_LEN(retention_fallbacks)},
    {CONFIG_LOG_ROLL_MS, roll_fallbacks, ARRAY_LEN(roll_fallbacks)},
    {CONFIG_LOG_ROLL_JITTER_MS, jitter_fallbacks, ARRAY_LEN(jitter_fallbacks)},
    {CONFIG_LOG_FLUSH_INTERVAL_MS, flush_fallbacks, ARRAY_LEN(flush_fallbacks)},
    {CONFIG_LOG_DIRS, log_dirs_fallbacks, ARRAY_LEN(log_dirs_fallbacks)},
    {CONFIG_NODE_ID, node_id_fallbacks, ARRAY_LEN(node_id_fallbacks)},
};

const enum config_id *config_fallbacks(enum config_id id, int *count) {
    for (size_t i = 0; i < ARRAY_LEN(fallback_lists); i++) {
        if (fallback_lists[i].id == id) {
            *count = fallback_lists[i].count;
            return fallback_lists[i].fallbacks;
        }
    }
    *count = 0;
    return NULL;
}
