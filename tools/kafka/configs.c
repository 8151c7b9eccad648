/* kafka-configs and kafka-client-metrics */
#include "tools/admin/configs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tools/admin/groups.h"
#include "tools/kafka/kafka.h"

const struct option_spec kafka_configs_options[] = {
    {"add-config", OPTION_VALUE, "String", "k1=v1,k2=[v1,v2],k3=v3: keys to set."},
    {"add-config-file", OPTION_VALUE, "String", "A file of properties to set."},
    {"all", OPTION_FLAG, NULL, "Describes all keys, not only dynamic ones."},
    {"alter", OPTION_FLAG, NULL, "Alters the configuration of an entity."},
    {"bootstrap-controller", OPTION_VALUE, "controller", "A controller to ask instead."},
    {"bootstrap-server", OPTION_VALUE, "server to connect to", "The brokers to ask."},
    {"broker", OPTION_VALUE, "String", "The broker by its id."},
    {"broker-defaults", OPTION_FLAG, NULL, "The defaults of all brokers."},
    {"broker-logger", OPTION_VALUE, "String", "The loggers of a broker."},
    {"client", OPTION_VALUE, "String", NULL},
    {"client-defaults", OPTION_FLAG, NULL, NULL},
    {"client-metrics", OPTION_VALUE, "String", "A subscription to client metrics."},
    {"command-config", OPTION_VALUE, "String", "Properties for the client."},
    {"delete-config", OPTION_VALUE, "String", "k1,k2: keys to put back to their defaults."},
    {"describe", OPTION_FLAG, NULL, "Lists the configuration of entities."},
    {"entity-default", OPTION_FLAG, NULL, "The default of all entities of the type."},
    {"entity-name", OPTION_VALUE, "String", "The entity."},
    {"entity-type", OPTION_VALUE, "String", "topics, brokers, groups, client-metrics."},
    {"force", OPTION_FLAG, NULL, "Accepted."},
    {"group", OPTION_VALUE, "String", "The group."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"ip", OPTION_VALUE, "String", NULL},
    {"ip-defaults", OPTION_FLAG, NULL, NULL},
    {"topic", OPTION_VALUE, "String", "The topic."},
    {"user", OPTION_VALUE, "String", NULL},
    {"user-defaults", OPTION_FLAG, NULL, NULL},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

/* The kinds of entities, and the options that name one. */
static const struct kind {
    const char *type;     /* of --entity-type */
    const char *singular; /* in what is printed */
    const char *option;
    const char *defaults; /* NULL: there are none */
    enum config_resource resource;
    enum config_source source; /* of what is set for the entity */
} kinds[] = {
    {"topics", "topic", "topic", NULL, CONFIG_TOPIC, SOURCE_TOPIC},
    {"brokers", "broker", "broker", "broker-defaults", CONFIG_BROKER, SOURCE_BROKER},
    {"groups", "group", "group", NULL, CONFIG_GROUP, SOURCE_GROUP},
    {"client-metrics", "client-metric", "client-metrics", NULL, CONFIG_CLIENT_METRICS,
     SOURCE_CLIENT_METRICS},
    {"broker-loggers", "broker-logger", "broker-logger", NULL, CONFIG_BROKER_LOGGER,
     SOURCE_BROKER_LOGGER},
    {"users", "user", "user", "user-defaults", 0, 0},
    {"clients", "client", "client", "client-defaults", 0, 0},
    {"ips", "ip", "ip", "ip-defaults", 0, 0},
};

/* What is meant by the command line. */
struct entity {
    const struct kind *kind;
    const char *name; /* NULL: all of the kind */
    bool is_default;
};

/* ---- The entity ------------------------------------------------------------------------------ */

static int complain(const char *text) {
    fprintf(stderr, "%s\n", text);
    return EXIT_FAILED;
}

/* False after a message. */
static bool take_entity(struct kafka_call *call, struct entity *out) {
    const struct options *options = &call->options;
    size_t count = 0;
    *out = (struct entity){NULL};
    const char *type = options_get(options, "entity-type", NULL);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        bool by_default = kinds[i].defaults != NULL && options_has(options, kinds[i].defaults);
        bool by_type = type != NULL && strcmp(type, kinds[i].type) == 0;
        if (!options_has(options, kinds[i].option) && !by_default && !by_type) {
            continue;
        }
        count++;
        out->kind = &kinds[i];
        out->is_default = by_default || (by_type && options_has(options, "entity-default"));
        out->name = out->is_default ? NULL
                    : by_type       ? options_get(options, "entity-name", NULL)
                                    : options_get(options, kinds[i].option, NULL);
    }
    if (count == 0 && type != NULL) {
        fprintf(stderr,
                "Invalid entity type %s, the entity type must be one of topics, clients, users, "
                "brokers, ips, client-metrics, groups, broker-loggers with a --bootstrap-server or "
                "--bootstrap-controller argument\n",
                type);
    } else if (count == 0) {
        complain("At least one entity type must be specified");
    } else if (count > 1) {
        complain("Only 'users' and 'clients' entity types may be specified together");
    } else if (out->kind->resource == 0) {
        fprintf(stderr, "Configurations of %s are not served yet by this tool.\n", out->kind->type);
    } else {
        return true;
    }
    return false;
}

