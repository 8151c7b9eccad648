/* Epochs that others begin and end, and what a follower takes from its leader. */
#include <criterion/criterion.h>

#include "tests/unit/raft/machine.h"

static struct raft_request begin(int32_t leader_id, int32_t epoch) {
    return (struct raft_request){
        .kind = RAFT_BEGIN_EPOCH,
        .begin = {.voter = key_of(1), .leader_id = leader_id, .epoch = epoch},
    };
}

static struct raft_request end(int32_t leader_id, int32_t epoch, int32_t first, int32_t second) {
    return (struct raft_request){
        .kind = RAFT_END_EPOCH,
        .end = {.leader_id = leader_id,
                .epoch = epoch,
                .preferred_count = 2,
                .preferred = {key_of(first), key_of(second)}},
    };
}

static struct machine follower(void) {
    struct machine machine;
    machine_start(&machine, START_EMPTY);
    machine_follow(&machine, 6);
    return machine;
}

Test(raft_epochs, an_older_begin_is_fenced) {
    struct machine machine = follower();
    const struct raft_reply *reply = machine_ask(&machine, begin(3, 5));
    cr_assert_eq(reply->error, ERROR_FENCED_LEADER_EPOCH);
    cr_assert_eq(reply->epoch, 6);
    cr_assert_eq(reply->leader_id, 2);
    machine_free(&machine);
}

Test(raft_epochs, a_begin_without_leader_is_an_invalid_request) {
    struct machine machine = follower();
    cr_assert_eq(machine_ask(&machine, begin(-1, 7))->error, ERROR_INVALID_REQUEST);
    cr_assert_eq(raft_epoch(machine.raft), 6);
    machine_free(&machine);
}

Test(raft_epochs, a_begin_for_another_directory_is_followed_and_refused) {
    struct machine machine = follower();
    struct raft_request request = begin(3, 7);
    request.begin.voter.directory_id.bytes[15] = 9;
    cr_assert_eq(machine_ask(&machine, request)->error, ERROR_INVALID_VOTER_KEY);
    cr_assert_eq(raft_leader_id(machine.raft), 3);
    machine_free(&machine);
}

Test(raft_epochs, a_second_leader_of_an_epoch_is_not_followed) {
    struct machine machine = follower();
    machine_ask(&machine, begin(3, 6));
    cr_assert_eq(raft_leader_id(machine.raft), 2);
    machine_free(&machine);
}

Test(raft_epochs, the_first_successor_stands_at_once) {
    struct machine machine = follower();
    cr_assert_eq(machine_ask(&machine, end(2, 6, 1, 3))->error, ERROR_NONE);
    cr_assert_eq(raft_role(machine.raft), RAFT_PROSPECTIVE);
    machine_free(&machine);
}

Test(raft_epochs, the_second_successor_waits_a_little) {
    struct machine machine = follower();
    machine_ask(&machine, end(2, 6, 3, 1));
    cr_assert_eq(raft_role(machine.raft), RAFT_FOLLOWER);
    machine_tick(&machine, 50);
    cr_assert_eq(raft_role(machine.raft), RAFT_PROSPECTIVE);
    machine_free(&machine);
}

Test(raft_epochs, an_older_or_impossible_end_changes_nothing) {
    struct machine machine = follower();
    cr_assert_eq(machine_ask(&machine, end(2, 5, 1, 3))->error, ERROR_FENCED_LEADER_EPOCH);
    cr_assert_eq(machine_ask(&machine, end(-1, 6, 1, 3))->error, ERROR_INVALID_REQUEST);
    cr_assert_eq(machine_ask(&machine, end(3, 6, 1, 3))->error, ERROR_NONE); /* not its leader */
    cr_assert_eq(raft_role(machine.raft), RAFT_FOLLOWER);
    machine_free(&machine);
}

Test(raft_epochs, a_leader_that_says_it_is_none_is_stood_against_soon) {
    struct machine machine = follower();
    struct raft_reply reply = fetch_reply(&machine);
    reply.error = ERROR_NOT_LEADER_OR_FOLLOWER;
    machine_answer(&machine, machine_sent(&machine, RAFT_FETCH, 2)->id, reply);
    machine_tick(&machine, 100);
    cr_assert_eq(raft_role(machine.raft), RAFT_PROSPECTIVE);
    machine_free(&machine);
}

Test(raft_epochs, an_answer_from_another_epoch_brings_nothing) {
    struct machine machine = follower();
    struct raft_reply reply = fetch_reply(&machine);
    struct raft_batch batch = {.base_offset = 0, .count = 1, .epoch = 5};
    reply.epoch = 5;
    reply.high_watermark = 1;
    raft_answer(machine.raft, machine.now_ms, machine_sent(&machine, RAFT_FETCH, 2)->id, &reply,
                &batch, 1);
    machine_collect(&machine);
    cr_assert_eq(raft_end_offset(machine.raft), 0);
    cr_assert_eq(machine_place(&machine, RAFT_APPEND), -1);
    machine_free(&machine);
}

