/* What becomes of one partition with each answer of its leader. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "broker/metrics/meters.h"
#include "broker/node.h"
#include "broker/replica/partition.h"
#include "broker/replica/partition_move.h"
#include "broker/replica/replica_fetcher.h"
#include "broker/replica/replica_manager.h"
#include "broker/replica/replication_rate.h"
#include "protocol/generated/fetch_response.h"
#include "runtime/log.h"

#define DELAY_FIRST_MS 20
#define CUT_RETRY_MS   2
#define THROTTLED_MS   100 /* how often it is looked whether a fetch may go out again */

static int64_t now_ms(const struct following *following) {
    return shard_now_ms(following->manager->shard->shard);
}

static void say(const struct following *following, enum log_level level, const char *what,
                int64_t number) {
    const struct partition *partition = following->partition;
    struct machine *machine = following->manager->shard->node->machine;
    if (log_enabled(machine, level)) {
        log_write(machine, level, "replica", what,
                  "topic=%.*s partition=%" PRId32 " leader=%" PRId32 " epoch=%" PRId32
                  " end=%" PRId64 " value=%" PRId64,
                  SLICE_ARG(partition->topic), partition->index, partition->leader,
                  partition->leader_epoch, log_end_offset(partition->log), number);
    }
}

/* The log takes no more; its dir is being taken offline. */
static void following_fail(struct following *following) {
    following->state = FOLLOWING_STOPPED;
    following->partition->state = PARTITION_OFFLINE;
    partition_mark_moved(following->partition);
}

void following_delay(struct following *following) {
    const struct node *node = following->manager->shard->node;
    int64_t most = config_int(node->config, CONFIG_REPLICA_FETCH_BACKOFF_MS);
    int64_t delay = DELAY_FIRST_MS << (following->failures < 10 ? following->failures : 10);
    following->failures++;
    following->state = FOLLOWING_DELAYED;
    following->due_ms = now_ms(following) + (delay < most ? delay : most);
}

/* ---- Synced ---------------------------------------------------------------------------------- */

static void synced(struct log_waiter *waiter, int result) {
    struct following *following = CONTAINER_OF(waiter, struct following, waiter);
    following->waiting = false;
    if (result == 0) {
        following_settle(following);
    } else if (result == -ECANCELED) {
        following->state = FOLLOWING_STOPPED; /* the log is being closed */
        return;
    } else {
        following_fail(following);
    }
    deferred_schedule(&following->fetcher->step);
}

/* Whether it is throttled now: not what is in sync, as Kafka has it. */
static bool held_back(const struct following *following) {
    const struct replica_manager *manager = following->manager;
    return following->partition->throttled_fetching && !following->in_sync &&
           manager->fetching_limit != INT64_MAX &&
           replication_rate_exceeds(manager->fetching, now_ms(following), manager->fetching_limit);
}

void following_settle(struct following *following) {
    struct partition *partition = following->partition;
    struct log *log = partition->log;
    following->state = FOLLOWING_READY;
    if (partition->config.log.durable && log_synced_end(log) < log_end_offset(log)) {
        following->state = FOLLOWING_SYNCING;
        following->waiting = true;
        log_when_synced(log, &following->waiter, log_end_offset(log), synced);
    } else if (held_back(following)) {
        following->state = FOLLOWING_DELAYED;
        following->due_ms = now_ms(following) + THROTTLED_MS;
    }
}

/* ---- Cutting --------------------------------------------------------------------------------- */

static void checkpointed(struct checkpoint_wait *wait) {
    struct following *following = CONTAINER_OF(wait, struct following, checkpoint);
    struct replica_manager *manager = following->manager;
    following->checkpointing = false;
    if (following->partition == NULL) {
        following_free(following);
    } else {
        following_settle(following);
        deferred_schedule(&following->fetcher->step);
    }
    manager->closing_logs--;
    replica_manager_check_closed(manager);
}

/* What is appended next must not lie below a recovery point that is on disk. */
static void following_checkpoint(struct following *following) {
    following->state = FOLLOWING_CHECKPOINTING;
    following->checkpointing = true;
    following->manager->closing_logs++;
    log_manager_checkpoint(following->manager->shard, &following->checkpoint, checkpointed);
}

void following_try_cut(struct following *following) {
    struct partition *partition = following->partition;
    struct log *log = partition->log;
    int64_t recovery_point = log_recovery_point(log);
    int result = following->restart ? log_restart_at(log, following->cut_to)
                                    : log_truncate(log, following->cut_to);
    if (result == -EBUSY) {
        following->state = FOLLOWING_CUTTING;
        following->due_ms = now_ms(following) + CUT_RETRY_MS;
        return;
    }
    if (result != 0) {
        following_fail(following);
        return;
    }
    partition_move_cut(partition);
    partition_mark_moved(partition);
    if (log_recovery_point(log) < recovery_point && !following->checkpointing) {
        following_checkpoint(following);
    } else {
        following_settle(following);
    }
}

void following_cut(struct following *following, int64_t offset, bool restart) {
    const struct log *log = following->partition->log;
    bool below = !restart && offset < log_high_watermark(log);
    say(following, below ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
        restart ? "log begins anew"
        : below ? "log is cut below its high watermark"
                : "log is cut",
        offset);
    following->cut_to = offset;
    following->restart = restart;
    following_try_cut(following);
}

/* The leader's log knows `epoch`, or the largest below the one we fetched last, to end at `end`:
 * behind that it has other records. Where we do not have that epoch at all, what is behind the one
 * below it goes too, and the next fetch looks further down. */
