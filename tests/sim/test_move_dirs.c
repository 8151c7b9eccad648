/*
 * A replica moves to the other log dir and back while a client produces, under crashes: the node
 * dies at each of its disk operations in turn, then most likely while it recovers, and starts
 * again. All that was acknowledged is there once and in order, in one dir; a move that was under
 * way goes on, or was not yet known to the disk; copies and what was set aside go away.
 *
 *     SIM_SEEDS=20     more seeds than the usual few
 *     SIM_RUN="seed operation power power shards" runs one case with its log; power: 0 or 1
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/errors.h"
#include "protocol/generated/alter_replica_log_dirs_request.h"
#include "protocol/generated/alter_replica_log_dirs_response.h"
#include "protocol/generated/describe_log_dirs_request.h"
#include "protocol/generated/describe_log_dirs_response.h"
#include "protocol/records.h"
#include "tests/sim/node_script.h"

#define TOPIC       "ledger"
#define BATCHES_MAX 64
#define DELETED_TO  (SCRIPT_BATCH_RECORDS + 1) /* in the middle of a batch */
#define DIRS        2
#define MOVE_TRIES  400
#define STEP_MS     5

static const char *const overrides[] = {
    "log.dirs=data,more",
    "log.initial.task.delay.ms=100",
    "log.flush.offset.checkpoint.interval.ms=500",
    "log.flush.start.offset.checkpoint.interval.ms=500",
    "replica.high.watermark.checkpoint.interval.ms=300",
};

static const char *const dir_paths[DIRS] = {"data", "more"};

struct run {
    struct node_world *world;
    int8_t codecs[BATCHES_MAX]; /* of the batch that was acknowledged there; -1: none */
    int sent;                   /* batches */
    bool cut;
    char label[80];
};

/* ---- The client ------------------------------------------------------------------------------ */

/* False when the node died. */
static bool produce(struct run *run) {
    enum compression codec = (enum compression)(run->sent % 5);
    int64_t base = -1;
    run->sent++;
    if (!script_produce(run->world, TOPIC, 0, codec, NO_PRODUCER_ID, 0, &base)) {
        return false;
    }
    cr_assert(base % SCRIPT_BATCH_RECORDS == 0 && base / SCRIPT_BATCH_RECORDS < BATCHES_MAX);
    cr_assert_eq(run->codecs[base / SCRIPT_BATCH_RECORDS], -1, "%s: offset %d twice", run->label,
                 (int)base);
    run->codecs[base / SCRIPT_BATCH_RECORDS] = (int8_t)codec;
    return true;
}

/* The error of the partition; -1 when there was no answer. */
static int ask_move(struct run *run, const char *path, int32_t partition) {
    struct alter_replica_log_dirs_request_alter_replica_log_dir_topic topic = {
        .name = SLICE_LIT(TOPIC), .partitions = &partition, .partitions_count = 1};
    struct alter_replica_log_dirs_request_alter_replica_log_dir dir = {
        .path = slice_str(path), .topics = &topic, .topics_count = 1};
    struct alter_replica_log_dirs_request request;
    message_init(&alter_replica_log_dirs_request_desc, &request);
    request.dirs = &dir;
    request.dirs_count = 1;
    const struct alter_replica_log_dirs_response *response =
        node_world_call(run->world, 34, 2, &request);
    return response == NULL ? -1 : response->results[0].partitions[0].error_code;
}

/* In which dir the partition is, and in which its copy (-1: none); false without an answer. */
static bool find(struct run *run, int *at, int *copy) {
    struct describe_log_dirs_request request;
    message_init(&describe_log_dirs_request_desc, &request);
    request.topics_count = -1;
    request.topics = NULL;
    const struct describe_log_dirs_response *response =
        node_world_call(run->world, 35, 4, &request);
    *at = -1;
    *copy = -1;
    if (response == NULL) {
        return false;
    }
    for (int d = 0; d < response->results_count; d++) {
        for (int t = 0; t < response->results[d].topics_count; t++) {
            const struct describe_log_dirs_response_topic *topic = &response->results[d].topics[t];
            if (!slice_equal_str(topic->name, TOPIC)) {
                continue;
            }
            for (int p = 0; p < topic->partitions_count; p++) {
                int *out = topic->partitions[p].is_future_key ? copy : at;
                cr_assert_eq(*out, -1, "%s: it lies there twice", run->label);
                *out = d;
            }
        }
    }
    return true;
}

