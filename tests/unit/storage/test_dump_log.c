/* Kafka's DumpLogSegments reads every file that a log writes. */
#include <sys/wait.h>

#include "tests/unit/storage/storage_test.h"

static struct machine *machine;
static struct log *running;

static void on_closed(struct log *log, int result, void *ctx) {
    cr_assert_eq(result, 0);
    log_free(log);
    machine_stop(machine);
}

static void write_log(void *ctx) {
    log_start_on(running, machine_shard(machine, 0));
    for (int i = 0; i < 200; i++) {
        bool transactional = i % 20 >= 10;
        struct test_batch spec = {.count = 1 + i % 5,
                                  .value_len = (size_t)(i * 37 % 500),
                                  .timestamp = 1700000000000 + (i * 7919) % 5000,
                                  .leader_epoch = i / 50};
        if (transactional) {
            spec.producer_id = 1000 + i / 20;
            spec.count = 1;
            spec.transactional = true;
            spec.base_sequence = i % 20 - 10;
        }
        cr_assert_eq(test_append(running, &spec, NULL), 0);
        if (i % 20 == 19) {
            struct test_batch marker = {.producer_id = spec.producer_id,
                                        .timestamp = spec.timestamp,
                                        .marker = 1 + i / 20 % 2,
                                        .leader_epoch = i / 50};
            cr_assert_eq(test_append(running, &marker, NULL), 0);
        }
    }
    log_close(running, true, on_closed, NULL);
}

Test(dump_log, kafkas_tool_reads_every_file) {
    char root[] = "/tmp/storage-test-XXXXXX";
    cr_assert_not_null(mkdtemp(root));
    char dir[64];
    snprintf(dir, sizeof(dir), "%s/t-0", root);
    machine = machine_new(1, 2);
    log_set_level(machine, LOG_LEVEL_ERROR);
    struct log_options options = test_options(machine, dir);
    options.config.segment_bytes = 30000;
    options.config.index_interval_bytes = 1000;
    options.topic_id = uuid_from_halves(5, 6);
    struct errmsg errmsg;
    cr_assert_eq(log_load(&options, &running, &errmsg), 0);
    machine_run(machine, write_log, NULL);
    machine_free(machine);
    char command[256];
    snprintf(command, sizeof(command), "python3 %s/dump_log_segments.py %s", CONFORMANCE_DIR, dir);
    int status = system(command);
    snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
    if (WEXITSTATUS(status) == 77) {
        cr_skip_test("no java or no KAFKA_LIBS");
    }
    cr_assert_eq(WEXITSTATUS(status), 0);
}
