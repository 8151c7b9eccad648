/*
 * When the events of an open-loop run are due: evenly spaced, whatever the broker does.
 *
 * Due times are computed from the number of the event, never by adding intervals, so that rounding
 * does not add up and an event that could not be sent in time keeps its time.
 */
#ifndef TOOLS_BENCH_SCHEDULE_H
#define TOOLS_BENCH_SCHEDULE_H

#include <stdint.h>

struct schedule {
    int64_t start_ns;    /* when event 0 is due */
    uint64_t rate_milli; /* records per 1000 seconds; > 0 */
    uint64_t records;    /* of one event; > 0 */
};

/* When event `number` is due; rounded down to a nanosecond. */
int64_t schedule_due_ns(const struct schedule *schedule, uint64_t number);

/* How many events are due at `now_ns`: all below this number are, this one is not. */
uint64_t schedule_due_count(const struct schedule *schedule, int64_t now_ns);

#endif
