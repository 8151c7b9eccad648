/* DeleteTopics (20). What is checked and decided: broker/controller/decide_delete_topics.c. */
#include "broker/api/api.h"
#include "broker/controller/controller_request.h"
#include "broker/controller/decision.h"
#include "broker/server/request.h"
#include "protocol/generated/delete_topics_response.h"

static void *decide(struct decision *d, const struct request *request) {
    struct delete_topics_response *response = ARENA_NEW(d->arena, struct delete_topics_response);
    decide_delete_topics(d, request->body, request->version, response);
    return response;
}

void api_delete_topics(struct request *request) {
    controller_request(request, decide);
}
