#include "broker/replica/partition.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/replica/fetch_wait.h"
#include "broker/replica/replica_fetcher.h"
#include "broker/replica/replica_manager.h"
#include "runtime/log.h"

struct log *partition_log(const struct partition *partition) {
    return partition->log;
}

struct uuid partition_topic_id(const struct partition *partition) {
    return partition->topic_id;
}

int32_t partition_index(const struct partition *partition) {
    return partition->index;
}

int32_t partition_leader_epoch(const struct partition *partition) {
    return partition->leader_epoch;
}

bool partition_is_leader(const struct partition *partition) {
    return partition->leader == partition->manager->shard->node->id;
}

/* ---- State ----------------------------------------------------------------------------------- */

static void partition_lead(struct partition *partition) {
    int error = log_assign_epoch(partition->log, partition->leader_epoch);
    if (error != 0) {
        LOG_ERROR(partition->manager->shard->node->machine, "replica", "leader epoch not written",
                  "topic=%.*s partition=%" PRId32 " errno=%d", SLICE_ARG(partition->topic),
                  partition->index, -error);
        partition->state = PARTITION_OFFLINE;
        return;
    }
    partition->epoch_start = log_end_offset(partition->log);
}

/* Begins to lead or to follow in the leader epoch that is now. */
static void partition_take_role(struct partition *partition) {
    if (partition->state != PARTITION_ONLINE || partition->role_epoch == partition->leader_epoch) {
        return;
    }
    partition->role_epoch = partition->leader_epoch;
    if (partition->sync_waiting) { /* a follower's log may be cut below what is waited for */
        log_waiter_cancel(&partition->sync_waiter);
        partition->sync_waiting = false;
    }
    partition_unfollow(partition);
    if (partition_is_leader(partition)) {
        partition_lead(partition);
    } else {
        partition_follow(partition);
    }
    partition_wake_all_fetches(partition); /* where to read from may have changed */
}

/* The state of the partition moves on to the image's, unless it is ahead already. */
static void partition_follow_image(struct partition *partition,
                                   const struct image_partition *image) {
    bool new_epoch = image->leader_epoch > partition->leader_epoch;
    if (!new_epoch && image->partition_epoch <= partition->partition_epoch) {
        return;
    }
    partition->leader = image->leader;
    partition->leader_epoch = image->leader_epoch;
    partition->partition_epoch = image->partition_epoch;
    partition->leader_preferred = image->replica_count > 0 && image->replicas[0] == image->leader;
    partition_take_followers(partition, image->replicas, image->replica_count);
    partition_take_isr(partition, image->isr, image->isr_count);
    partition_forget_visits(partition, new_epoch);
}

void partition_refresh(struct partition *partition) {
    struct node_shard *shard = partition->manager->shard;
    const struct image_topic *topic = image_topic_by_id(shard->image, partition->topic_id);
    const struct image_partition *image =
        topic != NULL ? image_partition(topic, partition->index) : NULL;
    if (image == NULL) {
        return;
    }
    partition_follow_image(partition, image);
    topic_config_effective(shard->config, shard->image, partition->topic, &partition->config);
    partition->throttled_sending = topic_config_throttles(shard->config, shard->image,
                                                          partition->topic, partition->index, true);
    partition->throttled_fetching = topic_config_throttles(
        shard->config, shard->image, partition->topic, partition->index, false);
    if (partition->log != NULL) {
        log_set_config(partition->log, &partition->config.log);
        partition_take_role(partition);
        replica_manager_watch_isr(partition);
        dir_reports_consider(partition, image);
        partition_advance(partition);
    }
    partition_mark_moved(partition);
}

void partition_set_log(struct partition *partition, struct log *log, int dir) {
    ASSERT(partition->log == NULL);
    partition->log = log;
    partition->dir = dir;
    partition->state = PARTITION_ONLINE;
    log_start_on(log, partition->manager->shard->shard);
    partition_refresh(partition);
}

void partition_hold(struct partition *partition) {
    ASSERT(partition->state == PARTITION_ONLINE);
    partition->state = PARTITION_MOVING;
    if (partition->sync_waiting) {
        log_waiter_cancel(&partition->sync_waiter);
        partition->sync_waiting = false;
    }
    partition_unfollow(partition);
}

void partition_moved(struct partition *partition, struct log *log, int dir, bool start) {
    ASSERT(partition->state == PARTITION_MOVING);
    partition->state = PARTITION_ONLINE;
    partition->log = log;
    partition->dir = dir;
    if (start) {
        log_start_on(log, partition->manager->shard->shard);
    }
    bool same_role = partition->role_epoch == partition->leader_epoch;
    if (same_role && !partition_is_leader(partition)) {
        partition_follow(partition);
    } else if (same_role && log_assign_epoch(log, partition->leader_epoch) != 0) {
        partition->state = PARTITION_OFFLINE;
    }
    partition_refresh(partition);
    partition_mark_moved(partition);
    partition_arrivals_tell(&partition->arrivals);
}

