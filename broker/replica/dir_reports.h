/*
 * AssignReplicasToDirs (73, KIP-858): the controller is told which log dir holds a replica, where
 * the metadata does not say so yet: a broker with several log dirs chooses by itself. Should that
 * dir fail, the controller knows what to lead elsewhere.
 *
 * One request of a shard is under way at a time; what could not be told is told again.
 */
#ifndef BROKER_REPLICA_DIR_REPORTS_H
#define BROKER_REPLICA_DIR_REPORTS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/list.h"
#include "broker/controller/controller_channel.h"
#include "protocol/generated/assign_replicas_to_dirs_request.h"
#include "runtime/machine.h"

struct image_partition;
struct partition;
struct replica_manager;

/* Embedded in a replica manager; all private. */
struct dir_reports {
    struct replica_manager *manager;
    struct list waiting;  /* partition.dir_link */
    struct list reported; /* the same, of the request under way */
    struct deferred send;
    struct timer retry;
    struct controller_call call;
    bool under_way;
    struct arena arena; /* of the request under way */
    struct assign_replicas_to_dirs_request request;
};

void dir_reports_init(struct dir_reports *reports, struct replica_manager *manager);

/* Memory only. */
void dir_reports_free(struct dir_reports *reports);

/* Tells where the partition lies when the image says otherwise. */
void dir_reports_consider(struct partition *partition, const struct image_partition *image);

#endif
