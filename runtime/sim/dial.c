/* Listeners, dialling and partitions of the simulated network. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/errmsg.h"
#include "base/memory.h"
#include "runtime/sim/net_internal.h"

#define PORT_FREE_MIN      40000
#define PARTITION_BREAK_US ((int64_t)30 * 1000 * 1000)

/* ---- Partitions ------------------------------------------------------------------------------ */

struct cut {
    struct list link;
    struct machine *a;
    struct machine *b;
    uint64_t id;
};

/* The end of a cut's patience; the cut may have healed. */
struct cut_event {
    struct sim *sim;
    uint64_t id;
};

static struct cut *find_cut(const struct sim *sim, const struct machine *a,
                            const struct machine *b) {
    LIST_FOREACH(it, &sim->cuts) {
        struct cut *cut = CONTAINER_OF(it, struct cut, link);
        if ((cut->a == a && cut->b == b) || (cut->a == b && cut->b == a)) {
            return cut;
        }
    }
    return NULL;
}

bool net_is_cut(const struct sim *sim, const struct machine *a, const struct machine *b) {
    return find_cut(sim, a, b) != NULL;
}

static void break_conn(struct pipe *pipe, int side) {
    if (pipe->ends[side] != NULL) {
        conn_close(pipe->ends[side], "timed out");
    }
}

/* For each live connection of `a` to `b`. */
static void for_pipes(struct machine *a, struct machine *b,
                      void (*fn)(struct pipe *pipe, int side)) {
    LIST_FOREACH(it, &a->conns) {
        struct conn *conn = CONTAINER_OF(it, struct conn, link);
        struct pipe *pipe = conn->pipe;
        if (pipe->ends[conn->side] == conn && pipe->machines[1 - conn->side] == b) {
            pipe_schedule(pipe, conn->side, conn->shard, a->sim->now_us, fn);
        }
    }
}

static void on_cut_old(void *arg) {
    struct cut_event event = *(struct cut_event *)arg;
    free(arg);
    LIST_FOREACH(it, &event.sim->cuts) {
        struct cut *cut = CONTAINER_OF(it, struct cut, link);
        if (cut->id == event.id) {
            for_pipes(cut->a, cut->b, break_conn);
            for_pipes(cut->b, cut->a, break_conn);
            return;
        }
    }
}

void sim_partition(struct machine *a, struct machine *b, bool cut) {
    struct sim *sim = a->sim;
    struct cut *old = find_cut(sim, a, b);
    if (cut == (old != NULL)) {
        return;
    }
    sim_note(sim, (a->id << 32) + (b->id << 1) + cut);
    if (!cut) {
        list_remove(&old->link);
        free(old);
        for_pipes(a, b, pipe_pump);
        for_pipes(b, a, pipe_pump);
        return;
    }
    struct cut *new_cut = NEW(struct cut);
    *new_cut = (struct cut){.a = a, .b = b, .id = ++sim->sequence};
    list_append(&sim->cuts, &new_cut->link);
    struct cut_event *event = NEW(struct cut_event);
    *event = (struct cut_event){.sim = sim, .id = new_cut->id};
    sim_schedule(sim, sim->now_us + PARTITION_BREAK_US, NULL, on_cut_old, event, free);
}

void net_sim_release(struct sim *sim) {
    LIST_FOREACH_SAFE(it, &sim->cuts) {
        list_remove(it);
        free(CONTAINER_OF(it, struct cut, link));
    }
}

/* ---- Listening ------------------------------------------------------------------------------- */

static struct listener *find_listener(const struct machine *machine, int port) {
    LIST_FOREACH(it, &machine->listeners) {
        struct listener *listener = CONTAINER_OF(it, struct listener, link);
        if (listener->port == port && !listener->closing) {
            return listener;
        }
    }
    return NULL;
}

int listener_open(struct machine *machine, const struct listener_options *options,
                  const struct listener_handler *handler, void *ctx, struct listener **out,
                  struct errmsg *errmsg) {
    ASSERT(options->frame_max > 0 && options->exchanges_max > 0 && options->output_max > 0);
    int port = options->port;
    for (int free_port = PORT_FREE_MIN; port == 0; free_port++) {
        port = find_listener(machine, free_port) == NULL ? free_port : 0;
    }
    if (find_listener(machine, port) != NULL) {
        errmsg_set(errmsg, "cannot listen on %s:%d: bind: %s", machine->host, port,
                   strerror(EADDRINUSE));
        return -EADDRINUSE;
    }
    struct listener *listener = NEW(struct listener);
    listener->machine = machine;
    listener->options = *options;
    listener->options.host = NULL;
    listener->handler = *handler;
    listener->ctx = ctx;
    listener->port = port;
    list_append(&machine->listeners, &listener->link);
    *out = listener;
    return 0;
}

int host_resolve(const char *host, bool numeric_only, char out[HOST_ADDRESS_SIZE]) {
    snprintf(out, HOST_ADDRESS_SIZE, "%s", host);
    return 0;
}

int listener_port(const struct listener *listener) {
    return listener->port;
}

static void on_listener_closed(void *arg) {
    struct listener *listener = arg;
    void (*closed)(void *ctx) = listener->closed;
    void *ctx = listener->closed_ctx;
    list_remove(&listener->link);
    free(listener);
    if (closed != NULL) {
        closed(ctx);
    }
}

