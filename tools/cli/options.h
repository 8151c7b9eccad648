/*
 * Command lines, as getopt and as Kafka's tools read them: `--name value`, `--name=value`, `-x
 * value`,
 * `-xvalue`, and flags of one letter together.
 */
#ifndef TOOLS_CLI_OPTIONS_H
#define TOOLS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/errmsg.h"

enum option_kind {
    OPTION_FLAG,
    OPTION_VALUE, /* what follows is its value, whatever it looks like */
    OPTION_MAYBE, /* takes what follows unless that begins with a dash */
    OPTION_MANY,  /* takes all that follow up to the next that begins with a dash */
};

/* names: the first is what the others are synonyms of; those of one letter go with one dash:
 * "topic|t". `value` and `help` are for people; without `help` it is not shown. */
struct option_spec {
    const char *names;
    enum option_kind kind;
    const char *value;
    const char *help;
};

struct option_given {
    const struct option_spec *spec;
    const char *value; /* NULL when none came */
};

struct options {
    const struct option_spec *specs; /* ends with names == NULL */
    struct option_given *given;      /* in order */
    size_t given_count;
    const char **args; /* what belongs to no option */
    size_t arg_count;
    struct errmsg error;
};

/* Strings of argv must outlive the options; options_release() is due in any case. False with the
 * error set, in the words of Kafka's tools. */
bool options_parse(struct options *options, const struct option_spec *specs, int argc, char **argv);
void options_release(struct options *options);

bool options_has(const struct options *options, const char *name);

/* The last value, or `otherwise` when it was not given or without value. */
const char *options_get(const struct options *options, const char *name, const char *otherwise);

/* The n-th value of a repeated option; NULL behind the last. */
const char *options_nth(const struct options *options, const char *name, size_t n);

/* A table of the options, as Kafka's tools print it. */
void options_print(const struct option_spec *specs, FILE *out);

/* A number; false with a message on stderr. Leaves *out alone when the option was not given. */
bool options_i64(const struct options *options, const char *name, int64_t *out);

#endif
