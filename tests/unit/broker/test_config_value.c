#include <criterion/criterion.h>

#include "broker/config/config_value.h"
#include "broker/metadata/image.h"

static bool broker_accepts(enum config_id id, const char *text) {
    union config_number number;
    return config_value_check(config_key(id), slice_str(text), &number);
}

static bool topic_accepts(enum topic_config_id id, const char *text) {
    union config_number number;
    return config_value_check(topic_config_key(id), slice_str(text), &number);
}

Test(config_value, every_default_is_valid) {
    static const int8_t types[] = {CONFIG_RESOURCE_BROKER, CONFIG_RESOURCE_TOPIC,
                                   CONFIG_RESOURCE_GROUP, CONFIG_RESOURCE_CLIENT_METRICS};
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        const struct config_key_table *table = config_key_table(types[t]);
        for (int i = 0; i < table->count; i++) {
            struct slice value = config_key_default(&table->keys[i]);
            union config_number number;
            cr_assert(slice_is_null(value) || config_value_check(&table->keys[i], value, &number),
                      "%s", table->keys[i].name);
        }
    }
}

Test(config_value, tables_are_sorted_and_every_key_is_found) {
    static const int8_t types[] = {CONFIG_RESOURCE_BROKER, CONFIG_RESOURCE_TOPIC,
                                   CONFIG_RESOURCE_GROUP, CONFIG_RESOURCE_CLIENT_METRICS};
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        const struct config_key_table *table = config_key_table(types[t]);
        for (int i = 0; i < table->count; i++) {
            cr_assert_eq(config_key_find(table, slice_str(table->keys[i].name)), i);
        }
        cr_assert_eq(config_key_find(table, SLICE_LIT("no.such.key")), -1);
        cr_assert_eq(config_key_find(table, SLICE_LIT("")), -1);
    }
    cr_assert_null(config_key_table(99));
    cr_assert_eq(config_id_of(SLICE_LIT("log.retention.ms")), CONFIG_LOG_RETENTION_MS);
}

Test(config_value, a_topic_key_and_its_broker_key_have_the_same_type_of_value) {
    const struct config_key_table *table = config_key_table(CONFIG_RESOURCE_TOPIC);
    for (int i = 0; i < table->count; i++) {
        const struct config_key *key = &table->keys[i];
        if (key->broker_key != CONFIG_NONE) {
            const struct config_key *other = config_key(key->broker_key);
            cr_assert_eq(key->type, other->type, "%s", key->name);
        }
    }
}

Test(config_value, numbers_keep_their_width_and_range) {
    cr_assert(broker_accepts(CONFIG_NUM_PARTITIONS, "1"));
    cr_assert(broker_accepts(CONFIG_NUM_PARTITIONS, " +7 "));
    cr_assert(broker_accepts(CONFIG_NUM_PARTITIONS, "2147483647"));
    static const char *const bad[] = {"0",   "-1",   "2147483648", "",  " ",
                                      "1.5", "0x10", "1k",         "+", "+-1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert_not(broker_accepts(CONFIG_NUM_PARTITIONS, bad[i]), "%s", bad[i]);
    }
    cr_assert(broker_accepts(CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR, "32767"));
    cr_assert_not(broker_accepts(CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR, "32768"));
    cr_assert(broker_accepts(CONFIG_LOG_RETENTION_BYTES, "-9223372036854775808"));
    cr_assert_not(broker_accepts(CONFIG_LOG_RETENTION_BYTES, "9223372036854775808"));
    cr_assert(topic_accepts(TOPIC_CONFIG_SEGMENT_BYTES, "1048576"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_SEGMENT_BYTES, "1048575"));
}

Test(config_value, a_range_may_have_one_value_beside_it) {
    cr_assert(topic_accepts(TOPIC_CONFIG_COMPRESSION_GZIP_LEVEL, "-1"));
    cr_assert(topic_accepts(TOPIC_CONFIG_COMPRESSION_GZIP_LEVEL, "9"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_COMPRESSION_GZIP_LEVEL, "0"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_COMPRESSION_GZIP_LEVEL, "10"));
    cr_assert(broker_accepts(CONFIG_LOG_RETENTION_MS, "-1"));
    cr_assert_not(broker_accepts(CONFIG_LOG_RETENTION_MS, "0"));
}

Test(config_value, doubles_and_booleans) {
    cr_assert(topic_accepts(TOPIC_CONFIG_MIN_CLEANABLE_DIRTY_RATIO, "0.75"));
    cr_assert(topic_accepts(TOPIC_CONFIG_MIN_CLEANABLE_DIRTY_RATIO, "1"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_MIN_CLEANABLE_DIRTY_RATIO, "1.01"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_MIN_CLEANABLE_DIRTY_RATIO, "nan"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_MIN_CLEANABLE_DIRTY_RATIO, "0.5x"));
    cr_assert(topic_accepts(TOPIC_CONFIG_PREALLOCATE, "TRUE"));
    cr_assert(topic_accepts(TOPIC_CONFIG_PREALLOCATE, " false"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_PREALLOCATE, "yes"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_PREALLOCATE, ""));
}

Test(config_value, words_and_lists_of_words) {
    cr_assert(topic_accepts(TOPIC_CONFIG_COMPRESSION_TYPE, "zstd"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_COMPRESSION_TYPE, "ZSTD"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_COMPRESSION_TYPE, "zst"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_COMPRESSION_TYPE, "none"));
    cr_assert(topic_accepts(TOPIC_CONFIG_CLEANUP_POLICY, "delete, compact"));
    cr_assert(topic_accepts(TOPIC_CONFIG_CLEANUP_POLICY, ""));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_CLEANUP_POLICY, "delete,,compact"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_CLEANUP_POLICY, "delete,shred"));
    cr_assert(topic_accepts(TOPIC_CONFIG_DURABILITY, "page-cache"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_DURABILITY, "none"));
    cr_assert(broker_accepts(CONFIG_GROUP_CONSUMER_MIGRATION_POLICY, "UPGRADE"));
    cr_assert(topic_accepts(TOPIC_CONFIG_LEADER_REPLICATION_THROTTLED_REPLICAS, "*"));
    cr_assert(topic_accepts(TOPIC_CONFIG_LEADER_REPLICATION_THROTTLED_REPLICAS, "0:1,1:2"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_LEADER_REPLICATION_THROTTLED_REPLICAS, "0:1,1"));
    cr_assert_not(topic_accepts(TOPIC_CONFIG_LEADER_REPLICATION_THROTTLED_REPLICAS, "0:-1"));
}

Test(config_value, what_is_allowed_is_said_in_words) {
    char text[128];
    config_value_describe(config_key(CONFIG_NUM_PARTITIONS), text, sizeof(text));
    cr_assert_str_eq(text, "an int of at least 1");
    config_value_describe(topic_config_key(TOPIC_CONFIG_DURABILITY), text, sizeof(text));
    cr_assert_str_eq(text, "one of fsync, page-cache");
    config_value_describe(topic_config_key(TOPIC_CONFIG_COMPRESSION_GZIP_LEVEL), text,
                          sizeof(text));
    cr_assert_str_eq(text, "an int in 1..9 or -1");
    char tiny[8];
    config_value_describe(topic_config_key(TOPIC_CONFIG_COMPRESSION_TYPE), tiny, sizeof(tiny));
    cr_assert_lt(strlen(tiny), sizeof(tiny));
}
