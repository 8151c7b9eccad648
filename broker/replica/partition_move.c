/*
 * One step after another, of which one is under way at a time:
 *
 *     CREATING -> COPYING -> SYNCING -> CHECKPOINTING -> DRAINING -> CLOSING -> SWAPPING
 *
 * From DRAINING on the partition is PARTITION_MOVING: nothing is appended, read or cut, and who
 * wants to waits. Until SWAPPING begins every failure leads back to the log that there was.
 */
#include "broker/replica/partition_move_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/replica_fetcher.h"
#include "broker/replica/replication_rate.h"
#include "runtime/file.h"

#define PIECE_BYTES  ((size_t)512 * 1024)
#define PIECES_MAX   4 /* of a shard, in memory at a time */
#define BUSY_MS      2
#define THROTTLED_MS 50
#define DISK_FULL_MS 1000
#define BEHIND_FEW   1000 /* records that are copied while producers wait; doubled each time */

static void move_create(struct partition_move *move);
static void move_step(struct partition_move *move);

static bool disk_is_full(int result) {
    return result == -ENOSPC || result == -EMFILE || result == -ENFILE;
}

const char *partition_move_path(const struct partition_move *move, int dir) {
    return log_manager_dir_path(move->manager->shard->node->log_manager, dir);
}

void partition_move_say(const struct partition_move *move, enum log_level level, const char *what,
                        int error) {
    struct machine *machine = move->manager->shard->node->machine;
    if (log_enabled(machine, level)) {
        log_write(machine, level, "replica", what, "partition=%s to=%s reason=\"%s\"", move->name,
                  partition_move_path(move, move->dir), error == 0 ? "" : strerror(-error));
    }
}

/* ---- The end --------------------------------------------------------------------------------- */

void partition_move_free(struct partition_move *move) {
    struct replica_manager *manager = move->manager;
    timer_stop(&move->timer);
    list_remove(&move->link);
    if (move->partition != NULL) {
        move->partition->move = NULL;
    }
    free(move->data);
    free(move->path);
    free(move->name);
    free(move->topic);
    free(move);
    manager->closing_logs--;
    replica_manager_check_closed(manager);
}

static void run_remove(struct work *work) {
    struct partition_move *move = CONTAINER_OF(work, struct partition_move, work);
    move->result = log_dir_remove_tree(move->manager->shard->node->machine, move->path);
}

static void on_removed(struct work *work) {
    struct partition_move *move = CONTAINER_OF(work, struct partition_move, work);
    move->in_flight = false;
    if (move->result != 0) {
        partition_move_say(move, LOG_LEVEL_WARN,
                           "copy could not be removed; the next start tries again", move->result);
    }
    if (move->partition == NULL) {
        partition_move_free(move);
    } else {
        move_create(move);
    }
}

static void copy_remove(struct partition_move *move) {
    if (move->manager->closing) {
        partition_move_free(move);
        return;
    }
    size_t size = strlen(partition_move_path(move, move->dir)) + 1 + strlen(move->future) + 1;
    free(move->path);
    move->path = xmalloc(size);
    snprintf(move->path, size, "%s/%s", partition_move_path(move, move->dir), move->future);
    work_submit_slow(move->manager->shard->shard, &move->work, run_remove, on_removed);
}

static void copy_closed(struct log *log, int result, void *ctx) {
    (void)result;
    struct partition_move *move = ctx;
    log_free(log);
    move->log = NULL;
    copy_remove(move);
}

/* Closes and removes the copy, which is the end of a move that nobody wants any more. What a
 * manager that closes leaves, the next start removes, and begins the move again. */
void partition_move_discard(struct partition_move *move) {
    move->phase = move->partition == NULL ? MOVE_ENDING : MOVE_RENEWING;
    move->in_flight = true;
    timer_stop(&move->timer);
    if (move->log != NULL) {
        log_close(move->log, false, copy_closed, move);
    } else {
        copy_remove(move);
    }
}

/* The partition has nothing to do with it any more. */
void partition_move_let_go(struct partition_move *move) {
    if (move->partition != NULL) {
        move->partition->move = NULL;
        move->partition = NULL;
    }
}

/* Gives the move up; the partition stays as it is. Not from CLOSING on. */
static void move_give_up(struct partition_move *move) {
    ASSERT(move->phase < MOVE_CLOSING);
    partition_move_let_go(move);
    if (list_linked(&move->waiter.link)) {
        log_waiter_cancel(&move->waiter);
        move->in_flight = false;
    }
    if (!move->in_flight) {
        partition_move_discard(move);
    }
}

/* ---- Copying --------------------------------------------------------------------------------- */

static void on_timer(struct timer *timer) {
    move_step(CONTAINER_OF(timer, struct partition_move, timer));
}

