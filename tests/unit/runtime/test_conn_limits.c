#include <criterion/criterion.h>

#include "base/memory.h"
#include "runtime/conn_limits.h"
#include "runtime/conn_rate.h"

#define LISTENERS 2

static struct conn_limits *limits;
static struct conn_limit_member members[LISTENERS];
static int told[LISTENERS];

static void changed(struct conn_limit_member *member) {
    told[member - members]++;
}

static void setup(void) {
    limits = conn_limits_new(LISTENERS);
    for (int i = 0; i < LISTENERS; i++) {
        conn_limits_join(limits, &members[i], i, changed);
        told[i] = 0;
    }
}

static void teardown(void) {
    for (int i = 0; i < LISTENERS; i++) {
        conn_limits_part(limits, &members[i]);
    }
    conn_limits_free(limits);
}

TestSuite(conn_limits, .init = setup, .fini = teardown);

static const struct conn_limit_listener FREE = {CONN_LIMIT_NONE, CONN_LIMIT_NONE, false};

static void set(int all, int per_ip, struct conn_limit_listener first,
                struct conn_limit_listener second) {
    const struct conn_limit_listener listeners[LISTENERS] = {first, second};
    const struct conn_limit_address addresses[] = {{"10.0.0.1", 3}, {"10.0.0.2", 0}};
    conn_limits_set(limits, &(struct conn_limit_values){
                                .connections_max = all,
                                .creation_rate_max = CONN_LIMIT_NONE,
                                .connections_per_ip_max = per_ip,
                                .addresses = addresses,
                                .address_count = 2,
                                .listeners = listeners,
                            });
    told[0] = told[1] = 0;
}

static bool enter(int listener) {
    return conn_limits_enter(limits, &members[listener]);
}

static void leave(int listener, bool evicted) {
    conn_limits_leave(limits, &members[listener], evicted);
}

Test(conn_limits, who_waits_for_a_place_is_told_once_when_any_listener_has_one) {
    set(2, CONN_LIMIT_NONE, FREE, FREE);
    cr_assert(enter(0) && enter(1));
    cr_assert(!enter(1));
    leave(0, false);
    cr_assert_eq(told[0], 0);
    cr_assert_eq(told[1], 1);
    cr_assert(enter(1));
    leave(1, false);
    cr_assert_eq(told[1], 1);
    cr_assert_eq(conn_limits_count(limits), 1);
}

Test(conn_limits, a_listener_has_a_limit_of_its_own) {
    set(CONN_LIMIT_NONE, CONN_LIMIT_NONE, (struct conn_limit_listener){1, CONN_LIMIT_NONE, false},
        FREE);
    cr_assert(enter(0));
    cr_assert(!enter(0));
    cr_assert(enter(1) && enter(1));
}

Test(conn_limits, a_raised_limit_wakes_who_waits) {
    set(1, CONN_LIMIT_NONE, FREE, FREE);
    cr_assert(enter(0));
    cr_assert(!enter(0));
    const struct conn_limit_listener listeners[LISTENERS] = {FREE, FREE};
    conn_limits_set(limits, &(struct conn_limit_values){2, CONN_LIMIT_NONE, CONN_LIMIT_NONE, NULL,
                                                        0, listeners});
    cr_assert_eq(told[0], 1);
    cr_assert(enter(0));
}

Test(conn_limits, a_lowered_limit_evicts_as_many_as_are_too_many) {
    for (int i = 0; i < 5; i++) {
        cr_assert(enter(0));
    }
    set(3, CONN_LIMIT_NONE, FREE, FREE);
    cr_assert(conn_limits_evict(limits, &members[0]));
    cr_assert(conn_limits_evict(limits, &members[0]));
    cr_assert(!conn_limits_evict(limits, &members[0]), "two of five are on their way out");
    leave(0, true);
    leave(0, true);
    cr_assert(!conn_limits_evict(limits, &members[0]));
    cr_assert(!enter(0));
}

