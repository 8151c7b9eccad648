/*
 * One segment of a log: record batches (.log), offset index (.index) and time index (.timeindex).
 *
 *     .index      entries of 8 bytes:  i32 offset - base, i32 position of the batch ending there
 *     .timeindex  entries of 12 bytes: i64 timestamp, i32 offset - base; no record up to that
 *                                      offset is younger; timestamps strictly increase
 *
 * Indexes are written as entries come and never preallocated; they are advice: a position that does
 * not lead to a batch is ignored and the segment read from its start. Files are opened when first
 * needed.
 */
#ifndef STORAGE_SEGMENT_H
#define STORAGE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/records.h"
#include "runtime/file.h"
#include "storage/batch_cursor.h"

#define OFFSET_INDEX_ENTRY 8
#define TIME_INDEX_ENTRY   12

struct segment {
    struct machine *machine;
    const char *dir; /* of the log; borrowed */
    int64_t base_offset;
    int64_t size;           /* valid bytes of .log */
    int64_t unverified_end; /* bytes below were not read since the log was loaded, but for: */
    int64_t verified_from;  /* a range of them that was, and was good */
    int64_t verified_to;
    bool damage_told;          /* that it cannot be read is in the log */
    struct file *log_file;     /* NULL while not open, as the others */
    struct file *offset_index; /* counts and last_time below are valid while both are open */
    struct file *time_index;
    int64_t offset_count;
    int64_t time_count;
    int64_t last_time; /* of the time index; NO_TIMESTAMP when empty */
    int64_t bytes_since_index;
    int64_t max_timestamp; /* valid when max_known */
    int64_t max_timestamp_offset;
    int64_t first_timestamp; /* max timestamp of the first batch; NO_TIMESTAMP unknown */
    int64_t created_ms;
    bool max_known;
    bool dirty;        /* .log has unsynced bytes */
    bool index_dirty;  /* so has an index */
    bool no_txn_index; /* it was looked for and is not there */
    bool recently_used;
};

struct segment *segment_new(struct machine *machine, const char *dir, int64_t base_offset);

/* Closes files; no other I/O. NULL is allowed. */
void segment_free(struct segment *segment);

/* Creates the files of an empty segment. On failure none of them is left behind. */
MUST_CHECK int segment_create(struct segment *segment);

MUST_CHECK int segment_open_log(struct segment *segment);
MUST_CHECK int segment_open_indexes(struct segment *segment);
void segment_close_files(struct segment *segment);

/* Writes whole batches behind the end. On failure the segment is as before (the file may be
 * longer; the caller cuts it with segment_cut_back()). */
MUST_CHECK int segment_write(struct segment *segment, const uint8_t *data, size_t len);

/* Accounts one batch that was written at `at`, adding index entries where due. */
MUST_CHECK int segment_index_batch(struct segment *segment, const struct batch *batch, int64_t at,
                                   int64_t index_interval_bytes);

/* Undoes failed appends: file sizes as the fields say. */
MUST_CHECK int segment_cut_back(struct segment *segment);

/* The entry that a finished segment ends its time index with. */
MUST_CHECK int segment_finish_time_index(struct segment *segment);

/* Makes max_timestamp known, from the last entry of the time index and what follows it. */
MUST_CHECK int segment_know_max_timestamp(struct segment *segment);

/* The open files of a segment, for look-ups on any thread. */
struct segment_files {
    int64_t base_offset;
    int64_t size;
    struct file *log;
    struct file *offset_index;
    int64_t offset_count;
    struct file *time_index;
    int64_t time_count;
};

/*
 * The largest timestamp and the last offset of its batch; NO_TIMESTAMP of an empty segment. The
 * last entry of the time index is believed when the batch that it names agrees, else the whole
 * segment is walked. -EBADMSG when a batch on the way is damaged.
 */
MUST_CHECK int segment_find_max_timestamp(const struct segment_files *files, int64_t *timestamp,
                                          int64_t *offset);

/* Where a batch lies. */
struct segment_hit {
    struct batch batch;
    int64_t at;
};

/*
 * The first batch whose last offset is >= offset: 1, or 0 when there is none. The cursor is
 * initialised and stands behind the batch; the window is the caller's.
 */
MUST_CHECK int segment_find(struct segment *segment, int64_t offset, struct batch_cursor *cursor,
                            uint8_t *window, size_t window_cap, struct segment_hit *out);

/*
 * Of the batches from `from` on (a batch position): the greatest boundary <= limit_pos, and the
 * offset that follows it (from_offset when nothing fits).
 */
MUST_CHECK int segment_floor(struct segment *segment, int64_t from, int64_t from_offset,
                             int64_t limit_pos, int64_t *pos, int64_t *next_offset);

/* The position of the greatest entry of an offset index that is <= offset; 0 when none. Any
 * thread: file and count are all it uses. */
MUST_CHECK int offset_index_floor(struct file *index, int64_t count, int64_t relative,
                                  int64_t *pos);

/* The greatest entry of a time index with a timestamp <= `timestamp`: its offset (relative) and its
 * timestamp; NO_TIMESTAMP when there is none. */
MUST_CHECK int time_index_floor(struct file *index, int64_t count, int64_t timestamp,
                                int64_t *relative, int64_t *found_timestamp);

MUST_CHECK int time_index_last(struct file *index, int64_t count, int64_t *timestamp,
                               int64_t *relative);

#endif
