/* JoinGroup: who is let in, and what it starts. */
#include <criterion/criterion.h>
#include <string.h>

#include "group_core.h"

static struct core core;

static void setup(void) {
    core_init(&core);
}

static void teardown(void) {
    core_free(&core);
}

TestSuite(group_join, .init = setup, .fini = teardown);

static void expect_state(enum group_state state) {
    cr_assert_str_eq(group_state_name(core.group->state), group_state_name(state));
}

Test(group_join, a_new_dynamic_member_is_given_an_id_first) {
    struct client a = client_make(&core, NULL);
    client_join(&a);
    cr_assert_eq(a.join_error, ERROR_MEMBER_ID_REQUIRED);
    cr_assert_eq(strncmp(a.id, "client-", 7), 0);
    cr_assert_eq(strlen(a.id), strlen("client-") + 36);
    expect_state(GROUP_EMPTY);
    client_join(&a);
    cr_assert_eq(a.joined, 1, "it waits");
    expect_state(GROUP_PREPARING);
}

Test(group_join, until_version_3_a_new_member_joins_at_once) {
    struct client a = client_make(&core, NULL);
    a.version = 3;
    client_join(&a);
    cr_assert_eq(a.joined, 0);
    cr_assert_eq(core.group->member_count, 1);
}

Test(group_join, a_new_group_is_written_before_its_first_generation) {
    struct client a = client_make(&core, NULL);
    client_join(&a);
    cr_assert_eq(core.write_count, 1);
    cr_assert_eq(core.writes[0]->kind, GROUP_WRITE_CREATED);
}

