/*
 * Three whole nodes, each broker and controller, on simulated machines with a network that can be
 * cut, and clients that produce and consume (cluster_client.h).
 *
 * Nothing here asserts what the nodes do. What is wrong is told once, as a text: a node that ends
 * by itself, an answer that must not be, and what cluster_world_audit() finds on the disks.
 */
#ifndef TESTS_SIM_CLUSTER_WORLD_H
#define TESTS_SIM_CLUSTER_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "tests/sim/sim_node.h"

#define CLUSTER_NODES      3
#define CLUSTER_PORT       9092
#define CLUSTER_TOPIC      "ledger"
#define CLUSTER_PARTITIONS 2
#define CLUSTER_SECOND_DIR "more" /* where log.dirs names it beside "data" */

struct cluster_client;

struct cluster_world {
    struct sim *sim;
    uint64_t random; /* state of what the test draws; the machines have their own */
    struct sim_node nodes[CLUSTER_NODES];
    int stopping; /* the node that cluster_world_stop() waits for */
    struct machine *client_machine;
    struct cluster_client *client;
    bool cut[CLUSTER_NODES][CLUSTER_NODES];
    struct sim_overrides overrides;
    bool disks_fail;   /* the client may be told KAFKA_STORAGE_ERROR */
    bool tell;         /* what happens, on stderr */
    char trouble[512]; /* "" while all is well */
    struct sim_node_log log;
};

/* All formatted for one cluster, none started. `overrides` ("key=value") are kept by reference. */
struct cluster_world *cluster_world_new(uint64_t seed, int shard_count,
                                        const char *const *overrides, int override_count);
void cluster_world_free(struct cluster_world *world);

/* "10.0.0.1" of node 0. */
const char *cluster_host(int node);

void cluster_world_start(struct cluster_world *world, int node);
void cluster_world_kill(struct cluster_world *world, int node, enum sim_crash kind);

/* SIGTERM; waits. A node that does not stop is trouble. */
void cluster_world_stop(struct cluster_world *world, int node);

void cluster_world_cut(struct cluster_world *world, int a, int b, bool cut);

/* Whether the process runs. */
bool cluster_world_up(const struct cluster_world *world, int node);

/* Lets virtual time pass; false when there is trouble. */
bool cluster_world_run(struct cluster_world *world, int64_t ms);

/* Until `done` returns true; trouble named `what` after so long. */
bool cluster_world_until(struct cluster_world *world, const char *what, int64_t ms,
                         bool (*done)(struct cluster_world *world));

/* Everything runs and is connected. */
void cluster_world_heal(struct cluster_world *world);

/* All nodes have been started, heal()ed and the clients are idle: each partition's log is compared
 * between the disks and with what the clients were told. False when there is trouble. */
bool cluster_world_audit(struct cluster_world *world);

/* Uniform below `bound`, from the seed. */
uint64_t cluster_random(struct cluster_world *world, uint64_t bound);

/* The first trouble is kept. */
void cluster_trouble(struct cluster_world *world, const char *format, ...) PRINTF_LIKE(2, 3);
void cluster_tell(struct cluster_world *world, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
