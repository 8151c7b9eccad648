/* ListOffsets, OffsetForLeaderEpoch, DeleteRecords, DescribeLogDirs, DescribeProducers. */
#include <criterion/criterion.h>

#include "broker/api/api.h"
#include "protocol/generated/delete_records_request.h"
#include "protocol/generated/delete_records_response.h"
#include "protocol/generated/describe_log_dirs_request.h"
#include "protocol/generated/describe_log_dirs_response.h"
#include "protocol/generated/describe_producers_request.h"
#include "protocol/generated/describe_producers_response.h"
#include "protocol/generated/list_offsets_request.h"
#include "protocol/generated/list_offsets_response.h"
#include "protocol/generated/offset_for_leader_epoch_request.h"
#include "protocol/generated/offset_for_leader_epoch_response.h"
#include "replica_world.h"

static void set_up(void) {
    world_init(2, true);
    world_put(TOPIC_A, 1, "zero");
    world_put(TOPIC_A, 1, "one");
    world_put(TOPIC_A, 1, "two");
}

static void tear_down(void) {
    world_free();
}

TestSuite(log_apis, .init = set_up, .fini = tear_down);

struct listed {
    enum kafka_error error;
    int64_t offset;
    int32_t epoch;
};

static struct listed list_offset(int16_t version, int64_t timestamp) {
    struct list_offsets_request_partition partition = {
        .partition_index = 1,
        .timestamp = timestamp,
        .current_leader_epoch = -1,
        .max_num_offsets = 1,
    };
    struct list_offsets_request_topic topic = {
        .name = SLICE_LIT("a"), .partitions = &partition, .partitions_count = 1};
    struct list_offsets_request body = {.replica_id = -1, .topics = &topic, .topics_count = 1};
    struct call call = {0};
    call_start(&call, api_list_offsets, 2, version, &body);
    const struct list_offsets_response *response = call.response;
    const struct list_offsets_response_partition_response *out = response->topics[0].partitions;
    struct listed listed = {out->error_code, out->offset, out->leader_epoch};
    if (version == 0) {
        cr_assert_eq(out->old_style_offsets_count, 1);
        listed.offset = out->old_style_offsets[0];
    }
    call_free(&call);
    return listed;
}

Test(log_apis, every_version_knows_both_ends) {
    world.logs[TOPIC_A][1]->start = 1;
    for (int16_t version = 0; version <= 11; version++) {
        cr_assert_eq(list_offset(version, -1).offset, 3);
        cr_assert_eq(list_offset(version, -2).offset, 1);
        cr_assert_eq(list_offset(version, -1).epoch, version >= 4 ? 5 : -1);
    }
}

/* Kafka's leader shows what acks=1 has acknowledged at once; a client must not see less here. */
Test(log_apis, the_end_waits_for_the_sync_of_what_is_there) {
    struct batch_options options = world_batch_options();
    struct buffer batch;
    buffer_init(&batch, 1 << 20);
    world_batch(&batch, &options, NULL, "three");
    struct produce_call produce;
    produce_start(&produce, 9, 1, TOPIC_A, 1, buffer_slice(&batch));
    cr_assert(produce.call.done);

    struct list_offsets_request_partition partitions[] = {
        {.partition_index = 1, .timestamp = -1, .current_leader_epoch = -1},
        {.partition_index = 0, .timestamp = -1, .current_leader_epoch = -1},
    };
    struct list_offsets_request_topic topic = {
        .name = SLICE_LIT("a"), .partitions = partitions, .partitions_count = 2};
    struct list_offsets_request body = {.replica_id = -1, .topics = &topic, .topics_count = 1};
    struct call call = {0};
    call_start(&call, api_list_offsets, 2, 7, &body);
    cr_assert_not(call.done, "the end is not known before the record is synced");
    cr_assert_eq(list_offset(7, -2).offset, 0, "nothing but the end waits");
    world_sync(TOPIC_A, 1, 0);
    cr_assert(call.done);
    const struct list_offsets_response *response = call.response;
    cr_assert_eq(response->topics[0].partitions[0].offset, 4);
    cr_assert_eq(response->topics[0].partitions[1].offset, 0);
    call_free(&call);
    produce_free(&produce);
    buffer_release(&batch);
}

Test(log_apis, special_timestamps_came_one_by_one) {
    static const int16_t since[] = {7, 8, 9, 11};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(list_offset(since[i] - 1, -3 - i).error, ERROR_UNSUPPORTED_VERSION);
        cr_assert_eq(list_offset(since[i], -3 - i).error, ERROR_NONE);
    }
    cr_assert_eq(list_offset(11, -7).error, ERROR_UNSUPPORTED_VERSION);
    cr_assert_eq(list_offset(11, INT64_MIN).error, ERROR_UNSUPPORTED_VERSION);
    cr_assert_eq(list_offset(11, -3).offset, 2);
    cr_assert_eq(list_offset(11, -4).offset, 0);
    cr_assert_eq(list_offset(11, -5).offset, -1);
}

Test(log_apis, a_timestamp_behind_the_end_has_no_offset) {
    cr_assert_eq(list_offset(7, 1).offset, 1);
    struct listed beyond = list_offset(7, 3);
    cr_assert_eq(beyond.error, ERROR_NONE);
    cr_assert_eq(beyond.offset, -1);
}

