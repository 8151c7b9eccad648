/*
 * Frames between simulated machines: exchanges, back-pressure, closing. A frame is delivered whole,
 * after a delay from the seed, in order with the others of its direction. Not simulated are limits
 * of frame memory, of connections and of idleness.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "runtime/file.h"
#include "runtime/reply.h"
#include "runtime/sim/net_internal.h"

/* ---- Pipes ----------------------------------------------------------------------------------- */

static void lane_clear(struct lane *lane) {
    while (!list_empty(&lane->packets)) {
        struct packet *packet = LIST_FIRST(&lane->packets, struct packet, link);
        list_remove(&packet->link);
        frame_unref(packet->frame);
        free(packet);
    }
    lane->bytes = 0;
}

void pipe_unref(struct pipe *pipe) {
    if (--pipe->refs > 0) {
        return;
    }
    lane_clear(&pipe->lanes[0]);
    lane_clear(&pipe->lanes[1]);
    free(pipe->host);
    free(pipe);
}

struct pipe_event {
    struct pipe *pipe;
    int side;
    void (*fn)(struct pipe *pipe, int side);
};

static void drop_pipe_event(void *arg) {
    struct pipe_event *event = arg;
    pipe_unref(event->pipe);
    free(event);
}

static void run_pipe_event(void *arg) {
    struct pipe_event *event = arg;
    event->fn(event->pipe, event->side);
    drop_pipe_event(event);
}

void pipe_schedule(struct pipe *pipe, int side, struct shard *shard, int64_t at_us,
                   void (*fn)(struct pipe *pipe, int side)) {
    struct pipe_event *event = NEW(struct pipe_event);
    *event = (struct pipe_event){.pipe = pipe, .side = side, .fn = fn};
    pipe->refs++;
    sim_schedule(pipe->sim, at_us, shard, run_pipe_event, event, drop_pipe_event);
}

int64_t net_delay_us(struct sim *sim) {
    return random_stream_range(&sim->net, sim->options.net_delay_min_us,
                               sim->options.net_delay_max_us);
}

