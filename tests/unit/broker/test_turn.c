/* Whose requests are handled in a turn of the loop. */
#include <criterion/criterion.h>

#include "broker/server/turn.h"

#define MEMBERS 300

#define CHEAP_NS (TURN_DEAR_NS / 10)
#define DEAR_NS  (TURN_DEAR_NS * 5)

static struct turn turn;
static struct turn_member members[MEMBERS];

static void set_up(void) {
    turn_init(&turn);
    for (int i = 0; i < MEMBERS; i++) {
        turn_member_init(&members[i]);
    }
}

TestSuite(turn, .init = set_up);

/* What arrives: handled at once for `ns`, or in line. */
static bool arrive(struct turn_member *member, size_t len, int64_t ns) {
    if (!turn_admits(&turn, member, len)) {
        if (!turn_member_waits(member)) {
            turn_line_up(&turn, member, len);
        }
        return false;
    }
    turn_spend(&turn, member, ns);
    return true;
}

Test(turn, who_asks_for_little_is_served_at_once) {
    for (int i = 0; i < 10; i++) {
        cr_assert(arrive(&members[0], 100, CHEAP_NS));
    }
    cr_assert_null(turn_next(&turn));
    cr_assert_not(turn_is_left(&turn));
}

Test(turn, who_asked_for_much_waits_for_the_end_of_the_turn) {
    for (int i = 0; i < 4; i++) {
        turn_spend(&turn, &members[0], DEAR_NS);
        turn_begin(&turn);
    }
    cr_assert_not(arrive(&members[0], 100, DEAR_NS));
    cr_assert(arrive(&members[1], 100, CHEAP_NS));
    cr_assert_eq(turn_next(&turn), &members[0]);
    turn_spend(&turn, &members[0], DEAR_NS);
    cr_assert_null(turn_next(&turn));
}

Test(turn, one_slow_request_makes_nobody_dear) {
    cr_assert(arrive(&members[0], 100, CHEAP_NS));
    turn_spend(&turn, &members[0], 100 * DEAR_NS);
    turn_begin(&turn);
    cr_assert(arrive(&members[0], 100, CHEAP_NS));
}

Test(turn, who_asks_for_little_again_is_forgiven) {
    for (int i = 0; i < 10; i++) {
        turn_spend(&turn, &members[0], DEAR_NS);
    }
    for (int i = 0; i < 10; i++) {
        turn_spend(&turn, &members[0], CHEAP_NS);
    }
    turn_begin(&turn);
    cr_assert(arrive(&members[0], 100, CHEAP_NS));
}

Test(turn, a_large_request_of_a_new_connection_waits) {
    cr_assert_not(arrive(&members[0], TURN_DEAR_LEN, DEAR_NS));
    cr_assert_eq(turn_next(&turn), &members[0]);
}

Test(turn, one_dear_request_of_many_is_handled_in_a_turn_and_all_have_their_turn) {
    for (int i = 0; i < MEMBERS; i++) {
        cr_assert_not(arrive(&members[i], TURN_DEAR_LEN, DEAR_NS));
    }
    for (int i = 0; i < MEMBERS; i++) {
        cr_assert_eq(turn_next(&turn), &members[i]);
        turn_spend(&turn, &members[i], DEAR_NS);
        cr_assert_null(turn_next(&turn));
        cr_assert_eq(turn_is_left(&turn), i + 1 < MEMBERS);
        turn_begin(&turn);
    }
}

Test(turn, a_long_turn_makes_the_rest_wait_and_the_cheap_go_first) {
    cr_assert_not(arrive(&members[0], TURN_DEAR_LEN, DEAR_NS));
    for (int64_t spent = 0; spent < TURN_DIRECT_NS; spent += CHEAP_NS) {
        cr_assert(arrive(&members[1], 100, CHEAP_NS));
    }
    cr_assert_not(arrive(&members[1], 100, CHEAP_NS));
    cr_assert_not(arrive(&members[2], 100, CHEAP_NS));
    cr_assert_eq(turn_next(&turn), &members[1]);
    cr_assert_eq(turn_next(&turn), &members[2]);
    cr_assert_eq(turn_next(&turn), &members[0]);
    cr_assert_null(turn_next(&turn));
    turn_begin(&turn);
    cr_assert(arrive(&members[1], 100, CHEAP_NS));
}

Test(turn, a_line_of_cheap_requests_is_cut_by_the_turn_too) {
    for (int i = 0; i < MEMBERS; i++) {
        turn_line_up(&turn, &members[i], 100);
    }
    int served = 0;
    struct turn_member *member;
    while ((member = turn_next(&turn)) != NULL) {
        turn_spend(&turn, member, CHEAP_NS);
        served++;
    }
    cr_assert_eq(served, TURN_CHEAP_NS / CHEAP_NS);
    cr_assert(turn_is_left(&turn));
}

Test(turn, who_left_is_not_served) {
    arrive(&members[0], TURN_DEAR_LEN, DEAR_NS);
    turn_member_leave(&members[0]);
    cr_assert_null(turn_next(&turn));
    cr_assert_not(turn_is_left(&turn));
}
