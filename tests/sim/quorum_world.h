/*
 * The metadata log as a quorum of several nodes on simulated machines: each runs the quorum and the
 * listener of its controllers, and nothing else of a broker. Nodes 1 to QUORUM_VOTERS are voters.
 *
 * Each node hashes the values that it is told as committed; that one was told others than another,
 * or that two lead in one epoch, is asserted here, whatever a test does.
 */
#ifndef TESTS_SIM_QUORUM_WORLD_H
#define TESTS_SIM_QUORUM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/quorum/quorum_requests.h"
#include "runtime/sim/sim.h"

#define QUORUM_VOTERS     3
#define QUORUM_NODES_MAX  4
#define QUORUM_VALUES_MAX 20000
#define QUORUM_DIR        "data"
#define QUORUM_LOG_DIR    QUORUM_DIR "/__cluster_metadata-0"

struct quorum_world;
struct quorum_node;

/* A request for another set of voters, of one node. */
struct voter_change {
    struct quorum_node *at;
    struct raft_key key;
    const char *host; /* of a voter to add; NULL: that of its node */
    struct quorum_change change;
    bool ended;
    enum kafka_error error;
};

struct quorum_node {
    struct quorum_world *world;
    int id;
    struct machine *machine;
    struct config *config;
    struct node *node;
    struct quorum *quorum; /* NULL while it is down */
    struct errmsg errmsg;
    bool opened;
    bool closed;
    bool caught_up;
    bool leading;
    int32_t epoch;
    int64_t applied; /* values, in order */
    uint64_t hash;   /* of them */
    int64_t last_offset;
    int32_t last_epoch;
    int snapshots; /* told */
    uint8_t life;  /* of its disk: 1 after quorum_node_lose_disk() */
    struct voter_change change;

    /* A call on the node's shard. */
    void (*fn)(void *ctx);
    void *ctx;
    bool called;
};

struct quorum_world_options {
    uint64_t seed;
    int observers;      /* besides the voters */
    bool static_voters; /* of the configuration, not of the log */
    bool joins;         /* controllers become voters by themselves */
    bool small;         /* pieces of what is fetched */
    bool keeps;         /* old snapshots and the log below them */
    bool ages;          /* ... for five seconds */
};

struct quorum_world {
    struct quorum_world_options options;
    struct sim *sim;
    int count; /* nodes */
    struct quorum_node nodes[QUORUM_NODES_MAX];
    uint64_t hashes[QUORUM_VALUES_MAX]; /* after so many values; 0: not known yet */
    int64_t most;                       /* applied anywhere */
    uint64_t proposed;
};

/* All formatted, none started. */
struct quorum_world *quorum_world_new(const struct quorum_world_options *options);
void quorum_world_free(struct quorum_world *world);

/* The same, started, with a leader and so many values. */
struct quorum_world *quorum_world_begin(const struct quorum_world_options *options, int values);

void quorum_world_start(struct quorum_world *world);

/* NULL: nobody leads. */
struct quorum_node *quorum_world_leader(struct quorum_world *world);

/* A voter that does not lead, while one does. */
struct quorum_node *quorum_world_follower(struct quorum_world *world);

/* Steps until a node leads that is not `other` (NULL: any); returns how long it took, in ms. */
int64_t quorum_world_elect(struct quorum_world *world, const struct quorum_node *other);

/* Proposes so many values to whoever leads, and waits until all that run have them. */
void quorum_world_propose(struct quorum_world *world, int count);

/* A follower comes back with an empty disk. */
struct quorum_node *quorum_world_lose_disk(struct quorum_world *world);

/* Asserts that nobody leads when one of the other voters that follow is away: `lost` may have the
 * records, but its vote and its disk do not count. */
void quorum_world_check_no_vote(struct quorum_world *world, const struct quorum_node *lost);

/* A snapshot of each node that runs. */
void quorum_world_snapshot(struct quorum_world *world);

/* Power cuts for all voters but one. */
void quorum_world_kill_others(struct quorum_world *world, const struct quorum_node *but);

/* Asks the leader, and waits for what it says. `life`: which disk of the node is meant. */
enum kafka_error quorum_world_add_voter(struct quorum_world *world, int id, int life);
enum kafka_error quorum_world_remove_voter(struct quorum_world *world, int id, int life);

/* ---- One node -------------------------------------------------------------------------------- */

void quorum_node_start(struct quorum_node *node);
void quorum_node_stop(struct quorum_node *node);

/* The power goes; what is left of a node that is gone already is freed. */
void quorum_node_kill(struct quorum_node *node);

/* Whether the process is there and alive. */
bool quorum_node_up(const struct quorum_node *node);

/* Of a node that is down: an empty disk in its place, formatted for the cluster. */
void quorum_node_lose_disk(struct quorum_node *node);

void quorum_node_propose(struct quorum_node *node);

/* kraft.version from 0 to 1; false when it is refused. */
bool quorum_node_upgrade(struct quorum_node *node);

void quorum_node_snapshot(struct quorum_node *node);

/* The directory id of a node's disk. */
struct uuid quorum_directory_id(int id, int life);

/* Asks a node; `change` ends by itself and must live so long. */
void voter_change_add(struct voter_change *change, struct quorum_node *at, int id, int life);
void voter_change_remove(struct voter_change *change, struct quorum_node *at, int id, int life);

#endif
