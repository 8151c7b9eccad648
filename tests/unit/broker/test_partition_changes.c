/* Decisions that change partitions of several replicas: leaders, ISR, ELR, reassignments. */
#include <criterion/criterion.h>

#include "broker/metadata/features.h"
#include "decision_world.h"
#include "protocol/generated/alter_partition_request.h"
#include "protocol/generated/alter_partition_response.h"
#include "protocol/generated/assign_replicas_to_dirs_request.h"
#include "protocol/generated/assign_replicas_to_dirs_response.h"
#include "protocol/generated/elect_leaders_request.h"
#include "protocol/generated/elect_leaders_response.h"
#include "protocol/generated/incremental_alter_configs_request.h"
#include "protocol/generated/incremental_alter_configs_response.h"
#include "protocol/generated/list_partition_reassignments_request.h"
#include "protocol/generated/list_partition_reassignments_response.h"
#include "protocol/generated/update_features_request.h"
#include "protocol/generated/update_features_response.h"
#include "protocol/message.h"

static struct decision_world world;

static void with_four_brokers(int16_t elr) {
    world_start(&world, elr, NULL, 0);
    for (int32_t id = 1; id <= 4; id++) {
        world_add_broker(&world, id);
    }
}

static void set_up(void) {
    with_four_brokers(1);
}

static void tear_down(void) {
    world_stop(&world);
}

TestSuite(partition_changes, .init = set_up, .fini = tear_down);

/* ---- Fencing --------------------------------------------------------------------------------- */

Test(partition_changes, who_is_fenced_leaves_the_isr_and_the_next_replica_leads) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2, 3));
    EXPECT_IDS(t, isr, 1, 2, 3);
    world_fence(&world, 1);
    EXPECT_IDS(t, isr, 2, 3);
    cr_assert_eq(t->leader, 2);
    cr_assert_eq(t->leader_epoch, 1);
    cr_assert_eq(t->partition_epoch, 1);
    world_fence(&world, 3);
    cr_assert_eq(t->leader, 2, "the leader stays");
    cr_assert_eq(t->leader_epoch, 1, "a smaller ISR alone starts no epoch");
    cr_assert_eq(t->partition_epoch, 2);
}

Test(partition_changes, fencing_twice_changes_nothing) {
    world_topic(&world, "t", IDS(1, 2, 3));
    world_fence(&world, 1);
    int64_t offset = world.image->offset;
    world_fence(&world, 1);
    cr_assert_eq(world.image->offset, offset);
}

Test(partition_changes, below_min_isr_who_leaves_stays_eligible_and_may_lead_alone) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2, 3));
    world_set_topic(&world, "t", "min.insync.replicas", "2");
    world_fence(&world, 3);
    EXPECT_NONE(t, elr);
    world_fence(&world, 1);
    EXPECT_IDS(t, isr, 2);
    EXPECT_IDS(t, elr, 1);
    world_fence(&world, 2);
    EXPECT_NONE(t, isr);
    EXPECT_IDS(t, elr, 1, 2);
    EXPECT_IDS(t, last_known_elr, 2);
    cr_assert_eq(t->leader, -1);
    world_heartbeat(&world, 3, false, false);
    cr_assert_eq(t->leader, -1, "broker 3 may lack committed records");
    world_heartbeat(&world, 1, false, false);
    cr_assert_eq(t->leader, 1);
    EXPECT_IDS(t, isr, 1);
    EXPECT_IDS(t, elr, 2);
    EXPECT_NONE(t, last_known_elr);
    cr_assert_eq(t->leader_recovery_state, LEADER_RECOVERED);
    cr_assert_eq(world_alter_isr(&world, "t", IDS(1, 3)), ERROR_NONE);
    EXPECT_NONE(t, elr);
}

Test(partition_changes, another_min_isr_clears_who_is_eligible) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    world_set_topic(&world, "t", "min.insync.replicas", "2");
    world_fence(&world, 2);
    EXPECT_IDS(t, elr, 2);
    world_set_topic(&world, "t", "min.insync.replicas", "1");
    EXPECT_NONE(t, elr);
}

