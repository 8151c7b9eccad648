/*
 * Topics that come and go, records that are deleted, and snapshots of the metadata, under crashes:
 * a node runs a script of them, dies at each of its disk operations in turn, and starts again. What
 * was acknowledged must hold: a deleted topic stays gone, a topic of the same name has nothing of
 * the one before, records that were not deleted are there, and no log is refused.
 *
 *     SIM_SEEDS=50     more seeds than the usual few
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/errors.h"
#include "protocol/records.h"
#include "tests/sim/node_script.h"

#define KEEP "keep"
#define GONE "gone"

#define DELETED_TO (2 * SCRIPT_BATCH_RECORDS + 1)

static const char *const overrides[] = {
    "metadata.log.max.record.bytes.between.snapshots=500",
    "log.initial.task.delay.ms=100",
    "log.retention.check.interval.ms=1000",
    "log.flush.offset.checkpoint.interval.ms=500",
    "log.flush.start.offset.checkpoint.interval.ms=500",
    "replica.high.watermark.checkpoint.interval.ms=300",
};

/* What the client knows; in doubt when it was not told whether the last step was done. */
enum existence { ABSENT, PRESENT, DOUBTFUL };

struct ledger {
    enum existence keep;
    enum existence gone;
    int64_t keep_end_min; /* acknowledged */
    int64_t keep_end_max; /* if everything that was sent is there */
    int64_t gone_end_min;
    int64_t gone_end_max;
    bool cut; /* asked for at least */
};

struct run {
    struct node_world *world;
    struct ledger ledger;
    char label[64];
};

/* ---- The script ------------------------------------------------------------------------------ */

static bool create(struct run *run, const char *topic, enum existence *existence) {
    *existence = DOUBTFUL;
    if (!script_create_topic(run->world, topic, 1)) {
        return false;
    }
    *existence = PRESENT;
    return true;
}

static bool delete (struct run *run) {
    run->ledger.gone = DOUBTFUL;
    if (!script_delete_topic(run->world, GONE)) {
        return false;
    }
    run->ledger.gone = ABSENT;
    run->ledger.gone_end_min = 0;
    run->ledger.gone_end_max = 0;
    return true;
}

static bool produce(struct run *run, const char *topic, int64_t *end_min, int64_t *end_max) {
    *end_max += SCRIPT_BATCH_RECORDS;
    int64_t base = -1;
    if (!script_produce(run->world, topic, 0, COMPRESSION_NONE, NO_PRODUCER_ID, 0, &base)) {
        return false;
    }
    cr_assert_leq(base + SCRIPT_BATCH_RECORDS, *end_max, "%s: records at %d", run->label,
                  (int)base);
    *end_min = base + SCRIPT_BATCH_RECORDS;
    return true;
}

static bool produce_keep(struct run *run) {
    return produce(run, KEEP, &run->ledger.keep_end_min, &run->ledger.keep_end_max);
}

static bool produce_gone(struct run *run) {
    return produce(run, GONE, &run->ledger.gone_end_min, &run->ledger.gone_end_max);
}

static bool cut(struct run *run) {
    run->ledger.cut = true;
    return script_delete_records(run->world, KEEP, 0, DELETED_TO);
}

static bool commit(struct run *run, int64_t offset) {
    return script_commit(run->world, "group", KEEP, offset);
}

/* False when the node died on the way. */
static bool script(struct run *run) {
    struct node_world *world = run->world;
    struct ledger *ledger = &run->ledger;
    if (node_world_start(world) != 0 || !create(run, KEEP, &ledger->keep) || !produce_keep(run) ||
        !produce_keep(run) || !produce_keep(run) || !create(run, GONE, &ledger->gone) ||
        !produce_gone(run) || !produce_gone(run) || !cut(run) || !commit(run, 3)) {
        return false;
    }
    node_world_wait(world, 700); /* checkpoints */
    if (!delete (run) || !produce_keep(run) || !create(run, GONE, &ledger->gone) ||
        !produce_gone(run) || !delete (run)) {
        return false;
    }
    node_world_wait(world, 2000); /* directories of what was deleted go */
    return create(run, GONE, &ledger->gone) && produce_gone(run) && commit(run, 5) &&
           produce_keep(run);
}

/* ---- What must hold -------------------------------------------------------------------------- */

