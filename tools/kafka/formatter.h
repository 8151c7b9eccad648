/* How kafka-console-consumer prints records: Kafka's DefaultMessageFormatter, and those of internal
 * topics, which print one kind of record as JSON, one behind another, and pass over all others. */
#ifndef TOOLS_KAFKA_FORMATTER_H
#define TOOLS_KAFKA_FORMATTER_H

#include "tools/kafka/kafka.h"
#include "tools/stream/consumer.h"

enum deserializer {
    DESERIALIZER_STRING,
    DESERIALIZER_SHORT,
    DESERIALIZER_INTEGER,
    DESERIALIZER_LONG,
};

struct formatter_kind;

struct formatter {
    struct kafka_call *call;
    bool silent;                       /* NoOpMessageFormatter */
    const struct formatter_kind *kind; /* of an internal topic's records; or NULL */
    bool timestamp, partition, offset, epoch, headers, key, value;
    const char *key_separator, *line_separator, *headers_separator;
    struct slice null_literal;
    enum deserializer key_as, value_as, headers_as;
};

void formatter_init(struct formatter *formatter, struct kafka_call *call);

/* By the name of the class; false with a message on stderr. */
bool formatter_choose(struct formatter *formatter, const char *name);
bool formatter_deserializer(enum deserializer *as, const char *name);

/* A property; ctx: the formatter. False with a message on stderr. */
bool formatter_property(void *ctx, struct slice key, struct slice value);

void formatter_print(const struct formatter *formatter, const struct incoming *incoming);

#endif
