/*
 * The CreateTopics requests for topics that nobody asked for in one: auto-created ones and those
 * that the configuration declares (topic_wish.c sends them).
 *
 * Replication factor. Kafka's defaults for internal topics are 3, with which fewer brokers cannot
 * create them. Here a default that was not set explicitly is lowered to the number of registered
 * brokers, but not below that of the voters where these are brokers as well, as this node is: a
 * cluster that is just being started is to get as many copies as it can have. A value that was set
 * is taken at its word, and fails as in Kafka.
 */
#include <stdio.h>

#include "broker/config/config.h"
#include "broker/controller/decision.h"
#include "protocol/generated/create_topics_request.h"
#include "protocol/message.h"

static int16_t replication_factor(const struct decision *d, enum config_id id) {
    int64_t wanted = config_int(d->config, id);
    int64_t brokers = 0;
    LIST_FOREACH(it, &d->image->brokers) {
        brokers++;
    }
    if (config_is_controller(d->config) && brokers < config_voter_count(d->config)) {
        brokers = config_voter_count(d->config);
    }
    if (!config_is_set(d->config, id) && brokers > 0 && wanted > brokers) {
        wanted = brokers;
    }
    return (int16_t)wanted;
}

static void add_config(const struct decision *d,
                       struct create_topics_request_creatable_topic *topic, const char *name,
                       struct slice value) {
    topic->configs[topic->configs_count++] = (struct create_topics_request_creatable_topic_config){
        .name = slice_str(name),
        .value = arena_dup(d->arena, value),
    };
}

static struct slice number(const struct decision *d, enum config_id id) {
    char text[32];
    (void)snprintf(text, sizeof(text), "%lld", (long long)config_int(d->config, id));
    return arena_dup(d->arena, slice_str(text));
}

#define INTERNAL_CONFIGS_MAX 8

static void internal_topic(struct decision *d,
                           struct create_topics_request_creatable_topic *topic) {
    topic->configs = (struct create_topics_request_creatable_topic_config *)arena_array(
        d->arena, INTERNAL_CONFIGS_MAX, sizeof(*topic->configs));
    if (slice_equal_str(topic->name, TOPIC_CONSUMER_OFFSETS)) {
        topic->num_partitions = (int32_t)config_int(d->config, CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS);
        topic->replication_factor = replication_factor(d, CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR);
        add_config(d, topic, "cleanup.policy", SLICE_LIT("compact"));
        add_config(d, topic, "compression.type", SLICE_LIT("producer"));
        add_config(d, topic, "segment.bytes", number(d, CONFIG_OFFSETS_TOPIC_SEGMENT_BYTES));
    } else if (slice_equal_str(topic->name, TOPIC_TRANSACTION_STATE)) {
        topic->num_partitions =
            (int32_t)config_int(d->config, CONFIG_TRANSACTION_STATE_LOG_NUM_PARTITIONS);
        topic->replication_factor =
            replication_factor(d, CONFIG_TRANSACTION_STATE_LOG_REPLICATION_FACTOR);
        add_config(d, topic, "cleanup.policy", SLICE_LIT("compact"));
        add_config(d, topic, "compression.type", SLICE_LIT("uncompressed"));
        add_config(d, topic, "segment.bytes",
                   number(d, CONFIG_TRANSACTION_STATE_LOG_SEGMENT_BYTES));
        add_config(d, topic, "unclean.leader.election.enable", SLICE_LIT("false"));
        add_config(d, topic, "min.insync.replicas",
                   number(d, CONFIG_TRANSACTION_STATE_LOG_MIN_ISR));
    } else {
        topic->num_partitions =
            (int32_t)config_int(d->config, CONFIG_SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS);
        topic->replication_factor =
            replication_factor(d, CONFIG_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR);
        add_config(d, topic, "cleanup.policy", SLICE_LIT("delete"));
        add_config(d, topic, "compression.type", SLICE_LIT("none"));
        add_config(d, topic, "segment.bytes",
                   number(d, CONFIG_SHARE_COORDINATOR_STATE_TOPIC_SEGMENT_BYTES));
        add_config(d, topic, "retention.ms", SLICE_LIT("-1"));
        add_config(d, topic, "min.insync.replicas",
                   number(d, CONFIG_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR));
    }
}

static struct create_topics_request *new_request(struct decision *d, int32_t topics_max) {
    struct create_topics_request *request =
        (struct create_topics_request *)arena_alloc(d->arena, sizeof(*request));
    message_init(&create_topics_request_desc, request);
    request->topics = (struct create_topics_request_creatable_topic *)arena_array(
        d->arena, (size_t)topics_max, sizeof(*request->topics));
    return request;
}

struct create_topics_request *auto_create_request(struct decision *d, struct slice name) {
    struct create_topics_request *request = new_request(d, 1);
    request->topics_count = 1;
    request->topics[0].name = arena_dup(d->arena, name);
    request->topics[0].num_partitions = -1;
    request->topics[0].replication_factor = -1;
    if (topic_is_internal(name)) {
        internal_topic(d, &request->topics[0]);
    }
    return request;
}

struct create_topics_request *configured_topics_request(struct decision *d) {
    int count = config_topic_count(d->config);
    struct create_topics_request *request = new_request(d, count);
    for (int i = 0; i < count; i++) {
        const struct config_topic *wanted = config_topic_at(d->config, i);
        if (image_topic_by_name(d->image, wanted->name) != NULL) {
            continue;
        }
        struct create_topics_request_creatable_topic *topic =
            &request->topics[request->topics_count++];
        topic->name = wanted->name;
        topic->num_partitions = wanted->partitions;
        topic->replication_factor = wanted->replication_factor;
        topic->configs = (struct create_topics_request_creatable_topic_config *)arena_array(
            d->arena, (size_t)wanted->config_count, sizeof(*topic->configs));
        topic->configs_count = wanted->config_count;
        for (int j = 0; j < wanted->config_count; j++) {
            topic->configs[j].name = wanted->config_names[j];
            topic->configs[j].value = wanted->config_values[j];
        }
    }
    return request->topics_count == 0 ? NULL : request;
}
