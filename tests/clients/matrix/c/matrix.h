/* What the scenarios of the C driver share: librdkafka as a C program uses it. Everything ends the
 * program with a message when something is not as claimed. */
#ifndef MATRIX_H
#define MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

enum { TIMEOUT_MS = 100000 };

struct header {
    const char *name;
    const void *value; /* may be NULL */
    size_t size;
};

struct record {
    const void *key; /* may be NULL */
    size_t key_size;
    const void *value; /* may be NULL */
    size_t value_size;
    const struct header *headers;
    size_t header_count;
    int64_t timestamp_ms; /* 0: now */
};

/* Names and values in turn, ended by NULL. */
typedef const char *const options[];

extern const char *bootstrap;

/* Ends the program: what was claimed is not so. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);
void expect_number(int64_t found, int64_t wanted, const char *what);
void expect_error(rd_kafka_resp_err_t found, rd_kafka_resp_err_t wanted, const char *what);
int64_t now_ms(void);
void sleep_ms(int ms);

/* A name made of two, in memory that is never freed: drivers are short-lived. */
const char *joined(const char *first, const char *second);

/* ---- Producers ---- */

rd_kafka_t *new_producer(options more);
/* Some time; flush() says whether all came to be. */
void produce(rd_kafka_t *producer, const char *topic, int partition, const struct record *record);
void produce_text(rd_kafka_t *producer, const char *topic, int partition, const char *text);
/* The first error since the last flush. */
rd_kafka_resp_err_t flush(rd_kafka_t *producer);
/* counts[p] records into each partition p: their values are their numbers, from `first`. */
void fill(const char *topic, const int *counts, int partitions, int first);

/* ---- Consumers ---- */

/* Commits only when told, begins at the beginning. */
rd_kafka_t *new_consumer(const char *group, options more);
rd_kafka_topic_partition_list_t *at(const char *topic, int partition, int64_t offset);
/* Assigns partitions 0 up to `partitions`, at `offset` (RD_KAFKA_OFFSET_INVALID: as committed). */
void assign(rd_kafka_t *consumer, const char *topic, int partitions, int64_t offset);
/* The next record, which the caller destroys; NULL after so long without one. */
rd_kafka_message_t *next_record(rd_kafka_t *consumer, int timeout_ms);
/* `count` records of one partition with the numbers from `first` on, and nothing behind them. */
void expect_numbers(rd_kafka_t *consumer, int first, int count);
void expect_nothing(rd_kafka_t *consumer, int wait_ms);
int number_of(const rd_kafka_message_t *message);
void seek(rd_kafka_t *consumer, const char *topic, int partition, int64_t offset);
rd_kafka_resp_err_t commit(rd_kafka_t *consumer, const char *topic, int partition, int64_t offset);
/* -1: none */
int64_t committed(rd_kafka_t *consumer, const char *topic, int partition);
void bounds(rd_kafka_t *consumer, const char *topic, int partition, int64_t *low, int64_t *high);
void close_consumer(rd_kafka_t *consumer);

/* ---- Administration ---- */

rd_kafka_resp_err_t create_topics(rd_kafka_t *client, const char *const *names, size_t count,
                                  int partitions, int replicas, options config);
rd_kafka_resp_err_t delete_topics(rd_kafka_t *client, const char *const *names, size_t count);
rd_kafka_resp_err_t delete_records(rd_kafka_t *client, const char *topic, int partition,
                                   int64_t before);
/* Waits until all topics are there, or are not. */
void wait_for_topics(rd_kafka_t *client, const char *const *names, size_t count, bool there);

/* ---- Scenarios ---- */

void codecs(const char *topic, const char *group);
void headers_and_nulls(const char *topic, const char *group);
void sizes(const char *topic, const char *group);
void idempotent(const char *topic, const char *group);
void seek_by_time(const char *topic, const char *group);
void replay(const char *topic, const char *group);
void lag(const char *topic, const char *group);
void offset_reset(const char *topic, const char *group);
void slow_consumer(const char *topic, const char *group);
void eager(const char *topic, const char *group);
void cooperative(const char *topic, const char *group);
void static_members(const char *topic, const char *group);
void many_groups(const char *topic, const char *group);
void admin(const char *topic, const char *group);
void many_topics(const char *topic, const char *group);

#endif
