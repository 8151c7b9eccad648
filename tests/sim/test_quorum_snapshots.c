/* Snapshots of the metadata log of several nodes: what retention leaves, and who gets one. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/file.h"
#include "tests/sim/quorum_world.h"

static int64_t log_start(struct quorum_world *world) {
    return quorum_log_start(quorum_world_leader(world)->quorum);
}

static int snapshot_files(struct quorum_world *world) {
    char **names;
    size_t count;
    struct machine *machine = quorum_world_leader(world)->machine;
    cr_assert_eq(directory_list(machine, QUORUM_LOG_DIR, &names, &count), 0);
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        found += strstr(names[i], ".checkpoint") != NULL;
    }
    free(names);
    return found;
}

/* So many values, and a snapshot of all. */
static void age(struct quorum_world *world, int values) {
    quorum_world_propose(world, values);
    quorum_world_snapshot(world);
}

Test(quorum_snapshots, what_retention_keeps_is_fetched_from_the_log) {
    struct quorum_world *world =
        quorum_world_begin(&(struct quorum_world_options){.seed = 14, .keeps = true}, 5);
    struct quorum_node *away = quorum_world_follower(world);
    quorum_node_kill(away);
    for (int i = 0; i < 3; i++) {
        age(world, 50);
    }
    quorum_world_snapshot(world); /* nothing new: none */
    cr_assert_eq(log_start(world), 0);
    cr_assert_eq(snapshot_files(world), 1 + 3);
    quorum_node_start(away);
    quorum_world_propose(world, 1);
    cr_assert_eq(away->snapshots, 0);
    quorum_world_free(world);
}

Test(quorum_snapshots, what_is_too_large_goes_but_for_the_last_snapshot) {
    struct quorum_world *world = quorum_world_begin(&(struct quorum_world_options){.seed = 15}, 0);
    age(world, 50);
    cr_assert_eq(log_start(world), 0, "it is the only one");
    int64_t first = quorum_high_watermark(quorum_world_leader(world)->quorum);
    age(world, 50);
    cr_assert_gt(log_start(world), first);
    cr_assert_eq(snapshot_files(world), 1 + 1);
    quorum_world_free(world);
}

Test(quorum_snapshots, what_is_too_old_goes_but_for_the_last_snapshot) {
    struct quorum_world *world = quorum_world_begin(
        &(struct quorum_world_options){.seed = 16, .keeps = true, .ages = true}, 0);
    age(world, 50);
    age(world, 50);
    cr_assert_eq(log_start(world), 0);
    sim_run(world->sim, 6000, NULL);
    age(world, 1);
    cr_assert_geq(log_start(world), 101);
    cr_assert_eq(snapshot_files(world), 1 + 1);
    quorum_world_free(world);
}

Test(quorum_snapshots, who_was_away_for_long_gets_the_snapshot) {
    for (int i = 0; i < 2; i++) {
        struct quorum_world *world = quorum_world_begin(
            &(struct quorum_world_options){.seed = 6, .static_voters = i == 0}, 5);
        struct quorum_node *away = quorum_world_follower(world);
        quorum_node_kill(away);
        age(world, 100);
        age(world, 100);
        quorum_world_propose(world, 3);
        quorum_node_start(away);
        quorum_world_propose(world, 3);
        cr_assert_eq(away->snapshots, 1);
        quorum_node_kill(away);
        quorum_node_start(away);
        quorum_world_propose(world, 3);
        cr_assert_eq(world->most, 214);
        quorum_world_free(world);
    }
}
