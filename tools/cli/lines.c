#include "tools/cli/lines.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 << 10)
#define LINE_MAX_ ((size_t)1 << 30)

void lines_init(struct lines *lines, int fd, const char *delimiter) {
    *lines = (struct lines){.fd = fd, .delimiter = delimiter};
    buffer_init(&lines->text, LINE_MAX_);
}

void lines_release(struct lines *lines) {
    buffer_release(&lines->text);
}

/* Makes room by dropping what was handed on. */
static void compact(struct lines *lines) {
    if (lines->pos > 0) {
        memmove(lines->text.data, lines->text.data + lines->pos, lines->text.len - lines->pos);
        lines->text.len -= lines->pos;
        lines->pos = 0;
    }
}

int lines_next(struct lines *lines, int timeout_ms, struct slice *out) {
    size_t searched = lines->pos;
    size_t delimiter_len = strlen(lines->delimiter);
    for (;;) {
        const uint8_t *found = lines->text.len == 0
                                   ? NULL
                                   : memmem(lines->text.data + searched, lines->text.len - searched,
                                            lines->delimiter, delimiter_len);
        if (found != NULL) {
            *out = slice_make(lines->text.data + lines->pos,
                              (size_t)(found - lines->text.data) - lines->pos);
            lines->pos += out->len + delimiter_len;
            return 1;
        }
        if (lines->ended) {
            *out = slice_make(lines->text.data + lines->pos, lines->text.len - lines->pos);
            lines->pos = lines->text.len;
            errno = 0;
            return out->len > 0 ? 1 : -1;
        }
        struct pollfd wait = {.fd = lines->fd, .events = POLLIN};
        int ready = poll(&wait, 1, timeout_ms);
        if (ready == 0) {
            return 0;
        }
        compact(lines);
        searched = lines->text.len >= delimiter_len ? lines->text.len - delimiter_len + 1 : 0;
        uint8_t *room = buffer_extend(&lines->text, READ_SIZE);
        if (room == NULL) {
            errno = EMSGSIZE;
            return -1;
        }
        ssize_t got = read(lines->fd, room, READ_SIZE);
        lines->text.len -= READ_SIZE - (size_t)(got > 0 ? got : 0);
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        lines->ended = got == 0;
    }
}
