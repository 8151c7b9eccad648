/* UpdateFeatures (57): broker/controller/decide_features.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/server/request.h"
#include "protocol/generated/update_features_response.h"

static void *decide(struct decision *d, const struct request *request) {
    struct update_features_response *response =
        ARENA_NEW(d->arena, struct update_features_response);
    decide_update_features(d, request->body, request->version, response);
    return response;
}

void api_update_features(struct request *request) {
    controller_request(request, decide);
}
