/* barnabasctl group list|describe|reset-offsets|delete */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/admin/lag.h"
#include "tools/admin/reset.h"
#include "tools/cli/table.h"
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
    static const char *const titles[] = {"GROUP", "STATE", "TYPE", "PROTOCOL"};
    struct group_list groups;
    if (!groups_list(&ctl->client, &groups)) {
        return ctl_fail_client(ctl);
    }
    struct table table;
    table_init(&table, titles, ARRAY_LEN(titles));
    json_t *array = json_array();
    for (int32_t i = 0; i < groups.count; i++) {
        const struct list_groups_response_listed_group *g = &groups.items[i];
        table_slice(&table, g->group_id);
        table_slice(&table, g->group_state);
        table_slice(&table, g->group_type);
        table_slice(&table, g->protocol_type.len > 0 ? g->protocol_type : SLICE_NULL);
        json_array_append_new(
            array, json_pack("{s:o,s:o,s:o,s:o}", "group", ctl_json_slice(g->group_id), "state",
                             ctl_json_slice(g->group_state), "type", ctl_json_slice(g->group_type),
                             "protocol", ctl_json_slice(g->protocol_type)));
    }
    if (ctl->json) {
        ctl_json(array);
    } else {
        json_decref(array);
        table_print(&table, stdout);
    }
    table_release(&table);
    return 0;
}

/* ---- describe -------------------------------------------------------------------------------- */

static json_t *number_or_null(int64_t number) {
    return number < 0 ? json_null() : json_integer(number);
}

static json_t *row_json(const struct lag_row *row) {
    return json_pack("{s:o,s:i,s:o,s:o,s:o,s:o,s:o}", "topic", ctl_json_slice(row->topic),
                     "partition", row->partition, "committed", number_or_null(row->committed),
                     "end", number_or_null(row->end), "lag", number_or_null(lag_of(row)), "member",
                     ctl_json_slice(row->member != NULL ? row->member->member_id : SLICE_NULL),
                     "host",
                     ctl_json_slice(row->member != NULL ? row->member->client_host : SLICE_NULL));
}

static void cell_number(struct table *table, int64_t number) {
    if (number < 0) {
        table_slice(table, SLICE_NULL);
    } else {
        table_printf(table, "%" PRId64, number);
    }
}

static void print_group(const struct describe_groups_response_described_group *group,
                        const struct lag_list *rows, int32_t coordinator) {
    static const char *const titles[] = {"TOPIC", "PARTITION", "COMMITTED", "END",
                                         "LAG",   "CLIENT",    "HOST",      "MEMBER"};
    int64_t lag = 0;
    struct table table;
    table_init(&table, titles, ARRAY_LEN(titles));
    for (size_t i = 0; i < rows->count; i++) {
        const struct lag_row *row = &rows->items[i];
        lag += lag_of(row) > 0 ? lag_of(row) : 0;
        table_slice(&table, row->topic);
        table_printf(&table, "%d", row->partition);
        cell_number(&table, row->committed);
        cell_number(&table, row->end);
        cell_number(&table, lag_of(row));
        table_slice(&table, row->member != NULL ? row->member->client_id : SLICE_NULL);
        table_slice(&table, row->member != NULL ? row->member->client_host : SLICE_NULL);
        table_slice(&table, row->member != NULL ? row->member->member_id : SLICE_NULL);
    }
    printf("group %.*s\n  state: %.*s, members: %d, coordinator: broker %d\n  total lag: %" PRId64
           "\n",
           SLICE_ARG(group->group_id), SLICE_ARG(group->group_state), group->members_count,
           coordinator, lag);
    if (rows->count > 0) {
        table_print(&table, stdout);
    }
    table_release(&table);
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
        if (!ctl->json) {
            print_group(group, &rows, coordinator);
        }
        json_t *partitions = json_array();
        for (size_t j = 0; j < rows.count; j++) {
            json_array_append_new(partitions, row_json(&rows.items[j]));
        }
        json_array_append_new(array, json_pack("{s:o,s:o,s:i,s:i,s:o}", "group",
                                               ctl_json_slice(group->group_id), "state",
                                               ctl_json_slice(group->group_state), "members",
                                               group->members_count, "coordinator", coordinator,
                                               "partitions", partitions));
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
    static const char *const titles[] = {"TOPIC", "PARTITION", "NEW OFFSET", "NOTE"};
    struct table table;
    table_init(&table, titles, ARRAY_LEN(titles));
    json_t *array = json_array();
    for (size_t i = 0; i < plan->count; i++) {
        const struct reset_row *r = &plan->items[i];
        table_slice(&table, r->topic);
        table_printf(&table, "%d", r->partition);
        cell_number(&table, r->offset);
        table_printf(&table, "%s", note_text(r->note));
        json_array_append_new(array,
                              json_pack("{s:o,s:i,s:o,s:s}", "topic", ctl_json_slice(r->topic),
                                        "partition", r->partition, "offset",
                                        number_or_null(r->offset), "note", note_text(r->note)));
    }
    if (ctl->json) {
        ctl_json(
            json_pack("{s:s,s:b,s:o}", "group", group, "executed", executed, "partitions", array));
    } else {
        json_decref(array);
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
    static const struct {
        const char *name, *command, *usage;
        int (*run)(struct ctl *ctl);
        const struct option_spec *options;
        bool named;
    } actions[] = {
        {"list", "group list", "[options]", list, plain_options, false},
        {"describe", "group describe", "GROUP... [options]", describe, plain_options, true},
        {"reset-offsets", "group reset-offsets", "GROUP --to WHERE [--topic TOPIC]... [--execute]",
         reset, reset_options, true},
        {"delete", "group delete", "GROUP... [options]", delete, plain_options, true},
    };
    for (size_t i = 0; argc > 0 && i < ARRAY_LEN(actions); i++) {
        if (strcmp(argv[0], actions[i].name) == 0) {
            struct ctl ctl = {0};
            int exit_code;
            if (ctl_open(&ctl, actions[i].command, actions[i].usage, actions[i].options, argc - 1,
                         argv + 1, &exit_code)) {
                exit_code = actions[i].named && ctl.options.arg_count == 0
                                ? ctl_usage(&ctl, "name a group")
                                : actions[i].run(&ctl);
            }
            ctl_close(&ctl);
            return exit_code;
        }
    }
    fputs("usage: barnabasctl group list|describe|reset-offsets|delete [options]\n", stderr);
    return CTL_USAGE;
}
