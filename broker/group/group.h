/*
 * The group coordinators of a shard: classic consumer groups (JoinGroup and the like), committed
 * offsets, both persisted in __consumer_offsets in Kafka's record format.
 *
 * A group is coordinated on the shard that owns its __consumer_offsets partition; the API handlers
 * move their request there.
 */
#ifndef BROKER_GROUP_GROUP_H
#define BROKER_GROUP_GROUP_H

#include <stdint.h>

#include "base/slice.h"

struct group_manager;
struct image_delta;
struct node_shard;

struct group_manager *group_manager_new(struct node_shard *shard);
void group_manager_free(struct group_manager *manager);

/* After the replica manager has applied the same delta: coordinators of partitions that this shard
 * now leads load them, others are unloaded; offsets of deleted topics go. */
void group_manager_apply(struct group_manager *manager, const struct image_delta *delta);

/* The logs of this shard's partitions are open: coordinators load. Coordinators that are not
 * started by this or by a delta start with the first request for one of their groups. */
void group_manager_start(struct group_manager *manager);

/* Ends all waits with COORDINATOR_NOT_AVAILABLE, stops timers. Before logs close. */
void group_manager_close(struct group_manager *manager);

/* abs(javaStringHash(key)) % partition_count: where a group's records live. */
int32_t coordinator_partition(struct slice key, int32_t partition_count);

#endif
