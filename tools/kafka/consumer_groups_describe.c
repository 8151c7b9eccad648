/* kafka-consumer-groups --describe */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/admin/lag.h"
#include "tools/kafka/consumer_groups.h"

#define WIDTH_MIN 15

typedef const struct describe_groups_response_described_group group_view;

static int wider(int width, struct slice text) {
    return (int)text.len > width ? (int)text.len : width;
}

static bool state_is(group_view *group, const char *state) {
    return slice_equal_str(group->group_state, state);
}

static void tell_state(group_view *group) {
    fflush(stdout);
    if (state_is(group, "Empty")) {
        fprintf(stderr, "\nConsumer group '%.*s' has no active members.\n",
                SLICE_ARG(group->group_id));
    } else if (state_is(group, "PreparingRebalance") || state_is(group, "CompletingRebalance")) {
        fprintf(stderr, "\nWarning: Consumer group '%.*s' is rebalancing.\n",
                SLICE_ARG(group->group_id));
    }
}

/* ---- Offsets --------------------------------------------------------------------------------- */

static void print_number(int64_t number) {
    if (number < 0) {
        printf("%-15s ", "-");
    } else {
        printf("%-15" PRId64 " ", number);
    }
}

static void print_rows(struct kafka_call *call, group_view *group, const struct lag_list *rows) {
    bool verbose = options_has(&call->options, "verbose");
    int groups = wider(WIDTH_MIN, group->group_id), topics = WIDTH_MIN, members = WIDTH_MIN,
        hosts = WIDTH_MIN;
    for (size_t i = 0; i < rows->count; i++) {
        topics = wider(topics, rows->items[i].topic);
        if (rows->items[i].member != NULL) {
            members = wider(members, rows->items[i].member->member_id);
            hosts = wider(hosts, rows->items[i].member->client_host);
        }
    }
    printf("\n%-*s %-*s %-10s %s%-15s %-15s %-15s %-*s %-*s %s\n", groups, "GROUP", topics, "TOPIC",
           "PARTITION", verbose ? "LEADER-EPOCH    " : "", "CURRENT-OFFSET", "LOG-END-OFFSET",
           "LAG", members, "CONSUMER-ID", hosts, "HOST", "CLIENT-ID");
    for (size_t i = 0; i < rows->count; i++) {
        const struct lag_row *row = &rows->items[i];
        const struct slice none = SLICE_LIT("-");
        printf("%-*.*s %-*.*s %-10d %s", groups, SLICE_ARG(group->group_id), topics,
               SLICE_ARG(row->topic), row->partition, verbose ? "-               " : "");
        print_number(row->committed);
        print_number(row->end);
        print_number(lag_of(row));
        printf("%-*.*s %-*.*s %.*s\n", members,
               SLICE_ARG(row->member != NULL ? row->member->member_id : none), hosts,
               SLICE_ARG(row->member != NULL ? row->member->client_host : none),
               SLICE_ARG(row->member != NULL ? row->member->client_id : none));
    }
}

static bool describe_offsets(struct kafka_call *call, group_view *group, int32_t coordinator) {
    struct lag_list rows = {NULL, 0};
    int16_t code;
    if (!group_lag(&call->client, group, &rows, &code)) {
        return false;
    }
    tell_state(group);
    if (rows.count > 0) {
        print_rows(call, group, &rows);
    }
    return true;
}

/* ---- Members --------------------------------------------------------------------------------- */

/* "alpha:0,1;beta:2" */
static const char *assignment_text(struct kafka_call *call, const struct member_partition *items,
                                   size_t count) {
    const char *text = "";
    for (size_t i = 0; i < count; i++) {
        bool new_topic = i == 0 || !slice_equal(items[i].topic, items[i - 1].topic);
        text = new_topic ? arena_printf(&call->arena, "%s%s%.*s:%d", text, i > 0 ? ";" : "",
                                        SLICE_ARG(items[i].topic), items[i].partition)
                         : arena_printf(&call->arena, "%s,%d", text, items[i].partition);
    }
    return text[0] != '\0' ? text : "-";
}

