/* A log on the real machine: appending, reading, syncing, closing, loading again. */
#include <sys/resource.h>

#include "tests/unit/storage/storage_test.h"

static struct machine *machine;
static char root[] = "/tmp/storage-test-XXXXXX";
static char dir[64];
static struct log_options options;

static void set_up(void) {
    cr_assert_not_null(mkdtemp(root));
    snprintf(dir, sizeof(dir), "%s/t-0", root);
    machine = machine_new(1, 2);
    log_set_level(machine, LOG_LEVEL_ERROR);
    options = test_options(machine, dir);
}

static void tear_down(void) {
    machine_free(machine);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(log, .init = set_up, .fini = tear_down);

static struct log *load(void) {
    struct log *log = NULL;
    struct errmsg errmsg = {""};
    int result = log_load(&options, &log, &errmsg);
    cr_assert_eq(result, 0, "%d %s", result, errmsg.text);
    return log;
}

/* Reads from offset and checks that whole batches came, the first of which holds the offset. */
static struct log_range read_checked(struct log *log, int64_t offset, int64_t limit, size_t max) {
    struct log_range range;
    int result = log_read(log, offset, limit, max, true, &range);
    cr_assert_eq(result, 0, "offset %" PRId64 ": %d", offset, result);
    if (range.len == 0) {
        cr_assert_null(range.file);
        return range;
    }
    uint8_t *bytes = xmalloc(range.len);
    cr_assert_eq(file_read_at(range.file, bytes, range.len, range.pos), (int64_t)range.len);
    size_t done = 0;
    int64_t next = -1;
    while (done < range.len) {
        struct batch batch;
        struct slice rest = slice_make(bytes + done, range.len - done);
        cr_assert_eq(batch_parse(rest, &batch), BATCH_OK);
        cr_assert(batch_crc_valid(slice_make(rest.data, batch_size(&batch))));
        if (done == 0) {
            cr_assert_eq(batch.base_offset, range.first_offset);
            cr_assert(batch.base_offset <= offset && batch_last_offset(&batch) >= offset);
        } else {
            cr_assert_eq(batch.base_offset, next);
        }
        next = batch_last_offset(&batch) + 1;
        done += batch_size(&batch);
    }
    cr_assert_eq(next, range.next_offset);
    cr_assert(next <= limit);
    free(bytes);
    file_unref(range.file);
    return range;
}

static void check_all_reads(struct log *log) {
    int64_t end = log_end_offset(log);
    const size_t sizes[] = {1, 100, 5000, 1 << 20};
    for (int64_t offset = log_start_offset(log); offset < end; offset++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            struct log_range range = read_checked(log, offset, end, sizes[i]);
            cr_assert_gt(range.len, 0);
        }
        read_checked(log, offset, offset + (end - offset) / 2, 1 << 20);
    }
}

Test(log, a_new_log_is_empty_and_has_kafkas_files) {
    options.topic_id = uuid_from_halves(7, 9);
    struct log *log = load();
    cr_assert_eq(log_end_offset(log), 0);
    struct log_range range;
    cr_assert_eq(log_read(log, 0, 0, 100, true, &range), 0);
    cr_assert_eq(range.len, 0);
    cr_assert_eq(log_read(log, 1, 1, 100, true, &range), -ERANGE);
    log_free(log);
    char **names = NULL;
    size_t count = 0;
    cr_assert_eq(directory_list(machine, dir, &names, &count), 0);
    cr_assert_eq(count, 4);
    cr_assert_str_eq(names[0], "00000000000000000000.index");
    cr_assert_str_eq(names[3], "partition.metadata");
    free(names);
}

Test(log, what_was_appended_is_read_back_from_every_offset) {
    options.config.segment_bytes = 20000;
    struct log *log = load();
    for (int i = 0; i < 300; i++) {
        struct log_append out;
        struct test_batch spec = {.count = 1 + i % 4, .value_len = (size_t)(i % 7) * 60};
        int64_t end = log_end_offset(log);
        cr_assert_eq(test_append(log, &spec, &out), 0);
        cr_assert_eq(out.first_offset, end);
        cr_assert_eq(out.last_offset, end + i % 4);
    }
    cr_assert_gt(log_segment_count(log), 3);
    check_all_reads(log);
    int64_t end = log_end_offset(log);
    int64_t bytes = log_bytes(log);
    log_free(log);
    log = load(); /* not clean: recovery */
    cr_assert_eq(log_end_offset(log), end);
    cr_assert_eq(log_bytes(log), bytes);
    cr_assert_eq(log_synced_end(log), end);
    check_all_reads(log);
    log_free(log);
    options.clean = true;
    log = load();
    cr_assert_eq(log_end_offset(log), end);
    check_all_reads(log);
    log_free(log);
}

/* ---- On a loop ------------------------------------------------------------------------------- */

static struct log *running;
static struct log_waiter waiters[3];
static int waited;
static int close_result;

static void on_closed(struct log *log, int result, void *ctx) {
    close_result = result;
    log_free(log);
    machine_stop(machine);
}

static void on_synced(struct log_waiter *waiter, int result) {
    cr_assert_eq(result, 0);
    cr_assert_eq(waiter, &waiters[waited]);
    cr_assert_geq(log_synced_end(running), waiter->offset);
    if (++waited == 3) {
        log_close(running, true, on_closed, NULL);
    }
}

static void append_and_wait(void *ctx) {
    log_start_on(running, machine_shard(machine, 0));
    struct test_batch spec = {.count = 3, .value_len = 10};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(test_append(running, &spec, NULL), 0);
    }
    cr_assert_eq(log_synced_end(running), 0);
    log_when_synced(running, &waiters[2], 9, on_synced);
    log_when_synced(running, &waiters[0], 3, on_synced);
    log_when_synced(running, &waiters[1], 6, on_synced);
    cr_assert_eq(waited, 0);
}

Test(log, waiters_are_called_in_order_when_their_records_are_synced) {
    running = load();
    close_result = -1;
    machine_run(machine, append_and_wait, NULL);
    cr_assert_eq(waited, 3);
    cr_assert_eq(close_result, 0);
    options.clean = true;
    struct log *log = load();
    cr_assert_eq(log_end_offset(log), 9);
    log_free(log);
}

Test(log, an_append_without_a_descriptor_is_refused_and_fails_nothing) {
    options.config.segment_bytes = 600;
    struct log *log = load();
    const struct test_batch spec = {.timestamp = 1000, .value_len = 400};
    cr_assert_eq(test_append(log, &spec, NULL), 0);
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    int refused = test_append(log, &spec, NULL); /* needs a new segment */
    setrlimit(RLIMIT_NOFILE, &before);
    cr_assert_eq(refused, -EMFILE);
    cr_assert_eq(log_end_offset(log), 1);
    cr_assert_eq(test_append(log, &spec, NULL), 0);
    cr_assert_eq(log_end_offset(log), 2);
    check_all_reads(log);
    log_free(log);
}