static void move_later(struct partition_move *move, int64_t ms) {
    timer_start(&move->timer, ms);
}

/* Back to serving from the log that there was. */
void partition_move_resume_old(struct partition_move *move) {
    struct partition *partition = move->partition;
    if (partition != NULL && partition->state == PARTITION_MOVING) {
        partition_moved(partition, partition->log, partition->dir, false);
    }
}

static void move_failed(struct partition_move *move, int error) {
    partition_move_say(move, LOG_LEVEL_WARN, "move to another log dir given up", error);
    partition_move_resume_old(move);
    move_give_up(move);
}

static void run_read(struct work *work) {
    struct partition_move *move = CONTAINER_OF(work, struct partition_move, work);
    move->data = malloc(move->range.len);
    move->read = move->data == NULL
                     ? -ENOMEM
                     : file_read_at(move->range.file, move->data, move->range.len, move->range.pos);
}

/* How many bytes of the piece are whole batches in good order; -1 for none. */
static int64_t piece_check(const struct partition_move *move) {
    size_t done = 0;
    while (move->read >= 0 && done < (size_t)move->read) {
        struct slice rest = slice_make(move->data + done, (size_t)move->read - done);
        struct batch batch;
        enum batch_parse parsed = batch_parse(rest, &batch);
        if (parsed == BATCH_INCOMPLETE) {
            break;
        }
        if (parsed != BATCH_OK || !batch_crc_valid(slice_make(rest.data, batch_size(&batch)))) {
            return -1;
        }
        done += batch_size(&batch);
    }
    return done > 0 ? (int64_t)done : -1;
}

static void piece_append(struct partition_move *move) {
    int64_t len = piece_check(move);
    if (len < 0) {
        move_failed(move, move->read < 0 ? (int)move->read : -EBADMSG);
        return;
    }
    replication_rate_add(move->manager->moving, shard_now_ms(move->manager->shard->shard), len);
    int result = log_append_as_is(move->log, move->data, (size_t)len);
    if (disk_is_full(result)) {
        partition_move_say(move, LOG_LEVEL_WARN, "move to another log dir waits", result);
        if (move->phase == MOVE_DRAINING) {
            move->phase = MOVE_COPYING;
            partition_move_resume_old(move);
        }
        move_later(move, DISK_FULL_MS);
    } else if (result != 0) {
        move_failed(move, result);
    } else {
        move_step(move);
    }
}

static void on_read(struct work *work) {
    struct partition_move *move = CONTAINER_OF(work, struct partition_move, work);
    move->in_flight = false;
    move->manager->pieces--;
    file_unref(move->range.file);
    move->range.file = NULL;
    if (move->partition == NULL) {
        partition_move_discard(move);
    } else if (move->anew) {
        move_step(move);
    } else {
        piece_append(move);
    }
    /* The move may be gone; its piece is not. */
}

/* The log is another now than what was copied: its end was cut off, or more than was copied was
 * deleted. The copy is made again. */
static void move_renew(struct partition_move *move) {
    if (move->phase == MOVE_DRAINING) {
        partition_move_resume_old(move);
    }
    partition_move_discard(move);
}

static bool throttled(const struct partition_move *move) {
    const struct replica_manager *manager = move->manager;
    return move->phase == MOVE_COPYING && manager->moving_limit != INT64_MAX &&
           replication_rate_exceeds(manager->moving, shard_now_ms(manager->shard->shard),
                                    manager->moving_limit);
}

/* Where the next piece is read: the log may have lost its beginning since the last one. */
static int64_t piece_begin(const struct partition_move *move) {
    int64_t end = log_end_offset(move->log);
    int64_t start = log_start_offset(move->partition->log);
    return end < start ? start : end;
}

/* Reads the next piece, unless the copy has to begin anew where that does: behind what the log has
 * lost, which may be in the middle of a batch (DeleteRecords). */
static void piece_read(struct partition_move *move) {
    struct log *log = move->partition->log;
    int64_t from = piece_begin(move);
    int64_t end = log_end_offset(move->log);
    int result = log_read(log, from, log_end_offset(log), PIECE_BYTES, true, &move->range);
    if (result == 0 && move->range.len == 0) {
        result = -EBADMSG; /* no batch, and yet the log does not end here */
    }
    if (result != 0) {
        move_failed(move, result);
        return;
    }
    int64_t first = move->range.first_offset;
    if (first < end || (first > end && from > end)) {
        file_unref(move->range.file);
        move->range.file = NULL;
        move_renew(move);
        return;
    }
    free(move->data);
    move->data = NULL;
    move->in_flight = true;
    move->manager->pieces++;
    work_submit_slow(move->manager->shard->shard, &move->work, run_read, on_read);
}

