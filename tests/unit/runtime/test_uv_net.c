/*
 * Serving over real loopback sockets: the machine runs on a thread of its own, the test is a client
 * with blocking sockets. What a request asks for is its first byte:
 *
 *     e echo   h hold until 'r' (then answered youngest first)   n no answer   f a range of the
 * file c close the connection   b a big answer   p pause for good
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/errmsg.h"
#include "base/memory.h"
#include "runtime/conn_limits.h"
#include "runtime/file.h"
#include "runtime/log.h"
#include "runtime/machine.h"
#include "runtime/net.h"
#include "runtime/uv/file_pages.h"

#define FILE_LEN (3 * 1024 * 1024 + 77)
#define BIG_LEN  (8 * 1024 * 1024)
#define HELD_MAX 8

static struct machine *machine;
static struct listener *listener;
static struct listener_options options;
static struct file *file;
static int shard_count = 1;
static pthread_t thread;
static pthread_barrier_t ready;
static atomic_int frames_seen;
static atomic_int drained;
static atomic_int opened;
static atomic_int closed;
static pthread_mutex_t reason_lock = PTHREAD_MUTEX_INITIALIZER;
static char reason_seen[128]; /* of the last close; under reason_lock */
static struct exchange *held[HELD_MAX];
static int held_count;
static struct conn *other_conn; /* the first one */
static pthread_barrier_t busy;  /* two waits: the loop is stopped, and goes on */
static struct errmsg errmsg;
static int open_result;

static uint8_t file_byte(size_t pos) {
    return (uint8_t)(pos * 131 + (pos >> 9));
}

static struct reply *text_reply(const char *text) {
    struct reply *reply = reply_new();
    reply_add_heap(reply, xstrdup(text), strlen(text));
    return reply;
}

static void release_held(void) {
    while (held_count > 0) {
        char text[16];
        snprintf(text, sizeof(text), "held%d", held_count - 1);
        exchange_reply(held[--held_count], text_reply(text));
    }
}

static void reply_range(struct exchange *exchange, size_t pos, size_t len) {
    struct reply *reply = reply_new();
    reply_add_heap(reply, xstrdup("<"), 1);
    reply_add_file(reply, file_ref(file), (int64_t)pos, len);
    reply_add_heap(reply, xstrdup(">"), 1);
    exchange_reply(exchange, reply);
}

static void on_frame(struct conn *conn, struct exchange *exchange, struct frame *frame, void *ctx) {
    shard_assert_current(conn_shard(conn));
    atomic_fetch_add(&frames_seen, 1);
    char what = (char)frame->data[0];
    if (what == 'e') {
        struct reply *reply = reply_new();
        reply_add_frame(reply, frame, frame->data, frame->len);
        exchange_reply(exchange, reply);
        return;
    }
    if (what == 'h') {
        held[held_count++] = exchange;
    } else if (what == 'S') {
        pthread_barrier_wait(&busy);
        pthread_barrier_wait(&busy);
        exchange_done(exchange);
    } else if (what == 'U') {
        char left[16];
        snprintf(left, sizeof(left), "%zu", conn_output_len(other_conn));
        exchange_reply(exchange, text_reply(left));
    } else if (what == 'N') {
        char count[16];
        snprintf(count, sizeof(count), "%d", frames_seen);
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
    if (atomic_fetch_add(&opened, 1) == 0) {
        other_conn = conn;
    }
}

static void on_close(struct conn *conn, const char *reason, void *ctx) {
    pthread_mutex_lock(&reason_lock);
    snprintf(reason_seen, sizeof(reason_seen), "%s", reason);
    pthread_mutex_unlock(&reason_lock);
    atomic_fetch_add(&closed, 1);
}

static void on_drained(struct conn *conn, void *ctx) {
    cr_assert_lt(conn_output_len(conn), options.output_max);
    atomic_fetch_add(&drained, 1);
}

static const struct listener_handler HANDLER = {on_open, on_frame, on_close, on_drained};

static void start(void *ctx) {
    options.host = "127.0.0.1";
    open_result = listener_open(machine, &options, &HANDLER, NULL, &listener, &errmsg);
    pthread_barrier_wait(&ready);
}

static void *run_machine(void *arg) {
    machine = machine_new(shard_count, 2);
    log_set_level(machine, LOG_LEVEL_ERROR);
    machine_run(machine, start, NULL);
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
    cr_assert_eq(file_open(NULL, path, FILE_READ, &file), 0);
    unlink(path);
}

static void setup(void) {
    options = (struct listener_options){
        .frame_max = 4 * 1024 * 1024,
        .output_max = 1024 * 1024,
        .exchanges_max = 100,
        .idle_max_ms = -1,
    };
    pthread_barrier_init(&ready, NULL, 2);
    make_file();
}

static void serve(void) {
    pthread_create(&thread, NULL, run_machine, NULL);
    pthread_barrier_wait(&ready);
    cr_assert_eq(open_result, 0, "%s", errmsg.text);
}

static void teardown(void) {
    if (machine != NULL) {
        machine_stop(machine);
        pthread_join(thread, NULL);
        /* A listener that is open, with connections and exchanges, is freed with the machine. */
        machine_free(machine);
    }
    conn_limits_free(options.limits);
    file_unref(file);
}

/* ---- The client ------------------------------------------------------------------------------ */

static void dial_with(int fd) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)listener_port(listener))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    struct timeval limit = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static int dial(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    dial_with(fd);
    return fd;
}

