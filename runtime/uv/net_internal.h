/*
 * The insides of the network, shared by net_shard.c, listener.c, conn.c, conn_output.c and
 * dialer.c.
 *
 * A connection goes CONNECTING (dialled ones only) -> OPEN -> CLOSING -> CLOSED. conn_close() makes
 * it CLOSING at once, which stops its socket; the end of this turn, or of a later one when many
 * end at once, calls on_close and makes it CLOSED; its memory goes when libuv has let go of the
 * handle.
 */
#ifndef RUNTIME_UV_NET_INTERNAL_H
#define RUNTIME_UV_NET_INTERNAL_H

#include <netinet/in.h>
#include <sys/uio.h>

#include "runtime/conn_limits.h"
#include "runtime/net.h"
#include "runtime/reply.h"
#include "runtime/uv/internal.h"

#define SCRATCH_SIZE      (64 * 1024) /* small frames are received together */
#define SCRATCH_PEEK      (4 * 1024) /* of it, where large frames come: the rest goes straight in */
#define LARGE_FRAME       (16 * 1024)
#define FILE_CHUNK_SIZE   (256 * 1024)      /* of a file, read and sent in one go */
#define FILE_CHUNK_MIN    (16 * 1024)       /* for receivers that take little at a time */
#define FILE_DIRECT_RANGE (256 * 1024)      /* not copied; nor are those that the disk gave, ... */
#define FILE_DIRECT_MIN   (32 * 1024)       /* ... but for what is less than this of them */
#define FILE_WARM_SIZE    (1024 * 1024)     /* of a cold file, brought into the page cache */
#define FLUSH_BYTES_MAX   (1024 * 1024)     /* of one connection in one turn */
#define FLUSH_TURN_MAX    (4 * 1024 * 1024) /* of all connections in one turn, but for... */
#define FLUSH_BYTES_MIN   (64 * 1024)       /* ... what each may send at any rate */
#define RECEIVE_TURN_MAX  (512 * 1024)      /* of large frames in one turn, the last receive... */
#define RECEIVE_BYTES_MIN (64 * 1024)       /* ... of which may be this in any case */
#define RECEIVE_ROUND_MAX 4                 /* receives of one connection in one turn */
#define CLOSE_ROUND_MAX   4                 /* connections whose end is finished in one go, ... */
#define CLOSE_REST_MS     1                 /* ... and then others do something for so long */
#define OUTPUT_IOV_MAX    64
#define CLOSE_REASON_SIZE 128

enum conn_state { CONN_CONNECTING, CONN_OPEN, CONN_CLOSING, CONN_CLOSED };

struct exchange {
    struct list link;  /* in conn->exchanges, in order of arrival; or in the pool */
    struct conn *conn; /* NULL when it has closed */
    struct net_shard *net;
    struct reply *reply;
    size_t frame_len; /* accounted in machine->frame_memory until the exchange ends */
    bool ended;       /* waits for those before it */
};

struct exchange_slab {
    struct exchange_slab *next;
    struct exchange exchanges[64];
};

/* The network's part of a shard. */
struct net_shard {
    struct shard *shard;
    struct list conns;          /* by conn.link: all but closed ones */
    struct list dirty;          /* by conn.dirty_link: to be serviced at the end of the turn */
    struct list closing;        /* by conn.closing_link */
    struct timer closing_timer; /* while those that are left have to wait */
    struct list memory_waiters; /* by conn.memory_link: wait for machine->frame_memory to fall */
    struct list receive_line;   /* by conn.receive_link: wait until there is receive_left */
    struct post memory_post;
    atomic_bool memory_posted;
    struct list cold_reads; /* by cold_read.link: all of this shard */
    struct list dials;      /* by dial.link: all of this shard */

    struct list exchange_pool;
    struct exchange_slab *exchange_slabs;

    size_t flush_left;          /* of FLUSH_TURN_MAX in this turn */
    size_t receive_left;        /* of RECEIVE_TURN_MAX */
    size_t flush_max;           /* for the connection that is being flushed */
    size_t output_memory;       /* of conn.output_memory over all */
    size_t output_memory_limit; /* what it exceeded in this turn; else 0 */

    uint8_t *scratch;    /* SCRATCH_SIZE, made at the first receive */
    uint8_t *file_chunk; /* FILE_CHUNK_SIZE, made at the first use */
    bool no_direct;      /* a file system has no sendfile: ranges are copied */
    struct iovec iov[OUTPUT_IOV_MAX];
};

/* One listener on one shard. */
struct listener_shard {
    struct listener *listener;
    struct net_shard *net;
    int fd;
    uv_poll_t poll;
    bool poll_open;
    bool closing;
    int conn_count;
    struct list idle_order; /* by conn.idle_link: longest silent first */
    struct timer idle_timer;
    struct timer accept_timer; /* runs while accepting pauses: many came at once, too fast, or no
                                  descriptors */
    int64_t accept_logged_ms;
    int64_t refused_logged_ms;
    int refused_count; /* since then */
    int held_fd;       /* accepted, and let in when accept_timer fires; or -1 */
    struct sockaddr_storage held_address;
    struct conn_limit_member member; /* of options.limits */
    struct post open_post;
    struct post close_post;
    struct post limits_post;
    atomic_bool limits_posted;
};

