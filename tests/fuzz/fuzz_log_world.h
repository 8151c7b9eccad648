/* A log directory of the fuzz machine, made of fuzzed files: loaded, read, searched. */
#ifndef TESTS_FUZZ_FUZZ_LOG_WORLD_H
#define TESTS_FUZZ_FUZZ_LOG_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include "storage/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/machine.h"

#define FUZZ_LOG_DIR "t-0"

static inline void fuzz_lookup_done(struct log_lookup *lookup, int result) {
    ASSERT(IMPLIES(result == 0 && lookup->found_offset >= 0,
                   lookup->found_offset < log_end_offset(lookup->log)));
}

static inline void fuzz_log_closed(struct log *log, int result, void *ctx) {
    log_free(log);
}

/* What is read is whole batches that lie in the file. */
static inline void fuzz_read_log(struct log *log) {
    int64_t offset = log_start_offset(log);
    for (int i = 0; i < 16 && offset < log_end_offset(log); i++) {
        struct log_range range;
        if (log_read(log, offset, log_end_offset(log), 200, true, &range) != 0 || range.len == 0) {
            break;
        }
        int64_t size = 0;
        if (file_size(range.file, &size) == 0) {
            ASSERT(range.pos + (int64_t)range.len <= size);
        }
        ASSERT(range.next_offset > offset);
        file_unref(range.file);
        offset = range.next_offset;
    }
}

static inline void fuzz_search_log(struct log *log, int64_t timestamp) {
    struct log_lookup by_time = {0};
    struct log_lookup by_max = {0};
    log_find_timestamp(log, &by_time, timestamp, log_end_offset(log), fuzz_lookup_done);
    log_find_max_timestamp(log, &by_max, log_end_offset(log), fuzz_lookup_done);
    fuzz_machine_run();
    static struct arena arena;
    arena.limit = SIZE_MAX;
    struct log_aborted *aborted = NULL;
    int count = 0;
    if (log_aborted_transactions(log, 0, log_end_offset(log), &arena, &aborted, &count) == 0) {
        ASSERT(count >= 0);
    }
    arena_reset(&arena);
}

/* What the rest of the log dir says of the log, out of few: marks that its segments may have. */
static inline void fuzz_set_marks(struct log_options *options, uint8_t marks) {
    static const int64_t points[] = {0, 10, 25, 50};
    static const int64_t starts[] = {-1, 5, 10, 30};
    options->recovery_point = points[marks & 3];
    options->log_start_offset = starts[marks >> 2 & 3];
    options->start_is_sure = (marks & 16) != 0;
    options->config.durable = (marks & 32) != 0;
    options->config.cleanup_compact = (marks & 64) != 0;
    if ((marks & 128) != 0) {
        options->topic_id = uuid_from_halves(0, 1);
    }
}

/* Loads the directory; a refusal says why. `search` goes through the indexes too, and closes the
 * log as a clean shutdown does. */
static inline void fuzz_load(bool clean, bool search, int64_t timestamp, uint8_t marks) {
    struct log_options options = {
        .machine = fuzz_machine(),
        .directory = FUZZ_LOG_DIR,
        .clean = clean,
        .high_watermark = INT64_MAX,
        .config = {.segment_bytes = 1 << 20,
                   .segment_ms = INT64_MAX,
                   .segment_index_bytes = 1 << 20,
                   .index_interval_bytes = 100,
                   .retention_ms = -1,
                   .retention_bytes = -1,
                   .flush_messages = INT64_MAX,
                   .flush_ms = INT64_MAX,
                   .producer_id_expiration_ms = INT64_MAX},
    };
    fuzz_set_marks(&options, marks);
    struct log *log = NULL;
    struct errmsg errmsg = {""};
    if (log_load(&options, &log, &errmsg) != 0) {
        ASSERT(errmsg.text[0] != '\0');
        return;
    }
    ASSERT(log_start_offset(log) <= log_high_watermark(log));
    ASSERT(log_high_watermark(log) <= log_end_offset(log));
    ASSERT(log_last_stable_offset(log) <= log_high_watermark(log));
    fuzz_read_log(log);
    if (!search) {
        log_free(log);
        return;
    }
    log_start_on(log, machine_shard(fuzz_machine(), 0));
    fuzz_search_log(log, timestamp);
    log_close(log, true, fuzz_log_closed, NULL);
    fuzz_machine_run();
}

#endif
