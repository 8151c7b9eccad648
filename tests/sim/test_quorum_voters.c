/* Voters of the metadata log that come and go. */
#include <criterion/criterion.h>

#include "tests/sim/quorum_world.h"

/* With an observer, node 4, and ten values. */
static struct quorum_world *with_observer(uint64_t seed) {
    return quorum_world_begin(&(struct quorum_world_options){.seed = seed, .observers = 1}, 10);
}

static int voter_count(const struct quorum_node *node) {
    return quorum_voters(node->quorum)->count;
}

Test(quorum_voters, a_voter_that_lost_its_disk_is_another_one) {
    struct quorum_world *world = quorum_world_begin(&(struct quorum_world_options){.seed = 7}, 10);
    struct quorum_node *lost = quorum_world_lose_disk(world);
    quorum_world_propose(world, 5);
    cr_assert_eq(voter_count(lost), 3);
    quorum_world_check_no_vote(world, lost);
    cr_assert_eq(quorum_world_add_voter(world, lost->id, 1), ERROR_DUPLICATE_VOTER);
    cr_assert_eq(quorum_world_remove_voter(world, lost->id, 0), ERROR_NONE);
    quorum_world_propose(world, 1);
    cr_assert_eq(quorum_world_add_voter(world, lost->id, 1), ERROR_NONE);
    quorum_world_propose(world, 1);
    for (int i = 0; i < QUORUM_VOTERS; i++) {
        cr_assert_eq(voter_count(&world->nodes[i]), 3);
    }
    quorum_world_free(world);
}

Test(quorum_voters, a_new_voter_is_asked_what_it_knows_before_it_is_added) {
    struct quorum_world *world = with_observer(9);
    cr_assert_eq(quorum_world_add_voter(world, 4, 0), ERROR_NONE);
    quorum_world_propose(world, 1);
    const struct voter_set *voters = quorum_voters(world->nodes[0].quorum);
    const struct voter *added = &voters->voters[voter_set_find(voters, 4)];
    cr_assert_eq(added->kraft_version_min, 0);
    cr_assert_eq(added->kraft_version_max, 1); /* as it says, nobody told us */
    quorum_world_free(world);
}

Test(quorum_voters, a_new_voter_that_cannot_be_asked_or_lags_is_not_added) {
    struct quorum_world *world = with_observer(10);
    struct quorum_node *led = quorum_world_leader(world);
    led->change.host = "10.0.0.99";
    cr_assert_eq(quorum_world_add_voter(world, 4, 0), ERROR_REQUEST_TIMED_OUT);
    cr_assert_not_null(led->change.change.reason);
    led->change.host = NULL;
    cr_assert_eq(quorum_world_add_voter(world, 4, 7),
                 ERROR_REQUEST_TIMED_OUT); /* it has never fetched */
    quorum_world_propose(world, 1);
    cr_assert_eq(voter_count(led), 3);
    cr_assert_eq(quorum_world_add_voter(world, 4, 0), ERROR_NONE);
    quorum_world_free(world);
}

Test(quorum_voters, no_voters_are_changed_while_a_new_one_is_asked) {
    struct quorum_world *world = with_observer(11);
    struct quorum_node *led = quorum_world_leader(world);
    sim_partition(led->machine, world->nodes[3].machine, true);
    voter_change_add(&led->change, led, 4, 0);
    sim_run(world->sim, 10, NULL);
    cr_assert_not(led->change.ended);
    struct voter_change other = {0};
    voter_change_remove(&other, led, quorum_world_follower(world)->id, 0);
    cr_assert(other.ended);
    cr_assert_eq(other.error, ERROR_REQUEST_TIMED_OUT);
    cr_assert(sim_run(world->sim, 10000, &led->change.ended));
    cr_assert_eq(led->change.error, ERROR_REQUEST_TIMED_OUT);
    voter_change_remove(&other, led, other.key.id, 0);
    cr_assert(sim_run(world->sim, 10000, &other.ended));
    cr_assert_eq(other.error, ERROR_NONE);
    quorum_world_free(world);
}

Test(quorum_voters, a_change_that_is_not_committed_in_time_is_answered) {
    struct quorum_world *world = with_observer(12);
    struct quorum_node *led = quorum_world_leader(world);
    quorum_world_kill_others(world, led);
    voter_change_add(&led->change, led, 4, 0);
    cr_assert(sim_run(world->sim, 2900, &led->change.ended), "before check-quorum ends it");
    cr_assert_eq(led->change.error, ERROR_REQUEST_TIMED_OUT);
    quorum_world_free(world);
}

Test(quorum_voters, a_node_stops_while_it_asks_a_new_voter) {
    struct quorum_world *world = with_observer(13);
    struct quorum_node *led = quorum_world_leader(world);
    sim_partition(led->machine, world->nodes[3].machine, true);
    voter_change_add(&led->change, led, 4, 0);
    quorum_node_stop(led);
    cr_assert(led->change.ended);
    cr_assert_neq(led->change.error, ERROR_NONE);
    quorum_world_free(world);
}

Test(quorum_voters, controllers_join_by_themselves) {
    struct quorum_world *world = quorum_world_begin(
        &(struct quorum_world_options){.seed = 8, .observers = 1, .joins = true}, 10);
    struct quorum_node *lost = quorum_world_lose_disk(world);
    sim_run(world->sim, 10000, NULL);
    quorum_world_propose(world, 1);
    for (int i = 0; i < world->count; i++) {
        const struct voter_set *voters = quorum_voters(world->nodes[i].quorum);
        cr_assert_eq(voters->count, 4);
        int at = voter_set_find(voters, lost->id);
        cr_assert(
            uuid_equal(voters->voters[at].key.directory_id, quorum_directory_id(lost->id, 1)));
    }
    quorum_world_free(world);
}
