/* Producers and consumers. */
#include "matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void complain(const rd_kafka_t *client, int level, const char *facility, const char *text) {
    if (level <= 4) { /* warnings and worse, as syslog counts */
        fprintf(stderr, "WARN %s %s %s\n", rd_kafka_name(client), facility, text);
    }
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char why[512];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK) {
        fail("%s", why);
    }
}

static rd_kafka_t *make(rd_kafka_type_t type, rd_kafka_conf_t *conf, options more) {
    char why[512];

    set(conf, "bootstrap.servers", bootstrap);
    rd_kafka_conf_set_log_cb(conf, complain);
    for (size_t i = 0; more != NULL && more[i] != NULL; i += 2) {
        set(conf, more[i], more[i + 1]);
    }
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof(why));
    if (client == NULL) {
        fail("%s", why);
    }
    return client;
}

/* ---- Producers ---- */

static rd_kafka_resp_err_t first_error; /* of deliveries since the last flush */

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client;
    (void)opaque;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && first_error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        first_error = message->err;
    }
}

rd_kafka_t *new_producer(options more) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    if (getenv("MATRIX_SAFE")) {
        set(conf, "enable.idempotence", "true");
    }
    return make(RD_KAFKA_PRODUCER, conf, more);
}

static rd_kafka_headers_t *headers_of(const struct record *record) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);

    for (size_t i = 0; i < record->header_count; i++) {
        const struct header *header = &record->headers[i];
        rd_kafka_header_add(headers, header->name, -1, header->value, (ssize_t)header->size);
    }
    return headers;
}

void produce(rd_kafka_t *producer, const char *topic, int partition, const struct record *record) {
    rd_kafka_resp_err_t error;

    do {
        error =
            rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_VALUE((void *)record->value, record->value_size),
                              RD_KAFKA_V_KEY(record->key, record->key_size),
                              RD_KAFKA_V_TIMESTAMP(record->timestamp_ms),
                              RD_KAFKA_V_HEADERS(headers_of(record)), RD_KAFKA_V_END);
        rd_kafka_poll(producer, error == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 100 : 0);
    } while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    expect_error(error, RD_KAFKA_RESP_ERR_NO_ERROR, "producing");
}

void produce_text(rd_kafka_t *producer, const char *topic, int partition, const char *text) {
    struct record record = {.value = text, .value_size = strlen(text)};

    produce(producer, topic, partition, &record);
}

rd_kafka_resp_err_t flush(rd_kafka_t *producer) {
    expect_error(rd_kafka_flush(producer, TIMEOUT_MS), RD_KAFKA_RESP_ERR_NO_ERROR, "flushing");
    rd_kafka_resp_err_t error = first_error;
    first_error = RD_KAFKA_RESP_ERR_NO_ERROR;
    return error;
}

void fill(const char *topic, const int *counts, int partitions, int first) {
    rd_kafka_t *producer = new_producer(NULL);
    char text[16];

    for (int partition = 0; partition < partitions; partition++) {
        for (int i = first; i < first + counts[partition]; i++) {
            snprintf(text, sizeof(text), "%d", i);
            produce_text(producer, topic, partition, text);
        }
    }
    expect_error(flush(producer), RD_KAFKA_RESP_ERR_NO_ERROR, "filling");
    rd_kafka_destroy(producer);
}

/* ---- Consumers ---- */

rd_kafka_t *new_consumer(const char *group, options more) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    set(conf, "group.id", group);
    set(conf, "enable.auto.commit", "false");
    set(conf, "auto.offset.reset", "earliest");
    rd_kafka_t *consumer = make(RD_KAFKA_CONSUMER, conf, more);
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

rd_kafka_topic_partition_list_t *at(const char *topic, int partition, int64_t offset) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    return list;
}

void assign(rd_kafka_t *consumer, const char *topic, int partitions, int64_t offset) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);

    for (int partition = 0; partition < partitions; partition++) {
        rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    }
    expect_error(rd_kafka_assign(consumer, list), RD_KAFKA_RESP_ERR_NO_ERROR, "assigning");
    rd_kafka_topic_partition_list_destroy(list);
}

rd_kafka_message_t *next_record(rd_kafka_t *consumer, int timeout_ms) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, timeout_ms);

    if (message != NULL && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail("reading: %s", rd_kafka_message_errstr(message));
    }
    return message;
}

int number_of(const rd_kafka_message_t *message) {
    char text[16] = {0};

    memcpy(text, message->payload, message->len < 15 ? message->len : 15);
    return atoi(text);
}

void expect_numbers(rd_kafka_t *consumer, int first, int count) {
    for (int i = first; i < first + count; i++) {
        rd_kafka_message_t *message = next_record(consumer, TIMEOUT_MS);
        if (message == NULL) {
            fail("record %d does not come", i);
        }
        expect_number(number_of(message), i, "the number of a record");
        rd_kafka_message_destroy(message);
    }
    expect_nothing(consumer, 200);
}

void expect_nothing(rd_kafka_t *consumer, int wait_ms) {
    rd_kafka_message_t *message = next_record(consumer, wait_ms);

    if (message != NULL) {
        fail("a record too many: offset %lld", (long long)message->offset);
    }
}

void seek(rd_kafka_t *consumer, const char *topic, int partition, int64_t offset) {
    rd_kafka_topic_partition_list_t *list = at(topic, partition, offset);
    rd_kafka_error_t *error = rd_kafka_seek_partitions(consumer, list, TIMEOUT_MS);

    if (error != NULL) {
        fail("seeking: %s", rd_kafka_error_string(error));
    }
    expect_error(list->elems[0].err, RD_KAFKA_RESP_ERR_NO_ERROR, "seeking");
    rd_kafka_topic_partition_list_destroy(list);
}

rd_kafka_resp_err_t commit(rd_kafka_t *consumer, const char *topic, int partition, int64_t offset) {
    rd_kafka_topic_partition_list_t *list = at(topic, partition, offset);
    rd_kafka_resp_err_t error = rd_kafka_commit(consumer, list, 0);

    rd_kafka_topic_partition_list_destroy(list);
    return error;
}

int64_t committed(rd_kafka_t *consumer, const char *topic, int partition) {
    rd_kafka_topic_partition_list_t *list = at(topic, partition, RD_KAFKA_OFFSET_INVALID);

    expect_error(rd_kafka_committed(consumer, list, TIMEOUT_MS), RD_KAFKA_RESP_ERR_NO_ERROR,
                 "asking for committed offsets");
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return offset >= 0 ? offset : -1;
}

void bounds(rd_kafka_t *consumer, const char *topic, int partition, int64_t *low, int64_t *high) {
    expect_error(
        rd_kafka_query_watermark_offsets(consumer, topic, partition, low, high, TIMEOUT_MS),
        RD_KAFKA_RESP_ERR_NO_ERROR, "asking for offsets");
}

void close_consumer(rd_kafka_t *consumer) {
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
}
