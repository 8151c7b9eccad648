/* Producer snapshots. The CRC is made right for most, so that the entries are reached. */
#include "base/crc32c.h"
#include "storage/producers.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct buffer out;
    uint8_t *bytes = fuzz_copy(data, size);
    if (size >= 10 && (data[size - 1] & 1) == 0) {
        store_be32(bytes + 2, crc32c(bytes + 6, size - 6));
    }
    struct producers producers;
    producers_init(&producers);
    if (producers_decode(&producers, slice_make(bytes, size), 100)) {
        out.max = SIZE_MAX;
        buffer_reset(&out);
        producers_encode(&producers, &out);
        ASSERT(out.len <= size); /* the same producer may have come twice */
        struct producers again;
        producers_init(&again);
        ASSERT(producers_decode(&again, buffer_slice(&out), 100));
        ASSERT(producers_first_unstable(&again) == producers_first_unstable(&producers));
        producers_release(&again);
        producers_raise_high_watermark(&producers, 50);
        producers_expire(&producers, 1000, 500);
    }
    producers_release(&producers);
    return 0;
}
