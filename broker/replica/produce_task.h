/*
 * Produced batches on their way into a partition.
 *
 * Most are checked and appended at once. A batch whose check takes long (it decompresses to much,
 * or is written anew) is checked by a worker, one at a time on each shard; connections take turns
 * at it. What the same connection sent to the same partition meanwhile waits behind it: sequences
 * of idempotent producers, and what a client calls order, hold.
 *
 * Checks whose batch is refused in the end (decompression bombs) take at most a tenth of a CPU of
 * each shard: after each, only connections that had such a batch accepted go on, for nine times as
 * long as it took. Then it is the turn of those of which nothing is known, and of the refused last.
 */
#ifndef BROKER_REPLICA_PRODUCE_TASK_H
#define BROKER_REPLICA_PRODUCE_TASK_H

#include "base/list.h"
#include "broker/replica/partition.h"
#include "runtime/machine.h"

struct replica_manager;
struct shard;

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
    int64_t check_ns; /* what the worker took */
    enum { PRODUCE_BEHIND, PRODUCE_TO_CHECK, PRODUCE_CHECKING } state;
};

/* Whether a worker's check of a connection's batch has ever ended in refusal, or at all. */
enum produce_standing { STANDING_UNKNOWN, STANDING_REFUSED, STANDING_ACCEPTED };

/* Connections whose standing is remembered; each takes the place of one before it. */
#define PRODUCE_STANDINGS 256

/* Of a shard. */
struct produce_tasks {
    struct list pending; /* produce_task.link, in order of arrival within each connection */
    bool checking;
    struct timer pace; /* running: only connections in good standing are checked */
    struct {
        uint64_t connection_id;
        enum produce_standing standing;
    } standings[PRODUCE_STANDINGS];
};

void produce_tasks_init(struct produce_tasks *tasks, struct shard *shard);

/* Without the machine: lets go of what unfinished tasks hold. */
void produce_tasks_release(struct produce_tasks *tasks);

/* True when done; false: fn(task) follows. */
bool produce_task_start(struct replica_manager *manager, struct produce_task *task,
                        void (*fn)(struct produce_task *task));

#endif
