#include "storage/segment.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "runtime/machine.h"
#include "storage/paths.h"

struct segment *segment_new(struct machine *machine, const char *dir, int64_t base_offset) {
    struct segment *segment = NEW(struct segment);
    segment->machine = machine;
    segment->dir = dir;
    segment->base_offset = base_offset;
    segment->last_time = NO_TIMESTAMP;
    segment->max_timestamp = NO_TIMESTAMP;
    segment->max_timestamp_offset = base_offset;
    segment->first_timestamp = NO_TIMESTAMP;
    return segment;
}

void segment_close_files(struct segment *segment) {
    file_unref(segment->log_file);
    file_unref(segment->offset_index);
    file_unref(segment->time_index);
    segment->log_file = NULL;
    segment->offset_index = NULL;
    segment->time_index = NULL;
}

void segment_free(struct segment *segment) {
    if (segment != NULL) {
        segment_close_files(segment);
        free(segment);
    }
}

/* Opens the .log of a new segment: one that is there already must be an empty left-over. */
static int create_log_file(struct segment *segment, const char *path) {
    int result = file_open(segment->machine, path, FILE_WRITE | FILE_CREATE, &segment->log_file);
    if (result != 0) {
        return result;
    }
    int64_t size = 0;
    result = file_size(segment->log_file, &size);
    return result == 0 && size != 0 ? -EEXIST : result;
}

int segment_create(struct segment *segment) {
    struct path log_path;
    struct path offset_path;
    struct path time_path;
    path_of_offset(&log_path, segment->dir, segment->base_offset, SUFFIX_LOG, "");
    path_of_offset(&offset_path, segment->dir, segment->base_offset, SUFFIX_INDEX, "");
    path_of_offset(&time_path, segment->dir, segment->base_offset, SUFFIX_TIME_INDEX, "");
    int result = create_log_file(segment, log_path.text);
    if (result == -EEXIST) {
        segment_close_files(segment);
        return result;
    }
    const unsigned flags = FILE_WRITE | FILE_CREATE | FILE_TRUNCATE;
    if (result == 0) {
        result = file_open(segment->machine, offset_path.text, flags, &segment->offset_index);
    }
    if (result == 0) {
        result = file_open(segment->machine, time_path.text, flags, &segment->time_index);
    }
    if (result != 0) {
        segment_close_files(segment);
        const char *paths[] = {log_path.text, offset_path.text, time_path.text};
        for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
            if (path_unlink(segment->machine, paths[i]) != 0) {
                continue; /* it was never made, or the next load finds it empty */
            }
        }
        return result;
    }
    segment->max_known = true;
    segment->created_ms = clock_wall_ms(segment->machine);
    return 0;
}

int segment_open_log(struct segment *segment) {
    segment->recently_used = true;
    if (segment->log_file != NULL) {
        return 0;
    }
    struct path path;
    path_of_offset(&path, segment->dir, segment->base_offset, SUFFIX_LOG, "");
    return file_open(segment->machine, path.text, FILE_WRITE, &segment->log_file);
}

/* Whole entries only: a torn one at the end will be overwritten. */
static int entry_count(struct file *file, int entry_size, int64_t *out) {
    int64_t size = 0;
    int result = file_size(file, &size);
    *out = size / entry_size;
    return result;
}

int segment_open_indexes(struct segment *segment) {
    segment->recently_used = true;
    if (segment->offset_index != NULL && segment->time_index != NULL) {
        return 0;
    }
    struct path path;
    int result = 0;
    const unsigned flags = FILE_WRITE | FILE_CREATE;
    if (segment->offset_index == NULL) {
        path_of_offset(&path, segment->dir, segment->base_offset, SUFFIX_INDEX, "");
        result = file_open(segment->machine, path.text, flags, &segment->offset_index);
    }
    if (result == 0 && segment->time_index == NULL) {
        path_of_offset(&path, segment->dir, segment->base_offset, SUFFIX_TIME_INDEX, "");
        result = file_open(segment->machine, path.text, flags, &segment->time_index);
    }
    if (result == 0) {
        result = entry_count(segment->offset_index, OFFSET_INDEX_ENTRY, &segment->offset_count);
    }
    if (result == 0) {
        result = entry_count(segment->time_index, TIME_INDEX_ENTRY, &segment->time_count);
    }
    int64_t relative = 0;
    if (result == 0) {
        result = time_index_last(segment->time_index, segment->time_count, &segment->last_time,
                                 &relative);
    }
    if (result != 0) {
        file_unref(segment->offset_index);
        file_unref(segment->time_index);
        segment->offset_index = NULL;
        segment->time_index = NULL;
    }
    return result;
}

