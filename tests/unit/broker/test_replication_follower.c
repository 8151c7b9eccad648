/* A follower: what it asks, what it takes, and where it cuts its log (KIP-101 and what broke since:
 * KAFKA-6361, 9491, 10706, 15510, 18723). */
#include <criterion/criterion.h>
#include <errno.h>

#include "broker/api/api.h"
#include "broker/replica/replica_fetcher.h"
#include "broker/replica/replica_manager.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "protocol/generated/list_offsets_request.h"
#include "protocol/generated/list_offsets_response.h"
#include "replica_world.h"

#define SESSION 77

static struct buffer records;

/* Broker 2 leads in epoch 6; this log has two records of epoch 5, synced. */
static void set_up(void) {
    world_init(1, true);
    buffer_init(&records, 1 << 20);
    world_put(TOPIC_A, 0, "one");
    world_put(TOPIC_A, 0, "two");
    world_replicate(TOPIC_A, 0, 2, 3);
}

static void tear_down(void) {
    buffer_release(&records);
    world_free();
}

TestSuite(replication_follower, .init = set_up, .fini = tear_down);

static struct log *follower_log(void) {
    return world.logs[TOPIC_A][0];
}

/* A batch of one record as the leader has it. */
static void add_batch(int64_t offset, int32_t epoch) {
    struct batch_options options = world_batch_options();
    options.base_offset = offset;
    options.partition_leader_epoch = epoch;
    world_batch(&records, &options, NULL, "value");
}

/* The fetch that is under way, as it was sent. */
static const struct fetch_request *sent(int32_t broker) {
    struct peer_call *call = world_call(broker, 1);
    cr_assert_not_null(call);
    return world_send(call, 17);
}

static const struct fetch_request_partition *sent_partition(int32_t broker) {
    const struct fetch_request *request = sent(broker);
    cr_assert_eq(request->topics_count, 1);
    return request->topics[0].partitions;
}

/* Answers the fetch with one partition. */
static void answer(int32_t broker, struct fetch_response_partition_data *data) {
    struct fetch_response_fetchable_topic_response topic = {
        .topic_id = world.topics[TOPIC_A].id, .partitions = data, .partitions_count = 1};
    struct fetch_response response = {
        .session_id = SESSION, .responses = &topic, .responses_count = 1};
    world_answer(world_call(broker, 1), 17, 0, &response);
}

static struct fetch_response_partition_data told(int64_t high_watermark) {
    return (struct fetch_response_partition_data){
        .high_watermark = high_watermark,
        .diverging_epoch = {.epoch = -1, .end_offset = -1},
        .records = {.data = records.len > 0 ? records.data : NULL, .len = records.len},
    };
}

static void answer_records(int32_t broker, int64_t high_watermark) {
    struct fetch_response_partition_data data = told(high_watermark);
    answer(broker, &data);
}

static void answer_error(int32_t broker, enum kafka_error error) {
    struct fetch_response_partition_data data = told(-1);
    data.error_code = (int16_t)error;
    answer(broker, &data);
}

static void answer_diverging(int32_t broker, int32_t epoch, int64_t end) {
    struct fetch_response_partition_data data = told(0);
    data.diverging_epoch.epoch = epoch;
    data.diverging_epoch.end_offset = end;
    answer(broker, &data);
}

/* An answer without anything new. */
static void answer_nothing(int32_t broker) {
    struct fetch_response response = {.session_id = SESSION};
    world_answer(world_call(broker, 1), 17, 0, &response);
}

