/* Producer snapshots. The CRC is made right, so that the entries are reached. */
#include "base/crc32c.h"
#include "base/memory.h"
#include "storage/producers.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *bytes = xmalloc(size + 1);
    memcpy(bytes, data, size);
    if (size >= 10 && (data[size - 1] & 1) == 0) {
        store_be32(bytes + 2, crc32c(bytes + 6, size - 6));
    }
    struct producers producers;
    producers_init(&producers);
    if (producers_decode(&producers, slice_make(bytes, size), 100)) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        producers_encode(&producers, &out);
        ASSERT(out.len <= size); /* the same producer may have come twice */
        buffer_release(&out);
    }
    producers_release(&producers);
    free(bytes);
    return 0;
}