static void send_all(int fd, const void *data, size_t len) {
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, (const uint8_t *)data + sent, len - sent, MSG_NOSIGNAL);
        cr_assert_gt(n, 0);
        sent += (size_t)n;
    }
}

static void send_frame(int fd, const void *data, size_t len) {
    uint8_t *bytes = xmalloc(len + 4);
    store_be32(bytes, (uint32_t)len);
    memcpy(bytes + 4, data, len);
    send_all(fd, bytes, len + 4);
    free(bytes);
}

static void send_text(int fd, const char *text) {
    send_frame(fd, text, strlen(text));
}

static void send_length(int fd, uint32_t len) {
    uint8_t prefix[4];
    store_be32(prefix, len);
    send_all(fd, prefix, sizeof(prefix));
}

static void recv_all(int fd, void *data, size_t len) {
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, (uint8_t *)data + got, len - got, 0);
        cr_assert_gt(n, 0, "after %zu of %zu: %s", got, len, strerror(errno));
        got += (size_t)n;
    }
}

/* The next frame as a heap block. */
static uint8_t *recv_frame(int fd, size_t *len) {
    uint8_t prefix[4];
    recv_all(fd, prefix, 4);
    *len = load_be32(prefix);
    uint8_t *data = xcalloc(1, *len + 1);
    recv_all(fd, data, *len);
    return data;
}

static void expect_text(int fd, const char *text) {
    size_t len = 0;
    uint8_t *data = recv_frame(fd, &len);
    cr_assert_str_eq((char *)data, text);
    free(data);
}

static void expect_closed(int fd) {
    uint8_t byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    cr_assert(n == 0 || (n < 0 && errno == ECONNRESET), "n=%zd %s", n, strerror(errno));
}

static void expect_reason(const char *part) {
    pthread_mutex_lock(&reason_lock);
    cr_assert(strstr(reason_seen, part) != NULL, "%s", reason_seen);
    pthread_mutex_unlock(&reason_lock);
}

TestSuite(uv_net, .init = setup, .fini = teardown, .timeout = 60);

/* ---- Requests and answers -------------------------------------------------------------------- */

Test(uv_net, pipelined_frames_of_all_sizes_are_echoed_in_order) {
    shard_count = 2;
    serve();
    int fd = dial();
    size_t sizes[] = {1, 2, 1000, 65531, 65532, 65533, 200000, 1000000, 3};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint8_t *data = xmalloc(sizes[i]);
        memset(data, (int)i, sizes[i]);
        data[0] = 'e';
        send_frame(fd, data, sizes[i]);
        free(data);
    }
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t len = 0;
        uint8_t *data = recv_frame(fd, &len);
        cr_assert_eq(len, sizes[i]);
        cr_assert_eq(data[0], 'e');
        for (size_t k = 1; k < len; k++) {
            cr_assert_eq(data[k], (uint8_t)i);
        }
        free(data);
    }
    close(fd);
}

