/*
 * AlterConfigs and IncrementalAlterConfigs.
 *
 * The first replaces all overrides of a resource: what it does not name is deleted. The second
 * changes one override at a time (KIP-339). Loggers never come here: they are not metadata, the
 * API handler changes them on the broker that was asked.
 */
#include "base/buffer.h"
#include "broker/config/config.h"
#include "broker/config/config_value.h"
#include "broker/controller/partition_change.h"
#include "protocol/generated/alter_configs_request.h"
#include "protocol/generated/alter_configs_response.h"
#include "protocol/generated/clear_elr_record.h"
#include "protocol/generated/config_record.h"
#include "protocol/generated/incremental_alter_configs_request.h"
#include "protocol/generated/incremental_alter_configs_response.h"
#include "protocol/message.h"
#include "storage/log_dir.h"

enum operation { OP_SET = 0, OP_DELETE = 1, OP_APPEND = 2, OP_SUBTRACT = 3 };

/* A resource that is being changed. */
struct target {
    int8_t type;
    struct slice name;
};

void add_config_record(struct decision *d, int8_t type, struct slice resource, struct slice name,
                       struct slice value) {
    struct config_record record;
    message_init(&config_record_desc, &record);
    record.resource_type = type;
    record.resource_name = resource;
    record.name = name;
    record.value = value;
    record_list_add(&d->records, RECORD_CONFIG, 0, &config_record_desc, &record);
}

static struct verdict check_value(const struct decision *d, struct target target, struct slice name,
                                  struct slice value) {
    struct errmsg errmsg = {{0}};
    enum kafka_error error = config_validate(target.type, name, value, &errmsg);
    return error == ERROR_NONE ? VERDICT_OK : verdict_printf(d, error, "%s", errmsg.text);
}

struct verdict check_topic_config(const struct decision *d, struct slice name, struct slice value) {
    if (slice_is_null(value)) {
        return verdict_printf(d, ERROR_INVALID_CONFIG, "The value of '%.*s' must not be null",
                              SLICE_ARG(name));
    }
    return check_value(d, (struct target){CONFIG_RESOURCE_TOPIC, SLICE_NULL}, name, value);
}

struct verdict check_compaction_lags(const struct decision *d, struct slice min, struct slice max) {
    int64_t least;
    int64_t most;
    if (slice_is_null(min) || slice_is_null(max) || !slice_parse_i64(config_trim(min), &least) ||
        !slice_parse_i64(config_trim(max), &most) || least <= most) {
        return VERDICT_OK;
    }
    return verdict_printf(d, ERROR_INVALID_CONFIG,
                          "min.compaction.lag.ms (%lld) is more than max.compaction.lag.ms (%lld)",
                          (long long)least, (long long)most);
}

/* ---- Resources ------------------------------------------------------------------------------- */

static struct verdict check_topic_name(struct slice name) {
    if (name.len == 0) {
        return verdict(ERROR_INVALID_REQUEST, "The configuration of all topics cannot be set");
    }
    return topic_name_valid(name)
               ? VERDICT_OK
               : verdict(ERROR_INVALID_TOPIC_EXCEPTION, "Not a valid name of a topic");
}

/* Asked last: what is wrong with a value is said first. */
static struct verdict check_topic_exists(const struct decision *d, struct target target) {
    if (target.type != CONFIG_RESOURCE_TOPIC ||
        image_topic_by_name(d->image, target.name) != NULL) {
        return VERDICT_OK;
    }
    return verdict_printf(d, ERROR_UNKNOWN_TOPIC_OR_PARTITION, "The topic '%.*s' does not exist.",
                          SLICE_ARG(target.name));
}

static struct verdict check_broker(const struct decision *d, struct slice name) {
    int64_t id;
    if (name.len == 0) {
        return VERDICT_OK;
    }
    if (!slice_parse_i64(name, &id) || id < 0 || id > INT32_MAX) {
        return verdict(ERROR_INVALID_REQUEST, "The name of a broker resource is its id, or empty");
    }
    return image_broker(d->image, (int32_t)id) != NULL
               ? VERDICT_OK
               : verdict_printf(d, ERROR_INVALID_REQUEST, "No broker has the id %d", (int)id);
}

