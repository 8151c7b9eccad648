/* Whether a config may be set through CreateTopics and the alter APIs. */
#include <string.h>

#include "base/assert.h"
#include "broker/config/client_match.h"
#include "broker/config/config_internal.h"
#include "broker/metadata/image.h"

/* Longest value that an error message repeats. */
#define SHOWN_VALUE_MAX 128

bool config_is_broker_quota(struct slice name) {
    return slice_equal_str(name, "leader.replication.throttled.rate") ||
           slice_equal_str(name, "follower.replication.throttled.rate") ||
           slice_equal_str(name, "replica.alter.log.dirs.io.max.bytes.per.second");
}

static enum kafka_error invalid_value(const struct config_key *key, struct slice value,
                                      enum kafka_error error, struct errmsg *errmsg) {
    char allowed[256];
    config_value_describe(key, allowed, sizeof(allowed));
    int shown = value.len > SHOWN_VALUE_MAX ? SHOWN_VALUE_MAX : (int)value.len;
    errmsg_set(errmsg, "Invalid value %.*s for configuration %s: allowed is %s", shown,
               (const char *)value.data, key->name, allowed);
    return error;
}

static enum kafka_error validate_broker(struct slice name, struct slice value,
                                        struct errmsg *errmsg) {
    enum config_id id = config_id_of(name);
    enum config_id of_listener = config_listener_key(name);
    if (config_is_listener_key(id) || config_is_listener_key(of_listener)) {
        enum config_id limit = id != CONFIG_NONE ? id : of_listener;
        int64_t number;
        if (!config_listener_value_check(limit, value, &number)) {
            errmsg_set(errmsg,
                       "Invalid value for configuration %.*s: allowed is an int of at least 1",
                       SLICE_ARG(name));
            return ERROR_INVALID_REQUEST;
        }
        return ERROR_NONE;
    }
    if (id == CONFIG_NONE) {
        int64_t rate;
        if (config_is_broker_quota(name) &&
            (!slice_parse_i64(config_trim(value), &rate) || rate < 0)) {
            errmsg_set(errmsg,
                       "Invalid value for configuration %.*s: allowed is a long of at least 0",
                       SLICE_ARG(name));
            return ERROR_INVALID_REQUEST;
        }
        return ERROR_NONE; /* names of plug-ins: Kafka keeps what it does not know */
    }
    const struct config_key *key = config_key(id);
    if (key->mode == CONFIG_MODE_READ_ONLY) {
        errmsg_set(errmsg, "Configuration %s cannot be changed while the broker runs", key->name);
        return ERROR_INVALID_REQUEST;
    }
    union config_number number;
    if (!config_value_check(key, value, &number)) {
        return invalid_value(key, value, ERROR_INVALID_REQUEST, errmsg);
    }
    return ERROR_NONE;
}

enum kafka_error config_validate(int8_t resource_type, struct slice name, struct slice value,
                                 struct errmsg *errmsg) {
    if (slice_is_null(value)) {
        errmsg_set(errmsg, "Null value not supported for configuration %.*s", SLICE_ARG(name));
        return resource_type == CONFIG_RESOURCE_BROKER ? ERROR_INVALID_REQUEST
                                                       : ERROR_INVALID_CONFIG;
    }
    if (resource_type == CONFIG_RESOURCE_BROKER) {
        return validate_broker(name, value, errmsg);
    }
    const struct config_key_table *table = config_key_table(resource_type);
    if (table == NULL) {
        errmsg_set(errmsg, "Unknown resource type %d", resource_type);
        return ERROR_INVALID_REQUEST;
    }
    enum kafka_error error = resource_type == CONFIG_RESOURCE_CLIENT_METRICS ? ERROR_INVALID_REQUEST
                                                                             : ERROR_INVALID_CONFIG;
    int index = config_key_find(table, name);
    if (index < 0) {
        errmsg_set(errmsg, "Unknown configuration %.*s", SLICE_ARG(name));
        return error;
    }
    union config_number number;
    if (resource_type == CONFIG_RESOURCE_CLIENT_METRICS && slice_equal_str(name, "match") &&
        !client_match_valid(value)) {
        errmsg_set(errmsg, "Invalid value for configuration match: allowed are entries key=pattern "
                           "of client_instance_id, client_id, client_software_name, "
                           "client_software_version, client_source_address, client_source_port");
        return ERROR_INVALID_CONFIG;
    }
    if (!config_value_check(&table->keys[index], value, &number)) {
        /* Of a number, Kafka tells one that is out of range from what is none. */
        int64_t any;
        bool is_number = slice_parse_i64(config_trim(value), &any);
        return invalid_value(&table->keys[index], value, is_number ? error : ERROR_INVALID_CONFIG,
                             errmsg);
    }
    if (resource_type == CONFIG_RESOURCE_TOPIC && slice_equal_str(name, "remote.storage.enable") &&
        number.boolean) {
        errmsg_set(errmsg,
                   "This broker has no remote storage: remote.storage.enable must be false");
        return error;
    }
    return ERROR_NONE;
}

bool config_is_list(int8_t resource_type, struct slice name) {
    const struct config_key_table *table = config_key_table(resource_type);
    int index = table == NULL ? -1 : config_key_find(table, name);
    return resource_type != CONFIG_RESOURCE_CLIENT_METRICS && index >= 0 &&
           table->keys[index].type == CONFIG_TYPE_LIST;
}

enum config_id config_listener_key(struct slice name) {
    const struct slice prefix = SLICE_LIT("listener.name.");
    if (name.len < prefix.len || memcmp(name.data, prefix.data, prefix.len) != 0) {
        return CONFIG_NONE;
    }
    const uint8_t *dot = memchr(name.data + prefix.len, '.', name.len - prefix.len);
    return dot == NULL
               ? CONFIG_NONE
               : config_id_of(slice_make(dot + 1, (size_t)(name.data + name.len - (dot + 1))));
}

bool config_is_per_broker(struct slice name) {
    enum config_id id = config_listener_key(name);
    id = id == CONFIG_NONE ? config_id_of(name) : id;
    return id != CONFIG_NONE && config_key(id)->mode == CONFIG_MODE_PER_BROKER;
}
