/* AllocateProducerIds (67): broker/controller/decide_broker.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/server/request.h"
#include "protocol/generated/allocate_producer_ids_response.h"

static void *decide(struct decision *d, const struct request *request) {
    struct allocate_producer_ids_response *response =
        ARENA_NEW(d->arena, struct allocate_producer_ids_response);
    decide_allocate_producer_ids(d, request->body, response);
    return response;
}

void api_allocate_producer_ids(struct request *request) {
    controller_request(request, decide);
}
