/*
 * Connections: their life, and receiving.
 *
 * Bytes are received into a scratch buffer of the shard, so that many small frames cost one system
 * call, and straight into a frame's buffer once its length is known. After a large frame only a
 * little is taken into the scratch buffer, so that the next one is not copied either.
 *
 * What large frames may take of a turn is limited. Connections that come with them after that wait
 * in a line, first come first served, and are still polled: so the loop does not sleep, and those
 * with small frames wait for one turn's share of the large ones and not for all of them.
 *
 * When back-pressure sets in between two frames, what was received already waits in the
 * connection's stash and the socket is not read until the stash is empty.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "runtime/uv/net_internal.h"

void address_format(const struct sockaddr_storage *address, char out[INET6_ADDRSTRLEN]) {
    out[0] = '\0';
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &v4->sin_addr, out, INET6_ADDRSTRLEN);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], out, INET6_ADDRSTRLEN);
        } else {
            inet_ntop(AF_INET6, &v6->sin6_addr, out, INET6_ADDRSTRLEN);
        }
    }
}

/* ---- What is waited for ---------------------------------------------------------------------- */

/* Whether back-pressure forbids the next frame. */
static bool input_blocked(const struct conn *conn) {
    if (conn->pause_count > 0 || list_linked(&conn->memory_link)) {
        return true;
    }
    if (conn->listener_shard == NULL) {
        return false;
    }
    const struct listener_options *options = &conn->listener_shard->listener->options;
    return conn->exchange_count >= options->exchanges_max ||
           conn->output_len >= options->output_max;
}

static void on_poll(uv_poll_t *poll, int status, int events);

void conn_update_events(struct conn *conn) {
    int events = 0;
    if (conn->state == CONN_CONNECTING && conn->poll_open) {
        events = UV_WRITABLE;
    } else if (conn->state == CONN_OPEN) {
        events |= conn->stash == NULL && !input_blocked(conn) ? UV_READABLE : 0;
        events |= conn->send_blocked ? UV_WRITABLE : 0;
    }
    if (events == conn->events) {
        return;
    }
    conn->events = events;
    if (events == 0) {
        uv_poll_stop(&conn->poll);
    } else {
        uv_poll_start(&conn->poll, events, on_poll);
    }
}

void conn_mark_dirty(struct conn *conn) {
    if (conn->state <= CONN_OPEN && !list_linked(&conn->dirty_link)) {
        list_append(&conn->net->dirty, &conn->dirty_link);
    }
}

void conn_pause(struct conn *conn) {
    conn->pause_count++;
    conn_mark_dirty(conn);
}

