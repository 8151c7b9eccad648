/*
 * The group coordinator of one __consumer_offsets partition, on the shard that owns the partition.
 *
 *     LOADING ----> ACTIVE        what the log says is replayed, then served
 *        |             |
 *        v             v
 *      FAILED        (gone)       a damaged log is not served; another leader, or a close
 *
 * Every change of state is a record first. An append is one batch; when it is committed, the batch
 * is replayed into the table (offsets, tombstones) or the group is told (its own metadata), and
 * then whoever waits is answered.
 */
#ifndef BROKER_GROUP_COORDINATOR_H
#define BROKER_GROUP_COORDINATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "broker/group/group_records.h"
#include "broker/group/group_table.h"
#include "broker/replica/replica.h"
#include "protocol/errors.h"
#include "runtime/machine.h"

struct coordinator_load;
struct group_manager;
struct image;
struct node_shard;

enum coordinator_state { COORDINATOR_LOADING, COORDINATOR_ACTIVE, COORDINATOR_FAILED };

struct coordinator {
    struct list link; /* group_manager.coordinators */
    struct group_manager *manager;
    struct node_shard *shard;
    struct uuid topic_id;
    int32_t partition;
    int32_t leader_epoch; /* of the term that it was loaded for */
    enum coordinator_state state;
    bool closed; /* unloaded; freed when the last append and the load have ended */
    struct group_env env;
    struct group_table table;
    struct list appends;    /* struct coordinator_append, in the order of the log */
    struct list refused;    /* those that could not be appended, to be told at the end of turn */
    struct deferred tell;   /* about `refused` */
    int append_count;       /* of both, and of those that are being told */
    struct list tombstones; /* struct tombstones */
    struct coordinator_load *load;
};

/* Starts loading. `env.persist` and the rest of the group environment are set up here. */
struct coordinator *coordinator_new(struct group_manager *manager, struct node_shard *shard,
                                    const struct group_limits *limits, struct uuid topic_id,
                                    int32_t partition, int32_t leader_epoch);

/* No longer led, or the node stops: waits end with `error`, timers stop. Frees itself when what is
 * under way has ended. */
void coordinator_close(struct coordinator *coordinator, enum kafka_error error);

/* At teardown: frees everything at once; nothing that is under way is ever told. */
void coordinator_free(struct coordinator *coordinator);

/* ERROR_NONE when it serves; else what Kafka answers. */
enum kafka_error coordinator_available(const struct coordinator *coordinator);

/* ---- Appending ------------------------------------------------------------------------------- */

/* The first member of what waits, which is one heap block: it is freed after `done`. */
struct coordinator_append {
    struct list link; /* all private but error */
    struct coordinator *coordinator;
    struct partition_append append;
    struct buffer batch;
    struct group *group;
    struct group_write *write;
    struct list after; /* struct coordinator_wait */
    bool replay;
    enum kafka_error error; /* of the coordinator's vocabulary */
    void (*done)(struct coordinator_append *append);
};

/* The writer for records of now. */
void coordinator_writer(struct coordinator *coordinator, struct record_writer *writer);

/*
 * Appends the writer's batch and releases the writer. When it is committed it is replayed, then
 * `done` is told, in a later call in any case. `group` (may be NULL) is kept until then.
 */
void coordinator_append(struct coordinator *coordinator, struct coordinator_append *append,
                        struct record_writer *writer, struct group *group,
                        void (*done)(struct coordinator_append *append));

/* Waits for everything that is under way now; `fn` is called later. False, and no call, when there
 * is nothing under way. */
struct coordinator_wait {
    struct list link; /* private */
    void (*fn)(struct coordinator_wait *wait);
};
bool coordinator_after_appends(struct coordinator *coordinator, struct coordinator_wait *wait);

/* ---- Tombstones ------------------------------------------------------------------------------ */

/*
 * Deletes many things in as few batches as are needed. Heap; ends itself: `done(ctx, error)` is
 * called after the last batch, with the first error, or inside tombstones_send() when there was
 * nothing to write. `done` may be NULL.
 */
struct tombstones;
struct tombstones *tombstones_new(struct coordinator *coordinator,
                                  void (*done)(void *ctx, enum kafka_error error), void *ctx);
void tombstones_add_offset(struct tombstones *tombstones, struct slice group_id, struct slice topic,
                           int32_t partition);

/* Adds the group's offsets and the group (EMPTY, without appends under way). It becomes DEAD and
 * goes when the batch is committed; it is EMPTY again when the batch failed. */
void tombstones_add_whole_group(struct tombstones *tombstones, struct group *group);

void tombstones_send(struct tombstones *tombstones);

/* ---- Maintenance ----------------------------------------------------------------------------- */

/* Removes what has outlived its time; now_ms is the wall clock. */
void coordinator_expire(struct coordinator *coordinator, int64_t now_ms, int64_t retention_ms);

/* Removes the committed offsets of a topic that was deleted. */
void coordinator_forget_topic(struct coordinator *coordinator, struct slice topic);

/* Removes offsets of topics that do not exist any more under the id they were committed for. */
void coordinator_forget_missing(struct coordinator *coordinator, const struct image *image);

/* Frees those of a member of coordinator.tombstones that have not ended; at teardown. */
void tombstones_abandon(struct list *link);

/* ---- coordinator_load.c ---------------------------------------------------------------------- */

void coordinator_load_start(struct coordinator *coordinator);
void coordinator_load_free(struct coordinator_load *load);

/* Called by the load when it has ended; errors were logged. */
void coordinator_loaded(struct coordinator *coordinator, bool ok);

#endif
