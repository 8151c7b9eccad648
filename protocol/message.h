/*
 * Messages: requests, responses, headers and the records of internal topics, as C structs.
 *
 * Each message is described once, in protocol/messages/ (the notation: protocol/README.md). A
 * generator makes of each a C struct and a descriptor table (build tree,
 * protocol/generated/<name>.h); one interpreter, protocol/message.c, decodes, encodes, prints and
 * draws all of them by their descriptors.
 *
 * How a field looks in its struct. Names are the schema's in snake_case.
 *
 *     bool int8 int16 int32 int64        bool, int8_t, int16_t, int32_t, int64_t
 *     uint16 uint32 float64              uint16_t, uint32_t, double
 *     uuid                               struct uuid
 *     string bytes                       struct slice (null: data == NULL)
 *     records                            struct message_records
 *     []T                                T *name; int32_t name_count; (null: name_count == -1)
 *     struct                             embedded struct, or a pointer (null: NULL) when nullable
 *
 * Decoded slices point into the input, arrays into the arena: both must outlive the struct. Fields
 * that a version does not carry have their default.
 */
#ifndef PROTOCOL_MESSAGE_H
#define PROTOCOL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "base/uuid.h"

/*
 * Record batches inside a message. Encoding: either `data` (copied into the output), or `external`
 * (not NULL): then only the length prefix is written, and message_encode() reports where `len`
 * external bytes belong, so that a fetch response can be sent from files.
 */
struct message_records {
    const uint8_t *data; /* decoded: points into the input; NULL with external == NULL is null */
    size_t len;
    const void *external;
};

struct message_desc; /* generated; opaque to all but the interpreter and schema tools */

/* The lowest and highest version described, and the first flexible one (INT16_MAX for none). */
int16_t message_min_version(const struct message_desc *desc);
int16_t message_max_version(const struct message_desc *desc);
int16_t message_flexible_version(const struct message_desc *desc);
const char *message_name(const struct message_desc *desc); /* "MetadataRequest" */
size_t message_size(const struct message_desc *desc);      /* sizeof its struct */

/* NULL for unknown names. */
const struct message_desc *message_find(const char *name);

/* All messages, by name; NULL behind the last. */
const struct message_desc *message_at(size_t index);

/* Sets every field to its default (arrays empty, not null, unless the default is null). */
void message_init(const struct message_desc *desc, void *message);

/* The top-level field error_code; false when the message has none. */
bool message_set_error_code(const struct message_desc *desc, void *message, int16_t code);
bool message_error_code(const struct message_desc *desc, const void *message, int16_t *code);

/*
 * An array for a field: `count` elements with their defaults, in the arena; NULL beyond its limit.
 * `name` is that of the generated struct: MESSAGE_ARRAY(arena, metadata_response_topic, 3).
 */
#define MESSAGE_ARRAY(arena, name, count)                                                          \
    ((struct name *)message_array((arena), (count), &name##_defaults, sizeof(struct name)))
void *message_array(struct arena *arena, size_t count, const void *defaults, size_t size);

enum message_error {
    MESSAGE_OK = 0,
    MESSAGE_TRUNCATED = -1,   /* the input ends inside a field, or a length goes beyond it */
    MESSAGE_INVALID = -2,     /* null where not allowed, a negative or absurd length, bad varint */
    MESSAGE_TOO_LARGE = -3,   /* the arena's limit */
    MESSAGE_BAD_VERSION = -4, /* not described */
};

/*
 * Decodes one message of `version` from the start of `in` into *message (message_size() bytes) and
 * sets *consumed (may be NULL); bytes behind it are the caller's business. Memory comes from the
 * arena, whose limit bounds it; the interpreter checks every count against the bytes that are left
 * before it allocates. Unknown tagged fields are skipped without allocating.
 */
MUST_CHECK enum message_error message_decode(const struct message_desc *desc, int16_t version,
                                             struct slice in, struct arena *arena, void *message,
                                             size_t *consumed);

/*
 * The arena limit for `len` bytes of a hostile peer: four times their size, or 64 KiB if that is
 * more, as a few hundred names of one letter honestly take more than four times their bytes.
 */
#define MESSAGE_DECODE_FLOOR ((size_t)64 * 1024)
static inline size_t message_decode_limit(size_t len) {
    if (len > SIZE_MAX / 4) {
        return SIZE_MAX;
    }
    return 4 * len > MESSAGE_DECODE_FLOOR ? 4 * len : MESSAGE_DECODE_FLOOR;
}

/* Told, in order, that `len` bytes of `external` go before output byte `at`. Also of those that
 * come after the output reached its maximum: what they hold on to has to be let go of. */
struct message_external {
    void (*fn)(void *ctx, size_t at, const void *external, size_t len);
    void *ctx;
};

/*
 * Appends the message in `version`. Non-default values of fields that the version does not carry
 * are left out where the schema says "ignorable", else MESSAGE_INVALID. `external` may be NULL when
 * no records field has external bytes. MESSAGE_TOO_LARGE when the buffer's maximum is reached.
 */
MUST_CHECK enum message_error message_encode(const struct message_desc *desc, int16_t version,
                                             const void *message, struct buffer *out,
                                             const struct message_external *external);

/* Whether all fields that the version carries are equal, with external records by address. */
bool message_equal(const struct message_desc *desc, int16_t version, const void *a, const void *b);

/* Appends one line of JSON as Kafka's tools have it: names begin with a small letter, bytes are
 * base64, uuids as people write them, records their length, and fields with a tag are left out
 * where they have their default. Secrets are "***". For logs and tools. */
void message_print(const struct message_desc *desc, int16_t version, const void *message,
                   struct buffer *out);

/* The same with the secrets, for people who ask for what their own files hold. */
void message_print_secrets(const struct message_desc *desc, int16_t version, const void *message,
                           struct buffer *out);

/*
 * Draws a message that `version` can carry, small, with every field and every null now and then.
 * The arena has no limit. For tests and tools.
 */
struct message_dice {
    uint64_t (*draw)(void *ctx); /* uniform */
    void *ctx;
};
void message_random(const struct message_desc *desc, int16_t version,
                    const struct message_dice *dice, struct arena *arena, void *message);

/* ---- Requests and responses ------------------------------------------------------------------ */

/* One API. Both messages have the same versions. */
struct api {
    int16_t key;
    const char *name; /* "Metadata" */
    const struct message_desc *request;
    const struct message_desc *response;
    bool latest_unstable; /* the highest version is not to be advertised */
};

#define API_KEY_MAX 94

/* NULL for keys that are not described. */
const struct api *api_by_key(int16_t key);

/* The version of the header in front of the body. Requests: 1, or 2 for flexible versions.
 * Responses: 0, or 1 for flexible versions, but ApiVersions always 0 (KIP-511). */
int16_t api_request_header_version(const struct api *api, int16_t version);
int16_t api_response_header_version(const struct api *api, int16_t version);

/* ---- Records of internal topics -------------------------------------------------------------- */

enum record_log {
    RECORD_LOG_METADATA,     /* __cluster_metadata: no keys; the number is in the value's frame */
    RECORD_LOG_OFFSETS,      /* __consumer_offsets: the number is the int16 in front of the key */
    RECORD_LOG_TRANSACTIONS, /* __transaction_state */
    RECORD_LOG_SHARE,        /* __share_group_state */
};

struct record_type {
    enum record_log log;
    int16_t number;
    const struct message_desc *key; /* NULL in __cluster_metadata */
    const struct message_desc *value;
};

/* NULL for numbers that are not described. */
const struct record_type *record_type_find(enum record_log log, int16_t number);

#endif
