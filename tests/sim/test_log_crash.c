/*
 * A log on a simulated disk that dies: at every single disk operation of a script of appends,
 * syncs, rolls, new epochs, raised starts, retention and a clean close, by kill -9 and by power
 * cut. Afterwards the log must load, be a prefix of what was appended, hold all that was reported
 * as synced (and after kill -9 all that was appended), and know its producer and its epochs.
 *
 * Power cuts keep a part of what was not synced, drawn from the seed; every crash point is tried
 * with several seeds. A message names point and seed of a failure.
 */
#include "runtime/sim/sim.h"
#include "tests/sim/crash_states.h"
#include "tests/unit/storage/storage_test.h"

#define STEPS       60
#define BATCHES_MAX (STEPS * 2 + 64)
#define DIR         "data/t-0"

struct written {
    uint32_t crc;
    int64_t base_offset;
    int32_t epoch;
    int32_t sequence;
};

static struct {
    struct sim *sim;
    struct machine *machine;
    struct log *log;
    struct timer timer;
    struct log_options options;
    struct log_waiter waiter;
    bool waiting;
    int step;
    int32_t epoch;
    bool done;
    int64_t acked_end; /* reported as synced */
    int64_t raised_start;
    int64_t checkpoint;              /* recovery point, as a log manager would have written it */
    struct written all[BATCHES_MAX]; /* appended, the last one perhaps only tried */
    int count;
    int sure_count; /* of which the append returned */
    bool loaded_once;
} w;

/* The batch that the script appends next. */
static struct test_batch next_batch(void) {
    return (struct test_batch){.count = 2,
                               .value_len = 50 + (size_t)w.count % 5 * 30,
                               .timestamp = 1000 + w.count,
                               .producer_id = 77,
                               .base_sequence = w.count * 2,
                               .base_offset = w.count * 2,
                               .leader_epoch = w.epoch};
}

static bool append_next(void) {
    struct test_batch spec = next_batch();
    struct buffer bytes;
    buffer_init(&bytes, 1 << 20);
    test_batch_build(&spec, &bytes);
    struct produce_verdict verdict = {0};
    cr_assert_eq(batch_parse(buffer_slice(&bytes), &verdict.batch), BATCH_OK);
    cr_assert_lt(w.count, BATCHES_MAX);
    w.all[w.count++] = (struct written){.crc = verdict.batch.crc,
                                        .base_offset = spec.base_offset,
                                        .epoch = w.epoch,
                                        .sequence = spec.base_sequence};
    struct log_append out;
    int result = log_append(w.log, bytes.data, &verdict, w.epoch, &out);
    buffer_release(&bytes);
    if (result != 0 || sim_crashed(w.machine)) {
        return false;
    }
    cr_assert_eq(out.error, ERROR_NONE);
    cr_assert_eq(out.first_offset, spec.base_offset);
    w.sure_count = w.count;
    return true;
}

static void on_synced(struct log_waiter *waiter, int result) {
    w.waiting = false;
    if (result == 0) {
        cr_assert(!sim_crashed(w.machine));
        w.acked_end = log_synced_end(w.log);
        log_raise_high_watermark(w.log, w.acked_end);
    }
}

static void on_closed(struct log *log, int result, void *ctx) {
    cr_assert_eq(result, 0);
    w.acked_end = w.count * 2;
    log_free(log);
    w.log = NULL;
    w.done = true;
}

static void on_timer(struct timer *timer) {
    int step = w.step++;
    if (step == STEPS) {
        log_close(w.log, true, on_closed, NULL);
        return;
    }
    if (step % 13 == 5) {
        w.epoch++;
        if (log_assign_epoch(w.log, w.epoch) != 0) {
            return;
        }
    }
    if (!append_next() || (step % 3 == 0 && !append_next())) {
        return;
    }
    if (!w.waiting && step % 4 == 1) {
        w.waiting = true;
        log_when_synced(w.log, &w.waiter, log_end_offset(w.log), on_synced);
    }
    if (step % 17 == 16) {
        w.checkpoint = log_recovery_point(w.log);
    }
    if (step == 30) {
        w.raised_start = log_high_watermark(w.log) / 2;
        cr_assert_eq(log_raise_start(w.log, w.raised_start), 0);
    }
    if (step == 45) {
        log_apply_retention(w.log, 0);
        w.raised_start = log_start_offset(w.log);
    }
    timer_start(timer, 1);
}