Test(uv_net, thousands_of_small_frames_in_one_send_are_all_answered) {
    serve();
    int fd = dial();
    enum { COUNT = 5000, LEN = 9 };
    uint8_t *bytes = xcalloc(COUNT, LEN);
    for (uint32_t i = 0; i < COUNT; i++) {
        store_be32(bytes + i * LEN, LEN - 4);
        bytes[i * LEN + 4] = 'e';
        store_be32(bytes + i * LEN + 5, i);
    }
    send_all(fd, bytes, COUNT * LEN);
    uint8_t *answers = xcalloc(COUNT, LEN);
    recv_all(fd, answers, COUNT * LEN);
    cr_assert_arr_eq(answers, bytes, COUNT * LEN);
    free(bytes);
    free(answers);
    close(fd);
}

Test(uv_net, a_frame_that_arrives_byte_by_byte_is_one_frame) {
    serve();
    int fd = dial();
    const uint8_t bytes[] = {0, 0, 0, 3, 'e', 'x', 'y', 0, 0, 0, 1, 'e'};
    for (size_t i = 0; i < sizeof(bytes); i++) {
        send_all(fd, bytes + i, 1);
    }
    expect_text(fd, "exy");
    expect_text(fd, "e");
    close(fd);
}

Test(uv_net, answers_given_out_of_order_leave_in_order) {
    serve();
    int fd = dial();
    send_text(fd, "h");
    send_text(fd, "h");
    send_text(fd, "n");
    send_text(fd, "eX");
    send_text(fd, "r");
    expect_text(fd, "held0");
    expect_text(fd, "held1");
    expect_text(fd, "eX");
    expect_text(fd, "released");
    close(fd);
}

/* ---- Back-pressure --------------------------------------------------------------------------- */

Test(uv_net, no_more_frames_are_taken_than_exchanges_are_allowed) {
    options.exchanges_max = 2;
    serve();
    int fd = dial();
    int other = dial();
    for (int i = 0; i < 6; i++) {
        send_text(fd, "h");
    }
    /* The loop has looked at the first connection when the second is answered twice. */
    for (int i = 0; i < 2; i++) {
        send_text(other, "e");
        expect_text(other, "e");
    }
    cr_assert_leq(frames_seen, 4);
    for (int i = 0; i < 3; i++) {
        send_text(other, "r");
        expect_text(other, "released");
        expect_text(fd, "held0");
        expect_text(fd, "held1");
    }
    close(fd);
    close(other);
}

Test(uv_net, a_receiver_that_does_not_read_is_not_read_either) {
    serve();
    int fd = dial();
    int other = dial();
    int sent = 0;
    for (; sent < 20; sent++) {
        send_text(fd, "b");
    }
    for (int i = 0; i < 5; i++) {
        send_text(other, "e");
        expect_text(other, "e");
    }
    cr_assert_lt(frames_seen, 20 + 5);
    for (int i = 0; i < sent; i++) {
        size_t len = 0;
        uint8_t *data = recv_frame(fd, &len);
        cr_assert_eq(len, BIG_LEN);
        free(data);
    }
    close(fd);
    close(other);
}

Test(uv_net, frame_memory_used_up_stops_reading_until_an_answer) {
    options.frame_memory_max = 100;
    shard_count = 2;
    serve();
    int fd = dial();
    char big[200];
    memset(big, 'h', sizeof(big));
    send_frame(fd, big, sizeof(big)); /* admitted alone, above the limit */
    while (frames_seen < 1) {
        sched_yield();
    }
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = dial();
        send_text(fds[i], "e");
    }
    struct pollfd nothing = {.fd = fds[0], .events = POLLIN};
    cr_assert_eq(poll(&nothing, 1, 0), 0);
    cr_assert_eq(frames_seen, 1);
    close(fd); /* the held exchange keeps its memory: it is not answered yet */
    while (closed < 1) {
        sched_yield();
    }
    cr_assert_eq(frames_seen, 1);
}

Test(uv_net, frame_memory_that_is_freed_lets_the_waiting_go_on) {
    options.frame_memory_max = 1;
    serve();
    int fds[8];
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 8; i++) {
            if (round == 0) {
                fds[i] = dial();
            }
            send_text(fds[i], "e1");
            send_text(fds[i], "e2");
        }
        for (int i = 0; i < 8; i++) {
            expect_text(fds[i], "e1");
            expect_text(fds[i], "e2");
        }
    }
}

Test(uv_net, a_paused_connection_is_not_read) {
    serve();
    int fd = dial();
    int other = dial();
    send_text(fd, "p");
    send_text(fd, "e");
    for (int i = 0; i < 3; i++) {
        send_text(other, "e");
        expect_text(other, "e");
    }
    cr_assert_eq(frames_seen, 4);
}

