/*
 * The files of a log's directory at load: what interrupted work left behind is finished or undone,
 * then segments and snapshots are listed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "runtime/log.h"
#include "storage/loader.h"
#include "storage/text_formats.h"

#define SMALL_FILE_MAX (16 << 20)

static int load_unlink(struct loader *loader, const char *path) {
    int result = path_unlink(loader->machine, path);
    if (result == -ENOENT) {
        return 0;
    }
    if (result != 0) {
        errmsg_set(loader->errmsg, "cannot remove %s: %s", path, strerror(-result));
    }
    loader->changed = true;
    loader->log->names_dirty = true;
    return result;
}

static int unlink_name(struct loader *loader, const char *name) {
    struct path path;
    return load_unlink(loader, path_join(&path, loader->log->directory, name));
}

static bool ends_with(const char *name, const char *suffix) {
    size_t len = strlen(name);
    size_t suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static int list_names(struct loader *loader, char ***names, size_t *count) {
    int result = directory_list(loader->machine, loader->log->directory, names, count);
    if (result != 0) {
        errmsg_set(loader->errmsg, "cannot list %s: %s", loader->log->directory, strerror(-result));
    }
    return result;
}

int load_make_directory(struct loader *loader) {
    const char *dir = loader->log->directory;
    enum path_kind kind = PATH_MISSING;
    int result = path_kind(loader->machine, dir, &kind);
    if (result == 0 && kind == PATH_MISSING) {
        result = path_mkdir(loader->machine, dir);
    } else if (result == 0 && kind != PATH_DIRECTORY) {
        result = -ENOTDIR;
    }
    /* A crash may have come between making the directory and syncing its name. */
    if (result == 0 && (kind == PATH_MISSING || !loader->options->clean)) {
        result = directory_sync_parent(loader->machine, dir);
    }
    if (result != 0) {
        errmsg_set(loader->errmsg, "cannot use directory %s: %s", dir, strerror(-result));
    }
    return result;
}

/* ---- Left-overs ------------------------------------------------------------------------------ */

/* "<offset>.log.swap" and the like: the name without the last suffix. */
static bool swap_parse(const char *name, int64_t *base, const char **suffix, char inner[64]) {
    size_t len = strlen(name) - (ends_with(name, SUFFIX_SWAP) ? strlen(SUFFIX_SWAP) : 0);
    if (!ends_with(name, SUFFIX_SWAP) || len >= 64) {
        return false;
    }
    memcpy(inner, name, len);
    inner[len] = '\0';
    return path_parse_offset(inner, base, suffix);
}

struct swap_range {
    int64_t first; /* lowest base of the swapped segments; INT64_MAX when there are none */
    int64_t end;   /* one past the last offset in them */
};

/* The offsets that complete swap segments cover. */
static int find_swap_range(struct loader *loader, char **names, size_t count,
                           struct swap_range *range) {
    *range = (struct swap_range){.first = INT64_MAX, .end = -1};
    for (size_t i = 0; i < count; i++) {
        int64_t base = 0;
        const char *suffix = NULL;
        char inner[64];
        if (names[i] == NULL || !swap_parse(names[i], &base, &suffix, inner) ||
            strcmp(suffix, SUFFIX_LOG) != 0) {
            continue;
        }
        struct segment *segment = segment_new(loader->machine, loader->log->directory, base);
        struct path path;
        path_join(&path, loader->log->directory, names[i]);
        int64_t end = base;
        int result = file_open(loader->machine, path.text, FILE_READ, &segment->log_file);
        if (result == 0) {
            result = file_size(segment->log_file, &segment->size);
        }
        if (result == 0) {
            result = load_segment_end(loader, segment, &end);
        }
        segment_free(segment);
        if (result == -EBADMSG) {
            errmsg_set(loader->errmsg, "%s is damaged; nothing was changed", path.text);
            return -EUCLEAN;
        }
        if (result != 0) {
            errmsg_set(loader->errmsg, "cannot read %s: %s", path.text, strerror(-result));
            return result;
        }
        range->first = base < range->first ? base : range->first;
        range->end = end > range->end ? end : range->end;
    }
    return 0;
}

