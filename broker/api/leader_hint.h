/* Where the leader of a partition is, for answers that tell a client it is not here (KIP-951). */
#ifndef BROKER_API_LEADER_HINT_H
#define BROKER_API_LEADER_HINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/uuid.h"

struct image;
struct request;

struct leader_hint {
    int32_t leader;
    int32_t leader_epoch;
    bool has_endpoint; /* on the request's listener; then the rest is set */
    struct slice host;
    struct slice rack;
    int32_t port;
};

/* False when the partition is not in the image. Strings belong to the image. */
bool leader_hint(const struct request *request, struct uuid topic_id, int32_t partition,
                 struct leader_hint *out);

#endif