/* ---- Describing ------------------------------------------------------------------------------ */

static void print_value(struct slice value) {
    if (slice_is_null(value)) {
        fputs("null", stdout);
    } else {
        fwrite(value.data, 1, value.len, stdout);
    }
}

static void print_config(const struct describe_configs_response_resource_result *c) {
    printf("  %.*s=", SLICE_ARG(c->name));
    print_value(c->value);
    printf(" sensitive=%s synonyms={", c->is_sensitive ? "true" : "false");
    for (int32_t i = 0; i < c->synonyms_count; i++) {
        printf("%s%s:%.*s=", i > 0 ? ", " : "", config_source_name(c->synonyms[i].source),
               SLICE_ARG(c->synonyms[i].name));
        print_value(c->synonyms[i].value);
    }
    puts("}");
}

static int fail_client(struct kafka_call *call) {
    fprintf(stderr, "%s\n", call->client.error.text);
    return EXIT_FAILED;
}

/* Whether it has a configuration of its own; -1 without answer. */
static int configured(struct kafka_call *call, const struct entity *entity) {
    const struct list_config_resources_response *list =
        configs_list(&call->client, entity->kind->resource);
    for (int32_t i = 0; list != NULL && i < list->config_resources_count; i++) {
        if (slice_equal_str(list->config_resources[i].resource_name, entity->name)) {
            return 1;
        }
    }
    return list != NULL ? 0 : -1;
}

/* Whether the entity exists, or has a configuration; -1 without answer. */
static int exists(struct kafka_call *call, const struct entity *entity) {
    struct slice name = slice_str(entity->name);
    struct topic_list topics;
    struct group_list groups;
    switch (entity->kind->resource) {
    case CONFIG_TOPIC:
        return topics_all(&call->client, &topics) ? topic_find(&topics, name) != NULL : -1;
    case CONFIG_GROUP:
        if (!groups_list(&call->client, &groups)) {
            return -1;
        }
        for (int32_t i = 0; i < groups.count; i++) {
            if (slice_equal(groups.items[i].group_id, name)) {
                return 1;
            }
        }
        return configured(call, entity);
    case CONFIG_CLIENT_METRICS:
        return configured(call, entity);
    case CONFIG_BROKER:
    case CONFIG_BROKER_LOGGER: {
        const struct metadata_response *metadata = client_metadata(&call->client, &name, 0);
        for (int32_t i = 0; metadata != NULL && i < metadata->brokers_count; i++) {
            if (metadata->brokers[i].node_id == atoi(entity->name)) {
                return 1;
            }
        }
        return metadata != NULL ? 0 : -1;
    }
    }
    return 1;
}

static int describe_one(struct kafka_call *call, const struct kind *kind, struct slice name) {
    bool all = options_has(&call->options, "all");
    bool is_default = kind->resource == CONFIG_BROKER && name.len == 0;
    const struct describe_configs_response_result *result =
        configs_describe(&call->client, kind->resource, name);
    if (result == NULL) {
        return fail_client(call);
    }
    if (is_default) {
        printf("Default configs for %s in the cluster are:\n", kind->type);
    } else {
        printf("%s configs for %s %.*s are:\n", all ? "All" : "Dynamic", kind->singular,
               SLICE_ARG(name));
    }
    if (result->error_code != ERROR_NONE) {
        fprintf(stderr, "%s: %.*s\n", kafka_exception(&call->arena, result->error_code),
                SLICE_ARG(result->error_message));
        return EXIT_FAILED;
    }
    int8_t source = is_default ? SOURCE_BROKER_DEFAULT : (int8_t)kind->source;
    for (int32_t i = 0; i < result->configs_count; i++) {
        if (all || result->configs[i].config_source == source) {
            print_config(&result->configs[i]);
        }
    }
    return 0;
}

