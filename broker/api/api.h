/*
 * The APIs this node serves: one file for one API, one line here for each.
 *
 * The table (api_table.c) is the single list of what is served and in which versions: ApiVersions
 * answers from it, docs/compatibility.md is checked against it. A key that is not here, or a
 * version outside the range, closes the connection as Kafka does.
 */
#ifndef BROKER_API_API_H
#define BROKER_API_API_H

#include <stdint.h>

struct request;

struct api_handler {
    int16_t key;
    int16_t min_version;
    int16_t max_version;
    /* Advertised minimum when lower than what is served (KAFKA-18659: Produce 0); else the same. */
    int16_t advertised_min_version;
    /* On the connection's shard; must end the request (server/request.h). */
    void (*handle)(struct request *request);
};

/* NULL when not served. */
const struct api_handler *api_handler(int16_t key);

/* The served API with the lowest key above `key` (-1 for the first); NULL after the last. */
const struct api_handler *api_handler_next(int key);

/* clang-format off */

/* key, handler,                       min, max */
#define API_LIST(X)                                       \
    X(0,  produce,                     3, 13)             \
    X(1,  fetch,                       4, 18)             \
    X(2,  list_offsets,                0, 11)             \
    X(3,  metadata,                    0, 13)             \
    X(8,  offset_commit,               1, 10)             \
    X(9,  offset_fetch,                1, 10)             \
    X(10, find_coordinator,            0, 6)              \
    X(11, join_group,                  0, 9)              \
    X(12, heartbeat,                   0, 4)              \
    X(13, leave_group,                 0, 5)              \
    X(14, sync_group,                  0, 5)              \
    X(15, describe_groups,             0, 6)              \
    X(16, list_groups,                 0, 5)              \
    X(18, api_versions,                0, 4)              \
    X(19, create_topics,               0, 7)              \
    X(20, delete_topics,               0, 6)              \
    X(21, delete_records,              0, 2)              \
    X(22, init_producer_id,            0, 5)              \
    X(23, offset_for_leader_epoch,     2, 4)              \
    X(32, describe_configs,            0, 4)              \
    X(33, alter_configs,               0, 2)              \
    X(35, describe_log_dirs,           0, 5)              \
    X(37, create_partitions,           0, 3)              \
    X(42, delete_groups,               0, 2)              \
    X(44, incremental_alter_configs,   0, 1)              \
    X(47, offset_delete,               0, 0)              \
    X(55, describe_quorum,             0, 2)              \
    X(60, describe_cluster,            0, 2)              \
    X(61, describe_producers,          0, 0)              \
    X(74, list_config_resources,       0, 1)              \
    X(75, describe_topic_partitions,   0, 0)

/* clang-format on */

#define API_DECLARE(key, name, min, max) void api_##name(struct request *request);
API_LIST(API_DECLARE)
#undef API_DECLARE

#endif
