/*
 * Durations of one kind of request on one shard: how many, their sum, and their distribution over
 * the last minutes.
 *
 * The distribution is a histogram as HdrHistogram lays it out, in microseconds: below 32 exact,
 * above with 16 counters for each power of two, so that a quantile is off by at most 1/16. There
 * are two of them, the window that is being filled and the one before. A window ends when it is
 * asked about after DURATIONS_WINDOW_MS; without questions it goes on. Quantiles are of both.
 */
#ifndef BROKER_METRICS_DURATIONS_H
#define BROKER_METRICS_DURATIONS_H

#include <stdint.h>

#define DURATIONS_WINDOW_MS 60000

#define DURATIONS_SUB_BITS   4
#define DURATIONS_VALUE_BITS 32 /* 2^32 us are 71 minutes */
#define DURATIONS_COUNTERS                                                                         \
    (((DURATIONS_VALUE_BITS - DURATIONS_SUB_BITS) << DURATIONS_SUB_BITS) +                         \
     (1 << DURATIONS_SUB_BITS))

/* All zero is empty. */
struct durations {
    uint64_t count;
    uint64_t sum_ns;
    int64_t window_began_ms;
    uint32_t window[DURATIONS_COUNTERS];
    uint32_t before[DURATIONS_COUNTERS];
};

void durations_record(struct durations *durations, int64_t ns);

/* Ends the window if its time is over. */
void durations_turn(struct durations *durations, int64_t now_ms);

/* Adds count, sum and both windows of `from`; the result's window holds them all. */
void durations_add(struct durations *to, const struct durations *from);

/* The smallest duration that at least this share (0..1) of the window does not exceed, rounded up
 * within the precision; 0 when it is empty. Of a result of durations_add(). */
double durations_quantile_ms(const struct durations *durations, double share);

#endif
