/* barnabasctl config describe|alter, and cluster */
#include <stdlib.h>
#include <string.h>

#include "protocol/generated/describe_cluster_request.h"
#include "protocol/generated/describe_cluster_response.h"
#include "tools/admin/configs.h"
#include "tools/cli/table.h"
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
    static const char *const titles[] = {"KEY", "VALUE", "FROM"};
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
    table_init(&table, titles, ARRAY_LEN(titles));
    json_t *array = json_array();
    for (int32_t i = 0; i < result->configs_count; i++) {
        const struct describe_configs_response_resource_result *c = &result->configs[i];
        if (c->config_source == SOURCE_DEFAULT && !options_has(&ctl->options, "all")) {
            continue;
        }
        table_slice(&table, c->name);
        table_slice(&table, c->value);
        table_printf(&table, "%s", where_from(c->config_source));
        json_array_append_new(array, json_pack("{s:o,s:o,s:s,s:b}", "key", ctl_json_slice(c->name),
                                               "value", ctl_json_slice(c->value), "source",
                                               config_source_name(c->config_source), "readOnly",
                                               c->read_only));
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

static int alter(struct ctl *ctl) {
    enum config_resource resource;
    struct slice name;
    if (!take_resource(ctl, &resource, &name)) {
        return CTL_USAGE;
    }
    struct config_change *changes =
        arena_array(&ctl->arena, ctl->options.given_count + 1, sizeof(*changes));
    int32_t count = 0;
    const char *text;
    for (size_t i = 0; (text = options_nth(&ctl->options, "config", i)) != NULL; i++) {
        const char *equals = strchr(text, '=');
        if (equals == NULL) {
            return ctl_usage(ctl, "'%s' is not key=value", text);
        }
        changes[count++] = (struct config_change){slice_make(text, (size_t)(equals - text)),
                                                  slice_str(equals + 1)};
    }
    for (size_t i = 0; (text = options_nth(&ctl->options, "unset", i)) != NULL; i++) {
        changes[count++] = (struct config_change){slice_str(text), SLICE_NULL};
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
    struct ctl ctl = {0};
    int exit_code;
    bool altering = argc > 0 && strcmp(argv[0], "alter") == 0;
    if (!altering && (argc == 0 || strcmp(argv[0], "describe") != 0)) {
        fputs("usage: barnabasctl config describe|alter KIND NAME [options]\n", stderr);
        return CTL_USAGE;
    }
    if (ctl_open(&ctl, altering ? "config alter" : "config describe",
                 altering ? "KIND NAME [-c key=value]... [-d key]..." : "KIND NAME [options]",
                 altering ? alter_options : describe_options, argc - 1, argv + 1, &exit_code)) {
        exit_code = altering ? alter(&ctl) : describe(&ctl);
    }
    ctl_close(&ctl);
    return exit_code;
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
    static const char *const titles[] = {"BROKER", "HOST", "PORT", "RACK", "STATE"};
    const struct describe_cluster_response *response = ask_cluster(ctl);
    if (response == NULL) {
        return ctl_fail_client(ctl);
    }
    if (response->error_code != ERROR_NONE) {
        return ctl_fail(ctl, "%s", error_message(response->error_code));
    }
    struct table table;
    table_init(&table, titles, ARRAY_LEN(titles));
    json_t *array = json_array();
    for (int32_t i = 0; i < response->brokers_count; i++) {
        const struct describe_cluster_response_broker *b = &response->brokers[i];
        table_printf(&table, "%d", b->broker_id);
        table_slice(&table, b->host);
        table_printf(&table, "%d", b->port);
        table_slice(&table, b->rack);
        table_printf(&table, "%s", b->is_fenced ? "fenced" : "up");
        json_array_append_new(array, json_pack("{s:i,s:o,s:i,s:o,s:b}", "id", b->broker_id, "host",
                                               ctl_json_slice(b->host), "port", b->port, "rack",
                                               ctl_json_slice(b->rack), "fenced", b->is_fenced));
    }
    if (ctl->json) {
        ctl_json(json_pack("{s:o,s:i,s:o}", "clusterId", ctl_json_slice(response->cluster_id),
                           "controller", response->controller_id, "brokers", array));
    } else {
        json_decref(array);
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
