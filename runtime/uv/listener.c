/*
 * Listeners: one listening socket a shard on the same port (SO_REUSEPORT), so that the kernel
 * spreads connections and no shard hands them to another.
 *
 * SO_REUSEPORT would let two brokers share a port in silence. The first socket is therefore bound
 * without it, which fails while anybody listens there, and gets the option afterwards, which admits
 * the sockets of the other shards.
 *
 * A listener is freed when its shards have let go of it and no post about it is on its way (refs).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/errmsg.h"
#include "base/memory.h"
#include "runtime/uv/net_internal.h"

#define BACKLOG                4096
#define ACCEPT_ROUND_MAX       4 /* in one go, and then others ... */
#define ACCEPT_REST_MS         1 /* ... for so long: a storm may not have the CPU */
#define ACCEPT_PAUSE_MS        100
#define ACCEPT_LOG_INTERVAL_MS 10000
#define RESERVED_FOR_FILES     1024

/* ---- The end of a listener ------------------------------------------------------------------- */

static void listener_destroy(struct listener *listener) {
    list_remove(&listener->link);
    free(listener);
}

static void on_listener_closed(struct post *post) {
    struct listener *listener = CONTAINER_OF(post, struct listener, closed_post);
    void (*closed)(void *ctx) = listener->closed;
    void *ctx = listener->closed_ctx;
    listener_destroy(listener);
    if (closed != NULL) {
        closed(ctx);
    }
}

static void listener_unref(struct listener *listener) {
    if (atomic_fetch_sub(&listener->refs, 1) == 1) {
        shard_post(listener->machine->shards[0], &listener->closed_post, on_listener_closed);
    }
}

/* ---- Idle connections ------------------------------------------------------------------------ */

void listener_conn_active(struct conn *conn) {
    struct listener_shard *on = conn->listener_shard;
    conn->active_ms = shard_now_ms(on->net->shard);
    list_remove(&conn->idle_link);
    list_append(&on->idle_order, &conn->idle_link);
}

/* The timer runs to the deadline of the connection that was silent longest when it was started;
 * activity only reorders the list. */
static void on_idle_timer(struct timer *timer) {
    struct listener_shard *on = CONTAINER_OF(timer, struct listener_shard, idle_timer);
    int64_t idle_max_ms = on->listener->options.idle_max_ms;
    int64_t now_ms = shard_now_ms(on->net->shard);
    while (!list_empty(&on->idle_order)) {
        struct conn *conn = LIST_FIRST(&on->idle_order, struct conn, idle_link);
        if (conn->active_ms + idle_max_ms > now_ms) {
            timer_start(timer, conn->active_ms + idle_max_ms - now_ms);
            return;
        }
        if (conn->exchange_count > 0 && list_empty(&conn->output)) {
            listener_conn_active(conn); /* it waits for us */
            continue;
        }
        list_remove(&conn->idle_link);
        conn_close(conn, "idle for too long");
    }
}

static void start_idle_timer(struct listener_shard *on) {
    if (on->listener->options.idle_max_ms >= 0 && !timer_running(&on->idle_timer)) {
        timer_start(&on->idle_timer, on->listener->options.idle_max_ms);
    }
}

/* ---- Accepting ------------------------------------------------------------------------------- */

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void accept_resume(struct listener_shard *on) {
    if (!on->closing && on->poll_open && !timer_running(&on->accept_timer)) {
        uv_poll_start(&on->poll, UV_READABLE, on_acceptable);
    }
}

/* Out of descriptors or memory: the socket stays readable, so it is not polled for a moment. */
static void accept_pause(struct listener_shard *on, int err) {
    uv_poll_stop(&on->poll);
    timer_start(&on->accept_timer, ACCEPT_PAUSE_MS);
    int64_t now_ms = shard_now_ms(on->net->shard);
    if (on->accept_logged_ms == 0 || now_ms - on->accept_logged_ms >= ACCEPT_LOG_INTERVAL_MS) {
        on->accept_logged_ms = now_ms;
        LOG_WARN(on->listener->machine, "net", "connections cannot be accepted",
                 "port=%d error=\"%s\"", on->listener->port, strerror(err));
    }
}

static void leave(struct listener_shard *on, bool evicted) {
    struct conn_limits *limits = on->listener->options.limits;
    if (limits != NULL) {
        conn_limits_leave(limits, &on->member, evicted);
    }
}

