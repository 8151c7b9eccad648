/*
 * The partitions of a shard: leaders (and later followers), the waits of produce and fetch.
 *
 * A struct partition exists on the shard that owns it (node_partition_shard) while the image says
 * that this node is a replica and its log is loaded. It lives until the topic is deleted or the log
 * dir fails; across turns keep topic id and index and look it up again.
 */
#ifndef BROKER_REPLICA_REPLICA_H
#define BROKER_REPLICA_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "protocol/errors.h"
#include "storage/log.h"

struct image_delta;
struct node;
struct node_shard;
struct partition;
struct replica_manager;

struct replica_manager *replica_manager_new(struct node_shard *shard);
void replica_manager_free(struct replica_manager *manager);

/* The image of this shard (and before it its broker configuration) has changed: creates, deletes,
 * reconfigures, elects. */
void replica_manager_apply(struct replica_manager *manager, const struct image_delta *delta);

/* Ends all waits with an error the client retries, closes all logs; `done` when the last is closed.
 * clean: synced and with producer snapshots. */
void replica_manager_close(struct replica_manager *manager, bool clean, void (*done)(void *ctx),
                           void *ctx);

/*
 * The partition, if this shard owns it and this node leads it; else NULL and *error: as Kafka
 * answers (UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, NOT_LEADER_OR_FOLLOWER,
 * KAFKA_STORAGE_ERROR while the log dir is offline).
 */
struct partition *replica_leader(struct replica_manager *manager, struct uuid topic_id,
                                 int32_t index, enum kafka_error *error);

/* The same for who may also read from a follower (KIP-392), unless leader_only. */
struct partition *replica_reader(struct replica_manager *manager, struct uuid topic_id,
                                 int32_t index, bool leader_only, enum kafka_error *error);

struct log *partition_log(const struct partition *partition);
struct uuid partition_topic_id(const struct partition *partition);
int32_t partition_index(const struct partition *partition);
int32_t partition_leader_epoch(const struct partition *partition);

/* ---- Appending records of this node's own (coordinators) ------------------------------------- */

/* A wait for the high watermark to pass what was appended; embedded in what waits. */
struct partition_append {
    struct list link; /* private, with the next three */
    struct partition *partition;
    int64_t next_offset;
    enum kafka_error failure;
    /* Result: ERROR_NONE when the records are committed (and synced, in durable mode); afterwards
     * the waiter's memory is free for reuse. Never called before partition_append_own() returns. */
    void (*fn)(struct partition_append *append, enum kafka_error error);
    int64_t base_offset; /* of the appended batch */
};

/*
 * Appends one batch built by the caller (protocol/records.h; base offset and leader epoch are
 * stamped here) as acks=all does. An error means that nothing was appended, unless it is
 * REQUEST_TIMED_OUT or KAFKA_STORAGE_ERROR (then unknown).
 */
void partition_append_own(struct partition *partition, uint8_t *batch, size_t len,
                          struct partition_append *append,
                          void (*fn)(struct partition_append *append, enum kafka_error error));

#endif
