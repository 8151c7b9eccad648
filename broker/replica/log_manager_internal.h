/* The log manager, for its own files. All of it belongs to shard 0, unless a comment says else. */
#ifndef BROKER_REPLICA_LOG_MANAGER_INTERNAL_H
#define BROKER_REPLICA_LOG_MANAGER_INTERNAL_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/hmap.h"
#include "base/list.h"
#include "broker/node.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/replica_internal.h"
#include "storage/log.h"
#include "storage/log_dir.h"

struct log_manager;

/* The checkpoints of a log dir. */
enum checkpoint_kind {
    CHECKPOINT_KIND_RECOVERY_POINT,
    CHECKPOINT_KIND_LOG_START,
    CHECKPOINT_KIND_HIGH_WATERMARK,
    CHECKPOINT_KIND_COUNT,
};

/* A directory of log.dirs, or metadata.log.dir when it is none of them. */
struct log_dir {
    struct log_manager *manager;
    int index;
    const char *path; /* of the configuration */
    struct file *lock;
    struct uuid id;
    bool online;
    bool clean;           /* it was shut down cleanly */
    int64_t broker_epoch; /* of that shutdown, -1: not known */
    int partition_count;  /* about: corrected by each checkpoint */
    struct arena arena;   /* of the start: entries and checkpoints, until the logs are loaded */
    struct log_dir_entry *entries;
    int entry_count;
    struct hmap names;   /* struct named_entry, of the partitions */
    struct hmap offsets; /* struct known_offsets */
    int64_t
        checkpoint_ms[CHECKPOINT_KIND_COUNT]; /* when each kind was written, by the disk's clock */

    atomic_bool failed; /* somebody, on whatever shard, has reported a failure */
    struct post failure_post;
    int failure_error;
    int failure_shard; /* the next to be told */

    atomic_bool unclean; /* a log did not close cleanly: no clean-shutdown marker */
};

/* An entry of a log dir by its name; in its arena. */
struct named_entry {
    struct hmap_node node;
    const struct log_dir_entry *entry;
};

/* What the checkpoints of a log dir say of a partition; in its arena. */
struct known_offsets {
    struct hmap_node node;
    struct slice topic;
    int32_t partition;
    bool recovery_point_known;
    int64_t recovery_point; /* 0 when unknown */
    int64_t log_start;      /* -1 when unknown */
    int64_t high_watermark; /* -1 when unknown */
};

/* One log to load, or one directory to clear away (then `topic_id` is zero). */
struct load_job {
    struct list link; /* log_manager.jobs */
    struct log_manager *manager;
    struct work work;
    struct post post;
    struct slice topic; /* of the image, or of the dir's arena */
    struct uuid topic_id;
    int32_t partition;
    int dir;
    const struct log_dir_entry *entry; /* to clear away */
    struct log_options options;
    const struct log_dir_entry
        *promoted;     /* of a swap that was interrupted: it gets the name first */
    int promoted_from; /* the dir in which what it replaces was set aside */
    int move_to;       /* the dir to which it was on its way; -1 for none */
    char *path;
    struct log *log;
    struct errmsg errmsg;
    int result; /* set before it runs when the plan has refused it */
};

/* A shard's share of the periodic work. */
struct shard_task {
    struct log_manager *manager;
    struct node_shard *shard;
    struct post dirty_post;
    struct post post;
    bool dirty; /* of the shard */
    struct arena arena;
    struct replica_offsets *offsets;
    int offset_count;
};

/* A periodic task that visits the shards one after another. */
struct shard_round {
    struct post post;
    struct log_manager *manager;
    void (*fn)(struct replica_manager *replicas, int64_t now_ms);
    int next;
    bool running;
};

struct log_manager {
    struct node *node;
    struct log_dir
        *dirs; /* dir_count of log.dirs, and the metadata dir behind them if it is none */
    int dir_count;
    int all_dir_count;
    int metadata_dir; /* index */

    /* What was asked for at start and stop. */
    struct work work;
    struct errmsg *errmsg;
    void (*done)(void *ctx, int result);
    void (*stopped)(void *ctx);
    void *ctx;
    int result;

