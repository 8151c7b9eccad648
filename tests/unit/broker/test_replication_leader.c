/* A leader with followers: what it counts, whom it lets into the ISR, and what replicas are told
 * (KIP-966; the guards are those without which a model checker finds lost records). */
#include <criterion/criterion.h>

#include "broker/api/api.h"
#include "broker/replica/replica_manager.h"
#include "protocol/generated/alter_partition_request.h"
#include "protocol/generated/delete_records_request.h"
#include "protocol/generated/delete_records_response.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "replica_world.h"

#define LAG_MAX_MS 1000 /* the world's every number */

static struct buffer batch;

/* Brokers 1 (this one), 2 and 3 are in sync; epoch 6; two records are there, synced here. */
static void set_up(void) {
    world_init(1, true);
    struct batch_options options = world_batch_options();
    buffer_init(&batch, 1 << 20);
    world_batch(&batch, &options, NULL, "value");
    world.min_insync = 2;
    world_replicate(TOPIC_A, 0, 1, 3);
    world_put(TOPIC_A, 0, "one");
    world_put(TOPIC_A, 0, "two");
}

static void tear_down(void) {
    buffer_release(&batch);
    world_free();
}

TestSuite(replication_leader, .init = set_up, .fini = tear_down);

/* A fetch of a replica. */
struct visit {
    struct call call;
    struct fetch_request body;
    struct fetch_request_topic topic;
    struct fetch_request_partition partition;
};

static void visit_fill(struct visit *visit, int32_t broker, int64_t broker_epoch,
                       int32_t leader_epoch, int64_t offset) {
    memset(visit, 0, sizeof(*visit));
    message_init(&fetch_request_desc, &visit->body);
    visit->body.replica_state.replica_id = broker;
    visit->body.replica_state.replica_epoch = broker_epoch;
    visit->body.max_wait_ms = 500;
    visit->body.min_bytes = 1;
    visit->body.topics = &visit->topic;
    visit->body.topics_count = 1;
    visit->topic = (struct fetch_request_topic){
        .topic_id = world.topics[TOPIC_A].id,
        .partitions = &visit->partition,
        .partitions_count = 1,
    };
    visit->partition = (struct fetch_request_partition){
        .current_leader_epoch = leader_epoch,
        .fetch_offset = offset,
        .last_fetched_epoch = -1,
        .partition_max_bytes = 1 << 20,
    };
}

static void visit_start(struct visit *visit, int32_t broker, int64_t broker_epoch,
                        int32_t leader_epoch, int64_t offset) {
    visit_fill(visit, broker, broker_epoch, leader_epoch, offset);
    call_start(&visit->call, api_fetch, 1, 18, &visit->body);
}

static const struct fetch_response_partition_data *told(const struct visit *visit) {
    cr_assert(visit->call.done);
    const struct fetch_response *response = visit->call.response;
    cr_assert_eq(response->responses_count, 1);
    return response->responses[0].partitions;
}

static void visit_end(struct visit *visit) {
    if (!visit->call.done) {
        world_advance(500);
    }
    call_free(&visit->call);
}

/* The whole of a fetch; its error. */
static int16_t fetch_as(int32_t broker, int64_t broker_epoch, int32_t leader_epoch,
                        int64_t offset) {
    struct visit visit;
    visit_fill(&visit, broker, broker_epoch, leader_epoch, offset);
    visit.body.max_wait_ms = 0;
    call_start(&visit.call, api_fetch, 1, 18, &visit.body);
    int16_t error = told(&visit)->error_code;
    call_free(&visit.call);
    return error;
}

static void fetches(int32_t broker, int64_t offset) {
    cr_assert_eq(fetch_as(broker, 100 * broker, 6, offset), ERROR_NONE);
}

static int64_t high_watermark(void) {
    return world.logs[TOPIC_A][0]->high_watermark;
}

static struct partition *partition(void) {
    return world_partition(TOPIC_A, 0);
}

static const struct alter_partition_request_partition_data *asked(void) {
    const struct alter_partition_request *request = world_isr_asked();
    return request == NULL ? NULL : request->topics[0].partitions;
}

/* ---- The high watermark ---------------------------------------------------------------------- */

