/* Registration, heartbeats and sessions of brokers. */
#include <criterion/criterion.h>

#include "broker/metadata/features.h"
#include "decision_world.h"
#include "protocol/generated/allocate_producer_ids_request.h"
#include "protocol/generated/allocate_producer_ids_response.h"
#include "protocol/generated/broker_heartbeat_request.h"
#include "protocol/generated/broker_registration_request.h"
#include "protocol/generated/controller_registration_request.h"
#include "protocol/generated/controller_registration_response.h"
#include "protocol/generated/unregister_broker_request.h"
#include "protocol/generated/unregister_broker_response.h"
#include "protocol/generated/update_features_request.h"
#include "protocol/generated/update_features_response.h"
#include "protocol/message.h"

static struct decision_world world;

static void set_up(void) {
    world_start(&world, 1, NULL, 0);
}

static void tear_down(void) {
    world_stop(&world);
}

TestSuite(broker_lifecycle, .init = set_up, .fini = tear_down);

/* ---- Registration ---------------------------------------------------------------------------- */

Test(broker_lifecycle, a_new_broker_is_fenced_and_its_epoch_is_the_offset_of_its_record) {
    int64_t offset = world.image->offset + 1;
    cr_assert_eq(world_register(&world, 5, -1).broker_epoch, offset);
    const struct image_broker *broker = image_broker(world.image, 5);
    cr_assert(broker->fenced);
    cr_assert_eq(broker->epoch, offset);
    cr_assert_eq(broker->log_dir_count, 1);
}

/* A request that is accepted, for tests to spoil. */
static void good(struct broker_registration_request *request, struct uuid *directory) {
    static struct broker_registration_request_feature features[2];
    features[0] = (struct broker_registration_request_feature){SLICE_LIT(FEATURE_METADATA_VERSION),
                                                               7, METADATA_VERSION_LATEST};
    features[1] = (struct broker_registration_request_feature){SLICE_LIT(FEATURE_ELR), 0, 1};
    *directory = uuid_from_halves(1, 50);
    message_init(&broker_registration_request_desc, request);
    request->broker_id = 5;
    request->cluster_id = SLICE_LIT("cluster");
    request->incarnation_id = uuid_from_halves(9, 9);
    request->features = features;
    request->features_count = 2;
    request->log_dirs = directory;
    request->log_dirs_count = 1;
}

static int try(const struct broker_registration_request *request) {
    struct broker_registration_response response;
    int before = world.d.records.count;
    decide_broker_registration(&world.d, request, &response);
    cr_assert_eq(world.d.records.count > before, response.error_code == ERROR_NONE);
    return response.error_code;
}

Test(broker_lifecycle, bad_registrations_have_kafkas_errors) {
    world_add_broker(&world, 1);
    struct broker_registration_request request;
    struct uuid dirs[2];
    good(&request, dirs);
    request.cluster_id = SLICE_LIT("other");
    cr_assert_eq(try(&request), ERROR_INCONSISTENT_CLUSTER_ID);
    good(&request, dirs);
    request.log_dirs_count = 0;
    cr_assert_eq(try(&request), ERROR_INVALID_REGISTRATION);
    good(&request, dirs);
    dirs[0] = uuid_from_halves(0, 1);
    cr_assert_eq(try(&request), ERROR_INVALID_REGISTRATION, "a reserved id");
    good(&request, dirs);
    dirs[1] = dirs[0];
    request.log_dirs_count = 2;
    cr_assert_eq(try(&request), ERROR_INVALID_REGISTRATION, "twice the same");
    good(&request, dirs);
    dirs[0] = uuid_from_halves(1, 1);
    cr_assert_eq(try(&request), ERROR_INVALID_REGISTRATION, "another broker's");
    good(&request, dirs);
    request.features_count = 0;
    cr_assert_eq(try(&request), ERROR_INVALID_REGISTRATION);
    good(&request, dirs);
    request.features[0].max_supported_version = METADATA_VERSION_LATEST - 1;
    cr_assert_eq(try(&request), ERROR_UNSUPPORTED_VERSION);
    good(&request, dirs);
    request.features_count = 1;
    cr_assert_eq(try(&request), ERROR_UNSUPPORTED_VERSION, "it does not know a finalized one");
    good(&request, dirs);
    request.is_migrating_zk_broker = true;
    cr_assert_eq(try(&request), ERROR_INVALID_REGISTRATION);
    good(&request, dirs);
    cr_assert_eq(try(&request), ERROR_NONE);
}

