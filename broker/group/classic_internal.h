/* What the files of the classic group share; private to them. */
#ifndef BROKER_GROUP_CLASSIC_INTERNAL_H
#define BROKER_GROUP_CLASSIC_INTERNAL_H

#include "broker/group/classic_group.h"

/* ---- classic_group.c: members and state ------------------------------------------------------ */

void group_move(struct group *group, enum group_state state);

struct group_member *group_find_instance(const struct group *group, struct slice instance_id);
struct group_pending *group_find_pending(const struct group *group, struct slice member_id);
void group_pending_free(struct group_pending *pending);

/* The member that these ids belong to; else NULL and UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
struct group_member *group_check_member(const struct group *group, struct slice member_id,
                                        struct slice instance_id, enum kafka_error *error);

struct group_protocols *group_protocols_copy(const struct group_protocol *items, int32_t count);

struct group_member *group_add_member(struct group *group, struct slice member_id,
                                      struct slice instance_id);

/* Ends the member's waits with `error` and frees it; another member becomes leader if need be. */
void group_remove_member(struct group_member *member, enum kafka_error error);

/* Gives the member another id; the waits of the old one end with FENCED_INSTANCE_ID. */
void group_rename_member(struct group_member *member, struct slice member_id);

/* Takes over `protocols`. */
void group_set_protocols(struct group_member *member, struct group_protocols *protocols);

/* Whether every member supports the protocol. */
bool group_all_support(const struct group *group, struct slice protocol);

/* The protocol that most members prefer among those that all support. There is one. */
struct slice group_select_protocol(const struct group *group);

/* The largest of the members'. */
int32_t group_rebalance_timeout(const struct group *group);

void group_start_session(struct group_member *member, int32_t timeout_ms);

void group_await_join(struct group_member *member, struct group_join *join);
void group_answer_join(struct group_member *member, const struct group_joined *result);
void group_answer_sync(struct group_member *member, enum kafka_error error,
                       struct slice assignment);

/* A successful answer to the member. */
struct group_joined group_joined_now(const struct group *group, const struct group_member *member,
                                     bool with_members);
struct group_joined group_joined_error(struct slice member_id, enum kafka_error error);

void group_persist(struct group *group, struct group_write *write);
struct group_write *group_write_new(const struct group *group, enum group_write_kind kind);

/* ---- classic_rebalance.c --------------------------------------------------------------------- */

void group_prepare_rebalance(struct group *group);

/* A member came, changed or went: begin a rebalance, or see whether the running one is complete. */
void group_rebalance_or_complete(struct group *group);
void group_maybe_complete_join(struct group *group);
void group_complete_join(struct group *group);
bool group_all_joined(const struct group *group);

/* The member has sent its SyncGroup. */
void group_sync_received(struct group_member *member);

/* All assignments are dropped and waiting SyncGroups end with the error. */
void group_reset_assignments(struct group *group, enum kafka_error error);

/* Timer functions. */
void group_join_timer_fired(struct timer *timer);
void group_sync_timer_fired(struct timer *timer);
void group_session_expired(struct timer *timer);
void group_pending_expired(struct timer *timer);

/* ---- classic_join.c -------------------------------------------------------------------------- */

/* The outcome of GROUP_WRITE_REPLACED. */
void group_replaced_written(struct group *group, struct group_write *write, enum kafka_error error);

#endif
