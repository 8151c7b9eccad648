/* kafka-console-consumer */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/admin/offsets.h"
#include "tools/cli/interrupt.h"
#include "tools/kafka/formatter.h"
#include "tools/stream/member.h"

#define RELOOK_MS 250 /* between questions for topics that are not there yet */

const struct option_spec kafka_console_consumer_options[] = {
    {"bootstrap-server", OPTION_VALUE, "server to connect to", "The brokers (required)."},
    {"command-config|consumer.config", OPTION_VALUE, "config file", "Properties for the client."},
    {"command-property|consumer-property", OPTION_VALUE, "consumer_prop", "A property key=value."},
    {"enable-systest-events", OPTION_FLAG, NULL, "Says at its end that it is over."},
    {"formatter", OPTION_VALUE, "class",
     "Kafka's default, NoOpMessageFormatter, or that of "
     "offsets, group metadata or the transaction log."},
    {"formatter-config", OPTION_VALUE, "config file", "Properties for printing."},
    {"formatter-property|property", OPTION_VALUE, "prop",
     "print.timestamp, print.key, print.offset, "
     "print.epoch, print.partition, print.headers, print.value, key.separator, line.separator, "
     "headers.separator, null.literal, key.deserializer, value.deserializer."},
    {"from-beginning", OPTION_FLAG, NULL, "Starts with the first record where there is no offset."},
    {"group", OPTION_VALUE, "consumer group id", "Joins the group, and commits."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"include|whitelist", OPTION_VALUE, "Java regex", "The topics by a regular expression."},
    {"isolation-level", OPTION_VALUE, "level", "read_committed or read_uncommitted."},
    {"key-deserializer", OPTION_VALUE, "class", "String, Short, Integer or Long."},
    {"max-messages", OPTION_VALUE, "num_messages", "Exits after so many."},
    {"offset", OPTION_VALUE, "consume offset", "A number, earliest or latest; with --partition."},
    {"partition", OPTION_VALUE, "partition", "Only this one."},
    {"reject-message-on-error", OPTION_FLAG, NULL, NULL},
    {"skip-message-on-error", OPTION_FLAG, NULL, "Goes on behind a record that cannot be printed."},
    {"timeout-ms", OPTION_VALUE, "timeout_ms", "Exits when no record comes for so long."},
    {"topic", OPTION_VALUE, "topic", "The topic."},
    {"value-deserializer", OPTION_VALUE, "class", "String, Short, Integer or Long."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

struct console {
    struct kafka_call *call;
    struct formatter formatter;
    struct consumer_options options;
    const char *topic, *include, *group, *isolation;
    bool commit, create;
    int64_t partition; /* -1: all */
    int64_t start;
    int64_t max_messages; /* -1: no limit */
    int64_t timeout_ms;   /* -1: none */
    int64_t printed;
    int64_t last_ms; /* when the last record came, client_ticks_ms() */
    struct consumer consumer;
    struct member member;
    struct slice *topics; /* of the subscription, in the call's arena */
    int32_t topic_count;
};

/* ---- Options --------------------------------------------------------------------------------- */

static bool consumer_property(void *ctx, struct slice key, struct slice value) {
    struct console *console = ctx;
    const char *text = (const char *)arena_dup(&console->call->arena, value).data;
    if (slice_equal_str(key, "group.id") && console->group == NULL) {
        console->group = text;
    } else if (slice_equal_str(key, "auto.offset.reset") &&
               !options_has(&console->call->options, "from-beginning")) {
        console->start = strcmp(text, "earliest") == 0 ? OFFSET_EARLIEST : OFFSET_LATEST;
        console->options.reset = strcmp(text, "earliest") == 0 ? RESET_EARLIEST : RESET_LATEST;
    } else if (slice_equal_str(key, "isolation.level")) {
        console->isolation = text;
    } else if (slice_equal_str(key, "enable.auto.commit")) {
        console->commit = strcmp(text, "false") != 0;
    } else if (slice_equal_str(key, "allow.auto.create.topics")) {
        console->create = strcmp(text, "false") != 0;
    } else if (slice_equal_str(key, "group.protocol") && strcasecmp(text, "consumer") == 0) {
        fputs("The cluster does not support the new CONSUMER group protocol. Use "
              "group.protocol=classic.\n",
              stderr);
        return false;
    }
    return kafka_client_property(console->call, key, value);
}

/* The offset option; false after a message. */
static bool take_start(struct console *console) {
    const struct options *options = &console->call->options;
    const char *offset = options_get(options, "offset", NULL);
    if (options_has(options, "from-beginning")) {
        console->start = OFFSET_EARLIEST;
        console->options.reset = RESET_EARLIEST;
    }
    if (offset == NULL) {
        return true;
    }
    if (strcasecmp(offset, "earliest") == 0) {
        console->start = OFFSET_EARLIEST;
    } else if (strcasecmp(offset, "latest") == 0) {
        console->start = OFFSET_LATEST;
    } else if (!slice_parse_i64(slice_str(offset), &console->start) || console->start < 0) {
        kafka_usage(console->call,
                    "The provided offset value '%s' is incorrect. Valid values are 'earliest', "
                    "'latest', or a non-negative long.",
                    offset);
        return false;
    }
    return true;
}

static bool take_isolation(struct console *console) {
    const char *level = console->isolation;
    if (strcmp(level, "read_committed") != 0 && strcmp(level, "read_uncommitted") != 0) {
        kafka_log("ERROR", console->call->logger, "%s", "Unknown error when running consumer: ");
        fprintf(
            stderr,
            "org.apache.kafka.common.config.ConfigException: Invalid value %s for configuration "
            "isolation.level: String must be one of: read_committed, read_uncommitted\n",
            level);
        return false;
    }
    console->options.read_committed = strcmp(level, "read_committed") == 0;
    return true;
}

static bool take_deserializers(struct console *console) {
    const char *key = options_get(&console->call->options, "key-deserializer", NULL);
    const char *value = options_get(&console->call->options, "value-deserializer", NULL);
    return (key == NULL || formatter_deserializer(&console->formatter.key_as, key)) &&
           (value == NULL || formatter_deserializer(&console->formatter.value_as, value));
}

static bool configure(struct console *console) {
    const struct options *options = &console->call->options;
    kafka_warn_of_old(console->call, "Option", "property", "formatter-property");
    kafka_warn_of_old(console->call, "Option", "consumer-property", "command-property");
    kafka_warn_of_old(console->call, "Option", "consumer.config", "command-config");
    console->topic = options_get(options, "topic", NULL);
    console->include = options_get(options, "include", NULL);
    console->group = options_get(options, "group", NULL);
    if ((console->topic == NULL) == (console->include == NULL)) {
        kafka_usage(console->call, "Exactly one of --include/--topic is required.");
        return false;
    }
    if (options_has(options, "partition") && console->topic == NULL) {
        kafka_usage(console->call, "The topic is required when partition is specified.");
        return false;
    }
    if (options_has(options, "offset") && !options_has(options, "partition")) {
        kafka_usage(console->call, "The partition is required when offset is specified.");
        return false;
    }
    const char *file = options_get(options, "command-config", NULL);
    const char *formatter_file = options_get(options, "formatter-config", NULL);
    const char *formatter = options_get(options, "formatter", NULL);
    console->isolation = options_get(options, "isolation-level", "read_uncommitted");
    return options_i64(options, "partition", &console->partition) &&
           options_i64(options, "max-messages", &console->max_messages) &&
           options_i64(options, "timeout-ms", &console->timeout_ms) && take_start(console) &&
           (file == NULL || kafka_properties(console->call, file, consumer_property, console)) &&
           kafka_each_property(console->call, "command-property", console, consumer_property) &&
           take_isolation(console) && take_deserializers(console) &&
           (formatter == NULL || formatter_choose(&console->formatter, formatter)) &&
           (formatter_file == NULL || kafka_properties(console->call, formatter_file,
                                                       formatter_property, &console->formatter)) &&
           kafka_each_property(console->call, "formatter-property", &console->formatter,
                               formatter_property);
}

/* ---- Subscribing ----------------------------------------------------------------------------- */

/* Topics that are meant; 0, or a code that ends it. Nothing found is no error: it may come. */
static int16_t look_up(struct console *console) {
    struct client *client = &console->call->client;
    struct slice name = slice_str(console->topic);
    const struct metadata_response *metadata =
        console->topic == NULL ? client_metadata(client, NULL, 0)
        : console->create      ? client_metadata_creating(client, name)
                               : client_metadata(client, &name, 1);
    if (metadata == NULL) {
        return -1;
    }
    console->topics = arena_array(&console->call->arena, (size_t)metadata->topics_count + 1,
                                  sizeof(*console->topics));
    console->topic_count = 0;
    for (int32_t i = 0; i < metadata->topics_count; i++) {
        const struct metadata_response_topic *t = &metadata->topics[i];
        if (console->include != NULL && !kafka_matches(console->include, t->name)) {
            continue;
        }
        if (t->error_code != ERROR_NONE) {
            if (!error_retriable(t->error_code)) {
                return t->error_code;
            }
            continue;
        }
        struct slice topic = arena_dup(&console->call->arena, t->name);
        console->topics[console->topic_count++] = topic;
        if (console->group != NULL && console->partition < 0) {
            continue; /* the group assigns */
        }
        for (int32_t j = 0; j < t->partitions_count; j++) {
            if (console->partition < 0 || console->partition == t->partitions[j].partition_index) {
                consumer_add(&console->consumer, topic, t->partitions[j].partition_index,
                             console->start);
            }
        }
    }
    return ERROR_NONE;
}

/* Begins to read once there is something; true when that is so. */
static bool subscribe(struct console *console, int16_t *code) {
    *code = look_up(console);
    if (*code != ERROR_NONE || console->topic_count == 0) {
        return false;
    }
    if (console->group != NULL && console->partition < 0) {
        member_init(&console->member, &console->call->client, slice_str(console->group),
                    console->topics, console->topic_count);
        *code = member_join(&console->member, &console->consumer, console->start);
    } else {
        *code = consumer_start(&console->consumer);
    }
    return *code == ERROR_NONE;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static bool print(void *ctx, const struct incoming *incoming) {
    struct console *console = ctx;
    formatter_print(&console->formatter, incoming);
    console->printed++;
    console->last_ms = client_ticks_ms();
    return console->max_messages < 0 || console->printed < console->max_messages;
}

static bool timed_out(const struct console *console) {
    return console->timeout_ms >= 0 && client_ticks_ms() - console->last_ms >= console->timeout_ms;
}

static void tell_failure(struct console *console, int16_t code) {
    struct kafka_call *call = console->call;
    if (code == ERROR_INVALID_TOPIC_EXCEPTION) {
        const char *who = console->group != NULL ? console->group : "console-consumer-1";
        kafka_log("WARN", "org.apache.kafka.clients.NetworkClient",
                  "[Consumer clientId=%s, groupId=%s] The metadata response from the cluster "
                  "reported a recoverable issue with correlation id 1 : {%s=%s}",
                  call->client.client_id, who, console->topic, error_name(code));
        kafka_log("ERROR", "org.apache.kafka.clients.Metadata",
                  "[Consumer clientId=%s, groupId=%s] Metadata response reported invalid topics "
                  "[%s]",
                  call->client.client_id, who, console->topic);
    }
    kafka_log("ERROR", call->logger, "%s",
              "Error processing message, terminating consumer process: ");
    if (code == ERROR_INVALID_TOPIC_EXCEPTION) {
        fprintf(stderr, "%s: Invalid topics: [%s]\n", kafka_exception(&call->arena, code),
                console->topic);
    } else {
        fprintf(stderr, "%s: %s\n",
                code > 0 ? kafka_exception(&call->arena, code)
                         : "org.apache.kafka.common.KafkaException",
                call->client.error.text);
    }
}

static void tell_timeout(const struct console *console) {
    kafka_log("ERROR", console->call->logger, "%s",
              "Error processing message, terminating consumer process: ");
    fputs("org.apache.kafka.common.errors.TimeoutException\n", stderr);
}

/* Until the time is over, enough was printed, or somebody interrupts. */
static void read_on(struct console *console) {
    int16_t code = ERROR_NONE;
    bool subscribed = false;
    console->last_ms = client_ticks_ms();
    while (console->max_messages < 0 || console->printed < console->max_messages) {
        if (interrupted()) {
            return;
        }
        if (!subscribed) {
            subscribed = subscribe(console, &code);
            if (code != ERROR_NONE) {
                tell_failure(console, code);
                return;
            }
        }
        if (subscribed) {
            if (console->member.member_id.len > 0 &&
                (code = member_keep(&console->member, &console->consumer, console->start,
                                    console->commit)) != ERROR_NONE) {
                tell_failure(console, code);
                return;
            }
            if (consumer_poll(&console->consumer, &code) < 0 && code != ERROR_NONE) {
                tell_failure(console, code);
                return;
            }
            fflush(stdout);
        } else {
            client_pause_ms(RELOOK_MS);
        }
        if (timed_out(console)) {
            tell_timeout(console);
            return;
        }
    }
}

int kafka_console_consumer(struct kafka_call *call) {
    static const char *const required[] = {"bootstrap-server", NULL};
    struct console console = {
        .call = call,
        .options = CONSUMER_OPTIONS_DEFAULT,
        .commit = true,
        .create = true,
        .partition = -1,
        .start = OFFSET_LATEST,
        .max_messages = -1,
        .timeout_ms = -1,
    };
    call->client.client_id = "console-consumer";
    formatter_init(&console.formatter, call);
    if (!kafka_require(call, required) || !configure(&console) ||
        !kafka_connect(call, options_get(&call->options, "bootstrap-server", ""), NULL)) {
        return EXIT_FAILED;
    }
    if (console.timeout_ms >= 0 && console.timeout_ms < console.options.wait_ms) {
        console.options.wait_ms = (int32_t)console.timeout_ms;
    }
    consumer_init(&console.consumer, &call->client, &console.options);
    console.consumer.record = print;
    console.consumer.ctx = &console;
    interrupt_hold();
    read_on(&console);
    if (console.member.member_id.len > 0) {
        if (console.commit) {
            (void)member_commit(&console.member, &console.consumer);
        }
        member_leave(&console.member);
    }
    fflush(stdout);
    fprintf(stderr, "Processed a total of %" PRId64 " messages\n", console.printed);
    if (options_has(&call->options, "enable-systest-events")) {
        puts("shutdown_complete");
    }
    member_release(&console.member);
    consumer_release(&console.consumer);
    return 0;
}
