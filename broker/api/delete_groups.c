/*
 * DeleteGroups (42): removes groups without members, and their offsets. The groups of one shard are
 * deleted side by side.
 */
#include <stdlib.h>

#include "broker/api/api.h"
#include "broker/group/group_request.h"
#include "protocol/generated/delete_groups_request.h"
#include "protocol/generated/delete_groups_response.h"

struct delete_state {
    struct group_tour tour; /* first */
    struct delete_groups_response response;
};

/* The deletion of one group. */
struct deletion {
    struct coordinator_wait wait;
    struct request *request;
    int32_t index;
};

static struct delete_state *state_of(struct request *request) {
    return CONTAINER_OF((struct group_tour *)request->context, struct delete_state, tour);
}

static void end(struct deletion *deletion, enum kafka_error error) {
    struct request *request = deletion->request;
    state_of(request)->response.results[deletion->index].error_code = (int16_t)error;
    group_tour_ended(request);
}

static void deleted(void *ctx, enum kafka_error error) {
    end(ctx, error);
}

static void delete_group(struct deletion *deletion, struct coordinator *coordinator,
                         enum kafka_error error);

static void try_again(struct coordinator_wait *wait) {
    struct deletion *deletion = CONTAINER_OF(wait, struct deletion, wait);
    struct request *request = deletion->request;
    enum kafka_error error;
    struct coordinator *coordinator =
        group_request_coordinator(request, state_of(request)->tour.ids[deletion->index], &error);
    delete_group(deletion, coordinator, error);
}

static void delete_group(struct deletion *deletion, struct coordinator *coordinator,
                         enum kafka_error error) {
    if (coordinator == NULL) {
        end(deletion, error);
        return;
    }
    struct slice id = state_of(deletion->request)->tour.ids[deletion->index];
    struct group *group = group_table_find(&coordinator->table, id);
    if (group == NULL || group->state == GROUP_DEAD) {
        end(deletion, ERROR_GROUP_ID_NOT_FOUND);
    } else if (group->state != GROUP_EMPTY) {
        end(deletion, ERROR_NON_EMPTY_GROUP);
    } else if (group->writes > 0) {
        /* What it commits right now has to go as well. */
        deletion->wait.fn = try_again;
        bool waits = coordinator_after_appends(coordinator, &deletion->wait);
        ASSERT(waits);
    } else {
        struct tombstones *tombstones = tombstones_new(coordinator, deleted, deletion);
        tombstones_add_whole_group(tombstones, group);
        tombstones_send(tombstones);
    }
}

static void visit(struct request *request, int32_t index, struct coordinator *coordinator,
                  enum kafka_error error) {
    struct deletion *deletion = ARENA_NEW(&request->arena, struct deletion);
    deletion->request = request;
    deletion->index = index;
    group_tour_wait(request);
    delete_group(deletion, coordinator, error);
}

static void finish(struct request *request) {
    request_respond(request, &state_of(request)->response);
}

static int compare_names(const void *a, const void *b) {
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* Each group once, sorted. */
static int32_t distinct_names(struct request *request, const struct delete_groups_request *body,
                              struct slice **out) {
    int32_t count = body->groups_names_count;
    struct slice *names = arena_array(&request->arena, (size_t)count + 1, sizeof(*names));
    for (int32_t i = 0; i < count; i++) {
        names[i] = body->groups_names[i];
    }
    if (count > 1) {
        qsort(names, (size_t)count, sizeof(*names), compare_names);
    }
    int32_t kept = 0;
    for (int32_t i = 0; i < count; i++) {
        if (kept == 0 || !slice_equal(names[kept - 1], names[i])) {
            names[kept++] = names[i];
        }
    }
    *out = names;
    return kept;
}

void api_delete_groups(struct request *request) {
    const struct delete_groups_request *body = request->body;
    struct delete_state *state = ARENA_NEW(&request->arena, struct delete_state);
    message_init(&delete_groups_response_desc, &state->response);
    struct slice *names;
    int32_t count = distinct_names(request, body, &names);
    state->response.results_count = count;
    state->response.results =
        arena_array(&request->arena, (size_t)count + 1, sizeof(*state->response.results));
    for (int32_t i = 0; i < count; i++) {
        state->response.results[i].group_id = names[i];
    }
    state->tour.visit = visit;
    state->tour.finish = finish;
    request->context = &state->tour;
    group_tour_start(request, names, count);
}
