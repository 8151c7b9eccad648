#include "broker/metrics/durations.h"

#include <string.h>

#define VALUE_MAX ((UINT64_C(1) << DURATIONS_VALUE_BITS) - 1)

/* How many low bits of the value are not told apart. */
static unsigned shift_of(uint64_t us) {
    unsigned bits = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);
    return bits <= DURATIONS_SUB_BITS + 1 ? 0 : bits - DURATIONS_SUB_BITS - 1;
}

/* From one power of two to the next the counters go on without a gap. */
static unsigned index_of(int64_t ns) {
    uint64_t us = ns < 0 ? 0 : (uint64_t)ns / 1000;
    us = us > VALUE_MAX ? VALUE_MAX : us;
    unsigned shift = shift_of(us);
    return (shift << DURATIONS_SUB_BITS) + (unsigned)(us >> shift);
}

/* The first value that is counted above `index`. */
static uint64_t end_of(unsigned index) {
    unsigned half = 1u << DURATIONS_SUB_BITS;
    unsigned shift = index < 2 * half ? 0 : (index >> DURATIONS_SUB_BITS) - 1;
    uint64_t sub = index - (shift << DURATIONS_SUB_BITS);
    return (sub + 1) << shift;
}

void durations_record(struct durations *durations, int64_t ns) {
    durations->count++;
    durations->sum_ns += ns < 0 ? 0 : (uint64_t)ns;
    durations->window[index_of(ns)]++;
}

void durations_turn(struct durations *durations, int64_t now_ms) {
    if (now_ms - durations->window_began_ms >= DURATIONS_WINDOW_MS) {
        durations->window_began_ms = now_ms;
        memcpy(durations->before, durations->window, sizeof(durations->before));
        memset(durations->window, 0, sizeof(durations->window));
    }
}

void durations_add(struct durations *to, const struct durations *from) {
    to->count += from->count;
    to->sum_ns += from->sum_ns;
    for (int i = 0; i < DURATIONS_COUNTERS; i++) {
        to->window[i] += from->window[i] + from->before[i];
    }
}

double durations_quantile_ms(const struct durations *durations, double share) {
    uint64_t total = 0;
    for (unsigned i = 0; i < DURATIONS_COUNTERS; i++) {
        total += durations->window[i];
    }
    double wanted = share * (double)total;
    uint64_t seen = 0;
    for (unsigned i = 0; i < DURATIONS_COUNTERS; i++) {
        seen += durations->window[i];
        if (seen > 0 && (double)seen >= wanted) {
            return (double)end_of(i) / 1000;
        }
    }
    return 0;
}