/* All entities of a kind. */
static int describe_all(struct kafka_call *call, const struct kind *kind) {
    int exit_code = 0;
    struct slice none = SLICE_LIT("");
    if (kind->resource == CONFIG_TOPIC) {
        struct topic_list topics;
        if (!topics_all(&call->client, &topics)) {
            return fail_client(call);
        }
        for (int32_t i = 0; i < topics.count && exit_code == 0; i++) {
            exit_code = describe_one(call, kind, topics.items[i].name);
        }
    } else if (kind->resource == CONFIG_BROKER || kind->resource == CONFIG_BROKER_LOGGER) {
        const struct metadata_response *metadata = client_metadata(&call->client, &none, 0);
        if (metadata == NULL) {
            return fail_client(call);
        }
        for (int32_t i = 0; i < metadata->brokers_count && exit_code == 0; i++) {
            char id[16];
            snprintf(id, sizeof(id), "%d", metadata->brokers[i].node_id);
            exit_code = describe_one(call, kind, arena_dup(&call->arena, slice_str(id)));
        }
        if (exit_code == 0 && kind->resource == CONFIG_BROKER) {
            exit_code = describe_one(call, kind, none);
        }
    } else {
        const struct list_config_resources_response *list =
            configs_list(&call->client, kind->resource);
        if (list == NULL) {
            return fail_client(call);
        }
        for (int32_t i = 0; i < list->config_resources_count && exit_code == 0; i++) {
            exit_code = describe_one(call, kind, list->config_resources[i].resource_name);
        }
    }
    return exit_code;
}

static int describe(struct kafka_call *call, const struct entity *entity) {
    if (entity->is_default) {
        return describe_one(call, entity->kind, SLICE_LIT(""));
    }
    if (entity->name == NULL) {
        return describe_all(call, entity->kind);
    }
    int found = exists(call, entity);
    if (found < 0) {
        return fail_client(call);
    }
    if (found == 0) {
        printf("The %s '%s' doesn't exist and doesn't have dynamic config.\n",
               entity->kind->singular, entity->name);
        return 0;
    }
    return describe_one(call, entity->kind, slice_str(entity->name));
}

/* ---- Altering -------------------------------------------------------------------------------- */

struct changes {
    struct kafka_call *call;
    struct config_change *items; /* in the call's arena */
    int32_t count;
};

static void add_change(struct changes *changes, struct slice name, struct slice value) {
    struct config_change *items =
        arena_array(&changes->call->arena, (size_t)changes->count + 1, sizeof(*items));
    for (int32_t i = 0; i < changes->count; i++) {
        items[i] = changes->items[i];
    }
    items[changes->count++] = (struct config_change){name, value};
    changes->items = items;
}

static bool add_property(void *ctx, struct slice key, struct slice value) {
    add_change(ctx, key, value);
    return true;
}

static struct slice trimmed(struct slice s) {
    while (s.len > 0 && s.data[0] == ' ') {
        s = slice_make(s.data + 1, s.len - 1);
    }
    while (s.len > 0 && s.data[s.len - 1] == ' ') {
        s.len--;
    }
    return s;
}

/* "a=b,c=[d,e]"; false when it is not of that form. */
static bool add_all(struct changes *changes, const char *text) {
    while (*text != '\0') {
        size_t len = 0;
        for (int depth = 0; text[len] != '\0' && (text[len] != ',' || depth > 0); len++) {
            depth += (text[len] == '[') - (text[len] == ']');
        }
        struct slice item = slice_make(text, len);
        const uint8_t *equals = memchr(text, '=', len);
        if (equals == NULL) {
            return false;
        }
        size_t key_len = (size_t)(equals - item.data);
        struct slice value = trimmed(slice_make(equals + 1, len - key_len - 1));
        if (value.len >= 2 && value.data[0] == '[' && value.data[value.len - 1] == ']') {
            value = slice_make(value.data + 1, value.len - 2);
        }
        add_change(changes, trimmed(slice_make(item.data, key_len)), value);
        text += len + (text[len] == ',');
    }
    return true;
}