static struct verdict check_resource(const struct decision *d, struct target target) {
    switch (target.type) {
    case CONFIG_RESOURCE_TOPIC:
        return check_topic_name(target.name);
    case CONFIG_RESOURCE_BROKER:
        return check_broker(d, target.name);
    case CONFIG_RESOURCE_CLIENT_METRICS:
    case CONFIG_RESOURCE_GROUP:
        return target.name.len > 0
                   ? VERDICT_OK
                   : verdict(ERROR_INVALID_REQUEST, "The name of the resource must not be empty");
    default:
        return verdict_printf(d, ERROR_INVALID_REQUEST, "Configurations of type %d cannot be set",
                              target.type);
    }
}

static struct slice current(const struct decision *d, struct target target, struct slice name) {
    const struct image_config_resource *resource =
        image_config_resource(d->image, target.type, target.name);
    if (resource != NULL) {
        LIST_FOREACH(it, &resource->entries) {
            const struct image_config *entry = CONTAINER_OF(it, struct image_config, link);
            if (slice_equal(entry->name, name)) {
                return entry->value;
            }
        }
    }
    return SLICE_NULL;
}

/* Everybody must count with the same min.insync.replicas where that decides who is eligible to
 * lead: there is one for the cluster, and none for single brokers. */
static struct verdict check_min_isr(const struct decision *d, struct target target,
                                    struct slice value) {
    if (target.type != CONFIG_RESOURCE_BROKER || !elr_enabled(d->image)) {
        return VERDICT_OK;
    }
    if (target.name.len > 0) {
        return verdict(ERROR_INVALID_CONFIG,
                       "min.insync.replicas of one broker cannot be changed while eligible leader "
                       "replicas are enabled");
    }
    return slice_is_null(value)
               ? verdict(ERROR_INVALID_CONFIG,
                         "min.insync.replicas of the cluster cannot be removed while eligible "
                         "leader replicas are enabled")
               : VERDICT_OK;
}

/* Who is eligible was told by the value before. */
static void clear_elr(struct decision *d, struct target target) {
    if (!elr_enabled(d->image)) {
        return;
    }
    struct clear_elr_record record;
    message_init(&clear_elr_record_desc, &record);
    record.topic_name = target.type == CONFIG_RESOURCE_TOPIC ? target.name : SLICE_LIT("");
    record_list_add(&d->records, RECORD_CLEAR_ELR, 0, &clear_elr_record_desc, &record);
}

/* Emits what was checked. */
static void put_one(struct decision *d, struct target target, struct slice name,
                    struct slice value) {
    bool changes = !slice_equal(current(d, target, name), value);
    /* Brokers reload what a value points to (key stores) when its record comes again. */
    if (changes || target.type == CONFIG_RESOURCE_BROKER) {
        add_config_record(d, target.type, target.name, name, value);
    }
    if (changes && slice_equal_str(name, "min.insync.replicas")) {
        clear_elr(d, target);
    }
}

/* Checks and emits one override; a null value deletes it. */
static struct verdict set_one(struct decision *d, struct target target, struct slice name,
                              struct slice value) {
    if (!slice_is_null(value)) {
        struct verdict ok = check_value(d, target, name, value);
        if (ok.error != ERROR_NONE) {
            return ok;
        }
        if (target.type == CONFIG_RESOURCE_BROKER && target.name.len == 0 &&
            config_is_per_broker(name)) {
            return verdict_printf(d, ERROR_INVALID_REQUEST,
                                  "'%.*s' can only be set for one broker, not for all",
                                  SLICE_ARG(name));
        }
    }
    if (slice_equal_str(name, "min.insync.replicas")) {
        struct verdict ok = check_min_isr(d, target, value);
        if (ok.error != ERROR_NONE) {
            return ok;
        }
    }
    put_one(d, target, name, value);
    return VERDICT_OK;
}

/* ---- What one value alone does not tell ------------------------------------------------------ */

/* Nobody gets in with 0 connections for each address and no exceptions: not even who would set it
 * back. Null: not changed. */
static struct verdict check_per_ip(const struct decision *d, struct slice per_ip,
                                   struct slice overrides) {
    int64_t max;
    if (slice_is_null(per_ip)) {
        per_ip = broker_config_string(d->broker, CONFIG_MAX_CONNECTIONS_PER_IP);
    }
    if (slice_is_null(overrides)) {
        overrides = broker_config_string(d->broker, CONFIG_MAX_CONNECTIONS_PER_IP_OVERRIDES);
    }
    if (!slice_parse_i64(config_trim(per_ip), &max) || max != 0 || config_trim(overrides).len > 0) {
        return VERDICT_OK;
    }
    return verdict(ERROR_INVALID_REQUEST,
                   "max.connections.per.ip may be 0 only when max.connections.per.ip.overrides "
                   "names addresses");
}

