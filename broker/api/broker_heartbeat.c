/* BrokerHeartbeat (63): broker/controller/decide_broker_heartbeat.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_brokers.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "protocol/generated/broker_heartbeat_request.h"
#include "protocol/generated/broker_heartbeat_response.h"

static void note(const struct request *request, const struct decision *d,
                 const struct broker_heartbeat_response *response) {
    const struct broker_heartbeat_request *body = request->body;
    struct node *node = request->at->node;
    const struct image_broker *before = image_broker(d->image, body->broker_id);
    if (response->should_shut_down) {
        controller_broker_gone(node, body->broker_id);
        return;
    }
    controller_broker_heard(node, body->broker_id, body->broker_epoch,
                            body->current_metadata_offset, request->connection_id);
    if (body->want_shut_down && !before->in_controlled_shutdown) {
        controller_broker_stopping(node, body->broker_id);
    }
}

static void *decide(struct decision *d, const struct request *request) {
    struct broker_heartbeat_response *response =
        ARENA_NEW(d->arena, struct broker_heartbeat_response);
    decide_broker_heartbeat(d, request->body, response);
    if (response->error_code == ERROR_NONE) {
        note(request, d, response);
    }
    return response;
}

void api_broker_heartbeat(struct request *request) {
    request_watch_connection(request);
    controller_request(request, decide);
}
