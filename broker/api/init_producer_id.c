/*
 * InitProducerId (22) for idempotent producers: a new id with epoch 0, whatever id the producer had
 * before (KIP-360: it bumps its epoch itself as long as it can). Transactions are not served: a
 * transactional id is refused with UNSUPPORTED_VERSION, which clients take as final.
 */
#include "broker/api/api.h"
#include "broker/controller/controller.h"
#include "broker/server/request.h"
#include "protocol/generated/init_producer_id_request.h"
#include "protocol/generated/init_producer_id_response.h"

static void respond(struct request *request, enum kafka_error error, int64_t producer_id) {
    struct init_producer_id_response response;
    message_init(&init_producer_id_response_desc, &response);
    response.error_code = (int16_t)error;
    response.producer_id = error == ERROR_NONE ? producer_id : -1;
    response.producer_epoch = error == ERROR_NONE ? 0 : -1;
    request_respond(request, &response);
}

static void on_id(void *ctx, enum kafka_error error, int64_t producer_id) {
    respond(ctx, error, producer_id);
}

void api_init_producer_id(struct request *request) {
    const struct init_producer_id_request *body = request->body;
    bool half = (body->producer_id == -1) != (body->producer_epoch == -1);
    if (half || (!slice_is_null(body->transactional_id) && body->transactional_id.len == 0)) {
        respond(request, ERROR_INVALID_REQUEST, -1);
    } else if (!slice_is_null(body->transactional_id)) {
        respond(request, ERROR_UNSUPPORTED_VERSION, -1);
    } else {
        controller_next_producer_id(request->at, on_id, request);
    }
}
