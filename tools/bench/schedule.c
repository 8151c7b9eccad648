#include "tools/bench/schedule.h"

__extension__ typedef unsigned __int128 uint128;

#define NS_PER_1000_S ((uint128)1000 * 1000 * 1000 * 1000)

int64_t schedule_due_ns(const struct schedule *schedule, uint64_t number) {
    uint128 after = number * NS_PER_1000_S * schedule->records / schedule->rate_milli;
    return schedule->start_ns + (int64_t)after;
}

uint64_t schedule_due_count(const struct schedule *schedule, int64_t now_ns) {
    if (now_ns < schedule->start_ns) {
        return 0;
    }
    uint128 elapsed = (uint128)(now_ns - schedule->start_ns);
    uint64_t number =
        (uint64_t)(elapsed * schedule->rate_milli / (NS_PER_1000_S * schedule->records));
    while (schedule_due_ns(schedule, number) <= now_ns) { /* due times are rounded down */
        number++;
    }
    return number;
}