Test(group_join, when_a_new_group_cannot_be_written_its_joiners_are_told) {
    struct client a = client_make(&core, "i");
    client_join(&a);
    core_write(&core, ERROR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(a.join_error, ERROR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(core.group->member_count, 0);
}

Test(group_join, an_id_that_is_not_used_in_time_is_forgotten) {
    struct client a = client_make(&core, NULL);
    client_join(&a);
    machine_advance(&core.machine, a.session_ms);
    client_join(&a);
    cr_assert_eq(a.join_error, ERROR_UNKNOWN_MEMBER_ID);
}

Test(group_join, protocols_are_needed_and_must_fit) {
    struct client a = client_make(&core, NULL);
    struct client none = client_make(&core, NULL);
    none.protocols[0] = NULL;
    client_join(&none);
    cr_assert_eq(none.join_error, ERROR_INCONSISTENT_GROUP_PROTOCOL);
    struct client untyped = client_make(&core, NULL);
    untyped.type = "";
    client_join(&untyped);
    cr_assert_eq(untyped.join_error, ERROR_INCONSISTENT_GROUP_PROTOCOL);
    client_join_fully(&a);
    struct client other_type = client_make(&core, NULL);
    other_type.type = "connect";
    client_join(&other_type);
    cr_assert_eq(other_type.join_error, ERROR_INCONSISTENT_GROUP_PROTOCOL);
    struct client disjoint = client_make(&core, NULL);
    disjoint.protocols[0] = "sticky";
    client_join(&disjoint);
    cr_assert_eq(disjoint.join_error, ERROR_INCONSISTENT_GROUP_PROTOCOL);
}

Test(group_join, the_protocol_most_members_prefer_wins_among_the_common_ones) {
    struct client c[3];
    const char *lists[3][3] = {{"a", "b", "c"}, {"b", "a", NULL}, {"x", "b", "a"}};
    for (int i = 0; i < 3; i++) {
        c[i] = client_make(&core, NULL);
        memcpy(c[i].protocols, lists[i], sizeof(lists[i]));
    }
    core_stabilize(&core, c, 3);
    cr_assert_str_eq(c[0].protocol, "b");
}

Test(group_join, the_initial_delay_is_extended_while_members_come_up_to_the_rebalance_timeout) {
    struct client c[4];
    for (int i = 0; i < 4; i++) {
        c[i] = client_make(&core, NULL);
        c[i].rebalance_ms = 8000;
    }
    client_join_fully(&c[0]);
    for (int i = 1; i < 4; i++) {
        machine_advance(&core.machine, 2500);
        client_join_fully(&c[i]);
        expect_state(GROUP_PREPARING);
    }
    cr_assert_eq(core.machine.now_ms, 7500);
    machine_advance(&core.machine, 499);
    expect_state(GROUP_PREPARING);
    machine_advance(&core.machine, 1);
    expect_state(GROUP_COMPLETING);
    cr_assert_eq(c[3].generation, 1);
}

Test(group_join, without_newcomers_the_initial_delay_is_not_extended) {
    struct client a = client_make(&core, NULL);
    client_join_fully(&a);
    machine_advance(&core.machine, 2999);
    expect_state(GROUP_PREPARING);
    machine_advance(&core.machine, 1);
    expect_state(GROUP_COMPLETING);
}

Test(group_join, the_first_to_join_leads_and_alone_sees_the_members) {
    struct client c[2] = {client_make(&core, NULL), client_make(&core, NULL)};
    core_stabilize(&core, c, 2);
    cr_assert_str_eq(c[0].leader, c[0].id);
    cr_assert_str_eq(c[1].leader, c[0].id);
    cr_assert_eq(c[0].member_count, 2);
    cr_assert_eq(c[1].member_count, 0);
    cr_assert_str_eq(c[1].assignment, "p1");
}

Test(group_join, a_new_member_rebalances_a_stable_group_and_laggards_are_dropped) {
    struct client c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = client_make(&core, NULL);
    }
    core_stabilize(&core, c, 2);
    client_join_fully(&c[2]);
    expect_state(GROUP_PREPARING);
    cr_assert_eq(client_heartbeat(&c[1]), ERROR_REBALANCE_IN_PROGRESS);
    for (int i = 0; i < 6; i++) {
        machine_advance(&core.machine, 9000); /* the laggard only sends heartbeats */
        (void)client_heartbeat(&c[1]);
        (void)client_heartbeat(&c[0]);
    }
    client_join(&c[1]);
    expect_state(GROUP_PREPARING);
    machine_advance(&core.machine, 6000);
    expect_state(GROUP_COMPLETING);
    cr_assert_eq(core.group->member_count, 2);
    cr_assert_eq(client_heartbeat(&c[0]), ERROR_UNKNOWN_MEMBER_ID);
    cr_assert_str_eq(c[1].leader, c[1].id, "the leader lagged, so another one leads");
    cr_assert_eq(c[1].generation, 2);
}

Test(group_join, a_follower_that_rejoins_unchanged_gets_the_running_generation) {
    struct client c[2] = {client_make(&core, NULL), client_make(&core, NULL)};
    core_stabilize(&core, c, 2);
    int before = c[1].joined;
    client_join(&c[1]);
    cr_assert_eq(c[1].joined, before + 1);
    cr_assert_eq(c[1].generation, 1);
    expect_state(GROUP_STABLE);
    c[1].metadata = "changed";
    client_join(&c[1]);
    expect_state(GROUP_PREPARING);
}

Test(group_join, a_leader_that_rejoins_starts_a_rebalance) {
    struct client c[2] = {client_make(&core, NULL), client_make(&core, NULL)};
    core_stabilize(&core, c, 2);
    client_join(&c[0]);
    expect_state(GROUP_PREPARING);
}

Test(group_join, while_completing_the_same_metadata_is_answered_and_another_restarts) {
    struct client c[2] = {client_make(&core, NULL), client_make(&core, NULL)};
    client_join_fully(&c[0]);
    client_join_fully(&c[1]);
    machine_advance(&core.machine, 6000);
    expect_state(GROUP_COMPLETING);
    client_join(&c[0]);
    cr_assert_eq(c[0].member_count, 2, "the leader may have missed the list");
    expect_state(GROUP_COMPLETING);
    client_sync(&c[1]);
    c[0].metadata = "changed";
    client_join(&c[0]);
    expect_state(GROUP_PREPARING);
    cr_assert_eq(c[1].sync_error, ERROR_REBALANCE_IN_PROGRESS);
}

Test(group_join, a_full_group_refuses_newcomers) {
    core.limits.size_max = 2;
    struct client c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = client_make(&core, NULL);
    }
    core_stabilize(&core, c, 2);
    client_join(&c[2]);
    cr_assert_eq(c[2].join_error, ERROR_GROUP_MAX_SIZE_REACHED);
    cr_assert_str_eq(c[2].answer_id, "");
    client_join(&c[0]);
    expect_state(GROUP_PREPARING);
    client_join_fully(&c[2]);
    cr_assert_neq(c[2].join_error, ERROR_GROUP_MAX_SIZE_REACHED, "only one waits so far");
}

Test(group_join, a_join_phase_waits_for_ids_that_were_handed_out) {
    struct client c[2] = {client_make(&core, NULL), client_make(&core, NULL)};
    core_stabilize(&core, c, 1);
    client_join(&c[1]);
    cr_assert_eq(c[1].join_error, ERROR_MEMBER_ID_REQUIRED);
    client_join(&c[0]);
    expect_state(GROUP_PREPARING);
    machine_advance(&core.machine, c[1].session_ms);
    expect_state(GROUP_COMPLETING);
}

Test(group_join, a_dead_group_sends_joiners_away) {
    group_set_dead(core.group, true);
    struct client a = client_make(&core, NULL);
    core.write_total = 1;
    client_join(&a);
    cr_assert_eq(a.join_error, ERROR_COORDINATOR_NOT_AVAILABLE);
}

/* ---- Static members -------------------------------------------------------------------------- */

Test(group_join, a_static_member_gets_an_id_from_its_instance_and_joins_at_once) {
    struct client a = client_make(&core, "inst");
    client_join(&a);
    cr_assert_eq(a.joined, 0);
    machine_advance(&core.machine, 3000);
    cr_assert_eq(strncmp(a.id, "inst-", 5), 0);
}

