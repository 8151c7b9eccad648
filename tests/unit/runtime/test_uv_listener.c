/* How many connections there may be, and where a listener listens. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/conn_limits.h"
#include "tests/unit/runtime/uv_server.h"

TestSuite(uv_listener, .init = uv_server_setup, .fini = uv_server_teardown, .timeout = 60);

static void limit_connections(int max, int per_ip_max, int rate_max) {
    const struct conn_limit_listener listeners[] = {{CONN_LIMIT_NONE, CONN_LIMIT_NONE, false}};
    if (server.options.limits == NULL) {
        server.options.limits = conn_limits_new(1);
    }
    conn_limits_set(server.options.limits, &(struct conn_limit_values){
                                               .connections_max = max,
                                               .creation_rate_max = rate_max,
                                               .connections_per_ip_max = per_ip_max,
                                               .listeners = listeners,
                                           });
}

Test(uv_listener, accepting_waits_while_there_are_too_many_connections) {
    limit_connections(2, CONN_LIMIT_NONE, CONN_LIMIT_NONE);
    server.shard_count = 2;
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
        cr_assert_leq(server.opened - server.closed, 2);
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

Test(uv_listener, one_address_gets_no_more_connections_than_its_share) {
    limit_connections(CONN_LIMIT_NONE, 1, CONN_LIMIT_NONE);
    serve();
    int first = dial();
    send_text(first, "e");
    expect_text(first, "e");
    int second = dial();
    expect_closed(second);
    close(first);
    while (server.closed < 1) {
        sched_yield();
    }
    int third = dial();
    send_text(third, "e");
    expect_text(third, "e");
}

Test(uv_listener, a_lowered_limit_closes_the_longest_silent_connections) {
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

Test(uv_listener, connections_that_come_too_fast_are_let_in_later) {
    limit_connections(CONN_LIMIT_NONE, CONN_LIMIT_NONE, 1);
    server.shard_count = 2;
    serve();
    int64_t began_ns = clock_now_ns(server.machine);
    for (int i = 0; i < 12; i++) {
        int fd = dial();
        send_text(fd, "e");
        expect_text(fd, "e");
        close(fd);
    }
    cr_assert_gt(clock_now_ns(server.machine) - began_ns, 1000000000, "the last two waited");
}

/* Lets the loop, which stands still, go on, and returns how long it takes until `count` are `many`.
 */
static int64_t go_on_until(const atomic_int *count, int many) {
    int64_t began_ns = clock_now_ns(server.machine);
    pthread_barrier_wait(&server.busy);
    while (atomic_load(count) < many) {
        usleep(100);
    }
    return clock_now_ns(server.machine) - began_ns;
}

Test(uv_listener, many_connections_at_once_are_taken_and_given_back_a_few_at_a_time) {
    pthread_barrier_init(&server.busy, NULL, 2);
    serve();
    int stopper = dial();
    int fds[40];
    send_text(stopper, "S");
    pthread_barrier_wait(&server.busy);
    for (int i = 0; i < 40; i++) {
        fds[i] = dial(); /* the kernel completes it */
    }
    /* In goes of 4, each in another millisecond. */
    cr_assert_geq(go_on_until(&server.opened, 41), 8000000);
    send_text(stopper, "S");
    pthread_barrier_wait(&server.busy);
    for (int i = 0; i < 40; i++) {
        close(fds[i]);
    }
    cr_assert_geq(go_on_until(&server.closed, 40), 8000000);
    close(stopper);
}

Test(uv_listener, a_listener_closes_while_it_holds_a_connection_back) {
    limit_connections(CONN_LIMIT_NONE, CONN_LIMIT_NONE, 0);
    serve();
    int fd = dial();
    close_listener();
    expect_closed(fd);
    cr_assert_eq(conn_limits_count(server.options.limits), 0);
}

Test(uv_listener, a_process_out_of_descriptors_accepts_again_when_it_has_some) {
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
    cr_assert_eq(server.opened, 1);
    setrlimit(RLIMIT_NOFILE, &before);
    expect_text(fd, "e");
    close(fd);
    close(good);
}

Test(uv_listener, a_port_in_use_is_an_error_that_a_person_understands) {
    for (int shards = 1; shards <= 2; shards++) {
        struct machine *first = machine_new(shards, 1);
        struct machine *second = machine_new(2, 1);
        struct listener *taken = NULL;
        struct listener *refused = NULL;
        server.options.host = "127.0.0.1";
        cr_assert_eq(
            listener_open(first, &server.options, &UV_SERVER_HANDLER, NULL, &taken, &server.errmsg),
            0, "%s", server.errmsg.text);
        server.options.port = listener_port(taken);
        cr_assert_eq(listener_open(second, &server.options, &UV_SERVER_HANDLER, NULL, &refused,
                                   &server.errmsg),
                     -EADDRINUSE);
        char expected[128];
        snprintf(expected, sizeof(expected),
                 "cannot listen on 127.0.0.1:%d: bind: Address already in use",
                 server.options.port);
        cr_assert_str_eq(server.errmsg.text, expected);
        server.options.port = 0;
        machine_free(second);
        machine_free(first);
    }
}

Test(uv_listener, all_addresses_are_one_dual_stack_socket) {
    struct machine *first = machine_new(1, 1);
    struct listener *any = NULL;
    struct listener *refused = NULL;
    server.options.host = "";
    cr_assert_eq(
        listener_open(first, &server.options, &UV_SERVER_HANDLER, NULL, &any, &server.errmsg), 0);
    server.options.port = listener_port(any);
    server.options.host = "127.0.0.1";
    cr_assert_eq(
        listener_open(first, &server.options, &UV_SERVER_HANDLER, NULL, &refused, &server.errmsg),
        -EADDRINUSE);
    server.options.host = "no.such.host.invalid";
    cr_assert_lt(
        listener_open(first, &server.options, &UV_SERVER_HANDLER, NULL, &refused, &server.errmsg),
        0);
    machine_free(first);
}
