/* Between the files that drive consensus: the state of the metadata log. Shard 0. */
#ifndef BROKER_QUORUM_QUORUM_INTERNAL_H
#define BROKER_QUORUM_QUORUM_INTERNAL_H

#include "broker/peer/peer.h"
#include "broker/quorum/metadata_log.h"
#include "broker/quorum/metadata_snapshot.h"
#include "broker/quorum/quorum_requests.h"
#include "broker/quorum/quorum_state.h"
#include "raft/raft.h"
#include "runtime/machine.h"
#include "storage/log.h"

struct file;
struct node_shard;

#define HOST_SIZE 256

/* Records that this node appends as leader: built when they are proposed, written when consensus
 * says so. */
struct proposal {
    struct list link;
    uint64_t token;
    struct buffer bytes;
    struct quorum_batch *batch;
};

/* The answer to the last fetch, as long as consensus may append from it. */
struct fetched {
    uint64_t id;
    struct buffer bytes;
    struct raft_batch *batches; /* heap */
    size_t *ends;               /* of the batches in bytes */
    struct metadata_control *controls;
    struct raft_voters *keys;
    int count;
    int cap;
};

/* Another node, with two connections: what waits at the leader must not hold up a vote. */
struct quorum_peer {
    struct list link;
    int32_t id;        /* -1 for a bootstrap server */
    int server;        /* its index */
    struct peer *wait; /* fetches and snapshots */
    struct peer *quick;
};

struct quorum_call {
    struct peer_call call;
    struct list link;
    struct quorum *quorum;
    uint64_t id; /* of consensus */
    int32_t to;
    struct raft_request request;
    struct arena arena; /* of the request */
};

/* Where a leader said that it is. */
struct learned_address {
    int32_t id;
    char *host;
    int port;
};

/* A snapshot of this node's own on its way to the disk, then older ones on their way from it. */
struct snapshot_work {
    struct work work;
    struct quorum *quorum;
    struct snapshot_id id;
    int64_t timestamp_ms; /* of the last batch in it */
    struct buffer bytes;
    int64_t remove_below; /* snapshots that end below it go */
    int result;
    bool running;
};

/* A snapshot that lies on the disk. */
struct kept_snapshot {
    struct snapshot_id id;
    int64_t bytes;
    int64_t timestamp_ms; /* of the last batch in it */
};

/* A snapshot on its way here from the leader. */
struct snapshot_fetch {
    struct peer_call call;
    struct quorum *quorum;
    struct arena arena; /* of the request */
    bool calling;
    bool working;
    bool active;
    int32_t from;
    struct snapshot_id id;
    struct file *file; /* .part */
    char *part;
    int64_t position;
    struct work work;
    int result;
    struct errmsg errmsg;
    struct arena values_arena;
    struct record_list values;
    struct metadata_control control;
    int64_t timestamp_ms;
    struct timer retry; /* of the restart of the log */
};

/* A new voter that is asked for its versions. One connection serves all of them, one by one. */
struct voter_addition {
    struct quorum *quorum;
    struct quorum_change *change; /* NULL: nobody is asked */
    struct voter_set *voter;      /* one */
    struct peer *peer;            /* NULL until the first */
    struct peer_call call;
    struct arena arena; /* of the request */
};

/* What this node asks of the leader about itself. */
struct quorum_join {
    struct quorum *quorum;
    bool started;
    struct timer timer;
    int64_t period_ms;
    struct peer_call call;
    struct arena arena; /* of the request */
    bool calling;
    struct raft_key old; /* the voter that this node was with another disk */
    int32_t asked_epoch; /* of the leader that is asked */
    int32_t done_epoch;  /* of the leader that was told of this voter of kraft.version 0 */
    struct quorum_change change;
    bool changing;
};

struct quorum {
    struct machine *machine;
    struct shard *shard;
    struct node_shard *node_shard; /* NULL where there is no other node */
    const struct config *config;
    struct quorum_client client;
    char *metadata_dir;
    char *dir; /* metadata_dir/__cluster_metadata-0 */
    char cluster_id[128];

