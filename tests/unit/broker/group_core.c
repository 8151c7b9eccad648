#include "group_core.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

static void persist(struct group_env *env, struct group *group, struct group_write *write) {
    struct core *core = CONTAINER_OF(env, struct core, env);
    ASSERT(core->write_count < 64);
    core->writes[core->write_count++] = write;
    core->write_total++;
}

void core_init(struct core *core) {
    memset(core, 0, sizeof(*core));
    machine_reset(&core->machine);
    core->limits = (struct group_limits){
        .session_timeout_min_ms = 6000,
        .session_timeout_max_ms = 1800000,
        .initial_delay_ms = 3000,
        .size_max = INT32_MAX,
    };
    core->env = (struct group_env){
        .machine = &core->machine,
        .shard = &core->machine.shard,
        .limits = &core->limits,
        .persist = persist,
    };
    core->group = group_new(&core->env, SLICE_LIT("g"));
}

void core_free(struct core *core) {
    for (int i = 0; i < core->write_count; i++) {
        group_write_free(core->writes[i]);
    }
    group_free(core->group);
}

void core_write(struct core *core, enum kafka_error error) {
    ASSERT(core->write_count > 0);
    struct group_write *write = core->writes[0];
    core->write_count--;
    memmove(core->writes, core->writes + 1, (size_t)core->write_count * sizeof(*core->writes));
    group_written(core->group, write, error);
}

void core_write_all(struct core *core) {
    while (core->write_count > 0) {
        core_write(core, ERROR_NONE);
    }
}

/* ---- Clients --------------------------------------------------------------------------------- */

static void keep(char out[ID_SIZE], struct slice s) {
    (void)snprintf(out, ID_SIZE, "%.*s", (int)s.len, s.data == NULL ? "" : (const char *)s.data);
}

struct client client_make(struct core *core, const char *instance) {
    return (struct client){
        .core = core,
        .instance = instance,
        .version = 9,
        .session_ms = 10000,
        .rebalance_ms = 60000,
        .type = "consumer",
        .protocols = {"range"},
        .metadata = "m",
    };
}

static void joined(struct group_join *join, const struct group *group,
                   const struct group_joined *result) {
    struct client *client = CONTAINER_OF(join, struct client, join);
    client->joined++;
    client->join_error = result->error;
    client->generation = result->generation;
    client->skip_assignment = result->skip_assignment;
    client->member_count = result->with_members ? group->member_count : 0;
    keep(client->answer_id, result->member_id);
    keep(client->leader, result->leader);
    keep(client->protocol, result->protocol);
    if (result->error == ERROR_NONE || result->error == ERROR_MEMBER_ID_REQUIRED) {
        keep(client->id, result->member_id);
    }
}

void client_join(struct client *client) {
    struct group_protocol protocols[4];
    char metadata[4][ID_SIZE];
    int32_t count = 0;
    for (; count < 4 && client->protocols[count] != NULL; count++) {
        (void)snprintf(metadata[count], ID_SIZE, "%s/%s", client->protocols[count],
                       client->metadata);
        protocols[count] = (struct group_protocol){slice_str(client->protocols[count]),
                                                   slice_str(metadata[count])};
    }
    char id[ID_SIZE];
    (void)snprintf(id, sizeof(id), "%s", client->id);
    bool fresh = client->core->group->state == GROUP_EMPTY && client->core->write_total == 0;
    client->join = (struct group_join){
        .version = client->version,
        .member_id = slice_str(id),
        .instance_id = slice_str(client->instance),
        .client_id = SLICE_LIT("client"),
        .client_host = SLICE_LIT("/127.0.0.1"),
        .protocol_type = slice_str(client->type),
        .protocols = protocols,
        .protocol_count = count,
        .session_timeout_ms = client->session_ms,
        .rebalance_timeout_ms = client->rebalance_ms,
        .done = joined,
    };
    group_join(client->core->group, &client->join, fresh);
}

void client_join_fully(struct client *client) {
    client_join(client);
    if (client->join_error == ERROR_MEMBER_ID_REQUIRED) {
        client_join(client);
    }
}

static void synced(struct group_sync *sync, const struct group *group, enum kafka_error error,
                   struct slice assignment) {
    struct client *client = CONTAINER_OF(sync, struct client, sync);
    client->synced++;
    client->sync_error = error;
    keep(client->assignment, assignment);
}

static void send_sync(struct client *client, const struct group_assignment *assignments,
                      int32_t count) {
    client->sync = (struct group_sync){
        .member_id = slice_str(client->id),
        .instance_id = slice_str(client->instance),
        .generation = client->generation,
        .assignments = assignments,
        .assignment_count = count,
        .done = synced,
    };
    group_sync(client->core->group, &client->sync);
}

void client_sync(struct client *client) {
    send_sync(client, NULL, 0);
}

void client_sync_assign(struct client *client, struct client **members, int count) {
    struct group_assignment assignments[16];
    char bytes[16][16];
    for (int i = 0; i < count; i++) {
        (void)snprintf(bytes[i], sizeof(bytes[i]), "p%d", i);
        assignments[i] = (struct group_assignment){slice_str(members[i]->id), slice_str(bytes[i])};
    }
    send_sync(client, assignments, count);
}

enum kafka_error client_heartbeat(struct client *client) {
    return group_heartbeat(client->core->group, slice_str(client->id), slice_str(client->instance),
                           client->generation);
}

enum kafka_error client_leave(struct client *client) {
    enum kafka_error error =
        group_leave(client->core->group, slice_str(client->id), slice_str(client->instance));
    if (error == ERROR_NONE) {
        group_left(client->core->group);
    }
    return error;
}

enum kafka_error client_commit(struct client *client) {
    return group_check_commit(client->core->group, slice_str(client->id),
                              slice_str(client->instance), client->generation);
}

void core_stabilize(struct core *core, struct client *clients, int count) {
    struct client *members[16];
    for (int i = 0; i < count; i++) {
        client_join_fully(&clients[i]);
        members[i] = &clients[i];
    }
    /* The initial delay, for as long as it may be extended. */
    for (int i = 0; i < 3 && core->group->state != GROUP_COMPLETING; i++) {
        machine_advance(&core->machine, 3000);
    }
    ASSERT(core->group->state == GROUP_COMPLETING);
    for (int i = 1; i < count; i++) {
        client_sync(&clients[i]);
    }
    client_sync_assign(&clients[0], members, count);
    core_write_all(core);
    ASSERT(core->group->state == GROUP_STABLE);
}
