/* CreatePartitions (37): broker/controller/decide_create_partitions.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/server/request.h"
#include "protocol/generated/create_partitions_response.h"

static void *decide(struct decision *d, const struct request *request) {
    struct create_partitions_response *response =
        ARENA_NEW(d->arena, struct create_partitions_response);
    decide_create_partitions(d, request->body, response);
    return response;
}

void api_create_partitions(struct request *request) {
    controller_request(request, decide);
}
