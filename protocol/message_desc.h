/*
 * Descriptor tables: what protocol/generate.py writes and the interpreter reads.
 *
 * Private to the interpreter (protocol/message*.c) and the generated messages.c.
 */
#ifndef PROTOCOL_MESSAGE_DESC_H
#define PROTOCOL_MESSAGE_DESC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/message.h"

enum field_type {
    FIELD_BOOL,
    FIELD_INT8,
    FIELD_INT16,
    FIELD_UINT16,
    FIELD_INT32,
    FIELD_UINT32,
    FIELD_INT64,
    FIELD_FLOAT64,
    FIELD_UUID,
    FIELD_STRING,
    FIELD_BYTES,
    FIELD_RECORDS,
    FIELD_STRUCT,
};

enum {
    FIELD_ARRAY = 1,            /* the type is that of the elements */
    FIELD_POINTER = 2,          /* a struct that may be null */
    FIELD_EMPTY_BY_DEFAULT = 4, /* such a struct is empty, not null, where it is not on the wire */
    FIELD_IGNORABLE = 8,        /* may be dropped in versions that do not carry it */
    FIELD_INFLEXIBLE = 16,      /* never has a compact length */
    FIELD_SECRET = 32,          /* not to be printed */
};

/* Versions from..to; empty when from > to. */
struct version_range {
    int8_t from;
    int8_t to;
};

struct field_desc {
    const char *name; /* as in the schema */
    const struct struct_desc *nested;
    uint16_t offset;       /* in the C struct */
    uint16_t count_offset; /* of arrays */
    uint8_t type;          /* enum field_type */
    uint8_t flags;
    struct version_range versions;
    struct version_range nullable;
    struct version_range tagged;
    uint8_t tag;
};

struct struct_desc {
    const char *name;
    const struct field_desc *fields; /* in the order of the wire */
    const uint8_t *tagged;           /* indices of fields that have a tag, by tag */
    const uint16_t *wire_min;        /* fewest bytes, by version from the message's lowest on */
    const void *defaults;            /* an image of the C struct */
    uint16_t field_count;
    uint16_t tagged_count;
    uint16_t size; /* of the C struct */
};

struct message_desc {
    const char *name;
    const struct struct_desc *root;
    int16_t min_version;
    int16_t max_version;
    int16_t flexible; /* first flexible version; INT16_MAX */
};

extern const struct message_desc *const message_table[]; /* by name; NULL behind the last */
extern const struct api api_table[API_KEY_MAX + 1];
extern const struct record_type record_type_table[]; /* number -1 behind the last */

static inline bool version_in(struct version_range range, int16_t version) {
    return version >= range.from && version <= range.to;
}

#endif
