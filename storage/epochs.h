/*
 * The leader epochs of a log: which epoch started at which offset (KIP-101). Kept in
 * leader-epoch-checkpoint as lines "epoch start_offset", strictly increasing in both.
 */
#ifndef STORAGE_EPOCHS_H
#define STORAGE_EPOCHS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

struct epoch_entry {
    int32_t epoch;
    int64_t start_offset;
};

struct epochs {
    struct epoch_entry *entries; /* heap */
    int count;
    int cap;
    bool dirty;           /* changed since the checkpoint was last taken to be written */
    uint64_t stored_hash; /* of the checkpoint's text on disk; 0 when unknown */
};

void epochs_release(struct epochs *epochs);

/* Drops entries with an epoch >= `epoch` or an offset >= start_offset, then adds this one. Does
 * nothing when the newest entry is that epoch or a later one. */
void epochs_assign(struct epochs *epochs, int32_t epoch, int64_t start_offset);

/* Drops entries that start at or behind `end_offset`. */
void epochs_cut_end(struct epochs *epochs, int64_t end_offset);

/* Drops entries that end at or before start_offset; the one that covers it starts there then. */
void epochs_cut_start(struct epochs *epochs, int64_t start_offset);

int32_t epochs_latest(const struct epochs *epochs); /* -1 when none */
int32_t epochs_of_offset(const struct epochs *epochs, int64_t offset);

/* As log_end_of_epoch(). */
void epochs_end_of(const struct epochs *epochs, int32_t epoch, int64_t log_end, int32_t *found,
                   int64_t *end_offset);

/* The checkpoint's text, and back: false for anything that is not one (epochs are empty then). An
 * epoch that begins at log_end has no records, says nothing yet, and is left out: every load drops
 * it, and the next leader has another. */
void epochs_encode(const struct epochs *epochs, int64_t log_end, struct buffer *out);
bool epochs_decode(struct slice text, struct epochs *epochs);

/* There is no checkpoint, which says as much as an empty one. */
void epochs_no_checkpoint(struct epochs *epochs);

/* The text is being written. What was left out of it stays to be written. */
void epochs_taken(struct epochs *epochs, int64_t log_end);

/* Whether the checkpoint's text is another than the one on disk. */
bool epochs_unsaved(const struct epochs *epochs, int64_t log_end);

#endif