/* ---- Writing --------------------------------------------------------------------------------- */

int segment_write(struct segment *segment, const uint8_t *data, size_t len) {
    int result = segment_open_log(segment);
    if (result != 0) {
        return result;
    }
    result = file_write_at(segment->log_file, data, len, segment->size);
    if (result == 0) {
        segment->size += (int64_t)len;
        segment->dirty = true;
    }
    return result;
}

static int add_time_entry(struct segment *segment) {
    if (segment->max_timestamp <= segment->last_time) {
        return 0;
    }
    uint8_t entry[TIME_INDEX_ENTRY];
    store_be64(entry, (uint64_t)segment->max_timestamp);
    store_be32(entry + 8, (uint32_t)(segment->max_timestamp_offset - segment->base_offset));
    int result = file_write_at(segment->time_index, entry, sizeof(entry),
                               segment->time_count * TIME_INDEX_ENTRY);
    if (result == 0) {
        segment->time_count++;
        segment->last_time = segment->max_timestamp;
        segment->index_dirty = true;
    }
    return result;
}

static int add_entries(struct segment *segment, const struct batch *batch, int64_t at) {
    int result = segment_open_indexes(segment);
    if (result != 0) {
        return result;
    }
    uint8_t entry[OFFSET_INDEX_ENTRY];
    store_be32(entry, (uint32_t)(batch_last_offset(batch) - segment->base_offset));
    store_be32(entry + 4, (uint32_t)at);
    result = file_write_at(segment->offset_index, entry, sizeof(entry),
                           segment->offset_count * OFFSET_INDEX_ENTRY);
    if (result != 0) {
        return result;
    }
    segment->offset_count++;
    segment->index_dirty = true;
    return add_time_entry(segment);
}

int segment_index_batch(struct segment *segment, const struct batch *batch, int64_t at,
                        int64_t index_interval_bytes) {
    ASSERT(batch_last_offset(batch) - segment->base_offset <= INT32_MAX);
    if (at == 0) {
        segment->first_timestamp = batch->max_timestamp;
    }
    if (batch->max_timestamp > segment->max_timestamp) {
        segment->max_timestamp = batch->max_timestamp;
        segment->max_timestamp_offset = batch_last_offset(batch);
    }
    if (segment->bytes_since_index > index_interval_bytes) {
        int result = add_entries(segment, batch, at);
        if (result != 0) {
            return result;
        }
        segment->bytes_since_index = 0;
    }
    segment->bytes_since_index += (int64_t)batch_size(batch);
    return 0;
}

int segment_cut_back(struct segment *segment) {
    int result = 0;
    if (segment->log_file != NULL) {
        result = file_truncate(segment->log_file, segment->size);
    }
    if (result == 0 && segment->offset_index != NULL) {
        result = file_truncate(segment->offset_index, segment->offset_count * OFFSET_INDEX_ENTRY);
    }
    if (result == 0 && segment->time_index != NULL) {
        result = file_truncate(segment->time_index, segment->time_count * TIME_INDEX_ENTRY);
    }
    return result;
}

int segment_finish_time_index(struct segment *segment) {
    if (!segment->max_known || segment->max_timestamp == NO_TIMESTAMP) {
        return 0;
    }
    int result = segment_open_indexes(segment);
    return result != 0 ? result : add_time_entry(segment);
}

int segment_know_max_timestamp(struct segment *segment) {
    if (segment->max_known) {
        return 0;
    }
    int result = segment_open_log(segment);
    if (result == 0) {
        result = segment_open_indexes(segment);
    }
    if (result != 0) {
        return result;
    }
    const struct segment_files files = {
        .base_offset = segment->base_offset,
        .size = segment->size,
        .log = segment->log_file,
        .offset_index = segment->offset_index,
        .offset_count = segment->offset_count,
        .time_index = segment->time_index,
        .time_count = segment->time_count,
    };
    result =
        segment_find_max_timestamp(&files, &segment->max_timestamp, &segment->max_timestamp_offset);
    segment->max_known = result == 0;
    return result;
}

/* Walks from `pos` to the end for a larger timestamp, checking what it passes. With `expected`, the
 * first batch that ends there must have it: 1 when that is so, 0 when it is not. */
