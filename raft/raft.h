/*
 * Consensus on the metadata log: KRaft (KIP-595), with snapshots (KIP-630), voter keys and voter
 * changes (KIP-853) and pre-vote (KIP-996), as a state machine without I/O.
 *
 * It is told what happened (time passed, a message came, something was written) and answers with
 * effects, in order: messages to send, state to make durable, records to append. It reads no clock,
 * draws its random numbers from its own seed, and knows nothing of bytes: a log is positions,
 * epochs and voter sets. The records themselves stay with the caller.
 *
 * The caller's duties:
 *   - Every input carries the time, which never goes back.
 *   - After every input raft_next_effect() is called until it says there is none.
 *   - Effects are carried out in order. RAFT_PERSIST and RAFT_TRUNCATE are barriers: nothing behind
 *     one is begun before it is durable (persist) or done (truncate). Appends keep their order;
 *     when what was appended is synced, raft_synced() says so.
 *   - Every request that is sent ends in one call: the answer, or raft_request_failed().
 *
 * One thread. Functions that take a message never fail on its content: what a peer says is
 * answered with an error, or ignored.
 */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/uuid.h"
#include "protocol/errors.h"

#define RAFT_VOTERS_MAX 31

/* ---- What is agreed on by whom --------------------------------------------------------------- */

/* A replica (KIP-853): a node that lost its disk comes back with another directory id, and is not
 * the voter that it was. A zero directory id is unknown (static quorums) and matches any. */
struct raft_key {
    int32_t id; /* -1: none */
    struct uuid directory_id;
};

#define RAFT_KEY_NONE ((struct raft_key){.id = -1})

bool raft_key_matches(struct raft_key a, struct raft_key b);

struct raft_voters {
    int count;
    struct raft_key keys[RAFT_VOTERS_MAX];
};

/* The place behind a record of `epoch`: the end of a log, or the id of a snapshot. */
struct raft_position {
    int64_t offset;
    int32_t epoch; /* of the record before it; 0 at the begin of the log */
};

/* What quorum-state holds. */
struct raft_ballot {
    int32_t epoch;
    int32_t leader_id;     /* -1: unknown */
    struct raft_key voted; /* in this epoch */
};

enum raft_role {
    RAFT_UNATTACHED,  /* knows of no leader, and may have voted */
    RAFT_PROSPECTIVE, /* asks whether it would be elected, in its old epoch */
    RAFT_CANDIDATE,
    RAFT_LEADER,
    RAFT_FOLLOWER,
    RAFT_RESIGNED, /* led this epoch and does not any more */
};

/* ---- Messages -------------------------------------------------------------------------------- */

enum raft_message { RAFT_VOTE, RAFT_BEGIN_EPOCH, RAFT_END_EPOCH, RAFT_FETCH };

struct raft_vote {
    struct raft_key candidate;
    struct raft_key voter; /* who is asked */
    int32_t epoch;
    struct raft_position last; /* the candidate's log end */
    bool pre_vote;
};

struct raft_begin_epoch {
    struct raft_key voter; /* who is told */
    int32_t leader_id;
    int32_t epoch;
};

struct raft_end_epoch {
    int32_t leader_id;
    int32_t epoch;
    int preferred_count;
    struct raft_key preferred[RAFT_VOTERS_MAX]; /* the best successor first */
};

struct raft_fetch {
    struct raft_key replica;
    int32_t epoch;
    struct raft_position from; /* all before it is synced */
    int64_t max_wait_ms;
};

struct raft_request {
    enum raft_message kind;
    union {
        struct raft_vote vote;
        struct raft_begin_epoch begin;
        struct raft_end_epoch end;
        struct raft_fetch fetch;
    };
};

enum raft_fetch_kind { RAFT_FETCH_RECORDS, RAFT_FETCH_DIVERGING, RAFT_FETCH_SNAPSHOT };

struct raft_reply {
    enum raft_message kind;
    enum kafka_error error;
    int32_t leader_id; /* -1: unknown */
    int32_t epoch;
    bool granted; /* a vote */
    /* A fetch: */
    enum raft_fetch_kind fetch;
    int64_t high_watermark;        /* -1: unknown */
    struct raft_position position; /* records from there; the divergence; the snapshot */
    int64_t end_offset;            /* records up to here may be sent */
};

/* A batch that a fetch brought, checked by the caller to be whole. */
struct raft_batch {
    int64_t base_offset;
    int32_t count; /* offsets that it takes */
    int32_t epoch;
    const struct raft_voters *voters; /* the voter set that it holds, or NULL */
};

/* ---- Effects --------------------------------------------------------------------------------- */

