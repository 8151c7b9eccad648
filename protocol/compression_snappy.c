/*
 * Snappy, in the framing of the Java library (xerial), which Kafka chose:
 *
 *     82 "SNAPPY" 00, i32 version, i32 lowest compatible version, then for each block i32 length
 *     and a raw snappy block of that length
 *
 * A header may come again between blocks. Input without such a header is one raw block, as some
 * clients send it. A raw block cannot be decoded in parts: it is decoded as a whole, after the
 * length it claims was checked against the output limit and against what its bytes can possibly
 * expand to.
 */
#include <snappy-c.h>
#include <stdlib.h>

#include "base/memory.h"
#include "protocol/compression_codec.h"

#define XERIAL_MAGIC       "\x82SNAPPY\x00"
#define XERIAL_MAGIC_SIZE  8
#define XERIAL_HEADER_SIZE 16
#define XERIAL_VERSION     1
#define XERIAL_BLOCK_SIZE  ((size_t)32 * 1024)

/* The densest element copies 64 bytes and takes 3. */
#define EXPANSION_MAX 22

static bool snappy_block(struct slice block, struct buffer *out) {
    size_t len = snappy_max_compressed_length(block.len);
    if (!buffer_reserve(out, 4 + len)) {
        return false;
    }
    char *to = (char *)out->data + out->len;
    if (snappy_compress((const char *)block.data, block.len, to + 4, &len) != SNAPPY_OK) {
        return false;
    }
    store_be32(to, (uint32_t)len);
    out->len += 4 + len;
    return true;
}

static bool snappy_compress_framed(int level, struct slice in, struct buffer *out) {
    (void)level;
    buffer_append(out, XERIAL_MAGIC, XERIAL_MAGIC_SIZE);
    buffer_put_be32(out, XERIAL_VERSION);
    buffer_put_be32(out, XERIAL_VERSION);
    bool ok = !out->failed;
    for (size_t at = 0; at < in.len && ok; at += XERIAL_BLOCK_SIZE) {
        size_t left = in.len - at;
        ok = snappy_block(
            slice_make(in.data + at, left < XERIAL_BLOCK_SIZE ? left : XERIAL_BLOCK_SIZE), out);
    }
    return ok;
}

struct snappy_stream {
    struct slice in; /* not yet decoded */
    bool framed;
    size_t output_left; /* of all blocks */
    uint8_t *block;     /* heap: the current block, decoded */
    size_t block_size;  /* of the heap block */
    size_t block_len;
    size_t block_at;
};

static bool at_header(struct slice in) {
    return in.len >= XERIAL_HEADER_SIZE && memcmp(in.data, XERIAL_MAGIC, XERIAL_MAGIC_SIZE) == 0;
}

static void *snappy_open(struct slice in, size_t output_max) {
    struct snappy_stream *stream = NEW(struct snappy_stream);
    stream->in = in;
    stream->framed = at_header(in);
    stream->output_left = output_max;
    return stream;
}

static void snappy_close(void *opened) {
    struct snappy_stream *stream = opened;
    free(stream->block);
    free(stream);
}

/* Cuts the next raw block off the input: 1, 0 at the end, -1. */
static int snappy_next_raw(struct snappy_stream *stream, struct slice *raw) {
    if (!stream->framed) {
        *raw = stream->in;
        stream->in.len = 0;
        return raw->len > 0;
    }
    while (at_header(stream->in)) {
        if ((int32_t)load_be32(stream->in.data + XERIAL_MAGIC_SIZE) < XERIAL_VERSION) {
            return -1;
        }
        stream->in =
            slice_make(stream->in.data + XERIAL_HEADER_SIZE, stream->in.len - XERIAL_HEADER_SIZE);
    }
    if (stream->in.len == 0) {
        return 0;
    }
    if (stream->in.len < 4) {
        return -1;
    }
    size_t len = load_be32(stream->in.data);
    if (len > stream->in.len - 4) {
        return -1;
    }
    *raw = slice_make(stream->in.data + 4, len);
    stream->in = slice_make(stream->in.data + 4 + len, stream->in.len - 4 - len);
    return 1;
}

/* Decodes a raw block into `block`: 1, -1 or -2. */
static int snappy_decode(struct snappy_stream *stream, struct slice raw) {
    const char *data = (const char *)raw.data;
    size_t len;
    if (snappy_uncompressed_length(data, raw.len, &len) != SNAPPY_OK ||
        len / EXPANSION_MAX > raw.len) {
        return -1;
    }
    if (len > stream->output_left) {
        return -2;
    }
    if (len > stream->block_size) {
        free(stream->block);
        stream->block = xmalloc(len);
        stream->block_size = len;
    }
    stream->block_at = 0;
    stream->block_len = 0;
    size_t decoded = stream->block_size;
    if (stream->block == NULL) { /* an empty block before any other */
        return snappy_validate_compressed_buffer(data, raw.len) == SNAPPY_OK ? 1 : -1;
    }
    if (snappy_uncompress(data, raw.len, (char *)stream->block, &decoded) != SNAPPY_OK) {
        return -1;
    }
    stream->block_len = decoded;
    stream->output_left -= decoded;
    return 1;
}

static int64_t snappy_read(void *opened, uint8_t *out, size_t len) {
    struct snappy_stream *stream = opened;
    while (stream->block_at == stream->block_len) {
        struct slice raw;
        int got = snappy_next_raw(stream, &raw);
        if (got == 1) {
            got = snappy_decode(stream, raw);
        }
        if (got != 1) {
            return got;
        }
    }
    size_t left = stream->block_len - stream->block_at;
    size_t count = len < left ? len : left;
    memcpy(out, stream->block + stream->block_at, count);
    stream->block_at += count;
    return (int64_t)count;
}

const struct codec codec_snappy = {
    .name = "snappy",
    .compress = snappy_compress_framed,
    .open = snappy_open,
    .read = snappy_read,
    .close = snappy_close,
};
