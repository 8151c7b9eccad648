#include "broker/replica/partition.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/replica/fetch_wait.h"
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

/* ---- State ------------------------------------------------------------------------------------
 */

static void partition_take_epoch(struct partition *partition) {
    if (partition->state != PARTITION_ONLINE || !partition_is_leader(partition)) {
        return;
    }
    int error = log_assign_epoch(partition->log, partition->leader_epoch);
    if (error != 0) {
        LOG_ERROR(partition->manager->shard->node->machine, "replica", "leader epoch not written",
                  "topic=%.*s partition=%" PRId32 " errno=%d", SLICE_ARG(partition->topic),
                  partition->index, -error);
        partition->state = PARTITION_OFFLINE;
    }
}

void partition_refresh(struct partition *partition) {
    struct node_shard *shard = partition->manager->shard;
    const struct image_topic *topic = image_topic_by_id(shard->image, partition->topic_id);
    const struct image_partition *image =
        topic != NULL ? image_partition(topic, partition->index) : NULL;
    if (image == NULL) {
        return;
    }
    partition->leader = image->leader;
    partition->leader_epoch = image->leader_epoch;
    partition->replica_count = image->replica_count;
    partition->isr_count = image->isr_count;
    partition->sole_isr = image->isr_count == 1 && image->isr[0] == shard->node->id;
    topic_config_effective(shard->config, shard->image, partition->topic, &partition->config);
    if (partition->log != NULL) {
        log_set_config(partition->log, &partition->config.log);
        partition_take_epoch(partition);
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
    if (partition->state != PARTITION_ONLINE || !partition_is_leader(partition) ||
        !partition->sole_isr) {
        return;
    }
    struct log *log = partition->log;
    bool durable = partition->config.log.durable;
    int64_t end = log_end_offset(log);
    int64_t committed = durable ? log_synced_end(log) : end;
    if (committed > log_high_watermark(log)) {
        log_raise_high_watermark(log, committed);
        partition_mark_moved(partition);
    }
    if (durable && committed < end && !partition->sync_waiting) {
        partition->sync_waiting = true;
        log_when_synced(log, &partition->sync_waiter, end, partition_synced);
    }
}

bool partition_syncing(const struct partition *partition) {
    return partition->state == PARTITION_ONLINE && partition_is_leader(partition) &&
           partition->sole_isr &&
           log_high_watermark(partition->log) < log_end_offset(partition->log);
}

enum kafka_error partition_check_epoch(const struct partition *partition, int32_t leader_epoch) {
    if (leader_epoch == -1 || leader_epoch == partition->leader_epoch) {
        return ERROR_NONE;
    }
    return leader_epoch < partition->leader_epoch ? ERROR_FENCED_LEADER_EPOCH
                                                  : ERROR_UNKNOWN_LEADER_EPOCH;
}

int64_t partition_fetch_limit(const struct partition *partition, bool read_committed) {
    return read_committed ? log_last_stable_offset(partition->log)
                          : log_high_watermark(partition->log);
}

/* ---- Waits for commit -------------------------------------------------------------------------
 */

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

/* Tells `error` at the end of the turn. */
static void partition_append_fail(struct partition *partition, struct partition_append *append,
                                  enum kafka_error error,
                                  void (*fn)(struct partition_append *append,
                                             enum kafka_error error)) {
    append->partition = partition;
    append->fn = fn;
    append->failure = error;
    append->base_offset = -1;
    append->next_offset = -1;
    list_prepend(&partition->appends, &append->link);
    partition_mark_moved(partition);
}

void partition_append_cancel(struct partition_append *append) {
    list_remove(&append->link);
}

/* KIP-966's rule for what counts: no more than there are replicas. */
static bool partition_isr_suffices(const struct partition *partition) {
    int64_t least = partition->config.min_insync_replicas;
    if (least > partition->replica_count) {
        least = partition->replica_count;
    }
    return partition->isr_count >= least;
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
            error = partition_isr_suffices(partition) ? ERROR_NONE
                                                      : ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
        }
        list_remove(&append->link);
        append->fn(append, error);
    }
}

void partition_end_waits(struct partition *partition, enum kafka_error error) {
    struct list appends;
    list_init(&appends);
    list_splice(&appends, &partition->appends);
    while (!list_empty(&appends)) {
        struct partition_append *append = LIST_FIRST(&appends, struct partition_append, link);
        list_remove(&append->link);
        append->fn(append, append->failure != ERROR_NONE ? append->failure : error);
    }
    partition_wake_all_fetches(partition);
}

/* ---- Appending --------------------------------------------------------------------------------
 */

static void produce_refuse(struct partition_produce *produce, enum kafka_error error,
                           const char *message) {
    produce->error = error;
    produce->message = message;
}

static void produce_rules_fill(const struct partition *partition, struct produce_rules *rules) {
    const struct topic_config *config = &partition->config;
    *rules = (struct produce_rules){
        .compacted = config->log.cleanup_compact,
        .log_append_time = config->log_append_time,
        .now_ms = clock_wall_ms(partition->manager->shard->node->machine),
        .timestamp_before_max_ms = config->message_timestamp_before_max_ms,
        .timestamp_after_max_ms = config->message_timestamp_after_max_ms,
        .header_only = config->header_only_validation,
        .target = (enum compression)config->compression,
        .target_level = config->compression_level,
        .record_max = RECORD_SIZE_LIMIT,
    };
}

