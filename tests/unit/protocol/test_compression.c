#include <lz4frame.h>
#include <snappy-c.h>
#include <sys/resource.h>
#include <zstd.h>

#include "tests/unit/protocol/batches.h"

#define DEFAULT_LEVEL INT32_MIN

/* Reads a stream in pieces of `step` bytes: the final result, output in `out`. */
static int64_t drain(enum compression codec, struct slice in, size_t output_max, size_t step,
                     struct buffer *out) {
    struct decompressor *decompressor = decompressor_new(codec, in, output_max);
    uint8_t *piece = xmalloc(step);
    int64_t got;
    while ((got = decompressor_read(decompressor, piece, step)) > 0) {
        buffer_append(out, piece, (size_t)got);
    }
    cr_assert_eq(decompressor_read(decompressor, piece, step), got, "the end is final");
    free(piece);
    decompressor_free(decompressor);
    return got;
}

static void check_round_trip(enum compression codec, int level, struct slice in, size_t step) {
    struct buffer packed, out;
    buffer_init(&packed, SIZE_MAX);
    buffer_init(&out, SIZE_MAX);
    cr_assert(compress(codec, level, in, &packed));
    uint8_t *copy = exact_copy(buffer_slice(&packed));
    cr_assert_eq(drain(codec, slice_make(copy, packed.len), in.len, step, &out), 0);
    cr_assert_eq(out.len, in.len);
    cr_assert(in.len == 0 || memcmp(out.data, in.data, in.len) == 0);
    free(copy);
    buffer_release(&packed);
    buffer_release(&out);
}

Test(compression, every_codec_gives_back_any_size) {
    static const size_t sizes[] = {0,     1,     2,     100,   4095,   32767,  32768,
                                   32769, 65535, 65536, 65537, 200000, 5000000};
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            uint8_t *data = sample_bytes(sizes[i], i);
            struct slice in = slice_make(data, sizes[i]);
            check_round_trip((enum compression)codec, DEFAULT_LEVEL, in, 65536);
            check_round_trip((enum compression)codec, DEFAULT_LEVEL, in, 8 * 1024 * 1024);
            if (sizes[i] <= 65537) {
                check_round_trip((enum compression)codec, DEFAULT_LEVEL, in, 1);
                check_round_trip((enum compression)codec, DEFAULT_LEVEL, in, 7);
            }
            free(data);
        }
    }
}

Test(compression, bytes_that_do_not_compress_come_back_too) {
    uint64_t seed = 1;
    size_t len = 300001;
    uint8_t *data = xmalloc(len);
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)next_random(&seed);
    }
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        check_round_trip((enum compression)codec, DEFAULT_LEVEL, slice_make(data, len), 1000);
    }
    free(data);
}

Test(compression, every_level_of_kafka_is_accepted) {
    uint8_t *data = sample_bytes(100000, 3);
    struct slice in = slice_make(data, 100000);
    for (int level = -1; level <= 9; level++) {
        check_round_trip(COMPRESSION_GZIP, level, in, 65536);
    }
    for (int level = 1; level <= 17; level++) {
        check_round_trip(COMPRESSION_LZ4, level, in, 65536);
    }
    const int zstd_levels[] = {-131072, -1, 0, 1, 3, 19, 22};
    for (size_t i = 0; i < ARRAY_LEN(zstd_levels); i++) {
        check_round_trip(COMPRESSION_ZSTD, zstd_levels[i], in, 65536);
    }
    free(data);
}

Test(compression, a_full_output_is_told) {
    uint8_t *data = sample_bytes(100000, 3);
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        for (size_t max = 0; max < 1000; max += 37) {
            struct buffer out;
            buffer_init(&out, max);
            cr_assert_not(
                compress((enum compression)codec, DEFAULT_LEVEL, slice_make(data, 100000), &out));
            cr_assert_leq(out.len, max);
            buffer_release(&out);
        }
    }
    free(data);
}

