/*
 * Between the replica managers of the shards and the log manager (shard 0). Private to
 * broker/replica/.
 *
 * Who does what. The log manager knows directories: it decides where a partition lies, loads logs
 * on workers, keeps checkpoints and runs the periodic tasks. A replica manager owns the logs of its
 * shard from replica_manager_add_log() on: it appends, reads, closes and removes them.
 *
 * Functions on a struct replica_manager are called on its shard; the log manager posts.
 */
#ifndef BROKER_REPLICA_REPLICA_INTERNAL_H
#define BROKER_REPLICA_REPLICA_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "runtime/machine.h"

struct log;
struct log_manager;
struct log_options;
struct node_shard;
struct replica_manager;

/* ---- At start -------------------------------------------------------------------------------- */

/*
 * Takes over a log that log_load() gave, of a partition that the image names and this shard owns;
 * calls log_start_on(). `dir` is the index of its log dir (log_manager_dir_path).
 */
void replica_manager_add_log(struct replica_manager *manager, struct uuid topic_id,
                             int32_t partition, int dir, struct log *log);

/* A partition's lines in the checkpoints of its log dir. */
struct replica_offsets {
    struct slice topic;
    int32_t partition;
    int dir;
    int64_t recovery_point; /* 0 when unknown */
    int64_t log_start;      /* 0 when unknown */
    int64_t high_watermark; /* 0 when unknown */
};

/* The partition is in the image but its log cannot be loaded (-EUCLEAN, -EIO, dir offline): it
 * answers KAFKA_STORAGE_ERROR. The checkpoints go on to say of it what they said (`known`: dir and
 * the three offsets), or the next start would not see what this one saw. */
void replica_manager_add_failed(struct replica_manager *manager, struct uuid topic_id,
                                int32_t partition, const struct replica_offsets *known);

/*
 * All logs of this shard were handed over. From now on replica_manager_apply() creates and deletes
 * logs; what the image gained since is caught up with. Until then apply() only looks at partitions
 * that were added. The log manager calls it on every shard at the end of log_manager_load().
 */
void replica_manager_set_loaded(struct replica_manager *manager);

/* ---- Making a log at run time ---------------------------------------------------------------- */

/* A partition's log to be made, embedded in the asker. */
struct log_create {
    struct post post; /* private to the log manager, with the next two */
    struct work work;
    void *state;
    struct node_shard *owner; /* given: the shard that asks and is told */
    struct uuid topic_id;
    struct slice topic; /* must stay valid until fn */
    int32_t partition;
    struct uuid directory_id; /* where the image wants it; zero (or one that is not this node's):
                                 the log manager picks the dir with the fewest partitions */
    const char *future; /* NULL, or the name of a copy's directory, in the dir of that id alone; */
    int64_t future_start; /* and where the copy begins */
    void (*fn)(struct log_create *create, int result);
    struct log *log; /* result 0: loaded or made, not started, owned by the asker */
    int dir;         /* index of the log dir; -1 when none is online */
};

/*
 * Implemented by the log manager; any shard. Finds the log dir, loads or makes the log on a worker
 * with the topic's effective configuration (log_load: no recovery of an empty one), then calls fn
 * on owner: 0, -ESTALE while the directory of a deleted topic of the same name has not been set
 * aside yet (the asker tries again), or another errno.
 */
void log_manager_create_log(struct node_shard *owner, struct log_create *create);

/* ---- Periodic tasks -------------------------------------------------------------------------- */

/* All partitions of this shard that have a log, or had one that was refused; in the arena. Also
 * between the `done` of replica_manager_close() and replica_manager_free(): the offsets at which
 * the logs were closed. */
void replica_manager_offsets(struct replica_manager *manager, struct arena *arena,
                             struct replica_offsets **out, int *count);

/*
 * Implemented by the log manager; on `shard`. Something that the checkpoints hold may have changed
 * (an append, a high watermark, a log start): they are written within their intervals. Costs one
 * comparison while it is marked already; an idle node is never woken for checkpoints.
 */
void log_manager_mark_dirty(struct node_shard *shard);

/* A wait for the recovery points to be on disk, embedded in what waits. */
struct checkpoint_wait {
    struct post post; /* private, with the next two */
    struct list link;
    struct node_shard *from;
    bool all;
    void (*fn)(struct checkpoint_wait *wait);
};

/*
 * Implemented by the log manager; any shard. Writes the recovery points as they are from now on,
 * and calls fn on `from` when that is done (or could not be done, which is logged). It cannot be
 * cancelled.
 */
void log_manager_checkpoint(struct node_shard *from, struct checkpoint_wait *wait,
                            void (*fn)(struct checkpoint_wait *wait));

/* The same with all checkpoints, not only the recovery points. */
void log_manager_checkpoint_all(struct node_shard *from, struct checkpoint_wait *wait,
                                void (*fn)(struct checkpoint_wait *wait));

/* log_apply_retention() and log_expire_producers() of all logs of the shard. */
void replica_manager_apply_retention(struct replica_manager *manager, int64_t now_ms);
void replica_manager_expire_producers(struct replica_manager *manager, int64_t now_ms);

/* Implemented by the log manager; any shard, before replica_manager_close() is done: a log of this
 * dir did not close cleanly, so the dir gets no clean-shutdown marker. */
void log_manager_close_failed(struct node_shard *from, int dir);

/* Implemented by the log manager; any thread. Sets machine, on_failure and ctx of a log that lies
 * in that dir. */
void log_manager_options_in(struct log_manager *manager, int dir, struct log_options *options);

/* ---- Failure --------------------------------------------------------------------------------- */

/* A log dir went offline (log_options.on_failure of one of its logs, told on every shard): its
 * partitions answer KAFKA_STORAGE_ERROR, their waits end, their logs stay open for reading until
 * the end of the process. */
void replica_manager_fail_dir(struct replica_manager *manager, int dir);

/* Implemented by the log manager; any thread. Takes the dir offline. */
void log_manager_fail_dir(struct log_manager *manager, int dir, int error);

/* Implemented by the log manager; any thread. Whether it is offline, or about to be. */
bool log_manager_dir_failed(const struct log_manager *manager, int dir);

#endif