/* Completes a replacement of segments by cleaned ones. */
static int finish_swaps(struct loader *loader, char **names, size_t count) {
    struct swap_range range;
    int result = find_swap_range(loader, names, count, &range);
    for (size_t i = 0; i < count && result == 0; i++) {
        int64_t base = 0;
        const char *suffix = NULL;
        if (names[i] != NULL && path_parse_offset(names[i], &base, &suffix) &&
            base >= range.first && base < range.end && strcmp(suffix, SUFFIX_SNAPSHOT) != 0 &&
            !ends_with(names[i], SUFFIX_SWAP)) {
            result = unlink_name(loader, names[i]);
        }
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        int64_t base = 0;
        const char *suffix = NULL;
        char inner[64];
        if (names[i] == NULL || !swap_parse(names[i], &base, &suffix, inner)) {
            continue;
        }
        struct path from;
        struct path to;
        path_join(&from, loader->log->directory, names[i]);
        path_join(&to, loader->log->directory, inner);
        result = path_rename(loader->machine, from.text, to.text);
        loader->changed = true;
        loader->log->names_dirty = true;
    }
    return result;
}

/* Whether "<inner>.log" is among the sorted names. */
static bool has_log(char **names, size_t count, int64_t base) {
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "%020" PRId64 SUFFIX_LOG, base);
    for (size_t i = 0; i < count; i++) {
        if (names[i] != NULL && strcmp(names[i], wanted) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * The segments that a cleaned one replaces go oldest first, and the oldest has its offset. While
 * that is there, so are all the others, and the records are better read from them than from a file
 * that nobody has synced.
 */
static int drop_needless_swaps(struct loader *loader, char **names, size_t count) {
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        int64_t base = 0;
        const char *suffix = NULL;
        char inner[64];
        if (names[i] != NULL && swap_parse(names[i], &base, &suffix, inner) &&
            has_log(names, count, base)) {
            result = unlink_name(loader, names[i]);
            names[i] = NULL;
        }
    }
    return result;
}

/* "<offset>.log.deleted" and the like. */
static bool deleted_parse(const char *name, int64_t *base, const char **suffix, char inner[64]) {
    size_t len = strlen(name);
    size_t tail = strlen(SUFFIX_DELETED);
    if (!ends_with(name, SUFFIX_DELETED) || len - tail >= 64) {
        return false;
    }
    memcpy(inner, name, len - tail);
    inner[len - tail] = '\0';
    return path_parse_offset(inner, base, suffix);
}

/* One past the last offset of a segment that was being deleted; -1 when it is empty or no segment
 * with that base. */
static int64_t deleted_end(struct loader *loader, const char *name, int64_t base) {
    struct segment *segment = segment_new(loader->machine, loader->log->directory, base);
    struct path path;
    path_join(&path, loader->log->directory, name);
    int64_t end = -1;
    int result = file_open(loader->machine, path.text, FILE_READ, &segment->log_file);
    if (result == 0) {
        result = file_size(segment->log_file, &segment->size);
    }
    if (result == 0 && segment->size > 0 && load_segment_end(loader, segment, &end) != 0) {
        end = -1;
    }
    segment_free(segment);
    return end;
}

static int restore_files(struct loader *loader, char **names, size_t count, int64_t base) {
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        int64_t found = 0;
        const char *suffix = NULL;
        char inner[64];
        if (names[i] == NULL || !deleted_parse(names[i], &found, &suffix, inner) || found != base) {
            continue;
        }
        struct path from;
        struct path to;
        path_join(&from, loader->log->directory, names[i]);
        path_join(&to, loader->log->directory, inner);
        result = path_rename(loader->machine, from.text, to.text);
        names[i] = NULL;
    }
    loader->changed = true;
    loader->log->names_dirty = true;
    LOG_WARN(loader->machine, "storage", "deletion of a segment undone",
             "dir=%s base_offset=%" PRId64, loader->log->directory, base);
    return result;
}

/*
 * The leader epochs say where the log starts. A segment above that start which is being deleted,
 * right below the first that is there, was not to go yet, as far as the disk knows: it comes back.
 * Retention will see to it again.
 */
static int undo_deletions(struct loader *loader, char **names, size_t count) {
    const struct epochs *epochs = &loader->log->epochs;
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        int64_t base = 0;
        const char *suffix = NULL;
        if (path_parse_offset(names[i], &base, &suffix) && strcmp(suffix, SUFFIX_LOG) == 0 &&
            base < first) {
            first = base;
        }
    }
    int result = 0;
    for (size_t i = count; i-- > 0 && result == 0 && epochs->count > 0;) {
        int64_t base = 0;
        const char *suffix = NULL;
        char inner[64];
        if (names[i] == NULL || !deleted_parse(names[i], &base, &suffix, inner) ||
            strcmp(suffix, SUFFIX_LOG) != 0 || base >= first) {
            continue;
        }
        int64_t end = deleted_end(loader, names[i], base);
        loader->deletion_interrupted |= end < 0;
        if (end > epochs->entries[0].start_offset && (end == first || first == INT64_MAX)) {
            result = restore_files(loader, names, count, base);
            first = base;
        }
    }
    if (result != 0) {
        errmsg_set(loader->errmsg, "cannot restore a segment of %s: %s", loader->log->directory,
                   strerror(-result));
    }
    return result;
}

