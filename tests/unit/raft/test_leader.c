/* The leader: fetches, what is committed, and voters who come and go. */
#include <criterion/criterion.h>

#include "tests/unit/raft/machine.h"

static struct machine leader(bool committed) {
    struct machine machine;
    machine_start(&machine, START_EMPTY);
    machine_elect(&machine, committed);
    return machine;
}

static struct raft_request fetch(int32_t id, int32_t epoch, int64_t offset, int32_t last_epoch,
                                 int64_t wait_ms) {
    return (struct raft_request){.kind = RAFT_FETCH,
                                 .fetch = {.replica = key_of(id),
                                           .epoch = epoch,
                                           .from = {.offset = offset, .epoch = last_epoch},
                                           .max_wait_ms = wait_ms}};
}

Test(raft_leader, refuses_fetches_of_other_epochs) {
    struct machine machine = leader(true);
    const struct raft_reply *reply = machine_ask(&machine, fetch(2, 0, 0, 0, 0));
    cr_assert_eq(reply->error, ERROR_FENCED_LEADER_EPOCH);
    cr_assert_eq(reply->leader_id, 1);
    cr_assert_eq(reply->epoch, 1);
    cr_assert_eq(machine_ask(&machine, fetch(2, 2, 0, 0, 0))->error, ERROR_UNKNOWN_LEADER_EPOCH);
    cr_assert_eq(raft_role(machine.raft), RAFT_LEADER);
    machine_free(&machine);
}

Test(raft_leader, refuses_fetches_that_cannot_be) {
    struct machine machine = leader(true);
    cr_assert_eq(machine_ask(&machine, fetch(2, 1, -1, 0, 0))->error, ERROR_INVALID_REQUEST);
    cr_assert_eq(machine_ask(&machine, fetch(2, 1, 0, -1, 0))->error, ERROR_INVALID_REQUEST);
    cr_assert_eq(machine_ask(&machine, fetch(2, 1, 0, 2, 0))->error, ERROR_INVALID_REQUEST);
    cr_assert_eq(machine_ask(&machine, fetch(2, 1, 0, 0, -1))->error, ERROR_INVALID_REQUEST);
    machine_free(&machine);
}

Test(raft_leader, a_follower_names_the_leader_to_who_fetches_from_it) {
    struct machine machine;
    machine_start(&machine, START_EMPTY);
    machine_follow(&machine, 6);
    const struct raft_reply *reply = machine_ask(&machine, fetch(3, 6, 0, 0, 0));
    cr_assert_eq(reply->error, ERROR_NOT_LEADER_OR_FOLLOWER);
    cr_assert_eq(reply->leader_id, 2);
    machine_free(&machine);
}

Test(raft_leader, leads_when_its_first_record_is_on_a_majority_of_disks) {
    struct machine machine = leader(false);
    cr_assert_null(machine_effect(&machine, RAFT_LEADING));
    machine_fetch(&machine, key_of(2), 1, 1);
    cr_assert_null(machine_effect(&machine, RAFT_LEADING)); /* its own disk is not done */
    machine_sync(&machine);
    cr_assert_eq(machine_effect(&machine, RAFT_HIGH_WATERMARK)->offset, 1);
    cr_assert_eq(machine_effect(&machine, RAFT_LEADING)->epoch, 1);
    machine_free(&machine);
}

Test(raft_leader, a_fetch_waits_for_records_or_its_time) {
    struct machine machine = leader(true);
    cr_assert_null(machine_ask(&machine, fetch(2, 1, 1, 1, 300)));
    machine_tick(&machine, 299);
    cr_assert_null(machine_effect(&machine, RAFT_REPLY));
    machine_tick(&machine, 1);
    cr_assert_eq(machine_effect(&machine, RAFT_REPLY)->reply.error, ERROR_NONE);
    cr_assert_null(machine_ask(&machine, fetch(2, 1, 1, 1, 300)));
    int64_t base_offset;
    cr_assert_eq(raft_propose(machine.raft, machine.now_ms, 5, 2, &base_offset), ERROR_NONE);
    machine_collect(&machine);
    cr_assert_eq(base_offset, 1);
    cr_assert_eq(machine_effect(&machine, RAFT_REPLY)->reply.end_offset, 3);
    machine_free(&machine);
}

