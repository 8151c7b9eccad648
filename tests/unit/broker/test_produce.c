/* Produce: what is appended, when it is acknowledged, and what is refused how. */
#include <criterion/criterion.h>
#include <errno.h>

#include "base/memory.h"
#include "broker/replica/replica_manager.h"
#include "protocol/generated/produce_response.h"
#include "replica_world.h"

static struct buffer batch;

static void set_up(void) {
    world_init(1, true);
    struct batch_options options = world_batch_options();
    buffer_init(&batch, 1 << 20);
    world_batch(&batch, &options, NULL, "value");
}

static void tear_down(void) {
    buffer_release(&batch);
    world_free();
}

TestSuite(produce, .init = set_up, .fini = tear_down);

static void check_error(int16_t version, int16_t acks, int topic, int32_t index,
                        enum kafka_error error) {
    struct produce_call produce;
    produce_start(&produce, version, acks, topic, index, buffer_slice(&batch));
    cr_assert(produce.call.done);
    cr_assert_eq(produce_error(&produce), error, "%d", produce_error(&produce));
    cr_assert_eq(produce_offset(&produce), -1);
    produce_free(&produce);
}

Test(produce, acks_all_is_answered_when_the_record_is_synced) {
    struct produce_call produce;
    produce_start(&produce, 9, -1, TOPIC_A, 1, buffer_slice(&batch));
    cr_assert_not(produce.call.done);
    cr_assert_eq(world.logs[TOPIC_A][1]->end, 1);
    world_sync(TOPIC_A, 1, 0);
    cr_assert(produce.call.done);
    cr_assert_eq(produce_error(&produce), ERROR_NONE);
    cr_assert_eq(produce_offset(&produce), 0);
    produce_free(&produce);
}

Test(produce, acks_one_is_answered_at_once_and_read_when_synced) {
    struct produce_call produce;
    produce_start(&produce, 3, 1, TOPIC_A, 0, buffer_slice(&batch));
    cr_assert(produce.call.done);
    cr_assert_eq(world.logs[TOPIC_A][0]->high_watermark, 0);
    world_sync(TOPIC_A, 0, 0);
    cr_assert_eq(world.logs[TOPIC_A][0]->high_watermark, 1);
    produce_free(&produce);
}

