/*
 * Walks the records of one compressed batch without keeping them: for who only checks. Memory: one
 * window of 64 KiB and what the codec needs, however large a record is.
 *
 * Judges as record_iterator does, with one freedom: of a stream with several faults, it may name
 * another. Private to protocol/.
 */
#ifndef PROTOCOL_RECORD_SCAN_H
#define PROTOCOL_RECORD_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "protocol/compression.h"

struct record_scan; /* opaque; heap */

/* What is looked at. */
struct record_marks {
    int64_t timestamp_delta;
    int32_t offset_delta;
    bool has_key;
};

/* stream: the compressed records of a batch; output of more than output_max is not made.
 * `give_way`, unless it is NULL, is called after at most a window, each time. */
struct record_scan *record_scan_new(enum compression codec, struct slice stream,
                                    int32_t record_count, size_t record_max, size_t output_max,
                                    void (*give_way)(void));
void record_scan_free(struct record_scan *scan);

/* 1: *out is the next record; 0: the end, and all was consistent (count, no bytes left over);
 * -1: corrupt; -2: a record above record_max or output above output_max. The first end is final. */
int record_scan_next(struct record_scan *scan, struct record_marks *out);

#endif
