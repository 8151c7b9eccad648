/* The command line of `barnabasctl format`. */
#ifndef TOOLS_FORMAT_OPTIONS_H
#define TOOLS_FORMAT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "base/slice.h"
#include "tools/format_checkpoint.h"

#define FORMAT_FEATURES_MAX 16
#define FORMAT_VOTERS_MAX   64

struct format_options {
    const char *config;
    const char *cluster_id;
    bool help;
    bool ignore_formatted;
    bool standalone;
    bool no_initial_controllers;
    const char *initial_controllers;               /* NULL when not given */
    struct format_voter voters[FORMAT_VOTERS_MAX]; /* those; without a listener's name */
    int voter_count;
    const char *release;                                 /* NULL: the newest */
    struct format_feature features[FORMAT_FEATURES_MAX]; /* as written; names point into argv */
    int feature_count;
};

/* False with errmsg when the command line is wrong. Texts of `out` point into argv. */
bool format_options_parse(int argc, char **argv, struct format_options *out, struct errmsg *errmsg);

/* The level of metadata.version of a release: "4.3-IV0", or "4.3" for its last one; -1: unknown. */
int16_t release_level(const char *release);

/* The name of a level; NULL when it is unknown. */
const char *release_name(int16_t level);

#endif
