/* The rate of replication that throttles are held against (Kafka's SimpleRate). */
#include <criterion/criterion.h>

#include "broker/replica/replication_rate.h"

#define START_MS INT64_C(1000000)

Test(replication_rate, one_window_at_least_is_what_bytes_are_spread_over) {
    struct replication_rate *rate = replication_rate_new(11, 1000);
    cr_assert(!replication_rate_exceeds(rate, START_MS, 0));
    replication_rate_add(rate, START_MS, 1000);
    cr_assert(replication_rate_exceeds(rate, START_MS, 999));
    cr_assert(!replication_rate_exceeds(rate, START_MS, 1000));
    replication_rate_free(rate);
}

Test(replication_rate, what_was_too_much_is_paid_for_by_waiting) {
    struct replication_rate *rate = replication_rate_new(11, 1000);
    replication_rate_add(rate, START_MS, 5000);
    cr_assert(replication_rate_exceeds(rate, START_MS + 4000, 1000));
    cr_assert(!replication_rate_exceeds(rate, START_MS + 5000, 1000));
    replication_rate_free(rate);
}

Test(replication_rate, windows_are_forgotten) {
    struct replication_rate *rate = replication_rate_new(11, 1000);
    replication_rate_add(rate, START_MS, INT64_C(1) << 40);
    cr_assert(replication_rate_exceeds(rate, START_MS + 10999, 1000));
    cr_assert(!replication_rate_exceeds(rate, START_MS + 11000, 0));
    replication_rate_add(rate, START_MS + 11000, 10);
    cr_assert(replication_rate_exceeds(rate, START_MS + 11000, 9));
    cr_assert(!replication_rate_exceeds(rate, START_MS + 11000, 10));
    replication_rate_free(rate);
}

Test(replication_rate, windows_add_up) {
    struct replication_rate *rate = replication_rate_new(11, 1000);
    for (int i = 0; i < 30; i++) {
        replication_rate_add(rate, START_MS + i * 500, 50);
    }
    /* Eleven windows of 100, the last of them half over. */
    int64_t now_ms = START_MS + 29 * 500;
    cr_assert(replication_rate_exceeds(rate, now_ms, 103));
    cr_assert(!replication_rate_exceeds(rate, now_ms, 105));
    replication_rate_free(rate);
}

Test(replication_rate, more_windows_than_are_kept_do_no_harm) {
    struct replication_rate *rate = replication_rate_new(INT32_MAX, 1000);
    replication_rate_add(rate, 5, 100);
    cr_assert(replication_rate_exceeds(rate, 6, 99));
    cr_assert(!replication_rate_exceeds(rate, 5 + 2000 * 1000, 0));
    replication_rate_free(rate);
}
