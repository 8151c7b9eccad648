/* The end of a move to another log dir: CLOSING and SWAPPING. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/partition_move_internal.h"

static void load_again(struct partition_move *move, int dir) {
    size_t size = strlen(partition_move_path(move, dir)) + 1 + strlen(move->name) + 1;
    free(move->path);
    move->path = xmalloc(size);
    snprintf(move->path, size, "%s/%s", partition_move_path(move, dir), move->name);
    move->options.directory = move->path;
    log_manager_options_in(move->manager->shard->node->log_manager, dir, &move->options);
    move->options.clean = dir == move->dir; /* the copy was closed cleanly, at the log's end */
    move->options.recovery_point =
        move->options.clean ? log_end_offset(move->old) : log_synced_end(move->old);
    move->load_result = log_load(&move->options, &move->loaded, &move->errmsg);
}

static void run_swap(struct work *work) {
    struct partition_move *move = CONTAINER_OF(work, struct partition_move, work);
    move->result = log_dir_swap(
        move->manager->shard->node->machine, partition_move_path(move, move->old_dir), move->name,
        partition_move_path(move, move->dir), move->future, move->aside, &move->swapped);
    if (move->swapped == LOG_DIR_SWAPPED || move->swapped == LOG_DIR_NOT_SWAPPED) {
        load_again(move, move->swapped == LOG_DIR_SWAPPED ? move->dir : move->old_dir);
    }
}

static void remove_aside(const struct partition_move *move, int64_t delay_ms) {
    const char *dir = partition_move_path(move, move->old_dir);
    size_t size = strlen(dir) + 1 + strlen(move->aside) + 1;
    char *path = xmalloc(size);
    snprintf(path, size, "%s/%s", dir, move->aside);
    log_remove_aside(move->manager, move->old_dir, path, delay_ms);
}

/* Who waited for the end of the move hears that there is no log. */
static void move_take_offline(struct partition_move *move) {
    struct partition *partition = move->partition;
    if (partition != NULL && partition->state == PARTITION_MOVING) {
        partition->state = PARTITION_OFFLINE;
        partition_mark_moved(partition);
        partition_arrivals_tell(&partition->arrivals);
    }
}

/* Nobody can serve it: what is on the disk is looked at by the next start. */
static void swap_lost(struct partition_move *move) {
    struct partition *partition = move->partition;
    struct log_manager *logs = move->manager->shard->node->log_manager;
    int error = move->load_result != 0 ? move->load_result : move->result;
    struct machine *machine = move->manager->shard->node->machine;
    LOG_ERROR(machine, "replica", "log is lost to its move until the next start",
              "partition=%s from=%s to=%s reason=\"%s\"", move->name,
              partition_move_path(move, move->old_dir), partition_move_path(move, move->dir),
              move->errmsg.text[0] != '\0' ? move->errmsg.text : strerror(-error));
    log_manager_close_failed(move->manager->shard, move->old_dir);
    log_manager_close_failed(move->manager->shard, move->dir);
    bool to = move->swapped == LOG_DIR_SWAPPED || move->swapped == LOG_DIR_TO_UNSURE;
    int dir = to ? move->dir : move->old_dir;
    if (move->swapped == LOG_DIR_FROM_UNSURE || move->swapped == LOG_DIR_TO_UNSURE) {
        log_manager_fail_dir(logs, dir, error);
    }
    if (partition != NULL) {
        partition->dir = dir;
    }
    move_take_offline(move);
}

/* The partition goes on with the log that was loaded. */
static void swap_serve(struct partition_move *move, int dir) {
    struct partition *partition = move->partition;
    struct log *log = move->loaded;
    log_free(move->old);
    move->old = NULL;
    move->loaded = NULL;
    bool failed = log_manager_dir_failed(move->manager->shard->node->log_manager, dir);
    if (partition->state == PARTITION_MOVING && !failed) {
        if (move->swapped == LOG_DIR_SWAPPED) {
            partition_move_say(move, LOG_LEVEL_INFO, "partition moved to another log dir", 0);
        }
        partition_moved(partition, log, dir, true);
        return;
    }
    /* Its dir has failed, or the manager closes: only the checkpoints ask for its offsets. */
    partition->log = log;
    partition->dir = dir;
    move_take_offline(move);
}