Test(partition_changes, min_isr_counts_at_most_the_replicas) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    world_set_topic(&world, "t", "min.insync.replicas", "5");
    world_fence(&world, 2);
    EXPECT_IDS(t, elr, 2);
    world_heartbeat(&world, 2, false, false);
    cr_assert_eq(world_alter_isr(&world, "t", IDS(1, 2)), ERROR_NONE);
    EXPECT_NONE(t, elr);
}

Test(partition_changes, without_elr_the_last_of_the_isr_stays_and_leads_again) {
    tear_down();
    with_four_brokers(0);
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    world_fence(&world, 2);
    world_fence(&world, 1);
    EXPECT_IDS(t, isr, 1);
    EXPECT_NONE(t, elr);
    cr_assert_eq(t->leader, -1);
    world_heartbeat(&world, 2, false, false);
    cr_assert_eq(t->leader, -1);
    world_heartbeat(&world, 1, false, false);
    cr_assert_eq(t->leader, 1);
    cr_assert_eq(t->leader_epoch, 2);
}

/* ---- Unclean shutdown and elections ---------------------------------------------------------- */

Test(partition_changes, after_an_unclean_shutdown_a_broker_is_not_eligible) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    world_set_topic(&world, "t", "durability", "page-cache");
    world_set_topic(&world, "t", "min.insync.replicas", "2");
    world_fence(&world, 2);
    EXPECT_IDS(t, elr, 2);
    world_register(&world, 2, -1);
    EXPECT_NONE(t, elr);
    EXPECT_IDS(t, isr, 1);
    world_fence(&world, 1);
    EXPECT_IDS(t, elr, 1);
    int64_t epoch = image_broker(world.image, 1)->epoch;
    world_register(&world, 1, epoch);
    EXPECT_IDS(t, elr, 1);
    world_heartbeat(&world, 1, false, false);
    cr_assert_eq(t->leader, 1, "it had stopped cleanly");
}

Test(partition_changes, of_a_durable_topic_it_stays_eligible_while_it_has_the_log_dir) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    const struct image_partition *u = world_topic(&world, "u", IDS(1, 2));
    image_topic_by_name(world.image, SLICE_LIT("u"))->partitions[0].directories[0] =
        uuid_from_halves(8, 8);
    world_fence(&world, 2);
    world_register(&world, 1, -1);
    EXPECT_IDS(t, elr, 1);
    EXPECT_NONE(u, elr);
    world_register(&world, 1, -1);
    EXPECT_IDS(t, elr, 1);
    world_heartbeat(&world, 1, false, false);
    cr_assert_eq(t->leader, 1);
    cr_assert_eq(t->leader_recovery_state, LEADER_RECOVERED);
    cr_assert_eq(u->leader, -1);
}

Test(partition_changes, when_all_were_unclean_only_the_last_leader_leads_and_recovers) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    world_set_topic(&world, "t", "durability", "page-cache");
    world_fence(&world, 2);
    world_register(&world, 2, -1);
    world_register(&world, 1, -1); /* while it leads */
    EXPECT_NONE(t, isr);
    EXPECT_NONE(t, elr);
    EXPECT_IDS(t, last_known_elr, 1);
    cr_assert_eq(t->leader, -1);
    world_heartbeat(&world, 2, false, false);
    cr_assert_eq(t->leader, -1);
    world_heartbeat(&world, 1, false, false);
    cr_assert_eq(t->leader, 1);
    EXPECT_IDS(t, isr, 1);
    EXPECT_NONE(t, last_known_elr);
    cr_assert_eq(t->leader_recovery_state, LEADER_RECOVERING);
    cr_assert_eq(world_alter_isr(&world, "t", IDS(1)), ERROR_NONE);
    cr_assert_eq(t->leader_recovery_state, LEADER_RECOVERED);
}