int load_clear_leftovers(struct loader *loader) {
    char **names = NULL;
    size_t count = 0;
    int result = list_names(loader, &names, &count);
    if (result != 0) {
        return result;
    }
    result = undo_deletions(loader, names, count);
    int64_t cleaned_min = INT64_MAX;
    bool swaps = false;
    for (size_t i = 0; i < count && result == 0; i++) {
        int64_t base = 0;
        const char *suffix = NULL;
        if (names[i] == NULL) {
            continue;
        }
        bool cleaned = ends_with(names[i], SUFFIX_CLEANED);
        if (cleaned && path_parse_offset(names[i], &base, &suffix) && base < cleaned_min) {
            cleaned_min = base;
        }
        swaps = swaps || ends_with(names[i], SUFFIX_SWAP);
        if (cleaned || ends_with(names[i], SUFFIX_DELETED) || ends_with(names[i], ".tmp")) {
            result = unlink_name(loader, names[i]);
            names[i] = NULL;
        }
    }
    /* A swap that stands beside unfinished output of the same cleaning is incomplete itself. */
    for (size_t i = 0; i < count && result == 0; i++) {
        int64_t base = 0;
        const char *suffix = NULL;
        char inner[64];
        if (names[i] != NULL && swap_parse(names[i], &base, &suffix, inner) &&
            base >= cleaned_min) {
            result = unlink_name(loader, names[i]);
            names[i] = NULL;
        }
    }
    if (result == 0 && swaps) {
        result = drop_needless_swaps(loader, names, count);
    }
    if (result == 0 && swaps) {
        result = finish_swaps(loader, names, count);
    }
    free(names);
    return result;
}

/* ---- Segments and snapshots ------------------------------------------------------------------ */

bool load_has_snapshot(const struct loader *loader, int64_t offset) {
    for (int i = 0; i < loader->snapshot_count; i++) {
        if (loader->snapshots[i] == offset) {
            return true;
        }
    }
    return false;
}

static struct segment *find_segment(const struct log *log, int64_t base) {
    int i = log->segment_count == 0 ? -1 : log_segment_index(log, base);
    return i >= 0 && log->segments[i]->base_offset == base ? log->segments[i] : NULL;
}

/* Size and first batch of a segment file. */
static int look_at_segment(struct loader *loader, struct segment *segment, struct batch *first) {
    int result = segment_open_log(segment);
    if (result == 0) {
        result = file_size(segment->log_file, &segment->size);
    }
    struct batch_cursor cursor;
    struct batch batch;
    int64_t at = 0;
    bool foreign = false;
    if (result == 0) {
        batch_cursor_init(&cursor, segment->log_file, 0, segment->size, loader->window,
                          BATCH_CURSOR_WINDOW_MIN);
        int found = batch_cursor_next(&cursor, &batch, &at);
        if (found == 1) {
            *first = batch;
            segment->first_timestamp = batch.max_timestamp;
            foreign =
                batch.base_offset < segment->base_offset ||
                (batch.base_offset > segment->base_offset && !loader->log->config.cleanup_compact);
        } else if (found < 0 && found != -EBADMSG) {
            result = found;
        }
    }
    segment->created_ms = clock_wall_ms(loader->machine);
    if (result == 0 && foreign) {
        errmsg_set(loader->errmsg,
                   "%s/%020" PRId64 ".log is damaged: its first batch has offset %" PRId64
                   "; nothing was changed",
                   segment->dir, segment->base_offset, first->base_offset);
        result = -EUCLEAN;
    } else if (result == -ENOTSUP) {
        errmsg_set(loader->errmsg,
                   "%s/%020" PRId64 ".log holds message sets of magic 0 or 1, which are not "
                   "served; rewrite the topic with a release that reads them",
                   segment->dir, segment->base_offset);
    } else if (result != 0) {
        errmsg_set(loader->errmsg, "cannot read %s/%020" PRId64 ".log: %s", segment->dir,
                   segment->base_offset, strerror(-result));
    }
    segment_close_files(segment);
    return result;
}