/* False when the node died. */
static bool until_moved(struct run *run) {
    for (int i = 0; i < MOVE_TRIES; i++) {
        int at = -1;
        int copy = -1;
        if (!find(run, &at, &copy)) {
            return false;
        }
        if (at >= 0 && copy < 0) {
            return true;
        }
        node_world_wait(run->world, STEP_MS);
    }
    cr_assert(false, "%s: the move does not end: %s", run->label, run->world->log.last_error);
    return false;
}

static bool move(struct run *run, int batches) {
    int at = -1;
    int copy = -1;
    if (!find(run, &at, &copy)) {
        return false;
    }
    cr_assert_geq(at, 0);
    int error = ask_move(run, dir_paths[1 - at], 0);
    if (error < 0) {
        return false;
    }
    cr_assert_eq(error, ERROR_NONE, "%s: error %d", run->label, error);
    for (int i = 0; i < batches; i++) {
        if (!produce(run)) {
            return false;
        }
        node_world_wait(run->world, 1);
    }
    int now = -1;
    if (!until_moved(run) || !find(run, &now, &copy)) {
        return false;
    }
    cr_assert_eq(now, 1 - at, "%s: it has not moved: %s", run->label, run->world->log.last_error);
    return true;
}

/* False when the node died on the way. */
static bool script(struct run *run) {
    if (node_world_start(run->world) != 0 || !script_create_topic(run->world, TOPIC, 1)) {
        return false;
    }
    for (int i = 0; i < 8; i++) {
        if (!produce(run)) {
            return false;
        }
    }
    run->cut = true;
    if (!script_delete_records(run->world, TOPIC, 0, DELETED_TO) || !move(run, 6)) {
        return false;
    }
    node_world_wait(run->world, 1500); /* the old directory goes */
    return produce(run) && move(run, 3) && produce(run);
}

/* ---- What must hold -------------------------------------------------------------------------- */

static void check_batches(const struct run *run, const struct view_partition *seen) {
    struct slice rest = buffer_slice(&seen->bytes);
    int64_t next = -1;
    bool there[BATCHES_MAX] = {false};
    while (rest.len > 0) {
        struct batch batch;
        cr_assert_eq(batch_parse(rest, &batch), BATCH_OK, "%s", run->label);
        cr_assert(next < 0 || batch.base_offset == next, "%s: a hole before %d", run->label,
                  (int)batch.base_offset);
        next = batch_last_offset(&batch) + 1;
        int index = (int)(batch.base_offset / SCRIPT_BATCH_RECORDS);
        cr_assert_lt(index, run->sent, "%s: more than was sent", run->label);
        there[index] = true;
        if (run->codecs[index] >= 0) {
            cr_assert_eq((int)batch_codec(&batch), run->codecs[index], "%s: another batch at %d",
                         run->label, (int)batch.base_offset);
        }
        rest = slice_make(rest.data + batch_size(&batch), rest.len - batch_size(&batch));
    }
    for (int i = DELETED_TO / SCRIPT_BATCH_RECORDS; i < BATCHES_MAX; i++) {
        cr_assert(there[i] || run->codecs[i] < 0, "%s: the batch at %d is lost: %s", run->label,
                  i * SCRIPT_BATCH_RECORDS, run->world->log.last_error);
    }
}

