/* Loading directories in every state: clean, torn, damaged, half renamed, foreign. */
#include "base/arena.h"
#include "storage/epochs.h"
#include "tests/unit/storage/storage_test.h"

static struct machine *machine;
static char root[] = "/tmp/storage-test-XXXXXX";
static char dir[64];
static struct log_options options;
static struct errmsg errmsg;

static void set_up(void) {
    cr_assert_not_null(mkdtemp(root));
    snprintf(dir, sizeof(dir), "%s/t-0", root);
    machine = machine_new(1, 2);
    log_set_level(machine, LOG_LEVEL_ERROR);
    options = test_options(machine, dir);
    options.config.segment_bytes = 3000;
    options.config.index_interval_bytes = 300;
}

static void tear_down(void) {
    machine_free(machine);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(recovery, .init = set_up, .fini = tear_down);

static int try_load(struct log **log) {
    errmsg.text[0] = '\0';
    return log_load(&options, log, &errmsg);
}

static struct log *load(void) {
    struct log *log = NULL;
    int result = try_load(&log);
    cr_assert_eq(result, 0, "%d %s", result, errmsg.text);
    return log;
}

static const char *file_of(const char *name) {
    static char path[160];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static int64_t size_of(const char *name) {
    struct stat st;
    return stat(file_of(name), &st) == 0 ? (int64_t)st.st_size : -1;
}

static void shell(const char *format, const char *name) {
    char command[400];
    char full[160];
    snprintf(full, sizeof(full), "%s", file_of(name));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(command, sizeof(command), format, full);
#pragma GCC diagnostic pop
    cr_assert_eq(system(command), 0, "%s", command);
}

/* 40 batches of 2 records of a producer with sequences; returns the log end. */
static int64_t fill(void) {
    struct log *log = load();
    for (int i = 0; i < 40; i++) {
        struct test_batch spec = {.count = 2,
                                  .value_len = 80,
                                  .timestamp = 1000 + i * 10,
                                  .producer_id = 9,
                                  .base_sequence = i * 2,
                                  .leader_epoch = i / 10};
        cr_assert_eq(test_append(log, &spec, NULL), 0);
    }
    int64_t end = log_end_offset(log);
    cr_assert_gt(log_segment_count(log), 3);
    log_free(log); /* a kill: nothing else is written */
    return end;
}

static char last_log[32]; /* name of the newest segment's log */

static void find_last_log(void) {
    char **names = NULL;
    size_t count = 0;
    cr_assert_eq(directory_list(machine, dir, &names, &count), 0);
    for (size_t i = 0; i < count; i++) {
        if (strstr(names[i], ".log") != NULL && strlen(names[i]) == 24) {
            snprintf(last_log, sizeof(last_log), "%s", names[i]);
        }
    }
    free(names);
}

/* Every record from the start to the end can be read, and the producer can go on. */
static void check_log(struct log *log, int64_t end) {
    cr_assert_eq(log_end_offset(log), end);
    for (int64_t offset = log_start_offset(log); offset < end; offset += 2) {
        struct log_range range;
        cr_assert_eq(log_read(log, offset, end, 1, true, &range), 0);
        cr_assert_eq(range.first_offset, offset);
        file_unref(range.file);
    }
    struct log_append out;
    struct test_batch spec = {
        .count = 2, .producer_id = 9, .base_sequence = (int32_t)end, .leader_epoch = 9};
    cr_assert_eq(test_append(log, &spec, &out), 0);
    cr_assert_eq(out.error, ERROR_NONE);
    cr_assert_eq(out.first_offset, end);
}

Test(recovery, a_kill_loses_nothing_that_was_written) {
    int64_t end = fill();
    struct log *log = load();
    cr_assert_eq(log_latest_epoch(log), 3);
    cr_assert_eq(log_epoch_of_offset(log, 25), 1);
    check_log(log, end);
    log_free(log);
}

Test(recovery, a_torn_tail_is_cut_at_the_last_whole_batch_at_every_length) {
    int64_t end = fill();
    find_last_log();
    int64_t size = size_of(last_log);
    for (int64_t cut = 1; cut < 200 && cut < size; cut += 7) {
        cr_assert_eq(truncate(file_of(last_log), size - cut), 0);
        struct log *log = load();
        cr_assert_lt(log_end_offset(log), end);
        cr_assert_geq(log_end_offset(log), end - 4);
        log_free(log);
        /* What was cut is gone for good: go on from there. */
        size = size_of(last_log);
        end = log_end_offset(log = load());
        log_free(log);
    }
    struct log *log = load();
    check_log(log, end);
    log_free(log);
}

Test(recovery, a_preallocated_tail_of_zeros_is_cut) {
    int64_t end = fill();
    find_last_log();
    int64_t size = size_of(last_log);
    cr_assert_eq(truncate(file_of(last_log), size + 100000), 0);
    struct log *log = load();
    cr_assert_eq(size_of(last_log), size);
    check_log(log, end);
    log_free(log);
}

Test(recovery, a_header_torn_between_two_sectors_is_no_old_message) {
    int64_t end = fill();
    find_last_log();
    int64_t size = size_of(last_log);
    for (size_t kept = 12; kept < 17; kept++) {
        /* A batch's base offset, length and perhaps epoch are there, all behind them is zeros. */
        char header[17];
        FILE *file = fopen(file_of(last_log), "r+");
        cr_assert_eq(fread(header, 1, kept, file), kept);
        cr_assert_eq(fseek(file, 0, SEEK_END), 0);
        cr_assert_eq(fwrite(header, 1, kept, file), kept);
        fclose(file);
        cr_assert_eq(truncate(file_of(last_log), size + 4096), 0);
        struct log *log = load();
        cr_assert_eq(size_of(last_log), size);
        cr_assert_eq(log_end_offset(log), end);
        log_free(log);
    }
    struct log *log = load();
    check_log(log, end);
    log_free(log);
}

Test(recovery, a_flipped_bit_before_good_batches_is_refused_and_nothing_is_cut) {
    fill();
    find_last_log();
    int64_t size = size_of(last_log);
    shell("printf '\\377' | dd of=%s bs=1 seek=70 conv=notrunc 2>/dev/null", last_log);
    struct log *log = NULL;
    cr_assert_eq(try_load(&log), -EUCLEAN);
    cr_assert_not_null(strstr(errmsg.text, last_log), "%s", errmsg.text);
    cr_assert_not_null(strstr(errmsg.text, "position 0"), "%s", errmsg.text);
    cr_assert_eq(size_of(last_log), size);
}

Test(recovery, damage_below_the_recovery_point_is_refused_even_at_the_tail) {
    int64_t end = fill();
    find_last_log();
    cr_assert_eq(truncate(file_of(last_log), size_of(last_log) - 10), 0);
    options.recovery_point = end;
    struct log *log = NULL;
    cr_assert_eq(try_load(&log), -EUCLEAN);
    options.recovery_point = end - 2;
    log = load();
    check_log(log, end - 2);
    log_free(log);
}

Test(recovery, a_torn_segment_takes_the_unsealed_ones_behind_it_along) {
    fill();
    /* Nothing was sealed: the log never ran. The first segment loses its tail. */
    cr_assert_eq(
        truncate(file_of("00000000000000000000.log"), size_of("00000000000000000000.log") - 10), 0);
    struct log *log = load();
    cr_assert_eq(log_segment_count(log), 1);
    check_log(log, log_end_offset(log));
    log_free(log);
}

Test(recovery, a_torn_segment_that_was_sealed_is_damage) {
    int64_t end = fill();
    struct log *log = load(); /* recovery seals what it read */
    check_log(log, end);
    log_free(log);
    cr_assert_eq(
        truncate(file_of("00000000000000000000.log"), size_of("00000000000000000000.log") - 10), 0);
    cr_assert_eq(try_load(&log), -EUCLEAN);
}

Test(recovery, lost_or_nonsense_indexes_are_rebuilt) {
    int64_t end = fill();
    for (int i = 0; i < 4; i++) {
        options.clean = i == 2;
        struct log *log = load();
        check_log(log, end);
        end += 2;
        log_free(log);
        shell(i == 0 ? "rm %s" : i == 1 ? "rm %s" : ": > %s", "00000000000000000000.index");
        shell(i == 0 ? "rm %s" : "head -c 1000 /dev/urandom > %s",
              "00000000000000000000.timeindex");
    }
    options.clean = false;
    struct log *log = load();
    check_log(log, end);
    log_free(log);
}

Test(recovery, random_bytes_as_an_index_never_mislead_a_clean_load) {
    int64_t end = fill();
    log_free(load());
    shell("head -c 800 /dev/urandom > %s", "00000000000000000000.index");
    find_last_log();
    char index[32];
    snprintf(index, sizeof(index), "%.20s.index", last_log);
    shell("head -c 800 /dev/urandom > %s", index);
    options.clean = true;
    struct log *log = load();
    check_log(log, end);
    log_free(log);
}

Test(recovery, files_of_interrupted_work_are_finished_or_removed) {
    int64_t end = fill();
    const char *gone[] = {"00000000000000000000.log.deleted", "00000000000000000007.index.deleted",
                          "00000000000000000000.log.cleaned", "leader-epoch-checkpoint.tmp",
                          "00000000000000000005.index",       "00000000000000000003.timeindex"};
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        shell("echo x > %s", gone[i]);
    }
    struct log *log = load();
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        cr_assert_eq(size_of(gone[i]), -1, "%s", gone[i]);
    }
    check_log(log, end);
    log_free(log);
}

