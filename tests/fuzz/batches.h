/* Record batches in fuzzed bytes. */
#ifndef TESTS_FUZZ_BATCHES_H
#define TESTS_FUZZ_BATCHES_H

#include "base/crc32c.h"
#include "protocol/records.h"

/* Makes the CRCs right for as long as headers make sense, so that what lies behind them is reached:
 * a fuzzer would not find them. */
static inline void fuzz_fix_crcs(uint8_t *data, size_t size) {
    for (size_t done = 0; done < size;) {
        struct batch batch;
        if (batch_parse(slice_make(data + done, size - done), &batch) != BATCH_OK) {
            return;
        }
        store_be32(data + done + BATCH_CRC_OFFSET,
                   crc32c(data + done + BATCH_CRC_START, batch_size(&batch) - BATCH_CRC_START));
        done += batch_size(&batch);
    }
}

#endif
