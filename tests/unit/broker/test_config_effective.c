/* Layers of configuration: file, dynamic defaults, this broker's, a topic's; and explaining them.
 */
#include <criterion/criterion.h>
#include <limits.h>

#include "broker/config/config.h"
#include "broker/metadata/image.h"
#include "broker/metadata/image_changes.h"
#include "broker/metadata/metadata_record.h"
#include "protocol/compression.h"
#include "protocol/generated/config_record.h"
#include "runtime/machine.h"

#define NODE_ID 1

static struct machine *machine;
static struct config *config;
static struct broker_config *broker;
static struct image *image;
static struct arena arena;

static void start(const char *const *overrides, int count) {
    struct errmsg errmsg;
    machine = machine_new(1, 1);
    cr_assert_eq(config_load(machine, NULL, overrides, count, &config, &errmsg), 0, "%s",
                 errmsg.text);
    broker = broker_config_new(config, NODE_ID);
    image = image_new();
    arena_init(&arena, SIZE_MAX);
}

static void tear_down(void) {
    broker_config_free(broker);
    image_free(image);
    config_free(config);
    machine_free(machine);
    arena_release(&arena);
}

TestSuite(config_effective, .fini = tear_down);

static void set(int8_t type, const char *resource, const char *name, const char *value) {
    struct config_record record = {
        .resource_type = type,
        .resource_name = slice_str(resource),
        .name = slice_str(name),
        .value = slice_str(value),
    };
    struct record_list list;
    record_list_init(&list, &arena);
    record_list_add(&list, RECORD_CONFIG, 0, &config_record_desc, &record);
    struct image_changes changes;
    image_changes_init(&changes);
    cr_assert(image_apply(image, list.values[0], &changes));
    image_changes_release(&changes);
    broker_config_apply(broker, image);
}

static struct config_explanation *explain(int8_t type, const char *resource, const char *name,
                                          int *total) {
    struct config_explanation *list;
    int count;
    config_explain(broker, image, type, slice_str(resource), &arena, &list, &count);
    if (total != NULL) {
        *total = count;
    }
    for (int i = 0; i < count; i++) {
        if (slice_equal_str(list[i].name, name)) {
            return &list[i];
        }
    }
    return NULL;
}

static void check_synonym(const struct config_explanation *explanation, int index, const char *name,
                          const char *value, enum config_source source) {
    cr_assert_gt(explanation->synonym_count, index);
    const struct config_synonym *synonym = &explanation->synonyms[index];
    cr_assert_str_eq(synonym->name, name);
    cr_assert(slice_equal_str(synonym->value, value));
    cr_assert_eq(synonym->source, source);
}

Test(config_effective, this_brokers_value_wins_over_the_default_of_all_over_the_file) {
    start((const char *const[]){"message.max.bytes=1000"}, 1);
    cr_assert_eq(broker_config_int(broker, CONFIG_MESSAGE_MAX_BYTES), 1000);
    set(CONFIG_RESOURCE_BROKER, "", "message.max.bytes", "2000");
    cr_assert_eq(broker_config_int(broker, CONFIG_MESSAGE_MAX_BYTES), 2000);
    set(CONFIG_RESOURCE_BROKER, "1", "message.max.bytes", "3000");
    cr_assert_eq(broker_config_int(broker, CONFIG_MESSAGE_MAX_BYTES), 3000);
    set(CONFIG_RESOURCE_BROKER, "2", "message.max.bytes", "4000");
    cr_assert_eq(broker_config_int(broker, CONFIG_MESSAGE_MAX_BYTES), 3000);
    set(CONFIG_RESOURCE_BROKER, "1", "message.max.bytes", NULL);
    cr_assert_eq(broker_config_int(broker, CONFIG_MESSAGE_MAX_BYTES), 2000);
    set(CONFIG_RESOURCE_BROKER, "", "message.max.bytes", NULL);
    cr_assert_eq(broker_config_int(broker, CONFIG_MESSAGE_MAX_BYTES), 1000);
}

