/* Decisions of the controller as functions from an image and a request to records and a response.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "broker/config/config.h"
#include "broker/controller/decision.h"
#include "broker/metadata/features.h"
#include "protocol/generated/alter_configs_request.h"
#include "protocol/generated/alter_configs_response.h"
#include "protocol/generated/broker_heartbeat_request.h"
#include "protocol/generated/broker_heartbeat_response.h"
#include "protocol/generated/broker_registration_request.h"
#include "protocol/generated/broker_registration_response.h"
#include "protocol/generated/create_partitions_request.h"
#include "protocol/generated/create_partitions_response.h"
#include "protocol/generated/create_topics_request.h"
#include "protocol/generated/create_topics_response.h"
#include "protocol/generated/delete_topics_request.h"
#include "protocol/generated/delete_topics_response.h"
#include "protocol/generated/feature_level_record.h"
#include "protocol/generated/incremental_alter_configs_request.h"
#include "protocol/generated/incremental_alter_configs_response.h"
#include "protocol/message.h"
#include "runtime/machine.h"

#define NODE_ID 1

static struct machine *machine;
static struct config *config;
static struct broker_config *broker;
static struct image *image;
static struct arena arena;
static struct decision d;

static void next_decision(void) {
    d = (struct decision){
        .image = image,
        .config = config,
        .broker = broker,
        .machine = machine,
        .node_id = NODE_ID,
        .metadata_version = METADATA_VERSION_LATEST,
        .next_offset = image->offset + 1,
        .arena = &arena,
    };
    record_list_init(&d.records, &arena);
}

/* Applies what was decided, as the controller does. */
static void commit(void) {
    for (int i = 0; i < d.records.count; i++) {
        cr_assert(image_apply(image, d.records.values[i], NULL));
    }
    image->offset += d.records.count;
    next_decision();
}

static void register_broker(int32_t id, const char *rack) {
    struct broker_registration_request_feature feature = {SLICE_LIT(FEATURE_METADATA_VERSION), 7,
                                                          METADATA_VERSION_LATEST};
    struct uuid directory = uuid_from_halves(1, (uint64_t)id);
    struct broker_registration_request request;
    struct broker_registration_response response;
    message_init(&broker_registration_request_desc, &request);
    request.broker_id = id;
    request.rack = slice_str(rack);
    request.features = &feature;
    request.features_count = 1;
    request.log_dirs = &directory;
    request.log_dirs_count = 1;
    decide_broker_registration(&d, &request, &response);
    cr_assert_eq(response.error_code, ERROR_NONE);
    commit();
}

static void add_broker(int32_t id, const char *rack) {
    register_broker(id, rack);
    struct broker_heartbeat_request request;
    struct broker_heartbeat_response response;
    message_init(&broker_heartbeat_request_desc, &request);
    request.broker_id = id;
    request.broker_epoch = image_broker(image, id)->epoch;
    request.current_metadata_offset = image->offset;
    decide_broker_heartbeat(&d, &request, &response);
    cr_assert(!response.is_fenced);
    commit();
}

static void start(const char *const *overrides, int count) {
    struct errmsg errmsg;
    machine = machine_new(1, 1);
    cr_assert_eq(config_load(machine, NULL, overrides, count, &config, &errmsg), 0, "%s",
                 errmsg.text);
    broker = broker_config_new(config, NODE_ID);
    image = image_new();
    arena_init(&arena, SIZE_MAX);
    next_decision();
    add_broker(NODE_ID, NULL);
}

static void set_up(void) {
    start(NULL, 0);
}

static void tear_down(void) {
    broker_config_free(broker);
    image_free(image);
    config_free(config);
    machine_free(machine);
    arena_release(&arena);
}

TestSuite(controller_decisions, .init = set_up, .fini = tear_down);