/* ---- Lists ----------------------------------------------------------------------------------- */

static struct slice list_base(const struct decision *d, struct target target, struct slice name) {
    struct slice value = current(d, target, name);
    const struct config_key_table *table = config_key_table(target.type);
    int index = table == NULL ? -1 : config_key_find(table, name);
    return slice_is_null(value) && index >= 0 ? slice_str(table->keys[index].default_value) : value;
}

static bool list_has(struct slice list, struct slice wanted) {
    struct slice entry;
    while (config_list_next(&list, &entry)) {
        if (slice_equal(entry, wanted)) {
            return true;
        }
    }
    return false;
}

static void put_entry(struct buffer *out, struct slice entry) {
    if (entry.len > 0) {
        buffer_append_str(out, out->len > 0 ? "," : "");
        buffer_append_slice(out, entry);
    }
}

/* The list with the operands added (those it lacks) or taken out. */
static struct slice change_list(const struct decision *d, struct slice list, struct slice operands,
                                bool append) {
    struct buffer out;
    struct slice entry;
    struct slice rest = list;
    buffer_init(&out, SIZE_MAX);
    while (!slice_is_null(rest) && config_list_next(&rest, &entry)) {
        if (append || !list_has(operands, entry)) {
            put_entry(&out, entry);
        }
    }
    for (rest = operands; append && config_list_next(&rest, &entry);) {
        if (slice_is_null(list) || !list_has(list, entry)) {
            put_entry(&out, entry);
        }
    }
    if (append && config_trim(operands).len == 0) {
        buffer_append_str(&out, ","); /* an empty entry, which the check of the value refuses */
    }
    struct slice copy = arena_dup(d->arena, buffer_slice(&out));
    buffer_release(&out);
    return copy;
}

/* ---- IncrementalAlterConfigs ----------------------------------------------------------------- */

static struct verdict
alter_one(struct decision *d, struct target target,
          const struct incremental_alter_configs_request_alterable_config *config) {
    switch (config->config_operation) {
    case OP_SET:
        return set_one(d, target, config->name, config->value);
    case OP_DELETE:
        return set_one(d, target, config->name, SLICE_NULL);
    case OP_APPEND:
    case OP_SUBTRACT:
        return set_one(d, target, config->name,
                       change_list(d, list_base(d, target, config->name), config->value,
                                   config->config_operation == OP_APPEND));
    default:
        return verdict_printf(d, ERROR_INVALID_REQUEST, "Unknown operation %d",
                              config->config_operation);
    }
}

/* Only lists can be appended to and subtracted from. */
static struct verdict
check_operations(const struct decision *d,
                 const struct incremental_alter_configs_request_alter_configs_resource *request) {
    for (int32_t i = 0; i < request->configs_count; i++) {
        int8_t operation = request->configs[i].config_operation;
        if ((operation == OP_APPEND || operation == OP_SUBTRACT) &&
            !config_is_list(request->resource_type, request->configs[i].name)) {
            return verdict_printf(d, ERROR_INVALID_CONFIG,
                                  "'%.*s' is not a list: nothing can be appended to it or "
                                  "subtracted from it",
                                  SLICE_ARG(request->configs[i].name));
        }
    }
    return VERDICT_OK;
}

/* Of a topic the operations come first, of others the resource: Kafka's order. */
static struct verdict
check_request(const struct decision *d,
              const struct incremental_alter_configs_request_alter_configs_resource *request) {
    struct target target = {request->resource_type, request->resource_name};
    bool is_topic = target.type == CONFIG_RESOURCE_TOPIC;
    struct verdict ok = is_topic ? check_operations(d, request) : check_resource(d, target);
    if (ok.error != ERROR_NONE) {
        return ok;
    }
    return is_topic ? check_resource(d, target) : check_operations(d, request);
}

