/*
 * One partition's log: segments, indexes, leader epochs and producer state in Kafka's own file
 * formats.
 *
 * Offsets of a log, in the order that always holds:
 *
 *     log_start <= high_watermark <= log_end     what is readable, and what exists
 *     recovery_point <= synced_end <= log_end    what a power cut cannot take
 *
 * The two rows are independent: Kafka does not tie the high watermark to the disk. Who acknowledges
 * asks log_when_synced().
 *
 * Threads. log_load() blocks and may run on a worker. From log_start_on() to log_close() the log
 * belongs to one shard and all functions are called there. Appends and tail reads touch only the
 * page cache; everything that may wait for the disk is asynchronous and runs on workers.
 *
 * Failure. Functions return 0 or a negative errno. A failed write or sync makes the log failed: no
 * more appends (-EIO), reads go on, `on_failure` is told once, and only a new load clears it: a
 * sync is never retried. -ENOSPC of an append is the exception: the append is undone (the file is
 * cut back) and the log stays usable; records wait for their sync until there is space.
 */
#ifndef STORAGE_LOG_H
#define STORAGE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "base/list.h"
#include "base/uuid.h"
#include "protocol/records.h"
#include "runtime/machine.h"

struct file;
struct log;

/* The effective configuration of a topic, as far as its logs care; Kafka's topic config names. */
struct log_config {
    int64_t segment_bytes;
    int64_t segment_ms;
    int64_t segment_jitter_ms;
    int64_t segment_index_bytes;
    int64_t index_interval_bytes;
    int64_t retention_ms;    /* -1: no limit */
    int64_t retention_bytes; /* -1: no limit */
    int64_t file_delete_delay_ms;
    int64_t flush_messages; /* INT64_MAX: no forced sync by count */
    int64_t flush_ms;       /* INT64_MAX: no forced sync by time */
    bool cleanup_delete;    /* cleanup.policy contains delete */
    bool cleanup_compact;   /* ... contains compact */
    bool durable;           /* durability=fsync: what is appended is synced soon (group commit) */
    int64_t producer_id_expiration_ms;
};

struct log_options {
    struct machine *machine;
    const char *directory; /* of the partition, "<log.dir>/<topic>-<partition>"; copied */
    struct log_config config;
    struct uuid topic_id;   /* written to, or checked against, partition.metadata; zero: as found */
    bool clean;             /* the log dir was shut down cleanly: no recovery */
    int64_t recovery_point; /* from recovery-point-offset-checkpoint; 0 when unknown */
    int32_t epoch_limit;    /* one above the leader epoch of the metadata; 0 when unknown */
    bool replicated; /* others have this log too, so compaction elsewhere leaves gaps at its end */
    bool recovery_point_known; /* it was read; if `clean` too, the log ends there */
    int64_t log_start_offset;  /* from log-start-offset-checkpoint; -1 when unknown */
    bool start_is_sure; /* log_start_offset is better than a checkpoint: a log that ends below it
                           begins anew there */
    int64_t high_watermark; /* from replication-offset-checkpoint; -1 when unknown */
    void (*on_failure)(struct log *log, int error,
                       void *ctx); /* the log dir is to be taken offline */
    void *ctx;
};

/*
 * Creates the directory or loads what is there, with recovery: from the recovery point on, each
 * batch's length and CRC are checked and indexes and producer state rebuilt. A torn tail (nothing
 * valid follows) is cut off. Damage with valid batches behind it, or below the recovery point, is
 * -EUCLEAN: no record is changed, and errmsg says file and position. -ESTALE when
 * partition.metadata names another topic id; -ENOTSUP for segments of magic 0 or 1. What it returns
 * is synced to its end. Blocks.
 */
MUST_CHECK int log_load(const struct log_options *options, struct log **out, struct errmsg *errmsg);

/* Hands the log to its shard and starts its timers. */
void log_start_on(struct log *log, struct shard *shard);

/*
 * Ends background work. `closed` follows on the shard when no worker uses the log any more; then
 * log_free(). With `clean`, everything is synced and the producer snapshot at the log end written
 * first, and the result is 0 only when all that worked.
 */
