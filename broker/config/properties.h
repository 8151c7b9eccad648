/*
 * The text format of server.properties: Java's properties files.
 *
 * Lines of key=value, key: value or "key value"; # and ! begin comments; a backslash at the end of
 * a line continues it, and elsewhere escapes (\t \n \r \f \uXXXX, or the character itself). Encoded
 * in UTF-8.
 */
#ifndef BROKER_CONFIG_PROPERTIES_H
#define BROKER_CONFIG_PROPERTIES_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/errmsg.h"
#include "base/slice.h"

/* A file being read; `text` must outlive it. */
struct properties {
    struct slice rest;
    int line; /* number of the line that the last entry began on, from 1 */
    int lines_seen;
};

void properties_init(struct properties *properties, struct slice text);

/*
 * The next entry, in the arena; 1, or 0 at the end, or -EINVAL with errmsg for a broken \u escape
 * or a NUL byte.
 */
MUST_CHECK int properties_next(struct properties *properties, struct arena *arena,
                               struct slice *key, struct slice *value, struct errmsg *errmsg);

#endif
