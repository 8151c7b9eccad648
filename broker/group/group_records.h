/*
 * The records of __consumer_offsets that this node writes: an i16 type and the key, an i16 version
 * and the value, in Kafka's own layouts.
 */
#ifndef BROKER_GROUP_GROUP_RECORDS_H
#define BROKER_GROUP_GROUP_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"
#include "broker/group/classic_group.h"
#include "protocol/records.h"

#define RECORD_OFFSET_COMMIT_OLD 0
#define RECORD_OFFSET_COMMIT     1
#define RECORD_GROUP_METADATA    2

/* Versions written: Kafka 4.3's. */
#define OFFSET_COMMIT_VALUE_VERSION         4
#define OFFSET_COMMIT_VALUE_EXPIRES_VERSION 1 /* the only one with an expire timestamp */
#define GROUP_METADATA_VALUE_VERSION        3

/* Collects records into one batch. */
struct record_writer {
    struct batch_builder builder; /* all private */
    struct buffer key;
    struct buffer value;
    int64_t now_ms;
    int32_t count;
    bool failed;
};

/* now_ms: wall clock, the records' timestamp. */
void record_writer_init(struct record_writer *writer, int64_t now_ms, enum compression codec);
void record_writer_release(struct record_writer *writer);

void record_write_offset(struct record_writer *writer, struct slice group_id, struct slice topic,
                         const struct group_offset *offset);
void record_write_offset_tombstone(struct record_writer *writer, struct slice group_id,
                                   struct slice topic, int32_t partition);

/* The group as it is now, with its members and their assignments. */
void record_write_group(struct record_writer *writer, const struct group *group);
void record_write_group_tombstone(struct record_writer *writer, struct slice group_id);

/* Uncompressed size so far; 0 while there is no record. */
size_t record_writer_len(const struct record_writer *writer);

/* Appends the batch to `out`. False when a record could not be written: a string that is too long
 * for its field, or a batch beyond any limit. */
MUST_CHECK bool record_writer_finish(struct record_writer *writer, struct buffer *out);

#endif
