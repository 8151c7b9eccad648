/*
 * AlterPartition (56): the changes of ISRs that the partitions of a shard ask the controller for.
 * What is asked for in one turn goes out in one request; one request is under way at a time, and
 * what comes meanwhile goes with the next.
 *
 * A request that got no answer, or an error that says nothing of the change, is made again, until
 * the metadata overtakes it. Who was carried out twice learns so from its partition epoch.
 */
#ifndef BROKER_REPLICA_ISR_CHANGES_H
#define BROKER_REPLICA_ISR_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/list.h"
#include "broker/controller/controller_channel.h"
#include "protocol/generated/alter_partition_request.h"
#include "runtime/machine.h"

struct partition;
struct replica_manager;

/* Embedded in a replica manager; all private. */
struct isr_changes {
    struct replica_manager *manager;
    struct list waiting; /* partition.isr_link */
    struct deferred send;
    struct timer retry;
    struct controller_call call;
    bool under_way;
    struct arena arena; /* of the request under way */
    struct alter_partition_request by_epochs;
    struct alter_partition_request by_ids; /* below version 3 */
};

void isr_changes_init(struct isr_changes *changes, struct replica_manager *manager);

/* Memory only. */
void isr_changes_free(struct isr_changes *changes);

/* The partition's followers say what is asked for. */
void isr_changes_add(struct isr_changes *changes, struct partition *partition);

#endif
