/* The log of __consumer_offsets: loading, restarts, foreign records; and who coordinates what. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "broker/api/api.h"
#include "broker/group/group_records.h"
#include "group_world.h"
#include "protocol/generated/describe_groups_request.h"
#include "protocol/generated/describe_groups_response.h"
#include "protocol/generated/find_coordinator_request.h"
#include "protocol/generated/find_coordinator_response.h"
#include "protocol/generated/list_groups_request.h"
#include "protocol/generated/list_groups_response.h"
#include "protocol/generated/offset_commit_request.h"
#include "protocol/generated/offset_commit_response.h"

TestSuite(group_log, .init = world_init, .fini = world_free);

/* ---- Restarts -------------------------------------------------------------------------------- */

Test(group_log, members_survive_a_restart_with_a_fresh_session) {
    struct member member;
    join_alone("g", "t", &member);
    cr_assert_eq(commit_at("g", member.id, member.generation, "t", 0, 5), ERROR_NONE);
    char *before = world_dump();
    world_advance(9000);
    world_restart(true);
    char *after = world_dump();
    cr_assert_str_eq(before, after);
    world_advance(9000);
    cr_assert_eq(heartbeat_of("g", &member), ERROR_NONE);
    world_restart(true);
    world_advance(10000);
    cr_assert_eq(heartbeat_of("g", &member), ERROR_UNKNOWN_MEMBER_ID);
    free(before);
    free(after);
}

