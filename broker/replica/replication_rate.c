#include "broker/replica/replication_rate.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"

/*
 * A window's slot holds its number, so that it begins anew by itself when its turn comes again, and
 * its bytes: one word, to be changed at once. Numbers come again after 2^28 windows.
 */
#define BYTES_BITS  36
#define BYTES_MAX   ((UINT64_C(1) << BYTES_BITS) - 1)
#define NUMBER_MASK ((UINT64_C(1) << (64 - BYTES_BITS)) - 1)

struct replication_rate {
    int64_t windows;
    int64_t window_ms;
    _Atomic uint64_t slots[];
};

struct replication_rate *replication_rate_new(int64_t windows, int64_t window_ms) {
    ASSERT(windows > 0 && window_ms > 0);
    windows = windows < REPLICATION_RATE_WINDOWS_MAX ? windows : REPLICATION_RATE_WINDOWS_MAX;
    struct replication_rate *rate =
        xcalloc(1, sizeof(*rate) + (size_t)windows * sizeof(rate->slots[0]));
    rate->windows = windows;
    rate->window_ms = window_ms;
    return rate;
}

void replication_rate_free(struct replication_rate *rate) {
    free(rate);
}

void replication_rate_add(struct replication_rate *rate, int64_t now_ms, int64_t bytes) {
    if (bytes <= 0) {
        return;
    }
    int64_t window = now_ms / rate->window_ms;
    uint64_t number = (uint64_t)window & NUMBER_MASK;
    _Atomic uint64_t *slot = &rate->slots[window % rate->windows];
    uint64_t before = atomic_load_explicit(slot, memory_order_relaxed);
    uint64_t after = 0;
    do {
        uint64_t sum = (before >> BYTES_BITS) == number ? before & BYTES_MAX : 0;
        sum += (uint64_t)bytes;
        after = number << BYTES_BITS | (sum < BYTES_MAX ? sum : BYTES_MAX);
    } while (!atomic_compare_exchange_weak_explicit(slot, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
}

bool replication_rate_exceeds(const struct replication_rate *rate, int64_t now_ms, int64_t limit) {
    int64_t window = now_ms / rate->window_ms;
    int64_t elapsed_ms = 0;
    uint64_t sum = 0;
    for (int64_t back = 0; back < rate->windows && back <= window; back++) {
        int64_t at = window - back;
        uint64_t slot =
            atomic_load_explicit(&rate->slots[at % rate->windows], memory_order_relaxed);
        if ((slot & BYTES_MAX) > 0 && slot >> BYTES_BITS == ((uint64_t)at & NUMBER_MASK)) {
            sum += slot & BYTES_MAX;
            elapsed_ms = now_ms - at * rate->window_ms;
        }
    }
    elapsed_ms = elapsed_ms < rate->window_ms ? rate->window_ms : elapsed_ms;
    return (double)sum * 1000 > (double)limit * (double)elapsed_ms;
}
