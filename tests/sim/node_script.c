#include "tests/sim/node_script.h"

#include <stdio.h>
#include <string.h>

#include "protocol/generated/create_topics_request.h"
#include "protocol/generated/create_topics_response.h"
#include "protocol/generated/delete_records_request.h"
#include "protocol/generated/delete_records_response.h"
#include "protocol/generated/delete_topics_request.h"
#include "protocol/generated/delete_topics_response.h"
#include "protocol/generated/find_coordinator_request.h"
#include "protocol/generated/find_coordinator_response.h"
#include "protocol/generated/init_producer_id_request.h"
#include "protocol/generated/init_producer_id_response.h"
#include "protocol/generated/offset_commit_request.h"
#include "protocol/generated/offset_commit_response.h"
#include "protocol/generated/produce_request.h"
#include "protocol/generated/produce_response.h"
#include "protocol/records.h"

#define TRIES         100
#define RETRY_MS      20
#define TICK_MS       1000
#define CHECKPOINT_MS 61000

const char *const script_overrides[SCRIPT_OVERRIDE_COUNT] = {
    "metadata.log.max.record.bytes.between.snapshots=900",
    "offsets.topic.segment.bytes=1048576",
    "log.initial.task.delay.ms=30000",
};

/* ---- Steps ----------------------------------------------------------------------------------- */

static struct create_topics_request_creatable_topic_config topic_config(const char *name,
                                                                        const char *value) {
    return (struct create_topics_request_creatable_topic_config){.name = slice_str(name),
                                                                 .value = slice_str(value)};
}

bool script_create_topic(struct node_world *world, const char *topic, int32_t partitions) {
    struct create_topics_request_creatable_topic_config configs[] = {
        topic_config("internal.segment.bytes", "1100"),
        topic_config("index.interval.bytes", "150"),
        topic_config("file.delete.delay.ms", "1000"),
    };
    struct create_topics_request_creatable_topic wanted =
        create_topics_request_creatable_topic_defaults;
    wanted.name = slice_str(topic);
    wanted.num_partitions = partitions;
    wanted.replication_factor = 1;
    wanted.configs = configs;
    wanted.configs_count = ARRAY_LEN(configs);
    struct create_topics_request request;
    message_init(&create_topics_request_desc, &request);
    request.topics = &wanted;
    request.topics_count = 1;
    const struct create_topics_response *response = node_world_call(world, 19, 7, &request);
    return response != NULL && response->topics[0].error_code == ERROR_NONE;
}

