/*
 * PushTelemetry (72, KIP-714): a client's metrics. Decompressed and read by a worker, with a limit
 * on what comes out; kept on shard 0.
 */
#include "base/buffer.h"
#include "broker/api/api.h"
#include "broker/api/telemetry_client.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "broker/telemetry/telemetry.h"
#include "protocol/compression.h"
#include "protocol/generated/push_telemetry_request.h"
#include "protocol/generated/push_telemetry_response.h"

/* Of a push when it is decompressed. */
#define PLAIN_MAX ((size_t)8 * 1024 * 1024)
#define CHUNK     ((size_t)64 * 1024)

/* In the request's arena. */
struct push {
    struct work work;
    struct request *request;
    struct request_arena extra; /* of the worker */
    struct otlp_samples samples;
    enum kafka_error error;
};

static void end(struct request *request, enum kafka_error error) {
    struct push_telemetry_response response;
    message_init(&push_telemetry_response_desc, &response);
    response.error_code = (int16_t)error;
    request_respond(request, &response);
}

static void finished(struct work *work) {
    struct push *push = CONTAINER_OF(work, struct push, work);
    struct request *request = push->request;
    const struct push_telemetry_request *body = request->body;
    telemetry_end_push(request->at->node->telemetry, body->client_instance_id, push->error,
                       &push->samples);
    end(request, push->error);
}

/* False when it is corrupt or too much comes out. */
static bool decompress(enum compression codec, struct slice in, struct buffer *out) {
    struct decompressor *decompressor = decompressor_new(codec, in, PLAIN_MAX);
    int64_t got = 0;
    do {
        uint8_t *to = buffer_extend(out, CHUNK);
        if (to == NULL) {
            got = -2;
            break;
        }
        got = decompressor_read(decompressor, to, CHUNK);
        out->len -= CHUNK - (size_t)(got > 0 ? got : 0);
    } while (got > 0);
    decompressor_free(decompressor);
    return got == 0;
}

static void run(struct work *work) {
    struct push *push = CONTAINER_OF(work, struct push, work);
    const struct push_telemetry_request *body = push->request->body;
    struct buffer plain;
    struct slice bytes = body->metrics;
    bool ok = true;
    buffer_init(&plain, PLAIN_MAX + CHUNK);
    if (body->compression_type != COMPRESSION_NONE) {
        ok = decompress((enum compression)body->compression_type, bytes, &plain);
        bytes = buffer_slice(&plain);
    }
    push->error = ok ? ERROR_NONE : ERROR_INVALID_RECORD;
    if (ok) {
        /* What is no OTLP is no error to the client: Kafka passes the bytes on unread. */
        (void)otlp_read(bytes, &push->extra.arena, &push->samples);
    }
    buffer_release(&plain);
}

static void begin(struct request *request) {
    const struct push_telemetry_request *body = request->body;
    struct push *push = ARENA_NEW(&request->arena, struct push);
    struct client_attributes *client = request->context;
    telemetry_client_set_id(client, body->client_instance_id, &request->arena);
    const struct telemetry_push what = {
        .id = body->client_instance_id,
        .subscription_id = body->subscription_id,
        .terminating = body->terminating,
        .compression = body->compression_type,
        .size = body->metrics.len,
    };
    enum kafka_error error = telemetry_begin_push(request->at->node->telemetry, &what, client);
    if (error != ERROR_NONE || body->metrics.len == 0) {
        end(request, error);
        return;
    }
    push->request = request;
    request_add_arena(request, &push->extra);
    work_submit(request->at->shard, &push->work, run, finished);
}

void api_push_telemetry(struct request *request) {
    const struct push_telemetry_request *body = request->body;
    if (uuid_is_reserved(body->client_instance_id)) {
        end(request, ERROR_INVALID_REQUEST);
        return;
    }
    request->context = telemetry_client_of(request);
    request_move(request, &request->at->node->shards[0], begin);
}