    struct list jobs; /* struct load_job: at start */
    int jobs_left;
    struct post loaded_post;
    int loaded_shard;

    struct log_create *waiting_creations; /* for the running checkpoint; linked by `state` */
    struct list creations;                /* struct creation: log_manager_create_log() under way */
    struct list wishes;                   /* struct wish: where replicas that come are to lie */
    int wish_count;

    struct shard_task *tasks; /* one for each shard */
    struct timer checkpoint_timers[CHECKPOINT_KIND_COUNT];
    bool checkpoint_due[CHECKPOINT_KIND_COUNT];
    bool checkpoint_running;
    bool checkpoint_writing[CHECKPOINT_KIND_COUNT]; /* those of the running one */
    int tasks_left;
    struct work checkpoint_work;
    struct list checkpoint_waiting; /* struct checkpoint_wait.link: for the next one */
    struct list checkpoint_waited;  /* for the running one */
    void (*checkpoint_done)(struct log_manager *manager);
    int *dir_errors; /* of the running checkpoint, for each dir */
    struct timer retention_timer;
    struct timer producer_timer;
    struct shard_round retention_round;
    struct shard_round producer_round;
    int closes_left; /* shards whose logs are being closed */
    bool loaded;
    bool stopping;
};

/* ---- log_manager_open.c ---------------------------------------------------------------------- */

/* On a worker: locks, identity, checkpoints, contents of all dirs. */
MUST_CHECK int log_dirs_open(struct log_manager *manager, struct errmsg *errmsg);

/* NULL when no checkpoint names it. */
struct known_offsets *log_dir_offsets(const struct log_dir *dir, struct slice topic,
                                      int32_t partition);

/* The directory "<topic>-<partition>" of the dir; NULL when there is none. */
const struct log_dir_entry *log_dir_entry_named(const struct log_dir *dir, struct slice topic,
                                                int32_t partition);

/* ---- log_manager_plan.c ---------------------------------------------------------------------- */

/* Fills manager->jobs. -EINVAL or -EUCLEAN when the dirs and the metadata contradict each other. */
MUST_CHECK int log_manager_plan(struct log_manager *manager, struct errmsg *errmsg);

/* ---- log_manager_load.c ---------------------------------------------------------------------- */

/* Options for a log in that dir; directory and state are for the caller to set. */
void log_options_of(struct log_manager *manager, struct slice topic, struct uuid topic_id, int dir,
                    struct log_options *out);

/* The online dir for a new partition: the wanted one, else the one with the fewest; -1 for none. */
int log_dir_pick(const struct log_manager *manager, struct uuid wanted);

void log_manager_jobs_free(struct log_manager *manager);

/* ---- log_manager_create.c -------------------------------------------------------------------- */

void log_manager_creations_free(struct log_manager *manager);

/* The dir that was wished for the replica, and forgets it; -1 for none. */
int log_manager_take_wish(struct log_manager *manager, struct slice topic, int32_t partition);
void log_manager_wishes_free(struct log_manager *manager);

/* A checkpoint has ended. */
void log_manager_resume_creations(struct log_manager *manager);

/* log_options.on_failure of all logs: any shard or worker. */
void on_log_failure(struct log *log, int error, void *ctx);

/* Whether an error is the disk's: not that it is full, that the process lacks something, or what
 * lies in the directory. */
bool log_dir_error_is_of_disk(int err);

bool log_dirs_any_online(const struct log_manager *manager);

/* Any shard or worker: takes a dir offline, soon, and tells every shard; ends the process when it
 * cannot go on without. */
void log_dir_fail(struct log_dir *dir, int error);

/* ---- log_manager_checkpoint.c ---------------------------------------------------------------- */

void checkpoints_init(struct log_manager *manager);
void checkpoints_start(struct log_manager *manager);
void checkpoints_stop(struct log_manager *manager);

/* Writes all checkpoints; done when they are on disk, or failed. */
void checkpoints_write_all(struct log_manager *manager, void (*done)(struct log_manager *manager));
void checkpoints_release(struct log_manager *manager);

#endif
