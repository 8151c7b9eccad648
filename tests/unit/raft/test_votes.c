/* Votes that are asked for and come back, and when a node stands. */
#include <criterion/criterion.h>

#include "tests/unit/raft/machine.h"

static struct raft_request vote_of(int32_t candidate, int32_t epoch, int64_t offset,
                                   int32_t last_epoch, bool pre_vote) {
    return (struct raft_request){.kind = RAFT_VOTE,
                                 .vote = {.candidate = key_of(candidate),
                                          .voter = key_of(1),
                                          .epoch = epoch,
                                          .last = {.offset = offset, .epoch = last_epoch},
                                          .pre_vote = pre_vote}};
}

static struct machine at_epoch(int32_t epoch) {
    struct machine machine;
    struct start start = START_EMPTY;
    start.epoch = epoch;
    start.records = 10;
    start.last_epoch = epoch;
    machine_start(&machine, start);
    return machine;
}

Test(raft_votes, an_older_epoch_is_fenced_and_told_the_newer) {
    struct machine machine = at_epoch(5);
    const struct raft_reply *reply = machine_ask(&machine, vote_of(2, 4, 99, 3, false));
    cr_assert_eq(reply->error, ERROR_FENCED_LEADER_EPOCH);
    cr_assert_eq(reply->epoch, 5);
    cr_assert(!reply->granted);
    machine_free(&machine);
}

Test(raft_votes, what_cannot_be_is_an_invalid_request) {
    struct machine machine = at_epoch(5);
    cr_assert_eq(machine_ask(&machine, vote_of(2, 6, -1, 3, false))->error, ERROR_INVALID_REQUEST);
    cr_assert_eq(machine_ask(&machine, vote_of(2, 6, 1, -1, false))->error, ERROR_INVALID_REQUEST);
    cr_assert_eq(machine_ask(&machine, vote_of(-1, 6, 1, 1, false))->error, ERROR_INVALID_REQUEST);
    /* A candidate's log has nothing of the epoch that it stands for; who asks before standing may.
     */
    cr_assert_eq(machine_ask(&machine, vote_of(2, 6, 99, 6, false))->error, ERROR_INVALID_REQUEST);
    cr_assert_eq(machine_ask(&machine, vote_of(2, 6, 99, 7, true))->error, ERROR_INVALID_REQUEST);
    cr_assert_eq(raft_epoch(machine.raft), 5);
    cr_assert_eq(machine_ask(&machine, vote_of(2, 6, 99, 6, true))->error, ERROR_NONE);
    machine_free(&machine);
}

Test(raft_votes, another_directory_gets_invalid_voter_key_and_its_epoch) {
    struct machine machine = at_epoch(5);
    struct raft_request request = vote_of(2, 6, 99, 5, false);
    request.vote.voter.directory_id.bytes[15] = 9;
    const struct raft_reply *reply = machine_ask(&machine, request);
    cr_assert_eq(reply->error, ERROR_INVALID_VOTER_KEY);
    cr_assert(!reply->granted);
    cr_assert_eq(raft_epoch(machine.raft), 6);
    machine_free(&machine);
}

Test(raft_votes, a_node_that_lost_its_disk_does_not_vote_as_who_it_was) {
    struct machine machine;
    struct start start = START_EMPTY;
    start.new_disk = true;
    machine_start(&machine, start);
    const struct raft_reply *reply = machine_ask(&machine, vote_of(2, 6, 99, 5, false));
    cr_assert_eq(reply->error, ERROR_INVALID_VOTER_KEY);
    machine_tick(&machine, 10 * ELECTION_MS);
    cr_assert_eq(raft_role(machine.raft), RAFT_UNATTACHED); /* nor does it stand */
    machine_free(&machine);
}