void listener_check_closed(struct listener *listener) {
    if (!listener->closing) {
        return;
    }
    LIST_FOREACH(it, &listener->machine->conns) {
        if (CONTAINER_OF(it, struct conn, link)->listener == listener) {
            return;
        }
    }
    struct sim *sim = listener->machine->sim;
    sim_schedule(sim, sim->now_us, &listener->machine->shards[0], on_listener_closed, listener,
                 NULL);
}

static void close_end(struct pipe *pipe, int side) {
    if (pipe->ends[side] != NULL) {
        conn_close(pipe->ends[side], "the listener closes");
    }
}

void listener_close(struct listener *listener, void (*closed)(void *ctx), void *ctx) {
    ASSERT(!listener->closing);
    listener->closing = true;
    listener->closed = closed;
    listener->closed_ctx = ctx;
    bool any = false;
    LIST_FOREACH(it, &listener->machine->conns) {
        struct conn *conn = CONTAINER_OF(it, struct conn, link);
        if (conn->listener == listener) {
            any = true;
            pipe_schedule(conn->pipe, conn->side, conn->shard, listener->machine->sim->now_us,
                          close_end);
        }
    }
    if (!any) {
        listener_check_closed(listener);
    }
}

/* ---- Dialling -------------------------------------------------------------------------------- */

static void on_refused(struct pipe *pipe, int side) {
    struct conn *conn = pipe->ends[side];
    if (conn != NULL && conn->state == CONN_CONNECTING) {
        conn_close(conn, "connect: Connection refused");
    }
}

static void on_timeout(struct pipe *pipe, int side) {
    struct conn *conn = pipe->ends[side];
    if (conn != NULL && conn->state == CONN_CONNECTING) {
        conn_close(conn, "connect: timed out");
    }
}

static void on_connected(struct pipe *pipe, int side) {
    struct conn *conn = pipe->ends[side];
    if (conn != NULL && conn->state == CONN_CONNECTING) {
        conn->state = CONN_OPEN;
        conn->dialer.on_connect(conn, conn->ctx);
        pipe_pump(pipe, side);
    }
}

static void refuse(struct pipe *pipe) {
    if (pipe->ends[0] != NULL) {
        struct sim *sim = pipe->sim;
        pipe_schedule(pipe, 0, pipe->ends[0]->shard, sim->now_us + net_delay_us(sim), on_refused);
    }
}

/* A turn of a shard of the listening machine. */
static void on_accept(struct pipe *pipe, int side) {
    struct conn *client = pipe->ends[0];
    struct sim *sim = pipe->sim;
    if (client == NULL) {
        return;
    }
    struct machine *machine = sim->current->machine;
    struct listener *listener = find_listener(machine, pipe->port);
    if (listener == NULL) {
        refuse(pipe);
        return;
    }
    struct conn *conn = conn_new(sim->current, pipe, side, listener->options.frame_max,
                                 client->shard->machine->host);
    conn->state = CONN_OPEN;
    conn->listener = listener;
    listener->handler.on_open(conn, listener->ctx);
    pipe_schedule(pipe, 0, client->shard, sim->now_us + net_delay_us(sim), on_connected);
    /* What the client sent without waiting. */
    LIST_FOREACH(it, &pipe->lanes[1].packets) {
        int64_t due_us = CONTAINER_OF(it, struct packet, link)->due_us;
        due_us = due_us > sim->now_us ? due_us : sim->now_us;
        pipe_schedule(pipe, 1, sim->current, due_us, pipe_pump);
    }
}

static struct machine *find_machine(const struct pipe *pipe) {
    const struct machine *from = pipe->machines[0];
    bool local = strcmp(pipe->host, "localhost") == 0 || strcmp(pipe->host, "127.0.0.1") == 0;
    const char *host = local ? from->host : pipe->host;
    LIST_FOREACH(it, &pipe->sim->machines) {
        struct machine *machine = CONTAINER_OF(it, struct machine, link);
        if (strcmp(machine->host, host) == 0) {
            return machine;
        }
    }
    return NULL;
}

/* An event of the world: the first packet arrives. */
static void on_arrival(struct pipe *pipe, int side) {
    if (pipe->ends[0] == NULL) {
        return;
    }
    struct sim *sim = pipe->sim;
    struct machine *machine = find_machine(pipe);
    if (machine != NULL && net_is_cut(sim, machine, pipe->machines[0])) {
        return; /* the dialler times out */
    }
    if (machine == NULL || !machine_alive(machine) || find_listener(machine, pipe->port) == NULL) {
        refuse(pipe);
        return;
    }
    int64_t index = random_stream_range(&sim->net, 0, machine->shard_count - 1);
    pipe_schedule(pipe, 1, &machine->shards[index], sim->now_us, on_accept);
}

struct conn *conn_dial(struct shard *shard, const struct dialer_options *options,
                       const struct dialer_handler *handler, void *ctx) {
    shard_assert_current(shard);
    struct sim *sim = shard->machine->sim;
    struct pipe *pipe = NEW(struct pipe);
    pipe->sim = sim;
    pipe->host = xstrdup(options->host);
    pipe->port = options->port;
    list_init(&pipe->lanes[0].packets);
    list_init(&pipe->lanes[1].packets);
    struct conn *conn = conn_new(shard, pipe, 0, options->frame_max, options->host);
    conn->state = CONN_CONNECTING;
    conn->dialer = *handler;
    conn->ctx = ctx;
    pipe_schedule(pipe, 1, NULL, sim->now_us + net_delay_us(sim), on_arrival);
    pipe_schedule(pipe, 0, shard, sim->now_us + options->connect_timeout_ms * 1000, on_timeout);
    return conn;
}
