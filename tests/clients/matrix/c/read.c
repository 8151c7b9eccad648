/* Scenarios about what is read, and from where. */
#include "matrix.h"

#include <stdio.h>
#include <string.h>

void seek_by_time(const char *topic, const char *group) {
    const int64_t base = 1700000000000;
    const struct {
        int64_t time_ms, wanted;
    } cases[] = {
        {base + 30000, 30}, {base - 5000, 0},   {base + 30001, 31},
        {base + 30999, 31}, {base + 99000, 99}, {base + 99001, RD_KAFKA_OFFSET_END},
    };
    rd_kafka_t *producer = new_producer(NULL);
    char text[16];

    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "%d", i);
        struct record record = {
            .value = text, .value_size = strlen(text), .timestamp_ms = base + 1000 * i};
        produce(producer, topic, 0, &record);
    }
    expect_error(flush(producer), RD_KAFKA_RESP_ERR_NO_ERROR, "producing");
    rd_kafka_destroy(producer);
    rd_kafka_t *consumer = new_consumer(group, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rd_kafka_topic_partition_list_t *list = at(topic, 0, cases[i].time_ms);
        expect_error(rd_kafka_offsets_for_times(consumer, list, TIMEOUT_MS),
                     RD_KAFKA_RESP_ERR_NO_ERROR, "asking by time");
        expect_number(list->elems[0].offset, cases[i].wanted, "offset by time");
        rd_kafka_topic_partition_list_destroy(list);
    }
    assign(consumer, topic, 1, 31);
    rd_kafka_message_t *message = next_record(consumer, TIMEOUT_MS);
    if (message == NULL) {
        fail("nothing comes from there on");
    }
    expect_number(rd_kafka_message_timestamp(message, NULL), base + 31000, "timestamp");
    rd_kafka_message_destroy(message);
    expect_numbers(consumer, 32, 68);
    close_consumer(consumer);
}

void replay(const char *topic, const char *group) {
    rd_kafka_t *consumer = new_consumer(group, NULL);

    fill(topic, (int[]){300}, 1, 0);
    assign(consumer, topic, 1, RD_KAFKA_OFFSET_INVALID);
    expect_numbers(consumer, 0, 300);
    expect_error(commit(consumer, topic, 0, 300), RD_KAFKA_RESP_ERR_NO_ERROR, "committing");
    seek(consumer, topic, 0, RD_KAFKA_OFFSET_BEGINNING);
    expect_numbers(consumer, 0, 300);
    seek(consumer, topic, 0, 150);
    expect_numbers(consumer, 150, 150);
    seek(consumer, topic, 0, RD_KAFKA_OFFSET_END);
    expect_nothing(consumer, 500);
    fill(topic, (int[]){1}, 1, 300);
    expect_numbers(consumer, 300, 1);
    expect_number(committed(consumer, topic, 0), 300, "the committed offset");
    close_consumer(consumer);
}

void lag(const char *topic, const char *group) {
    static const int wanted[] = {80, 25};
    rd_kafka_t *consumer = new_consumer(group, NULL);
    int64_t low, high;

    fill(topic, (int[]){100, 100}, 2, 0);
    assign(consumer, topic, 2, RD_KAFKA_OFFSET_INVALID);
    for (int i = 0; i < 200; i++) {
        rd_kafka_message_t *message = next_record(consumer, TIMEOUT_MS);
        if (message == NULL) {
            fail("only %d records came", i);
        }
        rd_kafka_message_destroy(message);
    }
    expect_error(commit(consumer, topic, 0, 40), RD_KAFKA_RESP_ERR_NO_ERROR, "committing");
    expect_error(commit(consumer, topic, 1, 75), RD_KAFKA_RESP_ERR_NO_ERROR, "committing");
    close_consumer(consumer);
    fill(topic, (int[]){20, 0}, 2, 100);
    consumer = new_consumer(group, NULL);
    for (int partition = 0; partition < 2; partition++) {
        bounds(consumer, topic, partition, &low, &high);
        expect_number(high - committed(consumer, topic, partition), wanted[partition], "lag");
    }
    close_consumer(consumer);
}

