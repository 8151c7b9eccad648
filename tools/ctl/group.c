/* barnabasctl group list|describe|reset-offsets|delete */
#include <inttypes.h>
#include <string.h>

#include "tools/admin/lag.h"
#include "tools/admin/reset.h"
#include "tools/cli/when.h"
#include "tools/ctl/ctl.h"

static const struct option_spec plain_options[] = {CTL_OPTIONS};
static const struct option_spec reset_options[] = {
    {"topic|t", OPTION_VALUE, "TOPIC[:0,1,2]", "of this topic; else of all that the group has"},
    {"to|o", OPTION_VALUE, "WHERE",
     "beginning, end, current, an offset, shift:-10, or a time as s@2026-01-01T10:00:00Z, s@-15m"},
    {"execute", OPTION_FLAG, NULL, "do it; without this it is only shown"},
    CTL_OPTIONS,
};

/* ---- list ------------------------------------------------------------------------------------ */

static int list(struct ctl *ctl) {
    static const struct column columns[] = {
        {"GROUP", "group"}, {"STATE", "state"}, {"TYPE", "type"}, {"PROTOCOL", "protocol"}};
    struct group_list groups;
    if (!groups_list(&ctl->client, &groups)) {
        return ctl_fail_client(ctl);
    }
    struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    for (int32_t i = 0; i < groups.count; i++) {
        const struct list_groups_response_listed_group *g = &groups.items[i];
        struct slice protocol = g->protocol_type.len > 0 ? g->protocol_type : SLICE_LIT("-");
        table_slice(&table, g->group_id);
        table_slice(&table, g->group_state);
        table_slice(&table, g->group_type);
        table_cell(&table, slice_json(g->protocol_type), "%.*s", SLICE_ARG(protocol));
    }
    return ctl_rows(ctl, &table);
}

/* ---- describe -------------------------------------------------------------------------------- */

static void add_partitions(struct table *table, const struct lag_list *rows) {
    static const struct column columns[] = {{"TOPIC", "topic"},
                                            {"PARTITION", "partition"},
                                            {"COMMITTED", "committed"},
                                            {"END", "end"},
                                            {"LAG", "lag"},
                                            {NULL, "member"},
                                            {"CLIENT", NULL},
                                            {"HOST", "host"},
                                            {"MEMBER", NULL}};
    table_init(table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < rows->count; i++) {
        const struct lag_row *row = &rows->items[i];
        struct slice member = row->member != NULL ? row->member->member_id : SLICE_NULL;
        table_slice(table, row->topic);
        table_number(table, row->partition);
        table_number_if(table, row->committed >= 0, row->committed);
        table_number_if(table, row->end >= 0, row->end);
        table_number_if(table, lag_of(row) >= 0, lag_of(row));
        table_slice(table, member);
        table_slice(table, row->member != NULL ? row->member->client_id : SLICE_NULL);
        table_slice(table, row->member != NULL ? row->member->client_host : SLICE_NULL);
        table_slice(table, member);
    }
}

static void print_group(const struct describe_groups_response_described_group *group,
                        const struct lag_list *rows, int32_t coordinator,
                        const struct table *table) {
    int64_t lag = 0;
    for (size_t i = 0; i < rows->count; i++) {
        lag += lag_of(&rows->items[i]) > 0 ? lag_of(&rows->items[i]) : 0;
    }
    printf("group %.*s\n  state: %.*s, members: %d, coordinator: broker %d\n  total lag: %" PRId64
           "\n",
           SLICE_ARG(group->group_id), SLICE_ARG(group->group_state), group->members_count,
           coordinator, lag);
    if (rows->count > 0) {
        table_print(table, stdout);
    }
}

static int no_such_group(const struct ctl *ctl, const char *name) {
    return ctl_fail(ctl, "there is no group %s; barnabasctl group list shows those there are",
                    name);
}