/* False after a message. */
static bool take_changes(struct kafka_call *call, struct changes *changes) {
    const struct options *options = &call->options;
    const char *add = options_get(options, "add-config", NULL);
    const char *file = options_get(options, "add-config-file", NULL);
    const char *delete = options_get(options, "delete-config", NULL);
    *changes = (struct changes){.call = call};
    if (add == NULL && file == NULL && delete == NULL) {
        complain("At least one of --add-config, --add-config-file, or --delete-config must be "
                 "specified with --alter");
        return false;
    }
    if (add != NULL && !add_all(changes, add)) {
        complain(
            "requirement failed: Invalid entity config: all configs to be added must be in the "
            "format \"key=val\" or \"key=[val1,val2]\" to group values which contain commas.");
        return false;
    }
    if (file != NULL && !kafka_properties(call, file, add_property, changes)) {
        return false;
    }
    while (delete != NULL && *delete != '\0') {
        size_t len = strcspn(delete, ",");
        add_change(changes, trimmed(slice_make(delete, len)), SLICE_NULL);
        delete += len + (delete[len] == ',');
    }
    return true;
}

static int fail_alter(struct kafka_call *call, int16_t code, struct slice text) {
    fputs("Error while executing config command with args '", stderr);
    for (int i = 0; i < call->argc; i++) {
        fprintf(stderr, "%s%s", i > 0 ? " " : "", call->argv[i]);
    }
    const char *exception = kafka_exception(&call->arena, code);
    fprintf(stderr, "'\njava.util.concurrent.ExecutionException: %s: %.*s\nCaused by: %s: %.*s\n",
            exception, SLICE_ARG(text), exception, SLICE_ARG(text));
    return EXIT_FAILED;
}

static int alter(struct kafka_call *call, const struct entity *entity) {
    struct changes changes;
    int64_t id;
    if (entity->name == NULL && !entity->is_default) {
        fprintf(stderr, "An entity name must be specified with --alter of %s\n",
                entity->kind->type);
        return EXIT_FAILED;
    }
    if (!take_changes(call, &changes)) {
        return EXIT_FAILED;
    }
    if (entity->kind->resource == CONFIG_BROKER && entity->name != NULL) {
        if (!slice_parse_i64(slice_str(entity->name), &id)) {
            fprintf(stderr,
                    "The entity name for brokers must be a valid integer broker id, but it "
                    "is: %s\n",
                    entity->name);
            return EXIT_FAILED;
        }
        struct slice none = SLICE_LIT("");
        (void)client_metadata(&call->client, &none, 0); /* to know of the broker */
    }
    struct slice name = slice_str(entity->is_default ? "" : entity->name);
    struct outcome outcome;
    if (!configs_alter(&call->client, entity->kind->resource, name, changes.items, changes.count,
                       &outcome)) {
        return fail_alter(call, ERROR_REQUEST_TIMED_OUT, slice_str(call->client.error.text));
    }
    if (outcome.code != ERROR_NONE) {
        return fail_alter(call, outcome.code, outcome_text(&outcome));
    }
    if (entity->is_default) {
        printf("Completed updating default config for %s in the cluster.\n", entity->kind->type);
    } else {
        printf("Completed updating config for %s %s.\n", entity->kind->singular, entity->name);
    }
    return 0;
}

/* ---- The command lines ----------------------------------------------------------------------- */

int kafka_configs(struct kafka_call *call) {
    const struct options *options = &call->options;
    struct entity entity;
    if (options_has(options, "alter") == options_has(options, "describe")) {
        return kafka_usage(call, "Command must include exactly one action: --describe, --alter");
    }
    const char *bootstrap = options_get(options, "bootstrap-server", NULL);
    bootstrap = options_get(options, "bootstrap-controller", bootstrap);
    if (bootstrap == NULL) {
        return kafka_usage(
            call, "One of the required --bootstrap-server or --bootstrap-controller arguments must "
                  "be specified");
    }
    if (!take_entity(call, &entity) ||
        !kafka_connect(call, bootstrap, options_get(options, "command-config", NULL))) {
        return EXIT_FAILED;
    }
    return options_has(options, "alter") ? alter(call, &entity) : describe(call, &entity);
}

