#include "broker/controller/decision.h"

#include <stdarg.h>
#include <stdio.h>

#include "broker/config/config.h"
#include "broker/config/config_value.h"

struct verdict verdict(enum kafka_error error, const char *message) {
    return (struct verdict){.error = error, .message = slice_str(message)};
}

struct verdict verdict_printf(const struct decision *d, enum kafka_error error, const char *format,
                              ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return (struct verdict){.error = error, .message = arena_dup(d->arena, slice_str(text))};
}

void decision_rewind(struct decision *d, int count) {
    while (d->records.count > count) {
        d->records.count--;
        d->records.bytes -= d->records.values[d->records.count].len;
    }
}

/* Beside its value a record has lengths and deltas: under 32 bytes. */
#define RECORD_OVERHEAD 32

void decision_check_size(const struct decision *d, struct verdict *outcome) {
    size_t bytes = d->records.bytes + (size_t)d->records.count * RECORD_OVERHEAD;
    if (outcome->error == ERROR_NONE &&
        (d->records.count > DECISION_RECORDS_MAX || bytes > METADATA_BATCH_MAX - 4096)) {
        *outcome = verdict(ERROR_POLICY_VIOLATION,
                           "The request needs more than 10000 records, or more than 8 MiB");
    }
}

bool broker_is_active(const struct image *image, int32_t id) {
    const struct image_broker *broker = image_broker(image, id);
    return broker != NULL && !broker->fenced && !broker->in_controlled_shutdown;
}

static bool lists(const struct uuid *dirs, int32_t count, struct uuid directory) {
    for (int32_t i = 0; i < count; i++) {
        if (uuid_equal(dirs[i], directory)) {
            return true;
        }
    }
    return false;
}

struct uuid broker_default_directory(const struct image *image, int32_t id) {
    const struct image_broker *broker = image_broker(image, id);
    if (broker == NULL) {
        return DIRECTORY_UNASSIGNED;
    }
    if (broker->log_dir_count == 0) {
        return DIRECTORY_MIGRATING;
    }
    struct uuid found = DIRECTORY_UNASSIGNED;
    int32_t count = 0;
    for (int32_t i = 0; i < broker->log_dir_count; i++) {
        if (!lists(broker->cordoned_log_dirs, broker->cordoned_log_dir_count,
                   broker->log_dirs[i])) {
            found = broker->log_dirs[i];
            count++;
        }
    }
    return count == 1 ? found : DIRECTORY_UNASSIGNED;
}

bool broker_has_directory(const struct image *image, int32_t id, struct uuid directory) {
    const struct image_broker *broker = image_broker(image, id);
    if (broker == NULL || uuid_equal(directory, DIRECTORY_LOST)) {
        return false;
    }
    return uuid_equal(directory, DIRECTORY_MIGRATING) ||
           uuid_equal(directory, DIRECTORY_UNASSIGNED) || broker->log_dir_count == 0 ||
           lists(broker->log_dirs, broker->log_dir_count, directory);
}

/* The topic's own value, or the default of all brokers; null when neither is set. */
static struct slice setting(const struct decision *d, struct slice topic, const char *key) {
    struct slice own = image_config_value(d->image, CONFIG_RESOURCE_TOPIC, topic, key);
    return !slice_is_null(own)
               ? own
               : image_config_value(d->image, CONFIG_RESOURCE_BROKER, SLICE_LIT(""), key);
}

int64_t topic_min_insync_replicas(const struct decision *d, struct slice topic) {
    int64_t value;
    struct slice text = setting(d, topic, "min.insync.replicas");
    return !slice_is_null(text) && slice_parse_i64(config_trim(text), &value)
               ? value
               : config_int(d->config, CONFIG_MIN_INSYNC_REPLICAS);
}

bool topic_unclean_election(const struct decision *d, struct slice topic) {
    struct slice text = setting(d, topic, "unclean.leader.election.enable");
    union config_number number;
    const struct config_key *key = config_key(CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE);
    return !slice_is_null(text) && config_value_check(key, text, &number)
               ? number.boolean
               : config_bool(d->config, CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE);
}

bool topic_is_durable(const struct decision *d, struct slice topic, int32_t broker) {
    char id[16];
    (void)snprintf(id, sizeof(id), "%d", broker);
    struct slice text = image_config_value(d->image, CONFIG_RESOURCE_TOPIC, topic, "durability");
    if (slice_is_null(text)) {
        text =
            image_config_value(d->image, CONFIG_RESOURCE_BROKER, slice_str(id), "log.durability");
    }
    if (slice_is_null(text)) {
        text =
            image_config_value(d->image, CONFIG_RESOURCE_BROKER, SLICE_LIT(""), "log.durability");
    }
    if (slice_is_null(text)) {
        text = config_string(d->config, CONFIG_LOG_DURABILITY);
    }
    return slice_equal_str(config_trim(text), "fsync");
}