static void answer_offset(int32_t broker, int64_t offset) {
    struct list_offsets_response_partition_response partition = {.offset = offset};
    struct list_offsets_response_topic_response topic = {
        .name = world.topics[TOPIC_A].name, .partitions = &partition, .partitions_count = 1};
    struct list_offsets_response response = {.topics = &topic, .topics_count = 1};
    world_answer(world_call(broker, 2), 9, 0, &response);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

Test(replication_follower, it_says_who_it_is_and_what_it_has) {
    const struct fetch_request *request = sent(2);
    cr_assert_eq(request->replica_state.replica_id, 1);
    cr_assert_eq(request->replica_state.replica_epoch, 100);
    cr_assert_eq(request->session_epoch, 0);
    const struct fetch_request_partition *partition = request->topics[0].partitions;
    cr_assert_eq(partition->fetch_offset, 2);
    cr_assert_eq(partition->current_leader_epoch, 6);
    cr_assert_eq(partition->last_fetched_epoch, 5);
    cr_assert_eq(partition->log_start_offset, 0);
}

Test(replication_follower, it_asks_nothing_before_this_process_is_registered) {
    world.node.incarnation_id = uuid_from_halves(7, 7);
    world_elect(TOPIC_A, 0, 3);
    cr_assert_null(world_call(3, 1), "the image has the process before");
    world.brokers[0].incarnation_id = world.node.incarnation_id;
    world_brokers_changed();
    cr_assert_not_null(world_call(3, 1));
}

Test(replication_follower, what_it_was_given_is_synced_before_it_asks_again) {
    sent(2);
    add_batch(2, 6);
    add_batch(3, 6);
    answer_records(2, 3);
    cr_assert_eq(follower_log()->end, 4);
    cr_assert_eq(follower_log()->high_watermark, 3);
    cr_assert_null(world_call(2, 1), "its offset would say what a power cut may take");
    world_sync(TOPIC_A, 0, 0);
    cr_assert_eq(sent_partition(2)->fetch_offset, 4);
}

Test(replication_follower, one_fetch_waits_for_the_syncs_of_all) {
    world_replicate(TOPIC_B, 1, 2, 3);
    world_advance(10);
    sent(2);
    add_batch(2, 6);
    answer_records(2, 2);
    cr_assert_null(world_call(2, 1));
    world_sync(TOPIC_A, 0, 0);
    cr_assert_not_null(world_call(2, 1));
}

Test(replication_follower, an_own_tail_is_synced_before_it_asks_at_all) {
    struct buffer batch;
    struct produce_call produce;
    struct batch_options options = world_batch_options();
    buffer_init(&batch, 1 << 20);
    world_batch(&batch, &options, NULL, "value");
    world_elect(TOPIC_A, 0, 1);
    produce_start(&produce, 9, 1, TOPIC_A, 0, buffer_slice(&batch));
    world_elect(TOPIC_A, 0, 3);
    cr_assert_null(world_call(3, 1));
    world_sync(TOPIC_A, 0, 0);
    cr_assert_eq(sent_partition(3)->fetch_offset, 3);
    produce_free(&produce);
    buffer_release(&batch);
}

Test(replication_follower, in_page_cache_mode_it_asks_at_once) {
    tear_down();
    world_init(1, false);
    buffer_init(&records, 1 << 20);
    world_replicate(TOPIC_A, 0, 2, 3);
    sent(2);
    add_batch(0, 6);
    answer_records(2, 0);
    cr_assert_eq(sent_partition(2)->fetch_offset, 1);
}

Test(replication_follower, a_session_names_only_what_changed) {
    sent(2);
    answer_nothing(2);
    const struct fetch_request *request = sent(2);
    cr_assert_eq(request->session_id, SESSION);
    cr_assert_eq(request->session_epoch, 1);
    cr_assert_eq(request->topics_count, 0);
    add_batch(2, 6);
    answer_records(2, 2);
    world_sync(TOPIC_A, 0, 0);
    request = sent(2);
    cr_assert_eq(request->session_epoch, 2);
    cr_assert_eq(request->topics[0].partitions[0].last_fetched_epoch, 6);
}

Test(replication_follower, a_lost_session_or_connection_begins_a_new_one) {
    sent(2);
    answer_nothing(2);
    sent(2);
    struct fetch_response response = {.error_code = ERROR_FETCH_SESSION_ID_NOT_FOUND};
    world_answer(world_call(2, 1), 17, 0, &response);
    cr_assert_eq(sent(2)->session_epoch, 0);
    answer_nothing(2);
    sent(2);
    world_answer(world_call(2, 1), 17, -ECONNRESET, NULL);
    const struct fetch_request *request = sent(2);
    cr_assert_eq(request->session_epoch, 0);
    cr_assert_eq(request->topics_count, 1);
}

Test(replication_follower, empty_answers_keep_the_epoch_that_is_told) {
    sent(2);
    answer_records(2, 2); /* KAFKA-15510 */
    world_answer(world_call(2, 1), 17, -ECONNRESET, NULL);
    cr_assert_eq(sent_partition(2)->last_fetched_epoch, 5);
}

Test(replication_follower, another_leader_is_asked_at_once) {
    sent(2);
    world_elect(TOPIC_A, 0, 3);
    cr_assert_null(world_call(2, 1));
    cr_assert_eq(sent_partition(3)->current_leader_epoch, 7);
}

Test(replication_follower, who_leads_follows_no_more) {
    sent(2);
    world_elect(TOPIC_A, 0, 1);
    cr_assert_null(world_call(2, 1));
    cr_assert(partition_is_leader(world_partition(TOPIC_A, 0)));
    cr_assert_eq(follower_log()->epoch, 7, "its epoch begins at its end");
}

Test(replication_follower, one_that_joins_does_not_wait_for_a_fetch_that_waits) {
    sent(2);
    world_replicate(TOPIC_A, 1, 2, 3);
    cr_assert_eq(world.peers_made, 1);
    world_advance(10);
    cr_assert_eq(world.peers_made, 2);
    const struct fetch_request *request = sent(2);
    cr_assert_eq(request->session_epoch, 0);
    cr_assert_eq(request->topics[0].partitions_count, 2);
}

Test(replication_follower, more_fetchers_share_the_partitions_and_fewer_take_them_back) {
    sent(2);
    world_replicate(TOPIC_A, 1, 2, 3);
    world_advance(10);
    cr_assert_eq(sent(2)->topics[0].partitions_count, 2);
    int before = world.peers_made;
    world.fetchers = 2;
    replica_fetchers_reconfigure(world_partition(TOPIC_A, 0)->manager);
    world_advance(10);
    cr_assert_eq(world.peers_made, before + 1);
    world.fetchers = 1;
    replica_fetchers_reconfigure(world_partition(TOPIC_A, 0)->manager);
    world_advance(200);
    cr_assert_eq(world_partition(TOPIC_A, 0)->following->fetcher,
                 world_partition(TOPIC_A, 1)->following->fetcher);
}

Test(replication_follower, what_is_deleted_leaves_the_session) {
    world_replicate(TOPIC_B, 1, 2, 3);
    sent(2);
    answer_nothing(2);
    sent(2);
    world_delete_topic(TOPIC_B);
    answer_nothing(2);
    const struct fetch_request *request = sent(2);
    cr_assert_eq(request->forgotten_topics_data_count, 1);
    cr_assert(uuid_equal(request->forgotten_topics_data[0].topic_id, world.topics[TOPIC_B].id));
}

/* ---- Taking ---------------------------------------------------------------------------------- */

Test(replication_follower, the_high_watermark_is_the_leaders_but_not_beyond_the_end) {
    sent(2);
    add_batch(2, 6);
    answer_records(2, 100);
    cr_assert_eq(follower_log()->high_watermark, 3);
}

Test(replication_follower, the_log_start_is_the_leaders) {
    sent(2);
    struct fetch_response_partition_data data = told(2);
    data.log_start_offset = 1;
    answer(2, &data);
    cr_assert_eq(follower_log()->start, 1);
    cr_assert_eq(sent_partition(2)->log_start_offset, 1, "which the leader is told");
}

Test(replication_follower, damaged_records_are_asked_for_again) {
    sent(2);
    add_batch(2, 6);
    records.data[records.len - 1] ^= 1;
    answer_records(2, 2);
    cr_assert_eq(follower_log()->end, 2);
    cr_assert_null(world_call(2, 1));
    world_advance(20);
    cr_assert_not_null(world_call(2, 1));
}

Test(replication_follower, records_of_a_later_epoch_are_not_taken) {
    sent(2);
    add_batch(2, 6);
    add_batch(3, 7); /* KAFKA-18723 */
    add_batch(4, 6);
    answer_records(2, 2);
    cr_assert_eq(follower_log()->end, 3);
}

Test(replication_follower, records_that_do_not_follow_are_not_taken) {
    sent(2);
    add_batch(1, 6);
    answer_records(2, 2);
    cr_assert_eq(follower_log()->end, 2);
}

Test(replication_follower, half_a_batch_is_left) {
    sent(2);
    add_batch(2, 6);
    add_batch(3, 6);
    records.len -= 5;
    answer_records(2, 2);
    cr_assert_eq(follower_log()->end, 3);
}

Test(replication_follower, a_sync_that_fails_ends_it) {
    sent(2);
    add_batch(2, 6);
    answer_records(2, 2);
    world_sync(TOPIC_A, 0, -EIO);
    cr_assert_eq(world_partition(TOPIC_A, 0)->state, PARTITION_OFFLINE);
    cr_assert_null(world_call(2, 1));
}

Test(replication_follower, consumers_read_up_to_its_high_watermark) {
    struct fetch_request body;
    struct fetch_request_partition partition = {.fetch_offset = 0,
                                                .current_leader_epoch = -1,
                                                .last_fetched_epoch = -1,
                                                .partition_max_bytes = 1000};
    struct fetch_request_topic topic = {.topic = world.topics[TOPIC_A].name,
                                        .topic_id = world.topics[TOPIC_A].id,
                                        .partitions = &partition,
                                        .partitions_count = 1};
    struct call call = {0};
    message_init(&fetch_request_desc, &body);
    body.topics = &topic;
    body.topics_count = 1;
    call_start(&call, api_fetch, 1, 12, &body);
    const struct fetch_response *response = call.response;
    cr_assert_gt(response->responses[0].partitions[0].records.len, 0);
    call_free(&call);
    call_start(&call, api_fetch, 1, 10, &body);
    response = call.response;
    cr_assert_eq(response->responses[0].partitions[0].error_code, ERROR_NOT_LEADER_OR_FOLLOWER,
                 "who cannot know of followers is served by the leader");
    call_free(&call);
}

/* ---- Cutting --------------------------------------------------------------------------------- */

/* This node led epoch 7 and wrote two records that nobody else has. */
static void lead_alone(void) {
    world_elect(TOPIC_A, 0, 1);
    world_put(TOPIC_A, 0, "alone");
    world_put(TOPIC_A, 0, "alone");
    world_elect(TOPIC_A, 0, 2);
}

Test(replication_follower, it_cuts_where_the_leaders_epoch_ended) {
    lead_alone();
    cr_assert_eq(sent_partition(2)->last_fetched_epoch, 7);
    answer_diverging(2, 5, 1);
    cr_assert_eq(follower_log()->end, 1);
    const struct fetch_request_partition *next = sent_partition(2);
    cr_assert_eq(next->last_fetched_epoch, 5);
    cr_assert_eq(next->fetch_offset, 1);
}

Test(replication_follower, what_is_above_the_high_watermark_is_kept_when_the_leader_has_it) {
    lead_alone(); /* KIP-101: the high watermark is 2, and the leader has taken all of epoch 7 */
    sent(2);
    answer_records(2, 4);
    cr_assert_eq(follower_log()->truncations, 0);
    cr_assert_eq(follower_log()->end, 4);
    cr_assert_eq(follower_log()->high_watermark, 4);
}

Test(replication_follower, an_epoch_that_it_does_not_have_makes_it_look_further_down) {
    lead_alone(); /* KAFKA-6361: fast failovers; the leader knows 6, which is not here */
    sent(2);
    answer_diverging(2, 6, 4);
    cr_assert_eq(follower_log()->end, 2, "the end of our epoch 5");
    cr_assert_eq(sent_partition(2)->last_fetched_epoch, 5);
}

Test(replication_follower, cutting_at_the_end_forgets_an_epoch_without_records) {
    world_elect(TOPIC_A, 0, 1); /* KAFKA-10706: epoch 7 began here, and nothing was written */
    world_elect(TOPIC_A, 0, 2);
    cr_assert_eq(sent_partition(2)->last_fetched_epoch, 7);
    answer_diverging(2, 5, 2);
    cr_assert_eq(follower_log()->end, 2);
    cr_assert_eq(sent_partition(2)->last_fetched_epoch, 5);
}

Test(replication_follower, a_busy_log_is_cut_a_little_later) {
    lead_alone();
    sent(2);
    follower_log()->busy = true;
    answer_diverging(2, 5, 1);
    cr_assert_eq(follower_log()->end, 4);
    cr_assert_null(world_call(2, 1));
    follower_log()->busy = false;
    world_advance(2);
    cr_assert_eq(follower_log()->end, 1);
    cr_assert_eq(sent_partition(2)->fetch_offset, 1);
}

Test(replication_follower, after_a_cut_it_waits_for_the_recovery_point_on_disk) {
    lead_alone();
    sent(2);
    world.checkpoint_held = true;
    answer_diverging(2, 5, 1);
    cr_assert_null(world_call(2, 1));
    world_checkpointed();
    cr_assert_eq(sent_partition(2)->fetch_offset, 1);
}

Test(replication_follower, a_checkpoint_may_outlive_the_following) {
    lead_alone();
    sent(2);
    world.checkpoint_held = true;
    answer_diverging(2, 5, 1);
    world_delete_topic(TOPIC_A);
    world_checkpointed();
    cr_assert(list_empty(&world.node.shards[0].replicas->followings));
}

Test(replication_follower, a_leader_with_a_shorter_log_makes_it_cut) {
    sent(2);
    answer_error(2, ERROR_OFFSET_OUT_OF_RANGE);
    const struct list_offsets_request *request = world_send(world_call(2, 2), 9);
    cr_assert_eq(request->replica_id, 1);
    cr_assert_eq(request->topics[0].partitions[0].timestamp, -1);
    cr_assert_eq(request->topics[0].partitions[0].current_leader_epoch, 6);
    answer_offset(2, 1);
    answer_offset(2, 0);
    cr_assert_eq(follower_log()->end, 1);
    cr_assert_eq(sent_partition(2)->fetch_offset, 1);
}

Test(replication_follower, a_leader_that_begins_later_makes_it_begin_anew) {
    sent(2);
    answer_error(2, ERROR_OFFSET_OUT_OF_RANGE);
    answer_offset(2, 90);
    answer_offset(2, 50);
    cr_assert_eq(follower_log()->start, 50);
    cr_assert_eq(follower_log()->high_watermark, 50, "KAFKA-9491");
    const struct fetch_request_partition *next = sent_partition(2);
    cr_assert_eq(next->fetch_offset, 50);
    cr_assert_eq(next->last_fetched_epoch, -1);
}

Test(replication_follower, a_leader_that_begins_within_a_batch_is_followed) {
    struct batch_options options = world_batch_options();
    options.base_offset = 48;
    options.partition_leader_epoch = 6;
    options.last_offset_delta = 4;
    sent(2);
    answer_error(2, ERROR_OFFSET_OUT_OF_RANGE);
    answer_offset(2, 90);
    answer_offset(2, 50);
    cr_assert_eq(sent_partition(2)->fetch_offset, 50);
    world_batch(&records, &options, NULL, "value");
    struct fetch_response_partition_data data = told(90);
    data.log_start_offset = 50;
    answer(2, &data);
    cr_assert_eq(follower_log()->end, 53);
    cr_assert_eq(follower_log()->start, 50);
    world_sync(TOPIC_A, 0, 0);
    cr_assert_eq(sent_partition(2)->fetch_offset, 53);
}

/* ---- Errors ---------------------------------------------------------------------------------- */

Test(replication_follower, a_leader_that_does_not_know_yet_is_asked_again_soon) {
    sent(2);
    answer_error(2, ERROR_UNKNOWN_LEADER_EPOCH);
    cr_assert_null(world_call(2, 1));
    world_advance(20);
    sent(2);
    answer_error(2, ERROR_NOT_LEADER_OR_FOLLOWER);
    world_advance(20);
    cr_assert_null(world_call(2, 1));
    world_advance(20);
    cr_assert_not_null(world_call(2, 1));
}

Test(replication_follower, others_go_on_meanwhile_and_wait_no_longer_than_that) {
    world_replicate(TOPIC_B, 1, 2, 3);
    sent(2);
    answer_error(2, ERROR_UNKNOWN_LEADER_EPOCH);
    const struct fetch_request *request = sent(2);
    cr_assert_eq(request->max_wait_ms, 20);
    cr_assert_eq(request->topics_count, 0);
    cr_assert_eq(request->forgotten_topics_data_count, 1);
    world_advance(20);
    answer_nothing(2);
    cr_assert_eq(sent_partition(2)->fetch_offset, 2);
}

Test(replication_follower, a_fenced_one_waits_for_the_metadata) {
    sent(2);
    answer_error(2, ERROR_FENCED_LEADER_EPOCH);
    world_advance(60000);
    cr_assert_null(world_call(2, 1));
    world_elect(TOPIC_A, 0, 2);
    cr_assert_eq(sent_partition(2)->current_leader_epoch, 7);
}

Test(replication_follower, a_reassigned_replica_is_removed) {
    sent(2);
    world.replicas[0] = 4;
    world_elect(TOPIC_A, 0, 2);
    world_advance(60000);
    cr_assert_null(world_partition(TOPIC_A, 0));
    cr_assert_null(world_call(2, 1));
    cr_assert_eq(world.removed, 4, "all partitions of the topic were");
    world.replicas[0] = 1;
}

/* ---- Throttles ------------------------------------------------------------------------------- */

Test(replication_follower, a_throttled_follower_that_lags_asks_later) {
    world_throttle(0);
    sent(2);
    add_batch(2, 6);
    answer_records(2, 9);
    world_sync(TOPIC_A, 0, 0);
    cr_assert_null(world_call(2, 1));
    world_advance(150);
    cr_assert_null(world_call(2, 1), "the limit is kept");
    world_throttle(INT64_MAX);
    world_advance(150);
    cr_assert_eq(sent_partition(2)->fetch_offset, 3);
}

Test(replication_follower, a_throttled_follower_that_is_in_sync_goes_on) {
    world_throttle(0);
    sent(2);
    add_batch(2, 6);
    answer_records(2, 3);
    world_sync(TOPIC_A, 0, 0);
    cr_assert_eq(sent_partition(2)->fetch_offset, 3);
}