static struct verdict alter_incrementally(
    struct decision *d,
    const struct incremental_alter_configs_request_alter_configs_resource *request) {
    struct target target = {request->resource_type, request->resource_name};
    if (request->configs_count > DECISION_RECORDS_MAX) {
        return verdict(ERROR_POLICY_VIOLATION, "More than 10000 settings for one resource");
    }
    for (int32_t i = 0; i < request->configs_count; i++) {
        for (int32_t j = 0; j < i; j++) {
            if (slice_equal(request->configs[i].name, request->configs[j].name)) {
                return verdict_printf(d, ERROR_INVALID_REQUEST, "'%.*s' is named twice",
                                      SLICE_ARG(request->configs[i].name));
            }
        }
        if (request->configs[i].config_operation != OP_DELETE &&
            slice_is_null(request->configs[i].value)) {
            return verdict_printf(d, ERROR_INVALID_REQUEST, "The value of '%.*s' is null",
                                  SLICE_ARG(request->configs[i].name));
        }
    }
    struct slice min_lag = current(d, target, SLICE_LIT("min.compaction.lag.ms"));
    struct slice max_lag = current(d, target, SLICE_LIT("max.compaction.lag.ms"));
    struct slice per_ip = SLICE_NULL;
    struct slice overrides = SLICE_NULL;
    struct verdict ok = check_request(d, request);
    for (int32_t i = 0; i < request->configs_count && ok.error == ERROR_NONE; i++) {
        struct slice value =
            request->configs[i].config_operation == OP_SET ? request->configs[i].value : SLICE_NULL;
        enum config_id id = config_id_of(request->configs[i].name);
        if (id == CONFIG_MAX_CONNECTIONS_PER_IP) {
            per_ip = slice_is_null(value) ? config_key_default(config_key(id)) : value;
        } else if (id == CONFIG_MAX_CONNECTIONS_PER_IP_OVERRIDES) {
            overrides = slice_is_null(value) ? config_key_default(config_key(id)) : value;
        }
        if (slice_equal_str(request->configs[i].name, "min.compaction.lag.ms")) {
            min_lag = value;
        } else if (slice_equal_str(request->configs[i].name, "max.compaction.lag.ms")) {
            max_lag = value;
        }
        ok = alter_one(d, target, &request->configs[i]);
    }
    if (ok.error == ERROR_NONE && target.type == CONFIG_RESOURCE_TOPIC) {
        ok = check_compaction_lags(d, min_lag, max_lag);
    }
    if (ok.error == ERROR_NONE && target.type == CONFIG_RESOURCE_BROKER) {
        ok = check_per_ip(d, per_ip, overrides);
    }
    return ok.error == ERROR_NONE ? check_topic_exists(d, target) : ok;
}

/* Whether resource i of a request may be decided on. */
static struct verdict check_named(const struct target *targets, int32_t count, int32_t i) {
    if (count > DECISION_RECORDS_MAX) {
        return verdict(ERROR_POLICY_VIOLATION, "The request names more than 10000 resources");
    }
    for (int32_t j = 0; j < count; j++) {
        if (j != i && targets[j].type == targets[i].type &&
            slice_equal(targets[j].name, targets[i].name)) {
            return verdict(ERROR_INVALID_REQUEST, "The resource is named twice in the request");
        }
    }
    return VERDICT_OK;
}

/* Each resource is decided by itself: the records of one that fails are taken back. */
static void end_resource(struct decision *d, int before, bool validate_only,
                         struct verdict *outcome) {
    decision_check_size(d, outcome);
    if (outcome->error != ERROR_NONE || validate_only) {
        decision_rewind(d, before);
    }
}

void decide_incremental_alter_configs(struct decision *d,
                                      const struct incremental_alter_configs_request *request,
                                      struct incremental_alter_configs_response *response) {
    int32_t count = request->resources_count;
    message_init(&incremental_alter_configs_response_desc, response);
    response->responses_count = count;
    response->responses =
        (struct incremental_alter_configs_response_alter_configs_resource_response *)arena_array(
            d->arena, (size_t)count, sizeof(*response->responses));
    struct target *targets =
        (struct target *)arena_array(d->arena, (size_t)count, sizeof(*targets));
    for (int32_t i = 0; i < count; i++) {
        targets[i] = (struct target){request->resources[i].resource_type,
                                     request->resources[i].resource_name};
    }
    for (int32_t i = 0; i < count; i++) {
        const struct incremental_alter_configs_request_alter_configs_resource *resource =
            &request->resources[i];
        int before = d->records.count;
        struct verdict outcome = check_named(targets, count, i);
        if (outcome.error == ERROR_NONE) {
            outcome = alter_incrementally(d, resource);
        }
        end_resource(d, before, request->validate_only, &outcome);
        response->responses[i].error_code = (int16_t)outcome.error;
        response->responses[i].error_message = outcome.message;
        response->responses[i].resource_type = resource->resource_type;
        response->responses[i].resource_name = resource->resource_name;
    }
}

