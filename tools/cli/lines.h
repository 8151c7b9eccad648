/* Messages that are separated by a delimiter, from a descriptor, without waiting for more of them.
 */
#ifndef TOOLS_CLI_LINES_H
#define TOOLS_CLI_LINES_H

#include <stdbool.h>

#include "base/buffer.h"

struct lines {
    int fd;
    const char *delimiter;
    bool ended;
    struct buffer text; /* what was read; private */
    size_t pos;
};

void lines_init(struct lines *lines, int fd, const char *delimiter);
void lines_release(struct lines *lines);

/* 1: *out is the next message, without delimiter, valid until the next call; 0: none came within
 * the time; -1: the end, or an error (errno is set, 0 at the end). What stands behind the last
 * delimiter is a message unless it is empty. timeout_ms < 0: no limit. */
int lines_next(struct lines *lines, int timeout_ms, struct slice *out);

#endif
