/* RemoveRaftVoter (81): a controller is no voter any more (KIP-853). */
#include "broker/api/api.h"
#include "broker/api/quorum_answer.h"
#include "broker/controller/controller_request.h"
#include "broker/node.h"
#include "protocol/generated/remove_raft_voter_request.h"
#include "protocol/generated/remove_raft_voter_response.h"

struct removal {
    struct quorum_change change;
    struct request *request;
};

static void respond(struct quorum_change *change, enum kafka_error error) {
    struct request *request = CONTAINER_OF(change, struct removal, change)->request;
    if (error == ERROR_NOT_LEADER_OR_FOLLOWER && request->scope == API_SCOPE_BROKER) {
        controller_forward(request); /* not the leader any more */
        return;
    }
    struct remove_raft_voter_response response;
    message_init(&remove_raft_voter_response_desc, &response);
    response.error_code = (int16_t)error;
    const char *reason = change->reason != NULL ? change->reason : error_message((int16_t)error);
    response.error_message = error == ERROR_NONE ? SLICE_NULL : slice_str(reason);
    request_respond(request, &response);
}

static void run(struct request *request) {
    const struct remove_raft_voter_request *body = request->body;
    if (!quorum_question_ok(request, body->cluster_id)) {
        return;
    }
    struct removal *removal = ARENA_NEW(&request->arena, struct removal);
    removal->request = request;
    struct raft_key key = {.id = body->voter_id, .directory_id = body->voter_directory_id};
    if (key.id < 0 || uuid_is_zero(key.directory_id)) {
        respond(&removal->change, ERROR_INVALID_REQUEST);
        return;
    }
    quorum_remove_voter(request_quorum(request), &removal->change, key, respond);
}

void api_remove_raft_voter(struct request *request) {
    if (request->scope == API_SCOPE_BROKER) {
        controller_query(request, run);
    } else {
        request_move(request, &request->at->node->shards[0], run);
    }
}
