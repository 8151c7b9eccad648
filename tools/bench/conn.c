#include "tools/bench/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

#define IN_CAP_FIRST ((size_t)4096)
#define IN_READ_MIN  ((size_t)2048)
#define IN_CAP_GROWN ((size_t)256 * 1024)
#define FRAME_MAX    ((size_t)1 << 30)

int64_t bench_now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void close_conn(struct bench_conn *conn, const char *reason) {
    if (!conn->closed) {
        conn->closed = true;
        epoll_ctl(conn->epoll, EPOLL_CTL_DEL, conn->fd, NULL);
        conn->handler->on_close(conn, reason);
    }
}

static void watch(struct bench_conn *conn, int operation) {
    struct epoll_event event = {.events = EPOLLIN | (conn->wants_write ? EPOLLOUT : 0),
                                .data.ptr = conn};
    if (epoll_ctl(conn->epoll, operation, conn->fd, &event) != 0) {
        close_conn(conn, strerror(errno));
    }
}

void bench_conn_init(struct bench_conn *conn, int fd, int epoll,
                     const struct bench_conn_handler *handler) {
    *conn = (struct bench_conn){.handler = handler, .fd = fd, .epoll = epoll};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    conn->in = xmalloc(IN_CAP_FIRST);
    conn->in_cap = IN_CAP_FIRST;
    watch(conn, EPOLL_CTL_ADD);
}

void bench_conn_release(struct bench_conn *conn) {
    if (conn->handler != NULL) {
        close(conn->fd);
    }
    free(conn->out);
    free(conn->in);
    *conn = (struct bench_conn){.fd = -1, .closed = true};
}

/* ---- Sending --------------------------------------------------------------------------------- */

uint8_t *bench_conn_put(struct bench_conn *conn, size_t len) {
    if (conn->out_pos == conn->out_len) {
        conn->out_pos = 0;
        conn->out_len = 0;
    }
    if (conn->out_cap - conn->out_len < len && conn->out_pos > 0) {
        memmove(conn->out, conn->out + conn->out_pos, conn->out_len - conn->out_pos);
        conn->out_len -= conn->out_pos;
        conn->out_pos = 0;
    }
    if (conn->out_cap - conn->out_len < len) {
        conn->out_cap =
            conn->out_len + len > 2 * conn->out_cap ? conn->out_len + len : 2 * conn->out_cap;
        conn->out = xrealloc(conn->out, conn->out_cap);
    }
    uint8_t *room = conn->out + conn->out_len;
    conn->out_len += len;
    return room;
}

void bench_conn_flush(struct bench_conn *conn) {
    while (!conn->closed && conn->out_pos < conn->out_len) {
        ssize_t sent =
            send(conn->fd, conn->out + conn->out_pos, conn->out_len - conn->out_pos, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && errno == EAGAIN) {
            break;
        }
        if (sent < 0) {
            close_conn(conn, strerror(errno));
            return;
        }
        conn->out_pos += (size_t)sent;
    }
    bool wants_write = conn->out_pos < conn->out_len;
    if (!conn->closed && wants_write != conn->wants_write) {
        conn->wants_write = wants_write;
        watch(conn, EPOLL_CTL_MOD);
    }
}

/* ---- Receiving ------------------------------------------------------------------------------- */

/* How many bytes the frame at in_pos has with its length; 0 when that is not known yet. */
static size_t frame_size(const struct bench_conn *conn) {
    return conn->in_len - conn->in_pos < 4 ? 0 : (size_t)load_be32(conn->in + conn->in_pos) + 4;
}

/* Makes room for the rest of the frame, or for some bytes. */
static bool make_room(struct bench_conn *conn) {
    size_t have = conn->in_len - conn->in_pos;
    size_t wanted = frame_size(conn);
    if (wanted > FRAME_MAX) {
        close_conn(conn, "a frame is absurdly large");
        return false;
    }
    if (wanted < have + IN_READ_MIN) {
        wanted = have + IN_READ_MIN;
    }
    if (conn->in_pos > 0 && conn->in_cap - conn->in_pos < wanted) {
        memmove(conn->in, conn->in + conn->in_pos, have);
        conn->in_pos = 0;
        conn->in_len = have;
    }
    if (conn->in_cap - conn->in_pos < wanted) {
        conn->in_cap = wanted > IN_CAP_GROWN ? wanted + IN_CAP_GROWN : 2 * wanted;
        conn->in = xrealloc(conn->in, conn->in_cap);
    }
    return true;
}

static void hand_on(struct bench_conn *conn, int64_t received_ns) {
    size_t size;
    while (!conn->closed && (size = frame_size(conn)) != 0 && conn->in_len - conn->in_pos >= size) {
        const uint8_t *frame = conn->in + conn->in_pos + 4;
        conn->in_pos += size;
        conn->handler->on_frame(conn, slice_make(frame, size - 4), received_ns);
    }
    if (conn->in_pos == conn->in_len) {
        conn->in_pos = 0;
        conn->in_len = 0;
    }
}

static void receive(struct bench_conn *conn) {
    while (!conn->closed && make_room(conn)) {
        size_t room = conn->in_cap - conn->in_len;
        ssize_t got = recv(conn->fd, conn->in + conn->in_len, room, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (got <= 0) {
            close_conn(conn, got == 0 ? "the broker closed the connection" : strerror(errno));
            return;
        }
        conn->in_len += (size_t)got;
        hand_on(conn, bench_now_ns());
        if ((size_t)got < room) {
            break;
        }
    }
    if (!conn->closed) {
        conn->handler->on_drained(conn);
    }
}

void bench_conn_ready(struct bench_conn *conn, uint32_t events) {
    if (!conn->closed && (events & EPOLLOUT) != 0) {
        bench_conn_flush(conn);
    }
    if (!conn->closed && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        receive(conn);
    }
}
