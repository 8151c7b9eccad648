/* ListPartitionReassignments (46): broker/controller/decide_reassignments.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/server/request.h"
#include "protocol/generated/list_partition_reassignments_response.h"

static void *decide(struct decision *d, const struct request *request) {
    struct list_partition_reassignments_response *response =
        ARENA_NEW(d->arena, struct list_partition_reassignments_response);
    decide_list_partition_reassignments(d, request->body, response);
    return response;
}

void api_list_partition_reassignments(struct request *request) {
    controller_request(request, decide);
}