Test(raft_leader, that_resigns_lets_no_fetch_wait_and_names_successors) {
    struct machine machine = leader(true);
    cr_assert_null(machine_ask(&machine, fetch(2, 1, 1, 1, 300)));
    raft_resign(machine.raft, machine.now_ms);
    machine_collect(&machine);
    cr_assert_eq(machine_effect(&machine, RAFT_REPLY)->reply.error, ERROR_NOT_LEADER_OR_FOLLOWER);
    cr_assert_not_null(machine_effect(&machine, RAFT_LOST));
    const struct raft_effect *sent = machine_sent(&machine, RAFT_END_EPOCH, 3);
    cr_assert_eq(sent->request.end.preferred_count, 2);
    cr_assert_eq(sent->request.end.preferred[0].id, 2); /* it has all, 3 nothing */
    machine_free(&machine);
}

Test(raft_leader, that_nobody_fetches_from_resigns) {
    struct machine machine = leader(true);
    machine_tick(&machine, FETCH_TIMEOUT_MS * 3 / 2 - 1);
    cr_assert_eq(raft_role(machine.raft), RAFT_LEADER);
    machine_tick(&machine, 1);
    cr_assert_eq(raft_role(machine.raft), RAFT_RESIGNED);
    machine_free(&machine);
}

Test(raft_leader, knows_of_who_never_fetched_that_it_never_did) {
    struct machine machine = leader(true);
    struct raft_replica replica;
    cr_assert(raft_replica_at(machine.raft, machine.now_ms, 0, &replica));
    cr_assert_eq(replica.key.id, 1);
    for (int i = 1; i < 3; i++) {
        cr_assert(raft_replica_at(machine.raft, machine.now_ms, i, &replica));
        bool fetched = replica.key.id == 2;
        cr_assert_eq(replica.fetched_ms, fetched ? machine.now_ms : -1);
        cr_assert_eq(replica.end_offset, fetched ? 1 : -1);
    }
    cr_assert(!raft_replica_at(machine.raft, machine.now_ms, 3, &replica));
    machine_free(&machine);
}

static void stand(struct machine *machine) {
    for (int round = 0; round < 2; round++) { /* the pre-vote, and the vote */
        uint64_t to_three = machine_sent(machine, RAFT_VOTE, 3)->id;
        struct raft_reply grants = vote_reply(machine, true);
        machine_answer(machine, machine_sent(machine, RAFT_VOTE, 2)->id, grants);
        machine_answer(machine, to_three, grants);
    }
    cr_assert_eq(raft_role(machine->raft), RAFT_LEADER);
}

/* Of five voters, two have fetched what this one has not synced. Its log is cut by another leader,
 * and it leads again. */
Test(raft_leader, forgets_what_others_had_in_an_earlier_epoch) {
    struct machine machine;
    struct start start = START_EMPTY;
    start.voters = 5;
    machine_start(&machine, start);
    machine_tick(&machine, FIRST_ELECTION_MS);
    stand(&machine);
    int64_t base_offset;
    cr_assert_eq(raft_propose(machine.raft, machine.now_ms, 5, 3, &base_offset), ERROR_NONE);
    machine_fetch(&machine, key_of(2), 4, 1);
    machine_fetch(&machine, key_of(3), 4, 1);
    cr_assert_eq(raft_high_watermark(machine.raft), 0);

    struct raft_request begin = {.kind = RAFT_BEGIN_EPOCH,
                                 .begin = {.voter = key_of(1), .leader_id = 4, .epoch = 2}};
    machine_ask(&machine, begin);
    machine_sync(&machine);
    struct raft_reply diverges = fetch_reply(&machine);
    diverges.leader_id = 4;
    diverges.fetch = RAFT_FETCH_DIVERGING;
    machine_answer(&machine, machine_sent(&machine, RAFT_FETCH, 4)->id, diverges);
    cr_assert_eq(raft_end_offset(machine.raft), 0);

    machine_fail(&machine, machine_sent(&machine, RAFT_FETCH, 4)->id, true);
    machine_tick(&machine, 100);
    stand(&machine);
    raft_synced(machine.raft, machine.now_ms, 1, 1);
    machine_collect(&machine);
    cr_assert_eq(raft_high_watermark(machine.raft), 0);
    machine_free(&machine);
}

/* ---- Voters ---------------------------------------------------------------------------------- */

static enum kafka_error change(struct machine *machine, struct raft_voters voters) {
    enum kafka_error error = raft_change_voters(machine->raft, machine->now_ms, 9, &voters);
    machine_collect(machine);
    return error;
}

static enum kafka_error add(struct machine *machine, struct raft_key key) {
    enum kafka_error error = raft_add_voter(machine->raft, machine->now_ms, 9, key);
    machine_collect(machine);
    return error;
}

static enum kafka_error take(struct machine *machine, struct raft_key key) {
    enum kafka_error error = raft_remove_voter(machine->raft, machine->now_ms, 9, key);
    machine_collect(machine);
    return error;
}

