/* LeaveGroup (13): one member until v2, any number from v3 on. */
#include "broker/api/api.h"
#include "broker/group/bytes.h"
#include "broker/group/group_request.h"
#include "protocol/generated/leave_group_request.h"
#include "protocol/generated/leave_group_response.h"

static void respond_error(struct request *request, enum kafka_error error) {
    struct leave_group_response response;
    message_init(&leave_group_response_desc, &response);
    response.error_code = (int16_t)error;
    request_respond(request, &response);
}

static void leave_one(struct request *request, struct group *group) {
    const struct leave_group_request *body = request->body;
    if (group == NULL) {
        respond_error(request, ERROR_UNKNOWN_MEMBER_ID);
        return;
    }
    enum kafka_error error = group_leave(group, body->member_id, SLICE_NULL);
    if (error == ERROR_NONE) {
        group_left(group);
    }
    respond_error(request, error);
}

static void leave_many(struct request *request, struct group *group) {
    const struct leave_group_request *body = request->body;
    if (group != NULL && group->state == GROUP_DEAD) {
        respond_error(request, ERROR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    struct leave_group_response response;
    message_init(&leave_group_response_desc, &response);
    response.members_count = body->members_count;
    response.members =
        arena_array(&request->arena, (size_t)body->members_count + 1, sizeof(*response.members));
    bool any = false;
    for (int32_t i = 0; i < body->members_count; i++) {
        const struct leave_group_request_member_identity *member = &body->members[i];
        enum kafka_error error =
            group == NULL ? ERROR_UNKNOWN_MEMBER_ID
                          : group_leave(group, member->member_id, member->group_instance_id);
        any = any || error == ERROR_NONE;
        response.members[i] = (struct leave_group_response_member_response){
            .member_id = member->member_id,
            .group_instance_id = member->group_instance_id,
            .error_code = (int16_t)error,
        };
    }
    if (any) {
        group_left(group);
    }
    request_respond(request, &response);
}

static void at_coordinator(struct request *request) {
    const struct leave_group_request *body = request->body;
    enum kafka_error error;
    struct coordinator *coordinator = group_request_coordinator(request, body->group_id, &error);
    if (coordinator == NULL) {
        respond_error(request, error);
        return;
    }
    struct group *group = group_table_find(&coordinator->table, body->group_id);
    if (request->version < 3) {
        leave_one(request, group);
    } else {
        leave_many(request, group);
    }
}

void api_leave_group(struct request *request) {
    const struct leave_group_request *body = request->body;
    if (body->group_id.len == 0) {
        respond_error(request, ERROR_INVALID_GROUP_ID);
        return;
    }
    group_request_route(request, body->group_id, at_coordinator);
}
