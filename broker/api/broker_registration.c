/* BrokerRegistration (62): broker/controller/decide_broker.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_brokers.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "protocol/generated/broker_registration_request.h"
#include "protocol/generated/broker_registration_response.h"

static void *decide(struct decision *d, const struct request *request) {
    const struct broker_registration_request *body = request->body;
    struct broker_registration_response *response =
        ARENA_NEW(d->arena, struct broker_registration_response);
    decide_broker_registration(d, body, response);
    if (response->error_code == ERROR_NONE) {
        controller_broker_heard(request->at->node, body->broker_id, response->broker_epoch, -1,
                                request->connection_id);
    }
    return response;
}

void api_broker_registration(struct request *request) {
    request_watch_connection(request);
    controller_request(request, decide);
}
