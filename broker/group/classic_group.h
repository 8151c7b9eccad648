/*
 * A classic consumer group: the state machine behind JoinGroup, SyncGroup, Heartbeat and LeaveGroup
 * (KIP-62, 345, 394, 429, 559, 814).
 *
 *               join                      all joined, or time is up
 *     EMPTY ----------> PREPARING ----------------------------------> COMPLETING
 *       ^                 |   ^ ^                                         |
 *       |   nobody came   |   | |  join, leave, expiry, no sync           |  the leader's
 *       +-----------------+   | +-----------------------------------------+  assignment
 *                             |                                           |  is written
 *                             +----------------- STABLE <-----------------+
 *
 *     DEAD: its tombstone is being written; back to EMPTY when that fails.
 *
 * The core knows no requests, logs or sockets. Inputs are the functions below and the group's own
 * timers; outputs are the `done` callbacks of waiting joins and syncs and, through struct
 * group_env, records to be written. Everything happens on one shard.
 *
 * Strings that are passed in are copied when they are kept.
 */
#ifndef BROKER_GROUP_CLASSIC_GROUP_H
#define BROKER_GROUP_CLASSIC_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hmap.h"
#include "base/list.h"
#include "base/slice.h"
#include "broker/group/offset_store.h"
#include "protocol/errors.h"
#include "runtime/machine.h"

struct group;
struct group_member;

/* ---- Environment ----------------------------------------------------------------------------- */

struct group_limits {
    int32_t session_timeout_min_ms; /* group.min.session.timeout.ms */
    int32_t session_timeout_max_ms; /* group.max.session.timeout.ms */
    int32_t initial_delay_ms;       /* group.initial.rebalance.delay.ms */
    int32_t size_max;               /* group.max.size */
};

/* How long a new member may wait in JoinGroup before it is dropped: it cannot send heartbeats yet,
 * and that its connection is gone cannot be seen. */
#define GROUP_NEW_MEMBER_TIMEOUT_MS (5 * 60 * 1000)

enum group_write_kind {
    GROUP_WRITE_CREATED,    /* a new group, before its first generation */
    GROUP_WRITE_EMPTY,      /* the last member is gone */
    GROUP_WRITE_ASSIGNMENT, /* the leader's SyncGroup */
    GROUP_WRITE_REPLACED,   /* a static member came back under a new member id */
};

struct group_protocols;

/* A record on its way. */
struct group_write {
    enum group_write_kind kind;
    int32_t generation;
    /* GROUP_WRITE_REPLACED: what the join is answered with, and what a failure restores. */
    int16_t join_version;
    char *instance_id;
    char *new_member_id;
    char *old_member_id;
    char *old_leader;
    struct group_protocols *old_protocols;
    int32_t old_session_timeout_ms;
    int32_t old_rebalance_timeout_ms;
};

struct group_env {
    struct machine *machine;
    struct shard *shard;
    const struct group_limits *limits;
    /*
     * Writes the group's metadata as it is now; group_written(group, write, error) must follow in a
     * later call, with an error of the coordinator's vocabulary. The group lives until then.
     */
    void (*persist)(struct group_env *env, struct group *group, struct group_write *write);
};

/* ---- The group ------------------------------------------------------------------------------- */

enum group_state {
    GROUP_EMPTY,
    GROUP_PREPARING,
    GROUP_COMPLETING,
    GROUP_STABLE,
    GROUP_DEAD,
    GROUP_STATE_COUNT,
};

struct group_protocol {
    struct slice name;
    struct slice metadata;
};

/* A member's protocols in its order of preference; one heap block. */
struct group_protocols {
    int32_t count;
    struct group_protocol items[];
};

struct group_member {
    struct list link;             /* group.members, in the order of joining */
    struct hmap_node by_id;       /* private */
    struct hmap_node by_instance; /* private */
    struct group *group;
    struct slice id;
    struct slice instance_id; /* null: a dynamic member */
    struct slice client_id;
    struct slice client_host;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    struct group_protocols *protocols;
    struct slice assignment; /* never null */
    struct timer session;
    struct group_join *join; /* waits in JoinGroup */
    struct group_sync *sync; /* waits in SyncGroup */
    bool is_new;             /* has not been part of a generation */
    bool sync_pending;       /* has not sent the SyncGroup of this generation */
};

/* An id that was handed out with MEMBER_ID_REQUIRED and has not joined yet. */
struct group_pending {
    struct list link; /* group.pending */
    struct group *group;
    struct slice id;
    struct timer session;
};

/* How many members support a protocol. */
struct group_support {
    struct slice name;
    int32_t members;
};

