/*
 * Sending: replies of one turn leave in as few system calls as possible.
 *
 * Bytes in memory are sent from where they are. A long range of a file is sent by the kernel from
 * its page cache (sendfile), when it is all there; what is not is brought there by a worker first,
 * and goes the same way if it is shorter: looking at pages that the disk has just filled is several
 * times dearer than at others.
 *
 * A short range is read into a buffer of the shard (page cache only, RWF_NOWAIT) right before the
 * send that takes it, together with what stands before and behind it; what the socket did not take
 * is read again later, so that a slow receiver costs no memory. What is not cached is read by a
 * worker into memory of the connection's, at most FILE_CHUNK_SIZE at a time; a long range too, if
 * it does not stay in the page cache or the file system has no sendfile. A range that cannot be
 * read in full closes the connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "runtime/file.h"
#include "runtime/uv/file_fd.h"
#include "runtime/uv/file_pages.h"
#include "runtime/uv/net_internal.h"

#define PREFIX_LEN       4
#define STUCK_MEMORY_MIN ((size_t)64 * 1024) /* less does not make a connection worth closing */
#define STUCK_SILENT_MS  1000
#define STUCK_HURRY      4 /* times the limit */

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

static void account_memory(struct conn *conn, const struct reply *reply) {
    size_t len = 0;
    for (int i = 0; i < reply->part_count; i++) {
        len += reply->parts[i].kind == REPLY_FILE ? 0 : reply->parts[i].len;
    }
    conn->output_memory += len;
    conn->net->output_memory += len;
}

void conn_output_append(struct conn *conn, struct reply *reply) {
    store_be32(reply->prefix, (uint32_t)reply->len);
    list_append(&conn->output, &reply->link);
    conn->output_len += PREFIX_LEN + reply->len;
    account_memory(conn, reply);
    if (conn->listener_shard != NULL) {
        const struct listener_options *options = &conn->listener_shard->listener->options;
        conn->output_full = conn->output_full || conn->output_len >= options->output_max;
        if (options->output_memory_max > 0 &&
            conn->net->output_memory > options->output_memory_max) {
            conn->net->output_memory_limit = options->output_memory_max;
        }
    }
    conn_mark_dirty(conn);
}

/* ---- Output of those who do not take it ------------------------------------------------------ */

/* The connection that holds memory and took nothing for longest; NULL when all are alive. */
static struct conn *find_stuck(struct net_shard *net, int64_t silent_ms) {
    int64_t latest_ms = shard_now_ms(net->shard) - silent_ms;
    struct conn *stuck = NULL;
    LIST_FOREACH(it, &net->conns) {
        struct conn *conn = CONTAINER_OF(it, struct conn, link);
        if (conn->state == CONN_OPEN && conn->listener_shard != NULL && conn->send_blocked &&
            conn->output_memory >= STUCK_MEMORY_MIN && conn->active_ms <= latest_ms &&
            (stuck == NULL || conn->active_ms < stuck->active_ms)) {
            stuck = conn;
        }
    }
    return stuck;
}

void conn_output_keep_limit(struct net_shard *net) {
    size_t limit = net->output_memory_limit;
    net->output_memory_limit = 0;
    while (limit > 0 && net->output_memory > limit) {
        /* Who has just begun to be slow is given a moment, unless it gets out of hand. */
        int64_t silent_ms = net->output_memory / STUCK_HURRY > limit ? 0 : STUCK_SILENT_MS;
        struct conn *conn = find_stuck(net, silent_ms);
        if (conn == NULL) {
            return;
        }
        conn_close(conn, "it does not take its answers, which hold too much memory");
        conn_finish_close(conn);
    }
}

/* ---- Ranges of files that are not cached ----------------------------------------------------- */

static void cold_run(struct work *work) {
    struct cold_read *cold = CONTAINER_OF(work, struct cold_read, work);
    cold->got = cold->warm ? file_warm(cold->file, cold->pos, cold->len)
                           : file_read_at(cold->file, cold->data, cold->len, cold->pos);
}

static void cold_free(struct cold_read *cold) {
    list_remove(&cold->link);
    file_unref(cold->file);
    free(cold);
}

