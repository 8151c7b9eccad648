/* Inside of struct log, shared by the log_*.c files only. */
#ifndef STORAGE_LOG_INTERNAL_H
#define STORAGE_LOG_INTERNAL_H

#include "storage/epochs.h"
#include "storage/log.h"
#include "storage/paths.h"
#include "storage/producers.h"
#include "storage/segment.h"

/* The newest batches of the active segment, so that reads of the tail need no file reads. */
#define LOG_RING_SIZE 32

struct ring_entry {
    int64_t base_offset;
    int64_t next_offset;
    int64_t at;
};

/*
 * A finished segment is sealed when all of it is synced: the producer snapshot at the base of the
 * next segment is written then, and only then. So recovery knows which segments a crash cannot have
 * torn.
 */
struct seal {
    int64_t offset;
    struct buffer snapshot;
};

struct sync_job; /* log_load.c: producer state as of the log end, from the files. Blocks. */
MUST_CHECK int log_reload_producers(struct log *log);

/* log_sync.c */

/* Segments on their way out: renamed to .deleted by a worker, unlinked after the delay. */
struct delete_batch {
    struct list link;
    struct work work;
    struct log *log;
    int64_t *bases; /* heap, ascending */
    int count;
    int64_t unlink_at_ms; /* shard time; once renamed */
    bool renamed;
    bool leave_sign; /* the leader epochs do not say yet that these are gone */
    int result;
};

enum log_phase { LOG_LOADED, LOG_RUNNING, LOG_CLOSING, LOG_CLOSED };

struct log {
    struct machine *machine;
    struct shard *shard; /* NULL before log_start_on() */
    char *directory;     /* heap */
    struct log_config config;
    struct uuid topic_id;
    enum log_phase phase;

    struct segment **segments; /* heap, by base offset; the last is the active one */
    int segment_count;
    int segment_cap;
    int64_t start_offset;
    int64_t high_watermark;
    int64_t end_offset;
    int64_t bytes;
    int64_t roll_jitter_ms;
    struct epochs epochs;
    struct producers producers;
    struct ring_entry *ring; /* heap, NULL before the first append */
    uint64_t ring_count;     /* ever added since the ring was cleared */

    int64_t synced_end;
    int64_t sync_wanted_end; /* somebody waits for this, or a flush is due */
    int64_t sync_retry_ms;   /* shard time: no job before it, after one found the disk full */
    struct list waiters;     /* by offset */
    struct deferred deferred;
    struct timer flush_timer;
    struct sync_job *job; /* under way */
    struct seal *seals;   /* heap; waiting for the next job */
    int seal_count;
    int seal_cap;
    bool names_dirty; /* files were created since the last directory sync */

    struct list deletes;           /* of struct delete_batch, oldest first */
    struct delete_batch *deleting; /* at work */
    struct timer delete_timer;
    struct list lookups; /* of struct lookup_state (log_lookup.c), at work */
    uint64_t truncations;

    int error; /* negative errno: the log has failed */
    bool failure_told;
    void (*on_failure)(struct log *log, int error, void *ctx);
    void *ctx;

    bool close_clean;
    bool close_sync_done;
    void (*closed)(struct log *log, int result, void *ctx);
    void *closed_ctx;
};

static inline struct segment *log_active(const struct log *log) {
    return log->segments[log->segment_count - 1];
}

/* log.c */
void log_add_segment(struct log *log, struct segment *segment);
/* Index of the segment that holds the offset or whatever comes after it: the last with a base <=
 * offset, or 0. */
int log_segment_index(const struct log *log, int64_t offset);
void log_fail(struct log *log, int error, const char *doing);
void log_schedule(struct log *log);

/* log_append.c */
MUST_CHECK int log_roll(struct log *log, int64_t base_offset);
void log_ring_clear(struct log *log);

/* log_sync.c */
void log_sync_step(struct log *log); /* delivers waiters, starts what is due */
void log_sync_truncated(struct log *log, int64_t end_offset);
void log_sync_free(struct log *log);
void log_add_seal(struct log *log, int64_t offset);
MUST_CHECK int log_sync_now(struct log *log); /* blocks; while loading */
void log_close_step(struct log *log);

/* log_delete.c */
void log_delete_start(struct log *log);
void log_delete_free(struct log *log);
void log_cut_unsynced(struct log *log); /* blocks briefly; a failure fails the log */

/* log_lookup.c */
void log_lookup_free(struct log *log);

#endif