Test(group_log, while_groups_load_heartbeats_are_calmed_and_the_rest_waits) {
    struct member member;
    join_alone("g", "t", &member);
    world_restart(false);
    struct call call;
    struct offset_commit_request_partition partition = {.commit_timestamp = -1,
                                                        .committed_metadata = SLICE_LIT("")};
    struct offset_commit_request_topic topic = {
        .name = SLICE_LIT("t"), .partitions = &partition, .partitions_count = 1};
    struct offset_commit_request body = {.group_id = SLICE_LIT("g"),
                                         .member_id = SLICE_LIT(""),
                                         .generation_id_or_member_epoch = -1,
                                         .topics = &topic,
                                         .topics_count = 1};
    call_start(&call, api_offset_commit, 8, 9, &body);
    const struct offset_commit_response *response = call.response;
    cr_assert_eq(response->topics[0].partitions[0].error_code, ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    call_free(&call);
    world_restart(false);
    struct member unknown = {.id = "nobody", .generation = 3};
    cr_assert_eq(heartbeat_of("g", &unknown), ERROR_NONE);
    cr_assert_eq(heartbeat_of("g", &unknown), ERROR_UNKNOWN_MEMBER_ID, "now it is loaded");
}

Test(group_log, a_close_while_loading_leaves_nothing_behind) {
    struct member member;
    join_alone("g", "t", &member);
    world_restart(false);
    group_manager_close(world.node.shards[0].groups);
    machine_settle(&world.machine);
    cr_assert_eq(heartbeat_of("g", &member), ERROR_COORDINATOR_NOT_AVAILABLE);
}

Test(group_log, a_partition_that_is_no_longer_led_is_not_coordinated) {
    cr_assert_eq(commit_simple("g", "t", 0, 5), ERROR_NONE);
    world.partitions[0][0].leader = 2;
    struct image_change change = {.kind = IMAGE_PARTITION_CHANGED, .topic_id = world.topics[0].id};
    struct image_delta delta = {.changes = &change, .count = 1};
    group_manager_apply(world.node.shards[0].groups, &delta);
    cr_assert_eq(commit_simple("g", "t", 0, 6), ERROR_NOT_COORDINATOR);
    world.partitions[0][0].leader = 1;
    group_manager_apply(world.node.shards[0].groups, &delta);
    machine_settle(&world.machine);
    cr_assert_eq(fetch_offset("g", "t", 0), 5);
}

Test(group_log, a_new_leader_epoch_is_loaded_anew_and_ends_the_waits_of_the_old_one) {
    struct member member;
    join_alone("g", "t", &member);
    world_advance(9000);
    world.hold = true;
    struct call call;
    struct offset_commit_request_partition partition = {
        .committed_offset = 7, .commit_timestamp = -1, .committed_metadata = SLICE_LIT("")};
    struct offset_commit_request_topic topic = {
        .name = SLICE_LIT("t"), .partitions = &partition, .partitions_count = 1};
    struct offset_commit_request body = {.group_id = SLICE_LIT("g"),
                                         .member_id = slice_str(member.id),
                                         .generation_id_or_member_epoch = member.generation,
                                         .topics = &topic,
                                         .topics_count = 1};
    call_start(&call, api_offset_commit, 8, 9, &body);
    cr_assert_not(call.done);
    world.partitions[0][0].leader_epoch++;
    struct image_change change = {.kind = IMAGE_PARTITION_CHANGED, .topic_id = world.topics[0].id};
    struct image_delta delta = {.changes = &change, .count = 1};
    group_manager_apply(world.node.shards[0].groups, &delta);
    machine_settle(&world.machine);
    world.hold = false;
    world_commit();
    cr_assert(call.done);
    call_free(&call);
    cr_assert_eq(fetch_offset("g", "t", 0), 7, "it was in the log when the new epoch was loaded");
    world_advance(9000);
    cr_assert_eq(heartbeat_of("g", &member), ERROR_NONE, "its session has begun anew");
}

/* A restart must find what clients were told. Random operations, then both are compared. */
static void random_operations(unsigned seed) {
    static const char *const groups[] = {"a", "b", "c", "d"};
    static const char *const topics[] = {"t", "u"};
    struct member members[ARRAY_LEN(groups)] = {0};
    srand(seed);
    for (int i = 0; i < 400; i++) {
        size_t g = (size_t)rand() % ARRAY_LEN(groups);
        const char *topic = topics[rand() % 2];
        int operation = rand() % 8;
        /* What a client was refused must not be there. Only that a group became empty is not told
         * to anybody: with that unwritten, its last members come back and expire once more. */
        bool told = operation == 2 || operation >= 5;
        world.append_error = told && rand() % 10 == 0 ? ERROR_NOT_ENOUGH_REPLICAS : ERROR_NONE;
        switch (operation) {
        case 0:
            if (world_group(groups[g]) == NULL || world_group(groups[g])->state == GROUP_EMPTY) {
                join_alone(groups[g], topic, &members[g]);
            }
            break;
        case 1:
            (void)leave_of(groups[g], &members[g]);
            break;
        case 2:
            (void)delete_group_named(groups[g]);
            break;
        case 3:
            world_advance(rand() % 4000);
            break;
        case 4:
            (void)heartbeat_of(groups[g], &members[g]);
            break;
        case 5:
            (void)commit_simple(groups[g], topic, rand() % 2, rand());
            break;
        default:
            (void)commit_at(groups[g], members[g].id, members[g].generation, topic, rand() % 2,
                            rand());
            break;
        }
        if (i % 40 == 39) {
            world.append_error = ERROR_NONE;
            char *before = world_dump();
            world_restart(true);
            char *after = world_dump();
            cr_assert_str_eq(before, after, "seed %u, step %d:\n%s\nand then\n%s", seed, i, before,
                             after);
            free(before);
            free(after);
        }
    }
}

Test(group_log, a_restart_finds_what_clients_were_told) {
    for (unsigned seed = 1; seed <= 20; seed++) {
        world_free();
        world_init();
        random_operations(seed);
    }
}

/* ---- What others wrote ----------------------------------------------------------------------- */

static void put_record(struct batch_builder *builder, const char *key, size_t key_len,
                       const char *value, size_t value_len) {
    batch_builder_add(builder, WALL_START_MS, slice_make(key, key_len),
                      value == NULL ? SLICE_NULL : slice_make(value, value_len), NULL, 0);
}

#define PUT(builder, key, value) put_record(builder, key, sizeof(key) - 1, value, sizeof(value) - 1)

static void finish_raw(struct batch_builder *builder) {
    struct buffer out;
    buffer_init(&out, 1 << 20);
    cr_assert(batch_builder_finish(builder, &out));
    world_append_raw(out.data, out.len);
    buffer_release(&out);
    batch_builder_release(builder);
}

#define OFFSET_KEY(topic_char) "\0\1\0\1g\0\1" topic_char "\0\0\0\0"
#define OFFSET_VALUE_V3(byte)  "\0\3\0\0\0\0\0\0\0" byte "\0\0\0\2\0\1m\0\0\1\x8b\xcf\xe5\x68\0"

static void raw_batch(int64_t producer_id, const char *offset_value, size_t len) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.producer_id = producer_id;
    options.producer_epoch = producer_id >= 0 ? 0 : -1;
    options.base_sequence = producer_id >= 0 ? 0 : -1;
    options.transactional = producer_id >= 0;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, 1 << 20);
    put_record(&builder, OFFSET_KEY("t"), sizeof(OFFSET_KEY("t")) - 1, offset_value, len);
    finish_raw(&builder);
}

static void raw_marker(int64_t producer_id, bool commit) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    options.transactional = true;
    options.control = true;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, 1 << 20);
    if (commit) {
        PUT(&builder, "\0\0\0\1", "\0\0\0\0\0\0");
    } else {
        PUT(&builder, "\0\0\0\0", "\0\0\0\0\0\0");
    }
    finish_raw(&builder);
}

#define RAW(producer, value) raw_batch(producer, value, sizeof(value) - 1)

