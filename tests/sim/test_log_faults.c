/* A log on a disk that fails: syncs, writes and space; and what is found afterwards. */
#include "runtime/sim/sim.h"
#include "tests/sim/crash_states.h"
#include "tests/unit/storage/storage_test.h"

static struct sim *sim;
static struct machine *machine;
static struct log *running;
static int failures;
static int called;
static int call_result;
static struct log_waiter waiter;
static struct log_waiter second_waiter;

static void on_failure(struct log *log, int error, void *ctx) {
    cr_assert_eq(error, -EIO);
    failures++;
}

static void on_synced(struct log_waiter *w, int result) {
    called++;
    call_result = result;
}

static void nothing(void *ctx) {
}

static void make_world(struct sim_options options) {
    options.seed = 5;
    options.sync_delay_min_us = 100;
    options.sync_delay_max_us = 1000;
    sim = sim_new(&options);
    machine = sim_machine_new(sim, "10.0.0.1", 1);
    log_set_level(machine, LOG_LEVEL_ERROR);
}

/* The faults of the world would hit loading too; the log is loaded on a good disk first. */
static void load_and_start(void *ctx) {
    struct log_options options = test_options(machine, "t-0");
    options.on_failure = on_failure;
    options.config.segment_bytes = 4000;
    options.config.retention_bytes = 5000;
    struct errmsg errmsg = {""};
    int result = -1;
    for (int tries = 0; tries < 200 && result != 0; tries++) {
        result = log_load(&options, &running, &errmsg);
    }
    cr_assert_eq(result, 0, "%s", errmsg.text);
    log_start_on(running, machine_shard(machine, 0));
}

static void end_world(void) {
    log_free(running);
    sim_free(sim);
}

static int append(size_t value_len) {
    struct test_batch spec = {.value_len = value_len};
    return test_append(running, &spec, NULL);
}

static void append_until_sync_fails(void *ctx) {
    int before = called;
    if (failures == 0 && append(10) == 0) {
        log_when_synced(running, &waiter, log_end_offset(running), on_synced);
    }
    cr_assert_eq(called, before);
}

Test(log_faults, a_failed_sync_is_never_taken_for_a_good_one_and_never_tried_again) {
    make_world((struct sim_options){.disk_fail_sync = 300});
    sim_call(sim, machine_shard(machine, 0), load_and_start, NULL);
    sim_run(sim, 1000, NULL);
    for (int i = 0; i < 100 && failures == 0; i++) {
        int64_t synced = log_synced_end(running);
        sim_call(sim, machine_shard(machine, 0), append_until_sync_fails, NULL);
        sim_run(sim, 100, NULL);
        if (failures > 0) {
            cr_assert_eq(log_synced_end(running), synced);
        }
    }
    cr_assert_eq(failures, 1);
    cr_assert_eq(call_result, -EIO);
    cr_assert(log_failed(running));
    cr_assert_eq(append(10), -EIO);
    cr_assert_eq(log_raise_start(running, 0), -EIO);
    /* Nothing is synced any more, whoever asks. */
    uint64_t operations = sim_disk_operations(machine);
    log_when_synced(running, &second_waiter, log_end_offset(running), on_synced);
    int before = called;
    sim_call(sim, machine_shard(machine, 0), nothing, NULL); /* a turn does what was deferred */
    sim_run(sim, 1000, NULL);
    cr_assert_eq(called, before + 1);
    cr_assert_eq(call_result, -EIO);
    cr_assert_eq(sim_disk_operations(machine), operations);
    /* Reading goes on. */
    struct log_range range;
    cr_assert_eq(log_read(running, 0, log_end_offset(running), 1000, true, &range), 0);
    cr_assert_gt(range.len, 0);
    file_unref(range.file);
    end_world();
}

static void append_until_write_fails(void *ctx) {
    int64_t end = log_end_offset(running);
    int result = append(10);
    if (result == 0) {
        cr_assert_eq(log_end_offset(running), end + 1);
    } else {
        cr_assert_eq(result, -EIO);
        cr_assert_eq(log_end_offset(running), end);
    }
}

Test(log_faults, a_failed_write_fails_the_log) {
    make_world((struct sim_options){.disk_fail_write = 50});
    sim_call(sim, machine_shard(machine, 0), load_and_start, NULL);
    sim_run(sim, 1000, NULL);
    for (int i = 0; i < 400 && failures == 0; i++) {
        sim_call(sim, machine_shard(machine, 0), append_until_write_fails, NULL);
        sim_run(sim, 100, NULL);
    }
    cr_assert_eq(failures, 1);
    cr_assert_eq(append(10), -EIO);
    end_world();
}

