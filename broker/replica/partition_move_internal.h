/* Between partition_move.c, the steps of a move, and partition_move_swap.c, its end. */
#ifndef BROKER_REPLICA_PARTITION_MOVE_INTERNAL_H
#define BROKER_REPLICA_PARTITION_MOVE_INTERNAL_H

#include "broker/replica/partition_move.h"
#include "broker/replica/replica_manager.h"
#include "runtime/log.h"
#include "storage/log_dir.h"

enum move_phase {
    MOVE_CREATING,
    MOVE_COPYING,
    MOVE_SYNCING,
    MOVE_CHECKPOINTING,
    MOVE_DRAINING,
    MOVE_RENEWING, /* the copy goes, to be made again */
    MOVE_CLOSING,
    MOVE_SWAPPING,
    MOVE_ENDING,
};

struct partition_move {
    struct list link; /* replica_manager.moves */
    struct replica_manager *manager;
    struct partition *partition; /* NULL: it is gone, or the move was given up */
    enum move_phase phase;
    bool in_flight; /* a callback will come */
    bool anew;      /* records were cut off: the copy begins again */
    int64_t few;    /* records */
    int dir;
    char future[LOG_DIR_NAME_SIZE];
    char *name; /* "<topic>-<partition>" */
    char *topic;
    struct log *log; /* the copy */
    struct log *old; /* of the partition, while it is closed and swapped */
    int old_dir;
    struct timer timer;
    struct log_create create;
    struct log_waiter waiter;
    struct checkpoint_wait checkpoint;

    struct work work; /* a piece; the swap; the removal of the copy */
    struct log_range range;
    uint8_t *data;
    int64_t read;

    struct log_options options; /* of the log after the swap */
    char aside[LOG_DIR_NAME_SIZE];
    char *path;
    struct log *loaded;
    int result; /* of the swap: why it did not happen */
    int load_result;
    enum log_dir_swapped swapped;
    struct errmsg errmsg;
};

/* ---- partition_move.c ------------------------------------------------------------------------ */

const char *partition_move_path(const struct partition_move *move, int dir);
void partition_move_say(const struct partition_move *move, enum log_level level, const char *what,
                        int error);

/* The partition, if it is held for the move, serves from the log that it had. */
void partition_move_resume_old(struct partition_move *move);

/* The partition has nothing to do with it any more. */
void partition_move_let_go(struct partition_move *move);

/* Closes and removes the copy, and ends the move; with a partition the copy is made again. */
void partition_move_discard(struct partition_move *move);

void partition_move_free(struct partition_move *move);

/* ---- partition_move_swap.c ------------------------------------------------------------------- */

/* The copy has all of a log that is held: from CLOSING on to the end. */
void partition_move_close(struct partition_move *move);

#endif