Test(config_effective, invalid_and_read_only_dynamic_values_are_passed_over) {
    start(NULL, 0);
    set(CONFIG_RESOURCE_BROKER, "1", "message.max.bytes", "much");
    set(CONFIG_RESOURCE_BROKER, "1", "num.partitions", "9");
    set(CONFIG_RESOURCE_BROKER, "1", "foo.bar", "baz");
    cr_assert_eq(broker_config_int(broker, CONFIG_MESSAGE_MAX_BYTES), 1048588);
    cr_assert_eq(broker_config_int(broker, CONFIG_NUM_PARTITIONS), 1);
}

Test(config_effective, a_topic_overrides_its_broker) {
    start((const char *const[]){"log.retention.hours=2", "log.durability=page-cache"}, 2);
    struct topic_config topic;
    topic_config_effective(broker, image, SLICE_LIT("t"), &topic);
    cr_assert_eq(topic.log.retention_ms, 2 * 3600000);
    cr_assert_eq(topic.log.segment_bytes, 1 << 30);
    cr_assert_eq(topic.log.flush_ms, INT64_MAX);
    cr_assert(topic.log.cleanup_delete);
    cr_assert_not(topic.log.cleanup_compact);
    cr_assert_not(topic.log.durable);
    cr_assert_eq(topic.compression, COMPRESSION_PRODUCER);
    cr_assert_not(topic.log_append_time);

    set(CONFIG_RESOURCE_TOPIC, "t", "retention.ms", "-1");
    set(CONFIG_RESOURCE_TOPIC, "t", "durability", "fsync");
    set(CONFIG_RESOURCE_TOPIC, "t", "cleanup.policy", "compact");
    set(CONFIG_RESOURCE_TOPIC, "t", "compression.type", "gzip");
    set(CONFIG_RESOURCE_TOPIC, "t", "message.timestamp.type", "LogAppendTime");
    set(CONFIG_RESOURCE_TOPIC, "t", "record.validation", "header");
    set(CONFIG_RESOURCE_TOPIC, "t", "internal.segment.bytes", "1000");
    topic_config_effective(broker, image, SLICE_LIT("t"), &topic);
    cr_assert_eq(topic.log.retention_ms, -1);
    cr_assert(topic.log.durable);
    cr_assert_not(topic.log.cleanup_delete);
    cr_assert(topic.log.cleanup_compact);
    cr_assert_eq(topic.compression, COMPRESSION_GZIP);
    cr_assert_eq(topic.compression_level, INT_MIN);
    cr_assert(topic.log_append_time);
    cr_assert(topic.header_only_validation);
    cr_assert_eq(topic.log.segment_bytes, 1000);

    struct topic_config other;
    topic_config_effective(broker, image, SLICE_LIT("other"), &other);
    cr_assert_eq(other.log.retention_ms, 2 * 3600000);
}

/* The expected answers are what Apache Kafka 4.3 gives for the same settings. */
Test(config_effective, synonyms_are_in_order_of_precedence) {
    start((const char *const[]){"log.retention.hours=100"}, 1);
    struct config_explanation *e = explain(CONFIG_RESOURCE_BROKER, "1", "log.retention.ms", NULL);
    cr_assert(slice_is_null(e->value));
    cr_assert_eq(e->synonym_count, 0);
    cr_assert_eq(e->source, CONFIG_SOURCE_DEFAULT);

    set(CONFIG_RESOURCE_BROKER, "", "log.retention.ms", "5000");
    set(CONFIG_RESOURCE_BROKER, "1", "log.retention.ms", "6000");
    set(CONFIG_RESOURCE_TOPIC, "t", "retention.ms", "1000");
    e = explain(CONFIG_RESOURCE_TOPIC, "t", "retention.ms", NULL);
    cr_assert(slice_equal_str(e->value, "1000"));
    cr_assert_eq(e->source, CONFIG_SOURCE_TOPIC);
    cr_assert_eq(e->synonym_count, 5);
    check_synonym(e, 0, "retention.ms", "1000", CONFIG_SOURCE_TOPIC);
    check_synonym(e, 1, "log.retention.ms", "6000", CONFIG_SOURCE_DYNAMIC_BROKER);
    check_synonym(e, 2, "log.retention.ms", "5000", CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER);
    check_synonym(e, 3, "log.retention.hours", "100", CONFIG_SOURCE_STATIC_BROKER);
    check_synonym(e, 4, "log.retention.hours", "168", CONFIG_SOURCE_DEFAULT);

    e = explain(CONFIG_RESOURCE_TOPIC, "t", "flush.ms", NULL);
    cr_assert(slice_equal_str(e->value, "9223372036854775807"));
    cr_assert_eq(e->synonym_count, 0);
}

