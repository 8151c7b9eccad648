#include "tools/kafka/consumer_config.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "tools/admin/offsets.h"

void consumer_config_init(struct consumer_config *config, struct kafka_call *call) {
    *config = (struct consumer_config){.call = call,
                                       .options = CONSUMER_OPTIONS_DEFAULT,
                                       .before = "",
                                       .start = OFFSET_LATEST,
                                       .commit = true,
                                       .create = true,
                                       .session_ms = 45000,
                                       .commit_ms = 5000,
                                       .poll_records = 500};
}

/* ---- Values ---------------------------------------------------------------------------------- */

static bool take_reset(struct consumer_config *config, const char *text) {
    static const struct {
        const char *name;
        int64_t start;
        enum consumer_reset reset;
    } known[] = {
        {"earliest", OFFSET_EARLIEST, RESET_EARLIEST},
        {"latest", OFFSET_LATEST, RESET_LATEST},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcasecmp(text, known[i].name) == 0) {
            config->start = known[i].start;
            config->options.reset = known[i].reset;
            return true;
        }
    }
    if (strcasecmp(text, "none") == 0 || strncasecmp(text, "by_duration:", 12) == 0) {
        fprintf(stderr, "auto.offset.reset=%s is not served yet by this tool.\n", text);
        return false;
    }
    return kafka_refuse_value(
        config->before,
        "Invalid value %s for configuration auto.offset.reset: Invalid value `%s` for "
        "configuration auto.offset.reset. The value must be either 'earliest', 'latest', "
        "'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'.",
        text, text);
}

static bool take_isolation(struct consumer_config *config, const char *text) {
    if (strcmp(text, "read_committed") != 0 && strcmp(text, "read_uncommitted") != 0) {
        return kafka_refuse_value(
            config->before,
            "Invalid value %s for configuration isolation.level: String must be one of: "
            "read_committed, read_uncommitted",
            text);
    }
    config->options.read_committed = strcmp(text, "read_committed") == 0;
    return true;
}

static bool take_bool(const struct consumer_config *config, const char *name, const char *text,
                      bool *out) {
    *out = strcasecmp(text, "true") == 0;
    if (!*out && strcasecmp(text, "false") != 0) {
        return kafka_refuse_value(
            config->before,
            "Invalid value %s for configuration %s: Expected value to be either true or "
            "false",
            text, name);
    }
    return true;
}

static const struct {
    const char *name;
    int32_t min;
    size_t at; /* in the config */
} numbers[] = {
    {"auto.commit.interval.ms", 0, offsetof(struct consumer_config, commit_ms)},
    {"fetch.max.bytes", 0, offsetof(struct consumer_config, options.max_bytes)},
    {"fetch.max.wait.ms", 0, offsetof(struct consumer_config, options.wait_ms)},
    {"fetch.min.bytes", 0, offsetof(struct consumer_config, options.min_bytes)},
    {"max.partition.fetch.bytes", 0, offsetof(struct consumer_config, options.fetch_bytes)},
    {"max.poll.records", 1, offsetof(struct consumer_config, poll_records)},
    {"session.timeout.ms", 0, offsetof(struct consumer_config, session_ms)},
};

static bool take_number(struct consumer_config *config, size_t which, struct slice value) {
    int64_t number;
    if (!slice_parse_i64(value, &number) || number < INT32_MIN || number > INT32_MAX) {
        return kafka_refuse_value(
            config->before, "Invalid value %.*s for configuration %s: Not a number of type INT",
            SLICE_ARG(value), numbers[which].name);
    }
    if (number < numbers[which].min) {
        return kafka_refuse_value(
            config->before, "Invalid value %lld for configuration %s: Value must be at least %d",
            (long long)number, numbers[which].name, numbers[which].min);
    }
    *(int32_t *)(void *)((char *)config + numbers[which].at) = (int32_t)number;
    return true;
}

/* ---- Properties ------------------------------------------------------------------------------ */

