/*
 * barnabasctl log dump over a file of any bytes, as each kind of log; it prints or it says where it
 * stopped. The file under test is included, so that its messages go nowhere.
 *
 * Input: u8 kind of log, then the file, whose CRCs are made right where headers make sense.
 */
#include <stdio.h>

#include "tests/fuzz/batches.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/machine.h"

static FILE *nowhere;
#undef stderr
#define stderr nowhere
#include "tools/log_dump.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const paths[] = {
        "t-0/0.log",
        "__cluster_metadata-0/0.log",
        "__consumer_offsets-0/0.log",
        "__transaction_state-0/0.log",
        "__share_group_state-0/0.log",
    };
    if (nowhere == NULL) {
        nowhere = fopen("/dev/null", "w");
        ASSERT(nowhere != NULL);
    }
    if (size == 0) {
        return 0;
    }
    const char *path = paths[data[0] / 4 % ARRAY_LEN(paths)];
    uint8_t *copy = fuzz_copy(data + 1, size - 1);
    if ((data[0] & 1) == 0) {
        fuzz_fix_crcs(copy, size - 1);
    }
    fuzz_disk_put(path, copy, size - 1);
    struct log_dump_options options = {.records = (data[0] & 2) == 0, .out = nowhere};
    (void)log_dump_file(fuzz_machine(), path, &options);
    fuzz_disk_reset();
    ASSERT(!log_dump_file(fuzz_machine(), path, &options)); /* gone */
    return 0;
}
