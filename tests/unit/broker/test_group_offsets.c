/* Committed offsets: who may commit, what is seen when, how they go away. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "broker/api/api.h"
#include "group_world.h"
#include "protocol/generated/delete_groups_request.h"
#include "protocol/generated/offset_commit_request.h"
#include "protocol/generated/offset_commit_response.h"
#include "protocol/generated/offset_delete_request.h"
#include "protocol/generated/offset_delete_response.h"
#include "protocol/generated/offset_fetch_request.h"
#include "protocol/generated/offset_fetch_response.h"

#define DAY_MS  (INT64_C(24) * 3600 * 1000)
#define WEEK_MS (7 * DAY_MS)

TestSuite(group_offsets, .init = world_init, .fini = world_free);

static struct offset_commit_request_partition partition_zero = {
    .committed_offset = 7, .commit_timestamp = -1, .committed_metadata = {(const uint8_t *)"", 0}};

static struct offset_commit_request commit_body(struct offset_commit_request_topic *topic) {
    *topic = (struct offset_commit_request_topic){
        .name = SLICE_LIT("t"), .partitions = &partition_zero, .partitions_count = 1};
    return (struct offset_commit_request){.group_id = SLICE_LIT("g"),
                                          .member_id = SLICE_LIT(""),
                                          .generation_id_or_member_epoch = -1,
                                          .retention_time_ms = -1,
                                          .topics = topic,
                                          .topics_count = 1};
}

static enum kafka_error first_error(const struct call *call) {
    return (enum kafka_error)((const struct offset_commit_response *)call->response)
        ->topics[0]
        .partitions[0]
        .error_code;
}

/* ---- Visibility ------------------------------------------------------------------------------ */

Test(group_offsets, a_commit_is_answered_and_seen_only_when_it_is_committed) {
    struct offset_commit_request_topic topic;
    struct offset_commit_request body = commit_body(&topic);
    world.hold = true;
    struct call call;
    call_start(&call, api_offset_commit, 8, 9, &body);
    cr_assert_not(call.done);
    cr_assert_eq(fetch_offset("g", "t", 0), -1);
    world_commit();
    cr_assert(call.done);
    cr_assert_eq(first_error(&call), ERROR_NONE);
    cr_assert_eq(fetch_offset("g", "t", 0), 7);
    call_free(&call);
}

Test(group_offsets, a_commit_that_is_not_committed_is_never_seen_and_its_error_is_mapped) {
    static const enum kafka_error errors[][2] = {
        {ERROR_NOT_ENOUGH_REPLICAS, ERROR_COORDINATOR_NOT_AVAILABLE},
        {ERROR_REQUEST_TIMED_OUT, ERROR_COORDINATOR_NOT_AVAILABLE},
        {ERROR_NOT_LEADER_OR_FOLLOWER, ERROR_NOT_COORDINATOR},
        {ERROR_KAFKA_STORAGE_ERROR, ERROR_NOT_COORDINATOR},
        {ERROR_MESSAGE_TOO_LARGE, ERROR_UNKNOWN_SERVER_ERROR},
    };
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        world.append_error = errors[i][0];
        cr_assert_eq(commit_simple("g", "t", 0, 7), errors[i][1], "%d", errors[i][0]);
        cr_assert_eq(fetch_offset("g", "t", 0), -1);
    }
}

Test(group_offsets, of_two_commits_under_way_the_later_one_stays) {
    struct offset_commit_request_topic topic;
    struct offset_commit_request body = commit_body(&topic);
    world.hold = true;
    struct call first;
    struct call second;
    call_start(&first, api_offset_commit, 8, 9, &body);
    partition_zero.committed_offset = 8;
    call_start(&second, api_offset_commit, 8, 9, &body);
    world_commit();
    cr_assert_eq(fetch_offset("g", "t", 0), 8);
    call_free(&first);
    call_free(&second);
}

Test(group_offsets, a_stable_fetch_includes_the_commits_before_it) {
    cr_assert_eq(commit_simple("g", "t", 0, 1), ERROR_NONE);
    struct offset_commit_request_topic topic;
    struct offset_commit_request body = commit_body(&topic);
    world.hold = true;
    struct call commit;
    call_start(&commit, api_offset_commit, 8, 9, &body);
    int32_t index = 0;
    struct offset_fetch_request_topics topics = {
        .name = SLICE_LIT("t"), .partition_indexes = &index, .partition_indexes_count = 1};
    struct offset_fetch_request_group groups[2] = {
        {.group_id = SLICE_LIT("g"), .member_epoch = -1, .topics = &topics, .topics_count = 1},
        {.group_id = SLICE_LIT("g"), .member_epoch = -1, .topics_count = -1}};
    struct offset_fetch_request fetch = {
        .groups = groups, .groups_count = 2, .require_stable = true};
    struct call call;
    call_start(&call, api_offset_fetch, 9, 9, &fetch);
    cr_assert_not(call.done);
    world_commit();
    cr_assert(call.done);
    const struct offset_fetch_response *response = call.response;
    cr_assert_eq(response->groups_count, 2);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(response->groups[i].topics_count, 1);
        cr_assert_eq(response->groups[i].topics[0].partitions[0].committed_offset, 7);
    }
    call_free(&commit);
    call_free(&call);
}

