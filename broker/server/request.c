#include "broker/server/request.h"

#include <stdlib.h>

#include "base/memory.h"
#include "broker/api/api.h"
#include "broker/metrics/meters.h"
#include "broker/server/server_internal.h"
#include "protocol/generated/api_versions_response.h"
#include "protocol/generated/response_header.h"
#include "runtime/file.h"
#include "runtime/log.h"

struct request *request_take(struct server_shard *shard) {
    struct request *request;
    if (list_empty(&shard->cache)) {
        request = NEW(struct request);
        arena_init(&request->arena, SIZE_MAX);
    } else {
        request = LIST_FIRST(&shard->cache, struct request, link);
        list_remove(&request->link);
        shard->cache_count--;
        struct arena arena = request->arena;
        *request = (struct request){.arena = arena};
    }
    request->home = shard->owner;
    request->at = shard->owner;
    list_append(&shard->requests, &request->link);
    return request;
}

void request_add_arena(struct request *request, struct request_arena *extra) {
    arena_init(&extra->arena, SIZE_MAX);
    extra->next = request->arenas;
    request->arenas = extra;
}

/* All but the request's own arena, which holds the list of the others. */
static void request_let_go(struct request *request) {
    list_remove(&request->link);
    frame_unref(request->frame);
    request->frame = NULL;
    frame_unref(request->answer);
    request->answer = NULL;
    for (struct request_arena *extra = request->arenas; extra != NULL; extra = extra->next) {
        arena_release(&extra->arena);
    }
    request->arenas = NULL;
}

void request_free(struct request *request) {
    request_let_go(request);
    arena_release(&request->arena);
    if (request->reply != NULL) {
        reply_free(request->reply);
    }
    free(request);
}

void request_recycle(struct request *request) {
    struct server_shard *shard = request->home->server;
    request_let_go(request);
    if (shard->cache_count >= REQUEST_CACHE_MAX) {
        arena_release(&request->arena);
        free(request);
        return;
    }
    arena_reset(&request->arena);
    list_append(&shard->cache, &request->link);
    shard->cache_count++;
}

/* ---- Encoding -------------------------------------------------------------------------------- */

/* Where file ranges go into the encoded response. */
struct external_part {
    size_t at;
    struct response_records *records;
    size_t len;
};

struct external_parts {
    struct arena *arena;
    struct external_part *parts;
    int count;
    int capacity;
};

static void collect_external(void *ctx, size_t at, const void *external, size_t len) {
    struct external_parts *list = ctx;
    if (list->count == list->capacity) {
        int capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        struct external_part *grown =
            arena_array(list->arena, (size_t)capacity, sizeof(*list->parts));
        if (list->count > 0) {
            memcpy(grown, list->parts, (size_t)list->count * sizeof(*grown));
        }
        list->parts = grown;
        list->capacity = capacity;
    }
    list->parts[list->count++] = (struct external_part){
        .at = at,
        .records = (struct response_records *)(uintptr_t)external,
        .len = len,
    };
}

/* One frame with the encoded bytes, cut where file ranges belong. */
static struct reply *reply_assemble(const struct buffer *encoded,
                                    const struct external_parts *parts) {
    struct reply *reply = reply_new();
    struct frame *frame = frame_new(encoded->len);
    ASSERT(frame != NULL);
    memcpy(frame->data, encoded->data, encoded->len);
    size_t pos = 0;
    for (int i = 0; i < parts->count; i++) {
        const struct external_part *part = &parts->parts[i];
        if (part->at > pos) {
            reply_add_frame(reply, frame_ref(frame), frame->data + pos, part->at - pos);
        }
        reply_add_file(reply, part->records->file, part->records->pos, part->len);
        pos = part->at;
    }
    if (encoded->len > pos) {
        reply_add_frame(reply, frame_ref(frame), frame->data + pos, encoded->len - pos);
    }
    frame_unref(frame);
    return reply;
}

static void let_go_of_files(const struct external_parts *parts) {
    for (int i = 0; i < parts->count; i++) {
        file_unref(parts->parts[i].records->file);
    }
}