enum raft_effect_kind {
    RAFT_SEND,         /* `request` to node `to` (-1: any bootstrap server); answered under `id` */
    RAFT_REPLY,        /* `reply` to the request that came with token `id` */
    RAFT_PERSIST,      /* barrier: `ballot` */
    RAFT_APPEND,       /* `append` */
    RAFT_TRUNCATE,     /* barrier: the log ends at `offset` */
    RAFT_GET_SNAPSHOT, /* `position` from node `to`; then raft_snapshot_installed() or _failed() */
    RAFT_HIGH_WATERMARK, /* `offset`: all below is committed */
    RAFT_LEADING,        /* in `epoch`, and all of earlier epochs is committed */
    RAFT_LOST,           /* leads no more: what was not committed may be gone */
    RAFT_VOTERS_CHANGED, /* the change of token `id` is committed (error NONE) or given up */
    RAFT_FATAL,          /* committed records would have to go: the disk lied, or a peer does */
};

enum raft_append_kind {
    RAFT_APPEND_LEADER_CHANGE, /* control record by the new leader; with kraft.version and `voters`
                                  behind it when count is 3 */
    RAFT_APPEND_VOTERS,        /* control record with `voters`; behind kraft.version 1 when count is
                                  2, since now the directory ids are known */
    RAFT_APPEND_PROPOSAL,      /* of token `id` */
    RAFT_APPEND_FETCHED,       /* the first `count` batches of the answer to request `id` */
};

struct raft_append {
    enum raft_append_kind kind;
    int64_t base_offset;
    int32_t count; /* records; batches for FETCHED */
    int32_t epoch;
    uint64_t generation; /* for raft_synced() */
    struct raft_voters voters;
};

struct raft_effect {
    enum raft_effect_kind kind;
    uint64_t id;
    int32_t to;
    int32_t epoch;
    int64_t offset;
    enum kafka_error error;
    struct raft_position position;
    struct raft_ballot ballot;
    struct raft_request request;
    struct raft_reply reply;
    struct raft_append append;
};

/* ---- Life ------------------------------------------------------------------------------------ */

struct raft_config {
    struct raft_key self;
    int64_t election_timeout_ms; /* controller.quorum.election.timeout.ms; up to as much is added */
    int64_t fetch_timeout_ms;    /* controller.quorum.fetch.timeout.ms */
    int64_t backoff_max_ms;      /* controller.quorum.election.backoff.max.ms */
    int64_t retry_ms;            /* controller.quorum.retry.backoff.ms */
    int64_t fetch_wait_ms;       /* how long a fetch may wait at the leader */
    uint64_t seed;
    bool voter_records; /* kraft.version 1: the first leader of a log that holds no voter set, nor a
                           snapshot that does, writes it with its first record */
};

struct raft_epoch_start {
    int32_t epoch;
    int64_t offset;
};

struct raft_voters_at {
    int64_t offset; /* of the record */
    struct raft_voters voters;
};

/*
 * What a restarted node finds on its disk; all of it is synced. A node whose disk was lost starts
 * with nothing of it and with another directory id in raft_config: it is not the voter that it was,
 * answers votes that are asked of that one with INVALID_VOTER_KEY, and is an observer until it is
 * added. Where the voters' directory ids are unknown (static quorums, until all have the voter set
 * that makes them known) nobody can tell: then a lost disk may break what was agreed on, as in
 * Kafka.
 */
struct raft_stored {
    struct raft_ballot ballot; /* epoch 0, leader -1, voted -1 where there is none */
    struct raft_position start;
    int64_t end_offset; /* start at least: a log that ends before its snapshot is dropped */
    const struct raft_epoch_start *epochs; /* ascending, from start on */
    int epoch_count;
    struct raft_voters voters; /* before any record: of the configuration, or of the snapshot */
    const struct raft_voters_at *voter_records;
    int voter_record_count;
};

struct raft *raft_new(const struct raft_config *config, const struct raft_stored *stored,
                      int64_t now_ms);
void raft_free(struct raft *raft);

/* False when there is none. */
bool raft_next_effect(struct raft *raft, struct raft_effect *out);

/* When raft_tick() is to be called at the latest. */
int64_t raft_deadline_ms(const struct raft *raft);

/* ---- Inputs ---------------------------------------------------------------------------------- */

void raft_tick(struct raft *raft, int64_t now_ms);

/* RAFT_REPLY with this token follows, perhaps much later (a fetch waits). */
void raft_request(struct raft *raft, int64_t now_ms, uint64_t token,
                  const struct raft_request *request);

/* The answer to request `id`; batches only with a fetch that brought records. */
void raft_answer(struct raft *raft, int64_t now_ms, uint64_t id, const struct raft_reply *reply,
                 const struct raft_batch *batches, int batch_count);

