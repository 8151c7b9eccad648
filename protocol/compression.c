/*
 * Picks the codec and keeps the output limit, so that the codecs need not. When the limit is
 * reached, one more byte is asked for: whether the stream was about to end is known only then.
 */
#include "protocol/compression.h"

#include <stdlib.h>

#include "base/memory.h"
#include "protocol/compression_codec.h"

struct decompressor {
    const struct codec *codec;
    void *stream;
    size_t output_left;
    int64_t ended; /* 1 while reading, else what read() returned last */
};

/* ---- No compression -------------------------------------------------------------------------- */

static bool none_compress(int level, struct slice in, struct buffer *out) {
    (void)level;
    buffer_append_slice(out, in);
    return !out->failed;
}

static void *none_open(struct slice in, size_t output_max) {
    (void)output_max;
    struct slice *left = NEW(struct slice);
    *left = in;
    return left;
}

static int64_t none_read(void *stream, uint8_t *out, size_t len) {
    struct slice *left = stream;
    size_t count = len < left->len ? len : left->len;
    if (count > 0) {
        memcpy(out, left->data, count);
        *left = slice_make(left->data + count, left->len - count);
    }
    return (int64_t)count;
}

static const struct codec codec_none = {
    .name = "none",
    .compress = none_compress,
    .open = none_open,
    .read = none_read,
    .close = free,
};

/* ---- The table ------------------------------------------------------------------------------- */

static const struct codec *codec_of(enum compression codec) {
    switch (codec) {
    case COMPRESSION_NONE:
        return &codec_none;
    case COMPRESSION_GZIP:
        return &codec_gzip;
    case COMPRESSION_SNAPPY:
        return &codec_snappy;
    case COMPRESSION_LZ4:
        return &codec_lz4;
    case COMPRESSION_ZSTD:
        return &codec_zstd;
    case COMPRESSION_COUNT:
    case COMPRESSION_PRODUCER:
        break;
    }
    return NULL;
}

const char *compression_name(enum compression codec) {
    if (codec == COMPRESSION_PRODUCER) {
        return "producer";
    }
    const struct codec *found = codec_of(codec);
    return found == NULL ? NULL : found->name;
}

bool compress(enum compression codec, int level, struct slice in, struct buffer *out) {
    const struct codec *found = codec_of(codec);
    ASSERT(found != NULL);
    return !out->failed && found->compress(level, in, out);
}

struct decompressor *decompressor_new(enum compression codec, struct slice in, size_t output_max) {
    const struct codec *found = codec_of(codec);
    if (found == NULL) {
        return NULL;
    }
    struct decompressor *decompressor = NEW(struct decompressor);
    decompressor->codec = found;
    decompressor->stream = found->open(in, output_max);
    decompressor->output_left = output_max;
    decompressor->ended = 1;
    return decompressor;
}

void decompressor_free(struct decompressor *decompressor) {
    if (decompressor != NULL) {
        decompressor->codec->close(decompressor->stream);
        free(decompressor);
    }
}

int64_t decompressor_read(struct decompressor *decompressor, void *out, size_t len) {
    if (decompressor->ended <= 0) {
        return decompressor->ended;
    }
    ASSERT(len > 0);
    uint8_t probe;
    bool at_limit = decompressor->output_left == 0;
    if (at_limit) {
        out = &probe;
        len = 1;
    } else if (len > decompressor->output_left) {
        len = decompressor->output_left;
    }
    int64_t count = decompressor->codec->read(decompressor->stream, out, len);
    if (count > 0 && at_limit) {
        count = -2;
    }
    if (count <= 0) {
        decompressor->ended = count;
        return count;
    }
    ASSERT((size_t)count <= len);
    decompressor->output_left -= (size_t)count;
    return count;
}
