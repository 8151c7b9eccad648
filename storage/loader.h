/* Loading a log, in four files: log_load.c (order of steps), load_files.c (what lies in the
 * directory), load_check.c (what is not read in full), load_recover.c (reading segments). */
#ifndef STORAGE_LOADER_H
#define STORAGE_LOADER_H

#include "storage/log_internal.h"

#define LOADER_WINDOW (256 << 10)

struct loader {
    const struct log_options *options;
    struct machine *machine;
    struct log *log;
    struct errmsg *errmsg;
    int64_t *snapshots; /* heap, ascending offsets of the snapshot files */
    int snapshot_count;
    bool *index_missing;         /* heap, for each segment */
    struct batch *first_batches; /* heap, of each segment; magic 0 where there is none */
    bool deletion_interrupted;   /* the empty sign of one was there (log_delete.c) */
    uint8_t *window;             /* LOADER_WINDOW bytes each */
    uint8_t *second_window;
    bool changed; /* files were changed: sync before use */
    bool rewrite_epochs;
    int32_t last_epoch; /* of the batches that were recovered */
};

/* load_files.c */
MUST_CHECK int load_make_directory(struct loader *loader);
MUST_CHECK int load_clear_leftovers(struct loader *loader);
MUST_CHECK int load_list_segments(struct loader *loader);
MUST_CHECK int load_list_snapshots(struct loader *loader); /* alone */
MUST_CHECK int load_partition_metadata(struct loader *loader);
MUST_CHECK int load_epochs(struct loader *loader);
bool load_has_snapshot(const struct loader *loader, int64_t offset);
/* Removes segments first.. and their files from the log, newest first. */
MUST_CHECK int load_drop_segments(struct loader *loader, int first);
MUST_CHECK int load_prune_snapshots(struct loader *loader);

/* load_check.c. -EUCLEAN with a sentence for damage. */
/* Segments below `first`, which will not be recovered; may set index_missing. */
MUST_CHECK int load_check_trusted(struct loader *loader, int first);
/* Whether the log reaches as far as it was synced; also when it has no segment. */
MUST_CHECK int load_check_reach(struct loader *loader);
/* Whether a log that was closed cleanly ends where it did then. */
MUST_CHECK int load_check_clean_end(struct loader *loader);
/* Whether the first segment is there. */
MUST_CHECK int load_check_start(struct loader *loader);
/* May find that the epochs are to be rebuilt (rewrite_epochs). */
MUST_CHECK int load_check_epochs(struct loader *loader);
bool load_epoch_agrees(const struct loader *loader, const struct batch *batch);
void load_distrust_epochs(struct loader *loader);

/* load_recover.c */
/* One past the last offset of a segment file, by walking it; ends quietly at damage. */
MUST_CHECK int load_segment_end(struct loader *loader, struct segment *segment, int64_t *out);
/* The end of a log that was closed cleanly. -EBADMSG: its tail is damaged. */
MUST_CHECK int load_clean_tail(struct loader *loader);
/* Producer state as of end_offset, from the newest snapshot and the batches behind it. */
MUST_CHECK int load_producers(struct loader *loader, int64_t end_offset);
/* Reads segments first.. in full: checks, rebuilds, cuts a torn tail. -ESTALE when a batch is of
 * another epoch than the epochs say. */
MUST_CHECK int load_recover(struct loader *loader, int first);

#endif