Test(raft_votes, are_durable_before_they_are_told) {
    struct machine machine = at_epoch(5);
    const struct raft_reply *reply = machine_ask(&machine, vote_of(2, 6, 99, 5, false));
    cr_assert(reply->granted);
    cr_assert_lt(machine_place(&machine, RAFT_PERSIST), machine_place(&machine, RAFT_REPLY));
    cr_assert_geq(machine_place(&machine, RAFT_PERSIST), 0);
    machine_free(&machine);
}

Test(raft_votes, are_given_to_one_candidate_an_epoch) {
    struct machine machine = at_epoch(5);
    cr_assert(machine_ask(&machine, vote_of(2, 6, 99, 5, false))->granted);
    cr_assert(!machine_ask(&machine, vote_of(3, 6, 99, 5, false))->granted);
    cr_assert(machine_ask(&machine, vote_of(2, 6, 99, 5, false))->granted);
    machine_free(&machine);
}

Test(raft_votes, survive_a_restart) {
    struct machine machine;
    struct start start = START_EMPTY;
    start.epoch = 6;
    start.voted = key_of(2);
    machine_start(&machine, start);
    cr_assert(!machine_ask(&machine, vote_of(3, 6, 99, 5, false))->granted);
    machine_free(&machine);
}

Test(raft_votes, a_log_that_is_behind_gets_none) {
    struct machine machine = at_epoch(5);
    for (int pre_vote = 0; pre_vote < 2; pre_vote++) {
        cr_assert(!machine_ask(&machine, vote_of(2, 6, 9, 5, pre_vote))->granted);
        cr_assert(!machine_ask(&machine, vote_of(2, 6, 99, 4, pre_vote))->granted);
    }
    cr_assert_eq(raft_epoch(machine.raft), 6); /* but its epoch counts */
    machine_free(&machine);
}

Test(raft_votes, who_refuses_a_log_that_is_behind_stands_soon) {
    struct machine machine = at_epoch(5);
    machine_ask(&machine, vote_of(2, 6, 9, 5, false));
    machine_tick(&machine, FIRST_ELECTION_MS);
    cr_assert_eq(raft_role(machine.raft), RAFT_PROSPECTIVE);
    machine_free(&machine);
}

/* Node 1 on another disk than the voters know, with ten records of epoch 5. */
static struct machine observer(void) {
    struct machine machine;
    struct start start = START_EMPTY;
    start.epoch = 5;
    start.records = 10;
    start.last_epoch = 5;
    start.new_disk = true;
    machine_start(&machine, start);
    return machine;
}

/* By a candidate in whose voter set the observer is, and whose log is behind. */
static struct raft_request call(int32_t epoch) {
    struct raft_request request = vote_of(2, epoch, 9, 5, true);
    request.vote.voter.directory_id.bytes[15] = 2;
    return request;
}

Test(raft_votes, an_observer_that_refuses_a_log_that_is_behind_stands_soon) {
    struct machine machine = observer();
    cr_assert(!machine_ask(&machine, call(6))->granted);
    machine_tick(&machine, FIRST_ELECTION_MS);
    cr_assert_eq(raft_role(machine.raft), RAFT_PROSPECTIVE);
    cr_assert_eq(raft_epoch(machine.raft), 6);
    machine_free(&machine);
}

Test(raft_votes, an_observer_that_stands_needs_the_majority_of_its_own_voters_without_itself) {
    struct machine machine = observer();
    machine_ask(&machine, call(6));
    machine_tick(&machine, FIRST_ELECTION_MS);
    uint64_t to_3 = machine_sent(&machine, RAFT_VOTE, 3)->id;
    machine_answer(&machine, machine_sent(&machine, RAFT_VOTE, 2)->id, vote_reply(&machine, true));
    cr_assert_eq(raft_role(machine.raft), RAFT_PROSPECTIVE);
    machine_answer(&machine, to_3, vote_reply(&machine, true));
    cr_assert_eq(raft_role(machine.raft), RAFT_CANDIDATE);
    cr_assert_eq(raft_epoch(machine.raft), 7);
    machine_free(&machine);
}

