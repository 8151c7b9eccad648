/* The first byte chooses codec and step, the rest is the stream; what comes out has a limit. */
#include <stdlib.h>

#include "base/memory.h"
#include "protocol/compression.h"

#define OUTPUT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    enum compression codec = (enum compression)(data[0] % COMPRESSION_COUNT);
    size_t step = (data[0] & 0x80) != 0 ? 65536 : 1 + data[0] / COMPRESSION_COUNT;
    struct decompressor *decompressor =
        decompressor_new(codec, slice_make(data + 1, size - 1), OUTPUT_MAX);
    uint8_t *piece = xmalloc(step);
    size_t produced = 0;
    int64_t got;
    while ((got = decompressor_read(decompressor, piece, step)) > 0) {
        ASSERT((size_t)got <= step);
        produced += (size_t)got;
    }
    ASSERT(produced <= OUTPUT_MAX);
    free(piece);
    decompressor_free(decompressor);
    return 0;
}
