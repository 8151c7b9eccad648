/* CRC-32C (Castagnoli), as in record batches and producer snapshots. Check: "123456789" gives
 * e3069283. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *data, size_t len);

/* Goes on from the result over the bytes before; crc32c(x) is crc32c_extend(0, x). */
uint32_t crc32c_extend(uint32_t crc, const void *data, size_t len);

#endif