static void append_until_full(void *ctx) {
    int result = 0;
    while (result == 0) {
        int64_t end = log_end_offset(running);
        int64_t bytes = log_bytes(running);
        result = append(300);
        if (result != 0) {
            cr_assert_eq(result, -ENOSPC);
            cr_assert_eq(log_end_offset(running), end);
            cr_assert_eq(log_bytes(running), bytes);
        }
    }
    cr_assert(!log_failed(running));
    log_raise_high_watermark(running, log_end_offset(running));
}

static void retain(void *ctx) {
    log_apply_retention(running, 0);
}

static void check_whole(void) {
    int64_t next = log_start_offset(running);
    while (next < log_end_offset(running)) {
        struct log_range range;
        cr_assert_eq(log_read(running, next, log_end_offset(running), 1, true, &range), 0);
        uint8_t bytes[1000];
        cr_assert_leq(range.len, sizeof(bytes));
        cr_assert_eq(file_read_at(range.file, bytes, range.len, range.pos), (int64_t)range.len);
        cr_assert(batch_crc_valid(slice_make(bytes, range.len)));
        file_unref(range.file);
        cr_assert_eq(range.first_offset, next);
        next = range.next_offset;
    }
}

static void add_log_bytes(void *ctx, const char *path, bool directory, struct slice content) {
    size_t len = strlen(path);
    if (!directory && len > 4 && strcmp(path + len - 4, ".log") == 0) {
        *(int64_t *)ctx += (int64_t)content.len;
    }
}

/* A write that failed half-way has left nothing in the files. */
static void check_cut_back(void) {
    int64_t bytes = 0;
    sim_disk_walk(machine, add_log_bytes, &bytes);
    cr_assert_eq(bytes, log_bytes(running));
}

Test(log_faults, a_full_disk_refuses_appends_and_recovers_when_there_is_space) {
    make_world((struct sim_options){.disk_bytes_max = 20000});
    sim_call(sim, machine_shard(machine, 0), load_and_start, NULL);
    sim_run(sim, 1000, NULL);
    int64_t end = 0;
    for (int round = 0; round < 5; round++) {
        sim_call(sim, machine_shard(machine, 0), append_until_full, NULL);
        sim_run(sim, 1000, NULL);
        check_cut_back();
        cr_assert_gt(log_end_offset(running), end, "round %d", round);
        end = log_end_offset(running);
        check_whole();
        sim_call(sim, machine_shard(machine, 0), retain, NULL);
        sim_run(sim, 5000, NULL);
    }
    cr_assert_eq(log_synced_end(running), log_end_offset(running));
    cr_assert_eq(failures, 0);
    cr_assert_gt(log_start_offset(running), 0);
    end_world();
}

/* ---- After a failed sync ---------------------------------------------------------------------
 *
 * A sync that fails has lost what it covered, while the page cache still shows it; what was
 * appended meanwhile can reach the disk all the same. The disk fails once, at each operation of a
 * script; then the process ends, or the power goes, or one after the other.
 */

#define LOST_STEPS  40
#define LOST_STATES 12

static int64_t acked_end;
static uint32_t crcs[2 * LOST_STEPS];
static bool waiting;

static void on_acked(struct log_waiter *w, int result) {
    waiting = false;
    if (result == 0) {
        acked_end = log_synced_end(running);
    }
}

static void append_and_wait(void *ctx) {
    int64_t offset = log_end_offset(running);
    struct test_batch spec = {.value_len = 600, .timestamp = 1000 + *(int *)ctx};
    struct log_append out;
    if (test_append(running, &spec, &out) != 0) {
        return;
    }
    struct log_range range;
    cr_assert_eq(log_read(running, offset, offset + 1, 1, true, &range), 0);
    uint8_t bytes[1000];
    cr_assert_eq(file_read_at(range.file, bytes, range.len, range.pos), (int64_t)range.len);
    struct batch batch;
    cr_assert_eq(batch_parse(slice_make(bytes, range.len), &batch), BATCH_OK);
    file_unref(range.file);
    crcs[offset] = batch.crc;
    if (!waiting) {
        waiting = true;
        log_when_synced(running, &waiter, log_end_offset(running), on_acked);
    }
}

static int load_again(void) {
    struct log_options options = test_options(machine, "t-0");
    options.config.segment_bytes = 4000;
    struct errmsg errmsg = {""};
    int result = log_load(&options, &running, &errmsg);
    cr_assert(result == 0 || result == -EUCLEAN, "%d %s", result, errmsg.text);
    return result;
}