static void in_dir(const char *what) {
    char command[300];
    snprintf(command, sizeof(command), "cd %s && %s", dir, what);
    cr_assert_eq(system(command), 0);
}

Test(recovery, a_complete_swap_takes_the_place_of_a_segment_that_is_gone) {
    int64_t end = fill();
    in_dir("mv 00000000000000000000.log 00000000000000000000.log.swap");
    struct log *log = load();
    cr_assert_eq(size_of("00000000000000000000.log.swap"), -1);
    check_log(log, end);
    log_free(log);
}

Test(recovery, a_swap_beside_the_segment_it_would_replace_is_dropped) {
    int64_t end = fill();
    in_dir("echo rubbish > 00000000000000000000.log.swap");
    struct log *log = load();
    cr_assert_eq(size_of("00000000000000000000.log.swap"), -1);
    check_log(log, end);
    log_free(log);
}

Test(recovery, a_damaged_swap_replaces_nothing) {
    fill();
    in_dir("mv 00000000000000000000.log 00000000000000000000.log.swap");
    in_dir("truncate -s -1 00000000000000000000.log.swap");
    struct log *log = NULL;
    cr_assert_eq(try_load(&log), -EUCLEAN);
    cr_assert_gt(size_of("00000000000000000000.log.swap"), 0);
}