const struct option_spec kafka_client_metrics_options[] = {
    {"alter", OPTION_FLAG, NULL, "Alters a subscription."},
    {"bootstrap-server", OPTION_VALUE, "server to connect to", "The brokers to ask (required)."},
    {"command-config", OPTION_VALUE, "String", "Properties for the client."},
    {"delete", OPTION_FLAG, NULL, "Deletes a subscription."},
    {"describe", OPTION_FLAG, NULL, "Describes subscriptions."},
    {"generate-name", OPTION_FLAG, NULL, "Names it by a new UUID, with --alter."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"interval", OPTION_VALUE, "push interval", "In ms."},
    {"list", OPTION_FLAG, NULL, "Lists subscriptions."},
    {"match", OPTION_VALUE, "k1=v1,k2=v2", "Which clients."},
    {"metrics", OPTION_VALUE, "m1,m2", "Which metrics."},
    {"name", OPTION_VALUE, "name", "The subscription."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

static int list_metrics(struct kafka_call *call, bool with_configs) {
    const struct list_config_resources_response *list =
        configs_list(&call->client, CONFIG_CLIENT_METRICS);
    const char *name = options_get(&call->options, "name", NULL);
    if (list == NULL) {
        return fail_client(call);
    }
    for (int32_t i = 0; i < list->config_resources_count; i++) {
        struct slice one = list->config_resources[i].resource_name;
        if (!with_configs) {
            printf("%.*s\n", SLICE_ARG(one));
            continue;
        }
        if (name != NULL && !slice_equal_str(one, name)) {
            continue;
        }
        const struct describe_configs_response_result *result =
            configs_describe(&call->client, CONFIG_CLIENT_METRICS, one);
        if (result == NULL) {
            return fail_client(call);
        }
        printf("Client metrics configs for %.*s are:\n", SLICE_ARG(one));
        for (int32_t j = 0; j < result->configs_count; j++) {
            printf("  %.*s=%.*s\n", SLICE_ARG(result->configs[j].name),
                   SLICE_ARG(result->configs[j].value));
        }
    }
    return 0;
}

static int fail_name(const char *text) {
    fprintf(stderr, "%s\njava.lang.IllegalArgumentException: %s\n", text, text);
    return EXIT_FAILED;
}

static const char *generate_name(struct kafka_call *call) {
    uint8_t bytes[16];
    struct uuid id = UUID_ZERO;
    while (uuid_is_reserved(id) && getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes)) {
        id = uuid_from_random(bytes);
    }
    char text[UUID_TEXT_LEN + 1];
    return arena_printf(&call->arena, "%s", uuid_format(id, text));
}

static int change_metrics(struct kafka_call *call, bool delete) {
    static const char *const keys[][2] = {
        {"interval", "interval.ms"}, {"metrics", "metrics"}, {"match", "match"}};
    const char *name = options_get(&call->options, "name", NULL);
    bool generated = options_has(&call->options, "generate-name");
    if (!delete &&generated == (name != NULL)) {
        return fail_name("One of --name or --generate-name must be specified with --alter.");
    }
    name = generated && !delete ? generate_name(call) : name;
    if (name == NULL) {
        return kafka_usage(call, "Missing required argument \"[name]\"");
    }
    struct config_change changes[ARRAY_LEN(keys)];
    int32_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *value = options_get(&call->options, keys[i][0], NULL);
        if (delete || value != NULL) {
            changes[count++] = (struct config_change){
                slice_str(keys[i][1]), delete || value[0] == '\0' ? SLICE_NULL : slice_str(value)};
        }
    }
    struct outcome outcome;
    if (!configs_alter(&call->client, CONFIG_CLIENT_METRICS, slice_str(name), changes, count,
                       &outcome)) {
        return fail_client(call);
    }
    if (outcome.code != ERROR_NONE) {
        return fail_alter(call, outcome.code, outcome_text(&outcome));
    }
    printf(delete ? "Deleted client metrics config for %s.\n"
                  : "Altered client metrics config for %s.\n",
           name);
    return 0;
}

int kafka_client_metrics(struct kafka_call *call) {
    static const char *const required[] = {"bootstrap-server", NULL};
    const struct options *options = &call->options;
    if (!kafka_require(call, required) || !kafka_connect_given(call)) {
        return EXIT_FAILED;
    }
    if (options_has(options, "list") || options_has(options, "describe")) {
        return list_metrics(call, options_has(options, "describe"));
    }
    if (options_has(options, "alter") || options_has(options, "delete")) {
        return change_metrics(call, options_has(options, "delete"));
    }
    return kafka_usage(call, "Command must include exactly one action: --list, --describe, "
                             "--alter, --delete");
}