static int load(void) {
    struct errmsg errmsg = {""};
    w.options.recovery_point = w.checkpoint;
    int result = log_load(&w.options, &w.log, &errmsg);
    if (!sim_crashed(w.machine)) {
        cr_assert_eq(result, 0, "%d %s", result, errmsg.text);
    }
    return result;
}

static void start(void *ctx) {
    if (path_mkdir(w.machine, "data") != 0 || directory_sync(w.machine, ".") != 0 || load() != 0) {
        return;
    }
    struct shard *shard = machine_shard(w.machine, 0);
    log_start_on(w.log, shard);
    timer_init(&w.timer, shard, on_timer);
    timer_start(&w.timer, 1);
}

static void make_world(uint64_t seed) {
    struct sim_options options = {
        .seed = seed, .sync_delay_min_us = 100, .sync_delay_max_us = 4000};
    memset(&w, 0, sizeof(w));
    w.epoch = -1; /* at first: no file of epochs brings a directory sync along */
    w.sim = sim_new(&options);
    w.machine = sim_machine_new(w.sim, "10.0.0.1", 1);
    log_set_level(w.machine, LOG_LEVEL_ERROR);
    w.options = test_options(w.machine, DIR);
    w.options.config.segment_bytes = 1500;
    w.options.config.index_interval_bytes = 200;
    w.options.config.retention_bytes = 6000;
    w.options.config.file_delete_delay_ms = 3;
}

static int64_t model_end(int count) {
    return count * 2;
}

/* Reads the whole log and compares it with what was appended. */
static void check_contents(const char *point) {
    int64_t end = log_end_offset(w.log);
    for (int64_t offset = log_start_offset(w.log); offset < end;) {
        struct log_range range;
        cr_assert_eq(log_read(w.log, offset, end, 1, true, &range), 0, "%s", point);
        cr_assert_gt(range.len, 0, "%s offset %" PRId64, point, offset);
        uint8_t bytes[1500];
        cr_assert_leq(range.len, sizeof(bytes));
        cr_assert_eq(file_read_at(range.file, bytes, range.len, range.pos), (int64_t)range.len);
        struct batch batch;
        struct slice in = slice_make(bytes, range.len);
        cr_assert_eq(batch_parse(in, &batch), BATCH_OK, "%s", point);
        cr_assert(batch_crc_valid(in), "%s offset %" PRId64, point, offset);
        const struct written *model = &w.all[batch.base_offset / 2];
        cr_assert_eq(batch.crc, model->crc, "%s offset %" PRId64, point, offset);
        cr_assert_eq(batch.base_offset, model->base_offset, "%s", point);
        cr_assert_eq(log_epoch_of_offset(w.log, offset), model->epoch, "%s offset %" PRId64, point,
                     offset);
        file_unref(range.file);
        offset = range.next_offset;
    }
}

/* The producer of the last batch sends it again, then goes on. */
static void check_producer(const char *point) {
    int64_t end = log_end_offset(w.log);
    if (end == log_start_offset(w.log)) {
        return;
    }
    int last = (int)(end / 2) - 1;
    int32_t epoch = w.epoch;
    w.epoch = w.all[last].epoch;
    for (int again = 1; again >= 0; again--) {
        w.count = last + 1 - again;
        struct test_batch spec = next_batch();
        struct log_append out;
        cr_assert_eq(test_append(w.log, &spec, &out), 0, "%s", point);
        cr_assert_eq(out.error, ERROR_NONE, "%s error %d", point, out.error);
        cr_assert_eq(out.duplicate, again == 1, "%s", point);
        cr_assert_eq(out.first_offset, (int64_t)w.count * 2, "%s", point);
    }
    w.epoch = epoch;
}

