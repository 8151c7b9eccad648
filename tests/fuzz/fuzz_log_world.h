/* A log directory on a simulated disk, made of fuzzed files. */
#ifndef TESTS_FUZZ_LOG_WORLD_H
#define TESTS_FUZZ_LOG_WORLD_H

#include "base/memory.h"
#include "runtime/file.h"
#include "runtime/log.h"
#include "runtime/sim/sim.h"
#include "storage/log.h"

#include <stdlib.h>

struct fuzz_world {
    struct sim *sim;
    struct machine *machine;
};

static inline struct fuzz_world fuzz_world_new(void) {
    const struct sim_options options = {.seed = 1};
    struct fuzz_world world = {.sim = sim_new(&options)};
    world.machine = sim_machine_new(world.sim, "10.0.0.1", 1);
    log_set_level(world.machine, LOG_LEVEL_ERROR);
    ASSERT(path_mkdir(world.machine, "t-0") == 0);
    return world;
}

static inline void fuzz_put_file(struct fuzz_world *world, const char *path, const void *data,
                                 size_t size) {
    struct file *file = NULL;
    ASSERT(file_open(world->machine, path, FILE_WRITE | FILE_CREATE, &file) == 0);
    ASSERT(size == 0 || file_write_at(file, data, size, 0) == 0);
    file_unref(file);
}

/* Loads the directory; reads all of it, and asks what can be asked without a loop. */
static inline void fuzz_load(struct fuzz_world *world, bool clean) {
    struct log_options options = {
        .machine = world->machine,
        .directory = "t-0",
        .clean = clean,
        .log_start_offset = -1,
        .high_watermark = INT64_MAX,
        .config = {.segment_bytes = 1 << 20,
                   .segment_index_bytes = 1 << 20,
                   .index_interval_bytes = 100,
                   .producer_id_expiration_ms = INT64_MAX},
    };
    struct log *log = NULL;
    struct errmsg errmsg = {""};
    if (log_load(&options, &log, &errmsg) != 0) {
        ASSERT(errmsg.text[0] != '\0');
        return;
    }
    ASSERT(log_start_offset(log) <= log_high_watermark(log));
    ASSERT(log_high_watermark(log) <= log_end_offset(log));
    ASSERT(log_last_stable_offset(log) <= log_high_watermark(log));
    int64_t offset = log_start_offset(log);
    for (int i = 0; i < 100 && offset < log_end_offset(log); i++) {
        struct log_range range;
        if (log_read(log, offset, log_end_offset(log), 200, true, &range) != 0 || range.len == 0) {
            break;
        }
        int64_t size = 0;
        ASSERT(file_size(range.file, &size) == 0 && range.pos + (int64_t)range.len <= size);
        ASSERT(range.next_offset > offset);
        file_unref(range.file);
        offset = range.next_offset;
    }
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct log_aborted *aborted = NULL;
    int count = 0;
    if (log_aborted_transactions(log, 0, log_end_offset(log), &arena, &aborted, &count) != 0) {
        count = 0;
    }
    arena_release(&arena);
    log_free(log);
}

#endif
