/*
 * Loads a partition's directory (a copy: loading writes to it) and reads all of it.
 *
 *     storage_check_log DIR [clean] [RECOVERY_POINT]
 *
 * Prints one line of what was found; exits with 1 when the log does not load or a batch is bad. The
 * test of directories that Apache Kafka wrote.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "runtime/file.h"
#include "runtime/machine.h"
#include "storage/log.h"

#define FETCH_MAX (300 << 10)

struct totals {
    int64_t batches;
    int64_t records;
    int64_t control;
    int64_t bad;
};

static void count_batch(struct slice bytes, const struct batch *batch, struct totals *totals) {
    totals->batches++;
    totals->control += (batch->attributes & BATCH_ATTR_CONTROL) != 0;
    if (!batch_crc_valid(bytes)) {
        totals->bad++;
        return;
    }
    struct record_iterator *iterator =
        record_iterator_new(bytes, batch, batch_decompressed_max(bytes.len));
    struct record record;
    int result;
    while ((result = record_iterator_next(iterator, &record)) == 1) {
        totals->records++;
    }
    totals->bad += result != 0;
    record_iterator_free(iterator);
}

static int read_all(struct log *log, struct totals *totals) {
    int64_t offset = log_start_offset(log);
    while (offset < log_end_offset(log)) {
        struct log_range range;
        int result = log_read(log, offset, log_end_offset(log), FETCH_MAX, true, &range);
        if (result != 0 || range.len == 0) {
            fprintf(stderr, "read at %" PRId64 ": %d\n", offset, result);
            return 1;
        }
        uint8_t *bytes = xmalloc(range.len);
        bool whole = file_read_at(range.file, bytes, range.len, range.pos) == (int64_t)range.len;
        for (size_t done = 0; whole && done < range.len;) {
            struct batch batch;
            struct slice rest = slice_make(bytes + done, range.len - done);
            whole = batch_parse(rest, &batch) == BATCH_OK;
            if (whole) {
                count_batch(slice_make(rest.data, batch_size(&batch)), &batch, totals);
                done += batch_size(&batch);
            }
        }
        free(bytes);
        file_unref(range.file);
        if (!whole) {
            fprintf(stderr, "range at %" PRId64 " is not whole batches\n", offset);
            return 1;
        }
        offset = range.next_offset;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: storage_check_log DIR [clean] [RECOVERY_POINT]\n");
        return 2;
    }
    struct machine *machine = machine_new(1, 1);
    struct log_options options = {
        .machine = machine,
        .directory = argv[1],
        .clean = argc > 2 && strcmp(argv[2], "clean") == 0,
        .recovery_point = argc > 3 ? atoll(argv[3]) : 0,
        .log_start_offset = -1,
        .high_watermark = INT64_MAX,
        .config = {.segment_bytes = 1 << 20,
                   .segment_ms = INT64_MAX,
                   .segment_index_bytes = 10 << 20,
                   .index_interval_bytes = 4096,
                   .retention_ms = -1,
                   .retention_bytes = -1,
                   .flush_messages = INT64_MAX,
                   .flush_ms = INT64_MAX,
                   .producer_id_expiration_ms = INT64_MAX},
    };
    struct log *log = NULL;
    struct errmsg errmsg = {""};
    int result = log_load(&options, &log, &errmsg);
    if (result != 0) {
        fprintf(stderr, "load: %s (%s)\n", errmsg.text, strerror(-result));
        return 1;
    }
    struct totals totals = {0};
    result = read_all(log, &totals);
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct log_producer *producers = NULL;
    struct log_aborted *aborted = NULL;
    int producer_count = 0;
    int aborted_count = 0;
    log_producers(log, &arena, &producers, &producer_count);
    int failed = log_aborted_transactions(log, log_start_offset(log), log_end_offset(log), &arena,
                                          &aborted, &aborted_count);
    printf("start=%" PRId64 " end=%" PRId64 " stable=%" PRId64 " segments=%d bytes=%" PRId64
           " epoch=%" PRId32 " batches=%" PRId64 " records=%" PRId64 " control=%" PRId64
           " bad=%" PRId64 " producers=%d aborted=%d\n",
           log_start_offset(log), log_end_offset(log), log_last_stable_offset(log),
           log_segment_count(log), log_bytes(log), log_latest_epoch(log), totals.batches,
           totals.records, totals.control, totals.bad, producer_count, aborted_count);
    arena_release(&arena);
    log_free(log);
    machine_free(machine);
    return result != 0 || failed != 0 || totals.bad != 0;
}
