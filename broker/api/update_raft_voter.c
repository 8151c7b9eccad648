/* UpdateRaftVoter (82): a voter tells where it is reached now, and what it knows (KIP-853). */
#include "broker/api/api.h"
#include "broker/api/quorum_answer.h"
#include "broker/node.h"
#include "protocol/generated/update_raft_voter_request.h"
#include "protocol/generated/update_raft_voter_response.h"

struct update {
    struct quorum_change change;
    struct request *request;
};

static void respond(struct quorum_change *change, enum kafka_error error) {
    struct request *request = CONTAINER_OF(change, struct update, change)->request;
    const struct quorum *quorum = request_quorum(request);
    struct update_raft_voter_response response;
    const char *host;
    message_init(&update_raft_voter_response_desc, &response);
    response.error_code = (int16_t)error;
    int32_t leader = quorum_leader(quorum);
    if (quorum_node_address(quorum, leader, &host, &response.current_leader.port)) {
        response.current_leader.leader_id = leader;
        response.current_leader.leader_epoch = quorum_epoch(quorum);
        response.current_leader.host = arena_dup(&request->arena, slice_str(host));
    }
    request_respond(request, &response);
}

static bool makes_sense(const struct quorum *quorum, const struct update_raft_voter_request *body) {
    bool reachable = false;
    for (int32_t i = 0; i < body->listeners_count; i++) {
        reachable = reachable || slice_equal(body->listeners[i].name, quorum_listener_name(quorum));
    }
    int16_t min = body->kraft_version_feature.min_supported_version;
    int16_t max = body->kraft_version_feature.max_supported_version;
    int16_t now = quorum_kraft_version(quorum);
    return reachable && body->voter_id >= 0 && !uuid_is_zero(body->voter_directory_id) &&
           min >= 0 && min <= now && max >= now;
}

static void run(struct request *request) {
    const struct update_raft_voter_request *body = request->body;
    if (!quorum_question_ok(request, body->cluster_id)) {
        return;
    }
    struct quorum *quorum = request_quorum(request);
    struct update *update = ARENA_NEW(&request->arena, struct update);
    update->request = request;
    enum kafka_error error = quorum_check_leader(quorum, body->current_leader_epoch);
    if (error == ERROR_NONE && !makes_sense(quorum, body)) {
        error = ERROR_INVALID_REQUEST;
    }
    if (error != ERROR_NONE) {
        respond(&update->change, error);
        return;
    }
    struct metadata_endpoint *endpoints =
        arena_array(&request->arena, (size_t)body->listeners_count, sizeof(*endpoints));
    for (int32_t i = 0; i < body->listeners_count; i++) {
        endpoints[i] = (struct metadata_endpoint){body->listeners[i].name, body->listeners[i].host,
                                                  body->listeners[i].port};
    }
    struct voter voter = {
        .key = {.id = body->voter_id, .directory_id = body->voter_directory_id},
        .endpoints = endpoints,
        .endpoint_count = body->listeners_count,
        .kraft_version_min = body->kraft_version_feature.min_supported_version,
        .kraft_version_max = body->kraft_version_feature.max_supported_version,
    };
    quorum_update_voter(quorum, &update->change, &voter, respond);
}

void api_update_raft_voter(struct request *request) {
    request_move(request, &request->at->node->shards[0], run);
}
