/* The text files of a log dir as bytes: what log_dir.h reads from disk, for tests and fuzzing. */
#ifndef STORAGE_TEXT_FORMATS_H
#define STORAGE_TEXT_FORMATS_H

#include <stdbool.h>

#include "storage/log_dir.h"

/* `path` is for the errmsg only. */
MUST_CHECK int meta_properties_parse(struct slice text, const char *path,
                                     struct meta_properties *out, struct errmsg *errmsg);

/* Entries in the arena, which may have a limit; false when the text is no checkpoint. */
MUST_CHECK bool checkpoint_parse(struct slice text, struct arena *arena,
                                 struct checkpoint_entry **out, int *count);

MUST_CHECK bool partition_metadata_parse(struct slice text, struct uuid *topic_id);

#endif