Test(compression, names_are_those_of_the_configuration) {
    cr_assert_str_eq(compression_name(COMPRESSION_NONE), "none");
    cr_assert_str_eq(compression_name(COMPRESSION_GZIP), "gzip");
    cr_assert_str_eq(compression_name(COMPRESSION_SNAPPY), "snappy");
    cr_assert_str_eq(compression_name(COMPRESSION_LZ4), "lz4");
    cr_assert_str_eq(compression_name(COMPRESSION_ZSTD), "zstd");
    cr_assert_str_eq(compression_name(COMPRESSION_PRODUCER), "producer");
    cr_assert_null(compression_name((enum compression)7));
    cr_assert_null(decompressor_new((enum compression)7, SLICE_LIT("x"), 1));
    cr_assert_null(decompressor_new(COMPRESSION_PRODUCER, SLICE_LIT("x"), 1));
}

Test(compression, the_limit_is_exact) {
    uint8_t *data = sample_bytes(100000, 3);
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct buffer packed, out;
        buffer_init(&packed, SIZE_MAX);
        buffer_init(&out, SIZE_MAX);
        cr_assert(
            compress((enum compression)codec, DEFAULT_LEVEL, slice_make(data, 100000), &packed));
        cr_assert_eq(drain((enum compression)codec, buffer_slice(&packed), 100000, 999, &out), 0);
        buffer_reset(&out);
        cr_assert_eq(drain((enum compression)codec, buffer_slice(&packed), 99999, 999, &out), -2);
        cr_assert_leq(out.len, 99999);
        buffer_release(&packed);
        buffer_release(&out);
    }
    free(data);
}

Test(compression, a_truncated_stream_is_corrupt) {
    uint8_t *data = sample_bytes(700, 3);
    for (int codec = 1; codec < COMPRESSION_COUNT; codec++) {
        struct buffer packed, out;
        buffer_init(&packed, SIZE_MAX);
        buffer_init(&out, SIZE_MAX);
        cr_assert(compress((enum compression)codec, DEFAULT_LEVEL, slice_make(data, 700), &packed));
        for (size_t len = 1; len < packed.len; len++) {
            if (codec == COMPRESSION_SNAPPY && len == 16) {
                continue; /* a header without blocks is an empty stream */
            }
            uint8_t *copy = exact_copy(slice_make(packed.data, len));
            buffer_reset(&out);
            cr_assert_eq(drain((enum compression)codec, slice_make(copy, len), 1000, 64, &out), -1,
                         "codec %d, %zu of %zu", codec, len, packed.len);
            free(copy);
        }
        buffer_release(&packed);
        buffer_release(&out);
    }
    free(data);
}

Test(compression, bytes_behind_the_stream_are_corrupt) {
    for (int codec = 1; codec < COMPRESSION_COUNT; codec++) {
        struct buffer packed, out;
        buffer_init(&packed, SIZE_MAX);
        buffer_init(&out, SIZE_MAX);
        cr_assert(compress((enum compression)codec, DEFAULT_LEVEL, SLICE_LIT("hello"), &packed));
        buffer_put_u8(&packed, 'x');
        cr_assert_eq(drain((enum compression)codec, buffer_slice(&packed), 1000, 64, &out), -1,
                     "codec %d", codec);
        buffer_release(&packed);
        buffer_release(&out);
    }
}