/* A stable group of a static leader and a static follower. */
static void stable_static(struct client c[2]) {
    c[0] = client_make(&core, "i0");
    c[1] = client_make(&core, "i1");
    core_stabilize(&core, c, 2);
}

Test(group_join, a_static_member_that_returns_replaces_its_old_id_without_a_rebalance) {
    struct client c[2];
    stable_static(c);
    struct client back = client_make(&core, "i1");
    client_join(&back);
    cr_assert_eq(back.joined, 0, "not before the record is written");
    cr_assert_eq(core.writes[0]->kind, GROUP_WRITE_REPLACED);
    core_write_all(&core);
    cr_assert_eq(back.join_error, ERROR_NONE);
    cr_assert_eq(back.generation, 1);
    expect_state(GROUP_STABLE);
    cr_assert_eq(client_heartbeat(&c[1]), ERROR_FENCED_INSTANCE_ID);
    cr_assert_eq(client_heartbeat(&back), ERROR_NONE);
    client_sync(&back);
    cr_assert_str_eq(back.assignment, "p1");
}

Test(group_join, a_returning_static_leader_is_told_to_skip_the_assignment_from_version_9) {
    struct client c[2];
    stable_static(c);
    struct client back = client_make(&core, "i0");
    client_join(&back);
    core_write_all(&core);
    cr_assert(back.skip_assignment);
    cr_assert_str_eq(back.leader, back.id);
    cr_assert_eq(back.member_count, 2);
}

Test(group_join, a_returning_static_leader_sees_its_old_id_lead_before_version_9) {
    struct client c[2];
    stable_static(c);
    struct client back = client_make(&core, "i0");
    back.version = 8;
    client_join(&back);
    core_write_all(&core);
    cr_assert_not(back.skip_assignment);
    cr_assert_str_eq(back.leader, c[0].id);
    cr_assert_eq(back.member_count, 0);
}

Test(group_join, a_replacement_that_cannot_be_written_is_undone) {
    struct client c[2];
    stable_static(c);
    struct client back = client_make(&core, "i1");
    back.metadata = "other";
    client_join(&back);
    core_write(&core, ERROR_NOT_COORDINATOR);
    cr_assert_eq(back.join_error, ERROR_NOT_COORDINATOR);
    cr_assert_str_eq(back.answer_id, "");
    cr_assert_eq(client_heartbeat(&c[1]), ERROR_NONE);
}

Test(group_join, a_second_replacement_fences_the_first_while_both_are_written) {
    struct client c[2];
    stable_static(c);
    struct client first = client_make(&core, "i1");
    struct client second = client_make(&core, "i1");
    client_join(&first);
    client_join(&second);
    cr_assert_eq(first.join_error, ERROR_FENCED_INSTANCE_ID);
    core_write_all(&core);
    cr_assert_eq(second.join_error, ERROR_NONE);
    cr_assert_eq(client_heartbeat(&second), ERROR_NONE);
}

Test(group_join, a_static_member_that_returns_with_another_protocol_rebalances) {
    struct client c[2];
    stable_static(c);
    c[1].protocols[1] = "sticky";
    struct client back = client_make(&core, "i1");
    c[0].protocols[1] = "sticky";
    back.protocols[0] = "range";
    client_leave(&c[0]);
    expect_state(GROUP_PREPARING);
    client_join(&back);
    expect_state(GROUP_COMPLETING);
    cr_assert_eq(back.generation, 2);
}

Test(group_join, a_static_member_replaced_while_completing_restarts_the_rebalance) {
    struct client c[2] = {client_make(&core, "i0"), client_make(&core, "i1")};
    client_join(&c[0]);
    client_join(&c[1]);
    machine_advance(&core.machine, 6000);
    expect_state(GROUP_COMPLETING);
    struct client back = client_make(&core, "i1");
    client_join(&back);
    expect_state(GROUP_PREPARING);
}

Test(group_join, static_members_that_do_not_rejoin_stay_until_their_session_ends) {
    struct client c[2];
    stable_static(c);
    c[0].rebalance_ms = c[1].rebalance_ms = 60000;
    client_join(&c[0]);
    for (int i = 0; i < 6; i++) {
        machine_advance(&core.machine, 9900);
        (void)client_heartbeat(&c[1]);
    }
    machine_advance(&core.machine, 700);
    expect_state(GROUP_COMPLETING);
    cr_assert_eq(core.group->member_count, 2);
    cr_assert_eq(c[0].member_count, 2);
}

Test(group_join, a_known_id_with_anothers_instance_is_fenced) {
    struct client c[2];
    stable_static(c);
    struct client thief = c[0];
    thief.instance = "i1";
    client_join(&thief);
    cr_assert_eq(thief.join_error, ERROR_FENCED_INSTANCE_ID);
    thief.instance = "nobody";
    client_join(&thief);
    cr_assert_eq(thief.join_error, ERROR_UNKNOWN_MEMBER_ID);
}
