/* Scenarios about what is written. */
#include "matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void codecs(const char *topic, const char *group) {
    static const char *const all[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    enum { EACH = 500, PARTITIONS = 3, CODECS = 5 };
    char key[32], value[64];

    for (int c = 0; c < CODECS; c++) {
        rd_kafka_t *producer =
            new_producer((options){"compression.type", all[c], "linger.ms", "20", NULL});
        for (int i = 0; i < EACH; i++) {
            snprintf(key, sizeof(key), "%s-%d", all[c], i);
            snprintf(value, sizeof(value), "%d a value that is the same again and again", i);
            struct record record = {
                .key = key, .key_size = strlen(key), .value = value, .value_size = strlen(value)};
            produce(producer, topic, i % PARTITIONS, &record);
        }
        expect_error(flush(producer), RD_KAFKA_RESP_ERR_NO_ERROR, all[c]);
        rd_kafka_destroy(producer);
    }
    rd_kafka_t *consumer = new_consumer(group, NULL);
    assign(consumer, topic, PARTITIONS, RD_KAFKA_OFFSET_BEGINNING);
    int next[PARTITIONS] = {0, 1, 2}; /* number of the next record, over all codecs */
    for (int seen = 0; seen < EACH * CODECS; seen++) {
        rd_kafka_message_t *message = next_record(consumer, TIMEOUT_MS);
        if (message == NULL) {
            fail("only %d records came", seen);
        }
        int i = next[message->partition] % EACH, codec = next[message->partition] / EACH;
        snprintf(key, sizeof(key), "%s-%d", all[codec], i);
        expect_number(number_of(message), i, "the value of a record");
        if (message->key_len != strlen(key) || memcmp(message->key, key, strlen(key)) != 0) {
            fail("the key of record %s is %.*s", key, (int)message->key_len,
                 (const char *)message->key);
        }
        /* The numbers of a codec begin anew in each partition. */
        int after = i + PARTITIONS;
        next[message->partition] = after < EACH ? next[message->partition] + PARTITIONS
                                                : (codec + 1) * EACH + message->partition;
        rd_kafka_message_destroy(message);
    }
    expect_nothing(consumer, 200);
    close_consumer(consumer);
}

static bool same(const void *found, size_t found_size, const void *wanted, size_t wanted_size) {
    if (found == NULL || wanted == NULL) {
        return found == wanted;
    }
    return found_size == wanted_size && memcmp(found, wanted, wanted_size) == 0;
}

static void expect_record(const rd_kafka_message_t *message, const struct record *wanted,
                          size_t i) {
    rd_kafka_headers_t *headers = NULL;
    size_t count = 0;

    if (!same(message->key, message->key_len, wanted->key, wanted->key_size) ||
        !same(message->payload, message->len, wanted->value, wanted->value_size)) {
        fail("record %zu has another key or value", i);
    }
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        count = rd_kafka_header_cnt(headers);
    }
    expect_number((int64_t)count, (int64_t)wanted->header_count, "number of headers");
    for (size_t h = 0; h < count; h++) {
        const struct header *header = &wanted->headers[h];
        const char *name;
        const void *value;
        size_t size;
        rd_kafka_header_get_all(headers, h, &name, &value, &size);
        if (strcmp(name, header->name) != 0 || !same(value, size, header->value, header->size)) {
            fail("header %zu of record %zu is another", h, i);
        }
    }
}

#define TEXT(s)    .value = (s), .value_size = sizeof(s) - 1
#define KEY(s)     .key = (s), .key_size = sizeof(s) - 1
#define HEADERS(h) .headers = (h), .header_count = sizeof(h) / sizeof((h)[0])