static void cold_done(struct work *work) {
    struct cold_read *cold = CONTAINER_OF(work, struct cold_read, work);
    struct conn *conn = cold->conn;
    if (conn == NULL) {
        cold_free(cold);
        return;
    }
    if (cold->warm) {
        conn->cold = NULL;
        conn->warm_failed = cold->got <= 0; /* reading it says why */
        conn->net->no_direct = conn->net->no_direct || cold->got == -EINVAL;
        conn->warm_file = cold->file;
        conn->warm_pos = cold->pos;
        conn->warm_end = cold->pos + (cold->got > 0 ? cold->got : 0);
        cold_free(cold);
        conn_mark_dirty(conn);
        return;
    }
    cold->ready = true;
    if (cold->got != (int64_t)cold->len) {
        LOG_WARN(conn->net->shard->machine, "net", "a range of a file cannot be sent",
                 "peer=%s pos=%lld len=%zu error=\"%s\"", conn->host, (long long)cold->pos,
                 cold->len, cold->got < 0 ? strerror((int)-cold->got) : "the file ends before");
        conn_close(conn, "a range of a file cannot be read");
        return;
    }
    conn_mark_dirty(conn);
}

static void cold_start(struct conn *conn, const struct reply_part *part, size_t offset, bool warm) {
    size_t left = part->len - offset;
    size_t len = min_size(left, warm ? FILE_WARM_SIZE : FILE_CHUNK_SIZE);
    struct cold_read *cold = xmalloc(sizeof(*cold) + (warm ? 0 : len));
    *cold = (struct cold_read){
        .warm = warm,
        .conn = conn,
        .file = file_ref(part->owner.file),
        .pos = part->pos + (int64_t)offset,
        .len = len,
    };
    list_append(&conn->net->cold_reads, &cold->link);
    conn->cold = cold;
    conn->warm_failed = false;
    work_submit_slow(conn->net->shard, &cold->work, cold_run, cold_done);
}

static void cold_drop(struct conn *conn) {
    struct cold_read *cold = conn->cold;
    conn->cold = NULL;
    if (cold == NULL) {
        return;
    }
    if (cold->ready) {
        cold_free(cold);
    } else {
        cold->conn = NULL;
    }
}

/* ---- Gathering ------------------------------------------------------------------------------- */

struct gather {
    struct conn *conn;
    int iov_count;
    size_t len;
    size_t chunk_used;               /* of the shard's file chunk */
    const struct reply_part *direct; /* a range that the kernel sends behind all this; or NULL */
    int64_t direct_pos;
    size_t direct_len;
};

static void gather_add(struct gather *gather, const void *data, size_t len) {
    if (len > 0) {
        gather->conn->net->iov[gather->iov_count++] =
            (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = len};
        gather->len += len;
    }
}

static bool can_go_direct(const struct conn *conn, size_t left) {
    return left >= FILE_DIRECT_MIN && !conn->net->no_direct && !conn->warm_failed;
}

/* A long range, of which nothing has been read by a worker. False when it has to be copied. */
static bool gather_direct(struct gather *gather, const struct reply_part *part, size_t offset) {
    struct conn *conn = gather->conn;
    struct file *file = part->owner.file;
    int64_t pos = part->pos + (int64_t)offset;
    size_t left = part->len - offset;
    bool warm = file == conn->warm_file && pos >= conn->warm_pos && pos < conn->warm_end;
    if (!can_go_direct(conn, left) || (part->len < FILE_DIRECT_RANGE && !warm)) {
        return false;
    }
    size_t want = min_size(left, conn->net->flush_max);
    size_t len =
        warm ? min_size(want, (size_t)(conn->warm_end - pos)) : file_cached_len(file, pos, want);
    if (len > 0) {
        gather->direct = part;
        gather->direct_pos = pos;
        gather->direct_len = len;
    } else if (gather->len == 0) { /* what stands before goes first */
        cold_start(conn, part, offset, true);
    }
    return true;
}