/* Whether a segment with this base must be there: the log begins before it, and its name had been
 * synced. */
static bool was_synced(const struct loader *loader, int64_t base) {
    const struct log *log = loader->log;
    int64_t synced = loader->options->recovery_point;
    for (int i = 0; i < loader->snapshot_count; i++) {
        synced = loader->snapshots[i] > synced ? loader->snapshots[i] : synced;
    }
    return log->segment_count > 0 && base > log->segments[0]->base_offset && base < synced;
}

/* Indexes without a segment are of no use to anybody: left over from a deletion or a roll that was
 * interrupted. But that of a synced segment says that the segment is lost. */
static int drop_orphans(struct loader *loader, char **names, size_t count) {
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        int64_t base = 0;
        const char *suffix = NULL;
        if (!path_parse_offset(names[i], &base, &suffix)) {
            continue;
        }
        bool index = strcmp(suffix, SUFFIX_INDEX) == 0 || strcmp(suffix, SUFFIX_TIME_INDEX) == 0 ||
                     strcmp(suffix, SUFFIX_TXN_INDEX) == 0;
        struct segment *segment = find_segment(loader->log, base);
        if (index && segment == NULL && was_synced(loader, base)) {
            errmsg_set(loader->errmsg,
                       "%s/%020" PRId64 ".log is missing, but %s is there; nothing was changed",
                       loader->log->directory, base, names[i]);
            result = -EUCLEAN;
        } else if (index && segment == NULL) {
            result = unlink_name(loader, names[i]);
        }
        if (segment != NULL && strcmp(suffix, SUFFIX_INDEX) == 0) {
            loader->index_missing[log_segment_index(loader->log, base)] = false;
        }
    }
    return result;
}

/* What stands at a snapshot's name must be a file: it will be read, replaced or removed. */
static int check_snapshot_kind(struct loader *loader, const char *name) {
    struct path path;
    enum path_kind kind = PATH_MISSING;
    int result = path_kind(loader->machine, path_join(&path, loader->log->directory, name), &kind);
    if (result == 0 && kind == PATH_DIRECTORY) {
        result = -EISDIR;
    }
    if (result != 0) {
        errmsg_set(loader->errmsg, "cannot use %s: %s", path.text, strerror(-result));
    }
    return result;
}

int load_list_segments(struct loader *loader) {
    char **names = NULL;
    size_t count = 0;
    int result = list_names(loader, &names, &count);
    if (result != 0) {
        return result;
    }
    loader->snapshots = xcalloc(count + 1, sizeof(*loader->snapshots));
    loader->first_batches = xcalloc(count + 1, sizeof(*loader->first_batches));
    for (size_t i = 0; i < count && result == 0; i++) { /* names are sorted, so are offsets */
        int64_t offset = 0;
        const char *suffix = NULL;
        if (!path_parse_offset(names[i], &offset, &suffix)) {
            continue;
        }
        if (strcmp(suffix, SUFFIX_SNAPSHOT) == 0) {
            loader->snapshots[loader->snapshot_count++] = offset;
            result = check_snapshot_kind(loader, names[i]);
        } else if (strcmp(suffix, SUFFIX_LOG) == 0) {
            struct segment *segment = segment_new(loader->machine, loader->log->directory, offset);
            result = look_at_segment(loader, segment,
                                     &loader->first_batches[loader->log->segment_count]);
            log_add_segment(loader->log, segment);
        }
    }
    loader->index_missing =
        xcalloc((size_t)loader->log->segment_count + 1, sizeof(*loader->index_missing));
    memset(loader->index_missing, 1, (size_t)loader->log->segment_count);
    if (result == 0) {
        result = drop_orphans(loader, names, count);
    }
    free(names);
    return result;
}

int load_list_snapshots(struct loader *loader) {
    char **names = NULL;
    size_t count = 0;
    int result = list_names(loader, &names, &count);
    if (result != 0) {
        return result;
    }
    loader->snapshots = xcalloc(count + 1, sizeof(*loader->snapshots));
    for (size_t i = 0; i < count; i++) {
        int64_t offset = 0;
        const char *suffix = NULL;
        if (path_parse_offset(names[i], &offset, &suffix) && strcmp(suffix, SUFFIX_SNAPSHOT) == 0) {
            loader->snapshots[loader->snapshot_count++] = offset;
        }
    }
    free(names);
    return 0;
}

