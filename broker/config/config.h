/*
 * Configuration: server.properties with Kafka's keys, in three layers.
 *
 *   struct config         what was given at start (file, then --override), immutable, all keys
 *   struct broker_config  the effective broker configuration of a shard: static, below the dynamic
 *                         cluster default, below the dynamic configuration of this broker
 *   topic configuration   a topic's overrides over the broker configuration
 *
 * All keys stand in one table (config_keys.h) with type, default, range, mode, documentation and
 * whether Barnabas honours them; docs/configuration.md is generated from it, DescribeConfigs
 * answers from it.
 */
#ifndef BROKER_CONFIG_CONFIG_H
#define BROKER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/errmsg.h"
#include "base/slice.h"
#include "broker/config/config_keys.h" /* enum config_id: CONFIG_LOG_RETENTION_MS for
                                          log.retention.ms; struct config_key; the tables */
#include "protocol/errors.h"
#include "storage/log.h"

struct image;
struct machine;

/* ---- Static ---------------------------------------------------------------------------------- */

struct config;

/*
 * Reads `path` (may be NULL: defaults) and applies `overrides` ("key=value" each). On a bad value,
 * a missing required key or an impossible combination: -EINVAL and one line that names key, value
 * and what is allowed, before anything on disk is touched. -errno of reading the file. Unknown keys
 * and keys that are known but not honoured are collected for config_log_warnings().
 */
MUST_CHECK int config_load(struct machine *machine, const char *path, const char *const *overrides,
                           int override_count, struct config **out, struct errmsg *errmsg);

/* The same of the text of a file (environment.h). */
MUST_CHECK int config_load_text(struct machine *machine, struct slice text,
                                const char *const *overrides, int override_count,
                                struct config **out, struct errmsg *errmsg);
void config_free(struct config *config);
void config_log_warnings(const struct config *config, struct machine *machine);

/* Effective static value; the type must be the key's. Strings are null when the key is unset. */
bool config_bool(const struct config *config, enum config_id id);
int64_t config_int(const struct config *config, enum config_id id); /* int, short, long */
struct slice config_string(const struct config *config, enum config_id id);
bool config_is_set(const struct config *config, enum config_id id);

/* A parsed listener: NAME://host:port. */
struct config_listener {
    const char *name; /* "PLAINTEXT" */
    const char *host; /* "" for all addresses */
    int port;
    int16_t security_protocol; /* 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL */
    bool controller;           /* in controller.listener.names */
};
int config_listener_count(const struct config *config);
const struct config_listener *config_listener_at(const struct config *config, int index);

/* What clients are told for that listener (advertised.listeners). */
const struct config_listener *config_advertised(const struct config *config, int index);

/* The host that a client of that listener is told of this node, when it is not the advertised one:
 * with advertised.listeners=auto it depends on the connection, whose numeric addresses are given.
 * NULL: the advertised one. The text is `local`, or outlives the configuration. */
const char *config_told_host(const struct config *config, int index, const char *local,
                             const char *peer);

/* metrics.listener: false when it is not set. `host` is "" for all addresses. */
bool config_metrics_listener(const struct config *config, const char **host, int *port);

/* The name of the listener through which brokers reach one another; NULL on a controller. */
const char *config_inter_broker_listener(const struct config *config);

/* process.roles. Alone: both roles, and no quorum is named but this node itself. */
bool config_is_broker(const struct config *config);
bool config_is_controller(const struct config *config);
bool config_is_alone(const struct config *config);

/* controller.quorum.voters (none: the voters are in the log), and
 * controller.quorum.bootstrap.servers, whose ids are -1. */
#define CONFIG_VOTERS_MAX 31
struct config_address {
    int32_t id;
    const char *host;
    int port;
};
int config_voter_count(const struct config *config);
const struct config_address *config_voter_at(const struct config *config, int index);
int config_bootstrap_server_count(const struct config *config);
const struct config_address *config_bootstrap_server_at(const struct config *config, int index);

int config_log_dir_count(const struct config *config);
const char *config_log_dir(const struct config *config, int index);
const char *config_metadata_dir(const struct config *config);

/* A topic to ensure at start: barnabas.topics=name:partitions[:replicas][;key=value...],... */
struct config_topic {
    struct slice name;
    int32_t partitions;         /* -1: num.partitions */
    int16_t replication_factor; /* -1: default.replication.factor */
    struct slice *config_names; /* and values, config_count each */
    struct slice *config_values;
    int config_count;
};
int config_topic_count(const struct config *config);
const struct config_topic *config_topic_at(const struct config *config, int index);

