#include "tools/kafka/kafka.h"

#include <errno.h>
#include <regex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "broker/config/properties.h"
#include "tools/format.h"
#include "tools/kafka/features_releases.h"

/* As long as Kafka's tools wait for a broker that does not listen yet. */
#define CONNECT_WAIT_MS 60000
#define CONFIG_SIZE_MAX ((size_t)1 << 20)

#define OF_CONNECT                                                                                 \
    "It belongs to Kafka Connect, which runs beside the brokers; Kafka's own works with them."
#define OF_JVM "It is about Java machines, and there is none here."

/* The tools of Kafka 4.3; those without `run` are not served yet, or never will be: then `why`. */
static const struct tool {
    const char *name;
    const char *logger;
    int (*run)(struct kafka_call *call);
    const struct option_spec *options;
    bool argparse; /* Kafka's own has argparse4j, not jopt-simple */
    const char *why;
} tools[] = {
    {"kafka-topics", "org.apache.kafka.tools.TopicCommand", kafka_topics, kafka_topics_options},
    {"kafka-console-producer", "org.apache.kafka.tools.ConsoleProducer", kafka_console_producer,
     kafka_console_producer_options},
    {"kafka-console-consumer", "org.apache.kafka.tools.consumer.ConsoleConsumer",
     kafka_console_consumer, kafka_console_consumer_options},
    {"kafka-consumer-groups", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
     kafka_consumer_groups, kafka_consumer_groups_options},
    {"kafka-groups", "org.apache.kafka.tools.GroupsCommand", kafka_groups, kafka_groups_options},
    {"kafka-configs", "org.apache.kafka.tools.ConfigCommand", kafka_configs, kafka_configs_options},
    {"kafka-client-metrics", "org.apache.kafka.tools.ClientMetricsCommand", kafka_client_metrics,
     kafka_client_metrics_options},
    {"kafka-get-offsets", "org.apache.kafka.tools.GetOffsetShell", kafka_get_offsets,
     kafka_get_offsets_options},
    {"kafka-delete-records", "org.apache.kafka.tools.DeleteRecordsCommand", kafka_delete_records,
     kafka_delete_records_options},
    {"kafka-log-dirs", "org.apache.kafka.tools.LogDirsCommand", kafka_log_dirs,
     kafka_log_dirs_options},
    {"kafka-broker-api-versions", "org.apache.kafka.tools.BrokerApiVersionsCommand",
     kafka_broker_api_versions, kafka_broker_api_versions_options},
    {"kafka-cluster", "org.apache.kafka.tools.ClusterTool", kafka_cluster, kafka_cluster_options},
    {"kafka-metadata-quorum", "org.apache.kafka.tools.MetadataQuorumCommand", kafka_metadata_quorum,
     kafka_metadata_quorum_options},
    {"kafka-features", "org.apache.kafka.tools.FeatureCommand", kafka_features,
     kafka_features_options},
    {"kafka-storage", "kafka.tools.StorageTool", kafka_storage, NULL},
    {"kafka-dump-log", "org.apache.kafka.tools.DumpLogSegments", kafka_dump_log,
     kafka_dump_log_options},
    {"kafka-leader-election", "org.apache.kafka.tools.LeaderElectionCommand", kafka_leader_election,
     kafka_leader_election_options},
    {"kafka-reassign-partitions", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
     kafka_reassign_partitions, kafka_reassign_partitions_options},
    {"kafka-producer-perf-test", "org.apache.kafka.tools.ProducerPerformance",
     kafka_producer_perf_test, kafka_producer_perf_test_options, true},
    {"kafka-consumer-perf-test", "org.apache.kafka.tools.ConsumerPerformance",
     kafka_consumer_perf_test, kafka_consumer_perf_test_options},
    {"kafka-e2e-latency", "org.apache.kafka.tools.EndToEndLatency", kafka_e2e_latency,
     kafka_e2e_latency_options},
    {"kafka-verifiable-producer", "org.apache.kafka.tools.VerifiableProducer",
     kafka_verifiable_producer, kafka_verifiable_producer_options, true},
    {"kafka-verifiable-consumer", "org.apache.kafka.tools.VerifiableConsumer",
     kafka_verifiable_consumer, kafka_verifiable_consumer_options, true},
    {"kafka-streams-application-reset", "org.apache.kafka.tools.StreamsResetter",
     kafka_streams_application_reset, kafka_streams_application_reset_options},
    {"kafka-acls", NULL, NULL, NULL},
    {"kafka-console-share-consumer", NULL, NULL, NULL},
    {"kafka-delegation-tokens", NULL, NULL, NULL},
    {"kafka-metadata-shell", NULL, NULL, NULL},
    {"kafka-replica-verification", NULL, NULL, NULL},
    {"kafka-server-start", NULL, NULL, NULL},
    {"kafka-server-stop", NULL, NULL, NULL},
    {"kafka-share-consumer-perf-test", NULL, NULL, NULL},
    {"kafka-share-groups", NULL, NULL, NULL},
    {"kafka-streams-groups", NULL, NULL, NULL},
    {"kafka-transactions", NULL, NULL, NULL},
    {"kafka-verifiable-share-consumer", NULL, NULL, NULL},
    {"connect-distributed", .why = OF_CONNECT},
    {"connect-mirror-maker", .why = OF_CONNECT},
    {"connect-plugin-path", .why = OF_CONNECT},
    {"connect-standalone", .why = OF_CONNECT},
    {"kafka-jmx",
     .why = "There is no JMX; metrics are at /metrics of metrics.listener, for Prometheus."},
    {"kafka-run-class", .why = OF_JVM},
    {"trogdor", .why = "Kafka's own works with its brokers."},
};

