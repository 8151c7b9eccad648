/* Requests and answers, bad input, back-pressure, and receivers that do not receive. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "tests/unit/runtime/uv_server.h"

TestSuite(uv_net, .init = uv_server_setup, .fini = uv_server_teardown, .timeout = 60);

/* ---- Requests and answers -------------------------------------------------------------------- */

Test(uv_net, pipelined_frames_of_all_sizes_are_echoed_in_order) {
    server.shard_count = 2;
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
    server.options.exchanges_max = 2;
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
    cr_assert_leq(server.frames_seen, 4);
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
    cr_assert_lt(server.frames_seen, 20 + 5);
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
    server.options.frame_memory_max = 100;
    server.shard_count = 2;
    serve();
    int fd = dial();
    char big[200];
    memset(big, 'h', sizeof(big));
    send_frame(fd, big, sizeof(big)); /* admitted alone, above the limit */
    while (server.frames_seen < 1) {
        sched_yield();
    }
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = dial();
        send_text(fds[i], "e");
    }
    struct pollfd nothing = {.fd = fds[0], .events = POLLIN};
    cr_assert_eq(poll(&nothing, 1, 0), 0);
    cr_assert_eq(server.frames_seen, 1);
    close(fd); /* the held exchange keeps its memory: it is not answered yet */
    while (server.closed < 1) {
        sched_yield();
    }
    cr_assert_eq(server.frames_seen, 1);
}

Test(uv_net, frame_memory_that_is_freed_lets_the_waiting_go_on) {
    server.options.frame_memory_max = 1;
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
    cr_assert_eq(server.frames_seen, 4);
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
    while (server.closed < 1) {
        sched_yield();
    }
    expect_reason("closed by the peer");
    cr_assert_eq(server.frames_seen, 0);
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
    server.options.idle_max_ms = 30;
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

Test(uv_net, closing_a_listener_closes_its_connections_on_all_shards) {
    server.shard_count = 2;
    serve();
    int fds[16];
    for (int i = 0; i < 16; i++) {
        fds[i] = dial();
        send_text(fds[i], "e");
        expect_text(fds[i], "e");
    }
    close_listener();
    cr_assert_eq(server.closed, 16);
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
    while (server.frames_seen == 0) {
        sched_yield();
    }
    send_text(other, "e");
    expect_text(other, "e");
    int before = server.drained;
    for (int i = 0; i < 3; i++) {
        size_t len = 0;
        free(recv_frame(fd, &len));
        cr_assert_eq(len, BIG_LEN);
    }
    send_text(fd, "e");
    expect_text(fd, "e");
    cr_assert_gt(server.drained, before);
    close(fd);
    close(other);
}

Test(uv_net, those_who_take_nothing_are_closed_when_their_answers_are_too_much_memory) {
    server.options.output_memory_max = 3 * BIG_LEN;
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
    while (server.closed < 16 - 12) {
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
    pthread_barrier_init(&server.busy, NULL, 2);
    serve();
    int crowd[CROWD];
    char *large = xcalloc(1, CROWD_LEN); /* not answered */
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = dial();
        send_frame(crowd[i], large, CROWD_LEN);
    }
    int stopper = dial();
    int good = dial();
    while (server.frames_seen < CROWD) {
        sched_yield();
    }
    send_text(stopper, "S");
    pthread_barrier_wait(&server.busy);
    for (int i = 0; i < CROWD; i++) {
        for (int j = 0; j < 3; j++) {
            send_frame(crowd[i], large, CROWD_LEN);
        }
    }
    send_text(good, "N");
    pthread_barrier_wait(&server.busy);
    size_t len = 0;
    char *seen = (char *)recv_frame(good, &len);
    int before = atoi(seen) - CROWD - 2;
    cr_assert_geq(before, 0);
    cr_assert_leq(before, CROWD * 3 / 4, "%d large frames of %d were taken before", before,
                  3 * CROWD);
    free(seen);
    while (server.frames_seen < 4 * CROWD + 2) {
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
    server.options.send_buffer = 16 * 1024;
    serve();
    int fd = dial_narrow();
    send_text(fd, "b");
    while (server.frames_seen == 0) {
        sched_yield();
    }
    int good = dial();
    size_t len = 0;
    for (int i = 0; i < 3; i++) { /* the first connection is sent to in between */
        send_text(good, "U");
        char *left = (char *)recv_frame(good, &len);
        cr_assert_gt(atoi(left), BIG_LEN - 8 * server.options.send_buffer);
        free(left);
    }
    free(recv_frame(fd, &len));
    cr_assert_eq(len, BIG_LEN);
    close(fd);
    close(good);
}

Test(uv_net, no_more_is_taken_by_the_system_than_the_receive_buffer_holds) {
    server.options.receive_buffer = 16 * 1024;
    pthread_barrier_init(&server.busy, NULL, 2);
    serve();
    int stopper = dial();
    int fd = dial_narrow();
    send_text(fd, "e");
    expect_text(fd, "e");
    send_text(stopper, "S");
    pthread_barrier_wait(&server.busy);
    uint8_t block[4096] = {0};
    int taken = 0;
    while (taken < BIG_LEN) {
        ssize_t sent = send(fd, block, sizeof(block), MSG_DONTWAIT);
        if (sent < 0) {
            break;
        }
        taken += (int)sent;
    }
    pthread_barrier_wait(&server.busy);
    cr_assert_gt(taken, 0);
    cr_assert_lt(taken, 4 * server.options.receive_buffer);
    close(fd);
    close(stopper);
}
