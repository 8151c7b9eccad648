/*
 * A connection that never blocks: frames in, frames out, driven by the loop's epoll. Frames have
 * four bytes of length in front, as Kafka's.
 */
#ifndef TOOLS_BENCH_CONN_H
#define TOOLS_BENCH_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct bench_conn;

struct bench_conn_handler {
    /* A whole frame without its length; valid during the call. received_ns: when the last of it was
     * read. */
    void (*on_frame)(struct bench_conn *conn, struct slice frame, int64_t received_ns);

    /* After all frames of one wake-up. */
    void (*on_drained)(struct bench_conn *conn);

    /* Once; the connection is of no more use. reason: constant, or of strerror(). */
    void (*on_close)(struct bench_conn *conn, const char *reason);
};

/* Embedded in its owner. Private but for `closed`. */
struct bench_conn {
    const struct bench_conn_handler *handler;
    int fd;
    int epoll;
    bool wants_write; /* epoll tells when there is room */
    bool closed;

    uint8_t *out; /* bytes out_pos..out_len wait to be sent */
    size_t out_pos;
    size_t out_len;
    size_t out_cap;

    uint8_t *in; /* bytes in_pos..in_len were received and not yet handed on */
    size_t in_pos;
    size_t in_len;
    size_t in_cap;
};

/* Takes over a connected socket, and registers it with epoll (data.ptr is the conn). */
void bench_conn_init(struct bench_conn *conn, int fd, int epoll,
                     const struct bench_conn_handler *handler);
void bench_conn_release(struct bench_conn *conn);

/* Room for `len` bytes of one frame, valid until the next call; the caller fills all of it and
 * calls bench_conn_flush(). */
uint8_t *bench_conn_put(struct bench_conn *conn, size_t len);

/* Sends what the socket takes. */
void bench_conn_flush(struct bench_conn *conn);

/* What epoll told. */
void bench_conn_ready(struct bench_conn *conn, uint32_t events);

/* CLOCK_MONOTONIC. */
int64_t bench_now_ns(void);

#endif
