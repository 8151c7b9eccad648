/*
 * JoinGroup (11). The request waits in the group until the join phase is over; there is no timeout
 * of its own, and a client that goes away changes nothing (its member expires).
 */
#include "broker/api/api.h"
#include "broker/config/config.h"
#include "broker/group/bytes.h"
#include "broker/group/group_manager.h"
#include "broker/group/group_request.h"
#include "broker/node.h"
#include "protocol/generated/join_group_request.h"
#include "protocol/generated/join_group_response.h"

struct joining {
    struct group_join join;
    struct request *request;
};

static void fill_members(struct join_group_response *response, const struct group *group,
                         struct arena *arena) {
    response->members = arena_array(arena, (size_t)group->member_count, sizeof(*response->members));
    response->members_count = 0;
    LIST_FOREACH(it, &group->members) {
        const struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        response->members[response->members_count++] = (struct join_group_response_member){
            .member_id = member->id,
            .group_instance_id = member->instance_id,
            .metadata = group_member_metadata(group, member),
        };
    }
}

static void respond(struct request *request, const struct group *group,
                    const struct group_joined *result) {
    struct join_group_response response;
    message_init(&join_group_response_desc, &response);
    response.error_code = (int16_t)result->error;
    response.generation_id = result->generation;
    response.protocol_type = result->protocol_type;
    response.protocol_name =
        request->version < 7 ? bytes_or_empty(result->protocol) : result->protocol;
    response.leader = bytes_or_empty(result->leader);
    response.skip_assignment = request->version >= 9 && result->skip_assignment;
    response.member_id = bytes_or_empty(result->member_id);
    if (result->with_members) {
        fill_members(&response, group, &request->arena);
    }
    request_respond(request, &response);
}

static void joined(struct group_join *join, const struct group *group,
                   const struct group_joined *result) {
    respond(CONTAINER_OF(join, struct joining, join)->request, group, result);
}

static void respond_error(struct request *request, enum kafka_error error) {
    const struct join_group_request *body = request->body;
    struct group_joined failed = {.error = error, .member_id = body->member_id, .generation = -1};
    respond(request, NULL, &failed);
}

static struct group_join *make_join(struct request *request) {
    const struct join_group_request *body = request->body;
    struct joining *joining = ARENA_NEW(&request->arena, struct joining);
    struct group_protocol *protocols =
        arena_array(&request->arena, (size_t)body->protocols_count + 1, sizeof(*protocols));
    for (int32_t i = 0; i < body->protocols_count; i++) {
        protocols[i] =
            (struct group_protocol){body->protocols[i].name, body->protocols[i].metadata};
    }
    joining->request = request;
    joining->join = (struct group_join){
        .version = request->version,
        .member_id = body->member_id,
        .instance_id = body->group_instance_id,
        .client_id = bytes_or_empty(request->client_id),
        .client_host = slice_str(arena_printf(&request->arena, "/%.*s", (int)request->peer_host.len,
                                              (const char *)request->peer_host.data)),
        .protocol_type = body->protocol_type,
        .protocols = protocols,
        .protocol_count = body->protocols_count,
        .session_timeout_ms = body->session_timeout_ms,
        .rebalance_timeout_ms =
            body->rebalance_timeout_ms < 0 ? body->session_timeout_ms : body->rebalance_timeout_ms,
        .done = joined,
    };
    return &joining->join;
}

static void at_coordinator(struct request *request) {
    const struct join_group_request *body = request->body;
    enum kafka_error error;
    struct coordinator *coordinator = group_request_coordinator(request, body->group_id, &error);
    if (coordinator == NULL) {
        respond_error(request, error);
        return;
    }
    struct group *group = group_table_find(&coordinator->table, body->group_id);
    bool created = group == NULL;
    if (created) {
        if (body->member_id.len > 0) {
            respond_error(request, ERROR_UNKNOWN_MEMBER_ID);
            return;
        }
        group = group_table_create(&coordinator->table, body->group_id);
        group_manager_changed(coordinator->manager);
    }
    group_join(group, make_join(request), created);
}

void api_join_group(struct request *request) {
    const struct join_group_request *body = request->body;
    const struct group_limits *limits = &request->at->groups->limits;
    if (body->group_id.len == 0) {
        respond_error(request, ERROR_INVALID_GROUP_ID);
    } else if (body->session_timeout_ms < limits->session_timeout_min_ms ||
               body->session_timeout_ms > limits->session_timeout_max_ms) {
        respond_error(request, ERROR_INVALID_SESSION_TIMEOUT);
    } else {
        group_request_route(request, body->group_id, at_coordinator);
    }
}
