#include "decision_world.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "broker/config/config.h"
#include "broker/metadata/features.h"
#include "protocol/generated/alter_partition_reassignments_request.h"
#include "protocol/generated/alter_partition_reassignments_response.h"
#include "protocol/generated/alter_partition_request.h"
#include "protocol/generated/alter_partition_response.h"
#include "protocol/generated/broker_heartbeat_request.h"
#include "protocol/generated/broker_registration_request.h"
#include "protocol/generated/create_topics_request.h"
#include "protocol/generated/create_topics_response.h"
#include "protocol/generated/elect_leaders_request.h"
#include "protocol/generated/elect_leaders_response.h"
#include "protocol/generated/feature_level_record.h"
#include "protocol/generated/incremental_alter_configs_request.h"
#include "protocol/generated/incremental_alter_configs_response.h"
#include "protocol/message.h"
#include "runtime/machine.h"

static void next_decision(struct decision_world *world) {
    world->d = (struct decision){
        .image = world->image,
        .config = world->config,
        .broker = world->broker,
        .machine = world->machine,
        .sessions = world->sessions,
        .cluster_id = SLICE_LIT("cluster"),
        .now_ms = world->now_ms,
        .node_id = 1,
        .metadata_version = METADATA_VERSION_LATEST,
        .next_offset = world->image->offset + 1,
        .arena = &world->arena,
    };
    record_list_init(&world->d.records, &world->arena);
}

void world_commit(struct decision_world *world) {
    for (int i = 0; i < world->d.records.count; i++) {
        cr_assert(image_apply(world->image, world->d.records.values[i], NULL));
    }
    world->image->offset += world->d.records.count;
    arena_reset(&world->arena);
    next_decision(world);
}

static void set_feature(struct decision_world *world, const char *name, int16_t level) {
    struct feature_level_record record;
    message_init(&feature_level_record_desc, &record);
    record.name = slice_str(name);
    record.feature_level = level;
    record_list_add(&world->d.records, RECORD_FEATURE_LEVEL, 0, &feature_level_record_desc,
                    &record);
}

void world_start(struct decision_world *world, int16_t elr, const char *const *overrides,
                 int count) {
    struct errmsg errmsg;
    *world = (struct decision_world){.now_ms = 1000};
    world->machine = machine_new(1, 1);
    cr_assert_eq(config_load(world->machine, NULL, overrides, count, &world->config, &errmsg), 0,
                 "%s", errmsg.text);
    world->broker = broker_config_new(world->config, 1);
    world->sessions = broker_sessions_new(9000);
    world->image = image_new();
    arena_init(&world->arena, SIZE_MAX);
    next_decision(world);
    set_feature(world, FEATURE_METADATA_VERSION, METADATA_VERSION_LATEST);
    if (elr > 0) {
        set_feature(world, FEATURE_ELR, elr);
    }
    world_commit(world);
}

void world_stop(struct decision_world *world) {
    broker_sessions_free(world->sessions);
    broker_config_free(world->broker);
    image_free(world->image);
    config_free(world->config);
    machine_free(world->machine);
    arena_release(&world->arena);
}

struct broker_registration_response world_register(struct decision_world *world, int32_t id,
                                                   int64_t previous_epoch) {
    struct broker_registration_request_listener listener = {
        .name = SLICE_LIT("PLAINTEXT"), .host = SLICE_LIT("h"), .port = 9092};
    struct broker_registration_request_feature features[] = {
        {SLICE_LIT(FEATURE_METADATA_VERSION), 7, METADATA_VERSION_LATEST},
        {SLICE_LIT(FEATURE_ELR), 0, 1}};
    struct uuid directory = uuid_from_halves(1, (uint64_t)id);
    struct broker_registration_request request;
    struct broker_registration_response response;
    message_init(&broker_registration_request_desc, &request);
    request.broker_id = id;
    request.cluster_id = SLICE_LIT("cluster");
    request.incarnation_id = uuid_from_halves(2, (uint64_t)++world->incarnation);
    request.listeners = &listener;
    request.listeners_count = 1;
    request.features = features;
    request.features_count = 2;
    request.log_dirs = &directory;
    request.log_dirs_count = 1;
    request.previous_broker_epoch = previous_epoch;
    decide_broker_registration(&world->d, &request, &response);
    world_commit(world);
    return response;
}

struct broker_heartbeat_response world_heartbeat(struct decision_world *world, int32_t id,
                                                 bool want_fence, bool want_shut_down) {
    struct broker_heartbeat_request request;
    struct broker_heartbeat_response response;
    message_init(&broker_heartbeat_request_desc, &request);
    request.broker_id = id;
    request.broker_epoch = image_broker(world->image, id)->epoch;
    request.current_metadata_offset = world->image->offset;
    request.want_fence = want_fence;
    request.want_shut_down = want_shut_down;
    decide_broker_heartbeat(&world->d, &request, &response);
    world_commit(world);
    return response;
}

void world_add_broker(struct decision_world *world, int32_t id) {
    cr_assert_eq(world_register(world, id, -1).error_code, ERROR_NONE);
    cr_assert(!world_heartbeat(world, id, false, false).is_fenced);
}

void world_fence(struct decision_world *world, int32_t id) {
    decide_fence_broker(&world->d, id);
    world_commit(world);
}