/* Whether the bytes and the records between them make one frame. */
static bool fits_frame(const struct buffer *encoded, const struct external_parts *parts) {
    uint64_t len = encoded->len;
    for (int i = 0; i < parts->count; i++) {
        len += parts->parts[i].len;
    }
    return len <= INT32_MAX;
}

/* What the request ends with: a reply, or without a connection the bytes. */
static void set_encoded(struct request *request, const struct buffer *encoded,
                        const struct external_parts *parts) {
    if (request->exchange != NULL) {
        request->reply = reply_assemble(encoded, parts);
        return;
    }
    ASSERT(parts->count == 0);
    request->answer = frame_new(encoded->len);
    ASSERT(request->answer != NULL);
    memcpy(request->answer->data, encoded->data, encoded->len);
}

/* False when the response does not fit any frame; the references of its records are gone then too.
 */
static bool request_encode(struct request *request, int16_t version, const void *response) {
    const struct api *api = api_by_key(request->api_key);
    struct buffer *out = &request->at->server->scratch;
    buffer_reset(out);
    struct response_header header;
    message_init(&response_header_desc, &header);
    header.correlation_id = request->correlation_id;
    struct external_parts parts = {.arena = &request->arena};
    struct message_external external = {.fn = collect_external, .ctx = &parts};
    int16_t header_version = api_response_header_version(api, version);
    bool encoded =
        message_encode(&response_header_desc, header_version, &header, out, NULL) == MESSAGE_OK &&
        message_encode(api->response, version, response, out, &external) == MESSAGE_OK &&
        fits_frame(out, &parts) && (request->exchange != NULL || parts.count == 0);
    if (encoded) {
        set_encoded(request, out, &parts);
    } else {
        let_go_of_files(&parts);
    }
    if (out->cap > SCRATCH_KEEP_MAX) {
        buffer_release(out);
    }
    return encoded;
}

/* ---- Ending ---------------------------------------------------------------------------------- */

static void request_finish_submitted(struct request *request) {
    void (*ended)(void *ctx, struct frame *answer) = request->ended;
    void *ctx = request->ended_ctx;
    struct frame *answer = request->close ? NULL : request->answer;
    frame_ref(answer);
    request_recycle(request);
    ended(ctx, answer);
    frame_unref(answer);
}

static void request_count(const struct request *request) {
    if (request->handler == NULL || request->begun_ns == 0) {
        return;
    }
    const struct node_shard *home = request->home;
    int64_t took_ns = clock_now_ns(home->node->machine) - request->begun_ns;
    meters_request(home->meters, request->api_key, request->version, took_ns);
    if (request->meter != 0) {
        meters_request(home->meters, request->meter, request->version, took_ns);
    }
}

/* On home: what the ended request leaves goes to its connection. */
static void request_finish(struct request *request) {
    struct exchange *exchange = request->exchange;
    if (exchange == NULL) {
        request_finish_submitted(request);
        return;
    }
    request_count(request);
    struct reply *reply = request->reply;
    bool close = request->close;
    struct conn *conn = exchange_conn(exchange);
    struct client *client = conn != NULL ? conn_data(conn) : NULL;
    request->reply = NULL;
    request_recycle(request);
    if (client != NULL && close) {
        client->closing = true;
        conn_close(conn, "request refused");
    }
    if (reply != NULL) {
        exchange_reply(exchange, reply);
    } else {
        exchange_done(exchange);
    }
    if (client != NULL) {
        client_request_ended(client);
    }
}

static void request_finish_posted(struct post *post) {
    struct request *request = CONTAINER_OF(post, struct request, post);
    request->at = request->home;
    request_finish(request);
}

static void request_end(struct request *request) {
    if (request->at == request->home) {
        request_finish(request);
    } else {
        shard_post(request->home->shard, &request->post, request_finish_posted);
    }
}

