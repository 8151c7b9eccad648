/*
 * The members of a classic group and what is derived from them: leader, votes, timers.
 */
#include "broker/group/classic_group.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/group/bytes.h"
#include "broker/group/classic_internal.h"
#include "broker/group/subscription.h"

struct group *group_new(struct group_env *env, struct slice id) {
    struct group *group = NEW(struct group);
    group->env = env;
    group->id = bytes_copy(id);
    group->state = GROUP_EMPTY;
    group->previous_state = GROUP_EMPTY;
    group->state_timestamp = clock_wall_ms(env->machine);
    list_init(&group->members);
    list_init(&group->pending);
    list_init(&group->dying);
    hmap_init(&group->members_by_id);
    hmap_init(&group->members_by_instance);
    offset_store_init(&group->offsets);
    timer_init(&group->join_timer, env->shard, group_join_timer_fired);
    timer_init(&group->sync_timer, env->shard, group_sync_timer_fired);
    return group;
}

static void member_free(struct group_member *member) {
    timer_stop(&member->session);
    bytes_free(&member->id);
    bytes_free(&member->instance_id);
    bytes_free(&member->client_id);
    bytes_free(&member->client_host);
    bytes_free(&member->assignment);
    free(member->protocols);
    free(member);
}

void group_pending_free(struct group_pending *pending) {
    timer_stop(&pending->session);
    list_remove(&pending->link);
    bytes_free(&pending->id);
    free(pending);
}

void group_free(struct group *group) {
    list_remove(&group->dying);
    timer_stop(&group->join_timer);
    timer_stop(&group->sync_timer);
    LIST_FOREACH_SAFE(it, &group->members) {
        member_free(CONTAINER_OF(it, struct group_member, link));
    }
    LIST_FOREACH_SAFE(it, &group->pending) {
        group_pending_free(CONTAINER_OF(it, struct group_pending, link));
    }
    for (int32_t i = 0; i < group->support_count; i++) {
        bytes_free(&group->support[i].name);
    }
    free(group->support);
    hmap_release(&group->members_by_id);
    hmap_release(&group->members_by_instance);
    offset_store_release(&group->offsets);
    bytes_free(&group->protocol_type);
    bytes_free(&group->protocol);
    bytes_free(&group->id);
    free(group);
}

/* ---- State ----------------------------------------------------------------------------------- */

const char *group_state_name(enum group_state state) {
    static const char *const names[GROUP_STATE_COUNT] = {
        [GROUP_EMPTY] = "Empty",
        [GROUP_PREPARING] = "PreparingRebalance",
        [GROUP_COMPLETING] = "CompletingRebalance",
        [GROUP_STABLE] = "Stable",
        [GROUP_DEAD] = "Dead",
    };
    ASSERT(state < GROUP_STATE_COUNT);
    return names[state];
}

#define FROM(state) (1u << (state))

void group_move(struct group *group, enum group_state state) {
    static const unsigned allowed[GROUP_STATE_COUNT] = {
        [GROUP_EMPTY] = FROM(GROUP_PREPARING) | FROM(GROUP_DEAD),
        [GROUP_PREPARING] = FROM(GROUP_EMPTY) | FROM(GROUP_COMPLETING) | FROM(GROUP_STABLE),
        [GROUP_COMPLETING] = FROM(GROUP_PREPARING),
        [GROUP_STABLE] = FROM(GROUP_COMPLETING),
        [GROUP_DEAD] = FROM(GROUP_EMPTY),
    };
    ASSERT((allowed[state] & FROM(group->state)) != 0);
    group->previous_state = group->state;
    group->state = state;
    group->state_timestamp = clock_wall_ms(group->env->machine);
}

void group_set_dead(struct group *group, bool dead) {
    /* A failed deletion does not make the group look younger than it is. */
    int64_t since = group->state_timestamp;
    group_move(group, dead ? GROUP_DEAD : GROUP_EMPTY);
    group->state_timestamp = since;
}

bool group_is_consumer(const struct group *group) {
    return slice_equal(group->protocol_type, SLICE_LIT("consumer"));
}

/* ---- Looking up ------------------------------------------------------------------------------ */

struct group_member *group_find_member(const struct group *group, struct slice member_id) {
    HMAP_FOREACH_HASH(it, &group->members_by_id, hash_bytes(member_id)) {
        struct group_member *member = CONTAINER_OF(it, struct group_member, by_id);
        if (slice_equal(member->id, member_id)) {
            return member;
        }
    }
    return NULL;
}

