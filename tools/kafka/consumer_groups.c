/* kafka-consumer-groups and kafka-groups: the command line, lists and deletions. */
#include "tools/kafka/consumer_groups.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/admin/reset.h"

const struct option_spec kafka_consumer_groups_options[] = {
    {"all-groups", OPTION_FLAG, NULL, "All groups."},
    {"all-topics", OPTION_FLAG, NULL, "All topics that the group has offsets of."},
    {"bootstrap-server", OPTION_VALUE, "server to connect to", "The brokers to ask (required)."},
    {"by-duration", OPTION_VALUE, "duration", "So long ago, as PnDTnHnMnS."},
    {"command-config", OPTION_VALUE, "command config property file", "Properties for the client."},
    {"delete", OPTION_FLAG, NULL, "Deletes groups."},
    {"delete-offsets", OPTION_FLAG, NULL, "Deletes offsets of a group."},
    {"describe", OPTION_FLAG, NULL, "Offsets and lag, members, or the state of groups."},
    {"dry-run", OPTION_FLAG, NULL, "Only shows what would be reset."},
    {"execute", OPTION_FLAG, NULL, "Resets."},
    {"export", OPTION_FLAG, NULL, "Prints the plan as CSV."},
    {"from-file", OPTION_VALUE, "path to CSV file", "Resets to the offsets in the file."},
    {"group", OPTION_VALUE, "consumer group", "The group."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"list", OPTION_FLAG, NULL, "Lists all groups."},
    {"members", OPTION_FLAG, NULL, "Describes members."},
    {"offsets", OPTION_FLAG, NULL, "Describes offsets; the default."},
    {"reset-offsets", OPTION_FLAG, NULL, "Resets offsets of a group without members."},
    {"shift-by", OPTION_VALUE, "number-of-offsets", "Forward, or back."},
    {"state", OPTION_MAYBE, "String", "Describes states; with --list filters by them."},
    {"timeout", OPTION_VALUE, "timeout (ms)", "Accepted."},
    {"to-current", OPTION_FLAG, NULL, "To the current offset."},
    {"to-datetime", OPTION_VALUE, "datetime", "YYYY-MM-DDTHH:mm:ss.sss"},
    {"to-earliest", OPTION_FLAG, NULL, "To the first record."},
    {"to-latest", OPTION_FLAG, NULL, "To the end."},
    {"to-offset", OPTION_VALUE, "offset", "To this one."},
    {"topic", OPTION_VALUE, "topic", "The topic, or topic:0,1,2 for some partitions."},
    {"type", OPTION_MAYBE, "String", "With --list: by type."},
    {"validate-regex", OPTION_VALUE, "String", NULL},
    {"verbose", OPTION_FLAG, NULL, "Describes more."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

const struct option_spec kafka_groups_options[] = {
    {"bootstrap-server", OPTION_VALUE, "server to connect to", "The brokers to ask (required)."},
    {"command-config", OPTION_VALUE, "command config property file", "Properties for the client."},
    {"consumer", OPTION_FLAG, NULL, "Only groups of consumers."},
    {"group-type", OPTION_VALUE, "type", "Only groups of this type."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"list", OPTION_FLAG, NULL, "Lists groups."},
    {"protocol", OPTION_VALUE, "protocol", "Only groups of this protocol."},
    {"share", OPTION_FLAG, NULL, "Only share groups."},
    {"streams", OPTION_FLAG, NULL, "Only streams groups."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

/* ---- Failing --------------------------------------------------------------------------------- */

const char *groups_message(int16_t code) {
    switch (code) {
    case ERROR_GROUP_ID_NOT_FOUND:
        return "The group id does not exist.";
    case ERROR_UNKNOWN_TOPIC_OR_PARTITION:
        return "This server does not host this topic-partition.";
    case ERROR_NON_EMPTY_GROUP:
        return "The group is not empty.";
    default:
        return error_message(code);
    }
}

int groups_fail(struct kafka_call *call, const char *exception, const char *text) {
    printf("\nError: Executing consumer group command failed due to %s\n", text);
    fprintf(stderr, "%s: %s\n", exception, text);
    return 0; /* as Kafka's tool */
}

int groups_fail_client(struct kafka_call *call) {
    groups_fail(call, "org.apache.kafka.common.errors.TimeoutException", call->client.error.text);
    return EXIT_FAILED;
}

/* ---- Groups that are meant ------------------------------------------------------------------- */

static bool of_consumers(const struct list_groups_response_listed_group *g) {
    return (strncasecmp((const char *)g->group_type.data, "classic", g->group_type.len) == 0 &&
            (g->protocol_type.len == 0 || slice_equal_str(g->protocol_type, "consumer"))) ||
           slice_equal_str(g->group_type, "consumer");
}

bool chosen_groups(struct kafka_call *call, struct slice **out, size_t *count) {
    *count = 0;
    if (options_has(&call->options, "all-groups")) {
        struct group_list list;
        if (!groups_list(&call->client, &list)) {
            return false;
        }
        *out = arena_array(&call->arena, (size_t)list.count + 1, sizeof(**out));
        for (int32_t i = 0; i < list.count; i++) {
            if (of_consumers(&list.items[i])) {
                (*out)[(*count)++] = list.items[i].group_id;
            }
        }
        return true;
    }
    *out = arena_array(&call->arena, call->options.given_count + 1, sizeof(**out));
    const char *group;
    while ((group = options_nth(&call->options, "group", *count)) != NULL) {
        (*out)[(*count)++] = slice_str(group);
    }
    return true;
}

/* ---- Listing --------------------------------------------------------------------------------- */

/* Whether a comma-separated list has the word, whatever the case; NULL has all. */
static bool listed(const char *list, struct slice word) {
    if (list == NULL) {
        return true;
    }
    while (*list != '\0') {
        size_t len = strcspn(list, ",");
        while (len > 0 && *list == ' ') {
            list++;
            len--;
        }
        if (len == word.len && strncasecmp(list, (const char *)word.data, len) == 0) {
            return true;
        }
        list += len;
        list += *list == ',';
    }
    return false;
}

/* "Classic" for "classic". */
static const char *capitalised(struct kafka_call *call, struct slice word) {
    char *text = arena_printf(&call->arena, "%.*s", SLICE_ARG(word));
    if (text[0] >= 'a' && text[0] <= 'z') {
        text[0] = (char)(text[0] - 'a' + 'A');
    }
    return text;
}

static int list_groups(struct kafka_call *call) {
    struct group_list list;
    bool states = options_has(&call->options, "state"), types = options_has(&call->options, "type");
    if (!groups_list(&call->client, &list)) {
        return groups_fail_client(call);
    }
    int width = 15;
    for (int32_t i = 0; i < list.count; i++) {
        width = (int)list.items[i].group_id.len > width ? (int)list.items[i].group_id.len : width;
    }
    if (states || types) {
        printf("%-*s", width, "GROUP");
        printf("%s%s\n", types ? " TYPE            " : "", states ? " STATE" : "");
    }
    for (int32_t i = 0; i < list.count; i++) {
        const struct list_groups_response_listed_group *g = &list.items[i];
        if (!of_consumers(g) ||
            !listed(options_get(&call->options, "state", NULL), g->group_state) ||
            !listed(options_get(&call->options, "type", NULL), g->group_type)) {
            continue;
        }
        if (!states && !types) {
            printf("%.*s\n", SLICE_ARG(g->group_id));
            continue;
        }
        printf("%-*.*s", width, SLICE_ARG(g->group_id));
        if (types) {
            printf(" %-16s", capitalised(call, g->group_type));
        }
        if (states) {
            printf(" %.*s", SLICE_ARG(g->group_state));
        }
        putchar('\n');
    }
    return 0;
}

int kafka_groups(struct kafka_call *call) {
    static const char *const required[] = {"bootstrap-server", NULL};
    if (options_has(&call->options, "validate-regex")) {
        fputs("--validate-regex is not served by this tool, which has no RE2.\n", stderr);
        return EXIT_FAILED;
    }
    struct group_list list;
    if (!kafka_require(call, required) || !kafka_connect_given(call)) {
        return EXIT_FAILED;
    }
    if (!options_has(&call->options, "list")) {
        return kafka_usage(call, "Command must include exactly one action: --list.");
    }
    if (!groups_list(&call->client, &list)) {
        return groups_fail_client(call);
    }
    int width = 15;
    for (int32_t i = 0; i < list.count; i++) {
        width = (int)list.items[i].group_id.len > width ? (int)list.items[i].group_id.len : width;
    }
    const char *type = options_has(&call->options, "share")     ? "share"
                       : options_has(&call->options, "streams") ? "streams"
                                                                : NULL;
    type = options_get(&call->options, "group-type", type);
    printf("%-*s %-15s %-15s\n", width, "GROUP", "TYPE", "PROTOCOL");
    for (int32_t i = 0; i < list.count; i++) {
        const struct list_groups_response_listed_group *g = &list.items[i];
        if (!listed(type, g->group_type) ||
            !listed(options_get(&call->options, "protocol", NULL), g->protocol_type) ||
            (options_has(&call->options, "consumer") && !of_consumers(g))) {
            continue;
        }
        printf("%-*.*s %-15s %.*s\n", width, SLICE_ARG(g->group_id),
               capitalised(call, g->group_type), SLICE_ARG(g->protocol_type));
    }
    return 0;
}

/* ---- Deleting -------------------------------------------------------------------------------- */

static void print_names(const struct slice *groups, const int16_t *codes, size_t count) {
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (codes[i] == ERROR_NONE) {
            printf("%s'%.*s'", first ? "" : ", ", SLICE_ARG(groups[i]));
            first = false;
        }
    }
}

static int delete_groups(struct kafka_call *call) {
    struct slice *groups;
    size_t count, failed = 0;
    if (!chosen_groups(call, &groups, &count)) {
        return groups_fail_client(call);
    }
    int16_t *codes = arena_array(&call->arena, count + 1, sizeof(*codes));
    for (size_t i = 0; i < count; i++) {
        if (!group_delete(&call->client, groups[i], &codes[i])) {
            return groups_fail_client(call);
        }
        failed += codes[i] != ERROR_NONE;
    }
    if (failed == 0) {
        fputs("Deletion of requested consumer groups (", stdout);
        print_names(groups, codes, count);
        puts(") was successful.");
        return 0;
    }
    puts("\nError: Deletion of some consumer groups failed:");
    for (size_t i = 0; i < count; i++) {
        if (codes[i] != ERROR_NONE) {
            printf("* Group '%.*s' could not be deleted due to: %s: %s\n", SLICE_ARG(groups[i]),
                   kafka_exception(&call->arena, codes[i]), groups_message(codes[i]));
        }
    }
    if (failed < count) {
        fputs("\nThese consumer groups were deleted successfully: ", stdout);
        print_names(groups, codes, count);
        putchar('\n');
    }
    return 0;
}

/* The partitions that --topic names, whether they exist or not; a topic that does not exist has
 * partition -1. False without answer. */
static bool named_partitions(struct kafka_call *call, struct committed **out, size_t *count) {
    struct client *client = &call->client;
    struct reset_list list = {NULL, 0};
    struct committed *items = NULL;
    *count = 0;
    const char *scope;
    size_t cap = 0;
    for (size_t i = 0; (scope = options_nth(&call->options, "topic", i)) != NULL; i++) {
        const char *colon = strrchr(scope, ':');
        struct slice topic = slice_make(scope, colon ? (size_t)(colon - scope) : strlen(scope));
        list = (struct reset_list){NULL, 0};
        int16_t code = colon == NULL ? reset_add_topic(client, scope, &list) : ERROR_NONE;
        if (code == -1) {
            return false;
        }
        size_t more = colon != NULL ? strlen(colon) : list.count + 1;
        struct committed *grown = arena_array(&call->arena, cap + more, sizeof(*grown));
        for (size_t j = 0; j < *count; j++) {
            grown[j] = items[j];
        }
        items = grown;
        cap += more;
        for (size_t j = 0; j < list.count; j++) {
            items[(*count)++] =
                (struct committed){.topic = topic, .partition = list.items[j].partition};
        }
        if (code != ERROR_NONE) {
            items[(*count)++] = (struct committed){
                .topic = topic, .partition = -1, .code = ERROR_UNKNOWN_TOPIC_OR_PARTITION};
        }
        for (const char *c = colon; c != NULL && *count < cap; c = strchr(c + 1, ',')) {
            items[(*count)++] = (struct committed){.topic = topic, .partition = atoi(c + 1)};
        }
    }
    *out = items;
    return true;
}

static void print_deletion(struct kafka_call *call, const char *group, int16_t code,
                           const struct committed *items, size_t count) {
    switch (code) {
    case ERROR_NONE:
        printf("Request succeeded for deleting offsets from group %s.\n", group);
        break;
    case ERROR_INVALID_GROUP_ID:
    case ERROR_GROUP_ID_NOT_FOUND:
    case ERROR_GROUP_AUTHORIZATION_FAILED:
    case ERROR_NON_EMPTY_GROUP:
        printf("\nError: %s\n", groups_message(code));
        break;
    case ERROR_GROUP_SUBSCRIBED_TO_TOPIC:
    case ERROR_TOPIC_AUTHORIZATION_FAILED:
    case ERROR_UNKNOWN_TOPIC_OR_PARTITION:
        puts("\nError: Encountered some partition-level error, see the follow-up details.");
        break;
    default:
        printf("\nError: Encountered some unknown error: %s\n", error_name(code));
        break;
    }
    printf("\n%-30s %-15s %-15s\n", "TOPIC", "PARTITION", "STATUS");
    for (size_t i = 0; i < count; i++) {
        char partition[16] = "-";
        if (items[i].partition >= 0) {
            snprintf(partition, sizeof(partition), "%d", items[i].partition);
        }
        printf("%-30.*s %-15s ", SLICE_ARG(items[i].topic), partition);
        if (items[i].code == ERROR_NONE) {
            puts("Successful");
        } else {
            printf("Error: %s: %s\n", kafka_exception(&call->arena, items[i].code),
                   groups_message(items[i].code));
        }
    }
}

static int delete_offsets(struct kafka_call *call) {
    const char *group = options_get(&call->options, "group", "");
    struct committed *items;
    size_t count;
    if (!named_partitions(call, &items, &count)) {
        return groups_fail_client(call);
    }
    /* Topics that do not exist are only told of. */
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i].partition >= 0) {
            struct committed item = items[i];
            items[i] = items[known];
            items[known++] = item;
        }
    }
    int16_t code = ERROR_NONE;
    if (known > 0 && !group_delete_offsets(&call->client, slice_str(group), items, known, &code)) {
        return groups_fail_client(call);
    }
    for (size_t i = 0; i < known; i++) {
        if (code != ERROR_NONE && items[i].code == ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
            items[i].code = code;
        }
    }
    int16_t whole = code;
    for (size_t i = 0; i < known && whole == ERROR_NONE; i++) {
        whole = items[i].code;
    }
    print_deletion(call, group, whole, items, count);
    return 0;
}