static void check_topic(const struct run *run, const struct view_partition *seen,
                        enum existence existence, int64_t end_min, int64_t end_max) {
    if (seen->error == ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
        cr_assert_neq(existence, PRESENT, "%s: %s is lost", run->label, seen->topic);
        return;
    }
    cr_assert_eq(seen->error, ERROR_NONE, "%s: %s: error %d: %s", run->label, seen->topic,
                 seen->error, run->world->log.last_error);
    cr_assert_neq(existence, ABSENT, "%s: %s is back", run->label, seen->topic);
    cr_assert_not(seen->checksum_fails);
    if (existence == PRESENT) {
        cr_assert_geq(seen->end, end_min, "%s: %s ends at %d, not %d", run->label, seen->topic,
                      (int)seen->end, (int)end_min);
    }
    cr_assert_leq(seen->end, end_max, "%s: %s ends at %d, not %d", run->label, seen->topic,
                  (int)seen->end, (int)end_max);
}

static void check(struct run *run) {
    const struct ledger *ledger = &run->ledger;
    struct view view;
    view_init(&view);
    view_add_partition(&view, KEEP, 0);
    view_add_partition(&view, GONE, 0);
    view_take(&view, run->world);
    cr_assert_not(view.lost_contact, "%s: no contact", run->label);
    const struct view_partition *keep = &view.partitions[0];
    check_topic(run, keep, ledger->keep, ledger->keep_end_min, ledger->keep_end_max);
    check_topic(run, &view.partitions[1], ledger->gone, ledger->gone_end_min, ledger->gone_end_max);
    if (keep->error == ERROR_NONE) {
        /* Kafka's checkpoint of it is written from time to time: deleted records may come back. */
        cr_assert(keep->start == 0 || (ledger->cut && keep->start == DELETED_TO),
                  "%s: the log starts at %d", run->label, (int)keep->start);
    }
    view_release(&view);
    cr_assert_eq(run->world->log.error_lines, 0, "%s: %s", run->label, run->world->log.last_error);
}

/* Whether the node died at its n-th operation. */
static bool crash_at(uint64_t seed, uint64_t n, enum sim_crash first, enum sim_crash second) {
    struct run run = {.world = node_world_new(seed, 1, overrides, ARRAY_LEN(overrides))};
    snprintf(run.label, sizeof(run.label), "seed %d, operation %d", (int)seed, (int)n);
    sim_crash_after(run.world->node.machine, n, first);
    bool whole = script(&run);
    bool died = sim_crashed(run.world->node.machine);
    cr_assert(whole || died, "%s: a step failed", run.label);
    node_world_kill(run.world);

    /* Once more, most likely while it recovers. */
    sim_crash_after(run.world->node.machine, 1 + n * 31 % 61, second);
    if (node_world_start(run.world) == 0) {
        node_world_wait(run.world, 100);
    }
    node_world_kill(run.world);

    cr_assert_eq(node_world_start(run.world), 0, "%s: it does not start: %s", run.label,
                 run.world->log.last_error);
    check(&run);
    cr_assert(script_create_topic(run.world, "after", 1), "%s: no new topics", run.label);
    cr_assert(script_produce(run.world, "after", 0, COMPRESSION_NONE, NO_PRODUCER_ID, 0, NULL));
    cr_assert(node_world_stop(run.world), "%s: the stop hangs", run.label);
    cr_assert_eq(node_world_start(run.world), 0, "%s: %s", run.label, run.world->log.last_error);
    check(&run);
    node_world_free(run.world);
    return died;
}

static void crash_everywhere(enum sim_crash first, enum sim_crash second) {
    const char *seeds = getenv("SIM_SEEDS");
    uint64_t count = seeds != NULL ? (uint64_t)atoi(seeds) : 2;
    for (uint64_t seed = 1; seed <= count; seed++) {
        uint64_t n = 1;
        while (crash_at(seed, n, first, second)) {
            n++;
        }
        cr_log_info("seed %d: %d crash points", (int)seed, (int)n);
        cr_assert_gt(n, 100, "there were hardly any disk operations");
    }
}

Test(node_topics, a_killed_node_keeps_to_what_it_said_of_topics, .timeout = 3600) {
    crash_everywhere(SIM_CRASH_PROCESS, SIM_CRASH_PROCESS);
}

Test(node_topics, so_does_a_node_after_a_power_cut, .timeout = 3600) {
    crash_everywhere(SIM_CRASH_POWER, SIM_CRASH_POWER);
}

Test(node_topics, so_does_a_killed_node_after_a_power_cut, .timeout = 3600) {
    crash_everywhere(SIM_CRASH_PROCESS, SIM_CRASH_POWER);
}
