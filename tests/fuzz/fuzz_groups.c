/* Records of __consumer_offsets: any keys and values, as one batch, replayed into a group table. */
#include "broker/group/group_table.h"
#include "protocol/records.h"
#include "runtime/sim/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_persist(struct group_env *env, struct group *group, struct group_write *write) {
}

/* Cuts off [length, bytes]; length 255 is null. */
static struct slice take(struct slice *in) {
    if (in->len == 0) {
        return SLICE_NULL;
    }
    size_t len = in->data[0];
    *in = slice_make(in->data + 1, in->len - 1);
    if (len == 255) {
        return SLICE_NULL;
    }
    len = len < in->len ? len : in->len;
    struct slice taken = slice_make(in->data, len);
    *in = slice_make(in->data + len, in->len - len);
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sim_options world = {.seed = 1};
    struct sim *sim = sim_new(&world);
    struct machine *machine = sim_machine_new(sim, "10.0.0.1", 1);
    struct group_limits limits = {.session_timeout_min_ms = 1, .session_timeout_max_ms = INT32_MAX};
    struct group_env env = {
        .machine = machine,
        .shard = machine_shard(machine, 0),
        .limits = &limits,
        .persist = no_persist,
    };
    struct group_table table;
    group_table_init(&table, &env);

    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, SIZE_MAX);
    struct slice in = slice_make(data, size);
    while (in.len > 0) {
        struct slice key = take(&in);
        struct slice value = take(&in);
        batch_builder_add(&builder, 1, key, value, NULL, 0);
    }
    struct buffer batch;
    buffer_init(&batch, SIZE_MAX);
    struct errmsg errmsg;
    if (batch_builder_finish(&builder, &batch)) {
        (void)!group_table_replay(&table, buffer_slice(&batch), &errmsg);
    }
    buffer_release(&batch);
    batch_builder_release(&builder);
    group_table_release(&table);
    sim_free(sim);
    return 0;
}
