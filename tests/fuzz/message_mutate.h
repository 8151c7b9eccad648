/* Mutations that keep a message a message: by the descriptor tables, as the decoder works. */
#ifndef TESTS_FUZZ_MESSAGE_MUTATE_H
#define TESTS_FUZZ_MESSAGE_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/message.h"

/* Any number is a message: that of message_at(), modulo their count. */
const struct message_desc *fuzz_message_at(uint16_t number);

/*
 * Decodes the bytes, changes one field somewhere in it (or draws all anew, now and then or when it
 * does not decode) and encodes it again in place. Returns the new size, or 0 when the result does
 * not fit into size_max.
 */
size_t fuzz_mutate_message(const struct message_desc *desc, int16_t version, uint8_t *data,
                           size_t size, size_t size_max, uint64_t *random);

/* The same for [framing, message]: `prefix` bytes in front are left alone. */
static inline size_t fuzz_mutate_message_behind(const struct message_desc *desc, int16_t version,
                                                uint8_t *data, size_t prefix, size_t size,
                                                size_t size_max, uint64_t *random) {
    if (prefix >= size_max) {
        return 0;
    }
    size_t len = size > prefix ? size - prefix : 0;
    len = fuzz_mutate_message(desc, version, data + prefix, len, size_max - prefix, random);
    return len == 0 ? 0 : prefix + len;
}

#endif
