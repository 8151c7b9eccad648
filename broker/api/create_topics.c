/* CreateTopics (19). What is checked and decided: broker/controller/decide_create_topics.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/server/request.h"
#include "protocol/generated/create_topics_response.h"

static void *decide(struct decision *d, const struct request *request) {
    struct create_topics_response *response = ARENA_NEW(d->arena, struct create_topics_response);
    decide_create_topics(d, request->body, response);
    return response;
}

void api_create_topics(struct request *request) {
    controller_request(request, decide);
}
