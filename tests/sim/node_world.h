/*
 * A whole node and a client, called as if they blocked: each function here runs the simulation
 * until what it waits for has happened. For tests that look at many disks one after another.
 *
 * Nothing here asserts what the node does: a node that does not start, dies or hangs is told as
 * such, and the lines it wrote are counted.
 */
#ifndef TESTS_SIM_NODE_WORLD_H
#define TESTS_SIM_NODE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/sim/sim.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_node.h"

#define NODE_WORLD_HANGS (-1)
#define NODE_WORLD_DIED  (-2)

struct node_world {
    struct sim *sim;
    struct sim_node node;
    struct machine *client_machine;
    struct sim_client client;
    bool client_open;
    int64_t answer_ms; /* that node_world_call() waits */
    bool answered;
    const void *answer;
    struct sim_node_log log; /* since the last start */
    struct sim_overrides overrides;
};

/* `overrides` are "key=value" besides those that every node here has, and are kept by reference. */
struct node_world *node_world_new(uint64_t seed, int shard_count, const char *const *overrides,
                                  int override_count);
void node_world_free(struct node_world *world);

/* The node's exit code (0: it serves), NODE_WORLD_HANGS or NODE_WORLD_DIED. */
int node_world_start(struct node_world *world);

/* Starts it and lets only `steps` events happen. Whether its start goes on: neither has it ended,
 * nor is the node dead. */
bool node_world_begin(struct node_world *world, int steps);

/* A clean stop: false when it hangs, or the node took itself down meanwhile (its exit code). The
 * node is gone afterwards, its disk ready for the next. */
bool node_world_stop(struct node_world *world);

/* kill -9, or the end of a node that did not start. */
void node_world_kill(struct node_world *world);

/* The power goes: what was not synced is lost, or a part of it. */
void node_world_cut_power(struct node_world *world);

/* Whether the node serves and its machine is alive. */
bool node_world_alive(const struct node_world *world);

/* Makes the client of a node that serves, if it has none. */
void node_world_connect(struct node_world *world);

/* Lets virtual time pass. */
void node_world_wait(struct node_world *world, int64_t ms);

/* The decoded answer, valid until the next call; NULL when there is none. The client is gone then
 * if nothing came within answer_ms: node_world_connect() makes another. */
const void *node_world_call(struct node_world *world, int16_t key, int16_t version,
                            const void *request);

#endif
