#include "tests/sim/sim_client.h"

#include "base/buffer.h"
#include "protocol/generated/request_header.h"
#include "protocol/generated/response_header.h"

#define REDIAL_MS  5
#define FRAME_MAX  ((size_t)16 << 20)
#define TIMEOUT_MS 100

static void dial(struct sim_client *client);

static void send_request(struct sim_client *client) {
    client->sent = true;
    struct reply *frame = reply_new();
    struct buffer copy;
    buffer_init(&copy, FRAME_MAX);
    buffer_append_slice(&copy, buffer_slice(&client->request));
    reply_add_heap(frame, copy.data, copy.len);
    conn_send(client->conn, frame);
}

static void on_connect(struct conn *conn, void *ctx) {
    struct sim_client *client = ctx;
    client->connected = true;
    if (client->waiting && !client->sent) {
        send_request(client);
    }
}

static void on_frame(struct conn *conn, struct frame *frame, void *ctx) {
    struct sim_client *client = ctx;
    ASSERT(client->waiting && client->sent);
    arena_reset(&client->arena);
    struct slice in = slice_make(frame->data, frame->len);
    struct response_header header;
    size_t header_len = 0;
    enum message_error error = message_decode(
        &response_header_desc, api_response_header_version(client->api, client->version), in,
        &client->arena, &header, &header_len);
    ASSERT(error == MESSAGE_OK && header.correlation_id == client->correlation_id);
    void *response = arena_alloc(&client->arena, message_size(client->api->response));
    size_t body_len = 0;
    error = message_decode(client->api->response, client->version,
                           slice_make(in.data + header_len, in.len - header_len), &client->arena,
                           response, &body_len);
    ASSERT(error == MESSAGE_OK && header_len + body_len == in.len);
    client->waiting = false;
    frame_unref(client->frame);
    client->frame = frame; /* the response points into it */
    client->answered(client->ctx, response);
}

static void on_close(struct conn *conn, const char *reason, void *ctx) {
    struct sim_client *client = ctx;
    client->conn = NULL;
    client->connected = false;
    if (client->stopped) {
        return;
    }
    timer_start(&client->redial, REDIAL_MS);
    if (client->waiting && (client->sent || client->impatient)) {
        client->waiting = false;
        client->answered(client->ctx, NULL);
    }
}

static const struct dialer_handler handler = {
    .on_connect = on_connect,
    .on_frame = on_frame,
    .on_close = on_close,
};

static void dial(struct sim_client *client) {
    struct dialer_options options = {
        .host = client->host,
        .port = client->port,
        .frame_max = FRAME_MAX,
        .connect_timeout_ms = TIMEOUT_MS,
    };
    client->conn = conn_dial(client->shard, &options, &handler, client);
}

static void on_redial(struct timer *timer) {
    dial(CONTAINER_OF(timer, struct sim_client, redial));
}

void sim_client_init(struct sim_client *client, struct shard *shard, const char *host, int port) {
    *client = (struct sim_client){.shard = shard, .host = host, .port = port};
    buffer_init(&client->request, FRAME_MAX);
    arena_init(&client->arena, SIZE_MAX);
    timer_init(&client->redial, shard, on_redial);
    dial(client);
}

void sim_client_stop(struct sim_client *client) {
    client->stopped = true;
    timer_stop(&client->redial);
    if (client->conn != NULL) {
        conn_close(client->conn, "the client is done");
    }
}

void sim_client_release(struct sim_client *client) {
    buffer_release(&client->request);
    arena_release(&client->arena);
    frame_unref(client->frame);
}

void sim_client_call(struct sim_client *client, int16_t api_key, int16_t version,
                     const void *message, void (*answered)(void *ctx, const void *response),
                     void *ctx) {
    ASSERT(!client->waiting);
    client->api = api_by_key(api_key);
    client->version = version;
    client->answered = answered;
    client->ctx = ctx;
    client->waiting = true;
    client->sent = false;
    buffer_reset(&client->request);
    struct request_header header;
    message_init(&request_header_desc, &header);
    header.request_api_key = api_key;
    header.request_api_version = version;
    header.correlation_id = ++client->correlation_id;
    header.client_id = SLICE_LIT("sim");
    enum message_error error =
        message_encode(&request_header_desc, api_request_header_version(client->api, version),
                       &header, &client->request, NULL);
    ASSERT(error == MESSAGE_OK);
    error = message_encode(client->api->request, version, message, &client->request, NULL);
    ASSERT(error == MESSAGE_OK);
    if (client->connected) {
        send_request(client);
    }
}