/* Not each one: who is refused may come again at once. */
static void log_refused(struct listener_shard *on, const char *host) {
    int64_t now_ms = shard_now_ms(on->net->shard);
    on->refused_count++;
    if (on->refused_logged_ms == 0 || now_ms - on->refused_logged_ms >= ACCEPT_LOG_INTERVAL_MS) {
        LOG_WARN(on->listener->machine, "net", "connections refused",
                 "reason=\"too many from one address\" port=%d count=%d last_peer=%s",
                 on->listener->port, on->refused_count, host);
        on->refused_logged_ms = now_ms;
        on->refused_count = 0;
    }
}

static void accept_conn(struct listener_shard *on, int fd, const struct sockaddr_storage *address) {
    struct listener *listener = on->listener;
    struct conn_limits *limits = listener->options.limits;
    char host[INET6_ADDRSTRLEN];
    address_format(address, host);
    if (limits != NULL && !conn_limits_enter_address(limits, host)) {
        log_refused(on, host);
        close(fd);
        leave(on, false);
        return;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    struct conn *conn = conn_new(on->net, fd, CONN_OPEN, listener->options.frame_max);
    memcpy(conn->host, host, sizeof(host));
    conn->listener_shard = on;
    on->conn_count++;
    ASSERT(conn_poll_open(conn) == 0);
    listener_conn_active(conn);
    start_idle_timer(on);
    listener->handler.on_open(conn, listener->ctx);
    conn_update_events(conn);
}

/* Connections come too fast: this one is let in, and the next one looked at, in wait_ms. */
static void hold(struct listener_shard *on, int fd, const struct sockaddr_storage *address,
                 int64_t wait_ms) {
    on->held_fd = fd;
    on->held_address = *address;
    uv_poll_stop(&on->poll);
    timer_start(&on->accept_timer, wait_ms);
}

static void on_accept_timer(struct timer *timer) {
    struct listener_shard *on = CONTAINER_OF(timer, struct listener_shard, accept_timer);
    int fd = on->held_fd;
    on->held_fd = -1;
    if (fd >= 0) {
        accept_conn(on, fd, &on->held_address);
    }
    accept_resume(on);
}

/* Takes a place for a connection; when there is none, accepting stops until the limits tell. */
static bool enter(struct listener_shard *on) {
    struct conn_limits *limits = on->listener->options.limits;
    if (limits == NULL || conn_limits_enter(limits, &on->member)) {
        return true;
    }
    uv_poll_stop(&on->poll);
    return false;
}

/* How long a new connection has to wait because they come too fast. */
static int64_t throttle_ms(struct listener_shard *on) {
    struct conn_limits *limits = on->listener->options.limits;
    return limits == NULL
               ? 0
               : conn_limits_throttle_ms(limits, &on->member, shard_now_ms(on->net->shard));
}

/*
 * Whether a new connection's descriptor is one of the last, which are kept for files: the flood of
 * connections that uses up a process's descriptors must not be what fails a log. New descriptors
 * are the lowest free ones, so a high number says that all below it are taken.
 */
static bool descriptors_scarce(int fd) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return false;
    }
    rlim_t quarter = limit.rlim_cur / 4;
    rlim_t reserve = quarter < RESERVED_FOR_FILES ? quarter : RESERVED_FOR_FILES;
    return (rlim_t)fd >= limit.rlim_cur - reserve;
}

