/* Fetch: what is found, how a fetch waits, and how sessions make answers short. */
#include <criterion/criterion.h>

#include "broker/api/api.h"
#include "broker/replica/fetch_session.h"
#include "broker/replica/replica_manager.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "replica_world.h"

/* A fetch of some partitions, each topic entry with one. */
struct fetch {
    struct call call;
    struct fetch_request body;
    struct fetch_request_topic topics[8];
    struct fetch_request_partition partitions[8];
    struct fetch_request_forgotten_topic forgotten;
    int32_t forgotten_partition;
};

static void fetch_init(struct fetch *fetch) {
    memset(fetch, 0, sizeof(*fetch));
    message_init(&fetch_request_desc, &fetch->body);
    fetch->body.max_wait_ms = 500;
    fetch->body.min_bytes = 1;
    fetch->body.topics = fetch->topics;
}

static void fetch_add(struct fetch *fetch, int topic, int32_t index, int64_t offset) {
    int32_t i = fetch->body.topics_count++;
    fetch->partitions[i] = (struct fetch_request_partition){
        .partition = index,
        .fetch_offset = offset,
        .current_leader_epoch = -1,
        .last_fetched_epoch = -1,
        .partition_max_bytes = 1 << 20,
    };
    fetch->topics[i] = (struct fetch_request_topic){
        .topic = world.topics[topic].name,
        .topic_id = world.topics[topic].id,
        .partitions = &fetch->partitions[i],
        .partitions_count = 1,
    };
}

static void fetch_start(struct fetch *fetch, int16_t version) {
    call_start(&fetch->call, api_fetch, 1, version, &fetch->body);
}

/* One partition from an offset. */
static void fetch_one(struct fetch *fetch, int16_t version, int topic, int32_t index,
                      int64_t offset) {
    fetch_init(fetch);
    fetch_add(fetch, topic, index, offset);
    fetch_start(fetch, version);
}

static const struct fetch_response *answer(const struct fetch *fetch) {
    cr_assert(fetch->call.done);
    return fetch->call.response;
}

static const struct fetch_response_partition_data *first(const struct fetch *fetch) {
    cr_assert_gt(answer(fetch)->responses_count, 0);
    return &answer(fetch)->responses[0].partitions[0];
}

static int told_count(const struct fetch *fetch) {
    int count = 0;
    for (int32_t i = 0; i < answer(fetch)->responses_count; i++) {
        count += answer(fetch)->responses[i].partitions_count;
    }
    return count;
}

static void check_error(struct fetch *fetch, enum kafka_error error) {
    cr_assert_eq(first(fetch)->error_code, error, "%d", first(fetch)->error_code);
    cr_assert_eq(first(fetch)->high_watermark, -1);
    cr_assert_eq(first(fetch)->records.len, 0);
    cr_assert_not_null(first(fetch)->records.data);
    call_free(&fetch->call);
}

static void set_up(void) {
    world_init(1, true);
}

static void tear_down(void) {
    world_free();
}

TestSuite(fetch, .init = set_up, .fini = tear_down);

Test(fetch, returns_the_bytes_of_the_log_from_the_batch_with_the_offset) {
    world_put(TOPIC_A, 0, "one");
    world_put(TOPIC_A, 0, "two");
    for (int16_t version = 4; version <= 18; version++) {
        struct fetch fetch;
        fetch_one(&fetch, version, TOPIC_A, 0, 1);
        const struct log *log = world.logs[TOPIC_A][0];
        cr_assert_eq(first(&fetch)->error_code, ERROR_NONE);
        cr_assert_eq(first(&fetch)->high_watermark, 2);
        cr_assert_eq(first(&fetch)->records.len, log->batches[1].len);
        cr_assert_arr_eq(first(&fetch)->records.data, log->bytes.data + log->batches[1].pos,
                         log->batches[1].len);
        call_free(&fetch.call);
    }
}

Test(fetch, waits_for_an_append_to_its_partition_and_no_other) {
    struct fetch fetch;
    fetch_one(&fetch, 12, TOPIC_A, 0, 0);
    cr_assert_not(fetch.call.done);
    int reads = world.logs[TOPIC_A][0]->reads;
    world_put(TOPIC_A, 1, "elsewhere");
    cr_assert_not(fetch.call.done);
    cr_assert_eq(world.logs[TOPIC_A][0]->reads, reads);
    world_put(TOPIC_A, 0, "here");
    cr_assert_gt(first(&fetch)->records.len, 0);
    call_free(&fetch.call);
}