static int walk_for_max(const struct segment_files *files, int64_t pos, int64_t expected,
                        int64_t expected_offset, int64_t *timestamp, int64_t *offset) {
    uint8_t window[BATCH_CURSOR_WINDOW_MIN];
    struct batch_cursor cursor;
    struct batch batch;
    int64_t at = 0;
    int result = 0;
    bool seen = expected == NO_TIMESTAMP;
    *timestamp = NO_TIMESTAMP;
    *offset = files->base_offset;
    batch_cursor_init(&cursor, files->log, pos, files->size, window, sizeof(window));
    while ((result = batch_cursor_next(&cursor, &batch, &at)) == 1) {
        result = batch_cursor_check_crc(&cursor, &batch, at);
        if (result != 1) {
            return result == 0 ? -EBADMSG : result;
        }
        if (batch.max_timestamp > *timestamp) {
            *timestamp = batch.max_timestamp;
            *offset = batch_last_offset(&batch);
        }
        if (!seen && batch_last_offset(&batch) >= expected_offset) {
            if (batch.max_timestamp != expected) {
                return 0;
            }
            seen = true;
        }
    }
    return result < 0 ? result : seen;
}

int segment_find_max_timestamp(const struct segment_files *files, int64_t *timestamp,
                               int64_t *offset) {
    int64_t relative = 0;
    int64_t pos = 0;
    int64_t last = NO_TIMESTAMP;
    int result = time_index_last(files->time_index, files->time_count, &last, &relative);
    if (result == 0 && last != NO_TIMESTAMP) {
        result = offset_index_floor(files->offset_index, files->offset_count, relative, &pos);
    }
    if (result != 0) {
        return result;
    }
    if (last != NO_TIMESTAMP && relative >= 0 && pos < files->size) {
        result = walk_for_max(files, pos, last, files->base_offset + relative, timestamp, offset);
        /* Nothing before the entry is younger than it says; it may be younger than what follows. */
        if (result == 1 && *timestamp >= last) {
            return 0;
        }
    }
    result = walk_for_max(files, 0, NO_TIMESTAMP, 0, timestamp, offset);
    return result < 0 ? result : 0;
}

/* ---- Look-ups in the indexes ----------------------------------------------------------------- */

/* Entries are read a page at a time: a look-up near the end of an index takes one read. */
#define INDEX_BLOCK 4096

static int read_entries(struct file *file, int64_t first, int64_t count, size_t size,
                        uint8_t *out) {
    size_t len = (size_t)count * size;
    int64_t got = file_read_at(file, out, len, first * (int64_t)size);
    return got < 0 ? (int)got : got < (int64_t)len ? -EIO : 0;
}

