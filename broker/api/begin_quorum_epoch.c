/* BeginQuorumEpoch (53): a new leader of the metadata quorum tells this voter (KIP-595). */
#include "broker/api/api.h"
#include "broker/api/quorum_answer.h"
#include "broker/node.h"
#include "protocol/generated/begin_quorum_epoch_request.h"
#include "protocol/generated/begin_quorum_epoch_response.h"

static void respond(struct quorum_question *question, const struct raft_reply *reply) {
    struct request *request = question->request;
    const struct begin_quorum_epoch_request *body = request->body;
    struct begin_quorum_epoch_response response;
    struct begin_quorum_epoch_response_topic_data topic = {.topic_name = body->topics->topic_name,
                                                           .partitions_count = 1};
    struct begin_quorum_epoch_response_partition_data partition = {
        .error_code = (int16_t)reply->error,
        .leader_id = reply->leader_id,
        .leader_epoch = reply->epoch,
    };
    struct begin_quorum_epoch_response_node_endpoint endpoint = {.node_id = reply->leader_id};
    int port;
    message_init(&begin_quorum_epoch_response_desc, &response);
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
    const struct begin_quorum_epoch_request *body = request->body;
    if (!quorum_question_ok(request, body->cluster_id)) {
        return;
    }
    if (body->topics_count != 1 || !is_metadata_topic(body->topics->topic_name) ||
        body->topics->partitions_count != 1 || body->topics->partitions->partition_index != 0) {
        request_respond_error(request, ERROR_INVALID_REQUEST);
        return;
    }
    struct quorum *quorum = request_quorum(request);
    const struct begin_quorum_epoch_request_partition_data *told = body->topics->partitions;
    int at =
        body->leader_endpoints_count == 0
            ? -1
            : quorum_endpoint_index(quorum, &body->leader_endpoints->name,
                                    sizeof(*body->leader_endpoints), body->leader_endpoints_count);
    if (at >= 0 && told->leader_epoch >= quorum_epoch(quorum)) {
        quorum_learn_address(quorum, told->leader_id, body->leader_endpoints[at].host,
                             body->leader_endpoints[at].port);
    }
    struct raft_request message = {
        .kind = RAFT_BEGIN_EPOCH,
        .begin = {.voter = {.id = body->voter_id, .directory_id = told->voter_directory_id},
                  .leader_id = told->leader_id,
                  .epoch = told->leader_epoch},
    };
    quorum_question_ask(request, &message, respond);
}

void api_begin_quorum_epoch(struct request *request) {
    request_move(request, &request->at->node->shards[0], run);
}
