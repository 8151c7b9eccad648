/*
 * Decisions: pure functions from an image and a request to records and a response.
 *
 * A decision reads the controller's image, which contains everything that was decided before it,
 * committed or not, and changes nothing. Its records become one atomic batch; its response is sent
 * when that batch is committed and applied on every shard.
 */
#ifndef BROKER_CONTROLLER_DECISION_H
#define BROKER_CONTROLLER_DECISION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "broker/metadata/image.h"
#include "broker/metadata/metadata_record.h"
#include "protocol/errors.h"

struct broker_config;
struct broker_sessions;
struct config;
struct machine;

/* What a replica's log dir is when it is none: never told (below 3.7), to be chosen by the broker,
 * gone. */
#define DIRECTORY_MIGRATING  uuid_from_halves(0, 0)
#define DIRECTORY_UNASSIGNED uuid_from_halves(0, 1)
#define DIRECTORY_LOST       uuid_from_halves(0, 2)

/* Records of one request; more are refused (KAFKA-14538). */
#define DECISION_RECORDS_MAX 10000

struct decision {
    const struct image *image;
    const struct config *config;            /* as given at start */
    const struct broker_config *broker;     /* effective, of shard 0 */
    struct machine *machine;                /* for randomness only */
    const struct broker_sessions *sessions; /* who is alive; NULL: nobody is known to be */
    struct slice cluster_id;                /* null: not checked */
    int64_t now_ms;                         /* monotonic */
    int32_t node_id;
    int16_t metadata_version;
    int16_t kraft_version;
    const char *kraft_upgrade_refusal; /* why kraft.version cannot go up; NULL: it can */
    int64_t next_offset;               /* that the first record would get */
    struct arena *arena;               /* for the response; lives until it is sent */
    struct record_list records;
    bool kraft_upgrade;    /* decided: kraft.version goes up, which is no record */
    int unclean_elections; /* among what was decided */
};

/* An outcome for one item of a request; the text is constant or in the arena, or null. */
struct verdict {
    enum kafka_error error;
    struct slice message;
};

#define VERDICT_OK ((struct verdict){.error = ERROR_NONE})

struct verdict verdict(enum kafka_error error, const char *message);

/* With a formatted text in the decision's arena. */
struct verdict verdict_printf(const struct decision *d, enum kafka_error error, const char *format,
                              ...) PRINTF_LIKE(3, 4);

/* Takes back the records from `count` on: an item failed half-way. */
void decision_rewind(struct decision *d, int count);

/* Turns success into POLICY_VIOLATION when all records so far are more than one batch may have. */
void decision_check_size(const struct decision *d, struct verdict *outcome);

/* Whether the broker may hold leaders: registered, not fenced, not shutting down. */
bool broker_is_active(const struct image *image, int32_t id);

/* The log dir that a new replica on this broker gets: the only one that takes new replicas, or
 * DIRECTORY_UNASSIGNED. */
struct uuid broker_default_directory(const struct image *image, int32_t id);

/* Whether a replica in this log dir of the broker can be served, as far as is known. */
bool broker_has_directory(const struct image *image, int32_t id, struct uuid directory);

/* NONE when the request is of the broker's present incarnation, else STALE_BROKER_EPOCH. */
enum kafka_error check_broker_epoch(const struct image *image, int32_t id, int64_t epoch);

/* A topic's min.insync.replicas and unclean.leader.election.enable: its own, the cluster's default,
 * or this node's. */
int64_t topic_min_insync_replicas(const struct decision *d, struct slice topic);
bool topic_unclean_election(const struct decision *d, struct slice topic);

/* Whether the broker syncs records of the topic before they count (durability=fsync), so that even
 * a crash takes nothing of what was committed. Nodes are taken to be configured alike. */
bool topic_is_durable(const struct decision *d, struct slice topic, int32_t broker);

/* ---- Placement (placement.c) ----------------------------------------------------------------- */

/*
 * Chooses replicas for `partition_count` partitions: racks in turn, brokers of a rack in turn, from
 * a random start; fenced brokers only where active ones do not suffice, and never first.
 * replicas[i * replication_factor] is the preferred leader of partition i; in the arena.
 */
struct verdict place_replicas(struct decision *d, int32_t partition_count,
                              int16_t replication_factor, int32_t **replicas);

/* Emits a PartitionRecord of a new partition: in sync are its active replicas, the first of them
 * leads. False when none is active. */
bool add_new_partition(struct decision *d, struct uuid topic_id, int32_t index,
                       const int32_t *replicas, int32_t replica_count);

/* Checks a manual assignment as Kafka does: not empty, brokers registered, distinct, as many as
 * `expected` (-1: any number). */
struct verdict check_assignment(const struct decision *d, const int32_t *brokers, int32_t count,
                                int32_t expected);