/* ---- The command line ------------------------------------------------------------------------ */

int kafka_consumer_groups(struct kafka_call *call) {
    static const struct {
        const char *name;
        int (*run)(struct kafka_call *call);
        bool group;
    } actions[] = {
        {"list", list_groups, false},
        {"describe", groups_describe, true},
        {"delete", delete_groups, true},
        {"reset-offsets", groups_reset, true},
        {"delete-offsets", delete_offsets, true},
    };
    static const char *const required[] = {"bootstrap-server", NULL};
    size_t chosen = ARRAY_LEN(actions), count = 0;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (options_has(&call->options, actions[i].name)) {
            chosen = i;
            count++;
        }
    }
    if (count != 1) {
        return kafka_usage(call, "Command must include exactly one action: --list, --describe, "
                                 "--delete, --reset-offsets, --delete-offsets.");
    }
    if (!kafka_require(call, required)) {
        return EXIT_FAILED;
    }
    if (actions[chosen].group && !options_has(&call->options, "group") &&
        !options_has(&call->options, "all-groups")) {
        return kafka_usage(call, "Option [%s] takes one of these options: [all-groups], [group]",
                           actions[chosen].name);
    }
    if (!kafka_connect_given(call)) {
        return EXIT_FAILED;
    }
    return actions[chosen].run(call);
}
