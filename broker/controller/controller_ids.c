/*
 * Producer ids. A block of 1000 is taken by a record, then handed out from memory; what is left of
 * a block at the end of the process is lost, as in Kafka.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "broker/controller/controller_internal.h"
#include "broker/node.h"

struct id_request {
    struct list link; /* controller.producer_id_waiters */
    struct post post;
    struct node_shard *from;
    void (*fn)(void *ctx, enum kafka_error error, int64_t producer_id);
    void *ctx;
    enum kafka_error error;
    int64_t producer_id;
};

static void answered(struct post *post) {
    struct id_request *request = CONTAINER_OF(post, struct id_request, post);
    request->fn(request->ctx, request->error, request->producer_id);
    free(request);
}

static void answer(struct id_request *request, enum kafka_error error, int64_t producer_id) {
    list_remove(&request->link);
    request->error = error;
    request->producer_id = producer_id;
    shard_post(request->from->shard, &request->post, answered);
}

static void serve(struct controller *controller);

static void fail_waiters(struct controller *controller) {
    while (!list_empty(&controller->producer_id_waiters)) {
        answer(LIST_FIRST(&controller->producer_id_waiters, struct id_request, link),
               ERROR_COORDINATOR_LOAD_IN_PROGRESS, -1);
    }
}

static void on_block(struct controller_op *op, enum kafka_error error) {
    struct controller *controller = CONTAINER_OF(op, struct controller, producer_id_op);
    controller->allocating = false;
    if (error != ERROR_NONE) {
        fail_waiters(controller);
        return;
    }
    controller->next_producer_id = controller->producer_id_block;
    controller->producer_id_end = controller->producer_id_block + PRODUCER_ID_BLOCK;
    serve(controller);
}

static enum kafka_error allocate(struct controller *controller) {
    struct arena scratch;
    struct decision d;
    arena_init(&scratch, SIZE_MAX);
    decision_init(controller, &d, &scratch);
    decide_producer_ids(&d, &controller->producer_id_block);
    enum kafka_error error =
        controller_submit(controller, &d, &controller->producer_id_op, on_block);
    controller->allocating = error == ERROR_NONE;
    arena_release(&scratch);
    return error;
}

static void serve(struct controller *controller) {
    while (!list_empty(&controller->producer_id_waiters)) {
        struct id_request *request =
            LIST_FIRST(&controller->producer_id_waiters, struct id_request, link);
        if (controller->next_producer_id < controller->producer_id_end) {
            answer(request, ERROR_NONE, controller->next_producer_id++);
        } else if (controller->allocating) {
            return;
        } else if (allocate(controller) != ERROR_NONE) {
            answer(request, ERROR_COORDINATOR_LOAD_IN_PROGRESS, -1);
        }
    }
}

static void arrived(struct post *post) {
    struct id_request *request = CONTAINER_OF(post, struct id_request, post);
    struct controller *controller = request->from->node->controller;
    list_append(&controller->producer_id_waiters, &request->link);
    serve(controller);
}

void controller_next_producer_id(struct node_shard *from,
                                 void (*fn)(void *ctx, enum kafka_error error, int64_t producer_id),
                                 void *ctx) {
    struct id_request *request = NEW(struct id_request);
    list_init(&request->link);
    request->from = from;
    request->fn = fn;
    request->ctx = ctx;
    if (from->index == 0) {
        arrived(&request->post);
    } else {
        shard_post(from->node->shards[0].shard, &request->post, arrived);
    }
}

void controller_ids_free(struct controller *controller) {
    LIST_FOREACH_SAFE(it, &controller->producer_id_waiters) {
        list_remove(it);
        free(CONTAINER_OF(it, struct id_request, link));
    }
}
