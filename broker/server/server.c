#include "broker/server/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/api/api.h"
#include "broker/server/limits.h"
#include "broker/server/server_internal.h"
#include "runtime/log.h"

#define API_KEY_PRODUCE 0

/* Pipelined frames of one connection that are received ahead of being handled. */
#define EXCHANGES_MAX 64

/* Unsent responses above which a connection is not read, and its next request not begun: as with
 * Kafka, who does not read what it asked for is not answered more. */
#define OUTPUT_MAX ((size_t)64 * 1024)

/* Unsent responses of a shard's connections that may be in memory. */
#define OUTPUT_MEMORY_MAX ((size_t)128 * 1024 * 1024)

/* ---- Requests of a connection ---------------------------------------------------------------- */

static void log_refusal(struct client *client, const struct request *request, const char *reason) {
    struct server_shard *shard = client->shard;
    struct machine *machine = shard->owner->node->machine;
    int64_t now_ms = shard_now_ms(shard->owner->shard);
    if (now_ms - shard->refusals_from_ms >= 1000) {
        if (shard->refusal_count > REFUSALS_LOGGED_MAX) {
            LOG_INFO(machine, "server", "more connections closed for their requests", "count=%d",
                     shard->refusal_count - REFUSALS_LOGGED_MAX);
        }
        shard->refusals_from_ms = now_ms;
        shard->refusal_count = 0;
    }
    if (shard->refusal_count++ < REFUSALS_LOGGED_MAX) {
        LOG_INFO(machine, "server", "connection closed",
                 "peer=%s reason=\"%s\" api_key=%d version=%d", conn_peer_host(client->conn),
                 reason, request->api_key, request->version);
    }
}

static void client_begin_request(struct client *client, struct exchange *exchange,
                                 struct frame *frame, int64_t begun_ns) {
    struct request *request = request_take(client->shard);
    request->exchange = exchange;
    request->frame = frame;
    request->received_ms = shard_now_ms(client->shard->owner->shard);
    request->listener_name = client->listener->config->name;
    request->scope = client->listener->scope;
    request->connection_id = client->id;
    request->begun_ns = begun_ns;
    const char *reason = NULL;
    bool valid = request_decode(request, &reason);
    client->in_flight++;
    client->in_flight_produce =
        client->in_flight == 1 ? request->api_key == API_KEY_PRODUCE : client->in_flight_produce;
    if (!valid) {
        log_refusal(client, request, reason);
        request_respond_close(request, reason);
        return;
    }
    if (reason != NULL) {
        request_respond_unsupported_api_versions(request);
        return;
    }
    request->peer_host = arena_dup(&request->arena, slice_str(conn_peer_host(client->conn)));
    if (client->told_host[0] != '\0') {
        request->told_host = arena_dup(&request->arena, slice_str(client->told_host));
    }
    request->handler->handle(request);
}

/* Handles one frame and counts what it cost the loop. */
static void client_handle_frame(struct client *client, struct exchange *exchange,
                                struct frame *frame) {
    struct server_shard *shard = client->shard;
    struct machine *machine = shard->owner->node->machine;
    int64_t began_ns = clock_now_ns(machine);
    client_begin_request(client, exchange, frame, began_ns);
    turn_spend(&shard->turn, &client->member, clock_now_ns(machine) - began_ns);
    deferred_schedule(&shard->turn_end);
}

/* Whether the next frame may be handled beside those in flight. */
static bool client_may_start(const struct client *client) {
    if (client->closing || client->queue_head == NULL) {
        return false;
    }
    if (conn_output_len(client->conn) >= OUTPUT_MAX) {
        return false; /* on_drained() goes on */
    }
    if (client->in_flight == 0) {
        return true;
    }
    const struct frame *next = client->queue_head->frame;
    return client->in_flight_produce && next->len >= HEADER_FIXED_LEN &&
           load_be16(next->data) == API_KEY_PRODUCE;
}

/* A request's size as far as it says something of its cost: records are checked quickly. */
static size_t frame_dear_len(const struct frame *frame) {
    bool produce = frame->len >= HEADER_FIXED_LEN && load_be16(frame->data) == API_KEY_PRODUCE;
    return produce ? 0 : frame->len;
}

