/* kafka-metadata-quorum describe; quorum_voters.c has the other commands */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "protocol/generated/describe_cluster_response.h"
#include "tools/admin/quorum.h"
#include "tools/kafka/cluster.h"
#include "tools/kafka/quorum_voters.h"

const struct option_spec kafka_metadata_quorum_options[] = {
    {"bootstrap-server", OPTION_VALUE, "server", "The brokers."},
    {"bootstrap-controller", OPTION_VALUE, "controller", "The controllers instead."},
    {"command-config", OPTION_VALUE, "CONFIG",
     "Properties for the client; for add-controller those of the controller."},
    {"controller-directory-id|d", OPTION_VALUE, "ID", "For remove-controller: its directory."},
    {"controller-id|i", OPTION_VALUE, "ID", "For remove-controller: the node."},
    {"dry-run", OPTION_FLAG, NULL, "Only says what would be added or removed."},
    {"help|h", OPTION_FLAG, NULL, "Prints this."},
    {"human-readable|hr", OPTION_FLAG, NULL, "Times as ages."},
    {"replication|re|r", OPTION_FLAG, NULL, "The state of each replica."},
    {"status|s", OPTION_FLAG, NULL, "A summary."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

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
    const struct describe_cluster_response *cluster = cluster_ask(call, false);
    replica_view *leader = find_leader(p);
    if (cluster == NULL || leader == NULL) {
        return cluster_fail(call);
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

int kafka_metadata_quorum(struct kafka_call *call) {
    const char *word;
    const struct describe_quorum_response_partition_data *p = NULL;
    const char *config = options_get(&call->options, "command-config", NULL);
    if (config != NULL && access(config, F_OK) != 0) {
        fprintf(stderr, "Properties file %s does not exists!\n", config);
        return EXIT_FAILED;
    }
    if (!cluster_begin(call, &word)) {
        return EXIT_FAILED;
    }
    if (strcmp(word, "add-controller") == 0) {
        return quorum_add_controller(call);
    }
    if (strcmp(word, "remove-controller") == 0) {
        return quorum_remove_controller(call);
    }
    if (strcmp(word, "describe") != 0) {
        return kafka_usage(call, "usage: kafka-metadata-quorum describe|add-controller|"
                                 "remove-controller");
    }
    bool status = options_has(&call->options, "status");
    if (status == options_has(&call->options, "replication")) {
        return kafka_usage(call, "One of --status or --replication must be specified with describe "
                                 "sub-command");
    }
    const struct describe_quorum_response *response = quorum_describe(&call->client, &p);
    if (response == NULL) {
        return cluster_fail(call);
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
