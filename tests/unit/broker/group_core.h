/*
 * One classic group without a log: the test is the coordinator. Clients are named; what they were
 * answered stays in their struct.
 */
#ifndef TESTS_UNIT_BROKER_GROUP_CORE_H
#define TESTS_UNIT_BROKER_GROUP_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/group/classic_group.h"
#include "group_machine.h"

#define ID_SIZE 128

struct core {
    struct machine machine;
    struct group_limits limits;
    struct group_env env;
    struct group *group;
    /* Records that were asked for and not yet decided. */
    struct group_write *writes[64];
    int write_count;
    int write_total;
};

struct client {
    struct core *core;
    const char *instance; /* NULL: dynamic */
    char id[ID_SIZE];     /* "" until one is known */
    int16_t version;
    int32_t session_ms;
    int32_t rebalance_ms;
    const char *type;
    const char *protocols[4]; /* names; their metadata is "<name>/<metadata>" */
    const char *metadata;
    struct group_join join;
    int joined; /* answers to joins */
    enum kafka_error join_error;
    int32_t generation;
    char answer_id[ID_SIZE];
    char leader[ID_SIZE];
    char protocol[ID_SIZE];
    bool skip_assignment;
    int member_count; /* listed in the answer */
    struct group_sync sync;
    int synced;
    enum kafka_error sync_error;
    char assignment[ID_SIZE];
};

void core_init(struct core *core);
void core_free(struct core *core);

/* Ends the oldest write. */
void core_write(struct core *core, enum kafka_error error);
void core_write_all(struct core *core);

struct client client_make(struct core *core, const char *instance);

/* One JoinGroup; the given id is kept when the answer brings one. */
void client_join(struct client *client);

/* JoinGroup as a dynamic member does it: with the id that MEMBER_ID_REQUIRED brings. */
void client_join_fully(struct client *client);

/* SyncGroup of a follower, or of a leader that assigns "<n>" to all. */
void client_sync(struct client *client);
void client_sync_assign(struct client *client, struct client **members, int count);

enum kafka_error client_heartbeat(struct client *client);
enum kafka_error client_leave(struct client *client);
enum kafka_error client_commit(struct client *client);

/* Dynamic clients [0, count) become a stable group, clients[0] its leader. */
void core_stabilize(struct core *core, struct client *clients, int count);

#endif
