/* From the bytes of a frame to a request: what is served here, in this version, and well formed. */
#include "base/buffer.h"
#include "broker/server/server_internal.h"
#include "protocol/generated/request_header.h"

#define API_KEY_API_VERSIONS 18

bool request_decode(struct request *request, const char **reason) {
    struct slice in = slice_make(request->frame->data, request->frame->len);
    if (in.len < HEADER_FIXED_LEN) {
        *reason = "request shorter than its header";
        return false;
    }
    request->api_key = (int16_t)load_be16(in.data);
    request->version = (int16_t)load_be16(in.data + 2);
    request->correlation_id = (int32_t)load_be32(in.data + 4);
    request->handler = api_handler(request->api_key, request->scope);
    if (request->handler == NULL) {
        *reason = "request of an API that this listener does not serve";
        return false;
    }
    if (request->version < request->handler->min_version ||
        request->version > request->handler->max_version) {
        *reason = "request in a version that is not served";
        return request->api_key == API_KEY_API_VERSIONS;
    }

    const struct api *api = api_by_key(request->api_key);
    struct request_header header;
    size_t header_len;
    request->arena.limit = message_decode_limit(in.len);
    if (message_decode(&request_header_desc, api_request_header_version(api, request->version), in,
                       &request->arena, &header, &header_len) != MESSAGE_OK) {
        *reason = "malformed request header";
        return false;
    }
    request->client_id = header.client_id;

    void *body = arena_alloc(&request->arena, message_size(api->request));
    struct slice rest = slice_make(in.data + header_len, in.len - header_len);
    if (body == NULL || message_decode(api->request, request->version, rest, &request->arena, body,
                                       NULL) != MESSAGE_OK) {
        *reason = "malformed request";
        return false;
    }
    request->body = body;
    request->arena.limit = SIZE_MAX;
    return true;
}

bool request_submit(struct node_shard *home, struct frame *frame,
                    const struct request_origin *origin,
                    void (*ended)(void *ctx, struct frame *answer), void *ctx) {
    struct request *request = request_take(home->server);
    request->frame = frame;
    request->received_ms = shard_now_ms(home->shard);
    request->listener_name = origin->listener_name;
    request->scope = origin->scope;
    request->ended = ended;
    request->ended_ctx = ctx;
    const char *reason = NULL;
    if (!request_decode(request, &reason) || reason != NULL) {
        request_recycle(request);
        return false;
    }
    request->peer_host = arena_dup(&request->arena, origin->peer_host);
    request->handler->handle(request);
    return true;
}
