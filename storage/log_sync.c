/*
 * Group commit. One job at a time syncs, on a worker and in this order:
 *
 *   1. the leader epochs, so that no synced record is of an epoch that is not recorded;
 *   2. the unsynced segments, oldest first, with the indexes of those that are finished;
 *   3. the seals: a producer snapshot at the base of the segment that follows a finished one. Its
 *      presence says that everything below was synced;
 *   4. the directory, when files were created.
 *
 * Only when all of that worked does the synced end move to where the log ended when the job began.
 * The recovery point is the synced end. A job that fails fails the log; nothing is tried again. The
 * one exception is a disk too full, or a descriptor missing, for 1 or 3: those files are written
 * anew from memory, so trying again some time later cannot take a lost write for a good one.
 *
 * After a failed job the disk and the page cache may differ: what the sync lost can still be read,
 * and what was appended meanwhile may reach the disk behind the gap. Nobody was promised any of it
 * (in durable mode), so the log is cut back to its synced end at once. A power cut in between may
 * leave the gap; then the log is refused, with all that was promised in it.
 *
 * The job has its own references to all it uses, so appends, rolls and deletions go on meanwhile. A
 * truncation lowers the end that the job will report.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/hmap.h"
#include "base/memory.h"
#include "runtime/log.h"
#include "storage/log_internal.h"
#include "storage/txn_index.h"

struct sync_job {
    struct work work;
    struct log *log;
    int64_t end;
    struct file **files; /* heap */
    int file_count;
    int file_cap;
    struct seal *seals; /* heap */
    int seal_count;
    struct buffer epochs;
    bool write_epochs;
    bool sync_names;
    bool closing;
    bool epochs_written;
    int seals_written;
    bool disk_full; /* or out of descriptors, for epochs or seals; all else worked */
    int result;
};

#define DISK_FULL_RETRY_MS 1000

static void job_free(struct sync_job *job) {
    for (int i = 0; i < job->file_count; i++) {
        file_unref(job->files[i]);
    }
    for (int i = 0; i < job->seal_count; i++) {
        buffer_release(&job->seals[i].snapshot);
    }
    buffer_release(&job->epochs);
    free(job->files);
    free(job->seals);
    free(job);
}

void log_sync_free(struct log *log) {
    if (log->job != NULL) {
        job_free(log->job);
        log->job = NULL;
    }
    for (int i = 0; i < log->seal_count; i++) {
        buffer_release(&log->seals[i].snapshot);
    }
    free(log->seals);
    log->seals = NULL;
    log->seal_count = 0;
    log->seal_cap = 0;
}

void log_add_seal(struct log *log, int64_t offset) {
    if (log->seal_count == log->seal_cap) {
        log->seal_cap = log->seal_cap == 0 ? 2 : log->seal_cap * 2;
        log->seals = xrealloc(log->seals, (size_t)log->seal_cap * sizeof(*log->seals));
    }
    struct seal *seal = &log->seals[log->seal_count++];
    seal->offset = offset;
    buffer_init(&seal->snapshot, SIZE_MAX);
    producers_encode(&log->producers, &seal->snapshot);
}

/* ---- On the worker --------------------------------------------------------------------------- */

/* Nothing that was written is in doubt: the step can be tried again. */
static bool may_retry(int error) {
    return error == -ENOSPC || error == -EMFILE || error == -ENFILE;
}

/* Writes one small file; a full disk is noted and is no failure. */
static int write_small(struct sync_job *job, const char *path, const struct buffer *content,
                       bool *written) {
    int result = file_replace(job->log->machine, path, buffer_slice(content));
    *written = result == 0;
    if (may_retry(result)) {
        job->disk_full = true;
        return 0;
    }
    return result;
}

static int sync_everything(struct sync_job *job) {
    const char *dir = job->log->directory; /* constant, as the machine */
    struct path path;
    int result = 0;
    if (job->write_epochs) {
        path_join(&path, dir, FILE_LEADER_EPOCHS);
        result = write_small(job, path.text, &job->epochs, &job->epochs_written);
    }
    for (int i = 0; i < job->file_count && result == 0; i++) {
        result = file_sync(job->files[i]);
    }
    for (int i = 0; i < job->seal_count && result == 0 && !job->disk_full; i++) {
        bool written = false;
        path_of_offset(&path, dir, job->seals[i].offset, SUFFIX_SNAPSHOT, "");
        result = write_small(job, path.text, &job->seals[i].snapshot, &written);
        job->seals_written += written;
    }
    if (job->sync_names && result == 0) {
        result = directory_sync(job->log->machine, dir);
    }
    return result;
}

static void job_run(struct work *work) {
    struct sync_job *job = CONTAINER_OF(work, struct sync_job, work);
    job->result = sync_everything(job);
}

/* ---- On the shard ---------------------------------------------------------------------------- */