/* ---- Bad input and closing ------------------------------------------------------------------- */

Test(uv_net, lengths_outside_the_limits_cost_the_connection_only) {
    serve();
    int good = dial();
    uint32_t lengths[] = {0, 0xffffffffu, 0x80000000u, 4 * 1024 * 1024 + 1, 0x7fffffffu};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        int fd = dial();
        send_length(fd, lengths[i]);
        expect_closed(fd);
        close(fd);
        expect_reason("frame length");
    }
    send_text(good, "e");
    expect_text(good, "e");
    close(good);
}

Test(uv_net, a_peer_that_leaves_in_the_middle_of_a_frame_is_forgotten) {
    serve();
    int fd = dial();
    send_length(fd, 3 * 1024 * 1024);
    send_all(fd, "abc", 3);
    close(fd);
    while (closed < 1) {
        sched_yield();
    }
    expect_reason("closed by the peer");
    cr_assert_eq(frames_seen, 0);
}

Test(uv_net, exchanges_of_a_closed_connection_may_still_be_ended) {
    serve();
    int fd = dial();
    int other = dial();
    send_text(fd, "h");
    send_text(fd, "h");
    send_text(fd, "c");
    expect_closed(fd);
    expect_reason("asked to");
    send_text(other, "r");
    expect_text(other, "released");
    close(fd);
    close(other);
}

Test(uv_net, a_silent_connection_is_closed_and_one_that_waits_for_us_is_not) {
    options.idle_max_ms = 30;
    serve();
    int waiting = dial();
    send_text(waiting, "h");
    int silent = dial();
    expect_closed(silent);
    expect_reason("idle for too long");
    int again = dial();
    send_text(again, "r");
    expect_text(waiting, "held0");
}

static void listener_gone(void *ctx) {
    pthread_barrier_wait(&ready);
}

static struct post close_post;

static void close_listener(struct post *post) {
    listener_close(listener, listener_gone, NULL);
}

Test(uv_net, closing_a_listener_closes_its_connections_on_all_shards) {
    shard_count = 2;
    serve();
    int fds[16];
    for (int i = 0; i < 16; i++) {
        fds[i] = dial();
        send_text(fds[i], "e");
        expect_text(fds[i], "e");
    }
    shard_post(machine_shard(machine, 0), &close_post, close_listener);
    pthread_barrier_wait(&ready);
    cr_assert_eq(closed, 16);
    for (int i = 0; i < 16; i++) {
        expect_closed(fds[i]);
        close(fds[i]);
    }
}

/* ---- Receivers that do not receive ----------------------------------------------------------- */

Test(uv_net, the_server_is_told_when_a_slow_receiver_has_caught_up) {
    serve();
    int fd = dial();
    int other = dial();
    for (int i = 0; i < 3; i++) {
        send_text(fd, "b"); /* more than the system keeps for a socket */
    }
    while (frames_seen == 0) {
        sched_yield();
    }
    send_text(other, "e");
    expect_text(other, "e");
    int before = drained;
    for (int i = 0; i < 3; i++) {
        size_t len = 0;
        free(recv_frame(fd, &len));
        cr_assert_eq(len, BIG_LEN);
    }
    send_text(fd, "e");
    expect_text(fd, "e");
    cr_assert_gt(drained, before);
    close(fd);
    close(other);
}

Test(uv_net, those_who_take_nothing_are_closed_when_their_answers_are_too_much_memory) {
    options.output_memory_max = 3 * BIG_LEN;
    serve();
    int good = dial();
    int stuck[16];
    for (int i = 0; i < 16; i++) {
        stuck[i] = dial();
        send_text(stuck[i], "b");
        send_text(good, "e");
        expect_text(good, "e");
    }
    /* Four times the limit is 12 answers. The last of the 16 may not have been given yet: whoever
     * reads before that makes room for it, and then fewer have to be closed. */
    while (closed < 16 - 12) {
        send_text(good, "e");
        expect_text(good, "e");
    }
    char *data = xmalloc(BIG_LEN + 4);
    int whole = 0;
    for (int i = 0; i < 16; i++) {
        whole += recv(stuck[i], data, BIG_LEN + 4, MSG_WAITALL) == BIG_LEN + 4;
        close(stuck[i]);
    }
    cr_assert_geq(whole, 3, "only as many as necessary are closed");
    cr_assert_leq(whole, 12, "four times the limit is never exceeded");
    free(data);
    send_text(good, "e");
    expect_text(good, "e");
}

