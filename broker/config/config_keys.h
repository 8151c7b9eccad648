/*
 * The configuration keys as data: enum config_id and the tables behind it.
 *
 * Broker keys have an enum config_id; CONFIG_LOG_RETENTION_MS is log.retention.ms. Keys of topics,
 * groups and client-metrics subscriptions stand in tables of their own and name the broker key that
 * supplies their default.
 */
#ifndef BROKER_CONFIG_CONFIG_KEYS_H
#define BROKER_CONFIG_CONFIG_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "broker/config/config_table.h"

/* Numbers as in DescribeConfigs responses. */
enum config_type {
    CONFIG_TYPE_BOOLEAN = 1,
    CONFIG_TYPE_STRING = 2,
    CONFIG_TYPE_INT = 3,
    CONFIG_TYPE_SHORT = 4,
    CONFIG_TYPE_LONG = 5,
    CONFIG_TYPE_DOUBLE = 6,
    CONFIG_TYPE_LIST = 7,
    CONFIG_TYPE_CLASS = 8,
    CONFIG_TYPE_PASSWORD = 9,
};

enum config_mode {
    CONFIG_MODE_READ_ONLY,    /* takes a restart */
    CONFIG_MODE_PER_BROKER,   /* may be changed for one broker */
    CONFIG_MODE_CLUSTER_WIDE, /* may be changed for one broker or for all */
};

enum config_support {
    CONFIG_SUPPORT_HONOURED,
    CONFIG_SUPPORT_IGNORED,     /* known, accepted, without effect: warned about at start */
    CONFIG_SUPPORT_MEANINGLESS, /* about the insides of Kafka: accepted in silence */
    CONFIG_SUPPORT_REFUSED,     /* a value other than the default is an error: ignoring it would
                                   be unsafe */
};

/* clang-format off */
#define CONFIG_ENUM(id, name, type, value, valid, mode, internal, support, doc) CONFIG_##id,
enum config_id {
    CONFIG_NONE = -1,
    CONFIG_BROKER_TABLE(CONFIG_ENUM)
    CONFIG_ID_COUNT
};
#undef CONFIG_ENUM

#define CONFIG_ENUM(id, name, type, value, valid, mode, internal, support, doc) TOPIC_CONFIG_##id,
enum topic_config_id {
    CONFIG_TOPIC_TABLE(CONFIG_ENUM)
    TOPIC_CONFIG_ID_COUNT
};
#undef CONFIG_ENUM
/* clang-format on */

struct config_key {
    const char *name;
    const char *default_value; /* NULL: not set */
    const char *valid;         /* allowed values; see config_value_check() */
    const char *doc;
    enum config_type type;
    enum config_mode mode;     /* of broker keys */
    enum config_id broker_key; /* of the other tables: the key that supplies the default */
    enum config_support support;
    bool internal; /* not listed by DescribeConfigs unless it was set */
};

/* Sorted by name; the index of a broker key is its config_id, of a topic key its topic_config_id.
 */
struct config_key_table {
    const struct config_key *keys;
    int count;
};

/* The table of a resource type (enum config_resource_type); NULL where there is none. */
const struct config_key_table *config_key_table(int8_t resource_type);

static inline bool config_key_sensitive(const struct config_key *key) {
    return key->type == CONFIG_TYPE_PASSWORD;
}

/* The index in the table, or -1. */
int config_key_find(const struct config_key_table *table, struct slice name);

const struct config_key *config_key(enum config_id id);
const struct config_key *topic_config_key(enum topic_config_id id);

/* The broker key of that name (also broker.id), or CONFIG_NONE. */
enum config_id config_id_of(struct slice name);

/*
 * Broker keys that stand in for `id` where it is not set, in order: log.retention.minutes and then
 * log.retention.hours for log.retention.ms. *count may be 0.
 */
const enum config_id *config_fallbacks(enum config_id id, int *count);

#endif
