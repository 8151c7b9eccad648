/*
 * Raft in a world of its own: nodes with disks that lose what is not synced, a network that loses,
 * delays and cuts, an operator who replaces lost disks. One thread, one seed, virtual time. After
 * every event the invariants of consensus are checked:
 *
 *   election safety      one leader an epoch
 *   durable votes        a node votes for one candidate an epoch, over all its crashes
 *   committed is safe    what one node knows as committed, every node has at that place, for ever
 *   commits are synced   committed records are on the disks of a majority of the voters
 *   leader completeness  who leads has everything that was committed
 *   monotonic            a high watermark never goes back while a node runs
 *
 * and at the end, with everything healed: a leader, equal logs, new records committed.
 */
#ifndef TESTS_SIM_RAFT_WORLD_H
#define TESTS_SIM_RAFT_WORLD_H

#include <stdbool.h>
#include <stdint.h>

struct raft_outcome {
    bool failed;
    char what[256]; /* the broken invariant */
    uint64_t events;
    int64_t simulated_ms;
    int elections;
    int64_t committed;
    int crashes;
    int truncations;
    int snapshots;
    int voter_changes;
};

/* Runs one seed. `trace`: every event to stderr. */
void raft_world_run(uint64_t seed, bool trace, struct raft_outcome *out);

#endif
