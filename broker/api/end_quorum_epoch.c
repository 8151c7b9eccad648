/* EndQuorumEpoch (54): the leader of the metadata quorum resigns, and says who should follow
 * (KIP-595). */
#include "broker/api/api.h"
#include "broker/api/quorum_answer.h"
#include "broker/node.h"
#include "protocol/generated/end_quorum_epoch_request.h"
#include "protocol/generated/end_quorum_epoch_response.h"

static void respond(struct quorum_question *question, const struct raft_reply *reply) {
    QUORUM_QUESTION_RESPOND(end_quorum_epoch, question, reply, );
}

/* Those beyond the voters that there may be are nobody's. */
static void take_preferred(int16_t version,
                           const struct end_quorum_epoch_request_partition_data *told,
                           struct raft_end_epoch *end) {
    int32_t count =
        version >= 1 ? told->preferred_candidates_count : told->preferred_successors_count;
    end->preferred_count = count < RAFT_VOTERS_MAX ? count : RAFT_VOTERS_MAX;
    for (int i = 0; i < end->preferred_count; i++) {
        if (version >= 1) {
            end->preferred[i] = (struct raft_key){
                .id = told->preferred_candidates[i].candidate_id,
                .directory_id = told->preferred_candidates[i].candidate_directory_id};
        } else {
            end->preferred[i] = (struct raft_key){.id = told->preferred_successors[i]};
        }
    }
}

static void run(struct request *request) {
    const struct end_quorum_epoch_request *body = request->body;
    if (!quorum_question_ok(request, body->cluster_id)) {
        return;
    }
    if (!QUORUM_QUESTION_NAMES_LOG(body)) {
        request_respond_error(request, ERROR_INVALID_REQUEST);
        return;
    }
    const struct end_quorum_epoch_request_partition_data *told = body->topics->partitions;
    struct raft_request message = {
        .kind = RAFT_END_EPOCH,
        .end = {.leader_id = told->leader_id, .epoch = told->leader_epoch},
    };
    take_preferred(request->version, told, &message.end);
    quorum_question_ask(request, &message, respond);
}

void api_end_quorum_epoch(struct request *request) {
    request_move(request, &request->at->node->shards[0], run);
}
