#include "tests/unit/runtime/uv_server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "runtime/conn_limits.h"
#include "runtime/log.h"

struct uv_server server = {.shard_count = 1, .reason_lock = PTHREAD_MUTEX_INITIALIZER};

uint8_t file_byte(size_t pos) {
    return (uint8_t)(pos * 131 + (pos >> 9));
}

static struct reply *text_reply(const char *text) {
    struct reply *reply = reply_new();
    reply_add_heap(reply, xstrdup(text), strlen(text));
    return reply;
}

static void release_held(void) {
    while (server.held_count > 0) {
        char text[16];
        snprintf(text, sizeof(text), "held%d", server.held_count - 1);
        exchange_reply(server.held[--server.held_count], text_reply(text));
    }
}

static void reply_range(struct exchange *exchange, size_t pos, size_t len) {
    struct reply *reply = reply_new();
    reply_add_heap(reply, xstrdup("<"), 1);
    reply_add_file(reply, file_ref(server.file), (int64_t)pos, len);
    reply_add_heap(reply, xstrdup(">"), 1);
    exchange_reply(exchange, reply);
}

static void on_frame(struct conn *conn, struct exchange *exchange, struct frame *frame, void *ctx) {
    shard_assert_current(conn_shard(conn));
    atomic_fetch_add(&server.frames_seen, 1);
    char what = (char)frame->data[0];
    if (what == 'e') {
        struct reply *reply = reply_new();
        reply_add_frame(reply, frame, frame->data, frame->len);
        exchange_reply(exchange, reply);
        return;
    }
    if (what == 'h') {
        server.held[server.held_count++] = exchange;
    } else if (what == 'S') {
        pthread_barrier_wait(&server.busy);
        pthread_barrier_wait(&server.busy);
        exchange_done(exchange);
    } else if (what == 'U') {
        char left[16];
        snprintf(left, sizeof(left), "%zu", conn_output_len(server.other_conn));
        exchange_reply(exchange, text_reply(left));
    } else if (what == 'N') {
        char count[16];
        snprintf(count, sizeof(count), "%d", server.frames_seen);
        exchange_reply(exchange, text_reply(count));
    } else if (what == 'r') {
        exchange_reply(exchange, text_reply("released"));
        release_held();
    } else if (what == 'f') {
        reply_range(exchange, load_be32(frame->data + 1), load_be32(frame->data + 5));
    } else if (what == 'b') {
        struct reply *reply = reply_new();
        reply_add_heap(reply, xcalloc(1, BIG_LEN), BIG_LEN);
        exchange_reply(exchange, reply);
    } else {
        if (what == 'c') {
            conn_close(conn, "asked to");
        } else if (what == 'p') {
            conn_pause(conn);
        }
        exchange_done(exchange);
    }
    frame_unref(frame);
}

static void on_open(struct conn *conn, void *ctx) {
    cr_assert_str_eq(conn_peer_host(conn), "127.0.0.1");
    if (atomic_fetch_add(&server.opened, 1) == 0) {
        server.other_conn = conn;
    }
}

static void on_close(struct conn *conn, const char *reason, void *ctx) {
    pthread_mutex_lock(&server.reason_lock);
    snprintf(server.reason_seen, sizeof(server.reason_seen), "%s", reason);
    pthread_mutex_unlock(&server.reason_lock);
    atomic_fetch_add(&server.closed, 1);
}

static void on_drained(struct conn *conn, void *ctx) {
    cr_assert_lt(conn_output_len(conn), server.options.output_max);
    atomic_fetch_add(&server.drained, 1);
}

const struct listener_handler UV_SERVER_HANDLER = {on_open, on_frame, on_close, on_drained};

static void start(void *ctx) {
    server.options.host = "127.0.0.1";
    server.open_result = listener_open(server.machine, &server.options, &UV_SERVER_HANDLER, NULL,
                                       &server.listener, &server.errmsg);
    pthread_barrier_wait(&server.ready);
}