/* ---- Configurations (decide_configs.c) ------------------------------------------------------- */

/* Checks that a topic may have this override, as creation and alteration do. */
struct verdict check_topic_config(const struct decision *d, struct slice name, struct slice value);

/* Checks the values of min.compaction.lag.ms and max.compaction.lag.ms together; null: not set. */
struct verdict check_compaction_lags(const struct decision *d, struct slice min, struct slice max);

void add_config_record(struct decision *d, int8_t type, struct slice resource, struct slice name,
                       struct slice value);

/* ---- One for each API ------------------------------------------------------------------------ */

struct create_topics_request;
struct create_topics_response;
void decide_create_topics(struct decision *d, const struct create_topics_request *request,
                          struct create_topics_response *response);

struct delete_topics_request;
struct delete_topics_response;
void decide_delete_topics(struct decision *d, const struct delete_topics_request *request,
                          int16_t version, struct delete_topics_response *response);

struct create_partitions_request;
struct create_partitions_response;
void decide_create_partitions(struct decision *d, const struct create_partitions_request *request,
                              struct create_partitions_response *response);

struct alter_configs_request;
struct alter_configs_response;
void decide_alter_configs(struct decision *d, const struct alter_configs_request *request,
                          struct alter_configs_response *response);

struct incremental_alter_configs_request;
struct incremental_alter_configs_response;
void decide_incremental_alter_configs(struct decision *d,
                                      const struct incremental_alter_configs_request *request,
                                      struct incremental_alter_configs_response *response);

struct broker_registration_request;
struct broker_registration_response;
void decide_broker_registration(struct decision *d,
                                const struct broker_registration_request *request,
                                struct broker_registration_response *response);

struct broker_heartbeat_request;
struct broker_heartbeat_response;
void decide_broker_heartbeat(struct decision *d, const struct broker_heartbeat_request *request,
                             struct broker_heartbeat_response *response);

struct unregister_broker_request;
struct unregister_broker_response;
void decide_unregister_broker(struct decision *d, const struct unregister_broker_request *request,
                              struct unregister_broker_response *response);

/* How many ids a broker gets at once. */
#define PRODUCER_ID_BLOCK 1000
struct allocate_producer_ids_request;
struct allocate_producer_ids_response;
void decide_allocate_producer_ids(struct decision *d,
                                  const struct allocate_producer_ids_request *request,
                                  struct allocate_producer_ids_response *response);

struct alter_partition_request;
struct alter_partition_response;
void decide_alter_partition(struct decision *d, const struct alter_partition_request *request,
                            int16_t version, struct alter_partition_response *response);

struct elect_leaders_request;
struct elect_leaders_response;
void decide_elect_leaders(struct decision *d, const struct elect_leaders_request *request,
                          int16_t version, struct elect_leaders_response *response);

struct alter_partition_reassignments_request;
struct alter_partition_reassignments_response;
void decide_alter_partition_reassignments(
    struct decision *d, const struct alter_partition_reassignments_request *request,
    struct alter_partition_reassignments_response *response);

struct list_partition_reassignments_request;
struct list_partition_reassignments_response;
void decide_list_partition_reassignments(struct decision *d,
                                         const struct list_partition_reassignments_request *request,
                                         struct list_partition_reassignments_response *response);

struct assign_replicas_to_dirs_request;
struct assign_replicas_to_dirs_response;
void decide_assign_replicas_to_dirs(struct decision *d,
                                    const struct assign_replicas_to_dirs_request *request,
                                    struct assign_replicas_to_dirs_response *response);

struct update_features_request;
struct update_features_response;
void decide_update_features(struct decision *d, const struct update_features_request *request,
                            int16_t version, struct update_features_response *response);

struct controller_registration_request;
struct controller_registration_response;
void decide_controller_registration(struct decision *d,
                                    const struct controller_registration_request *request,
                                    struct controller_registration_response *response);

/* ---- The controller's own -------------------------------------------------------------------- */

/* The broker is not heard of any more: it leads nothing and leaves every ISR. */
void decide_fence_broker(struct decision *d, int32_t id);

/* From time to time: leaders go back to the first replica; partitions without a leader get one
 * uncleanly, where their configuration allows it. */
void decide_preferred_leaders(struct decision *d);
void decide_unclean_leaders(struct decision *d);

/* ELR is being switched on: min.insync.replicas becomes a setting of the cluster, none of single
 * brokers, so that all controllers count with the same. */
void add_elr_records(struct decision *d);

/* ---- This node's own ------------------------------------------------------------------------- */

/* A request that creates `name` as auto-creation does, internal topics with their own settings; in
 * the arena. */
struct create_topics_request *auto_create_request(struct decision *d, struct slice name);

/* A request that creates those topics of the configuration that are missing, or NULL. */
struct create_topics_request *configured_topics_request(struct decision *d);

#endif