Test(broker_lifecycle, the_same_incarnation_keeps_epoch_and_state) {
    struct broker_registration_request request;
    struct uuid directory;
    good(&request, &directory);
    cr_assert_eq(try(&request), ERROR_NONE);
    world_commit(&world);
    int64_t epoch = image_broker(world.image, 5)->epoch;
    world_heartbeat(&world, 5, false, false);
    cr_assert_eq(try(&request), ERROR_NONE);
    world_commit(&world);
    cr_assert_eq(image_broker(world.image, 5)->epoch, epoch);
    cr_assert(!image_broker(world.image, 5)->fenced);
}

Test(broker_lifecycle, another_incarnation_waits_until_the_first_is_not_heard_of) {
    world_add_broker(&world, 5);
    int64_t epoch = image_broker(world.image, 5)->epoch;
    broker_sessions_heard(world.sessions, 5, epoch, 0, 7, world.now_ms);
    cr_assert_eq(world_register(&world, 5, epoch).error_code, ERROR_DUPLICATE_BROKER_REGISTRATION);
    broker_sessions_connection_closed(world.sessions, 7, world.now_ms);
    cr_assert_eq(world_register(&world, 5, epoch).error_code, ERROR_NONE);
}

Test(broker_lifecycle, a_new_incarnation_leaves_what_the_old_one_was_in) {
    world_add_broker(&world, 1);
    world_add_broker(&world, 2);
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    world_register(&world, 1, image_broker(world.image, 1)->epoch);
    EXPECT_IDS(t, isr, 2);
    cr_assert_eq(t->leader, 2);
    cr_assert(image_broker(world.image, 1)->fenced);
}

/* ---- Heartbeats ------------------------------------------------------------------------------ */

static struct broker_heartbeat_response beat(int32_t id, int64_t epoch, int64_t offset) {
    struct broker_heartbeat_request request;
    struct broker_heartbeat_response response;
    message_init(&broker_heartbeat_request_desc, &request);
    request.broker_id = id;
    request.broker_epoch = epoch;
    request.current_metadata_offset = offset;
    decide_broker_heartbeat(&world.d, &request, &response);
    world_commit(&world);
    return response;
}

Test(broker_lifecycle, a_broker_is_unfenced_when_it_has_seen_its_own_registration) {
    int64_t epoch = world_register(&world, 5, -1).broker_epoch;
    cr_assert_eq(beat(5, epoch - 1, epoch).error_code, ERROR_STALE_BROKER_EPOCH);
    cr_assert_eq(beat(6, epoch, epoch).error_code, ERROR_STALE_BROKER_EPOCH);
    struct broker_heartbeat_response response = beat(5, epoch, epoch - 1);
    cr_assert(response.is_fenced && !response.is_caught_up);
    response = beat(5, epoch, epoch);
    cr_assert(!response.is_fenced && response.is_caught_up);
    cr_assert(!image_broker(world.image, 5)->fenced);
    int64_t offset = world.image->offset;
    (void)beat(5, epoch, epoch);
    cr_assert_eq(world.image->offset, offset, "a heartbeat as such writes nothing");
}

Test(broker_lifecycle, a_broker_may_wish_to_be_fenced) {
    world_add_broker(&world, 5);
    cr_assert(world_heartbeat(&world, 5, true, false).is_fenced);
    cr_assert(image_broker(world.image, 5)->fenced);
}

