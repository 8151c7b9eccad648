/*
 * The partitions of a shard follow the shard's image: each delta creates, refreshes or removes
 * them. Until the log manager has handed over what it loaded at start, nothing is created, so that
 * a log is never opened twice.
 */
#include "broker/replica/replica_manager.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/metadata/image.h"
#include "broker/replica/fetch_session.h"
#include "broker/replica/fetch_wait.h"
#include "broker/replica/partition_move.h"
#include "broker/replica/replica_fetcher.h"
#include "broker/replica/replica_internal.h"
#include "broker/replica/replication_rate.h"
#include "runtime/log.h"

/* Closing a log opens what it has to sync: several files each, of thousands of logs. */
#define CLOSES_AT_A_TIME 16

/* Kafka's, of which only the name is known here. */
#define SELECTOR_RACK_AWARE "org.apache.kafka.common.replica.RackAwareReplicaSelector"

static void replica_manager_drain(struct deferred *deferred);

static struct replication_rate *rate_new(const struct config *config) {
    return replication_rate_new(config_int(config, CONFIG_REPLICATION_QUOTA_WINDOW_NUM),
                                config_int(config, CONFIG_REPLICATION_QUOTA_WINDOW_SIZE_SECONDS) *
                                    1000);
}

static struct replication_rate *moving_rate_new(const struct config *config) {
    return replication_rate_new(
        config_int(config, CONFIG_ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_NUM),
        config_int(config, CONFIG_ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_SIZE_SECONDS) * 1000);
}

static void init_throttles(struct replica_manager *manager) {
    const struct node_shard *shard = manager->shard;
    const struct replica_manager *first =
        shard->index == 0 ? NULL : shard->node->shards[0].replicas;
    manager->sending = first != NULL ? first->sending : rate_new(shard->node->config);
    manager->fetching = first != NULL ? first->fetching : rate_new(shard->node->config);
    manager->moving = first != NULL ? first->moving : moving_rate_new(shard->node->config);
    manager->sending_limit = INT64_MAX;
    manager->fetching_limit = INT64_MAX;
    manager->moving_limit = INT64_MAX;
}

static void refresh_throttles(struct replica_manager *manager) {
    const struct node_shard *shard = manager->shard;
    manager->sending_limit = broker_config_throttled_rate(shard->config, shard->image, true);
    manager->fetching_limit = broker_config_throttled_rate(shard->config, shard->image, false);
    manager->moving_limit = broker_config_moving_rate(shard->config, shard->image);
}

void replica_manager_count_sent(struct replica_manager *manager, int64_t bytes) {
    replication_rate_add(manager->sending, shard_now_ms(manager->shard->shard), bytes);
}

struct replica_manager *replica_manager_new(struct node_shard *shard) {
    struct replica_manager *manager = NEW(struct replica_manager);
    manager->shard = shard;
    hmap_init(&manager->partitions);
    list_init(&manager->moved);
    list_init(&manager->woken);
    list_init(&manager->removals);
    list_init(&manager->creations);
    list_init(&manager->moves);
    list_init(&manager->fetchers);
    list_init(&manager->followings);
    produce_tasks_init(&manager->produce_tasks, manager->shard->shard);
    deferred_init(&manager->drain, shard->shard, replica_manager_drain);
    replica_manager_isr_init(manager);
    init_throttles(manager);
    dir_reports_init(&manager->dir_reports, manager);
    struct slice selector = config_string(shard->node->config, CONFIG_REPLICA_SELECTOR_CLASS);
    manager->rack_aware = slice_equal_str(selector, SELECTOR_RACK_AWARE);
    int64_t slots =
        config_int(shard->node->config, CONFIG_MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS);
    manager->sessions =
        fetch_sessions_new(shard->node->machine, shard->index, shard->node->shard_count, slots);
    return manager;
}

bool replica_selector_is_rack_aware(const struct replica_manager *manager) {
    return manager->rack_aware;
}

const struct image_broker *replica_manager_self(const struct replica_manager *manager) {
    const struct node *node = manager->shard->node;
    const struct image_broker *self = image_broker(manager->shard->image, node->id);
    return self != NULL && uuid_equal(self->incarnation_id, node->incarnation_id) ? self : NULL;
}

/* ---- Partitions ------------------------------------------------------------------------------ */

static uint64_t partition_hash(struct uuid topic_id, int32_t index) {
    return hash_combine(uuid_hash(topic_id), (uint64_t)(uint32_t)index);
}

