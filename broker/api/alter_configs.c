/* AlterConfigs (33): broker/controller/decide_configs.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/server/request.h"
#include "protocol/generated/alter_configs_response.h"

static void *decide(struct decision *d, const struct request *request) {
    struct alter_configs_response *response = ARENA_NEW(d->arena, struct alter_configs_response);
    decide_alter_configs(d, request->body, response);
    return response;
}

void api_alter_configs(struct request *request) {
    controller_request(request, decide);
}
