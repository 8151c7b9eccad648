/* Dialling over real loopback: machines talk to themselves. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errmsg.h"
#include "base/memory.h"
#include "runtime/log.h"
#include "runtime/machine.h"
#include "runtime/net.h"

#define ROUNDS 200

static struct machine *machine;
static struct listener *listener;
static struct dialer_options dialer = {
    .host = "127.0.0.1", .frame_max = 1 << 20, .connect_timeout_ms = 10000};
static int connects;
static int answers;
static bool listen_first = true;
static bool cancel;
static char reason_seen[128];

static void on_open(struct conn *conn, void *ctx) {
}

static void on_frame(struct conn *conn, struct exchange *exchange, struct frame *frame, void *ctx) {
    struct reply *reply = reply_new();
    reply_add_frame(reply, frame, frame->data, frame->len);
    exchange_reply(exchange, reply);
}

static void on_close(struct conn *conn, const char *reason, void *ctx) {
}

static void send_number(struct conn *conn) {
    uint8_t *data = xcalloc(1, 70000);
    memset(data, answers, 70000);
    struct reply *reply = reply_new();
    reply_add_heap(reply, data, 70000);
    conn_send(conn, reply);
}

static void on_connect(struct conn *conn, void *ctx) {
    connects++;
    cr_assert_str_eq(conn_peer_host(conn), "127.0.0.1");
    send_number(conn);
}

static void on_answer(struct conn *conn, struct frame *frame, void *ctx) {
    cr_assert_eq(frame->len, 70000);
    cr_assert_eq(frame->data[69999], (uint8_t)answers);
    frame_unref(frame);
    if (++answers == ROUNDS) {
        conn_close(conn, "enough");
        conn_close(conn, "not this one");
    } else {
        send_number(conn);
    }
}

static void on_end(struct conn *conn, const char *reason, void *ctx) {
    snprintf(reason_seen, sizeof(reason_seen), "%s", reason);
    machine_stop(machine);
}

static void start(void *ctx) {
    const struct listener_options options = {.host = "127.0.0.1",
                                             .frame_max = 1 << 20,
                                             .output_max = 1 << 20,
                                             .exchanges_max = 10,
                                             .idle_max_ms = -1};
    const struct listener_handler server = {on_open, on_frame, on_close};
    const struct dialer_handler handler = {on_connect, on_answer, on_end};
    struct errmsg errmsg;
    if (listen_first) {
        cr_assert_eq(listener_open(machine, &options, &server, NULL, &listener, &errmsg), 0);
        dialer.port = listener_port(listener);
    }
    struct conn *conn = conn_dial(machine_shard(machine, 0), &dialer, &handler, NULL);
    cr_assert_eq(connects, 0);
    cr_assert_str_empty(reason_seen);
    if (cancel) {
        conn_close(conn, "cancelled");
    }
}

static void run(int shard_count) {
    machine = machine_new(shard_count, 1);
    log_set_level(machine, LOG_LEVEL_ERROR);
    machine_run(machine, start, NULL);
    machine_free(machine);
}

TestSuite(uv_dial, .timeout = 60);

Test(uv_dial, a_dialled_connection_carries_frames_both_ways) {
    run(2);
    cr_assert_eq(connects, 1);
    cr_assert_eq(answers, ROUNDS);
    cr_assert_str_eq(reason_seen, "enough");
}

Test(uv_dial, names_are_resolved_and_each_address_is_tried) {
    /* ::1 comes first where it exists, and nobody listens there. */
    dialer.host = "localhost";
    run(1);
    cr_assert_eq(connects, 1);
    cr_assert_eq(answers, ROUNDS);
}

Test(uv_dial, a_refused_connection_is_reported) {
    listen_first = false;
    dialer.port = 1;
    run(1);
    cr_assert_eq(connects, 0);
    cr_assert_str_eq(reason_seen, "connect: Connection refused");
}

Test(uv_dial, an_unknown_name_is_reported) {
    listen_first = false;
    dialer.port = 1;
    dialer.host = "no.such.host.invalid";
    run(1);
    cr_assert(strncmp(reason_seen, "resolve no.such.host.invalid: ", 30) == 0, "%s", reason_seen);
}

Test(uv_dial, a_dial_can_be_cancelled_while_it_connects_and_while_it_resolves) {
    cancel = true;
    run(1);
    cr_assert_str_eq(reason_seen, "cancelled");
    cr_assert_eq(connects, 0);
    reason_seen[0] = '\0';
    dialer.host = "localhost";
    run(1);
    cr_assert_str_eq(reason_seen, "cancelled");
    cr_assert_eq(connects, 0);
}
