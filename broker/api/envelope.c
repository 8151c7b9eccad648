/*
 * Envelope (58): a client's request that a broker passes on to the active controller (KIP-590).
 *
 * What is in it is handled as if it had come by this connection; its answer, bytes and all, is the
 * answer of the Envelope. Only a controller's listener serves it, and nothing in it that a broker
 * does not pass on: no Envelope in an Envelope.
 */
#include <string.h>

#include "base/buffer.h"
#include "broker/api/api.h"
#include "broker/api/api_error.h"
#include "broker/peer/wire.h"
#include "broker/server/request.h"
#include "protocol/generated/default_principal_data.h"
#include "protocol/generated/envelope_request.h"
#include "protocol/generated/envelope_response.h"
#include "runtime/net.h"

/* Key, version and correlation id of a request. */
#define HEADER_FIXED_LEN 8

#define PRINCIPAL_VERSION 0

static void fail(struct request *request, enum kafka_error error) {
    request_respond_error(request, error);
}

static bool principal_valid(struct request *request, struct slice bytes) {
    struct default_principal_data data;
    if (bytes.len < 2 || load_be16(bytes.data) != PRINCIPAL_VERSION) {
        return false;
    }
    request->arena.limit = request->arena.used + message_decode_limit(bytes.len);
    bool valid = message_decode(&default_principal_data_desc, PRINCIPAL_VERSION,
                                slice_make(bytes.data + 2, bytes.len - 2), &request->arena, &data,
                                NULL) == MESSAGE_OK;
    request->arena.limit = SIZE_MAX;
    return valid;
}

/* Why the embedded request is refused, without decoding it. */
static enum kafka_error refusal(const struct envelope_request *body) {
    struct slice data = body->request_data;
    size_t address_len = body->client_host_address.len;
    if (data.len < HEADER_FIXED_LEN || (address_len != 4 && address_len != 16)) {
        return ERROR_INVALID_REQUEST;
    }
    const struct api_handler *handler =
        api_handler((int16_t)load_be16(data.data), API_SCOPE_CONTROLLER);
    if (handler == NULL || !handler->forwardable) {
        return ERROR_INVALID_REQUEST;
    }
    int16_t version = (int16_t)load_be16(data.data + 2);
    bool served = version >= handler->min_version && version <= handler->max_version;
    return served ? ERROR_NONE : ERROR_UNSUPPORTED_VERSION;
}

/* Whether the embedded answer tells that this is not the active controller. */
static bool says_not_controller(const struct request *request, const struct frame *answer) {
    const struct envelope_request *body = request->body;
    int16_t key = (int16_t)load_be16(body->request_data.data);
    int16_t version = (int16_t)load_be16(body->request_data.data + 2);
    struct arena arena;
    void *response;
    arena_init(&arena, message_decode_limit(answer->len));
    bool says = wire_decode_response(key, version, slice_make(answer->data, answer->len), &arena,
                                     &response) &&
                api_response_error(key, response) == ERROR_NOT_CONTROLLER;
    arena_release(&arena);
    return says;
}

static void ended(void *ctx, struct frame *answer) {
    struct request *request = ctx;
    struct envelope_response response;
    message_init(&envelope_response_desc, &response);
    if (answer == NULL) {
        response.error_code = ERROR_UNKNOWN_SERVER_ERROR;
    } else if (says_not_controller(request, answer)) {
        response.error_code = ERROR_NOT_CONTROLLER;
    } else {
        response.response_data = slice_make(answer->data, answer->len);
    }
    request_respond(request, &response);
}

void api_envelope(struct request *request) {
    const struct envelope_request *body = request->body;
    enum kafka_error error = refusal(body);
    if (error != ERROR_NONE) {
        fail(request, error);
        return;
    }
    if (!principal_valid(request, body->request_principal)) {
        fail(request, ERROR_PRINCIPAL_DESERIALIZATION_FAILURE);
        return;
    }
    char host[HOST_ADDRESS_SIZE];
    host_from_bytes(body->client_host_address.data, body->client_host_address.len, host);
    struct request_origin origin = {
        .listener_name = request->listener_name,
        .peer_host = slice_str(host),
        .scope = API_SCOPE_CONTROLLER,
    };
    struct frame *frame = frame_new(body->request_data.len);
    ASSERT(frame != NULL);
    memcpy(frame->data, body->request_data.data, body->request_data.len);
    if (!request_submit(request->home, frame, &origin, ended, request)) {
        fail(request, ERROR_UNSUPPORTED_VERSION);
    }
}