/* Seals that found no space wait again, before those that came meanwhile. */
static void put_back_seals(struct log *log, struct sync_job *job) {
    int left = job->seal_count - job->seals_written;
    if (left == 0) {
        return;
    }
    struct seal *seals = xcalloc((size_t)(left + log->seal_count), sizeof(*seals));
    memcpy(seals, job->seals + job->seals_written, (size_t)left * sizeof(*seals));
    if (log->seal_count > 0) {
        memcpy(seals + left, log->seals, (size_t)log->seal_count * sizeof(*seals));
    }
    free(log->seals);
    log->seals = seals;
    log->seal_count += left;
    log->seal_cap = log->seal_count;
    job->seal_count = job->seals_written;
}

/* All but the small files is synced; the log is as synced as before until they are written. */
static void job_found_disk_full(struct log *log, struct sync_job *job) {
    LOG_WARN(log->machine, "storage", "no space or no descriptor, sync incomplete", "dir=%s",
             log->directory);
    put_back_seals(log, job);
    if (job->write_epochs && !job->epochs_written) {
        log->epochs.dirty = true;
        log->epochs.stored_hash = 0;
    }
    if (job->closing) {
        log->failure_told = true; /* a full disk is no failed one; who closes hears of it */
        log_fail(log, -ENOSPC, "close");
        return;
    }
    log->sync_retry_ms = shard_now_ms(log->shard) + DISK_FULL_RETRY_MS;
    timer_start(&log->flush_timer, DISK_FULL_RETRY_MS);
}

static void job_done(struct work *work) {
    struct sync_job *job = CONTAINER_OF(work, struct sync_job, work);
    struct log *log = job->log;
    int result = job->result;
    ASSERT(log->job == job);
    log->job = NULL;
    if (result == 0 && job->disk_full) {
        job_found_disk_full(log, job);
    } else if (result == 0 && log->error == 0) {
        if (job->end > log->synced_end) {
            log->synced_end = job->end;
        }
        ASSERT(log->synced_end <= log->end_offset);
        log->close_sync_done = job->closing;
    }
    job_free(job);
    if (result != 0 && log->config.durable) {
        log_cut_unsynced(log);
    }
    if (result != 0) {
        log_fail(log, result, "sync");
    }
    log_schedule(log);
    log_sync_step(log);
}

static void add_file(struct sync_job *job, struct file *file) {
    if (job->file_count == job->file_cap) {
        job->file_cap = job->file_cap == 0 ? 4 : job->file_cap * 2;
        job->files = xrealloc(job->files, (size_t)job->file_cap * sizeof(struct file *));
    }
    job->files[job->file_count++] = file_ref(file);
}

static int add_segment_files(struct sync_job *job, struct segment *segment, bool with_indexes) {
    int result = 0;
    if (segment->dirty) {
        result = segment_open_log(segment);
        if (result != 0) {
            return result;
        }
        add_file(job, segment->log_file);
        segment->dirty = false;
    }
    if (!with_indexes || !segment->index_dirty) {
        return 0;
    }
    result = segment_open_indexes(segment);
    if (result != 0) {
        return result;
    }
    add_file(job, segment->offset_index);
    add_file(job, segment->time_index);
    struct file *txn_index = NULL;
    result = txn_index_open(segment->machine, segment->dir, segment->base_offset, &txn_index);
    if (result == 0) {
        add_file(job, txn_index);
        file_unref(txn_index);
    }
    segment->index_dirty = false;
    return result == -ENOENT ? 0 : result;
}

/* Unsynced segments are the newest ones. */
static int add_all_files(struct log *log, struct sync_job *job, bool with_active_indexes) {
    int first = log->segment_count - 1;
    while (first > 0 &&
           (log->segments[first - 1]->dirty || log->segments[first - 1]->index_dirty)) {
        first--;
    }
    int result = 0;
    for (int i = first; i < log->segment_count && result == 0; i++) {
        bool finished = i < log->segment_count - 1;
        result = add_segment_files(job, log->segments[i], finished || with_active_indexes);
    }
    return result;
}

/* Gathers what is to be synced; NULL (and a failed log) when files cannot be opened. */
static struct sync_job *gather_job(struct log *log, bool closing) {
    ASSERT(log->job == NULL && log->error == 0);
    struct sync_job *job = NEW(struct sync_job);
    job->log = log;
    job->end = log->end_offset;
    job->closing = closing;
    buffer_init(&job->epochs, SIZE_MAX);
    int result = add_all_files(log, job, closing);
    if (result != 0) {
        job_free(job);
        log_fail(log, result, "open for sync");
        return NULL;
    }
    job->write_epochs = epochs_unsaved(&log->epochs, log->end_offset);
    if (job->write_epochs) {
        epochs_encode(&log->epochs, log->end_offset, &job->epochs);
        epochs_taken(&log->epochs, log->end_offset);
    }
    job->seals = log->seals;
    job->seal_count = log->seal_count;
    log->seals = NULL;
    log->seal_count = 0;
    log->seal_cap = 0;
    job->sync_names = log->names_dirty;
    log->names_dirty = false;
    log->job = job;
    return job;
}