static void client_line_up(struct client *client, size_t len) {
    if (!turn_member_waits(&client->member)) {
        turn_line_up(&client->shard->turn, &client->member, len);
        conn_pause(client->conn);
        deferred_schedule(&client->shard->turn_end);
    }
}

/* Whether the turn has room for the frame; otherwise the client waits in line. */
static bool client_admit(struct client *client, const struct frame *frame) {
    struct turn *turn = &client->shard->turn;
    size_t len = frame_dear_len(frame);
    if (turn_admits(turn, &client->member, len)) {
        return true;
    }
    client_line_up(client, len);
    return false;
}

static void client_handle_next(struct client *client) {
    struct queued_frame *first = client->queue_head;
    struct exchange *exchange = first->exchange;
    struct frame *frame = first->frame;
    client->queue_head = first->next;
    if (client->queue_head == NULL) {
        client->queue_tail = NULL;
    }
    free(first);
    client_handle_frame(client, exchange, frame);
}

/* Starts what may start now. */
static void client_dispatch(struct client *client) {
    if (client->dispatching) {
        return; /* a handler that answers at once ends up here again: the loop below goes on */
    }
    client->dispatching = true;
    while (client_may_start(client) && client_admit(client, client->queue_head->frame)) {
        client_handle_next(client);
    }
    client->dispatching = false;
}

static void turn_began(struct post *post) {
    struct server_shard *shard = CONTAINER_OF(post, struct server_shard, turn_next);
    shard->turn_next_posted = false;
    turn_begin(&shard->turn);
    deferred_schedule(&shard->turn_end);
}

/* The end of a turn: one request of each who waits in line, as far as the turn has room. */
static void turn_ended(struct deferred *deferred) {
    struct server_shard *shard = CONTAINER_OF(deferred, struct server_shard, turn_end);
    struct turn_member *member;
    while ((member = turn_next(&shard->turn)) != NULL) {
        struct client *client = CONTAINER_OF(member, struct client, member);
        conn_resume(client->conn);
        if (client_may_start(client)) {
            client->dispatching = true;
            client_handle_next(client);
            client->dispatching = false;
            client_dispatch(client);
        }
    }
    if (!turn_is_left(&shard->turn)) {
        turn_begin(&shard->turn);
    } else if (!shard->turn_next_posted) {
        shard->turn_next_posted = true;
        shard_post(shard->owner->shard, &shard->turn_next, turn_began);
    }
}

void client_request_ended(struct client *client) {
    ASSERT(client->in_flight > 0);
    client->in_flight--;
    /* At the end of the turn: who ends a request may be in the middle of what the next changes. */
    if (!client->dispatching && client_may_start(client)) {
        client_line_up(client, frame_dear_len(client->queue_head->frame));
    }
}

/* ---- Connections ----------------------------------------------------------------------------- */

/* Where clients of this connection are told that this node is (advertised.listeners=auto). */
static void take_told_host(struct client *client) {
    const struct server *server = client->listener->server;
    char local[HOST_ADDRESS_SIZE];
    conn_local_host(client->conn, local);
    const char *told =
        config_told_host(server->node->config, (int)(client->listener - server->listeners), local,
                         conn_peer_host(client->conn));
    snprintf(client->told_host, sizeof(client->told_host), "%s", told != NULL ? told : "");
}

static void on_open(struct conn *conn, void *ctx) {
    struct server_listener *listener = ctx;
    struct node *node = listener->server->node;
    struct client *client = NEW(struct client);
    client->conn = conn;
    client->listener = listener;
    client->id = atomic_fetch_add(&listener->server->last_connection_id, 1) + 1;
    client->shard = node_shard_of(node, conn_shard(conn))->server;
    take_told_host(client);
    turn_member_init(&client->member);
    list_append(&client->shard->clients, &client->link);
    conn_set_data(conn, client);
}

