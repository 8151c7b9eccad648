/* Vote (52): a candidate of the metadata quorum asks for this node's vote (KIP-595, KIP-996). */
#include "broker/api/api.h"
#include "broker/api/quorum_answer.h"
#include "broker/node.h"
#include "protocol/generated/vote_request.h"
#include "protocol/generated/vote_response.h"

static void respond(struct quorum_question *question, const struct raft_reply *reply) {
    QUORUM_QUESTION_RESPOND(vote, question, reply, .vote_granted = reply->granted);
}

static void run(struct request *request) {
    const struct vote_request *body = request->body;
    if (!quorum_question_ok(request, body->cluster_id)) {
        return;
    }
    if (!QUORUM_QUESTION_NAMES_LOG(body)) {
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