static int describe(struct ctl *ctl) {
    json_t *array = json_array();
    int exit_code = 0;
    for (size_t i = 0; i < ctl->options.arg_count; i++) {
        int32_t coordinator = -1;
        int16_t code;
        struct lag_list rows = {NULL, 0};
        const struct describe_groups_response_described_group *group =
            group_describe(&ctl->client, slice_str(ctl->options.args[i]), &coordinator, &code);
        if (group == NULL && code == ERROR_GROUP_ID_NOT_FOUND) {
            exit_code = no_such_group(ctl, ctl->options.args[i]);
            continue;
        }
        if (group == NULL || !group_lag(&ctl->client, group, &rows, &code)) {
            json_decref(array);
            return ctl_fail_client(ctl);
        }
        struct table table;
        add_partitions(&table, &rows);
        if (!ctl->json) {
            print_group(group, &rows, coordinator, &table);
        }
        json_array_append_new(
            array, json_pack("{s:o,s:o,s:i,s:i,s:o}", "group", slice_json(group->group_id), "state",
                             slice_json(group->group_state), "members", group->members_count,
                             "coordinator", coordinator, "partitions", table_json(&table)));
        table_release(&table);
    }
    if (ctl->json) {
        ctl_json(array);
    } else {
        json_decref(array);
    }
    return exit_code;
}

/* ---- reset-offsets --------------------------------------------------------------------------- */

/* What --to says; false when it is not understood. */
static bool take_to(const char *text, enum reset_to *to, int64_t *value) {
    if (strcmp(text, "beginning") == 0 || strcmp(text, "earliest") == 0) {
        *to = RESET_TO_EARLIEST;
    } else if (strcmp(text, "end") == 0 || strcmp(text, "latest") == 0) {
        *to = RESET_TO_LATEST;
    } else if (strcmp(text, "current") == 0) {
        *to = RESET_TO_CURRENT;
    } else if (strncmp(text, "shift:", 6) == 0) {
        *to = RESET_BY_SHIFT;
        return slice_parse_i64(slice_str(text + 6 + (text[6] == '+')), value);
    } else if (strncmp(text, "s@", 2) == 0) {
        *to = RESET_TO_TIME;
        return when_parse(text + 2, client_now_ms(), value);
    } else {
        *to = RESET_TO_OFFSET;
        return slice_parse_i64(slice_str(text), value) && *value >= 0;
    }
    return true;
}

static const char *note_text(enum reset_note note) {
    switch (note) {
    case RESET_ABOVE_END:
        return "the end: asked for was more";
    case RESET_BELOW_START:
        return "the beginning: asked for was less";
    case RESET_NO_RECORD:
        return "the end: no record is that young";
    case RESET_NO_OFFSET:
        return "nothing is committed that could be shifted";
    case RESET_AS_ASKED:
        break;
    }
    return "";
}

static void show_plan(struct ctl *ctl, const char *group, const struct reset_list *plan,
                      bool executed) {
    static const struct column columns[] = {
        {"TOPIC", "topic"}, {"PARTITION", "partition"}, {"NEW OFFSET", "offset"}, {"NOTE", "note"}};
    struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < plan->count; i++) {
        const struct reset_row *r = &plan->items[i];
        table_slice(&table, r->topic);
        table_number(&table, r->partition);
        table_number_if(&table, r->offset >= 0, r->offset);
        table_slice(&table, slice_str(note_text(r->note)));
    }
    if (ctl->json) {
        ctl_json(json_pack("{s:s,s:b,s:o}", "group", group, "executed", executed, "partitions",
                           table_json(&table)));
    } else {
        table_print(&table, stdout);
        if (!executed) {
            fputs("nothing was changed; --execute does it\n", stderr);
        }
    }
    table_release(&table);
}

/* Only groups without members can be reset; one that does not exist is made. */
static bool is_idle(struct ctl *ctl, const char *name, int *exit_code) {
    int16_t code;
    const struct describe_groups_response_described_group *group =
        group_describe(&ctl->client, slice_str(name), NULL, &code);
    if (group == NULL && code == ERROR_NONE) {
        *exit_code = ctl_fail_client(ctl);
        return false;
    }
    if (group != NULL && !slice_equal_str(group->group_state, "Empty")) {
        *exit_code = ctl_fail(ctl, "group %s has %d members (%.*s); stop them first", name,
                              group->members_count, SLICE_ARG(group->group_state));
        return false;
    }
    return true;
}