Test(recovery, old_message_sets_are_refused_by_name) {
    fill();
    shell("printf '\\001' | dd of=%s bs=1 seek=16 conv=notrunc 2>/dev/null",
          "00000000000000000000.log");
    struct log *log = NULL;
    cr_assert_eq(try_load(&log), -ENOTSUP);
    cr_assert_not_null(strstr(errmsg.text, "magic 0 or 1"));
}

Test(recovery, another_topic_id_is_stale) {
    options.topic_id = uuid_from_halves(1, 2);
    log_free(load());
    options.topic_id = UUID_ZERO;
    struct log *log = load();
    cr_assert(uuid_equal(log_topic_id(log), uuid_from_halves(1, 2)));
    log_free(log);
    options.topic_id = uuid_from_halves(1, 3);
    cr_assert_eq(try_load(&log), -ESTALE);
}

Test(recovery, a_checkpoint_alone_does_not_empty_a_log) {
    int64_t end = fill();
    options.log_start_offset = 500;
    struct log *log = load();
    cr_assert_eq(log_start_offset(log), 0, "the leader epochs say so");
    check_log(log, end);
    log_free(log);
}

Test(recovery, a_log_that_ends_below_its_snapshot_begins_anew_behind_it) {
    fill();
    options.log_start_offset = 500;
    options.start_is_sure = true;
    struct log *log = load();
    cr_assert_eq(log_start_offset(log), 500);
    cr_assert_eq(log_end_offset(log), 500);
    cr_assert_eq(log_segment_count(log), 1);
    log_free(log);
}

Test(recovery, a_log_that_ends_before_its_recovery_point_is_refused) {
    int64_t end = fill();
    options.recovery_point = end + 1;
    struct log *log = NULL;
    cr_assert_eq(try_load(&log), -EUCLEAN);
    cr_assert_not_null(strstr(errmsg.text, "had been synced"));
}

Test(recovery, a_segment_that_was_being_deleted_before_its_time_comes_back) {
    int64_t end = fill();
    log_free(load());
    in_dir("mv 00000000000000000000.log 00000000000000000000.log.deleted");
    options.log_start_offset = 0;
    struct log *log = load();
    cr_assert_eq(log_start_offset(log), 0);
    check_log(log, end);
    log_free(log);
}

Test(recovery, a_log_without_its_first_segment_is_refused) {
    fill();
    log_free(load());
    in_dir("rm 00000000000000000000.log");
    options.log_start_offset = 0;
    struct log *log = NULL;
    cr_assert_eq(try_load(&log), -EUCLEAN);
}

Test(recovery, leader_epochs_that_differ_from_the_batches_are_rebuilt) {
    int64_t end = fill();
    log_free(load());
    in_dir("printf '0\\n1\\n9 0\\n' > leader-epoch-checkpoint");
    struct log *log = load();
    cr_assert_eq(log_latest_epoch(log), 3);
    cr_assert_eq(log_epoch_of_offset(log, 0), 0);
    check_log(log, end);
    log_free(log);
}

/* What is closed cleanly is not read when it is loaded. */
Test(recovery, damage_in_a_clean_log_is_an_error_when_it_is_read) {
    fill();
    log_free(load());
    in_dir("printf X | dd of=00000000000000000000.log bs=1 seek=100 conv=notrunc 2>/dev/null");
    options.clean = true;
    struct log *log = load();
    struct log_range range;
    cr_assert_eq(log_read(log, 0, log_end_offset(log), 1, true, &range), -EUCLEAN);
    cr_assert_null(range.file);
    log_free(log);
}

Test(recovery, nonsense_leader_epochs_are_rebuilt_from_the_batches) {
    int64_t end = fill();
    log_free(load());
    shell("echo nonsense > %s", "leader-epoch-checkpoint");
    options.clean = true;
    struct log *log = load();
    cr_assert_eq(log_latest_epoch(log), 3);
    cr_assert_eq(log_epoch_of_offset(log, 0), 0);
    check_log(log, end);
    log_free(log);
}

Test(recovery, a_damaged_snapshot_costs_nothing_but_time) {
    int64_t end = fill();
    log_free(load()); /* seals */
    find_last_log();
    char snapshot[40];
    snprintf(snapshot, sizeof(snapshot), "%.20s.snapshot", last_log);
    cr_assert_geq(size_of(snapshot), 56);
    shell("echo nonsense > %s", snapshot);
    options.clean = true;
    struct log *log = load();
    check_log(log, end);
    log_free(log);
}
