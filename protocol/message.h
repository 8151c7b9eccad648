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

/* Sets every field to its default (arrays empty, not null, unless the default is null). */
void message_init(const struct message_desc *desc, void *message);

/* Sets the top-level field error_code; false when the message has none. */
bool message_set_error_code(const struct message_desc *desc, void *message, int16_t code);

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

/* The limit that keeps decoding `len` bytes of a hostile peer within four times their size. */
static inline size_t message_decode_limit(size_t len) {
    return 1024 + (len > SIZE_MAX / 4 - 1024 ? SIZE_MAX / 2 : 3 * len);
}

/* Told, in order, that `len` bytes of `external` go before output byte `at`. */
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

/* Appends one line of JSON: field names as in the schema, bytes and uuids as base64url, records as
 * their length. For logs and tools. */
void message_print(const struct message_desc *desc, int16_t version, const void *message,
                   struct buffer *out);

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

/* The version of the header in front of the body. Requests: 1 or 2 (flexible); ControlledShutdown 0
 * has 0. Responses: 0 or 1; ApiVersions always 0 (KIP-511). */
int16_t api_request_header_version(const struct api *api, int16_t version);
int16_t api_response_header_version(const struct api *api, int16_t version);

#endif
