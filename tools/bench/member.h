/* Members of classic consumer groups, each alone in its group, that send heartbeats. */
#ifndef TOOLS_BENCH_MEMBER_H
#define TOOLS_BENCH_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/bench/bench.h"

/* Joins options->consumers groups, each over a connection of its own to the group's coordinator;
 * false with a message. */
bool members_open(struct bench *bench);
void members_close(struct bench *bench);

/* Sends the heartbeats that are due; when the next one is, INT64_MAX without members. */
int64_t members_dispatch(struct bench *bench, int64_t now_ns);

#endif
