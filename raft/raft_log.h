/*
 * What consensus has to know of the log: where it starts and ends, which epoch began where, and the
 * voter sets that it holds. The newest voter set counts whether it is committed or not (KIP-853).
 */
#ifndef RAFT_RAFT_LOG_H
#define RAFT_RAFT_LOG_H

#include "raft/raft.h"

struct raft_log {
    struct raft_position start;
    int64_t end_offset;
    int64_t synced_offset;
    int64_t high_watermark;
    uint64_t generation; /* counts truncations */

    struct raft_epoch_start *epochs; /* heap, ascending */
    int epoch_count;
    int epoch_cap;

    struct raft_voters_at *voters; /* heap, ascending; the first at offset -1, before any record */
    int voters_count;
    int voters_cap;
};

void raft_log_init(struct raft_log *log, const struct raft_stored *stored);
void raft_log_release(struct raft_log *log);

/* The log end. */
struct raft_position raft_log_last(const struct raft_log *log);

/* Appends `count` offsets of an epoch that is not below the last one; voters may be NULL. */
void raft_log_append(struct raft_log *log, int32_t epoch, int64_t count,
                     const struct raft_voters *voters);

/* offset: from start to end. */
void raft_log_truncate(struct raft_log *log, int64_t offset);

/* The log is empty and starts here. */
void raft_log_reset(struct raft_log *log, struct raft_position start,
                    const struct raft_voters *voters);

/* Drops what is below `start`, which lies in the log. */
void raft_log_cut_start(struct raft_log *log, struct raft_position start);

/* The newest epoch that is not above `epoch`, and where it ends: {start.offset, start.epoch} when
 * there is none. */
struct raft_position raft_log_end_of_epoch(const struct raft_log *log, int32_t epoch);

const struct raft_voters *raft_log_voters(const struct raft_log *log);

/* Where the newest voter set is not known as committed: the one before it. Otherwise NULL. */
const struct raft_voters *raft_log_voters_before(const struct raft_log *log);

#endif