/* ---- AlterConfigs ---------------------------------------------------------------------------- */

static struct verdict replace_all(struct decision *d,
                                  const struct alter_configs_request_resource *request) {
    struct target target = {request->resource_type, request->resource_name};
    if (request->configs_count > DECISION_RECORDS_MAX) {
        return verdict(ERROR_POLICY_VIOLATION, "More than 10000 settings for one resource");
    }
    for (int32_t i = 0; i < request->configs_count; i++) {
        if (slice_is_null(request->configs[i].value)) {
            return verdict_printf(d, ERROR_INVALID_REQUEST, "The value of '%.*s' is null",
                                  SLICE_ARG(request->configs[i].name));
        }
        for (int32_t j = 0; j < i; j++) {
            if (slice_equal(request->configs[i].name, request->configs[j].name)) {
                return verdict_printf(d, ERROR_INVALID_REQUEST, "'%.*s' is named twice",
                                      SLICE_ARG(request->configs[i].name));
            }
        }
    }
    struct slice per_ip = SLICE_NULL;
    struct slice overrides = SLICE_NULL;
    struct verdict ok = check_resource(d, target);
    for (int32_t i = 0; i < request->configs_count && ok.error == ERROR_NONE; i++) {
        enum config_id id = config_id_of(request->configs[i].name);
        if (id == CONFIG_MAX_CONNECTIONS_PER_IP) {
            per_ip = request->configs[i].value;
        } else if (id == CONFIG_MAX_CONNECTIONS_PER_IP_OVERRIDES) {
            overrides = request->configs[i].value;
        }
        ok = set_one(d, target, request->configs[i].name, request->configs[i].value);
    }
    if (ok.error == ERROR_NONE && target.type == CONFIG_RESOURCE_BROKER) {
        ok = check_per_ip(d, per_ip, overrides);
    }
    if (ok.error == ERROR_NONE) {
        ok = check_topic_exists(d, target);
    }
    const struct image_config_resource *resource =
        image_config_resource(d->image, target.type, target.name);
    if (ok.error != ERROR_NONE || resource == NULL) {
        return ok;
    }
    LIST_FOREACH(it, &resource->entries) {
        const struct image_config *entry = CONTAINER_OF(it, struct image_config, link);
        bool kept = false;
        for (int32_t i = 0; i < request->configs_count && !kept; i++) {
            kept = slice_equal(request->configs[i].name, entry->name);
        }
        if (!kept && slice_equal_str(entry->name, "min.insync.replicas")) {
            ok = check_min_isr(d, target, SLICE_NULL);
            if (ok.error != ERROR_NONE) {
                return ok;
            }
        }
        if (!kept) {
            put_one(d, target, entry->name, SLICE_NULL);
        }
    }
    return VERDICT_OK;
}

void decide_alter_configs(struct decision *d, const struct alter_configs_request *request,
                          struct alter_configs_response *response) {
    int32_t count = request->resources_count;
    message_init(&alter_configs_response_desc, response);
    response->responses_count = count;
    response->responses = (struct alter_configs_response_resource_response *)arena_array(
        d->arena, (size_t)count, sizeof(*response->responses));
    struct target *targets =
        (struct target *)arena_array(d->arena, (size_t)count, sizeof(*targets));
    for (int32_t i = 0; i < count; i++) {
        targets[i] = (struct target){request->resources[i].resource_type,
                                     request->resources[i].resource_name};
    }
    for (int32_t i = 0; i < count; i++) {
        const struct alter_configs_request_resource *resource = &request->resources[i];
        int before = d->records.count;
        struct verdict outcome = check_named(targets, count, i);
        if (outcome.error == ERROR_NONE) {
            outcome = replace_all(d, resource);
        }
        end_resource(d, before, request->validate_only, &outcome);
        response->responses[i].error_code = (int16_t)outcome.error;
        response->responses[i].error_message = outcome.message;
        response->responses[i].resource_type = resource->resource_type;
        response->responses[i].resource_name = resource->resource_name;
    }
}