int load_drop_segments(struct loader *loader, int first) {
    struct log *log = loader->log;
    static const char *const suffixes[] = {SUFFIX_LOG, SUFFIX_INDEX, SUFFIX_TIME_INDEX,
                                           SUFFIX_TXN_INDEX};
    while (log->segment_count > first) {
        struct segment *segment = log_active(log);
        LOG_WARN(loader->machine, "storage", "segment dropped",
                 "dir=%s base_offset=%" PRId64 " bytes=%" PRId64, log->directory,
                 segment->base_offset, segment->size);
        for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
            struct path path;
            path_of_offset(&path, log->directory, segment->base_offset, suffixes[i], "");
            int result = load_unlink(loader, path.text);
            if (result != 0) {
                return result;
            }
        }
        log->bytes -= segment->size;
        log->segment_count--;
        segment_free(segment);
        /* A later segment must not outlive an earlier one when the power goes now. */
        int result = directory_sync(loader->machine, log->directory);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

int load_prune_snapshots(struct loader *loader) {
    struct log *log = loader->log;
    int result = 0;
    bool newest = true;
    for (int i = loader->snapshot_count - 1; i >= 0 && result == 0; i--) {
        int64_t offset = loader->snapshots[i];
        bool inside = offset <= log->end_offset && offset >= log->segments[0]->base_offset;
        if (!inside || (!newest && find_segment(log, offset) == NULL)) {
            struct path path;
            path_of_offset(&path, log->directory, offset, SUFFIX_SNAPSHOT, "");
            result = load_unlink(loader, path.text);
        }
        newest = newest && !inside;
    }
    return result;
}

/* ---- Small files ----------------------------------------------------------------------------- */

int load_partition_metadata(struct loader *loader) {
    struct log *log = loader->log;
    struct path path;
    path_join(&path, log->directory, FILE_PARTITION_METADATA);
    uint8_t *bytes = NULL;
    size_t len = 0;
    int result = file_read_all(loader->machine, path.text, SMALL_FILE_MAX, &bytes, &len);
    if (result == 0 && len > 0) {
        bool parsed = partition_metadata_parse(slice_make(bytes, len), &log->topic_id);
        free(bytes);
        if (!parsed) {
            errmsg_set(loader->errmsg, "%s is not understood", path.text);
            return -EINVAL;
        }
        if (!uuid_is_zero(loader->options->topic_id) &&
            !uuid_equal(log->topic_id, loader->options->topic_id)) {
            char found[UUID_TEXT_LEN + 1];
            char wanted[UUID_TEXT_LEN + 1];
            errmsg_set(loader->errmsg, "%s names topic id %s instead of %s", path.text,
                       uuid_format(log->topic_id, found),
                       uuid_format(loader->options->topic_id, wanted));
            return -ESTALE;
        }
        return 0;
    }
    if (result == 0) {
        free(bytes);
    } else if (result != -ENOENT) {
        errmsg_set(loader->errmsg, "cannot read %s: %s", path.text, strerror(-result));
        return result;
    }
    log->topic_id = loader->options->topic_id;
    if (uuid_is_zero(log->topic_id)) {
        return 0;
    }
    char id[UUID_TEXT_LEN + 1];
    char text[64];
    snprintf(text, sizeof(text), "version: 0\ntopic_id: %s\n", uuid_format(log->topic_id, id));
    result = file_replace(loader->machine, path.text, slice_str(text));
    if (result != 0) {
        errmsg_set(loader->errmsg, "cannot write %s: %s", path.text, strerror(-result));
    }
    return result;
}

int load_epochs(struct loader *loader) {
    struct path path;
    path_join(&path, loader->log->directory, FILE_LEADER_EPOCHS);
    uint8_t *bytes = NULL;
    size_t len = 0;
    int result = file_read_all(loader->machine, path.text, SMALL_FILE_MAX, &bytes, &len);
    if (result == -ENOENT) {
        epochs_no_checkpoint(&loader->log->epochs);
        return 0; /* load_check_epochs() sees whether it should be there */
    }
    if (result != 0) {
        errmsg_set(loader->errmsg, "cannot read %s: %s", path.text, strerror(-result));
        return result;
    }
    if (!epochs_decode(slice_make(bytes, len), &loader->log->epochs)) {
        LOG_WARN(loader->machine, "storage", "leader epochs not understood",
                 "file=%s action=\"rebuilt from the log\"", path.text);
        loader->rewrite_epochs = true;
    }
    free(bytes);
    return 0;
}
