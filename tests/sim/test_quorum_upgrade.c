/* kraft.version from 0 to 1: voters of the configuration become voters of the log. */
#include <criterion/criterion.h>

#include "tests/sim/quorum_world.h"

static struct quorum_world *begin(uint64_t seed, int observers) {
    return quorum_world_begin(
        &(struct quorum_world_options){.seed = seed, .observers = observers, .static_voters = true},
        10);
}

/* As an operator who tries until it is accepted: the voters tell each new leader who they are. */
static void upgrade(struct quorum_world *world) {
    int64_t from = sim_now_us(world->sim);
    bool accepted;
    do {
        quorum_world_elect(world, NULL);
        accepted = quorum_node_upgrade(quorum_world_leader(world));
        sim_run(world->sim, 10, NULL);
        cr_assert_lt(sim_now_us(world->sim) - from, 20000000, "the voters are not told");
    } while (!accepted);
}

static void check_version(const struct quorum_world *world, int version) {
    for (int i = 0; i < world->count; i++) {
        const struct quorum *quorum = world->nodes[i].quorum;
        if (quorum == NULL) {
            continue;
        }
        cr_assert_eq(quorum_kraft_version(quorum), version);
        const struct voter_set *voters = quorum_voters(quorum);
        cr_assert_eq(voters->count, QUORUM_VOTERS);
        for (int j = 0; j < voters->count; j++) {
            const struct voter *voter = &voters->voters[j];
            cr_assert_eq(voter->key.id, j + 1);
            cr_assert_eq(voter->endpoint_count, 1);
            cr_assert_eq(voter->kraft_version_max, version);
            cr_assert(uuid_equal(voter->key.directory_id,
                                 version == 0 ? UUID_ZERO : quorum_directory_id(j + 1, 0)));
        }
    }
}

Test(quorum_upgrade, static_voters_become_voters_of_the_log) {
    struct quorum_world *world = begin(21, 1);
    check_version(world, 0);
    upgrade(world);
    quorum_world_propose(world, 10);
    check_version(world, 1);
    for (int i = 0; i < world->count; i++) {
        quorum_node_kill(&world->nodes[i]);
    }
    quorum_world_start(world);
    quorum_world_propose(world, 10);
    check_version(world, 1);
    int id = quorum_world_follower(world)->id;
    cr_assert_eq(quorum_world_remove_voter(world, id, 0), ERROR_NONE);
    quorum_world_free(world);
}

Test(quorum_upgrade, voters_that_are_away_hold_it_back) {
    struct quorum_world *world =
        quorum_world_new(&(struct quorum_world_options){.seed = 22, .static_voters = true});
    quorum_node_start(&world->nodes[0]);
    quorum_node_start(&world->nodes[1]);
    quorum_world_propose(world, 10);
    for (int i = 0; i < 10; i++) {
        cr_assert_not(quorum_node_upgrade(quorum_world_leader(world)));
        check_version(world, 0);
        sim_run(world->sim, 1000, NULL);
    }
    quorum_node_start(&world->nodes[2]);
    upgrade(world);
    quorum_world_propose(world, 10);
    check_version(world, 1);
    quorum_world_free(world);
}

Test(quorum_upgrade, who_was_away_gets_it_from_the_log_or_a_snapshot) {
    for (int snapshot = 0; snapshot < 2; snapshot++) {
        struct quorum_world *world = begin(23, 0);
        sim_run(world->sim, 3000, NULL); /* the voters tell who they are */
        struct quorum_node *away = quorum_world_follower(world);
        quorum_node_kill(away);
        upgrade(world);
        quorum_world_propose(world, 100);
        for (int i = 0; i < 2 && snapshot != 0; i++) {
            quorum_world_snapshot(world);
            quorum_world_propose(world, 100);
        }
        quorum_node_start(away);
        quorum_world_propose(world, 1);
        cr_assert_eq(away->snapshots, snapshot);
        check_version(world, 1);
        quorum_node_kill(away);
        quorum_node_start(away);
        quorum_world_propose(world, 1);
        check_version(world, 1);
        quorum_world_free(world);
    }
}

/* Others are restarted until this node leads. */
static void lead(struct quorum_world *world, const struct quorum_node *node) {
    for (int i = 0; i < 50 && quorum_world_leader(world) != node; i++) {
        struct quorum_node *led = quorum_world_leader(world);
        quorum_node_kill(led);
        quorum_world_elect(world, led);
        quorum_node_start(led);
        quorum_world_propose(world, 1);
    }
    cr_assert_eq(quorum_world_leader(world), node);
}

/* The leader that appends it is cut off, and another takes over without it: the log goes back, and
 * so does kraft.version; also when the disk had it at a restart in between. */
Test(quorum_upgrade, what_was_not_committed_is_forgotten) {
    for (int restart = 0; restart < 2; restart++) {
        struct quorum_world *world = begin(24, 0);
        sim_run(world->sim, 3000, NULL); /* the voters tell who they are */
        struct quorum_node *first = quorum_world_leader(world);
        for (int i = 0; i < QUORUM_VOTERS; i++) {
            if (&world->nodes[i] != first) {
                sim_partition(first->machine, world->nodes[i].machine, true);
            }
        }
        cr_assert(quorum_node_upgrade(first));
        cr_assert_eq(quorum_kraft_version(first->quorum), 1);
        if (restart != 0) {
            sim_run(world->sim, 100, NULL); /* it is on the disk */
            quorum_node_kill(first);
            quorum_node_start(first);
            sim_run(world->sim, 200, NULL);
            cr_assert_eq(quorum_kraft_version(first->quorum), 1);
        }
        quorum_world_elect(world, first);
        for (int i = 0; i < QUORUM_VOTERS; i++) {
            if (&world->nodes[i] != first) {
                quorum_node_propose(&world->nodes[i]);
                sim_partition(first->machine, world->nodes[i].machine, false);
            }
        }
        sim_run(world->sim, 1000, NULL);
        quorum_world_propose(world, 10);
        lead(world, first);
        quorum_world_propose(world, 10);
        check_version(world, 0);
        upgrade(world);
        quorum_world_propose(world, 10);
        check_version(world, 1);
        quorum_world_free(world);
    }
}

Test(quorum_upgrade, a_disk_that_is_lost_afterwards_is_another_voter) {
    struct quorum_world *world = begin(25, 0);
    upgrade(world);
    quorum_world_propose(world, 10);
    struct quorum_node *lost = quorum_world_lose_disk(world);
    quorum_world_propose(world, 5);
    quorum_world_check_no_vote(world, lost);
    quorum_world_propose(world, 1);
    quorum_world_free(world);
}
