/*
 * A histogram of durations with a bounded relative error: the layout of HdrHistogram.
 *
 * Values below 2^11 are counted exactly; above, each power of two has 1024 counters of equal width,
 * so that a value is off by less than 0.1%. The memory is fixed and recording is a few
 * instructions, whatever is recorded. Not for several threads at once.
 */
#ifndef TOOLS_BENCH_HISTOGRAM_H
#define TOOLS_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS   10
#define HISTOGRAM_VALUE_BITS 42 /* 2^42 ns are 73 minutes */
#define HISTOGRAM_COUNTERS                                                                         \
    (((HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS) << HISTOGRAM_SUB_BITS) +                         \
     (1 << HISTOGRAM_SUB_BITS))

/* All zero is an empty histogram. Private but for `count` and `max`. */
struct histogram {
    uint64_t count; /* of recorded values */
    int64_t max;    /* exact; 0 while empty */
    int64_t min;    /* exact */
    double sum;
    uint64_t counters[HISTOGRAM_COUNTERS];
};

/* Negative values count as 0, values of 2^42 and more as 2^42 - 1 (but `max` is exact). */
void histogram_record(struct histogram *histogram, int64_t value);

/*
 * The smallest value that at least `percent` of all values do not exceed, rounded up within the
 * precision and never above the largest value. percent: 0 to 100. 0 when empty.
 */
int64_t histogram_percentile(const struct histogram *histogram, double percent);

/* How many values are above `value`, within the precision. */
uint64_t histogram_count_above(const struct histogram *histogram, int64_t value);

/* 0 when empty. */
double histogram_mean(const struct histogram *histogram);

#endif