static int start_job(struct log *log, bool closing) {
    struct sync_job *job = gather_job(log, closing);
    if (job == NULL) {
        return log->error;
    }
    timer_stop(&log->flush_timer);
    work_submit(log->shard, &job->work, job_run, job_done);
    return 0;
}

int log_sync_now(struct log *log) {
    struct sync_job *job = gather_job(log, false);
    if (job == NULL) {
        return log->error;
    }
    int result = sync_everything(job);
    if (result == 0) {
        result = job->disk_full ? -ENOSPC : 0;
    }
    if (result == 0) {
        log->synced_end = job->end;
    }
    log->job = NULL;
    job_free(job);
    return result;
}

static void deliver_waiters(struct log *log) {
    while (!list_empty(&log->waiters)) {
        struct log_waiter *waiter = LIST_FIRST(&log->waiters, struct log_waiter, link);
        if (waiter->offset > log->synced_end) {
            return;
        }
        list_remove(&waiter->link);
        waiter->fn(waiter, 0);
    }
}

static void log_cancel_waiters(struct log *log, int error) {
    while (!list_empty(&log->waiters)) {
        struct log_waiter *waiter = LIST_FIRST(&log->waiters, struct log_waiter, link);
        list_remove(&waiter->link);
        waiter->fn(waiter, error);
    }
}

void log_sync_step(struct log *log) {
    deliver_waiters(log);
    if (log->error != 0) {
        log_cancel_waiters(log, log->error);
        return;
    }
    if (log->phase != LOG_RUNNING || log->job != NULL ||
        shard_now_ms(log->shard) < log->sync_retry_ms) {
        return;
    }
    bool data_due = log->sync_wanted_end > log->synced_end && log->end_offset > log->synced_end;
    /* In an empty log an epoch has nothing to tell yet: it goes with the first records. */
    bool epochs_due = log->bytes > 0 && epochs_unsaved(&log->epochs, log->end_offset);
    if (data_due || log->seal_count > 0 || epochs_due || !list_empty(&log->waiters)) {
        if (start_job(log, false) != 0) {
            log_cancel_waiters(log, log->error);
        }
    }
}

void log_when_synced(struct log *log, struct log_waiter *waiter, int64_t offset,
                     void (*fn)(struct log_waiter *waiter, int result)) {
    ASSERT(log->shard != NULL && offset <= log->end_offset);
    waiter->offset = offset;
    waiter->fn = fn;
    /* In order of offsets; nearly always the last one. */
    struct list *after = log->waiters.prev;
    while (after != &log->waiters &&
           CONTAINER_OF(after, struct log_waiter, link)->offset > offset) {
        after = after->prev;
    }
    list_insert_between(after, after->next, &waiter->link);
    log_schedule(log);
}

bool log_sync_runs(const struct log *log) {
    return log->job != NULL;
}

void log_waiter_cancel(struct log_waiter *waiter) {
    list_remove(&waiter->link);
}

void log_sync_truncated(struct log *log, int64_t end_offset) {
    if (log->synced_end > end_offset) {
        log->synced_end = end_offset;
    }
    if (log->sync_wanted_end > end_offset) {
        log->sync_wanted_end = end_offset;
    }
    if (log->job != NULL && log->job->end > end_offset) {
        log->job->end = end_offset;
    }
}

/* ---- Closing --------------------------------------------------------------------------------- */

static int start_close_sync(struct log *log) {
    int result = segment_finish_time_index(log_active(log));
    if (result != 0) {
        log_fail(log, result, "close");
        return result;
    }
    if (log->end_offset > 0) { /* a log that never had a record has no snapshot */
        log_add_seal(log, log->end_offset);
    }
    return start_job(log, true);
}

void log_close_step(struct log *log) {
    if (log->job != NULL || log->deleting != NULL || !list_empty(&log->lookups)) {
        return; /* the end of each of them schedules this again */
    }
    if (log->close_clean && log->error == 0 && !log->close_sync_done) {
        if (start_close_sync(log) == 0) {
            return;
        }
    }
    deliver_waiters(log);
    log_cancel_waiters(log, log->error != 0 ? log->error : -ECANCELED);
    log->phase = LOG_CLOSED;
    for (int i = 0; i < log->segment_count; i++) {
        segment_close_files(log->segments[i]); /* the log itself may be kept for long */
    }
    deferred_cancel(&log->deferred);
    log->closed(log, log->close_clean ? log->error : 0, log->closed_ctx); /* may free the log */
}
