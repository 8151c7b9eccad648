/*
 * Batches of the metadata log and of its snapshots: reading and building. Bytes in memory only.
 */
#ifndef BROKER_QUORUM_METADATA_BATCH_H
#define BROKER_QUORUM_METADATA_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/uuid.h"
#include "broker/metadata/metadata_record.h"
#include "broker/quorum/voter_set.h"
#include "protocol/records.h"

/* Types of control records. */
enum {
    CONTROL_LEADER_CHANGE = 2,
    CONTROL_SNAPSHOT_HEADER = 3,
    CONTROL_SNAPSHOT_FOOTER = 4,
    CONTROL_KRAFT_VERSION = 5,
    CONTROL_KRAFT_VOTERS = 6,
};

/* What control records said so far. */
struct metadata_control {
    bool header; /* of a snapshot */
    bool footer;
    bool has_kraft_version;
    int16_t kraft_version;
    struct voter_set *voters; /* the last set; owned; NULL: none was told */
};

#define METADATA_CONTROL_NONE ((struct metadata_control){0})

/* Takes the voter set out: it belongs to the caller. */
struct voter_set *metadata_control_take_voters(struct metadata_control *control);
void metadata_control_release(struct metadata_control *control);

/* Takes the next whole batch off `in`. 1: *out and *bytes are it; 0: nothing is left; -1: damage
 * (header, checksum or an incomplete batch). */
int metadata_batch_next(struct slice *in, struct batch *out, struct slice *bytes);

/* Notes what a control batch says. False when a record of it cannot be read. */
bool metadata_control_read(struct slice bytes, const struct batch *batch,
                           struct metadata_control *control);

/* Appends the records' values of a data batch. False when they cannot be read. */
bool metadata_values_read(struct slice bytes, const struct batch *batch, struct record_list *out);

/* What goes into a control batch. */
struct metadata_control_batch {
    int64_t base_offset;
    int32_t epoch;
    int64_t timestamp_ms;
    /* CONTROL_LEADER_CHANGE, CONTROL_SNAPSHOT_HEADER, CONTROL_SNAPSHOT_FOOTER; with voters these
     * are followed by KRAFT_VERSION 1 and KRAFT_VOTERS. CONTROL_KRAFT_VERSION: both of these.
     * CONTROL_KRAFT_VOTERS: only the voters. */
    int type;
    const struct voter_set *voters; /* may be NULL */
    int32_t leader_id;              /* of a leader change, with the keys of the voters */
    const struct raft_voters *keys;
};

/* Appends the batch; returns the number of its records. */
int metadata_control_build(const struct metadata_control_batch *what, struct buffer *out);

/* Appends one data batch. False when it exceeds METADATA_BATCH_MAX. */
bool metadata_values_build(const struct slice *values, int count, int64_t base_offset,
                           int32_t epoch, int64_t timestamp_ms, struct buffer *out);

#endif
