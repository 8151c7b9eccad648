/* What the tests of storage share: a fresh directory, batches, and a loop to run on. */
#ifndef TESTS_UNIT_STORAGE_TEST_H
#define TESTS_UNIT_STORAGE_TEST_H

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "protocol/records.h"
#include "runtime/file.h"
#include "runtime/log.h"
#include "runtime/machine.h"
#include "storage/log.h"

/* A producer's batch; fields as in struct batch_options. */
struct test_batch {
    int count;         /* of records; 0 is 1 */
    int64_t timestamp; /* of the first record; each next is 1 ms younger */
    size_t value_len;
    int64_t producer_id; /* 0: none */
    int16_t producer_epoch;
    int32_t base_sequence;
    bool transactional;
    int marker; /* 1 abort, 2 commit: a control batch */
    int64_t base_offset;
    int32_t leader_epoch;
};

static inline void test_batch_build(const struct test_batch *spec, struct buffer *out) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.base_offset = spec->base_offset;
    options.partition_leader_epoch = spec->leader_epoch;
    options.transactional = spec->transactional || spec->marker != 0;
    options.control = spec->marker != 0;
    if (spec->producer_id != 0) {
        options.producer_id = spec->producer_id;
        options.producer_epoch = spec->producer_epoch;
        options.base_sequence = spec->marker != 0 ? -1 : spec->base_sequence;
    }
    struct batch_builder builder;
    batch_builder_init(&builder, &options, 1 << 24);
    uint8_t *value = xcalloc(1, spec->value_len + 16);
    if (spec->marker != 0) {
        const uint8_t key[4] = {0, 0, 0, (uint8_t)(spec->marker - 1)};
        const uint8_t marker[6] = {0, 0, 0, 0, 0, 3};
        batch_builder_add(&builder, spec->timestamp, slice_make(key, 4), slice_make(marker, 6),
                          NULL, 0);
    } else {
        for (int i = 0; i < (spec->count == 0 ? 1 : spec->count); i++) {
            memset(value, 'a' + i % 26, spec->value_len);
            batch_builder_add(&builder, spec->timestamp + i, SLICE_LIT("k"),
                              slice_make(value, spec->value_len), NULL, 0);
        }
    }
    cr_assert(batch_builder_finish(&builder, out));
    batch_builder_release(&builder);
    free(value);
}

static inline int test_append(struct log *log, const struct test_batch *spec,
                              struct log_append *out) {
    struct buffer bytes;
    buffer_init(&bytes, 1 << 24);
    test_batch_build(spec, &bytes);
    struct produce_verdict verdict = {0};
    cr_assert_eq(batch_parse(buffer_slice(&bytes), &verdict.batch), BATCH_OK);
    verdict.max_timestamp = verdict.batch.max_timestamp;
    struct log_append ignored;
    int result =
        log_append(log, bytes.data, &verdict, spec->leader_epoch, out == NULL ? &ignored : out);
    buffer_release(&bytes);
    return result;
}

static inline struct log_config test_config(void) {
    return (struct log_config){
        .segment_bytes = 1 << 20,
        .segment_ms = INT64_C(7) * 24 * 3600 * 1000,
        .segment_index_bytes = 10 << 20,
        .index_interval_bytes = 4096,
        .retention_ms = -1,
        .retention_bytes = -1,
        .file_delete_delay_ms = 0,
        .flush_messages = INT64_MAX,
        .flush_ms = INT64_MAX,
        .cleanup_delete = true,
        .durable = true,
        .producer_id_expiration_ms = INT64_MAX,
    };
}

static inline struct log_options test_options(struct machine *machine, const char *dir) {
    return (struct log_options){
        .machine = machine,
        .directory = dir,
        .config = test_config(),
        .log_start_offset = -1,
        .high_watermark = -1,
    };
}

#endif
