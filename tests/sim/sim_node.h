/*
 * The process of a broker on a simulated machine: started, stopped, killed and started again.
 *
 * Nothing here waits or asserts what the broker does; its owner runs the simulation and looks. A
 * configuration that does not load ends the test.
 */
#ifndef TESTS_SIM_SIM_NODE_H
#define TESTS_SIM_SIM_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/sim/sim.h"

/* What the brokers of a world wrote to their logs. */
struct sim_node_log {
    int error_lines;
    char last_error[1024]; /* the last line at ERROR, without its newline */
};

/* The usual world of whole nodes, which tells its lines to `log` (may be NULL); SIM_LOG=1 prints
 * them. */
struct sim_options sim_node_options(uint64_t seed, struct sim_node_log *log);

struct sim_node {
    struct machine *machine;
    struct config *config;
    struct node *node; /* NULL: there is no process */
    bool started;      /* or has tried to: exit_code */
    int exit_code;
    bool stopped;
};

/* "key=value" besides those that every node of a world has, kept by reference. */
struct sim_overrides {
    const char *const *items;
    int count;
};

void sim_node_start(struct sim *sim, struct sim_node *node, struct sim_overrides all,
                    struct sim_overrides own);

/* SIGTERM: asks it to stop. */
void sim_node_stop(struct sim *sim, struct sim_node *node);

/* Ends the process as `kind` has it, unless it has crashed already. */
void sim_node_crash(struct sim_node *node, enum sim_crash kind);

/* Frees what is left of a process that has stopped or crashed; the machine is ready for the next.
 */
void sim_node_bury(struct sim_node *node);

#endif