/* Appends and syncs; the n-th operation fails, and the power goes at the `dies_later`-th after it,
 * unless that is 0. False when it came to its end without a failure. */
static bool live_with_fault(uint64_t n, uint64_t dies_later) {
    make_world((struct sim_options){0});
    acked_end = 0;
    waiting = false;
    failures = 0;
    sim_call(sim, machine_shard(machine, 0), load_and_start, NULL);
    sim_run(sim, 1, NULL);
    struct sim_disk_fault fault = {.after = n, .count = 1, .error = -EIO};
    sim_disk_fault(machine, &fault);
    if (dies_later > 0) {
        sim_crash_after(machine, n + 1 + dies_later, SIM_CRASH_POWER);
    }
    for (int step = 0; step < LOST_STEPS && failures == 0 && !sim_crashed(machine); step++) {
        sim_call(sim, machine_shard(machine, 0), append_and_wait, &step);
        sim_run(sim, 1, NULL);
    }
    sim_run(sim, 20, NULL);
    return failures > 0 || sim_crashed(machine);
}

static void check_kept(const char *point, int64_t kept) {
    int64_t end = log_end_offset(running);
    cr_assert_geq(end, kept, "%s: %" PRId64 " was synced, %" PRId64 " is there", point, kept, end);
    for (int64_t next = 0; next < end; next++) {
        struct log_range range;
        cr_assert_eq(log_read(running, next, end, 1, true, &range), 0, "%s", point);
        uint8_t bytes[1000];
        cr_assert_eq(file_read_at(range.file, bytes, range.len, range.pos), (int64_t)range.len);
        struct batch batch;
        cr_assert_eq(batch_parse(slice_make(bytes, range.len), &batch), BATCH_OK, "%s", point);
        cr_assert(batch_crc_valid(slice_make(bytes, range.len)), "%s", point);
        cr_assert_eq(batch.base_offset, next, "%s", point);
        cr_assert_eq(batch.crc, crcs[next], "%s", point);
        file_unref(range.file);
    }
}

static const char *check_point;
static int64_t kept_end;

static void check_power_cut(void *ctx, uint64_t number) {
    cr_assert_eq(load_again(), 0, "%s state %" PRIu64 ": refused", check_point, number);
    check_kept(check_point, kept_end);
    log_free(running);
    running = NULL;
}

static void cut_power(const char *point, int64_t kept, uint64_t seed) {
    struct disk *disk = sim_disk_save(machine);
    bool exhaustive = false;
    check_point = point;
    kept_end = kept;
    crash_states_each(machine, disk, LOST_STATES, seed, check_power_cut, NULL, &exhaustive);
    sim_disk_free(disk);
}

static void end_life(void) {
    if (!sim_crashed(machine)) {
        sim_crash_after(machine, 0, SIM_CRASH_PROCESS);
    }
    log_free(running);
    running = NULL;
    sim_machine_restart(machine);
}

Test(log_faults, what_a_failed_sync_lost_is_in_nobodys_way, .timeout = 120) {
    bool failed = true;
    for (uint64_t n = 0; failed; n++) {
        char point[64];
        snprintf(point, sizeof(point), "operation %" PRIu64 ", power cut", n);
        failed = live_with_fault(n, 0);
        end_life();
        cut_power(point, acked_end, n);
        sim_free(sim);
    }
}

Test(log_faults, and_is_not_taken_for_synced_by_the_next_process, .timeout = 120) {
    bool failed = true;
    for (uint64_t n = 0; failed; n++) {
        char point[64];
        snprintf(point, sizeof(point), "operation %" PRIu64 ", kill and power cut", n);
        failed = live_with_fault(n, 0);
        end_life();
        cr_assert_eq(load_again(), 0, "%s: refused", point);
        check_kept(point, acked_end);
        int64_t synced = log_synced_end(running);
        end_life();
        cut_power(point, synced, n);
        sim_free(sim);
    }
}

/* The gap may be there for a moment: a log that has it is refused, never served. */
Test(log_faults, nor_is_anything_lost_when_the_power_goes_before_it_is_cut, .timeout = 120) {
    int refused = 0;
    int loaded = 0;
    for (uint64_t later = 1; later < 10; later++) {
        bool failed = true;
        for (uint64_t n = 0; failed; n++) {
            failed = live_with_fault(n, later);
            end_life();
            if (load_again() == 0) {
                check_kept("power cut at once", acked_end);
                loaded++;
                log_free(running);
            } else {
                refused++;
            }
            sim_free(sim);
        }
    }
    fprintf(stderr, "power cut behind a failed operation: %d loaded, %d refused\n", loaded,
            refused);
    cr_assert_gt(loaded, 10 * refused);
}