static void *run_machine(void *arg) {
    server.machine = machine_new(server.shard_count, 2);
    log_set_level(server.machine, LOG_LEVEL_ERROR);
    machine_run(server.machine, start, NULL);
    return NULL;
}

static void make_file(void) {
    char path[] = "/tmp/barnabas-net-XXXXXX";
    int fd = mkstemp(path);
    uint8_t *data = xmalloc(FILE_LEN);
    for (size_t i = 0; i < FILE_LEN; i++) {
        data[i] = file_byte(i);
    }
    cr_assert_eq(write(fd, data, FILE_LEN), FILE_LEN);
    close(fd);
    free(data);
    cr_assert_eq(file_open(NULL, path, FILE_READ, &server.file), 0);
    unlink(path);
}

void uv_server_setup(void) {
    server.options = (struct listener_options){
        .frame_max = 4 * 1024 * 1024,
        .output_max = 1024 * 1024,
        .exchanges_max = 100,
        .idle_max_ms = -1,
    };
    pthread_barrier_init(&server.ready, NULL, 2);
    make_file();
}

void serve(void) {
    pthread_create(&server.thread, NULL, run_machine, NULL);
    pthread_barrier_wait(&server.ready);
    cr_assert_eq(server.open_result, 0, "%s", server.errmsg.text);
}

void uv_server_teardown(void) {
    if (server.machine != NULL) {
        machine_stop(server.machine);
        pthread_join(server.thread, NULL);
        /* A listener that is open, with connections and exchanges, is freed with the machine. */
        machine_free(server.machine);
    }
    conn_limits_free(server.options.limits);
    file_unref(server.file);
}

static void listener_gone(void *ctx) {
    pthread_barrier_wait(&server.ready);
}

static void begin_close(struct post *post) {
    listener_close(server.listener, listener_gone, NULL);
}

void close_listener(void) {
    static struct post post;
    shard_post(machine_shard(server.machine, 0), &post, begin_close);
    pthread_barrier_wait(&server.ready);
}

/* ---- The client ------------------------------------------------------------------------------ */

void dial_with(int fd) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)listener_port(server.listener))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    struct timeval limit = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

int dial(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    dial_with(fd);
    return fd;
}

void send_all(int fd, const void *data, size_t len) {
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, (const uint8_t *)data + sent, len - sent, MSG_NOSIGNAL);
        cr_assert_gt(n, 0);
        sent += (size_t)n;
    }
}

void send_frame(int fd, const void *data, size_t len) {
    uint8_t *bytes = xmalloc(len + 4);
    store_be32(bytes, (uint32_t)len);
    memcpy(bytes + 4, data, len);
    send_all(fd, bytes, len + 4);
    free(bytes);
}

void send_text(int fd, const char *text) {
    send_frame(fd, text, strlen(text));
}

void send_length(int fd, uint32_t len) {
    uint8_t prefix[4];
    store_be32(prefix, len);
    send_all(fd, prefix, sizeof(prefix));
}

void recv_all(int fd, void *data, size_t len) {
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, (uint8_t *)data + got, len - got, 0);
        cr_assert_gt(n, 0, "after %zu of %zu: %s", got, len, strerror(errno));
        got += (size_t)n;
    }
}

uint8_t *recv_frame(int fd, size_t *len) {
    uint8_t prefix[4];
    recv_all(fd, prefix, 4);
    *len = load_be32(prefix);
    uint8_t *data = xcalloc(1, *len + 1);
    recv_all(fd, data, *len);
    return data;
}

void expect_text(int fd, const char *text) {
    size_t len = 0;
    uint8_t *data = recv_frame(fd, &len);
    cr_assert_str_eq((char *)data, text);
    free(data);
}

void expect_closed(int fd) {
    uint8_t byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    cr_assert(n == 0 || (n < 0 && errno == ECONNRESET), "n=%zd %s", n, strerror(errno));
}

void expect_reason(const char *part) {
    pthread_mutex_lock(&server.reason_lock);
    cr_assert(strstr(server.reason_seen, part) != NULL, "%s", server.reason_seen);
    pthread_mutex_unlock(&server.reason_lock);
}