static void on_frame(struct conn *conn, struct exchange *exchange, struct frame *frame, void *ctx) {
    struct client *client = conn_data(conn);
    if (client->in_flight == 0 && client->queue_head == NULL && !client->dispatching &&
        !client->closing && client_admit(client, frame)) {
        client->dispatching = true;
        client_handle_frame(client, exchange, frame);
        client->dispatching = false;
        client_dispatch(client);
        return;
    }
    struct queued_frame *queued = NEW(struct queued_frame);
    queued->exchange = exchange;
    queued->frame = frame;
    if (client->queue_tail != NULL) {
        client->queue_tail->next = queued;
    } else {
        client->queue_head = queued;
    }
    client->queue_tail = queued;
    client_dispatch(client);
}

static void on_drained(struct conn *conn, void *ctx) {
    client_dispatch(conn_data(conn));
}

static void client_free(struct client *client) {
    list_remove(&client->link);
    free(client->software_name);
    free(client->software_version);
    free(client);
}

/* Back on its shard, whose list it is still in: so it is freed whenever the node is. */
static void on_closing_told(struct post *post) {
    client_free(CONTAINER_OF(post, struct client, post));
}

/* On shard 0. */
static void on_watched_closed(struct post *post) {
    struct client *client = CONTAINER_OF(post, struct client, post);
    struct server *server = client->listener->server;
    if (server->connection_closed != NULL) {
        server->connection_closed(server->connection_closed_ctx, client->id);
    }
    shard_post(client->shard->owner->shard, &client->post, on_closing_told);
}

static void on_close(struct conn *conn, const char *reason, void *ctx) {
    struct client *client = conn_data(conn);
    LOG_DEBUG(client->shard->owner->node->machine, "server", "connection gone",
              "peer=%s reason=\"%s\"", conn_peer_host(conn), reason);
    while (client->queue_head != NULL) {
        struct queued_frame *queued = client->queue_head;
        client->queue_head = queued->next;
        frame_unref(queued->frame);
        exchange_done(queued->exchange);
        free(queued);
    }
    ASSERT(!client->dispatching);
    turn_member_leave(&client->member);
    if (client->watched) {
        client->conn = NULL;
        shard_post(client->shard->owner->node->shards[0].shard, &client->post, on_watched_closed);
    } else {
        client_free(client);
    }
}

static const struct listener_handler client_handler = {
    .on_open = on_open,
    .on_frame = on_frame,
    .on_drained = on_drained,
    .on_close = on_close,
};

/* ---- Lifecycle ------------------------------------------------------------------------------- */

struct server *server_new(struct node *node) {
    struct server *server = NEW(struct server);
    server->node = node;
    int count = config_listener_count(node->config);
    server->listeners = xcalloc((size_t)count, sizeof(*server->listeners));
    for (int i = 0; i < count; i++) {
        const struct config_listener *config = config_listener_at(node->config, i);
        server->listeners[server->listener_count++] = (struct server_listener){
            .server = server,
            .config = config,
            .scope = config->controller ? API_SCOPE_CONTROLLER : API_SCOPE_BROKER,
        };
    }
    server->limits = server_limits_new(server);
    for (int i = 0; i < node->shard_count; i++) {
        struct server_shard *shard = NEW(struct server_shard);
        shard->owner = &node->shards[i];
        list_init(&shard->clients);
        list_init(&shard->requests);
        list_init(&shard->cache);
        buffer_init(&shard->scratch, RESPONSE_SIZE_MAX);
        turn_init(&shard->turn);
        deferred_init(&shard->turn_end, shard->owner->shard, turn_ended);
        node->shards[i].server = shard;
    }
    return server;
}

static void request_list_free(struct list *requests) {
    LIST_FOREACH_SAFE(it, requests) {
        request_free(CONTAINER_OF(it, struct request, link));
    }
}

/* Clients whose connections went with the machine. */
static void client_list_free(struct list *clients) {
    LIST_FOREACH_SAFE(it, clients) {
        struct client *client = CONTAINER_OF(it, struct client, link);
        while (client->queue_head != NULL) {
            struct queued_frame *queued = client->queue_head;
            client->queue_head = queued->next;
            frame_unref(queued->frame);
            free(queued);
        }
        client_free(client);
    }
}