    struct log *log;
    struct raft *raft;
    struct voter self; /* endpoints in `arena` */
    struct voter_history voters;

    /* Effects. */
    bool running; /* effects are being carried out */
    bool barrier; /* ... and wait for the disk */
    bool failed;
    bool has_held;
    struct raft_effect held;    /* looked at, not begun */
    struct raft_effect blocked; /* a truncation that is tried again */
    struct timer retry;
    struct timer timer;
    struct work persist;
    struct quorum_state state;
    int persist_result;

    /* What is appended and not synced. */
    uint64_t generation; /* of the last append */
    struct log_waiter waiter;
    bool waiting;
    int64_t wait_offset;
    uint64_t wait_generation;
    int64_t synced; /* told */

    /* Proposals, and what is committed. */
    uint64_t next_token;
    struct list proposals; /* struct proposal, not appended yet */
    struct list inflight;  /* struct quorum_batch, appended and not committed */
    int64_t high_watermark;
    int64_t delivered; /* all below was told */
    bool leading;      /* told */
    int32_t told_leader_id;
    int32_t told_epoch;
    bool caught_up;
    int64_t caught_up_at; /* what the leader had committed when it was first heard; -1: unknown */

    struct list asks;          /* struct quorum_ask: requests of peers without reply */
    struct list changes;       /* struct quorum_change: of voters, not committed */
    struct timer change_timer; /* of their deadlines */
    struct voter_addition addition;
    struct voter_set *change_set; /* of the change that is not appended yet */
    struct voter_set *told; /* kraft.version 0: what the voters told this leader of themselves */
    int32_t told_in_epoch;

    /* Peers. */
    struct quorum_counts counts;
    struct list peers;
    struct list calls; /* struct quorum_call */
    struct learned_address learned[RAFT_VOTERS_MAX];
    int learned_count;
    int next_server;
    char *host; /* HOST_SIZE bytes: the last that quorum_address() gave out */
    struct fetched fetched;

    /* Snapshots. */
    bool has_records; /* not only control records */
    int64_t bytes_since_snapshot;
    int64_t last_timestamp_ms; /* of the last batch that was told as committed */
    struct snapshot_work snapshot;
    struct kept_snapshot *kept; /* heap, the oldest first; without the bootstrap one */
    int kept_count;
    int kept_cap;
    struct snapshot_fetch fetch;
    struct quorum_join join;

    /* Opening and closing. */
    struct arena arena; /* of the open: values of snapshot and bootstrap, endpoints */
    struct snapshot_list snapshots;
    struct record_list snapshot_values;
    int64_t snapshot_timestamp_ms;
    int64_t snapshot_bytes;
    struct record_list bootstrap_values;
    struct metadata_control control; /* while opening */
    bool formatted;                  /* there is a bootstrap.checkpoint */
    bool stale;                      /* the log parts from the snapshot */
    struct raft_stored stored;
    struct raft_epoch_start *epochs; /* heap, while opening */
    int epoch_cap;
    struct work work;
    bool opening;
    int result;
    struct errmsg *errmsg;
    void (*done)(void *ctx, int result); /* NULL once it was called */
    void (*closed)(void *ctx);
    bool peers_closed;
    bool closing_log;
    int64_t close_by_ms; /* the longest that a hand-over is waited for */
    struct timer close_timer;
    void *ctx;
};

/* ---- metadata_log.c -------------------------------------------------------------------------- */

/* Carries out the effects that are due. After every input to consensus. */
void quorum_run(struct quorum *quorum);
void quorum_fail(struct quorum *quorum, int error);
int64_t quorum_now_ms(const struct quorum *quorum);

/* Tells what is committed; a snapshot's values are taken. */
void quorum_deliver_snapshot(struct quorum *quorum, const struct record_list *values,
                             struct snapshot_id id, int64_t timestamp_ms);

/* Goes on with closing when nothing is under way any more. */
void quorum_close_step(struct quorum *quorum);

/* ---- metadata_log_open.c --------------------------------------------------------------------- */

/* On a worker: reads everything. quorum->result and errmsg say how it went. */
void metadata_log_open_run(struct work *work);

