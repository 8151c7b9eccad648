#include "tools/kafka/producer_config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define IN_FLIGHT_MAX        1000 /* of one connection; nobody means more */
#define IDEMPOTENT_IN_FLIGHT 5    /* what brokers remember of a producer */

void producer_config_init(struct producer_config *config, struct kafka_call *call,
                          const struct producer_options *defaults) {
    *config = (struct producer_config){.call = call,
                                       .options = *defaults,
                                       .before = "",
                                       .gzip_level = INT32_MIN,
                                       .lz4_level = INT32_MIN,
                                       .zstd_level = INT32_MIN};
}

/* ---- Values ---------------------------------------------------------------------------------- */

static bool take_acks(struct producer_config *config, struct slice value) {
    if (slice_equal_str(value, "all") || slice_equal_str(value, "-1")) {
        config->options.acks = -1;
    } else if (slice_equal_str(value, "0") || slice_equal_str(value, "1")) {
        config->options.acks = (int16_t)(value.data[0] - '0');
    } else {
        return kafka_refuse_value(
            config->before,
            "Invalid value %.*s for configuration acks: String must be one of: all, -1, "
            "0, 1",
            SLICE_ARG(value));
    }
    return true;
}

static bool take_codec(struct producer_config *config, struct slice value) {
    static const enum compression codecs[] = {
        COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_SNAPPY, COMPRESSION_LZ4, COMPRESSION_ZSTD};
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        if (slice_equal_str(value, compression_name(codecs[i]))) {
            config->options.codec = codecs[i];
            return true;
        }
    }
    return kafka_refuse_value(
        config->before,
        "Invalid value %.*s for configuration compression.type: String must be one of: "
        "none, gzip, snappy, lz4, zstd",
        SLICE_ARG(value));
}

static bool take_idempotence(struct producer_config *config, struct slice value) {
    char text[8] = "";
    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(value));
    bool on = strcasecmp(text, "true") == 0;
    if (!on && strcasecmp(text, "false") != 0) {
        return kafka_refuse_value(
            config->before,
            "Invalid value %.*s for configuration enable.idempotence: Expected value to "
            "be either true or false",
            SLICE_ARG(value));
    }
    config->idempotent = on;
    config->options.without_id = !on;
    return true;
}

enum number {
    BATCH_SIZE,
    BUFFER_MEMORY,
    DELIVERY_TIMEOUT,
    GZIP_LEVEL,
    IN_FLIGHT,
    LINGER,
    LZ4_LEVEL,
    MAX_BLOCK,
    MAX_REQUEST_SIZE,
    REQUEST_TIMEOUT,
    RETRIES,
    ZSTD_LEVEL,
};

static const struct {
    const char *name;
    const char *type;
    int64_t min, max;
} numbers[] = {
    [BATCH_SIZE] = {"batch.size", "INT", 0, INT32_MAX},
    [BUFFER_MEMORY] = {"buffer.memory", "LONG", 0, INT64_MAX},
    [DELIVERY_TIMEOUT] = {"delivery.timeout.ms", "INT", 0, INT32_MAX},
    [GZIP_LEVEL] = {"compression.gzip.level", "INT", -1, 9},
    [IN_FLIGHT] = {"max.in.flight.requests.per.connection", "INT", 1, INT32_MAX},
    [LINGER] = {"linger.ms", "LONG", 0, INT64_MAX},
    [LZ4_LEVEL] = {"compression.lz4.level", "INT", 1, 17},
    [MAX_BLOCK] = {"max.block.ms", "LONG", 0, INT64_MAX},
    [MAX_REQUEST_SIZE] = {"max.request.size", "INT", 0, INT32_MAX},
    [REQUEST_TIMEOUT] = {"request.timeout.ms", "INT", 0, INT32_MAX},
    [RETRIES] = {"retries", "INT", 0, INT32_MAX},
    [ZSTD_LEVEL] = {"compression.zstd.level", "INT", -131072, 22},
};

static void set_number(struct producer_config *config, enum number which, int64_t number) {
    struct producer_options *options = &config->options;
    switch (which) {
    case BATCH_SIZE:
        options->batch_bytes = (size_t)number;
        break;
    case BUFFER_MEMORY:
        options->buffer_bytes = (size_t)number;
        break;
    case DELIVERY_TIMEOUT:
        options->delivery_ms = number;
        config->delivery = true;
        break;
    case GZIP_LEVEL:
        config->gzip_level = number;
        break;
    case IN_FLIGHT:
        options->in_flight = (int32_t)(number < IN_FLIGHT_MAX ? number : IN_FLIGHT_MAX);
        break;
    case LINGER: /* so long that adding it to a time cannot overflow */
        options->linger_ms = number < INT32_MAX ? number : INT32_MAX;
        break;
    case LZ4_LEVEL:
        config->lz4_level = number;
        break;
    case MAX_BLOCK:
        options->block_ms = number < INT64_MAX / 2 ? number : INT64_MAX / 2;
        break;
    case MAX_REQUEST_SIZE:
        options->record_bytes = (size_t)number;
        break;
    case REQUEST_TIMEOUT:
        options->timeout_ms = (int32_t)number;
        break;
    case RETRIES:
        options->retries = (int32_t)number;
        break;
    case ZSTD_LEVEL:
        config->zstd_level = number;
        break;
    }
}