static void on_swapped(struct work *work) {
    struct partition_move *move = CONTAINER_OF(work, struct partition_move, work);
    struct replica_manager *manager = move->manager;
    bool swapped = move->swapped == LOG_DIR_SWAPPED;
    int dir = swapped ? move->dir : move->old_dir;
    int64_t delay_ms = move->options.config.file_delete_delay_ms;
    move->in_flight = false;
    if (!swapped) {
        partition_move_say(move, LOG_LEVEL_WARN, "move to another log dir failed", move->result);
    }
    if (move->loaded == NULL) {
        swap_lost(move);
        if (move->partition == NULL) {
            log_free(move->old);
        }
        partition_move_free(move);
        return;
    }
    if (move->partition != NULL) {
        swap_serve(move, dir);
    } else {
        log_free(move->old);
        if (manager->closing) {
            log_free(move->loaded);
        } else {
            log_start_on(move->loaded, manager->shard->shard);
            log_remove(manager, move->loaded, dir);
        }
    }
    if (swapped) {
        remove_aside(move, delay_ms);
        partition_move_free(move);
    } else {
        partition_move_let_go(move);
        partition_move_discard(move); /* the copy */
    }
}

static void swap_begin(struct partition_move *move) {
    move->phase = MOVE_SWAPPING;
    work_submit(move->manager->shard->shard, &move->work, run_swap, on_swapped);
}

/* It was closed as it was: the copy has all of it, synced. */
static void old_closed(struct log *log, int result, void *ctx) {
    (void)result;
    struct partition_move *move = ctx;
    if (!log_failed(log)) {
        swap_begin(move);
        return;
    }
    /* Its disk is failing, which takes the dir offline; the copy is not needed to say so. */
    move->in_flight = false;
    move->old = NULL;
    log_manager_close_failed(move->manager->shard, move->old_dir);
    if (move->partition == NULL) {
        log_free(log);
    }
    move_take_offline(move);
    partition_move_let_go(move);
    partition_move_discard(move);
}

/* What the next load is to find. */
static void remember_offsets(struct partition_move *move, const struct log *log) {
    move->options = (struct log_options){
        .config = *log_config(log),
        .topic_id = log_topic_id(log),
        .recovery_point_known = true,
        .replicated = move->partition != NULL && move->partition->replica_count > 1,
        .log_start_offset = log_start_offset(log),
        .high_watermark = log_high_watermark(log),
    };
}

static void new_closed(struct log *log, int result, void *ctx) {
    struct partition_move *move = ctx;
    log_free(log);
    move->log = NULL;
    bool wanted = move->partition != NULL && move->partition->state == PARTITION_MOVING;
    if (result == 0 && wanted) {
        remember_offsets(move, move->old);
        log_close(move->old, false, old_closed, move);
        return;
    }
    /* The partition's log is as it was, and is the partition's again. */
    move->in_flight = false;
    struct log *old = move->old;
    move->old = NULL;
    if (move->partition == NULL) {
        log_remove(move->manager, old, move->old_dir);
    } else if (wanted) {
        partition_move_say(move, LOG_LEVEL_WARN, "move to another log dir given up", result);
        partition_move_resume_old(move);
    } else if (move->manager->closing) {
        replica_manager_close_log(move->partition);
    }
    partition_move_let_go(move);
    partition_move_discard(move);
}

void partition_move_close(struct partition_move *move) {
    move->phase = MOVE_CLOSING;
    move->in_flight = true;
    move->old = move->partition->log;
    move->old_dir = move->partition->dir;
    log_close(move->log, true, new_closed, move);
}