/* ---- Calling --------------------------------------------------------------------------------- */

/* Some of Kafka's tools do not print their options when they do not know one. */
static int fail_parse(const struct kafka_call *call) {
    if (call->argparse) {
        return kafka_argument_error(call, "%s", call->options.error.text);
    }
    if (strcmp(call->tool, "kafka-configs") == 0) {
        fprintf(stderr, "%s\n", call->options.error.text);
        return EXIT_FAILED;
    }
    return kafka_usage(call, "%s", call->options.error.text);
}

static int run_tool(const struct tool *tool, int argc, char **argv) {
    if (tool->run == NULL) {
        if (tool->why != NULL) {
            fprintf(stderr, "%s is not a tool of Barnabas. %s\n", tool->name, tool->why);
            return EXIT_FAILED;
        }
        fprintf(stderr,
                "%s is not served yet by Barnabas. Kafka's own %s works with its brokers; see "
                "docs/compatibility.md.\n",
                tool->name, tool->name);
        return EXIT_FAILED;
    }
    struct kafka_call call = {.tool = tool->name,
                              .logger = tool->logger,
                              .argc = argc,
                              .argv = argv,
                              .argparse = tool->argparse};
    arena_init(&call.arena, SIZE_MAX);
    client_init(&call.client, NULL, "barnabasctl");
    int exit_code;
    if (tool->options != NULL && !options_parse(&call.options, tool->options, argc, argv)) {
        exit_code = fail_parse(&call);
    } else if (tool->options != NULL && options_has(&call.options, "version")) {
        puts("4.3.1 (Barnabas " BARNABAS_VERSION ")");
        exit_code = 0;
    } else if (tool->options != NULL && (options_has(&call.options, "help") || argc == 0)) {
        exit_code = kafka_usage(&call, "%s", "");
        exit_code = argc == 0 && !tool->argparse ? exit_code : 0;
    } else {
        exit_code = tool->run(&call);
    }
    client_release(&call.client);
    options_release(&call.options);
    arena_release(&call.arena);
    return fflush(stdout) == 0 ? exit_code : EXIT_FAILED;
}

bool kafka_main(const char *program, int argc, char **argv, int *exit_code) {
    const char *slash = strrchr(program, '/');
    const char *name = slash == NULL ? program : slash + 1;
    size_t len = strlen(name);
    if (len > 3 && strcmp(name + len - 3, ".sh") == 0) {
        len -= 3;
    }
    for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
        if (strlen(tools[i].name) == len && memcmp(tools[i].name, name, len) == 0) {
            *exit_code = run_tool(&tools[i], argc, argv);
            return true;
        }
    }
    return false;
}