Test(broker_lifecycle, a_broker_that_stops_hands_its_leaders_over_first) {
    world_add_broker(&world, 1);
    world_add_broker(&world, 2);
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    broker_sessions_heard(world.sessions, 1, image_broker(world.image, 1)->epoch, 0, 1, 0);
    broker_sessions_heard(world.sessions, 2, image_broker(world.image, 2)->epoch, 0, 2, 0);
    struct broker_heartbeat_response response = world_heartbeat(&world, 1, false, true);
    int64_t stop = world.image->offset;
    broker_sessions_stopping(world.sessions, 1, stop);
    cr_assert(!response.should_shut_down && !response.is_fenced);
    cr_assert(image_broker(world.image, 1)->in_controlled_shutdown);
    cr_assert_eq(t->leader, 2);
    EXPECT_IDS(t, isr, 2);
    response = world_heartbeat(&world, 1, false, true);
    cr_assert(!response.should_shut_down, "the others do not know yet");
    broker_sessions_heard(world.sessions, 1, image_broker(world.image, 1)->epoch, stop, 1, 0);
    broker_sessions_heard(world.sessions, 2, image_broker(world.image, 2)->epoch, stop, 2, 0);
    response = world_heartbeat(&world, 1, false, true);
    cr_assert(response.should_shut_down);
    cr_assert(image_broker(world.image, 1)->fenced);
}

Test(broker_lifecycle, a_broker_that_leads_nothing_stops_at_once) {
    world_add_broker(&world, 1);
    cr_assert(world_heartbeat(&world, 1, false, true).should_shut_down);
    cr_assert(image_broker(world.image, 1)->fenced);
    cr_assert(world_heartbeat(&world, 1, false, true).should_shut_down);
}

Test(broker_lifecycle, a_log_dir_that_fails_takes_its_replicas_out_of_the_isr) {
    world_add_broker(&world, 1);
    world_add_broker(&world, 2);
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    struct image_broker *broker = image_broker(world.image, 1);
    struct uuid dirs[] = {uuid_from_halves(1, 1), uuid_from_halves(1, 99)};
    broker->log_dirs = dirs;
    broker->log_dir_count = 2;
    struct broker_heartbeat_request request;
    struct broker_heartbeat_response response;
    message_init(&broker_heartbeat_request_desc, &request);
    request.broker_id = 1;
    request.broker_epoch = broker->epoch;
    request.current_metadata_offset = world.image->offset;
    request.offline_log_dirs = dirs;
    request.offline_log_dirs_count = 1;
    decide_broker_heartbeat(&world.d, &request, &response);
    world_commit(&world);
    EXPECT_IDS(t, isr, 2);
    cr_assert_eq(t->leader, 2);
    broker = image_broker(world.image, 1);
    cr_assert_eq(broker->log_dir_count, 1);
    cr_assert(uuid_equal(broker->log_dirs[0], dirs[1]));
    decide_broker_heartbeat(&world.d, &request, &response);
    cr_assert_eq(world.d.records.count, 0, "it is known");
}

/* ---- The rest -------------------------------------------------------------------------------- */

Test(broker_lifecycle, an_unregistered_broker_is_in_nothing_any_more) {
    world_add_broker(&world, 1);
    world_add_broker(&world, 2);
    const struct image_partition *t = world_topic(&world, "t", IDS(1, 2));
    world_set_topic(&world, "t", "min.insync.replicas", "2");
    world_fence(&world, 1);
    EXPECT_IDS(t, elr, 1);
    struct unregister_broker_request request = {.broker_id = 1};
    struct unregister_broker_response response;
    decide_unregister_broker(&world.d, &request, &response);
    world_commit(&world);
    EXPECT_NONE(t, elr);
    cr_assert_null(image_broker(world.image, 1));
    decide_unregister_broker(&world.d, &request, &response);
    cr_assert_eq(response.error_code, ERROR_BROKER_ID_NOT_REGISTERED);
}