Test(raft_voters, are_changed_by_a_leader_that_has_committed_something) {
    struct machine machine;
    machine_start(&machine, START_EMPTY);
    cr_assert_eq(take(&machine, key_of(3)), ERROR_NOT_LEADER_OR_FOLLOWER);
    cr_assert_eq(add(&machine, key_of(4)), ERROR_NOT_LEADER_OR_FOLLOWER);
    machine_elect(&machine, false);
    cr_assert_eq(take(&machine, key_of(3)), ERROR_REQUEST_TIMED_OUT);
    machine_free(&machine);
}

Test(raft_voters, a_new_one_has_caught_up) {
    struct machine machine = leader(true);
    cr_assert_eq(add(&machine, key_of(4)), ERROR_REQUEST_TIMED_OUT); /* never heard of */
    machine_fetch(&machine, key_of(4), 0, 0);
    cr_assert_eq(add(&machine, key_of(4)), ERROR_REQUEST_TIMED_OUT); /* it has nothing */
    machine_fetch(&machine, key_of(4), 1, 1);
    cr_assert_eq(add(&machine, key_of(4)), ERROR_NONE);
    cr_assert_eq(raft_voters(machine.raft)->count, 4);
    machine_free(&machine);
}

/* Whether a replica with this key is in the leader's view. */
static bool knows(const struct machine *machine, struct raft_key key) {
    struct raft_replica replica;
    for (int i = 0; raft_replica_at(machine->raft, machine->now_ms, i, &replica); i++) {
        if (replica.key.id == key.id && uuid_equal(replica.key.directory_id, key.directory_id)) {
            return true;
        }
    }
    return false;
}

static void pass_time_with_node_2(struct machine *machine, int seconds) {
    for (int i = 0; i < seconds; i++) {
        machine_tick(machine, 1000);
        machine_fetch(machine, key_of(2), 1, 1);
    }
    cr_assert_eq(raft_role(machine->raft), RAFT_LEADER);
}

Test(raft_voters, who_has_not_fetched_for_five_minutes_is_no_observer) {
    struct machine machine = leader(true);
    machine_fetch(&machine, key_of(4), 1, 1);
    pass_time_with_node_2(&machine, 5 * 60 - 1);
    cr_assert(knows(&machine, key_of(4)));
    pass_time_with_node_2(&machine, 5);
    cr_assert(!knows(&machine, key_of(4)));
    cr_assert(knows(&machine, key_of(3)), "a voter that never fetched");
    cr_assert_eq(add(&machine, key_of(4)), ERROR_REQUEST_TIMED_OUT);
    machine_free(&machine);
}

/* A node's disk was lost before its voter had ever fetched: the new disk takes its place. */
Test(raft_voters, a_removed_one_observes_only_if_it_fetched) {
    struct machine machine = leader(true);
    struct raft_key new_disk = key_of(3);
    new_disk.directory_id.bytes[15] = 2;
    machine_fetch(&machine, new_disk, 1, 1);
    cr_assert_eq(take(&machine, key_of(3)), ERROR_NONE);
    machine_sync(&machine);
    machine_fetch(&machine, key_of(2), 2, 1);
    machine_fetch(&machine, new_disk, 2, 1);
    cr_assert_eq(add(&machine, new_disk), ERROR_NONE);
    cr_assert(knows(&machine, new_disk));
    cr_assert(!knows(&machine, key_of(3)));

    machine_sync(&machine);
    machine_fetch(&machine, key_of(2), 3, 1);
    machine_fetch(&machine, new_disk, 3, 1);
    cr_assert_eq(take(&machine, key_of(2)), ERROR_NONE);
    cr_assert(knows(&machine, key_of(2)), "it fetches on");
    machine_free(&machine);
}

Test(raft_voters, a_node_id_is_a_voter_once) {
    struct machine machine = leader(true);
    struct raft_key key = key_of(3);
    key.directory_id.bytes[15] = 2;
    machine_fetch(&machine, key, 1, 1);
    cr_assert_eq(add(&machine, key), ERROR_DUPLICATE_VOTER);
    cr_assert_eq(add(&machine, key_of(3)), ERROR_INVALID_REQUEST); /* the voter itself */
    machine_free(&machine);
}

Test(raft_voters, who_is_none_is_not_found) {
    struct machine machine = leader(true);
    struct raft_key key = key_of(3);
    key.directory_id.bytes[15] = 2;
    cr_assert_eq(take(&machine, key), ERROR_VOTER_NOT_FOUND);
    cr_assert_eq(take(&machine, key_of(4)), ERROR_VOTER_NOT_FOUND);
    machine_free(&machine);
}