static bool describe_members(struct kafka_call *call, group_view *group, int32_t coordinator) {
    bool verbose = options_has(&call->options, "verbose"), instances = false;
    int groups = wider(WIDTH_MIN, group->group_id), members = WIDTH_MIN, ids = 17,
        hosts = WIDTH_MIN, clients = WIDTH_MIN;
    for (int32_t i = 0; i < group->members_count; i++) {
        instances = instances || group->members[i].group_instance_id.len > 0;
        members = wider(members, group->members[i].member_id);
        ids = wider(ids, group->members[i].group_instance_id);
        hosts = wider(hosts, group->members[i].client_host);
        clients = wider(clients, group->members[i].client_id);
    }
    tell_state(group);
    printf("\n%-*s %-*s ", groups, "GROUP", members, "CONSUMER-ID");
    if (instances) {
        printf("%-*s ", ids, "GROUP-INSTANCE-ID");
    }
    printf("%-*s %-*s %-15s %s\n", hosts, "HOST", clients, "CLIENT-ID", "#PARTITIONS",
           verbose ? "CURRENT-EPOCH   CURRENT-ASSIGNMENT   TARGET-EPOCH   TARGET-ASSIGNMENT" : "");
    for (int32_t i = 0; i < group->members_count; i++) {
        const struct describe_groups_response_described_group_member *m = &group->members[i];
        struct member_partition *partitions;
        size_t count = group_assignment(&call->client, m, &partitions);
        printf("%-*.*s %-*.*s ", groups, SLICE_ARG(group->group_id), members,
               SLICE_ARG(m->member_id));
        if (instances) {
            printf("%-*.*s ", ids, SLICE_ARG(m->group_instance_id));
        }
        printf("%-*.*s %-*.*s %-15zu", hosts, SLICE_ARG(m->client_host), clients,
               SLICE_ARG(m->client_id), count);
        if (verbose) {
            printf(" %-15s %s %-15s %s", "-", assignment_text(call, partitions, count), "-", "-");
        }
        putchar('\n');
    }
    return true;
}

/* ---- State ----------------------------------------------------------------------------------- */

static bool describe_state(struct kafka_call *call, group_view *group, int32_t coordinator) {
    bool verbose = options_has(&call->options, "verbose");
    const struct client_node *node = client_node(&call->client, coordinator);
    const char *where = node == NULL ? "-"
                                     : arena_printf(&call->arena, "%s:%u (%d)", node->host,
                                                    node->port, coordinator);
    int groups = wider(WIDTH_MIN, group->group_id), places = wider(25, slice_str(where));
    tell_state(group);
    printf("\n%-*s %-*s %-20s %-20s %s%s\n", groups, "GROUP", places, "COORDINATOR (ID)",
           "ASSIGNMENT-STRATEGY", "STATE",
           verbose ? "GROUP-EPOCH     TARGET-ASSIGNMENT-EPOCH " : "", "#MEMBERS");
    struct slice strategy = group->protocol_data.len > 0 ? group->protocol_data : SLICE_LIT("-");
    printf("%-*.*s %-*s %-20.*s %-20.*s %s%d\n", groups, SLICE_ARG(group->group_id), places, where,
           SLICE_ARG(strategy), SLICE_ARG(group->group_state),
           verbose ? "-               -                       " : "", group->members_count);
    return true;
}

/* ---- All ------------------------------------------------------------------------------------- */

static int fail_at(struct kafka_call *call, struct slice group, int16_t code) {
    const char *exception = kafka_exception(&call->arena, code);
    const char *text = code == ERROR_GROUP_ID_NOT_FOUND
                           ? arena_printf(&call->arena, "Group %.*s not found.", SLICE_ARG(group))
                           : groups_message(code);
    const char *whole = arena_printf(&call->arena, "%s: %s", exception, text);
    groups_fail(call, "java.util.concurrent.ExecutionException", whole);
    fprintf(stderr, "Caused by: %s\n", whole);
    return 0;
}

int groups_describe(struct kafka_call *call) {
    struct slice *groups;
    size_t count;
    if (!chosen_groups(call, &groups, &count)) {
        return groups_fail_client(call);
    }
    bool (*show)(struct kafka_call *, group_view *, int32_t) =
        options_has(&call->options, "members") ? describe_members
        : options_has(&call->options, "state") ? describe_state
                                               : describe_offsets;
    for (size_t i = 0; i < count; i++) {
        int32_t coordinator = -1;
        int16_t code;
        group_view *group = group_describe(&call->client, groups[i], &coordinator, &code);
        if (group == NULL && code != ERROR_NONE) {
            return fail_at(call, groups[i], code);
        }
        if (group == NULL || !show(call, group, coordinator)) {
            return groups_fail_client(call);
        }
    }
    return 0;
}
