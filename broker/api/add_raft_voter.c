/* AddRaftVoter (80): a controller that has caught up becomes a voter (KIP-853). */
#include "broker/api/api.h"
#include "broker/api/quorum_answer.h"
#include "broker/controller/controller_request.h"
#include "broker/node.h"
#include "protocol/generated/add_raft_voter_request.h"
#include "protocol/generated/add_raft_voter_response.h"

struct addition {
    struct quorum_change change;
    struct request *request;
};

static void respond(struct quorum_change *change, enum kafka_error error) {
    struct request *request = CONTAINER_OF(change, struct addition, change)->request;
    if (error == ERROR_NOT_LEADER_OR_FOLLOWER && request->scope == API_SCOPE_BROKER) {
        controller_forward(request); /* not the leader any more */
        return;
    }
    struct add_raft_voter_response response;
    message_init(&add_raft_voter_response_desc, &response);
    response.error_code = (int16_t)error;
    const char *reason = change->reason != NULL ? change->reason : error_message((int16_t)error);
    response.error_message = error == ERROR_NONE ? SLICE_NULL : slice_str(reason);
    request_respond(request, &response);
}

static void run(struct request *request) {
    const struct add_raft_voter_request *body = request->body;
    if (!quorum_question_ok(request, body->cluster_id)) {
        return;
    }
    struct quorum *quorum = request_quorum(request);
    struct addition *addition = ARENA_NEW(&request->arena, struct addition);
    addition->request = request;
    struct metadata_endpoint *endpoints =
        arena_array(&request->arena, (size_t)body->listeners_count, sizeof(*endpoints));
    bool reachable = false;
    for (int32_t i = 0; i < body->listeners_count; i++) {
        endpoints[i] = (struct metadata_endpoint){body->listeners[i].name, body->listeners[i].host,
                                                  body->listeners[i].port};
        reachable = reachable || slice_equal(endpoints[i].name, quorum_listener_name(quorum));
    }
    if (!reachable || body->voter_id < 0 || uuid_is_zero(body->voter_directory_id)) {
        respond(&addition->change, ERROR_INVALID_REQUEST);
        return;
    }
    struct voter voter = {
        .key = {.id = body->voter_id, .directory_id = body->voter_directory_id},
        .endpoints = endpoints,
        .endpoint_count = body->listeners_count,
    };
    bool committed = request->version < 1 || body->ack_when_committed;
    quorum_add_voter(quorum, &addition->change, &voter, committed, respond);
}

void api_add_raft_voter(struct request *request) {
    if (request->scope == API_SCOPE_BROKER) {
        controller_query(request, run);
    } else {
        request_move(request, &request->at->node->shards[0], run);
    }
}
