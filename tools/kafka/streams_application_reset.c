/* kafka-streams-application-reset */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tools/admin/reset.h"
#include "tools/cli/when.h"
#include "tools/kafka/consumer_groups.h"

const struct option_spec kafka_streams_application_reset_options[] = {
    {"application-id", OPTION_VALUE, "id", "The application.id (required)."},
    {"bootstrap-server", OPTION_VALUE, "server to connect to", "The brokers; localhost:9092."},
    {"by-duration", OPTION_VALUE, NULL, "To so long ago, PnDTnHnMnS."},
    {"command-config|config-file", OPTION_VALUE, "file name", "Properties for the client."},
    {"dry-run", OPTION_FLAG, NULL, "Tells what would be done."},
    {"force", OPTION_FLAG, NULL, "Removes members that are left in the group."},
    {"from-file", OPTION_VALUE, NULL, "To what a file has: topic,partition,offset."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"input-topics", OPTION_VALUE, "list", "Topics that are read; to the beginning if not said."},
    {"intermediate-topics", OPTION_VALUE, "list", "Topics that are skipped to their ends."},
    {"internal-topics", OPTION_VALUE, "list", "Of the internal topics, only these are deleted."},
    {"shift-by", OPTION_VALUE, "number-of-offsets", "By so many from the current offsets."},
    {"to-datetime", OPTION_VALUE, NULL, "To a time, YYYY-MM-DDThh:mm:ss.sss."},
    {"to-earliest", OPTION_FLAG, NULL, "To the beginning."},
    {"to-latest", OPTION_FLAG, NULL, "To the end."},
    {"to-offset", OPTION_VALUE, NULL, "To this offset."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

/* Names of topics, in the order in which they were given. */
struct names {
    const char **items; /* in the call's arena */
    size_t count;
};

struct resetter {
    struct kafka_call *call;
    struct slice group;
    struct names input, between, internal;
    struct topic_list topics;
    bool dry_run;
};

/* ---- Names ----------------------------------------------------------------------------------- */

static struct names split(struct kafka_call *call, const char *option) {
    struct names names = {NULL, 0};
    for (size_t i = 0;; i++) {
        const char *at = options_nth(&call->options, option, i);
        if (at == NULL) {
            return names;
        }
        while (*at != '\0') {
            size_t len = strcspn(at, ",");
            const char **items = arena_array(&call->arena, names.count + 1, sizeof(*items));
            memcpy(items, names.items != NULL ? names.items : items, names.count * sizeof(*items));
            items[names.count] = arena_printf(&call->arena, "%.*s", (int)len, at);
            names = (struct names){items, names.count + 1};
            at += len;
            at += *at == ',';
        }
    }
}

static bool has(const struct names *names, struct slice name) {
    for (size_t i = 0; i < names->count; i++) {
        if (slice_equal_str(name, names->items[i])) {
            return true;
        }
    }
    return false;
}

/* As Java prints a list. */
static void print_names(const char *what, const struct names *names) {
    printf("%s [", what);
    for (size_t i = 0; i < names->count; i++) {
        printf("%s%s", i > 0 ? ", " : "", names->items[i]);
    }
    puts("]");
}

static int fail(const char *exception, const char *text) {
    fflush(stdout);
    fprintf(stderr, "ERROR: %s: %s\n%s: %s\n", exception, text, exception, text);
    return EXIT_FAILED;
}

static int fail_with(struct resetter *r, int16_t code) {
    return fail(code > 0 ? kafka_exception(&r->call->arena, code)
                         : "org.apache.kafka.common.errors.TimeoutException",
                r->call->client.error.text);
}

/* ---- The group ------------------------------------------------------------------------------- */

/* It must have no members, or they are removed. Returns the exit code. */
static int empty_group(struct resetter *r) {
    struct client *client = &r->call->client;
    int16_t code;
    const struct describe_groups_response_described_group *group =
        group_describe(client, r->group, NULL, &code);
    if (group == NULL && code == ERROR_NONE) {
        return fail_with(r, -1);
    }
    if (group == NULL || group->members_count == 0) {
        return 0;
    }
    if (!options_has(&r->call->options, "force")) {
        struct buffer text;
        buffer_init(&text, SIZE_MAX);
        for (int32_t i = 0; i < group->members_count; i++) {
            const struct describe_groups_response_described_group_member *m = &group->members[i];
            buffer_append_str(&text, i > 0 ? ", " : "");
            buffer_append(&text, m->member_id.data, m->member_id.len);
        }
        buffer_put_u8(&text, '\0');
        const char *why = arena_printf(
            &r->call->arena,
            "Consumer group '%.*s' is still active and has following members: [%s]. Make sure to "
            "stop all running application instances before running the reset tool. You can use "
            "option '--force' to remove active members from the group.",
            SLICE_ARG(r->group), (const char *)text.data);
        buffer_release(&text);
        return fail("java.lang.IllegalStateException", why);
    }
    printf("Force deleting all active members in the group: %.*s\n", SLICE_ARG(r->group));
    if (!group_remove_members(client, r->group, group, &code) || code != ERROR_NONE) {
        return fail_with(r, code != ERROR_NONE ? code : -1);
    }
    return 0;
}

/* ---- Offsets --------------------------------------------------------------------------------- */

/* Where the input topics are to be; the rows become that. Returns the exit code. */
static int compute(struct resetter *r, struct reset_list *list) {
    const struct options *options = &r->call->options;
    struct client *client = &r->call->client;
    enum reset_to to = RESET_TO_EARLIEST;
    int64_t value = 0;
    const char *time = options_get(options, "to-datetime", NULL);
    const char *ago = options_get(options, "by-duration", NULL);
    const char *file = options_get(options, "from-file", NULL);
    if (options_has(options, "to-latest")) {
        to = RESET_TO_LATEST;
    } else if (options_has(options, "to-offset")) {
        to = RESET_TO_OFFSET;
    } else if (options_has(options, "shift-by")) {
        to = RESET_TO_CURRENT;
    } else if (time != NULL || ago != NULL) {
        to = RESET_TO_TIME;
    } else if (file != NULL) {
        to = RESET_TO_ITEMS;
    }
    if (!options_i64(options, "to-offset", &value) || !options_i64(options, "shift-by", &value)) {
        return EXIT_FAILED;
    }
    if (time != NULL && (strchr(time, 'T') == NULL || !when_parse(time, 0, &value))) {
        return fail("java.text.ParseException",
                    arena_printf(&r->call->arena, "Unparseable date: \"%s\"", time));
    }
    if (ago != NULL) {
        if (!duration_parse(ago, &value)) {
            return fail("java.time.format.DateTimeParseException",
                        "Text cannot be parsed to a Duration");
        }
        value = client_now_ms() - value;
    }
    if (file != NULL) {
        *list = (struct reset_list){NULL, 0}; /* what the file has, and nothing else */
    }
    if (file != NULL && !reset_plan_take(r->call, file, r->group, false, list)) {
        return EXIT_FAILED;
    }
    int16_t code = reset_compute(client, r->group, to, value, list);
    if (code == ERROR_NONE && options_has(options, "shift-by")) {
        for (size_t i = 0; i < list->count; i++) {
            struct reset_row *row = &list->items[i];
            if (__builtin_add_overflow(row->offset, value, &row->offset)) {
                row->offset = value > 0 ? INT64_MAX : 0;
            }
        }
        code = reset_compute(client, r->group, RESET_TO_ITEMS, 0, list);
    }
    return code == ERROR_NONE ? 0 : fail_with(r, code);
}

static void print_offsets(const struct resetter *r, const struct reset_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        const struct reset_row *row = &list->items[i];
        if (row->note == RESET_NO_RECORD) {
            printf("Partition %d from topic %.*s is empty, without a committed record. Falling "
                   "back to latest known offset.\n",
                   row->partition, SLICE_ARG(row->topic));
        } else if (row->note == RESET_ABOVE_END || row->note == RESET_BELOW_START) {
            printf("New offset (%" PRId64 ") is %s offset. Value will be set to %" PRId64 "\n",
                   row->asked,
                   row->note == RESET_ABOVE_END ? "higher than latest" : "lower than earliest",
                   row->offset);
        }
    }
    for (size_t i = 0; i < list->count; i++) {
        printf("Topic: %.*s Partition: %d Offset: %" PRId64 "\n", SLICE_ARG(list->items[i].topic),
               list->items[i].partition, list->items[i].offset);
    }
}

/* Adds the partitions of those that are there; tells of the others. False when one is not there. */
static bool collect(struct resetter *r, const struct names *names, const char *kind,
                    struct reset_list *list) {
    bool all = true;
    for (size_t i = 0; i < names->count; i++) {
        if (topic_find(&r->topics, slice_str(names->items[i])) != NULL) {
            (void)reset_add_topic(&r->call->client, names->items[i], list);
            continue;
        }
        if (all) {
            printf("Following %s topics are not found, skipping them\n", kind);
        }
        printf("Topic: %s\n", names->items[i]);
        all = false;
    }
    return all;
}

static int commit(struct resetter *r, const struct reset_list *list) {
    int16_t code = r->dry_run ? ERROR_NONE : reset_commit(&r->call->client, r->group, list);
    return code == ERROR_NONE ? 0 : fail_with(r, code);
}

/* Returns the exit code; *found: whether all topics are there. */
static int reset_offsets(struct resetter *r, bool *found) {
    struct reset_list input = {NULL, 0}, between = {NULL, 0};
    *found = true;
    if (r->input.count == 0 && r->between.count == 0) {
        puts("No input or intermediate topics specified. Skipping seek.");
        return 0;
    }
    if (r->input.count > 0) {
        print_names("Reset-offsets for input topics", &r->input);
    }
    if (r->between.count > 0) {
        print_names("Seek-to-end for intermediate topics", &r->between);
    }
    *found = collect(r, &r->input, "input", &input);
    *found = collect(r, &r->between, "intermediate", &between) && *found;
    if (input.count + between.count == 0) {
        return 0;
    }
    if (input.count > 0) {
        printf("Following input topics offsets will be reset to (for consumer group %.*s)\n",
               SLICE_ARG(r->group));
        int exit_code = compute(r, &input);
        if (exit_code != 0) {
            return exit_code;
        }
        print_offsets(r, &input);
    }
    if (between.count > 0) {
        printf("Following intermediate topics offsets will be reset to end (for consumer group "
               "%.*s)\n",
               SLICE_ARG(r->group));
        int16_t code = reset_compute(&r->call->client, r->group, RESET_TO_LATEST, 0, &between);
        if (code != ERROR_NONE) {
            return fail_with(r, code);
        }
        for (size_t i = 0; i < r->between.count; i++) {
            if (topic_find(&r->topics, slice_str(r->between.items[i])) != NULL) {
                printf("Topic: %s\n", r->between.items[i]);
            }
        }
    }
    int exit_code = commit(r, &input);
    exit_code = exit_code == 0 ? commit(r, &between) : exit_code;
    if (exit_code == 0) {
        puts("Done.");
    }
    return exit_code;
}

/* ---- Internal topics ------------------------------------------------------------------------- */

static bool ends_with(struct slice name, const char *end) {
    size_t len = strlen(end);
    return name.len >= len && memcmp(name.data + name.len - len, end, len) == 0;
}

/* "...-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-12-topic", and the responses. */
static bool numbered(struct slice name) {
    return kafka_matches(".+-KTABLE-FK-JOIN-SUBSCRIPTION-(REGISTRATION|RESPONSE)-[0-9]+-topic",
                         name);
}

/* Whether Kafka Streams made it for the application. */
static bool is_internal(const struct resetter *r, struct slice name) {
    return !has(&r->input, name) && !has(&r->between, name) && name.len > r->group.len &&
           memcmp(name.data, r->group.data, r->group.len) == 0 && name.data[r->group.len] == '-' &&
           (ends_with(name, "-changelog") || ends_with(name, "-repartition") ||
            ends_with(name, "-subscription-registration-topic") ||
            ends_with(name, "-subscription-response-topic") || numbered(name));
}

static int delete_topics(struct resetter *r, const struct names *names) {
    bool all = true;
    for (size_t i = 0; i < names->count; i++) {
        struct client *client = &r->call->client;
        struct outcome outcome = {ERROR_NONE, SLICE_NULL};
        bool answered = topic_delete_named(client, slice_str(names->items[i]), &outcome);
        if (answered && outcome.code == ERROR_NONE) {
            continue;
        }
        if (answered) {
            client_fail(client, outcome.code, outcome.text);
        }
        fprintf(stderr, "ERROR: deleting topic %s\n%s\n", names->items[i], client->error.text);
        all = false;
    }
    return all ? 0
               : fail("java.lang.RuntimeException",
                      "Encountered an error deleting one or more topics");
}

static int delete_internal(struct resetter *r) {
    struct names inferred = {NULL, 0};
    inferred.items =
        arena_array(&r->call->arena, (size_t)r->topics.count + 1, sizeof(*inferred.items));
    for (int32_t i = 0; i < r->topics.count; i++) {
        struct slice name = r->topics.items[i].name;
        if (is_internal(r, name)) {
            inferred.items[inferred.count++] =
                arena_printf(&r->call->arena, "%.*s", SLICE_ARG(name));
        }
    }
    const struct names *names = &inferred;
    if (r->internal.count > 0) {
        for (size_t i = 0; i < r->internal.count; i++) {
            if (!has(&inferred, slice_str(r->internal.items[i]))) {
                return fail("java.lang.IllegalArgumentException",
                            "Invalid topic specified in the --internal-topics option. Ensure that "
                            "the topics specified are all internal topics. Do a dry run without "
                            "the --internal-topics option to see the list of all internal topics "
                            "that can be deleted.");
            }
        }
        names = &r->internal;
    }
    print_names(r->internal.count > 0 ? "Deleting specified internal topics"
                                      : "Deleting inferred internal topics",
                names);
    int exit_code = r->dry_run ? 0 : delete_topics(r, names);
    if (exit_code == 0) {
        puts("Done.");
    }
    return exit_code;
}

/* ---- All ------------------------------------------------------------------------------------- */

static bool check(struct kafka_call *call) {
    static const char *const scenarios[] = {"to-offset",   "to-datetime", "by-duration",
                                            "to-earliest", "to-latest",   "shift-by",
                                            "from-file",   NULL};
    if (!options_has(&call->options, "application-id")) {
        kafka_usage(call, "Missing required option(s) [application-id]");
        return false;
    }
    for (size_t i = 0; scenarios[i] != NULL; i++) {
        if (!kafka_exclude(call, scenarios[i], scenarios + i + 1)) {
            return false;
        }
    }
    return true;
}

int kafka_streams_application_reset(struct kafka_call *call) {
    const struct options *options = &call->options;
    if (!check(call)) {
        return EXIT_FAILED;
    }
    if (kafka_given(call, "config-file")) {
        puts("Option --config-file has been deprecated and will be removed in a future version. "
             "Use --command-config instead.");
    }
    struct resetter r = {.call = call,
                         .group = slice_str(options_get(options, "application-id", "")),
                         .input = split(call, "input-topics"),
                         .between = split(call, "intermediate-topics"),
                         .internal = split(call, "internal-topics"),
                         .dry_run = options_has(options, "dry-run")};
    if (r.between.count > 0) {
        puts("WARN: `--intermediate-topics` is deprecated and will be removed in a future release");
    }
    if (!kafka_connect(call, options_get(options, "bootstrap-server", "localhost:9092"),
                       options_get(options, "command-config", NULL))) {
        return EXIT_FAILED;
    }
    int exit_code = empty_group(&r);
    if (exit_code != 0) {
        return exit_code;
    }
    if (!topics_all(&call->client, &r.topics)) {
        return fail_with(&r, -1);
    }
    if (r.dry_run) {
        puts("----Dry run displays the actions which will be performed when running Streams Reset "
             "Tool----");
    }
    bool found;
    exit_code = reset_offsets(&r, &found);
    exit_code = exit_code == 0 ? delete_internal(&r) : exit_code;
    return exit_code == 0 && !found ? EXIT_FAILED : exit_code;
}
