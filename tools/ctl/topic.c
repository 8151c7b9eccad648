/* barnabasctl topic list|describe|create|delete|alter|offsets */
#include <inttypes.h>
#include <string.h>

#include "tools/admin/offsets.h"
#include "tools/cli/when.h"
#include "tools/ctl/ctl.h"

static const struct option_spec list_options[] = {
    {"internal", OPTION_FLAG, NULL, "internal topics too"},
    CTL_OPTIONS,
};
static const struct option_spec plain_options[] = {CTL_OPTIONS};
static const struct option_spec create_options[] = {
    {"partitions|p", OPTION_VALUE, "N", "how many; else as the broker's num.partitions has it"},
    {"replication-factor|r", OPTION_VALUE, "N", "replicas of each; else as the broker has it"},
    {"config|c", OPTION_VALUE, "key=value", "a configuration, as retention.ms=3600000"},
    {"if-not-exists", OPTION_FLAG, NULL, "a topic that exists is no error"},
    {"dry-run", OPTION_FLAG, NULL, "only ask whether it could be created"},
    CTL_OPTIONS,
};
static const struct option_spec delete_options[] = {
    {"if-exists", OPTION_FLAG, NULL, "a topic that does not exist is no error"},
    CTL_OPTIONS,
};
static const struct option_spec alter_options[] = {
    {"partitions|p", OPTION_VALUE, "N", "how many there are to be, more than now"},
    {"config|c", OPTION_VALUE, "key=value", "a configuration to set"},
    {"unset|d", OPTION_VALUE, "key", "a configuration to put back to its default"},
    CTL_OPTIONS,
};
static const struct option_spec offsets_options[] = {
    {"time|o", OPTION_VALUE, "WHEN",
     "the first offset of this time or later: 2026-01-01T10:00:00Z, -15m, milliseconds"},
    CTL_OPTIONS,
};

/* What is asked for by name; all, without internal ones, where no name is given. False after a
 * message. */
