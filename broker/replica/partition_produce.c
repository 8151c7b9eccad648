/* Appending to a partition that this node leads: batches of clients, and this node's own. */
#include <errno.h>
#include <stdlib.h>

#include "broker/metrics/meters.h"
#include "broker/node.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager.h"

static void produce_refuse(struct partition_produce *produce, enum kafka_error error,
                           const char *message) {
    produce->error = error;
    produce->message = message;
}

/* A compressed batch of this size, or one that decompresses to more than that, is checked by a
 * worker; so is one of this size that has to be written anew. */
#define CHECK_BATCH_MAX  ((size_t)64 * 1024)
#define CHECK_OUTPUT_MAX ((size_t)256 * 1024)

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
    if (produce->acks == -1 && !partition_isr_suffices(partition, false)) {
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

static void count_appended(const struct partition *partition, size_t bytes, int32_t records) {
    const struct node_shard *shard = partition->manager->shard;
    meters_appended(shard->meters, shard->image, partition->topic_id, bytes, records);
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
    if (!appended.duplicate) {
        count_appended(partition, batch_size(&verdict->batch), verdict->batch.record_count);
    }
    partition_grown(partition);
}

/* Whether the check is short enough for the loop, as far as the header tells. */
static bool produce_is_light(const struct partition_produce *produce) {
    struct batch head;
    if (batch_parse(produce->records, &head) != BATCH_OK) {
        return true; /* it is refused for that */
    }
    const struct produce_rules *rules = &produce->rules;
    enum compression codec = batch_codec(&head);
    bool rewrite = rules->target != COMPRESSION_PRODUCER && rules->target != codec;
    bool looked_into = codec != COMPRESSION_NONE && (!rules->header_only || rules->compacted);
    return (!looked_into && !rewrite) || produce->records.len < CHECK_BATCH_MAX;
}

void partition_produce_check(struct partition_produce *produce) {
    struct produce_verdict *verdict = &produce->verdict;
    produce_validate(produce->records, &produce->rules, produce->arena, verdict);
    if (verdict->unfinished || verdict->error != ERROR_NONE || !verdict->rewrite) {
        return;
    }
    if (!batch_rebuild(produce->records, &produce->rules, produce->rebuilt_max, &produce->rebuilt,
                       &produce->rebuilt_len)) {
        verdict->error = ERROR_MESSAGE_TOO_LARGE;
        verdict->message = "The batch is too large in the topic's compression.";
        return;
    }
    enum batch_parse parsed =
        batch_parse(slice_make(produce->rebuilt, produce->rebuilt_len), &verdict->batch);
    ASSERT(parsed == BATCH_OK);
}

bool partition_produce(struct partition *partition, struct partition_produce *produce) {
    partition_produce_fail(produce, ERROR_NONE, NULL);
    if (!produce_check_head(partition, produce)) {
        return true;
    }
    produce_rules_fill(partition, &produce->rules);
    produce->rebuilt_max = (size_t)partition->config.max_message_bytes;
    produce->rebuilt = NULL;
    if (!produce_is_light(produce)) {
        return false;
    }
    produce->rules.output_max = CHECK_OUTPUT_MAX;
    partition_produce_check(produce);
    produce->rules.output_max = 0;
    if (produce->verdict.unfinished) {
        return false;
    }
    partition_produce_end(partition, produce);
    return true;
}

void partition_produce_end(struct partition *partition, struct partition_produce *produce) {
    const struct produce_verdict *verdict = &produce->verdict;
    produce->log_start_offset = log_start_offset(partition->log);
    if (verdict->error != ERROR_NONE) {
        produce_refuse(produce, verdict->error, verdict->message);
        produce->record_errors = verdict->record_errors;
        produce->record_error_count = verdict->record_error_count;
        return;
    }
    if (verdict->rewrite) {
        produce_append(partition, produce->rebuilt, verdict, produce);
        free(produce->rebuilt);
        produce->rebuilt = NULL;
        return;
    }
    struct batch sent;
    enum batch_parse parsed = batch_parse(produce->records, &sent);
    ASSERT(parsed == BATCH_OK);
    bool log_append_time = produce->rules.log_append_time;
    bool flagged = (sent.attributes & BATCH_ATTR_LOG_APPEND) != 0;
    if (log_append_time || flagged || sent.max_timestamp != verdict->batch.max_timestamp) {
        batch_set_max_timestamp(produce->data, produce->records.len, log_append_time,
                                verdict->batch.max_timestamp);
    }
    produce_append(partition, produce->data, verdict, produce);
}

void partition_produce_fail(struct partition_produce *produce, enum kafka_error error,
                            const char *message) {
    produce_refuse(produce, error, message);
    produce->record_errors = NULL;
    produce->record_error_count = 0;
    produce->base_offset = -1;
    produce->append_time_ms = -1;
    produce->log_start_offset = -1;
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

void partition_append_own(struct partition *partition, uint8_t *batch, size_t len,
                          struct partition_append *append,
                          void (*fn)(struct partition_append *append, enum kafka_error error)) {
    struct log *log = partition->log;
    enum kafka_error error = ERROR_NONE;
    if ((int64_t)len > partition->config.max_message_bytes) {
        error = ERROR_MESSAGE_TOO_LARGE;
    } else if (!partition_isr_suffices(partition, false)) {
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
    count_appended(partition, len, (int32_t)(append->next_offset - append->base_offset));
    partition_await(partition, append, fn);
    partition_grown(partition);
}
