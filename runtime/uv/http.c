/*
 * The HTTP server, on libmicrohttpd without threads of its own: its epoll descriptor is polled by
 * shard 0's loop, and all its callbacks come from MHD_run() there. An exchange that is not answered
 * at once suspends its connection, which costs nothing until it is resumed.
 *
 * The library ends connections that are silent, but not those that trickle. So each connection has
 * a timer of ours, which runs to the end of what is being done: the next request, or taking the
 * answer. When it fires the socket is shut down, and the library finds it closed.
 */
#include "runtime/http.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/errmsg.h"
#include "base/memory.h"
#include "runtime/uv/net_internal.h"

#define BACKLOG 64

struct http_page {
    struct MHD_Response *response;
    int status;
    int refs;
};

/* A connection. */
struct http_peer {
    struct list link; /* http_server.peers */
    int fd;
    struct timer timer;
};

struct http_exchange {
    struct list link;                  /* http_server.exchanges */
    struct http_server *server;        /* NULL once it was closed */
    struct MHD_Connection *connection; /* NULL once it has gone */
    struct http_page *page;            /* the answer */
    bool asked;                        /* on_get was called */
    bool asking;                       /* ... and has not returned */
    bool answered;                     /* http_reply() was called */
    bool suspended;
};

struct http_server {
    struct machine *machine;
    struct http_options options;
    int port;
    struct MHD_Daemon *daemon;
    struct http_page *refused; /* what is neither GET nor HEAD, or has a body */
    struct list peers;
    struct list exchanges;
    uv_poll_t *poll; /* heap: it outlives the server by a turn */
    struct timer timer;
    struct deferred resumed; /* the library does not notice by itself */
    bool stopping;
};

/* ---- Pages ----------------------------------------------------------------------------------- */

struct http_page *http_page_new(int status, const char *content_type, const char *encoding,
                                void *data, size_t len) {
    struct http_page *page = NEW(struct http_page);
    page->status = status;
    page->refs = 1;
    page->response = MHD_create_response_from_buffer_with_free_callback(len, data, free);
    ASSERT(page->response != NULL);
    ASSERT(MHD_add_response_header(page->response, "Content-Type", content_type) == MHD_YES);
    if (encoding != NULL) {
        ASSERT(MHD_add_response_header(page->response, "Content-Encoding", encoding) == MHD_YES);
    }
    return page;
}

struct http_page *http_page_text(int status, const char *text) {
    size_t len = strlen(text);
    char *copy = xmalloc(len + 1);
    memcpy(copy, text, len + 1);
    return http_page_new(status, "text/plain; charset=utf-8", NULL, copy, len);
}

struct http_page *http_page_ref(struct http_page *page) {
    page->refs++;
    return page;
}

void http_page_unref(struct http_page *page) {
    if (page != NULL && --page->refs == 0) {
        MHD_destroy_response(page->response);
        free(page);
    }
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void peer_late(struct timer *timer) {
    struct http_peer *peer = CONTAINER_OF(timer, struct http_peer, timer);
    shutdown(peer->fd, SHUT_RDWR);
}

static struct http_peer *peer_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **data,
                          enum MHD_ConnectionNotificationCode what) {
    struct http_server *server = ctx;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        struct http_peer *peer = NEW(struct http_peer);
        peer->fd =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        timer_init(&peer->timer, server->machine->shards[0], peer_late);
        timer_start(&peer->timer, HTTP_REQUEST_MS);
        list_append(&server->peers, &peer->link);
        *data = peer;
    } else if (*data != NULL) {
        struct http_peer *peer = *data;
        timer_stop(&peer->timer);
        list_remove(&peer->link);
        free(peer);
        *data = NULL;
    }
}

/* ---- Exchanges ------------------------------------------------------------------------------- */

static void exchange_free(struct http_exchange *exchange) {
    list_remove(&exchange->link);
    http_page_unref(exchange->page);
    free(exchange);
}

/* Whether a list of codings, as Accept-Encoding has it, contains gzip, and not with q=0. */
static bool accepts_gzip(const char *list) {
    const char *found = list != NULL ? strcasestr(list, "gzip") : NULL;
    if (found == NULL) {
        return false;
    }
    const char *rest = found + strlen("gzip");
    rest += strspn(rest, " \t");
    if (*rest != ';') {
        return true;
    }
    rest += 1 + strspn(rest + 1, " \t");
    return strncmp(rest, "q=0", 3) != 0 || (rest[3] == '.' && strspn(rest + 4, "0") < 1);
}

static enum MHD_Result send_page(struct MHD_Connection *connection, const struct http_page *page) {
    struct http_peer *peer = peer_of(connection);
    if (peer != NULL) {
        timer_start(&peer->timer, HTTP_ANSWER_MS);
    }
    return MHD_queue_response(connection, (unsigned)page->status, page->response);
}

static bool has_body(struct MHD_Connection *connection) {
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *coding =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    return coding != NULL || (length != NULL && strcmp(length, "0") != 0);
}