Test(raft_votes, an_observer_elected_leads_until_its_log_is_committed) {
    struct machine machine = observer();
    machine_ask(&machine, call(6));
    machine_tick(&machine, FIRST_ELECTION_MS);
    for (int round = 0; round < 2; round++) { /* the pre-vote, and the vote */
        uint64_t to_3 = machine_sent(&machine, RAFT_VOTE, 3)->id;
        uint64_t to_2 = machine_sent(&machine, RAFT_VOTE, 2)->id;
        machine_answer(&machine, to_2, vote_reply(&machine, true));
        machine_answer(&machine, to_3, vote_reply(&machine, true));
    }
    cr_assert_eq(raft_role(machine.raft), RAFT_LEADER);
    machine_sync(&machine);
    machine_fetch(&machine, key_of(2), 11, 7);
    cr_assert_eq(raft_role(machine.raft), RAFT_LEADER);
    machine_fetch(&machine, key_of(3), 11, 7);
    cr_assert_eq(raft_high_watermark(machine.raft), 11);
    cr_assert_eq(raft_role(machine.raft), RAFT_RESIGNED);
    machine_tick(&machine, 10 * ELECTION_MS);
    machine_tick(&machine, 10 * ELECTION_MS);
    cr_assert_eq(raft_role(machine.raft), RAFT_UNATTACHED); /* it does not stand again */
    machine_free(&machine);
}

Test(raft_votes, an_observer_asked_as_another_or_by_a_log_not_behind_does_not_stand) {
    struct machine machine = observer();
    struct raft_request request = call(6);
    request.vote.voter.directory_id = (struct uuid){0}; /* of a static quorum: it may be anybody */
    machine_ask(&machine, request);
    request.vote.voter = RAFT_KEY_NONE;
    machine_ask(&machine, request);
    request = call(6);
    request.vote.last.offset = 10;
    machine_ask(&machine, request);
    machine_tick(&machine, 10 * ELECTION_MS);
    cr_assert_eq(raft_role(machine.raft), RAFT_UNATTACHED);
    machine_free(&machine);
}

Test(raft_votes, an_observer_that_hears_its_leader_does_not_stand) {
    struct machine machine = observer();
    machine_follow(&machine, 6);
    machine_ask(&machine, call(6));
    machine_tick(&machine, FIRST_ELECTION_MS);
    cr_assert_eq(raft_role(machine.raft), RAFT_FOLLOWER);
    machine_tick(&machine, FETCH_TIMEOUT_MS); /* and now it does not hear it any more */
    machine_tick(&machine, FIRST_ELECTION_MS);
    cr_assert_eq(raft_role(machine.raft), RAFT_FOLLOWER);
    machine_ask(&machine, call(6));
    machine_tick(&machine, FIRST_ELECTION_MS);
    cr_assert_eq(raft_role(machine.raft), RAFT_PROSPECTIVE);
    machine_free(&machine);
}

Test(raft_votes, an_observer_that_is_refused_looks_for_a_leader_again) {
    struct machine machine = observer();
    machine_ask(&machine, call(6));
    machine_tick(&machine, FIRST_ELECTION_MS);
    uint64_t to_3 = machine_sent(&machine, RAFT_VOTE, 3)->id;
    machine_answer(&machine, machine_sent(&machine, RAFT_VOTE, 2)->id, vote_reply(&machine, false));
    machine_answer(&machine, to_3, vote_reply(&machine, false));
    cr_assert_eq(raft_role(machine.raft), RAFT_UNATTACHED);
    cr_assert_not_null(machine_sent(&machine, RAFT_FETCH, -1));
    machine_tick(&machine, 10 * ELECTION_MS);
    cr_assert_eq(raft_role(machine.raft), RAFT_UNATTACHED);
    machine_free(&machine);
}

Test(raft_votes, a_follower_that_hears_its_leader_grants_no_pre_vote) {
    struct machine machine = at_epoch(5);
    machine_follow(&machine, 6);
    cr_assert(!machine_ask(&machine, vote_of(3, 6, 99, 6, true))->granted);
    machine_free(&machine);
}

