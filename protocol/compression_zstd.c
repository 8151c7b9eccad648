/*
 * zstd (RFC 8878): any number of frames, with a window of at most 8 MiB, which is what a decoder
 * must support and the most that a stream can make this one allocate.
 */
#include <limits.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/memory.h"
#include "protocol/compression_codec.h"

#define LEVEL_DEFAULT  3
#define WINDOW_LOG_MAX 23

static bool zstd_compress(int level, struct slice in, struct buffer *out) {
    size_t bound = ZSTD_compressBound(in.len);
    size_t room = out->max - out->len;
    room = bound < room ? bound : room; /* it may well fit in less than the bound */
    if (!buffer_reserve(out, room)) {
        return false;
    }
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ASSERT(context != NULL);
    size_t error = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel,
                                          level == INT_MIN ? LEVEL_DEFAULT : level);
    ASSERT(!ZSTD_isError(error));
    size_t size = ZSTD_compress2(context, out->data + out->len, room, in.data, in.len);
    ZSTD_freeCCtx(context);
    if (ZSTD_isError(size)) {
        return false;
    }
    out->len += size;
    return true;
}

struct zstd_stream {
    ZSTD_DCtx *context;
    ZSTD_inBuffer in;
    bool in_frame;
};

static void *zstd_open(struct slice in, size_t output_max) {
    (void)output_max;
    struct zstd_stream *stream = NEW(struct zstd_stream);
    stream->context = ZSTD_createDCtx();
    ASSERT(stream->context != NULL);
    size_t error = ZSTD_DCtx_setParameter(stream->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    ASSERT(!ZSTD_isError(error));
    stream->in = (ZSTD_inBuffer){.src = in.data, .size = in.len};
    stream->in_frame = true; /* an empty input is a frame that is not there */
    return stream;
}

static void zstd_close(void *opened) {
    struct zstd_stream *stream = opened;
    ZSTD_freeDCtx(stream->context);
    free(stream);
}

static int64_t zstd_read(void *opened, uint8_t *out, size_t len) {
    struct zstd_stream *stream = opened;
    ZSTD_outBuffer to = {.dst = out, .size = len};
    while (stream->in_frame || stream->in.pos < stream->in.size) {
        size_t before = stream->in.pos;
        size_t hint = ZSTD_decompressStream(stream->context, &to, &stream->in);
        if (ZSTD_isError(hint)) {
            return -1;
        }
        stream->in_frame = hint != 0;
        if (to.pos > 0) {
            return (int64_t)to.pos;
        }
        if (stream->in_frame && stream->in.pos == before && before == stream->in.size) {
            return -1; /* it wants input that is not there: the frame is cut */
        }
    }
    return 0;
}

const struct codec codec_zstd = {
    .name = "zstd",
    .compress = zstd_compress,
    .open = zstd_open,
    .read = zstd_read,
    .close = zstd_close,
};
