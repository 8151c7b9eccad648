/*
 * The files beside a good segment, of any bytes: indexes are never more than wrong, snapshots and
 * checkpoints never more than missing.
 *
 * Input: u8 which file (and which access to the disk fails), u8 how it is loaded, then the file.
 */
#include "protocol/records.h"
#include "tests/fuzz/fuzz_log_world.h"

#define BATCHES 20

static struct slice segment(void) {
    static struct buffer out;
    if (out.len == 0) {
        buffer_init(&out, 1 << 20);
        for (int i = 0; i < BATCHES; i++) {
            struct batch_options options = BATCH_OPTIONS_DEFAULT;
            options.base_offset = i;
            options.partition_leader_epoch = i / 4;
            options.transactional = i % 2 == 1;
            options.producer_id = i % 3;
            options.producer_epoch = 0;
            options.base_sequence = i / 3;
            struct batch_builder builder;
            batch_builder_init(&builder, &options, 1 << 16);
            batch_builder_add(&builder, 1000 + i, SLICE_NULL, SLICE_LIT("of some length"), NULL, 0);
            ASSERT(batch_builder_finish(&builder, &out));
            batch_builder_release(&builder);
        }
    }
    return buffer_slice(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {
        "00000000000000000000.index",
        "00000000000000000000.timeindex",
        "00000000000000000000.txnindex",
        "00000000000000000020.snapshot",
        "00000000000000000010.snapshot",
        "leader-epoch-checkpoint",
        "partition.metadata",
    };
    if (size < 2) {
        return 0;
    }
    uint8_t how = data[1];
    struct slice file = fuzz_input(data + 2, size - 2);
    struct slice log = segment();
    fuzz_disk_put(FUZZ_LOG_DIR "/00000000000000000000.log", log.data, log.len);
    fuzz_disk_put(FUZZ_LOG_DIR "/00000000000000000000.index", "", 0);
    char path[64];
    snprintf(path, sizeof(path), FUZZ_LOG_DIR "/%s", names[(data[0] & 7) % ARRAY_LEN(names)]);
    fuzz_disk_put(path, file.data, file.len);
    fuzz_disk_fail((how & 8) != 0 ? data[0] >> 3 : 0);
    fuzz_load((how & 1) != 0, (how & 2) != 0, 1000 + how / 16, 0);
    if ((how & 4) != 0) {
        fuzz_load((how & 1) == 0, false, 0, 0);
    }
    fuzz_disk_reset();
    return 0;
}
