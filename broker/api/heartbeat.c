/* Heartbeat (12): a member of a classic group is alive. */
#include "broker/api/api.h"
#include "broker/group/group_request.h"
#include "protocol/generated/heartbeat_request.h"
#include "protocol/generated/heartbeat_response.h"

static enum kafka_error heartbeat(struct request *request, const struct heartbeat_request *body) {
    enum kafka_error error;
    struct coordinator *coordinator = group_request_coordinator(request, body->group_id, &error);
    if (coordinator == NULL) {
        /* While groups load nobody is told to leave. */
        return error == ERROR_COORDINATOR_LOAD_IN_PROGRESS ? ERROR_NONE : error;
    }
    struct group *group = group_table_find(&coordinator->table, body->group_id);
    return group == NULL ? ERROR_UNKNOWN_MEMBER_ID
                         : group_heartbeat(group, body->member_id, body->group_instance_id,
                                           body->generation_id);
}

static void respond(struct request *request, enum kafka_error error) {
    struct heartbeat_response response;
    message_init(&heartbeat_response_desc, &response);
    response.error_code = (int16_t)error;
    request_respond(request, &response);
}

static void at_coordinator(struct request *request) {
    respond(request, heartbeat(request, request->body));
}

void api_heartbeat(struct request *request) {
    const struct heartbeat_request *body = request->body;
    if (body->group_id.len == 0) {
        respond(request, ERROR_INVALID_GROUP_ID);
        return;
    }
    group_request_route(request, body->group_id, at_coordinator);
}
