/* AlterPartition (56): broker/controller/decide_alter_partition.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/server/request.h"
#include "protocol/generated/alter_partition_response.h"

static void *decide(struct decision *d, const struct request *request) {
    struct alter_partition_response *response =
        ARENA_NEW(d->arena, struct alter_partition_response);
    decide_alter_partition(d, request->body, request->version, response);
    return response;
}

void api_alter_partition(struct request *request) {
    controller_request(request, decide);
}