Test(group_log, every_version_of_an_offset_is_read) {
    static const struct {
        const char *bytes;
        size_t len;
        int64_t offset;
    } values[] = {
        {"\0\0\0\0\0\0\0\0\0\1\0\0\0\0\1\x8b\xcf\xe5\x68\0", 20, 1},
        {"\0\1\0\0\0\0\0\0\0\2\0\0\0\0\1\x8b\xcf\xe5\x68\0\x7f\0\0\0\0\0\0\0", 28, 2},
        {"\0\2\0\0\0\0\0\0\0\3\0\0\0\0\1\x8b\xcf\xe5\x68\0", 20, 3},
        {"\0\3\0\0\0\0\0\0\0\4\0\0\0\2\0\0\0\0\1\x8b\xcf\xe5\x68\0", 24, 4},
        {"\0\4\0\0\0\0\0\0\0\5\0\0\0\2\1\0\0\1\x8b\xcf\xe5\x68\0\0", 24, 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        raw_batch(-1, values[i].bytes, values[i].len);
        world_restart(true);
        cr_assert_eq(fetch_offset("g", "t", 0), values[i].offset);
    }
}

Test(group_log, transactional_offsets_count_from_their_commit_and_not_after_an_abort) {
    RAW(-1, OFFSET_VALUE_V3("\1"));
    RAW(500, OFFSET_VALUE_V3("\7"));
    world_restart(true);
    cr_assert_eq(fetch_offset("g", "t", 0), 1);
    raw_marker(500, true);
    RAW(501, OFFSET_VALUE_V3("\x9"));
    raw_marker(501, false);
    world_restart(true);
    cr_assert_eq(fetch_offset("g", "t", 0), 7);
}

Test(group_log, records_of_types_not_served_are_skipped_with_one_warning) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, 1 << 20);
    PUT(&builder, "\0\3\0\1g", "\0\0\0\0\0\1\0");
    PUT(&builder, "\0\3\0\1h", "\0\0\0\0\0\1\0");
    PUT(&builder, OFFSET_KEY("t"), OFFSET_VALUE_V3("\4"));
    finish_raw(&builder);
    world_restart(true);
    cr_assert_eq(fetch_offset("g", "t", 0), 4);
    cr_assert_eq(world.machine.warnings, 1);
    cr_assert_eq(world.machine.errors, 0);
}

Test(group_log, a_value_of_an_unknown_version_keeps_the_partition_from_being_served) {
    RAW(-1, "\0\5\0\0\0\0\0\0\0\1");
    world_restart(true);
    cr_assert_eq(world.machine.errors, 1);
    cr_assert_eq(commit_simple("g", "t", 0, 1), ERROR_NOT_COORDINATOR);
}

Test(group_log, no_truncation_of_a_record_is_overread) {
    static const char value[] = OFFSET_VALUE_V3("\1");
    for (size_t len = 0; len < sizeof(value) - 1; len++) {
        char *copy = malloc(len + 1);
        memcpy(copy, value, len);
        raw_batch(-1, copy, len);
        free(copy);
        world_restart(true);
        cr_assert_eq(world.machine.errors, 1, "%zu", len);
        world_free();
        world_init();
    }
}

Test(group_log, a_record_is_written_as_kafka_writes_it) {
    cr_assert_eq(commit_simple("g", "t", 1, 258), ERROR_NONE);
    struct batch batch;
    struct slice bytes = slice_make(world.log.data, world.log.len);
    cr_assert_eq(batch_parse(bytes, &batch), BATCH_OK);
    struct record_iterator *iterator = record_iterator_new(bytes, &batch, 1 << 20);
    struct record record;
    cr_assert_eq(record_iterator_next(iterator, &record), 1);
    static const char key[] = "\0\1\0\1g\0\1t\0\0\0\1";
    /* version 4, offset, leader epoch, compact string "note", time, one tag: the topic id. */
    static const char value[] = "\0\4\0\0\0\0\0\0\1\2\0\0\0\5\5note\0\0\1\x8b\xcf\xe5\x68\0"
                                "\1\0\x10\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    cr_assert(slice_equal(record.key, slice_make(key, sizeof(key) - 1)));
    cr_assert_eq(record.value.len, sizeof(value) - 1);
    cr_assert(slice_equal(record.value, slice_make(value, sizeof(value) - 1)));
    record_iterator_free(iterator);
}

/* ---- Who coordinates what -------------------------------------------------------------------- */