static struct create_topics_response
create_all(struct create_topics_request_creatable_topic *topics, int count, bool validate_only) {
    struct create_topics_request request;
    struct create_topics_response response;
    message_init(&create_topics_request_desc, &request);
    request.topics = topics;
    request.topics_count = count;
    request.validate_only = validate_only;
    decide_create_topics(&d, &request, &response);
    return response;
}

static int create(const char *name, int32_t partitions, int16_t factor) {
    struct create_topics_request_creatable_topic topic = {
        .name = slice_str(name), .num_partitions = partitions, .replication_factor = factor};
    return create_all(&topic, 1, false).topics[0].error_code;
}

static int create_with(const char *name, const char *key, const char *value) {
    struct create_topics_request_creatable_topic_config entry = {.name = slice_str(key),
                                                                 .value = slice_str(value)};
    struct create_topics_request_creatable_topic topic = {.name = slice_str(name),
                                                          .num_partitions = 1,
                                                          .replication_factor = 1,
                                                          .configs = &entry,
                                                          .configs_count = 1};
    return create_all(&topic, 1, false).topics[0].error_code;
}

Test(controller_decisions, a_created_topic_has_its_partitions_led_here) {
    cr_assert_eq(create("t", 3, 1), ERROR_NONE);
    cr_assert_eq(d.records.count, 4);
    commit();
    const struct image_topic *topic = image_topic_by_name(image, SLICE_LIT("t"));
    cr_assert_eq(topic->partition_count, 3);
    cr_assert_eq(topic->partitions[2].leader, NODE_ID);
    cr_assert_eq(topic->partitions[2].isr_count, 1);
    cr_assert(uuid_equal(topic->partitions[2].directories[0], uuid_from_halves(1, NODE_ID)));
}

Test(controller_decisions, bad_names_counts_and_factors_have_kafkas_errors) {
    cr_assert_eq(create("a/b", 1, 1), ERROR_INVALID_TOPIC_EXCEPTION);
    cr_assert_eq(create("", 1, 1), ERROR_INVALID_TOPIC_EXCEPTION);
    cr_assert_eq(create("..", 1, 1), ERROR_INVALID_TOPIC_EXCEPTION);
    cr_assert_eq(create("__cluster_metadata", 1, 1), ERROR_INVALID_REQUEST);
    cr_assert_eq(create("t", 0, 1), ERROR_INVALID_PARTITIONS);
    cr_assert_eq(create("t", -2, 1), ERROR_INVALID_PARTITIONS);
    cr_assert_eq(create("t", 1, 0), ERROR_INVALID_REPLICATION_FACTOR);
    cr_assert_eq(create("t", 1, 2), ERROR_INVALID_REPLICATION_FACTOR);
    cr_assert_eq(create("t", 10001, 1), ERROR_POLICY_VIOLATION);
    cr_assert_eq(create("t", INT32_MAX, INT16_MAX), ERROR_POLICY_VIOLATION);
    cr_assert_eq(d.records.count, 0, "a refused topic leaves no record");
}

Test(controller_decisions, names_are_taken_once_and_collide_in_dots) {
    cr_assert_eq(create("a.b", 1, 1), ERROR_NONE);
    commit();
    cr_assert_eq(create("a.b", 1, 1), ERROR_TOPIC_ALREADY_EXISTS);
    cr_assert_eq(create("a_b", 1, 1), ERROR_INVALID_TOPIC_EXCEPTION);
    cr_assert_eq(create("ab", 1, 1), ERROR_NONE);
    next_decision();
    struct create_topics_request_creatable_topic twice[] = {
        {.name = SLICE_LIT("x"), .num_partitions = 1, .replication_factor = 1},
        {.name = SLICE_LIT("y"), .num_partitions = 1, .replication_factor = 1},
        {.name = SLICE_LIT("x"), .num_partitions = 1, .replication_factor = 1},
    };
    struct create_topics_response response = create_all(twice, 3, false);
    cr_assert_eq(response.topics[0].error_code, ERROR_INVALID_REQUEST);
    cr_assert_eq(response.topics[1].error_code, ERROR_NONE);
    cr_assert_eq(response.topics_count, 2, "one answer for both, as Kafka gives it");
    cr_assert_eq(d.records.count, 2);
}