/* ---- Checks ---------------------------------------------------------------------------------- */

Test(group_offsets, each_partition_of_a_commit_has_its_own_error) {
    static uint8_t long_text[5000] = {'x'};
    struct offset_commit_request_partition partitions[3] = {
        {.partition_index = 0, .committed_offset = 1, .committed_metadata = SLICE_LIT("")},
        {.partition_index = 99, .committed_offset = 1, .committed_metadata = SLICE_LIT("")},
        {.partition_index = 1,
         .committed_offset = 1,
         .committed_metadata = {long_text, sizeof(long_text)}}};
    struct offset_commit_request_topic topics[2] = {
        {.name = SLICE_LIT("t"), .partitions = partitions, .partitions_count = 3},
        {.name = SLICE_LIT("nope"), .partitions = partitions, .partitions_count = 1}};
    struct offset_commit_request body = {.group_id = SLICE_LIT("g"),
                                         .member_id = SLICE_LIT(""),
                                         .generation_id_or_member_epoch = -1,
                                         .topics = topics,
                                         .topics_count = 2};
    struct call call;
    call_start(&call, api_offset_commit, 8, 8, &body);
    const struct offset_commit_response *response = call.response;
    cr_assert_eq(response->topics[0].partitions[0].error_code, ERROR_NONE);
    cr_assert_eq(response->topics[0].partitions[1].error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(response->topics[0].partitions[2].error_code, ERROR_OFFSET_METADATA_TOO_LARGE);
    cr_assert_eq(response->topics[1].partitions[0].error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    call_free(&call);
}

Test(group_offsets, version_10_names_topics_by_id) {
    struct offset_commit_request_topic topic;
    struct offset_commit_request body = commit_body(&topic);
    topic.topic_id = world.topics[1].id;
    struct call call;
    call_start(&call, api_offset_commit, 8, 10, &body);
    cr_assert_eq(first_error(&call), ERROR_NONE);
    call_free(&call);
    topic.topic_id.bytes[0] = 99;
    call_start(&call, api_offset_commit, 8, 10, &body);
    cr_assert_eq(first_error(&call), ERROR_UNKNOWN_TOPIC_ID);
    call_free(&call);

    int32_t index = 0;
    struct offset_fetch_request_topics topics[2] = {
        {.topic_id = world.topics[1].id, .partition_indexes = &index, .partition_indexes_count = 1},
        {.topic_id = topic.topic_id, .partition_indexes = &index, .partition_indexes_count = 1}};
    struct offset_fetch_request_group group = {
        .group_id = SLICE_LIT("g"), .member_epoch = -1, .topics = topics, .topics_count = 2};
    struct offset_fetch_request fetch = {.groups = &group, .groups_count = 1};
    call_start(&call, api_offset_fetch, 9, 10, &fetch);
    const struct offset_fetch_response *response = call.response;
    cr_assert_geq(response->groups[0].topics[0].partitions[0].committed_offset, 7);
    cr_assert_eq(response->groups[0].topics[1].partitions[0].error_code, ERROR_UNKNOWN_TOPIC_ID);
    call_free(&call);
}

Test(group_offsets, a_member_of_an_unknown_group_is_told_so_in_the_words_of_its_version) {
    struct offset_commit_request_topic topic;
    struct offset_commit_request body = commit_body(&topic);
    body.generation_id_or_member_epoch = 3;
    static const int16_t versions[2] = {8, 9};
    static const enum kafka_error expected[2] = {ERROR_ILLEGAL_GENERATION,
                                                 ERROR_GROUP_ID_NOT_FOUND};
    for (int i = 0; i < 2; i++) {
        struct call call;
        call_start(&call, api_offset_commit, 8, versions[i], &body);
        cr_assert_eq(first_error(&call), expected[i]);
        call_free(&call);
    }
    cr_assert_null(world_group("g"));
}

Test(group_offsets, a_fetch_without_coordinator_tells_each_partition_in_version_1) {
    world.topic_deleted[0] = true;
    int32_t index = 0;
    struct offset_fetch_request_topic topic = {
        .name = SLICE_LIT("t"), .partition_indexes = &index, .partition_indexes_count = 1};
    struct offset_fetch_request body = {
        .group_id = SLICE_LIT("g"), .topics = &topic, .topics_count = 1};
    struct call call;
    call_start(&call, api_offset_fetch, 9, 1, &body);
    const struct offset_fetch_response *response = call.response;
    cr_assert_eq(response->topics[0].partitions[0].error_code, ERROR_NOT_COORDINATOR);
    call_free(&call);
    call_start(&call, api_offset_fetch, 9, 2, &body);
    response = call.response;
    cr_assert_eq(response->error_code, ERROR_NOT_COORDINATOR);
    cr_assert_eq(response->topics_count, 0);
    call_free(&call);
}

/* ---- Deleting -------------------------------------------------------------------------------- */

static enum kafka_error delete_offset(const char *group, const char *topic, int32_t partition,
                                      enum kafka_error *top) {
    struct offset_delete_request_partition p = {.partition_index = partition};
    struct offset_delete_request_topic t = {
        .name = slice_str(topic), .partitions = &p, .partitions_count = 1};
    struct offset_delete_request body = {
        .group_id = slice_str(group), .topics = &t, .topics_count = 1};
    struct call call;
    call_start(&call, api_offset_delete, 47, 0, &body);
    cr_assert(call.done);
    const struct offset_delete_response *response = call.response;
    *top = (enum kafka_error)response->error_code;
    enum kafka_error error = response->topics_count == 0
                                 ? ERROR_NONE
                                 : (enum kafka_error)response->topics[0].partitions[0].error_code;
    call_free(&call);
    return error;
}

Test(group_offsets, offsets_are_deleted_unless_a_member_reads_the_topic) {
    struct member member;
    enum kafka_error top;
    (void)delete_offset("g", "t", 0, &top);
    cr_assert_eq(top, ERROR_GROUP_ID_NOT_FOUND);
    join_alone("g", "t", &member);
    cr_assert_eq(commit_at("g", member.id, member.generation, "t", 0, 5), ERROR_NONE);
    cr_assert_eq(commit_at("g", member.id, member.generation, "u", 0, 6), ERROR_NONE);
    cr_assert_eq(delete_offset("g", "t", 0, &top), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    cr_assert_eq(delete_offset("g", "u", 0, &top), ERROR_NONE);
    cr_assert_eq(delete_offset("g", "nope", 0, &top), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(fetch_offset("g", "t", 0), 5);
    cr_assert_eq(fetch_offset("g", "u", 0), -1);
    world_restart(true);
    cr_assert_eq(fetch_offset("g", "u", 0), -1);
}

Test(group_offsets, a_group_is_deleted_with_its_offsets_once_it_is_empty) {
    struct member member;
    cr_assert_eq(delete_group_named("g"), ERROR_GROUP_ID_NOT_FOUND);
    join_alone("g", "t", &member);
    cr_assert_eq(commit_at("g", member.id, member.generation, "t", 0, 5), ERROR_NONE);
    cr_assert_eq(delete_group_named("g"), ERROR_NON_EMPTY_GROUP);
    cr_assert_eq(leave_of("g", &member), ERROR_NONE);
    cr_assert_eq(delete_group_named("g"), ERROR_NONE);
    cr_assert_null(world_group("g"));
    cr_assert_eq(fetch_offset("g", "t", 0), -1);
    world_restart(true);
    cr_assert_null(world_group("g"));
}

Test(group_offsets, a_deletion_takes_along_what_is_being_committed) {
    struct offset_commit_request_topic topic;
    struct offset_commit_request body = commit_body(&topic);
    world.hold = true;
    struct call commit;
    call_start(&commit, api_offset_commit, 8, 9, &body);
    world.hold = false;
    struct slice name = SLICE_LIT("g");
    struct delete_groups_request deletion = {.groups_names = &name, .groups_names_count = 1};
    struct call call;
    call_start(&call, api_delete_groups, 42, 2, &deletion);
    cr_assert_not(call.done);
    world_commit();
    cr_assert(commit.done && call.done);
    cr_assert_null(world_group("g"));
    call_free(&call);
    cr_assert_eq(fetch_offset("g", "t", 0), -1);
    call_free(&commit);
}

Test(group_offsets, a_deletion_that_cannot_be_written_leaves_the_group) {
    cr_assert_eq(commit_simple("g", "t", 0, 5), ERROR_NONE);
    world.append_error = ERROR_NOT_ENOUGH_REPLICAS;
    cr_assert_eq(delete_group_named("g"), ERROR_COORDINATOR_NOT_AVAILABLE);
    world.append_error = ERROR_NONE;
    cr_assert_eq(fetch_offset("g", "t", 0), 5);
    cr_assert_eq(commit_simple("g", "t", 0, 6), ERROR_NONE);
}

Test(group_offsets, a_deleted_topic_takes_its_offsets_along) {
    cr_assert_eq(commit_simple("g", "t", 0, 5), ERROR_NONE);
    cr_assert_eq(commit_simple("g", "u", 0, 6), ERROR_NONE);
    world_delete_topic(1);
    cr_assert_eq(fetch_offset("g", "t", 0), -1);
    cr_assert_eq(fetch_offset("g", "u", 0), 6);
}

Test(group_offsets, offsets_of_a_topic_that_was_deleted_meanwhile_go_at_the_next_load) {
    cr_assert_eq(commit_simple("g", "t", 0, 5), ERROR_NONE);
    world.topic_deleted[1] = true;
    world_restart(true);
    cr_assert_eq(fetch_offset("g", "t", 0), -1);
}

/* ---- Expiry ---------------------------------------------------------------------------------- */

Test(group_offsets, without_groups_no_timer_runs) {
    cr_assert_eq(world.machine.timer_count, 0);
    cr_assert_eq(commit_simple("g", "t", 0, 5), ERROR_NONE);
    cr_assert_eq(world.machine.timer_count, 1);
    world_advance(WEEK_MS + 600000);
    cr_assert_null(world_group("g"));
    cr_assert_eq(world.machine.timer_count, 0);
}

Test(group_offsets, those_of_a_simple_consumer_expire_a_retention_after_the_commit) {
    cr_assert_eq(commit_simple("g", "t", 0, 5), ERROR_NONE);
    world_advance(3 * DAY_MS);
    cr_assert_eq(commit_simple("g", "t", 1, 6), ERROR_NONE);
    world_advance(4 * DAY_MS + 600000);
    cr_assert_eq(fetch_offset("g", "t", 0), -1);
    cr_assert_eq(fetch_offset("g", "t", 1), 6);
    world_advance(3 * DAY_MS + 600000);
    cr_assert_null(world_group("g"));
    world_restart(true);
    cr_assert_null(world_group("g"));
}

Test(group_offsets, those_of_a_group_expire_a_retention_after_it_became_empty) {
    struct member member;
    join_alone("g", "t", &member);
    cr_assert_eq(commit_at("g", member.id, member.generation, "t", 0, 5), ERROR_NONE);
    for (int i = 0; i < 10 * 24 * 3600 / 9; i++) {
        world_advance(9000);
        cr_assert_eq(heartbeat_of("g", &member), ERROR_NONE);
    }
    cr_assert_eq(fetch_offset("g", "t", 0), 5, "it reads the topic");
    cr_assert_eq(leave_of("g", &member), ERROR_NONE);
    world_advance(WEEK_MS - DAY_MS);
    cr_assert_eq(fetch_offset("g", "t", 0), 5);
    world_restart(true);
    world_advance(DAY_MS + 600000);
    cr_assert_null(world_group("g"), "a restart does not make it younger");
}

Test(group_offsets, a_stable_group_loses_offsets_of_topics_it_does_not_read) {
    struct member member;
    join_alone("g", "t", &member);
    cr_assert_eq(commit_at("g", member.id, member.generation, "t", 0, 5), ERROR_NONE);
    cr_assert_eq(commit_at("g", member.id, member.generation, "u", 0, 6), ERROR_NONE);
    world.retention_minutes = 10;
    for (int i = 0; i < 200; i++) {
        world_advance(9000);
        cr_assert_eq(heartbeat_of("g", &member), ERROR_NONE);
    }
    cr_assert_eq(fetch_offset("g", "t", 0), 5);
    cr_assert_eq(fetch_offset("g", "u", 0), -1);
}

Test(group_offsets, an_offset_with_its_own_retention_expires_by_that) {
    struct offset_commit_request_topic topic;
    struct offset_commit_request body = commit_body(&topic);
    body.retention_time_ms = 3600000;
    struct call call;
    call_start(&call, api_offset_commit, 8, 2, &body);
    call_free(&call);
    world_restart(true);
    world_advance(3000000);
    cr_assert_neq(fetch_offset("g", "t", 0), -1);
    world_advance(1200000);
    cr_assert_eq(fetch_offset("g", "t", 0), -1);
}
