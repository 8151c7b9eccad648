/* SyncGroup (14): the leader hands in the assignment, everybody waits for its part of it. */
#include "broker/api/api.h"
#include "broker/group/bytes.h"
#include "broker/group/group_request.h"
#include "protocol/generated/sync_group_request.h"
#include "protocol/generated/sync_group_response.h"

struct syncing {
    struct group_sync sync;
    struct request *request;
};

static void respond(struct request *request, const struct group *group, enum kafka_error error,
                    struct slice assignment) {
    struct sync_group_response response;
    message_init(&sync_group_response_desc, &response);
    response.error_code = (int16_t)error;
    response.assignment = assignment;
    if (error == ERROR_NONE) {
        response.protocol_type = group->protocol_type;
        response.protocol_name = group->protocol;
    }
    request_respond(request, &response);
}

static void respond_error(struct request *request, enum kafka_error error) {
    respond(request, NULL, error, SLICE_LIT(""));
}

static void synced(struct group_sync *sync, const struct group *group, enum kafka_error error,
                   struct slice assignment) {
    respond(CONTAINER_OF(sync, struct syncing, sync)->request, group, error, assignment);
}

static struct group_sync *make_sync(struct request *request) {
    const struct sync_group_request *body = request->body;
    struct syncing *syncing = ARENA_NEW(&request->arena, struct syncing);
    struct group_assignment *assignments =
        arena_array(&request->arena, (size_t)body->assignments_count + 1, sizeof(*assignments));
    for (int32_t i = 0; i < body->assignments_count; i++) {
        assignments[i] = (struct group_assignment){body->assignments[i].member_id,
                                                   body->assignments[i].assignment};
    }
    syncing->request = request;
    syncing->sync = (struct group_sync){
        .member_id = body->member_id,
        .instance_id = body->group_instance_id,
        .protocol_type = body->protocol_type,
        .protocol = body->protocol_name,
        .generation = body->generation_id,
        .assignments = assignments,
        .assignment_count = body->assignments_count,
        .done = synced,
    };
    return &syncing->sync;
}

static void at_coordinator(struct request *request) {
    const struct sync_group_request *body = request->body;
    enum kafka_error error;
    struct coordinator *coordinator = group_request_coordinator(request, body->group_id, &error);
    if (coordinator == NULL) {
        respond_error(request, error);
        return;
    }
    struct group *group = group_table_find(&coordinator->table, body->group_id);
    if (group == NULL) {
        respond_error(request, ERROR_UNKNOWN_MEMBER_ID);
        return;
    }
    group_sync(group, make_sync(request));
}

void api_sync_group(struct request *request) {
    const struct sync_group_request *body = request->body;
    if (request->version >= 5 &&
        (slice_is_null(body->protocol_type) || slice_is_null(body->protocol_name))) {
        respond_error(request, ERROR_INCONSISTENT_GROUP_PROTOCOL);
    } else if (body->group_id.len == 0) {
        respond_error(request, ERROR_INVALID_GROUP_ID);
    } else {
        group_request_route(request, body->group_id, at_coordinator);
    }
}
