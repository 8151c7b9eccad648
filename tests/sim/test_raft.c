/*
 * Consensus under faults (raft/). SIM_SEEDS=N runs N seeds instead of the few that every change
 * runs, from SIM_FIRST on; SIM_SEED=S runs one and tells every event.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/sim/raft_world.h"

#define SEEDS        400
#define CANARY_SEEDS 200
#define TELL_EVERY   50000

static struct { char label[64]; /* of the seed that runs */ } run;

/* An assertion that fails says in which seed. */
static void on_death(int signum) {
    ssize_t ignored = write(STDERR_FILENO, run.label, sizeof(run.label));
    (void)ignored;
    signal(signum, SIG_DFL);
    raise(signum);
}

static uint64_t number_from(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void tell_waits(const char *what, const struct raft_waits *waits) {
    fprintf(stderr,
            "  %s: %" PRIu64 " times, half within %" PRId64 " ms, 99%% %" PRId64 " ms, all %" PRId64
            " ms\n",
            what, waits->count, raft_waits_at(waits, 500), raft_waits_at(waits, 990),
            waits->longest_ms);
}

static void tell(uint64_t seeds, const struct raft_outcome *sum) {
    fprintf(stderr,
            "%" PRIu64 " seeds, %" PRIu64 " events, %.1f h simulated, %" PRIu64
            " elections, %" PRIu64 " records committed\n"
            "  faults: %" PRIu64 " crashes, %" PRIu64 " disks lost, %" PRIu64
            " connections broken, %" PRIu64 " messages lost, %" PRIu64 " doubled, %" PRIu64
            " pauses\n"
            "  %" PRIu64 " truncations, %" PRIu64 " snapshots, %" PRIu64 " installed, %" PRIu64
            " voter changes (%" PRIu64 " upgrades, with %" PRIu64
            " disks lost behind them), %" PRIu64 " resignations\n"
            "  %" PRIu64 " returns of a disturbed follower, %" PRIu64 " elections because of it\n",
            seeds, sum->events, (double)sum->simulated_ms / 3600e3, sum->elections, sum->committed,
            sum->crashes, sum->wipes, sum->resets, sum->lost, sum->doubled, sum->pauses,
            sum->truncations, sum->snapshots, sum->snapshots_installed, sum->voter_changes,
            sum->upgrades, sum->wipes_upgraded, sum->resigns, sum->returns, sum->extra_elections);
    tell_waits("first leader", &sum->start);
    tell_waits("leader killed", &sum->kill);
    tell_waits("leader resigned", &sum->resign);
    tell_waits("leader cut off", &sum->cut);
    tell_waits("agreed after healing", &sum->heal);
}

Test(raft, agrees_under_faults) {
    struct raft_outcome sum = {0};
    uint64_t one = number_from("SIM_SEED", 0);
    if (one != 0) {
        raft_world_run(one, RAFT_CANARY_NONE, true, &sum);
        cr_assert(!sum.failed, "%s", sum.what);
        return;
    }
    signal(SIGABRT, on_death);
    uint64_t first = number_from("SIM_FIRST", 1);
    uint64_t seeds = number_from("SIM_SEEDS", SEEDS);
    for (uint64_t done = 0; done < seeds; done++) {
        uint64_t seed = first + done;
        snprintf(run.label, sizeof(run.label), "SIM_SEED=%" PRIu64 " died\n", seed);
        raft_world_run(seed, RAFT_CANARY_NONE, false, &sum);
        cr_assert(!sum.failed, "SIM_SEED=%" PRIu64 ": %s", seed, sum.what);
        if ((done + 1) % TELL_EVERY == 0 && done + 1 < seeds) {
            tell(done + 1, &sum);
        }
    }
    tell(seeds, &sum);
    cr_assert(sum.elections > 0 && sum.crashes > 0 && sum.truncations > 0 &&
              sum.snapshots_installed > 0 && sum.voter_changes > 0 && sum.upgrades > 0 &&
              sum.wipes > 0 && sum.returns > 0 && sum.kill.count > 0);
    cr_assert_leq(raft_waits_at(&sum.start, 500), 200);
    cr_assert_leq(raft_waits_at(&sum.kill, 500), 200);
    cr_assert_leq(raft_waits_at(&sum.resign, 500), 100);
}

/* A voter's uncommitted record makes an observer a voter, which has followed another leader since,
 * has the longest log and does not know that it is to vote; that leader has lost its disk. */
Test(raft, who_has_the_longest_log_stands_though_it_is_no_voter) {
    struct raft_outcome outcome = {0};
    raft_world_run(1230899, RAFT_CANARY_NONE, false, &outcome);
    cr_assert(!outcome.failed, "%s", outcome.what);
}

/* The invariants see what is wrong: disks that lie must be found out. */
static void canary_dies(enum raft_canary canary) {
    struct raft_outcome outcome = {0};
    for (uint64_t seed = 1; seed <= CANARY_SEEDS && !outcome.failed; seed++) {
        raft_world_run(seed, canary, false, &outcome);
    }
    cr_assert(outcome.failed);
}

Test(raft, a_disk_that_only_says_synced_is_found_out) {
    canary_dies(RAFT_CANARY_SYNCS);
}

Test(raft, a_ballot_that_a_crash_forgets_is_found_out) {
    canary_dies(RAFT_CANARY_VOTES);
}
