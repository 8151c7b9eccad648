/*
 * The APIs this node serves: one file for one API, one line here for each.
 *
 * The table (api_table.c) is the single list of what is served and in which versions: ApiVersions
 * answers from it, docs/compatibility.md is checked against it. A key that is not here or not of
 * the listener's scope, or a version outside the range, closes the connection as Kafka does.
 */
#ifndef BROKER_API_API_H
#define BROKER_API_API_H

#include <stdbool.h>
#include <stdint.h>

struct request;

/* What a listener is for; an API belongs to one or both (the "listeners" of Kafka's definitions).
 */
enum api_scope {
    API_SCOPE_BROKER = 1,     /* clients, and brokers as followers */
    API_SCOPE_CONTROLLER = 2, /* the other controllers, and brokers that ask the active one */
};

struct api_handler {
    int16_t key;
    uint8_t scopes; /* of enum api_scope */
    /* A broker passes it on to the active controller in an Envelope (Kafka's "forwardable"). */
    bool forwardable;
    int16_t min_version;
    int16_t max_version;
    /* Advertised minimum when lower than what is served (KAFKA-18659: Produce 0); else the same. */
    int16_t advertised_min_version;
    /* On the connection's shard; must end the request (server/request.h). */
    void (*handle)(struct request *request);
};

/* NULL when not served in that scope. */
const struct api_handler *api_handler(int16_t key, enum api_scope scope);

/* The API served in that scope with the lowest key above `key` (-1 for the first); NULL after the
 * last. */
const struct api_handler *api_handler_next(int key, enum api_scope scope);

/* clang-format off */

/* key, handler, scope (B: broker, C: controller, F: forwardable), min, max */
#define API_LIST(X)                                               \
    X(0,  produce,                         B,    3, 13)           \
    X(1,  fetch,                           BC,   4, 18)           \
    X(2,  list_offsets,                    B,    0, 11)           \
    X(3,  metadata,                        B,    0, 13)           \
    X(8,  offset_commit,                   B,    1, 10)           \
    X(9,  offset_fetch,                    B,    1, 10)           \
    X(10, find_coordinator,                B,    0, 6)            \
    X(11, join_group,                      B,    0, 9)            \
    X(12, heartbeat,                       B,    0, 4)            \
    X(13, leave_group,                     B,    0, 5)            \
    X(14, sync_group,                      B,    0, 5)            \
    X(15, describe_groups,                 B,    0, 6)            \
    X(16, list_groups,                     B,    0, 5)            \
    X(18, api_versions,                    BC,   0, 4)            \
    X(19, create_topics,                   BCF,  0, 7)            \
    X(20, delete_topics,                   BCF,  0, 6)            \
    X(21, delete_records,                  B,    0, 2)            \
    X(22, init_producer_id,                B,    0, 5)            \
    X(23, offset_for_leader_epoch,         B,    2, 4)            \
    X(32, describe_configs,                BC,   0, 4)            \
    X(33, alter_configs,                   BCF,  0, 2)            \
    X(34, alter_replica_log_dirs,          B,    1, 2)            \
    X(35, describe_log_dirs,               B,    0, 5)            \
    X(37, create_partitions,               BCF,  0, 3)            \
    X(42, delete_groups,                   B,    0, 2)            \
    X(43, elect_leaders,                   BCF,  0, 2)            \
    X(44, incremental_alter_configs,       BCF,  0, 1)            \
    X(45, alter_partition_reassignments,   BCF,  0, 1)            \
    X(46, list_partition_reassignments,    BCF,  0, 0)            \
    X(47, offset_delete,                   B,    0, 0)            \
    X(52, vote,                            C,    0, 2)            \
    X(53, begin_quorum_epoch,              C,    0, 1)            \
    X(54, end_quorum_epoch,                C,    0, 1)            \
    X(55, describe_quorum,                 BCF,  0, 2)            \
    X(56, alter_partition,                 C,    2, 3)            \
    X(57, update_features,                 BCF,  0, 2)            \
    X(58, envelope,                        C,    0, 0)            \
    X(59, fetch_snapshot,                  C,    0, 1)            \
    X(60, describe_cluster,                BC,   0, 2)            \
    X(61, describe_producers,              B,    0, 0)            \
    X(62, broker_registration,             C,    0, 4)            \
    X(63, broker_heartbeat,                C,    0, 2)            \
    X(64, unregister_broker,               BCF,  0, 0)            \
    X(67, allocate_producer_ids,           C,    0, 0)            \
    X(70, controller_registration,         C,    0, 0)            \
    X(71, get_telemetry_subscriptions,     B,    0, 0)            \
    X(72, push_telemetry,                  B,    0, 0)            \
    X(73, assign_replicas_to_dirs,         C,    0, 0)            \
    X(74, list_config_resources,           B,    0, 1)            \
    X(75, describe_topic_partitions,       B,    0, 0)            \
    X(80, add_raft_voter,                  BCF,  0, 1)            \
    X(81, remove_raft_voter,               BCF,  0, 0)            \
    X(82, update_raft_voter,               C,    0, 0)

/* clang-format on */

#define API_DECLARE(key, name, scope, min, max) void api_##name(struct request *request);
API_LIST(API_DECLARE)
#undef API_DECLARE

#endif