/* Adds what is at hand of a file range from `offset`; false when the send must end there. */
static bool gather_file(struct gather *gather, const struct reply_part *part, size_t offset) {
    struct conn *conn = gather->conn;
    int64_t pos = part->pos + (int64_t)offset;
    size_t left = part->len - offset;
    if (conn->cold != NULL) {
        /* Only one cold range at a time, and the first thing not yet sent when it is ready. */
        struct cold_read *cold = conn->cold;
        if (!cold->ready || cold->file != part->owner.file || pos < cold->pos ||
            pos >= cold->pos + (int64_t)cold->len) {
            return false;
        }
        size_t skip = (size_t)(pos - cold->pos);
        size_t len = min_size(left, cold->len - skip);
        gather_add(gather, cold->data + skip, len);
        return len == left;
    }
    if (gather_direct(gather, part, offset)) {
        return false;
    }
    size_t chunk_max = min_size(conn->chunk_max, conn->net->flush_max);
    if (gather->chunk_used >= chunk_max) {
        return false;
    }
    struct net_shard *net = conn->net;
    if (net->file_chunk == NULL) {
        net->file_chunk = xmalloc(FILE_CHUNK_SIZE);
    }
    struct iovec into = {.iov_base = net->file_chunk + gather->chunk_used,
                         .iov_len = min_size(left, chunk_max - gather->chunk_used)};
    ssize_t got;
    do {
        got = preadv2(file_fd(part->owner.file), &into, 1, pos, RWF_NOWAIT);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        /* Not cached, or no such question on this file system; an error or the end of the file is
         * found again, and reported, by the worker. */
        if (gather->len == 0) {
            cold_start(conn, part, offset, can_go_direct(conn, left));
        }
        return false;
    }
    gather_add(gather, into.iov_base, (size_t)got);
    gather->chunk_used += (size_t)got;
    return (size_t)got == left;
}

static bool gather_reply(struct gather *gather, const struct reply *reply, bool first) {
    struct conn *conn = gather->conn;
    size_t prefix_sent = first ? conn->prefix_sent : 0;
    gather_add(gather, reply->prefix + prefix_sent, PREFIX_LEN - prefix_sent);
    for (int i = first ? conn->part : 0; i < reply->part_count; i++) {
        const struct reply_part *part = &reply->parts[i];
        size_t offset = first && i == conn->part ? conn->part_sent : 0;
        if (gather->iov_count == OUTPUT_IOV_MAX) {
            return false;
        }
        if (part->len == offset) {
            continue;
        }
        if (part->kind != REPLY_FILE) {
            gather_add(gather, part->data + offset, part->len - offset);
        } else if (!gather_file(gather, part, offset)) {
            return false;
        }
    }
    return true;
}

