/* The first byte chooses codec and step, the rest is the stream; what comes out has a limit. */
#include "protocol/compression.h"
#include "tests/fuzz/fuzz.h"

#define OUTPUT_MAX ((size_t)1 << 16)
#define STEP_MAX   ((size_t)1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t *piece;
    if (size == 0) {
        return 0;
    }
    if (piece == NULL) {
        piece = (uint8_t *)xmalloc(STEP_MAX);
    }
    enum compression codec = (enum compression)(data[0] % COMPRESSION_COUNT);
    size_t output_max = (data[0] & 0x40) != 0 ? 100 : OUTPUT_MAX;
    ASSERT(decompressor_new((enum compression)(COMPRESSION_COUNT + data[0] % 3), SLICE_NULL, 1) ==
           NULL);
    size_t step = (data[0] & 0x80) != 0 ? STEP_MAX : 1 + data[0] / COMPRESSION_COUNT;
    struct decompressor *decompressor =
        decompressor_new(codec, fuzz_input(data + 1, size - 1), output_max);
    size_t produced = 0;
    int64_t got;
    while ((got = decompressor_read(decompressor, piece, step)) > 0) {
        ASSERT((size_t)got <= step);
        produced += (size_t)got;
    }
    ASSERT(produced <= output_max);
    ASSERT(decompressor_read(decompressor, piece, step) == got); /* an end stays one */
    decompressor_free(decompressor);
    return 0;
}
