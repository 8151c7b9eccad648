/*
 * The four codecs of record batches, as streams with hard limits on what they may produce.
 *
 * gzip through ISA-L (RFC 1952), snappy in xerial framing (a lone raw block is read too), lz4
 * frames with independent blocks, zstd frames with a window of at most 8 MiB.
 */
#ifndef PROTOCOL_COMPRESSION_H
#define PROTOCOL_COMPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

enum compression {
    COMPRESSION_NONE = 0, /* the numbers are those of the batch attributes */
    COMPRESSION_GZIP = 1,
    COMPRESSION_SNAPPY = 2,
    COMPRESSION_LZ4 = 3,
    COMPRESSION_ZSTD = 4,
    COMPRESSION_COUNT,
    COMPRESSION_PRODUCER = 100, /* configuration only: whatever the producer chose */
};

/* "none", "gzip", ...; NULL for unknown numbers. */
const char *compression_name(enum compression codec);

/* Appends the compressed input; level INT_MIN is the codec's default. False when `out` is full. */
MUST_CHECK bool compress(enum compression codec, int level, struct slice in, struct buffer *out);

/* A pull stream of decompressed bytes. */
struct decompressor; /* opaque; heap */

/* `in` must outlive it. Produces at most output_max bytes. NULL for an unknown codec. */
struct decompressor *decompressor_new(enum compression codec, struct slice in, size_t output_max);
void decompressor_free(struct decompressor *decompressor);

/* Up to `len` bytes: >0 a count, 0 the end of the stream (complete and checked), -1 corrupt input,
 * -2 output_max would be exceeded. */
int64_t decompressor_read(struct decompressor *decompressor, void *out, size_t len);

#endif
