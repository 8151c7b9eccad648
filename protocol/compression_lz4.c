/*
 * LZ4 frames as Kafka's clients read them: one frame of version 01, independent blocks, no
 * dictionary, nothing behind the frame. The library would take more than that; what the Java client
 * refuses is refused here too, so that nothing is stored that consumers cannot read.
 */
#include <limits.h>
#include <lz4frame.h>
#include <stdlib.h>

#include "base/memory.h"
#include "protocol/compression_codec.h"

/* Kafka's default level 9 means the fast compressor, not LZ4 HC at 9. */
#define KAFKA_LEVEL_DEFAULT 9
#define HC_LEVEL_MIN        3
#define HC_LEVEL_MAX        12

/* The first bytes of a frame: magic, then flags (LZ4 frame format, "Frame Descriptor"). */
#define FRAME_HEADER_SIZE_MIN 7
#define FLAGS_AT              4
#define FLAGS_VERSION_MASK    0xc0
#define FLAGS_VERSION         0x40
#define FLAGS_INDEPENDENT     0x20
#define FLAGS_RESERVED        0x02
#define FLAGS_DICTIONARY      0x01

static int lz4_level(int level) {
    if (level == INT_MIN || level == KAFKA_LEVEL_DEFAULT) {
        return 0;
    }
    return level < HC_LEVEL_MIN ? HC_LEVEL_MIN : level > HC_LEVEL_MAX ? HC_LEVEL_MAX : level;
}

static bool lz4_compress(int level, struct slice in, struct buffer *out) {
    LZ4F_preferences_t preferences = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = lz4_level(level),
    };
    size_t bound = LZ4F_compressFrameBound(in.len, &preferences);
    if (!buffer_reserve(out, bound)) {
        return false;
    }
    size_t size = LZ4F_compressFrame(out->data + out->len, bound, in.data, in.len, &preferences);
    if (LZ4F_isError(size)) {
        return false;
    }
    out->len += size;
    return true;
}

struct lz4_stream {
    LZ4F_dctx *context;
    struct slice in; /* not yet taken */
    bool acceptable; /* by its flags */
    bool ended;
};

static bool frame_acceptable(struct slice in) {
    static const uint8_t magic[] = {0x04, 0x22, 0x4d, 0x18};
    if (in.len < FRAME_HEADER_SIZE_MIN || memcmp(in.data, magic, sizeof(magic)) != 0) {
        return false;
    }
    uint8_t flags = in.data[FLAGS_AT];
    return (flags & FLAGS_VERSION_MASK) == FLAGS_VERSION && (flags & FLAGS_INDEPENDENT) != 0 &&
           (flags & (FLAGS_RESERVED | FLAGS_DICTIONARY)) == 0;
}

static void *lz4_open(struct slice in, size_t output_max) {
    (void)output_max;
    struct lz4_stream *stream = NEW(struct lz4_stream);
    stream->in = in;
    stream->acceptable = frame_acceptable(in);
    LZ4F_errorCode_t error = LZ4F_createDecompressionContext(&stream->context, LZ4F_VERSION);
    ASSERT(!LZ4F_isError(error)); /* only for want of memory */
    return stream;
}

static void lz4_close(void *opened) {
    struct lz4_stream *stream = opened;
    LZ4F_freeDecompressionContext(stream->context);
    free(stream);
}

static int64_t lz4_read(void *opened, uint8_t *out, size_t len) {
    struct lz4_stream *stream = opened;
    if (!stream->acceptable) {
        return -1;
    }
    while (!stream->ended) {
        size_t produced = len;
        size_t taken = stream->in.len;
        size_t hint =
            LZ4F_decompress(stream->context, out, &produced, stream->in.data, &taken, NULL);
        if (LZ4F_isError(hint)) {
            return -1;
        }
        stream->in = slice_make(stream->in.data + taken, stream->in.len - taken);
        stream->ended = hint == 0;
        if (produced > 0) {
            return (int64_t)produced;
        }
        if (taken == 0 && !stream->ended) {
            return -1; /* it wants input that is not there: the frame is cut */
        }
    }
    return stream->in.len == 0 ? 0 : -1;
}

const struct codec codec_lz4 = {
    .name = "lz4",
    .compress = lz4_compress,
    .open = lz4_open,
    .read = lz4_read,
    .close = lz4_close,
};
