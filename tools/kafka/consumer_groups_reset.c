/* kafka-consumer-groups --reset-offsets */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/admin/reset.h"
#include "tools/cli/when.h"
#include "tools/kafka/consumer_groups.h"

#define UTILS "org.apache.kafka.tools.OffsetsUtils"

/* Where to, of the command line. */
struct aim {
    enum reset_to to;
    int64_t value;
    const char *file;
};

static const char *const aims[] = {"to-offset", "to-datetime", "by-duration", "to-earliest",
                                   "to-latest", "shift-by",    "from-file",   "to-current"};

/* False after a message; *exit_code is set. */
static bool take_aim(struct kafka_call *call, struct aim *aim, int *exit_code) {
    const struct options *options = &call->options;
    *exit_code = EXIT_FAILED;
    *aim = (struct aim){.file = options_get(options, "from-file", NULL)};
    const char *text;
    if (options_has(options, "to-earliest") || options_has(options, "to-latest")) {
        aim->to = options_has(options, "to-latest") ? RESET_TO_LATEST : RESET_TO_EARLIEST;
    } else if (options_has(options, "to-current")) {
        aim->to = RESET_TO_CURRENT;
    } else if (options_has(options, "to-offset")) {
        aim->to = RESET_TO_OFFSET;
        return options_i64(options, "to-offset", &aim->value);
    } else if (options_has(options, "shift-by")) {
        aim->to = RESET_BY_SHIFT;
        return options_i64(options, "shift-by", &aim->value);
    } else if ((text = options_get(options, "to-datetime", NULL)) != NULL) {
        aim->to = RESET_TO_TIME;
        if (strchr(text, 'T') == NULL || !when_parse(text, 0, &aim->value)) {
            const char *why =
                strchr(text, 'T') == NULL
                    ? "java.text.ParseException: Error parsing timestamp. It does not contain a "
                      "'T' according to ISO8601 format"
                    : arena_printf(&call->arena,
                                   "java.text.ParseException: Unparseable date: \"%s\"", text);
            *exit_code = groups_fail(call, "java.lang.RuntimeException", why);
            fprintf(stderr, "Caused by: %s\n", why);
            return false;
        }
    } else if ((text = options_get(options, "by-duration", NULL)) != NULL) {
        aim->to = RESET_TO_TIME;
        if (!duration_parse(text, &aim->value)) {
            *exit_code = groups_fail(call, "java.time.format.DateTimeParseException",
                                     "Text cannot be parsed to a Duration");
            return false;
        }
        aim->value = client_now_ms() - aim->value;
    } else {
        aim->to = RESET_TO_ITEMS;
    }
    return true;
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* Cuts a field off, without quotes. */
static struct slice take_field(struct slice *line) {
    const uint8_t *comma = line->len == 0 ? NULL : memchr(line->data, ',', line->len);
    struct slice field = slice_make(line->data, comma ? (size_t)(comma - line->data) : line->len);
    size_t used = field.len + (comma != NULL);
    *line = slice_make(line->data + used, line->len - used);
    while (field.len > 0 &&
           (field.data[field.len - 1] == '\r' || field.data[field.len - 1] == ' ')) {
        field.len--;
    }
    if (field.len >= 2 && field.data[0] == '"' && field.data[field.len - 1] == '"') {
        field = slice_make(field.data + 1, field.len - 2);
    }
    return field;
}

bool reset_plan_take(struct kafka_call *call, const char *path, struct slice group, bool several,
                     struct reset_list *list) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        groups_fail(call, "java.io.FileNotFoundException",
                    arena_printf(&call->arena, "%s (%s)", path, strerror(errno)));
        return false;
    }
    char *text = NULL;
    size_t cap = 0;
    ssize_t len;
    bool good = true;
    while (good && (len = getline(&text, &cap, file)) > 0) {
        struct slice line = slice_make(text, (size_t)len - (text[len - 1] == '\n'));
        if (line.len == 0 || (several && !slice_equal(take_field(&line), group))) {
            continue;
        }
        struct slice topic = arena_dup(&call->arena, take_field(&line));
        int64_t partition, offset;
        good = slice_parse_i64(take_field(&line), &partition) && partition >= 0 &&
               partition <= INT32_MAX && slice_parse_i64(take_field(&line), &offset);
        if (good) {
            struct reset_row *rows =
                arena_array(&call->client.answers, list->count + 1, sizeof(*rows));
            for (size_t i = 0; i < list->count; i++) {
                rows[i] = list->items[i];
            }
            rows[list->count] = (struct reset_row){
                .topic = topic, .partition = (int32_t)partition, .asked = -1, .offset = offset};
            *list = (struct reset_list){rows, list->count + 1};
        }
    }
    free(text);
    fclose(file);
    if (!good) {
        groups_fail(call, "java.lang.IllegalArgumentException",
                    arena_printf(&call->arena, "%s: not topic,partition,offset", path));
    }
    return good;
}

