/*
 * A directory of log.dirs: identity, lock, checkpoints, clean-shutdown marker, and what lies in it.
 * All functions block: workers and start-up only.
 */
#ifndef STORAGE_LOG_DIR_H
#define STORAGE_LOG_DIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/errmsg.h"
#include "base/slice.h"
#include "base/uuid.h"

struct machine;
struct file;

/* ---- meta.properties ------------------------------------------------------------------------- */

struct meta_properties {
    char cluster_id[128];     /* any text; "" when absent */
    int32_t node_id;          /* -1 when absent */
    struct uuid directory_id; /* zero when absent (written by an older release) */
};

/* -ENOENT when the directory is unformatted; -EINVAL (errmsg names the line) for nonsense. */
MUST_CHECK int meta_properties_read(struct machine *machine, const char *dir,
                                    struct meta_properties *out, struct errmsg *errmsg);
MUST_CHECK int meta_properties_write(struct machine *machine, const char *dir,
                                     const struct meta_properties *meta);

/* ---- Clean shutdown -------------------------------------------------------------------------- */

/* Whether .kafka_cleanshutdown exists; broker_epoch is -1 when it does not say. */
MUST_CHECK int clean_shutdown_read(struct machine *machine, const char *dir, bool *clean,
                                   int64_t *broker_epoch);
MUST_CHECK int clean_shutdown_write(struct machine *machine, const char *dir, int64_t broker_epoch);
MUST_CHECK int clean_shutdown_remove(struct machine *machine, const char *dir);

/* ---- Checkpoints ----------------------------------------------------------------------------- */

#define CHECKPOINT_RECOVERY_POINT "recovery-point-offset-checkpoint"
#define CHECKPOINT_LOG_START      "log-start-offset-checkpoint"
#define CHECKPOINT_HIGH_WATERMARK "replication-offset-checkpoint"

struct checkpoint_entry {
    struct slice topic;
    int32_t partition;
    int64_t offset;
};

/* Entries in the arena; no file gives none. A malformed file gives none too, with a warning in the
 * log: recovery then starts at 0. *written_ms: when the file was written, by the disk's clock. */
MUST_CHECK int checkpoint_read(struct machine *machine, const char *dir, const char *name,
                               struct arena *arena, struct checkpoint_entry **out, int *count,
                               int64_t *written_ms);
MUST_CHECK int checkpoint_write(struct machine *machine, const char *dir, const char *name,
                                const struct checkpoint_entry *entries, int count);

/* ---- Contents -------------------------------------------------------------------------------- */

enum log_dir_entry_kind {
    LOG_DIR_PARTITION,
    LOG_DIR_DELETED, /* "<topic>-<partition>.<32 hex>-delete": to be removed */
    LOG_DIR_FUTURE,  /* "<topic>-<partition>.<32 hex>-future": a copy that grows */
    LOG_DIR_STRAY,
};

struct log_dir_entry {
    enum log_dir_entry_kind kind;
    const char *name;   /* of the directory */
    struct slice topic; /* of a partition */
    int32_t partition;
    struct uuid topic_id; /* from partition.metadata; zero when unreadable */
    int64_t created_ms;   /* when partition.metadata was written, by the disk's clock; 0: unknown */
};

/* Partition directories, without __cluster_metadata-0; in the arena. -EINVAL names a directory that
 * is none of these. */
MUST_CHECK int log_dir_list(struct machine *machine, const char *dir, struct arena *arena,
                            struct log_dir_entry **out, int *count, struct errmsg *errmsg);

/* Renames a partition's directory aside for deletion or as stray (suffix "-delete", "-stray") and
 * syncs the parent. new_path gets the heap path; the caller frees it. */
MUST_CHECK int log_dir_set_aside(struct machine *machine, const char *dir, const char *name,
                                 const char *suffix, char **new_path);

/* ---- From one log dir to another (log_dir_future.c) ------------------------------------------ */

#define LOG_DIR_NAME_SIZE 256 /* of a directory's name, with its NUL */

/* "<topic>-<partition>.<32 random hex>-future"; false when the topic's name leaves no room, as
 * log_dir_future_fits() says. */
bool log_dir_future_fits(struct slice topic, int32_t partition);
bool log_dir_future_name(struct machine *machine, struct slice topic, int32_t partition,
                         char out[LOG_DIR_NAME_SIZE]);

/* Whether these two names are what log_dir_swap() leaves when it is interrupted: then the future
 * one is complete, and the other may go once it was promoted. */
bool log_dir_is_pair(const char *deleted, const char *future);

/* Gives a future directory its final name. */
MUST_CHECK int log_dir_promote(struct machine *machine, const char *dir, const char *future,
                               const char *name);

enum log_dir_swapped {
    LOG_DIR_NOT_SWAPPED, /* all is as it was, on the disk too */
    LOG_DIR_FROM_UNSURE, /* which names that dir has is not known before the next start has */
    LOG_DIR_TO_UNSURE,   /* looked; neither directory may be used until then */
    LOG_DIR_SWAPPED,
};

/* Sets from_dir/name aside as "-delete" (`aside` gets its name) and makes to_dir/future the
 * partition's directory. Both hold the same records, synced. *out also says what is there after an
 * error. */
MUST_CHECK int log_dir_swap(struct machine *machine, const char *from_dir, const char *name,
                            const char *to_dir, const char *future, char aside[LOG_DIR_NAME_SIZE],
                            enum log_dir_swapped *out);

/* Removes a directory and the files in it. */
MUST_CHECK int log_dir_remove_tree(struct machine *machine, const char *path);

/* .lock; -EAGAIN when another process has it. */
MUST_CHECK int log_dir_lock(struct machine *machine, const char *dir, struct file **out);

/* 1-249 characters of [a-zA-Z0-9._-], neither "." nor "..". */
bool topic_name_valid(struct slice name);

#endif
