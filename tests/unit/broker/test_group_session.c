/* SyncGroup, Heartbeat, LeaveGroup, sessions, and who may commit. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "group_core.h"

static struct core core;
static struct client c[3];

static void setup(void) {
    core_init(&core);
    for (int i = 0; i < 3; i++) {
        c[i] = client_make(&core, NULL);
    }
}

static void teardown(void) {
    core_free(&core);
}

TestSuite(group_session, .init = setup, .fini = teardown);

static void expect_state(enum group_state state) {
    cr_assert_str_eq(group_state_name(core.group->state), group_state_name(state));
}

/* Two members that have joined; nobody has synced. */
static void completing(void) {
    client_join_fully(&c[0]);
    client_join_fully(&c[1]);
    machine_advance(&core.machine, 6000);
    core_write_all(&core);
    expect_state(GROUP_COMPLETING);
}

Test(group_session, members_wait_for_the_leaders_assignment_to_be_written) {
    completing();
    struct client *members[2] = {&c[0], &c[1]};
    client_sync(&c[1]);
    cr_assert_eq(core.write_count, 0, "a follower writes nothing");
    client_sync_assign(&c[0], members, 2);
    cr_assert_eq(c[0].synced + c[1].synced, 0);
    expect_state(GROUP_COMPLETING);
    core_write_all(&core);
    expect_state(GROUP_STABLE);
    cr_assert_str_eq(c[0].assignment, "p0");
    cr_assert_str_eq(c[1].assignment, "p1");
}

Test(group_session, members_the_leader_left_out_get_nothing) {
    completing();
    struct client *members[1] = {&c[0]};
    client_sync_assign(&c[0], members, 1);
    core_write_all(&core);
    client_sync(&c[1]);
    cr_assert_eq(c[1].sync_error, ERROR_NONE);
    cr_assert_str_eq(c[1].assignment, "");
}

Test(group_session, an_assignment_that_cannot_be_written_is_told_and_starts_over) {
    completing();
    client_sync(&c[1]);
    client_sync(&c[0]);
    core_write(&core, ERROR_NOT_COORDINATOR);
    cr_assert_eq(c[0].sync_error, ERROR_NOT_COORDINATOR);
    cr_assert_eq(c[1].sync_error, ERROR_NOT_COORDINATOR);
    expect_state(GROUP_PREPARING);
}

Test(group_session, an_assignment_written_after_a_new_rebalance_is_ignored) {
    completing();
    client_sync(&c[0]);
    client_join_fully(&c[2]);
    cr_assert_eq(c[0].sync_error, ERROR_REBALANCE_IN_PROGRESS);
    client_join(&c[0]);
    client_join(&c[1]);
    expect_state(GROUP_COMPLETING);
    core_write_all(&core);
    expect_state(GROUP_COMPLETING);
}

Test(group_session, a_sync_must_name_the_member_generation_and_protocol) {
    completing();
    struct client stranger = c[1];
    (void)strcpy(stranger.id, "stranger");
    client_sync(&stranger);
    cr_assert_eq(stranger.sync_error, ERROR_UNKNOWN_MEMBER_ID);
    struct client old = c[1];
    old.generation = 0;
    client_sync(&old);
    cr_assert_eq(old.sync_error, ERROR_ILLEGAL_GENERATION);
}

Test(group_session, a_sync_while_preparing_asks_for_a_join) {
    core_stabilize(&core, c, 2);
    client_join(&c[0]);
    client_sync(&c[1]);
    cr_assert_eq(c[1].sync_error, ERROR_REBALANCE_IN_PROGRESS);
}

Test(group_session, members_that_do_not_sync_in_time_are_removed) {
    completing();
    client_sync(&c[0]);
    core_write_all(&core);
    expect_state(GROUP_STABLE);
    for (int i = 0; i < 7; i++) {
        machine_advance(&core.machine, 8600);
        (void)client_heartbeat(&c[0]);
        (void)client_heartbeat(&c[1]);
    }
    cr_assert_eq(client_heartbeat(&c[1]), ERROR_UNKNOWN_MEMBER_ID);
    expect_state(GROUP_PREPARING);
}

Test(group_session, when_all_have_synced_nobody_is_removed_later) {
    core_stabilize(&core, c, 2);
    cr_assert_not(timer_running(&core.group->sync_timer));
}

Test(group_session, heartbeats_keep_a_member_and_silence_removes_it) {
    core_stabilize(&core, c, 2);
    for (int i = 0; i < 20; i++) {
        machine_advance(&core.machine, 9999);
        cr_assert_eq(client_heartbeat(&c[0]), ERROR_NONE);
        if (i < 10) {
            cr_assert_eq(client_heartbeat(&c[1]), ERROR_NONE);
        } else {
            break;
        }
    }
    machine_advance(&core.machine, 1);
    cr_assert_eq(core.group->member_count, 1);
    cr_assert_eq(client_heartbeat(&c[0]), ERROR_REBALANCE_IN_PROGRESS);
    cr_assert_eq(client_heartbeat(&c[1]), ERROR_UNKNOWN_MEMBER_ID);
}

