/* Parts of the quorum: what a fetch brought, sets of voters, quorum-state of several voters. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/quorum/quorum_internal.h"
#include "runtime/machine.h"

#define VOTERS 3

static struct fetched fetched;
static struct buffer stored;

static void set_up(void) {
    buffer_init(&fetched.bytes, SIZE_MAX);
    buffer_init(&stored, SIZE_MAX);
}

static void tear_down(void) {
    fetched_release(&fetched);
    fetched = (struct fetched){0};
    buffer_release(&stored);
}

TestSuite(quorum_parts, .init = set_up, .fini = tear_down);

static struct voter_set *make_voters(int count) {
    struct voter_set *voters = voter_set_new();
    for (int i = 1; i <= count; i++) {
        struct metadata_endpoint endpoint = {SLICE_LIT("CONTROLLER"), SLICE_LIT("host"),
                                             (uint16_t)(9000 + i)};
        struct voter voter = {
            .key = {.id = i, .directory_id = uuid_from_halves(7, 1000 + (uint64_t)i)},
            .endpoints = &endpoint,
            .endpoint_count = 1,
            .kraft_version_max = 1};
        voter_set_add(voters, &voter);
    }
    return voters;
}

/* A log: the first batch of an epoch with the voters, then two of values. Returns where they end.
 */
static void make_log(size_t ends[3]) {
    struct voter_set *voters = make_voters(VOTERS);
    struct raft_voters keys;
    voter_set_keys(voters, &keys);
    struct metadata_control_batch first = {
        .epoch = 4, .type = CONTROL_LEADER_CHANGE, .voters = voters, .leader_id = 2, .keys = &keys};
    cr_assert_eq(metadata_control_build(&first, &stored), 3);
    ends[0] = stored.len;
    struct slice values[2] = {SLICE_LIT("one"), SLICE_LIT("two")};
    cr_assert(metadata_values_build(values, 2, 3, 4, 1000, &stored));
    ends[1] = stored.len;
    cr_assert(metadata_values_build(values, 1, 5, 4, 1000, &stored));
    ends[2] = stored.len;
    voter_set_free(voters);
}

Test(quorum_parts, whole_batches_are_taken_with_their_voters) {
    size_t ends[3];
    make_log(ends);
    cr_assert(fetched_set(&fetched, 1, buffer_slice(&stored), 1));
    cr_assert_eq(fetched.count, 3);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(fetched.ends[i], ends[i]);
        cr_assert_eq(fetched.batches[i].epoch, 4);
    }
    cr_assert_eq(fetched.batches[0].count, 3);
    cr_assert_eq(fetched.batches[1].base_offset, 3);
    cr_assert_eq(fetched.batches[0].voters->count, VOTERS);
    cr_assert_null(fetched.batches[1].voters);
    cr_assert_eq(fetched.controls[0].kraft_version, 1);
}

Test(quorum_parts, what_is_cut_off_is_left_without_complaint) {
    size_t ends[3];
    make_log(ends);
    for (size_t len = 0; len < ends[2]; len++) {
        cr_assert(fetched_set(&fetched, 1, slice_make(stored.data, len), 1));
        cr_assert_eq(fetched.count, (len >= ends[0]) + (len >= ends[1]));
    }
}

Test(quorum_parts, behind_any_flipped_bit_nothing_is_taken) {
    size_t ends[3];
    make_log(ends);
    for (size_t at = ends[0]; at < ends[1]; at++) {
        stored.data[at] ^= 0x10;
        (void)fetched_set(&fetched, 1, buffer_slice(&stored), 1);
        bool covered = at - ends[0] >= BATCH_CRC_OFFSET;
        cr_assert(!covered || fetched.count == 1, "byte %zu", at);
        stored.data[at] ^= 0x10;
    }
}

Test(quorum_parts, a_kraft_version_of_the_future_is_not_taken) {
    size_t ends[3];
    make_log(ends);
    cr_assert_not(fetched_set(&fetched, 1, buffer_slice(&stored), 0));
    cr_assert_eq(fetched.count, 0);
}

Test(quorum_parts, a_set_of_voters_is_read_as_it_was_written) {
    struct voter_set *voters = make_voters(RAFT_VOTERS_MAX);
    voter_set_encode(voters, &stored);
    struct voter_set *read = voter_set_decode(buffer_slice(&stored));
    cr_assert_eq(read->count, RAFT_VOTERS_MAX);
    const struct metadata_endpoint *endpoint =
        voter_endpoint(&read->voters[2], SLICE_LIT("CONTROLLER"));
    cr_assert(slice_equal_str(endpoint->host, "host"));
    cr_assert_eq(endpoint->port, 9003);
    cr_assert_eq(voter_set_find(read, 31), 30);
    cr_assert_eq(voter_set_find(read, 32), -1);
    voter_set_free(read);
    voter_set_free(voters);
}

Test(quorum_parts, a_set_with_a_voter_twice_is_refused) {
    struct voter_set *voters = make_voters(2);
    voters->voters[1].key.id = 1;
    voter_set_encode(voters, &stored);
    cr_assert_null(voter_set_decode(buffer_slice(&stored)));
    voter_set_free(voters);
}

Test(quorum_parts, the_history_of_voters_follows_the_log) {
    struct voter_history history = {0};
    voter_history_reset(&history, make_voters(1));
    voter_history_add(&history, 10, make_voters(2));
    voter_history_add(&history, 20, make_voters(3));
    cr_assert_eq(voter_history_last(&history)->count, 3);
    cr_assert_eq(voter_history_at(&history, 10)->count, 1);
    cr_assert_eq(voter_history_at(&history, 11)->count, 2);
    voter_history_truncate(&history, 20);
    cr_assert_eq(voter_history_last(&history)->count, 2);
    voter_history_cut_start(&history, 11);
    cr_assert_eq(voter_history_at(&history, 0)->count, 2);
    voter_history_truncate(&history, 0);
    cr_assert_eq(voter_history_last(&history)->count, 2, "what the snapshot holds stays");
    voter_history_release(&history);
}

Test(quorum_parts, the_state_of_static_voters_is_written_as_kafka_does) {
    char dir[] = "/tmp/barnabas-test-XXXXXX";
    char path[64];
    char text[512] = "";
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/quorum-state", dir);
    struct machine *machine = machine_new(1, 1);
    struct quorum_state state = {.data_version = 0,
                                 .leader_id = 3,
                                 .leader_epoch = 2,
                                 .voted_id = -1,
                                 .voter_count = 3,
                                 .voter_ids = {1, 2, 3}};
    cr_assert_eq(quorum_state_write(machine, path, &state), 0);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(fgets(text, sizeof(text), file));
    fclose(file);
    cr_assert_str_eq(text, "{\"clusterId\":\"\",\"leaderId\":3,\"leaderEpoch\":2,\"votedId\":-1,"
                           "\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":1},{\"voterId\":2},"
                           "{\"voterId\":3}],\"data_version\":0}");
    struct quorum_state read;
    struct errmsg errmsg;
    cr_assert_eq(quorum_state_read(machine, path, &read, &errmsg), 0);
    cr_assert_eq(read.voter_count, 3);
    cr_assert_eq(read.voter_ids[2], 3);
    machine_free(machine);
    remove(path);
    remove(dir);
}
