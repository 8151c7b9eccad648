/*
 * A replica moves from one log dir of this broker to another (KIP-113), on the shard that owns the
 * partition. README.md says how, and what a crash at each step leaves.
 */
#ifndef BROKER_REPLICA_PARTITION_MOVE_H
#define BROKER_REPLICA_PARTITION_MOVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/uuid.h"
#include "broker/replica/replica_internal.h"
#include "protocol/errors.h"

struct log;
struct partition;
struct replica_manager;

/*
 * Begins to move the partition to a log dir that is online (its index); a move to another dir is
 * given up for it. NONE also when it lies there, or is on its way there already;
 * KAFKA_STORAGE_ERROR while it is offline, INVALID_TOPIC_EXCEPTION when its name is too long,
 * REPLICA_NOT_AVAILABLE when there is no log here, or none yet.
 */
enum kafka_error replica_manager_move(struct replica_manager *manager, struct uuid topic_id,
                                      int32_t index, int dir);

/* ---- For the files of broker/replica/ -------------------------------------------------------- */

/* The records that the copy may already have were cut off. Does nothing when it does not move. */
void partition_move_cut(struct partition *partition);

/* The partition goes away. True when the move has its logs: what is left of them it removes. */
MUST_CHECK bool partition_move_abandon(struct partition *partition);

/* A log dir has failed. */
void partition_move_dir_failed(struct partition *partition, int dir);

/* The manager closes. True when the move is closing the partition's log, or has: it is not to be
 * closed again. */
MUST_CHECK bool partition_move_stop(struct partition *partition);

/* Whether it moves; then where to, and its copy, NULL while that is being made or closed. */
bool partition_moves(const struct partition *partition, int *dir, const struct log **copy);

/* What is under way, for replica_manager_free(). */
void partition_moves_free(struct replica_manager *manager);

#endif