static bool take_number(struct producer_config *config, enum number which, struct slice value) {
    int64_t number;
    const char *name = numbers[which].name;
    bool is_int = strcmp(numbers[which].type, "INT") == 0;
    if (!slice_parse_i64(value, &number) ||
        (is_int && (number < INT32_MIN || number > INT32_MAX))) {
        return kafka_refuse_value(
            config->before, "Invalid value %.*s for configuration %s: Not a number of type %s",
            SLICE_ARG(value), name, numbers[which].type);
    }
    if (number < numbers[which].min) {
        return kafka_refuse_value(
            config->before, "Invalid value %lld for configuration %s: Value must be at least %lld",
            (long long)number, name, (long long)numbers[which].min);
    }
    if (number > numbers[which].max || (which == GZIP_LEVEL && number == 0)) {
        return kafka_refuse_value(
            config->before, "Invalid value %lld for configuration %s: Value must be at most %lld",
            (long long)number, name, (long long)numbers[which].max);
    }
    set_number(config, which, number);
    return true;
}

/* ---- Properties ------------------------------------------------------------------------------ */

/* What has no counterpart here, and changes nothing of what is sent. */
static const char *const without_meaning[] = {"auto.include.jmx.reporter",
                                              "client.dns.lookup",
                                              "client.rack",
                                              "config.providers",
                                              "connections.max.idle.ms",
                                              "enable.metrics.push",
                                              "key.serializer",
                                              "metadata.",
                                              "metric.reporters",
                                              "metrics.",
                                              "partitioner.adaptive.partitioning.enable",
                                              "partitioner.availability.timeout.ms",
                                              "receive.buffer.bytes",
                                              "reconnect.",
                                              "retry.",
                                              "sasl.",
                                              "security.providers",
                                              "send.buffer.bytes",
                                              "socket.",
                                              "ssl.",
                                              "transaction.timeout.ms",
                                              "value.serializer",
                                              NULL};

/* What would change what is sent, or what it promises. */
static const char *const not_served[] = {
    "interceptor.classes",     "partitioner.class",
    "partitioner.ignore.keys", "transaction.two.phase.commit.enable",
    "transactional.id",        NULL};

bool producer_config_take(void *ctx, struct slice key, struct slice value) {
    struct producer_config *config = ctx;
    if (slice_equal_str(key, "acks")) {
        return take_acks(config, value);
    }
    if (slice_equal_str(key, "compression.type")) {
        return take_codec(config, value);
    }
    if (slice_equal_str(key, "enable.idempotence")) {
        return take_idempotence(config, value);
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (slice_equal_str(key, numbers[i].name)) {
            return take_number(config, (enum number)i, value);
        }
    }
    return kafka_other_property(config->call, not_served, without_meaning, config->quiet, key,
                                value);
}

bool producer_config_finish(struct producer_config *config) {
    struct producer_options *options = &config->options;
    int64_t level = options->codec == COMPRESSION_GZIP   ? config->gzip_level
                    : options->codec == COMPRESSION_LZ4  ? config->lz4_level
                    : options->codec == COMPRESSION_ZSTD ? config->zstd_level
                                                         : INT32_MIN;
    options->level = options->codec == COMPRESSION_GZIP && level == -1 ? INT32_MIN : (int32_t)level;
    if (config->idempotent && options->retries == 0) {
        return kafka_refuse_value(
            config->before, "Must set retries to non-zero when using the idempotent producer.");
    }
    if (config->idempotent && options->acks != -1) {
        return kafka_refuse_value(config->before,
                                  "Must set acks to all in order to use the idempotent producer. "
                                  "Otherwise we cannot guarantee idempotence.");
    }
    if (config->idempotent && options->in_flight > IDEMPOTENT_IN_FLIGHT) {
        return kafka_refuse_value(
            config->before, "Must set max.in.flight.requests.per.connection to at most 5 to use "
                            "the idempotent producer.");
    }
    options->without_id =
        options->without_id || options->retries == 0 || options->in_flight > IDEMPOTENT_IN_FLIGHT;
    int64_t linger = options->linger_ms > 0 ? options->linger_ms : 0;
    if (options->delivery_ms < linger + options->timeout_ms) {
        if (config->delivery) {
            return kafka_refuse_value(
                config->before, "delivery.timeout.ms should be equal to or larger than linger.ms + "
                                "request.timeout.ms");
        }
        options->delivery_ms = linger + options->timeout_ms;
    }
    return true;
}