static void check(struct run *run) {
    struct view view;
    view_init(&view);
    view_add_partition(&view, TOPIC, 0);
    view_take(&view, run->world);
    cr_assert_not(view.lost_contact, "%s: no contact", run->label);
    const struct view_partition *seen = &view.partitions[0];
    bool known = run->sent > 0;
    if (known || seen->error != ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
        cr_assert_eq(seen->error, ERROR_NONE, "%s: error %d: %s", run->label, seen->error,
                     run->world->log.last_error);
        cr_assert_not(seen->checksum_fails);
        /* The log start's checkpoint is written from time to time, and before a swap. */
        cr_assert(seen->start == 0 || (run->cut && seen->start == DELETED_TO),
                  "%s: the log starts at %d", run->label, (int)seen->start);
        check_batches(run, seen);
    }
    view_release(&view);
    cr_assert_eq(run->world->log.error_lines, 0, "%s: %s", run->label, run->world->log.last_error);
}

static void count_leftovers(void *ctx, const char *path, bool directory, struct slice content) {
    (void)content;
    int *count = ctx;
    if (directory && (strstr(path, "-future") != NULL || strstr(path, "-delete") != NULL)) {
        (*count)++;
    }
}

static void run_init(struct run *run, uint64_t seed, int shards) {
    *run = (struct run){
        .world = node_world_new(seed, shards, overrides, ARRAY_LEN(overrides)),
    };
    memset(run->codecs, -1, sizeof(run->codecs));
}

/* Lives on for a while: the move ends, and nothing is left of it. */
static void live_on(struct run *run) {
    if (run->sent == 0) {
        return;
    }
    cr_assert(until_moved(run), "%s: it died", run->label);
    cr_assert(produce(run), "%s: no more records: %s", run->label, run->world->log.last_error);
    node_world_wait(run->world, 1500);
}

static void check_leftovers(struct run *run) {
    int left = 0;
    sim_disk_walk(run->world->node.machine, count_leftovers, &left);
    cr_assert_eq(left, 0, "%s: directories are left", run->label);
}

/* It starts, has everything, goes on, and a clean restart later nothing lies about. */
static void check_recovery(struct run *run) {
    cr_assert_eq(node_world_start(run->world), 0, "%s: it does not start: %s", run->label,
                 run->world->log.last_error);
    check(run);
    live_on(run);
    check(run);
    cr_assert(node_world_stop(run->world), "%s: the stop hangs", run->label);
    cr_assert_eq(node_world_start(run->world), 0, "%s: %s", run->label, run->world->log.last_error);
    check(run);
    check_leftovers(run);
}

/* Whether the node died at its n-th operation. */
static bool crash_at(uint64_t seed, uint64_t n, enum sim_crash first, enum sim_crash second,
                     int shards) {
    struct run run;
    run_init(&run, seed, shards);
    snprintf(run.label, sizeof(run.label), "SIM_RUN=\"%d %d %d %d %d\"", (int)seed, (int)n,
             first == SIM_CRASH_POWER, second == SIM_CRASH_POWER, shards);
    sim_crash_after(run.world->node.machine, n, first);
    bool whole = script(&run);
    bool died = sim_crashed(run.world->node.machine);
    cr_assert(whole || died, "%s: a step failed: %s", run.label, run.world->log.last_error);
    if (first == SIM_CRASH_POWER) {
        node_world_cut_power(run.world);
    } else {
        node_world_kill(run.world);
    }

    /* Once more, most likely while it recovers, or moves on. */
    sim_crash_after(run.world->node.machine, 1 + n * 31 % 101, second);
    if (node_world_start(run.world) == 0) {
        node_world_wait(run.world, 100);
    }
    if (second == SIM_CRASH_POWER) {
        node_world_cut_power(run.world);
    } else {
        node_world_kill(run.world);
    }

    check_recovery(&run);
    cr_assert(node_world_stop(run.world), "%s: the stop hangs", run.label);
    node_world_free(run.world);
    return died;
}

static void crash_everywhere(enum sim_crash first, enum sim_crash second, int shards) {
    const char *seeds = getenv("SIM_SEEDS");
    uint64_t count = seeds != NULL ? (uint64_t)atoi(seeds) : 2;
    for (uint64_t seed = 1; seed <= count; seed++) {
        uint64_t n = 1;
        while (crash_at(seed, n, first, second, shards)) {
            n++;
        }
        cr_log_info("seed %d: %d crash points", (int)seed, (int)n);
        cr_assert_gt(n, 100, "there were hardly any disk operations");
    }
}

