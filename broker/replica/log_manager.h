/*
 * The log dirs of a node: identity, checkpoints, retention, failure. On shard 0; logs themselves
 * belong to the shards of their partitions.
 */
#ifndef BROKER_REPLICA_LOG_MANAGER_H
#define BROKER_REPLICA_LOG_MANAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "base/slice.h"
#include "base/uuid.h"

struct node;
struct log_manager;

struct log_manager *log_manager_new(struct node *node);
void log_manager_free(struct log_manager *manager);

/*
 * Locks the log dirs, reads or (single node, all unformatted) writes their meta.properties, sets
 * node->cluster_id, reads clean-shutdown markers and checkpoints. done(ctx, 0) or done(ctx,
 * negative errno) with one readable line in errmsg: a directory of another cluster or node, locked,
 * read-only, full.
 */
void log_manager_open(struct log_manager *manager, struct errmsg *errmsg,
                      void (*done)(void *ctx, int result), void *ctx);

/*
 * After the metadata was replayed: loads the logs of all partitions in the image that this node
 * replicates, in parallel on workers, creates missing ones, sets strays aside, and hands each to
 * its shard's replica manager. done as above.
 */
void log_manager_load(struct log_manager *manager, struct errmsg *errmsg,
                      void (*done)(void *ctx, int result), void *ctx);

/* Starts the periodic tasks: checkpoints, retention, producer expiry. */
void log_manager_start(struct log_manager *manager);

/* Closes all shards' logs (clean), writes checkpoints, then the clean-shutdown markers. Where the
 * logs were not loaded, only the markers that there were. */
void log_manager_stop(struct log_manager *manager, void (*done)(void *ctx), void *ctx);

/* The directory of __cluster_metadata-0's parent: metadata.log.dir or the first log dir. */
const char *log_manager_metadata_dir(const struct log_manager *manager);

/* The epoch of the broker that shut down cleanly in all log dirs, -1 where it did not: with it a
 * broker proves at its registration that it has lost nothing. */
int64_t log_manager_previous_broker_epoch(const struct log_manager *manager);

/* Configured log dirs, for registration, placement and DescribeLogDirs. */
int log_manager_dir_count(const struct log_manager *manager);
const char *log_manager_dir_path(const struct log_manager *manager, int index);
struct uuid log_manager_dir_id(const struct log_manager *manager, int index);
bool log_manager_dir_online(const struct log_manager *manager, int index);

/* Where a replica that is not here yet is to lie when it comes (AlterReplicaLogDirs). Forgotten by
 * a restart, and the oldest when there are very many. */
void log_manager_wish_dir(struct log_manager *manager, struct slice topic, int32_t partition,
                          int dir);

#endif
