/* kafka-console-producer */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/lines.h"
#include "tools/kafka/producer_config.h"

#define LINGER_MS   1000
#define HEADERS_MAX 256
#define CALLBACK    "org.apache.kafka.clients.producer.internals.ErrorLoggingCallback"

const struct option_spec kafka_console_producer_options[] = {
    {"batch-size", OPTION_VALUE, "size", "Bytes of records that are sent together."},
    {"bootstrap-server|broker-list", OPTION_VALUE, "server to connect to",
     "The brokers (required)."},
    {"command-config|producer.config", OPTION_VALUE, "config file", "Properties for the client."},
    {"command-property|producer-property", OPTION_VALUE, "producer_prop", "A property key=value."},
    {"compression-codec", OPTION_MAYBE, "codec", "none, gzip (without codec), snappy, lz4, zstd."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"line-reader", OPTION_VALUE, "reader_class", "Only Kafka's own is served."},
    {"max-block-ms", OPTION_VALUE, "ms", "How long the topic may be missing."},
    {"max-memory-bytes", OPTION_VALUE, "bytes", "Accepted; memory is that of one batch."},
    {"max-partition-memory-bytes", OPTION_VALUE, "bytes", "As --batch-size."},
    {"message-send-max-retries", OPTION_VALUE, "n", "Accepted; retries go on for 30 s."},
    {"metadata-expiry-ms", OPTION_VALUE, "ms", "Accepted; metadata is asked for when needed."},
    {"reader-config", OPTION_VALUE, "config file", "Properties for reading lines."},
    {"reader-property|property", OPTION_VALUE, "prop",
     "parse.key, key.separator, parse.headers, "
     "headers.delimiter, headers.separator, headers.key.separator, null.marker, ignore.error."},
    {"request-required-acks|producer-acks", OPTION_VALUE, "acks", "-1 or all, 0, 1."},
    {"request-timeout-ms", OPTION_VALUE, "ms", "How long replicas may take."},
    {"retry-backoff-ms", OPTION_VALUE, "ms", "Accepted."},
    {"socket-buffer-size", OPTION_VALUE, "size", "Accepted."},
    {"sync", OPTION_FLAG, NULL, "Each record is answered before the next is sent."},
    {"timeout", OPTION_VALUE, "timeout_ms", "Accepted; lines wait for at most a second."},
    {"topic", OPTION_VALUE, "topic", "Where to (required)."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

/* How lines are read, and what became of it. */
struct console {
    struct kafka_call *call;
    struct producer_config config;
    bool sync;
    bool parse_key, parse_headers, ignore_error;
    const char *key_separator, *headers_delimiter, *headers_separator, *header_key_separator;
    const char *null_marker; /* NULL: none */
    int line;
    struct producer producer;
};

static int fail_as(const char *exception, const char *format, ...) PRINTF_LIKE(2, 3);
static int fail_as(const char *exception, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", exception);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return EXIT_FAILED;
}

/* ---- Properties ------------------------------------------------------------------------------ */

static const char *text_of(struct console *console, struct slice value) {
    return (const char *)arena_dup(&console->call->arena, value).data;
}

static bool reader_property(void *ctx, struct slice key, struct slice value) {
    struct console *console = ctx;
    const struct {
        const char *name;
        const char **text;
        bool *flag;
    } known[] = {
        {"parse.key", NULL, &console->parse_key},
        {"parse.headers", NULL, &console->parse_headers},
        {"ignore.error", NULL, &console->ignore_error},
        {"key.separator", &console->key_separator, NULL},
        {"headers.delimiter", &console->headers_delimiter, NULL},
        {"headers.separator", &console->headers_separator, NULL},
        {"headers.key.separator", &console->header_key_separator, NULL},
        {"null.marker", &console->null_marker, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (!slice_equal_str(key, known[i].name)) {
            continue;
        }
        if (known[i].flag != NULL) {
            *known[i].flag = strcasecmp(text_of(console, value), "true") == 0;
        } else {
            *known[i].text = text_of(console, value);
        }
    }
    return true;
}

static bool option_as_property(struct producer_config *config, const char *option,
                               const char *property) {
    const char *value = options_get(&config->call->options, option, NULL);
    return value == NULL || producer_config_take(config, slice_str(property), slice_str(value));
}

static bool configure(struct console *console) {
    const struct options *options = &console->call->options;
    kafka_warn_of_old(console->call, "Warning:", "property", "reader-property");
    kafka_warn_of_old(console->call, "Warning:", "producer-property", "command-property");
    kafka_warn_of_old(console->call, "Warning:", "producer.config", "command-config");
    struct producer_config *config = &console->config;
    const char *file = options_get(options, "command-config", NULL);
    if (file != NULL && !kafka_properties(console->call, file, producer_config_take, config)) {
        return false;
    }
    const char *reader_file = options_get(options, "reader-config", NULL);
    if (reader_file != NULL &&
        !kafka_properties(console->call, reader_file, reader_property, console)) {
        return false;
    }
    console->sync = options_has(options, "sync");
    if (options_has(options, "compression-codec") &&
        !producer_config_take(config, SLICE_LIT("compression.type"),
                              slice_str(options_get(options, "compression-codec", "gzip")))) {
        return false;
    }
    return option_as_property(config, "request-required-acks", "acks") &&
           option_as_property(config, "max-partition-memory-bytes", "batch.size") &&
           option_as_property(config, "batch-size", "batch.size") &&
           option_as_property(config, "max-block-ms", "max.block.ms") &&
           option_as_property(config, "request-timeout-ms", "request.timeout.ms") &&
           kafka_each_property(console->call, "command-property", config, producer_config_take) &&
           producer_config_finish(config) &&
           kafka_each_property(console->call, "reader-property", console, reader_property);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* Cuts off what stands before the separator; false when there is none. */
static bool cut(struct slice *in, const char *separator, struct slice *out) {
    const uint8_t *found =
        in->len == 0 ? NULL : memmem(in->data, in->len, separator, strlen(separator));
    if (found == NULL) {
        return false;
    }
    *out = slice_make(in->data, (size_t)(found - in->data));
    size_t used = out->len + strlen(separator);
    *in = slice_make(in->data + used, in->len - used);
    return true;
}

static bool separator_missing(struct console *console, const char *what, struct slice line) {
    if (console->ignore_error) {
        return true;
    }
    fail_as("org.apache.kafka.common.KafkaException", "No %s found on line number %d: '%.*s'", what,
            console->line, SLICE_ARG(line));
    return false;
}

static struct slice marked(const struct console *console, struct slice text) {
    return console->null_marker != NULL && slice_equal_str(text, console->null_marker) ? SLICE_NULL
                                                                                       : text;
}

static bool take_headers(struct console *console, struct slice text, struct slice line,
                         struct record_header *headers, int32_t *count) {
    if (console->null_marker != NULL && slice_equal_str(text, console->null_marker)) {
        return true;
    }
    while (text.len > 0 && *count < HEADERS_MAX) {
        struct slice header, key;
        if (!cut(&text, console->headers_separator, &header)) {
            header = text;
            text.len = 0;
        }
        if (!cut(&header, console->header_key_separator, &key)) {
            if (!separator_missing(console, "header key separator", line)) {
                return false;
            }
            key = header;
            header = SLICE_NULL;
        }
        headers[*count].key = key;
        headers[(*count)++].value = marked(console, header);
    }
    return true;
}

static bool take_line(struct console *console, struct slice line) {
    console->line++;
    struct record_header headers[HEADERS_MAX];
    struct outgoing record = {
        .headers = headers, .timestamp = NO_TIMESTAMP, .partition = -1, .key = SLICE_NULL};
    struct slice rest = line, part;
    if (console->parse_headers) {
        if (cut(&rest, console->headers_delimiter, &part)) {
            if (!take_headers(console, part, line, headers, &record.header_count)) {
                return false;
            }
        } else if (!separator_missing(console, "headers delimiter", line)) {
            return false;
        }
    }
    if (console->parse_key) {
        if (cut(&rest, console->key_separator, &part)) {
            record.key = marked(console, part);
        } else if (!separator_missing(console, "key separator", line)) {
            return false;
        }
    }
    record.value = marked(console, rest);
    return producer_add(&console->producer, &record) &&
           (!console->sync || producer_flush(&console->producer));
}

static void refused(void *ctx, const struct outgoing *record, int16_t code, struct slice text) {
    struct console *console = ctx;
    char key[32] = "null";
    if (!slice_is_null(record->key)) {
        snprintf(key, sizeof(key), "%zu bytes", record->key.len);
    }
    kafka_log("ERROR", CALLBACK,
              "Error when sending message to topic %.*s with key: %s, value: %zu bytes with error:",
              SLICE_ARG(console->producer.topic), key, record->value.len);
    fprintf(stderr, "%s: %.*s\n", kafka_exception(&console->call->arena, code), SLICE_ARG(text));
}

/* Sends lines until the input ends; false when something failed and was told of. */
static bool pump(struct console *console) {
    struct lines lines;
    lines_init(&lines, 0, "\n");
    struct slice line;
    int got;
    bool good = true;
    while (good && (got = lines_next(&lines, LINGER_MS, &line)) >= 0) {
        if (got > 0 && line.len > 0 && line.data[line.len - 1] == '\r') {
            line.len--;
        }
        good = got == 0 ? producer_flush(&console->producer) : take_line(console, line);
    }
    lines_release(&lines);
    return producer_flush(&console->producer) && good;
}

/* The topic is not to be had: told once for each line, as Kafka's producer does. */
static int without_topic(struct console *console, int16_t code) {
    const char *name = options_get(&console->call->options, "topic", "");
    struct lines lines;
    lines_init(&lines, 0, "\n");
    struct slice line;
    if (code == ERROR_INVALID_TOPIC_EXCEPTION) {
        kafka_log("WARN", "org.apache.kafka.clients.NetworkClient",
                  "[Producer clientId=console-producer] The metadata response from the cluster "
                  "reported a recoverable issue with correlation id 1 : {%s=%s}",
                  name, error_name(code));
        kafka_log("ERROR", "org.apache.kafka.clients.Metadata",
                  "[Producer clientId=console-producer] Metadata response reported invalid topics "
                  "[%s]",
                  name);
    }
    while (lines_next(&lines, -1, &line) > 0) {
        kafka_log("ERROR", CALLBACK,
                  "Error when sending message to topic %s with key: null, value: %zu bytes with "
                  "error:",
                  name, line.len);
        if (code == ERROR_INVALID_TOPIC_EXCEPTION) {
            fprintf(stderr, "%s: Invalid topics: [%s]\n",
                    kafka_exception(&console->call->arena, code), name);
        } else {
            fprintf(stderr,
                    "org.apache.kafka.common.errors.TimeoutException: Topic %s not present in "
                    "metadata after %lld ms.\n",
                    name, (long long)console->config.options.block_ms);
        }
    }
    lines_release(&lines);
    return 0;
}

int kafka_console_producer(struct kafka_call *call) {
    static const char *const required[] = {"topic", NULL};
    if (!options_has(&call->options, "bootstrap-server")) {
        return kafka_usage(call, "Missing required argument \"[bootstrap-server]\"");
    }
    if (!kafka_require(call, required)) {
        return EXIT_FAILED;
    }
    struct console console = {
        .call = call,
        .key_separator = "\t",
        .headers_delimiter = "\t",
        .headers_separator = ",",
        .header_key_separator = ":",
    };
    producer_config_init(&console.config, call, &PRODUCER_OPTIONS_DEFAULT);
    call->client.client_id = "console-producer";
    if (!configure(&console) ||
        !kafka_connect(call, options_get(&call->options, "bootstrap-server", ""), NULL)) {
        return EXIT_FAILED;
    }
    int16_t code =
        producer_init(&console.producer, &call->client,
                      slice_str(options_get(&call->options, "topic", "")), &console.config.options);
    console.producer.refused = refused;
    console.producer.ctx = &console;
    int exit_code = EXIT_FAILED;
    if (code > 0) {
        exit_code = without_topic(&console, code);
    } else if (code < 0) {
        fail_as("org.apache.kafka.common.errors.TimeoutException", "%s", call->client.error.text);
    } else {
        exit_code = pump(&console) ? 0 : EXIT_FAILED;
    }
    producer_release(&console.producer);
    return exit_code;
}
