/* barnabasctl config describe|alter, and cluster */
#include <string.h>

#include "protocol/generated/describe_cluster_request.h"
#include "protocol/generated/describe_cluster_response.h"
#include "tools/ctl/ctl.h"

static const struct option_spec plain_options[] = {CTL_OPTIONS};
static const struct option_spec describe_options[] = {
    {"all|a", OPTION_FLAG, NULL, "defaults too"},
    CTL_OPTIONS,
};
static const struct option_spec alter_options[] = {
    {"config|c", OPTION_VALUE, "key=value", "a key to set"},
    {"unset|d", OPTION_VALUE, "key", "a key to put back to its default"},
    CTL_OPTIONS,
};

/* The kinds of things that have configurations. */
static const struct kind {
    const char *word;
    enum config_resource resource;
} kinds[] = {
    {"topic", CONFIG_TOPIC},
    {"broker", CONFIG_BROKER},
    {"group", CONFIG_GROUP},
    {"client-metrics", CONFIG_CLIENT_METRICS},
};

/* "topic NAME", "broker 1", "broker default"; false after a message. */
static bool take_resource(struct ctl *ctl, enum config_resource *resource, struct slice *name) {
    const char *word = ctl->options.arg_count > 0 ? ctl->options.args[0] : "";
    if (ctl->options.arg_count != 2) {
        ctl_usage(ctl, "say of what: topic NAME, broker ID, broker default, group NAME, "
                       "client-metrics NAME");
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(word, kinds[i].word) == 0) {
            *resource = kinds[i].resource;
            *name = slice_str(ctl->options.args[1]);
            if (*resource == CONFIG_BROKER && slice_equal_str(*name, "default")) {
                *name = SLICE_LIT("");
            }
            struct slice none = SLICE_LIT("");
            (void)client_metadata(&ctl->client, &none, 0); /* to know of the brokers */
            return true;
        }
    }
    ctl_usage(ctl, "there are no configurations of a %s", word);
    return false;
}

static const char *where_from(int8_t source) {
    switch (source) {
    case SOURCE_DEFAULT:
        return "default";
    case SOURCE_STATIC:
        return "server.properties";
    case SOURCE_BROKER_DEFAULT:
        return "all brokers";
    case SOURCE_BROKER:
        return "broker";
    default:
        return "set";
    }
}

static int describe(struct ctl *ctl) {
    static const struct column columns[] = {
        {"KEY", "key"}, {"VALUE", "value"}, {"FROM", "source"}, {NULL, "readOnly"}};
    enum config_resource resource;
    struct slice name;
    if (!take_resource(ctl, &resource, &name)) {
        return CTL_USAGE;
    }
    const struct describe_configs_response_result *result =
        configs_describe(&ctl->client, resource, name);
    if (result == NULL) {
        return ctl_fail_client(ctl);
    }
    if (result->error_code != ERROR_NONE) {
        struct outcome outcome = {result->error_code, result->error_message};
        struct slice text = outcome_text(&outcome);
        return ctl_fail(ctl, "%.*s: %.*s", SLICE_ARG(name), SLICE_ARG(text));
    }
    struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    for (int32_t i = 0; i < result->configs_count; i++) {
        const struct describe_configs_response_resource_result *c = &result->configs[i];
        if (c->config_source == SOURCE_DEFAULT && !options_has(&ctl->options, "all")) {
            continue;
        }
        table_slice(&table, c->name);
        table_slice(&table, c->value);
        table_cell(&table, json_string(config_source_name(c->config_source)), "%s",
                   where_from(c->config_source));
        table_value(&table, json_boolean(c->read_only));
    }
    return ctl_rows(ctl, &table);
}

static int alter(struct ctl *ctl) {
    enum config_resource resource;
    struct slice name;
    if (!take_resource(ctl, &resource, &name)) {
        return CTL_USAGE;
    }
    const struct config_change *changes;
    int32_t count = ctl_changes(ctl, &changes);
    if (count < 0) {
        return CTL_USAGE;
    }
    if (count == 0) {
        return ctl_usage(ctl, "say what to change: --config key=value or --unset key");
    }
    struct outcome outcome;
    if (!configs_alter(&ctl->client, resource, name, changes, count, &outcome)) {
        return ctl_fail_client(ctl);
    }
    if (outcome.code != ERROR_NONE) {
        struct slice why = outcome_text(&outcome);
        return ctl_fail(ctl, "%s: %.*s", error_name(outcome.code), SLICE_ARG(why));
    }
    if (ctl->json) {
        ctl_json(json_pack("{s:s,s:i}", "result", "altered", "keys", count));
    } else {
        printf("altered\n");
    }
    return 0;
}

int config_main(int argc, char **argv) {
    static const struct ctl_action actions[] = {
        {"describe", "config describe", "KIND NAME [options]", describe, describe_options, NULL},
        {"alter", "config alter", "KIND NAME [-c key=value]... [-d key]...", alter, alter_options,
         NULL},
    };
    return ctl_run("config describe|alter KIND NAME [options]", actions, ARRAY_LEN(actions), argc,
                   argv);
}

/* ---- cluster --------------------------------------------------------------------------------- */

static const struct describe_cluster_response *ask_cluster(struct ctl *ctl) {
    struct describe_cluster_request request;
    message_init(&describe_cluster_request_desc, &request);
    request.include_fenced_brokers =
        client_serves(&ctl->client, CLIENT_ANY, API_DESCRIBE_CLUSTER, 2);
    return client_call(&ctl->client, CLIENT_ANY, API_DESCRIBE_CLUSTER, VERSION_MAX, &request, NULL);
}

static int show_cluster(struct ctl *ctl) {
    static const struct column columns[] = {{"BROKER", "id"},
                                            {"HOST", "host"},
                                            {"PORT", "port"},
                                            {"RACK", "rack"},
                                            {"STATE", "fenced"}};
    const struct describe_cluster_response *response = ask_cluster(ctl);
    if (response == NULL) {
        return ctl_fail_client(ctl);
    }
    if (response->error_code != ERROR_NONE) {
        return ctl_fail(ctl, "%s", error_message(response->error_code));
    }
    struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    for (int32_t i = 0; i < response->brokers_count; i++) {
        const struct describe_cluster_response_broker *b = &response->brokers[i];
        table_number(&table, b->broker_id);
        table_slice(&table, b->host);
        table_number(&table, b->port);
        table_slice(&table, b->rack);
        table_cell(&table, json_boolean(b->is_fenced), b->is_fenced ? "fenced" : "up");
    }
    if (ctl->json) {
        ctl_json(json_pack("{s:o,s:i,s:o}", "clusterId", slice_json(response->cluster_id),
                           "controller", response->controller_id, "brokers", table_json(&table)));
    } else {
        printf("cluster %.*s\n", SLICE_ARG(response->cluster_id));
        table_print(&table, stdout);
    }
    table_release(&table);
    return 0;
}

int cluster_main(int argc, char **argv) {
    struct ctl ctl = {0};
    int exit_code;
    if (ctl_open(&ctl, "cluster", "[options]", plain_options, argc, argv, &exit_code)) {
        exit_code = show_cluster(&ctl);
    }
    ctl_close(&ctl);
    return exit_code;
}
