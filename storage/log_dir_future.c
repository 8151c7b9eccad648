/*
 * A partition's way from one log dir to another: its copy grows in
 * "<topic>-<partition>.<hex>-future" of the other dir, and takes the place of the first in two
 * renames, each synced before the next begins. In between there are the two with the same hex
 * digits, "-delete" and "-future", and nothing else leaves such a pair.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/file.h"
#include "runtime/machine.h"
#include "storage/log_dir.h"
#include "storage/paths.h"

#define UNIQUE_LEN    32
#define SUFFIX_FUTURE "-future"
#define SUFFIX_DELETE "-delete"
#define TAIL_LEN      (1 + UNIQUE_LEN + sizeof(SUFFIX_FUTURE) - 1) /* "-delete" is as long */

bool log_dir_future_fits(struct slice topic, int32_t partition) {
    int digits = snprintf(NULL, 0, "-%" PRId32, partition);
    return topic.len + (size_t)digits + TAIL_LEN < LOG_DIR_NAME_SIZE;
}

bool log_dir_future_name(struct machine *machine, struct slice topic, int32_t partition,
                         char out[LOG_DIR_NAME_SIZE]) {
    if (!log_dir_future_fits(topic, partition)) {
        return false;
    }
    snprintf(out, LOG_DIR_NAME_SIZE, "%.*s-%" PRId32 ".%016" PRIx64 "%016" PRIx64 SUFFIX_FUTURE,
             SLICE_ARG(topic), partition, random_u64(machine), random_u64(machine));
    return true;
}

bool log_dir_is_pair(const char *deleted, const char *future) {
    size_t len = strlen(future);
    return len > TAIL_LEN && strlen(deleted) == len &&
           memcmp(deleted, future, len - (sizeof(SUFFIX_FUTURE) - 1)) == 0 &&
           strcmp(deleted + len - (sizeof(SUFFIX_DELETE) - 1), SUFFIX_DELETE) == 0;
}

int log_dir_promote(struct machine *machine, const char *dir, const char *future,
                    const char *name) {
    struct path from;
    struct path to;
    path_join(&from, dir, future);
    path_join(&to, dir, name);
    int result = path_rename(machine, from.text, to.text);
    return result == 0 ? directory_sync(machine, dir) : result;
}

static void aside_name(const char *future, char out[LOG_DIR_NAME_SIZE]) {
    size_t kept = strlen(future) - (sizeof(SUFFIX_FUTURE) - 1);
    snprintf(out, LOG_DIR_NAME_SIZE, "%.*s" SUFFIX_DELETE, (int)kept, future);
}

int log_dir_swap(struct machine *machine, const char *from_dir, const char *name,
                 const char *to_dir, const char *future, char aside[LOG_DIR_NAME_SIZE],
                 enum log_dir_swapped *out) {
    struct path old;
    struct path set_aside;
    aside_name(future, aside);
    path_join(&old, from_dir, name);
    path_join(&set_aside, from_dir, aside);
    *out = LOG_DIR_NOT_SWAPPED;
    int result = path_rename(machine, old.text, set_aside.text);
    if (result != 0) {
        return result;
    }
    *out = LOG_DIR_FROM_UNSURE;
    result = directory_sync(machine, from_dir);
    if (result != 0) {
        return result;
    }
    struct path from;
    struct path to;
    path_join(&from, to_dir, future);
    path_join(&to, to_dir, name);
    result = path_rename(machine, from.text, to.text);
    if (result == 0) {
        result = directory_sync(machine, to_dir);
        *out = result == 0 ? LOG_DIR_SWAPPED : LOG_DIR_TO_UNSURE;
        return result;
    }
    /* Back to where it was, and sure to be there before anything more is appended to it. */
    if (path_rename(machine, set_aside.text, old.text) == 0 &&
        directory_sync(machine, from_dir) == 0) {
        *out = LOG_DIR_NOT_SWAPPED;
    }
    return result;
}