#define CROWD     100
#define CROWD_LEN (20 * 1024)

Test(uv_net, a_small_frame_does_not_wait_for_the_large_ones_of_a_crowd) {
    pthread_barrier_init(&busy, NULL, 2);
    serve();
    int crowd[CROWD];
    char *large = xcalloc(1, CROWD_LEN); /* not answered */
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = dial();
        send_frame(crowd[i], large, CROWD_LEN);
    }
    int stopper = dial();
    int good = dial();
    while (frames_seen < CROWD) {
        sched_yield();
    }
    send_text(stopper, "S");
    pthread_barrier_wait(&busy);
    for (int i = 0; i < CROWD; i++) {
        for (int j = 0; j < 3; j++) {
            send_frame(crowd[i], large, CROWD_LEN);
        }
    }
    send_text(good, "N");
    pthread_barrier_wait(&busy);
    size_t len = 0;
    char *seen = (char *)recv_frame(good, &len);
    int before = atoi(seen) - CROWD - 2;
    cr_assert_geq(before, 0);
    cr_assert_leq(before, CROWD * 3 / 4, "%d large frames of %d were taken before", before,
                  3 * CROWD);
    free(seen);
    while (frames_seen < 4 * CROWD + 2) {
        sched_yield(); /* all of the crowd get their turn */
    }
    for (int i = 0; i < CROWD; i++) {
        close(crowd[i]);
    }
    free(large);
}

/* A small window on the client's side, so that what is on its way lies on the server's. */
static int dial_narrow(void) {
    int size = 4096;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    dial_with(fd);
    return fd;
}

Test(uv_net, no_more_is_given_to_the_system_than_the_send_buffer_takes) {
    options.send_buffer = 16 * 1024;
    serve();
    int fd = dial_narrow();
    send_text(fd, "b");
    while (frames_seen == 0) {
        sched_yield();
    }
    int good = dial();
    size_t len = 0;
    for (int i = 0; i < 3; i++) { /* the first connection is sent to in between */
        send_text(good, "U");
        char *left = (char *)recv_frame(good, &len);
        cr_assert_gt(atoi(left), BIG_LEN - 8 * options.send_buffer);
        free(left);
    }
    free(recv_frame(fd, &len));
    cr_assert_eq(len, BIG_LEN);
    close(fd);
    close(good);
}

Test(uv_net, no_more_is_taken_by_the_system_than_the_receive_buffer_holds) {
    options.receive_buffer = 16 * 1024;
    pthread_barrier_init(&busy, NULL, 2);
    serve();
    int stopper = dial();
    int fd = dial_narrow();
    send_text(fd, "e");
    expect_text(fd, "e");
    send_text(stopper, "S");
    pthread_barrier_wait(&busy);
    uint8_t block[4096] = {0};
    int taken = 0;
    while (taken < BIG_LEN) {
        ssize_t sent = send(fd, block, sizeof(block), MSG_DONTWAIT);
        if (sent < 0) {
            break;
        }
        taken += (int)sent;
    }
    pthread_barrier_wait(&busy);
    cr_assert_gt(taken, 0);
    cr_assert_lt(taken, 4 * options.receive_buffer);
    close(fd);
    close(stopper);
}

/* ---- Limits of connections ------------------------------------------------------------------- */

static void limit_connections(int max, int per_ip_max, int rate_max) {
    const struct conn_limit_listener listeners[] = {{CONN_LIMIT_NONE, CONN_LIMIT_NONE, false}};
    if (options.limits == NULL) {
        options.limits = conn_limits_new(1);
    }
    conn_limits_set(options.limits, &(struct conn_limit_values){
                                        .connections_max = max,
                                        .creation_rate_max = rate_max,
                                        .connections_per_ip_max = per_ip_max,
                                        .listeners = listeners,
                                    });
}