int kafka_storage(struct kafka_call *call) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"format", format_main}, {"info", info_main}, {"random-uuid", random_uuid_main}};
    for (size_t i = 0; call->argc > 0 && i < ARRAY_LEN(commands); i++) {
        if (strcmp(call->argv[0], commands[i].name) == 0) {
            return commands[i].run(call->argc - 1, call->argv + 1);
        }
    }
    static const struct option_spec specs[] = {
        {"release-version|r", OPTION_VALUE, "RELEASE_VERSION", "The release."},
        {"feature|f", OPTION_VALUE, "FEATURE", "A feature and its level, name=level."},
        {"help|h", OPTION_FLAG, NULL, "Prints this."},
        {NULL},
    };
    const char *word = call->argc > 0 ? call->argv[0] : "";
    bool mapping = strcmp(word, "version-mapping") == 0;
    if (!mapping && strcmp(word, "feature-dependencies") != 0) {
        fputs("usage: kafka-storage format|info|version-mapping|feature-dependencies|random-uuid "
              "[options]\n",
              stderr);
        return EXIT_FAILED;
    }
    if (!options_parse(&call->options, specs, call->argc - 1, call->argv + 1)) {
        return fail_parse(call);
    }
    if (options_has(&call->options, "help")) {
        kafka_usage(call, "%s", "");
        return 0;
    }
    return mapping ? features_version_mapping(call) : features_dependencies(call);
}

/* ---- Connecting ------------------------------------------------------------------------------ */

bool kafka_properties(struct kafka_call *call, const char *path,
                      bool (*take)(void *ctx, struct slice key, struct slice value), void *ctx) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    char *text = arena_alloc(&call->arena, CONFIG_SIZE_MAX);
    size_t len = fread(text, 1, CONFIG_SIZE_MAX, file);
    fclose(file);
    struct properties properties;
    properties_init(&properties, slice_make(text, len));
    struct slice key, value;
    struct errmsg errmsg = {""};
    int got;
    while ((got = properties_next(&properties, &call->arena, &key, &value, &errmsg)) > 0) {
        if (!take(ctx, key, value)) {
            return false;
        }
    }
    if (got < 0) {
        fprintf(stderr, "%s: %s\n", path, errmsg.text);
    }
    return got == 0;
}

bool kafka_client_property(void *ctx, struct slice key, struct slice value) {
    struct kafka_call *call = ctx;
    if (slice_equal_str(key, "client.id")) {
        call->client.client_id = (const char *)arena_dup(&call->arena, value).data;
    } else if (slice_equal_str(key, "security.protocol") && !slice_equal_str(value, "PLAINTEXT")) {
        fprintf(stderr, "security.protocol=%.*s is not served yet by this tool; use PLAINTEXT.\n",
                SLICE_ARG(value));
        return false;
    } else if (slice_equal_str(key, "bootstrap.servers") && call->client.bootstrap == NULL) {
        call->client.bootstrap = (const char *)arena_dup(&call->arena, value).data;
    }
    return true;
}

bool kafka_connect(struct kafka_call *call, const char *bootstrap, const char *config_file) {
    call->client.bootstrap = bootstrap;
    call->client.controllers = options_has(&call->options, "bootstrap-controller");
    call->client.wait_ms = CONNECT_WAIT_MS;
    return config_file == NULL || kafka_properties(call, config_file, kafka_client_property, call);
}

bool kafka_connect_given(struct kafka_call *call) {
    return kafka_connect(call, options_get(&call->options, "bootstrap-server", ""),
                         options_get(&call->options, "command-config", NULL));
}

/* A name, or what begins with it where it ends in a dot. */
static bool listed(const char *const *names, struct slice key) {
    for (; *names != NULL; names++) {
        size_t len = strlen(*names);
        if (slice_equal_str(key, *names) ||
            ((*names)[len - 1] == '.' && key.len > len && memcmp(key.data, *names, len) == 0)) {
            return true;
        }
    }
    return false;
}

bool kafka_other_property(struct kafka_call *call, const char *const *not_served,
                          const char *const *without_meaning, bool quiet, struct slice key,
                          struct slice value) {
    static const char *const ours[] = {"bootstrap.servers", "client.id", "security.protocol", NULL};
    if (listed(ours, key)) {
        return kafka_client_property(call, key, value);
    }
    if (listed(not_served, key)) {
        bool set = value.len > 0 && !slice_equal_str(value, "false");
        if (set) {
            fprintf(stderr, "%.*s is not served yet by this tool.\n", SLICE_ARG(key));
        }
        return !set;
    }
    if (!quiet && !listed(without_meaning, key)) {
        kafka_log("WARN", call->logger, "The property '%.*s' is not known and has no effect.",
                  SLICE_ARG(key));
    }
    return true;
}

bool kafka_refuse_value(const char *before, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fprintf(stderr, "%sorg.apache.kafka.common.config.ConfigException: ", before);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return false;
}

