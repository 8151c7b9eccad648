/*
 * A machine of raft/raft.h under test: node 1, whose peers 2 and 3 are the test itself. Time stands
 * still unless the test moves it. Every input collects the effects that followed it.
 */
#ifndef TESTS_UNIT_RAFT_MACHINE_H
#define TESTS_UNIT_RAFT_MACHINE_H

#include "raft/raft.h"

#define EFFECTS_MAX       64
#define FETCH_TIMEOUT_MS  2000
#define ELECTION_MS       1000
#define FIRST_ELECTION_MS 150 /* at most */

struct machine {
    struct raft *raft;
    int64_t now_ms;
    struct raft_effect effects[EFFECTS_MAX];
    int count;
};

/* The key of a node in its first directory. */
struct raft_key key_of(int32_t id);

/* Nodes 1 to count. */
struct raft_voters voters_of(int count);

/* Node 1 on this disk; `records` of `last_epoch` in its log. */
struct start {
    int voters;
    int32_t epoch;
    int32_t leader_id; /* -1: none */
    struct raft_key voted;
    int64_t records;
    int32_t last_epoch;
    bool new_disk; /* another directory id than the voters know */
    bool unknown;  /* the voters' directory ids, to everybody */
};

#define START_EMPTY ((struct start){.voters = 3, .leader_id = -1, .voted = RAFT_KEY_NONE})

void machine_start(struct machine *machine, struct start start);
void machine_free(struct machine *machine);

/* Takes the effects of the last input. The functions below do that. */
void machine_collect(struct machine *machine);

void machine_tick(struct machine *machine, int64_t later_ms);

/* The answer that follows at once; NULL when none does. */
const struct raft_reply *machine_ask(struct machine *machine, struct raft_request request);
void machine_answer(struct machine *machine, uint64_t id, struct raft_reply reply);
void machine_fail(struct machine *machine, uint64_t id, bool broken);
void machine_sync(struct machine *machine);

/* The first effect of this kind, of those that were collected, or NULL. */
const struct raft_effect *machine_effect(const struct machine *machine, enum raft_effect_kind kind);
int machine_place(const struct machine *machine, enum raft_effect_kind kind); /* -1: none */

/* The request to this node, or NULL; to -1 any. */
const struct raft_effect *machine_sent(const struct machine *machine, enum raft_message kind,
                                       int32_t to);

/* The raft_reply of a voter that grants, or rejects. */
struct raft_reply vote_reply(const struct machine *machine, bool granted);

/* Node 1 stands and gets the votes of all others. With `committed` node 2 has fetched all there is.
 */
void machine_elect(struct machine *machine, bool committed);

/* A fetch of all that there is by this key. */
void machine_fetch(struct machine *machine, struct raft_key key, int64_t offset, int32_t epoch);

/* Follower of node 2 in `epoch`, and has fetched from it. */
void machine_follow(struct machine *machine, int32_t epoch);

/* A fetch's answer by node 2 in the machine's epoch: nothing new. */
struct raft_reply fetch_reply(const struct machine *machine);

#endif
