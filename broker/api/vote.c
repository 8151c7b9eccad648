/* Vote (52): a candidate of the metadata quorum asks for this node's vote (KIP-595, KIP-996). */
#include "broker/api/api.h"
#include "broker/api/quorum_answer.h"
#include "broker/node.h"
#include "protocol/generated/vote_request.h"
#include "protocol/generated/vote_response.h"

static void respond(struct quorum_question *question, const struct raft_reply *reply) {
    struct request *request = question->request;
    const struct vote_request *body = request->body;
    struct vote_response response;
    struct vote_response_topic_data topic = {.topic_name = body->topics->topic_name,
                                             .partitions_count = 1};
    struct vote_response_partition_data partition = {
        .error_code = (int16_t)reply->error,
        .leader_id = reply->leader_id,
        .leader_epoch = reply->epoch,
        .vote_granted = reply->granted,
    };
    struct vote_response_node_endpoint endpoint = {.node_id = reply->leader_id};
    int port;
    message_init(&vote_response_desc, &response);
    topic.partitions = &partition;
    response.topics = &topic;
    response.topics_count = 1;
    if (request->version >= 1 &&
        quorum_question_leader(question, reply->leader_id, &endpoint.host, &port)) {
        endpoint.port = (uint16_t)port;
        response.node_endpoints = &endpoint;
        response.node_endpoints_count = 1;
    }
    request_respond(request, &response);
}

static void run(struct request *request) {
    const struct vote_request *body = request->body;
    if (!quorum_question_ok(request, body->cluster_id)) {
        return;
    }
    if (body->topics_count != 1 || !is_metadata_topic(body->topics->topic_name) ||
        body->topics->partitions_count != 1 || body->topics->partitions->partition_index != 0) {
        request_respond_error(request, ERROR_INVALID_REQUEST);
        return;
    }
    const struct vote_request_partition_data *asked = body->topics->partitions;
    struct raft_request message = {
        .kind = RAFT_VOTE,
        .vote = {.candidate = {.id = asked->replica_id,
                               .directory_id = asked->replica_directory_id},
                 .voter = {.id = body->voter_id, .directory_id = asked->voter_directory_id},
                 .epoch = asked->replica_epoch,
                 .last = {.offset = asked->last_offset, .epoch = asked->last_offset_epoch},
                 .pre_vote = asked->pre_vote},
    };
    quorum_question_ask(request, &message, respond);
}

void api_vote(struct request *request) {
    request_move(request, &request->at->node->shards[0], run);
}
