/*
 * How records are printed: kcat's format strings.
 *
 *     %s value   %S its length, -1 for null   %R its length as 4 bytes, big-endian
 *     %k key     %K its length, -1 for null   %h headers, k=v,k=v
 *     %T time in ms   %t topic   %p partition   %o offset   %% a percent sign
 *     \n \r \t \\ \0 \xFF
 */
#ifndef TOOLS_CLI_RECORD_FORMAT_H
#define TOOLS_CLI_RECORD_FORMAT_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/errmsg.h"
#include "protocol/records.h"

struct record_format {
    char *letters; /* heap: what a piece is; 'l' is literal text */
    struct slice *literals;
    size_t count;
    struct buffer text; /* of the literals */
    struct slice null;  /* printed for null; empty as a rule */
};

/* False with the error set; record_format_release() is due in any case. */
bool record_format_parse(struct record_format *format, const char *text, struct errmsg *errmsg);
void record_format_release(struct record_format *format);

/* Appends one record. */
void record_format_print(const struct record_format *format, struct slice topic, int32_t partition,
                         const struct record *record, struct buffer *out);

/* Resolves the escapes alone, as of delimiters; false when one is broken. */
bool unescape(const char *text, struct buffer *out);

/* Appends one line of JSON with the fields of kcat's -J. */
void record_json_print(struct slice topic, int32_t partition, int32_t broker, bool log_append_time,
                       const struct record *record, struct buffer *out);

#endif
