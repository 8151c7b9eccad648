/* BeginQuorumEpoch (53): a new leader of the metadata quorum tells this voter (KIP-595). */
#include "broker/api/api.h"
#include "broker/api/quorum_answer.h"
#include "broker/node.h"
#include "protocol/generated/begin_quorum_epoch_request.h"
#include "protocol/generated/begin_quorum_epoch_response.h"

static void respond(struct quorum_question *question, const struct raft_reply *reply) {
    QUORUM_QUESTION_RESPOND(begin_quorum_epoch, question, reply, );
}

static void run(struct request *request) {
    const struct begin_quorum_epoch_request *body = request->body;
    if (!quorum_question_ok(request, body->cluster_id)) {
        return;
    }
    if (!QUORUM_QUESTION_NAMES_LOG(body)) {
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