/* ---- Plans ----------------------------------------------------------------------------------- */

/* What the codes of admin/reset.h become; returns the exit code. */
static int fail_with(struct kafka_call *call, int16_t code) {
    if (code == -1) {
        return groups_fail_client(call);
    }
    if (code == ERROR_INVALID_PARTITIONS) {
        return groups_fail(call, "org.apache.kafka.common.errors.UnknownTopicOrPartitionException",
                           call->client.error.text);
    }
    return groups_fail(call, kafka_exception(&call->arena, code), groups_message(code));
}

/* The rows of one group, with their new offsets; false after a message. */
static bool plan(struct kafka_call *call, const struct aim *aim, struct slice group, bool several,
                 struct reset_list *list, int *exit_code) {
    int16_t code = ERROR_NONE;
    const char *scope;
    *list = (struct reset_list){NULL, 0};
    *exit_code = 0;
    if (aim->file != NULL) {
        if (!reset_plan_take(call, aim->file, group, several, list)) {
            return false;
        }
    } else if (options_has(&call->options, "all-topics")) {
        code = reset_add_committed(&call->client, group, list);
    } else {
        for (size_t i = 0;
             code == ERROR_NONE && (scope = options_nth(&call->options, "topic", i)) != NULL; i++) {
            code = reset_add_topic(&call->client, scope, list);
        }
    }
    if (code == ERROR_NONE) {
        code = reset_compute(&call->client, group, aim->to, aim->value, list);
    }
    if (code != ERROR_NONE) {
        *exit_code = fail_with(call, code);
        return false;
    }
    return true;
}

/* Warnings about offsets that are others than asked for; false when one is not possible. */
static bool tell_notes(struct kafka_call *call, const struct reset_list *list, int *exit_code) {
    for (size_t i = 0; i < list->count; i++) {
        const struct reset_row *r = &list->items[i];
        if (r->note == RESET_NO_OFFSET) {
            *exit_code = kafka_usage(call,
                                     "Cannot shift offset for partition %.*s-%d since there is no "
                                     "current committed offset",
                                     SLICE_ARG(r->topic), r->partition);
            return false;
        }
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct reset_row *r = &list->items[i];
        switch (r->note) {
        case RESET_AS_ASKED:
        case RESET_NO_OFFSET:
            break;
        case RESET_ABOVE_END:
            kafka_log("WARN", UTILS,
                      "New offset (%" PRId64 ") is higher than latest offset for topic partition "
                      "%.*s-%d. Value will be set to %" PRId64,
                      r->asked, SLICE_ARG(r->topic), r->partition, r->offset);
            break;
        case RESET_BELOW_START:
            kafka_log("WARN", UTILS,
                      "New offset (%" PRId64 ") is lower than earliest offset for topic partition "
                      "%.*s-%d. Value will be set to %" PRId64,
                      r->asked, SLICE_ARG(r->topic), r->partition, r->offset);
            break;
        case RESET_NO_RECORD:
            printf("\nWarn: Partition %d from topic %.*s is empty. Falling back to latest known "
                   "offset.\n",
                   r->partition, SLICE_ARG(r->topic));
            break;
        }
    }
    return true;
}

