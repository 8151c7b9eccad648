/* AssignReplicasToDirs (73): broker/controller/decide_assign_dirs.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/server/request.h"
#include "protocol/generated/assign_replicas_to_dirs_response.h"

static void *decide(struct decision *d, const struct request *request) {
    struct assign_replicas_to_dirs_response *response =
        ARENA_NEW(d->arena, struct assign_replicas_to_dirs_response);
    decide_assign_replicas_to_dirs(d, request->body, response);
    return response;
}

void api_assign_replicas_to_dirs(struct request *request) {
    controller_request(request, decide);
}