static int reset(struct ctl *ctl) {
    const char *text = options_get(&ctl->options, "to", NULL), *topic;
    const char *group = ctl->options.arg_count > 0 ? ctl->options.args[0] : NULL;
    struct reset_list plan = {NULL, 0};
    enum reset_to to;
    int64_t value = 0;
    int exit_code = 0;
    int16_t code = ERROR_NONE;
    if (group == NULL || text == NULL) {
        return ctl_usage(ctl, "name a group and --to where");
    }
    if (!take_to(text, &to, &value)) {
        return ctl_usage(ctl,
                         "--to %s is not understood: beginning, end, current, an offset, "
                         "shift:-10, s@WHEN",
                         text);
    }
    if (!is_idle(ctl, group, &exit_code)) {
        return exit_code;
    }
    for (size_t i = 0;
         code == ERROR_NONE && (topic = options_nth(&ctl->options, "topic", i)) != NULL; i++) {
        code = reset_add_topic(&ctl->client, topic, &plan);
    }
    if (code == ERROR_NONE && !options_has(&ctl->options, "topic")) {
        code = reset_add_committed(&ctl->client, slice_str(group), &plan);
    }
    if (code == ERROR_NONE && plan.count == 0) {
        return ctl_fail(ctl, "group %s has no offsets; name a --topic", group);
    }
    code =
        code == ERROR_NONE ? reset_compute(&ctl->client, slice_str(group), to, value, &plan) : code;
    if (code != ERROR_NONE) {
        return ctl_fail_client(ctl);
    }
    bool possible = true, execute = options_has(&ctl->options, "execute");
    for (size_t i = 0; i < plan.count; i++) {
        possible = possible && plan.items[i].note != RESET_NO_OFFSET;
    }
    if (possible && execute && reset_commit(&ctl->client, slice_str(group), &plan) != ERROR_NONE) {
        return ctl_fail_client(ctl);
    }
    show_plan(ctl, group, &plan, possible && execute);
    return possible ? 0 : CTL_FAILS;
}

/* ---- delete ---------------------------------------------------------------------------------- */

static int delete (struct ctl *ctl) {
    int exit_code = 0;
    for (size_t i = 0; i < ctl->options.arg_count; i++) {
        const char *name = ctl->options.args[i];
        int16_t code;
        if (!group_delete(&ctl->client, slice_str(name), &code)) {
            return ctl_fail_client(ctl);
        }
        if (code == ERROR_GROUP_ID_NOT_FOUND) {
            exit_code = no_such_group(ctl, name);
        } else if (code == ERROR_NON_EMPTY_GROUP) {
            exit_code = ctl_fail(ctl, "group %s has members; stop them first", name);
        } else if (code != ERROR_NONE) {
            exit_code = ctl_fail(ctl, "%s: %s", name, error_message(code));
        } else if (ctl->json) {
            ctl_json(json_pack("{s:s,s:s}", "group", name, "result", "deleted"));
        } else {
            printf("group %s deleted\n", name);
        }
    }
    return exit_code;
}

/* ---- The command line ------------------------------------------------------------------------ */

int group_main(int argc, char **argv) {
    static const char name_one[] = "name a group";
    static const struct ctl_action actions[] = {
        {"list", "group list", "[options]", list, plain_options, NULL},
        {"describe", "group describe", "GROUP... [options]", describe, plain_options, name_one},
        {"reset-offsets", "group reset-offsets", "GROUP --to WHERE [--topic TOPIC]... [--execute]",
         reset, reset_options, name_one},
        {"delete", "group delete", "GROUP... [options]", delete, plain_options, name_one},
    };
    return ctl_run("group list|describe|reset-offsets|delete [options]", actions,
                   ARRAY_LEN(actions), argc, argv);
}