void headers_and_nulls(const char *topic, const char *group) {
    static unsigned char every_byte[256];
    for (int i = 0; i < 256; i++) {
        every_byte[i] = (unsigned char)i;
    }
    const struct header one[] = {{"one", "1", 1}};
    const struct header several[] = {
        {"a", "1", 1}, {"a", "2", 1}, {"b", "", 0}, {"ü€", every_byte, 256}};
    const struct header null[] = {{"null", NULL, 0}, {"then", "x", 1}};
    const struct record wanted[] = {
        {KEY("k"), TEXT("v")},
        {KEY("k"), TEXT("v"), HEADERS(one)},
        {KEY("k"), TEXT("v"), HEADERS(several)},
        {KEY("k"), TEXT("v"), HEADERS(null)},
        {TEXT("no key")},
        {KEY(""), TEXT("empty key")},
        {KEY("no value")},
        {KEY("empty value"), TEXT("")},
        {HEADERS(one)},
        {TEXT("")},
    };
    const size_t count = sizeof(wanted) / sizeof(wanted[0]);
    rd_kafka_t *producer = new_producer(NULL);

    for (size_t i = 0; i < count; i++) {
        produce(producer, topic, 0, &wanted[i]);
    }
    expect_error(flush(producer), RD_KAFKA_RESP_ERR_NO_ERROR, "producing");
    rd_kafka_destroy(producer);
    rd_kafka_t *consumer = new_consumer(group, NULL);
    assign(consumer, topic, 1, RD_KAFKA_OFFSET_BEGINNING);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_message_t *message = next_record(consumer, TIMEOUT_MS);
        if (message == NULL) {
            fail("record %zu does not come", i);
        }
        expect_record(message, &wanted[i], i);
        rd_kafka_message_destroy(message);
    }
    close_consumer(consumer);
}

static rd_kafka_resp_err_t put(rd_kafka_t *producer, const char *topic, size_t size) {
    char *value = malloc(size);

    if (value == NULL) {
        fail("no memory");
    }
    memset(value, 'x', size);
    produce(producer, topic, 0, &(struct record){.value = value, .value_size = size});
    free(value);
    return flush(producer);
}

static void expect_sizes(const char *topic, const char *group, const size_t *sizes, size_t count) {
    rd_kafka_t *consumer = new_consumer(group, NULL);

    assign(consumer, topic, 1, RD_KAFKA_OFFSET_BEGINNING);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_message_t *message = next_record(consumer, TIMEOUT_MS);
        if (message == NULL) {
            fail("the value of %zu bytes does not come", sizes[i]);
        }
        expect_number((int64_t)message->len, (int64_t)sizes[i], "size");
        rd_kafka_message_destroy(message);
    }
    expect_nothing(consumer, 200);
    close_consumer(consumer);
}

void sizes(const char *topic, const char *group) {
    /* A batch of one record: a header of 61 bytes, three bytes of each of two lengths, five fields
     * of a byte. */
    enum { LARGEST = 200000 - 61 - 11 };
    static const size_t sent[] = {1, 100, 10000, 199000, LARGEST, 5};
    static const size_t too_large[] = {LARGEST + 1, 500000};
    rd_kafka_t *producer = new_producer((options){"message.max.bytes", "2000000", NULL});

    for (int i = 0; i < 5; i++) {
        expect_error(put(producer, topic, sent[i]), RD_KAFKA_RESP_ERR_NO_ERROR,
                     "a value that fits");
    }
    for (int i = 0; i < 2; i++) {
        expect_error(put(producer, topic, too_large[i]), RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                     "a value that does not fit");
    }
    expect_error(put(producer, topic, sent[5]), RD_KAFKA_RESP_ERR_NO_ERROR, "a value afterwards");
    const char *large = joined(topic, "-large");
    expect_error(put(producer, large, too_large[1]), RD_KAFKA_RESP_ERR_NO_ERROR, "a large value");
    rd_kafka_destroy(producer);
    expect_sizes(topic, group, sent, 6);
    expect_sizes(large, group, &too_large[1], 1);
}

void idempotent(const char *topic, const char *group) {
    enum { COUNT = 3000, PARTITIONS = 3 };
    char value[128];
    rd_kafka_t *producer =
        new_producer((options){"enable.idempotence", "true", "linger.ms", "2", NULL});

    for (int i = 0; i < COUNT; i++) {
        snprintf(value, sizeof(value), "%-100d", i);
        produce_text(producer, topic, i % PARTITIONS, value);
        if (i % 100 == 99) {
            expect_error(flush(producer), RD_KAFKA_RESP_ERR_NO_ERROR, "producing");
        }
    }
    rd_kafka_destroy(producer);
    rd_kafka_t *consumer = new_consumer(group, NULL);
    assign(consumer, topic, PARTITIONS, RD_KAFKA_OFFSET_BEGINNING);
    int next[PARTITIONS] = {0, 1, 2};
    for (int seen = 0; seen < COUNT; seen++) {
        rd_kafka_message_t *message = next_record(consumer, TIMEOUT_MS);
        if (message == NULL) {
            fail("only %d records came", seen);
        }
        expect_number(number_of(message), next[message->partition], "the number of a record");
        next[message->partition] += PARTITIONS;
        rd_kafka_message_destroy(message);
    }
    expect_nothing(consumer, 200);
    close_consumer(consumer);
}
