/*
 * What the sockets' side makes of a stream of bytes: however it is cut into pieces, and whatever
 * back-pressure comes between, the frames are those of the stream, and reading always goes on.
 *
 * Input: u8 frame_max, u8 exchanges_max, u8 frame_memory_max, u8 pieces, then the stream. The file
 * under test is included: what it does is private to it, and its system calls are replaced.
 */
#include <errno.h>
#include <sys/uio.h>

#include "runtime/uv/net_internal.h"
#include "tests/fuzz/fuzz.h"

static ssize_t fake_readv(int fd, const struct iovec *iov, int count);

#define readv(fd, iov, count)           fake_readv((fd), (iov), (count))
#define uv_poll_start(poll, events, fn) ((void)(fn))
#define uv_poll_stop(poll)              ((void)0)
#include "runtime/uv/conn.c"
#include "runtime/uv/net_shard.c"
#undef readv

#define PREFIX      4
#define PENDING_MAX 64

static struct {
    struct slice rest;   /* of the stream: not received yet */
    struct slice expect; /* of the stream: not delivered yet */
    uint64_t random;
    size_t piece_max;
    bool dry; /* the next receive finds nothing */
    struct exchange *pending[PENDING_MAX];
    int pending_count;
    bool closed;
    int ending; /* what comes behind the stream: 0 nothing, EPIPE its end, else an error */
} world;

/* ---- What conn.c stands on ------------------------------------------------------------------- */

static ssize_t fake_readv(int fd, const struct iovec *iov, int count) {
    if (world.rest.len == 0 && world.ending != 0) {
        errno = world.ending;
        return world.ending == EPIPE ? 0 : -1;
    }
    if (world.dry || world.rest.len == 0) {
        world.dry = false;
        errno = EAGAIN;
        return -1;
    }
    world.dry = fuzz_random(&world.random) % 2 == 0;
    size_t want = 1 + fuzz_random(&world.random) % world.piece_max;
    ssize_t got = 0;
    for (int i = 0; i < count && want > 0 && world.rest.len > 0; i++) {
        struct slice piece = fuzz_take(&world.rest, iov[i].iov_len < want ? iov[i].iov_len : want);
        memcpy(iov[i].iov_base, piece.data, piece.len);
        want -= piece.len;
        got += (ssize_t)piece.len;
    }
    return got;
}

void conn_output_append(struct conn *conn, struct reply *reply) {
}
void conn_flush(struct conn *conn) {
}
void conn_output_release(struct conn *conn) {
}
void conn_output_keep_limit(struct net_shard *net) {
}
void listener_conn_closed(struct listener_shard *on, const char *host, bool evicted) {
}
void listener_conn_active(struct conn *conn) {
}
void dial_progress(struct conn *conn) {
}
void dial_frame(struct conn *conn, struct frame *frame) {
}
void dial_closed(struct conn *conn, bool callback) {
}
void dial_free_all(struct net_shard *net) {
}

/* ---- The server over it ---------------------------------------------------------------------- */

static void on_frame(struct conn *conn, struct exchange *exchange, struct frame *frame, void *ctx) {
    ASSERT(!world.closed && world.pending_count < PENDING_MAX);
    ASSERT(world.expect.len >= 4);
    size_t len = load_be32(fuzz_take(&world.expect, 4).data);
    ASSERT(len == frame->len && len >= 1 && len <= world.expect.len);
    ASSERT(slice_equal(fuzz_take(&world.expect, len), slice_make(frame->data, frame->len)));
    frame_unref(frame);
    world.pending[world.pending_count++] = exchange;
}

static void on_close(struct conn *conn, const char *reason, void *ctx) {
    world.closed = true;
}

static void answer_one(void) {
    ASSERT(world.pending_count > 0);
    int i = (int)(fuzz_random(&world.random) % (uint64_t)world.pending_count);
    struct exchange *exchange = world.pending[i];
    world.pending[i] = world.pending[--world.pending_count];
    exchange_done(exchange);
}

static void end_turn(struct net_shard *net) {
    net_shard_turn_begin(net);
    net_shard_turn_end(net);
    if (net_shard_receive_in_line(net)) {
        net_shard_turn_end(net);
    }
}

static void run(struct conn *conn, struct net_shard *net) {
    while (!world.closed && (world.rest.len > 0 || world.pending_count > 0)) {
        bool readable = (conn->events & UV_READABLE) != 0;
        if (readable && world.rest.len > 0) {
            on_poll(&conn->poll, 0, UV_READABLE);
        } else {
            answer_one(); /* nothing pending and nothing read: it would hang */
        }
        if (world.pending_count > 0 && fuzz_random(&world.random) % 4 == 0) {
            answer_one();
        }
        end_turn(net);
    }
}

/* All was received. What was not delivered is no whole frame, or the one that closed it. */
static void check_end(struct conn *conn, struct net_shard *net, size_t frame_max) {
    bool refused = world.closed;
    if (!world.closed && world.ending != 0) {
        int status = world.ending == EIO ? -EIO : 0;
        on_poll(&conn->poll, status, UV_READABLE | UV_WRITABLE);
        end_turn(net);
        ASSERT(world.closed);
    }
    uint32_t len = world.expect.len >= 4 ? load_be32(world.expect.data) : 1;
    if (refused && world.ending == 0) {
        ASSERT(world.expect.len >= 4 && (len == 0 || len > frame_max));
    } else if (!refused) {
        ASSERT(world.expect.len < 4 || len > world.expect.len - 4);
    }
    if (!world.closed) {
        conn_destroy(conn);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct machine machine;
    static struct shard shard;
    static struct net_shard *net;
    static struct listener *listener;
    if (size < PREFIX) {
        return 0;
    }
    if (net == NULL) {
        machine.shard_count = 1;
        machine.shards[0] = &shard;
        shard.machine = &machine;
        net = net_shard_new(&shard);
        shard.net = net;
        listener = (struct listener *)xcalloc(1, sizeof(*listener) + sizeof(struct listener_shard));
        listener->handler = (struct listener_handler){.on_frame = on_frame, .on_close = on_close};
        listener->shards[0].listener = listener;
        listener->shards[0].net = net;
    }
    struct slice stream = fuzz_input(data + PREFIX, size - PREFIX);
    world.rest = stream;
    world.expect = stream;
    world.random = data[3];
    world.piece_max = (size_t)1 << data[3] % 8;
    world.dry = false;
    world.pending_count = 0;
    world.closed = false;
    static const int endings[] = {0, 0, EPIPE, ECONNRESET, EIO};
    world.ending = endings[data[1] / 8 % ARRAY_LEN(endings)];
    listener->options.exchanges_max = 1 + data[1] % 8;
    listener->options.frame_memory_max = (size_t)data[2] * 4;
    listener->options.output_max = 1;
    struct conn *conn = conn_new(net, -1, CONN_OPEN, (size_t)1 + data[0] * 4);
    conn->listener_shard = &listener->shards[0];
    conn->poll.data = conn;
    conn_update_events(conn);
    run(conn, net);
    check_end(conn, net, (size_t)1 + data[0] * 4);
    while (world.pending_count > 0) {
        answer_one();
    }
    ASSERT(atomic_load(&machine.frame_memory) == 0);
    return 0;
}
