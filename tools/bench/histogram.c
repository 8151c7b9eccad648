#include "tools/bench/histogram.h"

#include <math.h>

#define VALUE_MAX ((INT64_C(1) << HISTOGRAM_VALUE_BITS) - 1)

/* How many low bits of the value are not told apart. */
static unsigned shift_of(uint64_t value) {
    unsigned bits = value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
    return bits <= HISTOGRAM_SUB_BITS + 1 ? 0 : bits - HISTOGRAM_SUB_BITS - 1;
}

/* From one power of two to the next the counters go on without a gap. */
static uint64_t index_of(int64_t value) {
    if (value < 0) {
        value = 0;
    }
    if (value > VALUE_MAX) {
        value = VALUE_MAX;
    }
    unsigned shift = shift_of((uint64_t)value);
    return ((uint64_t)shift << HISTOGRAM_SUB_BITS) + ((uint64_t)value >> shift);
}

/* The largest value that is counted at `index`. */
static int64_t highest_at(uint64_t index) {
    uint64_t half = UINT64_C(1) << HISTOGRAM_SUB_BITS;
    uint64_t shift = index < 2 * half ? 0 : (index >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t sub = index - (shift << HISTOGRAM_SUB_BITS);
    return (int64_t)(((sub + 1) << shift) - 1);
}

void histogram_record(struct histogram *histogram, int64_t value) {
    if (value < 0) {
        value = 0;
    }
    histogram->counters[index_of(value)]++;
    if (histogram->count == 0 || value < histogram->min) {
        histogram->min = value;
    }
    if (value > histogram->max) {
        histogram->max = value;
    }
    histogram->count++;
    histogram->sum += (double)value;
}

int64_t histogram_percentile(const struct histogram *histogram, double percent) {
    if (histogram->count == 0) {
        return 0;
    }
    double wanted = percent / 100.0 * (double)histogram->count;
    wanted = ceil(wanted * (1 - 1e-12)); /* 99.99% of 10000 are 9999, whatever doubles say */
    uint64_t rank = wanted < 1 ? 1 : (uint64_t)wanted;
    uint64_t seen = 0;
    for (uint64_t i = 0; i < HISTOGRAM_COUNTERS; i++) {
        seen += histogram->counters[i];
        if (seen >= rank) {
            int64_t highest = highest_at(i);
            return i == HISTOGRAM_COUNTERS - 1 || highest > histogram->max ? histogram->max
                                                                           : highest;
        }
    }
    return histogram->max;
}

uint64_t histogram_count_above(const struct histogram *histogram, int64_t value) {
    uint64_t count = 0;
    for (uint64_t i = index_of(value) + 1; i < HISTOGRAM_COUNTERS; i++) {
        count += histogram->counters[i];
    }
    return count;
}

double histogram_mean(const struct histogram *histogram) {
    return histogram->count == 0 ? 0 : histogram->sum / (double)histogram->count;
}