struct partition *replica_manager_find(const struct replica_manager *manager, struct uuid topic_id,
                                       int32_t index) {
    HMAP_FOREACH_HASH(node, &manager->partitions, partition_hash(topic_id, index)) {
        struct partition *partition = CONTAINER_OF(node, struct partition, node);
        if (partition->index == index && uuid_equal(partition->topic_id, topic_id)) {
            return partition;
        }
    }
    return NULL;
}

static struct partition *partition_new(struct replica_manager *manager,
                                       const struct image_topic *topic, int32_t index) {
    struct partition *partition = NEW(struct partition);
    partition->manager = manager;
    partition->topic_id = topic->id;
    partition->topic = slice_make(slice_to_cstr(topic->name), topic->name.len);
    partition->index = index;
    partition->state = PARTITION_LOADING;
    partition->dir = -1;
    partition->leader = -1;
    partition->leader_epoch = -1;
    partition->partition_epoch = -1;
    partition->role_epoch = -1;
    list_init(&partition->led);
    list_init(&partition->isr_link);
    list_init(&partition->dir_link);
    list_init(&partition->appends);
    list_init(&partition->deletions);
    list_init(&partition->fetches);
    list_init(&partition->moved);
    list_init(&partition->arrivals);
    hmap_insert(&manager->partitions, &partition->node, partition_hash(topic->id, index));
    partition_refresh(partition);
    return partition;
}

static void partition_free(struct partition *partition) {
    free(partition->followers);
    free((void *)(uintptr_t)partition->topic.data);
    free(partition);
}

void replica_manager_drop(struct partition *partition) {
    ASSERT(partition->log == NULL && partition->creation == NULL && partition->move == NULL);
    ASSERT(list_empty(&partition->appends) && list_empty(&partition->fetches));
    ASSERT(list_empty(&partition->arrivals) && list_empty(&partition->deletions));
    list_remove(&partition->moved);
    list_remove(&partition->led);
    list_remove(&partition->isr_link);
    list_remove(&partition->dir_link);
    hmap_remove(&partition->manager->partitions, &partition->node);
    partition_free(partition);
}

static bool partition_is_ours(const struct replica_manager *manager,
                              const struct image_topic *topic, int32_t index) {
    const struct node_shard *shard = manager->shard;
    const struct image_partition *image = image_partition(topic, index);
    if (image == NULL || node_partition_shard(shard->node, topic->id, index) != shard->index) {
        return false;
    }
    for (int32_t i = 0; i < image->replica_count; i++) {
        if (image->replicas[i] == shard->node->id) {
            return true;
        }
    }
    return false;
}

struct partition *replica_reader(struct replica_manager *manager, struct uuid topic_id,
                                 int32_t index, bool leader_only, enum kafka_error *error) {
    struct partition *partition = replica_manager_find(manager, topic_id, index);
    if (partition == NULL) {
        const struct image_topic *topic = image_topic_by_id(manager->shard->image, topic_id);
        *error = topic == NULL                           ? ERROR_UNKNOWN_TOPIC_ID
                 : image_partition(topic, index) == NULL ? ERROR_UNKNOWN_TOPIC_OR_PARTITION
                                                         : ERROR_NOT_LEADER_OR_FOLLOWER;
        return NULL;
    }
    if (partition->state == PARTITION_OFFLINE) {
        *error = ERROR_KAFKA_STORAGE_ERROR;
        return NULL;
    }
    if (partition->state != PARTITION_ONLINE || (leader_only && !partition_is_leader(partition))) {
        *error = ERROR_NOT_LEADER_OR_FOLLOWER;
        return NULL;
    }
    *error = ERROR_NONE;
    return partition;
}

struct partition *replica_leader(struct replica_manager *manager, struct uuid topic_id,
                                 int32_t index, enum kafka_error *error) {
    return replica_reader(manager, topic_id, index, true, error);
}

/* Lets go of the log and of all waits, then frees the partition. */
static void partition_delete(struct partition *partition, enum kafka_error error) {
    struct replica_manager *manager = partition->manager;
    struct log *log = partition->log;
    partition->state = PARTITION_CLOSED;
    partition_unfollow(partition);
    if (log != NULL && partition->sync_waiting) {
        log_waiter_cancel(&partition->sync_waiter);
        partition->sync_waiting = false;
    }
    partition_end_waits(partition, error);
    bool with_move = partition_move_abandon(partition);
    partition->log = NULL;
    if (log != NULL && !with_move) {
        log_remove(manager, log, partition->dir);
    }
    partition_creation_abandon(partition);
    struct list arrivals;
    list_init(&arrivals);
    list_splice(&arrivals, &partition->arrivals);
    replica_manager_drop(partition);
    partition_arrivals_tell(&arrivals);
}