static void following_diverged(struct following *following, int32_t epoch, int64_t end) {
    const struct log *log = following->partition->log;
    int32_t own_epoch = -1;
    int64_t own_end = -1;
    int64_t cut_to = end < log_end_offset(log) ? end : log_end_offset(log);
    log_end_of_epoch(log, epoch, &own_epoch, &own_end);
    if (own_end >= 0 && own_end < cut_to) {
        cut_to = own_end;
    }
    following_cut(following, cut_to, false);
}

/* ---- Records --------------------------------------------------------------------------------- */

/* How many bytes of `records` are whole batches that may be appended; -1 when they are damaged. A
 * batch of a later epoch than the one we fetch in was read while the leader's log was being cut
 * (KAFKA-18723): from there on nothing is taken. */
static int64_t records_check(const struct following *following, struct slice records) {
    size_t done = 0;
    while (done < records.len) {
        struct slice rest = slice_make(records.data + done, records.len - done);
        struct batch batch;
        enum batch_parse parsed = batch_parse(rest, &batch);
        if (parsed == BATCH_INCOMPLETE) {
            break;
        }
        if (parsed != BATCH_OK || !batch_crc_valid(slice_make(rest.data, batch_size(&batch)))) {
            return -1;
        }
        if (batch.partition_leader_epoch > following->sent_epoch) {
            break;
        }
        done += batch_size(&batch);
    }
    return (int64_t)done;
}

/* The leader's log may start in the middle of a batch (DeleteRecords). Then ours, which is empty,
 * starts with that batch; the log start follows when it is there. */
static int begin_before(struct partition *partition, struct slice records) {
    struct log *log = partition->log;
    struct batch first;
    enum batch_parse parsed = batch_parse(records, &first);
    int64_t end = log_end_offset(log);
    if (parsed != BATCH_OK || log_start_offset(log) != end || first.base_offset >= end ||
        batch_last_offset(&first) < end) {
        return 0;
    }
    partition_move_cut(partition);
    return log_restart_at(log, first.base_offset);
}

/* False when the partition cannot go on as it is; its state says how then. */
static bool take_records(struct following *following, const struct message_records *records) {
    if (records->data == NULL || records->len == 0) {
        return true;
    }
    int64_t len = records_check(following, slice_make(records->data, records->len));
    int result = len < 0 ? -EBADMSG : 0;
    if (len > 0) {
        result = begin_before(following->partition, slice_make(records->data, (size_t)len));
    }
    if (len > 0 && result == 0) {
        result = log_append_as_is(following->partition->log, records->data, (size_t)len);
        following->manager->shard->meters->replication_bytes_in += result == 0 ? (size_t)len : 0;
    }
    if (following->partition->throttled_fetching) {
        replication_rate_add(following->manager->fetching, now_ms(following),
                             (int64_t)records->len);
    }
    if (result == -EIO) {
        following_fail(following);
    } else if (result != 0) {
        say(following, LOG_LEVEL_WARN, "fetched records not taken", result);
        following_delay(following);
    }
    return result == 0;
}

static void take_offsets(struct following *following,
                         const struct fetch_response_partition_data *data) {
    struct partition *partition = following->partition;
    struct log *log = partition->log;
    int64_t end = log_end_offset(log);
    int64_t high_watermark = data->high_watermark < end ? data->high_watermark : end;
    if (high_watermark > log_high_watermark(log)) {
        log_raise_high_watermark(log, high_watermark);
        partition_mark_moved(partition);
    }
    int64_t start = data->log_start_offset;
    if (start > log_start_offset(log) && start <= log_high_watermark(log) &&
        log_raise_start(log, start) == 0) {
        partition_mark_moved(partition);
    }
}

/* ---- The answer ------------------------------------------------------------------------------ */

static void following_refused(struct following *following, int16_t error) {
    switch (error) {
    case ERROR_OFFSET_OUT_OF_RANGE:
        following->state = FOLLOWING_LOST;
        following->leader_end = -1;
        return;
    case ERROR_FENCED_LEADER_EPOCH:
        following->state = FOLLOWING_STOPPED; /* there is newer metadata than ours */
        return;
    default:
        /* Most often one of us is ahead of the other with the metadata. */
        if (following->failures > 5) {
            say(following, LOG_LEVEL_WARN, "leader refuses a fetch", error);
        }
        following_delay(following);
        return;
    }
}

void following_take(struct following *following, const struct fetch_response_partition_data *data) {
    struct log *log = following->partition->log;
    if (following->sent_offset != log_end_offset(log) || following->state != FOLLOWING_READY) {
        return; /* asked from a log that was another */
    }
    if (data->error_code != ERROR_NONE) {
        following_refused(following, data->error_code);
        return;
    }
    if (data->diverging_epoch.end_offset >= 0) {
        following_diverged(following, data->diverging_epoch.epoch,
                           data->diverging_epoch.end_offset);
        return;
    }
    int64_t recovery_point = log_recovery_point(log);
    bool taken = take_records(following, &data->records);
    if (following->state == FOLLOWING_STOPPED) {
        return;
    }
    take_offsets(following, data);
    if (!taken) {
        return;
    }
    following->failures = 0;
    following->in_sync = data->high_watermark <= log_end_offset(log);
    if (log_recovery_point(log) < recovery_point && !following->checkpointing) {
        following_checkpoint(following);
    } else {
        following_settle(following);
    }
}

void following_free(struct following *following) {
    list_remove(&following->all);
    list_remove(&following->link);
    free(following);
}