/* The offsets of the log as far as the copy has their records. */
static int copy_offsets(struct partition_move *move) {
    const struct log *log = move->partition->log;
    log_raise_high_watermark(move->log, log_high_watermark(log));
    int64_t start = log_start_offset(log);
    if (start > log_start_offset(move->log) && start <= log_high_watermark(move->log)) {
        return log_raise_start(move->log, start);
    }
    return 0;
}

/* ---- Caught up ------------------------------------------------------------------------------- */

static void on_synced(struct log_waiter *waiter, int result) {
    struct partition_move *move = CONTAINER_OF(waiter, struct partition_move, waiter);
    move->in_flight = false;
    if (move->partition == NULL) {
        partition_move_discard(move);
    } else if (result != 0) {
        move_failed(move, result);
    } else if (move->anew) {
        move->phase = MOVE_COPYING;
        move_step(move);
    } else {
        move->phase = MOVE_CHECKPOINTING;
        move_step(move);
    }
}

static void on_checkpoint(struct checkpoint_wait *wait) {
    struct partition_move *move = CONTAINER_OF(wait, struct partition_move, checkpoint);
    move->in_flight = false;
    if (move->partition == NULL) {
        partition_move_discard(move);
        return;
    }
    if (move->partition->state != PARTITION_ONLINE) {
        move_failed(move, -EIO);
        return;
    }
    int64_t behind = log_end_offset(move->partition->log) - log_end_offset(move->log);
    move->phase = move->anew || behind > move->few ? MOVE_COPYING : MOVE_DRAINING;
    move->few *= 2;
    if (move->phase == MOVE_DRAINING) {
        partition_hold(move->partition);
    }
    move_step(move);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

/* The copy has all that the log has. */
static void move_caught_up(struct partition_move *move) {
    int result = copy_offsets(move);
    if (result != 0) {
        move_failed(move, result);
        return;
    }
    if (move->phase == MOVE_DRAINING) {
        partition_move_close(move);
        return;
    }
    move->phase = MOVE_SYNCING;
    move->in_flight = true;
    log_when_synced(move->log, &move->waiter, log_end_offset(move->log), on_synced);
}

static void move_copy(struct partition_move *move) {
    const struct log *log = move->partition->log;
    int64_t end = log_end_offset(move->log);
    bool emptied = end < log_end_offset(log) && log_start_offset(log) == log_end_offset(log);
    if (move->anew || emptied || end > log_end_offset(log)) {
        move_renew(move);
    } else if (end == log_end_offset(log)) {
        move_caught_up(move);
    } else if (throttled(move)) {
        move_later(move, THROTTLED_MS);
    } else if (move->manager->pieces >= PIECES_MAX) {
        move_later(move, BUSY_MS);
    } else {
        piece_read(move);
    }
}

static void move_step(struct partition_move *move) {
    switch (move->phase) {
    case MOVE_COPYING:
    case MOVE_DRAINING:
        if (log_failed(move->log) || (move->partition->state != PARTITION_ONLINE &&
                                      move->partition->state != PARTITION_MOVING)) {
            move_failed(move, -EIO);
        } else {
            move_copy(move);
        }
        break;
    case MOVE_CHECKPOINTING:
        move->in_flight = true;
        log_manager_checkpoint_all(move->manager->shard, &move->checkpoint, on_checkpoint);
        break;
    case MOVE_CREATING:
        partition_move_discard(move); /* what there is of it; then it is tried again */
        break;
    case MOVE_SYNCING:
    case MOVE_RENEWING:
    case MOVE_CLOSING:
    case MOVE_SWAPPING:
    case MOVE_ENDING:
        break;
    }
}

static void on_created(struct log_create *create, int result) {
    struct partition_move *move = CONTAINER_OF(create, struct partition_move, create);
    move->in_flight = false;
    if (result == 0) {
        move->log = create->log;
        log_start_on(move->log, move->manager->shard->shard);
    }
    if (move->partition == NULL) {
        partition_move_discard(move);
    } else if (disk_is_full(result)) {
        partition_move_say(move, LOG_LEVEL_WARN, "move to another log dir waits", result);
        move_later(move, DISK_FULL_MS);
    } else if (result != 0) {
        move_failed(move, result);
    } else {
        move->phase = MOVE_COPYING;
        move_step(move);
    }
}

/* Where the copy is to begin: the first batch may begin before the log does (DeleteRecords). */
static int64_t copy_begin(struct log *log) {
    int64_t start = log_start_offset(log);
    struct log_range range;
    if (log_read(log, start, log_end_offset(log), 1, true, &range) != 0) {
        return start;
    }
    file_unref(range.file);
    return range.len > 0 ? range.first_offset : start;
}

static void move_create(struct partition_move *move) {
    struct partition *partition = move->partition;
    struct node *node = move->manager->shard->node;
    bool fits =
        log_dir_future_name(node->machine, partition->topic, partition->index, move->future);
    ASSERT(fits); /* it did before */
    move->phase = MOVE_CREATING;
    move->anew = false;
    move->in_flight = true;
    move->create = (struct log_create){
        .topic_id = partition->topic_id,
        .topic = slice_str(move->topic),
        .partition = partition->index,
        .directory_id = log_manager_dir_id(node->log_manager, move->dir),
        .future = move->future,
        .future_start = copy_begin(partition->log),
        .fn = on_created,
    };
    log_manager_create_log(move->manager->shard, &move->create);
}

/* ---- For others ------------------------------------------------------------------------------ */

static enum kafka_error move_begin(struct partition *partition, int dir) {
    struct replica_manager *manager = partition->manager;
    struct machine *machine = manager->shard->node->machine;
    char future[LOG_DIR_NAME_SIZE];
    if (!log_dir_future_name(machine, partition->topic, partition->index, future)) {
        return ERROR_INVALID_TOPIC_EXCEPTION;
    }
    struct partition_move *move = NEW(struct partition_move);
    move->manager = manager;
    move->partition = partition;
    move->dir = dir;
    move->few = BEHIND_FEW;
    move->topic = slice_to_cstr(partition->topic);
    size_t size = partition->topic.len + 12;
    move->name = xmalloc(size);
    snprintf(move->name, size, "%s-%" PRId32, move->topic, partition->index);
    timer_init(&move->timer, manager->shard->shard, on_timer);
    list_init(&move->waiter.link);
    list_append(&manager->moves, &move->link);
    manager->closing_logs++;
    partition->move = move;
    partition_move_say(move, LOG_LEVEL_INFO, "partition begins to move to another log dir", 0);
    move_create(move);
    return ERROR_NONE;
}

enum kafka_error replica_manager_move(struct replica_manager *manager, struct uuid topic_id,
                                      int32_t index, int dir) {
    struct partition *partition = replica_manager_find(manager, topic_id, index);
    if (partition != NULL && partition->state == PARTITION_OFFLINE) {
        return ERROR_KAFKA_STORAGE_ERROR;
    }
    if (partition == NULL || manager->closing ||
        (partition->state != PARTITION_ONLINE && partition->state != PARTITION_MOVING)) {
        return ERROR_REPLICA_NOT_AVAILABLE;
    }
    struct partition_move *move = partition->move;
    if (move != NULL && move->dir == dir) {
        return ERROR_NONE;
    }
    if (move != NULL && move->phase >= MOVE_CLOSING) {
        return ERROR_REPLICA_NOT_AVAILABLE; /* it is there in a moment, and can be moved again */
    }
    if (move != NULL) {
        partition_move_resume_old(move);
        move_give_up(move);
    }
    return partition->dir == dir ? ERROR_NONE : move_begin(partition, dir);
}

void partition_move_cut(struct partition *partition) {
    if (partition->move != NULL) {
        partition->move->anew = true;
    }
}

void partition_move_dir_failed(struct partition *partition, int dir) {
    struct partition_move *move = partition->move;
    if (move != NULL && move->phase < MOVE_CLOSING && (dir == move->dir || dir == partition->dir)) {
        partition_move_say(move, LOG_LEVEL_WARN, "move to another log dir given up", -EIO);
        if (dir == move->dir) {
            partition_move_resume_old(move);
        }
        move_give_up(move);
    }
}

bool partition_move_stop(struct partition *partition) {
    struct partition_move *move = partition->move;
    if (move == NULL) {
        return false;
    }
    if (move->phase < MOVE_CLOSING) {
        move_give_up(move);
        return false;
    }
    return true;
}

bool partition_move_abandon(struct partition *partition) {
    bool with_move = partition_move_stop(partition);
    if (with_move) {
        partition_move_let_go(partition->move);
    }
    return with_move;
}

bool partition_moves(const struct partition *partition, int *dir, const struct log **copy) {
    const struct partition_move *move = partition->move;
    if (move == NULL) {
        return false;
    }
    *dir = move->dir;
    *copy = move->log;
    return true;
}

void partition_moves_free(struct replica_manager *manager) {
    LIST_FOREACH_SAFE(it, &manager->moves) {
        struct partition_move *move = CONTAINER_OF(it, struct partition_move, link);
        timer_stop(&move->timer);
        list_remove(&move->link);
        if (move->phase == MOVE_CREATING) {
            log_free(move->create.log); /* made, but its owner was not told any more */
        }
        log_free(move->log);
        log_free(move->loaded);
        if (move->partition == NULL) {
            log_free(move->old);
        }
        file_unref(move->range.file);
        free(move->data);
        free(move->path);
        free(move->name);
        free(move->topic);
        free(move);
    }
}