struct group_member *group_find_instance(const struct group *group, struct slice instance_id) {
    HMAP_FOREACH_HASH(it, &group->members_by_instance, hash_bytes(instance_id)) {
        struct group_member *member = CONTAINER_OF(it, struct group_member, by_instance);
        if (slice_equal(member->instance_id, instance_id)) {
            return member;
        }
    }
    return NULL;
}

struct group_pending *group_find_pending(const struct group *group, struct slice member_id) {
    LIST_FOREACH(it, &group->pending) {
        struct group_pending *pending = CONTAINER_OF(it, struct group_pending, link);
        if (slice_equal(pending->id, member_id)) {
            return pending;
        }
    }
    return NULL;
}

struct group_member *group_check_member(const struct group *group, struct slice member_id,
                                        struct slice instance_id, enum kafka_error *error) {
    if (!slice_is_null(instance_id)) {
        struct group_member *holder = group_find_instance(group, instance_id);
        if (holder == NULL) {
            *error = ERROR_UNKNOWN_MEMBER_ID;
            return NULL;
        }
        if (!slice_equal(holder->id, member_id)) {
            *error = ERROR_FENCED_INSTANCE_ID;
            return NULL;
        }
    }
    struct group_member *member = group_find_member(group, member_id);
    *error = member == NULL ? ERROR_UNKNOWN_MEMBER_ID : ERROR_NONE;
    return member;
}

/* ---- Protocols ------------------------------------------------------------------------------- */

struct group_protocols *group_protocols_copy(const struct group_protocol *items, int32_t count) {
    size_t head = sizeof(struct group_protocols) + (size_t)count * sizeof(struct group_protocol);
    size_t len = head;
    for (int32_t i = 0; i < count; i++) {
        len += items[i].name.len + items[i].metadata.len;
    }
    struct group_protocols *copy = xmalloc(len);
    uint8_t *at = (uint8_t *)copy + head;
    copy->count = count;
    for (int32_t i = 0; i < count; i++) {
        const struct slice parts[2] = {items[i].name, items[i].metadata};
        struct slice *const out[2] = {&copy->items[i].name, &copy->items[i].metadata};
        for (int part = 0; part < 2; part++) {
            if (parts[part].len > 0) {
                memcpy(at, parts[part].data, parts[part].len);
            }
            *out[part] =
                slice_make(parts[part].len > 0 ? at : (const uint8_t *)"", parts[part].len);
            at += parts[part].len;
        }
    }
    return copy;
}

static struct group_support *find_support(const struct group *group, struct slice name) {
    for (int32_t i = 0; i < group->support_count; i++) {
        if (slice_equal(group->support[i].name, name)) {
            return &group->support[i];
        }
    }
    return NULL;
}

/* A protocol that a member lists twice counts once. */
static bool listed_before(const struct group_protocols *protocols, int32_t index) {
    for (int32_t i = 0; i < index; i++) {
        if (slice_equal(protocols->items[i].name, protocols->items[index].name)) {
            return true;
        }
    }
    return false;
}

static void count_support(struct group *group, const struct group_protocols *protocols,
                          int32_t by) {
    for (int32_t i = 0; i < protocols->count; i++) {
        if (listed_before(protocols, i)) {
            continue;
        }
        struct group_support *support = find_support(group, protocols->items[i].name);
        if (support == NULL) {
            ASSERT(by > 0);
            if (group->support_count == group->support_cap) {
                group->support_cap = group->support_cap == 0 ? 2 : group->support_cap * 2;
                group->support =
                    xrealloc(group->support, (size_t)group->support_cap * sizeof(*group->support));
            }
            support = &group->support[group->support_count++];
            *support = (struct group_support){.name = bytes_copy(protocols->items[i].name)};
        }
        support->members += by;
        if (support->members == 0) {
            bytes_free(&support->name);
            *support = group->support[--group->support_count];
        }
    }
}

void group_set_protocols(struct group_member *member, struct group_protocols *protocols) {
    if (member->protocols != NULL) {
        count_support(member->group, member->protocols, -1);
        free(member->protocols);
    }
    member->protocols = protocols;
    count_support(member->group, protocols, 1);
}

bool group_all_support(const struct group *group, struct slice protocol) {
    const struct group_support *support = find_support(group, protocol);
    return support != NULL && support->members == group->member_count;
}

