/*
 * Dialling: resolve (on a worker, unless the host is numeric), connect to each address in turn, and
 * carry frames both ways. One timer bounds all of it until the connection stands.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "runtime/uv/net_internal.h"

struct dial {
    struct list link;
    struct work work;  /* the resolution */
    bool resolving;    /* the worker has it */
    struct conn *conn; /* NULL when it has closed */
    struct dialer_handler handler;
    void *ctx;
    char *host;
    int port;
    struct timer timer;
    struct addrinfo *addresses;  /* heap of the resolver's */
    const struct addrinfo *next; /* to be tried */
    int resolve_error;           /* of getaddrinfo */
    int connect_error;           /* of the address tried last */
};

static int lookup(struct dial *dial, int flags) {
    char service[16];
    snprintf(service, sizeof(service), "%d", dial->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    return getaddrinfo(dial->host, service, &hints, &dial->addresses);
}

/* Starts connecting to the next address; closes the connection when there is none left. */
static void connect_next(struct conn *conn) {
    struct dial *dial = conn->dial;
    while (dial->next != NULL) {
        const struct addrinfo *address = dial->next;
        dial->next = address->ai_next;
        int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            dial->connect_error = errno;
            continue;
        }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
        struct sockaddr_storage copy = {0};
        memcpy(&copy, address->ai_addr, address->ai_addrlen);
        address_format(&copy, conn->host);
        if (connect(fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS ||
            errno == EINTR) {
            conn->fd = fd;
            ASSERT(conn_poll_open(conn) == 0);
            conn_update_events(conn);
            return;
        }
        dial->connect_error = errno;
        close(fd);
    }
    conn_close_errno(conn, dial->connect_error, "connect");
}

/* The handle of a failed attempt is in the connection, so it has to be gone before the next. */
static void on_attempt_closed(uv_handle_t *handle) {
    struct conn *conn = handle->data;
    conn->poll_open = false;
    if (conn->state == CONN_CLOSED) {
        free(conn);
    } else if (conn->state == CONN_CONNECTING) {
        connect_next(conn);
    }
}

static void drop_socket(struct conn *conn) {
    uv_close((uv_handle_t *)&conn->poll, on_attempt_closed);
    close(conn->fd);
    conn->fd = -1;
}

void dial_progress(struct conn *conn) {
    struct dial *dial = conn->dial;
    int err = 0;
    socklen_t len = sizeof(err);
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0) {
        err = errno;
    }
    if (err != 0) {
        dial->connect_error = err;
        conn->events = 0;
        drop_socket(conn);
        return;
    }
    timer_stop(&dial->timer);
    conn->state = CONN_OPEN;
    dial->handler.on_connect(conn, dial->ctx);
    conn_mark_dirty(conn);
}

static void on_resolved(struct dial *dial) {
    struct conn *conn = dial->conn;
    if (dial->resolve_error != 0) {
        char reason[CLOSE_REASON_SIZE];
        snprintf(reason, sizeof(reason), "resolve %.60s: %s", dial->host,
                 gai_strerror(dial->resolve_error));
        conn_close(conn, reason);
        return;
    }
    dial->next = dial->addresses;
    connect_next(conn);
}

static void dial_free(struct dial *dial) {
    list_remove(&dial->link);
    if (dial->addresses != NULL) {
        freeaddrinfo(dial->addresses);
    }
    free(dial->host);
    free(dial);
}

static void resolve_run(struct work *work) {
    struct dial *dial = CONTAINER_OF(work, struct dial, work);
    dial->resolve_error = lookup(dial, 0);
}

static void resolve_done(struct work *work) {
    struct dial *dial = CONTAINER_OF(work, struct dial, work);
    dial->resolving = false;
    if (dial->conn == NULL) {
        dial_free(dial);
    } else if (dial->conn->state == CONN_CONNECTING) {
        on_resolved(dial);
    }
}

static void on_timeout(struct timer *timer) {
    struct dial *dial = CONTAINER_OF(timer, struct dial, timer);
    conn_close(dial->conn, "connect: timed out");
}

struct conn *conn_dial(struct shard *shard, const struct dialer_options *options,
                       const struct dialer_handler *handler, void *ctx) {
    shard_assert_current(shard);
    struct dial *dial = NEW(struct dial);
    dial->handler = *handler;
    dial->ctx = ctx;
    dial->host = xstrdup(options->host);
    dial->port = options->port;
    list_append(&shard->net->dials, &dial->link);
    timer_init(&dial->timer, shard, on_timeout);
    struct conn *conn = conn_new(shard->net, -1, CONN_CONNECTING, options->frame_max);
    conn->dial = dial;
    dial->conn = conn;
    snprintf(conn->host, sizeof(conn->host), "%.*s", (int)sizeof(conn->host) - 1, options->host);
    timer_start(&dial->timer, options->connect_timeout_ms);
    if (lookup(dial, AI_NUMERICHOST) == 0) {
        on_resolved(dial);
    } else {
        dial->resolving = true;
        work_submit(shard, &dial->work, resolve_run, resolve_done);
    }
    return conn;
}

void dial_frame(struct conn *conn, struct frame *frame) {
    conn->dial->handler.on_frame(conn, frame, conn->dial->ctx);
}

void dial_closed(struct conn *conn, bool callback) {
    struct dial *dial = conn->dial;
    timer_stop(&dial->timer);
    if (callback) {
        dial->handler.on_close(conn, conn->reason, dial->ctx);
    }
    conn->dial = NULL;
    dial->conn = NULL;
    if (!dial->resolving) {
        dial_free(dial);
    }
}

void dial_free_all(struct net_shard *net) {
    LIST_FOREACH_SAFE(it, &net->dials) {
        dial_free(CONTAINER_OF(it, struct dial, link));
    }
}

void conn_send(struct conn *conn, struct reply *frame) {
    ASSERT(conn->listener_shard == NULL);
    shard_assert_current(conn->net->shard);
    if (conn->state >= CONN_CLOSING) {
        reply_free(frame);
        return;
    }
    conn_output_append(conn, frame);
}
