/* The insides of the simulated network, shared by net.c (frames) and dial.c (who talks to whom). */
#ifndef RUNTIME_SIM_NET_INTERNAL_H
#define RUNTIME_SIM_NET_INTERNAL_H

#include "runtime/net.h"
#include "runtime/sim/internal.h"

#define CLOSE_REASON_SIZE 96

enum conn_state { CONN_CONNECTING, CONN_OPEN, CONN_CLOSING };

/* A frame on its way, or the end of the connection. */
struct packet {
    struct list link;
    int64_t due_us;
    struct frame *frame; /* NULL: the sender closed, for `reason` */
    const char *reason;
};

/* One direction of a connection: packets in order, with the bytes that were not delivered yet. */
struct lane {
    struct list packets;
    size_t bytes;
    int64_t last_due_us;
};

/* What two connections have between them. Freed with its last reference: one of each end that is
 * not closed, and one of each event about it. */
struct pipe {
    int refs;
    struct sim *sim;
    struct machine *machines[2]; /* 0 dialled; 1 is NULL before it was reached */
    struct conn *ends[2];        /* NULL when not there yet, closed, or crashed */
    struct lane lanes[2];        /* towards ends[i] */
    char *host;                  /* what was dialled */
    int port;
};

struct exchange {
    struct list link;
    struct machine *machine;
    struct conn *conn;
    struct frame *answer; /* NULL for none */
    bool ended;
};

struct listener {
    struct list link; /* machine->listeners */
    struct machine *machine;
    struct listener_options options;
    struct listener_handler handler;
    void *ctx;
    int port;
    bool closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

struct conn {
    struct list link; /* machine->conns */
    struct list dirty_link;
    struct list closing_link;
    struct shard *shard;
    struct pipe *pipe;
    int side; /* of the pipe */
    enum conn_state state;
    struct listener *listener; /* NULL for dialled connections */
    struct dialer_handler dialer;
    void *ctx; /* the dialer's */
    void *data;
    size_t frame_max;
    char *host;
    int pause_count;
    struct list exchanges;
    int exchange_count;
    bool output_blocked;
    bool output_full;
    /* as handler.on_drained wants it */ /* wants to know when output was delivered */
    char reason[CLOSE_REASON_SIZE];
};

/* A new connection at pipe->ends[side]. */
struct conn *conn_new(struct shard *shard, struct pipe *pipe, int side, size_t frame_max,
                      const char *host);
void conn_free(struct conn *conn);

void pipe_unref(struct pipe *pipe);

/* An event about the pipe's side, on the shard of the connection there; holds a reference. */
void pipe_schedule(struct pipe *pipe, int side, struct shard *shard, int64_t at_us,
                   void (*fn)(struct pipe *pipe, int side));

/* Delivers what is due to the connection at `side`, unless back-pressure or a cut forbids it. */
void pipe_pump(struct pipe *pipe, int side);
void pipe_send(struct pipe *pipe, int side, struct frame *frame, const char *reason);
int64_t net_delay_us(struct sim *sim);

/* dial.c */
bool net_is_cut(const struct sim *sim, const struct machine *a, const struct machine *b);
void listener_check_closed(struct listener *listener);

#endif