Test(raft_votes, a_follower_whose_connection_is_broken_grants_them_and_stands_soon) {
    struct machine machine = at_epoch(5);
    machine_follow(&machine, 6);
    const struct raft_effect *fetch = machine_sent(&machine, RAFT_FETCH, 2);
    machine_fail(&machine, fetch->id, true);
    cr_assert(machine_ask(&machine, vote_of(3, 6, 99, 6, true))->granted);
    machine_tick(&machine, 100);
    cr_assert_eq(raft_role(machine.raft), RAFT_PROSPECTIVE);
    cr_assert_eq(raft_epoch(machine.raft), 6);
    machine_free(&machine);
}

Test(raft_votes, a_time_out_alone_is_no_sign_that_the_leader_is_gone) {
    struct machine machine = at_epoch(5);
    machine_follow(&machine, 6);
    const struct raft_effect *fetch = machine_sent(&machine, RAFT_FETCH, 2);
    machine_fail(&machine, fetch->id, false);
    cr_assert(!machine_ask(&machine, vote_of(3, 6, 99, 6, true))->granted);
    machine_tick(&machine, FETCH_TIMEOUT_MS / 2);
    cr_assert_eq(raft_role(machine.raft), RAFT_FOLLOWER);
    machine_free(&machine);
}

Test(raft_votes, a_follower_refused_by_others_goes_back_to_its_leader) {
    struct machine machine = at_epoch(5);
    machine_follow(&machine, 6);
    machine_fail(&machine, machine_sent(&machine, RAFT_FETCH, 2)->id, true);
    machine_tick(&machine, 100);
    uint64_t to_leader = machine_sent(&machine, RAFT_VOTE, 2)->id;
    struct raft_reply rejects = vote_reply(&machine, false);
    rejects.leader_id = 2;
    machine_answer(&machine, machine_sent(&machine, RAFT_VOTE, 3)->id, rejects);
    machine_fail(&machine, to_leader, true); /* who cannot be reached will not grant either */
    cr_assert_eq(raft_role(machine.raft), RAFT_FOLLOWER);
    cr_assert_eq(raft_leader_id(machine.raft), 2);
    cr_assert_eq(raft_epoch(machine.raft), 6);
    machine_free(&machine);
}

Test(raft_votes, a_grant_by_who_still_names_the_old_leader_counts) {
    struct machine machine = at_epoch(5);
    machine_follow(&machine, 6);
    machine_fail(&machine, machine_sent(&machine, RAFT_FETCH, 2)->id, true);
    machine_tick(&machine, 100);
    struct raft_reply grants = vote_reply(&machine, true);
    grants.leader_id = 2;
    machine_answer(&machine, machine_sent(&machine, RAFT_VOTE, 3)->id, grants);
    cr_assert_eq(raft_role(machine.raft), RAFT_CANDIDATE);
    cr_assert_eq(raft_epoch(machine.raft), 7);
    machine_free(&machine);
}

Test(raft_votes, two_candidates_that_split_the_living_do_not_wait_for_the_dead) {
    struct machine machine = at_epoch(5);
    machine_tick(&machine, FIRST_ELECTION_MS);
    machine_answer(&machine, machine_sent(&machine, RAFT_VOTE, 2)->id, vote_reply(&machine, true));
    cr_assert_eq(raft_role(machine.raft), RAFT_CANDIDATE);
    uint64_t to_dead = machine_sent(&machine, RAFT_VOTE, 3)->id;
    machine_answer(&machine, machine_sent(&machine, RAFT_VOTE, 2)->id, vote_reply(&machine, false));
    machine_fail(&machine, to_dead, true);
    cr_assert_leq(raft_deadline_ms(machine.raft), machine.now_ms + 21);
    machine_tick(&machine, 21);
    cr_assert_eq(raft_role(machine.raft), RAFT_PROSPECTIVE);
    machine_free(&machine);
}