/* The index in group->support that the member votes for. */
static int32_t member_vote(const struct group *group, const struct group_member *member) {
    for (int32_t i = 0; i < member->protocols->count; i++) {
        struct group_support *support = find_support(group, member->protocols->items[i].name);
        if (support->members == group->member_count) {
            return (int32_t)(support - group->support);
        }
    }
    UNREACHABLE();
}

struct slice group_select_protocol(const struct group *group) {
    ASSERT(group->member_count > 0);
    int32_t *votes = xcalloc((size_t)group->support_count, sizeof(*votes));
    LIST_FOREACH(it, &group->members) {
        votes[member_vote(group, CONTAINER_OF(it, struct group_member, link))]++;
    }
    int32_t best = 0;
    for (int32_t i = 1; i < group->support_count; i++) {
        best = votes[i] > votes[best] ? i : best;
    }
    ASSERT(votes[best] > 0);
    free(votes);
    return group->support[best].name;
}

struct slice group_member_metadata(const struct group *group, const struct group_member *member) {
    for (int32_t i = 0; i < member->protocols->count; i++) {
        if (slice_equal(member->protocols->items[i].name, group->protocol)) {
            return member->protocols->items[i].metadata;
        }
    }
    return SLICE_LIT("");
}

bool group_subscribes(const struct group *group, struct slice topic) {
    if (!group_is_consumer(group) || group->member_count == 0) {
        return false;
    }
    if (slice_is_null(group->protocol)) {
        return true;
    }
    LIST_FOREACH(it, &group->members) {
        const struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        if (subscription_may_contain(group_member_metadata(group, member), topic)) {
            return true;
        }
    }
    return false;
}

/* ---- Members --------------------------------------------------------------------------------- */

struct group_member *group_add_member(struct group *group, struct slice member_id,
                                      struct slice instance_id) {
    struct group_member *member = NEW(struct group_member);
    member->group = group;
    member->id = bytes_copy(member_id);
    member->instance_id = bytes_copy(instance_id);
    member->assignment = SLICE_LIT("");
    timer_init(&member->session, group->env->shard, group_session_expired);
    list_append(&group->members, &member->link);
    hmap_insert(&group->members_by_id, &member->by_id, hash_bytes(member->id));
    if (!slice_is_null(instance_id)) {
        hmap_insert(&group->members_by_instance, &member->by_instance, hash_bytes(instance_id));
    }
    group->member_count++;
    if (group->leader == NULL) {
        group->leader = member;
    }
    return member;
}

void group_remove_member(struct group_member *member, enum kafka_error error) {
    struct group *group = member->group;
    struct group_joined failed = group_joined_error(member->id, error);
    group_answer_join(member, &failed);
    group_answer_sync(member, error, SLICE_LIT(""));
    list_remove(&member->link);
    hmap_remove(&group->members_by_id, &member->by_id);
    if (!slice_is_null(member->instance_id)) {
        hmap_remove(&group->members_by_instance, &member->by_instance);
    }
    count_support(group, member->protocols, -1);
    group->member_count--;
    if (group->leader == member) {
        group->leader = group->member_count == 0
                            ? NULL
                            : LIST_FIRST(&group->members, struct group_member, link);
    }
    member_free(member);
}

void group_rename_member(struct group_member *member, struct slice member_id) {
    struct group_joined fenced = group_joined_error(member->id, ERROR_FENCED_INSTANCE_ID);
    group_answer_join(member, &fenced);
    group_answer_sync(member, ERROR_FENCED_INSTANCE_ID, SLICE_LIT(""));
    hmap_remove(&member->group->members_by_id, &member->by_id);
    bytes_set(&member->id, member_id);
    hmap_insert(&member->group->members_by_id, &member->by_id, hash_bytes(member->id));
}

int32_t group_rebalance_timeout(const struct group *group) {
    int32_t longest = 0;
    LIST_FOREACH(it, &group->members) {
        const struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        longest = member->rebalance_timeout_ms > longest ? member->rebalance_timeout_ms : longest;
    }
    return longest;
}

void group_start_session(struct group_member *member, int32_t timeout_ms) {
    timer_start(&member->session, timeout_ms);
}

/* ---- Waits ----------------------------------------------------------------------------------- */

void group_await_join(struct group_member *member, struct group_join *join) {
    /* A client that asks again on a new connection: nobody reads the old answer any more. */
    struct group_joined superseded = group_joined_error(member->id, ERROR_REBALANCE_IN_PROGRESS);
    group_answer_join(member, &superseded);
    member->join = join;
    member->group->joining_count++;
}