Test(config_effective, of_all_brokers_only_what_was_set_is_listed) {
    start(NULL, 0);
    int total;
    cr_assert_null(explain(CONFIG_RESOURCE_BROKER, "", "log.retention.ms", &total));
    cr_assert_eq(total, 0);
    set(CONFIG_RESOURCE_BROKER, "", "log.retention.ms", "5000");
    struct config_explanation *e = explain(CONFIG_RESOURCE_BROKER, "", "log.retention.ms", &total);
    cr_assert_eq(total, 1);
    cr_assert_eq(e->source, CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER);
    cr_assert_not(e->read_only);
}

Test(config_effective, secrets_and_unknown_names_are_not_shown) {
    start((const char *const[]){"delegation.token.secret.key=hush"}, 1);
    struct config_explanation *e =
        explain(CONFIG_RESOURCE_BROKER, "1", "delegation.token.secret.key", NULL);
    cr_assert(e->sensitive);
    cr_assert(slice_is_null(e->value));
    cr_assert(slice_is_null(e->synonyms[0].value));
    set(CONFIG_RESOURCE_BROKER, "1", "foo.bar", "hush");
    e = explain(CONFIG_RESOURCE_BROKER, "1", "foo.bar", NULL);
    cr_assert_null(e->key);
    cr_assert(e->sensitive);
    cr_assert(slice_is_null(e->value));
}

Test(config_effective, quotas_and_keys_of_one_listener_say_what_they_are) {
    start(NULL, 0);
    set(CONFIG_RESOURCE_BROKER, "1", "leader.replication.throttled.rate", "100");
    set(CONFIG_RESOURCE_BROKER, "", "listener.name.a.max.connections", "5");
    set(CONFIG_RESOURCE_BROKER, "1", "listener.name.a.ssl.key.password", "hush");
    struct config_explanation *e =
        explain(CONFIG_RESOURCE_BROKER, "1", "leader.replication.throttled.rate", NULL);
    cr_assert(slice_equal_str(e->value, "100"));
    cr_assert_not(e->read_only);
    e = explain(CONFIG_RESOURCE_BROKER, "1", "listener.name.a.max.connections", NULL);
    cr_assert(slice_equal_str(e->value, "5"), "what all brokers have is listed for each");
    cr_assert_eq(e->source, CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER);
    e = explain(CONFIG_RESOURCE_BROKER, "1", "listener.name.a.ssl.key.password", NULL);
    cr_assert(slice_is_null(e->value));
}

Test(config_effective, internal_keys_are_listed_only_when_set) {
    start(NULL, 0);
    cr_assert_null(explain(CONFIG_RESOURCE_TOPIC, "t", "internal.segment.bytes", NULL));
    cr_assert_null(explain(CONFIG_RESOURCE_BROKER, "1", "unstable.api.versions.enable", NULL));
    set(CONFIG_RESOURCE_TOPIC, "t", "internal.segment.bytes", "100");
    cr_assert_not_null(explain(CONFIG_RESOURCE_TOPIC, "t", "internal.segment.bytes", NULL));
}

