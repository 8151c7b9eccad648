/*
 * Look-ups by timestamp, on a worker.
 *
 * The worker gets a list of the segments as they are (base, size, largest timestamp where known)
 * and opens the files itself. A segment that is deleted meanwhile is passed over: its records are
 * gone. When the log was truncated meanwhile, the search is done again.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "storage/log_internal.h"

struct lookup_segment {
    int64_t base_offset;
    int64_t size;
    int64_t max_timestamp;
    bool max_known;
};

struct lookup_state {
    struct list link; /* log->lookups */
    struct log_lookup *lookup;
    int64_t start_offset;
    uint64_t truncations;
    int result;
    int segment_count;
    struct lookup_segment segments[];
};

void log_lookup_free(struct log *log) {
    LIST_FOREACH_SAFE(it, &log->lookups) {
        struct lookup_state *state = CONTAINER_OF(it, struct lookup_state, link);
        list_remove(&state->link);
        free(state);
    }
}

/* ---- On the worker --------------------------------------------------------------------------- */

static int open_file(const struct log *log, int64_t base, const char *suffix, struct file **out) {
    struct path path;
    path_of_offset(&path, log->directory, base, suffix, "");
    return file_open(log->machine, path.text, FILE_READ, out);
}

/* The first record of the batch at or after the timestamp: 1, 0, or an errno. */
static int search_batch(struct log_lookup *lookup, int64_t start_offset, struct file *file,
                        const struct batch *batch, int64_t at, int64_t timestamp) {
    size_t size = batch_size(batch);
    uint8_t *bytes = malloc(size); /* the file decides the size */
    if (bytes == NULL) {
        return -ENOMEM;
    }
    int64_t got = file_read_at(file, bytes, size, at);
    int result = got < 0 ? (int)got : got < (int64_t)size ? -EBADMSG : 0;
    if (result == 0) {
        struct record_iterator *iterator =
            record_iterator_new(slice_make(bytes, size), batch, batch_decompressed_max(size));
        struct record record;
        while (record_iterator_next(iterator, &record) == 1) {
            if (record.timestamp >= timestamp && record.offset >= start_offset) {
                if (record.offset < lookup->limit) {
                    lookup->found_offset = record.offset;
                    lookup->found_timestamp = record.timestamp;
                    lookup->found_epoch = batch->partition_leader_epoch;
                }
                result = 1;
                break;
            }
        }
        record_iterator_free(iterator);
    }
    free(bytes);
    return result;
}

static void close_files(struct segment_files *files) {
    file_unref(files->log);
    file_unref(files->offset_index);
    file_unref(files->time_index);
    *files = (struct segment_files){0};
}

/* -ENOENT when the segment is gone. */
static int open_files(const struct log *log, const struct lookup_segment *segment,
                      struct segment_files *out) {
    *out = (struct segment_files){.base_offset = segment->base_offset, .size = segment->size};
    int64_t size = 0;
    int result = open_file(log, segment->base_offset, SUFFIX_LOG, &out->log);
    if (result == 0) {
        result = open_file(log, segment->base_offset, SUFFIX_INDEX, &out->offset_index);
    }
    if (result == 0) {
        result = file_size(out->offset_index, &size);
        out->offset_count = size / OFFSET_INDEX_ENTRY;
    }
    if (result == 0) {
        result = open_file(log, segment->base_offset, SUFFIX_TIME_INDEX, &out->time_index);
    }
    if (result == 0) {
        result = file_size(out->time_index, &size);
        out->time_count = size / TIME_INDEX_ENTRY;
    }
    if (result != 0) {
        close_files(out);
    }
    return result;
}

/* Whether the batch that ends at `relative`, found from `pos` on, has that timestamp. */
static bool entry_agrees(const struct segment_files *files, int64_t pos, int64_t relative,
                         int64_t timestamp) {
    uint8_t window[BATCH_CURSOR_WINDOW_MIN];
    struct batch_cursor cursor;
    struct batch batch;
    int64_t at = 0;
    batch_cursor_init(&cursor, files->log, pos, files->size, window, sizeof(window));
    while (batch_cursor_next(&cursor, &batch, &at) == 1) {
        if (batch_last_offset(&batch) >= files->base_offset + relative) {
            return batch.max_timestamp == timestamp &&
                   batch_cursor_check_crc(&cursor, &batch, at) == 1;
        }
    }
    return false;
}

