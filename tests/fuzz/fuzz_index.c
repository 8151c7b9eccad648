/* Offset, time and transaction indexes of any bytes over a good segment: never more than wrong. */
#include "protocol/records.h"
#include "tests/fuzz/fuzz_log_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void build_segment(struct buffer *out) {
    buffer_init(out, 1 << 20);
    for (int i = 0; i < 20; i++) {
        struct batch_options options = BATCH_OPTIONS_DEFAULT;
        options.base_offset = i;
        struct batch_builder builder;
        batch_builder_init(&builder, &options, 1 << 16);
        batch_builder_add(&builder, 1000 + i, SLICE_NULL, SLICE_LIT("a value of some length"), NULL,
                          0);
        ASSERT(batch_builder_finish(&builder, out));
        batch_builder_release(&builder);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_world world = fuzz_world_new();
    struct buffer segment;
    build_segment(&segment);
    fuzz_put_file(&world, "t-0/00000000000000000000.log", segment.data, segment.len);
    buffer_release(&segment);
    fuzz_put_file(&world, "t-0/00000000000000000000.index", data, size);
    fuzz_put_file(&world, "t-0/00000000000000000000.timeindex", data, size);
    fuzz_put_file(&world, "t-0/00000000000000000000.txnindex", data, size);
    fuzz_load(&world, true);
    fuzz_load(&world, false);
    sim_free(world.sim);
    return 0;
}
