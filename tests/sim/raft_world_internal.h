/* The simulated world of raft_world.h, shared by the files that make it. */
#ifndef TESTS_SIM_RAFT_WORLD_INTERNAL_H
#define TESTS_SIM_RAFT_WORLD_INTERNAL_H

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "raft/raft.h"
#include "runtime/sim/random.h"
#include "tests/sim/raft_world.h"

#define NODES_MAX   5
#define ENTRIES_MAX 4096
#define EPOCHS_MAX  4096
#define BATCHES_MAX 16
#define QUEUE_MAX   256
#define SETS_MAX    512
#define NO_SET      (-1)

struct entry {
    int32_t epoch;
    int32_t set;    /* of voters, or NO_SET */
    uint64_t value; /* unique for each proposal; 0 for control records */
};

/* What survives a crash, except what is not synced. */
struct disk {
    struct raft_key key;
    struct raft_ballot ballot;
    struct raft_position start;
    int32_t start_set;
    struct entry *entries; /* by offset; those below start are dropped */
    int64_t end;
    int64_t synced;
    int64_t undead_end; /* the end before a truncation that a crash may undo; 0: none */
    uint64_t generation;
    int64_t set_end; /* disk_set() has looked so far, in this generation */
    int32_t set;
    uint64_t set_generation;
    /* Votes that others saw, and epochs: over all incarnations. */
    int32_t voted_epoch;
    struct raft_key voted;
};

/* An effect, with the records of a fetch that it appends. */
struct waiting {
    struct raft_effect effect;
    struct entry *fetched; /* heap, or NULL */
};

struct sent {
    uint64_t id;
    int to;
};

struct node {
    int id;
    struct raft *raft; /* NULL: down */
    uint64_t incarnation;
    struct disk disk;
    struct waiting queue[QUEUE_MAX]; /* the barrier that is not done yet, and what is behind it */
    int queued;
    int64_t high_watermark;
    int64_t tick_at; /* of the tick that is scheduled; INT64_MAX: none */
    int64_t paused_until;
    int64_t slow_until; /* its disk */
    uint64_t change;    /* token of the change of voters that is under way; 0: none */
    bool leads;         /* and has committed something of its epoch */
    bool getting_snapshot;
    enum raft_role told_role; /* in the trace */
    struct sent *sent;        /* requests under way */
    int sent_count;
    int sent_cap;
};

enum event_kind {
    EVENT_TICK,
    EVENT_BARRIER,
    EVENT_SYNCED,
    EVENT_REQUEST,
    EVENT_ANSWER,
    EVENT_TIMEOUT,
    EVENT_BROKEN,
    EVENT_SNAPSHOT,
    EVENT_SNAPSHOT_PART,
    EVENT_PROPOSE,
    EVENT_FAULT,
    EVENT_RESTART,
    EVENT_CRASH,
};

struct message {
    int refs;
    int from;
    uint64_t from_incarnation;
    uint64_t id;
    union {
        struct raft_request request;
        struct {
            struct raft_reply reply;
            int batch_count;
            struct raft_batch batches[BATCHES_MAX];
            struct entry entries[BATCHES_MAX];
        };
    };
};

struct event {
    int64_t at_ms;
    uint64_t sequence;
    enum event_kind kind;
    int node;
    uint64_t incarnation; /* of node */
    /* As the kind needs: */
    int from;
    uint64_t id;
    uint64_t generation;
    int64_t offset;
    struct raft_position position;
    struct message *message;
};

/* A request that came in: who is to be answered. */
struct token {
    int from;
    uint64_t incarnation;
    uint64_t id;
    enum raft_message kind;
    bool pre_vote;
    bool answered;
    int32_t epoch;
    struct raft_key candidate;
};

/* A disk that is gone: what it had synced may have been counted, and its voter votes no more. */
struct lost_disk {
    struct raft_key key;
    int64_t synced;
};

/* Drawn for each seed; per mille where nothing else is said. */
struct rates {
    int loss;
    int doubled;
    int delay_max_ms;
    int late; /* messages that take up to LATE_MS */
    int stale_answers;
    int refused; /* requests to a node that is down; the others just vanish */
    int reset;
    int sync_max_ms;
    int slow_disk;
    int crash;
    int crash_all;
    int crash_voting; /* while a vote is written, or when it was told */
    int down_max_ms;
    int cut;
    int isolate;
    int refuse;
    int pause;
    int resign;
    int timeout_ms; /* not a rate either */
    int wipe;
    int snapshot;
    int snapshot_max_ms; /* to get one */
    int change;
    int batch_max;
};

