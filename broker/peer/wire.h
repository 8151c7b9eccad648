/* Requests and responses with their headers, as whoever asks writes and reads them. */
#ifndef BROKER_PEER_WIRE_H
#define BROKER_PEER_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/slice.h"

/* Appends header and body, without the length in front; false when they cannot be encoded. */
bool wire_encode_request(int16_t api_key, int16_t version, int32_t correlation_id,
                         struct slice client_id, const void *request, struct buffer *out);

/* The response struct, in the arena (whose limit bounds it), pointing into `in`; false when that is
 * not one whole response. */
bool wire_decode_response(int16_t api_key, int16_t version, struct slice in, struct arena *arena,
                          void **response);

#endif