/* Takes the frame. A packet towards a side that is not there yet waits for it. */
void pipe_send(struct pipe *pipe, int side, struct frame *frame, const char *reason) {
    struct sim *sim = pipe->sim;
    struct lane *lane = &pipe->lanes[side];
    int64_t due_us = sim->now_us + net_delay_us(sim);
    due_us = due_us > lane->last_due_us ? due_us : lane->last_due_us;
    lane->last_due_us = due_us;
    struct packet *packet = NEW(struct packet);
    *packet = (struct packet){.due_us = due_us, .frame = frame, .reason = reason};
    list_append(&lane->packets, &packet->link);
    lane->bytes += frame == NULL ? 0 : frame->len;
    if (pipe->ends[side] != NULL) {
        pipe_schedule(pipe, side, pipe->ends[side]->shard, due_us, pipe_pump);
    }
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static size_t output_len(const struct conn *conn) {
    return conn->pipe == NULL ? 0 : conn->pipe->lanes[1 - conn->side].bytes;
}

static bool input_blocked(struct conn *conn) {
    if (conn->pause_count > 0) {
        return true;
    }
    if (conn->listener == NULL) {
        return false;
    }
    conn->output_blocked = output_len(conn) >= conn->listener->options.output_max;
    return conn->output_blocked || conn->exchange_count >= conn->listener->options.exchanges_max;
}

static void deliver(struct conn *conn, struct frame *frame) {
    if (frame->len == 0 || frame->len > conn->frame_max) {
        frame_unref(frame);
        conn_close(conn, "the length of a frame is outside the limits");
        return;
    }
    sim_note_bytes(conn->shard->machine->sim, frame->data, frame->len);
    if (conn->listener == NULL) {
        conn->dialer.on_frame(conn, frame, conn->ctx);
        return;
    }
    struct exchange *exchange = NEW(struct exchange);
    exchange->machine = conn->shard->machine;
    exchange->conn = conn;
    list_append(&conn->exchanges, &exchange->link);
    conn->exchange_count++;
    conn->listener->handler.on_frame(conn, exchange, frame, conn->listener->ctx);
}

static void tell_drained(struct conn *conn) {
    const struct listener *listener = conn->listener;
    if (conn->state == CONN_OPEN && output_len(conn) < listener->options.output_max) {
        conn->output_full = false;
        if (listener->handler.on_drained != NULL) {
            listener->handler.on_drained(conn, listener->ctx);
        }
    }
}

void pipe_pump(struct pipe *pipe, int side) {
    struct lane *lane = &pipe->lanes[side];
    if (pipe->ends[side] != NULL && pipe->ends[side]->output_full) {
        tell_drained(pipe->ends[side]);
    }
    for (;;) {
        struct conn *conn = pipe->ends[side];
        if (conn == NULL || conn->state != CONN_OPEN || list_empty(&lane->packets) ||
            input_blocked(conn) || net_is_cut(pipe->sim, pipe->machines[0], pipe->machines[1])) {
            return;
        }
        struct packet *packet = LIST_FIRST(&lane->packets, struct packet, link);
        if (packet->due_us > pipe->sim->now_us) {
            return;
        }
        list_remove(&packet->link);
        struct frame *frame = packet->frame;
        const char *reason = packet->reason;
        free(packet);
        if (frame == NULL) {
            conn_close(conn, reason);
            return;
        }
        lane->bytes -= frame->len;
        struct conn *sender = pipe->ends[1 - side];
        if (sender != NULL && (sender->output_blocked || sender->output_full)) {
            pipe_schedule(pipe, 1 - side, sender->shard, pipe->sim->now_us, pipe_pump);
        }
        deliver(conn, frame);
    }
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* The bytes of a reply, which is freed; NULL when a range of a file cannot be read in full. */
static struct frame *flatten(struct reply *reply) {
    struct frame *frame = frame_new(reply->len);
    ASSERT(frame != NULL);
    size_t used = 0;
    bool whole = true;
    for (int i = 0; i < reply->part_count && whole; i++) {
        const struct reply_part *part = &reply->parts[i];
        if (part->kind == REPLY_FILE) {
            int64_t got = file_read_at(part->owner.file, frame->data + used, part->len, part->pos);
            whole = got == (int64_t)part->len;
        } else if (part->len > 0) {
            memcpy(frame->data + used, part->data, part->len);
        }
        used += part->len;
    }
    reply_free(reply);
    if (!whole) {
        frame_unref(frame);
        return NULL;
    }
    return frame;
}

static void send_frame(struct conn *conn, struct frame *frame) {
    if (conn->state == CONN_CLOSING || !machine_alive(conn->shard->machine)) {
        frame_unref(frame);
        return;
    }
    pipe_send(conn->pipe, 1 - conn->side, frame, NULL);
    conn->output_full =
        conn->listener != NULL && output_len(conn) >= conn->listener->options.output_max;
}

void conn_send(struct conn *conn, struct reply *reply) {
    ASSERT(conn->listener == NULL);
    shard_assert_current(conn->shard);
    struct frame *frame = flatten(reply);
    if (frame == NULL) {
        conn_close(conn, "a range of a file cannot be read");
        return;
    }
    send_frame(conn, frame);
}

static void mark_dirty(struct conn *conn) {
    if (!list_linked(&conn->dirty_link)) {
        list_append(&conn->shard->dirty, &conn->dirty_link);
    }
}

static void exchange_free(struct exchange *exchange) {
    list_remove(&exchange->link);
    frame_unref(exchange->answer);
    free(exchange);
}

struct conn *exchange_conn(const struct exchange *exchange) {
    return exchange->conn;
}

static void exchange_end(struct exchange *exchange, struct frame *answer) {
    ASSERT(!exchange->ended);
    struct conn *conn = exchange->conn;
    exchange->ended = true;
    exchange->answer = answer;
    if (conn == NULL) {
        exchange_free(exchange);
        return;
    }
    shard_assert_current(conn->shard);
    while (!list_empty(&conn->exchanges)) {
        struct exchange *first = LIST_FIRST(&conn->exchanges, struct exchange, link);
        if (!first->ended) {
            break;
        }
        if (first->answer != NULL) {
            send_frame(conn, first->answer);
            first->answer = NULL;
        }
        exchange_free(first);
        conn->exchange_count--;
    }
    mark_dirty(conn);
}

void exchange_reply(struct exchange *exchange, struct reply *reply) {
    struct frame *frame = flatten(reply);
    if (frame == NULL && exchange->conn != NULL) {
        conn_close(exchange->conn, "a range of a file cannot be read");
    }
    exchange_end(exchange, frame);
}

void exchange_done(struct exchange *exchange) {
    exchange_end(exchange, NULL);
}

/* ---- Connections ----------------------------------------------------------------------------- */

struct conn *conn_new(struct shard *shard, struct pipe *pipe, int side, size_t frame_max,
                      const char *host) {
    struct conn *conn = NEW(struct conn);
    conn->shard = shard;
    conn->pipe = pipe;
    conn->side = side;
    conn->frame_max = frame_max;
    conn->host = xstrdup(host);
    list_init(&conn->dirty_link);
    list_init(&conn->closing_link);
    list_init(&conn->exchanges);
    list_append(&shard->machine->conns, &conn->link);
    pipe->refs++;
    pipe->ends[side] = conn;
    pipe->machines[side] = shard->machine;
    return conn;
}

void conn_free(struct conn *conn) {
    while (!list_empty(&conn->exchanges)) {
        struct exchange *exchange = LIST_FIRST(&conn->exchanges, struct exchange, link);
        exchange->conn = NULL;
        if (exchange->ended) {
            exchange_free(exchange);
        } else {
            list_remove(&exchange->link);
            list_append(&conn->shard->machine->exchanges, &exchange->link);
        }
    }
    struct pipe *pipe = conn->pipe;
    if (pipe->ends[conn->side] == conn) {
        pipe->ends[conn->side] = NULL;
    }
    pipe_unref(pipe);
    list_remove(&conn->link);
    list_remove(&conn->dirty_link);
    list_remove(&conn->closing_link);
    free(conn->host);
    free(conn);
}

void conn_close(struct conn *conn, const char *reason) {
    if (conn->state == CONN_CLOSING) {
        return;
    }
    conn->state = CONN_CLOSING;
    snprintf(conn->reason, sizeof(conn->reason), "%s", reason);
    list_append(&conn->shard->closing, &conn->closing_link);
}

static void finish_close(struct conn *conn) {
    list_remove(&conn->closing_link);
    struct pipe *pipe = conn->pipe;
    struct listener *listener = conn->listener;
    if (listener != NULL) {
        listener->handler.on_close(conn, conn->reason, listener->ctx);
    } else {
        conn->dialer.on_close(conn, conn->reason, conn->ctx);
    }
    lane_clear(&pipe->lanes[conn->side]);
    if (pipe->ends[1 - conn->side] != NULL) {
        pipe_send(pipe, 1 - conn->side, NULL, "closed by the peer");
    }
    conn_free(conn);
    if (listener != NULL) {
        listener_check_closed(listener);
    }
}

bool net_turn_end(struct shard *shard) {
    bool any = !list_empty(&shard->dirty) || !list_empty(&shard->closing);
    while (!list_empty(&shard->dirty)) {
        struct conn *conn = LIST_FIRST(&shard->dirty, struct conn, dirty_link);
        list_remove(&conn->dirty_link);
        pipe_pump(conn->pipe, conn->side);
    }
    while (!list_empty(&shard->closing)) {
        finish_close(LIST_FIRST(&shard->closing, struct conn, closing_link));
    }
    return any;
}

void conn_pause(struct conn *conn) {
    conn->pause_count++;
}

void conn_resume(struct conn *conn) {
    ASSERT(conn->pause_count > 0);
    conn->pause_count--;
    mark_dirty(conn);
}

struct shard *conn_shard(const struct conn *conn) {
    return conn->shard;
}

struct listener *conn_listener(const struct conn *conn) {
    return conn->listener;
}

const char *conn_peer_host(const struct conn *conn) {
    return conn->host;
}

void conn_local_host(const struct conn *conn, char out[HOST_ADDRESS_SIZE]) {
    (void)conn;
    out[0] = '\0'; /* hosts have names here, and one address */
}

int conn_peer_port(const struct conn *conn) {
    return 0;
}

void conn_set_data(struct conn *conn, void *data) {
    conn->data = data;
}

void *conn_data(const struct conn *conn) {
    return conn->data;
}

size_t conn_output_len(const struct conn *conn) {
    return output_len(conn);
}

/* ---- Machines that go ------------------------------------------------------------------------ */

void net_machine_gone(struct machine *machine) {
    LIST_FOREACH(it, &machine->conns) {
        struct conn *conn = CONTAINER_OF(it, struct conn, link);
        struct pipe *pipe = conn->pipe;
        if (pipe->ends[conn->side] != conn) {
            continue;
        }
        pipe->ends[conn->side] = NULL;
        if (pipe->ends[1 - conn->side] != NULL) {
            pipe_send(pipe, 1 - conn->side, NULL, "reset by the peer");
        }
    }
}

void net_machine_release(struct machine *machine) {
    LIST_FOREACH_SAFE(it, &machine->conns) {
        conn_free(CONTAINER_OF(it, struct conn, link));
    }
    LIST_FOREACH_SAFE(it, &machine->exchanges) {
        exchange_free(CONTAINER_OF(it, struct exchange, link));
    }
    LIST_FOREACH_SAFE(it, &machine->listeners) {
        struct listener *listener = CONTAINER_OF(it, struct listener, link);
        list_remove(&listener->link);
        free(listener);
    }
}
