/* What the tests of messages share: dice with a seed, and walks over all messages and versions. */
#ifndef TESTS_UNIT_PROTOCOL_MESSAGE_SUPPORT_H
#define TESTS_UNIT_PROTOCOL_MESSAGE_SUPPORT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "protocol/message.h"

/* SplitMix64. */
static inline uint64_t dice_draw(void *ctx) {
    uint64_t *state = ctx;
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The body runs for every version of every message. */
#define FOR_EACH_MESSAGE(desc, version)                                                            \
    for (size_t index_ = 0; message_at(index_) != NULL; index_++)                                  \
        for (const struct message_desc *desc = message_at(index_); desc != NULL; desc = NULL)      \
            for (int16_t version = message_min_version(desc);                                      \
                 version <= message_max_version(desc); version++)

#endif
