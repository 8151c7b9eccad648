/* kafka-broker-api-versions, kafka-cluster, kafka-metadata-quorum and kafka-features */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/generated/api_versions_request.h"
#include "protocol/generated/api_versions_response.h"
#include "protocol/generated/describe_cluster_request.h"
#include "protocol/generated/describe_cluster_response.h"
#include "protocol/generated/remove_raft_voter_request.h"
#include "protocol/generated/remove_raft_voter_response.h"
#include "protocol/generated/unregister_broker_request.h"
#include "protocol/generated/unregister_broker_response.h"
#include "tools/admin/quorum.h"
#include "tools/format_options.h"
#include "tools/kafka/features_update.h"
#include "tools/kafka/kafka.h"

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
    {"command-config", OPTION_VALUE, "CONFIG", "Properties for the client."},
    {"help|h", OPTION_FLAG, NULL, "Prints this."},
    {"id|i", OPTION_VALUE, "ID", "The broker, for unregister."},
    {"include-fenced-brokers", OPTION_FLAG, NULL, "For list-endpoints."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

const struct option_spec kafka_metadata_quorum_options[] = {
    {"bootstrap-server", OPTION_VALUE, "server", "The brokers."},
    {"bootstrap-controller", OPTION_VALUE, "controller", "The controllers instead."},
    {"command-config", OPTION_VALUE, "CONFIG", "Properties for the client."},
    {"controller-directory-id|d", OPTION_VALUE, "ID", "For remove-controller: its directory."},
    {"controller-id|i", OPTION_VALUE, "ID", "For remove-controller: the node."},
    {"dry-run", OPTION_FLAG, NULL, "Only says what would be removed."},
    {"help|h", OPTION_FLAG, NULL, "Prints this."},
    {"human-readable|hr", OPTION_FLAG, NULL, "Times as ages."},
    {"replication|re|r", OPTION_FLAG, NULL, "The state of each replica."},
    {"status|s", OPTION_FLAG, NULL, "A summary."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

const struct option_spec kafka_features_options[] = {
    {"bootstrap-server", OPTION_VALUE, "server", "The brokers."},
    {"bootstrap-controller", OPTION_VALUE, "controller", "The controllers instead."},
    {"command-config", OPTION_VALUE, "CONFIG", "Properties for the client."},
    {"help|h", OPTION_FLAG, NULL, "Prints this."},
    {"dry-run", OPTION_FLAG, NULL, "Only asks whether it could be done."},
    {"feature", OPTION_VALUE, "FEATURE",
     "A feature and its level, name=level; for disable its name."},
    {"metadata", OPTION_VALUE, "METADATA", "The release that metadata.version is to be of."},
    {"node-id", OPTION_VALUE, "ID", "The broker that is asked."},
    {"release-version", OPTION_VALUE, "release", NULL},
    {"unsafe", OPTION_FLAG, NULL, "Downgrades although metadata may be lost."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

static int fail(struct kafka_call *call) {
    fflush(stdout);
    fprintf(stderr, "%s\n", call->client.error.text);
    return EXIT_FAILED;
}

/* The word that says what to do, and the client; false after a message. */
static bool begin(struct kafka_call *call, const char **word) {
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

static int not_served(const struct kafka_call *call, const char *word) {
    fprintf(stderr, "%s %s is not served yet by this tool.\n", call->tool, word);
    return EXIT_FAILED;
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

static const struct describe_cluster_response *ask_cluster(struct kafka_call *call, bool fenced) {
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
    const struct describe_cluster_response *cluster = ask_cluster(call, false);
    if (cluster == NULL) {
        return fail(call);
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
    const struct describe_cluster_response *cluster = ask_cluster(call, fenced);
    if (cluster == NULL) {
        return fail(call);
    }
    int hosts = 4, racks = 10;
    for (int32_t i = 0; i < cluster->brokers_count; i++) {
        const struct describe_cluster_response_broker *b = &cluster->brokers[i];
        hosts = (int)b->host.len > hosts ? (int)b->host.len : hosts;
        racks = (int)b->rack.len > racks ? (int)b->rack.len : racks;
    }
    printf("%-10s %-*s %-10s %-*s %-10s %-15s\n", "ID", hosts, "HOST", "PORT", racks, "RACK",
           "STATE", "ENDPOINT_TYPE");
    for (int32_t i = 0; i < cluster->brokers_count; i++) {
        const struct describe_cluster_response_broker *b = &cluster->brokers[i];
        struct slice rack = slice_is_null(b->rack) ? SLICE_LIT("null") : b->rack;
        printf("%-10d %-*.*s %-10d %-*.*s %-10s %-15s\n", b->broker_id, hosts, SLICE_ARG(b->host),
               b->port, racks, SLICE_ARG(rack), b->is_fenced ? "fenced" : "unfenced",
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
        return fail(call);
    }
    if (response->error_code != ERROR_NONE) {
        client_fail(&call->client, response->error_code, response->error_message);
        return fail(call);
    }
    printf("Broker %" PRId64 " is no longer registered.\n", id);
    return 0;
}

int kafka_cluster(struct kafka_call *call) {
    const char *word;
    if (!begin(call, &word)) {
        return EXIT_FAILED;
    }
    if (strcmp(word, "cluster-id") == 0) {
        const struct describe_cluster_response *cluster = ask_cluster(call, false);
        if (cluster == NULL) {
            return fail(call);
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

/* ---- kafka-metadata-quorum ------------------------------------------------------------------- */

typedef const struct describe_quorum_response_replica_state replica_view;

/* [{"id": 1, "directoryId": "...", "endpoints": ["CONTROLLER://host:9093"]}] */
static void print_replicas(const char *title, const struct describe_quorum_response *response,
                           replica_view *replicas, int32_t count) {
    printf("%-23s [", title);
    for (int32_t i = 0; i < count; i++) {
        printf("%s{\"id\": %d", i > 0 ? ", " : "", replicas[i].replica_id);
        if (!uuid_is_zero(replicas[i].replica_directory_id)) {
            char id[UUID_TEXT_LEN + 1];
            printf(", \"directoryId\": \"%s\"", uuid_format(replicas[i].replica_directory_id, id));
        }
        for (int32_t j = 0; j < response->nodes_count; j++) {
            const struct describe_quorum_response_node *node = &response->nodes[j];
            if (node->node_id != replicas[i].replica_id || node->listeners_count == 0) {
                continue;
            }
            fputs(", \"endpoints\": [", stdout);
            for (int32_t k = 0; k < node->listeners_count; k++) {
                const struct describe_quorum_response_listener *l = &node->listeners[k];
                printf("%s\"%.*s://%.*s:%u\"", k > 0 ? ", " : "", SLICE_ARG(l->name),
                       SLICE_ARG(l->host), l->port);
            }
            putchar(']');
        }
        putchar('}');
    }
    puts("]");
}

static replica_view *find_leader(const struct describe_quorum_response_partition_data *p) {
    for (int32_t i = 0; i < p->current_voters_count; i++) {
        if (p->current_voters[i].replica_id == p->leader_id) {
            return &p->current_voters[i];
        }
    }
    return NULL;
}

static int print_status(struct kafka_call *call, const struct describe_quorum_response *response,
                        const struct describe_quorum_response_partition_data *p) {
    const struct describe_cluster_response *cluster = ask_cluster(call, false);
    replica_view *leader = find_leader(p);
    if (cluster == NULL || leader == NULL) {
        return fail(call);
    }
    int64_t lag = 0, caught_up = leader->last_caught_up_timestamp;
    for (int32_t i = 0; i < p->current_voters_count; i++) {
        replica_view *v = &p->current_voters[i];
        int64_t behind = leader->log_end_offset - v->log_end_offset;
        lag = behind > lag ? behind : lag;
        caught_up =
            v->last_caught_up_timestamp < caught_up ? v->last_caught_up_timestamp : caught_up;
    }
    int64_t lag_ms = lag == 0          ? 0
                     : caught_up == -1 ? -1
                                       : leader->last_caught_up_timestamp - caught_up;
    printf("%-23s %.*s\n", "ClusterId:", SLICE_ARG(cluster->cluster_id));
    printf("%-23s %d\n", "LeaderId:", p->leader_id);
    printf("%-23s %d\n", "LeaderEpoch:", p->leader_epoch);
    printf("%-23s %" PRId64 "\n", "HighWatermark:", p->high_watermark);
    printf("%-23s %" PRId64 "\n", "MaxFollowerLag:", lag);
    printf("%-23s %" PRId64 "\n", "MaxFollowerLagTimeMs:", lag_ms);
    print_replicas("CurrentVoters:", response, p->current_voters, p->current_voters_count);
    print_replicas("CurrentObservers:", response, p->observers, p->observers_count);
    return 0;
}

static void print_time(int64_t when, bool as_age, int width) {
    char text[48];
    if (when < 0) {
        snprintf(text, sizeof(text), as_age ? "unknown" : "%" PRId64, when);
    } else if (as_age) {
        snprintf(text, sizeof(text), "%" PRId64 " ms ago", client_now_ms() - when);
    } else {
        snprintf(text, sizeof(text), "%" PRId64, when);
    }
    printf("%-*s\t", width, text);
}

static void print_states(const struct describe_quorum_response_partition_data *p,
                         replica_view *replicas, int32_t count, const char *status, bool as_age) {
    replica_view *leader = find_leader(p);
    bool leads = strcmp(status, "Leader") == 0;
    for (int32_t i = 0; i < count; i++) {
        if (strcmp(status, "Observer") != 0 && leads != (replicas[i].replica_id == p->leader_id)) {
            continue;
        }
        char id[UUID_TEXT_LEN + 1];
        int64_t lag = leader == NULL ? 0 : leader->log_end_offset - replicas[i].log_end_offset;
        printf("%-6d\t%s\t%-12" PRId64 "\t%-3" PRId64 "\t", replicas[i].replica_id,
               uuid_format(replicas[i].replica_directory_id, id), replicas[i].log_end_offset, lag);
        print_time(replicas[i].last_fetch_timestamp, as_age, 18);
        print_time(replicas[i].last_caught_up_timestamp, as_age, 21);
        printf("%s\t\n", status);
    }
}

static int remove_controller(struct kafka_call *call) {
    int64_t id = -1;
    const char *directory = options_get(&call->options, "controller-directory-id", NULL);
    if (directory == NULL || !options_has(&call->options, "controller-id")) {
        return kafka_usage(call, "usage: kafka-metadata-quorum remove-controller --controller-id "
                                 "ID --controller-directory-id ID");
    }
    struct remove_raft_voter_request request;
    message_init(&remove_raft_voter_request_desc, &request);
    request.cluster_id = SLICE_NULL;
    if (!options_i64(&call->options, "controller-id", &id)) {
        return EXIT_FAILED;
    }
    if (!uuid_parse(slice_str(directory), &request.voter_directory_id)) {
        fprintf(stderr,
                "Failed to parse --controller-directory-id: Input string `%s` decoded as %zu "
                "bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID\n",
                directory, strlen(directory) * 3 / 4);
        return EXIT_FAILED;
    }
    if (options_has(&call->options, "dry-run")) {
        printf("DRY RUN of removing KRaft controller %" PRId64 " with directory id %s\n", id,
               directory);
        return 0;
    }
    request.voter_id = (int32_t)id;
    const struct remove_raft_voter_response *response =
        client_call(&call->client, CLIENT_ANY, API_REMOVE_RAFT_VOTER, VERSION_MAX, &request, NULL);
    if (response == NULL) {
        return fail(call);
    }
    if (response->error_code != ERROR_NONE) {
        struct outcome outcome = {response->error_code, response->error_message};
        struct slice text = outcome_text(&outcome);
        const char *cause =
            arena_printf(&call->arena, "%s: %.*s",
                         kafka_exception(&call->arena, response->error_code), SLICE_ARG(text));
        fflush(stdout);
        fprintf(stderr, "%s\njava.util.concurrent.ExecutionException: %s\nCaused by: %s\n", cause,
                cause, cause);
        return EXIT_FAILED;
    }
    printf("Removed KRaft controller %" PRId64 " with directory id %s\n", id, directory);
    return 0;
}

int kafka_metadata_quorum(struct kafka_call *call) {
    const char *word;
    const struct describe_quorum_response_partition_data *p = NULL;
    if (!begin(call, &word)) {
        return EXIT_FAILED;
    }
    if (strcmp(word, "remove-controller") == 0) {
        return remove_controller(call);
    }
    if (strcmp(word, "describe") != 0) {
        return not_served(call, word);
    }
    bool status = options_has(&call->options, "status");
    if (status == options_has(&call->options, "replication")) {
        return kafka_usage(call, "One of --status or --replication must be specified with describe "
                                 "sub-command");
    }
    const struct describe_quorum_response *response = quorum_describe(&call->client, &p);
    if (response == NULL) {
        return fail(call);
    }
    if (status) {
        return print_status(call, response, p);
    }
    bool as_age = options_has(&call->options, "human-readable");
    printf("NodeId\t%-22s\tLogEndOffset\tLag\t%-18s\t%-21s\tStatus\t\n", "DirectoryId",
           "LastFetchTimestamp", "LastCaughtUpTimestamp");
    print_states(p, p->current_voters, p->current_voters_count, "Leader", as_age);
    print_states(p, p->current_voters, p->current_voters_count, "Follower", as_age);
    print_states(p, p->observers, p->observers_count, "Observer", as_age);
    return 0;
}

/* ---- kafka-features -------------------------------------------------------------------------- */

static const char *level_text(struct kafka_call *call, struct slice feature, int16_t level) {
    const char *name = slice_equal_str(feature, "metadata.version") ? release_name(level) : NULL;
    return name != NULL ? name : arena_printf(&call->arena, "%d", level);
}

static int by_feature(const void *a, const void *b) {
    return slice_compare(((const struct api_versions_response_supported_feature_key *)a)->name,
                         ((const struct api_versions_response_supported_feature_key *)b)->name);
}

static int describe_features(struct kafka_call *call, int32_t node) {
    struct api_versions_request request;
    message_init(&api_versions_request_desc, &request);
    request.client_software_name = SLICE_LIT("barnabasctl");
    request.client_software_version = SLICE_LIT(BARNABAS_VERSION);
    const struct api_versions_response *response =
        client_call(&call->client, node, API_API_VERSIONS, 4, &request, NULL);
    if (response == NULL) {
        return fail(call);
    }
    if (response->supported_features_count > 0) {
        qsort(response->supported_features, (size_t)response->supported_features_count,
              sizeof(*response->supported_features), by_feature);
    }
    for (int32_t i = 0; i < response->supported_features_count; i++) {
        const struct api_versions_response_supported_feature_key *f =
            &response->supported_features[i];
        int16_t level = 0;
        for (int32_t j = 0; j < response->finalized_features_count; j++) {
            if (slice_equal(response->finalized_features[j].name, f->name)) {
                level = response->finalized_features[j].max_version_level;
            }
        }
        printf("Feature: %-40.*s  SupportedMinVersion: %-15s  SupportedMaxVersion: %-15s  "
               "FinalizedVersionLevel: %-15s  Epoch: %" PRId64 "\n",
               SLICE_ARG(f->name), level_text(call, f->name, f->min_version),
               level_text(call, f->name, f->max_version), level_text(call, f->name, level),
               response->finalized_features_epoch);
    }
    return 0;
}

int kafka_features(struct kafka_call *call) {
    const char *word = call->options.arg_count > 0 ? call->options.args[0] : "";
    int64_t node = CLIENT_ANY;
    bool describe = word[0] == '\0' || strcmp(word, "describe") == 0;
    bool update = strcmp(word, "upgrade") == 0 || strcmp(word, "downgrade") == 0 ||
                  strcmp(word, "disable") == 0;
    if (!describe && (!update || options_has(&call->options, "release-version"))) {
        return not_served(call, update ? "--release-version" : word);
    }
    if (!begin(call, &word) || !options_i64(&call->options, "node-id", &node)) {
        return EXIT_FAILED;
    }
    if (update) {
        return features_update(call, word);
    }
    if (word[0] == '\0') {
        return kafka_usage(call, "usage: kafka-features describe|upgrade|downgrade|disable");
    }
    if (node != CLIENT_ANY && ask_cluster(call, false) == NULL) {
        return fail(call);
    }
    return describe_features(call, (int32_t)node);
}