/*
 * Where to begin in the segment: all before has smaller timestamps. 0 when the indexes fail, or say
 * what the log does not. The entry is one below the timestamp: of an entry for the timestamp itself
 * nothing would show that a damaged offset points to a later batch that has it too.
 */
static int64_t start_position(const struct segment_files *files, int64_t timestamp) {
    int64_t relative = 0;
    int64_t found = NO_TIMESTAMP;
    int64_t pos = 0;
    int result = timestamp <= 0 ? 0
                                : time_index_floor(files->time_index, files->time_count,
                                                   timestamp - 1, &relative, &found);
    if (result == 0 && found != NO_TIMESTAMP) {
        result = offset_index_floor(files->offset_index, files->offset_count, relative, &pos);
    }
    bool agrees = result == 0 && found != NO_TIMESTAMP && pos < files->size &&
                  entry_agrees(files, pos, relative, found);
    return agrees ? pos : 0;
}

/* 1 when the answer is known, 0 to go on with the next segment, or an errno. */
static int search_segment(struct log_lookup *lookup, const struct lookup_state *state,
                          const struct lookup_segment *segment, int64_t timestamp) {
    struct segment_files files;
    int result = open_files(lookup->log, segment, &files);
    if (result != 0) {
        return result == -ENOENT ? 0 : result;
    }
    struct file *file = files.log;
    uint8_t window[BATCH_CURSOR_WINDOW_MIN];
    struct batch_cursor cursor;
    struct batch batch;
    int64_t at = 0;
    int64_t pos = start_position(&files, timestamp);
    batch_cursor_init(&cursor, file, pos, segment->size, window, sizeof(window));
    for (bool first = true; (result = batch_cursor_next(&cursor, &batch, &at)) != 0;
         first = false) {
        if (first && pos > 0 && (result < 0 || batch.base_offset < segment->base_offset)) {
            batch_cursor_init(&cursor, file, 0, segment->size, window, sizeof(window));
            continue;
        }
        if (result == 1 && batch_last_offset(&batch) < state->start_offset) {
            continue; /* deleted: nobody reads it any more, damaged or not */
        }
        if (result == 1) {
            result = batch_cursor_check_crc(&cursor, &batch, at);
            result = result == 0 ? -EBADMSG : result;
        }
        if (result < 0) {
            break;
        }
        if (batch.base_offset >= lookup->limit) {
            result = 1;
            break;
        }
        if (batch.max_timestamp >= timestamp && batch_last_offset(&batch) >= state->start_offset) {
            result = search_batch(lookup, state->start_offset, file, &batch, at, timestamp);
            if (result != 0) {
                break;
            }
        }
    }
    close_files(&files);
    return result;
}

static int know_max(const struct log *log, struct lookup_segment *segment) {
    struct segment_files files;
    int64_t offset = 0;
    int result = open_files(log, segment, &files);
    if (result == 0) {
        result = segment_find_max_timestamp(&files, &segment->max_timestamp, &offset);
    }
    close_files(&files);
    segment->max_known = true;
    return result == -ENOENT ? 0 : result;
}

/* The largest timestamp of the batches below the limit, from their headers. */
static int walk_max(struct log_lookup *lookup, struct lookup_segment *segment) {
    struct file *file = NULL;
    int result = open_file(lookup->log, segment->base_offset, SUFFIX_LOG, &file);
    if (result != 0) {
        return result == -ENOENT ? 0 : result;
    }
    uint8_t window[BATCH_CURSOR_WINDOW_MIN];
    struct batch_cursor cursor;
    struct batch batch;
    int64_t at = 0;
    segment->max_timestamp = NO_TIMESTAMP;
    batch_cursor_init(&cursor, file, 0, segment->size, window, sizeof(window));
    while ((result = batch_cursor_next(&cursor, &batch, &at)) == 1 &&
           batch_last_offset(&batch) < lookup->limit) {
        if (batch.max_timestamp > segment->max_timestamp) {
            segment->max_timestamp = batch.max_timestamp;
        }
    }
    file_unref(file);
    return result < 0 ? result : 0;
}