/* Calls fn for each batch of the log in [from, limit), bytes valid during the call. fn returns
 * false for damage: then -EUCLEAN and errmsg says where. */
MUST_CHECK int metadata_log_scan(struct quorum *quorum, int64_t from, int64_t limit,
                                 bool (*fn)(struct quorum *quorum, struct slice bytes,
                                            const struct batch *batch));

/* ---- quorum_peers.c -------------------------------------------------------------------------- */

void quorum_send(struct quorum *quorum, const struct raft_effect *effect);
void quorum_peers_close(struct quorum *quorum); /* calls end without being told */
void quorum_peers_free(struct quorum *quorum);

/* The connections for requests that may wait, and for others, to a node; NULL when its address is
 * not known. */
struct peer *quorum_wait_peer(struct quorum *quorum, int32_t id);
struct peer *quorum_quick_peer(struct quorum *quorum, int32_t id);

/* A connection of its own, with what is configured for requests of the quorum. */
struct peer *quorum_new_peer(struct quorum *quorum, const char *host, int port);

/* The address of a node as far as it is known. */
bool quorum_address(const struct quorum *quorum, int32_t id, const char **host, int *port);

/* The voter set has changed: what was learned may be old. */
void quorum_forget_learned(struct quorum *quorum);

/* Puts this node's endpoints into `out` of a request, an array that is allocated here. Each request
 * has its own struct for them, with the same fields. */
#define QUORUM_PUT_ENDPOINTS(arena, voter, out, out_count)                                         \
    do {                                                                                           \
        (out_count) = (voter)->endpoint_count;                                                     \
        (out) = arena_array(arena, (size_t)(voter)->endpoint_count, sizeof(*(out)));               \
        for (int i_ = 0; i_ < (voter)->endpoint_count; i_++) {                                     \
            (out)[i_].name = (voter)->endpoints[i_].name;                                          \
            (out)[i_].host = (voter)->endpoints[i_].host;                                          \
            (out)[i_].port = (voter)->endpoints[i_].port;                                          \
        }                                                                                          \
    } while (0)

/* ---- fetched.c ------------------------------------------------------------------------------- */

/* Takes the whole batches of an answer. False when there is damage in it; what is before the damage
 * is kept. */
bool fetched_set(struct fetched *fetched, uint64_t id, struct slice records, int16_t kraft_max);
void fetched_clear(struct fetched *fetched);
void fetched_release(struct fetched *fetched);

/* ---- quorum_requests.c ----------------------------------------------------------------------- */

void quorum_reply(struct quorum *quorum, const struct raft_effect *effect);
void quorum_end_asks(struct quorum *quorum);

/* ---- quorum_voters.c ------------------------------------------------------------------------- */

void quorum_voters_init(struct quorum *quorum);
void quorum_voters_stop(struct quorum *quorum); /* ends the changes */
void quorum_voters_free(struct quorum *quorum);
void quorum_voters_appended(struct quorum *quorum, uint64_t token);
void quorum_voters_changed(struct quorum *quorum, uint64_t token, enum kafka_error error);

/* Takes the voters, or the kraft.version, that a control batch at this offset holds into the
 * history; false when it holds neither. */
bool quorum_note_voters(struct quorum *quorum, int64_t offset, struct metadata_control *control);

/* ---- quorum_join.c --------------------------------------------------------------------------- */

void quorum_join_start(struct quorum *quorum);
void quorum_join_stop(struct quorum *quorum);
void quorum_join_free(struct quorum *quorum);

/* ---- quorum_snapshot.c ----------------------------------------------------------------------- */

/* A snapshot lies on the disk, the newest. */
void snapshot_kept(struct quorum *quorum, struct snapshot_id id, int64_t bytes,
                   int64_t timestamp_ms);

void snapshot_fetch_start(struct quorum *quorum, int32_t from, struct raft_position position);
void snapshot_fetch_stop(struct quorum *quorum); /* a worker may still be at it */
void snapshot_fetch_free(struct quorum *quorum); /* and what is known of the kept ones */

#endif
