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
    int voter_count;  /* -1: no voters were told */
    int32_t voter_id; /* of the last voter */
    struct uuid voter_directory_id;
};

#define METADATA_CONTROL_NONE ((struct metadata_control){.voter_count = -1, .voter_id = -1})

/* Takes the next whole batch off `in`. 1: *out and *bytes are it; 0: nothing is left; -1: damage
 * (header, checksum or an incomplete batch). */
int metadata_batch_next(struct slice *in, struct batch *out, struct slice *bytes);

/* Notes what a control batch says. False when a record of it cannot be read. */
bool metadata_control_read(struct slice bytes, const struct batch *batch,
                           struct metadata_control *control);

/* Appends the records' values of a data batch. False when they cannot be read. */
bool metadata_values_read(struct slice bytes, const struct batch *batch, struct record_list *out);

/* An endpoint of the controller, told in voter records. */
struct metadata_endpoint {
    struct slice name;
    struct slice host;
    uint16_t port;
};

/* The one voter of a quorum of one. */
struct metadata_voter {
    int32_t id;
    struct uuid directory_id;
    const struct metadata_endpoint *endpoints;
    int endpoint_count;
};

/* What goes into a control batch besides its own record. */
struct metadata_control_batch {
    int64_t base_offset;
    int32_t epoch;
    int64_t timestamp_ms;
    int type;    /* CONTROL_LEADER_CHANGE, CONTROL_SNAPSHOT_HEADER or CONTROL_SNAPSHOT_FOOTER */
    bool voters; /* followed by KRAFT_VERSION 1 and KRAFT_VOTERS */
    const struct metadata_voter *voter;
};

/* Appends the batch; returns the number of its records. */
int metadata_control_build(const struct metadata_control_batch *what, struct buffer *out);

/* Appends one data batch. False when it exceeds METADATA_BATCH_MAX. */
bool metadata_values_build(const struct slice *values, int count, int64_t base_offset,
                           int32_t epoch, int64_t timestamp_ms, struct buffer *out);

#endif
