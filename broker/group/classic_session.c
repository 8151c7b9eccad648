/*
 * What members do between rebalances: SyncGroup, Heartbeat, LeaveGroup, commits; and what becomes
 * of the group's records.
 */
#include "base/assert.h"
#include "broker/group/bytes.h"
#include "broker/group/classic_internal.h"

/* The member, if it is one of this generation. */
static struct group_member *check_generation(const struct group *group, struct slice member_id,
                                             struct slice instance_id, int32_t generation,
                                             enum kafka_error *error) {
    struct group_member *member = group_check_member(group, member_id, instance_id, error);
    if (member != NULL && generation != group->generation) {
        *error = ERROR_ILLEGAL_GENERATION;
        return NULL;
    }
    return member;
}

/* ---- SyncGroup ------------------------------------------------------------------------------- */

static bool differs(struct slice asked, struct slice actual) {
    return !slice_is_null(asked) && !slice_equal(asked, actual);
}

static enum kafka_error check_sync(const struct group *group, const struct group_sync *sync,
                                   struct group_member **member) {
    enum kafka_error error;
    if (group->state == GROUP_DEAD) {
        return ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    *member = check_generation(group, sync->member_id, sync->instance_id, sync->generation, &error);
    if (*member == NULL) {
        return error;
    }
    if (differs(sync->protocol_type, group->protocol_type) ||
        differs(sync->protocol, group->protocol)) {
        return ERROR_INCONSISTENT_GROUP_PROTOCOL;
    }
    return group->state == GROUP_PREPARING ? ERROR_REBALANCE_IN_PROGRESS : ERROR_NONE;
}

/* Members that the leader did not mention get nothing. */
static void take_assignments(struct group *group, const struct group_sync *sync) {
    LIST_FOREACH(it, &group->members) {
        bytes_set(&CONTAINER_OF(it, struct group_member, link)->assignment, SLICE_LIT(""));
    }
    for (int32_t i = 0; i < sync->assignment_count; i++) {
        struct group_member *member = group_find_member(group, sync->assignments[i].member_id);
        if (member != NULL) {
            bytes_set(&member->assignment, bytes_or_empty(sync->assignments[i].assignment));
        }
    }
}

void group_sync(struct group *group, struct group_sync *sync) {
    struct group_member *member = NULL;
    enum kafka_error error = check_sync(group, sync, &member);
    if (error != ERROR_NONE) {
        sync->done(sync, group, error, SLICE_LIT(""));
        return;
    }
    group_sync_received(member);
    if (group->state == GROUP_STABLE) {
        sync->done(sync, group, ERROR_NONE, member->assignment);
        return;
    }
    ASSERT(group->state == GROUP_COMPLETING);
    group_answer_sync(member, ERROR_REBALANCE_IN_PROGRESS, SLICE_LIT(""));
    member->sync = sync;
    if (group->leader == member) {
        take_assignments(group, sync);
        group_persist(group, group_write_new(group, GROUP_WRITE_ASSIGNMENT));
    }
}

/* ---- Heartbeat, commit ----------------------------------------------------------------------- */

enum kafka_error group_heartbeat(struct group *group, struct slice member_id,
                                 struct slice instance_id, int32_t generation) {
    enum kafka_error error;
    if (group->state == GROUP_DEAD) {
        return ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    struct group_member *member =
        check_generation(group, member_id, instance_id, generation, &error);
    if (member == NULL) {
        return error;
    }
    ASSERT(group->state != GROUP_EMPTY); /* it has a member */
    group_start_session(member, member->session_timeout_ms);
    return group->state == GROUP_PREPARING ? ERROR_REBALANCE_IN_PROGRESS : ERROR_NONE;
}

enum kafka_error group_check_commit(struct group *group, struct slice member_id,
                                    struct slice instance_id, int32_t generation) {
    if (group->state == GROUP_DEAD) {
        return ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    if (generation < 0 && group->state == GROUP_EMPTY) {
        return ERROR_NONE; /* an administrator, or a consumer that assigns itself */
    }
    if (generation < 0 && member_id.len == 0 && slice_is_null(instance_id)) {
        return ERROR_UNKNOWN_MEMBER_ID;
    }
    enum kafka_error error;
    struct group_member *member =
        check_generation(group, member_id, instance_id, generation, &error);
    if (member == NULL) {
        return error;
    }
    if (group->state == GROUP_COMPLETING) {
        return ERROR_REBALANCE_IN_PROGRESS; /* it does not have its assignment yet */
    }
    group_start_session(member, member->session_timeout_ms);
    return ERROR_NONE;
}

/* ---- LeaveGroup ------------------------------------------------------------------------------ */

enum kafka_error group_leave(struct group *group, struct slice member_id,
                             struct slice instance_id) {
    if (group->state == GROUP_DEAD) {
        return ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    enum kafka_error error = ERROR_UNKNOWN_MEMBER_ID;
    struct group_member *member = NULL;
    if (member_id.len == 0) {
        member = slice_is_null(instance_id) ? NULL : group_find_instance(group, instance_id);
    } else {
        struct group_pending *pending = group_find_pending(group, member_id);
        if (pending != NULL) {
            group_pending_free(pending);
            return ERROR_NONE;
        }
        member = group_check_member(group, member_id, instance_id, &error);
    }
    if (member == NULL) {
        return error;
    }
    group_remove_member(member, ERROR_UNKNOWN_MEMBER_ID);
    return ERROR_NONE;
}

void group_left(struct group *group) {
    if (group->state != GROUP_EMPTY) {
        group_rebalance_or_complete(group);
    }
}

/* ---- Outcomes -------------------------------------------------------------------------------- */

static void assignment_written(struct group *group, const struct group_write *write,
                               enum kafka_error error) {
    if (group->state != GROUP_COMPLETING || group->generation != write->generation) {
        return; /* a rebalance came between */
    }
    if (error != ERROR_NONE) {
        group_reset_assignments(group, error);
        group_prepare_rebalance(group);
        return;
    }
    group_move(group, GROUP_STABLE);
    LIST_FOREACH(it, &group->members) {
        struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        if (member->sync != NULL) {
            group_answer_sync(member, ERROR_NONE, member->assignment);
            group_start_session(member, member->session_timeout_ms);
        }
    }
}

/* Nobody may join a group of which the log knows nothing. */
static void creation_failed(struct group *group, enum kafka_error error) {
    bool removed = false;
    LIST_FOREACH_SAFE(it, &group->members) {
        struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        if (member->is_new && member->join != NULL) {
            group_remove_member(member, error);
            removed = true;
        }
    }
    if (removed && group->state == GROUP_PREPARING && group_all_joined(group)) {
        group_complete_join(group);
    }
}

void group_written(struct group *group, struct group_write *write, enum kafka_error error) {
    ASSERT(group->writes > 0);
    group->writes--;
    switch (write->kind) {
    case GROUP_WRITE_CREATED:
        if (error != ERROR_NONE) {
            creation_failed(group, error);
        }
        break;
    case GROUP_WRITE_EMPTY:
        /* Unwritten, the log still has the last members: after a load they expire anew. */
        break;
    case GROUP_WRITE_ASSIGNMENT:
        assignment_written(group, write, error);
        break;
    case GROUP_WRITE_REPLACED:
        group_replaced_written(group, write, error);
        break;
    }
    group_write_free(write);
}
