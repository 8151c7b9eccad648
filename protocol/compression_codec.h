/* What a codec gives to compression.c. Not for others. */
#ifndef PROTOCOL_COMPRESSION_CODEC_H
#define PROTOCOL_COMPRESSION_CODEC_H

#include "protocol/compression.h"

struct codec {
    const char *name;

    /* As compress(). */
    bool (*compress)(int level, struct slice in, struct buffer *out);

    /* A stream over `in`; heap, never NULL. output_max is for codecs that must know before they
     * allocate; the limit itself is kept by the caller. */
    void *(*open)(struct slice in, size_t output_max);

    /* As decompressor_read(), len > 0; a codec returns -2 only where it cannot produce a part. */
    int64_t (*read)(void *stream, uint8_t *out, size_t len);

    void (*close)(void *stream);
};

extern const struct codec codec_gzip;
extern const struct codec codec_snappy;
extern const struct codec codec_lz4;
extern const struct codec codec_zstd;

#endif
