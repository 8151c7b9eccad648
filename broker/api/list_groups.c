/* ListGroups (16): every group that this node coordinates, shard by shard. */
#include <strings.h>

#include "broker/api/api.h"
#include "broker/group/bytes.h"
#include "broker/group/group_manager.h"
#include "broker/group/group_request.h"
#include "broker/node.h"
#include "protocol/generated/list_groups_request.h"
#include "protocol/generated/list_groups_response.h"

struct list_state {
    struct list_groups_response response;
    int32_t cap;
    int next_shard;
};

/* Empty filters let everything pass; case does not matter. */
static bool passes(const struct slice *filter, int32_t count, const char *value) {
    for (int32_t i = 0; i < count; i++) {
        if (filter[i].len == strlen(value) &&
            strncasecmp((const char *)filter[i].data, value, filter[i].len) == 0) {
            return true;
        }
    }
    return count == 0;
}

static struct list_groups_response_listed_group *grow(struct request *request,
                                                      struct list_state *state) {
    struct list_groups_response *response = &state->response;
    if (response->groups_count == state->cap) {
        state->cap = state->cap == 0 ? 16 : state->cap * 2;
        struct list_groups_response_listed_group *groups =
            arena_array(&request->arena, (size_t)state->cap, sizeof(*groups));
        if (response->groups_count > 0) {
            memcpy(groups, response->groups, (size_t)response->groups_count * sizeof(*groups));
        }
        response->groups = groups;
    }
    return &response->groups[response->groups_count++];
}

static void list_group(struct request *request, const struct group *group) {
    const struct list_groups_request *body = request->body;
    const char *state_name = group_state_name(group->state);
    if (group->state == GROUP_DEAD ||
        !passes(body->states_filter, body->states_filter_count, state_name) ||
        !passes(body->types_filter, body->types_filter_count, "classic")) {
        return;
    }
    struct list_groups_response_listed_group *out = grow(request, request->context);
    out->group_id = arena_dup(&request->arena, group->id);
    out->protocol_type = arena_dup(&request->arena, bytes_or_empty(group->protocol_type));
    out->group_state = slice_str(state_name);
    out->group_type = SLICE_LIT("classic");
}

static void list_shard(struct request *request) {
    struct list_state *state = request->context;
    struct group_manager *manager = request->at->groups;
    group_manager_start(manager);
    if (manager->closed) {
        state->response.error_code = ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    LIST_FOREACH(it, &manager->coordinators) {
        const struct coordinator *coordinator = CONTAINER_OF(it, struct coordinator, link);
        if (coordinator->closed) {
            continue;
        }
        if (coordinator->state == COORDINATOR_LOADING) {
            state->response.error_code = ERROR_COORDINATOR_LOAD_IN_PROGRESS;
        } else if (coordinator->state == COORDINATOR_ACTIVE) {
            HMAP_FOREACH(g, &coordinator->table.groups) {
                list_group(request, CONTAINER_OF(g, struct group, node));
            }
        }
    }
    struct node *node = request->at->node;
    state->next_shard++;
    if (state->next_shard == node->shard_count) {
        request_respond(request, &state->response);
        return;
    }
    request_move(request, &node->shards[state->next_shard], list_shard);
}

void api_list_groups(struct request *request) {
    struct list_state *state = ARENA_NEW(&request->arena, struct list_state);
    message_init(&list_groups_response_desc, &state->response);
    request->context = state;
    request_move(request, &request->at->node->shards[0], list_shard);
}
