/* DescribeQuorum (55): the state of the metadata quorum, answered by its leader on shard 0. */
#include "broker/api/api.h"
#include "broker/config/config.h"
#include "broker/controller/controller_request.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/quorum/metadata_log.h"
#include "broker/server/request.h"
#include "protocol/generated/describe_quorum_request.h"
#include "protocol/generated/describe_quorum_response.h"
#include "raft/quorum.h"

static void describe(const struct request *request, const struct quorum *quorum,
                     struct arena *arena, struct describe_quorum_response_partition_data *out) {
    const struct node *node = request->at->node;
    int64_t now_ms = clock_wall_ms(node->machine);
    out->error_message = SLICE_LIT("");
    out->leader_id = quorum_leader(quorum);
    out->leader_epoch = quorum_epoch(quorum);
    out->high_watermark = quorum_high_watermark(quorum);
    out->current_voters_count = 1;
    out->current_voters = ARENA_NEW(arena, struct describe_quorum_response_replica_state);
    *out->current_voters = (struct describe_quorum_response_replica_state){
        .replica_id = node->id,
        .log_end_offset = quorum_end_offset(quorum),
        .last_fetch_timestamp = now_ms,
        .last_caught_up_timestamp = now_ms,
    };
    if (request->version >= 2 && metadata_log_kraft_version(quorum) > 0) {
        out->current_voters->replica_directory_id = metadata_log_directory_id(quorum);
    }
}

static void add_node(const struct request *request, struct arena *arena,
                     struct describe_quorum_response *response) {
    const struct config *config = request->at->node->config;
    int count = config_listener_count(config);
    response->nodes = ARENA_NEW(arena, struct describe_quorum_response_node);
    response->nodes_count = 1;
    response->nodes->node_id = request->at->node->id;
    response->nodes->listeners = (struct describe_quorum_response_listener *)arena_array(
        arena, (size_t)count, sizeof(*response->nodes->listeners));
    for (int i = 0; i < count; i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        const struct config_listener *told = config_advertised(config, i);
        if (listener->controller) {
            told = told == NULL ? listener : told;
            response->nodes->listeners[response->nodes->listeners_count++] =
                (struct describe_quorum_response_listener){
                    .name = slice_str(told->name),
                    .host = slice_str(told->host[0] == '\0' ? "localhost" : told->host),
                    .port = (uint16_t)told->port,
                };
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
                describe(request, quorum, arena, partition);
            } else {
                partition->error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
                partition->error_message =
                    slice_str(error_message(ERROR_UNKNOWN_TOPIC_OR_PARTITION));
            }
        }
    }
    if (request->version >= 2 && known) {
        add_node(request, arena, &response);
    }
    request_respond(request, &response);
}

void api_describe_quorum(struct request *request) {
    request_move(request, &request->at->node->shards[0], run);
}
