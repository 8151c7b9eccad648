#include "storage/paths.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/slice.h"

#define OFFSET_DIGITS 20

const char *path_join(struct path *out, const char *dir, const char *name) {
    int len = snprintf(out->text, sizeof(out->text), "%s/%s", dir, name);
    ASSERT(len > 0 && (size_t)len < sizeof(out->text));
    return out->text;
}

const char *path_of_offset(struct path *out, const char *dir, int64_t offset, const char *suffix,
                           const char *more) {
    ASSERT(offset >= 0);
    int len =
        snprintf(out->text, sizeof(out->text), "%s/%020" PRId64 "%s%s", dir, offset, suffix, more);
    ASSERT(len > 0 && (size_t)len < sizeof(out->text));
    return out->text;
}

bool path_parse_offset(const char *name, int64_t *offset, const char **suffix) {
    if (strnlen(name, OFFSET_DIGITS + 1) <= OFFSET_DIGITS || name[0] == '-' ||
        name[OFFSET_DIGITS] != '.') {
        return false;
    }
    if (!slice_parse_i64(slice_make(name, OFFSET_DIGITS), offset) || *offset < 0) {
        return false;
    }
    *suffix = name + OFFSET_DIGITS;
    return true;
}
