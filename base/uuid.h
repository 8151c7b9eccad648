/* 128-bit ids: 16 bytes on the wire, unpadded base64url (22 characters) as text. All zero is
 * "none". */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

#define UUID_TEXT_LEN 22

struct uuid {
    uint8_t bytes[16];
};

#define UUID_ZERO ((struct uuid){{0}})

static inline bool uuid_equal(struct uuid a, struct uuid b) {
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

static inline bool uuid_is_zero(struct uuid id) {
    return uuid_equal(id, UUID_ZERO);
}

uint64_t uuid_hash(struct uuid id);

/* From two 64-bit halves, most significant first: Kafka's reserved ids are (0, n). */
struct uuid uuid_from_halves(uint64_t high, uint64_t low);

/* A version 4 (random) uuid out of 16 random bytes. The caller redraws where uuid_is_reserved(). */
struct uuid uuid_from_random(const uint8_t random[16]);

/* Ids that Kafka never draws: those below 100, and those whose text starts with '-'. */
bool uuid_is_reserved(struct uuid id);

/* Writes UUID_TEXT_LEN characters and a NUL; returns out. */
char *uuid_format(struct uuid id, char out[UUID_TEXT_LEN + 1]);

/* False when the text is not exactly one uuid. */
bool uuid_parse(struct slice text, struct uuid *out);

#endif