Test(compression, flipped_bits_never_read_or_write_out_of_bounds) {
    uint8_t *data = sample_bytes(600, 9);
    for (int codec = 1; codec < COMPRESSION_COUNT; codec++) {
        struct buffer packed, out;
        buffer_init(&packed, SIZE_MAX);
        buffer_init(&out, SIZE_MAX);
        cr_assert(compress((enum compression)codec, DEFAULT_LEVEL, slice_make(data, 600), &packed));
        uint8_t *copy = exact_copy(buffer_slice(&packed));
        for (size_t bit = 0; bit < packed.len * 8; bit++) {
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            buffer_reset(&out);
            drain((enum compression)codec, slice_make(copy, packed.len), 5000, 64, &out);
            cr_assert_leq(out.len, 5000);
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        free(copy);
        buffer_release(&packed);
        buffer_release(&out);
    }
    free(data);
}

/* RFC 1952, 2.2: members simply follow one another. */
Test(compression, gzip_members_are_read_one_after_the_other) {
    struct buffer packed, out;
    buffer_init(&packed, SIZE_MAX);
    buffer_init(&out, SIZE_MAX);
    const char *parts[] = {"one ", "", "two ", "three"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        cr_assert(compress(COMPRESSION_GZIP, DEFAULT_LEVEL, slice_str(parts[i]), &packed));
    }
    cr_assert_eq(drain(COMPRESSION_GZIP, buffer_slice(&packed), 13, 64, &out), 0);
    cr_assert(slice_equal_str(buffer_slice(&out), "one two three"));
    buffer_release(&packed);
    buffer_release(&out);
}

Test(compression, a_gzip_trailer_that_does_not_match_is_corrupt) {
    struct buffer packed, out;
    buffer_init(&packed, SIZE_MAX);
    buffer_init(&out, SIZE_MAX);
    cr_assert(compress(COMPRESSION_GZIP, DEFAULT_LEVEL, SLICE_LIT("hello"), &packed));
    for (size_t back = 1; back <= 8; back++) { /* 4 bytes of CRC, 4 of length */
        packed.data[packed.len - back] ^= 1;
        cr_assert_eq(drain(COMPRESSION_GZIP, buffer_slice(&packed), 64, 64, &out), -1, "%zu", back);
        packed.data[packed.len - back] ^= 1;
    }
    buffer_release(&packed);
    buffer_release(&out);
}

/* Members made by zlib: with a name (FLG.FNAME), as gzip(1) writes it. */
Test(compression, a_gzip_header_with_a_name_is_skipped) {
    struct slice in = unhex("1f8b0808000000000003612e74787400cb48cdc9c9070086a6103605000000");
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    cr_assert_eq(drain(COMPRESSION_GZIP, in, 64, 64, &out), 0);
    cr_assert(slice_equal_str(buffer_slice(&out), "hello"));
    buffer_release(&out);
    free((void *)(uintptr_t)in.data);
}

Test(compression, a_raw_snappy_block_is_read_as_well) {
    uint8_t *data = sample_bytes(200000, 5);
    size_t len = snappy_max_compressed_length(200000);
    char *packed = xmalloc(len);
    cr_assert_eq(snappy_compress((char *)data, 200000, packed, &len), SNAPPY_OK);
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    cr_assert_eq(drain(COMPRESSION_SNAPPY, slice_make(packed, len), 200000, 1000, &out), 0);
    cr_assert(slice_equal(buffer_slice(&out), slice_make(data, 200000)));
    cr_assert_eq(drain(COMPRESSION_SNAPPY, slice_make(packed, len), 199999, 1000, &out), -2);
    buffer_release(&out);
    free(packed);
    free(data);
}

Test(compression, snappy_blocks_that_lie_about_their_length_are_refused) {
    struct buffer in, out;
    buffer_init(&in, SIZE_MAX);
    buffer_init(&out, SIZE_MAX);
    static const uint8_t header[] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
    buffer_append(&in, header, sizeof(header));
    buffer_put_be32(&in, UINT32_MAX); /* a block that is not there */
    buffer_put_be32(&in, 0);
    cr_assert_eq(drain(COMPRESSION_SNAPPY, buffer_slice(&in), SIZE_MAX, 64, &out), -1);
    in.len = sizeof(header);
    buffer_put_be32(&in, 6);
    buffer_append(&in, "\xff\xff\xff\xff\x0f\x00", 6); /* claims 4 GiB */
    cr_assert_eq(drain(COMPRESSION_SNAPPY, buffer_slice(&in), SIZE_MAX, 64, &out), -1);
    buffer_release(&in);
    buffer_release(&out);
}

static struct slice lz4_frame(LZ4F_blockMode_t mode, struct buffer *out) {
    LZ4F_preferences_t preferences = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB,
                      .blockMode = mode,
                      .contentChecksumFlag = LZ4F_contentChecksumEnabled,
                      .blockChecksumFlag = LZ4F_blockChecksumEnabled,
                      .contentSize = 200000},
    };
    uint8_t *data = sample_bytes(200000, 5);
    size_t bound = LZ4F_compressFrameBound(200000, &preferences);
    cr_assert(buffer_reserve(out, bound));
    size_t size = LZ4F_compressFrame(out->data, bound, data, 200000, &preferences);
    cr_assert_not(LZ4F_isError(size));
    out->len = size;
    free(data);
    return buffer_slice(out);
}