Test(log_apis, a_partition_asked_for_twice_is_refused_once) {
    struct list_offsets_request_partition partitions[] = {
        {.partition_index = 1, .timestamp = -1, .current_leader_epoch = -1},
        {.partition_index = 0, .timestamp = -1, .current_leader_epoch = -1},
        {.partition_index = 1, .timestamp = -2, .current_leader_epoch = -1}};
    struct list_offsets_request_topic topic = {
        .name = SLICE_LIT("a"), .partitions = partitions, .partitions_count = 3};
    struct list_offsets_request body = {.replica_id = -1, .topics = &topic, .topics_count = 1};
    struct call call = {0};
    call_start(&call, api_list_offsets, 2, 7, &body);
    const struct list_offsets_response *response = call.response;
    cr_assert_eq(response->topics[0].partitions[0].error_code, ERROR_INVALID_REQUEST);
    cr_assert_eq(response->topics[0].partitions[1].error_code, ERROR_NONE);
    cr_assert_eq(response->topics[0].partitions_count, 2);
    call_free(&call);
}

static enum kafka_error delete_before(const char *name, int32_t index, int64_t offset,
                                      int64_t *low_watermark) {
    struct delete_records_request_partition partition = {.partition_index = index,
                                                         .offset = offset};
    struct delete_records_request_topic topic = {
        .name = slice_str(name), .partitions = &partition, .partitions_count = 1};
    struct delete_records_request body = {.topics = &topic, .topics_count = 1};
    struct call call = {0};
    call_start(&call, api_delete_records, 21, 2, &body);
    const struct delete_records_response *response = call.response;
    enum kafka_error error = response->topics[0].partitions[0].error_code;
    *low_watermark = response->topics[0].partitions[0].low_watermark;
    call_free(&call);
    return error;
}

Test(log_apis, delete_records_raises_the_start_up_to_the_high_watermark) {
    int64_t low;
    cr_assert_eq(delete_before("a", 1, 2, &low), ERROR_NONE);
    cr_assert_eq(low, 2);
    cr_assert_eq(delete_before("a", 1, 1, &low), ERROR_NONE);
    cr_assert_eq(low, 2);
    cr_assert_eq(delete_before("a", 1, 4, &low), ERROR_OFFSET_OUT_OF_RANGE);
    cr_assert_eq(low, -1);
    cr_assert_eq(delete_before("a", 1, -2, &low), ERROR_OFFSET_OUT_OF_RANGE);
    cr_assert_eq(delete_before("a", 1, -1, &low), ERROR_NONE);
    cr_assert_eq(low, 3);
    cr_assert_eq(delete_before("compact", 0, 0, &low), ERROR_POLICY_VIOLATION);
    cr_assert_eq(delete_before("__consumer_offsets", 0, 0, &low), ERROR_INVALID_TOPIC_EXCEPTION);
    cr_assert_eq(delete_before("none", 0, 0, &low), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
}

Test(log_apis, the_end_of_an_epoch) {
    struct offset_for_leader_epoch_request_offset_for_leader_partition partitions[] = {
        {.partition = 1, .current_leader_epoch = -1, .leader_epoch = 5},
        {.partition = 1, .current_leader_epoch = -1, .leader_epoch = 9},
        {.partition = 1, .current_leader_epoch = 4, .leader_epoch = 5}};
    struct offset_for_leader_epoch_request_offset_for_leader_topic topic = {
        .topic = SLICE_LIT("a"), .partitions = partitions, .partitions_count = 3};
    struct offset_for_leader_epoch_request body = {
        .replica_id = -1, .topics = &topic, .topics_count = 1};
    struct call call = {0};
    call_start(&call, api_offset_for_leader_epoch, 23, 4, &body);
    const struct offset_for_leader_epoch_response *response = call.response;
    const struct offset_for_leader_epoch_response_epoch_end_offset *out =
        response->topics[0].partitions;
    cr_assert_eq(out[0].end_offset, 3);
    cr_assert_eq(out[0].leader_epoch, 5);
    cr_assert_eq(out[1].end_offset, -1);
    cr_assert_eq(out[2].error_code, ERROR_FENCED_LEADER_EPOCH);
    cr_assert_eq(out[2].end_offset, -1);
    call_free(&call);
}

Test(log_apis, log_dirs_list_the_partitions_of_all_shards) {
    struct describe_log_dirs_request body = {.topics_count = -1};
    struct call call = {0};
    call_start(&call, api_describe_log_dirs, 35, 4, &body);
    const struct describe_log_dirs_response *response = call.response;
    cr_assert_eq(response->results_count, 1);
    cr_assert_eq(response->results[0].topics_count, WORLD_TOPICS);
    cr_assert_eq(response->results[0].total_bytes, 1000);
    cr_assert_eq(response->results[0].usable_bytes, 400);
    bool seen = false;
    for (int32_t i = 0; i < WORLD_TOPICS; i++) {
        const struct describe_log_dirs_response_topic *topic = &response->results[0].topics[i];
        if (slice_equal_str(topic->name, "a")) {
            seen = true;
            cr_assert_eq(topic->partitions_count, 4);
            cr_assert_eq(topic->partitions[1].partition_index, 1);
            cr_assert_eq(topic->partitions[1].partition_size,
                         (int64_t)world.logs[TOPIC_A][1]->bytes.len);
        }
    }
    cr_assert(seen);
    call_free(&call);
}

Test(log_apis, producers_are_listed_by_the_leader) {
    int32_t indexes[] = {1, 8};
    struct describe_producers_request_topic_request topic = {
        .name = SLICE_LIT("a"), .partition_indexes = indexes, .partition_indexes_count = 2};
    struct describe_producers_request body = {.topics = &topic, .topics_count = 1};
    struct call call = {0};
    call_start(&call, api_describe_producers, 61, 0, &body);
    const struct describe_producers_response *response = call.response;
    cr_assert_eq(response->topics[0].partitions[0].active_producers_count, 1);
    cr_assert_eq(response->topics[0].partitions[0].active_producers[0].producer_id, 7);
    cr_assert_eq(response->topics[0].partitions[1].error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    call_free(&call);
}
