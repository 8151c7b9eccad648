/* kafka-topics */
#include <stdlib.h>
#include <string.h>

#include "tools/admin/configs.h"
#include "tools/kafka/kafka.h"

const struct option_spec kafka_topics_options[] = {
    {"alter", OPTION_FLAG, NULL, "Changes the number of partitions or their replicas."},
    {"at-min-isr-partitions", OPTION_FLAG, NULL,
     "Describes only partitions at min.insync.replicas."},
    {"bootstrap-server", OPTION_VALUE, "server to connect to", "The brokers to ask (required)."},
    {"command-config", OPTION_VALUE, "command config property file", "Properties for the client."},
    {"config", OPTION_VALUE, "name=value", "A configuration of the topic, for --create."},
    {"create", OPTION_FLAG, NULL, "Creates a topic."},
    {"delete", OPTION_FLAG, NULL, "Deletes topics."},
    {"delete-config", OPTION_VALUE, "name", "No longer has an effect, as with Kafka since 4.0."},
    {"describe", OPTION_FLAG, NULL, "Lists details of topics."},
    {"exclude-internal", OPTION_FLAG, NULL, "Leaves internal topics out."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"if-exists", OPTION_FLAG, NULL, "Does nothing when the topic does not exist."},
    {"if-not-exists", OPTION_FLAG, NULL, "Does nothing when the topic exists."},
    {"list", OPTION_FLAG, NULL, "Lists all topics."},
    {"partition-size-limit-per-response", OPTION_VALUE, "size", "Partitions in an answer."},
    {"partitions", OPTION_VALUE, "# of partitions", "For --create and --alter."},
    {"replica-assignment", OPTION_VALUE, "broker1:broker2,...", "Replicas of each partition."},
    {"replication-factor", OPTION_VALUE, "factor", "Replicas of each partition, for --create."},
    {"topic", OPTION_VALUE, "topic", "The topic; also a regular expression but for --create."},
    {"topic-id", OPTION_VALUE, "topic-id", "The topic by its id, for --describe."},
    {"topics-with-overrides", OPTION_FLAG, NULL, "Describes only topics with configurations."},
    {"unavailable-partitions", OPTION_FLAG, NULL, "Describes only partitions without leader."},
    {"under-min-isr-partitions", OPTION_FLAG, NULL,
     "Describes only those below min.insync.replicas."},
    {"under-replicated-partitions", OPTION_FLAG, NULL, "Describes only those that lack replicas."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

/* ---- Failing --------------------------------------------------------------------------------- */

static int fail_as(struct kafka_call *call, const char *exception, struct slice text) {
    printf("Error while executing topic command : %.*s\n", SLICE_ARG(text));
    kafka_log("ERROR", call->logger, "%s: %.*s\n", exception, SLICE_ARG(text));
    return EXIT_FAILED;
}

static int fail(struct kafka_call *call, const char *text) {
    return fail_as(call, "java.lang.IllegalArgumentException", slice_str(text));
}

static int fail_with(struct kafka_call *call, const struct outcome *outcome) {
    struct slice text = outcome_text(outcome);
    const char *exception = kafka_exception(&call->arena, outcome->code);
    /* Kafka's tool checks values itself, before it asks. */
    if (outcome->code == ERROR_INVALID_CONFIG && text.len > 13 &&
        memcmp(text.data, "Invalid value", 13) == 0) {
        exception = "org.apache.kafka.common.config.ConfigException";
    }
    return fail_as(call, exception, text);
}

static int fail_unanswered(struct kafka_call *call) {
    return fail_as(call, "org.apache.kafka.common.errors.TimeoutException",
                   slice_str(call->client.error.text));
}

/* ---- Topics that are meant ------------------------------------------------------------------- */

static const char *unquoted(struct kafka_call *call, const char *text) {
    size_t len = strlen(text);
    if (len >= 2 && (text[0] == '"' || text[0] == '\'') && text[len - 1] == text[0]) {
        return arena_printf(&call->arena, "%.*s", (int)len - 2, text + 1);
    }
    return text;
}

/* Topics that --topic and --exclude-internal select, in place. */
static void select_topics(struct kafka_call *call, struct topic_list *list) {
    const char *pattern = options_get(&call->options, "topic", NULL);
    bool exclude = options_has(&call->options, "exclude-internal");
    int32_t kept = 0;
    for (int32_t i = 0; i < list->count; i++) {
        const struct topic_info *t = &list->items[i];
        if ((pattern == NULL || kafka_matches(pattern, t->name)) && !(exclude && t->internal)) {
            list->items[kept++] = *t;
        }
    }
    list->count = kept;
}

/* False when there is nothing to do, or an error; *exit_code says which. */
static bool ensure_some(struct kafka_call *call, const struct topic_list *list, int *exit_code) {
    *exit_code = 0;
    if (list->count > 0) {
        return true;
    }
    const char *topic = options_get(&call->options, "topic", NULL);
    if (options_has(&call->options, "if-exists") || topic == NULL) {
        return false;
    }
    *exit_code = fail(call, arena_printf(&call->arena, "Topic '%s' does not exist as expected",
                                         unquoted(call, topic)));
    return false;
}

/* The topics that are to be changed; false when there are none, or an error, as *exit_code says. */
static bool take_topics(struct kafka_call *call, struct topic_list *list, int *exit_code) {
    if (!topics_all(&call->client, list)) {
        *exit_code = fail_unanswered(call);
        return false;
    }
    select_topics(call, list);
    return ensure_some(call, list, exit_code);
}

/* ---- Actions --------------------------------------------------------------------------------- */

static int list_topics(struct kafka_call *call) {
    struct topic_list list;
    if (!topics_all(&call->client, &list)) {
        return fail_unanswered(call);
    }
    select_topics(call, &list);
    for (int32_t i = 0; i < list.count; i++) {
        printf("%.*s\n", SLICE_ARG(list.items[i].name));
    }
    return 0;
}

/* Takes a number out of an option; false when it is none, after saying so. */
static bool take_number(struct kafka_call *call, const char *name, int64_t *out) {
    return options_i64(&call->options, name, out);
}

static int create_topic(struct kafka_call *call) {
    const char *name = unquoted(call, options_get(&call->options, "topic", ""));
    int64_t partitions = -1, factor = -1;
    if (!take_number(call, "partitions", &partitions) ||
        !take_number(call, "replication-factor", &factor)) {
        return EXIT_FAILED;
    }
    struct topic_plan plan = {.name = slice_str(name),
                              .assignment =
                                  options_get(&call->options, "replica-assignment", NULL)};
    const char **configs =
        arena_array(&call->arena, call->options.given_count + 1, sizeof(*configs));
    while ((configs[plan.config_count] =
                options_nth(&call->options, "config", (size_t)plan.config_count)) != NULL) {
        if (strchr(configs[plan.config_count], '=') == NULL) {
            return fail(call, "requirement failed: Invalid topic config: all configs to be added "
                              "must be in the format \"key=val\".");
        }
        plan.config_count++;
    }
    plan.configs = configs;
    if (strpbrk(name, "._") != NULL) {
        puts("WARNING: Due to limitations in metric names, topics with a period ('.') or "
             "underscore ('_') could collide. To avoid issues it is best to use either, but not "
             "both.");
    }
    if (options_has(&call->options, "replication-factor") && (factor < 1 || factor > INT16_MAX)) {
        return fail(call, "The replication factor must be between 1 and 32767 inclusive");
    }
    if (options_has(&call->options, "partitions") && partitions < 1) {
        return fail(call, "The partitions must be greater than 0");
    }
    int32_t assigned;
    if (plan.assignment != NULL && !assignment_valid(plan.assignment, &assigned)) {
        return fail(call, arena_printf(&call->arena, "For input string: \"%s\"", plan.assignment));
    }
    plan.partitions = (int32_t)partitions;
    plan.replication_factor = (int16_t)factor;
    struct outcome outcome;
    if (!topic_create(&call->client, &plan, &outcome)) {
        return fail_unanswered(call);
    }
    if (outcome.code == ERROR_TOPIC_ALREADY_EXISTS &&
        options_has(&call->options, "if-not-exists")) {
        return 0;
    }
    if (outcome.code != ERROR_NONE) {
        return fail_with(call, &outcome);
    }
    printf("Created topic %s.\n", name);
    return 0;
}

static int delete_topics(struct kafka_call *call) {
    struct topic_list list;
    int exit_code;
    if (!take_topics(call, &list, &exit_code)) {
        return exit_code;
    }
    for (int32_t i = 0; i < list.count; i++) {
        struct outcome outcome;
        if (!topic_delete_named(&call->client, list.items[i].name, &outcome)) {
            return fail_unanswered(call);
        }
        if (outcome.code != ERROR_NONE) {
            return fail_with(call, &outcome);
        }
    }
    return 0;
}

static int alter_topics(struct kafka_call *call) {
    int64_t partitions = 0;
    const char *assignment = options_get(&call->options, "replica-assignment", NULL);
    int32_t assigned;
    if (!take_number(call, "partitions", &partitions)) {
        return EXIT_FAILED;
    }
    if (assignment != NULL && !assignment_valid(assignment, &assigned)) {
        return fail(call, arena_printf(&call->arena, "For input string: \"%s\"", assignment));
    }
    struct topic_list list;
    int exit_code;
    if (!take_topics(call, &list, &exit_code)) {
        return exit_code;
    }
    for (int32_t i = 0; i < list.count; i++) {
        struct outcome outcome;
        if (!topic_grow(&call->client, list.items[i].name, (int32_t)partitions, assignment,
                        list.items[i].partition_count, &outcome)) {
            return fail_unanswered(call);
        }
        if (outcome.code != ERROR_NONE) {
            return fail_with(call, &outcome);
        }
    }
    return 0;
}

/* ---- Describing ------------------------------------------------------------------------------ */

/* What is to be shown of the topics. */
struct view {
    bool filtered; /* only some partitions, and no topics */
    bool unavailable, under_replicated, under_min_isr, at_min_isr;
    bool overrides; /* only topics that have some */
};

static void print_ids(const char *title, struct int_list list) {
    printf("\t%s: ", title);
    if (list.count < 0) {
        fputs("N/A", stdout);
    }
    for (int32_t i = 0; i < list.count; i++) {
        printf("%s%d", i > 0 ? "," : "", list.items[i]);
    }
}

static void print_partition(const struct topic_info *topic, const struct partition_info *p) {
    printf("\tTopic: %.*s\tPartition: %d\tLeader: ", SLICE_ARG(topic->name), p->index);
    if (p->leader >= 0) {
        printf("%d", p->leader);
    } else {
        fputs("none", stdout);
    }
    print_ids("Replicas", p->replicas);
    print_ids("Isr", p->isr);
    print_ids("Elr", p->elr);
    print_ids("LastKnownElr", p->last_elr);
    putchar('\n');
}

static bool shown(const struct view *view, const struct partition_info *p, int64_t min_isr) {
    return !view->filtered || (view->unavailable && p->leader < 0) ||
           (view->under_replicated && p->isr.count < p->replicas.count) ||
           (view->under_min_isr && (p->leader < 0 || p->isr.count < min_isr)) ||
           (view->at_min_isr && p->isr.count == min_isr);
}

static int describe_one(struct kafka_call *call, const struct view *view,
                        const struct topic_info *topic) {
    const struct describe_configs_response_result *configs =
        configs_describe(&call->client, CONFIG_TOPIC, topic->name);
    if (configs == NULL) {
        return fail_unanswered(call);
    }
    configs_sort_as_java(configs->configs, configs->configs_count);
    struct buffer text;
    buffer_init(&text, SIZE_MAX);
    int64_t min_isr = 1;
    for (int32_t i = 0; i < configs->configs_count; i++) {
        const struct describe_configs_response_resource_result *c = &configs->configs[i];
        if (slice_equal_str(c->name, "min.insync.replicas")) {
            (void)slice_parse_i64(c->value, &min_isr);
        }
        if (c->config_source != SOURCE_DEFAULT) {
            buffer_printf(&text, "%s%.*s=%.*s", text.len > 0 ? "," : "", SLICE_ARG(c->name),
                          SLICE_ARG(c->value));
        }
    }
    if (!view->filtered && (!view->overrides || text.len > 0)) {
        char id[UUID_TEXT_LEN + 1];
        printf("Topic: %.*s\tTopicId: %s\tPartitionCount: %d\tReplicationFactor: %d\tConfigs: "
               "%.*s\n",
               SLICE_ARG(topic->name), uuid_format(topic->id, id), topic->partition_count,
               topic->partition_count > 0 ? topic->partitions[0].replicas.count : 0,
               SLICE_ARG(buffer_slice(&text)));
    }
    buffer_release(&text);
    for (int32_t i = 0; i < topic->partition_count && !view->overrides; i++) {
        if (shown(view, &topic->partitions[i], min_isr)) {
            print_partition(topic, &topic->partitions[i]);
        }
    }
    return 0;
}

/* Keeps the topic of --topic-id alone; false with an exit code when there is none. */
static bool select_id(struct kafka_call *call, struct topic_list *list, int *exit_code) {
    const char *text = options_get(&call->options, "topic-id", NULL);
    struct uuid id;
    *exit_code = 0;
    if (text == NULL) {
        return ensure_some(call, list, exit_code);
    }
    if (!uuid_parse(slice_str(text), &id)) {
        *exit_code = fail(
            call, arena_printf(&call->arena,
                               "Input string `%s` decoded as %zu bytes, which is not equal to the "
                               "expected 16 bytes of a base64-encoded UUID",
                               text, strlen(text) * 3 / 4));
        return false;
    }
    for (int32_t i = 0; i < list->count; i++) {
        if (uuid_equal(list->items[i].id, id)) {
            list->items[0] = list->items[i];
            list->count = 1;
            return true;
        }
    }
    if (!options_has(&call->options, "if-exists")) {
        *exit_code =
            fail(call, arena_printf(&call->arena, "TopicId '%s' does not exist as expected", text));
    }
    return false;
}

static int describe_topics(struct kafka_call *call) {
    const struct options *options = &call->options;
    struct view view = {
        .unavailable = options_has(options, "unavailable-partitions"),
        .under_replicated = options_has(options, "under-replicated-partitions"),
        .under_min_isr = options_has(options, "under-min-isr-partitions"),
        .at_min_isr = options_has(options, "at-min-isr-partitions"),
        .overrides = options_has(options, "topics-with-overrides"),
    };
    view.filtered =
        view.unavailable || view.under_replicated || view.under_min_isr || view.at_min_isr;
    int64_t page = 0;
    struct topic_list list;
    int exit_code;
    if (!take_number(call, "partition-size-limit-per-response", &page)) {
        return EXIT_FAILED;
    }
    if (!topics_all(&call->client, &list)) {
        return fail_unanswered(call);
    }
    select_topics(call, &list);
    if (!select_id(call, &list, &exit_code) || list.count == 0) {
        return exit_code;
    }
    struct slice *names = arena_array(&call->arena, (size_t)list.count, sizeof(*names));
    for (int32_t i = 0; i < list.count; i++) {
        names[i] = list.items[i].name;
    }
    if (!topics_describe(&call->client, names, list.count, (int32_t)page, &list)) {
        return fail_unanswered(call);
    }
    for (int32_t i = 0; i < list.count && exit_code == 0; i++) {
        if (list.items[i].code == ERROR_NONE) {
            exit_code = describe_one(call, &view, &list.items[i]);
        }
    }
    return exit_code;
}

/* ---- The command line ------------------------------------------------------------------------ */

int kafka_topics(struct kafka_call *call) {
    static const struct {
        const char *name;
        int (*run)(struct kafka_call *call);
        const char *required[3];
    } actions[] = {
        {"list", list_topics, {"bootstrap-server"}},
        {"create", create_topic, {"bootstrap-server", "topic"}},
        {"describe", describe_topics, {"bootstrap-server"}},
        {"alter", alter_topics, {"bootstrap-server", "topic"}},
        {"delete", delete_topics, {"bootstrap-server", "topic"}},
    };
    size_t chosen = 0, count = 0;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (options_has(&call->options, actions[i].name)) {
            chosen = i;
            count++;
        }
    }
    if (count != 1) {
        return kafka_usage(call, "Command must include exactly one action: --list, --describe, "
                                 "--create, --alter or --delete");
    }
    if (!options_has(&call->options, "bootstrap-server")) {
        return kafka_usage(call, "--bootstrap-server must be specified");
    }
    if (options_has(&call->options, "delete-config")) {
        fputs("delete-config option is no longer supported and deprecated since version 4.0. The "
              "config will be fully removed in future releases.\n",
              stderr);
    }
    static const char *const with_assignment[] = {"partitions", "replication-factor", NULL};
    if (!kafka_require(call, actions[chosen].required) ||
        (options_has(&call->options, "create") &&
         !kafka_exclude(call, "replica-assignment", with_assignment))) {
        return EXIT_FAILED;
    }
    if (!kafka_connect_given(call)) {
        return EXIT_FAILED;
    }
    return actions[chosen].run(call);
}