Test(replication_leader, the_high_watermark_is_what_all_of_the_isr_have) {
    cr_assert_eq(high_watermark(), 0);
    fetches(2, 2);
    cr_assert_eq(high_watermark(), 0, "broker 3 has not said what it has");
    fetches(3, 1);
    cr_assert_eq(high_watermark(), 1);
    fetches(3, 2);
    cr_assert_eq(high_watermark(), 2);
}

Test(replication_leader, of_itself_it_counts_what_is_synced) {
    struct produce_call produce;
    produce_start(&produce, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    fetches(2, 3);
    fetches(3, 3);
    cr_assert_eq(high_watermark(), 2);
    cr_assert_not(produce.call.done);
    world_sync(TOPIC_A, 0, 0);
    cr_assert_eq(high_watermark(), 3);
    cr_assert_eq(produce_error(&produce), ERROR_NONE);
    produce_free(&produce);
}

Test(replication_leader, it_never_goes_back) {
    fetches(2, 2);
    fetches(3, 2);
    fetches(3, 1);
    cr_assert_eq(high_watermark(), 2);
}

Test(replication_leader, it_stands_while_the_isr_is_smaller_than_the_minimum) {
    world_set_isr(TOPIC_A, 0, 1);
    cr_assert_eq(high_watermark(), 0, "KIP-966: the last replica alone commits nothing");
    world_set_isr(TOPIC_A, 0, 2);
    cr_assert_eq(high_watermark(), 0);
    fetches(2, 2);
    cr_assert_eq(high_watermark(), 2);
}

Test(replication_leader, a_smaller_isr_commits_what_the_lost_member_held_back) {
    struct produce_call produce;
    produce_start(&produce, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    world_sync(TOPIC_A, 0, 0);
    fetches(2, 3);
    cr_assert_not(produce.call.done);
    world_set_isr(TOPIC_A, 0, 2);
    cr_assert_eq(produce_error(&produce), ERROR_NONE);
    produce_free(&produce);
}

Test(replication_leader, fetches_of_an_earlier_epoch_do_not_count) {
    fetches(2, 2);
    world_elect(TOPIC_A, 0, 1);
    cr_assert_eq(fetch_as(2, 200, 6, 2), ERROR_FENCED_LEADER_EPOCH);
    cr_assert_eq(fetch_as(3, 300, 7, 2), ERROR_NONE);
    cr_assert_eq(high_watermark(), 0, "what broker 2 has in epoch 7 is not known");
    cr_assert_eq(fetch_as(2, 200, 7, 2), ERROR_NONE);
    cr_assert_eq(high_watermark(), 2);
}

Test(replication_leader, a_fetch_without_epoch_reads_but_does_not_count) {
    cr_assert_eq(fetch_as(2, 200, -1, 2), ERROR_NONE);
    cr_assert_eq(fetch_as(3, 300, -1, 2), ERROR_NONE);
    cr_assert_eq(high_watermark(), 0);
}

Test(replication_leader, an_offset_beyond_the_log_does_not_count) {
    cr_assert_eq(fetch_as(2, 200, 6, 9), ERROR_OFFSET_OUT_OF_RANGE);
    fetches(3, 2);
    cr_assert_eq(high_watermark(), 0);
}

/* ---- Produce --------------------------------------------------------------------------------- */

Test(replication_leader, acks_all_is_refused_below_the_minimum) {
    world_set_isr(TOPIC_A, 0, 1);
    struct produce_call produce;
    produce_start(&produce, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    cr_assert_eq(produce_error(&produce), ERROR_NOT_ENOUGH_REPLICAS);
    cr_assert_eq(world.logs[TOPIC_A][0]->end, 2);
    produce_free(&produce);
}

Test(replication_leader, a_wait_outlives_an_isr_that_is_too_small_for_a_while) {
    struct produce_call produce;
    produce_start(&produce, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    world_sync(TOPIC_A, 0, 0);
    world_set_isr(TOPIC_A, 0, 1);
    cr_assert_not(produce.call.done);
    world_set_isr(TOPIC_A, 0, 2);
    fetches(2, 3);
    cr_assert_eq(produce_error(&produce), ERROR_NONE);
    produce_free(&produce);
}

Test(replication_leader, a_leader_that_follows_now_ends_its_waits) {
    struct produce_call produce;
    produce_start(&produce, 10, -1, TOPIC_A, 0, buffer_slice(&batch));
    world_elect(TOPIC_A, 0, 2);
    cr_assert_eq(produce_error(&produce), ERROR_NOT_LEADER_OR_FOLLOWER);
    produce_free(&produce);
}

/* ---- Who may fetch --------------------------------------------------------------------------- */

Test(replication_leader, a_stranger_is_told_that_it_is_none_of_the_replicas) {
    world.partitions[TOPIC_A][0].replica_count = 2;
    world_set_isr(TOPIC_A, 0, 2);
    cr_assert_eq(fetch_as(3, 300, 6, 2), ERROR_UNKNOWN_LEADER_EPOCH, "it may know more");
    cr_assert_eq(fetch_as(3, 300, -1, 2), ERROR_NOT_LEADER_OR_FOLLOWER);
}

Test(replication_leader, a_replica_that_was_started_anew_since_is_refused) {
    world.brokers[1].epoch = 201;
    cr_assert_eq(fetch_as(2, 200, 6, 2), ERROR_NOT_LEADER_OR_FOLLOWER);
    fetches(3, 2);
    cr_assert_eq(high_watermark(), 0);
}

/* An incremental fetch that names nothing new. */
static void visit_go_on(struct visit *visit, int32_t session_id, int64_t broker_epoch) {
    visit_fill(visit, 2, broker_epoch, 6, 2);
    visit->body.max_wait_ms = 0;
    visit->body.session_id = session_id;
    visit->body.session_epoch = 1;
    visit->body.topics_count = 0;
    call_start(&visit->call, api_fetch, 1, 18, &visit->body);
}

static int32_t visit_session(void) {
    struct visit visit;
    visit_fill(&visit, 2, 200, 6, 2);
    visit.body.max_wait_ms = 0;
    visit.body.session_epoch = 0;
    call_start(&visit.call, api_fetch, 1, 18, &visit.body);
    int32_t id = ((const struct fetch_response *)visit.call.response)->session_id;
    call_free(&visit.call);
    return id;
}

Test(replication_leader, what_a_session_remembers_of_an_earlier_epoch_does_not_count) {
    struct visit visit;
    int32_t session = visit_session();
    world_elect(TOPIC_A, 0, 1);
    visit_go_on(&visit, session, 200);
    cr_assert_eq(told(&visit)->error_code, ERROR_FENCED_LEADER_EPOCH);
    cr_assert_not(partition_find_follower(partition(), 2)->fetched);
    visit_end(&visit);
}

Test(replication_leader, a_session_does_not_hide_that_its_broker_was_started_anew) {
    struct visit visit;
    int32_t session = visit_session();
    world.brokers[1].epoch = 201;
    visit_go_on(&visit, session, 200);
    cr_assert_eq(told(&visit)->error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    visit_end(&visit);
}

Test(replication_leader, replicas_read_to_the_log_end_and_wait_for_it_to_grow) {
    struct visit visit;
    visit_start(&visit, 2, 200, 6, 0);
    cr_assert_eq(told(&visit)->high_watermark, 0);
    cr_assert_gt(told(&visit)->records.len, 0);
    visit_end(&visit);
    visit_start(&visit, 2, 200, 6, 2);
    cr_assert_not(visit.call.done);
    struct produce_call produce;
    produce_start(&produce, 9, 1, TOPIC_A, 0, buffer_slice(&batch));
    cr_assert_gt(told(&visit)->records.len, 0, "before it is synced");
    produce_free(&produce);
    visit_end(&visit);
}

Test(replication_leader, a_log_that_went_another_way_is_told_where) {
    world_elect(TOPIC_A, 0, 1);
    struct visit visit;
    visit_start(&visit, 2, 200, 7, 2);
    visit_end(&visit);
    visit.partition.last_fetched_epoch = 6;
    visit.partition.fetch_offset = 3;
    call_start(&visit.call, api_fetch, 1, 18, &visit.body);
    cr_assert_eq(told(&visit)->error_code, ERROR_NONE);
    cr_assert_eq(told(&visit)->diverging_epoch.epoch, 6);
    cr_assert_eq(told(&visit)->diverging_epoch.end_offset, 2);
    cr_assert_eq(partition_find_follower(partition(), 2)->end, 2, "it does not count");
    visit_end(&visit);
}

/* ---- Changes of the ISR ---------------------------------------------------------------------- */

Test(replication_leader, who_has_caught_up_is_asked_for_and_counts_at_once) {
    world_set_isr(TOPIC_A, 0, 2);
    fetches(2, 2);
    cr_assert_eq(high_watermark(), 2);
    cr_assert_null(world_isr_asked());
    fetches(3, 2);
    cr_assert_eq(asked()->new_isr_with_epochs_count, 3);
    cr_assert_eq(asked()->new_isr_with_epochs[0].broker_epoch, 100);
    cr_assert_eq(asked()->new_isr_with_epochs[2].broker_id, 3);
    cr_assert_eq(asked()->new_isr_with_epochs[2].broker_epoch, 300);
    world_put(TOPIC_A, 0, "three");
    fetches(2, 3);
    cr_assert_eq(high_watermark(), 2, "the one that joins holds it back");
    world_isr_answer(ERROR_NONE);
    cr_assert_eq(partition()->isr_count, 3);
    fetches(3, 3);
    cr_assert_eq(high_watermark(), 3);
}

Test(replication_leader, who_joins_counts_until_it_is_decided_whatever_becomes_of_it) {
    world_set_isr(TOPIC_A, 0, 2);
    fetches(2, 2);
    fetches(3, 2);
    world.brokers[2].fenced = true;
    world_put(TOPIC_A, 0, "three");
    fetches(2, 3);
    cr_assert_eq(high_watermark(), 2, "the controller may have let it in");
    world_isr_answer(ERROR_INELIGIBLE_REPLICA);
    fetches(2, 2);
    fetches(2, 3);
    cr_assert_eq(high_watermark(), 3);
}

Test(replication_leader, who_lacks_a_committed_record_does_not_join) {
    world_set_isr(TOPIC_A, 0, 2);
    fetches(2, 2);
    fetches(3, 1);
    cr_assert_null(world_isr_asked());
}

Test(replication_leader, who_lacks_the_start_of_the_epoch_does_not_join) {
    world_set_isr(TOPIC_A, 0, 2);
    world_elect(TOPIC_A, 0, 1); /* epoch 7 starts at 2, the high watermark is 0 */
    cr_assert_eq(fetch_as(3, 300, 7, 1), ERROR_NONE);
    cr_assert_null(world_isr_asked());
    cr_assert_eq(fetch_as(3, 300, 7, 2), ERROR_NONE);
    cr_assert_not_null(world_isr_asked());
}

Test(replication_leader, who_has_not_fetched_since_the_partition_changed_does_not_join) {
    world_set_isr(TOPIC_A, 0, 2);
    world.brokers[2].fenced = true;
    fetches(3, 2);
    world.brokers[2].fenced = false;
    world_set_isr(TOPIC_A, 0, 1);
    partition_consider_joining(partition(), partition_find_follower(partition(), 3));
    cr_assert_null(world_isr_asked());
}

Test(replication_leader, fenced_and_leaving_brokers_do_not_join) {
    world_set_isr(TOPIC_A, 0, 2);
    world.brokers[2].fenced = true;
    fetches(3, 2);
    cr_assert_null(world_isr_asked());
    world.brokers[2].fenced = false;
    world.brokers[2].in_controlled_shutdown = true;
    fetches(3, 2);
    cr_assert_null(world_isr_asked());
}

Test(replication_leader, who_is_another_than_the_registered_broker_does_not_join) {
    world_set_isr(TOPIC_A, 0, 2);
    cr_assert_eq(fetch_as(3, 301, 6, 2), ERROR_NONE, "its registration may not have come yet");
    cr_assert_null(world_isr_asked());
}

Test(replication_leader, an_ineligible_member_is_dropped_and_asked_for_after_another_fetch) {
    world_set_isr(TOPIC_A, 0, 2);
    fetches(2, 2);
    fetches(3, 2);
    world_isr_answer(ERROR_INELIGIBLE_REPLICA);
    cr_assert_eq(partition()->isr_count, 2);
    world_put(TOPIC_A, 0, "three");
    fetches(2, 3);
    cr_assert_eq(high_watermark(), 3, "who is not in does not hold it back");
    cr_assert_null(world_isr_asked());
    fetches(3, 3);
    cr_assert_not_null(world_isr_asked());
}

Test(replication_leader, a_change_that_was_overtaken_is_not_taken) {
    world_set_isr(TOPIC_A, 0, 2);
    fetches(3, 2);
    cr_assert_not_null(world_isr_asked());
    world_set_isr(TOPIC_A, 0, 1);
    world_isr_answer(ERROR_NONE);
    cr_assert_eq(partition()->isr_count, 1);
}

Test(replication_leader, metadata_older_than_the_answer_changes_nothing) {
    world_set_isr(TOPIC_A, 0, 2);
    fetches(3, 2);
    world_isr_answer(ERROR_NONE);
    world_create_topic(TOPIC_A);
    cr_assert_eq(partition()->isr_count, 3);
}

Test(replication_leader, while_the_version_is_disputed_the_larger_isr_counts) {
    world_set_isr(TOPIC_A, 0, 2);
    fetches(2, 2);
    fetches(3, 2);
    world_isr_answer(ERROR_INVALID_UPDATE_VERSION);
    world_put(TOPIC_A, 0, "three");
    fetches(2, 3);
    cr_assert_eq(high_watermark(), 2, "it may have been carried out");
    world_advance(60);
    cr_assert_null(world_isr_asked(), "and is not asked for again");
    world_set_isr(TOPIC_A, 0, 2);
    cr_assert_eq(high_watermark(), 3, "the metadata says that it was not");
}

Test(replication_leader, an_error_that_says_nothing_is_asked_again) {
    world_set_isr(TOPIC_A, 0, 2);
    fetches(3, 2);
    world_isr_answer(ERROR_UNKNOWN_SERVER_ERROR);
    cr_assert_null(world_isr_asked());
    world_advance(50);
    cr_assert_not_null(world_isr_asked());
}

Test(replication_leader, who_lags_for_too_long_leaves) {
    fetches(2, 2);
    fetches(3, 2);
    world_put(TOPIC_A, 0, "three");
    for (int64_t ms = 0; ms <= LAG_MAX_MS + LAG_MAX_MS / 2; ms += 500) {
        world_advance(500);
        fetches(2, 3);
    }
    cr_assert_not_null(world_isr_asked());
    cr_assert_eq(asked()->new_isr_with_epochs_count, 2);
    cr_assert_eq(asked()->new_isr_with_epochs[1].broker_id, 2);
    cr_assert_eq(high_watermark(), 2, "until it is committed it is a member");
    world_isr_answer(ERROR_NONE);
    cr_assert_eq(high_watermark(), 3);
}

Test(replication_leader, replicas_that_were_added_later_are_watched_too) {
    world_put(TOPIC_B, 0, "one");
    world.partitions[TOPIC_B][0].replica_count = 2;
    world_set_isr(TOPIC_B, 0, 2);
    world_advance(2 * LAG_MAX_MS);
    cr_assert_not_null(world_isr_asked());
}

Test(replication_leader, who_has_everything_stays_though_it_is_silent) {
    fetches(2, 2);
    fetches(3, 2);
    world_advance(10 * LAG_MAX_MS);
    cr_assert_null(world_isr_asked());
}

Test(replication_leader, a_replica_that_keeps_pace_with_producers_has_caught_up) {
    for (int i = 0; i < 8; i++) {
        world_put(TOPIC_A, 0, "more"); /* there is always one more than they have */
        fetches(2, 2 + i);
        fetches(3, 2 + i);
        world_advance(500);
    }
    cr_assert_null(world_isr_asked());
}

/* ---- Deletions ------------------------------------------------------------------------------- */

struct deletion {
    struct call call;
    struct delete_records_request body;
    struct delete_records_request_topic topic;
    struct delete_records_request_partition partition;
};

static void delete_start(struct deletion *deletion, int64_t offset) {
    memset(deletion, 0, sizeof(*deletion));
    deletion->partition.offset = offset;
    deletion->topic = (struct delete_records_request_topic){
        .name = world.topics[TOPIC_A].name,
        .partitions = &deletion->partition,
        .partitions_count = 1,
    };
    deletion->body = (struct delete_records_request){
        .topics = &deletion->topic, .topics_count = 1, .timeout_ms = 1000};
    call_start(&deletion->call, api_delete_records, 21, 2, &deletion->body);
}

static const struct delete_records_response_partition_result *
deleted(const struct deletion *deletion) {
    cr_assert(deletion->call.done);
    const struct delete_records_response *response = deletion->call.response;
    return response->topics[0].partitions;
}

/* A fetch of a replica whose log starts there. */
static void fetches_with_start(int32_t broker, int64_t start) {
    struct visit visit;
    visit_fill(&visit, broker, 100 * broker, 6, 2);
    visit.partition.log_start_offset = start;
    visit.body.max_wait_ms = 0;
    call_start(&visit.call, api_fetch, 1, 18, &visit.body);
    call_free(&visit.call);
}

Test(replication_leader, a_deletion_waits_for_the_living_replicas) {
    fetches_with_start(2, 0);
    fetches_with_start(3, 0);
    struct deletion deletion;
    delete_start(&deletion, 1);
    cr_assert_eq(world.logs[TOPIC_A][0]->start, 1);
    fetches_with_start(2, 1);
    cr_assert_not(deletion.call.done);
    fetches_with_start(3, 1);
    cr_assert_eq(deleted(&deletion)->error_code, ERROR_NONE);
    cr_assert_eq(deleted(&deletion)->low_watermark, 1);
    call_free(&deletion.call);
}

Test(replication_leader, a_deletion_ends_with_its_time_or_its_leader) {
    fetches_with_start(2, 0);
    fetches_with_start(3, 0);
    struct deletion deletion;
    delete_start(&deletion, 1);
    world_advance(1000);
    cr_assert_eq(deleted(&deletion)->error_code, ERROR_REQUEST_TIMED_OUT);
    call_free(&deletion.call);
    delete_start(&deletion, 2);
    world_elect(TOPIC_A, 0, 2);
    cr_assert_eq(deleted(&deletion)->error_code, ERROR_NOT_LEADER_OR_FOLLOWER);
    call_free(&deletion.call);
}

/* ---- Racks ----------------------------------------------------------------------------------- */

Test(replication_leader, consumers_are_sent_to_a_member_in_their_rack) {
    world.node.shards[0].replicas->rack_aware = true;
    world.brokers[2].rack = SLICE_LIT("east");
    struct visit visit;
    visit_start(&visit, -1, -1, 6, 0);
    visit_end(&visit);
    visit.body.rack_id = SLICE_LIT("east");
    fetches(2, 2);
    fetches(3, 2);
    call_start(&visit.call, api_fetch, 1, 18, &visit.body);
    cr_assert_eq(told(&visit)->preferred_read_replica, 3);
    cr_assert_eq(told(&visit)->records.len, 0);
    visit_end(&visit);
    visit.body.rack_id = SLICE_LIT("west");
    call_start(&visit.call, api_fetch, 1, 18, &visit.body);
    cr_assert_eq(told(&visit)->preferred_read_replica, -1);
    cr_assert_gt(told(&visit)->records.len, 0);
    visit_end(&visit);
}

/* ---- Throttles ------------------------------------------------------------------------------- */

/* How many bytes a replica is sent; the answer is waited for. */
static size_t sent_to(int32_t broker, int64_t offset) {
    struct visit visit;
    visit_start(&visit, broker, 100 * broker, 6, offset);
    if (!visit.call.done) {
        world_advance(500);
    }
    size_t len = told(&visit)->records.len;
    cr_assert_eq(told(&visit)->error_code, ERROR_NONE);
    call_free(&visit.call);
    return len;
}

Test(replication_leader, replicas_out_of_sync_are_throttled_and_those_in_sync_are_not) {
    world_set_isr(TOPIC_A, 0, 2); /* without broker 3 */
    world_throttle(0);
    cr_assert_gt(sent_to(3, 0), 0, "nothing was sent before");
    cr_assert_eq(sent_to(3, 0), 0);
    cr_assert_gt(sent_to(2, 0), 0);
    world_throttle(INT64_MAX - 1);
    cr_assert_gt(sent_to(3, 0), 0);
}

Test(replication_leader, what_replicas_in_sync_are_sent_counts_too) {
    world_set_isr(TOPIC_A, 0, 2);
    world_throttle(0);
    cr_assert_gt(sent_to(2, 0), 0);
    cr_assert_eq(sent_to(3, 0), 0);
}

Test(replication_leader, a_fetch_that_is_held_back_waits_and_is_not_woken) {
    world_set_isr(TOPIC_A, 0, 2);
    world_throttle(0);
    cr_assert_gt(sent_to(3, 0), 0);
    struct visit visit;
    visit_start(&visit, 3, 300, 6, 0);
    cr_assert(!visit.call.done);
    int reads = world.logs[TOPIC_A][0]->reads;
    world_put(TOPIC_A, 0, "three");
    cr_assert(!visit.call.done);
    cr_assert_eq(world.logs[TOPIC_A][0]->reads, reads);
    visit_end(&visit);
}
