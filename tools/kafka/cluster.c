/* kafka-broker-api-versions and kafka-cluster */
#include "tools/kafka/cluster.h"

#include <inttypes.h>
#include <string.h>

#include "protocol/generated/describe_cluster_request.h"
#include "protocol/generated/describe_cluster_response.h"
#include "protocol/generated/unregister_broker_request.h"
#include "protocol/generated/unregister_broker_response.h"

const struct option_spec kafka_broker_api_versions_options[] = {
    {"bootstrap-server", OPTION_VALUE, "server to connect to", "The brokers (required)."},
    {"command-config", OPTION_VALUE, "config file", "Properties for the client."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

const struct option_spec kafka_cluster_options[] = {
    {"bootstrap-server|b", OPTION_VALUE, "server", "The brokers."},
    {"bootstrap-controller|C", OPTION_VALUE, "controller", "The controllers instead."},
    {"config", OPTION_VALUE, "CONFIG", "Properties for the client."},
    {"command-config|c", OPTION_VALUE, "CONFIG", "Properties for the client."},
    {"help|h", OPTION_FLAG, NULL, "Prints this."},
    {"id|i", OPTION_VALUE, "ID", "The broker, for unregister."},
    {"include-fenced-brokers", OPTION_FLAG, NULL, "For list-endpoints."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

int cluster_fail(struct kafka_call *call) {
    fflush(stdout);
    fprintf(stderr, "%s\n", call->client.error.text);
    return EXIT_FAILED;
}

int cluster_refused(struct kafka_call *call, int16_t code, struct slice message) {
    struct outcome outcome = {code, message};
    struct slice text = outcome_text(&outcome);
    const char *cause = arena_printf(&call->arena, "%s: %.*s", kafka_exception(&call->arena, code),
                                     SLICE_ARG(text));
    fflush(stdout);
    fprintf(stderr, "%s\njava.util.concurrent.ExecutionException: %s\nCaused by: %s\n", cause,
            cause, cause);
    return EXIT_FAILED;
}

bool cluster_begin(struct kafka_call *call, const char **word) {
    const struct options *options = &call->options;
    const char *bootstrap = options_get(options, "bootstrap-server", NULL);
    const char *config = options_get(options, "command-config", NULL);
    bootstrap = options_get(options, "bootstrap-controller", bootstrap);
    if (bootstrap == NULL) {
        kafka_usage(call, "one of the arguments --bootstrap-server --bootstrap-controller is "
                          "required");
        return false;
    }
    *word = options->arg_count > 0 ? options->args[0] : "";
    return kafka_connect(call, bootstrap, options_get(options, "config", config));
}

/* ---- kafka-broker-api-versions --------------------------------------------------------------- */

/* What clients do not ask of brokers. */
static bool between_nodes(int16_t key) {
    static const int16_t keys[] = {4,  5,  6,  7,  52, 53, 54, 56, 58,
                                   59, 62, 63, 67, 70, 73, 82, 93, 94};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (keys[i] == key) {
            return true;
        }
    }
    return api_by_key(key) == NULL;
}

static void print_api(const struct rpc *rpc, int16_t key, bool last) {
    const struct api *api = api_by_key(key);
    int16_t newest = message_max_version(api->request);
    newest = (int16_t)(newest - (api->latest_unstable ? 1 : 0));
    int16_t low = rpc->min_version[key], high = rpc->max_version[key];
    printf("\t%s(%d): ", api->name, key);
    if (high < 0) {
        fputs("UNSUPPORTED", stdout);
    } else {
        if (low == high) {
            printf("%d", low);
        } else {
            printf("%d to %d", low, high);
        }
        printf(" [usable: %d]", newest < high ? newest : high);
    }
    puts(last ? "" : ",");
}

const struct describe_cluster_response *cluster_ask(struct kafka_call *call, bool fenced) {
    struct describe_cluster_request request;
    message_init(&describe_cluster_request_desc, &request);
    if (options_has(&call->options, "bootstrap-controller")) {
        request.endpoint_type = 2;
    }
    request.include_fenced_brokers = fenced;
    const struct describe_cluster_response *response =
        client_call(&call->client, CLIENT_ANY, API_DESCRIBE_CLUSTER, VERSION_MAX, &request, NULL);
    if (response != NULL && response->error_code != ERROR_NONE) {
        client_fail(&call->client, response->error_code, response->error_message);
        return NULL;
    }
    for (int32_t i = 0; response != NULL && i < response->brokers_count; i++) {
        client_learn(&call->client, response->brokers[i].broker_id, response->brokers[i].host,
                     response->brokers[i].port);
    }
    return response;
}

int kafka_broker_api_versions(struct kafka_call *call) {
    static const char *const required[] = {"bootstrap-server", NULL};
    if (!kafka_require(call, required) || !kafka_connect_given(call)) {
        return EXIT_FAILED;
    }
    const struct describe_cluster_response *cluster = cluster_ask(call, false);
    if (cluster == NULL) {
        return cluster_fail(call);
    }
    for (int32_t i = 0; i < cluster->brokers_count; i++) {
        const struct describe_cluster_response_broker *b = &cluster->brokers[i];
        struct slice rack = slice_is_null(b->rack) ? SLICE_LIT("null") : b->rack;
        const struct client_node *node = client_node(&call->client, b->broker_id);
        printf("%.*s:%d (id: %d rack: %.*s isFenced: %s) -> ", SLICE_ARG(b->host), b->port,
               b->broker_id, SLICE_ARG(rack), b->is_fenced ? "true" : "false");
        if (node == NULL) {
            printf("ERROR: %s\n", call->client.error.text);
            continue;
        }
        puts("(");
        int16_t last = 92;
        for (int16_t key = 0; key <= last; key++) {
            if (!between_nodes(key)) {
                print_api(&node->rpc, key, key == last);
            }
        }
        puts(")");
    }
    return 0;
}

/* ---- kafka-cluster --------------------------------------------------------------------------- */

static int list_endpoints(struct kafka_call *call) {
    bool fenced = options_has(&call->options, "include-fenced-brokers");
    bool controllers = options_has(&call->options, "bootstrap-controller");
    if (controllers && fenced) {
        static const char text[] = "The option --include-fenced-brokers is only supported with "
                                   "--bootstrap-server option";
        fprintf(stderr, "%s\njava.lang.IllegalArgumentException: %s\n", text, text);
        return EXIT_FAILED;
    }
    const struct describe_cluster_response *cluster = cluster_ask(call, fenced);
    if (cluster == NULL) {
        return cluster_fail(call);
    }
    int hosts = 4, racks = 10;
    for (int32_t i = 0; i < cluster->brokers_count; i++) {
        const struct describe_cluster_response_broker *b = &cluster->brokers[i];
        hosts = (int)b->host.len > hosts ? (int)b->host.len : hosts;
        racks = (int)b->rack.len > racks ? (int)b->rack.len : racks;
    }
    printf("%-10s %-*s %-10s %-*s %s%-15s\n", "ID", hosts, "HOST", "PORT", racks, "RACK",
           controllers ? "" : "STATE      ", "ENDPOINT_TYPE");
    for (int32_t i = 0; i < cluster->brokers_count; i++) {
        const struct describe_cluster_response_broker *b = &cluster->brokers[i];
        struct slice rack = slice_is_null(b->rack) ? SLICE_LIT("null") : b->rack;
        printf("%-10d %-*.*s %-10d %-*.*s %s%-15s\n", b->broker_id, hosts, SLICE_ARG(b->host),
               b->port, racks, SLICE_ARG(rack),
               controllers    ? ""
               : b->is_fenced ? "fenced     "
                              : "unfenced   ",
               controllers ? "controller" : "broker");
    }
    return 0;
}

static int unregister(struct kafka_call *call) {
    int64_t id = -1;
    if (!options_has(&call->options, "id")) {
        return kafka_usage(call, "argument --id/-i is required");
    }
    if (!options_i64(&call->options, "id", &id)) {
        return EXIT_FAILED;
    }
    struct unregister_broker_request request;
    message_init(&unregister_broker_request_desc, &request);
    request.broker_id = (int32_t)id;
    const struct unregister_broker_response *response =
        client_call(&call->client, CLIENT_ANY, API_UNREGISTER_BROKER, VERSION_MAX, &request, NULL);
    if (response == NULL) {
        return cluster_fail(call);
    }
    if (response->error_code != ERROR_NONE) {
        return cluster_refused(call, response->error_code, response->error_message);
    }
    printf("Broker %" PRId64 " is no longer registered.\n", id);
    return 0;
}

int kafka_cluster(struct kafka_call *call) {
    const char *word;
    if (!cluster_begin(call, &word)) {
        return EXIT_FAILED;
    }
    if (strcmp(word, "cluster-id") == 0) {
        const struct describe_cluster_response *cluster = cluster_ask(call, false);
        if (cluster == NULL) {
            return cluster_fail(call);
        }
        printf("Cluster ID: %.*s\n", SLICE_ARG(cluster->cluster_id));
        return 0;
    }
    if (strcmp(word, "list-endpoints") == 0) {
        return list_endpoints(call);
    }
    return strcmp(word, "unregister") == 0
               ? unregister(call)
               : kafka_usage(call, "usage: kafka-cluster cluster-id|unregister|list-endpoints");
}
