/*
 * Raft in a world of its own: nodes with disks that lose what is not synced, a network that loses,
 * doubles, delays, resets and cuts, an operator who changes voters and replaces lost disks. One
 * thread, one seed, virtual time. After every event the invariants of consensus are checked:
 *
 *   election safety      one leader an epoch
 *   durable votes        a node votes for one candidate an epoch, over all its crashes
 *   log matching         records of one epoch at one place are the same, and so are those before
 *   committed is safe    what one node knows as committed, every node has at that place, for ever
 *   commits are synced   committed records are on the disks of a majority of the voters
 *   leader completeness  who leads has everything that was committed
 *   monotonic            epochs never go back, nor does a high watermark while a node runs
 *   voters               a node goes by the newest voter set in its log
 *   answers              a request is answered once, a change of voters ends once
 *
 * Most seeds are chaos, each with its own rates of faults; at the end everything is healed, and the
 * nodes have to agree and commit within bounded time. Some disturb one follower at a time, which
 * must not cost its leader the epoch. Some lose or stop a leader, and measure how long that is
 * felt.
 */
#ifndef TESTS_SIM_RAFT_WORLD_H
#define TESTS_SIM_RAFT_WORLD_H

#include <stdbool.h>
#include <stdint.h>

enum raft_canary {
    RAFT_CANARY_NONE,
    RAFT_CANARY_SYNCS, /* disks that say synced and have not */
    RAFT_CANARY_VOTES, /* a ballot that does not survive a crash */
    RAFT_CANARY_COUNT,
};

#define RAFT_WAITS_BINS 400
#define RAFT_WAITS_MS   10 /* of one bin; the last holds what is longer */

/* How long something took, over many runs. */
struct raft_waits {
    uint64_t bins[RAFT_WAITS_BINS];
    uint64_t count;
    int64_t longest_ms;
};

struct raft_outcome {
    bool failed;
    char what[256]; /* the broken invariant */
    uint64_t events;
    int64_t simulated_ms;
    uint64_t elections;
    uint64_t committed;
    uint64_t crashes;
    uint64_t wipes;
    uint64_t truncations;
    uint64_t snapshots;
    uint64_t snapshots_installed;
    uint64_t voter_changes;
    uint64_t upgrades;       /* of them: directory ids became known */
    uint64_t wipes_upgraded; /* disks lost after that */
    uint64_t resigns;
    uint64_t resets; /* connections broken */
    uint64_t lost;   /* messages lost by chance or cut off */
    uint64_t doubled;
    uint64_t pauses;
    uint64_t returns;         /* one disturbed follower came back */
    uint64_t extra_elections; /* because of that */
    struct raft_waits start;  /* from all started to a leader */
    struct raft_waits kill;   /* from the leader's crash to another leader */
    struct raft_waits resign;
    struct raft_waits cut;  /* from the leader's being cut off */
    struct raft_waits heal; /* from everything healed to everything agreed on */
};

/* Runs one seed; *out is added to. `trace`: every event to stderr. */
void raft_world_run(uint64_t seed, enum raft_canary canary, bool trace, struct raft_outcome *out);

/* The time that per_mille of the waits did not exceed, rounded up to a bin. */
int64_t raft_waits_at(const struct raft_waits *waits, int per_mille);

#endif