struct listener {
    struct list link; /* machine->listeners */
    struct machine *machine;
    struct listener_options options; /* host is dropped after opening */
    struct listener_handler handler;
    void *ctx;
    int port;
    atomic_int refs; /* one a shard, and one for each post on its way */
    atomic_bool closing;
    struct post closed_post;
    void (*closed)(void *ctx);
    void *closed_ctx;
    struct listener_shard shards[];
};

/* A range of a file that was not cached, read by a worker. Outlives its connection. */
struct cold_read {
    struct work work;
    struct list link;
    struct conn *conn; /* NULL when it has closed */
    struct file *file;
    int64_t pos;
    size_t len;
    bool warm;   /* only into the page cache: there is no data here */
    int64_t got; /* count or negative errno */
    bool ready;
    uint8_t data[];
};

struct dial;

struct conn {
    struct list link;
    struct list idle_link;
    struct list dirty_link;
    struct list closing_link;
    struct list memory_link;
    struct list receive_link;
    struct net_shard *net;
    struct listener_shard *listener_shard; /* NULL for dialled connections */
    struct dial *dial;                     /* NULL for accepted ones */
    void *data;
    enum conn_state state;
    bool evicted; /* the limits asked for it to be closed */

    int fd; /* -1 before the first connect */
    uv_poll_t poll;
    bool poll_open;
    int events; /* what poll waits for now */

    size_t frame_max;
    struct frame *frame; /* being received */
    size_t frame_got;
    bool large_frames; /* the last one was: the next is expected to be */
    uint8_t header[4];
    int header_len;
    uint8_t *stash; /* heap: received, but back-pressure came before it was looked at */
    size_t stash_pos;
    size_t stash_len;
    int pause_count;

    struct list exchanges;
    int exchange_count;

    struct list output;   /* of struct reply */
    size_t output_len;    /* unsent bytes, prefixes included */
    size_t output_memory; /* of them, those that are not in files */
    bool output_full;     /* output_len reached output_max and has not fallen below since */
    size_t prefix_sent;   /* of the first reply, as the next two */
    int part;             /* the one being sent */
    size_t part_sent;
    bool send_blocked; /* until the socket is writable */
    size_t chunk_max;  /* of file bytes read for one send */
    struct cold_read *cold;
    const struct file *warm_file; /* compared only: a worker had [warm_pos, warm_end) read */
    int64_t warm_pos;
    int64_t warm_end;
    bool warm_failed; /* what comes next is read into memory */

    int64_t active_ms;
    char host[INET6_ADDRSTRLEN];
    char reason[CLOSE_REASON_SIZE];
};

/* ---- net_shard.c ---- */

struct exchange *exchange_new(struct conn *conn, size_t frame_len);

/* Takes len bytes of the machine's frame memory; false when it is used up, and then the connection
 * is serviced again when some is free. max 0 is no limit. */
bool frame_memory_take(struct conn *conn, size_t len, size_t max);
void frame_memory_give(struct net_shard *net, size_t len);

/* ---- conn.c ---- */

/* A new connection in CONNECTING (dialled) or OPEN (accepted) state; fd may be -1. */
struct conn *conn_new(struct net_shard *net, int fd, enum conn_state state, size_t frame_max);

/* Makes (or makes anew) the poll handle for conn->fd. */
int conn_poll_open(struct conn *conn);

/* Waits for what the connection's state asks for. */
void conn_update_events(struct conn *conn);
void conn_mark_dirty(struct conn *conn);

/* At the end of a turn. */
void conn_service(struct conn *conn);
void conn_receive_in_line(struct conn *conn);
void conn_finish_close(struct conn *conn);

/* Frees what the connection owns and lets go of the handle, without callbacks. */
void conn_destroy(struct conn *conn);

void conn_close_errno(struct conn *conn, int err, const char *doing);

/* The text of a socket address, IPv4 in IPv6 as IPv4. */
void address_format(const struct sockaddr_storage *address, char out[INET6_ADDRSTRLEN]);

/* ---- conn_output.c ---- */

void conn_output_append(struct conn *conn, struct reply *reply);
void conn_flush(struct conn *conn);
void conn_output_release(struct conn *conn);

/* At the end of a turn: closes connections while the unsent output of all is too much memory. */
void conn_output_keep_limit(struct net_shard *net);

/* ---- listener.c ---- */

/* A connection of the listener closed (on its shard); evicted as in struct conn. */
void listener_conn_closed(struct listener_shard *on, const char *host, bool evicted);

/* A connection did something: puts off its idle close. */
void listener_conn_active(struct conn *conn);

/* machine_free(): closes handles; frees, when the loops have let go of them. */
void listeners_abandon(struct machine *machine);
void listeners_free(struct machine *machine);

/* ---- dialer.c ---- */

/* The socket of a connecting connection became writable, or broke. */
void dial_progress(struct conn *conn);
void dial_frame(struct conn *conn, struct frame *frame);

/* Called once when the connection closed; the dial goes with it. */
void dial_closed(struct conn *conn, bool callback);
void dial_free_all(struct net_shard *net);

/* A listening socket of its own, for one shard: a descriptor, or a negative errno with one line in
 * errmsg. `host` NULL or "": all addresses. */
struct errmsg;
int listen_alone(const char *host, int port, int *bound_port, struct errmsg *errmsg);

#endif
