/*
 * A machine for tests of groups: one shard, a clock that the test moves, timers and deferred calls.
 * It takes the place of runtime/uv and runtime/sim at link time.
 */
#ifndef TESTS_UNIT_BROKER_GROUP_MACHINE_H
#define TESTS_UNIT_BROKER_GROUP_MACHINE_H

#include <stdint.h>

#include "base/list.h"
#include "runtime/machine.h"

#define WALL_START_MS INT64_C(1700000000000)
#define TIMERS_MAX    4096

struct shard {
    struct machine *machine;
};

struct machine {
    struct shard shard;
    int64_t now_ms;
    uint64_t sequence;
    uint8_t random;
    struct timer *timers[TIMERS_MAX + 1]; /* from 1 on, in no order */
    size_t timer_count;
    struct list deferred;
    struct list work;
    int warnings;
    int errors;
};

void machine_reset(struct machine *machine);

/* Runs deferred calls and work until there is nothing to do. */
void machine_settle(struct machine *machine);

/* Moves the clock, firing timers on the way in their order. */
void machine_advance(struct machine *machine, int64_t ms);

#endif
