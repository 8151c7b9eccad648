/* What the scripts kafka-producer-perf-test and kafka-consumer-perf-test print. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tools/kafka/perf.h"

TestSuite(perf, .timeout = 600);

Test(perf, numbers_look_as_java_prints_them) {
    cr_expect_str_eq(perf_number(1.25, 1).text,
                     "1.2"); /* half to even in binary, as printf has it */
    cr_expect_str_eq(perf_number(2.0 / 3, 6).text, "0.666667");
    cr_expect_str_eq(perf_number(0.0 / 0.0, 2).text, "NaN");
    cr_expect_str_eq(perf_number(INFINITY, 2).text, "Infinity");
    cr_expect_str_eq(perf_number(-INFINITY, 2).text, "-Infinity");
}

static char *printed(const struct perf_stats *stats, const struct histogram *latencies,
                     const char *kind, int64_t now_ms) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (latencies != NULL) {
        perf_stats_print_total(stats, latencies, kind, now_ms, out);
    } else {
        perf_stats_print_window(stats, now_ms, out);
    }
    fclose(out);
    return text;
}

Test(perf, a_run_is_told_with_rates_and_percentiles) {
    struct perf_stats stats = {.start_ms = 1000};
    struct histogram *latencies = NEW(struct histogram);
    for (int i = 1; i <= 1000; i++) {
        perf_stats_record(&stats, i, 1024);
        histogram_record(latencies, i);
    }
    char *text = printed(&stats, latencies, " steady state", 3000);
    cr_expect_str_eq(text,
                     "1000 steady state records sent, 500.000000 records/sec (0.49 MB/sec), "
                     "500.50 ms avg latency, 1000.00 ms max latency, 500 ms 50th, 950 ms 95th, "
                     "990 ms 99th, 999 ms 99.9th.\n");
    free(text);
    text = printed(&stats, NULL, NULL, 3000);
    cr_expect_str_eq(text, "1000 records sent, 500.0 records/sec (0.49 MB/sec), 500.5 ms avg "
                           "latency, 1000.0 ms max latency.\n");
    free(text);
    free(latencies);
}

Test(perf, a_run_without_records_has_no_average) {
    struct perf_stats stats = {.start_ms = 1000};
    struct histogram *latencies = NEW(struct histogram);
    char *text = printed(&stats, latencies, "", 2000);
    cr_expect_str_eq(text,
                     "0 records sent, 0.000000 records/sec (0.00 MB/sec), NaN ms avg latency, "
                     "0.00 ms max latency, 0 ms 50th, 0 ms 95th, 0 ms 99th, 0 ms 99.9th.\n");
    free(text);
    free(latencies);
}

/* 2026-11-07 05:03:09.042, a Saturday. */
#define WHEN INT64_C(1794027789042)

static const char *date(const char *pattern) {
    static char text[128];
    char illegal = '\0';
    setenv("TZ", "UTC", 1);
    return perf_date(text, sizeof(text), pattern, WHEN, &illegal) ? text : "illegal";
}

Test(perf, times_follow_the_patterns_of_java) {
    cr_expect_str_eq(date("yyyy-MM-dd HH:mm:ss:SSS"), "2026-11-07 05:03:09:042");
    cr_expect_str_eq(date("d.M.yy h:m a"), "7.11.26 5:3 AM");
    cr_expect_str_eq(date("EEE, MMM d"), "Sat, Nov 7");
    cr_expect_str_eq(date("EEEE d MMMM yyyy"), "Saturday 7 November 2026");
    cr_expect_str_eq(date("HH'h'mm 'o''clock'"), "05h03 o'clock");
    cr_expect_str_eq(date("''yy''"), "'26'");
    cr_expect_str_eq(date(""), "");
}

Test(perf, a_pattern_with_an_unknown_letter_names_it) {
    char text[64], illegal = '\0';
    cr_expect_not(perf_date(text, sizeof(text), "HH:QQ", WHEN, &illegal));
    cr_expect_eq(illegal, 'Q');
}

Test(perf, a_time_that_has_no_room_is_cut) {
    char text[8], illegal;
    cr_expect(perf_date(text, sizeof(text), "yyyy-MM-dd HH:mm", WHEN, &illegal));
    cr_expect_lt(strlen(text), sizeof(text));
}

Test(perf, metrics_stand_in_columns) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    const struct perf_metric metrics[] = {{"a", 1}, {"long-name", 0.0 / 0.0}};
    perf_metrics_print("group", "me", metrics, 2, out);
    fclose(out);
    cr_expect_str_eq(text, "\nMetric Name                      Value\n"
                           "group:a:{client-id=me}         : 1.000\n"
                           "group:long-name:{client-id=me} : NaN\n");
    free(text);
}