Test(group_session, a_member_that_waits_in_a_join_does_not_expire) {
    core_stabilize(&core, c, 2);
    client_join(&c[0]);
    for (int i = 0; i < 5; i++) {
        machine_advance(&core.machine, 9000);
        (void)client_heartbeat(&c[1]);
    }
    cr_assert_eq(core.group->member_count, 2);
    client_join(&c[1]);
    expect_state(GROUP_COMPLETING);
    cr_assert_eq(c[0].generation, 2);
    machine_advance(&core.machine, 10000);
    cr_assert_eq(core.group->member_count, 0, "then it counts again");
}

Test(group_session, a_new_member_is_dropped_after_five_minutes_in_a_join) {
    c[0].rebalance_ms = 1000000;
    core_stabilize(&core, c, 1);
    client_join_fully(&c[1]);
    int before = c[1].joined;
    for (int i = 0; i < 40; i++) {
        machine_advance(&core.machine, 7500);
        (void)client_heartbeat(&c[0]);
    }
    cr_assert_eq(c[1].joined, before + 1);
    cr_assert_eq(c[1].join_error, ERROR_UNKNOWN_MEMBER_ID);
}

Test(group_session, the_last_member_to_leave_empties_the_group_in_the_log_too) {
    core_stabilize(&core, c, 1);
    cr_assert_eq(client_leave(&c[0]), ERROR_NONE);
    expect_state(GROUP_EMPTY);
    cr_assert_eq(core.writes[0]->kind, GROUP_WRITE_EMPTY);
    cr_assert_eq(core.group->generation, 2);
    cr_assert(slice_is_null(core.group->protocol));
    cr_assert(slice_equal_str(core.group->protocol_type, "consumer"));
    cr_assert_eq(core.machine.timer_count, 0, "nothing is left to wait for");
}

Test(group_session, leaving_rebalances_the_others) {
    core_stabilize(&core, c, 2);
    cr_assert_eq(client_leave(&c[0]), ERROR_NONE);
    expect_state(GROUP_PREPARING);
    cr_assert_eq(client_leave(&c[0]), ERROR_UNKNOWN_MEMBER_ID);
    client_join(&c[1]);
    expect_state(GROUP_COMPLETING);
    cr_assert_str_eq(c[1].leader, c[1].id);
}

Test(group_session, an_administrator_removes_a_static_member_by_its_instance) {
    struct client s = client_make(&core, "inst");
    core_stabilize(&core, &s, 1);
    cr_assert_eq(group_leave(core.group, SLICE_LIT(""), SLICE_LIT("other")),
                 ERROR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(group_leave(core.group, SLICE_LIT("wrong"), SLICE_LIT("inst")),
                 ERROR_FENCED_INSTANCE_ID);
    cr_assert_eq(group_leave(core.group, SLICE_LIT(""), SLICE_LIT("inst")), ERROR_NONE);
    group_left(core.group);
    expect_state(GROUP_EMPTY);
}

Test(group_session, commits_need_the_right_member_generation_and_phase) {
    struct client nobody = client_make(&core, NULL);
    nobody.generation = -1;
    cr_assert_eq(client_commit(&nobody), ERROR_NONE, "an empty group takes them from anybody");
    completing();
    cr_assert_eq(client_commit(&c[0]), ERROR_REBALANCE_IN_PROGRESS);
    client_sync(&c[1]);
    client_sync(&c[0]);
    core_write_all(&core);
    cr_assert_eq(client_commit(&c[0]), ERROR_NONE);
    cr_assert_eq(client_commit(&nobody), ERROR_UNKNOWN_MEMBER_ID);
    struct client old = c[0];
    old.generation = 7;
    cr_assert_eq(client_commit(&old), ERROR_ILLEGAL_GENERATION);
    client_join(&c[0]);
    expect_state(GROUP_PREPARING);
    cr_assert_eq(client_commit(&c[1]), ERROR_NONE, "before it joins again");
}

Test(group_session, a_commit_extends_the_session) {
    core_stabilize(&core, c, 1);
    machine_advance(&core.machine, 9000);
    cr_assert_eq(client_commit(&c[0]), ERROR_NONE);
    machine_advance(&core.machine, 9000);
    cr_assert_eq(client_heartbeat(&c[0]), ERROR_NONE);
}

Test(group_session, a_closing_coordinator_ends_all_waits) {
    core_stabilize(&core, c, 1);
    client_join_fully(&c[1]);
    int before = c[1].joined;
    group_fail_waits(core.group, ERROR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(c[1].joined, before + 1);
    cr_assert_eq(c[1].join_error, ERROR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(core.machine.timer_count, 0);
}

Test(group_session, subscriptions_are_read_and_what_cannot_be_read_counts_as_subscribed) {
    core_stabilize(&core, c, 1);
    cr_assert(group_subscribes(core.group, SLICE_LIT("t")), "the metadata is garbage");
    static const char proper[] = "\0\1\0\0\0\1\0\1t\0\0\0\0";
    struct group_protocol protocol = {SLICE_LIT("range"), slice_make(proper, sizeof(proper) - 1)};
    struct group_member *member = LIST_FIRST(&core.group->members, struct group_member, link);
    free(member->protocols);
    member->protocols = xmalloc(sizeof(struct group_protocols) + sizeof(protocol));
    member->protocols->count = 1;
    member->protocols->items[0] = protocol;
    cr_assert(group_subscribes(core.group, SLICE_LIT("t")));
    cr_assert_not(group_subscribes(core.group, SLICE_LIT("u")));
}
