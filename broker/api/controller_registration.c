/* ControllerRegistration (70): broker/controller/decide_features.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/server/request.h"
#include "protocol/generated/controller_registration_response.h"

static void *decide(struct decision *d, const struct request *request) {
    struct controller_registration_response *response =
        ARENA_NEW(d->arena, struct controller_registration_response);
    decide_controller_registration(d, request->body, response);
    return response;
}

void api_controller_registration(struct request *request) {
    controller_request(request, decide);
}