Test(compression, lz4_blocks_must_be_independent) {
    struct buffer packed, out;
    buffer_init(&packed, SIZE_MAX);
    buffer_init(&out, SIZE_MAX);
    struct slice in = lz4_frame(LZ4F_blockIndependent, &packed);
    cr_assert_eq(drain(COMPRESSION_LZ4, in, 200000, 1000, &out), 0);
    cr_assert_eq(out.len, 200000);
    in = lz4_frame(LZ4F_blockLinked, &packed);
    cr_assert_eq(drain(COMPRESSION_LZ4, in, 200000, 1000, &out), -1);
    buffer_release(&packed);
    buffer_release(&out);
}

Test(compression, a_zstd_window_above_8_mib_is_refused) {
    size_t len = (size_t)20 << 20;
    uint8_t *data = xcalloc(1, len);
    for (int window_log = 23; window_log <= 24; window_log++) {
        size_t bound = ZSTD_compressBound(len);
        uint8_t *packed = xmalloc(bound);
        ZSTD_CCtx *context = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
        ZSTD_outBuffer to = {packed, bound, 0};
        ZSTD_inBuffer from = {data, len, 0};
        ZSTD_compressStream2(context, &to, &from, ZSTD_e_continue); /* leaves the size unknown */
        while (ZSTD_compressStream2(context, &to, &from, ZSTD_e_end) != 0) {}
        ZSTD_freeCCtx(context);
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        cr_assert_eq(drain(COMPRESSION_ZSTD, slice_make(packed, to.pos), len, 65536, &out),
                     window_log == 23 ? 0 : -1);
        buffer_release(&out);
        free(packed);
    }
    free(data);
}

/* ---- Bombs ----------------------------------------------------------------------------------- */

/* Repeats a compressed unit of zeros until the stream stands for `total` bytes. */
static void zeros_bomb(enum compression codec, size_t unit, size_t total, struct buffer *out) {
    uint8_t *zeros = xcalloc(1, unit);
    struct buffer once;
    buffer_init(&once, SIZE_MAX);
    cr_assert(compress(codec, 9, slice_make(zeros, unit), &once));
    for (size_t made = 0; made < total; made += unit) {
        buffer_append_slice(out, buffer_slice(&once));
        if (codec == COMPRESSION_LZ4) {
            break; /* one frame only, however large */
        }
    }
    buffer_release(&once);
    free(zeros);
}

