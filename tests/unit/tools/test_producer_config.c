/* Properties of producers have effect, or are refused. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>

#include "tools/kafka/producer_config.h"

TestSuite(producer_config, .timeout = 600);

static struct kafka_call call = {.tool = "test", .logger = "Test"};

static void begin(struct producer_config *config) {
    arena_init(&call.arena, SIZE_MAX);
    client_init(&call.client, NULL, "test");
    producer_config_init(config, &call, &PRODUCER_OPTIONS_KAFKA);
}

static bool take(struct producer_config *config, const char *key, const char *value) {
    return producer_config_take(config, slice_str(key), slice_str(value));
}

static void end(void) {
    client_release(&call.client);
    arena_release(&call.arena);
}

Test(producer_config, what_is_set_is_what_is_done) {
    struct producer_config config;
    begin(&config);
    cr_expect(take(&config, "acks", "1"));
    cr_expect(take(&config, "batch.size", "1000"));
    cr_expect(take(&config, "buffer.memory", "50000"));
    cr_expect(take(&config, "compression.type", "zstd"));
    cr_expect(take(&config, "compression.zstd.level", "7"));
    cr_expect(take(&config, "compression.gzip.level", "3"));
    cr_expect(take(&config, "linger.ms", "20"));
    cr_expect(take(&config, "max.block.ms", "900"));
    cr_expect(take(&config, "max.in.flight.requests.per.connection", "2"));
    cr_expect(take(&config, "max.request.size", "4000"));
    cr_expect(take(&config, "request.timeout.ms", "1500"));
    cr_expect(take(&config, "delivery.timeout.ms", "9000"));
    cr_expect(take(&config, "retries", "4"));
    cr_expect(take(&config, "client.id", "me"));
    cr_expect(producer_config_finish(&config));
    const struct producer_options *o = &config.options;
    cr_expect_eq(o->acks, 1);
    cr_expect_eq(o->batch_bytes, 1000);
    cr_expect_eq(o->buffer_bytes, 50000);
    cr_expect_eq(o->codec, COMPRESSION_ZSTD);
    cr_expect_eq(o->level, 7);
    cr_expect_eq(o->linger_ms, 20);
    cr_expect_eq(o->block_ms, 900);
    cr_expect_eq(o->in_flight, 2);
    cr_expect_eq(o->record_bytes, 4000);
    cr_expect_eq(o->timeout_ms, 1500);
    cr_expect_eq(o->delivery_ms, 9000);
    cr_expect_eq(o->retries, 4);
    cr_expect_str_eq(call.client.client_id, "me");
    end();
}

Test(producer_config, what_is_no_value_is_refused_in_javas_words, .init = cr_redirect_stderr) {
    struct producer_config config;
    begin(&config);
    cr_expect_not(take(&config, "acks", "7"));
    cr_expect_not(take(&config, "batch.size", "x"));
    cr_expect_not(take(&config, "linger.ms", "-1"));
    cr_expect_not(take(&config, "compression.type", "rar"));
    cr_expect_not(take(&config, "enable.idempotence", "maybe"));
    cr_expect_not(take(&config, "compression.gzip.level", "0"));
    cr_expect_not(take(&config, "max.in.flight.requests.per.connection", "0"));
    fflush(stderr);
    cr_expect_stderr_eq_str(
        "org.apache.kafka.common.config.ConfigException: Invalid value 7 for configuration acks: "
        "String must be one of: all, -1, 0, 1\n"
        "org.apache.kafka.common.config.ConfigException: Invalid value x for configuration "
        "batch.size: Not a number of type INT\n"
        "org.apache.kafka.common.config.ConfigException: Invalid value -1 for configuration "
        "linger.ms: Value must be at least 0\n"
        "org.apache.kafka.common.config.ConfigException: Invalid value rar for configuration "
        "compression.type: String must be one of: none, gzip, snappy, lz4, zstd\n"
        "org.apache.kafka.common.config.ConfigException: Invalid value maybe for configuration "
        "enable.idempotence: Expected value to be either true or false\n"
        "org.apache.kafka.common.config.ConfigException: Invalid value 0 for configuration "
        "compression.gzip.level: Value must be at most 9\n"
        "org.apache.kafka.common.config.ConfigException: Invalid value 0 for configuration "
        "max.in.flight.requests.per.connection: Value must be at least 1\n");
    end();
}

Test(producer_config, what_is_not_served_is_refused_and_what_is_unknown_is_told,
     .init = cr_redirect_stderr) {
    struct producer_config config;
    begin(&config);
    cr_expect_not(take(&config, "transactional.id", "t"));
    cr_expect_not(take(&config, "partitioner.class", "Mine"));
    cr_expect_not(take(&config, "security.protocol", "SSL"));
    cr_expect(take(&config, "partitioner.ignore.keys", "false"));
    cr_expect(take(&config, "metadata.max.age.ms", "5"));
    cr_expect(take(&config, "linger.msec", "5"));
    fflush(stderr);
    char text[2048] = "";
    size_t len = fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr());
    text[len] = '\0';
    cr_expect_not_null(strstr(text, "'linger.msec' is not known"));
    cr_expect_null(strstr(text, "metadata.max.age.ms"));
    end();
}

Test(producer_config, idempotence_needs_what_it_needs, .init = cr_redirect_stderr) {
    static const char *const against[][2] = {
        {"acks", "1"}, {"retries", "0"}, {"max.in.flight.requests.per.connection", "6"}};
    for (size_t i = 0; i < ARRAY_LEN(against); i++) {
        struct producer_config config;
        begin(&config);
        cr_expect(take(&config, against[i][0], against[i][1]));
        cr_expect(producer_config_finish(&config), "without being asked for it gives way");
        cr_expect(take(&config, "enable.idempotence", "true"));
        cr_expect_not(producer_config_finish(&config), "%s", against[i][0]);
        end();
    }
}

Test(producer_config, idempotence_can_be_turned_off) {
    struct producer_config config;
    begin(&config);
    cr_expect(producer_config_finish(&config));
    cr_expect_not(config.options.without_id);
    cr_expect(take(&config, "enable.idempotence", "false"));
    cr_expect(producer_config_finish(&config));
    cr_expect(config.options.without_id);
    end();
}

Test(producer_config, a_delivery_outlasts_a_request, .init = cr_redirect_stderr) {
    struct producer_config config;
    begin(&config);
    cr_expect(take(&config, "linger.ms", "200000"));
    cr_expect(producer_config_finish(&config));
    cr_expect_eq(config.options.delivery_ms, 230000);
    cr_expect(take(&config, "delivery.timeout.ms", "1000"));
    cr_expect_not(producer_config_finish(&config));
    end();
}

Test(producer_config, a_record_is_reckoned_as_java_reckons_it) {
    char room[1048500];
    struct outgoing record = {.key = SLICE_NULL, .value = slice_make(room, sizeof(room))};
    cr_expect_eq(producer_record_bytes(&record), 1048587); /* as Java's client says of it */
    record.key = SLICE_LIT("ab");
    cr_expect_eq(producer_record_bytes(&record), 1048589);
}
