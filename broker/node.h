/*
 * A node: everything of one broker and controller process. There are no globals; several nodes live
 * in one process under simulation.
 *
 * A node has one struct node_shard for each shard of its machine. Code that runs on a shard gets
 * its node_shard and reaches what belongs to that shard from there; it never touches another
 * shard's. To act elsewhere it posts (runtime/machine.h), or moves a whole request
 * (server/request.h).
 *
 *   shard 0 also carries: the controller and the metadata log, the log manager (log dirs,
 *   checkpoints), start and stop.
 *   every shard carries: its copy of the metadata image, its effective broker configuration, its
 *   partitions, the group coordinators of its __consumer_offsets partitions, its connections.
 *
 * Start: log dirs are locked, read and, on a new node, formatted -> the metadata log is opened and
 * the quorum joined -> what is committed is in every shard's image -> logs are loaded by workers ->
 * the broker registers at the active controller, opens its listeners and is unfenced. Stop is the
 * reverse, and writes the clean-shutdown markers last. A node alone leads its quorum at once, and
 * does the same with itself.
 */
#ifndef BROKER_NODE_H
#define BROKER_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "base/list.h"
#include "base/uuid.h"
#include "runtime/machine.h"

struct config;                  /* config/config.h: what was given at start, immutable */
struct broker_config;           /* config/config.h: effective broker configuration of a shard */
struct image;                   /* metadata/image.h */
struct controller;              /* controller/controller.h */
struct controller_channel;      /* controller/controller_channel.h */
struct controller_registration; /* lifecycle/controller_registration.h */
struct lifecycle;               /* lifecycle/lifecycle.h */
struct replica_manager;         /* replica/replica.h */
struct log_manager;             /* replica/log_manager.h */
struct group_manager;           /* group/group.h */
struct meters;                  /* metrics/meters.h */
struct metrics;                 /* metrics/metrics.h */
struct server;                  /* server/server.h */
struct telemetry;               /* telemetry/telemetry.h */
struct server_shard;            /* server/server.h */

struct node_shard {
    struct node *node;
    struct shard *shard;
    int index;
    struct image *image;
    struct broker_config *config;
    struct replica_manager *replicas;
    struct group_manager *groups;
    struct server_shard *server;
    struct meters *meters;
    struct list wishes; /* struct topic_wish: topics to be auto-created, asked for */
};

struct node {
    struct machine *machine;
    const struct config *config;
    int32_t id;
    char cluster_id[128];
    struct uuid incarnation_id; /* drawn at each start */
    int shard_count;
    struct node_shard shards[SHARD_COUNT_MAX];
    struct controller *controller;                           /* shard 0 */
    struct controller_channel *controller_channel;           /* shard 0 */
    struct lifecycle *lifecycle;                             /* shard 0 */
    struct controller_registration *controller_registration; /* shard 0 */
    struct log_manager *log_manager;                         /* shard 0 */
    struct server *server;                                   /* shard 0 */
    struct metrics *metrics;                                 /* shard 0 */
    struct telemetry *telemetry;                             /* shard 0 */
    struct node_start *start; /* private to node.c while starting and stopping */
};

/* How the process ends. */
enum node_exit {
    NODE_EXIT_OK = 0,
    NODE_EXIT_CONFIG = 1,   /* the command line or the configuration; nothing was touched */
    NODE_EXIT_LOG_DIR = 2,  /* a log dir: another node's, locked, read-only, full, damaged */
    NODE_EXIT_METADATA = 3, /* the metadata log, or what it says */
    NODE_EXIT_LISTENER = 4, /* a listener: its port is in use, its address is not ours */
    NODE_EXIT_FAILED = 5, /* while running: the disk of the metadata log, or of all logs, failed */
};

/*
 * Starts a node on its machine; on shard 0, inside machine_run() or sim_call(). `config` must
 * outlive the node. `started(ctx, 0)` follows when the listeners are open, or `started(ctx, exit
 * code)` (enum node_exit) after an error that was logged in one line; the node is then to be freed.
 */
struct node *node_new(struct machine *machine, const struct config *config);
void node_start(struct node *node, void (*started)(void *ctx, int exit_code), void *ctx);

/* Clean shutdown; `stopped` follows on shard 0. Also during the start: then `started` is not called
 * any more, unless it failed. Once. */
void node_stop(struct node *node, void (*stopped)(void *ctx), void *ctx);

/* Frees all memory without I/O: after `stopped`, after a failed start, or after the machine crashed
 * in the simulation at whatever moment. */
void node_free(struct node *node);

/* Any shard: the node cannot go on. Logs one line and stops the machine, which ends the process
 * with NODE_EXIT_FAILED; nothing is written any more. */
void node_fail(struct node *node, const char *reason);

/* Shard 0: what keeps clients from being sent here: the start that is not over, or a stop; NULL
 * when nothing does. */
const char *node_not_running(const struct node *node);

/* Shard 0: the metadata quorum has another leader, or none. */
void node_controller_changed(struct node *node);

struct image_delta;

/*
 * The image of this shard has changed by `delta`: brings the shard's configuration, partitions and
 * coordinators up to it, in this order. Whoever applies records calls it, on each shard.
 */
void node_shard_apply(struct node_shard *shard, const struct image_delta *delta);

/* The port a listener of the node is bound to (tests use port 0); -1 when there is none. */
int node_listener_port(const struct node *node, const char *listener_name);

/* Which shard owns a partition. */
int node_partition_shard(const struct node *node, struct uuid topic_id, int32_t partition);

/* The shard that runs this code on behalf of node; shard must be one of the node's. */
static inline struct node_shard *node_shard_of(struct node *node, const struct shard *shard) {
    return &node->shards[shard_index(shard)];
}

#endif