Test(broker_lifecycle, producer_ids_come_in_blocks_to_the_present_incarnation) {
    world_add_broker(&world, 1);
    struct allocate_producer_ids_request request = {
        .broker_id = 1, .broker_epoch = image_broker(world.image, 1)->epoch};
    struct allocate_producer_ids_response response;
    decide_allocate_producer_ids(&world.d, &request, &response);
    world_commit(&world);
    cr_assert_eq(response.producer_id_len, 1000);
    int64_t first = response.producer_id_start;
    decide_allocate_producer_ids(&world.d, &request, &response);
    world_commit(&world);
    cr_assert_eq(response.producer_id_start, first + 1000);
    request.broker_epoch--;
    decide_allocate_producer_ids(&world.d, &request, &response);
    cr_assert_eq(response.error_code, ERROR_STALE_BROKER_EPOCH);
}

static enum kafka_error update_kraft_version(int16_t level, int8_t type, bool dry) {
    struct update_features_request_feature_update_key key = {.feature =
                                                                 SLICE_LIT(FEATURE_KRAFT_VERSION),
                                                             .max_version_level = level,
                                                             .upgrade_type = type};
    struct update_features_request update = {
        .feature_updates = &key, .feature_updates_count = 1, .validate_only = dry};
    struct update_features_response updated;
    world.d.kraft_upgrade = false;
    decide_update_features(&world.d, &update, 2, &updated);
    cr_assert_eq(world.d.records.count, 0, "it is no record of the metadata");
    return (enum kafka_error)updated.error_code;
}

Test(broker_lifecycle, kraft_version_goes_up_when_the_quorum_can_and_never_down) {
    world.d.kraft_upgrade_refusal = "voters were silent";
    cr_assert_eq(update_kraft_version(1, 1, false), ERROR_INVALID_UPDATE_VERSION);
    cr_assert_not(world.d.kraft_upgrade);
    cr_assert_eq(update_kraft_version(0, 1, false), ERROR_NONE);
    world.d.kraft_upgrade_refusal = NULL;
    cr_assert_eq(update_kraft_version(2, 1, false), ERROR_INVALID_UPDATE_VERSION);
    cr_assert_eq(update_kraft_version(1, 1, true), ERROR_NONE);
    cr_assert_not(world.d.kraft_upgrade);
    cr_assert_eq(update_kraft_version(1, 1, false), ERROR_NONE);
    cr_assert(world.d.kraft_upgrade);
    world.d.kraft_version = 1;
    cr_assert_eq(update_kraft_version(0, 2, false), ERROR_INVALID_UPDATE_VERSION);
    cr_assert_eq(update_kraft_version(0, 3, false), ERROR_INVALID_UPDATE_VERSION);
    cr_assert_eq(update_kraft_version(1, 1, false), ERROR_NONE);
    cr_assert_not(world.d.kraft_upgrade);
}

Test(broker_lifecycle, a_controller_that_lacks_a_level_holds_the_feature_back) {
    struct controller_registration_request_listener listener = {
        .name = SLICE_LIT("CONTROLLER"), .host = SLICE_LIT("h"), .port = 9093};
    struct controller_registration_request_feature feature = {SLICE_LIT(FEATURE_METADATA_VERSION),
                                                              7, METADATA_VERSION_LATEST};
    struct controller_registration_request request = {.controller_id = 3,
                                                      .listeners = &listener,
                                                      .listeners_count = 1,
                                                      .features = &feature,
                                                      .features_count = 1};
    struct controller_registration_response response;
    decide_controller_registration(&world.d, &request, &response);
    cr_assert_eq(response.error_code, ERROR_NONE);
    world_commit(&world);
    struct update_features_request_feature_update_key key = {
        .feature = SLICE_LIT(FEATURE_ELR), .max_version_level = 1, .upgrade_type = 1};
    struct update_features_request update = {.feature_updates = &key, .feature_updates_count = 1};
    struct update_features_response updated;
    decide_update_features(&world.d, &update, 2, &updated);
    cr_assert_eq(updated.error_code, ERROR_INVALID_UPDATE_VERSION);
    feature.max_supported_version = 20;
    decide_controller_registration(&world.d, &request, &response);
    cr_assert_eq(response.error_code, ERROR_UNSUPPORTED_VERSION);
}