/* ---- The image has changed ------------------------------------------------------------------- */

static void ensure_partition(struct replica_manager *manager, const struct image_topic *topic,
                             int32_t index) {
    struct partition *partition = replica_manager_find(manager, topic->id, index);
    bool ours = partition_is_ours(manager, topic, index);
    if (partition != NULL && !ours) {
        /* Reassigned: what lies here is nobody's replica any more. */
        partition_delete(partition, ERROR_NOT_LEADER_OR_FOLLOWER);
    } else if (partition != NULL) {
        partition_refresh(partition);
    } else if (ours && manager->loaded && !manager->closing) {
        partition_create_log(partition_new(manager, topic, index));
    }
}

static void ensure_topic(struct replica_manager *manager, const struct image_topic *topic) {
    for (int32_t i = 0; i < topic->partition_count; i++) {
        ensure_partition(manager, topic, i);
    }
}

static void delete_topic(struct replica_manager *manager, struct uuid topic_id) {
    HMAP_FOREACH(node, &manager->partitions) {
        struct partition *partition = CONTAINER_OF(node, struct partition, node);
        if (uuid_equal(partition->topic_id, topic_id)) {
            partition_delete(partition, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        }
    }
}

static void refresh_configs(struct replica_manager *manager, const struct image_change *change) {
    if (change->config_type == CONFIG_RESOURCE_TOPIC) {
        const struct image_topic *topic =
            image_topic_by_name(manager->shard->image, change->config_name);
        if (topic != NULL) {
            ensure_topic(manager, topic);
        }
    } else if (change->config_type == CONFIG_RESOURCE_BROKER) {
        replica_fetchers_reconfigure(manager);
        refresh_throttles(manager);
        HMAP_FOREACH(node, &manager->partitions) {
            partition_refresh(CONTAINER_OF(node, struct partition, node));
        }
    }
}

void replica_manager_apply(struct replica_manager *manager, const struct image_delta *delta) {
    if (manager->closing) {
        return;
    }
    for (int i = 0; i < delta->count; i++) {
        const struct image_change *change = &delta->changes[i];
        const struct image_topic *topic = NULL;
        switch (change->kind) {
        case IMAGE_TOPIC_CREATED:
            /* A later change of the same delta may have deleted it again. */
            topic = image_topic_by_id(manager->shard->image, change->topic_id);
            if (topic != NULL) {
                ensure_topic(manager, topic);
            }
            break;
        case IMAGE_PARTITION_CREATED:
        case IMAGE_PARTITION_CHANGED:
            topic = image_topic_by_id(manager->shard->image, change->topic_id);
            if (topic != NULL) {
                ensure_partition(manager, topic, change->partition);
            }
            break;
        case IMAGE_TOPIC_DELETED:
            delete_topic(manager, change->topic_id);
            break;
        case IMAGE_CONFIG_CHANGED:
            refresh_configs(manager, change);
            break;
        case IMAGE_BROKERS_CHANGED:
            replica_fetchers_refresh(manager);
            LIST_FOREACH(it, &manager->led) { /* whom deletions wait for may have gone */
                partition_mark_moved(CONTAINER_OF(it, struct partition, led));
            }
            break;
        case IMAGE_FEATURES_CHANGED:
            break;
        }
    }
}

/* ---- The log manager's side (replica_internal.h) --------------------------------------------- */

/* The partition that a loaded log is for; NULL when the image has lost it meanwhile. */
static struct partition *partition_for_load(struct replica_manager *manager, struct uuid topic_id,
                                            int32_t index) {
    struct partition *partition = replica_manager_find(manager, topic_id, index);
    const struct image_topic *topic = image_topic_by_id(manager->shard->image, topic_id);
    if (partition == NULL && topic != NULL && partition_is_ours(manager, topic, index)) {
        partition = partition_new(manager, topic, index);
    }
    return partition;
}

void replica_manager_add_log(struct replica_manager *manager, struct uuid topic_id,
                             int32_t partition, int dir, struct log *log) {
    struct partition *found = partition_for_load(manager, topic_id, partition);
    if (found == NULL) {
        log_start_on(log, manager->shard->shard);
        log_remove(manager, log, dir);
        return;
    }
    partition_set_log(found, log, dir);
}

void replica_manager_add_failed(struct replica_manager *manager, struct uuid topic_id,
                                int32_t partition, const struct replica_offsets *known) {
    struct partition *found = partition_for_load(manager, topic_id, partition);
    if (found != NULL) {
        found->dir = known->dir;
        found->state = PARTITION_OFFLINE;
        found->refused = true;
        found->refused_recovery_point = known->recovery_point;
        found->refused_log_start = known->log_start;
        found->refused_high_watermark = known->high_watermark;
    }
}

void replica_manager_set_loaded(struct replica_manager *manager) {
    manager->loaded = true;
    refresh_throttles(manager);
    HMAP_FOREACH(node, &manager->shard->image->topics_by_id) {
        ensure_topic(manager, CONTAINER_OF(node, struct image_topic, by_id));
    }
}

void replica_manager_offsets(struct replica_manager *manager, struct arena *arena,
                             struct replica_offsets **out, int *count) {
    *out = arena_array(arena, manager->partitions.count * 2 + 1, sizeof(**out));
    *count = 0;
    HMAP_FOREACH(node, &manager->partitions) {
        const struct partition *partition = CONTAINER_OF(node, struct partition, node);
        int copy_dir = -1;
        const struct log *copy = NULL;
        if (partition_moves(partition, &copy_dir, &copy) &&
            copy != NULL) { /* it may have taken the log's place before the next checkpoint */
            (*out)[(*count)++] = (struct replica_offsets){
                .topic = arena_dup(arena, partition->topic),
                .partition = partition->index,
                .dir = copy_dir,
                .recovery_point = log_recovery_point(copy),
                .log_start = log_start_offset(partition->log),
                .high_watermark = log_high_watermark(copy),
            };
        }
        if (partition->log != NULL) {
            (*out)[(*count)++] = (struct replica_offsets){
                .topic = arena_dup(arena, partition->topic),
                .partition = partition->index,
                .dir = partition->dir,
                .recovery_point = log_recovery_point(partition->log),
                .log_start = log_start_offset(partition->log),
                .high_watermark = log_high_watermark(partition->log),
            };
        } else if (partition->refused) {
            (*out)[(*count)++] = (struct replica_offsets){
                .topic = arena_dup(arena, partition->topic),
                .partition = partition->index,
                .dir = partition->dir,
                .recovery_point = partition->refused_recovery_point,
                .log_start = partition->refused_log_start,
                .high_watermark = partition->refused_high_watermark,
            };
        }
    }
}

void replica_manager_apply_retention(struct replica_manager *manager, int64_t now_ms) {
    HMAP_FOREACH(node, &manager->partitions) {
        struct partition *partition = CONTAINER_OF(node, struct partition, node);
        if (partition->state == PARTITION_ONLINE) {
            log_apply_retention(partition->log, now_ms);
            partition_mark_moved(partition);
        }
    }
}

void replica_manager_expire_producers(struct replica_manager *manager, int64_t now_ms) {
    HMAP_FOREACH(node, &manager->partitions) {
        struct partition *partition = CONTAINER_OF(node, struct partition, node);
        if (partition->state == PARTITION_ONLINE) {
            log_expire_producers(partition->log, now_ms);
        }
    }
}

void replica_manager_fail_dir(struct replica_manager *manager, int dir) {
    HMAP_FOREACH(node, &manager->partitions) {
        struct partition *partition = CONTAINER_OF(node, struct partition, node);
        partition_move_dir_failed(partition, dir);
        if (partition->dir == dir && partition->state != PARTITION_CLOSED) {
            bool held = partition->state == PARTITION_MOVING;
            partition_unfollow(partition);
            partition->state = PARTITION_OFFLINE;
            partition_mark_moved(partition);
            if (held) {
                partition_arrivals_tell(&partition->arrivals);
            }
        }
    }
}

/* ---- The end of a turn ----------------------------------------------------------------------- */

static enum kafka_error partition_wait_error(const struct partition *partition) {
    switch (partition->state) {
    case PARTITION_ONLINE:
        return partition_is_leader(partition) ? ERROR_NONE : ERROR_NOT_LEADER_OR_FOLLOWER;
    case PARTITION_OFFLINE:
        return ERROR_KAFKA_STORAGE_ERROR;
    case PARTITION_LOADING:
    case PARTITION_MOVING:
    case PARTITION_CLOSED:
        break;
    }
    return ERROR_NOT_LEADER_OR_FOLLOWER;
}

static void replica_manager_drain(struct deferred *deferred) {
    struct replica_manager *manager = CONTAINER_OF(deferred, struct replica_manager, drain);
    if (!list_empty(&manager->moved)) {
        log_manager_mark_dirty(manager->shard);
    }
    while (!list_empty(&manager->moved)) {
        struct partition *partition = LIST_FIRST(&manager->moved, struct partition, moved);
        list_remove(&partition->moved);
        if (partition->state == PARTITION_MOVING) {
            continue; /* all waits are looked at when it has moved */
        }
        enum kafka_error error = partition_wait_error(partition);
        if (error != ERROR_NONE && partition->state == PARTITION_ONLINE) {
            partition_end_appends(partition, error);
            partition_wake_fetches(partition); /* consumers may read from a follower */
        } else if (error != ERROR_NONE) {
            partition_end_waits(partition, error);
        } else {
            partition_complete_appends(partition);
            partition_complete_deletions(partition);
            partition_wake_fetches(partition);
        }
    }
    fetch_waits_run(manager);
}

/* ---- Closing --------------------------------------------------------------------------------- */

void replica_manager_check_closed(struct replica_manager *manager) {
    if (manager->closing && manager->closing_logs == 0 && manager->closed != NULL) {
        void (*closed)(void *ctx) = manager->closed;
        manager->closed = NULL;
        closed(manager->closed_ctx);
    }
}

static void close_some(struct replica_manager *manager);

static void partition_log_closed(struct log *log, int result, void *ctx) {
    struct partition *partition = ctx;
    struct replica_manager *manager = partition->manager;
    if (result != 0) {
        LOG_WARN(manager->shard->node->machine, "replica", "log not closed cleanly",
                 "topic=%.*s partition=%" PRId32 " errno=%d", SLICE_ARG(partition->topic),
                 partition->index, -result);
        if (manager->close_clean) {
            log_manager_close_failed(manager->shard, partition->dir);
        }
    }
    /* The log is kept until the manager is freed: the last checkpoints ask for its offsets. */
    manager->closes_under_way--;
    manager->closing_logs--;
    close_some(manager);
    replica_manager_check_closed(manager);
}

/* The callback never comes before log_close() returns. */
static void close_some(struct replica_manager *manager) {
    while (manager->close_next < manager->close_count &&
           manager->closes_under_way < CLOSES_AT_A_TIME) {
        struct partition *partition = manager->closes[manager->close_next++];
        manager->closes_under_way++;
        log_close(partition->log, manager->close_clean, partition_log_closed, partition);
    }
}

void replica_manager_close_log(struct partition *partition) {
    struct replica_manager *manager = partition->manager;
    manager->closing_logs++;
    manager->closes_under_way++;
    log_close(partition->log, manager->close_clean, partition_log_closed, partition);
}

void replica_manager_close(struct replica_manager *manager, bool clean, void (*done)(void *ctx),
                           void *ctx) {
    ASSERT(!manager->closing);
    manager->closing = true;
    manager->close_clean = clean;
    manager->closed = done;
    manager->closed_ctx = ctx;
    manager->closing_logs++; /* holds the end back until all were gathered */
    log_removals_stop(manager);
    timer_stop(&manager->isr_timer);
    replica_fetchers_close(manager);
    manager->closes = xcalloc(manager->partitions.count + 1, sizeof(struct partition *));
    HMAP_FOREACH(node, &manager->partitions) {
        struct partition *partition = CONTAINER_OF(node, struct partition, node);
        partition->state = PARTITION_CLOSED;
        partition_end_waits(partition, ERROR_NOT_LEADER_OR_FOLLOWER);
        partition_creation_abandon(partition);
        partition_arrivals_tell(&partition->arrivals);
        bool with_move = partition_move_stop(partition);
        if (partition->log != NULL && !with_move) {
            manager->closing_logs++;
            manager->closes[manager->close_count++] = partition;
        }
    }
    close_some(manager);
    manager->closing_logs--;
    replica_manager_check_closed(manager);
}

void replica_manager_free(struct replica_manager *manager) {
    if (manager == NULL) {
        return;
    }
    deferred_cancel(&manager->drain);
    timer_stop(&manager->isr_timer);
    isr_changes_free(&manager->isr_changes);
    dir_reports_free(&manager->dir_reports);
    replica_fetchers_free(manager);
    log_removals_free(manager);
    partition_creations_free(manager);
    partition_moves_free(manager);
    produce_tasks_release(&manager->produce_tasks);
    HMAP_FOREACH(node, &manager->partitions) {
        struct partition *partition = CONTAINER_OF(node, struct partition, node);
        if (partition->log != NULL) {
            log_free(partition->log);
        }
        partition_free(partition);
    }
    if (manager->shard->index == 0) {
        replication_rate_free(manager->sending);
        replication_rate_free(manager->fetching);
        replication_rate_free(manager->moving);
    }
    free(manager->closes);
    hmap_release(&manager->partitions);
    fetch_sessions_free(manager->sessions);
    free(manager);
}
