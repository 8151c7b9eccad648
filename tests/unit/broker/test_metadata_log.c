/* The metadata log as a quorum of one: epochs, commits, snapshots, and directories it refuses. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/config/config.h"
#include "broker/metadata/metadata_record.h"
#include "broker/quorum/metadata_log.h"
#include "broker/quorum/quorum_state.h"
#include "runtime/machine.h"
#include "storage/log_dir.h"

static char base[64];

/* One life of the log. */
struct life {
    struct machine *machine;
    struct config *config;
    struct quorum *quorum;
    struct errmsg errmsg;
    int32_t node_id;
    int result;
    int32_t epoch;
    int committed;       /* values told as committed */
    int before_leading;  /* ... of them before leading */
    int64_t last_offset; /* of the last batch told */
    struct slice proposals[8];
    int proposal_count;
    int wanted; /* committed values to stop at */
    bool snapshot;
};

static void set_up(void) {
    strcpy(base, "/tmp/barnabas-test-XXXXXX");
    cr_assert_not_null(mkdtemp(base));
}

static void tear_down(void) {
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", base);
    cr_assert_eq(system(command), 0);
}

TestSuite(metadata_log, .init = set_up, .fini = tear_down);

static void on_closed(void *ctx) {
    struct life *life = ctx;
    machine_stop(life->machine);
}

static void end(struct life *life) {
    if (life->snapshot) {
        struct arena arena;
        struct record_list values;
        arena_init(&arena, SIZE_MAX);
        record_list_init(&values, &arena);
        record_list_add_value(&values, SLICE_LIT("whole"));
        metadata_log_snapshot(life->quorum, &values, life->last_offset, life->epoch);
        arena_release(&arena);
    }
    metadata_log_close(life->quorum, on_closed, life);
}

static void on_committed(void *ctx, struct quorum_batch *batch) {
    struct life *life = ctx;
    life->committed += batch->count;
    life->last_offset = batch->last_offset;
    quorum_batch_free(batch);
    if (life->epoch > 0 && life->committed == life->wanted) {
        end(life);
    }
}

static void on_caught_up(void *ctx) {
    struct life *life = ctx;
    cr_assert_eq(life->epoch, 0);
}

static void on_leading(void *ctx, int32_t epoch) {
    struct life *life = ctx;
    life->epoch = epoch;
    life->before_leading = life->committed;
}

static void on_failed(void *ctx, int error) {
    cr_assert_fail("the log failed: %d", error);
}

static void on_opened(void *ctx, int result) {
    struct life *life = ctx;
    life->result = result;
    if (result != 0) {
        machine_stop(life->machine);
        return;
    }
    for (int i = 0; i < life->proposal_count; i++) {
        int64_t base_offset;
        int before = life->committed;
        cr_assert_eq(quorum_propose(life->quorum, &life->proposals[i], 1, &base_offset), 0);
        cr_assert_eq(life->committed, before, "appended is not committed");
    }
    if (life->proposal_count == 0) {
        end(life);
    }
}

static void start(void *ctx) {
    struct life *life = ctx;
    struct metadata_log_options options = {
        .shard = machine_shard(life->machine, 0),
        .config = life->config,
        .node_id = life->node_id,
        .metadata_dir = base,
        .client = {.committed = on_committed,
                   .caught_up = on_caught_up,
                   .leading = on_leading,
                   .failed = on_failed,
                   .ctx = life},
    };
    life->quorum = metadata_log_open(&options, &life->errmsg, on_opened, life);
}

static void format_dir(struct machine *machine) {
    struct meta_properties meta = {
        .cluster_id = "c", .node_id = 1, .directory_id = uuid_from_halves(77, 77)};
    struct meta_properties old;
    struct errmsg errmsg;
    if (meta_properties_read(machine, base, &old, &errmsg) == -ENOENT) {
        cr_assert_eq(meta_properties_write(machine, base, &meta), 0);
    }
}

static struct life run(struct life life) {
    static const char *const overrides[] = {"log.dirs=/nowhere"};
    struct life *running = &life;
    life.machine = machine_new(1, 1);
    cr_assert_eq(config_load(life.machine, NULL, overrides, 1, &life.config, &life.errmsg), 0);
    format_dir(life.machine);
    machine_run(life.machine, start, running);
    metadata_log_free(life.quorum);
    config_free(life.config);
    machine_free(life.machine);
    return life;
}

/* A life that only opens and closes. */
static struct life live(struct life life) {
    life.node_id = life.node_id == 0 ? 1 : life.node_id;
    life.wanted = -1;
    return run(life);
}

/* A life that proposes so many values and ends when all are committed. `already` is what earlier
 * lives left. */
static struct life propose(int count, int already, bool snapshot) {
    struct life life = {
        .node_id = 1, .proposal_count = count, .wanted = already + count, .snapshot = snapshot};
    for (int i = 0; i < count; i++) {
        life.proposals[i] = SLICE_LIT("value");
    }
    return run(life);
}

static char *in_log(const char *name, char out[192]) {
    snprintf(out, 192, "%s/__cluster_metadata-0/%s", base, name);
    return out;
}

Test(metadata_log, each_start_begins_a_new_epoch) {
    cr_assert_eq(live((struct life){0}).epoch, 1);
    cr_assert_eq(live((struct life){0}).epoch, 2);
    cr_assert_eq(live((struct life){0}).epoch, 3);
}