/* One life: runs the script, dies at disk operation n; false when it came to its end instead. */
static bool live_and_die(uint64_t n, enum sim_crash kind) {
    sim_crash_after(w.machine, n, kind);
    sim_call(w.sim, machine_shard(w.machine, 0), start, NULL);
    for (int turns = 0; !w.done && !sim_crashed(w.machine); turns++) {
        cr_assert_lt(turns, 100000, "the script hangs at step %d", w.step);
        cr_assert(sim_step(w.sim));
    }
    if (w.done) {
        return false;
    }
    log_free(w.log);
    w.log = NULL;
    sim_machine_restart(w.machine);
    return true;
}

static void check_after(const char *point, enum sim_crash kind) {
    cr_assert_not_null(w.log, "%s", point);
    int64_t end = log_end_offset(w.log);
    cr_assert_geq(end, w.acked_end, "%s: synced to %" PRId64 ", found %" PRId64, point, w.acked_end,
                  end);
    cr_assert_leq(end, model_end(w.count), "%s", point);
    if (kind == SIM_CRASH_PROCESS) {
        cr_assert_geq(end, model_end(w.sure_count), "%s", point);
    }
    cr_assert_eq(log_synced_end(w.log), end, "%s", point);
    cr_assert_leq(log_start_offset(w.log), end, "%s", point);
    check_contents(point);
    check_producer(point);
}

static int crash_everywhere(enum sim_crash kind, int seeds, bool crash_recovery_too) {
    int points = 0;
    for (int seed = 1; seed <= seeds; seed++) {
        for (uint64_t n = 1;; n++) {
            char point[64];
            snprintf(point, sizeof(point), "n=%" PRIu64 " seed=%d", n, seed);
            make_world((uint64_t)seed);
            bool died = live_and_die(n, kind);
            if (died) {
                enum path_kind there = PATH_MISSING;
                cr_assert_eq(path_kind(w.machine, "data", &there), 0);
                if (there == PATH_MISSING) {
                    cr_assert_eq(path_mkdir(w.machine, "data"), 0);
                    cr_assert_eq(directory_sync(w.machine, "."), 0);
                }
                if (crash_recovery_too) {
                    sim_crash_after(w.machine, 1 + n * 7 % 23, kind);
                    (void)load();
                    log_free(w.log);
                    w.log = NULL;
                    if (!sim_crashed(w.machine)) {
                        sim_crash_after(w.machine, 0, kind);
                    }
                    sim_machine_restart(w.machine);
                }
                cr_assert_eq(load(), 0, "%s", point);
                check_after(point, kind);
                log_free(w.log);
                points++;
            }
            sim_free(w.sim);
            if (!died) {
                break;
            }
        }
    }
    return points;
}

Test(log_crash, kill_at_every_disk_operation_loses_nothing) {
    cr_assert_gt(crash_everywhere(SIM_CRASH_PROCESS, 1, false), 200);
}

Test(log_crash, a_power_cut_at_every_disk_operation_keeps_what_was_synced, .timeout = 120) {
    cr_assert_gt(crash_everywhere(SIM_CRASH_POWER, 8, false), 1600);
}

Test(log_crash, a_crash_in_recovery_changes_nothing, .timeout = 120) {
    cr_assert_gt(crash_everywhere(SIM_CRASH_PROCESS, 1, true), 200);
    cr_assert_gt(crash_everywhere(SIM_CRASH_POWER, 4, true), 800);
}

/* ---- All states of one run -------------------------------------------------------------------
 *
 * The script runs once. Before each of its disk operations the disk is put by, with what was
 * promised until then; afterwards every disk that a power cut may have left there is loaded.
 * SIM_STATES: at most so many for each operation, SIM_SEEDS: for so many scripts, SIM_STRIDE: only
 * at one operation out of so many.
 */

#define MOMENTS_MAX 2000

static struct moment {
    struct disk *disk;
    int64_t acked_end;
    int64_t checkpoint;
    int32_t epoch;
    int count;
    int sure_count;
} moments[MOMENTS_MAX];
static int moment_count;

static void put_by(void *ctx, const char *what) {
    cr_assert_lt(moment_count, MOMENTS_MAX);
    moments[moment_count++] = (struct moment){
        .disk = sim_disk_save(w.machine),
        .acked_end = w.acked_end,
        .checkpoint = w.checkpoint,
        .epoch = w.epoch,
        .count = w.count,
        .sure_count = w.sure_count,
    };
}