static void gather_output(struct gather *gather) {
    struct conn *conn = gather->conn;
    bool first = true;
    LIST_FOREACH(it, &conn->output) {
        if (gather->iov_count == OUTPUT_IOV_MAX ||
            !gather_reply(gather, CONTAINER_OF(it, struct reply, link), first)) {
            return;
        }
        first = false;
    }
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* `len` more bytes were sent: moves the cursor and frees what is behind it. */
static void advance(struct conn *conn, size_t len) {
    conn->output_len -= len;
    while (!list_empty(&conn->output)) {
        struct reply *reply = LIST_FIRST(&conn->output, struct reply, link);
        size_t step = min_size(PREFIX_LEN - conn->prefix_sent, len);
        conn->prefix_sent += step;
        len -= step;
        if (conn->prefix_sent < PREFIX_LEN) {
            return;
        }
        while (conn->part < reply->part_count) {
            struct reply_part *part = &reply->parts[conn->part];
            step = min_size(part->len - conn->part_sent, len);
            conn->part_sent += step;
            len -= step;
            if (conn->part_sent < part->len) {
                return;
            }
            if (part->kind != REPLY_FILE) {
                conn->output_memory -= part->len;
                conn->net->output_memory -= part->len;
            }
            reply_part_release(part);
            conn->part++;
            conn->part_sent = 0;
        }
        list_remove(&reply->link);
        reply_free(reply);
        conn->prefix_sent = 0;
        conn->part = 0;
    }
    ASSERT(len == 0);
}

/* A cold range is done with when the cursor has left it. */
static void drop_sent_cold(struct conn *conn) {
    struct cold_read *cold = conn->cold;
    if (cold == NULL || !cold->ready) {
        return;
    }
    if (!list_empty(&conn->output)) {
        const struct reply *reply = LIST_FIRST(&conn->output, struct reply, link);
        if (conn->prefix_sent == PREFIX_LEN && conn->part < reply->part_count) {
            const struct reply_part *part = &reply->parts[conn->part];
            int64_t pos = part->pos + (int64_t)conn->part_sent;
            if (part->kind == REPLY_FILE && part->owner.file == cold->file && pos >= cold->pos &&
                pos < cold->pos + (int64_t)cold->len) {
                return;
            }
        }
    }
    cold_drop(conn);
}

/* `sent` is what a send of `len` bytes returned; false when the connection has to wait or is done.
 */
static bool after_send(struct conn *conn, ssize_t sent, size_t len, size_t *sent_total) {
    if (sent < 0) {
        if (errno == EAGAIN) {
            conn->send_blocked = true;
        } else {
            conn_close_errno(conn, errno, "send");
        }
        return false;
    }
    if (conn->listener_shard != NULL && sent > 0) {
        listener_conn_active(conn);
    }
    *sent_total += (size_t)sent;
    advance(conn, (size_t)sent);
    conn->send_blocked = (size_t)sent < len;
    return !conn->send_blocked;
}

static bool send_memory(struct conn *conn, const struct gather *gather, size_t *sent_total) {
    struct msghdr message = {.msg_iov = conn->net->iov, .msg_iovlen = (size_t)gather->iov_count};
    int more = gather->direct != NULL ? MSG_MORE : 0;
    ssize_t sent;
    do {
        sent = sendmsg(conn->fd, &message, MSG_NOSIGNAL | more);
    } while (sent < 0 && errno == EINTR);
    bool all = after_send(conn, sent, gather->len, sent_total);
    drop_sent_cold(conn);
    return all;
}

static bool send_direct(struct conn *conn, const struct gather *gather, size_t *sent_total) {
    off_t pos = gather->direct_pos;
    int fd = file_fd(gather->direct->owner.file);
    ssize_t sent;
    do {
        sent = sendfile(conn->fd, fd, &pos, gather->direct_len);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EINVAL || errno == ENOSYS)) {
        conn->net->no_direct = true; /* the file system has no pages to send */
        return true;
    }
    if (sent == 0 || (sent < 0 && errno == EIO)) {
        /* The file ends here, or cannot be read: a worker finds it again, and reports it. */
        cold_start(conn, gather->direct, conn->part_sent, false);
        return false;
    }
    return after_send(conn, sent, gather->direct_len, sent_total);
}

/* One send; false when the connection has to wait or is done. */
static bool send_once(struct conn *conn, size_t *sent_total) {
    struct gather gather = {.conn = conn};
    gather_output(&gather);
    if (gather.len == 0 && gather.direct == NULL) {
        return false;
    }
    bool all = gather.len == 0 || send_memory(conn, &gather, sent_total);
    if (all && gather.direct != NULL) {
        all = send_direct(conn, &gather, sent_total);
    }
    if (all) {
        conn->chunk_max = min_size(conn->chunk_max * 2, FILE_CHUNK_SIZE);
    } else if (conn->send_blocked && (gather.chunk_used > 0 || gather.direct != NULL) &&
               conn->chunk_max > FILE_CHUNK_MIN) {
        conn->chunk_max /= 2;
    }
    return all;
}

/* Many receivers that want a lot are given little each in a turn, so that nobody waits long. */
static size_t flush_max(const struct net_shard *net) {
    if (net->flush_left < FLUSH_BYTES_MIN) {
        return FLUSH_BYTES_MIN;
    }
    return min_size(net->flush_left, FLUSH_BYTES_MAX);
}

void conn_flush(struct conn *conn) {
    struct net_shard *net = conn->net;
    size_t sent = 0;
    net->flush_max = flush_max(net);
    while (!conn->send_blocked && !list_empty(&conn->output) && conn->state == CONN_OPEN) {
        if (!send_once(conn, &sent)) {
            break;
        }
        if (sent >= net->flush_max) {
            /* The others' turn: the poll comes back to this one. */
            conn->send_blocked = !list_empty(&conn->output);
        }
    }
    net->flush_left -= min_size(net->flush_left, sent);
}

void conn_output_release(struct conn *conn) {
    cold_drop(conn);
    while (!list_empty(&conn->output)) {
        struct reply *reply = LIST_FIRST(&conn->output, struct reply, link);
        list_remove(&reply->link);
        reply_free(reply);
    }
    conn->output_len = 0;
    conn->net->output_memory -= conn->output_memory;
    conn->output_memory = 0;
}
