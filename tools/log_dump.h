/* Prints the batches and records of segment files. */
#ifndef TOOLS_LOG_DUMP_H
#define TOOLS_LOG_DUMP_H

#include <stdbool.h>
#include <stdio.h>

struct machine;

struct log_dump_options {
    bool records; /* not only the batches */
    FILE *out;
};

/*
 * Dumps a .log or .checkpoint file. Records of __cluster_metadata-0, __consumer_offsets-*,
 * __transaction_state-* and __share_group_state-* are shown decoded, by the name of the file's
 * directory. False when the file cannot be read, or holds damage; the reason is on stderr.
 */
bool log_dump_file(struct machine *machine, const char *path,
                   const struct log_dump_options *options);

#endif
