/*
 * gzip (RFC 1952) through ISA-L, which has four levels where zlib has nine.
 *
 * A stream may be several members one after the other (RFC 1952, 2.2); the checksum and length in
 * the trailer of each are verified by ISA-L. ISA-L counts in 32 bits, which record batches, at most
 * 2 GiB, never exceed.
 */
#include <isa-l/igzip_lib.h>
#include <limits.h>
#include <stdlib.h>

#include "base/memory.h"
#include "protocol/compression_codec.h"

#define STEP ((size_t)64 * 1024)

/* ISA-L level for each of zlib's 1 to 9. Kafka's default, -1, is zlib's 6. */
static uint32_t isal_level(int level) {
    if (level < 1 || level > 9) {
        level = 6;
    }
    return level == 1 ? 0 : level <= 3 ? 1 : level <= 6 ? 2 : 3;
}

static const uint32_t level_buffer_size[] = {
    ISAL_DEF_LVL0_DEFAULT,
    ISAL_DEF_LVL1_DEFAULT,
    ISAL_DEF_LVL2_DEFAULT,
    ISAL_DEF_LVL3_DEFAULT,
};

static bool deflate_all(struct isal_zstream *stream, struct buffer *out) {
    while (stream->internal_state.state != ZSTATE_END) {
        size_t room = out->max - out->len < STEP ? out->max - out->len : STEP;
        if (room == 0 || !buffer_reserve(out, room)) {
            return false;
        }
        stream->next_out = out->data + out->len;
        stream->avail_out = (uint32_t)room;
        if (isal_deflate(stream) != COMP_OK) {
            return false;
        }
        out->len += room - stream->avail_out;
    }
    return true;
}

static bool gzip_compress(int level, struct slice in, struct buffer *out) {
    if (in.len > UINT32_MAX) {
        return false;
    }
    struct isal_zstream *stream = NEW(struct isal_zstream);
    isal_deflate_init(stream);
    stream->level = isal_level(level);
    stream->level_buf_size = level_buffer_size[stream->level];
    stream->level_buf = stream->level_buf_size > 0 ? xmalloc(stream->level_buf_size) : NULL;
    stream->gzip_flag = IGZIP_GZIP;
    stream->end_of_stream = 1;
    stream->flush = NO_FLUSH;
    stream->next_in = (uint8_t *)(uintptr_t)in.data;
    stream->avail_in = (uint32_t)in.len;
    bool ok = deflate_all(stream, out);
    free(stream->level_buf);
    free(stream);
    return ok;
}

struct gzip_stream {
    struct inflate_state state;
    bool in_member;
};

static void gzip_next_member(struct gzip_stream *stream) {
    isal_inflate_reset(&stream->state);
    stream->state.crc_flag = ISAL_GZIP;
    stream->in_member = true;
}

static void *gzip_open(struct slice in, size_t output_max) {
    (void)output_max;
    struct gzip_stream *stream = NEW(struct gzip_stream);
    isal_inflate_init(&stream->state);
    stream->state.next_in = (uint8_t *)(uintptr_t)in.data;
    stream->state.avail_in = in.len > UINT32_MAX ? UINT32_MAX : (uint32_t)in.len;
    gzip_next_member(stream);
    return stream;
}

static int64_t gzip_read(void *opened, uint8_t *out, size_t len) {
    struct gzip_stream *stream = opened;
    struct inflate_state *state = &stream->state;
    uint32_t room = len > UINT32_MAX ? UINT32_MAX : (uint32_t)len;
    for (;;) {
        if (!stream->in_member) {
            if (state->avail_in == 0) {
                return 0;
            }
            gzip_next_member(stream);
        }
        uint32_t avail_in = state->avail_in;
        state->next_out = out;
        state->avail_out = room;
        if (isal_inflate(state) < 0) {
            return -1;
        }
        if (state->block_state == ISAL_BLOCK_FINISH) {
            stream->in_member = false;
        }
        if (state->avail_out < room) {
            return (int64_t)(room - state->avail_out);
        }
        if (stream->in_member && state->avail_in == avail_in) {
            return -1; /* it wants input that is not there: the stream is cut */
        }
    }
}

const struct codec codec_gzip = {
    .name = "gzip",
    .compress = gzip_compress,
    .open = gzip_open,
    .read = gzip_read,
    .close = free,
};