Test(fetch, does_not_see_what_is_not_synced) {
    struct buffer batch;
    struct batch_options options = world_batch_options();
    buffer_init(&batch, 1 << 20);
    world_batch(&batch, &options, NULL, "value");
    struct produce_call produce;
    produce_start(&produce, 9, 1, TOPIC_A, 0, buffer_slice(&batch));
    struct fetch fetch;
    fetch_one(&fetch, 12, TOPIC_A, 0, 0);
    cr_assert_not(fetch.call.done);
    world_sync(TOPIC_A, 0, 0);
    cr_assert_gt(first(&fetch)->records.len, 0);
    call_free(&fetch.call);
    produce_free(&produce);
    buffer_release(&batch);
}

Test(fetch, answers_empty_when_its_time_is_over) {
    struct fetch fetch;
    fetch_one(&fetch, 12, TOPIC_A, 0, 0);
    world_advance(500 - 500 / 16); /* waits end on a grid, a sixteenth early at most */
    cr_assert_not(fetch.call.done);
    world_advance(500 / 16);
    cr_assert_eq(first(&fetch)->error_code, ERROR_NONE);
    cr_assert_eq(first(&fetch)->records.len, 0);
    call_free(&fetch.call);
}

Test(fetch, waits_for_min_bytes_over_all_its_partitions) {
    world_put(TOPIC_A, 0, "x");
    int32_t size = (int32_t)world.logs[TOPIC_A][0]->batches[0].len;
    struct fetch fetch;
    fetch_init(&fetch);
    fetch_add(&fetch, TOPIC_A, 0, 0);
    fetch_add(&fetch, TOPIC_B, 3, 0);
    fetch.body.min_bytes = 3 * size;
    fetch_start(&fetch, 12);
    cr_assert_not(fetch.call.done);
    int reads = world.logs[TOPIC_A][0]->reads;
    world_put(TOPIC_B, 3, "y");
    cr_assert_not(fetch.call.done);
    cr_assert_eq(world.logs[TOPIC_A][0]->reads, reads, "only the log that moved is looked at");
    world_put(TOPIC_A, 0, "z");
    cr_assert(fetch.call.done);
    cr_assert_eq(told_count(&fetch), 2);
    call_free(&fetch.call);
}

Test(fetch, the_first_batch_is_sent_whole_and_the_rest_keeps_to_the_limit) {
    world_put(TOPIC_A, 0, "one");
    world_put(TOPIC_A, 0, "two");
    world_put(TOPIC_A, 1, "three");
    struct fetch fetch;
    fetch_init(&fetch);
    fetch_add(&fetch, TOPIC_A, 0, 0);
    fetch_add(&fetch, TOPIC_A, 1, 0);
    fetch.body.max_bytes = 1;
    fetch_start(&fetch, 12);
    cr_assert_eq(first(&fetch)->records.len, world.logs[TOPIC_A][0]->batches[0].len);
    cr_assert_eq(answer(&fetch)->responses[0].partitions[1].records.len, 0);
    call_free(&fetch.call);
}

Test(fetch, offsets_outside_of_the_log_are_out_of_range) {
    world_put(TOPIC_A, 0, "one");
    struct fetch fetch;
    fetch_one(&fetch, 12, TOPIC_A, 0, 2);
    check_error(&fetch, ERROR_OFFSET_OUT_OF_RANGE);
    world.logs[TOPIC_A][0]->start = 1;
    fetch_one(&fetch, 12, TOPIC_A, 0, 0);
    check_error(&fetch, ERROR_OFFSET_OUT_OF_RANGE);
}

Test(fetch, leader_epochs_are_compared) {
    struct fetch fetch;
    for (int32_t epoch = 4; epoch <= 6; epoch += 2) {
        fetch_init(&fetch);
        fetch_add(&fetch, TOPIC_A, 0, 0);
        fetch.partitions[0].current_leader_epoch = epoch;
        fetch_start(&fetch, 16);
        cr_assert_eq(first(&fetch)->current_leader.leader_epoch, epoch == 4 ? 5 : -1);
        check_error(&fetch, epoch == 4 ? ERROR_FENCED_LEADER_EPOCH : ERROR_UNKNOWN_LEADER_EPOCH);
    }
}