void request_respond(struct request *request, const void *response) {
    if (!request_encode(request, request->version, response)) {
        LOG_ERROR(request->home->node->machine, "server", "response could not be encoded",
                  "api_key=%d version=%d", request->api_key, request->version);
        request->close = true;
    }
    request_end(request);
}

void request_respond_error(struct request *request, enum kafka_error error) {
    const struct api *api = api_by_key(request->api_key);
    void *response = arena_alloc(&request->arena, message_size(api->response));
    message_init(api->response, response);
    bool has_error_code = message_set_error_code(api->response, response, (int16_t)error);
    ASSERT(has_error_code);
    request_respond(request, response);
}

void request_respond_bytes(struct request *request, struct slice bytes) {
    struct buffer *out = &request->at->server->scratch;
    const struct external_parts parts = {0};
    buffer_reset(out);
    buffer_append_slice(out, bytes);
    request->close = out->failed || bytes.len < 4;
    if (!request->close) {
        set_encoded(request, out, &parts);
    }
    if (out->cap > SCRATCH_KEEP_MAX) {
        buffer_release(out);
    }
    request_end(request);
}

void request_respond_nothing(struct request *request) {
    request_end(request);
}

void request_respond_close(struct request *request, const char *reason) {
    LOG_DEBUG(request->home->node->machine, "server", "request closes its connection",
              "reason=\"%s\"", reason);
    request->close = true;
    request_end(request);
}

/* KIP-511: version 0, UNSUPPORTED_VERSION, and the range of ApiVersions itself. */
void request_respond_unsupported_api_versions(struct request *request) {
    const struct api_handler *handler = request->handler;
    struct api_versions_response response;
    message_init(&api_versions_response_desc, &response);
    struct api_versions_response_api_version self;
    memset(&self, 0, sizeof(self));
    self.api_key = handler->key;
    self.min_version = handler->advertised_min_version;
    self.max_version = handler->max_version;
    response.error_code = ERROR_UNSUPPORTED_VERSION;
    response.api_keys = &self;
    response.api_keys_count = 1;
    request->close = !request_encode(request, 0, &response);
    request_end(request);
}

/* ---- Moving ---------------------------------------------------------------------------------- */

static void request_moved(struct post *post) {
    struct request *request = CONTAINER_OF(post, struct request, post);
    request->fn(request);
}

void request_move(struct request *request, struct node_shard *to,
                  void (*fn)(struct request *request)) {
    if (request->at == to) {
        fn(request);
        return;
    }
    request->at = to;
    request->fn = fn;
    shard_post(to->shard, &request->post, request_moved);
}

void request_watch_connection(struct request *request) {
    struct conn *conn = request->exchange != NULL ? exchange_conn(request->exchange) : NULL;
    if (conn != NULL) {
        struct client *client = conn_data(conn);
        client->watched = true;
    }
}

static struct client *client_of(const struct request *request) {
    struct conn *conn = request->exchange != NULL ? exchange_conn(request->exchange) : NULL;
    return conn == NULL ? NULL : conn_data(conn);
}

static char *short_copy(struct slice text) {
    return slice_to_cstr(slice_make(text.data, text.len < SOFTWARE_MAX ? text.len : SOFTWARE_MAX));
}

void request_set_software(struct request *request, struct slice name, struct slice version) {
    struct client *client = client_of(request);
    if (client != NULL) {
        free(client->software_name);
        free(client->software_version);
        client->software_name = short_copy(name);
        client->software_version = short_copy(version);
    }
}

void request_software(struct request *request, struct request_software *out) {
    const struct client *client = client_of(request);
    *out = (struct request_software){.name = SLICE_LIT(""), .version = SLICE_LIT("")};
    if (client != NULL && client->software_name != NULL) {
        out->name = arena_dup(&request->arena, slice_str(client->software_name));
        out->version = arena_dup(&request->arena, slice_str(client->software_version));
    }
    if (client != NULL) {
        out->peer_port = conn_peer_port(client->conn);
    }
}

bool request_abandoned(const struct request *request) {
    return request->exchange != NULL && exchange_conn(request->exchange) == NULL;
}