Test(produce, in_page_cache_mode_nothing_waits_for_a_sync) {
    tear_down();
    world_init(1, false);
    struct batch_options options = world_batch_options();
    buffer_init(&batch, 1 << 20);
    world_batch(&batch, &options, NULL, "value");
    struct produce_call produce;
    produce_start(&produce, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    cr_assert(produce.call.done);
    cr_assert_eq(produce_error(&produce), ERROR_NONE);
    cr_assert_eq(world.logs[TOPIC_A][0]->high_watermark, 1);
    produce_free(&produce);
}

Test(produce, the_bytes_are_stamped_with_offset_and_epoch) {
    world_put(TOPIC_A, 0, "first");
    struct produce_call produce;
    produce_start(&produce, 13, 1, TOPIC_A, 0, buffer_slice(&batch));
    cr_assert_eq(produce_offset(&produce), 1);
    struct log *log = world.logs[TOPIC_A][0];
    struct batch stored;
    struct slice bytes = slice_make(log->bytes.data + log->batches[1].pos, log->batches[1].len);
    cr_assert_eq(batch_parse(bytes, &stored), BATCH_OK);
    cr_assert_eq(stored.base_offset, 1);
    cr_assert_eq(stored.partition_leader_epoch, 5);
    cr_assert(batch_crc_valid(bytes));
    produce_free(&produce);
}

Test(produce, without_a_sync_in_time_the_client_learns_that_it_does_not_know) {
    struct produce_call produce;
    produce_start(&produce, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    world_advance(999);
    cr_assert_not(produce.call.done);
    world_advance(1);
    cr_assert_eq(produce_error(&produce), ERROR_REQUEST_TIMED_OUT);
    produce_free(&produce);
    world_sync(TOPIC_A, 0, 0);
    cr_assert_eq(world.logs[TOPIC_A][0]->high_watermark, 1, "the record stays");
}

Test(produce, a_failed_sync_acknowledges_nothing_and_ends_the_log) {
    struct produce_call produce;
    produce_start(&produce, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    world_sync(TOPIC_A, 0, -EIO);
    cr_assert_eq(produce_error(&produce), ERROR_KAFKA_STORAGE_ERROR);
    cr_assert_eq(world.logs[TOPIC_A][0]->high_watermark, 0);
    produce_free(&produce);
    check_error(9, 1, TOPIC_A, 0, ERROR_KAFKA_STORAGE_ERROR);
}

Test(produce, a_full_disk_refuses_and_recovers) {
    world.append_result = -ENOSPC;
    check_error(9, -1, TOPIC_A, 0, ERROR_KAFKA_STORAGE_ERROR);
    world.append_result = 0;
    world_put(TOPIC_A, 0, "again");
    cr_assert_eq(world.logs[TOPIC_A][0]->high_watermark, 1);
}

Test(produce, a_duplicate_waits_for_the_commit_of_the_original) {
    struct produce_call original;
    produce_start(&original, 9, 1, TOPIC_A, 0, buffer_slice(&batch));
    struct produce_call duplicate;
    world.duplicate_of = 0;
    produce_start(&duplicate, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    cr_assert_not(duplicate.call.done);
    world_sync(TOPIC_A, 0, 0);
    cr_assert_eq(produce_error(&duplicate), ERROR_NONE);
    cr_assert_eq(produce_offset(&duplicate), 0);
    cr_assert_eq(world.logs[TOPIC_A][0]->end, 1);
    produce_free(&original);
    produce_free(&duplicate);
}

Test(produce, a_duplicate_is_not_held_up_by_what_came_after_its_original) {
    struct produce_call later;
    struct produce_call duplicate;
    world_put(TOPIC_A, 0, "original");
    produce_start(&later, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    world.duplicate_of = 0;
    produce_start(&duplicate, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    cr_assert(duplicate.call.done);
    cr_assert_not(later.call.done);
    world_sync(TOPIC_A, 0, 0);
    cr_assert(later.call.done);
    produce_free(&later);
    produce_free(&duplicate);
}

Test(produce, what_the_log_says_of_a_sequence_reaches_the_client) {
    world.append_error = ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    check_error(9, -1, TOPIC_A, 0, ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
}

Test(produce, refusals_by_name_partition_and_acks) {
    check_error(9, 1, TOPIC_A, 7, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    check_error(9, 2, TOPIC_A, 0, ERROR_INVALID_REQUIRED_ACKS);
    check_error(9, 1, TOPIC_INTERNAL, 0, ERROR_INVALID_TOPIC_EXCEPTION);
    world_delete_topic(TOPIC_B);
    check_error(9, 1, TOPIC_B, 0, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    check_error(13, 1, TOPIC_B, 0, ERROR_UNKNOWN_TOPIC_ID);
}

Test(produce, too_few_in_sync_replicas_refuse_acks_all_only) {
    struct partition *partition = world_partition(TOPIC_A, 0);
    partition->replica_count = 3;
    partition->config.min_insync_replicas = 2;
    check_error(9, -1, TOPIC_A, 0, ERROR_NOT_ENOUGH_REPLICAS);
    world_put(TOPIC_A, 0, "acks=1");
}

Test(produce, no_batch_two_batches_and_a_bad_crc_are_refused) {
    struct produce_call produce;
    produce_start(&produce, 9, 1, TOPIC_A, 0, slice_make("", 0));
    cr_assert_eq(produce_error(&produce), ERROR_INVALID_RECORD);
    produce_free(&produce);
    size_t len = batch.len;
    struct batch_options options = world_batch_options();
    world_batch(&batch, &options, NULL, "second");
    check_error(9, 1, TOPIC_A, 0, ERROR_INVALID_RECORD);
    batch.len = len;
    batch.data[len - 1] ^= 1;
    check_error(9, 1, TOPIC_A, 0, ERROR_CORRUPT_MESSAGE);
    cr_assert_eq(world.logs[TOPIC_A][0]->end, 0);
}

Test(produce, a_batch_above_max_message_bytes_is_too_large) {
    char value[1001];
    memset(value, 'x', 1000);
    value[1000] = '\0';
    buffer_reset(&batch);
    struct batch_options options = world_batch_options();
    world_batch(&batch, &options, NULL, value);
    check_error(9, 1, TOPIC_A, 0, ERROR_MESSAGE_TOO_LARGE);
}

Test(produce, a_compacted_topic_wants_keys) {
    check_error(9, 1, TOPIC_COMPACT, 0, ERROR_INVALID_RECORD);
}

Test(produce, zstd_needs_version_7) {
    buffer_reset(&batch);
    struct batch_options options = world_batch_options();
    options.codec = COMPRESSION_ZSTD;
    world_batch(&batch, &options, NULL, "value");
    check_error(6, 1, TOPIC_A, 0, ERROR_UNSUPPORTED_COMPRESSION_TYPE);
    struct produce_call produce;
    produce_start(&produce, 7, 1, TOPIC_A, 0, buffer_slice(&batch));
    cr_assert_eq(produce_error(&produce), ERROR_NONE);
    produce_free(&produce);
}

Test(produce, a_transactional_batch_without_transactional_id_is_not_allowed) {
    buffer_reset(&batch);
    struct batch_options options = world_batch_options();
    options.transactional = true;
    options.producer_id = 9;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    world_batch(&batch, &options, NULL, "value");
    check_error(9, -1, TOPIC_A, 0, ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
}

Test(produce, acks_zero_has_no_answer_and_an_error_closes_the_connection) {
    struct produce_call produce;
    produce_start(&produce, 9, 0, TOPIC_A, 0, buffer_slice(&batch));
    cr_assert(produce.call.nothing);
    produce_free(&produce);
    produce_start(&produce, 9, 0, TOPIC_A, 9, buffer_slice(&batch));
    cr_assert(produce.call.closed);
    produce_free(&produce);
    world.append_result = -ENOSPC;
    produce_start(&produce, 9, 0, TOPIC_A, 0, buffer_slice(&batch));
    cr_assert(produce.call.closed);
    produce_free(&produce);
}

Test(produce, a_client_at_the_wrong_place_is_told_the_leader) {
    world_partition(TOPIC_A, 0)->leader = 2;
    check_error(10, 1, TOPIC_A, 0, ERROR_NOT_LEADER_OR_FOLLOWER);
}

/* The topic that compacts appears anew; its log is held back. */
static void create_held(void) {
    struct batch_options options = world_batch_options();
    world_delete_topic(TOPIC_COMPACT);
    world_advance(60000);
    world.create_held = true;
    world_create_topic(TOPIC_COMPACT);
    buffer_reset(&batch);
    world_batch(&batch, &options, "key", "value");
}

Test(produce, a_partition_whose_log_is_being_made_is_waited_for) {
    struct produce_call first, second;
    create_held();
    produce_start(&first, 9, 1, TOPIC_COMPACT, 0, buffer_slice(&batch));
    produce_start(&second, 9, -1, TOPIC_COMPACT, 0, buffer_slice(&batch));
    cr_assert_not(first.call.done);
    world_create_held();
    cr_assert_eq(produce_error(&first), ERROR_NONE);
    cr_assert_eq(produce_offset(&first), 0);
    cr_assert_not(second.call.done);
    world_sync(TOPIC_COMPACT, 0, 0);
    cr_assert_eq(produce_error(&second), ERROR_NONE);
    cr_assert_eq(produce_offset(&second), 1);
    produce_free(&first);
    produce_free(&second);
}

Test(produce, a_log_that_does_not_come_ends_the_wait) {
    struct produce_call late, deleted;
    create_held();
    produce_start(&late, 9, -1, TOPIC_COMPACT, 0, buffer_slice(&batch));
    world_advance(60000);
    cr_assert_eq(produce_error(&late), ERROR_NOT_LEADER_OR_FOLLOWER);
    produce_start(&deleted, 9, 1, TOPIC_COMPACT, 0, buffer_slice(&batch));
    world_delete_topic(TOPIC_COMPACT);
    cr_assert_eq(produce_error(&deleted), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    produce_free(&late);
    produce_free(&deleted);
    world_create_held();
}

Test(produce, deleting_the_topic_ends_the_wait_and_removes_the_log_later) {
    struct produce_call produce;
    produce_start(&produce, 9, -1, TOPIC_A, 0, buffer_slice(&batch));
    world_delete_topic(TOPIC_A);
    cr_assert_eq(produce_error(&produce), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    produce_free(&produce);
    cr_assert_null(world_partition(TOPIC_A, 0));
    cr_assert_eq(world.removed, 0);
    world_advance(60000);
    cr_assert_eq(world.removed, 4);
}

static void own_committed(struct partition_append *append, enum kafka_error error) {
    append->base_offset = 1000 + error;
}

Test(produce, own_appends_are_told_when_synced_or_failed_but_never_at_once) {
    struct partition *partition = world_partition(TOPIC_INTERNAL, 0);
    struct partition_append append;
    partition_append_own(partition, batch.data, batch.len, &append, own_committed);
    world_settle();
    cr_assert_eq(append.base_offset, 0);
    world_sync(TOPIC_INTERNAL, 0, 0);
    cr_assert_eq(append.base_offset, 1000 + ERROR_NONE);
    world.append_result = -EIO;
    partition_append_own(partition, batch.data, batch.len, &append, own_committed);
    cr_assert_eq(append.base_offset, -1);
    world_settle();
    cr_assert_eq(append.base_offset, 1000 + ERROR_KAFKA_STORAGE_ERROR);
}

Test(produce, a_partition_of_another_shard_is_posted_to_and_one_at_home_is_not) {
    tear_down();
    world_init(3, true);
    struct batch_options options = world_batch_options();
    buffer_init(&batch, 1 << 20);
    world_batch(&batch, &options, NULL, "value");
    struct produce_call produce;
    produce_start(&produce, 9, 1, TOPIC_A, 0, buffer_slice(&batch));
    cr_assert_eq(world.machine.posts, 0);
    produce_free(&produce);
    produce_start(&produce, 9, -1, TOPIC_A, 2, buffer_slice(&batch));
    cr_assert_not(produce.call.done);
    world_sync(TOPIC_A, 2, 0);
    cr_assert_eq(produce_error(&produce), ERROR_NONE);
    cr_assert_eq(world.machine.posts, 2);
    produce_free(&produce);
}

/* ---- Checks that take long ------------------------------------------------------------------- */

/* Small as it is sent, and a mebibyte of zeros when it is looked into. */
static struct slice long_check(struct buffer *out, int64_t timestamp) {
    struct batch_options options = world_batch_options();
    options.codec = COMPRESSION_ZSTD;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, 2 << 20);
    uint8_t *zeros = xcalloc(1, 1 << 20);
    batch_builder_add(&builder, timestamp, SLICE_NULL, slice_make(zeros, 1 << 20), NULL, 0);
    free(zeros);
    buffer_init(out, 1 << 20);
    cr_assert(batch_builder_finish(&builder, out));
    batch_builder_release(&builder);
    return buffer_slice(out);
}

static void release_work(void) {
    world.machine.work_held = false;
    world_settle();
}

Test(produce, a_long_check_is_a_workers_and_the_answer_is_the_same) {
    struct buffer large;
    struct produce_call produce;
    world.machine.work_held = true;
    produce_start(&produce, 9, 1, TOPIC_A, 0, long_check(&large, WALL_MS));
    cr_assert_not(produce.call.done);
    cr_assert_eq(world.logs[TOPIC_A][0]->end, 0);
    release_work();
    cr_assert(produce.call.done);
    cr_assert_eq(produce_error(&produce), ERROR_NONE);
    cr_assert_eq(produce_offset(&produce), 0);
    cr_assert_eq(world.logs[TOPIC_A][0]->end, 1);
    produce_free(&produce);
    buffer_release(&large);
}

Test(produce, what_a_worker_refuses_is_refused_record_by_record) {
    struct buffer large;
    struct produce_call produce;
    produce_start(&produce, 9, 1, TOPIC_COMPACT, 0, long_check(&large, WALL_MS));
    cr_assert_eq(produce_error(&produce), ERROR_INVALID_RECORD);
    const struct produce_response *response = produce.call.response;
    cr_assert_eq(response->responses[0].partition_responses[0].record_errors_count, 1);
    produce_free(&produce);
    buffer_release(&large);
}

Test(produce, a_connections_batches_keep_their_order_behind_a_long_check) {
    struct buffer large;
    struct produce_call calls[4];
    world.machine.work_held = true;
    world.connection_id = 7;
    produce_start(&calls[0], 9, 1, TOPIC_A, 0, long_check(&large, WALL_MS));
    produce_start(&calls[1], 9, 1, TOPIC_A, 0, buffer_slice(&batch));
    produce_start(&calls[2], 9, 1, TOPIC_A, 0, buffer_slice(&large));
    produce_start(&calls[3], 9, 1, TOPIC_A, 0, buffer_slice(&batch));
    for (int i = 0; i < 4; i++) {
        cr_assert_not(calls[i].call.done);
    }
    release_work();
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(produce_error(&calls[i]), ERROR_NONE);
        cr_assert_eq(produce_offset(&calls[i]), i);
        produce_free(&calls[i]);
    }
    buffer_release(&large);
}

Test(produce, other_connections_and_partitions_do_not_wait_for_a_long_check) {
    struct buffer large;
    struct produce_call held;
    struct produce_call produce;
    world.machine.work_held = true;
    world.connection_id = 7;
    produce_start(&held, 9, 1, TOPIC_A, 0, long_check(&large, WALL_MS));
    produce_start(&produce, 9, 1, TOPIC_A, 1, buffer_slice(&batch));
    cr_assert(produce.call.done);
    produce_free(&produce);
    world.connection_id = 8;
    produce_start(&produce, 9, 1, TOPIC_A, 0, buffer_slice(&batch));
    cr_assert(produce.call.done);
    cr_assert_eq(produce_offset(&produce), 0);
    produce_free(&produce);
    release_work();
    cr_assert_eq(produce_offset(&held), 1);
    produce_free(&held);
    buffer_release(&large);
}

Test(produce, connections_take_turns_at_long_checks) {
    struct buffer large;
    struct produce_call calls[4];
    world.machine.work_held = true;
    world.connection_id = 7;
    for (int i = 0; i < 3; i++) {
        produce_start(&calls[i], 9, 1, TOPIC_A, 0,
                      i == 0 ? long_check(&large, WALL_MS) : buffer_slice(&large));
    }
    world.connection_id = 8;
    produce_start(&calls[3], 9, 1, TOPIC_A, 0, buffer_slice(&large));
    release_work();
    cr_assert_eq(produce_offset(&calls[0]), 0);
    cr_assert_eq(produce_offset(&calls[3]), 1);
    cr_assert_eq(produce_offset(&calls[2]), 3);
    for (int i = 0; i < 4; i++) {
        produce_free(&calls[i]);
    }
    buffer_release(&large);
}

Test(produce, after_a_long_check_that_refuses_only_who_had_one_accepted_goes_on) {
    enum { GOOD = 7, BAD, UNKNOWN, COUNT };
    struct buffer large;
    struct slice records = long_check(&large, WALL_MS); /* without a key */
    struct produce_call calls[COUNT];
    world.machine.clock_step_ns = 10 * 1000000;
    for (int connection = GOOD; connection <= BAD; connection++) {
        world.connection_id = connection;
        produce_start(&calls[connection], 9, 1, connection == BAD ? TOPIC_COMPACT : TOPIC_A, 0,
                      records);
        world_settle();
        cr_assert(calls[connection].call.done);
        produce_free(&calls[connection]);
    }
    for (int connection = BAD; connection < COUNT; connection++) {
        world.connection_id = connection;
        produce_start(&calls[connection], 9, 1, TOPIC_COMPACT, 0, records);
    }
    world.connection_id = GOOD;
    produce_start(&calls[GOOD], 9, 1, TOPIC_A, 0, records);
    world_settle();
    cr_assert(calls[GOOD].call.done);
    world_advance(89);
    cr_assert_not(calls[UNKNOWN].call.done);
    world_advance(1);
    cr_assert(calls[UNKNOWN].call.done);
    world_advance(89);
    cr_assert_not(calls[BAD].call.done);
    world_advance(1);
    cr_assert(calls[BAD].call.done);
    for (int connection = GOOD; connection < COUNT; connection++) {
        produce_free(&calls[connection]);
    }
    buffer_release(&large);
}

Test(produce, who_had_a_long_check_refused_is_not_trusted_for_one_that_is_accepted) {
    struct buffer large;
    struct slice records = long_check(&large, WALL_MS);
    struct produce_call produce;
    world.machine.clock_step_ns = 10 * 1000000;
    static const int topics[] = {TOPIC_COMPACT, TOPIC_A, TOPIC_COMPACT};
    static const int connections[] = {7, 7, 8};
    for (int i = 0; i < 3; i++) {
        world.connection_id = (uint64_t)connections[i];
        world_advance(90);
        produce_start(&produce, 9, 1, topics[i], 0, records);
        world_settle();
        cr_assert(produce.call.done);
        produce_free(&produce);
    }
    world.connection_id = 7;
    produce_start(&produce, 9, 1, TOPIC_A, 0, records);
    world_settle();
    cr_assert_not(produce.call.done);
    world_advance(90);
    cr_assert(produce.call.done);
    produce_free(&produce);
    buffer_release(&large);
}

Test(produce, leadership_that_is_lost_during_a_long_check_refuses_the_batch) {
    struct buffer large;
    struct produce_call produce;
    world.machine.work_held = true;
    produce_start(&produce, 9, -1, TOPIC_A, 0, long_check(&large, WALL_MS));
    world_elect(TOPIC_A, 0, 2);
    release_work();
    cr_assert_eq(produce_error(&produce), ERROR_NOT_LEADER_OR_FOLLOWER);
    cr_assert_eq(world.logs[TOPIC_A][0]->end, 0);
    produce_free(&produce);
    buffer_release(&large);
}

Test(produce, a_topic_that_is_deleted_during_a_long_check_is_unknown) {
    struct buffer large;
    struct produce_call produce;
    world.machine.work_held = true;
    produce_start(&produce, 9, -1, TOPIC_A, 0, long_check(&large, WALL_MS));
    world_delete_topic(TOPIC_A);
    release_work();
    cr_assert_eq(produce_error(&produce), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    produce_free(&produce);
    buffer_release(&large);
}

Test(produce, a_long_check_beyond_the_timeout_is_answered_when_it_ends) {
    struct buffer large;
    struct produce_call produce;
    world.machine.work_held = true;
    produce_start(&produce, 9, -1, TOPIC_A, 0, long_check(&large, WALL_MS));
    world_advance(1000);
    cr_assert_not(produce.call.done);
    release_work();
    cr_assert(produce.call.done);
    cr_assert_eq(produce_error(&produce), ERROR_REQUEST_TIMED_OUT);
    cr_assert_eq(world.logs[TOPIC_A][0]->end, 1);
    produce_free(&produce);
    buffer_release(&large);
}

Test(produce, acks_all_waits_for_the_sync_after_a_long_check) {
    struct buffer large;
    struct produce_call produce;
    produce_start(&produce, 9, -1, TOPIC_A, 0, long_check(&large, WALL_MS));
    cr_assert_not(produce.call.done);
    world_sync(TOPIC_A, 0, 0);
    cr_assert_eq(produce_error(&produce), ERROR_NONE);
    produce_free(&produce);
    buffer_release(&large);
}