Test(partition_changes, an_unclean_election_is_for_who_asks_or_allows_it) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    const struct image_partition *u = world_topic(&world, "u", IDS(1, 2));
    world_set_topic(&world, "u", "unclean.leader.election.enable", "true");
    world_fence(&world, 2);
    world_heartbeat(&world, 2, false, false);
    world_fence(&world, 1);
    cr_assert_eq(t->leader, -1);
    cr_assert_eq(u->leader, 2);
    EXPECT_IDS(u, isr, 2);
    cr_assert_eq(u->leader_recovery_state, LEADER_RECOVERING);
    cr_assert_eq(world_elect(&world, "t", 0), ERROR_PREFERRED_LEADER_NOT_AVAILABLE);
    cr_assert_eq(world_elect(&world, "t", 1), ERROR_NONE);
    cr_assert_eq(t->leader, 2);
    cr_assert_eq(world_elect(&world, "t", 1), ERROR_ELECTION_NOT_NEEDED);
}

Test(partition_changes, the_periodic_unclean_election_is_only_where_it_is_allowed) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    const struct image_partition *u = world_topic(&world, "u", IDS(1, 2));
    world_fence(&world, 2);
    world_heartbeat(&world, 2, false, false);
    world_fence(&world, 1);
    world_set_topic(&world, "u", "unclean.leader.election.enable", "true");
    cr_assert_eq(u->leader, -1);
    decide_unclean_leaders(&world.d);
    world_commit(&world);
    cr_assert_eq(t->leader, -1);
    cr_assert_eq(u->leader, 2);
}

Test(partition_changes, the_preferred_replica_leads_again_when_it_is_in_sync) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2, 3));
    cr_assert_eq(world_elect(&world, "t", 0), ERROR_ELECTION_NOT_NEEDED);
    world_fence(&world, 1);
    world_heartbeat(&world, 1, false, false);
    cr_assert_eq(t->leader, 2);
    cr_assert_eq(world_elect(&world, "t", 0), ERROR_PREFERRED_LEADER_NOT_AVAILABLE);
    cr_assert_eq(world_alter_isr(&world, "t", IDS(2, 3, 1)), ERROR_NONE);
    decide_preferred_leaders(&world.d);
    world_commit(&world);
    cr_assert_eq(t->leader, 1);
    decide_preferred_leaders(&world.d);
    cr_assert_eq(world.d.records.count, 0);
    cr_assert_eq(world_elect(&world, "nobody", 0), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
}

Test(partition_changes, electing_all_tells_only_what_was_needed) {
    world_topic(&world, "t", IDS(1, 2));
    world_topic(&world, "u", IDS(2, 1));
    world_fence(&world, 1);
    world_heartbeat(&world, 1, false, false);
    cr_assert_eq(world_alter_isr(&world, "t", IDS(2, 1)), ERROR_NONE);
    struct elect_leaders_request request = {.topic_partitions_count = -1};
    struct elect_leaders_response response;
    decide_elect_leaders(&world.d, &request, 2, &response);
    cr_assert_eq(response.replica_election_results_count, 2);
    cr_assert_eq(response.replica_election_results[0].partition_result_count +
                     response.replica_election_results[1].partition_result_count,
                 1);
    cr_assert_eq(world.d.records.count, 1);
}

/* ---- AlterPartition -------------------------------------------------------------------------- */