static bool named_topics(struct ctl *ctl, struct topic_list *out, int *exit_code) {
    size_t count = ctl->options.arg_count;
    struct topic_list all;
    *exit_code = CTL_FAILS;
    if (!topics_all(&ctl->client, &all)) {
        ctl_fail_client(ctl);
        return false;
    }
    out->items = arena_array(&ctl->arena, (size_t)all.count + count + 1, sizeof(*out->items));
    out->count = 0;
    for (int32_t i = 0; i < all.count && count == 0; i++) {
        if (!all.items[i].internal) {
            out->items[out->count++] = all.items[i];
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct topic_info *topic = topic_find(&all, slice_str(ctl->options.args[i]));
        if (topic == NULL) {
            ctl_fail(ctl, "there is no topic %s; barnabasctl topic list shows those there are",
                     ctl->options.args[i]);
            return false;
        }
        out->items[out->count++] = *topic;
    }
    *exit_code = 0;
    return true;
}

/* ---- list ------------------------------------------------------------------------------------ */

static int32_t replicas_of(const struct topic_info *t) {
    return t->partition_count > 0 ? t->partitions[0].replicas.count : 0;
}

/* Partitions that lack replicas, or a leader. */
static int32_t troubled(const struct topic_info *t) {
    int32_t count = 0;
    for (int32_t i = 0; i < t->partition_count; i++) {
        const struct partition_info *p = &t->partitions[i];
        count += p->leader < 0 || p->isr.count < p->replicas.count;
    }
    return count;
}

static int list(struct ctl *ctl) {
    static const struct column columns[] = {{"TOPIC", "name"},
                                            {"PARTITIONS", "partitions"},
                                            {"REPLICAS", "replicationFactor"},
                                            {"NOT IN SYNC", "underReplicated"},
                                            {NULL, "internal"}};
    struct topic_list topics;
    if (!topics_all(&ctl->client, &topics)) {
        return ctl_fail_client(ctl);
    }
    struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    for (int32_t i = 0; i < topics.count; i++) {
        const struct topic_info *t = &topics.items[i];
        if (t->internal && !options_has(&ctl->options, "internal")) {
            continue;
        }
        table_slice(&table, t->name);
        table_number(&table, t->partition_count);
        table_number(&table, replicas_of(t));
        table_number(&table, troubled(t));
        table_value(&table, json_boolean(t->internal));
    }
    return ctl_rows(ctl, &table);
}

/* ---- describe -------------------------------------------------------------------------------- */

static void add_partitions(struct ctl *ctl, struct table *table, const struct topic_info *t) {
    static const struct column columns[] = {{"PARTITION", "partition"}, {"LEADER", "leader"},
                                            {"EPOCH", "leaderEpoch"},   {"REPLICAS", "replicas"},
                                            {"IN SYNC", "isr"},         {NULL, "offline"}};
    table_init(table, columns, ARRAY_LEN(columns));
    for (int32_t i = 0; i < t->partition_count; i++) {
        const struct partition_info *p = &t->partitions[i];
        table_number(table, p->index);
        table_cell(table, json_integer(p->leader), p->leader < 0 ? "none" : "%d", p->leader);
        table_number(table, p->leader_epoch);
        table_cell(table, ctl_json_ids(p->replicas), "%s", ctl_ids(ctl, p->replicas));
        table_cell(table, ctl_json_ids(p->isr), "%s%s", ctl_ids(ctl, p->isr),
                   p->isr.count < p->replicas.count ? " (behind)" : "");
        table_value(table, ctl_json_ids(p->offline));
    }
}

/* Keys of the topic that are not defaults; NULL without answer. */
static json_t *overrides(struct ctl *ctl, struct slice name) {
    const struct describe_configs_response_result *configs =
        configs_describe(&ctl->client, CONFIG_TOPIC, name);
    if (configs == NULL) {
        return NULL;
    }
    json_t *object = json_object();
    for (int32_t i = 0; i < configs->configs_count; i++) {
        const struct describe_configs_response_resource_result *c = &configs->configs[i];
        if (c->config_source != SOURCE_DEFAULT) {
            json_object_setn_new(object, (const char *)c->name.data, c->name.len,
                                 slice_json(c->value));
        }
    }
    return object;
}

static void print_topic(const struct topic_info *t, json_t *configs, const struct table *table) {
    char id[UUID_TEXT_LEN + 1];
    printf("topic %.*s\n  id: %s\n  partitions: %d, replicas: %d\n", SLICE_ARG(t->name),
           uuid_format(t->id, id), t->partition_count, replicas_of(t));
    const char *key;
    json_t *value;
    json_object_foreach(configs, key, value) {
        printf("  %s=%s\n", key, json_is_string(value) ? json_string_value(value) : "");
    }
    table_print(table, stdout);
}

static int describe(struct ctl *ctl) {
    struct topic_list topics;
    int exit_code;
    if (!named_topics(ctl, &topics, &exit_code)) {
        return exit_code;
    }
    json_t *array = json_array();
    for (int32_t i = 0; i < topics.count; i++) {
        const struct topic_info *t = &topics.items[i];
        json_t *configs = overrides(ctl, t->name);
        if (configs == NULL) {
            json_decref(array);
            return ctl_fail_client(ctl);
        }
        struct table table;
        add_partitions(ctl, &table, t);
        if (!ctl->json) {
            print_topic(t, configs, &table);
        }
        char id[UUID_TEXT_LEN + 1];
        json_array_append_new(array,
                              json_pack("{s:o,s:s,s:b,s:o,s:o}", "name", slice_json(t->name), "id",
                                        uuid_format(t->id, id), "internal", t->internal, "configs",
                                        configs, "partitions", table_json(&table)));
        table_release(&table);
    }
    if (ctl->json) {
        ctl_json(array);
    } else {
        json_decref(array);
    }
    return 0;
}

/* ---- create, delete, alter ------------------------------------------------------------------- */

static int tell_outcome(struct ctl *ctl, const char *name, const struct outcome *outcome) {
    struct slice text = outcome_text(outcome);
    return ctl_fail(ctl, "%s: %s: %.*s", name, error_name(outcome->code), SLICE_ARG(text));
}

static void tell_done(struct ctl *ctl, const char *what, const char *name) {
    if (ctl->json) {
        ctl_json(json_pack("{s:s,s:s}", "topic", name, "result", what));
    } else {
        printf("topic %s %s\n", name, what);
    }
}

static int create(struct ctl *ctl) {
    int64_t partitions = -1, factor = -1;
    if (!options_i64(&ctl->options, "partitions", &partitions) ||
        !options_i64(&ctl->options, "replication-factor", &factor)) {
        return CTL_USAGE;
    }
    const char **configs = arena_array(&ctl->arena, ctl->options.given_count + 1, sizeof(*configs));
    struct topic_plan plan = {.partitions = (int32_t)partitions,
                              .replication_factor = (int16_t)factor,
                              .configs = configs,
                              .validate_only = options_has(&ctl->options, "dry-run")};
    const char *config;
    while ((config = options_nth(&ctl->options, "config", (size_t)plan.config_count)) != NULL) {
        if (strchr(config, '=') == NULL) {
            return ctl_usage(ctl, "'%s' is not key=value", config);
        }
        configs[plan.config_count++] = config;
    }
    int exit_code = 0;
    for (size_t i = 0; i < ctl->options.arg_count; i++) {
        const char *name = ctl->options.args[i];
        struct outcome outcome;
        plan.name = slice_str(name);
        if (!topic_create(&ctl->client, &plan, &outcome)) {
            return ctl_fail_client(ctl);
        }
        bool exists = outcome.code == ERROR_TOPIC_ALREADY_EXISTS &&
                      options_has(&ctl->options, "if-not-exists");
        if (outcome.code != ERROR_NONE && !exists) {
            exit_code = tell_outcome(ctl, name, &outcome);
        } else {
            tell_done(ctl,
                      exists               ? "exists"
                      : plan.validate_only ? "can be created"
                                           : "created",
                      name);
        }
    }
    return exit_code;
}

static int delete (struct ctl *ctl) {
    int exit_code = 0;
    for (size_t i = 0; i < ctl->options.arg_count; i++) {
        const char *name = ctl->options.args[i];
        struct outcome outcome;
        if (!topic_delete_named(&ctl->client, slice_str(name), &outcome)) {
            return ctl_fail_client(ctl);
        }
        if (outcome.code == ERROR_UNKNOWN_TOPIC_OR_PARTITION &&
            options_has(&ctl->options, "if-exists")) {
            tell_done(ctl, "does not exist", name);
        } else if (outcome.code != ERROR_NONE) {
            exit_code = tell_outcome(ctl, name, &outcome);
        } else {
            tell_done(ctl, "deleted", name);
        }
    }
    return exit_code;
}

static int alter(struct ctl *ctl) {
    int64_t partitions = -1;
    const struct config_change *changes;
    if (!options_i64(&ctl->options, "partitions", &partitions)) {
        return CTL_USAGE;
    }
    int32_t count = ctl_changes(ctl, &changes);
    if (count < 0) {
        return CTL_USAGE;
    }
    if (count == 0 && partitions < 0) {
        return ctl_usage(ctl, "say what to change: --partitions, --config or --unset");
    }
    int exit_code = 0;
    for (size_t i = 0; i < ctl->options.arg_count; i++) {
        const char *name = ctl->options.args[i];
        struct outcome outcome = {ERROR_NONE, SLICE_NULL};
        if (count > 0 &&
            !configs_alter(&ctl->client, CONFIG_TOPIC, slice_str(name), changes, count, &outcome)) {
            return ctl_fail_client(ctl);
        }
        if (outcome.code == ERROR_NONE && partitions >= 0 &&
            !topic_grow(&ctl->client, slice_str(name), (int32_t)partitions, NULL, 0, &outcome)) {
            return ctl_fail_client(ctl);
        }
        if (outcome.code != ERROR_NONE) {
            exit_code = tell_outcome(ctl, name, &outcome);
        } else {
            tell_done(ctl, "altered", name);
        }
    }
    return exit_code;
}

/* ---- offsets --------------------------------------------------------------------------------- */

/* Each partition's answers, one (`--time`) or two (first and end). */
static int show_offsets(struct ctl *ctl, const struct offset_query *queries, size_t answers,
                        size_t count) {
    static const struct column of_ends[] = {{"TOPIC", "topic"}, {"PARTITION", "partition"},
                                            {"START", "start"}, {"END", "end"},
                                            {"RECORDS", NULL},  {NULL, "error"}};
    static const struct column of_time[] = {
        {"TOPIC", "topic"}, {"PARTITION", "partition"}, {"OFFSET", "offset"}, {NULL, "error"}};
    struct table table;
    table_init(&table, answers == 2 ? of_ends : of_time,
               answers == 2 ? ARRAY_LEN(of_ends) : ARRAY_LEN(of_time));
    for (size_t i = 0; i < count; i++) {
        const struct offset_query *first = &queries[i * answers];
        table_slice(&table, first->topic);
        table_number(&table, first->partition);
        for (size_t j = 0; j < answers; j++) {
            bool known = first[j].code == ERROR_NONE && first[j].offset >= 0;
            table_number_if(&table, known, first[j].offset);
        }
        if (answers == 2) {
            table_number(&table, first[1].offset - first->offset);
        }
        table_value(&table,
                    first->code != ERROR_NONE ? json_string(error_name(first->code)) : NULL);
    }
    return ctl_rows(ctl, &table);
}

static int offsets(struct ctl *ctl) {
    const char *time = options_get(&ctl->options, "time", NULL);
    int64_t when = OFFSET_EARLIEST;
    if (time != NULL && !when_parse(time, client_now_ms(), &when)) {
        return ctl_usage(ctl, "'%s' is no time: 2026-01-01T10:00:00Z, -15m, or milliseconds", time);
    }
    struct topic_list topics;
    int exit_code;
    if (!named_topics(ctl, &topics, &exit_code)) {
        return exit_code;
    }
    size_t columns = time == NULL ? 2 : 1, count = 0;
    for (int32_t i = 0; i < topics.count; i++) {
        count += (size_t)topics.items[i].partition_count;
    }
    struct offset_query *queries = arena_array(&ctl->arena, count + 1, sizeof(*queries));
    struct offset_query *ends = arena_array(&ctl->arena, count + 1, sizeof(*ends));
    struct offset_query *both = arena_array(&ctl->arena, 2 * count + 1, sizeof(*both));
    count = 0;
    for (int32_t i = 0; i < topics.count; i++) {
        for (int32_t j = 0; j < topics.items[i].partition_count; j++, count++) {
            queries[count] = (struct offset_query){.topic = topics.items[i].name,
                                                   .partition = topics.items[i].partitions[j].index,
                                                   .timestamp = when};
            ends[count] = queries[count];
            ends[count].timestamp = OFFSET_LATEST;
        }
    }
    if (!offsets_list(&ctl->client, queries, count, false) ||
        (columns == 2 && !offsets_list(&ctl->client, ends, count, false))) {
        return ctl_fail_client(ctl);
    }
    for (size_t i = 0; i < count; i++) {
        both[i * columns] = queries[i];
        if (columns == 2) {
            both[i * columns + 1] = ends[i];
        }
    }
    return show_offsets(ctl, both, columns, count);
}

/* ---- The command line ------------------------------------------------------------------------ */

int topic_main(int argc, char **argv) {
    static const char name_one[] = "name a topic";
    static const struct ctl_action actions[] = {
        {"list", "topic list", "[options]", list, list_options, NULL},
        {"describe", "topic describe", "[TOPIC...] [options]", describe, plain_options, NULL},
        {"create", "topic create", "TOPIC... [options]", create, create_options, name_one},
        {"delete", "topic delete", "TOPIC... [options]", delete, delete_options, name_one},
        {"alter", "topic alter", "TOPIC... [options]", alter, alter_options, name_one},
        {"offsets", "topic offsets", "[TOPIC...] [options]", offsets, offsets_options, NULL},
    };
    return ctl_run("topic list|describe|create|delete|alter|offsets [options]", actions,
                   ARRAY_LEN(actions), argc, argv);
}