Test(uv_net, accepting_waits_while_there_are_too_many_connections) {
    limit_connections(2, CONN_LIMIT_NONE, CONN_LIMIT_NONE);
    shard_count = 2;
    serve();
    int fds[6];
    for (int i = 0; i < 6; i++) {
        fds[i] = dial(); /* the kernel completes it */
        send_text(fds[i], "e");
    }
    int answered = 0;
    while (answered < 6) {
        struct pollfd polls[6];
        for (int i = 0; i < 6; i++) {
            polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        }
        cr_assert_gt(poll(polls, 6, 20000), 0);
        cr_assert_leq(opened - closed, 2);
        for (int i = 0; i < 6; i++) {
            if (fds[i] >= 0 && polls[i].revents != 0) {
                expect_text(fds[i], "e");
                close(fds[i]);
                fds[i] = -1;
                answered++;
            }
        }
    }
}

Test(uv_net, one_address_gets_no_more_connections_than_its_share) {
    limit_connections(CONN_LIMIT_NONE, 1, CONN_LIMIT_NONE);
    serve();
    int first = dial();
    send_text(first, "e");
    expect_text(first, "e");
    int second = dial();
    expect_closed(second);
    close(first);
    while (closed < 1) {
        sched_yield();
    }
    int third = dial();
    send_text(third, "e");
    expect_text(third, "e");
}

Test(uv_net, a_lowered_limit_closes_the_longest_silent_connections) {
    limit_connections(CONN_LIMIT_NONE, CONN_LIMIT_NONE, CONN_LIMIT_NONE);
    serve();
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = dial();
        send_text(fds[i], "e");
        expect_text(fds[i], "e");
    }
    send_text(fds[0], "e");
    expect_text(fds[0], "e");
    limit_connections(2, CONN_LIMIT_NONE, CONN_LIMIT_NONE);
    expect_closed(fds[1]);
    expect_closed(fds[2]);
    send_text(fds[0], "e");
    expect_text(fds[0], "e");
    send_text(fds[3], "e");
    expect_text(fds[3], "e");
}

Test(uv_net, connections_that_come_too_fast_are_let_in_later) {
    limit_connections(CONN_LIMIT_NONE, CONN_LIMIT_NONE, 1);
    shard_count = 2;
    serve();
    int64_t began_ns = clock_now_ns(machine);
    for (int i = 0; i < 12; i++) {
        int fd = dial();
        send_text(fd, "e");
        expect_text(fd, "e");
        close(fd);
    }
    cr_assert_gt(clock_now_ns(machine) - began_ns, 1000000000, "the last two waited");
}

Test(uv_net, a_listener_closes_while_it_holds_a_connection_back) {
    limit_connections(CONN_LIMIT_NONE, CONN_LIMIT_NONE, 0);
    serve();
    int fd = dial();
    shard_post(machine_shard(machine, 0), &close_post, close_listener);
    pthread_barrier_wait(&ready);
    expect_closed(fd);
    cr_assert_eq(conn_limits_count(options.limits), 0);
}

Test(uv_net, a_process_out_of_descriptors_accepts_again_when_it_has_some) {
    serve();
    int good = dial();
    send_text(good, "e");
    expect_text(good, "e");
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    dial_with(fd);
    send_text(fd, "e");
    send_text(good, "e");
    expect_text(good, "e");
    cr_assert_eq(opened, 1);
    setrlimit(RLIMIT_NOFILE, &before);
    expect_text(fd, "e");
    close(fd);
    close(good);
}

Test(uv_net, a_port_in_use_is_an_error_that_a_person_understands) {
    for (int shards = 1; shards <= 2; shards++) {
        struct machine *first = machine_new(shards, 1);
        struct machine *second = machine_new(2, 1);
        struct listener *taken = NULL;
        struct listener *refused = NULL;
        options.host = "127.0.0.1";
        cr_assert_eq(listener_open(first, &options, &HANDLER, NULL, &taken, &errmsg), 0, "%s",
                     errmsg.text);
        options.port = listener_port(taken);
        cr_assert_eq(listener_open(second, &options, &HANDLER, NULL, &refused, &errmsg),
                     -EADDRINUSE);
        char expected[128];
        snprintf(expected, sizeof(expected),
                 "cannot listen on 127.0.0.1:%d: bind: Address already in use", options.port);
        cr_assert_str_eq(errmsg.text, expected);
        options.port = 0;
        machine_free(second);
        machine_free(first);
    }
}