Test(metadata_log, what_was_committed_is_told_again_before_leading) {
    struct life first = propose(3, 0, false);
    cr_assert_eq(first.result, 0);
    cr_assert_eq(first.committed, 3);
    cr_assert_eq(first.before_leading, 0);
    struct life second = live((struct life){0});
    cr_assert_eq(second.before_leading, 3);
}

Test(metadata_log, a_snapshot_stands_for_the_log_before_it) {
    struct life first = propose(4, 0, true);
    cr_assert_eq(first.committed, 4);
    struct life second = live((struct life){0});
    cr_assert_eq(second.result, 0, "%s", second.errmsg.text);
    cr_assert_eq(second.before_leading, 1, "the snapshot's one record for the four");
    struct life third = propose(2, 1, false);
    cr_assert_eq(third.before_leading, 1);
    cr_assert_eq(live((struct life){0}).before_leading, 3);
}

Test(metadata_log, a_torn_snapshot_is_refused) {
    struct life first = propose(4, 0, true);
    char command[512];
    snprintf(command, sizeof(command),
             "f=$(ls %s/__cluster_metadata-0/*.checkpoint | tail -1); truncate -s -20 $f", base);
    cr_assert_eq(system(command), 0);
    struct life second = live((struct life){0});
    cr_assert_eq(first.result, 0);
    cr_assert_eq(second.result, -EUCLEAN);
    cr_assert_not_null(strstr(second.errmsg.text, "checkpoint"));
}

Test(metadata_log, half_written_snapshots_are_swept_away) {
    cr_assert_eq(live((struct life){0}).result, 0);
    char path[192];
    FILE *file = fopen(in_log("00000000000000000009-0000000001-x.checkpoint.part", path), "w");
    cr_assert_not_null(file);
    fclose(file);
    cr_assert_eq(live((struct life){0}).result, 0);
    cr_assert_neq(access(path, F_OK), 0);
}

Test(metadata_log, a_quorum_with_another_voter_is_refused) {
    cr_assert_eq(live((struct life){0}).result, 0);
    struct life other = live((struct life){.node_id = 2});
    cr_assert_eq(other.result, -EINVAL);
    cr_assert_not_null(strstr(other.errmsg.text, "voter"));
}

Test(metadata_log, a_voter_with_another_directory_is_refused) {
    cr_assert_eq(live((struct life){0}).result, 0);
    char path[192];
    snprintf(path, sizeof(path), "%s/meta.properties", base);
    cr_assert_eq(unlink(path), 0);
    FILE *file = fopen(path, "w");
    fputs("version=1\ncluster.id=c\nnode.id=1\ndirectory.id=AAAAAAAAAE0AAAAAAAAATg\n", file);
    fclose(file);
    struct life other = live((struct life){0});
    cr_assert_eq(other.result, -EINVAL);
    cr_assert_not_null(strstr(other.errmsg.text, "directory id"), "%s", other.errmsg.text);
}

Test(metadata_log, a_damaged_quorum_state_is_refused) {
    cr_assert_eq(live((struct life){0}).result, 0);
    char path[192];
    FILE *file = fopen(in_log("quorum-state", path), "w");
    fputs("{\"leaderEpoch\":", file);
    fclose(file);
    struct life next = live((struct life){0});
    cr_assert_eq(next.result, -EINVAL);
    cr_assert_not_null(strstr(next.errmsg.text, "quorum-state"));
}

Test(metadata_log, a_lost_quorum_state_does_not_reuse_an_epoch_of_the_log) {
    cr_assert_eq(live((struct life){0}).epoch, 1);
    cr_assert_eq(live((struct life){0}).epoch, 2);
    char path[192];
    cr_assert_eq(unlink(in_log("quorum-state", path)), 0);
    cr_assert_eq(live((struct life){0}).epoch, 3);
}

Test(metadata_log, quorum_states_of_both_versions_of_kafka_are_read) {
    struct machine *machine = machine_new(1, 1);
    struct quorum_state state;
    struct errmsg errmsg;
    char path[192];
    snprintf(path, sizeof(path), "%s/q", base);
    FILE *file = fopen(path, "w");
    fputs("{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":2,\"votedId\":-1,\"appliedOffset\":0,"
          "\"currentVoters\":[{\"voterId\":1},{\"voterId\":5}],\"data_version\":0}",
          file);
    fclose(file);
    cr_assert_eq(quorum_state_read(machine, path, &state, &errmsg), 0);
    cr_assert_eq(state.leader_epoch, 2);
    cr_assert_eq(state.voter_count, 2);
    cr_assert_eq(state.data_version, 0);
    struct quorum_state written = {.data_version = 1,
                                   .leader_id = -1,
                                   .leader_epoch = 9,
                                   .voted_id = 3,
                                   .voted_directory_id = uuid_from_halves(4, 5)};
    cr_assert_eq(quorum_state_write(machine, path, &written), 0);
    cr_assert_eq(quorum_state_read(machine, path, &state, &errmsg), 0);
    cr_assert_eq(state.leader_epoch, 9);
    cr_assert_eq(state.voted_id, 3);
    cr_assert(uuid_equal(state.voted_directory_id, written.voted_directory_id));
    machine_free(machine);
}