static void free_moments(int from) {
    while (moment_count > from) {
        sim_disk_free(moments[--moment_count].disk);
    }
}

static void recall(const struct moment *moment) {
    w.acked_end = moment->acked_end;
    w.checkpoint = moment->checkpoint;
    w.epoch = moment->epoch;
    w.count = moment->count;
    w.sure_count = moment->sure_count;
}

struct states {
    const struct moment *moment;
    int index;
    uint64_t checked;
    uint64_t exhaustive; /* moments of which all states were checked */
    bool nested;         /* recovery is interrupted too */
};

static void make_parent(void) {
    enum path_kind there = PATH_MISSING;
    cr_assert_eq(path_kind(w.machine, "data", &there), 0);
    if (there == PATH_MISSING) {
        cr_assert_eq(path_mkdir(w.machine, "data"), 0);
        cr_assert_eq(directory_sync(w.machine, "."), 0);
    }
}

static void check_state(void *ctx, uint64_t number) {
    struct states *states = ctx;
    char point[64];
    snprintf(point, sizeof(point), "moment %d state %" PRIu64, states->index, number);
    recall(states->moment);
    make_parent();
    cr_assert_eq(load(), 0, "%s", point);
    check_after(point, SIM_CRASH_POWER);
    log_free(w.log);
    w.log = NULL;
    states->checked++;
}

/* Loads a state, and every state that a power cut during this load may leave. */
static void check_nested(void *ctx, uint64_t number) {
    struct states *states = ctx;
    int from = moment_count;
    recall(states->moment);
    make_parent();
    sim_on_disk_operation(w.machine, put_by, NULL);
    cr_assert_eq(load(), 0, "moment %d state %" PRIu64, states->index, number);
    sim_on_disk_operation(w.machine, NULL, NULL);
    log_free(w.log);
    w.log = NULL;
    for (int i = from; i < moment_count; i++) {
        bool exhaustive = false;
        crash_states_each(w.machine, moments[i].disk, 3, number, check_state, ctx, &exhaustive);
    }
    free_moments(from);
}

static void run_script(void) {
    sim_on_disk_operation(w.machine, put_by, NULL);
    sim_call(w.sim, machine_shard(w.machine, 0), start, NULL);
    while (!w.done) {
        cr_assert(sim_step(w.sim));
    }
    sim_on_disk_operation(w.machine, NULL, NULL);
}

static uint64_t parameter(const char *name, uint64_t usual) {
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : usual;
}

/* Every `stride`-th moment; which ones, the seed says. */
static void check_moments(struct states *states, uint64_t seed, uint64_t limit, uint64_t stride,
                          void (*check)(void *ctx, uint64_t number)) {
    for (int i = (int)(seed % stride), count = moment_count; i < count; i += (int)stride) {
        bool exhaustive = false;
        states->moment = &moments[i];
        states->index = i;
        crash_states_each(w.machine, moments[i].disk, limit, seed * 100003 + (uint64_t)i, check,
                          states, &exhaustive);
        states->exhaustive += exhaustive;
    }
}

static void check_all_states(uint64_t limit, uint64_t stride,
                             void (*check)(void *ctx, uint64_t number), uint64_t checked_min) {
    struct states states = {0};
    uint64_t operations = 0;
    limit = parameter("SIM_STATES", limit);
    stride = parameter("SIM_STRIDE", stride);
    for (uint64_t seed = 1; seed <= parameter("SIM_SEEDS", 2); seed++) {
        make_world(seed);
        run_script();
        operations += (uint64_t)moment_count;
        check_moments(&states, seed, limit, stride, check);
        free_moments(0);
        sim_free(w.sim);
    }
    fprintf(stderr,
            "log crash states: %" PRIu64 " disk operations, %" PRIu64
            " states checked, all states of %" PRIu64 " operations, 0 bad\n",
            operations, states.checked, states.exhaustive);
    cr_assert_gt(states.checked, checked_min);
}

Test(log_crash, every_state_that_a_power_cut_may_leave, .timeout = 86400) {
    check_all_states(20, 1, check_state, 5000);
}

Test(log_crash, and_every_one_that_a_second_power_cut_may_leave, .timeout = 86400) {
    check_all_states(2, 41, check_nested, 5000);
}