void conn_resume(struct conn *conn) {
    ASSERT(conn->pause_count > 0);
    conn->pause_count--;
    conn_mark_dirty(conn);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static void deliver(struct conn *conn) {
    struct frame *frame = conn->frame;
    conn->frame = NULL;
    conn->frame_got = 0;
    conn->header_len = 0;
    if (conn->listener_shard == NULL) {
        dial_frame(conn, frame);
        return;
    }
    const struct listener *listener = conn->listener_shard->listener;
    struct exchange *exchange = exchange_new(conn, frame->len);
    listener->handler.on_frame(conn, exchange, frame, listener->ctx);
}

/* The header is complete: makes the frame. False when it has to wait, or the connection closes. */
static bool start_frame(struct conn *conn) {
    uint32_t len = load_be32(conn->header);
    if (len == 0 || len > conn->frame_max) {
        char reason[CLOSE_REASON_SIZE];
        snprintf(reason, sizeof(reason), "frame length %d is outside 1..%zu", (int32_t)len,
                 conn->frame_max);
        conn_close(conn, reason);
        return false;
    }
    if (conn->listener_shard != NULL &&
        !frame_memory_take(conn, len, conn->listener_shard->listener->options.frame_memory_max)) {
        return false;
    }
    conn->frame = frame_new(len);
    if (conn->frame == NULL) {
        if (conn->listener_shard != NULL) {
            frame_memory_give(conn->net, len);
        }
        conn_close(conn, "no memory for a frame");
        return false;
    }
    conn->frame_got = 0;
    conn->large_frames = len >= LARGE_FRAME;
    return true;
}

/* Takes what it may of the received bytes and returns how many that were. */
static size_t consume(struct conn *conn, const uint8_t *data, size_t len) {
    size_t pos = 0;
    while (conn->state == CONN_OPEN) {
        if (conn->frame == NULL) {
            if (conn->header_len == 0 && (pos == len || input_blocked(conn))) {
                break;
            }
            while (conn->header_len < 4 && pos < len) {
                conn->header[conn->header_len++] = data[pos++];
            }
            if (conn->header_len < 4 || list_linked(&conn->memory_link) || !start_frame(conn)) {
                break;
            }
        }
        size_t want = conn->frame->len - conn->frame_got;
        size_t step = want < len - pos ? want : len - pos;
        memcpy(conn->frame->data + conn->frame_got, data + pos, step);
        conn->frame_got += step;
        pos += step;
        if (step < want) {
            break;
        }
        deliver(conn);
    }
    return pos;
}

static void consume_received(struct conn *conn, const uint8_t *data, size_t len) {
    size_t used = consume(conn, data, len);
    if (used < len && conn->state == CONN_OPEN) {
        ASSERT(conn->stash == NULL);
        conn->stash_len = len - used;
        conn->stash_pos = 0;
        conn->stash = xmalloc(conn->stash_len);
        memcpy(conn->stash, data + used, conn->stash_len);
    }
}

static void consume_stash(struct conn *conn) {
    conn->stash_pos +=
        consume(conn, conn->stash + conn->stash_pos, conn->stash_len - conn->stash_pos);
    if (conn->stash_pos == conn->stash_len) {
        free(conn->stash);
        conn->stash = NULL;
    }
}

/* One receive; false when there is nothing more for now. */
static bool receive_once(struct conn *conn) {
    struct net_shard *net = conn->net;
    if (net->scratch == NULL) {
        net->scratch = xmalloc(SCRATCH_SIZE);
    }
    struct iovec iov[2];
    int iov_count = 0;
    size_t direct = 0;
    size_t spare = conn->large_frames ? SCRATCH_PEEK : SCRATCH_SIZE;
    if (conn->frame != NULL) {
        size_t room = net->receive_left > RECEIVE_BYTES_MIN ? net->receive_left : RECEIVE_BYTES_MIN;
        direct = conn->frame->len - conn->frame_got;
        if (direct > room) {
            direct = room;
            spare = 0; /* belongs behind the frame */
        }
        iov[iov_count++] =
            (struct iovec){.iov_base = conn->frame->data + conn->frame_got, .iov_len = direct};
    }
    if (spare > 0) {
        iov[iov_count++] = (struct iovec){.iov_base = net->scratch, .iov_len = spare};
    }
    ssize_t got = readv(conn->fd, iov, iov_count);
    if (got < 0) {
        if (errno == EINTR) {
            return true;
        }
        if (errno != EAGAIN) {
            conn_close_errno(conn, errno, "receive");
        }
        return false;
    }
    if (got == 0) {
        conn_close(conn, "closed by the peer");
        return false;
    }
    if (conn->listener_shard != NULL) {
        listener_conn_active(conn);
    }
    size_t len = (size_t)got;
    net->receive_left -= len < net->receive_left ? len : net->receive_left;
    size_t into_frame = len < direct ? len : direct;
    if (into_frame > 0) {
        conn->frame_got += into_frame;
        if (conn->frame_got == conn->frame->len) {
            deliver(conn);
        }
    }
    if (len > into_frame && conn->state == CONN_OPEN) {
        consume_received(conn, net->scratch, len - into_frame);
    }
    return len == direct + spare && net->receive_left > 0;
}

static void receive(struct conn *conn) {
    for (int round = 0; round < RECEIVE_ROUND_MAX; round++) {
        if (!receive_once(conn) || conn->state != CONN_OPEN || conn->stash != NULL ||
            input_blocked(conn)) {
            break;
        }
    }
}

/* False: it may receive now. Otherwise it stands in the line, for a later turn. */
static bool line_up(struct conn *conn) {
    struct net_shard *net = conn->net;
    if (list_linked(&conn->receive_link)) {
        return true;
    }
    if (!conn->large_frames || (net->receive_left > 0 && list_empty(&net->receive_line))) {
        return false;
    }
    list_append(&net->receive_line, &conn->receive_link);
    return true;
}

void conn_receive_in_line(struct conn *conn) {
    /* Back-pressure may have come while it waited. */
    if (conn->state == CONN_OPEN && conn->stash == NULL && !input_blocked(conn)) {
        receive(conn);
        conn_mark_dirty(conn);
    }
}

static int socket_error(int fd) {
    int err = 0;
    socklen_t len = sizeof(err);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0) {
        return errno;
    }
    return err;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct conn *conn = poll->data;
    if (status < 0) {
        conn->events = 0; /* libuv has stopped the handle */
    }
    if (conn->state == CONN_CONNECTING) {
        dial_progress(conn);
        return;
    }
    if (status < 0) {
        int err = socket_error(conn->fd);
        conn_close_errno(conn, err != 0 ? err : -status, "poll");
        return;
    }
    if ((events & UV_WRITABLE) != 0) {
        conn->send_blocked = false;
        conn_mark_dirty(conn);
    }
    if ((events & UV_READABLE) != 0 && conn->state == CONN_OPEN && !line_up(conn)) {
        receive(conn);
        conn_update_events(conn);
    }
}