void log_close(struct log *log, bool clean, void (*closed)(struct log *log, int result, void *ctx),
               void *ctx);

/* Frees memory and closes files, without any other I/O; also right after log_load(), or when the
 * machine has crashed in the simulation. */
void log_free(struct log *log);

/* Changed topic configuration; takes effect at once. */
void log_set_config(struct log *log, const struct log_config *config);
const struct log_config *log_config(const struct log *log);

const char *log_directory(const struct log *log);
struct uuid log_topic_id(const struct log *log);

int64_t log_start_offset(const struct log *log);
int64_t log_high_watermark(const struct log *log);
int64_t log_end_offset(const struct log *log);
int64_t log_synced_end(const struct log *log);
int64_t log_recovery_point(const struct log *log);

/* The first offset of the earliest transaction that is open or whose marker is not below the high
 * watermark; the high watermark when there is none. */
int64_t log_last_stable_offset(const struct log *log);

/* Bytes of all segments (.log files). */
int64_t log_bytes(const struct log *log);
int log_segment_count(const struct log *log);
bool log_failed(const struct log *log);

/* Never lowers it, never passes the log end. */
void log_raise_high_watermark(struct log *log, int64_t offset);

/* ---- Appending ------------------------------------------------------------------------------- */

struct log_append {
    int64_t first_offset; /* of the batch; of the original one for a duplicate; -1 on error */
    int64_t last_offset;
    int64_t append_time_ms; /* under LogAppendTime, else -1; the original's for a duplicate */
    enum kafka_error error; /* of the producer state or size checks; nothing was appended unless
                               ERROR_NONE */
    bool duplicate;         /* already there: succeed without appending */
};

/*
 * Appends one produced batch as leader in `leader_epoch`. `data` (batch_size(&verdict->batch)
 * bytes, its only owner) is stamped in place with base offset and leader epoch and written to the
 * page cache; it is not kept. The producer's sequence is checked first (KIP-98; window of five).
 * Errors in out->error: OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH,
 * RECORD_LIST_TOO_LARGE, INVALID_TXN_STATE. Returns -ENOSPC or -EIO when the disk refused, -EMFILE
 * or -ENFILE when there was no descriptor; nothing was appended then, and the log stays usable.
 */
MUST_CHECK int log_append(struct log *log, uint8_t *data, const struct produce_verdict *verdict,
                          int32_t leader_epoch, struct log_append *out);

/*
 * Appends batches whose offsets and leader epochs are set: a coordinator's or controller's own, and
 * what a follower fetched. The first base offset must be >= the log end, the rest consecutive or
 * with gaps upwards; all of them whole. -EINVAL otherwise. CRCs are the caller's to check. All of
 * it is appended, unless the disk refuses between two segments: the log end says how far it went.
 */
MUST_CHECK int log_append_as_is(struct log *log, const uint8_t *data, size_t len);

/* A wait for durability, embedded in the waiter. */
struct log_waiter {
    struct list link; /* private */
    int64_t offset;   /* private */
    void (*fn)(struct log_waiter *waiter, int result);
};

/*
 * Calls fn(waiter, 0) when everything below `offset` is synced (never before this returns), or with
 * the errno of the failed sync, or with -ECANCELED when the log is closed. Syncs are grouped: one
 * fdatasync is under way at a time and covers all that was appended before it began.
 */
void log_when_synced(struct log *log, struct log_waiter *waiter, int64_t offset,
                     void (*fn)(struct log_waiter *waiter, int result));
void log_waiter_cancel(struct log_waiter *waiter);

/* Whether a sync is under way. If it fails, what is appended now may outlive what it loses. */
bool log_sync_runs(const struct log *log);

/* ---- Reading --------------------------------------------------------------------------------- */

/* Bytes of one segment: whole batches, the first of which contains the wanted offset. */
struct log_range {
    struct file *file; /* a reference that the caller owns; NULL when len is 0 */
    int64_t pos;
    size_t len;
    int64_t first_offset; /* base offset of the first batch */
    int64_t next_offset;  /* one past the last batch */
};

