/* DescribeGroups (15): state, members and assignments of classic groups. */
#include "broker/api/api.h"
#include "broker/group/bytes.h"
#include "broker/group/group_request.h"
#include "protocol/generated/describe_groups_request.h"
#include "protocol/generated/describe_groups_response.h"

struct describe_state {
    struct group_tour tour; /* first */
    struct describe_groups_response response;
};

static struct describe_state *state_of(struct request *request) {
    return CONTAINER_OF((struct group_tour *)request->context, struct describe_state, tour);
}

static void describe_missing(struct request *request,
                             struct describe_groups_response_described_group *out) {
    out->group_state = SLICE_LIT("Dead");
    if (request->version >= 6) {
        out->error_code = ERROR_GROUP_ID_NOT_FOUND;
        out->error_message = slice_str(
            arena_printf(&request->arena, "Group %.*s not found.", SLICE_ARG(out->group_id)));
    }
}

/* The chosen protocol and what members say in it are only told while the group is stable. What they
 * were assigned last is told always. */
static void describe(struct request *request, const struct group *group,
                     struct describe_groups_response_described_group *out) {
    struct arena *arena = &request->arena;
    bool stable = group->state == GROUP_STABLE;
    out->group_state = slice_str(group_state_name(group->state));
    out->protocol_type = arena_dup(arena, bytes_or_empty(group->protocol_type));
    out->protocol_data = stable ? arena_dup(arena, bytes_or_empty(group->protocol)) : SLICE_LIT("");
    out->members = arena_array(arena, (size_t)group->member_count + 1, sizeof(*out->members));
    LIST_FOREACH(it, &group->members) {
        const struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        out->members[out->members_count++] =
            (struct describe_groups_response_described_group_member){
                .member_id = arena_dup(arena, member->id),
                .group_instance_id = arena_dup(arena, member->instance_id),
                .client_id = arena_dup(arena, member->client_id),
                .client_host = arena_dup(arena, member->client_host),
                .member_metadata =
                    stable ? arena_dup(arena, group_member_metadata(group, member)) : SLICE_LIT(""),
                .member_assignment = arena_dup(arena, bytes_or_empty(member->assignment)),
            };
    }
}

static void visit(struct request *request, int32_t index, struct coordinator *coordinator,
                  enum kafka_error error) {
    const struct describe_groups_request *body = request->body;
    struct describe_groups_response_described_group *out =
        &state_of(request)->response.groups[index];
    const struct group *group =
        coordinator == NULL ? NULL : group_table_find(&coordinator->table, out->group_id);
    out->error_code = (int16_t)error;
    if (group != NULL && group->state != GROUP_DEAD) {
        describe(request, group, out);
    } else if (error == ERROR_NONE) {
        describe_missing(request, out);
    }
    if (out->error_code == ERROR_NONE && body->include_authorized_operations) {
        out->authorized_operations = GROUP_AUTHORIZED_OPERATIONS;
    }
}

static void finish(struct request *request) {
    request_respond(request, &state_of(request)->response);
}

void api_describe_groups(struct request *request) {
    const struct describe_groups_request *body = request->body;
    struct describe_state *state = ARENA_NEW(&request->arena, struct describe_state);
    message_init(&describe_groups_response_desc, &state->response);
    state->response.groups_count = body->groups_count;
    state->response.groups = arena_array(&request->arena, (size_t)body->groups_count + 1,
                                         sizeof(*state->response.groups));
    for (int32_t i = 0; i < body->groups_count; i++) {
        state->response.groups[i] = (struct describe_groups_response_described_group){
            .group_id = body->groups[i],
            .group_state = SLICE_LIT(""),
            .protocol_type = SLICE_LIT(""),
            .protocol_data = SLICE_LIT(""),
            .authorized_operations = INT32_MIN,
        };
    }
    state->tour.visit = visit;
    state->tour.finish = finish;
    request->context = &state->tour;
    group_tour_start(request, body->groups, body->groups_count);
}
