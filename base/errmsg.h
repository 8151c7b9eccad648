/*
 * The human half of an error: a text that each layer prefixes with what it was doing.
 *
 * Functions that may fail for reasons a person has to understand take a struct errmsg beside their
 * return code; NULL is allowed and drops the text.
 */
#ifndef BASE_ERRMSG_H
#define BASE_ERRMSG_H

#include "base/assert.h"

#define ERRMSG_SIZE 512

struct errmsg {
    char text[ERRMSG_SIZE]; /* NUL-terminated, cut when too long */
};

void errmsg_set(struct errmsg *errmsg, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts "<formatted>: " before the text. */
void errmsg_prefix(struct errmsg *errmsg, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