Test(raft_votes, who_can_reach_nobody_is_stranded_until_one_is_back) {
    struct machine machine = at_epoch(5);
    machine_follow(&machine, 6);
    machine_fail(&machine, machine_sent(&machine, RAFT_FETCH, 2)->id, true);
    cr_assert_not(raft_is_stranded(machine.raft));
    machine_tick(&machine, 100);
    uint64_t to_other = machine_sent(&machine, RAFT_VOTE, 3)->id;
    machine_fail(&machine, machine_sent(&machine, RAFT_VOTE, 2)->id, true);
    cr_assert_not(raft_is_stranded(machine.raft));
    machine_fail(&machine, to_other, false);
    cr_assert_not(raft_is_stranded(machine.raft), "a time-out is no sign");
    machine_tick(&machine, 20);
    machine_fail(&machine, machine_sent(&machine, RAFT_VOTE, 3)->id, true);
    cr_assert(raft_is_stranded(machine.raft));
    machine_tick(&machine, 20);
    machine_answer(&machine, machine_sent(&machine, RAFT_VOTE, 3)->id, vote_reply(&machine, false));
    cr_assert_not(raft_is_stranded(machine.raft));
    machine_free(&machine);
}

Test(raft_votes, a_leader_whose_followers_are_gone_is_stranded_until_one_fetches) {
    struct machine machine;
    machine_start(&machine, START_EMPTY);
    machine_elect(&machine, false);
    uint64_t to_other = machine_sent(&machine, RAFT_BEGIN_EPOCH, 3)->id;
    machine_fail(&machine, machine_sent(&machine, RAFT_BEGIN_EPOCH, 2)->id, true);
    cr_assert_not(raft_is_stranded(machine.raft));
    machine_fail(&machine, to_other, true);
    cr_assert(raft_is_stranded(machine.raft));
    machine_fetch(&machine, key_of(3), 1, 1);
    cr_assert_not(raft_is_stranded(machine.raft));
    machine_free(&machine);
}

Test(raft_votes, a_voter_without_pre_votes_decides_the_real_one) {
    struct machine machine = at_epoch(5);
    machine_tick(&machine, FIRST_ELECTION_MS);
    struct raft_reply reply = vote_reply(&machine, false);
    reply.error = ERROR_UNSUPPORTED_VERSION;
    reply.epoch = -1;
    machine_answer(&machine, machine_sent(&machine, RAFT_VOTE, 2)->id, reply);
    cr_assert_eq(raft_role(machine.raft), RAFT_CANDIDATE);
    machine_free(&machine);
}

Test(raft_votes, a_single_voter_leads_at_once) {
    struct machine machine;
    struct start start = START_EMPTY;
    start.voters = 1;
    machine_start(&machine, start);
    cr_assert_eq(raft_role(machine.raft), RAFT_LEADER);
    cr_assert_eq(raft_epoch(machine.raft), 1);
    machine_free(&machine);
}

Test(raft_votes, a_new_node_stands_after_a_moment) {
    struct machine machine;
    machine_start(&machine, START_EMPTY);
    cr_assert_eq(raft_role(machine.raft), RAFT_UNATTACHED);
    machine_tick(&machine, FIRST_ELECTION_MS);
    cr_assert_eq(raft_role(machine.raft), RAFT_PROSPECTIVE);
    cr_assert_eq(raft_epoch(machine.raft), 0);
    machine_free(&machine);
}

Test(raft_votes, a_restarted_leader_tells_that_it_leads_no_more) {
    struct machine machine;
    struct start start = START_EMPTY;
    start.epoch = 5;
    start.leader_id = 1;
    start.voted = key_of(1);
    machine_start(&machine, start);
    cr_assert_eq(raft_role(machine.raft), RAFT_RESIGNED);
    cr_assert_not_null(machine_sent(&machine, RAFT_END_EPOCH, 2));
    cr_assert_not_null(machine_sent(&machine, RAFT_END_EPOCH, 3));
    machine_free(&machine);
}