Test(raft_voters, the_last_one_stays) {
    struct machine machine;
    struct start start = START_EMPTY;
    start.voters = 1;
    machine_start(&machine, start);
    machine_sync(&machine);
    cr_assert_eq(take(&machine, key_of(1)), ERROR_INVALID_REQUEST);
    machine_free(&machine);
}

Test(raft_voters, are_changed_one_at_a_time) {
    struct machine machine = leader(true);
    cr_assert_eq(take(&machine, key_of(3)), ERROR_NONE);
    cr_assert_eq(take(&machine, key_of(2)), ERROR_REQUEST_TIMED_OUT);
    machine_sync(&machine);
    machine_fetch(&machine, key_of(2), 2, 1);
    const struct raft_effect *changed = machine_effect(&machine, RAFT_VOTERS_CHANGED);
    cr_assert_eq(changed->id, 9);
    cr_assert_eq(changed->error, ERROR_NONE);
    cr_assert_eq(take(&machine, key_of(2)), ERROR_NONE);
    machine_free(&machine);
}

Test(raft_voters, two_cannot_be_replaced_at_once) {
    struct machine machine = leader(true);
    machine_fetch(&machine, key_of(4), 1, 1);
    struct raft_voters voters = voters_of(3);
    voters.keys[2] = key_of(4);
    cr_assert_eq(change(&machine, voters), ERROR_INVALID_REQUEST);
    voters = voters_of(3);
    voters.keys[2] = key_of(2);
    cr_assert_eq(change(&machine, voters), ERROR_INVALID_REQUEST);
    machine_free(&machine);
}

Test(raft_voters, the_same_can_be_written_with_other_endpoints) {
    struct machine machine = leader(true);
    cr_assert_eq(change(&machine, voters_of(3)), ERROR_NONE);
    cr_assert_eq(machine_effect(&machine, RAFT_APPEND)->append.kind, RAFT_APPEND_VOTERS);
    machine_free(&machine);
}

Test(raft_voters, all_directory_ids_become_known_with_a_version_before_them) {
    struct machine machine;
    struct start start = START_EMPTY;
    start.unknown = true;
    machine_start(&machine, start);
    machine_elect(&machine, true);
    struct raft_voters voters = voters_of(3);
    voters.keys[2].directory_id = UUID_ZERO;
    cr_assert_eq(change(&machine, voters), ERROR_INVALID_REQUEST);
    cr_assert_eq(change(&machine, voters_of(3)), ERROR_NONE);
    const struct raft_append *append = &machine_effect(&machine, RAFT_APPEND)->append;
    cr_assert_eq(append->kind, RAFT_APPEND_VOTERS);
    cr_assert_eq(append->count, 2);
    machine_sync(&machine);
    struct raft_key other_disk = key_of(2);
    other_disk.directory_id.bytes[15] = 2;
    machine_fetch(&machine, other_disk, 3, 1); /* it is no voter from now on */
    cr_assert_null(machine_effect(&machine, RAFT_VOTERS_CHANGED));
    machine_fetch(&machine, key_of(2), 3, 1);
    cr_assert_eq(machine_effect(&machine, RAFT_VOTERS_CHANGED)->error, ERROR_NONE);
    cr_assert_eq(change(&machine, voters_of(3)), ERROR_NONE);
    cr_assert_eq(machine_effect(&machine, RAFT_APPEND)->append.count, 1);
    machine_free(&machine);
}

Test(raft_voters, a_leader_that_removes_itself_leads_until_that_is_committed) {
    struct machine machine = leader(true);
    cr_assert_eq(take(&machine, key_of(1)), ERROR_NONE);
    machine_sync(&machine);
    cr_assert_eq(raft_role(machine.raft), RAFT_LEADER);
    machine_fetch(&machine, key_of(2), 2, 1);
    cr_assert_eq(raft_role(machine.raft), RAFT_LEADER); /* one of the two that are left */
    machine_fetch(&machine, key_of(3), 2, 1);
    cr_assert_eq(raft_role(machine.raft), RAFT_RESIGNED);
    cr_assert_not_null(machine_sent(&machine, RAFT_END_EPOCH, 2));
    machine_free(&machine);
}

Test(raft_voters, a_change_ends_with_its_leader) {
    struct machine machine = leader(true);
    cr_assert_eq(take(&machine, key_of(3)), ERROR_NONE);
    raft_resign(machine.raft, machine.now_ms);
    machine_collect(&machine);
    cr_assert_eq(machine_effect(&machine, RAFT_VOTERS_CHANGED)->error,
                 ERROR_NOT_LEADER_OR_FOLLOWER);
    machine_free(&machine);
}
