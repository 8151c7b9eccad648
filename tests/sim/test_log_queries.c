/* Timestamps, transactions, retention, raised starts and truncation, against a plain model. */
#include "base/arena.h"
#include "runtime/sim/sim.h"
#include "tests/unit/storage/storage_test.h"

#define MODEL_MAX 4000

static struct sim *sim;
static struct machine *machine;
static struct log *running;
static struct log_options options;
static int64_t model_time[MODEL_MAX]; /* of the record at each offset */
static int64_t first_of_batch[MODEL_MAX];
static uint64_t random_state = 88172645463325252u;

static uint64_t draw(uint64_t bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

static void load(void) {
    struct errmsg errmsg = {""};
    cr_assert_eq(log_load(&options, &running, &errmsg), 0, "%s", errmsg.text);
    log_start_on(running, machine_shard(machine, 0));
}

static void set_up(void) {
    struct sim_options sim_options = {
        .seed = 3, .sync_delay_min_us = 100, .sync_delay_max_us = 1000};
    sim = sim_new(&sim_options);
    machine = sim_machine_new(sim, "10.0.0.1", 1);
    log_set_level(machine, LOG_LEVEL_ERROR);
    options = test_options(machine, "t-0");
    options.config.segment_bytes = 2500;
    options.config.index_interval_bytes = 250;
    load();
}

static void tear_down(void) {
    log_free(running);
    sim_free(sim);
}

TestSuite(log_queries, .init = set_up, .fini = tear_down, .timeout = 60);

static void nothing(void *ctx) {
}

/* A turn of the loop, which does what was deferred, and the work that follows from it. */
static void settle(void) {
    sim_call(sim, machine_shard(machine, 0), nothing, NULL);
    sim_run(sim, 100, NULL);
}

static bool looked_up;

static void on_lookup(struct log_lookup *lookup, int result) {
    cr_assert_eq(result, 0);
    looked_up = true;
}

static int64_t find(int64_t timestamp, int64_t limit) {
    struct log_lookup lookup;
    looked_up = false;
    log_find_timestamp(running, &lookup, timestamp, limit, on_lookup);
    cr_assert(sim_run(sim, 1000, &looked_up));
    if (lookup.found_offset >= 0) {
        cr_assert_eq(lookup.found_timestamp, model_time[lookup.found_offset]);
    }
    return lookup.found_offset;
}

static int64_t find_max(int64_t limit) {
    struct log_lookup lookup;
    looked_up = false;
    log_find_max_timestamp(running, &lookup, limit, on_lookup);
    cr_assert(sim_run(sim, 1000, &looked_up));
    return lookup.found_offset;
}

static void append(int count, int64_t timestamp) {
    struct test_batch spec = {
        .count = count, .timestamp = timestamp, .value_len = (size_t)draw(60), .leader_epoch = 1};
    int64_t first = log_end_offset(running);
    cr_assert_leq(first + count, MODEL_MAX);
    cr_assert_eq(test_append(running, &spec, NULL), 0);
    for (int i = 0; i < count; i++) {
        model_time[first + i] = timestamp + i;
        first_of_batch[first + i] = first;
    }
}

/* What Kafka answers: the first record of the log with such a timestamp. */
static int64_t model_find(int64_t timestamp, int64_t limit) {
    for (int64_t offset = log_start_offset(running); offset < limit; offset++) {
        if (model_time[offset] >= timestamp) {
            return offset;
        }
    }
    return -1;
}

static int64_t model_find_max(int64_t limit) {
    int64_t best = -1;
    for (int64_t offset = log_start_offset(running); offset < limit; offset++) {
        if (best < 0 || model_time[offset] > model_time[best]) {
            best = offset;
        }
    }
    return best;
}

static void check_lookups(void) {
    int64_t end = log_end_offset(running);
    for (int i = 0; i < 60; i++) {
        int64_t timestamp = (int64_t)draw(6000);
        int64_t expected = model_find(timestamp, end);
        cr_assert_eq(find(timestamp, end), expected, "timestamp %" PRId64, timestamp);
    }
    int64_t limit = log_start_offset(running) + (end - log_start_offset(running)) / 2;
    limit = limit < end ? first_of_batch[limit] : end;
    cr_assert_eq(find_max(end), model_find_max(end));
    cr_assert_eq(find_max(limit), model_find_max(limit));
}

Test(log_queries, timestamps_in_any_order_are_found_like_in_a_plain_list) {
    for (int i = 0; i < 300; i++) {
        append(1 + (int)draw(4), (int64_t)draw(5000));
    }
    cr_assert_gt(log_segment_count(running), 3);
    check_lookups();
    log_free(running);
    options.clean = false;
    load();
    check_lookups();
    cr_assert_eq(find(9999, log_end_offset(running)), -1);
    log_raise_high_watermark(running, log_end_offset(running));
    cr_assert_eq(log_raise_start(running, 101), 0);
    check_lookups();
}

static bool closed;

static void on_closed(struct log *log, int result, void *ctx) {
    cr_assert_eq(result, 0);
    log_free(log);
    closed = true;
}

static void close_cleanly(void) {
    closed = false;
    log_close(running, true, on_closed, NULL);
    sim_call(sim, machine_shard(machine, 0), nothing, NULL);
    cr_assert(sim_run(sim, 5000, &closed));
}

static void reload(bool clean) {
    if (clean) {
        close_cleanly();
    } else {
        options.high_watermark = log_high_watermark(running);
        options.log_start_offset = log_start_offset(running);
        sim_crash_after(machine, 0, SIM_CRASH_PROCESS);
        log_free(running);
        sim_machine_restart(machine);
    }
    options.clean = clean;
    load();
}

/* Sets the relative offset of the last entry of the time index. */
static void damage_last_time_entry(const char *path, uint32_t relative) {
    struct file *file = NULL;
    int64_t size = 0;
    uint8_t bytes[4];
    store_be32(bytes, relative);
    cr_assert_eq(file_open(machine, path, FILE_WRITE, &file), 0);
    cr_assert_eq(file_size(file, &size), 0);
    cr_assert_geq(size, (int64_t)sizeof(bytes));
    cr_assert_eq(file_write_at(file, bytes, sizeof(bytes), size - (int64_t)sizeof(bytes)), 0);
    file_unref(file);
}

Test(log_queries, an_entry_moved_to_a_later_batch_with_its_timestamp_does_not_hide_the_first) {
    options.config.segment_bytes = 100000;
    log_set_config(running, &options.config);
    for (int i = 0; i < 40; i++) {
        append(1, i == 20 || i == 30 ? 200 : 100);
    }
    close_cleanly();
    damage_last_time_entry("t-0/00000000000000000000.timeindex", 30);
    options.clean = true;
    load();
    cr_assert_eq(find_max(40), 20);
    cr_assert_eq(find(200, 40), 20);
}

static void check_reads(void) {
    int64_t end = log_end_offset(running);
    for (int64_t offset = log_start_offset(running); offset < end;) {
        struct log_range range;
        size_t max = 1 + (size_t)draw(3000);
        cr_assert_eq(log_read(running, offset, end, max, true, &range), 0);
        cr_assert_gt(range.len, 0);
        cr_assert_eq(range.first_offset, first_of_batch[offset]);
        uint8_t *bytes = xmalloc(range.len);
        cr_assert_eq(file_read_at(range.file, bytes, range.len, range.pos), (int64_t)range.len);
        for (size_t done = 0; done < range.len;) {
            struct batch batch;
            cr_assert_eq(batch_parse(slice_make(bytes + done, range.len - done), &batch), BATCH_OK);
            cr_assert_eq(batch.base_timestamp, model_time[batch.base_offset]);
            done += batch_size(&batch);
        }
        free(bytes);
        file_unref(range.file);
        offset = range.next_offset;
    }
}

Test(log_queries, random_operations_match_a_plain_model) {
    options.config.retention_bytes = 12000;
    log_set_config(running, &options.config);
    int64_t start = 0;
    int64_t end = 0;
    for (int i = 0; i < 700 && end < MODEL_MAX - 10; i++) {
        uint64_t what = draw(100);
        if (what < 80) {
            int count = 1 + (int)draw(5);
            append(count, (int64_t)draw(5000));
            end += count;
        } else if (what < 84) {
            settle();
            int64_t target = end - (int64_t)draw(30);
            target = target < start ? start : target;
            cr_assert_eq(log_truncate(running, target), 0);
            end = target < end ? first_of_batch[target] : end;
            if (end < start) {
                start = end;
            }
        } else if (what < 88) {
            log_raise_high_watermark(running, end);
            int64_t target = start + (int64_t)draw((uint64_t)(end - start) / 3 + 1);
            cr_assert_eq(log_raise_start(running, target), 0);
            start = target;
        } else if (what < 92) {
            log_raise_high_watermark(running, end);
            log_apply_retention(running, 0);
            cr_assert_geq(log_start_offset(running), start);
            start = log_start_offset(running);
        } else if (what < 95) {
            reload(draw(2) == 0);
            options.log_start_offset = -1;
            if (log_start_offset(running) < start) {
                log_raise_high_watermark(running, end);
                cr_assert_eq(log_raise_start(running, start), 0);
            }
        } else {
            settle();
        }
        cr_assert_eq(log_end_offset(running), end, "operation %d (%d)", i, (int)what);
        cr_assert_eq(log_start_offset(running), start, "operation %d (%d)", i, (int)what);
        if (i % 20 == 0) {
            check_reads();
        }
    }
    check_reads();
}

Test(log_queries, retention_by_time_keeps_what_is_young_or_above_the_high_watermark) {
    options.config.retention_ms = 1000;
    log_set_config(running, &options.config);
    for (int i = 0; i < 100; i++) {
        append(2, 1000 + i * 10);
    }
    log_apply_retention(running, 5000);
    cr_assert_eq(log_start_offset(running), 0, "nothing is below the high watermark");
    log_raise_high_watermark(running, 200);
    log_apply_retention(running, 2500);
    cr_assert_gt(log_start_offset(running), 0);
    cr_assert_lt(log_start_offset(running), 200);
    cr_assert_geq(model_time[log_start_offset(running) + 60], 1500);
    log_apply_retention(running, 50000);
    cr_assert_eq(log_start_offset(running), 200);
    cr_assert_eq(log_end_offset(running), 200);
    cr_assert_eq(log_segment_count(running), 1);
    settle();
    char **names = NULL;
    size_t count = 0;
    cr_assert_eq(directory_list(machine, "t-0", &names, &count), 0);
    for (size_t i = 0; i < count; i++) {
        cr_assert_null(strstr(names[i], ".deleted"), "%s", names[i]);
        cr_assert_null(strstr(names[i], "00000000000000000000"), "%s", names[i]);
    }
    free(names);
    append(1, 60000);
    check_reads();
}

static int aborted_count(void) {
    struct arena arena;
    struct log_aborted *aborted = NULL;
    int count = 0;
    arena_init(&arena, SIZE_MAX);
    cr_assert_eq(log_aborted_transactions(running, 0, 120, &arena, &aborted, &count), 0);
    arena_release(&arena);
    return count;
}

Test(log_queries, aborted_transactions_are_found_also_after_recovery) {
    cr_assert_eq(aborted_count(), 0);
    for (int i = 0; i < 60; i++) {
        struct test_batch data = {.producer_id = 1 + i,
                                  .transactional = true,
                                  .value_len = 50,
                                  .base_sequence = 0,
                                  .leader_epoch = 1};
        struct test_batch marker = {.producer_id = 1 + i, .marker = 1 + i % 2, .leader_epoch = 1};
        cr_assert_eq(test_append(running, &data, NULL), 0);
        cr_assert_eq(test_append(running, &marker, NULL), 0);
        cr_assert_eq(aborted_count(), i / 2 + 1, "as soon as there is one, in whatever segment");
    }
    for (int round = 0; round < 3; round++) {
        struct arena arena;
        arena_init(&arena, SIZE_MAX);
        struct log_aborted *aborted = NULL;
        int count = 0;
        cr_assert_eq(log_aborted_transactions(running, 0, 120, &arena, &aborted, &count), 0);
        cr_assert_eq(count, 30, "round %d: %d", round, count);
        for (int i = 0; i < count; i++) {
            cr_assert_eq(aborted[i].producer_id, 1 + i * 2);
            cr_assert_eq(aborted[i].first_offset, i * 4);
        }
        cr_assert_eq(log_aborted_transactions(running, 50, 60, &arena, &aborted, &count), 0);
        cr_assert_eq(count, 2); /* [52, 53] and [56, 57] */
        arena_release(&arena);
        log_raise_high_watermark(running, 120);
        cr_assert_eq(log_last_stable_offset(running), 120);
        settle();
        reload(round == 1);
    }
    struct test_batch open = {
        .producer_id = 7, .producer_epoch = 1, .transactional = true, .leader_epoch = 1};
    cr_assert_eq(test_append(running, &open, NULL), 0);
    log_raise_high_watermark(running, 121);
    cr_assert_eq(log_last_stable_offset(running), 120);
    reload(false);
    log_raise_high_watermark(running, 121);
    cr_assert_eq(log_last_stable_offset(running), 120);
}

Test(log_queries, truncation_cuts_epochs_and_sequences_too) {
    for (int i = 0; i < 30; i++) {
        struct test_batch spec = {.count = 2,
                                  .producer_id = 4,
                                  .base_sequence = i * 2,
                                  .value_len = 100,
                                  .leader_epoch = i / 10};
        cr_assert_eq(test_append(running, &spec, NULL), 0);
    }
    settle();
    cr_assert_eq(log_latest_epoch(running), 2);
    cr_assert_eq(log_truncate(running, 40), 0);
    cr_assert_eq(log_end_offset(running), 40);
    cr_assert_eq(log_latest_epoch(running), 1);
    cr_assert_eq(log_synced_end(running), 40);
    struct log_append out;
    struct test_batch spec = {.count = 2, .producer_id = 4, .base_sequence = 42, .leader_epoch = 3};
    cr_assert_eq(test_append(running, &spec, &out), 0);
    cr_assert_eq(out.error, ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    spec.base_sequence = 40;
    cr_assert_eq(test_append(running, &spec, &out), 0);
    cr_assert_eq(out.first_offset, 40);
    settle();
    /* An epoch without records goes when the log is cut at its end (KAFKA-10706). */
    cr_assert_eq(log_assign_epoch(running, 8), 0);
    cr_assert_eq(log_truncate(running, 42), 0);
    cr_assert_eq(log_latest_epoch(running), 3);
    settle();
    cr_assert_eq(log_restart_at(running, 1000), 0);
    cr_assert_eq(log_start_offset(running), 1000);
    cr_assert_eq(log_end_offset(running), 1000);
}
