/*
 * A segment file of any bytes: recovery, a second load of what it left, reads and look-ups.
 *
 * Input: the file, whose CRCs are made right where headers make sense, and a last byte that says
 * how it is loaded; before that, perhaps, which access to the disk fails.
 */
#include "tests/fuzz/batches.h"
#include "tests/fuzz/fuzz_log_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    uint8_t how = data[--size];
    uint8_t fault = size > 0 && (how & 32) != 0 ? data[--size] : 0;
    uint8_t *copy = fuzz_copy(data, size);
    if ((how & 2) == 0) {
        fuzz_fix_crcs(copy, size);
    }
    fuzz_disk_put(FUZZ_LOG_DIR "/00000000000000000000.log", copy, size);
    fuzz_disk_fail(fault);
    fuzz_load((how & 1) != 0, (how & 4) != 0, how, 0);
    if ((how & 8) != 0) {
        fuzz_load((how & 1) == 0, (how & 16) != 0, how, 0);
    }
    fuzz_disk_reset();
    return 0;
}