/* What has no counterpart here, and changes nothing of what is read. CRCs are always checked. */
static const char *const without_meaning[] = {"auto.include.jmx.reporter",
                                              "check.crcs",
                                              "client.dns.lookup",
                                              "config.providers",
                                              "connections.max.idle.ms",
                                              "default.api.timeout.ms",
                                              "enable.metrics.push",
                                              "exclude.internal.topics",
                                              "heartbeat.interval.ms",
                                              "key.deserializer",
                                              "max.poll.interval.ms",
                                              "metadata.",
                                              "metric.reporters",
                                              "metrics.",
                                              "receive.buffer.bytes",
                                              "reconnect.",
                                              "request.timeout.ms",
                                              "retry.",
                                              "sasl.",
                                              "security.providers",
                                              "send.buffer.bytes",
                                              "socket.",
                                              "ssl.",
                                              "value.deserializer",
                                              NULL};

/* What would change what is read, or by whom. */
static const char *const not_served[] = {"client.rack",
                                         "group.instance.id",
                                         "group.remote.assignor",
                                         "interceptor.classes",
                                         "partition.assignment.strategy",
                                         NULL};

static bool take_text(struct consumer_config *config, struct slice key, struct slice value,
                      bool *known) {
    const char *text = (const char *)arena_dup(&config->call->arena, value).data;
    *known = true;
    if (slice_equal_str(key, "auto.offset.reset")) {
        return take_reset(config, text);
    }
    if (slice_equal_str(key, "isolation.level")) {
        return take_isolation(config, text);
    }
    if (slice_equal_str(key, "enable.auto.commit")) {
        return take_bool(config, "enable.auto.commit", text, &config->commit);
    }
    if (slice_equal_str(key, "allow.auto.create.topics")) {
        return take_bool(config, "allow.auto.create.topics", text, &config->create);
    }
    if (slice_equal_str(key, "group.id")) {
        config->group = text;
        return true;
    }
    if (slice_equal_str(key, "group.protocol")) {
        if (strcasecmp(text, "classic") == 0) {
            return true;
        }
        fputs("The cluster does not support the new CONSUMER group protocol. Use "
              "group.protocol=classic.\n",
              stderr);
        return false;
    }
    *known = false;
    return true;
}

bool consumer_config_take(void *ctx, struct slice key, struct slice value) {
    struct consumer_config *config = ctx;
    bool known;
    bool good = take_text(config, key, value, &known);
    if (known) {
        return good;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (slice_equal_str(key, numbers[i].name)) {
            return take_number(config, i, value);
        }
    }
    return kafka_other_property(config->call, not_served, without_meaning, config->quiet, key,
                                value);
}

void consumer_config_member(const struct consumer_config *config, struct member *member) {
    member->session_ms = config->session_ms;
    member->commit_ms = config->commit_ms;
}

/* ---- Subscribing ----------------------------------------------------------------------------- */

int16_t subscription_look_up(struct subscription *s, struct kafka_call *call) {
    struct slice name = slice_str(s->topic != NULL ? s->topic : "");
    const struct metadata_response *metadata =
        s->topic == NULL ? client_metadata(&call->client, NULL, 0)
        : s->create      ? client_metadata_creating(&call->client, name)
                         : client_metadata(&call->client, &name, 1);
    if (metadata == NULL) {
        return -1;
    }
    s->topics = arena_array(&call->arena, (size_t)metadata->topics_count + 1, sizeof(*s->topics));
    s->topic_count = 0;
    for (int32_t i = 0; i < metadata->topics_count; i++) {
        const struct metadata_response_topic *t = &metadata->topics[i];
        if (s->include != NULL && !kafka_matches(s->include, t->name)) {
            continue;
        }
        if (t->error_code == ERROR_NONE) {
            s->topics[s->topic_count++] = arena_dup(&call->arena, t->name);
        } else if (!error_retriable(t->error_code)) {
            client_fail(&call->client, t->error_code, SLICE_NULL);
            return t->error_code;
        }
    }
    return ERROR_NONE;
}