/* ---- Options --------------------------------------------------------------------------------- */

bool kafka_each_property(const struct kafka_call *call, const char *option, void *ctx,
                         bool (*take)(void *ctx, struct slice key, struct slice value)) {
    const char *text;
    for (size_t i = 0; (text = options_nth(&call->options, option, i)) != NULL; i++) {
        const char *equals = strchrnul(text, '=');
        if (!take(ctx, slice_make(text, (size_t)(equals - text)),
                  slice_str(*equals == '=' ? equals + 1 : ""))) {
            return false;
        }
    }
    return true;
}

void kafka_warn_of_old(const struct kafka_call *call, const char *begin, const char *old,
                       const char *name) {
    if (kafka_given(call, old)) {
        printf("%s --%s is deprecated and will be removed in a future version. Use --%s "
               "instead.\n",
               begin, old, name);
    }
}

int kafka_usage(const struct kafka_call *call, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char text[ERRMSG_SIZE * 2];
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "%s%s", text, text[0] != '\0' ? "\n" : "");
    options_print(call->options.specs, stderr);
    return EXIT_FAILED;
}

int kafka_argument_error(const struct kafka_call *call, const char *format, ...) {
    fprintf(stderr, "usage: %s [option]...\n", call->tool);
    options_print(call->options.specs, stderr);
    fprintf(stderr, "%s: error: ", call->tool);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_FAILED;
}

bool kafka_argument_integer(const struct kafka_call *call, const char *name, const char *type,
                            int64_t max, int64_t *out) {
    const char *text = options_get(&call->options, name, NULL);
    int64_t number;
    if (text == NULL) {
        return true;
    }
    if (!slice_parse_i64(slice_str(text), &number) || number > max || number < -max - 1) {
        kafka_argument_error(call,
                             "argument --%s: could not convert '%s' to %s (For input string: "
                             "\"%s\")",
                             name, text, type, text);
        return false;
    }
    *out = number;
    return true;
}

bool kafka_given(const struct kafka_call *call, const char *name) {
    size_t len = strlen(name);
    for (int i = 0; i < call->argc; i++) {
        const char *arg = call->argv[i];
        if (strncmp(arg, "--", 2) == 0 && strncmp(arg + 2, name, len) == 0 &&
            (arg[2 + len] == '\0' || arg[2 + len] == '=')) {
            return true;
        }
    }
    return false;
}

bool kafka_require(const struct kafka_call *call, const char *const *names) {
    for (; *names != NULL; names++) {
        if (!options_has(&call->options, *names)) {
            kafka_usage(call, "Missing required argument \"[%s]\"", *names);
            return false;
        }
    }
    return true;
}

bool kafka_exclude(const struct kafka_call *call, const char *name, const char *const *others) {
    for (; options_has(&call->options, name) && *others != NULL; others++) {
        if (options_has(&call->options, *others)) {
            kafka_usage(call, "Option \"[%s]\" can't be used with option \"[%s]\"", name, *others);
            return false;
        }
    }
    return true;
}

/* ---- Printing and matching ------------------------------------------------------------------- */

void kafka_log(const char *level, const char *logger, const char *format, ...) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm local;
    localtime_r(&now.tv_sec, &local);
    char when[32];
    strftime(when, sizeof(when), "%F %T", &local);
    fflush(stdout);
    fprintf(stderr, "[%s,%03d] %s ", when, (int)(now.tv_nsec / 1000000), level);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " (%s)\n", logger);
}

bool kafka_matches(const char *pattern, struct slice name) {
    struct buffer text;
    buffer_init(&text, SIZE_MAX);
    buffer_append_str(&text, "^(");
    for (const char *c = pattern; *c != '\0'; c++) {
        if (*c == ',') {
            buffer_put_u8(&text, '|');
        } else if (*c != '"' && *c != '\'' && *c != ' ') {
            buffer_put_u8(&text, (uint8_t)*c);
        }
    }
    buffer_append(&text, ")$", 3);
    regex_t regex;
    bool matches = false;
    if (regcomp(&regex, (const char *)text.data, REG_EXTENDED | REG_NOSUB) == 0) {
        char *copy = slice_to_cstr(name);
        matches = regexec(&regex, copy, 0, NULL, 0) == 0;
        free(copy);
        regfree(&regex);
    }
    buffer_release(&text);
    return matches;
}