Test(group_log, a_group_lives_in_the_partition_that_javas_hash_says) {
    static const struct {
        const char *group;
        int32_t partition;
    } vectors[] = {{"test-group", 12},
                   {"my-group", 12},
                   {"a", 47},
                   {"console-consumer-12345", 6},
                   {"txn-1", 10},
                   {"polygenelubricants", 0},
                   {"", 0},
                   {"\xc3\xa9", 233 % 50},
                   {"\xf0\x9f\x98\x80", (31 * 0xd83d + 0xde00) % 50}};
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        cr_assert_eq(coordinator_partition(slice_str(vectors[i].group), 50), vectors[i].partition,
                     "%s", vectors[i].group);
    }
    cr_assert_geq(coordinator_partition(SLICE_LIT("\xf0\x9f"), 50), 0, "cut off inside");
}

static const struct find_coordinator_response_coordinator *find(struct call *call, int8_t type) {
    static struct slice key;
    static struct find_coordinator_request body;
    key = SLICE_LIT("g");
    body = (struct find_coordinator_request){
        .key_type = type, .coordinator_keys = &key, .coordinator_keys_count = 1};
    call_start(call, api_find_coordinator, 10, 4, &body);
    return ((const struct find_coordinator_response *)call->response)->coordinators;
}

Test(group_log, the_coordinator_is_the_leader_of_the_groups_partition) {
    struct call call;
    const struct find_coordinator_response_coordinator *found = find(&call, 0);
    cr_assert_eq(found->error_code, ERROR_NONE);
    cr_assert_eq(found->node_id, 1);
    cr_assert_eq(found->port, 9092);
    cr_assert(slice_equal_str(found->host, "broker.example"));
    call_free(&call);
    world.broker.fenced = true;
    cr_assert_eq(find(&call, 0)->error_code, ERROR_COORDINATOR_NOT_AVAILABLE);
    call_free(&call);
}

Test(group_log, a_missing_offsets_topic_is_created_on_the_first_look) {
    world.topic_deleted[0] = true;
    struct call call;
    const struct find_coordinator_response_coordinator *found = find(&call, 0);
    cr_assert_eq(found->error_code, ERROR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(found->node_id, -1);
    cr_assert_eq(world.created_topics, 1);
    call_free(&call);
}

Test(group_log, coordinators_of_transactions_and_share_groups_are_refused) {
    struct call call;
    cr_assert_eq(find(&call, 1)->error_code, ERROR_UNSUPPORTED_VERSION);
    call_free(&call);
    cr_assert_eq(find(&call, 2)->error_code, ERROR_INVALID_REQUEST);
    call_free(&call);
}

/* ---- Administrators -------------------------------------------------------------------------- */

Test(group_log, groups_are_listed_by_state_and_type) {
    struct member member;
    join_alone("stable", "t", &member);
    cr_assert_eq(commit_simple("simple", "t", 0, 1), ERROR_NONE);
    struct slice states[1] = {SLICE_LIT("stable")};
    struct slice types[1] = {SLICE_LIT("CLASSIC")};
    struct list_groups_request body = {.states_filter = states, .types_filter = types};
    static const struct {
        int32_t states;
        int32_t types;
        int32_t found;
    } cases[] = {{0, 0, 2}, {1, 0, 1}, {0, 1, 2}, {1, 1, 1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        body.states_filter_count = cases[i].states;
        body.types_filter_count = cases[i].types;
        struct call call;
        call_start(&call, api_list_groups, 16, 5, &body);
        const struct list_groups_response *response = call.response;
        cr_assert_eq(response->groups_count, cases[i].found);
        call_free(&call);
    }
}

Test(group_log, a_stable_group_is_described_with_assignments_and_an_unknown_one_as_dead) {
    struct member member;
    join_alone("g", "t", &member);
    struct slice ids[2] = {SLICE_LIT("g"), SLICE_LIT("other")};
    struct describe_groups_request body = {
        .groups = ids, .groups_count = 2, .include_authorized_operations = true};
    struct call call;
    call_start(&call, api_describe_groups, 15, 5, &body);
    const struct describe_groups_response *response = call.response;
    cr_assert(slice_equal_str(response->groups[0].group_state, "Stable"));
    cr_assert(slice_equal_str(response->groups[0].protocol_data, "range"));
    cr_assert_eq(response->groups[0].members_count, 1);
    cr_assert(slice_equal_str(response->groups[0].members[0].member_assignment, "assigned"));
    cr_assert(slice_equal_str(response->groups[0].members[0].client_host, "/127.0.0.1"));
    cr_assert_eq(response->groups[0].authorized_operations, 3400);
    cr_assert(slice_equal_str(response->groups[1].group_state, "Dead"));
    cr_assert_eq(response->groups[1].error_code, ERROR_NONE);
    call_free(&call);
    call_start(&call, api_describe_groups, 15, 6, &body);
    response = call.response;
    cr_assert_eq(response->groups[1].error_code, ERROR_GROUP_ID_NOT_FOUND);
    call_free(&call);
}