const struct image_partition *world_partition(const struct decision_world *world,
                                              const char *name) {
    return &image_topic_by_name(world->image, slice_str(name))->partitions[0];
}

const struct image_partition *world_topic(struct decision_world *world, const char *name,
                                          const int32_t *replicas, int32_t count) {
    int32_t ids[8];
    memcpy(ids, replicas, (size_t)count * sizeof(int32_t));
    struct create_topics_request_creatable_replica_assignment assignment = {
        .broker_ids = ids, .broker_ids_count = count};
    struct create_topics_request_creatable_topic topic = {.name = slice_str(name),
                                                          .num_partitions = -1,
                                                          .replication_factor = -1,
                                                          .assignments = &assignment,
                                                          .assignments_count = 1};
    struct create_topics_request request;
    struct create_topics_response response;
    message_init(&create_topics_request_desc, &request);
    request.topics = &topic;
    request.topics_count = 1;
    decide_create_topics(&world->d, &request, &response);
    cr_assert_eq(response.topics[0].error_code, ERROR_NONE);
    world_commit(world);
    return world_partition(world, name);
}

void world_set_topic(struct decision_world *world, const char *topic, const char *key,
                     const char *value) {
    struct incremental_alter_configs_request_alterable_config config = {.name = slice_str(key),
                                                                        .value = slice_str(value)};
    struct incremental_alter_configs_request_alter_configs_resource resource = {
        .resource_type = CONFIG_RESOURCE_TOPIC,
        .resource_name = slice_str(topic),
        .configs = &config,
        .configs_count = 1};
    struct incremental_alter_configs_request request = {.resources = &resource,
                                                        .resources_count = 1};
    struct incremental_alter_configs_response response;
    decide_incremental_alter_configs(&world->d, &request, &response);
    cr_assert_eq(response.responses[0].error_code, ERROR_NONE);
    world_commit(world);
}

int world_alter_isr(struct decision_world *world, const char *topic, const int32_t *isr,
                    int32_t count) {
    const struct image_partition *partition = world_partition(world, topic);
    const struct image_broker *leader = image_broker(world->image, partition->leader);
    struct alter_partition_request_broker_state members[8];
    for (int32_t i = 0; i < count; i++) {
        const struct image_broker *member = image_broker(world->image, isr[i]);
        members[i].broker_id = isr[i];
        members[i].broker_epoch = member == NULL ? 1000000 : member->epoch;
    }
    struct alter_partition_request_partition_data data = {.leader_epoch = partition->leader_epoch,
                                                          .partition_epoch =
                                                              partition->partition_epoch,
                                                          .new_isr_with_epochs = members,
                                                          .new_isr_with_epochs_count = count};
    struct alter_partition_request_topic_data asked = {
        .topic_id = image_topic_by_name(world->image, slice_str(topic))->id,
        .partitions = &data,
        .partitions_count = 1};
    struct alter_partition_request request = {.broker_id = partition->leader,
                                              .broker_epoch = leader == NULL ? -1 : leader->epoch,
                                              .topics = &asked,
                                              .topics_count = 1};
    struct alter_partition_response response;
    decide_alter_partition(&world->d, &request, 3, &response);
    int error = response.error_code != ERROR_NONE ? response.error_code
                                                  : response.topics[0].partitions[0].error_code;
    world_commit(world);
    return error;
}

int world_reassign(struct decision_world *world, const char *topic, const int32_t *replicas,
                   int32_t count) {
    int32_t ids[8];
    if (count > 0) {
        memcpy(ids, replicas, (size_t)count * sizeof(int32_t));
    }
    struct alter_partition_reassignments_request_reassignable_partition partition = {
        .replicas = count < 0 ? NULL : ids, .replicas_count = count};
    struct alter_partition_reassignments_request_reassignable_topic asked = {
        .name = slice_str(topic), .partitions = &partition, .partitions_count = 1};
    struct alter_partition_reassignments_request request = {
        .topics = &asked, .topics_count = 1, .allow_replication_factor_change = true};
    struct alter_partition_reassignments_response response;
    decide_alter_partition_reassignments(&world->d, &request, &response);
    int error = response.responses[0].partitions[0].error_code;
    world_commit(world);
    return error;
}

int world_elect(struct decision_world *world, const char *topic, int8_t type) {
    int32_t index = 0;
    struct elect_leaders_request_topic_partitions asked = {
        .topic = slice_str(topic), .partitions = &index, .partitions_count = 1};
    struct elect_leaders_request request = {
        .topic_partitions = &asked, .topic_partitions_count = 1, .election_type = type};
    struct elect_leaders_response response;
    decide_elect_leaders(&world->d, &request, 2, &response);
    int error = response.replica_election_results[0].partition_result[0].error_code;
    world_commit(world);
    return error;
}

static void print_ids(char *out, size_t size, const int32_t *ids, int32_t count) {
    size_t used = 0;
    out[0] = '\0';
    for (int32_t i = 0; i < count && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, " %d", ids == NULL ? -9 : ids[i]);
    }
}

void world_expect(const char *what, const int32_t *ids, int32_t count, const int32_t *expected,
                  int32_t expected_count) {
    char have[128];
    char want[128];
    print_ids(have, sizeof(have), ids, count);
    print_ids(want, sizeof(want), expected, expected_count);
    cr_assert_str_eq(have, want, "%s: {%s } where {%s } was expected", what, have, want);
}
