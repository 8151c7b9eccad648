#include "base/crc32c.h"

#include <isa-l/crc.h>
#include <limits.h>

/* ISA-L takes an int length and leaves the inversions of CRC-32C to its caller. */
#define CRC_STEP ((size_t)INT_MAX)

uint32_t crc32c_extend(uint32_t crc, const void *data, size_t len) {
    const unsigned char *at = data;
    uint32_t state = ~crc;
    while (len > 0) {
        size_t step = len < CRC_STEP ? len : CRC_STEP;
        state = crc32_iscsi((unsigned char *)(uintptr_t)at, (int)step, state);
        at += step;
        len -= step;
    }
    return ~state;
}

uint32_t crc32c(const void *data, size_t len) {
    return crc32c_extend(0, data, len);
}