/* ---- Disks that fail ------------------------------------------------------------------------- */

/* One dir, or both, fail from the n-th of the operations that follow on the first records. Whether
 * there were so many. */
static bool fail_at(uint64_t n, uint64_t count, int error, const char *under) {
    struct run run;
    run_init(&run, 1, 1);
    snprintf(run.label, sizeof(run.label), "operation %d of %s fails with %d", (int)n,
             under == NULL ? "all" : under, error);
    cr_assert_eq(node_world_start(run.world), 0);
    cr_assert(script_create_topic(run.world, TOPIC, 1));
    for (int i = 0; i < 8; i++) {
        cr_assert(produce(&run));
    }
    const struct sim_disk_fault fault = {
        .after = n, .count = count, .error = error, .under = under};
    uint64_t before = sim_disk_operations(run.world->node.machine);
    int at = -1;
    int copy = -1;
    cr_assert(find(&run, &at, &copy));
    sim_disk_fault(run.world->node.machine, &fault);
    int asked = ask_move(&run, dir_paths[1 - at], 0);
    for (int i = 0; asked >= 0 && i < 6 && produce(&run); i++) {
        node_world_wait(run.world, 1);
    }
    node_world_wait(run.world, 1500);
    bool reached = sim_disk_operations(run.world->node.machine) - before > n;
    sim_disk_fault(run.world->node.machine, &(struct sim_disk_fault){0});
    node_world_kill(run.world);

    check_recovery(&run);
    node_world_free(run.world);
    return reached;
}

static void fail_everywhere(uint64_t count, int error, const char *under) {
    uint64_t n = 0;
    while (fail_at(n, count, error, under)) {
        n++;
    }
    cr_assert_gt(n, 50, "there were hardly any disk operations");
}

Test(move_dirs, a_dir_that_fails_meanwhile_takes_nothing_along, .timeout = 600) {
    fail_everywhere(UINT64_MAX, -EIO, "more");
    fail_everywhere(1, -EIO, NULL);
}

Test(move_dirs, a_full_disk_is_no_loss, .timeout = 600) {
    fail_everywhere(30, -ENOSPC, NULL);
    fail_everywhere(1, -ENOSPC, NULL);
}

/* ---- Topics that go -------------------------------------------------------------------------- */

Test(move_dirs, a_topic_that_is_deleted_takes_its_copy_along, .timeout = 600) {
    for (int after = 0; after < 60; after++) {
        struct run run;
        run_init(&run, (uint64_t)after + 1, 1 + after % 2);
        snprintf(run.label, sizeof(run.label), "after %d ms", after);
        cr_assert_eq(node_world_start(run.world), 0);
        cr_assert(script_create_topic(run.world, TOPIC, 1));
        for (int i = 0; i < 8; i++) {
            cr_assert(produce(&run));
        }
        int at = -1;
        int copy = -1;
        cr_assert(find(&run, &at, &copy));
        cr_assert_eq(ask_move(&run, dir_paths[1 - at], 0), ERROR_NONE);
        node_world_wait(run.world, after);
        cr_assert(script_delete_topic(run.world, TOPIC), "%s", run.label);
        cr_assert(script_create_topic(run.world, TOPIC, 1), "%s", run.label);
        memset(run.codecs, -1, sizeof(run.codecs));
        run.sent = 0;
        cr_assert(produce(&run), "%s", run.label);
        live_on(&run);
        node_world_wait(run.world, 1500);
        check(&run);
        cr_assert_eq(run.codecs[0], 0, "%s: the new topic does not begin at 0", run.label);
        check_leftovers(&run);
        cr_assert(node_world_stop(run.world), "%s: the stop hangs", run.label);
        node_world_free(run.world);
    }
}