/* ---- Effective broker configuration ---------------------------------------------------------- */

struct broker_config;

struct broker_config *broker_config_new(const struct config *config, int32_t node_id);
void broker_config_free(struct broker_config *config);

/* Recomputes from the image's BROKER resources ("" and this node's id). */
void broker_config_apply(struct broker_config *config, const struct image *image);

int64_t broker_config_int(const struct broker_config *config, enum config_id id);
struct slice broker_config_string(const struct broker_config *config, enum config_id id);

/* The value of one listener, listener.name.<listener>.<key> in small letters, or where that is not
 * set the broker's: of max.connections and max.connection.creation.rate. */
int64_t broker_config_listener_int(const struct broker_config *config, const struct image *image,
                                   const char *listener, enum config_id id);

/* {leader,follower}.replication.throttled.rate, which stand in no table: bytes a second of what
 * this broker sends, or fetches, of throttled replicas. INT64_MAX when not set. */
int64_t broker_config_throttled_rate(const struct broker_config *config, const struct image *image,
                                     bool leader);

/* The same of moves between log dirs (replica.alter.log.dirs.io.max.bytes.per.second). */
int64_t broker_config_moving_rate(const struct broker_config *config, const struct image *image);

/* ---- Topic configuration --------------------------------------------------------------------- */

struct topic_config {
    struct log_config log; /* retention.ms, segment.bytes, ... */
    int64_t max_message_bytes;
    int64_t min_insync_replicas;
    int64_t message_timestamp_before_max_ms;
    int64_t message_timestamp_after_max_ms;
    bool log_append_time;        /* message.timestamp.type */
    int compression;             /* enum compression; COMPRESSION_PRODUCER */
    int compression_level;       /* of that codec; INT_MIN: its default */
    bool header_only_validation; /* record.validation=header */
    bool unclean_leader_election;
};

/* Effective configuration of a topic in this image. */
void topic_config_effective(const struct broker_config *broker, const struct image *image,
                            struct slice topic, struct topic_config *out);

/* Whether this node's replica of the partition is listed in {leader,follower}.replication.throttled
 * .replicas. */
bool topic_config_throttles(const struct broker_config *broker, const struct image *image,
                            struct slice topic, int32_t partition, bool leader);

/* ---- Validation for CreateTopics and the alter APIs ------------------------------------------ */

/* Whether `name` is a config of that resource type (enum config_resource_type) and `value` is
 * valid for it. ERROR_INVALID_CONFIG (topic) or ERROR_INVALID_REQUEST (broker), as Kafka answers,
 * with errmsg. Read-only broker keys are refused. */
enum kafka_error config_validate(int8_t resource_type, struct slice name, struct slice value,
                                 struct errmsg *errmsg);

/* Whether APPEND and SUBTRACT work on it; on lists of client metrics they do not, as in Kafka. */
bool config_is_list(int8_t resource_type, struct slice name);

/* Whether it may only be set for one broker, not as the default of all (resource name ""). */
bool config_is_per_broker(struct slice name);

/* ---- Explaining (DescribeConfigs) ------------------------------------------------------------ */

/* Where a value comes from; numbers as in DescribeConfigs responses. */
enum config_source {
    CONFIG_SOURCE_TOPIC = 1,
    CONFIG_SOURCE_DYNAMIC_BROKER = 2,
    CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER = 3,
    CONFIG_SOURCE_STATIC_BROKER = 4,
    CONFIG_SOURCE_DEFAULT = 5,
    CONFIG_SOURCE_DYNAMIC_BROKER_LOGGER = 6,
    CONFIG_SOURCE_CLIENT_METRICS = 7,
    CONFIG_SOURCE_GROUP = 8,
};

struct config_synonym {
    const char *name;
    struct slice value; /* null when sensitive */
    enum config_source source;
};

struct config_explanation {
    const struct config_key *key; /* NULL for a name that is in no table */
    struct slice name;
    struct slice value; /* null: not set, or sensitive */
    enum config_source source;
    bool sensitive;
    bool read_only;
    struct config_synonym *synonyms; /* in order of precedence */
    int synonym_count;
};

/*
 * All configs of a resource that DescribeConfigs lists, in the arena, sorted by name. `broker` and
 * `image` are those of the shard. Of a broker, the name is this node's id, or "" for what was set
 * as the default of all brokers. Texts belong to the image, the configuration and the arena.
 */
void config_explain(const struct broker_config *broker, const struct image *image,
                    int8_t resource_type, struct slice name, struct arena *arena,
                    struct config_explanation **out, int *count);

#endif