/*
 * Finds what to send for a fetch at `offset`, of batches that end below `limit` (high watermark,
 * last stable offset or log end), up to max_bytes; with at_least_one, the first batch even when it
 * is larger. Empty when offset is >= limit. The cost is a few small reads of cached pages; the tail
 * of the log is found without any. -ERANGE below log start or above log end; -EBADMSG or -EIO when
 * the segment cannot be read. What left the page cache long ago costs a few reads of the disk.
 */
MUST_CHECK int log_read(struct log *log, int64_t offset, int64_t limit, size_t max_bytes,
                        bool at_least_one, struct log_range *out);

/* Aborted transactions that overlap [offset, range->next_offset), for read_committed fetches; in
 * the arena. */
struct log_aborted {
    int64_t producer_id;
    int64_t first_offset;
};
MUST_CHECK int log_aborted_transactions(struct log *log, int64_t offset, int64_t upper,
                                        struct arena *arena, struct log_aborted **out, int *count);

/* A look-up that reads and therefore runs on a worker; embedded in the asker. */
struct log_lookup {
    struct work work; /* private */
    struct log *log;
    int64_t timestamp;
    bool max_timestamp;
    int64_t limit;
    void *state;
    void (*fn)(struct log_lookup *lookup, int result);
    int64_t found_offset; /* results: -1 when none */
    int64_t found_timestamp;
    int32_t found_epoch;
};

/* The first record with a timestamp >= `timestamp` below `limit`. */
void log_find_timestamp(struct log *log, struct log_lookup *lookup, int64_t timestamp,
                        int64_t limit, void (*fn)(struct log_lookup *lookup, int result));

/* The first record of the first batch that holds the largest timestamp (ListOffsets -3, KIP-734).
 */
void log_find_max_timestamp(struct log *log, struct log_lookup *lookup, int64_t limit,
                            void (*fn)(struct log_lookup *lookup, int result));

/* ---- Leader epochs (KIP-101, KIP-279) -------------------------------------------------------- */

/* Records that `epoch` starts at the log end; no-op when not newer. Asynchronously durable before
 * anything of that epoch is. */
MUST_CHECK int log_assign_epoch(struct log *log, int32_t epoch);
int32_t log_latest_epoch(const struct log *log); /* -1 when none */

/* Of the record at `offset`; -1 when unknown. */
int32_t log_epoch_of_offset(const struct log *log, int64_t offset);

/* OffsetForLeaderEpoch: the largest known epoch <= `epoch` and where it ends; (-1, -1) when none.
 */
void log_end_of_epoch(const struct log *log, int32_t epoch, int32_t *found_epoch,
                      int64_t *end_offset);

/* ---- Deleting -------------------------------------------------------------------------------- */

/* DeleteRecords and snapshots: raises the log start; whole segments below it go. offset <= log end,
 * and at most the high watermark. */
MUST_CHECK int log_raise_start(struct log *log, int64_t offset);

/*
 * Cuts the log to end at `offset` (a batch boundary is found at or below it); below the log start,
 * as log_restart_at(). Blocks briefly. -EBUSY, and nothing done, while a sync is under way: try
 * again when log_when_synced() of the log end has called. The recovery point goes down with it: the
 * caller writes its checkpoint before it appends again.
 */
MUST_CHECK int log_truncate(struct log *log, int64_t offset);

/* Empties the log and lets it start at `offset` (a follower that is too far behind, a snapshot).
 * Otherwise as log_truncate(). */
MUST_CHECK int log_restart_at(struct log *log, int64_t offset);

/* Applies retention by time and size as of wall time now_ms; called by the log manager. */
void log_apply_retention(struct log *log, int64_t now_ms);

/* ---- Producers ------------------------------------------------------------------------------- */

/* DescribeProducers. */
struct log_producer {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t last_sequence;
    int64_t last_timestamp;
    int32_t coordinator_epoch;
    int64_t current_txn_start_offset; /* -1: none */
};

/* All active producers, in the arena. */
void log_producers(struct log *log, struct arena *arena, struct log_producer **out, int *count);

/* Forgets producers that were idle too long; called by the log manager now and then. */
void log_expire_producers(struct log *log, int64_t now_ms);

#endif
