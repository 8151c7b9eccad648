/* Leaders that a follower's connection has lost: what clients are told of them, and for how long.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "broker/replica/lost_leaders.h"
#include "replica_world.h"

#define LEADER 2

static void set_up(void) {
    world_init(3, true);
    world_replicate(TOPIC_A, 0, LEADER, 3);
    world_advance(1);
}

TestSuite(lost_leaders, .init = set_up, .fini = world_free);

static struct node_shard *shard(int index) {
    return &world.node.shards[index];
}

Test(lost_leaders, a_connection_that_breaks_is_known_to_every_shard) {
    cr_assert_not(some_leader_is_lost(shard(0)));
    world_break(LEADER, -ECONNRESET);
    for (int i = 0; i < 3; i++) {
        cr_assert(leader_is_lost(shard(i), LEADER), "shard %d", i);
        cr_assert(some_leader_is_lost(shard(i)), "shard %d", i);
        cr_assert_not(leader_is_lost(shard(i), 3), "shard %d", i);
    }
}

Test(lost_leaders, a_timeout_says_nothing_of_the_leader) {
    world_break(LEADER, -ETIMEDOUT);
    cr_assert_not(some_leader_is_lost(shard(0)));
}

Test(lost_leaders, it_is_lost_for_a_moment_and_listed_for_longer) {
    leader_lost(shard(1), LEADER);
    world_settle();
    world_advance(LOST_LEADER_MS - 1);
    cr_assert(leader_is_lost(shard(0), LEADER));
    world_advance(1);
    cr_assert_not(leader_is_lost(shard(0), LEADER));
    cr_assert(leader_was_lost(shard(0), LEADER));
    world_advance(LOST_BROKER_LISTED_MS - LOST_LEADER_MS);
    cr_assert_not(leader_was_lost(shard(0), LEADER));
}

Test(lost_leaders, the_controllers_word_ends_the_wait_and_not_the_listing) {
    leader_lost(shard(0), LEADER);
    world_settle();
    world.brokers[LEADER - 1].fenced = true;
    cr_assert_not(some_leader_is_lost(shard(0)));
    cr_assert(leader_was_lost(shard(0), LEADER));
}

Test(lost_leaders, a_process_that_registered_anew_is_not_the_one_that_was_lost) {
    leader_lost(shard(0), LEADER);
    world_settle();
    world.brokers[LEADER - 1].epoch++;
    cr_assert_not(leader_is_lost(shard(0), LEADER));
    cr_assert_not(leader_was_lost(shard(0), LEADER));
}

Test(lost_leaders, the_oldest_of_too_many_is_forgotten) {
    leader_lost(shard(0), LEADER);
    for (int i = 0; i < LOST_LEADERS_MAX; i++) {
        leader_lost(shard(0), LEADER); /* once more is no other */
    }
    leader_lost(shard(0), 3);
    cr_assert(leader_is_lost(shard(0), LEADER));
    cr_assert(leader_is_lost(shard(0), 3));
}

Test(lost_leaders, a_broker_that_is_lost_again_and_again_is_not_listed) {
    leader_lost(shard(0), LEADER);
    leader_lost(shard(0), LEADER); /* the same process still */
    world_settle();
    cr_assert(leader_was_lost(shard(1), LEADER));
    world.brokers[LEADER - 1].epoch++;
    world_advance(LOST_AGAIN_MS - 1);
    leader_lost(shard(0), LEADER);
    world_settle();
    for (int i = 0; i < 2; i++) {
        cr_assert(leader_is_lost(shard(i), LEADER));
        cr_assert_not(leader_was_lost(shard(i), LEADER));
    }
    world.brokers[LEADER - 1].epoch++;
    world_advance(LOST_AGAIN_MS);
    leader_lost(shard(0), LEADER);
    world_settle();
    cr_assert(leader_was_lost(shard(1), LEADER));
}
