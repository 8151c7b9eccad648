/*
 * Produced batches on their way into a partition.
 *
 * Most are checked and appended at once. A batch whose check takes long (it decompresses to much,
 * or is written anew) is checked by a worker, one at a time on each shard; connections take turns
 * at it. What the same connection sent to the same partition meanwhile waits behind it: sequences
 * of idempotent producers, and what a client calls order, hold.
 */
#ifndef BROKER_REPLICA_PRODUCE_TASK_H
#define BROKER_REPLICA_PRODUCE_TASK_H

#include "base/list.h"
#include "broker/replica/partition.h"
#include "runtime/machine.h"

struct replica_manager;

/* Lives, with what produce.records and produce.arena point to, until it is done. While it is not,
 * the arena is the task's alone. */
struct produce_task {
    uint64_t connection_id; /* given, with the next three; whose order is kept */
    struct uuid topic_id;
    int32_t index;
    struct partition_produce produce; /* as for partition_produce(); results as from there */
    struct partition *partition;      /* result: NULL when there was none, see produce.error */

    void (*fn)(struct produce_task *task); /* the rest is private */
    struct replica_manager *manager;
    struct list link;
    struct work work;
    enum { PRODUCE_BEHIND, PRODUCE_TO_CHECK, PRODUCE_CHECKING } state;
};

/* Of a shard. */
struct produce_tasks {
    struct list pending; /* produce_task.link, in order of arrival within each connection */
    bool checking;
};

void produce_tasks_init(struct produce_tasks *tasks);

/* Without the machine: lets go of what unfinished tasks hold. */
void produce_tasks_release(struct produce_tasks *tasks);

/* True when done; false: fn(task) follows. */
bool produce_task_start(struct replica_manager *manager, struct produce_task *task,
                        void (*fn)(struct produce_task *task));

#endif
