/*
 * Connections that carry frames: a 4-byte big-endian length, then that many bytes.
 *
 * A connection belongs to one shard for its life. Each received frame becomes an exchange, which
 * the server ends exactly once, with a reply, without one (exchange_done), or by closing the
 * connection. Exchanges may be ended in any order; replies leave the connection in the order in
 * which their frames came. While too many exchanges are open (listener_options.exchanges_max), too
 * much output waits unsent, or a handler paused the connection, its socket is not read:
 * back-pressure.
 *
 * A reply is bytes and ranges of files, so that a fetch response is sent from the page cache, long
 * ranges without being copied at all. A range that is not in the page cache is read by a worker
 * first; the loop never waits for the disk. If a range cannot be read in full, the connection is
 * closed: half a frame cannot be taken back.
 */
#ifndef RUNTIME_NET_H
#define RUNTIME_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/slice.h"
#include "runtime/frame.h"

struct machine;
struct shard;
struct file;
struct conn_limits;
struct listener;
struct conn;
struct exchange;
struct reply;

/* ---- Serving --------------------------------------------------------------------------------- */

struct listener_options {
    const char *host;        /* numeric address, name, or NULL/"" for all addresses */
    int port;                /* 0: the system picks one (listener_port) */
    size_t frame_max;        /* socket.request.max.bytes: a longer frame closes the connection */
    size_t frame_memory_max; /* of unfinished and unanswered frames over all connections of the
                                machine; above it no socket is read (queued.max.request.bytes);
                                0 is no limit */
    size_t output_max;       /* unsent reply bytes above which a connection is not read */
    size_t
        output_memory_max; /* unsent reply bytes in memory, over the connections of a shard, above
                              which those that took nothing for longest are closed; 0: no limit */
    int exchanges_max;     /* open exchanges of a connection above which it is not read */
    int64_t idle_max_ms;   /* connections.max.idle.ms; -1 for never */
    int send_buffer;    /* SO_SNDBUF in bytes (socket.send.buffer.bytes); below 1: the system's */
    int receive_buffer; /* SO_RCVBUF, the same */
    struct conn_limits *limits; /* of connections; NULL for none; must outlive the listener */
    int limits_index;           /* which of its listeners this is */
};

struct listener_handler {
    /* A connection was accepted, on its shard. The handler may conn_set_data(). */
    void (*on_open)(struct conn *conn, void *ctx);

    /* One whole frame, without its length; the callee owns one reference of `frame` and must end
     * `exchange` once. Not called after the connection closed. */
    void (*on_frame)(struct conn *conn, struct exchange *exchange, struct frame *frame, void *ctx);

    /* The connection is gone (either side, or an error; `reason` is for logs). Open exchanges stay
     * valid and must still be ended; their replies are dropped. `conn` is invalid after this
     * returned. */
    void (*on_close)(struct conn *conn, const char *reason, void *ctx);

    /* Output that had reached output_max fell below it. May be NULL. */
    void (*on_drained)(struct conn *conn, void *ctx);
};

/*
 * Listens on every shard of the machine (connections are spread over them). On shard 0, before or
 * while running. On failure, a negative errno and a readable sentence in errmsg.
 */
struct errmsg;
MUST_CHECK int listener_open(struct machine *machine, const struct listener_options *options,
                             const struct listener_handler *handler, void *ctx,
                             struct listener **out, struct errmsg *errmsg);

/* The bound port. */
int listener_port(const struct listener *listener);

/* Stops accepting, closes every connection (on_close is called for each, on its shard), then calls
 * closed(ctx) on shard 0 and frees the listener. On shard 0. closed may be NULL. */
void listener_close(struct listener *listener, void (*closed)(void *ctx), void *ctx);

struct shard *conn_shard(const struct conn *conn);
struct listener *conn_listener(const struct conn *conn);

/* The peer's numeric address without port; valid as long as conn. */
const char *conn_peer_host(const struct conn *conn);

/* This machine's numeric address on the connection; empty where that is not known. */
#define HOST_ADDRESS_SIZE 46 /* of a numeric address as text */
void conn_local_host(const struct conn *conn, char out[HOST_ADDRESS_SIZE]);

/* The peer's port; 0 when it is not known. */
int conn_peer_port(const struct conn *conn);

void conn_set_data(struct conn *conn, void *data);
void *conn_data(const struct conn *conn);

/* Closes after this turn; what was replied before is not flushed. Safe to call twice. */
void conn_close(struct conn *conn, const char *reason);

/* Counted: reading goes on when each pause was resumed. Throttling uses it. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* The connection, or NULL when it has closed. */
struct conn *exchange_conn(const struct exchange *exchange);

/* Ends the exchange; takes the reply, which must have been finished. On the connection's shard. */
void exchange_reply(struct exchange *exchange, struct reply *reply);

/* Ends the exchange without an answer (Produce with acks=0). */
void exchange_done(struct exchange *exchange);

/* ---- Addresses ------------------------------------------------------------------------------- */

/* The first address of a host, as conn_peer_host() writes it. A name is looked up, which blocks: on
 * a worker only, unless numeric_only, which refuses names. 0 or -EADDRNOTAVAIL. */
MUST_CHECK int host_resolve(const char *host, bool numeric_only, char out[HOST_ADDRESS_SIZE]);

/* A numeric address in network order: its length, 4 or 16. 0.0.0.0 for what is none. */
#define HOST_BYTES_MAX 16
size_t host_to_bytes(const char *host, uint8_t out[HOST_BYTES_MAX]);
void host_from_bytes(const uint8_t *bytes, size_t len, char out[HOST_ADDRESS_SIZE]);

/* ---- Replies --------------------------------------------------------------------------------- */

/* Built on any shard by one thread at a time, then handed over. */
struct reply *reply_new(void);

/* A reply that is not sent after all. */
void reply_free(struct reply *reply);

/* Takes the heap block `data` (freed with free() when sent). */
void reply_add_heap(struct reply *reply, void *data, size_t len);

/* Takes one reference of `frame`, sends [data, data+len) which must lie in it. */
void reply_add_frame(struct reply *reply, struct frame *frame, const uint8_t *data, size_t len);

/* Takes one reference of `file`, sends len bytes from pos. */
void reply_add_file(struct reply *reply, struct file *file, int64_t pos, size_t len);

/* Of all parts; the 4-byte length in front is the connection's doing. */
size_t reply_len(const struct reply *reply);

/* ---- Dialling -------------------------------------------------------------------------------- */

struct dialer_options {
    const char *host; /* resolved anew at every dial */
    int port;
    size_t frame_max;
    int64_t connect_timeout_ms;
};

struct dialer_handler {
    void (*on_connect)(struct conn *conn, void *ctx);
    void (*on_frame)(struct conn *conn, struct frame *frame, void *ctx); /* owns one reference */
    void (*on_close)(struct conn *conn, const char *reason,
                     void *ctx); /* also when the dial fails */
};

/* Connects from `shard`; on_connect or on_close follows, never before this returns. Options are
 * copied. conn_close() cancels. */
struct conn *conn_dial(struct shard *shard, const struct dialer_options *options,
                       const struct dialer_handler *handler, void *ctx);

/* Sends one frame on a dialled connection; takes the reply. */
void conn_send(struct conn *conn, struct reply *frame);

/* Unsent bytes of the connection. */
size_t conn_output_len(const struct conn *conn);

#endif