Test(config_effective, alterations_are_refused_with_kafkas_errors) {
    start(NULL, 0);
    struct errmsg errmsg;
    struct {
        int8_t type;
        const char *name;
        const char *value;
        enum kafka_error error;
    } cases[] = {
        {CONFIG_RESOURCE_TOPIC, "retention.ms", "-2", ERROR_INVALID_CONFIG},
        {CONFIG_RESOURCE_TOPIC, "retention.ms", "1", ERROR_NONE},
        {CONFIG_RESOURCE_TOPIC, "retention.ms", NULL, ERROR_INVALID_CONFIG},
        {CONFIG_RESOURCE_TOPIC, "foo", "1", ERROR_INVALID_CONFIG},
        {CONFIG_RESOURCE_TOPIC, "retention.bytes", "-5", ERROR_NONE},
        {CONFIG_RESOURCE_TOPIC, "cleanup.policy", "", ERROR_NONE},
        {CONFIG_RESOURCE_TOPIC, "remote.storage.enable", "true", ERROR_INVALID_CONFIG},
        {CONFIG_RESOURCE_TOPIC, "remote.storage.enable", "false", ERROR_NONE},
        {CONFIG_RESOURCE_BROKER, "num.partitions", "3", ERROR_INVALID_REQUEST},
        {CONFIG_RESOURCE_BROKER, "log.segment.bytes", "abc", ERROR_INVALID_REQUEST},
        {CONFIG_RESOURCE_BROKER, "log.retention.ms", "0", ERROR_INVALID_REQUEST},
        {CONFIG_RESOURCE_BROKER, "foo.bar", "x", ERROR_NONE},
        {CONFIG_RESOURCE_BROKER, "leader.replication.throttled.rate", "-1", ERROR_INVALID_REQUEST},
        {CONFIG_RESOURCE_GROUP, "consumer.session.timeout.ms", "46000", ERROR_NONE},
        {CONFIG_RESOURCE_GROUP, "foo", "1", ERROR_INVALID_CONFIG},
        {CONFIG_RESOURCE_CLIENT_METRICS, "interval.ms", "1", ERROR_INVALID_REQUEST},
        {CONFIG_RESOURCE_CLIENT_METRICS, "interval.ms", "1000", ERROR_NONE},
        {99, "a", "b", ERROR_INVALID_REQUEST},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cr_assert_eq(config_validate(cases[i].type, slice_str(cases[i].name),
                                     slice_str(cases[i].value), &errmsg),
                     cases[i].error, "%s=%s", cases[i].name, cases[i].value);
    }
    cr_assert(config_is_list(CONFIG_RESOURCE_TOPIC, SLICE_LIT("cleanup.policy")));
    cr_assert_not(config_is_list(CONFIG_RESOURCE_TOPIC, SLICE_LIT("retention.ms")));
    cr_assert(config_is_per_broker(SLICE_LIT("listeners")));
    cr_assert(config_is_per_broker(SLICE_LIT("listener.name.a.ssl.keystore.location")));
    cr_assert_not(config_is_per_broker(SLICE_LIT("listener.name.a.max.connections")));
    cr_assert_not(config_is_per_broker(SLICE_LIT("listener.name.")));
    cr_assert_not(config_is_per_broker(SLICE_LIT("log.retention.ms")));
}

Test(config_effective, throttled_replicas_are_this_nodes_or_all) {
    start(NULL, 0);
    struct slice topic = SLICE_LIT("t");
    const char *key = "leader.replication.throttled.replicas";
    cr_assert(!topic_config_throttles(broker, image, topic, 0, true));
    set(CONFIG_RESOURCE_TOPIC, "t", key, "0:2,10:1, 3:1,3:3");
    cr_assert(!topic_config_throttles(broker, image, topic, 0, true));
    cr_assert(!topic_config_throttles(broker, image, topic, 1, true));
    cr_assert(topic_config_throttles(broker, image, topic, 10, true));
    cr_assert(topic_config_throttles(broker, image, topic, 3, true));
    cr_assert(!topic_config_throttles(broker, image, topic, 3, false));
    set(CONFIG_RESOURCE_TOPIC, "t", key, "*");
    cr_assert(topic_config_throttles(broker, image, topic, 0, true));
}

Test(config_effective, throttled_rates_are_this_brokers_or_that_of_all) {
    start(NULL, 0);
    const char *key = "follower.replication.throttled.rate";
    cr_assert_eq(broker_config_throttled_rate(broker, image, false), INT64_MAX);
    set(CONFIG_RESOURCE_BROKER, "", key, "500");
    set(CONFIG_RESOURCE_BROKER, "2", key, "600");
    cr_assert_eq(broker_config_throttled_rate(broker, image, false), 500);
    set(CONFIG_RESOURCE_BROKER, "1", key, "700");
    cr_assert_eq(broker_config_throttled_rate(broker, image, false), 700);
    cr_assert_eq(broker_config_throttled_rate(broker, image, true), INT64_MAX);
}