Test(fetch, an_offset_beyond_its_epoch_is_told_the_epochs_end) {
    struct fetch fetch;
    fetch_init(&fetch);
    fetch_add(&fetch, TOPIC_A, 0, world.logs[TOPIC_A][0]->end + 7);
    fetch.partitions[0].last_fetched_epoch = world.logs[TOPIC_A][0]->epoch;
    fetch_start(&fetch, 12);
    cr_assert_eq(first(&fetch)->diverging_epoch.epoch, world.logs[TOPIC_A][0]->epoch);
    cr_assert_eq(first(&fetch)->diverging_epoch.end_offset, world.logs[TOPIC_A][0]->end);
    cr_assert_eq(first(&fetch)->error_code, ERROR_NONE);
    call_free(&fetch.call);
}

Test(fetch, unknown_topics_and_strange_replicas_are_refused) {
    struct fetch fetch;
    fetch_one(&fetch, 12, TOPIC_A, 9, 0);
    check_error(&fetch, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    fetch_init(&fetch);
    fetch_add(&fetch, TOPIC_A, 0, 0);
    fetch.body.replica_state.replica_id = 2;
    fetch_start(&fetch, 15);
    check_error(&fetch, ERROR_NOT_LEADER_OR_FOLLOWER);
    world_delete_topic(TOPIC_B);
    fetch_one(&fetch, 12, TOPIC_B, 0, 0);
    check_error(&fetch, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    fetch_one(&fetch, 13, TOPIC_B, 0, 0);
    check_error(&fetch, ERROR_UNKNOWN_TOPIC_ID);
}

Test(fetch, a_deleted_topic_ends_the_wait) {
    struct fetch fetch;
    fetch_one(&fetch, 13, TOPIC_A, 0, 0);
    world_delete_topic(TOPIC_A);
    check_error(&fetch, ERROR_UNKNOWN_TOPIC_ID);
}

Test(fetch, a_storage_error_is_known_from_version_6_on) {
    world_partition(TOPIC_A, 0)->state = PARTITION_OFFLINE;
    struct fetch fetch;
    fetch_one(&fetch, 6, TOPIC_A, 0, 0);
    check_error(&fetch, ERROR_KAFKA_STORAGE_ERROR);
    fetch_one(&fetch, 5, TOPIC_A, 0, 0);
    check_error(&fetch, ERROR_NOT_LEADER_OR_FOLLOWER);
}

Test(fetch, a_partition_named_twice_waits_and_is_answered_once) {
    struct fetch fetch;
    fetch_init(&fetch);
    fetch_add(&fetch, TOPIC_A, 0, 0);
    fetch_add(&fetch, TOPIC_A, 0, 0);
    fetch_start(&fetch, 12);
    cr_assert_not(fetch.call.done);
    world_put(TOPIC_A, 0, "x");
    cr_assert_eq(told_count(&fetch), 1);
    call_free(&fetch.call);
}

/* ---- Sessions -------------------------------------------------------------------------------- */

static int32_t session_open(int16_t version) {
    struct fetch fetch;
    fetch_init(&fetch);
    fetch_add(&fetch, TOPIC_A, 0, 0);
    fetch_add(&fetch, TOPIC_A, 1, 0);
    fetch.body.session_epoch = 0;
    fetch.body.max_wait_ms = 0;
    fetch_start(&fetch, version);
    cr_assert_eq(told_count(&fetch), 2);
    int32_t id = answer(&fetch)->session_id;
    cr_assert_gt(id, 0);
    call_free(&fetch.call);
    return id;
}

static void session_init(struct fetch *fetch, int32_t id, int32_t epoch) {
    fetch_init(fetch);
    fetch->body.session_id = id;
    fetch->body.session_epoch = epoch;
    fetch->body.max_wait_ms = 0;
}

Test(fetch, an_incremental_answer_names_only_what_changed) {
    for (int16_t version = 12; version <= 13; version++) {
        int32_t id = session_open(version);
        struct fetch fetch;
        session_init(&fetch, id, 1);
        fetch_start(&fetch, version);
        cr_assert_eq(answer(&fetch)->session_id, id);
        cr_assert_eq(told_count(&fetch), version == 12 ? 0 : 1);
        call_free(&fetch.call);
        world_put(TOPIC_A, 1, "news");
        session_init(&fetch, id, 2);
        fetch_start(&fetch, version);
        cr_assert_eq(told_count(&fetch), 1);
        cr_assert_eq(first(&fetch)->partition_index, 1);
        call_free(&fetch.call);
    }
}

Test(fetch, a_session_waits_for_its_partitions) {
    int32_t id = session_open(12);
    struct fetch fetch;
    session_init(&fetch, id, 1);
    fetch.body.max_wait_ms = 500;
    fetch_start(&fetch, 12);
    cr_assert_not(fetch.call.done);
    world_put(TOPIC_A, 0, "x");
    cr_assert_eq(told_count(&fetch), 1);
    call_free(&fetch.call);
}

Test(fetch, wrong_ids_and_epochs_of_sessions_are_told_at_the_top) {
    int32_t id = session_open(12);
    struct fetch fetch;
    session_init(&fetch, id, 3);
    fetch_start(&fetch, 12);
    cr_assert_eq(answer(&fetch)->error_code, ERROR_INVALID_FETCH_SESSION_EPOCH);
    cr_assert_eq(answer(&fetch)->session_id, 0);
    call_free(&fetch.call);
    session_init(&fetch, id + 1, 1);
    fetch_start(&fetch, 12);
    cr_assert_eq(answer(&fetch)->error_code, ERROR_FETCH_SESSION_ID_NOT_FOUND);
    call_free(&fetch.call);
    session_init(&fetch, id, 1);
    fetch_start(&fetch, 13);
    cr_assert_eq(answer(&fetch)->error_code, ERROR_FETCH_SESSION_TOPIC_ID_ERROR);
    call_free(&fetch.call);
}

Test(fetch, forgetting_everything_closes_the_session) {
    int32_t id = session_open(12);
    struct fetch fetch;
    int32_t both[] = {0, 1};
    session_init(&fetch, id, 1);
    fetch.forgotten = (struct fetch_request_forgotten_topic){
        .topic = SLICE_LIT("a"), .partitions = both, .partitions_count = 2};
    fetch.body.forgotten_topics_data = &fetch.forgotten;
    fetch.body.forgotten_topics_data_count = 1;
    fetch_start(&fetch, 12);
    cr_assert_eq(answer(&fetch)->session_id, 0);
    cr_assert_eq(told_count(&fetch), 0);
    call_free(&fetch.call);
    cr_assert_eq(fetch_sessions_count(world.node.shards[0].replicas->sessions), 0);
}

Test(fetch, a_session_evicted_during_a_wait_still_answers) {
    int32_t id = session_open(12);
    struct fetch fetch;
    session_init(&fetch, id, 1);
    fetch.body.max_wait_ms = 500;
    fetch_start(&fetch, 12);
    fetch_sessions_close(world.node.shards[0].replicas->sessions, id);
    world_put(TOPIC_A, 0, "x");
    cr_assert_eq(told_count(&fetch), 1);
    call_free(&fetch.call);
}

/* ---- Several shards -------------------------------------------------------------------------- */

Test(fetch, a_fetch_over_three_shards_waits_on_all_and_is_woken_by_any) {
    tear_down();
    for (int32_t moved = 0; moved < 3; moved++) {
        world_init(3, true);
        struct fetch fetch;
        fetch_init(&fetch);
        for (int32_t i = 0; i < 3; i++) {
            fetch_add(&fetch, TOPIC_A, i, 0);
        }
        fetch_start(&fetch, 12);
        cr_assert_not(fetch.call.done);
        world_put(TOPIC_A, moved, "x");
        cr_assert_eq(told_count(&fetch), 3);
        for (int32_t i = 0; i < 3; i++) {
            cr_assert_eq(answer(&fetch)->responses[0].partitions[i].records.len > 0, i == moved);
        }
        call_free(&fetch.call);
        fetch_init(&fetch);
        for (int32_t i = 0; i < 3; i++) {
            fetch_add(&fetch, TOPIC_B, i, 0);
        }
        fetch_start(&fetch, 12);
        world_advance(500);
        cr_assert(fetch.call.done);
        call_free(&fetch.call);
        world_free();
    }
    set_up();
}

Test(fetch, the_byte_limit_holds_over_all_shards) {
    tear_down();
    world_init(3, true);
    struct fetch fetch;
    fetch_init(&fetch);
    for (int32_t i = 0; i < 3; i++) {
        world_put(TOPIC_A, i, "x");
        fetch_add(&fetch, TOPIC_A, i, 0);
    }
    fetch.body.max_bytes = 2 * (int32_t)world.logs[TOPIC_A][0]->batches[0].len;
    fetch_start(&fetch, 12);
    for (int32_t i = 0; i < 3; i++) {
        cr_assert_eq(answer(&fetch)->responses[0].partitions[i].records.len > 0, i < 2);
    }
    call_free(&fetch.call);
}
