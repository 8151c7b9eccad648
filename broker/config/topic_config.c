/* The effective configuration of a topic: its overrides, below them the broker's. */
#include <limits.h>
#include <string.h>

#include "base/assert.h"
#include "broker/config/broker_config_internal.h"
#include "broker/metadata/image.h"
#include "protocol/compression.h"

/* Where the values of one topic come from. */
struct layers {
    const struct broker_config *broker;
    const struct image *image;
    struct slice topic;
};

struct value {
    struct slice text;
    union config_number number;
};

static struct value effective(const struct layers *layers, enum topic_config_id id) {
    const struct config_key *key = topic_config_key(id);
    struct value value = {0};
    struct slice override =
        image_config_value(layers->image, CONFIG_RESOURCE_TOPIC, layers->topic, key->name);
    if (!slice_is_null(override) && config_value_check(key, override, &value.number)) {
        value.text = config_trim(override);
        return value;
    }
    if (key->broker_key != CONFIG_NONE) {
        const struct config_slot *slot = &layers->broker->values.slots[key->broker_key];
        return (struct value){.text = slot->text, .number = slot->number};
    }
    value.text = config_value_default(key, &value.number);
    return value;
}

static int64_t integer(const struct layers *layers, enum topic_config_id id) {
    return effective(layers, id).number.integer;
}

static bool boolean(const struct layers *layers, enum topic_config_id id) {
    return effective(layers, id).number.boolean;
}

static struct slice text(const struct layers *layers, enum topic_config_id id) {
    return effective(layers, id).text;
}

static void fill_log(const struct layers *layers, struct log_config *out) {
    struct slice policy = text(layers, TOPIC_CONFIG_CLEANUP_POLICY);
    struct value internal_segment = effective(layers, TOPIC_CONFIG_INTERNAL_SEGMENT_BYTES);
    *out = (struct log_config){
        .segment_bytes = slice_is_null(internal_segment.text)
                             ? integer(layers, TOPIC_CONFIG_SEGMENT_BYTES)
                             : internal_segment.number.integer,
        .segment_ms = integer(layers, TOPIC_CONFIG_SEGMENT_MS),
        .segment_jitter_ms = integer(layers, TOPIC_CONFIG_SEGMENT_JITTER_MS),
        .segment_index_bytes = integer(layers, TOPIC_CONFIG_SEGMENT_INDEX_BYTES),
        .index_interval_bytes = integer(layers, TOPIC_CONFIG_INDEX_INTERVAL_BYTES),
        .retention_ms = integer(layers, TOPIC_CONFIG_RETENTION_MS),
        .retention_bytes = integer(layers, TOPIC_CONFIG_RETENTION_BYTES),
        .file_delete_delay_ms = integer(layers, TOPIC_CONFIG_FILE_DELETE_DELAY_MS),
        .flush_messages = integer(layers, TOPIC_CONFIG_FLUSH_MESSAGES),
        .flush_ms = integer(layers, TOPIC_CONFIG_FLUSH_MS),
        .cleanup_delete = config_list_contains(policy, "delete"),
        .cleanup_compact = config_list_contains(policy, "compact"),
        .durable = slice_equal_str(text(layers, TOPIC_CONFIG_DURABILITY), "fsync"),
        .producer_id_expiration_ms =
            broker_config_int(layers->broker, CONFIG_PRODUCER_ID_EXPIRATION_MS),
    };
}

static int compression_of(struct slice name) {
    if (slice_equal_str(name, "producer")) {
        return COMPRESSION_PRODUCER;
    }
    for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        if (slice_equal_str(name, compression_name((enum compression)codec))) {
            return codec;
        }
    }
    return COMPRESSION_NONE; /* "uncompressed" */
}

static int compression_level(const struct layers *layers, int codec) {
    switch (codec) {
    case COMPRESSION_GZIP: {
        int64_t level = integer(layers, TOPIC_CONFIG_COMPRESSION_GZIP_LEVEL);
        return level == -1 ? INT_MIN : (int)level;
    }
    case COMPRESSION_LZ4:
        return (int)integer(layers, TOPIC_CONFIG_COMPRESSION_LZ4_LEVEL);
    case COMPRESSION_ZSTD:
        return (int)integer(layers, TOPIC_CONFIG_COMPRESSION_ZSTD_LEVEL);
    default:
        return INT_MIN;
    }
}

void topic_config_effective(const struct broker_config *broker, const struct image *image,
                            struct slice topic, struct topic_config *out) {
    const struct layers layers = {.broker = broker, .image = image, .topic = topic};
    int codec = compression_of(text(&layers, TOPIC_CONFIG_COMPRESSION_TYPE));
    *out = (struct topic_config){
        .max_message_bytes = integer(&layers, TOPIC_CONFIG_MAX_MESSAGE_BYTES),
        .min_insync_replicas = integer(&layers, TOPIC_CONFIG_MIN_INSYNC_REPLICAS),
        .message_timestamp_before_max_ms =
            integer(&layers, TOPIC_CONFIG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS),
        .message_timestamp_after_max_ms =
            integer(&layers, TOPIC_CONFIG_MESSAGE_TIMESTAMP_AFTER_MAX_MS),
        .log_append_time =
            slice_equal_str(text(&layers, TOPIC_CONFIG_MESSAGE_TIMESTAMP_TYPE), "LogAppendTime"),
        .compression = codec,
        .compression_level = compression_level(&layers, codec),
        .header_only_validation =
            slice_equal_str(text(&layers, TOPIC_CONFIG_RECORD_VALIDATION), "header"),
        .unclean_leader_election = boolean(&layers, TOPIC_CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE),
    };
    fill_log(&layers, &out->log);
}

/* One "partition:broker" of a list. */
static bool names_replica(struct slice item, int32_t partition, int32_t node_id) {
    const uint8_t *colon = memchr(item.data, ':', item.len);
    if (colon == NULL) {
        return false;
    }
    size_t len = (size_t)(colon - item.data);
    int64_t number = -1;
    int64_t broker = -1;
    return slice_parse_i64(slice_make(item.data, len), &number) &&
           slice_parse_i64(slice_make(colon + 1, item.len - len - 1), &broker) &&
           number == partition && broker == node_id;
}

bool topic_config_throttles(const struct broker_config *broker, const struct image *image,
                            struct slice topic, int32_t partition, bool leader) {
    const struct layers layers = {.broker = broker, .image = image, .topic = topic};
    struct slice list =
        text(&layers, leader ? TOPIC_CONFIG_LEADER_REPLICATION_THROTTLED_REPLICAS
                             : TOPIC_CONFIG_FOLLOWER_REPLICATION_THROTTLED_REPLICAS);
    if (slice_equal_str(list, "*")) {
        return true;
    }
    while (list.len > 0) {
        const uint8_t *comma = memchr(list.data, ',', list.len);
        size_t len = comma == NULL ? list.len : (size_t)(comma - list.data);
        if (names_replica(config_trim(slice_make(list.data, len)), partition, broker->node_id)) {
            return true;
        }
        size_t used = comma == NULL ? len : len + 1;
        list = slice_make(list.data + used, list.len - used);
    }
    return false;
}