Test(conn_limits, a_protected_listener_takes_the_place_of_others) {
    set(2, CONN_LIMIT_NONE, (struct conn_limit_listener){3, CONN_LIMIT_NONE, true}, FREE);
    cr_assert(enter(1) && enter(1));
    cr_assert(!enter(1));
    cr_assert(enter(0));
    cr_assert_eq(told[1], 1);
    cr_assert(!conn_limits_evict(limits, &members[0]), "not those of the protected one");
    cr_assert(conn_limits_evict(limits, &members[1]));
    cr_assert(!conn_limits_evict(limits, &members[1]));
    leave(1, true);
    cr_assert(enter(0) && enter(0));
    cr_assert(!enter(0), "its own limit holds");
}

Test(conn_limits, an_address_has_its_own_limit_or_that_of_all) {
    set(CONN_LIMIT_NONE, 1, FREE, FREE);
    cr_assert(conn_limits_enter_address(limits, "10.0.0.9"));
    cr_assert(!conn_limits_enter_address(limits, "10.0.0.9"));
    conn_limits_leave_address(limits, "10.0.0.9");
    cr_assert(conn_limits_enter_address(limits, "10.0.0.9"));
    for (int i = 0; i < 3; i++) {
        cr_assert(conn_limits_enter_address(limits, "10.0.0.1"));
    }
    cr_assert(!conn_limits_enter_address(limits, "10.0.0.1"));
    cr_assert(!conn_limits_enter_address(limits, "10.0.0.2"));
}

Test(conn_limits, connections_are_counted_before_there_is_a_limit) {
    cr_assert(conn_limits_enter_address(limits, "10.0.0.9"));
    set(CONN_LIMIT_NONE, 1, FREE, FREE);
    cr_assert(!conn_limits_enter_address(limits, "10.0.0.9"));
}

Test(conn_limits, throttled_connections_of_one_listener_wait_for_one_another) {
    set(CONN_LIMIT_NONE, CONN_LIMIT_NONE, (struct conn_limit_listener){CONN_LIMIT_NONE, 1, false},
        FREE);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(conn_limits_throttle_ms(limits, &members[0], 5), 0);
    }
    cr_assert_eq(conn_limits_throttle_ms(limits, &members[0], 5), 1000);
    cr_assert_eq(conn_limits_throttle_ms(limits, &members[0], 5), 2000);
    cr_assert_eq(conn_limits_throttle_ms(limits, &members[1], 5), 0);
}

/* ---- Rates ----------------------------------------------------------------------------------- */

Test(conn_rate, ten_seconds_worth_may_come_at_once) {
    struct conn_rate rate = {0};
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(conn_rate_record(&rate, 1000, 5), 0);
    }
    cr_assert_eq(conn_rate_record(&rate, 1000, 5), 200, "1 of 5 a second too many");
    cr_assert_eq(conn_rate_record(&rate, 1000, 5), 400);
    for (int i = 0; i < 10; i++) {
        cr_assert_leq(conn_rate_record(&rate, 1000, 5), CONN_RATE_WAIT_MAX_MS);
    }
}

Test(conn_rate, who_keeps_to_the_bound_never_waits) {
    struct conn_rate rate = {0};
    for (int64_t now_ms = 7; now_ms < 100000; now_ms += 110) {
        cr_assert_eq(conn_rate_record(&rate, now_ms, 10), 0);
    }
}

Test(conn_rate, what_is_long_ago_does_not_count) {
    struct conn_rate rate = {0};
    for (int i = 0; i < 1000; i++) {
        conn_rate_record(&rate, 1000, 1);
    }
    cr_assert_eq(conn_rate_record(&rate, 1000, 1), CONN_RATE_WAIT_MAX_MS);
    cr_assert_eq(conn_rate_record(&rate, 1000 + 12000, 1), 0);
}

Test(conn_rate, over_time_no_more_than_the_bound_gets_through) {
    struct conn_rate rate = {0};
    int64_t now_ms = 1000;
    int passed = 0;
    while (now_ms < 121000) {
        now_ms += conn_rate_record(&rate, now_ms, 20) + 1;
        passed++;
    }
    cr_assert_leq(passed, 20 * 130);
    cr_assert_geq(passed, 20 * 100);
}
