/*
 * Consensus under faults (raft/). SIM_SEEDS=N runs N seeds instead of the few that every change
 * runs; SIM_SEED=S runs one and tells every event.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/raft_world.h"

#define SEEDS 300

static uint64_t number_from(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

Test(raft, agrees_under_faults) {
    struct raft_outcome outcome;
    uint64_t one = number_from("SIM_SEED", 0);
    if (one != 0) {
        raft_world_run(one, true, &outcome);
        cr_assert(!outcome.failed, "%s", outcome.what);
        return;
    }
    uint64_t first = number_from("SIM_FIRST", 1);
    uint64_t seeds = number_from("SIM_SEEDS", SEEDS);
    struct raft_outcome sum = {0};
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        raft_world_run(seed, false, &outcome);
        cr_assert(!outcome.failed, "SIM_SEED=%" PRIu64 ": %s", seed, outcome.what);
        sum.events += outcome.events;
        sum.simulated_ms += outcome.simulated_ms;
        sum.elections += outcome.elections;
        sum.committed += outcome.committed;
        sum.crashes += outcome.crashes;
        sum.truncations += outcome.truncations;
        sum.snapshots += outcome.snapshots;
        sum.voter_changes += outcome.voter_changes;
    }
    fprintf(stderr,
            "%" PRIu64 " seeds, %" PRIu64 " events, %" PRId64 " s simulated, %d elections, %" PRId64
            " records committed, %d crashes, %d truncations, %d snapshots, %d voter changes, 0 "
            "violations\n",
            seeds, sum.events, sum.simulated_ms / 1000, sum.elections, sum.committed, sum.crashes,
            sum.truncations, sum.snapshots, sum.voter_changes);
    cr_assert(sum.elections > 0 && sum.truncations > 0 && sum.snapshots > 0 &&
              sum.voter_changes > 0 && sum.crashes > 0);
}