static struct alter_partition_response_partition_data
alter(int32_t broker, int64_t broker_epoch, int32_t leader_epoch, int32_t partition_epoch,
      const int32_t *isr, int32_t count, int8_t recovery) {
    struct alter_partition_request_broker_state members[8];
    for (int32_t i = 0; i < count; i++) {
        members[i] =
            (struct alter_partition_request_broker_state){.broker_id = isr[i], .broker_epoch = -1};
    }
    struct alter_partition_request_partition_data data = {.leader_epoch = leader_epoch,
                                                          .partition_epoch = partition_epoch,
                                                          .new_isr_with_epochs = members,
                                                          .new_isr_with_epochs_count = count,
                                                          .leader_recovery_state = recovery};
    struct alter_partition_request_topic_data asked = {
        .topic_id = image_topic_by_name(world.image, SLICE_LIT("t"))->id,
        .partitions = &data,
        .partitions_count = 1};
    struct alter_partition_request request = {
        .broker_id = broker, .broker_epoch = broker_epoch, .topics = &asked, .topics_count = 1};
    struct alter_partition_response response;
    decide_alter_partition(&world.d, &request, 3, &response);
    if (response.error_code != ERROR_NONE) {
        return (struct alter_partition_response_partition_data){.error_code = response.error_code};
    }
    return response.topics[0].partitions[0];
}

Test(partition_changes, alter_partition_has_kafkas_errors_in_their_order) {
    world_topic(&world, "t", IDS(1, 2, 3));
    world_fence(&world, 1);
    int64_t two = image_broker(world.image, 2)->epoch;
    int64_t three = image_broker(world.image, 3)->epoch;
    /* Leader 2, leader epoch 1, partition epoch 1. */
    cr_assert_eq(alter(2, two - 1, 1, 1, IDS(2), 0).error_code, ERROR_STALE_BROKER_EPOCH);
    cr_assert_eq(alter(9, 1, 1, 1, IDS(2), 0).error_code, ERROR_STALE_BROKER_EPOCH);
    cr_assert_eq(alter(2, two, 2, 0, IDS(2), 0).error_code, ERROR_NOT_CONTROLLER);
    cr_assert_eq(alter(2, two, 1, 2, IDS(2), 0).error_code, ERROR_NOT_CONTROLLER);
    cr_assert_eq(alter(2, two, 0, 0, IDS(2), 0).error_code, ERROR_FENCED_LEADER_EPOCH);
    cr_assert_eq(alter(3, three, 1, 1, IDS(3), 0).error_code, ERROR_INVALID_REQUEST);
    cr_assert_eq(alter(2, two, 1, 0, IDS(2), 0).error_code, ERROR_INVALID_UPDATE_VERSION);
    cr_assert_eq(alter(2, two, 1, 1, IDS(2, 4), 0).error_code, ERROR_INVALID_REQUEST);
    cr_assert_eq(alter(2, two, 1, 1, IDS(2, 2), 0).error_code, ERROR_INVALID_REQUEST);
    cr_assert_eq(alter(2, two, 1, 1, IDS(3), 0).error_code, ERROR_INVALID_REQUEST);
    cr_assert_eq(alter(2, two, 1, 1, NULL, 0, 0).error_code, ERROR_INVALID_REQUEST);
    cr_assert_eq(alter(2, two, 1, 1, IDS(2), 1).error_code, ERROR_INVALID_REQUEST);
    cr_assert_eq(alter(2, two, 1, 1, IDS(2, 1), 0).error_code, ERROR_INELIGIBLE_REPLICA);
    cr_assert_eq(world.d.records.count, 0);
}

Test(partition_changes, alter_partition_answers_the_partition_as_it_becomes) {
    world_topic(&world, "t", IDS(1, 2, 3));
    int64_t one = image_broker(world.image, 1)->epoch;
    struct alter_partition_response_partition_data out = alter(1, one, 0, 0, IDS(1, 3), 0);
    cr_assert_eq(out.error_code, ERROR_NONE);
    cr_assert_eq(out.leader_id, 1);
    cr_assert_eq(out.leader_epoch, 0);
    cr_assert_eq(out.partition_epoch, 1);
    world_expect("isr", out.isr, out.isr_count, IDS(1, 3));
    world_commit(&world);
    EXPECT_IDS(world_partition(&world, "t"), isr, 1, 3);
    out = alter(1, one, 0, 1, IDS(1, 3), 0);
    cr_assert_eq(out.partition_epoch, 1, "nothing changes");
    cr_assert_eq(world.d.records.count, 0);
}