/* Two records, of which one is committed; not synced yet. */
static void fetch_two(struct machine *machine) {
    struct raft_reply reply = fetch_reply(machine);
    struct raft_batch batches[] = {{.base_offset = 0, .count = 1, .epoch = 6},
                                   {.base_offset = 1, .count = 1, .epoch = 6}};
    reply.high_watermark = 1;
    raft_answer(machine->raft, machine->now_ms, machine_sent(machine, RAFT_FETCH, 2)->id, &reply,
                batches, 2);
    machine_collect(machine);
}

Test(raft_epochs, what_is_fetched_is_synced_before_more_is_fetched) {
    struct machine machine = follower();
    fetch_two(&machine);
    cr_assert_eq(machine_effect(&machine, RAFT_APPEND)->append.count, 2);
    cr_assert_eq(machine_effect(&machine, RAFT_HIGH_WATERMARK)->offset, 1);
    cr_assert_null(machine_sent(&machine, RAFT_FETCH, -1));
    machine_sync(&machine);
    const struct raft_effect *fetch = machine_sent(&machine, RAFT_FETCH, 2);
    cr_assert_eq(fetch->request.fetch.from.offset, 2);
    cr_assert_eq(fetch->request.fetch.from.epoch, 6);
    machine_free(&machine);
}

Test(raft_epochs, a_sync_of_another_generation_of_the_log_is_none) {
    struct machine machine = follower();
    fetch_two(&machine);
    raft_synced(machine.raft, machine.now_ms, 1, 2);
    machine_collect(&machine);
    cr_assert_null(machine_sent(&machine, RAFT_FETCH, -1));
    machine_free(&machine);
}

Test(raft_epochs, the_high_watermark_does_not_go_back) {
    struct machine machine = follower();
    fetch_two(&machine);
    machine_sync(&machine);
    machine_answer(&machine, machine_sent(&machine, RAFT_FETCH, 2)->id, fetch_reply(&machine));
    cr_assert_eq(raft_high_watermark(machine.raft), 1);
    cr_assert_eq(machine_place(&machine, RAFT_HIGH_WATERMARK), -1);
    machine_free(&machine);
}

Test(raft_epochs, committed_records_are_not_truncated) {
    struct machine machine = follower();
    fetch_two(&machine);
    machine_sync(&machine);
    struct raft_reply reply = fetch_reply(&machine);
    reply.fetch = RAFT_FETCH_DIVERGING;
    machine_answer(&machine, machine_sent(&machine, RAFT_FETCH, 2)->id, reply);
    cr_assert_not_null(machine_effect(&machine, RAFT_FATAL));
    cr_assert_eq(raft_end_offset(machine.raft), 2);
    machine_free(&machine);
}

Test(raft_epochs, batches_with_a_gap_are_not_appended) {
    struct machine machine = follower();
    struct raft_reply reply = fetch_reply(&machine);
    struct raft_batch batches[] = {{.base_offset = 0, .count = 1, .epoch = 6},
                                   {.base_offset = 2, .count = 1, .epoch = 6}};
    raft_answer(machine.raft, machine.now_ms, machine_sent(&machine, RAFT_FETCH, 2)->id, &reply,
                batches, 2);
    machine_collect(&machine);
    cr_assert_eq(machine_effect(&machine, RAFT_APPEND)->append.count, 1);
    machine_free(&machine);
}

Test(raft_epochs, a_snapshot_that_comes_late_finds_a_log_that_waited) {
    struct machine machine = follower();
    struct raft_reply reply = fetch_reply(&machine);
    reply.fetch = RAFT_FETCH_SNAPSHOT;
    reply.position = (struct raft_position){.offset = 9, .epoch = 4};
    machine_answer(&machine, machine_sent(&machine, RAFT_FETCH, 2)->id, reply);
    cr_assert_eq(machine_effect(&machine, RAFT_GET_SNAPSHOT)->position.offset, 9);
    machine_ask(&machine, begin(3, 7)); /* another leader */
    cr_assert_null(machine_sent(&machine, RAFT_FETCH, -1));
    machine_tick(&machine, 2 * FETCH_TIMEOUT_MS);
    cr_assert_neq(raft_role(machine.raft), RAFT_PROSPECTIVE);
    struct raft_voters voters = voters_of(3);
    raft_snapshot_installed(machine.raft, machine.now_ms, reply.position, &voters);
    machine_collect(&machine);
    cr_assert_eq(raft_high_watermark(machine.raft), 9);
    cr_assert_eq(machine_sent(&machine, RAFT_FETCH, -1)->request.fetch.from.offset, 9);
    machine_free(&machine);
}
