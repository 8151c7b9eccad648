#include "broker/peer/wire.h"

#include "protocol/generated/request_header.h"
#include "protocol/generated/response_header.h"
#include "protocol/message.h"

bool wire_encode_request(int16_t api_key, int16_t version, int32_t correlation_id,
                         struct slice client_id, const void *request, struct buffer *out) {
    const struct api *api = api_by_key(api_key);
    struct request_header header;
    message_init(&request_header_desc, &header);
    header.request_api_key = api_key;
    header.request_api_version = version;
    header.correlation_id = correlation_id;
    header.client_id = client_id;
    int16_t header_version = api_request_header_version(api, version);
    return message_encode(&request_header_desc, header_version, &header, out, NULL) == MESSAGE_OK &&
           message_encode(api->request, version, request, out, NULL) == MESSAGE_OK;
}

bool wire_decode_response(int16_t api_key, int16_t version, struct slice in, struct arena *arena,
                          void **response) {
    const struct api *api = api_by_key(api_key);
    struct response_header header;
    size_t header_len = 0;
    if (message_decode(&response_header_desc, api_response_header_version(api, version), in, arena,
                       &header, &header_len) != MESSAGE_OK) {
        return false;
    }
    *response = arena_alloc(arena, message_size(api->response));
    struct slice body = slice_make(in.data + header_len, in.len - header_len);
    size_t body_len = 0;
    return *response != NULL &&
           message_decode(api->response, version, body, arena, *response, &body_len) ==
               MESSAGE_OK &&
           body_len == body.len;
}