Test(partition_changes, a_member_of_another_incarnation_is_not_eligible) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    struct alter_partition_request_broker_state members[] = {
        {.broker_id = 1, .broker_epoch = image_broker(world.image, 1)->epoch},
        {.broker_id = 2, .broker_epoch = image_broker(world.image, 2)->epoch - 1}};
    struct alter_partition_request_partition_data data = {.leader_epoch = t->leader_epoch,
                                                          .partition_epoch = t->partition_epoch,
                                                          .new_isr_with_epochs = members,
                                                          .new_isr_with_epochs_count = 2};
    struct alter_partition_request_topic_data asked = {
        .topic_id = image_topic_by_name(world.image, SLICE_LIT("t"))->id,
        .partitions = &data,
        .partitions_count = 1};
    struct alter_partition_request request = {.broker_id = 1,
                                              .broker_epoch = members[0].broker_epoch,
                                              .topics = &asked,
                                              .topics_count = 1};
    struct alter_partition_response response;
    decide_alter_partition(&world.d, &request, 3, &response);
    cr_assert_eq(response.topics[0].partitions[0].error_code, ERROR_INELIGIBLE_REPLICA);
}

/* ---- Reassignment ---------------------------------------------------------------------------- */

static int32_t moving_count(void) {
    struct list_partition_reassignments_request request = {.topics_count = -1};
    struct list_partition_reassignments_response response;
    decide_list_partition_reassignments(&world.d, &request, &response);
    return response.topics_count;
}

Test(partition_changes, a_reassignment_ends_when_the_new_replicas_are_in_sync) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    cr_assert_eq(world_reassign(&world, "t", IDS(3, 4)), ERROR_NONE);
    world_expect("replicas", t->replicas, t->replica_count, IDS(3, 4, 1, 2));
    world_expect("adding", t->adding_replicas, t->adding_replica_count, IDS(3, 4));
    world_expect("removing", t->removing_replicas, t->removing_replica_count, IDS(1, 2));
    cr_assert(uuid_equal(t->directories[0], uuid_from_halves(1, 3)));
    cr_assert_eq(moving_count(), 1);
    cr_assert_eq(world_alter_isr(&world, "t", IDS(1, 2, 3)), ERROR_NONE);
    cr_assert_eq(t->leader, 1);
    cr_assert_eq(world_alter_isr(&world, "t", IDS(1, 2, 3, 4)), ERROR_NEW_LEADER_ELECTED);
    world_expect("replicas", t->replicas, t->replica_count, IDS(3, 4));
    EXPECT_IDS(t, isr, 3, 4);
    cr_assert_eq(t->leader, 3);
    cr_assert_eq(t->leader_epoch, 1);
    cr_assert_eq(moving_count(), 0);
}

Test(partition_changes, taking_a_replica_away_starts_a_leader_epoch) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2, 3));
    cr_assert_eq(world_reassign(&world, "t", IDS(1, 2)), ERROR_NONE);
    world_expect("replicas", t->replicas, t->replica_count, IDS(1, 2));
    EXPECT_IDS(t, isr, 1, 2);
    cr_assert_eq(t->leader, 1);
    cr_assert_eq(t->leader_epoch, 1);
}

Test(partition_changes, a_cancelled_reassignment_goes_back) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    cr_assert_eq(world_reassign(&world, "t", NULL, -1), ERROR_NO_REASSIGNMENT_IN_PROGRESS);
    cr_assert_eq(world_reassign(&world, "t", IDS(3, 2)), ERROR_NONE);
    world_expect("replicas", t->replicas, t->replica_count, IDS(3, 2, 1));
    cr_assert_eq(world_reassign(&world, "t", NULL, -1), ERROR_NONE);
    world_expect("replicas", t->replicas, t->replica_count, IDS(2, 1));
    EXPECT_IDS(t, isr, 1, 2);
    cr_assert_eq(moving_count(), 0);
}