/* How many of these entries, in order, have a key <= key. */
static int64_t count_up_to(const uint8_t *entries, int64_t count, size_t size,
                           int64_t (*key_of)(const uint8_t *), int64_t key) {
    int64_t low = 0;
    int64_t high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (key_of(entries + (size_t)middle * size) <= key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The last entry whose key (read by key_of) is <= key; -1 when none. The last block of entries is
 * looked at first, as most look-ups are for what is new, then it is a binary search by blocks. */
static int floor_entry(struct file *file, int64_t count, size_t size,
                       int64_t (*key_of)(const uint8_t *), int64_t key, uint8_t *entry,
                       int64_t *found) {
    const int64_t block_max = INDEX_BLOCK / (int64_t)size;
    uint8_t block[INDEX_BLOCK];
    int64_t low = 0; /* entries below `low` are <= key, those from `high` on are above */
    int64_t high = count;
    int64_t first = count > block_max ? count - block_max : 0;
    *found = -1;
    while (low < high) {
        int64_t in_block = high - first < block_max ? high - first : block_max;
        int result = read_entries(file, first, in_block, size, block);
        if (result != 0) {
            return result;
        }
        int64_t up_to = count_up_to(block, in_block, size, key_of, key);
        if (up_to > 0) {
            *found = first + up_to - 1;
            memcpy(entry, block + (size_t)(up_to - 1) * size, size);
            low = first + up_to;
        }
        if (up_to < in_block) {
            high = first + up_to;
        }
        first = high - low > block_max ? low + (high - low) / 2 : low;
    }
    return 0;
}

static int64_t key_of_offset(const uint8_t *entry) {
    return (int32_t)load_be32(entry);
}

static int64_t key_of_pos(const uint8_t *entry) {
    return load_be32(entry + 4);
}

static int64_t key_of_time(const uint8_t *entry) {
    return (int64_t)load_be64(entry);
}

int offset_index_floor(struct file *index, int64_t count, int64_t relative, int64_t *pos) {
    uint8_t entry[OFFSET_INDEX_ENTRY];
    int64_t found = -1;
    int result = floor_entry(index, count, sizeof(entry), key_of_offset, relative, entry, &found);
    *pos = result == 0 && found >= 0 ? key_of_pos(entry) : 0;
    return result;
}

int time_index_floor(struct file *index, int64_t count, int64_t timestamp, int64_t *relative,
                     int64_t *found_timestamp) {
    uint8_t entry[TIME_INDEX_ENTRY];
    int64_t found = -1;
    int result = floor_entry(index, count, sizeof(entry), key_of_time, timestamp, entry, &found);
    bool any = result == 0 && found >= 0;
    *relative = any ? (int32_t)load_be32(entry + 8) : 0;
    *found_timestamp = any ? key_of_time(entry) : NO_TIMESTAMP;
    return result;
}

int time_index_last(struct file *index, int64_t count, int64_t *timestamp, int64_t *relative) {
    *timestamp = NO_TIMESTAMP;
    *relative = 0;
    if (count == 0) {
        return 0;
    }
    uint8_t entry[TIME_INDEX_ENTRY];
    int result = read_entries(index, count - 1, 1, sizeof(entry), entry);
    if (result == 0) {
        *timestamp = key_of_time(entry);
        *relative = (int32_t)load_be32(entry + 8);
    }
    return result;
}

/* ---- Look-ups in the segment ----------------------------------------------------------------- */

/* Walks from `pos` to the first batch that ends at or behind offset. */
static int walk_to_offset(struct batch_cursor *cursor, int64_t offset, struct segment_hit *out) {
    int64_t next = 0;
    for (;;) {
        int result = batch_cursor_next(cursor, &out->batch, &out->at);
        if (result == 1 && out->batch.base_offset < next) {
            return -EBADMSG; /* offsets never go back */
        }
        if (result != 1 || batch_last_offset(&out->batch) >= offset) {
            return result;
        }
        next = batch_last_offset(&out->batch) + 1;
    }
}

int segment_find(struct segment *segment, int64_t offset, struct batch_cursor *cursor,
                 uint8_t *window, size_t window_cap, struct segment_hit *out) {
    int result = segment_open_log(segment);
    if (result == 0) {
        result = segment_open_indexes(segment);
    }
    if (result != 0) {
        return result;
    }
    int64_t relative = offset - segment->base_offset;
    int64_t pos = 0;
    if (relative > 0) {
        result = offset_index_floor(segment->offset_index, segment->offset_count, relative, &pos);
        if (result != 0) {
            return result;
        }
    }
    if (pos > 0 && pos < segment->size) {
        /* Only believe an entry that leads to a batch which begins where it may. */
        batch_cursor_init(cursor, segment->log_file, pos, segment->size, window, window_cap);
        result = batch_cursor_next(cursor, &out->batch, &out->at);
        if (result == 1 && out->batch.base_offset >= segment->base_offset &&
            out->batch.base_offset <= offset) {
            return batch_last_offset(&out->batch) >= offset ? 1
                                                            : walk_to_offset(cursor, offset, out);
        }
        if (result < 0 && result != -EBADMSG && result != -ENOTSUP) {
            return result;
        }
    }
    batch_cursor_init(cursor, segment->log_file, 0, segment->size, window, window_cap);
    return walk_to_offset(cursor, offset, out);
}

int segment_floor(struct segment *segment, int64_t from, int64_t from_offset, int64_t limit_pos,
                  int64_t *pos, int64_t *next_offset) {
    *pos = from;
    *next_offset = from_offset;
    int result = segment_open_indexes(segment);
    if (result != 0) {
        return result;
    }
    uint8_t entry[OFFSET_INDEX_ENTRY];
    int64_t found = -1;
    result = floor_entry(segment->offset_index, segment->offset_count, sizeof(entry), key_of_pos,
                         limit_pos, entry, &found);
    if (result != 0) {
        return result;
    }
    int64_t start = found >= 0 ? key_of_pos(entry) : 0;
    uint8_t window[BATCH_CURSOR_WINDOW_MIN];
    struct batch_cursor cursor;
    struct batch batch;
    int64_t at = 0;
    bool from_index = start > from && start < segment->size;
    batch_cursor_init(&cursor, segment->log_file, from_index ? start : from, segment->size, window,
                      sizeof(window));
    for (;;) {
        result = batch_cursor_next(&cursor, &batch, &at);
        bool believable = result == 1 && batch.base_offset >= from_offset;
        if (from_index && !believable) {
            batch_cursor_init(&cursor, segment->log_file, from, segment->size, window,
                              sizeof(window));
            from_index = false;
            continue;
        }
        if (result < 0) {
            return result;
        }
        if (from_index) {
            *pos = at; /* the batch begins at or below the limit, so it may end there */
            *next_offset = batch.base_offset;
            from_index = false;
        }
        if (result == 0 || cursor.pos > limit_pos) {
            return 0;
        }
        *pos = cursor.pos;
        *next_offset = batch_last_offset(&batch) + 1;
    }
}
