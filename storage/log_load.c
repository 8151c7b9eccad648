/*
 * Opening a log, in the order of what depends on what: files left behind, identity, segments,
 * leader epochs, recovery, producer state, marks. What was changed is synced before the log is
 * used, so a loaded log is synced up to its end.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "runtime/log.h"
#include "storage/loader.h"

static struct log *log_new(const struct log_options *options) {
    struct log *log = NEW(struct log);
    log->machine = options->machine;
    log->directory = xstrdup(options->directory);
    log->config = options->config;
    log->on_failure = options->on_failure;
    log->ctx = options->ctx;
    producers_init(&log->producers);
    list_init(&log->waiters);
    list_init(&log->deletes);
    list_init(&log->lookups);
    return log;
}

/* A log without segments gets its first, at the log start. */
static int make_first_segment(struct loader *loader, int64_t base_offset) {
    struct log *log = loader->log;
    struct segment *segment = segment_new(loader->machine, log->directory, base_offset);
    int result = segment_create(segment);
    if (result != 0) {
        segment_free(segment);
        errmsg_set(loader->errmsg, "cannot create a segment in %s: %s", log->directory,
                   strerror(-result));
        return result;
    }
    log_add_segment(log, segment);
    log->names_dirty = true;
    log->end_offset = base_offset;
    loader->changed = true;
    producers_reset(&log->producers, base_offset);
    return 0;
}

/* The first segment that must be read in full; segment_count when none. */
static int first_to_recover(const struct loader *loader) {
    const struct log *log = loader->log;
    if (loader->rewrite_epochs) {
        return 0;
    }
    int first = log->segment_count;
    if (!loader->options->clean) {
        first = log_segment_index(log, loader->options->recovery_point);
    }
    for (int i = 0; i < first; i++) {
        if (loader->index_missing[i]) {
            return i;
        }
    }
    return first;
}

/* 1: done; 0: it was not that clean after all. */
static int load_clean(struct loader *loader) {
    struct log *log = loader->log;
    int result = load_clean_tail(loader);
    if (result == -EBADMSG) {
        return 0;
    }
    if (result != 0) {
        errmsg_set(loader->errmsg, "cannot read the end of %s: %s", log->directory,
                   strerror(-result));
        return result;
    }
    int64_t synced = loader->options->recovery_point;
    if (synced > 0 && log->end_offset != synced) {
        return 0;
    }
    result = load_producers(loader, log->end_offset);
    return result == 0 ? 1 : result;
}

static int recover_from(struct loader *loader, int first) {
    int result = load_producers(loader, loader->log->segments[first]->base_offset);
    return result != 0 ? result : load_recover(loader, first);
}

static int load_segments(struct loader *loader) {
    struct log *log = loader->log;
    int result = loader->rewrite_epochs ? 0 : load_check_epochs(loader);
    int first = first_to_recover(loader);
    if (result == 0) {
        result = load_check_trusted(loader, first);
    }
    if (result != 0) {
        return result;
    }
    first = first_to_recover(loader); /* an index may have turned out to lead nowhere */
    if (first == log->segment_count) {
        result = load_clean(loader);
        if (result != 0) {
            return result < 0 ? result : 0;
        }
        first = log->segment_count - 1;
    }
    result = recover_from(loader, first);
    if (result == -ESTALE) {
        load_distrust_epochs(loader);
        log_sync_free(log); /* the seals come again */
        result = recover_from(loader, 0);
    }
    return result;
}

/* Everything is below the log start: the log begins anew there. */
static int restart_at(struct loader *loader, int64_t offset) {
    struct log *log = loader->log;
    LOG_WARN(loader->machine, "storage", "log ends below its start",
             "dir=%s log_end=%" PRId64 " log_start=%" PRId64, log->directory, log->end_offset,
             offset);
    int result = load_drop_segments(loader, 0);
    log_sync_free(log); /* seals of what is gone */
    return result != 0 ? result : make_first_segment(loader, offset);
}

/*
 * The log start that was recorded, in a checkpoint and with the leader epochs. Neither has a
 * checksum, and the checkpoint may be of a topic of the same name that is gone: the lower one
 * counts, since records that come back do less harm than records that are lost.
 */
static int64_t start_offset(const struct loader *loader) {
    const struct log *log = loader->log;
    const struct epochs *epochs = &log->epochs;
    int64_t first = log->segment_count > 0 ? log->segments[0]->base_offset : 0;
    int64_t start = loader->options->log_start_offset;
    if (!loader->options->start_is_sure && epochs->count > 0 &&
        epochs->entries[0].start_offset < start) {
        start = epochs->entries[0].start_offset;
    }
    return start > first ? start : first;
}

