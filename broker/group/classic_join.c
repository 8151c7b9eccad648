/*
 * JoinGroup: who is let in, under which id, and whether it takes a rebalance.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/group/bytes.h"
#include "broker/group/classic_internal.h"

#define UUID_STRING_LEN 36

/* "<prefix>-<random version 4 uuid>", on the heap. */
static struct slice new_member_id(struct group *group, struct slice prefix) {
    uint8_t r[16];
    random_fill(group->env->machine, r, sizeof(r));
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    char text[UUID_STRING_LEN + 2];
    (void)snprintf(text, sizeof(text),
                   "-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0],
                   r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13],
                   r[14], r[15]);
    size_t len = prefix.len + UUID_STRING_LEN + 1;
    uint8_t *id = xmalloc(len);
    if (prefix.len > 0) {
        memcpy(id, prefix.data, prefix.len);
    }
    memcpy(id + prefix.len, text, UUID_STRING_LEN + 1);
    return slice_make(id, len);
}

static void fail(struct group *group, struct group_join *join, struct slice member_id,
                 enum kafka_error error) {
    struct group_joined failed = group_joined_error(member_id, error);
    join->done(join, group, &failed);
}

/* ---- Checks ---------------------------------------------------------------------------------- */

static bool has_room(const struct group *group, struct slice member_id) {
    const struct group_member *member = group_find_member(group, member_id);
    int32_t max = group->env->limits->size_max;
    switch (group->state) {
    case GROUP_PREPARING:
        /* Counting those who wait lets the last ones to come be turned away after the limit was
         * lowered. */
        return (member != NULL && member->join != NULL) || group->joining_count < max;
    case GROUP_COMPLETING:
    case GROUP_STABLE:
        return member != NULL || group->member_count < max;
    default:
        return true;
    }
}

static bool protocols_fit(const struct group *group, const struct group_join *join) {
    if (join->protocol_type.len == 0 || join->protocol_count == 0) {
        return false;
    }
    if (group->state == GROUP_EMPTY || group->member_count == 0) {
        return true;
    }
    if (!slice_equal(group->protocol_type, join->protocol_type)) {
        return false;
    }
    for (int32_t i = 0; i < join->protocol_count; i++) {
        if (group_all_support(group, join->protocols[i].name)) {
            return true;
        }
    }
    return false;
}

static bool same_protocols(const struct group_member *member, const struct group_join *join) {
    if (member->protocols->count != join->protocol_count) {
        return false;
    }
    for (int32_t i = 0; i < join->protocol_count; i++) {
        if (!slice_equal(member->protocols->items[i].name, join->protocols[i].name) ||
            !slice_equal(member->protocols->items[i].metadata,
                         bytes_or_empty(join->protocols[i].metadata))) {
            return false;
        }
    }
    return true;
}

/* ---- Letting in ------------------------------------------------------------------------------ */

static void apply_join(struct group_member *member, struct group_join *join) {
    member->session_timeout_ms = join->session_timeout_ms;
    member->rebalance_timeout_ms = join->rebalance_timeout_ms;
    group_set_protocols(member, group_protocols_copy(join->protocols, join->protocol_count));
    group_await_join(member, join);
}

static void add_and_rebalance(struct group *group, struct group_join *join,
                              struct slice member_id) {
    if (group->member_count == 0) {
        bytes_set(&group->protocol_type, join->protocol_type);
    }
    struct group_member *member = group_add_member(group, member_id, join->instance_id);
    member->client_id = bytes_copy(join->client_id);
    member->client_host = bytes_copy(join->client_host);
    member->is_new = true;
    if (group->state == GROUP_PREPARING && group->previous_state == GROUP_EMPTY) {
        group->new_member_added = true;
    }
    apply_join(member, join);
    group_start_session(member, GROUP_NEW_MEMBER_TIMEOUT_MS);
    group_rebalance_or_complete(group);
}

static void update_and_rebalance(struct group_member *member, struct group_join *join) {
    struct group *group = member->group;
    apply_join(member, join);
    group_rebalance_or_complete(group);
}

/* ---- Static members that come back ----------------------------------------------------------- */

/* The record must be on its way before the member is told that nothing changed. */
static void persist_replacement(struct group_member *member, struct group_write *write) {
    write->kind = GROUP_WRITE_REPLACED;
    write->new_member_id = slice_to_cstr(member->id);
    write->instance_id = slice_to_cstr(member->instance_id);
    group_persist(member->group, write);
}

static void replace_static(struct group_member *member, struct group_join *join,
                           struct slice member_id) {
    struct group *group = member->group;
    struct group_write *write = group_write_new(group, GROUP_WRITE_REPLACED);
    write->join_version = join->version;
    write->old_member_id = slice_to_cstr(member->id);
    write->old_leader = slice_to_cstr(group->leader->id);
    write->old_protocols = group_protocols_copy(member->protocols->items, member->protocols->count);
    write->old_session_timeout_ms = member->session_timeout_ms;
    write->old_rebalance_timeout_ms = member->rebalance_timeout_ms;

    group_rename_member(member, member_id);
    apply_join(member, join);
    group_start_session(member, member->session_timeout_ms);
    if (group->state == GROUP_STABLE &&
        slice_equal(group_select_protocol(group), group->protocol)) {
        persist_replacement(member, write);
        return;
    }
    group_write_free(write);
    if (group->state == GROUP_PREPARING) {
        group_maybe_complete_join(group);
    } else {
        /* In COMPLETING the leader may already be assigning to the old id. */
        group_prepare_rebalance(group);
    }
}

