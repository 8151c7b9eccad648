/*
 * Producer ids. A block of 1000 is got from the active controller, then handed out from memory;
 * what is left of a block at the end of the process is lost, as in Kafka.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "broker/controller/controller_internal.h"
#include "broker/lifecycle/lifecycle.h"
#include "broker/node.h"
#include "protocol/generated/allocate_producer_ids_response.h"
#include "protocol/message.h"
#include "runtime/log.h"

#define API_ALLOCATE_PRODUCER_IDS 67
#define ALLOCATE_TIMEOUT_MS       5000

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

static const void *build_request(struct controller_call *call, int16_t version) {
    struct controller *controller = CONTAINER_OF(call, struct controller, producer_id_call);
    struct allocate_producer_ids_request *request = &controller->producer_id_request;
    (void)version;
    message_init(&allocate_producer_ids_request_desc, request);
    request->broker_id = controller->node->id;
    request->broker_epoch = lifecycle_broker_epoch(controller->node->lifecycle);
    return request;
}

static void on_block(struct controller_call *call, enum kafka_error error, int16_t version,
                     const void *answer) {
    struct controller *controller = CONTAINER_OF(call, struct controller, producer_id_call);
    const struct allocate_producer_ids_response *response = answer;
    (void)version;
    controller->allocating = false;
    error = error == ERROR_NONE ? (enum kafka_error)response->error_code : error;
    if (error != ERROR_NONE || response->producer_id_len <= 0) {
        LOG_WARN(controller->node->machine, "controller", "no producer ids", "error=%d", error);
        fail_waiters(controller);
        return;
    }
    controller->next_producer_id = response->producer_id_start;
    controller->producer_id_end = response->producer_id_start + response->producer_id_len;
    serve(controller);
}

static void allocate(struct controller *controller) {
    controller->allocating = true;
    controller->producer_id_call = (struct controller_call){
        .from = &controller->node->shards[0],
        .api_key = API_ALLOCATE_PRODUCER_IDS,
        .version_min = 0,
        .version_max = 0,
        .timeout_ms = ALLOCATE_TIMEOUT_MS,
        .build = build_request,
        .fn = on_block,
    };
    controller_call(&controller->producer_id_call);
}

static void serve(struct controller *controller) {
    while (!list_empty(&controller->producer_id_waiters)) {
        struct id_request *request =
            LIST_FIRST(&controller->producer_id_waiters, struct id_request, link);
        if (controller->next_producer_id < controller->producer_id_end) {
            answer(request, ERROR_NONE, controller->next_producer_id++);
        } else {
            if (!controller->allocating) {
                allocate(controller);
            }
            return;
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