/*
 * No answer came. `broken`: the peer refused, reset or closed the connection, so its process is
 * gone or going; a connection that this node closes, a time-out and a network that swallows
 * everything are not that. A follower whose fetch to the leader is broken stands for election after
 * a short grace unless a fetch succeeds before; other voters that still hear the leader keep it
 * from that.
 */
void raft_request_failed(struct raft *raft, int64_t now_ms, uint64_t id, bool broken);

/* Proposes `count` records as one batch: NONE and RAFT_APPEND with this token, or
 * NOT_LEADER_OR_FOLLOWER. */
MUST_CHECK enum kafka_error raft_propose(struct raft *raft, int64_t now_ms, uint64_t token,
                                         int32_t count, int64_t *base_offset);

/*
 * Writes a voter set: with one voter more, with one less (this node too: it resigns when that is
 * committed), with the same ones (what the caller keeps with them, endpoints and version ranges,
 * has changed; UpdateRaftVoter), or with all directory ids in place of unknown ones (kraft.version
 * goes up). NONE: RAFT_VOTERS_CHANGED with this token follows. Otherwise, in this order:
 *   NOT_LEADER_OR_FOLLOWER
 *   REQUEST_TIMED_OUT  another change is under way, or this leader has not committed anything yet
 *   INVALID_REQUEST    any other change, or none would be left
 *   DUPLICATE_VOTER    the new one's node id is a voter's
 *   REQUEST_TIMED_OUT  the new one has not caught up, or not fetched for five minutes
 */
MUST_CHECK enum kafka_error raft_change_voters(struct raft *raft, int64_t now_ms, uint64_t token,
                                               const struct raft_voters *voters);

/* The same with one key: AddRaftVoter, and RemoveRaftVoter (also VOTER_NOT_FOUND). */
MUST_CHECK enum kafka_error raft_add_voter(struct raft *raft, int64_t now_ms, uint64_t token,
                                           struct raft_key key);
MUST_CHECK enum kafka_error raft_remove_voter(struct raft *raft, int64_t now_ms, uint64_t token,
                                              struct raft_key key);

/* All below end_offset of what was appended in this generation (the last one of a RAFT_APPEND
 * carried out) is on the disk. */
void raft_synced(struct raft *raft, int64_t now_ms, uint64_t generation, int64_t end_offset);

/*
 * The log starts at a snapshot now, and has nothing else. RAFT_GET_SNAPSHOT is answered once, by
 * this or by raft_snapshot_failed(), whatever else happens meanwhile (another leader, say): until
 * then this node neither fetches nor stands for election. The snapshot is that of the effect or a
 * later one. Getting it has to end in bounded time.
 */
void raft_snapshot_installed(struct raft *raft, int64_t now_ms, struct raft_position snapshot,
                             const struct raft_voters *voters);
void raft_snapshot_failed(struct raft *raft, int64_t now_ms);

/* A part of the snapshot came: the leader is alive. */
void raft_snapshot_progress(struct raft *raft, int64_t now_ms);

/* A replica fetches this leader's snapshot: it listens, though it does not fetch records. */
void raft_snapshot_fetched(struct raft *raft, int64_t now_ms, struct raft_key replica);

/* What is below a snapshot of this node's own, at or below the high watermark, was dropped. */
void raft_log_started(struct raft *raft, struct raft_position snapshot);

/*
 * A leader hands over (controlled shutdown): it tells the voters, who is to succeed first. The new
 * leader tells its own begin; raft_leader_id() is another's then. Nothing when it does not lead.
 */
void raft_resign(struct raft *raft, int64_t now_ms);

/* ---- Questions ------------------------------------------------------------------------------- */

enum raft_role raft_role(const struct raft *raft);
int32_t raft_epoch(const struct raft *raft);
int32_t raft_leader_id(const struct raft *raft); /* -1: unknown */
int64_t raft_end_offset(const struct raft *raft);
int64_t raft_high_watermark(const struct raft *raft); /* of the start at least */
const struct raft_voters *raft_voters(const struct raft *raft);

/*
 * So many voters have broken off, or refuse to be spoken to, that those that are left and this node
 * are no majority: as far as this node can see nobody will lead before one of them is started
 * again. Never while it follows a leader that it hears, nor of a node that does not stand.
 * A leader finds it out with raft_probe(), which tells the voters of its epoch once more.
 */
bool raft_is_stranded(const struct raft *raft);
void raft_probe(struct raft *raft, int64_t now_ms);

/* What a leader knows of a replica (DescribeQuorum). */
struct raft_replica {
    struct raft_key key;
    bool voter;
    int64_t end_offset;   /* -1: unknown */
    int64_t fetched_ms;   /* -1: never */
    int64_t caught_up_ms; /* -1: never */
};

/* The i-th, this node first; false behind the last, and when this node does not lead. */
bool raft_replica_at(const struct raft *raft, int64_t now_ms, int i, struct raft_replica *out);

#endif
