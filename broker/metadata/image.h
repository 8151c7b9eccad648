/*
 * The metadata image: what the records of __cluster_metadata add up to. Each shard has its own copy
 * and applies the same committed records in the same order; apply is the only writer.
 *
 * Strings and arrays of the image belong to it and are valid until the next apply on this shard:
 * keep ids, not pointers, across turns.
 */
#ifndef BROKER_METADATA_IMAGE_H
#define BROKER_METADATA_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/uuid.h"

/* Reserved names. */
#define TOPIC_CONSUMER_OFFSETS  "__consumer_offsets"
#define TOPIC_TRANSACTION_STATE "__transaction_state"
#define TOPIC_SHARE_STATE       "__share_group_state"
#define TOPIC_CLUSTER_METADATA  "__cluster_metadata"

struct image_partition {
    int32_t index;
    int32_t *replicas; /* preferred leader first */
    int32_t replica_count;
    int32_t *isr;
    int32_t isr_count;
    int32_t *elr;
    int32_t elr_count;
    int32_t *last_known_elr;
    int32_t last_known_elr_count;
    int32_t *removing_replicas;
    int32_t removing_replica_count;
    int32_t *adding_replicas;
    int32_t adding_replica_count;
    struct uuid *directories; /* one for each replica; NULL when never assigned */
    int32_t leader;           /* -1: none */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int8_t leader_recovery_state; /* 0 recovered, 1 recovering */
};

struct image_topic {
    struct hmap_node by_name; /* private */
    struct hmap_node by_id;   /* private */
    struct uuid id;
    struct slice name;
    struct image_partition *partitions; /* [0, partition_count), all present */
    int32_t partition_count;
    int64_t created_at; /* private: image.offset when its record was applied */
};

struct image_endpoint {
    struct slice name; /* of the listener */
    struct slice host;
    uint16_t port;
    int16_t security_protocol; /* 0 PLAINTEXT */
};

struct image_feature_range {
    struct slice name;
    int16_t min_level;
    int16_t max_level;
};

struct image_broker {
    struct list link; /* image.brokers, by id */
    int32_t id;
    int64_t epoch;
    struct uuid incarnation_id;
    struct slice rack; /* may be null */
    bool fenced;
    bool in_controlled_shutdown;
    struct image_endpoint *endpoints;
    int32_t endpoint_count;
    struct uuid *log_dirs;
    int32_t log_dir_count;
    struct uuid *cordoned_log_dirs;
    int32_t cordoned_log_dir_count; /* -1: the broker has not said */
    struct image_feature_range *features;
    int32_t feature_count;
    struct arena arena; /* private: holds all of the above */
};

enum config_resource_type {
    CONFIG_RESOURCE_TOPIC = 2,
    CONFIG_RESOURCE_BROKER = 4,
    CONFIG_RESOURCE_BROKER_LOGGER = 8,
    CONFIG_RESOURCE_CLIENT_METRICS = 16,
    CONFIG_RESOURCE_GROUP = 32,
};

struct image_config {
    struct list link; /* image_config_resource.entries, by name */
    struct slice name;
    struct slice value;
};

struct image_config_resource {
    struct hmap_node node; /* private */
    int8_t type;           /* enum config_resource_type */
    struct slice name;     /* topic, broker id ("" is the cluster default), group, ... */
    struct list entries;   /* struct image_config */
};

struct image_feature {
    struct list link; /* image.features, by name */
    struct slice name;
    int16_t level;
};

/* A topic that a replayed record has removed. */
struct image_removed_topic {
    struct list link;
    struct uuid id;
    struct slice name; /* heap */
};

struct image {
    struct hmap topics_by_name; /* struct image_topic */
    struct hmap topics_by_id;
    struct list brokers;   /* struct image_broker */
    struct list features;  /* struct image_feature; kraft.version is not among them: */
    int16_t kraft_version; /* finalized by the quorum; set by who applies */
    struct hmap configs;   /* struct image_config_resource */
    struct list removed;   /* struct image_removed_topic, while remember_removed */
    bool remember_removed;
    int64_t next_producer_id;
    int64_t offset; /* of the last applied record; -1 for none; set by who applies */
    int32_t epoch;

    struct hmap opaque;  /* private: struct image_opaque, records kept but not served yet */
    struct list pending; /* private: records of the open metadata transaction */
    bool in_transaction; /* between BeginTransaction and EndTransaction: nothing is visible yet */
};

struct image *image_new(void);
void image_free(struct image *image);

/* Between these two, the topics that records remove are remembered: at start, what lies in the log
 * dirs is compared with them. */
void image_remember_removed(struct image *image);
void image_forget_removed(struct image *image);
void image_take_removed(struct image *image, struct image *from); /* moves what is remembered */
bool image_has_removed_id(const struct image *image, struct uuid id);
bool image_has_removed_name(const struct image *image, struct slice name);

/* NULL when there is none. */
struct image_topic *image_topic_by_name(const struct image *image, struct slice name);
struct image_topic *image_topic_by_id(const struct image *image, struct uuid id);
struct image_partition *image_partition(const struct image_topic *topic, int32_t index);
struct image_broker *image_broker(const struct image *image, int32_t id);

/* Whether one of the ids of replicas, an ISR and the like is this one. */
static inline bool ids_contain(const int32_t *ids, int32_t count, int32_t id) {
    for (int32_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* The RegisterController records of all controllers, as they were written; returns how many. The
 * list is in the arena, the records are the image's. */
int image_controllers(const struct image *image, struct arena *arena, struct slice **records);

/* Finalized level of a feature; 0 when absent. */
int16_t image_feature_level(const struct image *image, const char *name);

/* The overrides of a resource; NULL when there are none. And one value; null when not set. */
struct image_config_resource *image_config_resource(const struct image *image, int8_t type,
                                                    struct slice name);
struct slice image_config_value(const struct image *image, int8_t type, struct slice name,
                                const char *key);

/* Whether the name is one of the internal topics'. */
bool topic_is_internal(struct slice name);

/* ---- What one batch of records changed ------------------------------------------------------- */

enum image_change_kind {
    IMAGE_TOPIC_CREATED,     /* topic_id; its partitions are all new */
    IMAGE_TOPIC_DELETED,     /* topic_id, topic_name (no longer in the image) */
    IMAGE_PARTITION_CREATED, /* topic_id, partition: of a topic that existed before */
    IMAGE_PARTITION_CHANGED, /* topic_id, partition: leader, ISR, ... */
    IMAGE_CONFIG_CHANGED,    /* config_type, config_name */
    IMAGE_BROKERS_CHANGED,
    IMAGE_FEATURES_CHANGED,
};

struct image_change {
    enum image_change_kind kind;
    struct uuid topic_id;
    struct slice topic_name;
    int32_t partition;
    int8_t config_type;
    struct slice config_name;
};

/* Valid during the call that it is passed to. Changes are in the order of their records. */
struct image_delta {
    struct image_change *changes;
    int count;
};

/*
 * Applies the value of one metadata record (KIP-631: frame version, type, version, message) and
 * appends what it changed to `changes`. False, with the reason logged by the caller, for a type or
 * version that is not known, or a record that contradicts the image.
 */
struct image_changes; /* a growing list; metadata/image_changes.h */
bool image_apply(struct image *image, struct slice record, struct image_changes *changes);

#endif