static void tell_drained(struct conn *conn) {
    const struct listener *listener = conn->listener_shard->listener;
    if (conn->output_len < listener->options.output_max) {
        conn->output_full = false;
        if (listener->handler.on_drained != NULL) {
            listener->handler.on_drained(conn, listener->ctx);
        }
    }
}

void conn_service(struct conn *conn) {
    if (conn->state != CONN_OPEN) {
        return;
    }
    conn_flush(conn);
    if (conn->state == CONN_OPEN && conn->output_full) {
        tell_drained(conn);
    }
    if (conn->state == CONN_OPEN && !list_linked(&conn->memory_link)) {
        if (conn->stash != NULL) {
            consume_stash(conn);
        } else if (conn->header_len == 4 && conn->frame == NULL) {
            consume(conn, conn->header, 0); /* its frame only waited for memory */
        }
    }
    if (conn->state == CONN_OPEN) {
        conn_update_events(conn);
    }
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct conn *conn_new(struct net_shard *net, int fd, enum conn_state state, size_t frame_max) {
    struct conn *conn = NEW(struct conn);
    conn->net = net;
    conn->fd = fd;
    conn->state = state;
    conn->frame_max = frame_max;
    conn->chunk_max = FILE_CHUNK_SIZE;
    list_init(&conn->idle_link);
    list_init(&conn->dirty_link);
    list_init(&conn->closing_link);
    list_init(&conn->memory_link);
    list_init(&conn->receive_link);
    list_init(&conn->exchanges);
    list_init(&conn->output);
    list_append(&net->conns, &conn->link);
    return conn;
}

int conn_poll_open(struct conn *conn) {
    int err = uv_poll_init(&conn->net->shard->loop, &conn->poll, conn->fd);
    if (err != 0) {
        return err;
    }
    conn->poll.data = conn;
    conn->poll_open = true;
    conn->events = 0;
    return 0;
}

void conn_close(struct conn *conn, const char *reason) {
    shard_assert_current(conn->net->shard);
    if (conn->state >= CONN_CLOSING) {
        return;
    }
    conn->state = CONN_CLOSING;
    snprintf(conn->reason, sizeof(conn->reason), "%s", reason);
    if (conn->poll_open && conn->events != 0) {
        uv_poll_stop(&conn->poll);
        conn->events = 0;
    }
    list_append(&conn->net->closing, &conn->closing_link);
}

void conn_close_errno(struct conn *conn, int err, const char *doing) {
    char reason[CLOSE_REASON_SIZE];
    snprintf(reason, sizeof(reason), "%s: %s", doing, strerror(err < 0 ? -err : err));
    conn_close(conn, reason);
}

static void on_handle_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void leave_memory_waiters(struct conn *conn) {
    if (list_linked(&conn->memory_link)) {
        list_remove(&conn->memory_link);
        if (list_empty(&conn->net->memory_waiters)) {
            atomic_fetch_sub(&conn->net->shard->machine->frame_memory_waiters, 1);
        }
    }
}

static void release_input(struct conn *conn) {
    leave_memory_waiters(conn);
    if (conn->frame != NULL) {
        if (conn->listener_shard != NULL) {
            frame_memory_give(conn->net, conn->frame->len);
        }
        frame_unref(conn->frame);
        conn->frame = NULL;
    }
    free(conn->stash);
    conn->stash = NULL;
}

static void release_exchanges(struct conn *conn) {
    while (!list_empty(&conn->exchanges)) {
        struct exchange *exchange = LIST_FIRST(&conn->exchanges, struct exchange, link);
        list_remove(&exchange->link);
        exchange->conn = NULL;
        if (exchange->ended) {
            reply_free(exchange->reply);
            list_prepend(&conn->net->exchange_pool, &exchange->link);
        }
    }
}

void conn_destroy(struct conn *conn) {
    conn->state = CONN_CLOSED;
    release_input(conn);
    release_exchanges(conn);
    conn_output_release(conn);
    list_remove(&conn->link);
    list_remove(&conn->idle_link);
    list_remove(&conn->dirty_link);
    list_remove(&conn->closing_link);
    list_remove(&conn->receive_link);
    if (conn->dial != NULL) {
        dial_closed(conn, false);
    }
    /* libuv wants the handle gone before the descriptor. */
    if (conn->poll_open && !uv_is_closing((uv_handle_t *)&conn->poll)) {
        uv_close((uv_handle_t *)&conn->poll, on_handle_closed);
    }
    if (conn->fd >= 0) {
        close(conn->fd);
    }
    if (!conn->poll_open) {
        free(conn);
    }
}

void conn_finish_close(struct conn *conn) {
    struct listener_shard *on = conn->listener_shard;
    list_remove(&conn->closing_link);
    LOG_DEBUG(conn->net->shard->machine, "net", "connection closed", "peer=%s reason=\"%s\"",
              conn->host, conn->reason);
    if (on == NULL) {
        dial_closed(conn, true);
        conn_destroy(conn);
        return;
    }
    on->listener->handler.on_close(conn, conn->reason, on->listener->ctx);
    char host[INET6_ADDRSTRLEN];
    bool evicted = conn->evicted;
    memcpy(host, conn->host, sizeof(host));
    conn_destroy(conn);
    listener_conn_closed(on, host, evicted);
}

/* ---- Plain questions ------------------------------------------------------------------------- */

struct shard *conn_shard(const struct conn *conn) {
    return conn->net->shard;
}

struct listener *conn_listener(const struct conn *conn) {
    return conn->listener_shard == NULL ? NULL : conn->listener_shard->listener;
}

const char *conn_peer_host(const struct conn *conn) {
    return conn->host;
}

void conn_local_host(const struct conn *conn, char out[HOST_ADDRESS_SIZE]) {
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    out[0] = '\0';
    if (conn->fd >= 0 && getsockname(conn->fd, (struct sockaddr *)&address, &len) == 0) {
        address_format(&address, out);
    }
}

int conn_peer_port(const struct conn *conn) {
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    if (conn->fd < 0 || getpeername(conn->fd, (struct sockaddr *)&peer, &len) != 0) {
        return 0;
    }
    return peer.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&peer)->sin6_port)
                                      : ntohs(((const struct sockaddr_in *)&peer)->sin_port);
}

void conn_set_data(struct conn *conn, void *data) {
    conn->data = data;
}

void *conn_data(const struct conn *conn) {
    return conn->data;
}

size_t conn_output_len(const struct conn *conn) {
    return conn->output_len;
}