bool script_delete_topic(struct node_world *world, const char *topic) {
    struct slice name = slice_str(topic);
    struct delete_topics_request request;
    message_init(&delete_topics_request_desc, &request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    request.timeout_ms = 5000;
    const struct delete_topics_response *response = node_world_call(world, 20, 5, &request);
    return response != NULL && response->responses[0].error_code == ERROR_NONE;
}

static void build_batch(struct node_world *world, enum compression codec, int64_t producer_id,
                        int32_t sequence, struct buffer *out) {
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.codec = codec;
    if (producer_id >= 0) {
        options.producer_id = producer_id;
        options.producer_epoch = 0;
        options.base_sequence = sequence;
    }
    struct batch_builder builder;
    batch_builder_init(&builder, &options, 1 << 16);
    for (int i = 0; i < SCRIPT_BATCH_RECORDS; i++) {
        char value[64];
        snprintf(value, sizeof(value), "record %d of codec %d, padded ........", i, codec);
        batch_builder_add(&builder, clock_wall_ms(world->client_machine) + i, SLICE_LIT("k"),
                          slice_str(value), NULL, 0);
    }
    bool built = batch_builder_finish(&builder, out);
    ASSERT(built);
    batch_builder_release(&builder);
}

bool script_produce(struct node_world *world, const char *topic, int32_t partition,
                    enum compression codec, int64_t producer_id, int32_t sequence,
                    int64_t *base_offset) {
    struct buffer batch;
    buffer_init(&batch, 1 << 16);
    build_batch(world, codec, producer_id, sequence, &batch);
    struct produce_request_partition_produce_data data = {
        .index = partition, .records = {.data = batch.data, .len = batch.len}};
    struct produce_request_topic_produce_data wanted = {
        .name = slice_str(topic), .partition_data = &data, .partition_data_count = 1};
    struct produce_request request;
    message_init(&produce_request_desc, &request);
    request.acks = -1;
    request.timeout_ms = 1000;
    request.topic_data = &wanted;
    request.topic_data_count = 1;
    bool done = false;
    for (int tries = 0; tries < TRIES && !done; tries++) {
        const struct produce_response *response = node_world_call(world, 0, 9, &request);
        if (response == NULL) {
            break;
        }
        const struct produce_response_partition_produce_response *answer =
            &response->responses[0].partition_responses[0];
        done = answer->error_code == ERROR_NONE;
        if (base_offset != NULL) {
            *base_offset = answer->base_offset;
        }
        if (!done && answer->error_code != ERROR_NOT_LEADER_OR_FOLLOWER &&
            answer->error_code != ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
            break;
        }
        if (!done) {
            node_world_wait(world, RETRY_MS);
        }
    }
    buffer_release(&batch);
    return done;
}

bool script_delete_records(struct node_world *world, const char *topic, int32_t partition,
                           int64_t offset) {
    struct delete_records_request_partition one = {.partition_index = partition, .offset = offset};
    struct delete_records_request_topic wanted = {
        .name = slice_str(topic), .partitions = &one, .partitions_count = 1};
    struct delete_records_request request;
    message_init(&delete_records_request_desc, &request);
    request.topics = &wanted;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    const struct delete_records_response *response = node_world_call(world, 21, 2, &request);
    return response != NULL && response->topics[0].partitions[0].error_code == ERROR_NONE;
}

static bool wait_for_coordinator(struct node_world *world, const char *group) {
    struct slice key = slice_str(group);
    struct find_coordinator_request request;
    message_init(&find_coordinator_request_desc, &request);
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    for (int tries = 0; tries < TRIES; tries++) {
        const struct find_coordinator_response *response = node_world_call(world, 10, 4, &request);
        if (response == NULL || response->coordinators[0].error_code == ERROR_NONE) {
            return response != NULL;
        }
        node_world_wait(world, RETRY_MS);
    }
    return false;
}

bool script_commit(struct node_world *world, const char *group, const char *topic, int64_t offset) {
    struct offset_commit_request_partition partition = offset_commit_request_partition_defaults;
    partition.committed_offset = offset;
    partition.committed_metadata = SLICE_LIT("sim");
    struct offset_commit_request_topic wanted = {
        .name = slice_str(topic), .partitions = &partition, .partitions_count = 1};
    struct offset_commit_request request;
    message_init(&offset_commit_request_desc, &request);
    request.group_id = slice_str(group);
    request.topics = &wanted;
    request.topics_count = 1;
    for (int tries = 0; tries < TRIES && wait_for_coordinator(world, group); tries++) {
        const struct offset_commit_response *response = node_world_call(world, 8, 8, &request);
        if (response == NULL || response->topics[0].partitions[0].error_code == ERROR_NONE) {
            return response != NULL;
        }
        node_world_wait(world, RETRY_MS);
    }
    return false;
}

int64_t script_producer_id(struct node_world *world) {
    struct init_producer_id_request request;
    message_init(&init_producer_id_request_desc, &request);
    request.transactional_id = SLICE_NULL;
    const struct init_producer_id_response *response = node_world_call(world, 22, 4, &request);
    return response == NULL || response->error_code != ERROR_NONE ? -1 : response->producer_id;
}

/* ---- The run --------------------------------------------------------------------------------- */

/* One batch to each partition; the producers go on with their sequences. */
static bool round_of_batches(struct node_world *world, int round, const int64_t producers[2]) {
    int32_t sequence = round * SCRIPT_BATCH_RECORDS;
    node_world_wait(world, TICK_MS);
    return script_produce(world, "codecs", 0, (enum compression)(round % 5), NO_PRODUCER_ID, 0,
                          NULL) &&
           script_produce(world, "idem", 0, COMPRESSION_NONE, producers[0], sequence, NULL) &&
           script_produce(world, "idem", 1, COMPRESSION_NONE, producers[0], sequence, NULL) &&
           script_produce(world, "idem", 1, COMPRESSION_LZ4, producers[1], sequence, NULL) &&
           script_produce(world, "cut", 0, COMPRESSION_NONE, NO_PRODUCER_ID, 0, NULL) &&
           script_commit(world, "triage", "codecs", round) &&
           script_commit(world, "other", "idem", round * 2);
}

static bool first_life(struct node_world *world, int64_t producers[2]) {
    if (node_world_start(world) != 0 || !script_create_topic(world, "codecs", 1) ||
        !script_create_topic(world, "idem", 2) || !script_create_topic(world, "cut", 1)) {
        return false;
    }
    producers[0] = script_producer_id(world);
    producers[1] = script_producer_id(world);
    for (int round = 0; round < 10; round++) {
        if (!round_of_batches(world, round, producers)) {
            return false;
        }
    }
    bool cut = script_delete_records(world, "cut", 0, 4 * SCRIPT_BATCH_RECORDS + 1);
    node_world_wait(world, CHECKPOINT_MS);
    return cut && node_world_stop(world);
}

bool script_run(struct node_world *world, bool clean) {
    int64_t producers[2];
    if (!first_life(world, producers) || node_world_start(world) != 0) {
        return false;
    }
    for (int round = 10; round < 14; round++) {
        if (round == 12) {
            node_world_wait(world, CHECKPOINT_MS);
        }
        if (!round_of_batches(world, round, producers)) {
            return false;
        }
    }
    if (clean) {
        return node_world_stop(world);
    }
    node_world_wait(world, TICK_MS);
    node_world_kill(world);
    return true;
}

void script_view_init(struct view *view) {
    view_init(view);
    view_add_partition(view, "codecs", 0);
    view_add_partition(view, "idem", 0);
    view_add_partition(view, "idem", 1);
    view_add_partition(view, "cut", 0);
    view_add_partition(view, "__consumer_offsets", 0);
    view_add_partition(view, "__consumer_offsets", 1);
    view_add_group(view, "triage");
    view_add_group(view, "other");
}
