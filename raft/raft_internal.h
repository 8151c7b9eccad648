/* The state of the machine, shared by the files that implement raft.h. */
#ifndef RAFT_RAFT_INTERNAL_H
#define RAFT_RAFT_INTERNAL_H

#include "raft/raft.h"
#include "raft/raft_log.h"

/* Observers that a leader remembers; the one that was heard of least recently makes room. One that
 * has not fetched for so long, or never in this epoch (a removed voter), is forgotten, as in Kafka.
 */
#define OBSERVERS_MAX       1000
#define OBSERVER_SESSION_MS (5 * 60 * 1000)

/*
 * When a node that has heard of no leader since it started stands for the first time, at random in
 * this span. Pre-vote makes standing harmless, so there is no reason to wait for an election
 * timeout; the span only keeps nodes that start together from standing together.
 */
#define FIRST_ELECTION_MIN_MS 20
#define FIRST_ELECTION_MAX_MS 150

/*
 * How long a follower that lost its leader waits before it stands: from GRACE_MS to three times as
 * much, and each time that it is refused twice as long. Long enough for a connection to be made
 * anew, spread so that two followers do not stand together, and felt by all clients.
 */
#define GRACE_MS 25

/* After this a voter that refused a pre-vote is asked again: it may have lost the leader too. */
#define PRE_VOTE_AGAIN_MS 50

/* How long a candidate that was rejected by one voter waits for the others, at random up to twice
 * as long, and twice as long in each further round: who is silent may be the leader that died. */
#define CANDIDATE_MS 50

enum ballot_answer { BALLOT_OPEN, BALLOT_GRANTED, BALLOT_REJECTED };

/* Another replica. */
struct peer {
    struct raft_key key;
    bool voter;

    uint64_t request_id; /* in flight; 0: none */
    int64_t send_at_ms;  /* not before */
    enum ballot_answer answer;
    bool unreachable; /* nobody listened when it was last asked to vote */
    bool gone;        /* nor has it been heard of since, in whatever role */
    bool told;        /* resigned: it has answered */

    int64_t match_offset; /* synced there, as it said in this epoch; -1: unknown */
    int64_t heard_ms;     /* it listens: for check-quorum, whose clock starts with the epoch */
    int64_t fetched_ms;   /* -1: not in this epoch */
    int64_t fetched_end;  /* this leader's log end at that time */
    int64_t caught_up_ms; /* -1: never */
    int64_t told_hw;      /* the last high watermark sent */
};

/* A fetch that waits at the leader. */
struct parked {
    uint64_t token;
    struct raft_fetch fetch;
    int64_t deadline_ms;
};

struct voters_change {
    bool pending;
    uint64_t token;
    int64_t offset;
};

struct raft {
    struct raft_config config;
    struct raft_ballot ballot;
    struct raft_log log;
    enum raft_role role;
    int64_t now_ms;
    uint64_t random_state;
    uint64_t next_id;

    int64_t timer_ms; /* of the role: election, fetch timeout, or resigned */
    int backoff_round;
    bool ballots_lost; /* this candidate waits for another time */

    struct peer *peers; /* heap: the voters but this node, then observers */
    int peer_count;
    int peer_cap;

    /* Follower, or looking for a leader. */
    uint64_t fetch_id; /* in flight; 0: none */
    int32_t fetch_to;
    int64_t fetch_at_ms;
    bool fetched; /* from this leader, in this epoch: it is heard */
    bool doubted; /* this leader is gone as far as this node can see, or never was heard */
    int doubt_round;
    bool astray; /* asks anybody who leads; it follows the old leader until it hears of another */
    bool called; /* by a candidate whose log is behind: it stands once, voter or not */
    bool installing; /* a snapshot; in every role, until the caller has done with it */
    int32_t installing_epoch;

    /* Leader. */
    int64_t epoch_start;
    bool leading_told;
    struct parked *parked; /* heap */
    int parked_count;
    int parked_cap;
    struct voters_change change;

    struct raft_effect *effects; /* heap ring, oldest at effect_head */
    int effect_head;
    int effect_count;
    int effect_cap;
};

/* ---- raft.c ---------------------------------------------------------------------------------- */

struct raft_effect *raft_emit(struct raft *raft, enum raft_effect_kind kind);
uint64_t raft_random_below(struct raft *raft, uint64_t bound);
bool raft_is_voter(const struct raft *raft);

/* The same node id and directory id; unlike in raft_key_matches() an unknown one is itself only. */
bool raft_same_key(struct raft_key a, struct raft_key b);

/* Voters; who was removed by a record that is not known as committed: it may be the only one that
 * has that record, so that nobody else can be elected, and nobody without it; and who was called.
 */
bool raft_may_stand(const struct raft *raft);

/* The peer with this key, or NULL. A zero directory id matches. */
struct peer *raft_peer(struct raft *raft, struct raft_key key);

/* Nothing is known of it yet. Other pointers to peers are invalid afterwards. */
struct peer *raft_add_peer(struct raft *raft, struct raft_key key, bool voter);
struct peer *raft_peer_of_request(struct raft *raft, uint64_t id);

/* The peers become the voters of the log's newest voter set, and a leader's observers that still
 * fetch; what is known of them is kept. */
void raft_voters_apply(struct raft *raft);

/* Sends what the role has to send now. After every input. */
void raft_poll(struct raft *raft);

void raft_send(struct raft *raft, struct peer *peer, const struct raft_request *request);

/* ---- raft_election.c: roles, votes ----------------------------------------------------------- */

void raft_become_unattached(struct raft *raft, int32_t epoch, struct raft_key voted);
void raft_become_follower(struct raft *raft, int32_t epoch, int32_t leader_id);
void raft_become_prospective(struct raft *raft);
void raft_become_resigned(struct raft *raft);

/* The leader that is followed does not lead any more, or its process is gone. */
void raft_doubt_leader(struct raft *raft);

/* A peer spoke of this epoch and leader (-1: of none). */
void raft_observe(struct raft *raft, int32_t epoch, int32_t leader_id);

void raft_on_vote(struct raft *raft, uint64_t token, const struct raft_vote *vote);
void raft_on_vote_reply(struct raft *raft, struct peer *peer, const struct raft_reply *reply);
void raft_on_vote_unreachable(struct raft *raft, struct peer *peer);
void raft_on_begin_epoch(struct raft *raft, uint64_t token, const struct raft_begin_epoch *begin);
void raft_on_end_epoch(struct raft *raft, uint64_t token, const struct raft_end_epoch *end);
void raft_restore_role(struct raft *raft);
void raft_election_tick(struct raft *raft);

/* Answers with what every answer says; for more, the effect is the caller's to complete. */
struct raft_effect *raft_emit_reply(struct raft *raft, uint64_t token, enum raft_message kind,
                                    enum kafka_error error);

/* ---- raft_leader.c --------------------------------------------------------------------------- */

void raft_leader_begin(struct raft *raft);

/* Ends what waits for this leader; the role is another already. */
void raft_leader_end(struct raft *raft);
void raft_leader_tick(struct raft *raft);
void raft_leader_advance(struct raft *raft);
void raft_on_fetch(struct raft *raft, uint64_t token, const struct raft_fetch *fetch);

/* ---- raft_follower.c ------------------------------------------------------------------------- */

void raft_on_fetch_reply(struct raft *raft, uint64_t id, const struct raft_reply *reply,
                         const struct raft_batch *batches, int batch_count);

#endif
