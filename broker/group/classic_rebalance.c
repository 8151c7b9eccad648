/*
 * Rebalancing: from the moment the group needs a new assignment until the leader can compute one.
 *
 * The join phase ends when every member waits in JoinGroup and no handed-out id is outstanding, or
 * when the largest rebalance timeout of the members has passed; then dynamic members that did not
 * come are dropped. Static members that did not come stay in the group until their session ends.
 * The first join phase of an empty group lasts as long as new members keep coming within the
 * initial delay, but not longer than the rebalance timeout.
 */
#include "base/assert.h"
#include "broker/group/bytes.h"
#include "broker/group/classic_internal.h"

static int32_t min_i32(int32_t a, int32_t b) {
    return a < b ? a : b;
}

static int32_t sub_floor_zero(int32_t a, int32_t b) {
    return a > b ? a - b : 0;
}

bool group_all_joined(const struct group *group) {
    return group->member_count == group->joining_count && list_empty(&group->pending);
}

static void start_join_timer(struct group *group, int32_t delay_ms, bool initial) {
    group->initial_join = initial;
    timer_start(&group->join_timer, delay_ms);
}

void group_reset_assignments(struct group *group, enum kafka_error error) {
    LIST_FOREACH(it, &group->members) {
        struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        bytes_set(&member->assignment, SLICE_LIT(""));
        if (member->sync != NULL) {
            group_answer_sync(member, error, SLICE_LIT(""));
            /* It may have expired while it waited, without effect; from here it counts again. */
            group_start_session(member, member->session_timeout_ms);
        }
    }
}

void group_prepare_rebalance(struct group *group) {
    if (group->state == GROUP_COMPLETING) {
        group_reset_assignments(group, ERROR_REBALANCE_IN_PROGRESS);
    }
    timer_stop(&group->sync_timer);
    bool initial = group->state == GROUP_EMPTY;
    group_move(group, GROUP_PREPARING);
    if (initial) {
        group->initial_delay_ms = group->env->limits->initial_delay_ms;
        group->initial_remaining_ms =
            sub_floor_zero(group_rebalance_timeout(group), group->initial_delay_ms);
        group->new_member_added = false;
        start_join_timer(group, group->initial_delay_ms, true);
    } else if (group_all_joined(group)) {
        group_complete_join(group);
    } else {
        start_join_timer(group, group_rebalance_timeout(group), false);
    }
}

void group_maybe_complete_join(struct group *group) {
    if (group->state == GROUP_PREPARING && group->previous_state != GROUP_EMPTY &&
        group_all_joined(group)) {
        group_complete_join(group);
    }
}

void group_rebalance_or_complete(struct group *group) {
    if (group->state == GROUP_EMPTY || group->state == GROUP_STABLE ||
        group->state == GROUP_COMPLETING) {
        group_prepare_rebalance(group);
    } else {
        group_maybe_complete_join(group);
    }
}

static void drop_laggards(struct group *group) {
    LIST_FOREACH_SAFE(it, &group->members) {
        struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        if (member->join == NULL && slice_is_null(member->instance_id)) {
            group_remove_member(member, ERROR_UNKNOWN_MEMBER_ID);
        }
    }
}

/* Whether a member that waits can lead; if not, there is nobody to compute an assignment. */
static bool elect_joined_leader(struct group *group) {
    if (group->leader == NULL || group->leader->join != NULL) {
        return group->leader != NULL;
    }
    LIST_FOREACH(it, &group->members) {
        struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        if (member->join != NULL) {
            group->leader = member;
            return true;
        }
    }
    return false;
}

static void begin_generation(struct group *group) {
    group->generation = group->generation == INT32_MAX ? 1 : group->generation + 1;
    if (group->member_count == 0) {
        bytes_set(&group->protocol, SLICE_NULL);
        group_move(group, GROUP_EMPTY);
        group_persist(group, group_write_new(group, GROUP_WRITE_EMPTY));
        return;
    }
    bytes_set(&group->protocol, group_select_protocol(group));
    group_move(group, GROUP_COMPLETING);
    LIST_FOREACH(it, &group->members) {
        struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        struct group_joined joined = group_joined_now(group, member, member == group->leader);
        group_answer_join(member, &joined);
        group_start_session(member, member->session_timeout_ms);
        member->is_new = false;
        member->sync_pending = true;
    }
    timer_start(&group->sync_timer, group_rebalance_timeout(group));
}

void group_complete_join(struct group *group) {
    ASSERT(group->state == GROUP_PREPARING);
    timer_stop(&group->join_timer);
    drop_laggards(group);
    if (!elect_joined_leader(group) && group->member_count > 0) {
        start_join_timer(group, group_rebalance_timeout(group), false);
        return;
    }
    begin_generation(group);
}

void group_join_timer_fired(struct timer *timer) {
    struct group *group = CONTAINER_OF(timer, struct group, join_timer);
    if (!group->initial_join || !group->new_member_added || group->initial_remaining_ms == 0) {
        group_complete_join(group);
        return;
    }
    int32_t delay_ms = min_i32(group->env->limits->initial_delay_ms, group->initial_remaining_ms);
    group->new_member_added = false;
    group->initial_remaining_ms =
        sub_floor_zero(group->initial_remaining_ms, group->initial_delay_ms);
    group->initial_delay_ms = delay_ms;
    start_join_timer(group, delay_ms, true);
}

/* ---- The sync phase -------------------------------------------------------------------------- */

void group_sync_received(struct group_member *member) {
    struct group *group = member->group;
    member->sync_pending = false;
    LIST_FOREACH(it, &group->members) {
        if (CONTAINER_OF(it, struct group_member, link)->sync_pending) {
            return;
        }
    }
    timer_stop(&group->sync_timer);
}

void group_sync_timer_fired(struct timer *timer) {
    struct group *group = CONTAINER_OF(timer, struct group, sync_timer);
    ASSERT(group->state == GROUP_COMPLETING || group->state == GROUP_STABLE);
    bool removed = false;
    LIST_FOREACH_SAFE(it, &group->members) {
        struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        if (member->sync_pending) {
            group_remove_member(member, ERROR_UNKNOWN_MEMBER_ID);
            removed = true;
        }
    }
    if (removed) {
        group_prepare_rebalance(group);
    }
}

/* ---- Sessions -------------------------------------------------------------------------------- */

void group_session_expired(struct timer *timer) {
    struct group_member *member = CONTAINER_OF(timer, struct group_member, session);
    struct group *group = member->group;
    bool waits = member->join != NULL || member->sync != NULL;
    if (waits && !member->is_new) {
        return; /* alive as long as it waits; the timer starts anew with the answer */
    }
    group_remove_member(member, ERROR_UNKNOWN_MEMBER_ID);
    if (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING) {
        group_prepare_rebalance(group);
    } else if (group->state == GROUP_PREPARING && group_all_joined(group)) {
        group_complete_join(group);
    }
}

void group_pending_expired(struct timer *timer) {
    struct group_pending *pending = CONTAINER_OF(timer, struct group_pending, session);
    struct group *group = pending->group;
    group_pending_free(pending);
    if (group->state == GROUP_PREPARING && group_all_joined(group)) {
        group_complete_join(group);
    }
}