struct group {
    struct hmap_node node; /* coordinator.groups */
    struct group_env *env;
    struct slice id;
    enum group_state state;
    enum group_state previous_state;
    int64_t state_timestamp; /* wall clock of the last change of state; -1: unknown */
    int32_t generation;
    struct slice protocol_type; /* null: nobody has ever joined (a "simple" group) */
    struct slice protocol;      /* of this generation; null: none */
    struct group_member *leader;
    struct list members;
    struct hmap members_by_id;
    struct hmap members_by_instance;
    int32_t member_count;
    int32_t joining_count; /* members that wait in JoinGroup */
    struct list pending;
    struct group_support *support;
    int32_t support_count;
    int32_t support_cap;
    struct timer join_timer; /* the initial delay, or the end of the join phase */
    struct timer sync_timer; /* the end of the sync phase */
    bool initial_join;       /* what join_timer is about */
    int32_t initial_delay_ms;
    int32_t initial_remaining_ms;
    bool new_member_added;
    struct offset_store offsets;
    int32_t writes;    /* records of this group under way; it must not be freed before they end */
    struct list dying; /* with those whose tombstones are in the same batch */
};

struct group *group_new(struct group_env *env, struct slice id);

/* Ends nothing: waits must have been ended by group_fail_waits(), except at teardown. */
void group_free(struct group *group);

/* "PreparingRebalance" and the like, as Kafka's tools know them. */
const char *group_state_name(enum group_state state);

struct group_member *group_find_member(const struct group *group, struct slice member_id);

/* The bytes a member brought for the group's protocol; empty when there is none. */
struct slice group_member_metadata(const struct group *group, const struct group_member *member);

/* Whether members may be consuming the topic: true for every topic when a member's subscription
 * cannot be read, false for protocol types other than "consumer". */
bool group_subscribes(const struct group *group, struct slice topic);

/* Whether the protocol type is "consumer": the one whose metadata the coordinator understands. */
bool group_is_consumer(const struct group *group);

/* ---- JoinGroup ------------------------------------------------------------------------------- */

struct group_joined {
    enum kafka_error error;
    struct slice member_id;
    int32_t generation; /* -1 on error */
    struct slice protocol_type;
    struct slice protocol;
    struct slice leader;
    bool skip_assignment;
    bool with_members; /* the answer lists the group's members and their metadata */
};

/* One JoinGroup; embedded in what waits. Slices need to live only during group_join(). */
struct group_join {
    int16_t version;
    struct slice member_id;   /* empty: a new member */
    struct slice instance_id; /* may be null */
    struct slice client_id;
    struct slice client_host;
    struct slice protocol_type;
    const struct group_protocol *protocols;
    int32_t protocol_count;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    /* Exactly once, perhaps inside group_join(); the slices of `result` are valid during the call.
     * Must not call back into the group. */
    void (*done)(struct group_join *join, const struct group *group,
                 const struct group_joined *result);
};

/* `created`: the group was made for this join. */
void group_join(struct group *group, struct group_join *join, bool created);

/* ---- SyncGroup ------------------------------------------------------------------------------- */

struct group_assignment {
    struct slice member_id;
    struct slice assignment;
};

/* One SyncGroup; as struct group_join. */
struct group_sync {
    struct slice member_id;
    struct slice instance_id;   /* may be null */
    struct slice protocol_type; /* null: not compared */
    struct slice protocol;      /* null: not compared */
    int32_t generation;
    const struct group_assignment *assignments;
    int32_t assignment_count;
    void (*done)(struct group_sync *sync, const struct group *group, enum kafka_error error,
                 struct slice assignment);
};

void group_sync(struct group *group, struct group_sync *sync);

/* ---- The rest -------------------------------------------------------------------------------- */

enum kafka_error group_heartbeat(struct group *group, struct slice member_id,
                                 struct slice instance_id, int32_t generation);

/* Removes one member; group_left() follows once when any of a request's members was removed. An
 * empty member id with an instance id removes whoever has that instance id (administrators). */
enum kafka_error group_leave(struct group *group, struct slice member_id, struct slice instance_id);
void group_left(struct group *group);

/* Whether these coordinates may commit offsets now; on success the member's session is extended. */
enum kafka_error group_check_commit(struct group *group, struct slice member_id,
                                    struct slice instance_id, int32_t generation);

/* The record that env->persist() was asked for is committed, or not. */
void group_written(struct group *group, struct group_write *write, enum kafka_error error);

/* Frees a write whose outcome will never be known (teardown). */
void group_write_free(struct group_write *write);

/* EMPTY to DEAD while the group's tombstones are under way, and back when they failed. */
void group_set_dead(struct group *group, bool dead);

/* All waits of the group end with this error; its timers stop. The coordinator goes away. */
void group_fail_waits(struct group *group, enum kafka_error error);

/* After a load: session timers start anew; a group above the maximal size rebalances. */
void group_loaded(struct group *group);

/* ---- Replay ---------------------------------------------------------------------------------- */

/* A member as its record has it. */
struct group_member_image {
    struct slice id;
    struct slice instance_id;
    struct slice client_id;
    struct slice client_host;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms; /* -1: the session timeout */
    struct slice subscription;
    struct slice assignment;
};

/* Sets the group to what a record says: Stable with members, else Empty. No timers start. */
void group_restore(struct group *group, int64_t state_timestamp, int32_t generation,
                   struct slice protocol_type, struct slice protocol);
void group_restore_member(struct group *group, const struct group_member_image *image, bool leader);

#endif
