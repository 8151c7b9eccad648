/* A client's request on its way to the active controller, in an Envelope (KIP-590). */
#include "base/buffer.h"
#include "broker/api/api_error.h"
#include "broker/config/config.h"
#include "broker/controller/controller_channel.h"
#include "broker/controller/controller_request.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "protocol/generated/default_principal_data.h"
#include "protocol/generated/envelope_request.h"
#include "protocol/generated/envelope_response.h"
#include "runtime/log.h"
#include "runtime/net.h"

#define KEY_DESCRIBE_QUORUM 55
#define KEY_ENVELOPE        58

#define PRINCIPAL_VERSION  0
#define PRINCIPAL_SIZE_MAX 1024

/* In the request's arena. */
struct forward {
    struct controller_call call;
    struct request *request;
    struct envelope_request envelope;
    uint8_t address[HOST_BYTES_MAX];
};

/* Every client is anonymous as long as nobody authenticates. */
static struct slice principal(struct arena *arena) {
    struct default_principal_data data;
    struct buffer out;
    message_init(&default_principal_data_desc, &data);
    data.type = SLICE_LIT("User");
    data.name = SLICE_LIT("ANONYMOUS");
    buffer_init(&out, PRINCIPAL_SIZE_MAX);
    buffer_put_be16(&out, PRINCIPAL_VERSION);
    enum message_error error =
        message_encode(&default_principal_data_desc, PRINCIPAL_VERSION, &data, &out, NULL);
    ASSERT(error == MESSAGE_OK);
    struct slice copy = arena_dup(arena, buffer_slice(&out));
    buffer_release(&out);
    return copy;
}

static const void *build(struct controller_call *call, int16_t version) {
    return &CONTAINER_OF(call, struct forward, call)->envelope;
}

static void relay(struct request *request, const struct envelope_response *response) {
    struct slice data = response->response_data;
    if (response->error_code == ERROR_UNSUPPORTED_VERSION) {
        request_respond_close(request, "the controller does not know the request's version");
    } else if (response->error_code != ERROR_NONE || data.len < 4 ||
               (int32_t)load_be32(data.data) != request->correlation_id) {
        LOG_WARN(request->at->node->machine, "controller", "forwarded request failed",
                 "api_key=%d error=%s", request->api_key, error_name(response->error_code));
        api_respond_error(request, ERROR_UNKNOWN_SERVER_ERROR);
    } else {
        request_respond_bytes(request, data);
    }
}

static void ended(struct controller_call *call, enum kafka_error error, int16_t version,
                  const void *response) {
    struct request *request = CONTAINER_OF(call, struct forward, call)->request;
    if (error == ERROR_NONE) {
        relay(request, response);
    } else {
        api_respond_error(request, error);
    }
}

/* As long as the client waits by its own word, and no longer than clients do. */
static int64_t timeout_ms(const struct request *request) {
    int64_t limit_ms = config_int(request->at->node->config, CONFIG_REQUEST_TIMEOUT_MS);
    int64_t own_ms = api_request_timeout_ms(request);
    int64_t asked_ms = own_ms > 0 && own_ms < limit_ms ? own_ms : limit_ms;
    int64_t spent_ms = shard_now_ms(request->at->shard) - request->received_ms;
    return asked_ms > spent_ms ? asked_ms - spent_ms : 0;
}

/* Of the quorum Kafka's raft layer tells, in its own words; not to brokers, who try again. */
static enum kafka_error refusal(const struct request *request) {
    bool quorum = request->api_key == KEY_DESCRIBE_QUORUM && request->connection_id != 0;
    return quorum ? ERROR_NOT_LEADER_OR_FOLLOWER : ERROR_NOT_CONTROLLER;
}

void controller_forward(struct request *request) {
    if (request->scope == API_SCOPE_CONTROLLER || !request->handler->forwardable) {
        api_respond_error(request, refusal(request));
        return;
    }
    struct forward *forward = ARENA_NEW(&request->arena, struct forward);
    forward->request = request;
    message_init(&envelope_request_desc, &forward->envelope);
    forward->envelope.request_data = slice_make(request->frame->data, request->frame->len);
    forward->envelope.request_principal = principal(&request->arena);
    forward->envelope.client_host_address = slice_make(
        forward->address, host_to_bytes((const char *)request->peer_host.data, forward->address));
    forward->call = (struct controller_call){
        .from = request->at,
        .api_key = KEY_ENVELOPE,
        .version_max = 0,
        .timeout_ms = timeout_ms(request),
        .build = build,
        .fn = ended,
    };
    controller_call(&forward->call);
}
