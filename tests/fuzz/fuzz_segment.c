/* A segment file of any bytes: recovery, a second load, and a clean load. */
#include "base/buffer.h"
#include "base/crc32c.h"
#include "protocol/records.h"
#include "tests/fuzz/fuzz_log_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Makes CRCs right for as long as headers make sense, so that what lies behind them is reached. */
static void fix_crcs(uint8_t *data, size_t size) {
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_world world = fuzz_world_new();
    bool clean_first = size > 0 && (data[size - 1] & 1) != 0;
    uint8_t *copy = xmalloc(size + 1);
    memcpy(copy, data, size);
    fix_crcs(copy, size);
    fuzz_put_file(&world, "t-0/00000000000000000000.log", copy, size);
    free(copy);
    fuzz_load(&world, clean_first);
    fuzz_load(&world, !clean_first);
    sim_free(world.sim);
    return 0;
}
