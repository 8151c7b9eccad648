#include "broker/controller/controller_request.h"

#include "broker/api/api_error.h"
#include "broker/controller/controller_internal.h"
#include "broker/node.h"
#include "broker/server/request.h"

/* A request in the controller; in the request's arena. */
struct controller_task {
    struct controller_op op;
    struct request *request;
    void *(*decide)(struct decision *d, const struct request *request);
    void (*answer)(struct request *request);
    void *response;
};

static void respond(struct controller_op *op, enum kafka_error error) {
    struct controller_task *task = CONTAINER_OF(op, struct controller_task, op);
    if (error == ERROR_NONE) {
        request_respond(task->request, task->response);
    } else {
        controller_forward(task->request);
    }
}

static void decide(struct request *request) {
    struct controller *controller = request->at->node->controller;
    struct controller_task *task = (struct controller_task *)request->context;
    if (!controller->active) {
        controller_forward(request);
        return;
    }
    struct arena scratch;
    struct decision d;
    arena_init(&scratch, SIZE_MAX);
    decision_init(controller, &d, &scratch);
    d.arena = &request->arena;
    task->response = task->decide(&d, request);
    enum kafka_error error = controller_submit(controller, &d, &task->op, respond);
    arena_release(&scratch);
    if (error == ERROR_NOT_CONTROLLER) {
        controller_forward(request);
    } else if (error != ERROR_NONE) {
        api_respond_error(request, error);
    }
}

void controller_request(struct request *request,
                        void *(*decision)(struct decision *d, const struct request *request)) {
    struct controller_task *task = ARENA_NEW(&request->arena, struct controller_task);
    task->request = request;
    task->decide = decision;
    request->context = task;
    request_move(request, &request->at->node->shards[0], decide);
}

static void query(struct request *request) {
    const struct controller_task *task = (const struct controller_task *)request->context;
    if (request->at->node->controller->active) {
        task->answer(request);
    } else {
        controller_forward(request);
    }
}

void controller_query(struct request *request, void (*answer)(struct request *request)) {
    struct controller_task *task = ARENA_NEW(&request->arena, struct controller_task);
    task->request = request;
    task->answer = answer;
    request->context = task;
    request_move(request, &request->at->node->shards[0], query);
}

struct quorum *controller_quorum(const struct node *node) {
    return node->controller->quorum;
}