void offset_reset(const char *topic, const char *group) {
    static const struct {
        const char *name;
        int64_t committed; /* -1: nothing */
    } cases[] = {{"-nothing", -1}, {"-beyond", 1000}, {"-before", 3}};
    rd_kafka_t *client = new_producer(NULL), *consumer;

    fill(topic, (int[]){50}, 1, 0);
    expect_error(delete_records(client, topic, 0, 10), RD_KAFKA_RESP_ERR_NO_ERROR, "deleting");
    rd_kafka_destroy(client);
    for (int i = 0; i < 3; i++) {
        const char *own = joined(group, cases[i].name);
        consumer = new_consumer(own, NULL);
        if (cases[i].committed >= 0) {
            expect_error(commit(consumer, topic, 0, cases[i].committed), RD_KAFKA_RESP_ERR_NO_ERROR,
                         "committing");
        }
        assign(consumer, topic, 1, RD_KAFKA_OFFSET_INVALID);
        expect_numbers(consumer, 10, 40);
        close_consumer(consumer);
        consumer = new_consumer(own, (options){"auto.offset.reset", "error", NULL});
        assign(consumer, topic, 1, RD_KAFKA_OFFSET_INVALID);
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, TIMEOUT_MS);
        if (message == NULL) {
            fail("error%s: nothing is said", cases[i].name);
        }
        expect_error(message->err, RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, "without a reset");
        rd_kafka_message_destroy(message);
        close_consumer(consumer);
    }
    for (int i = 0; i < 3; i++) {
        consumer = new_consumer(joined(group, cases[i].name),
                                (options){"auto.offset.reset", "latest", NULL});
        assign(consumer, topic, 1, RD_KAFKA_OFFSET_INVALID);
        expect_nothing(consumer, 1500);
        fill(topic, (int[]){1}, 1, 50 + i);
        expect_numbers(consumer, 50 + i, 1);
        close_consumer(consumer);
    }
}

void slow_consumer(const char *topic, const char *group) {
    enum { COUNT = 2000, SIZE = 10000 };
    static char value[SIZE + 1];
    const char *idle_topic = joined(topic, "-idle");
    const int64_t since = now_ms();
    rd_kafka_t *idle = new_consumer(group, NULL), *producer = new_producer(NULL);

    assign(idle, idle_topic, 1, RD_KAFKA_OFFSET_BEGINNING);
    for (int i = 0; i < COUNT; i++) {
        snprintf(value, sizeof(value), "%-*d", SIZE, i);
        produce_text(producer, topic, 0, value);
    }
    expect_error(flush(producer), RD_KAFKA_RESP_ERR_NO_ERROR, "producing");
    rd_kafka_t *slow = new_consumer(group, (options){"fetch.message.max.bytes", "65536",
                                                     "queued.max.messages.kbytes", "128", NULL});
    assign(slow, topic, 1, RD_KAFKA_OFFSET_BEGINNING);
    for (int i = 0; i < COUNT; i++) {
        rd_kafka_message_t *message = next_record(slow, TIMEOUT_MS);
        if (message == NULL) {
            fail("nothing came after %d records", i);
        }
        expect_number(number_of(message), i, "order of a slow reader");
        expect_number((int64_t)message->len, SIZE, "size");
        rd_kafka_message_destroy(message);
        if (i % 10 == 0) {
            sleep_ms(10);
        }
    }
    close_consumer(slow);
    int64_t rest = 12000 - (now_ms() - since);
    expect_nothing(idle, rest > 100 ? (int)rest : 100);
    produce_text(producer, idle_topic, 0, "1");
    expect_error(flush(producer), RD_KAFKA_RESP_ERR_NO_ERROR, "producing");
    expect_numbers(idle, 1, 1);
    rd_kafka_destroy(producer);
    close_consumer(idle);
}