Test(partition_changes, another_target_keeps_what_is_still_to_be_copied) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    cr_assert_eq(world_reassign(&world, "t", IDS(3, 2)), ERROR_NONE);
    cr_assert_eq(world_reassign(&world, "t", IDS(3, 4)), ERROR_NONE);
    world_expect("adding", t->adding_replicas, t->adding_replica_count, IDS(3, 4));
    world_expect("removing", t->removing_replicas, t->removing_replica_count, IDS(2, 1));
    cr_assert_eq(world_alter_isr(&world, "t", IDS(1, 2, 4)), ERROR_NONE);
    cr_assert_eq(moving_count(), 1, "broker 3 has not copied it");
    cr_assert_eq(world_reassign(&world, "t", IDS(1, 2)), ERROR_NONE);
    world_expect("replicas", t->replicas, t->replica_count, IDS(1, 2));
    EXPECT_IDS(t, isr, 1, 2);
}

Test(partition_changes, bad_reassignments_have_kafkas_errors) {
    world_topic(&world, "t", IDS(1, 2));
    cr_assert_eq(world_reassign(&world, "x", IDS(1)), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(world_reassign(&world, "t", IDS(1, 1)), ERROR_INVALID_REPLICA_ASSIGNMENT);
    cr_assert_eq(world_reassign(&world, "t", IDS(9)), ERROR_INVALID_REPLICA_ASSIGNMENT);
    cr_assert_eq(world_reassign(&world, "t", NULL, 0), ERROR_INVALID_REPLICA_ASSIGNMENT);
}

/* ---- Log dirs -------------------------------------------------------------------------------- */

static int assign(int32_t broker, struct uuid directory) {
    struct assign_replicas_to_dirs_request_partition_data partition = {0};
    struct assign_replicas_to_dirs_request_topic_data topic = {
        .topic_id = image_topic_by_name(world.image, SLICE_LIT("t"))->id,
        .partitions = &partition,
        .partitions_count = 1};
    struct assign_replicas_to_dirs_request_directory_data asked = {
        .id = directory, .topics = &topic, .topics_count = 1};
    struct assign_replicas_to_dirs_request request = {.broker_id = broker,
                                                      .broker_epoch =
                                                          image_broker(world.image, broker)->epoch,
                                                      .directories = &asked,
                                                      .directories_count = 1};
    struct assign_replicas_to_dirs_response response;
    decide_assign_replicas_to_dirs(&world.d, &request, &response);
    int error = response.directories[0].topics[0].partitions[0].error_code;
    world_commit(&world);
    return error;
}

Test(partition_changes, a_replica_in_a_log_dir_that_is_gone_leaves_the_isr) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    cr_assert_eq(assign(3, uuid_from_halves(1, 3)), ERROR_NOT_LEADER_OR_FOLLOWER);
    cr_assert_eq(assign(1, uuid_from_halves(1, 1)), ERROR_NONE);
    cr_assert_eq(t->partition_epoch, 0, "it lay there before");
    cr_assert_eq(assign(1, uuid_from_halves(7, 7)), ERROR_NONE);
    cr_assert(uuid_equal(t->directories[0], uuid_from_halves(7, 7)));
    EXPECT_IDS(t, isr, 2);
    cr_assert_eq(t->leader, 2);
    cr_assert_eq(assign(1, uuid_from_halves(1, 1)), ERROR_NONE);
    cr_assert(uuid_equal(t->directories[0], uuid_from_halves(1, 1)));
}

/* ---- Features -------------------------------------------------------------------------------- */

static int update(const char *name, int16_t level, int8_t type, bool validate_only) {
    struct update_features_request_feature_update_key key = {
        .feature = slice_str(name), .max_version_level = level, .upgrade_type = type};
    struct update_features_request request = {
        .feature_updates = &key, .feature_updates_count = 1, .validate_only = validate_only};
    struct update_features_response response;
    decide_update_features(&world.d, &request, 2, &response);
    return response.error_code;
}

