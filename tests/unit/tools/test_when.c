#include <criterion/criterion.h>

#include "tools/cli/when.h"

#define NOW INT64_C(1800000000000)

static int64_t when(const char *text) {
    int64_t ms = -1;
    return when_parse(text, NOW, &ms) ? ms : -1;
}

Test(when, milliseconds_are_taken_as_they_are) {
    cr_assert_eq(when("0"), 0);
    cr_assert_eq(when("1767225600000"), INT64_C(1767225600000));
}

Test(when, a_time_without_zone_is_utc) {
    cr_assert_eq(when("2026-01-01T00:00:00"), INT64_C(1767225600000));
    cr_assert_eq(when("2026-01-01T00:00:00Z"), INT64_C(1767225600000));
    cr_assert_eq(when("2026-01-01T00:00"), INT64_C(1767225600000));
    cr_assert_eq(when("2026-01-01 00:00:00"), INT64_C(1767225600000));
    cr_assert_eq(when("2026-01-01"), INT64_C(1767225600000));
}

Test(when, zones_and_fractions_count) {
    cr_assert_eq(when("2026-01-01T02:00:00.500+02:00"), INT64_C(1767225600500));
    cr_assert_eq(when("2025-12-31T19:00:00.5-0500"), INT64_C(1767225600500));
    cr_assert_eq(when("2026-01-01T01:00:00+01"), INT64_C(1767225600000));
}

Test(when, leap_years_have_their_day) {
    cr_assert_eq(when("2024-03-01") - when("2024-02-29"), 86400000);
    cr_assert_eq(when("2100-03-01") - when("2100-02-28"), 86400000);
    cr_assert_eq(when("1970-01-01"), 0);
}

Test(when, ago_is_before_now) {
    cr_assert_eq(when("now"), NOW);
    cr_assert_eq(when("-90s"), NOW - 90000);
    cr_assert_eq(when("-15m"), NOW - 900000);
    cr_assert_eq(when("-2h"), NOW - 7200000);
    cr_assert_eq(when("-3d"), NOW - 259200000);
}

Test(when, what_is_no_time_is_refused) {
    static const char *const texts[] = {"",
                                        "yesterday",
                                        "-1",
                                        "-15",
                                        "-m",
                                        "-9223372036854775807d",
                                        "2026-13-01",
                                        "2026-01-01T25:00",
                                        "2026-01-01T10:00:00X",
                                        "2026-1-1",
                                        "2026-01-01T10:00Z?"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t ms;
        cr_assert_not(when_parse(texts[i], NOW, &ms), "%s", texts[i]);
    }
}

Test(duration, is_that_of_java) {
    int64_t ms;
    cr_assert(duration_parse("PT1S", &ms));
    cr_assert_eq(ms, 1000);
    cr_assert(duration_parse("P1DT2H3M4.5S", &ms));
    cr_assert_eq(ms, 86400000 + 2 * 3600000 + 3 * 60000 + 4500);
    cr_assert(duration_parse("-PT1M", &ms));
    cr_assert_eq(ms, -60000);
    static const char *const wrong[] = {"", "P", "1S", "P1H", "PT1D", "P1", "PTS"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_not(duration_parse(wrong[i], &ms), "%s", wrong[i]);
    }
}
