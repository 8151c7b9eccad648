#include <criterion/criterion.h>

#include "tools/bench/schedule.h"

#define S INT64_C(1000000000)

Test(schedule, events_are_evenly_spaced) {
    struct schedule schedule = {.start_ns = 7, .rate_milli = 1000 * 1000, .records = 1};
    cr_assert_eq(schedule_due_ns(&schedule, 0), 7);
    cr_assert_eq(schedule_due_ns(&schedule, 1), 7 + 1000000);
    cr_assert_eq(schedule_due_ns(&schedule, 1000), 7 + S);
}

Test(schedule, the_rate_is_that_of_records) {
    struct schedule schedule = {.rate_milli = 48000 * 1000, .records = 48};
    cr_assert_eq(schedule_due_ns(&schedule, 1000), S);
}

/* Three events a second: a third is not a whole number of nanoseconds, an hour of them is. */
Test(schedule, rounding_does_not_add_up) {
    struct schedule schedule = {.rate_milli = 3000, .records = 1};
    cr_assert_eq(schedule_due_ns(&schedule, 1), 333333333);
    cr_assert_eq(schedule_due_ns(&schedule, UINT64_C(3) * 3600), 3600 * S);
    cr_assert_eq(schedule_due_ns(&schedule, UINT64_C(3) * 3600 * 24 * 365), INT64_C(31536000) * S);
}

Test(schedule, due_count_and_due_time_agree) {
    static const uint64_t rates[] = {1, 999, 3000, 7777777, 1000000000000};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct schedule schedule = {.start_ns = 12345, .rate_milli = rates[i], .records = 7};
        for (uint64_t number = 0; number < 2000; number += 1 + number / 7) {
            int64_t due = schedule_due_ns(&schedule, number);
            cr_assert_gt(schedule_due_count(&schedule, due), number);
            cr_assert_leq(schedule_due_count(&schedule, due - 1), number);
        }
    }
}

Test(schedule, nothing_is_due_before_the_start) {
    struct schedule schedule = {.start_ns = 100, .rate_milli = 1000000, .records = 1};
    cr_assert_eq(schedule_due_count(&schedule, 99), 0);
    cr_assert_eq(schedule_due_count(&schedule, 100), 1);
}
