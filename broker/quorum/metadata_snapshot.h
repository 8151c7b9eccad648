/*
 * Snapshots of the metadata log: <end offset>-<epoch>.checkpoint beside its segments (KIP-630).
 * A snapshot is a header control batch, data batches with offsets counted from 0, and a footer; one
 * without footer is incomplete and unusable. All functions but build block.
 */
#ifndef BROKER_QUORUM_METADATA_SNAPSHOT_H
#define BROKER_QUORUM_METADATA_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "broker/quorum/metadata_batch.h"

struct machine;

struct snapshot_id {
    int64_t end_offset; /* exclusive */
    int32_t epoch;      /* of the last record in it */
};

/* Made by formatting a directory with voters in the log; holds no state of the log. */
#define SNAPSHOT_BOOTSTRAP ((struct snapshot_id){0, 0})

struct snapshot_list {
    bool bootstrap; /* the 0-0 snapshot is there */
    bool found;     /* another one */
    struct snapshot_id latest;
};

/* Looks what is there and removes what was left half-written or half-removed. A missing directory
 * has none. */
MUST_CHECK int snapshot_recover(struct machine *machine, const char *dir, struct snapshot_list *out,
                                struct errmsg *errmsg);

/* Appends its records and notes its control records. -EUCLEAN with errmsg when it is damaged. */
MUST_CHECK int snapshot_read(struct machine *machine, const char *path, struct record_list *out,
                             struct metadata_control *control, int64_t *timestamp_ms,
                             struct errmsg *errmsg);

/* The bytes of a snapshot. With voters as kraft.version 1 has it, else NULL. */
void snapshot_build(const struct slice *values, int count, struct snapshot_id id,
                    int64_t timestamp_ms, const struct voter_set *voters, struct buffer *out);

/* Durable when it returns 0; never visible under its name before it is complete. */
MUST_CHECK int snapshot_write(struct machine *machine, const char *dir, struct snapshot_id id,
                              struct slice bytes);

/* Removes all that end below `end_offset`, but for the bootstrap one. */
MUST_CHECK int snapshot_remove_below(struct machine *machine, const char *dir, int64_t end_offset);

/* Writes the path into a heap string; the caller frees it. */
char *snapshot_path(const char *dir, struct snapshot_id id);

#endif