static bool accept_once(struct listener_shard *on) {
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    if (!enter(on)) {
        return false;
    }
    int fd = accept4(on->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int err = fd < 0 ? errno : 0;
    if (fd >= 0 && descriptors_scarce(fd)) {
        close(fd);
        err = EMFILE;
    } else if (fd >= 0) {
        int64_t wait_ms = throttle_ms(on);
        if (wait_ms > 0) {
            hold(on, fd, &address, wait_ms);
            return false;
        }
        accept_conn(on, fd, &address);
        return true;
    }
    leave(on, false);
    switch (err) {
    case EAGAIN:
        return false;
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
        return true;
    default:
        accept_pause(on, err);
        return false;
    }
}

static void on_acceptable(uv_poll_t *poll, int status, int events) {
    struct listener_shard *on = poll->data;
    for (int round = 0; round < ACCEPT_ROUND_MAX && !on->closing; round++) {
        if (!accept_once(on)) {
            return;
        }
    }
    if (!on->closing) {
        uv_poll_stop(&on->poll);
        timer_start(&on->accept_timer, ACCEPT_REST_MS);
    }
}

/* Closes what the limits ask for, the longest silent connections first. */
static void evict(struct listener_shard *on) {
    struct list *order = &on->idle_order;
    while (!list_empty(order) && conn_limits_evict(on->listener->options.limits, &on->member)) {
        struct conn *conn = LIST_FIRST(order, struct conn, idle_link);
        list_remove(&conn->idle_link);
        conn->evicted = true;
        conn_close(conn, "there are too many connections");
    }
}

static void on_limits_changed(struct post *post) {
    struct listener_shard *on = CONTAINER_OF(post, struct listener_shard, limits_post);
    atomic_store(&on->limits_posted, false);
    if (!on->closing) {
        evict(on);
        accept_resume(on);
    }
    listener_unref(on->listener);
}

/* Any thread, under the lock of the limits. */
static void limits_changed(struct conn_limit_member *member) {
    struct listener_shard *on = CONTAINER_OF(member, struct listener_shard, member);
    if (!atomic_exchange(&on->limits_posted, true)) {
        atomic_fetch_add(&on->listener->refs, 1);
        shard_post(on->net->shard, &on->limits_post, on_limits_changed);
    }
}

static void finish_shard(struct listener_shard *on) {
    if (on->closing && on->conn_count == 0 && !on->poll_open) {
        listener_unref(on->listener);
    }
}

void listener_conn_closed(struct listener_shard *on, const char *host, bool evicted) {
    if (on->listener->options.limits != NULL) {
        conn_limits_leave_address(on->listener->options.limits, host);
    }
    leave(on, evicted);
    on->conn_count--;
    finish_shard(on);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static int fail(struct errmsg *errmsg, const char *where, int err, const char *doing) {
    errmsg_set(errmsg, "cannot listen on %s: %s: %s", where, doing, strerror(err));
    return -err;
}

/* A name may stand for several addresses; as Java does, IPv4 is taken where there is any. */
static int resolve(const char *host, int port, int flags, struct sockaddr_storage *out,
                   socklen_t *out_len, struct errmsg *errmsg) {
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host, service, &hints, &found);
    if (rc != 0) {
        errmsg_set(errmsg, "cannot listen on %s:%d: the address cannot be resolved: %s", host, port,
                   gai_strerror(rc));
        return -EADDRNOTAVAIL;
    }
    const struct addrinfo *chosen = found;
    for (const struct addrinfo *it = found; it != NULL; it = it->ai_next) {
        if (it->ai_family == AF_INET) {
            chosen = it;
            break;
        }
    }
    memcpy(out, chosen->ai_addr, chosen->ai_addrlen);
    *out_len = chosen->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int host_resolve(const char *host, bool numeric_only, char out[HOST_ADDRESS_SIZE]) {
    struct sockaddr_storage address = {0};
    socklen_t len;
    struct errmsg unused = {{0}};
    if (host[0] == '\0' ||
        resolve(host, 0, numeric_only ? AI_NUMERICHOST : 0, &address, &len, &unused) != 0) {
        return -EADDRNOTAVAIL;
    }
    address_format(&address, out);
    return 0;
}

static socklen_t any_address(int family, int port, struct sockaddr_storage *out) {
    *out = (struct sockaddr_storage){0};
    if (family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        v6->sin6_addr = in6addr_any;
        return sizeof(*v6);
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    v4->sin_addr.s_addr = htonl(INADDR_ANY);
    return sizeof(*v4);
}

enum bind_mode { BIND_ALONE, BIND_FIRST, BIND_NEXT };

/* Socket, bind and listen; a descriptor or a negative errno with *doing saying what failed. */
static int listen_socket(const struct sockaddr_storage *address, socklen_t len, enum bind_mode mode,
                         const char **doing) {
    *doing = "socket";
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int one = 1;
    int zero = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (address->ss_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    }
    int rc = 0;
    if (mode == BIND_NEXT) {
        *doing = "sharing the port among shards";
        rc = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    }
    if (rc == 0) {
        *doing = "bind";
        rc = bind(fd, (const struct sockaddr *)address, len);
    }
    if (rc == 0 && mode == BIND_FIRST) {
        *doing = "sharing the port among shards";
        rc = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    }
    if (rc == 0) {
        *doing = "listen";
        rc = listen(fd, BACKLOG);
    }
    if (rc != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

/* A listening socket at a host, any address where that is NULL or empty: where it is bound is told,
 * and its port. A descriptor, or a negative errno with one line in errmsg. */
static int listen_at(const char *host, int port, enum bind_mode mode,
                     struct sockaddr_storage *address, socklen_t *len, int *bound_port,
                     struct errmsg *errmsg) {
    bool any = host == NULL || host[0] == '\0';
    if (any) {
        *len = any_address(AF_INET6, port, address);
    } else {
        int err = resolve(host, port, 0, address, len, errmsg);
        if (err != 0) {
            return err;
        }
    }
    const char *doing = NULL;
    int fd = listen_socket(address, *len, mode, &doing);
    if (any && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)) {
        *len = any_address(AF_INET, port, address);
        fd = listen_socket(address, *len, mode, &doing);
    }
    if (fd < 0) {
        char where[300];
        snprintf(where, sizeof(where), "%s:%d", any ? "*" : host, port);
        return fail(errmsg, where, -fd, doing);
    }
    if (getsockname(fd, (struct sockaddr *)address, len) != 0) {
        int err = errno;
        close(fd);
        return fail(errmsg, "the new socket", err, "getsockname");
    }
    *bound_port = ntohs(address->ss_family == AF_INET6 ? ((struct sockaddr_in6 *)address)->sin6_port
                                                       : ((struct sockaddr_in *)address)->sin_port);
    return fd;
}

int listen_alone(const char *host, int port, int *bound_port, struct errmsg *errmsg) {
    struct sockaddr_storage address = {0};
    socklen_t len = 0;
    return listen_at(host, port, BIND_ALONE, &address, &len, bound_port, errmsg);
}

static int open_first(struct listener *listener, struct sockaddr_storage *address, socklen_t *len,
                      struct errmsg *errmsg) {
    enum bind_mode mode = listener->machine->shard_count > 1 ? BIND_FIRST : BIND_ALONE;
    int fd = listen_at(listener->options.host, listener->options.port, mode, address, len,
                       &listener->port, errmsg);
    if (fd < 0) {
        return fd;
    }
    listener->shards[0].fd = fd;
    return 0;
}

/* Accepted sockets have what the listening one has. */
static void set_buffer(int fd, int option, int size) {
    if (size > 0) {
        setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size));
    }
}

static int open_sockets(struct listener *listener, struct errmsg *errmsg) {
    struct sockaddr_storage address = {0};
    socklen_t len = 0;
    int err = open_first(listener, &address, &len, errmsg);
    for (int i = 1; err == 0 && i < listener->machine->shard_count; i++) {
        const char *doing = NULL;
        int fd = listen_socket(&address, len, BIND_NEXT, &doing);
        if (fd < 0) {
            char where[32];
            snprintf(where, sizeof(where), "port %d", listener->port);
            err = fail(errmsg, where, -fd, doing);
        } else {
            listener->shards[i].fd = fd;
        }
    }
    for (int i = 0; err == 0 && i < listener->machine->shard_count; i++) {
        set_buffer(listener->shards[i].fd, SO_SNDBUF, listener->options.send_buffer);
        set_buffer(listener->shards[i].fd, SO_RCVBUF, listener->options.receive_buffer);
    }
    return err;
}

static void close_sockets(struct listener *listener) {
    for (int i = 0; i < listener->machine->shard_count; i++) {
        struct listener_shard *on = &listener->shards[i];
        if (on->fd >= 0) {
            close(on->fd);
            on->fd = -1;
        }
        if (on->held_fd >= 0) {
            close(on->held_fd);
            on->held_fd = -1;
        }
    }
}

static void on_open(struct post *post) {
    struct listener_shard *on = CONTAINER_OF(post, struct listener_shard, open_post);
    ASSERT(uv_poll_init(&on->net->shard->loop, &on->poll, on->fd) == 0);
    on->poll.data = on;
    on->poll_open = true;
    if (on->listener->options.limits != NULL) {
        conn_limits_join(on->listener->options.limits, &on->member,
                         on->listener->options.limits_index, limits_changed);
    }
    accept_resume(on);
}

static void listener_shard_init(struct listener *listener, int index) {
    struct listener_shard *on = &listener->shards[index];
    struct shard *shard = listener->machine->shards[index];
    on->listener = listener;
    on->net = shard->net;
    on->fd = -1;
    on->held_fd = -1;
    list_init(&on->member.link);
    list_init(&on->idle_order);
    timer_init(&on->idle_timer, shard, on_idle_timer);
    timer_init(&on->accept_timer, shard, on_accept_timer);
}

int listener_open(struct machine *machine, const struct listener_options *options,
                  const struct listener_handler *handler, void *ctx, struct listener **out,
                  struct errmsg *errmsg) {
    shard_assert_current(machine->shards[0]);
    ASSERT(options->frame_max > 0 && options->frame_max <= INT32_MAX);
    ASSERT(options->exchanges_max > 0 && options->output_max > 0);
    size_t shards_size = (size_t)machine->shard_count * sizeof(struct listener_shard);
    struct listener *listener = xcalloc(1, sizeof(*listener) + shards_size);
    listener->machine = machine;
    listener->options = *options;
    if (listener->options.idle_max_ms == 0) {
        listener->options.idle_max_ms = 1;
    }
    listener->handler = *handler;
    listener->ctx = ctx;
    atomic_init(&listener->refs, machine->shard_count);
    list_append(&machine->listeners, &listener->link);
    for (int i = 0; i < machine->shard_count; i++) {
        listener_shard_init(listener, i);
    }
    int err = open_sockets(listener, errmsg);
    listener->options.host = NULL;
    if (err != 0) {
        close_sockets(listener);
        listener_destroy(listener);
        return err;
    }
    for (int i = 0; i < machine->shard_count; i++) {
        shard_post(machine->shards[i], &listener->shards[i].open_post, on_open);
    }
    *out = listener;
    return 0;
}

int listener_port(const struct listener *listener) {
    return listener->port;
}

/* ---- Closing --------------------------------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *handle) {
    struct listener_shard *on = handle->data;
    on->poll_open = false;
    finish_shard(on);
}

static void on_close(struct post *post) {
    struct listener_shard *on = CONTAINER_OF(post, struct listener_shard, close_post);
    on->closing = true;
    if (on->listener->options.limits != NULL) {
        conn_limits_part(on->listener->options.limits, &on->member);
    }
    if (on->held_fd >= 0) {
        close(on->held_fd);
        on->held_fd = -1;
        leave(on, false);
    }
    timer_stop(&on->idle_timer);
    timer_stop(&on->accept_timer);
    uv_close((uv_handle_t *)&on->poll, on_poll_closed);
    close(on->fd);
    on->fd = -1;
    LIST_FOREACH(it, &on->net->conns) {
        struct conn *conn = CONTAINER_OF(it, struct conn, link);
        if (conn->listener_shard == on) {
            conn_close(conn, "the listener closes");
        }
    }
}

void listener_close(struct listener *listener, void (*closed)(void *ctx), void *ctx) {
    struct machine *machine = listener->machine;
    shard_assert_current(machine->shards[0]);
    ASSERT(!atomic_load(&listener->closing));
    atomic_store(&listener->closing, true);
    listener->closed = closed;
    listener->closed_ctx = ctx;
    for (int i = 0; i < machine->shard_count; i++) {
        shard_post(machine->shards[i], &listener->shards[i].close_post, on_close);
    }
}

void listeners_abandon(struct machine *machine) {
    LIST_FOREACH(it, &machine->listeners) {
        struct listener *listener = CONTAINER_OF(it, struct listener, link);
        for (int i = 0; i < machine->shard_count; i++) {
            struct listener_shard *on = &listener->shards[i];
            /* The count stays up, so that nothing is finished by what the loops still call. */
            on->conn_count++;
            if (on->poll_open && !uv_is_closing((uv_handle_t *)&on->poll)) {
                uv_close((uv_handle_t *)&on->poll, NULL);
            }
        }
        close_sockets(listener);
    }
}

void listeners_free(struct machine *machine) {
    while (!list_empty(&machine->listeners)) {
        listener_destroy(LIST_FIRST(&machine->listeners, struct listener, link));
    }
}
