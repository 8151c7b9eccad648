/* UnregisterBroker (64): broker/controller/decide_broker.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_brokers.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "protocol/generated/unregister_broker_request.h"
#include "protocol/generated/unregister_broker_response.h"

static void *decide(struct decision *d, const struct request *request) {
    struct unregister_broker_response *response =
        ARENA_NEW(d->arena, struct unregister_broker_response);
    decide_unregister_broker(d, request->body, response);
    const struct unregister_broker_request *body = request->body;
    if (response->error_code == ERROR_NONE) {
        controller_broker_gone(request->at->node, body->broker_id);
    }
    return response;
}

void api_unregister_broker(struct request *request) {
    controller_request(request, decide);
}
