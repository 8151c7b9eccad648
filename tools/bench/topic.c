#include "tools/bench/topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "protocol/errors.h"
#include "protocol/generated/create_topics_request.h"
#include "protocol/generated/create_topics_response.h"
#include "protocol/generated/delete_topics_request.h"
#include "protocol/generated/delete_topics_response.h"
#include "protocol/generated/list_offsets_request.h"
#include "protocol/generated/list_offsets_response.h"
#include "protocol/generated/metadata_request.h"
#include "protocol/generated/metadata_response.h"

#define LIST_OFFSETS  2
#define METADATA      3
#define CREATE_TOPICS 19
#define DELETE_TOPICS 20

#define TIMEOUT_MS     60000
#define LEADER_TRIES   600
#define LEADER_WAIT_MS 50

static void pause_ms(long ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* ---- Creating -------------------------------------------------------------------------------- */

static bool create(struct topic *topic, struct rpc *rpc, const struct bench_options *options) {
    int16_t version = rpc_version(rpc, CREATE_TOPICS, 7);
    if (version < 0) {
        return false;
    }
    struct create_topics_request request;
    message_init(&create_topics_request_desc, &request);
    struct create_topics_request_creatable_topic *t =
        MESSAGE_ARRAY(&topic->arena, create_topics_request_creatable_topic, 1);
    t->name = slice_str(topic->name);
    t->num_partitions = options->partitions;
    t->replication_factor = options->replication_factor;
    t->configs = MESSAGE_ARRAY(&topic->arena, create_topics_request_creatable_topic_config,
                               (size_t)options->topic_config_count);
    t->configs_count = options->topic_config_count;
    for (int i = 0; i < options->topic_config_count; i++) {
        const char *text = options->topic_configs[i];
        const char *equals = strchr(text, '=');
        t->configs[i].name = slice_make(text, (size_t)(equals - text));
        t->configs[i].value = slice_str(equals + 1);
    }
    request.topics = t;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    const struct create_topics_response *response = rpc_call(rpc, CREATE_TOPICS, version, &request);
    if (response == NULL || response->topics_count != 1) {
        return false;
    }
    int16_t error = response->topics[0].error_code;
    if (error != ERROR_NONE) {
        struct slice text = response->topics[0].error_message;
        fprintf(stderr, "bench: the topic could not be created: %s %.*s\n", error_name(error),
                SLICE_ARG(text));
        return false;
    }
    topic->created = true;
    return true;
}

/* ---- Metadata -------------------------------------------------------------------------------- */

static const struct metadata_response_topic *ask(struct topic *topic, struct rpc *rpc,
                                                 const struct metadata_response **out) {
    int16_t version = rpc_version(rpc, METADATA, 12);
    if (version < 0) {
        return NULL;
    }
    struct metadata_request request;
    message_init(&metadata_request_desc, &request);
    struct metadata_request_topic wanted = metadata_request_topic_defaults;
    wanted.name = slice_str(topic->name);
    request.topics = &wanted;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    *out = rpc_call(rpc, METADATA, version, &request);
    return *out == NULL || (*out)->topics_count != 1 ? NULL : &(*out)->topics[0];
}

/* The index of the broker in topic->brokers, which gets it if it is new; -1 if nobody knows it. */
static int broker_index(struct topic *topic, const struct metadata_response *response,
                        int32_t node_id) {
    for (int i = 0; i < topic->broker_count; i++) {
        if (topic->brokers[i].node_id == node_id) {
            return i;
        }
    }
    for (int32_t i = 0; i < response->brokers_count; i++) {
        if (response->brokers[i].node_id == node_id) {
            topic->brokers[topic->broker_count] = (struct topic_broker){
                .node_id = node_id,
                .host = arena_printf(&topic->arena, "%.*s", SLICE_ARG(response->brokers[i].host)),
                .port = (uint16_t)response->brokers[i].port,
            };
            return topic->broker_count++;
        }
    }
    return -1;
}

/* Takes leaders over; false when some partition has none yet. */
static bool take(struct topic *topic, const struct metadata_response *response,
                 const struct metadata_response_topic *found, int32_t partitions_min) {
    if (found->partitions_count < partitions_min) {
        return false;
    }
    topic->id = found->topic_id;
    topic->partition_count = found->partitions_count;
    topic->broker_count = 0;
    topic->leaders = arena_array(&topic->arena, (size_t)topic->partition_count, sizeof(int32_t));
    topic->offsets = arena_array(&topic->arena, (size_t)topic->partition_count, sizeof(int64_t));
    topic->brokers = arena_array(&topic->arena, (size_t)response->brokers_count + 1,
                                 sizeof(struct topic_broker));
    for (int32_t i = 0; i < found->partitions_count; i++) {
        int32_t partition = found->partitions[i].partition_index;
        int broker = broker_index(topic, response, found->partitions[i].leader_id);
        if (found->partitions[i].error_code != ERROR_NONE || broker < 0 || partition < 0 ||
            partition >= topic->partition_count) {
            return false;
        }
        topic->leaders[partition] = broker;
    }
    return true;
}

bool topic_prepare(struct topic *topic, struct rpc *rpc, const struct bench_options *options) {
    *topic = (struct topic){.name = options->topic};
    arena_init(&topic->arena, SIZE_MAX);
    if (topic->name == NULL) {
        topic->name =
            arena_printf(&topic->arena, "bench-%lld-%d", (long long)time(NULL), (int)getpid());
    }
    const struct metadata_response *response;
    const struct metadata_response_topic *found = ask(topic, rpc, &response);
    if (found == NULL) {
        return false;
    }
    if (found->error_code == ERROR_UNKNOWN_TOPIC_OR_PARTITION && !create(topic, rpc, options)) {
        return false;
    }
    int32_t partitions_min = topic->created ? options->partitions : 1;
    for (int i = 0; i < LEADER_TRIES; i++) {
        found = ask(topic, rpc, &response);
        if (found == NULL) {
            return false;
        }
        if (found->error_code == ERROR_NONE && take(topic, response, found, partitions_min)) {
            return topic_list_offsets(topic, -1, topic->offsets);
        }
        pause_ms(LEADER_WAIT_MS);
    }
    fprintf(stderr, "bench: topic %s has partitions without leader: %s\n", topic->name,
            error_name(found->error_code));
    return false;
}

void topic_prepare_raw(struct topic *topic, const struct bench_options *options) {
    int32_t count = options->mode == BENCH_PRODUCE ? options->partitions : 1;
    *topic = (struct topic){.name = "floor", .partition_count = count, .broker_count = 1};
    arena_init(&topic->arena, SIZE_MAX);
    topic->leaders = arena_array(&topic->arena, (size_t)count, sizeof(int32_t));
    topic->offsets = arena_array(&topic->arena, (size_t)count, sizeof(int64_t));
    topic->brokers = ARENA_NEW(&topic->arena, struct topic_broker);
    topic->brokers[0] = (struct topic_broker){.host = options->host, .port = options->port};
}

/* ---- Offsets --------------------------------------------------------------------------------- */

/* Asks one broker for the partitions it leads. ERROR_NONE, the first error, or -1 (said on stderr)
 * when no answer came. */
static int16_t list_offsets(struct topic *topic, int broker, int64_t timestamp, int64_t *out) {
    struct list_offsets_request_topic t = list_offsets_request_topic_defaults;
    t.name = slice_str(topic->name);
    t.partitions = xcalloc((size_t)topic->partition_count, sizeof(*t.partitions));
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (topic->leaders[i] == broker) {
            t.partitions[t.partitions_count] = list_offsets_request_partition_defaults;
            t.partitions[t.partitions_count].partition_index = i;
            t.partitions[t.partitions_count++].timestamp = timestamp;
        }
    }
    struct list_offsets_request request;
    message_init(&list_offsets_request_desc, &request);
    request.replica_id = -1;
    request.topics = &t;
    request.topics_count = 1;
    struct rpc rpc;
    bool open = rpc_open(&rpc, topic->brokers[broker].host, topic->brokers[broker].port);
    int16_t version = open ? rpc_version(&rpc, LIST_OFFSETS, 7) : -1;
    const struct list_offsets_response *response =
        version < 0 ? NULL : rpc_call(&rpc, LIST_OFFSETS, version, &request);
    int16_t error = response == NULL || response->topics_count != 1 ? -1 : ERROR_NONE;
    for (int32_t i = 0; error == ERROR_NONE && i < response->topics[0].partitions_count; i++) {
        int32_t partition = response->topics[0].partitions[i].partition_index;
        error = response->topics[0].partitions[i].error_code;
        if (partition >= 0 && partition < topic->partition_count) {
            out[partition] = response->topics[0].partitions[i].offset;
        }
    }
    rpc_close(&rpc);
    free(t.partitions);
    return error;
}