static size_t peak_memory(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

/* The batch of a bomb is refused after 100 times its size, or 16 MiB, in little memory. */
static void check_bomb(enum compression codec, size_t unit, size_t total) {
    struct buffer batch_bytes;
    buffer_init(&batch_bytes, SIZE_MAX);
    sample_batch(&batch_bytes, codec, 1, 1);
    batch_bytes.len = BATCH_HEADER_SIZE;
    zeros_bomb(codec, unit, total, &batch_bytes);
    size_t packed_len = batch_bytes.len - BATCH_HEADER_SIZE;
    store_be32(batch_bytes.data + 8, (uint32_t)(batch_bytes.len - BATCH_LOG_OVERHEAD));
    store_be32(batch_bytes.data + 23, INT32_MAX - 1); /* zeros are many tiny "records" */
    store_be32(batch_bytes.data + 57, INT32_MAX);
    struct slice in = buffer_slice(&batch_bytes);
    struct batch batch;
    cr_assert_eq(batch_parse(in, &batch), BATCH_OK);

    size_t before = peak_memory();
    struct decompressor *decompressor =
        decompressor_new(codec, slice_make(in.data + BATCH_HEADER_SIZE, packed_len),
                         batch_decompressed_max(packed_len));
    uint8_t *piece = xmalloc(65536);
    size_t produced = 0;
    int64_t got;
    while ((got = decompressor_read(decompressor, piece, 65536)) > 0) {
        produced += (size_t)got;
    }
    cr_assert_eq(got, -2, "codec %d: %zu bytes became %zu", codec, packed_len, produced);
    cr_assert_leq(produced, batch_decompressed_max(packed_len));
    int32_t count;
    cr_assert_lt(walk(in, &batch, RECORD_MAX, &count), 0);
#if !defined(__SANITIZE_ADDRESS__)
    cr_assert_leq(peak_memory() - before, (size_t)16 << 20, "codec %d", codec);
#else
    (void)before;
#endif
    free(piece);
    decompressor_free(decompressor);
    buffer_release(&batch_bytes);
}

Test(compression, a_gzip_bomb_is_refused) {
    check_bomb(COMPRESSION_GZIP, (size_t)32 << 20, (size_t)1 << 30);
}

Test(compression, a_zstd_bomb_is_refused) {
    check_bomb(COMPRESSION_ZSTD, (size_t)32 << 20, (size_t)1 << 30);
}

Test(compression, an_lz4_bomb_is_refused) {
    check_bomb(COMPRESSION_LZ4, (size_t)256 << 20, (size_t)256 << 20);
}

/* Snappy expands 22-fold at most, so that only its framing can lie. */
Test(compression, a_kilobyte_of_snappy_that_claims_a_gigabyte_is_refused) {
    uint8_t bomb[1024] = {0x80, 0x80, 0x80, 0x80, 0x04}; /* varint 2^30 */
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    size_t before = peak_memory();
    cr_assert_lt(drain(COMPRESSION_SNAPPY, slice_make(bomb, sizeof(bomb)), SIZE_MAX, 4096, &out),
                 0);
    cr_assert_leq(peak_memory() - before, (size_t)1 << 20);
    buffer_release(&out);
}

/* A raw block cannot be decoded in part, so the limit must hold before there is memory for it. */
Test(compression, a_snappy_block_above_the_limit_is_not_decoded) {
    static const uint8_t start[] = {0xc1, 0x84, 0x3d, 0x00, 'a'}; /* 1,000,001 bytes; one literal */
    static const uint8_t copy[] = {0xfe, 0x01, 0x00};             /* 64 bytes, from 1 byte back */
    struct buffer in, out;
    buffer_init(&in, SIZE_MAX);
    buffer_init(&out, SIZE_MAX);
    buffer_append(&in, start, sizeof(start));
    for (int i = 0; i < 15625; i++) {
        buffer_append(&in, copy, sizeof(copy));
    }
    cr_assert_eq(drain(COMPRESSION_SNAPPY, buffer_slice(&in), 1000001, 4096, &out), 0);
    cr_assert_eq(out.len, 1000001);
    buffer_reset(&out);
    cr_assert_eq(drain(COMPRESSION_SNAPPY, buffer_slice(&in), 1000000, 4096, &out), -2);
    cr_assert_eq(out.len, 0, "nothing came out before the refusal");
    buffer_release(&in);
    buffer_release(&out);
}

Test(compression, the_decompressed_limit_has_a_floor_and_does_not_overflow) {
    cr_assert_eq(batch_decompressed_max(0), (size_t)16 << 20);
    cr_assert_eq(batch_decompressed_max(1 << 20), (size_t)100 << 20);
    cr_assert_eq(batch_decompressed_max(SIZE_MAX), SIZE_MAX);
}
