/*
 * The metadata log as a quorum of several nodes: who leads, what is committed, and random lives.
 * Voters that change are in test_quorum_voters.c, snapshots in test_quorum_snapshots.c.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/quorum_world.h"

static void agree(bool static_voters) {
    struct quorum_world *world = quorum_world_new(
        &(struct quorum_world_options){.seed = 1, .observers = 1, .static_voters = static_voters});
    quorum_world_start(world);
    cr_assert_lt(quorum_world_elect(world, NULL), 1000);
    quorum_world_propose(world, 50);
    for (int i = 0; i < world->count; i++) {
        cr_assert(world->nodes[i].caught_up && world->nodes[i].opened);
        cr_assert_eq(world->nodes[i].applied, 50);
    }
    quorum_world_free(world);
}

Test(quorum, static_voters_and_an_observer_agree) {
    agree(true);
}

Test(quorum, voters_of_the_log_and_an_observer_agree) {
    agree(false);
}

Test(quorum, a_killed_leader_is_followed_soon_and_loses_nothing) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct quorum_world *world = quorum_world_begin(
            &(struct quorum_world_options){.seed = seed, .static_voters = seed % 2 != 0}, 10);
        struct quorum_node *killed = quorum_world_leader(world);
        quorum_node_kill(killed);
        int64_t took = quorum_world_elect(world, killed);
        cr_assert_lt(took, 600, "seed %" PRIu64 ": %" PRId64 " ms", seed, took);
        quorum_world_propose(world, 10);
        quorum_node_start(killed);
        quorum_world_propose(world, 10);
        cr_assert_eq(world->most, 30);
        quorum_world_free(world);
    }
}

Test(quorum, a_leader_that_stops_hands_over) {
    struct quorum_world *world = quorum_world_begin(&(struct quorum_world_options){.seed = 3}, 5);
    struct quorum_node *stopped = quorum_world_leader(world);
    quorum_node_stop(stopped);
    cr_assert_lt(quorum_world_elect(world, stopped), 300);
    quorum_world_propose(world, 5);
    quorum_node_start(stopped);
    quorum_world_propose(world, 5);
    quorum_world_free(world);
}

Test(quorum, all_that_stopped_start_again_with_what_they_had) {
    struct quorum_world *world =
        quorum_world_begin(&(struct quorum_world_options){.seed = 4, .static_voters = true}, 20);
    for (int i = 0; i < world->count; i++) {
        quorum_node_stop(&world->nodes[i]);
    }
    quorum_world_start(world);
    cr_assert_lt(quorum_world_elect(world, NULL), 1000);
    quorum_world_propose(world, 1);
    cr_assert_eq(world->most, 21);
    quorum_world_free(world);
}

Test(quorum, without_a_majority_nothing_is_committed_nor_told) {
    struct quorum_world *world = quorum_world_begin(&(struct quorum_world_options){.seed = 5}, 5);
    struct quorum_node *leader = quorum_world_leader(world);
    quorum_world_kill_others(world, leader);
    quorum_node_propose(leader);
    sim_run(world->sim, 10000, NULL);
    cr_assert_eq(leader->applied, 5);
    cr_assert_not(leader->leading, "a leader that nobody hears resigns");
    quorum_world_free(world);
}

/* ---- Random lives ---------------------------------------------------------------------------- */

static void heal(struct quorum_world *world) {
    for (int i = 0; i < world->count; i++) {
        for (int j = 0; j < i; j++) {
            sim_partition(world->nodes[i].machine, world->nodes[j].machine, false);
        }
    }
}

/* Removes a voter or adds who is none, as far as that is possible now; nobody waits for it. */
static void change_somehow(struct quorum_node *leader, int id) {
    if (!list_empty(&leader->change.change.link)) {
        return;
    }
    if (quorum_kraft_version(leader->quorum) == 0) {
        quorum_node_upgrade(leader);
        return;
    }
    const struct voter_set *voters = quorum_voters(leader->quorum);
    if (voter_set_find(voters, id) < 0) {
        voter_change_add(&leader->change, leader, id, 0);
    } else if (voters->count > 2) {
        voter_change_remove(&leader->change, leader, id, 0);
    }
}

static void random_step(struct quorum_world *world, struct machine *dice) {
    struct quorum_node *node = &world->nodes[random_below(dice, (uint64_t)world->count)];
    struct quorum_node *other = &world->nodes[random_below(dice, (uint64_t)world->count)];
    struct quorum_node *leader = quorum_world_leader(world);
    switch (random_below(dice, 12)) {
    case 0:
        if (quorum_node_up(node)) {
            quorum_node_kill(node);
        }
        break;
    case 1:
        if (quorum_node_up(node)) {
            sim_crash_after(node->machine, random_below(dice, 40) + 1, SIM_CRASH_POWER);
        }
        break;
    case 2:
        if (node != other) {
            sim_partition(node->machine, other->machine, true);
        }
        break;
    case 3:
        if (quorum_node_up(node) && node->caught_up) {
            quorum_node_snapshot(node);
        }
        break;
    case 4:
        heal(world);
        break;
    case 5:
        if (leader != NULL && quorum_node_up(leader)) {
            change_somehow(leader, node->id);
        }
        break;
    case 6:
        if (quorum_node_up(node) && node->opened) {
            quorum_node_stop(node);
        }
        break;
    default:
        for (uint64_t i = random_below(dice, 10); i > 0 && leader != NULL; i--) {
            if (quorum_node_up(leader)) {
                quorum_node_propose(leader);
            }
        }
        break;
    }
    sim_run(world->sim, (int64_t)random_below(dice, 1000), NULL);
}

static void bury_the_dead(struct quorum_world *world) {
    for (int i = 0; i < world->count; i++) {
        if (world->nodes[i].node != NULL && sim_crashed(world->nodes[i].machine)) {
            quorum_node_kill(&world->nodes[i]);
        }
    }
}

Test(quorum, a_random_life_keeps_what_was_committed) {
    int seeds = getenv("SIM_SEEDS") != NULL ? atoi(getenv("SIM_SEEDS")) : 20;
    uint64_t first = getenv("SIM_SEED") != NULL ? strtoull(getenv("SIM_SEED"), NULL, 10) : 100;
    for (uint64_t seed = first; seed < first + (uint64_t)seeds; seed++) {
        struct quorum_world *world =
            quorum_world_new(&(struct quorum_world_options){.seed = seed,
                                                            .observers = 1,
                                                            .static_voters = seed % 2 != 0,
                                                            .small = seed % 3 == 0,
                                                            .keeps = seed % 4 < 2});
        struct machine *dice = world->nodes[0].machine;
        quorum_world_start(world);
        for (int step = 0; step < 60; step++) {
            random_step(world, dice);
            bury_the_dead(world);
            for (int i = 0; i < world->count; i++) {
                if (world->nodes[i].node == NULL && random_below(dice, 2) == 0) {
                    quorum_node_start(&world->nodes[i]);
                }
            }
        }
        heal(world);
        sim_run(world->sim, 5000, NULL);
        bury_the_dead(world);
        for (int i = 0; i < world->count; i++) {
            sim_crash_after(world->nodes[i].machine, UINT64_MAX, SIM_CRASH_POWER);
            if (world->nodes[i].node == NULL) {
                quorum_node_start(&world->nodes[i]);
            }
        }
        sim_run(world->sim, 5000, NULL);
        quorum_world_propose(world, 1);
        if (getenv("SIM_SEED") != NULL) {
            fprintf(stderr, "seed %" PRIu64 ": %" PRId64 " values\n", seed, world->most);
        }
        quorum_world_free(world);
    }
}