bool topic_list_offsets(struct topic *topic, int64_t timestamp, int64_t *out) {
    for (int broker = 0; broker < topic->broker_count; broker++) {
        int16_t error = list_offsets(topic, broker, timestamp, out);
        for (int i = 0; i < LEADER_TRIES && error > 0 && error_retriable(error); i++) {
            pause_ms(LEADER_WAIT_MS);
            error = list_offsets(topic, broker, timestamp, out);
        }
        if (error != ERROR_NONE) {
            fprintf(stderr, "bench: the offsets of %s: %s\n", topic->name, error_name(error));
            return false;
        }
    }
    return true;
}

/* ---- The end --------------------------------------------------------------------------------- */

void topic_delete(struct topic *topic, struct rpc *rpc) {
    int16_t version = rpc_version(rpc, DELETE_TOPICS, 5);
    if (version < 0) {
        return;
    }
    struct delete_topics_request request;
    message_init(&delete_topics_request_desc, &request);
    struct slice name = slice_str(topic->name);
    request.topic_names = &name;
    request.topic_names_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    const struct delete_topics_response *response = rpc_call(rpc, DELETE_TOPICS, version, &request);
    if (response != NULL && response->responses_count == 1 &&
        response->responses[0].error_code != ERROR_NONE) {
        fprintf(stderr, "bench: the topic could not be deleted: %s\n",
                error_name(response->responses[0].error_code));
    }
}

void topic_release(struct topic *topic) {
    arena_release(&topic->arena);
}