/* A stop in the middle is clean: the next start recovers nothing, and the move begins again. */
Test(move_dirs, a_stop_meanwhile_is_clean, .timeout = 600) {
    for (int after = 0; after < 60; after++) {
        struct run run;
        run_init(&run, (uint64_t)after + 1, 1 + after % 2);
        snprintf(run.label, sizeof(run.label), "after %d ms", after);
        cr_assert_eq(node_world_start(run.world), 0);
        cr_assert(script_create_topic(run.world, TOPIC, 1));
        for (int i = 0; i < 8; i++) {
            cr_assert(produce(&run));
        }
        int at = -1;
        int now = -1;
        int copy = -1;
        cr_assert(find(&run, &at, &copy));
        cr_assert_eq(ask_move(&run, dir_paths[1 - at], 0), ERROR_NONE);
        node_world_wait(run.world, after);
        cr_assert(node_world_stop(run.world), "%s: the stop hangs", run.label);
        cr_assert_eq(node_world_start(run.world), 0, "%s: %s", run.label,
                     run.world->log.last_error);
        check(&run);
        live_on(&run);
        cr_assert(find(&run, &now, &copy));
        cr_assert_eq(now, 1 - at, "%s: the move is forgotten", run.label);
        check(&run);
        cr_assert(node_world_stop(run.world), "%s: the stop hangs", run.label);
        node_world_free(run.world);
    }
}

/* ---- Answers --------------------------------------------------------------------------------- */

Test(move_dirs, what_cannot_be_moved_is_refused_as_kafka_does) {
    struct run run;
    run_init(&run, 1, 1);
    cr_assert_eq(node_world_start(run.world), 0);
    cr_assert_eq(ask_move(&run, "nowhere", 0), ERROR_LOG_DIR_NOT_FOUND);
    cr_assert_eq(ask_move(&run, "more", 0), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert(script_create_topic(run.world, TOPIC, 1));
    cr_assert(produce(&run));
    int at = -1;
    int copy = -1;
    cr_assert(find(&run, &at, &copy));
    cr_assert_eq(ask_move(&run, dir_paths[at], 0), ERROR_NONE);
    cr_assert_eq(ask_move(&run, dir_paths[at], 1), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert(find(&run, &at, &copy));
    cr_assert_eq(copy, -1);
    /* Back while it is on its way: the move is given up. */
    cr_assert_eq(ask_move(&run, dir_paths[1 - at], 0), ERROR_NONE);
    cr_assert_eq(ask_move(&run, dir_paths[at], 0), ERROR_NONE);
    int now = -1;
    cr_assert(find(&run, &now, &copy));
    cr_assert_eq(now, at);
    cr_assert_eq(copy, -1);
    node_world_wait(run.world, 100);
    check(&run);
    check_leftovers(&run);
    node_world_free(run.world);
}

/* ---- Crashes --------------------------------------------------------------------------------- */

Test(move_dirs, the_run_that_was_asked_for) {
    const char *run = getenv("SIM_RUN");
    int seed, n, first, second, shards;
    if (run == NULL || sscanf(run, "%d %d %d %d %d", &seed, &n, &first, &second, &shards) != 5) {
        cr_skip_test("SIM_RUN is not set");
    }
    crash_at((uint64_t)seed, (uint64_t)n, first ? SIM_CRASH_POWER : SIM_CRASH_PROCESS,
             second ? SIM_CRASH_POWER : SIM_CRASH_PROCESS, shards);
}

Test(move_dirs, a_killed_node_loses_nothing_that_moves, .timeout = 600) {
    crash_everywhere(SIM_CRASH_PROCESS, SIM_CRASH_PROCESS, 1);
}

Test(move_dirs, nor_does_a_node_without_power, .timeout = 600) {
    crash_everywhere(SIM_CRASH_POWER, SIM_CRASH_POWER, 1);
}

Test(move_dirs, nor_does_a_killed_node_without_power, .timeout = 600) {
    crash_everywhere(SIM_CRASH_PROCESS, SIM_CRASH_POWER, 2);
}
