/*
 * The index of aborted transactions of one segment (.txnindex), made with its first entry:
 *
 *     i16 version 0, i64 producer id, i64 first offset, i64 last offset (of the abort marker),
 *     i64 last stable offset right after the marker; in order of last offset
 *
 * Rarely written, so no file is kept open; that there is none is remembered (segment.no_txn_index).
 * Any thread.
 */
#ifndef STORAGE_TXN_INDEX_H
#define STORAGE_TXN_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "storage/producers.h"

struct machine;
struct file;

#define TXN_INDEX_ENTRY 34

/* Adds the abort of `ended`. */
MUST_CHECK int txn_index_append(struct machine *machine, const char *dir, int64_t base_offset,
                                const struct txn_end *ended);

/* -ENOENT when no transaction was aborted in the segment. */
MUST_CHECK int txn_index_open(struct machine *machine, const char *dir, int64_t base_offset,
                              struct file **out);

/* Entry i: 1, 0 behind the end, or a negative errno; -EBADMSG for one that makes no sense. */
MUST_CHECK int txn_index_read(struct file *file, int64_t i, struct txn_end *out);

/* Drops entries whose marker is at or behind end_offset. */
MUST_CHECK int txn_index_cut(struct machine *machine, const char *dir, int64_t base_offset,
                             int64_t end_offset);

#endif