static enum kafka_error create_with_lags(const char *name, const char *min_lag,
                                         const char *max_lag) {
    struct create_topics_request_creatable_topic_config configs[] = {
        {.name = SLICE_LIT("min.compaction.lag.ms"), .value = slice_str(min_lag)},
        {.name = SLICE_LIT("max.compaction.lag.ms"), .value = slice_str(max_lag)},
    };
    struct create_topics_request_creatable_topic topic = {
        .name = slice_str(name),
        .num_partitions = 1,
        .replication_factor = 1,
        .configs = configs,
        .configs_count = 2,
    };
    next_decision();
    return create_all(&topic, 1, false).topics[0].error_code;
}

Test(controller_decisions, compaction_cannot_lag_longer_than_it_may) {
    cr_assert_eq(create_with_lags("x", "10", "5"), ERROR_INVALID_CONFIG);
    cr_assert_eq(create_with_lags("y", "5", "5"), ERROR_NONE);
}

Test(controller_decisions, validation_alone_writes_nothing) {
    struct create_topics_request_creatable_topic topic = {
        .name = SLICE_LIT("x"), .num_partitions = -1, .replication_factor = -1};
    struct create_topics_response response = create_all(&topic, 1, true);
    cr_assert_eq(response.topics[0].error_code, ERROR_NONE);
    cr_assert_eq(response.topics[0].num_partitions, 1);
    cr_assert_eq(response.topics[0].replication_factor, 1);
    cr_assert_gt(response.topics[0].configs_count, 10);
    cr_assert_eq(d.records.count, 0);
}