static void print_rows(struct slice group, const struct reset_list *list, bool as_csv,
                       bool several) {
    for (size_t i = 0; i < list->count; i++) {
        const struct reset_row *r = &list->items[i];
        if (!as_csv) {
            printf("%-30.*s %-30.*s %-10d %-15" PRId64 "\n", SLICE_ARG(group), SLICE_ARG(r->topic),
                   r->partition, r->offset);
            continue;
        }
        if (several) {
            printf("%.*s,", SLICE_ARG(group));
        }
        printf("%.*s,%d,%" PRId64 "\n", SLICE_ARG(r->topic), r->partition, r->offset);
    }
}

/* ---- All ------------------------------------------------------------------------------------- */

/* Whether the group has no members; a group that does not exist has none. */
static bool inactive(struct kafka_call *call, struct slice group, bool *answered) {
    int16_t code;
    const struct describe_groups_response_described_group *g =
        group_describe(&call->client, group, NULL, &code);
    *answered = g != NULL || code != ERROR_NONE;
    if (g == NULL || slice_equal_str(g->group_state, "Empty") ||
        slice_equal_str(g->group_state, "Dead")) {
        return true;
    }
    printf(
        "\nError: Assignments can only be reset if the group '%.*s' is inactive, but the current "
        "state is %.*s.\n",
        SLICE_ARG(group), SLICE_ARG(g->group_state));
    return false;
}

/* False after a message on stderr. */
static bool check_options(struct kafka_call *call) {
    size_t count = 0;
    const char *first = NULL;
    for (size_t i = 0; i < ARRAY_LEN(aims); i++) {
        if (!options_has(&call->options, aims[i])) {
            continue;
        }
        if (count++ > 0) {
            const char *const others[] = {aims[i], NULL};
            return kafka_exclude(call, first, others);
        }
        first = aims[i];
    }
    if (count == 0) {
        kafka_usage(call, "A Reset Scenario must be specified: --to-offset, --to-datetime, "
                          "--by-duration, --to-earliest, --to-latest, --shift-by, --from-file, "
                          "--to-current.");
        return false;
    }
    if (!options_has(&call->options, "from-file") && !options_has(&call->options, "all-topics") &&
        !options_has(&call->options, "topic")) {
        kafka_usage(call, "One of the reset scopes should be defined: --all-topics, --topic.");
        return false;
    }
    return true;
}

static int reset_one(struct kafka_call *call, const struct aim *aim, struct slice group,
                     bool several, bool *header) {
    bool execute = options_has(&call->options, "execute");
    bool as_csv = options_has(&call->options, "export"), answered;
    struct reset_list list = {NULL, 0};
    int exit_code = 0;
    if (inactive(call, group, &answered)) {
        if (!answered) {
            return groups_fail_client(call);
        }
        if (!plan(call, aim, group, several, &list, &exit_code) ||
            !tell_notes(call, &list, &exit_code)) {
            *header = false;
            return exit_code;
        }
    }
    if (execute) {
        int16_t code = reset_commit(&call->client, group, &list);
        if (code != ERROR_NONE) {
            *header = false;
            return fail_with(call, code);
        }
    }
    if (!as_csv && *header) {
        printf("\n%-30s %-30s %-10s %-15s\n", "GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
        *header = false;
    }
    print_rows(group, &list, as_csv, several);
    return exit_code;
}

int groups_reset(struct kafka_call *call) {
    struct slice *groups;
    size_t count;
    struct aim aim;
    int exit_code;
    if (!check_options(call)) {
        return EXIT_FAILED;
    }
    if (!options_has(&call->options, "execute") && !options_has(&call->options, "dry-run")) {
        fputs("WARN: No action will be performed as the --execute option is missing. In version "
              "5.0, this command will require either --dry-run or --execute to be specified. You "
              "should add the --dry-run option explicitly if you are scripting this command and "
              "want to keep the current default behavior without prompting.\n",
              stderr);
    }
    if (!take_aim(call, &aim, &exit_code)) {
        return exit_code;
    }
    if (!chosen_groups(call, &groups, &count)) {
        return groups_fail_client(call);
    }
    bool several = options_has(&call->options, "all-groups") || count > 1, header = true;
    exit_code = 0;
    for (size_t i = 0; i < count && exit_code == 0; i++) {
        exit_code = reset_one(call, &aim, groups[i], several, &header);
    }
    return exit_code;
}