static void undo_replacement(struct group_member *member, struct group_write *write,
                             enum kafka_error error) {
    struct group *group = member->group;
    struct group_joined failed = {
        .error = error,
        .member_id = SLICE_LIT(""),
        .generation = group->generation,
        .protocol_type = group->protocol_type,
        .protocol = group->protocol,
        .leader = slice_str(write->old_leader),
    };
    group_answer_join(member, &failed);
    group_set_protocols(member, write->old_protocols);
    write->old_protocols = NULL;
    member->session_timeout_ms = write->old_session_timeout_ms;
    member->rebalance_timeout_ms = write->old_rebalance_timeout_ms;
    group_rename_member(member, slice_str(write->old_member_id));
    group_start_session(member, member->session_timeout_ms);
}

void group_replaced_written(struct group *group, struct group_write *write,
                            enum kafka_error error) {
    struct group_member *member = group_find_member(group, slice_str(write->new_member_id));
    if (member == NULL) {
        return; /* replaced again, or gone; its join was answered then */
    }
    if (error != ERROR_NONE) {
        undo_replacement(member, write, error);
        return;
    }
    bool leads = group->leader == member;
    struct group_joined joined = group_joined_now(group, member, false);
    if (write->join_version >= 9) {
        joined.with_members = leads;
        joined.skip_assignment = leads;
    } else {
        /* Told that another one leads, it will not compute an assignment that nobody waits for. */
        joined.leader = slice_str(write->old_leader);
    }
    group_answer_join(member, &joined);
    if (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING) {
        group_start_session(member, member->session_timeout_ms);
    }
}

/* ---- The two kinds of joiners ---------------------------------------------------------------- */

static void hand_out_id(struct group *group, struct group_join *join, struct slice member_id) {
    struct group_pending *pending = NEW(struct group_pending);
    pending->group = group;
    pending->id = bytes_copy(member_id);
    list_append(&group->pending, &pending->link);
    timer_init(&pending->session, group->env->shard, group_pending_expired);
    timer_start(&pending->session, join->session_timeout_ms);
    fail(group, join, member_id, ERROR_MEMBER_ID_REQUIRED);
}

static void join_new(struct group *group, struct group_join *join) {
    bool is_static = !slice_is_null(join->instance_id);
    struct slice member_id = new_member_id(group, is_static ? join->instance_id : join->client_id);
    struct group_member *holder = is_static ? group_find_instance(group, join->instance_id) : NULL;
    if (holder != NULL) {
        replace_static(holder, join, member_id);
    } else if (is_static || join->version < 4) {
        add_and_rebalance(group, join, member_id);
    } else {
        hand_out_id(group, join, member_id);
    }
    bytes_free(&member_id);
}

static void rejoin(struct group_member *member, struct group_join *join) {
    struct group *group = member->group;
    bool leads = group->leader == member;
    bool same = same_protocols(member, join);
    struct group_joined now = group_joined_now(group, member, false);
    switch (group->state) {
    case GROUP_PREPARING:
        update_and_rebalance(member, join);
        return;
    case GROUP_COMPLETING:
        if (!same) {
            update_and_rebalance(member, join);
            return;
        }
        /* It may not have received the answer of this generation. */
        now.with_members = leads;
        join->done(join, group, &now);
        return;
    case GROUP_STABLE:
        if (leads || !same) {
            update_and_rebalance(member, join);
            return;
        }
        join->done(join, group, &now);
        return;
    default:
        fail(group, join, join->member_id, ERROR_UNKNOWN_MEMBER_ID);
    }
}

static void join_known(struct group *group, struct group_join *join) {
    struct group_pending *pending = group_find_pending(group, join->member_id);
    if (pending != NULL) {
        if (!slice_is_null(join->instance_id)) {
            /* Static members are never given an id to come back with. */
            fail(group, join, join->member_id, ERROR_UNKNOWN_MEMBER_ID);
            return;
        }
        group_pending_free(pending);
        add_and_rebalance(group, join, join->member_id);
        return;
    }
    enum kafka_error error;
    struct group_member *member =
        group_check_member(group, join->member_id, join->instance_id, &error);
    if (member == NULL) {
        fail(group, join, join->member_id, error);
        return;
    }
    rejoin(member, join);
}

void group_join(struct group *group, struct group_join *join, bool created) {
    int32_t writes = group->writes;
    if (group->state == GROUP_DEAD) {
        fail(group, join, join->member_id, ERROR_COORDINATOR_NOT_AVAILABLE);
    } else if (!has_room(group, join->member_id)) {
        struct group_member *member = group_find_member(group, join->member_id);
        struct group_pending *pending = group_find_pending(group, join->member_id);
        if (member != NULL) {
            group_remove_member(member, ERROR_GROUP_MAX_SIZE_REACHED);
        } else if (pending != NULL) {
            group_pending_free(pending);
        }
        fail(group, join, SLICE_LIT(""), ERROR_GROUP_MAX_SIZE_REACHED);
    } else if (!protocols_fit(group, join)) {
        fail(group, join, join->member_id, ERROR_INCONSISTENT_GROUP_PROTOCOL);
    } else if (join->member_id.len == 0) {
        join_new(group, join);
    } else {
        join_known(group, join);
    }
    if (created && group->writes == writes) {
        group_persist(group, group_write_new(group, GROUP_WRITE_CREATED));
    }
}