void partition_mark_moved(struct partition *partition) {
    struct replica_manager *manager = partition->manager;
    if (!list_linked(&partition->moved)) {
        list_append(&manager->moved, &partition->moved);
    }
    deferred_schedule(&manager->drain);
}

static void partition_synced(struct log_waiter *waiter, int result) {
    struct partition *partition = CONTAINER_OF(waiter, struct partition, sync_waiter);
    partition->sync_waiting = false;
    if (result == 0) {
        partition_advance(partition);
    } else if (result != -ECANCELED) {
        /* What was appended since the last sync may be lost whatever happens next: nothing of it is
         * acknowledged, and the log takes no more. */
        partition->state = PARTITION_OFFLINE;
        partition_mark_moved(partition);
    }
}

void partition_advance(struct partition *partition) {
    if (partition->state != PARTITION_ONLINE || !partition_is_leader(partition)) {
        return;
    }
    struct log *log = partition->log;
    bool durable = partition->config.log.durable;
    int64_t end = log_end_offset(log);
    int64_t own = durable ? log_synced_end(log) : end;
    int64_t committed = partition->follower_count == 0 ? own : partition_replicated(partition, own);
    if (committed > log_high_watermark(log) && partition_isr_suffices(partition, false)) {
        log_raise_high_watermark(log, committed);
        partition_mark_moved(partition);
    }
    if (durable && own < end && !partition->sync_waiting) {
        partition->sync_waiting = true;
        log_when_synced(log, &partition->sync_waiter, end, partition_synced);
    }
}

void partition_grown(struct partition *partition) {
    if (partition->follower_count > 0) {
        partition_mark_moved(partition);
    }
    partition_advance(partition);
}

bool partition_syncing(const struct partition *partition) {
    return partition->state == PARTITION_ONLINE && partition_is_leader(partition) &&
           partition->sole_isr && partition_isr_suffices(partition, false) &&
           log_high_watermark(partition->log) < log_end_offset(partition->log);
}

enum kafka_error partition_check_epoch(const struct partition *partition, int32_t leader_epoch) {
    if (leader_epoch == -1 || leader_epoch == partition->leader_epoch) {
        return ERROR_NONE;
    }
    return leader_epoch < partition->leader_epoch ? ERROR_FENCED_LEADER_EPOCH
                                                  : ERROR_UNKNOWN_LEADER_EPOCH;
}

int64_t partition_fetch_limit(const struct partition *partition, enum fetch_limit limit) {
    switch (limit) {
    case FETCH_TO_STABLE_OFFSET:
        return log_last_stable_offset(partition->log);
    case FETCH_TO_LOG_END:
        return log_end_offset(partition->log);
    case FETCH_TO_HIGH_WATERMARK:
        break;
    }
    return log_high_watermark(partition->log);
}

/* ---- Waits for commit ------------------------------------------------------------------------ */

void partition_await(struct partition *partition, struct partition_append *append,
                     void (*fn)(struct partition_append *append, enum kafka_error error)) {
    append->partition = partition;
    append->fn = fn;
    append->failure = ERROR_NONE;
    /* Nearly always the last; a duplicate may wait for an earlier batch. */
    struct list *after = partition->appends.prev;
    while (after != &partition->appends &&
           CONTAINER_OF(after, struct partition_append, link)->next_offset > append->next_offset) {
        after = after->prev;
    }
    list_insert_between(after, after->next, &append->link);
    if (append->next_offset <= log_high_watermark(partition->log)) {
        partition_mark_moved(partition);
    }
}

void partition_append_cancel(struct partition_append *append) {
    list_remove(&append->link);
}

bool partition_isr_suffices(const struct partition *partition, bool joining) {
    int64_t least = partition->config.min_insync_replicas;
    if (least > partition->replica_count) {
        least = partition->replica_count;
    }
    int32_t count = partition->isr_count;
    for (int32_t i = 0; joining && i < partition->follower_count; i++) {
        count += partition->followers[i].joining;
    }
    return count >= least;
}

void partition_complete_appends(struct partition *partition) {
    while (!list_empty(&partition->appends)) {
        struct partition_append *append =
            LIST_FIRST(&partition->appends, struct partition_append, link);
        enum kafka_error error = append->failure;
        if (error == ERROR_NONE) {
            if (append->next_offset > log_high_watermark(partition->log)) {
                return;
            }
            error = partition_isr_suffices(partition, true)
                        ? ERROR_NONE
                        : ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
        }
        list_remove(&append->link);
        append->fn(append, error);
    }
}

void partition_end_appends(struct partition *partition, enum kafka_error error) {
    partition_end_deletions(partition, error);
    struct list appends;
    list_init(&appends);
    list_splice(&appends, &partition->appends);
    while (!list_empty(&appends)) {
        struct partition_append *append = LIST_FIRST(&appends, struct partition_append, link);
        list_remove(&append->link);
        append->fn(append, append->failure != ERROR_NONE ? append->failure : error);
    }
}

void partition_end_waits(struct partition *partition, enum kafka_error error) {
    partition_end_appends(partition, error);
    partition_wake_all_fetches(partition);
}
