#include "broker/group/group_request.h"

#include "base/assert.h"
#include "broker/group/group_manager.h"
#include "broker/node.h"

void group_request_route(struct request *request, struct slice group_id,
                         void (*fn)(struct request *request)) {
    struct node_shard *owner = group_owner(request->at, group_id);
    if (owner == NULL || owner == request->at) {
        fn(request);
    } else {
        request_move(request, owner, fn);
    }
}

struct coordinator *group_request_coordinator(struct request *request, struct slice group_id,
                                              enum kafka_error *error) {
    return group_manager_coordinator(request->at->groups, group_id, error);
}

/* ---- Tours ----------------------------------------------------------------------------------- */

static void tour_next(struct request *request);

static void visit_here(struct request *request, struct group_tour *tour) {
    tour->waits++; /* so that visits that end at once do not move the request away */
    for (int32_t i = 0; i < tour->count; i++) {
        if (tour->visited[i]) {
            continue;
        }
        struct node_shard *owner = group_owner(request->at, tour->ids[i]);
        if (owner != NULL && owner != request->at) {
            continue;
        }
        tour->visited[i] = true;
        enum kafka_error error;
        struct coordinator *coordinator = group_request_coordinator(request, tour->ids[i], &error);
        tour->visit(request, i, coordinator, error);
    }
    group_tour_ended(request);
}

static void tour_next(struct request *request) {
    struct group_tour *tour = request->context;
    for (int32_t i = 0; i < tour->count; i++) {
        if (!tour->visited[i]) {
            struct node_shard *owner = group_owner(request->at, tour->ids[i]);
            if (owner != NULL && owner != request->at) {
                request_move(request, owner, tour_next);
                return;
            }
            visit_here(request, tour);
            return;
        }
    }
    tour->finish(request);
}

void group_tour_start(struct request *request, const struct slice *ids, int32_t count) {
    struct group_tour *tour = request->context;
    tour->ids = ids;
    tour->count = count;
    tour->visited = arena_array(&request->arena, (size_t)count + 1, sizeof(*tour->visited));
    tour_next(request);
}

void group_tour_wait(struct request *request) {
    ((struct group_tour *)request->context)->waits++;
}

void group_tour_ended(struct request *request) {
    struct group_tour *tour = request->context;
    ASSERT(tour->waits > 0);
    if (--tour->waits == 0) {
        tour_next(request);
    }
}