static int lookup_in_all(struct log_lookup *lookup, struct lookup_state *state) {
    int64_t timestamp = lookup->timestamp;
    int64_t largest = NO_TIMESTAMP;
    int result = 0;
    for (int i = 0; i < state->segment_count && result == 0; i++) {
        struct lookup_segment *segment = &state->segments[i];
        bool cut = lookup->max_timestamp &&
                   (i + 1 == state->segment_count || segment[1].base_offset > lookup->limit);
        if (segment->base_offset >= lookup->limit) {
            break;
        }
        if (!segment->max_known) {
            result = know_max(lookup->log, segment);
        }
        if (result == 0 && cut) {
            result = walk_max(lookup, segment);
        }
        largest = segment->max_timestamp > largest ? segment->max_timestamp : largest;
    }
    if (lookup->max_timestamp) {
        timestamp = largest;
        if (largest == NO_TIMESTAMP) {
            return result;
        }
    }
    for (int i = 0; i < state->segment_count && result == 0; i++) {
        struct lookup_segment *segment = &state->segments[i];
        if (segment->base_offset < lookup->limit && segment->max_timestamp >= timestamp) {
            result = search_segment(lookup, state, segment, timestamp);
        }
    }
    return result < 0 ? result : 0;
}

static void lookup_run(struct work *work) {
    struct log_lookup *lookup = CONTAINER_OF(work, struct log_lookup, work);
    struct lookup_state *state = lookup->state;
    state->result = lookup_in_all(lookup, state);
}

/* ---- On the shard ---------------------------------------------------------------------------- */

static void lookup_start(struct log *log, struct log_lookup *lookup);

static void lookup_done(struct work *work) {
    struct log_lookup *lookup = CONTAINER_OF(work, struct log_lookup, work);
    struct lookup_state *state = lookup->state;
    struct log *log = lookup->log;
    bool again = state->truncations != log->truncations && log->phase == LOG_RUNNING;
    int result = state->result;
    list_remove(&state->link);
    free(state);
    lookup->state = NULL;
    if (again) {
        lookup_start(log, lookup);
        return;
    }
    log_schedule(log);
    lookup->fn(lookup, result);
}

static void lookup_start(struct log *log, struct log_lookup *lookup) {
    int first = log_segment_index(log, log->start_offset);
    int count = log->segment_count - first;
    struct lookup_state *state =
        xcalloc(1, sizeof(*state) + (size_t)count * sizeof(state->segments[0]));
    for (int i = 0; i < count; i++) {
        const struct segment *segment = log->segments[first + i];
        state->segments[i] = (struct lookup_segment){
            .base_offset = segment->base_offset,
            .size = segment->size,
            .max_timestamp = segment->max_timestamp,
            .max_known = segment->max_known,
        };
    }
    state->segment_count = count;
    state->lookup = lookup;
    state->start_offset = log->start_offset;
    state->truncations = log->truncations;
    lookup->log = log;
    lookup->state = state;
    lookup->found_offset = -1;
    lookup->found_timestamp = NO_TIMESTAMP;
    lookup->found_epoch = -1;
    list_append(&log->lookups, &state->link);
    work_submit_slow(log->shard, &lookup->work, lookup_run, lookup_done);
}

void log_find_timestamp(struct log *log, struct log_lookup *lookup, int64_t timestamp,
                        int64_t limit, void (*fn)(struct log_lookup *lookup, int result)) {
    lookup->timestamp = timestamp;
    lookup->max_timestamp = false;
    lookup->limit = limit;
    lookup->fn = fn;
    lookup_start(log, lookup);
}

void log_find_max_timestamp(struct log *log, struct log_lookup *lookup, int64_t limit,
                            void (*fn)(struct log_lookup *lookup, int result)) {
    lookup->timestamp = NO_TIMESTAMP;
    lookup->max_timestamp = true;
    lookup->limit = limit;
    lookup->fn = fn;
    lookup_start(log, lookup);
}