void group_answer_join(struct group_member *member, const struct group_joined *result) {
    struct group_join *join = member->join;
    if (join == NULL) {
        return;
    }
    member->join = NULL;
    member->group->joining_count--;
    join->done(join, member->group, result);
}

void group_answer_sync(struct group_member *member, enum kafka_error error,
                       struct slice assignment) {
    struct group_sync *sync = member->sync;
    if (sync == NULL) {
        return;
    }
    member->sync = NULL;
    sync->done(sync, member->group, error, assignment);
}

struct group_joined group_joined_now(const struct group *group, const struct group_member *member,
                                     bool with_members) {
    return (struct group_joined){
        .error = ERROR_NONE,
        .member_id = member->id,
        .generation = group->generation,
        .protocol_type = group->protocol_type,
        .protocol = group->protocol,
        .leader = group->leader != NULL ? group->leader->id : SLICE_LIT(""),
        .with_members = with_members,
    };
}

struct group_joined group_joined_error(struct slice member_id, enum kafka_error error) {
    return (struct group_joined){
        .error = error,
        .member_id = member_id,
        .generation = -1,
        .leader = SLICE_LIT(""),
    };
}

void group_fail_waits(struct group *group, enum kafka_error error) {
    timer_stop(&group->join_timer);
    timer_stop(&group->sync_timer);
    LIST_FOREACH(it, &group->members) {
        struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        timer_stop(&member->session);
        struct group_joined failed = group_joined_error(member->id, error);
        group_answer_join(member, &failed);
        group_answer_sync(member, error, SLICE_LIT(""));
    }
    LIST_FOREACH(it, &group->pending) {
        timer_stop(&CONTAINER_OF(it, struct group_pending, link)->session);
    }
}

/* ---- Records --------------------------------------------------------------------------------- */

struct group_write *group_write_new(const struct group *group, enum group_write_kind kind) {
    struct group_write *write = NEW(struct group_write);
    write->kind = kind;
    write->generation = group->generation;
    return write;
}

void group_write_free(struct group_write *write) {
    free(write->instance_id);
    free(write->new_member_id);
    free(write->old_member_id);
    free(write->old_leader);
    free(write->old_protocols);
    free(write);
}

void group_persist(struct group *group, struct group_write *write) {
    group->writes++;
    group->env->persist(group->env, group, write);
}

void group_restore(struct group *group, int64_t state_timestamp, int32_t generation,
                   struct slice protocol_type, struct slice protocol) {
    LIST_FOREACH_SAFE(it, &group->members) {
        group_remove_member(CONTAINER_OF(it, struct group_member, link), ERROR_NONE);
    }
    group->state = GROUP_EMPTY;
    group->previous_state = GROUP_EMPTY;
    group->state_timestamp = state_timestamp;
    group->generation = generation;
    bytes_set(&group->protocol_type, protocol_type.len == 0 ? SLICE_NULL : protocol_type);
    bytes_set(&group->protocol, protocol);
}

void group_restore_member(struct group *group, const struct group_member_image *image,
                          bool leader) {
    if (group_find_member(group, image->id) != NULL ||
        (!slice_is_null(image->instance_id) &&
         group_find_instance(group, image->instance_id) != NULL)) {
        return; /* a damaged record; the first one stands */
    }
    struct group_member *member = group_add_member(group, image->id, image->instance_id);
    member->client_id = bytes_copy(bytes_or_empty(image->client_id));
    member->client_host = bytes_copy(bytes_or_empty(image->client_host));
    member->session_timeout_ms = image->session_timeout_ms > 0 ? image->session_timeout_ms : 0;
    member->rebalance_timeout_ms =
        image->rebalance_timeout_ms < 0 ? member->session_timeout_ms : image->rebalance_timeout_ms;
    member->assignment = bytes_copy(bytes_or_empty(image->assignment));
    struct group_protocol protocol = {bytes_or_empty(group->protocol),
                                      bytes_or_empty(image->subscription)};
    group_set_protocols(member, group_protocols_copy(&protocol, 1));
    group->state = GROUP_STABLE;
    group->leader = leader ? member : group->leader;
}

void group_loaded(struct group *group) {
    LIST_FOREACH(it, &group->members) {
        struct group_member *member = CONTAINER_OF(it, struct group_member, link);
        group_start_session(member, member->session_timeout_ms);
    }
    if (group->member_count > group->env->limits->size_max) {
        group_prepare_rebalance(group);
    }
}