static void set_marks(struct loader *loader) {
    const struct log_options *options = loader->options;
    struct log *log = loader->log;
    log->start_offset = start_offset(loader);
    epochs_cut_end(&log->epochs, log->end_offset);
    epochs_cut_start(&log->epochs, log->start_offset);
    if (!loader->changed && !loader->rewrite_epochs) {
        log->epochs.dirty = false; /* every load cuts the same; not worth a write by itself */
    }
    log->high_watermark = options->high_watermark < log->start_offset ? log->start_offset
                          : options->high_watermark > log->end_offset ? log->end_offset
                                                                      : options->high_watermark;
    log->synced_end = log->end_offset;
    log->sync_wanted_end = log->end_offset;
    producers_raise_high_watermark(&log->producers, log->high_watermark);
    producers_expire(&log->producers, clock_wall_ms(log->machine),
                     log->config.producer_id_expiration_ms);
}

static int load_contents(struct loader *loader) {
    struct log *log = loader->log;
    const struct log_options *options = loader->options;
    int result = 0;
    if (log->segment_count == 0) {
        result = options->start_is_sure ? 0 : load_check_reach(loader);
        return result != 0 ? result : make_first_segment(loader, start_offset(loader));
    }
    if (!options->start_is_sure) {
        result = load_check_start(loader);
    }
    if (result == 0) {
        result = load_segments(loader);
    }
    int64_t start = start_offset(loader);
    if (result == 0 && log->end_offset < start && !options->start_is_sure &&
        (options->clean || log->config.durable)) {
        errmsg_set(loader->errmsg,
                   "%s ends at offset %" PRId64 ", below its start %" PRId64
                   "; nothing was changed",
                   log->directory, log->end_offset, start);
        return -EUCLEAN;
    }
    if (result == 0 && log->end_offset < start) {
        return restart_at(loader, start);
    }
    if (result == 0) {
        result = load_check_reach(loader);
    }
    return result != 0 ? result : load_check_clean_end(loader);
}

static int load(struct loader *loader) {
    int result = load_make_directory(loader);
    if (result == 0) {
        result = load_partition_metadata(loader);
    }
    if (result == 0) {
        result = load_epochs(loader);
    }
    if (result == 0) {
        result = load_clear_leftovers(loader);
    }
    if (result == 0) {
        result = load_list_segments(loader);
    }
    if (result == 0) {
        result = load_contents(loader);
    }
    struct log *log = loader->log;
    if (result == 0) {
        result = load_prune_snapshots(loader);
    }
    if (result != 0) {
        return result;
    }
    set_marks(loader);
    if (loader->changed) {
        result = log_sync_now(log);
        if (result != 0) {
            errmsg_set(loader->errmsg, "cannot sync %s: %s", log->directory, strerror(-result));
        }
    }
    for (int i = 0; i < log->segment_count; i++) {
        segment_close_files(log->segments[i]);
    }
    return result;
}

int log_load(const struct log_options *options, struct log **out, struct errmsg *errmsg) {
    *out = NULL;
    if (strlen(options->directory) + STORAGE_FILE_NAME_MAX >= STORAGE_PATH_MAX) {
        errmsg_set(errmsg, "the name of directory %.64s... is too long", options->directory);
        return -ENAMETOOLONG;
    }
    struct loader loader = {
        .options = options,
        .machine = options->machine,
        .log = log_new(options),
        .errmsg = errmsg,
        .window = xmalloc(LOADER_WINDOW),
        .second_window = xmalloc(LOADER_WINDOW),
    };
    int result = load(&loader);
    if (result != 0) {
        if (errmsg->text[0] == '\0') {
            errmsg_set(errmsg, "cannot load %s: %s", options->directory, strerror(-result));
        }
        log_free(loader.log);
    } else {
        *out = loader.log;
    }
    free(loader.snapshots);
    free(loader.index_missing);
    free(loader.first_batches);
    free(loader.window);
    free(loader.second_window);
    return result;
}

int log_reload_producers(struct log *log) {
    const struct log_options options = {.machine = log->machine, .directory = log->directory};
    struct loader loader = {
        .options = &options,
        .machine = log->machine,
        .log = log,
        .window = xmalloc(LOADER_WINDOW),
    };
    int result = load_list_snapshots(&loader);
    if (result == 0) {
        result = load_producers(&loader, log->end_offset);
    }
    producers_raise_high_watermark(&log->producers, log->high_watermark);
    free(loader.snapshots);
    free(loader.window);
    return result;
}
