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

/* The checkpoint's text, and back: false for anything that is not one (epochs are empty then). */
void epochs_encode(const struct epochs *epochs, struct buffer *out);
bool epochs_decode(struct slice text, struct epochs *epochs);

/* Takes the changes back from `dirty` when they add up to what is on disk already: a restart drops
 * the epoch that starts at the log end, and the next leader assigns it again. */
void epochs_settle(struct epochs *epochs);

#endif