Test(uv_net, all_addresses_are_one_dual_stack_socket) {
    struct machine *first = machine_new(1, 1);
    struct listener *any = NULL;
    struct listener *refused = NULL;
    options.host = "";
    cr_assert_eq(listener_open(first, &options, &HANDLER, NULL, &any, &errmsg), 0);
    options.port = listener_port(any);
    options.host = "127.0.0.1";
    cr_assert_eq(listener_open(first, &options, &HANDLER, NULL, &refused, &errmsg), -EADDRINUSE);
    options.host = "no.such.host.invalid";
    cr_assert_lt(listener_open(first, &options, &HANDLER, NULL, &refused, &errmsg), 0);
    machine_free(first);
}

/* ---- Ranges of files ------------------------------------------------------------------------- */

static void ask_range(int fd, uint32_t pos, uint32_t len) {
    uint8_t request[9] = {'f'};
    store_be32(request + 1, pos);
    store_be32(request + 5, len);
    send_frame(fd, request, sizeof(request));
}

static void expect_range(int fd, size_t pos, size_t len) {
    size_t got = 0;
    uint8_t *data = recv_frame(fd, &got);
    cr_assert_eq(got, len + 2);
    cr_assert_eq(data[0], '<');
    cr_assert_eq(data[len + 1], '>');
    for (size_t i = 0; i < len; i++) {
        cr_assert_eq(data[i + 1], file_byte(pos + i));
    }
    free(data);
}

Test(uv_net, ranges_of_files_are_sent_between_bytes) {
    serve();
    int fd = dial();
    uint32_t ranges[][2] = {{0, FILE_LEN}, {1, 1},         {5, 0},
                            {7, 300000},   {FILE_LEN, 0},  {FILE_LEN - 1, 1},
                            {0, 262144},   {4096, 524288}, {100, 2000000}};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        ask_range(fd, ranges[i][0], ranges[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        expect_range(fd, ranges[i][0], ranges[i][1]);
    }
    close(fd);
}

Test(uv_net, ranges_that_are_not_cached_are_read_by_a_worker) {
    serve();
    cr_assert_eq(file_sync(file), 0);
    file_drop_cache(file, 0, FILE_LEN);
    int fd = dial();
    ask_range(fd, 3, FILE_LEN - 3);
    ask_range(fd, 0, 10);
    expect_range(fd, 3, FILE_LEN - 3);
    expect_range(fd, 0, 10);
    close(fd);
}

/* The socket is full in the middle of a range again and again. */
Test(uv_net, ranges_are_whole_for_a_receiver_that_takes_little_at_a_time) {
    serve();
    int size = 4096;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    dial_with(fd);
    uint32_t ranges[][2] = {{1, FILE_LEN - 1}, {5000, 40000}, {0, 32768}, {4095, 1048577}};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        ask_range(fd, ranges[i][0], ranges[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        expect_range(fd, ranges[i][0], ranges[i][1]);
    }
    close(fd);
}

static void expect_closed_after(uint32_t pos, uint32_t len) {
    int fd = dial();
    ask_range(fd, pos, len);
    uint8_t bytes[4096];
    ssize_t n = 0;
    size_t total = 0;
    do {
        n = recv(fd, bytes, sizeof(bytes), 0);
        total += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    cr_assert_leq(total, 5 + FILE_LEN - (size_t)pos); /* the length, '<', and what there is */
    expect_reason("a range of a file cannot be read");
    close(fd);
}

Test(uv_net, a_range_beyond_the_end_of_the_file_closes_the_connection) {
    serve();
    expect_closed_after(FILE_LEN - 10, 11);
}

Test(uv_net, a_long_range_beyond_the_end_of_the_file_closes_the_connection) {
    serve();
    expect_closed_after(0, FILE_LEN + 1);
}

Test(uv_net, a_range_that_begins_far_beyond_the_end_closes_the_connection) {
    serve();
    expect_closed_after(FILE_LEN, 1000000);
}

Test(uv_net, what_was_warmed_is_in_the_page_cache) {
    cr_assert_eq(file_sync(file), 0);
    file_drop_cache(file, 0, FILE_LEN);
    cr_assert_eq(file_warm(file, 5000, 900000), 900000);
    cr_assert_eq(file_cached_len(file, 5000, 900000), 900000);
    cr_assert_eq(file_cached_len(file, 6001, 1), 1);
    cr_assert_eq(file_warm(file, FILE_LEN - 100000, 200000), 100000);
    cr_assert_eq(file_warm(file, FILE_LEN + 1, 10), 0);
    cr_assert_eq(file_cached_len(file, FILE_LEN + 8192, 10), 0);
}
