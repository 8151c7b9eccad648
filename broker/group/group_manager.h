/* The coordinators of a shard, and the way from a group id to the one in charge. */
#ifndef BROKER_GROUP_GROUP_MANAGER_H
#define BROKER_GROUP_GROUP_MANAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "broker/group/classic_group.h"
#include "broker/group/coordinator.h"
#include "broker/group/group.h"
#include "runtime/machine.h"

struct group_manager {
    struct node_shard *shard;
    struct group_limits limits;
    struct list coordinators;          /* struct coordinator */
    struct coordinator **by_partition; /* by_partition[i] may be NULL */
    int32_t by_partition_count;
    struct timer expiry; /* runs only while there are groups */
    bool closed;
};

/* A coordinator of this manager has got its first group, perhaps. */
void group_manager_changed(struct group_manager *manager);

/*
 * The coordinator in charge of a group, on the shard that owns it; else NULL and *error:
 * COORDINATOR_NOT_AVAILABLE (closing), COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR.
 */
struct coordinator *group_manager_coordinator(struct group_manager *manager, struct slice group_id,
                                              enum kafka_error *error);

/* The shard whose coordinator a group has; NULL when there is no __consumer_offsets, or another
 * node leads the partition. Any shard of the node may ask about its own image. */
struct node_shard *group_owner(struct node_shard *asking, struct slice group_id);

#endif
