/*
 * The inside of a partition, for the files of broker/replica/ and the handlers of its APIs
 * (broker/api/): everything here runs on the shard that owns the partition.
 *
 * What moves the high watermark, with this node as the only in-sync replica: the end of what is
 * synced in durable mode, so that no consumer ever sees a record that a power cut takes back; the
 * log end in page-cache mode, as Kafka does it. acks=all is answered when the high watermark has
 * passed the batch.
 *
 * Nothing is called from inside an append: a partition whose state moved is put on the manager's
 * list, and at the end of the turn the list is drained once (replica_drain.c): produces that are
 * committed are ended, fetches that have enough are woken.
 */
#ifndef BROKER_REPLICA_PARTITION_H
#define BROKER_REPLICA_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hmap.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "broker/config/config.h"
#include "broker/replica/replica.h"
#include "protocol/errors.h"
#include "protocol/records.h"
#include "storage/log.h"

/* Of one record in memory, decompressed: a frame cannot hold more of them uncompressed. */
#define RECORD_SIZE_LIMIT ((size_t)128 * 1024 * 1024)

enum partition_state {
    PARTITION_LOADING, /* no log yet */
    PARTITION_ONLINE,
    PARTITION_OFFLINE, /* the log dir failed; `log` may be NULL */
    PARTITION_CLOSED,  /* the manager closes; the log is being closed or gone */
};

struct partition_creation; /* replica_create.c */

struct partition {
    struct hmap_node node; /* replica_manager.partitions */
    struct replica_manager *manager;
    struct uuid topic_id;
    struct slice topic; /* heap */
    int32_t index;
    enum partition_state state;

    int32_t leader; /* as the image has it; -1 for none */
    int32_t leader_epoch;
    int32_t replica_count;
    int32_t isr_count;
    bool sole_isr; /* this node is the whole ISR */

    int dir; /* index of the log dir; -1 while it is not known */
    struct log *log;
    bool refused; /* the log could not be loaded; what the checkpoints said of it: */
    int64_t refused_recovery_point;
    int64_t refused_log_start;
    int64_t refused_high_watermark;
    struct topic_config config;
    struct partition_creation *creation; /* NULL unless a log is being made */
    struct list arrivals;                /* partition_arrival.link: waits for that log */

    struct list appends; /* partition_append.link, by next_offset */
    struct list fetches; /* fetch_interest.link */
    struct list moved;   /* in replica_manager.moved */
    struct log_waiter sync_waiter;
    bool sync_waiting;
};

/* ---- State ------------------------------------------------------------------------------------
 */

bool partition_is_leader(const struct partition *partition);

/* Leadership and configuration as this shard's image has them; assigns the leader epoch. */
void partition_refresh(struct partition *partition);

/* Takes the log: assigns the epoch, moves the high watermark. */
void partition_set_log(struct partition *partition, struct log *log, int dir);

/* Raises the high watermark to what is committed, arms the wait for the next sync. Call after
 * whatever may have moved it. */
void partition_advance(struct partition *partition);

/* Have the waits looked at, at the end of this turn. */
void partition_mark_moved(struct partition *partition);

/* Ends the waits for commit with `error`, wakes all fetches (which read again, and see). */
void partition_end_waits(struct partition *partition, enum kafka_error error);

/* The drain's part: ends the waits for commit that are over. */
void partition_complete_appends(struct partition *partition);

/* FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH or none; -1 is not checked. */
enum kafka_error partition_check_epoch(const struct partition *partition, int32_t leader_epoch);

/* What consumers may read up to: the high watermark, or the last stable offset. */
int64_t partition_fetch_limit(const struct partition *partition, bool read_committed);

/* ---- Waiting for the log of a new partition ---------------------------------------------------
 */

/* Embedded in what waits; list_remove(&link) cancels. */
struct partition_arrival {
    struct list link;
    void (*fn)(struct partition_arrival *arrival);
};

/*
 * Whether this shard is making the log of that partition: clients hear of a new topic as soon as
 * the image has it. Then fn is called later, once, when there is a log or none will come;
 * replica_leader() tells which.
 */
bool partition_await_log(struct replica_manager *manager, struct uuid topic_id, int32_t index,
                         struct partition_arrival *arrival,
                         void (*fn)(struct partition_arrival *arrival));

/* Calls those who wait, and forgets them. */
void partition_arrivals_tell(struct list *arrivals);

/* ---- Appending --------------------------------------------------------------------------------
 */

/* Calls fn when the high watermark reaches append->next_offset, or earlier with an error; never
 * before this returns. */
void partition_await(struct partition *partition, struct partition_append *append,
                     void (*fn)(struct partition_append *append, enum kafka_error error));

/* Whether records are there that only this node's own sync keeps from being committed: soon. */
bool partition_syncing(const struct partition *partition);

/* fn will not be called. */
void partition_append_cancel(struct partition_append *append);

/* A batch of a client. */
struct partition_produce {
    struct slice records; /* of the request, for this partition */
    uint8_t *data;        /* the same bytes, which are the caller's alone and may be changed */
    int16_t acks;
    bool zstd_allowed;
    struct arena *arena; /* for record errors */

    /* Results; message is constant text or NULL. */
    enum kafka_error error;
    const char *message;
    struct record_error *record_errors;
    int32_t record_error_count;
    int64_t base_offset;
    int64_t next_offset; /* commit is when the high watermark has reached it */
    int64_t append_time_ms;
    int64_t log_start_offset;
};

/* Checks and appends as Kafka's leader does (KIP-98, KIP-467). */
void partition_produce(struct partition *partition, struct partition_produce *produce);

#endif
