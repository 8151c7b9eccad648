/* The snapshots that a formatted directory begins with, as bytes. */
#ifndef TOOLS_FORMAT_CHECKPOINT_H
#define TOOLS_FORMAT_CHECKPOINT_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"
#include "base/uuid.h"

struct format_voter {
    int32_t id;
    struct uuid directory_id;
    struct slice listener; /* name of the controller listener */
    struct slice host;
    uint16_t port;
};

struct format_feature {
    const char *name;
    int16_t level;
};

/* bootstrap.checkpoint: the records that the first active controller writes. */
void checkpoint_of_features(const struct format_feature *features, int count, int64_t now_ms,
                            struct buffer *out);

/* __cluster_metadata-0/0-0.checkpoint: kraft.version 1 and who the voters are (KIP-853). */
void checkpoint_of_voters(const struct format_voter *voters, int count, int64_t now_ms,
                          struct buffer *out);

#endif
