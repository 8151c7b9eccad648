/* Names of the files of a log. */
#ifndef STORAGE_PATHS_H
#define STORAGE_PATHS_H

#include <stdbool.h>
#include <stdint.h>

/* With its NUL. log_load() refuses directories that leave no room for a file name. */
#define STORAGE_PATH_MAX      4096
#define STORAGE_FILE_NAME_MAX 96

#define SUFFIX_LOG        ".log"
#define SUFFIX_INDEX      ".index"
#define SUFFIX_TIME_INDEX ".timeindex"
#define SUFFIX_TXN_INDEX  ".txnindex"
#define SUFFIX_SNAPSHOT   ".snapshot"
#define SUFFIX_DELETED    ".deleted"
#define SUFFIX_CLEANED    ".cleaned"
#define SUFFIX_SWAP       ".swap"

#define FILE_LEADER_EPOCHS      "leader-epoch-checkpoint"
#define FILE_PARTITION_METADATA "partition.metadata"

struct path {
    char text[STORAGE_PATH_MAX];
};

/* "<dir>/<name>"; returns out->text. */
const char *path_join(struct path *out, const char *dir, const char *name);

/* "<dir>/<offset in 20 digits><suffix><more>"; returns out->text. */
const char *path_of_offset(struct path *out, const char *dir, int64_t offset, const char *suffix,
                           const char *more);

/* Splits "<20 digits><suffix>"; *suffix points into name. False for any other name. */
bool path_parse_offset(const char *name, int64_t *offset, const char **suffix);

#endif
