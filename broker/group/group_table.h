/*
 * The groups of one __consumer_offsets partition, as the records of the partition make them.
 *
 * Replay is the only writer of committed offsets: while a partition is loaded, and also live, where
 * a batch that this node has appended is replayed once it is committed. So what is in memory never
 * runs ahead of the log, and a restart finds the same.
 */
#ifndef BROKER_GROUP_GROUP_TABLE_H
#define BROKER_GROUP_GROUP_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/errmsg.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/slice.h"
#include "broker/group/classic_group.h"

struct group_table {
    struct group_env *env;
    struct hmap groups;       /* struct group */
    struct list transactions; /* offsets of open transactions, by producer; private */
    struct arena scratch;     /* private */
    uint64_t warned_types;    /* record types that a warning was logged for; private */
};

/* env must outlive the table. */
void group_table_init(struct group_table *table, struct group_env *env);

/* Frees all groups; their waits must have ended, except at teardown. */
void group_table_release(struct group_table *table);

struct group *group_table_find(const struct group_table *table, struct slice group_id);
struct group *group_table_create(struct group_table *table, struct slice group_id);

/*
 * Applies one whole batch. 0; -EINVAL for a batch that is corrupt, -EPROTO for a value of a version
 * that is not known (then the partition must not be served), with errmsg. Records of types that are
 * not known are skipped with a warning. May run on a worker while nobody else uses the table.
 */
MUST_CHECK int group_table_replay(struct group_table *table, struct slice batch_bytes,
                                  struct errmsg *errmsg);

/* Whether an open transaction has committed an offset for it. */
bool group_table_unstable(const struct group_table *table, struct slice group_id,
                          struct slice topic, int32_t partition);

#endif