Test(partition_changes, records_differ_between_levels_where_kafka_says_so) {
    static const int16_t new_records[] = {8, 11, 13, 14, 15, 17, 23, 30};
    size_t next = 0;
    for (int16_t level = 8; level <= METADATA_VERSION_LATEST; level++) {
        bool changed = next < ARRAY_LEN(new_records) && new_records[next] == level;
        cr_assert_eq(metadata_version_changed(level - 1, level), changed, "%d", level);
        next += changed;
    }
    cr_assert(!metadata_version_changed(23, 29));
    cr_assert(metadata_version_changed(22, 29));
    cr_assert(!metadata_version_changed(30, 30));
}

Test(partition_changes, features_go_up_and_down_as_kafka_lets_them) {
    cr_assert_eq(update("no.such", 1, 1, false), ERROR_INVALID_UPDATE_VERSION);
    cr_assert_eq(update(FEATURE_ELR, 2, 1, false), ERROR_INVALID_UPDATE_VERSION);
    cr_assert_eq(update(FEATURE_ELR, -1, 2, false), ERROR_INVALID_UPDATE_VERSION);
    cr_assert_eq(update(FEATURE_ELR, 0, 1, false), ERROR_INVALID_UPDATE_VERSION);
    cr_assert_eq(update(FEATURE_METADATA_VERSION, 20, 2, false), ERROR_INVALID_UPDATE_VERSION);
    cr_assert_eq(update(FEATURE_METADATA_VERSION, 29, 3, false), ERROR_INVALID_UPDATE_VERSION);
    cr_assert_eq(update(FEATURE_ELR, 0, 2, true), ERROR_NONE);
    cr_assert_eq(world.d.records.count, 0);
    cr_assert_eq(update(FEATURE_ELR, 0, 2, false), ERROR_NONE);
    world_commit(&world);
    cr_assert(!elr_enabled(world.image));
    cr_assert_eq(update(FEATURE_ELR, 1, 2, false), ERROR_INVALID_UPDATE_VERSION);
    cr_assert_eq(update(FEATURE_ELR, 1, 1, false), ERROR_NONE);
    world_commit(&world);
    cr_assert(elr_enabled(world.image));
    cr_assert(slice_equal_str(image_config_value(world.image, CONFIG_RESOURCE_BROKER, SLICE_LIT(""),
                                                 "min.insync.replicas"),
                              "1"));
}

/* ---- Configuration --------------------------------------------------------------------------- */

static int set_broker(const char *id, const char *value, int8_t operation) {
    struct incremental_alter_configs_request_alterable_config config = {
        .name = SLICE_LIT("min.insync.replicas"),
        .value = slice_str(value),
        .config_operation = operation};
    struct incremental_alter_configs_request_alter_configs_resource resource = {
        .resource_type = CONFIG_RESOURCE_BROKER,
        .resource_name = slice_str(id),
        .configs = &config,
        .configs_count = 1};
    struct incremental_alter_configs_request request = {.resources = &resource,
                                                        .resources_count = 1};
    struct incremental_alter_configs_response response;
    decide_incremental_alter_configs(&world.d, &request, &response);
    world_commit(&world);
    return response.responses[0].error_code;
}

Test(partition_changes, with_elr_the_cluster_has_one_min_isr_and_brokers_have_none) {
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2, 3));
    cr_assert_eq(set_broker("", "2", 0), ERROR_NONE);
    world_fence(&world, 2);
    world_fence(&world, 3);
    EXPECT_IDS(t, elr, 3);
    cr_assert_eq(set_broker("1", "2", 0), ERROR_INVALID_CONFIG);
    cr_assert_eq(set_broker("", NULL, 1), ERROR_INVALID_CONFIG);
    cr_assert_eq(set_broker("", "2", 0), ERROR_NONE);
    EXPECT_IDS(t, elr, 3);
    cr_assert_eq(set_broker("", "1", 0), ERROR_NONE);
    EXPECT_NONE(t, elr);
}
