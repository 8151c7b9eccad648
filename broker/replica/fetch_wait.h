/*
 * Fetches that wait for records on one shard.
 *
 * A wait hangs an interest on each of its partitions, so that an append looks at those who wait for
 * that partition and at nobody else; an idle consumer costs its memory and nothing more. Growth is
 * noted in the interest, so that a wait for many bytes over many partitions reads only in the
 * partition that moved.
 *
 * A woken wait has no interests any more. It says "look again", not "there is enough".
 */
#ifndef BROKER_REPLICA_FETCH_WAIT_H
#define BROKER_REPLICA_FETCH_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/uuid.h"
#include "broker/replica/partition.h"

struct replica_manager;

/* All private; one for each waited-for partition, in memory of the waiter. */
struct fetch_interest {
    struct list link; /* partition.fetches; itself when not waiting */
    struct fetch_wait *wait;
    int64_t offset;
    int64_t log_start; /* when it was added */
    size_t bytes_max;
    int64_t bytes; /* that were readable when last looked at */
};

/* Embedded in the waiter. */
struct fetch_wait {
    struct list woken; /* all private */
    struct replica_manager *manager;
    struct fetch_interest *interests;
    int count;
    enum fetch_limit limit;
    bool leader_only;
    int64_t bytes;
    int64_t wake_bytes;
    void (*fn)(struct fetch_wait *wait);
};

/*
 * fn(wait) is called once, at the end of a turn, when the partitions together hold `wake_bytes`
 * more than they did when their interests were added (with wake_bytes <= 1: anything more), or
 * when one of them cannot be read any more.
 */
void fetch_wait_init(struct fetch_wait *wait, struct replica_manager *manager,
                     struct fetch_interest *interests, int64_t wake_bytes, enum fetch_limit limit,
                     bool leader_only, void (*fn)(struct fetch_wait *wait));

/* `seen` is the limit (partition_fetch_limit) up to which the waiter has looked and `bytes` what it
 * found. A partition that is gone or moved since wakes the wait. There must be room in the
 * interests. */
void fetch_wait_add(struct fetch_wait *wait, struct uuid topic_id, int32_t index, int64_t offset,
                    size_t bytes_max, int64_t seen, int64_t bytes);

/* fn will not be called. */
void fetch_wait_cancel(struct fetch_wait *wait);

/* ---- For partitions -------------------------------------------------------------------------- */

/* More may be readable. */
void partition_wake_fetches(struct partition *partition);

/* Wakes whoever waits, as nothing more will come. */
void partition_wake_all_fetches(struct partition *partition);

/* Calls the functions of the woken. */
void fetch_waits_run(struct replica_manager *manager);

#endif