static enum MHD_Result exchange_ask(struct http_exchange *exchange, const char *path) {
    struct MHD_Connection *connection = exchange->connection;
    struct http_server *server = exchange->server;
    struct http_peer *peer = peer_of(connection);
    if (peer != NULL) {
        timer_stop(&peer->timer);
    }
    bool gzip = accepts_gzip(
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT_ENCODING));
    exchange->asked = true;
    exchange->asking = true;
    server->options.on_get(exchange, path, gzip, server->options.ctx);
    exchange->asking = false;
    if (exchange->answered) {
        return send_page(connection, exchange->page);
    }
    exchange->suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

/* First for the head of a request, then for its end, and once more when it was resumed. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **data) {
    struct http_server *server = ctx;
    struct http_exchange *exchange = *data;
    if (exchange == NULL) {
        bool read =
            strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
        if (server->stopping) {
            return MHD_NO;
        }
        if (!read || has_body(connection)) {
            return send_page(connection, server->refused);
        }
        exchange = NEW(struct http_exchange);
        exchange->server = server;
        exchange->connection = connection;
        list_append(&server->exchanges, &exchange->link);
        *data = exchange;
        return MHD_YES;
    }
    if (!exchange->asked) {
        return server->stopping ? MHD_NO : exchange_ask(exchange, path);
    }
    return exchange->answered && !server->stopping ? send_page(connection, exchange->page) : MHD_NO;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **data,
                         enum MHD_RequestTerminationCode why) {
    struct http_exchange *exchange = *data;
    struct http_peer *peer = peer_of(connection);
    *data = NULL;
    if (peer != NULL) {
        timer_start(&peer->timer, HTTP_REQUEST_MS);
    }
    if (exchange == NULL) {
        return;
    }
    exchange->connection = NULL;
    exchange->suspended = false;
    if (!exchange->asked || exchange->answered) {
        exchange_free(exchange);
    }
}

void http_reply(struct http_exchange *exchange, struct http_page *page) {
    ASSERT(!exchange->answered);
    exchange->answered = true;
    exchange->page = page;
    if (exchange->asking) {
        return; /* exchange_ask() goes on */
    }
    if (exchange->connection == NULL) {
        exchange_free(exchange);
    } else {
        exchange->suspended = false;
        MHD_resume_connection(exchange->connection);
        deferred_schedule(&exchange->server->resumed);
    }
}

/* ---- The loop -------------------------------------------------------------------------------- */

static void run(struct http_server *server) {
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    (void)MHD_run(server->daemon);
    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES) {
        timer_start(&server->timer, timeout_ms > INT32_MAX ? INT32_MAX : (int64_t)timeout_ms);
    } else {
        timer_stop(&server->timer);
    }
}

static void on_timer(struct timer *timer) {
    run(CONTAINER_OF(timer, struct http_server, timer));
}

static void on_resumed(struct deferred *deferred) {
    run(CONTAINER_OF(deferred, struct http_server, resumed));
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    struct http_server *server = poll->data;
    run(server);
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static struct MHD_Daemon *start(struct http_server *server, int fd) {
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, server,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)server->options.connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)server->options.connections_per_address_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        HTTP_REQUEST_MAX, MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_END);
}

int http_open(struct machine *machine, const struct http_options *options, struct http_server **out,
              struct errmsg *errmsg) {
    struct shard *shard = machine->shards[0];
    int port = 0;
    int fd = listen_alone(options->host, options->port, &port, errmsg);
    if (fd < 0) {
        return fd;
    }
    struct http_server *server = NEW(struct http_server);
    server->machine = machine;
    server->options = *options;
    server->options.host = NULL; /* the caller's */
    server->port = port;
    list_init(&server->peers);
    list_init(&server->exchanges);
    timer_init(&server->timer, shard, on_timer);
    deferred_init(&server->resumed, shard, on_resumed);
    server->daemon = start(server, fd);
    if (server->daemon == NULL) {
        errmsg_set(errmsg, "cannot listen on port %d: out of resources", port);
        close(fd);
        free(server);
        return -ENOMEM;
    }
    server->refused = http_page_text(MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    int epoll_fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    server->poll = NEW(uv_poll_t);
    ASSERT(uv_poll_init(&shard->loop, server->poll, epoll_fd) == 0);
    server->poll->data = server;
    uv_poll_start(server->poll, UV_READABLE, on_readable);
    *out = server;
    return 0;
}

int http_port(const struct http_server *server) {
    return server->port;
}

static void on_poll_closed(uv_handle_t *handle) {
    free(handle);
}

void http_close(struct http_server *server) {
    if (server == NULL) {
        return;
    }
    server->stopping = true;
    timer_stop(&server->timer);
    deferred_cancel(&server->resumed);
    uv_close((uv_handle_t *)server->poll, on_poll_closed);
    LIST_FOREACH(it, &server->exchanges) {
        struct http_exchange *exchange = CONTAINER_OF(it, struct http_exchange, link);
        if (exchange->suspended) {
            exchange->suspended = false;
            MHD_resume_connection(exchange->connection);
        }
    }
    MHD_stop_daemon(server->daemon); /* tells of every exchange and connection that it is over */
    LIST_FOREACH_SAFE(it, &server->exchanges) {
        struct http_exchange *exchange = CONTAINER_OF(it, struct http_exchange, link);
        exchange->connection = NULL;
        exchange->server = NULL;
        list_remove(&exchange->link); /* http_reply() frees it */
        list_init(&exchange->link);
    }
    ASSERT(list_empty(&server->peers));
    http_page_unref(server->refused);
    free(server);
}
