/*
 * Every disk that a power cut may leave (in the manner of ALICE, OSDI 2014): the choices that are
 * open at one moment are enumerated, or drawn when there are too many.
 */
#ifndef TESTS_SIM_CRASH_STATES_H
#define TESTS_SIM_CRASH_STATES_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/sim/sim.h"

/*
 * Restores each state of `saved` on the machine, whose program does not run, and calls
 * check(ctx, number). All of them when there are at most `limit`, else `limit` drawn from the seed.
 * Returns how many; *exhaustive says which.
 */
uint64_t crash_states_each(struct machine *machine, const struct disk *saved, uint64_t limit,
                           uint64_t seed, void (*check)(void *ctx, uint64_t number), void *ctx,
                           bool *exhaustive);

#endif