struct world {
    struct random_stream net, disk, faults, work;
    int64_t now_ms;
    uint64_t sequence;
    struct event **heap;
    int heap_count;
    int heap_cap;

    struct node nodes[NODES_MAX];
    int node_count;
    struct lost_disk lost[256];
    int lost_count;
    struct token *tokens;
    uint64_t token_count;
    uint64_t token_cap;

    struct rates rates;
    enum raft_canary canary;
    bool quiet; /* no faults come by themselves */
    bool healed;
    bool known;         /* the voters' directory ids, from the start */
    bool voter_records; /* the first leader writes the voters */

    bool cut[NODES_MAX][NODES_MAX];     /* from, to */
    bool refuses[NODES_MAX][NODES_MAX]; /* from, to: a connection cannot be made */

    struct raft_voters sets[SETS_MAX];
    int set_count;

    int32_t leader_of[EPOCHS_MAX]; /* by epoch, -1 unknown */
    int32_t epoch_most;            /* of those that were led */
    struct entry committed[ENTRIES_MAX];
    int32_t committed_in[ENTRIES_MAX]; /* the epoch of the leader that did */
    int64_t committed_end;
    int32_t committed_set;
    uint64_t next_value;

    bool trace;
    struct raft_outcome *out;
};

#define TRACE(world, ...)                                                                          \
    do {                                                                                           \
        if ((world)->trace) {                                                                      \
            fprintf(stderr, "%6" PRId64 " ", (world)->now_ms);                                     \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
        }                                                                                          \
    } while (0)

/* ---- raft_world_check.c: invariants ---------------------------------------------------------- */

/* The first that is broken counts. */
void world_fail(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);

void check_appended(struct world *world, const struct node *node, int64_t offset);
void check_high_watermark(struct world *world, struct node *node, int64_t offset);
void check_elected(struct world *world, const struct node *node, int32_t epoch);
void check_leading(struct world *world, const struct node *node, int32_t epoch);
void check_vote(struct world *world, struct node *node, struct raft_key candidate, int32_t epoch);

/* The machine and the disk agree, and the role is possible. */
void check_node(struct world *world, struct node *node);

/* ---- raft_world_events.c: time and the network ----------------------------------------------- */

struct event *event_new(enum event_kind kind, const struct node *node);
void event_free(struct event *event);
void schedule(struct world *world, struct event *event, int64_t delay_ms);
struct event *next_event(struct world *world);

int64_t net_delay(struct world *world);
bool net_loses(struct world *world, int from, int to);
void net_request(struct world *world, struct node *node, const struct raft_effect *effect);
void net_reply(struct world *world, struct node *node, const struct raft_effect *effect);

/* Requests under way from one node to another are broken, or from all where from is NULL. */
void net_reset(struct world *world, struct node *from, int to);

/* The request is over; false when it was already. */
bool net_ended(struct node *node, uint64_t id);

/* ---- raft_world_node.c: a node's life, its disk, what it is told ----------------------------- */

void node_start(struct world *world, struct node *node);
void node_stop(struct node *node);
void node_crash(struct world *world, struct node *node);
void node_wipe(struct world *world, struct node *node);
void node_new_directory(struct world *world, struct disk *disk);
void node_handle(struct world *world, struct node *node, const struct event *event);

/* Carries out what the machine wants. `fetched`: the records of the answer that it was told. */
void node_settle(struct world *world, struct node *node, const struct entry *fetched);

bool voters_known(const struct raft_voters *voters);

/* The newest voter set of a log. */
int32_t disk_set(struct disk *disk);

/* ---- raft_world_faults.c: faults and the operator -------------------------------------------- */

/* The leader of the newest epoch, or NULL. */
struct node *world_leader(struct world *world);
void world_faults(struct world *world);
void world_crash_soon(struct world *world, const struct node *node, int64_t delay_ms);
void world_crash(struct world *world, struct node *node, int64_t down_ms);

/* ---- raft_world.c ---------------------------------------------------------------------------- */

void world_run_for(struct world *world, int64_t duration_ms);

/* Until everybody has committed something that is new, at most so long; false when not. */
bool world_converges(struct world *world, int64_t most_ms);
void waits_add(struct raft_waits *waits, int64_t ms);

/* ---- raft_world_scenes.c --------------------------------------------------------------------- */

void scene_disturb(struct world *world);
void scene_failover(struct world *world);

#endif