/* What needs no look at the bytes behind the header. */
static bool produce_check_head(const struct partition *partition,
                               struct partition_produce *produce) {
    struct batch head;
    enum batch_parse parsed = batch_parse(produce->records, &head);
    if (produce->acks == -1 && !partition_isr_suffices(partition)) {
        produce_refuse(produce, ERROR_NOT_ENOUGH_REPLICAS, NULL);
    } else if ((int64_t)produce->records.len > partition->config.max_message_bytes) {
        produce_refuse(produce, ERROR_MESSAGE_TOO_LARGE, NULL);
    } else if (parsed == BATCH_OK && !produce->zstd_allowed &&
               batch_codec(&head) == COMPRESSION_ZSTD) {
        produce_refuse(produce, ERROR_UNSUPPORTED_COMPRESSION_TYPE,
                       "Produce requests below version 7 cannot carry zstd.");
    } else if (parsed == BATCH_OK && (head.attributes & BATCH_ATTR_TRANSACTIONAL) != 0 &&
               (head.attributes & BATCH_ATTR_CONTROL) == 0) {
        /* No transaction was ever begun here, so this one was not. */
        produce_refuse(produce, ERROR_INVALID_TXN_STATE,
                       "The batch belongs to no open transaction.");
    }
    return produce->error == ERROR_NONE;
}

/* log_append() and what its outcome means to a client. */
static void produce_append(struct partition *partition, uint8_t *data,
                           const struct produce_verdict *verdict,
                           struct partition_produce *produce) {
    struct log_append appended;
    int failed = log_append(partition->log, data, verdict, partition->leader_epoch, &appended);
    if (failed != 0) {
        const char *why = failed == -ENOSPC ? "The disk of the partition is full."
                          : failed == -EMFILE || failed == -ENFILE
                              ? "The broker has too many open files."
                              : "The disk of the partition failed.";
        produce_refuse(produce, ERROR_KAFKA_STORAGE_ERROR, why);
        return;
    }
    if (appended.error != ERROR_NONE) {
        produce_refuse(produce, appended.error, NULL);
        return;
    }
    produce->base_offset = appended.first_offset;
    produce->next_offset = appended.last_offset + 1;
    produce->append_time_ms = appended.append_time_ms;
    partition_advance(partition);
}

/* The batch in the form that the topic asks for, in a heap block. */
static void produce_rewrite(struct partition *partition, const struct produce_rules *rules,
                            struct produce_verdict *verdict, struct partition_produce *produce) {
    uint8_t *data;
    size_t len;
    if (!batch_rebuild(produce->records, rules, (size_t)partition->config.max_message_bytes, &data,
                       &len)) {
        produce_refuse(produce, ERROR_MESSAGE_TOO_LARGE,
                       "The batch is too large in the topic's compression.");
        return;
    }
    enum batch_parse parsed = batch_parse(slice_make(data, len), &verdict->batch);
    ASSERT(parsed == BATCH_OK);
    produce_append(partition, data, verdict, produce);
    free(data);
}

void partition_produce(struct partition *partition, struct partition_produce *produce) {
    produce->error = ERROR_NONE;
    produce->message = NULL;
    produce->base_offset = -1;
    produce->append_time_ms = -1;
    produce->log_start_offset = -1;
    if (!produce_check_head(partition, produce)) {
        return;
    }
    produce->log_start_offset = log_start_offset(partition->log);
    struct produce_rules rules;
    struct produce_verdict verdict;
    produce_rules_fill(partition, &rules);
    produce_validate(produce->records, &rules, produce->arena, &verdict);
    if (verdict.error != ERROR_NONE) {
        produce_refuse(produce, verdict.error, verdict.message);
        produce->record_errors = verdict.record_errors;
        produce->record_error_count = verdict.record_error_count;
        return;
    }
    if (verdict.rewrite) {
        produce_rewrite(partition, &rules, &verdict, produce);
        return;
    }
    struct batch sent;
    enum batch_parse parsed = batch_parse(produce->records, &sent);
    ASSERT(parsed == BATCH_OK);
    bool flagged = (sent.attributes & BATCH_ATTR_LOG_APPEND) != 0;
    if (rules.log_append_time || flagged || sent.max_timestamp != verdict.batch.max_timestamp) {
        batch_set_max_timestamp(produce->data, produce->records.len, rules.log_append_time,
                                verdict.batch.max_timestamp);
    }
    produce_append(partition, produce->data, &verdict, produce);
}

void partition_append_own(struct partition *partition, uint8_t *batch, size_t len,
                          struct partition_append *append,
                          void (*fn)(struct partition_append *append, enum kafka_error error)) {
    struct log *log = partition->log;
    enum kafka_error error = ERROR_NONE;
    if ((int64_t)len > partition->config.max_message_bytes) {
        error = ERROR_MESSAGE_TOO_LARGE;
    } else if (!partition_isr_suffices(partition)) {
        error = ERROR_NOT_ENOUGH_REPLICAS;
    } else {
        ASSERT(len >= BATCH_HEADER_SIZE);
        append->base_offset = log_end_offset(log);
        batch_set_base_offset(batch, append->base_offset);
        batch_set_leader_epoch(batch, partition->leader_epoch);
        if (log_append_as_is(log, batch, len) != 0) {
            error = ERROR_KAFKA_STORAGE_ERROR;
        }
    }
    if (error != ERROR_NONE) {
        partition_append_fail(partition, append, error, fn);
        return;
    }
    append->next_offset = log_end_offset(log);
    partition_await(partition, append, fn);
    partition_advance(partition);
}
