/* DescribeQuorum (55): the state of the metadata quorum, answered by its leader on shard 0. */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/quorum/quorum_requests.h"
#include "broker/server/request.h"
#include "protocol/generated/describe_quorum_request.h"
#include "protocol/generated/describe_quorum_response.h"
#include "raft/quorum.h"

/* Voters or observers, in the arena. */
static int32_t replicas(struct request *request, const struct quorum *quorum, bool voters,
                        struct describe_quorum_response_replica_state **out) {
    struct arena *arena = &request->arena;
    struct raft_replica replica;
    int count = 0;
    while (quorum_replica_at(quorum, count, &replica)) {
        count++;
    }
    struct describe_quorum_response_replica_state *states =
        arena_array(arena, (size_t)count, sizeof(*states));
    int32_t taken = 0;
    for (int i = 0; i < count; i++) {
        if (!quorum_replica_at(quorum, i, &replica) || replica.voter != voters) {
            continue;
        }
        struct describe_quorum_response_replica_state *state = &states[taken++];
        *state = (struct describe_quorum_response_replica_state){
            .replica_id = replica.key.id,
            .log_end_offset = replica.end_offset,
            .last_fetch_timestamp = replica.fetched_ms,
            .last_caught_up_timestamp = replica.caught_up_ms,
        };
        if (request->version >= 2 && quorum_kraft_version(quorum) > 0) {
            state->replica_directory_id = replica.key.directory_id;
        }
    }
    *out = states;
    return taken;
}

static void describe(struct request *request, const struct quorum *quorum,
                     struct describe_quorum_response_partition_data *out) {
    struct raft_replica self;
    if (!quorum_replica_at(quorum, 0, &self)) {
        out->error_code = ERROR_NOT_LEADER_OR_FOLLOWER;
        out->error_message = slice_str(error_message(ERROR_NOT_LEADER_OR_FOLLOWER));
        out->leader_id = quorum_leader(quorum);
        out->leader_epoch = quorum_epoch(quorum);
        out->high_watermark = -1;
        return;
    }
    out->error_message = SLICE_LIT("");
    out->leader_id = quorum_leader(quorum);
    out->leader_epoch = quorum_epoch(quorum);
    out->high_watermark = quorum_high_watermark(quorum);
    out->current_voters_count = replicas(request, quorum, true, &out->current_voters);
    out->observers_count = replicas(request, quorum, false, &out->observers);
}

/* This node as it is configured, the other voters as they are known. */
static void add_nodes(struct request *request, const struct quorum *quorum,
                      struct describe_quorum_response *response) {
    struct arena *arena = &request->arena;
    const struct voter_set *voters = quorum_voters(quorum);
    int count = voters == NULL ? 0 : voters->count;
    response->nodes = arena_array(arena, (size_t)count, sizeof(*response->nodes));
    for (int i = 0; i < count; i++) {
        bool self = voters->voters[i].key.id == request->at->node->id;
        const struct voter *voter = self ? quorum_self(quorum) : &voters->voters[i];
        struct describe_quorum_response_node *node = &response->nodes[response->nodes_count++];
        node->node_id = voter->key.id;
        node->listeners_count = voter->endpoint_count;
        node->listeners =
            arena_array(arena, (size_t)voter->endpoint_count, sizeof(*node->listeners));
        for (int j = 0; j < voter->endpoint_count; j++) {
            node->listeners[j] =
                (struct describe_quorum_response_listener){.name = voter->endpoints[j].name,
                                                           .host = voter->endpoints[j].host,
                                                           .port = voter->endpoints[j].port};
        }
    }
}

/* Kafka knows only the question for the one partition; any other is refused as a whole. */
static bool is_the_quorum(const struct describe_quorum_request *body) {
    return body->topics_count == 1 && body->topics[0].partitions_count == 1 &&
           body->topics[0].partitions[0].partition_index == 0 &&
           slice_equal_str(body->topics[0].topic_name, TOPIC_CLUSTER_METADATA);
}

static void run(struct request *request) {
    const struct describe_quorum_request *body = request->body;
    const struct quorum *quorum = controller_quorum(request->at->node);
    struct arena *arena = &request->arena;
    if (quorum == NULL) {
        request_respond_error(request, ERROR_BROKER_NOT_AVAILABLE);
        return;
    }
    bool known = is_the_quorum(body);
    struct describe_quorum_response response;
    message_init(&describe_quorum_response_desc, &response);
    response.topics_count = body->topics_count;
    response.topics = (struct describe_quorum_response_topic_data *)arena_array(
        arena, (size_t)body->topics_count, sizeof(*response.topics));
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct describe_quorum_request_topic_data *asked = &body->topics[t];
        struct describe_quorum_response_topic_data *topic = &response.topics[t];
        topic->topic_name = asked->topic_name;
        topic->partitions_count = asked->partitions_count;
        topic->partitions = (struct describe_quorum_response_partition_data *)arena_array(
            arena, (size_t)asked->partitions_count, sizeof(*topic->partitions));
        for (int32_t p = 0; p < asked->partitions_count; p++) {
            struct describe_quorum_response_partition_data *partition = &topic->partitions[p];
            partition->partition_index = asked->partitions[p].partition_index;
            if (known) {
                describe(request, quorum, partition);
            } else {
                partition->error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
                partition->error_message =
                    slice_str(error_message(ERROR_UNKNOWN_TOPIC_OR_PARTITION));
            }
        }
    }
    if (request->version >= 2 && known) {
        add_nodes(request, quorum, &response);
    }
    request_respond(request, &response);
}

void api_describe_quorum(struct request *request) {
    controller_query(request, run);
}