void server_free(struct server *server) {
    if (server == NULL) {
        return;
    }
    for (int i = 0; i < server->node->shard_count; i++) {
        struct server_shard *shard = server->node->shards[i].server;
        deferred_cancel(&shard->turn_end);
        client_list_free(&shard->clients);
        request_list_free(&shard->requests);
        request_list_free(&shard->cache);
        buffer_release(&shard->scratch);
        free(shard);
        server->node->shards[i].server = NULL;
    }
    server_limits_free(server->limits);
    free(server->listeners);
    free(server);
}

static struct listener_options listener_options(const struct server *server, int index) {
    const struct node *node = server->node;
    const struct config_listener *config = server->listeners[index].config;
    int64_t queued_max = config_int(node->config, CONFIG_QUEUED_MAX_REQUEST_BYTES);
    return (struct listener_options){
        .host = config->host,
        .port = config->port,
        .frame_max = (size_t)config_int(node->config, CONFIG_SOCKET_REQUEST_MAX_BYTES),
        .frame_memory_max = queued_max > 0 ? (size_t)queued_max : 0,
        .output_max = OUTPUT_MAX,
        .output_memory_max = OUTPUT_MEMORY_MAX,
        .exchanges_max = EXCHANGES_MAX,
        .idle_max_ms = config_int(node->config, CONFIG_CONNECTIONS_MAX_IDLE_MS),
        .send_buffer = (int)config_int(node->config, CONFIG_SOCKET_SEND_BUFFER_BYTES),
        .receive_buffer = (int)config_int(node->config, CONFIG_SOCKET_RECEIVE_BUFFER_BYTES),
        .limits = server_limits_shared(server->limits),
        .limits_index = index,
    };
}

void server_on_connection_closed(struct server *server,
                                 void (*fn)(void *ctx, uint64_t connection_id), void *ctx) {
    server->connection_closed = fn;
    server->connection_closed_ctx = ctx;
}

int server_open(struct server *server, enum api_scope scope, struct errmsg *errmsg) {
    server_limits_apply(server->limits);
    for (int i = 0; i < server->listener_count; i++) {
        struct server_listener *listener = &server->listeners[i];
        if (listener->scope != scope) {
            continue;
        }
        struct listener_options options = listener_options(server, i);
        int error = listener_open(server->node->machine, &options, &client_handler, listener,
                                  &listener->listener, errmsg);
        if (error != 0) {
            errmsg_prefix(errmsg, "listener %s://%s:%d", listener->config->name,
                          listener->config->host, listener->config->port);
            return error;
        }
        LOG_INFO(server->node->machine, "server", "listening", "listener=%s host=%s port=%d",
                 listener->config->name, listener->config->host, listener_port(listener->listener));
    }
    return 0;
}

static void listener_closed(void *ctx) {
    struct server *server = ctx;
    if (--server->closing == 0) {
        server->closed(server->closed_ctx);
    }
}

void server_close(struct server *server, void (*done)(void *ctx), void *ctx) {
    ASSERT(server->closing == 0);
    server->closed = done;
    server->closed_ctx = ctx;
    server->closing = 1; /* held until all were asked */
    for (int i = 0; i < server->listener_count; i++) {
        struct listener *listener = server->listeners[i].listener;
        if (listener != NULL) {
            server->listeners[i].listener = NULL;
            server->closing++;
            listener_close(listener, listener_closed, server);
        }
    }
    listener_closed(server);
}

int server_listener_port(const struct server *server, const char *name) {
    for (int i = 0; i < server->listener_count; i++) {
        const struct server_listener *listener = &server->listeners[i];
        if (listener->listener != NULL && strcmp(listener->config->name, name) == 0) {
            return listener_port(listener->listener);
        }
    }
    return -1;
}

void server_config_changed(struct server *server) {
    server_limits_apply(server->limits);
}

int server_shard_connections(const struct server_shard *shard, int listener) {
    const struct server *server = shard->owner->node->server;
    int count = 0;
    LIST_FOREACH(it, &shard->clients) {
        const struct client *client = CONTAINER_OF(it, struct client, link);
        count += client->conn != NULL && client->listener == &server->listeners[listener];
    }
    return count;
}
