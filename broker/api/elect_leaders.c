/* ElectLeaders (43): broker/controller/decide_elect_leaders.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/server/request.h"
#include "protocol/generated/elect_leaders_response.h"

static void *decide(struct decision *d, const struct request *request) {
    struct elect_leaders_response *response = ARENA_NEW(d->arena, struct elect_leaders_response);
    decide_elect_leaders(d, request->body, request->version, response);
    return response;
}

void api_elect_leaders(struct request *request) {
    controller_request(request, decide);
}