Test(controller_decisions, manual_assignments_are_checked) {
    int32_t good[] = {1};
    int32_t twice[] = {1, 1};
    int32_t unknown[] = {7};
    struct {
        int32_t index;
        int32_t *brokers;
        int32_t count;
        int error;
    } cases[] = {
        {0, good, 1, ERROR_NONE},
        {1, good, 1, ERROR_INVALID_REPLICA_ASSIGNMENT},
        {0, twice, 2, ERROR_INVALID_REPLICA_ASSIGNMENT},
        {0, unknown, 1, ERROR_INVALID_REPLICA_ASSIGNMENT},
        {0, good, 0, ERROR_INVALID_REPLICA_ASSIGNMENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct create_topics_request_creatable_replica_assignment assignment = {
            .partition_index = cases[i].index,
            .broker_ids = cases[i].brokers,
            .broker_ids_count = cases[i].count,
        };
        struct create_topics_request_creatable_topic topic = {.name = SLICE_LIT("m"),
                                                              .num_partitions = -1,
                                                              .replication_factor = -1,
                                                              .assignments = &assignment,
                                                              .assignments_count = 1};
        cr_assert_eq(create_all(&topic, 1, true).topics[0].error_code, cases[i].error, "case %zu",
                     i);
        topic.num_partitions = 1;
        cr_assert_eq(create_all(&topic, 1, true).topics[0].error_code, ERROR_INVALID_REQUEST);
    }
}

Test(controller_decisions, configs_of_a_new_topic_are_checked_and_kept) {
    cr_assert_eq(create_with("t", "retention.ms", "soon"), ERROR_INVALID_CONFIG);
    cr_assert_eq(create_with("t", "no.such.key", "1"), ERROR_INVALID_CONFIG);
    cr_assert_eq(create_with("t", "retention.ms", NULL), ERROR_INVALID_CONFIG);
    cr_assert_eq(d.records.count, 0);
    cr_assert_eq(create_with("t", "retention.ms", "1000"), ERROR_NONE);
    commit();
    cr_assert(slice_equal_str(
        image_config_value(image, CONFIG_RESOURCE_TOPIC, SLICE_LIT("t"), "retention.ms"), "1000"));
}

Test(controller_decisions, replicas_go_to_racks_in_turn_and_never_first_to_a_fenced_broker) {
    add_broker(2, "b");
    add_broker(3, "b");
    register_broker(4, NULL);
    cr_assert_eq(create("t", 6, 4), ERROR_NONE);
    cr_assert_eq(create("u", 1, 5), ERROR_INVALID_REPLICATION_FACTOR);
    commit();
    const struct image_topic *topic = image_topic_by_name(image, SLICE_LIT("t"));
    for (int32_t p = 0; p < 6; p++) {
        cr_assert_eq(topic->partitions[p].replicas[3], 4);
        cr_assert_eq(topic->partitions[p].isr_count, 3, "a fenced broker is not in sync");
        cr_assert_neq(topic->partitions[p].leader, 4);
    }
}

static struct delete_topics_response delete_one(const char *name, struct uuid id) {
    struct delete_topics_request_delete_topic_state state = {.name = slice_str(name),
                                                             .topic_id = id};
    struct delete_topics_request request = {.topics = &state, .topics_count = 1};
    struct delete_topics_response response;
    decide_delete_topics(&d, &request, 6, &response);
    return response;
}

Test(controller_decisions, topics_are_deleted_by_name_or_by_id) {
    cr_assert_eq(create("t", 1, 1), ERROR_NONE);
    commit();
    struct uuid id = image_topic_by_name(image, SLICE_LIT("t"))->id;
    struct uuid other = uuid_from_halves(9, 9);
    cr_assert_eq(delete_one("t", id).responses[0].error_code, ERROR_INVALID_REQUEST);
    cr_assert_eq(delete_one(NULL, UUID_ZERO).responses[0].error_code, ERROR_INVALID_REQUEST);
    cr_assert_eq(delete_one("u", UUID_ZERO).responses[0].error_code,
                 ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(delete_one(NULL, other).responses[0].error_code, ERROR_UNKNOWN_TOPIC_ID);
    struct delete_topics_response response = delete_one(NULL, id);
    cr_assert_eq(response.responses[0].error_code, ERROR_NONE);
    cr_assert(slice_equal_str(response.responses[0].name, "t"));
    commit();
    cr_assert_null(image_topic_by_id(image, id));
}

static int add_partitions(const char *name, int32_t count) {
    struct create_partitions_request_topic topic = {
        .name = slice_str(name), .count = count, .assignments_count = -1};
    struct create_partitions_request request = {.topics = &topic, .topics_count = 1};
    struct create_partitions_response response;
    decide_create_partitions(&d, &request, &response);
    return response.results[0].error_code;
}

Test(controller_decisions, partitions_are_only_added) {
    cr_assert_eq(create("t", 2, 1), ERROR_NONE);
    commit();
    cr_assert_eq(add_partitions("t", 2), ERROR_INVALID_PARTITIONS);
    cr_assert_eq(add_partitions("t", 1), ERROR_INVALID_PARTITIONS);
    cr_assert_eq(add_partitions("t", INT32_MIN), ERROR_INVALID_PARTITIONS);
    cr_assert_eq(add_partitions("t", INT32_MAX), ERROR_POLICY_VIOLATION);
    cr_assert_eq(add_partitions("u", 3), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(d.records.count, 0);
    cr_assert_eq(add_partitions("t", 5), ERROR_NONE);
    commit();
    cr_assert_eq(image_topic_by_name(image, SLICE_LIT("t"))->partition_count, 5);
}

static int alter(int8_t type, const char *resource, const char *key, int8_t operation,
                 const char *value) {
    struct incremental_alter_configs_request_alterable_config entry = {
        .name = slice_str(key), .config_operation = operation, .value = slice_str(value)};
    struct incremental_alter_configs_request_alter_configs_resource target = {
        .resource_type = type,
        .resource_name = slice_str(resource),
        .configs = &entry,
        .configs_count = 1};
    struct incremental_alter_configs_request request = {.resources = &target, .resources_count = 1};
    struct incremental_alter_configs_response response;
    decide_incremental_alter_configs(&d, &request, &response);
    return response.responses[0].error_code;
}

Test(controller_decisions, overrides_are_changed_one_at_a_time) {
    cr_assert_eq(create("t", 1, 1), ERROR_NONE);
    commit();
    cr_assert_eq(alter(CONFIG_RESOURCE_TOPIC, "t", "cleanup.policy", 2, "compact"), ERROR_NONE);
    commit();
    struct slice value =
        image_config_value(image, CONFIG_RESOURCE_TOPIC, SLICE_LIT("t"), "cleanup.policy");
    cr_assert(slice_equal_str(value, "delete,compact"), "appended to the default");
    cr_assert_eq(alter(CONFIG_RESOURCE_TOPIC, "t", "cleanup.policy", 3, "delete"), ERROR_NONE);
    commit();
    value = image_config_value(image, CONFIG_RESOURCE_TOPIC, SLICE_LIT("t"), "cleanup.policy");
    cr_assert(slice_equal_str(value, "compact"));
    cr_assert_eq(alter(CONFIG_RESOURCE_TOPIC, "t", "retention.ms", 2, "1"), ERROR_INVALID_CONFIG);
    cr_assert_eq(alter(CONFIG_RESOURCE_TOPIC, "t", "retention.ms", 0, NULL), ERROR_INVALID_REQUEST);
    cr_assert_eq(alter(CONFIG_RESOURCE_TOPIC, "t", "retention.ms", 9, "1"), ERROR_INVALID_REQUEST);
    cr_assert_eq(alter(CONFIG_RESOURCE_TOPIC, "u", "retention.ms", 0, "1"),
                 ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(alter(CONFIG_RESOURCE_BROKER, "7", "log.retention.ms", 0, "1"),
                 ERROR_INVALID_REQUEST);
    cr_assert_eq(alter(CONFIG_RESOURCE_BROKER, "1", "node.id", 0, "4"), ERROR_INVALID_REQUEST);
    cr_assert_eq(d.records.count, 0);
    cr_assert_eq(alter(CONFIG_RESOURCE_TOPIC, "t", "cleanup.policy", 1, NULL), ERROR_NONE);
    commit();
    cr_assert_null(image_config_resource(image, CONFIG_RESOURCE_TOPIC, SLICE_LIT("t")));
}

Test(controller_decisions, alter_configs_replaces_all_overrides) {
    cr_assert_eq(create_with("t", "retention.ms", "1000"), ERROR_NONE);
    commit();
    struct alter_configs_request_alterable_config entry = {.name = SLICE_LIT("segment.ms"),
                                                           .value = SLICE_LIT("60000")};
    struct alter_configs_request_resource target = {.resource_type = CONFIG_RESOURCE_TOPIC,
                                                    .resource_name = SLICE_LIT("t"),
                                                    .configs = &entry,
                                                    .configs_count = 1};
    struct alter_configs_request request = {.resources = &target, .resources_count = 1};
    struct alter_configs_response response;
    decide_alter_configs(&d, &request, &response);
    cr_assert_eq(response.responses[0].error_code, ERROR_NONE);
    commit();
    cr_assert(slice_is_null(
        image_config_value(image, CONFIG_RESOURCE_TOPIC, SLICE_LIT("t"), "retention.ms")));
    cr_assert(slice_equal_str(
        image_config_value(image, CONFIG_RESOURCE_TOPIC, SLICE_LIT("t"), "segment.ms"), "60000"));
}

Test(controller_decisions, a_resource_named_twice_is_refused_both_times) {
    struct incremental_alter_configs_request_alter_configs_resource targets[2] = {
        {.resource_type = CONFIG_RESOURCE_BROKER, .resource_name = SLICE_LIT("")},
        {.resource_type = CONFIG_RESOURCE_BROKER, .resource_name = SLICE_LIT("")},
    };
    struct incremental_alter_configs_request request = {.resources = targets, .resources_count = 2};
    struct incremental_alter_configs_response response;
    decide_incremental_alter_configs(&d, &request, &response);
    cr_assert_eq(response.responses[0].error_code, ERROR_INVALID_REQUEST);
    cr_assert_eq(response.responses[1].error_code, ERROR_INVALID_REQUEST);
}

Test(controller_decisions, a_default_replication_factor_is_lowered_to_the_brokers_there_are) {
    struct create_topics_request *request =
        auto_create_request(&d, slice_str(TOPIC_CONSUMER_OFFSETS));
    cr_assert_eq(request->topics[0].replication_factor, 1);
    cr_assert_eq(request->topics[0].num_partitions, 50);
    struct create_topics_response response;
    decide_create_topics(&d, request, &response);
    cr_assert_eq(response.topics[0].error_code, ERROR_NONE);
    commit();
    cr_assert(
        slice_equal_str(image_config_value(image, CONFIG_RESOURCE_TOPIC,
                                           slice_str(TOPIC_CONSUMER_OFFSETS), "cleanup.policy"),
                        "compact"));
}

Test(controller_decisions, an_explicit_replication_factor_is_taken_at_its_word) {
    tear_down();
    const char *overrides[] = {"offsets.topic.replication.factor=3"};
    start(overrides, 1);
    struct create_topics_request *request =
        auto_create_request(&d, slice_str(TOPIC_CONSUMER_OFFSETS));
    struct create_topics_response response;
    decide_create_topics(&d, request, &response);
    cr_assert_eq(response.topics[0].error_code, ERROR_INVALID_REPLICATION_FACTOR);
}

Test(controller_decisions, configured_topics_are_created_where_they_are_missing) {
    tear_down();
    const char *overrides[] = {"barnabas.topics=a:2,b:1;cleanup.policy=compact"};
    start(overrides, 1);
    cr_assert_eq(create("a", 5, 1), ERROR_NONE);
    commit();
    struct create_topics_request *request = configured_topics_request(&d);
    cr_assert_eq(request->topics_count, 1);
    struct create_topics_response response;
    decide_create_topics(&d, request, &response);
    commit();
    cr_assert_eq(image_topic_by_name(image, SLICE_LIT("a"))->partition_count, 5);
    cr_assert_not_null(image_topic_by_name(image, SLICE_LIT("b")));
    cr_assert_null(configured_topics_request(&d));
}

/* How many of the partition's replicas are in the most used rack: 0, 1 and 2, by the broker's id.
 */
static int most_in_a_rack(const struct image_partition *partition) {
    int used[3] = {0};
    int most = 0;
    for (int32_t i = 0; i < partition->replica_count; i++) {
        int rack = partition->replicas[i] < 4 ? 0 : partition->replicas[i] == 4 ? 1 : 2;
        most = ++used[rack] > most ? used[rack] : most;
    }
    return most;
}

Test(controller_decisions, no_rack_has_two_replicas_while_another_has_none) {
    tear_down();
    start(NULL, 0); /* broker 1 has no rack, which is one as well */
    add_broker(2, NULL);
    add_broker(3, NULL);
    add_broker(4, "b");
    add_broker(5, "c");
    cr_assert_eq(create("t", 20, 3), ERROR_NONE);
    cr_assert_eq(create("u", 20, 4), ERROR_NONE);
    commit();
    const struct image_topic *t = image_topic_by_name(image, SLICE_LIT("t"));
    const struct image_topic *u = image_topic_by_name(image, SLICE_LIT("u"));
    int led[6] = {0};
    for (int32_t p = 0; p < 20; p++) {
        cr_assert_eq(most_in_a_rack(&t->partitions[p]), 1);
        cr_assert_eq(most_in_a_rack(&u->partitions[p]), 2);
        led[t->partitions[p].leader]++;
    }
    for (int id = 1; id <= 5; id++) {
        cr_assert_eq(led[id], 4, "leaders are spread evenly");
    }
}