/* ---- Sessions -------------------------------------------------------------------------------- */

static int32_t lost(int64_t now_ms) {
    int64_t epoch;
    return broker_sessions_lost(world.sessions, now_ms, &epoch);
}

Test(broker_lifecycle, a_silent_broker_is_lost_after_the_session_timeout) {
    broker_sessions_heard(world.sessions, 5, 50, 0, 1, 1000);
    cr_assert_eq(broker_sessions_deadline(world.sessions), 10000);
    cr_assert_eq(lost(9999), -1);
    cr_assert(broker_sessions_alive(world.sessions, 5, 50, 9999));
    broker_sessions_heard(world.sessions, 5, 50, 0, 1, 9999);
    cr_assert_eq(lost(10000), -1);
    cr_assert_eq(lost(18999), 5);
    cr_assert_eq(lost(18999), -1);
    cr_assert_eq(broker_sessions_deadline(world.sessions), INT64_MAX);
}

Test(broker_lifecycle, a_broken_connection_ends_the_session_soon_unless_there_is_another) {
    broker_sessions_heard(world.sessions, 5, 50, 0, 1, 1000);
    broker_sessions_heard(world.sessions, 6, 60, 0, 2, 1000);
    broker_sessions_connection_closed(world.sessions, 1, 2000);
    cr_assert(!broker_sessions_alive(world.sessions, 5, 50, 2000));
    cr_assert_eq(broker_sessions_deadline(world.sessions), 2000 + BROKER_DISCONNECT_GRACE_MS);
    broker_sessions_heard(world.sessions, 5, 50, 0, 3, 2100);
    cr_assert_eq(lost(5000), -1);
    broker_sessions_connection_closed(world.sessions, 1, 5000);
    cr_assert_eq(lost(6000), -1, "that was the connection before");
    broker_sessions_connection_closed(world.sessions, 3, 6000);
    cr_assert_eq(lost(6000 + BROKER_DISCONNECT_GRACE_MS - 1), -1);
    cr_assert_eq(lost(6000 + BROKER_DISCONNECT_GRACE_MS), 5);
    broker_sessions_connection_closed(world.sessions, NO_CONNECTION, 6000);
    cr_assert_eq(lost(7000), -1);
}

Test(broker_lifecycle, a_new_leader_grants_a_first_grace_and_less_to_the_leader_before) {
    world_add_broker(&world, 1);
    world_add_broker(&world, 2);
    world_add_broker(&world, 3);
    world_register(&world, 4, -1);
    broker_sessions_begin(world.sessions, world.image, 1, 3, world.image->offset, 0);
    cr_assert_eq(lost(BROKER_FIRST_GRACE_OF_LEADER_MS - 1), -1);
    cr_assert_eq(lost(BROKER_FIRST_GRACE_OF_LEADER_MS), 3);
    cr_assert_eq(lost(BROKER_FIRST_GRACE_MS), 2);
    cr_assert_eq(lost(INT64_MAX), -1, "itself and who is fenced have none");
}

Test(broker_lifecycle, another_epoch_begins_a_session_anew) {
    broker_sessions_heard(world.sessions, 5, 50, 0, 1, 1000);
    broker_sessions_heard(world.sessions, 5, 70, 0, 2, 5000);
    cr_assert(!broker_sessions_alive(world.sessions, 5, 50, 5000));
    cr_assert(broker_sessions_alive(world.sessions, 5, 70, 5000));
    broker_sessions_connection_closed(world.sessions, 1, 5000);
    cr_assert_eq(lost(9000), -1);
}

Test(broker_lifecycle, when_the_controller_stood_still_nobody_is_lost_at_once) {
    broker_sessions_heard(world.sessions, 5, 50, 0, 1, 1000);
    broker_sessions_excuse(world.sessions, 60000);
    cr_assert_eq(lost(60000 + BROKER_FIRST_GRACE_MS - 1), -1);
    cr_assert_eq(lost(60000 + BROKER_FIRST_GRACE_MS), 5);
}
