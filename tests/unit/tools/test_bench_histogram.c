#include <criterion/criterion.h>
#include <stdlib.h>

#include "tools/bench/histogram.h"

static struct histogram *new_histogram(void) {
    return calloc(1, sizeof(struct histogram));
}

Test(histogram, is_empty_at_first) {
    struct histogram *h = new_histogram();
    cr_assert_eq(histogram_percentile(h, 99), 0);
    cr_assert_eq(histogram_count_above(h, 0), 0);
    cr_assert_float_eq(histogram_mean(h), 0, 1e-9);
    free(h);
}

Test(histogram, small_values_are_exact) {
    struct histogram *h = new_histogram();
    for (int64_t v = 0; v < 2048; v++) {
        histogram_record(h, v);
    }
    cr_assert_eq(histogram_percentile(h, 0), 0);
    cr_assert_eq(histogram_percentile(h, 50), 1023);
    cr_assert_eq(histogram_percentile(h, 75), 1535);
    cr_assert_eq(histogram_percentile(h, 100), 2047);
    cr_assert_eq(histogram_count_above(h, 2000), 47);
    free(h);
}

/* Around every power of two the counters change their width. */
Test(histogram, every_value_is_kept_within_a_thousandth) {
    for (int bit = 0; bit < HISTOGRAM_VALUE_BITS; bit++) {
        for (int64_t offset = -2; offset <= 2; offset++) {
            int64_t value = (INT64_C(1) << bit) + offset;
            if (value < 0) {
                continue;
            }
            struct histogram *h = new_histogram();
            histogram_record(h, value);
            histogram_record(h, value + value / 2); /* so that `max` does not cap it */
            int64_t got = histogram_percentile(h, 50);
            cr_assert_geq(got, value);
            cr_assert_leq(got, value + value / 1000, "%ld became %ld", value, got);
            free(h);
        }
    }
}

Test(histogram, percentiles_are_those_of_the_sorted_values) {
    static int64_t values[10000];
    struct histogram *h = new_histogram();
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 10000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        values[i] = (int64_t)(state >> (24 + state % 24));
        histogram_record(h, values[i]);
    }
    for (int i = 1; i < 10000; i++) { /* insertion sort */
        int64_t value = values[i];
        int k = i;
        for (; k > 0 && values[k - 1] > value; k--) {
            values[k] = values[k - 1];
        }
        values[k] = value;
    }
    static const double percents[] = {1, 25, 50, 90, 99, 99.9, 99.99, 100};
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        int64_t want = values[(int)(percents[i] * 100 + 0.5) - 1];
        int64_t got = histogram_percentile(h, percents[i]);
        cr_assert_geq(got, want);
        cr_assert_leq(got, want + want / 1000 + 1);
    }
    cr_assert_eq(histogram_percentile(h, 100), values[9999]);
    free(h);
}

Test(histogram, values_out_of_range_are_counted_at_the_ends) {
    struct histogram *h = new_histogram();
    histogram_record(h, -5);
    histogram_record(h, INT64_MAX);
    cr_assert_eq(h->count, 2);
    cr_assert_eq(h->max, INT64_MAX);
    cr_assert_eq(histogram_percentile(h, 50), 0);
    cr_assert_eq(histogram_percentile(h, 100), INT64_MAX);
    free(h);
}
