/* Properties of Java's producer for the scripts that produce. */
#ifndef TOOLS_KAFKA_PRODUCER_CONFIG_H
#define TOOLS_KAFKA_PRODUCER_CONFIG_H

#include "tools/kafka/kafka.h"
#include "tools/stream/producer.h"

struct producer_config {
    struct kafka_call *call;
    struct producer_options options; /* to begin with the defaults of the script */
    bool quiet;         /* about properties that are not known: another may know them */
    const char *before; /* what stands before the exception's name when a value is refused */

    /* What was set, for producer_config_finish(). */
    int64_t gzip_level, lz4_level, zstd_level; /* INT32_MIN: not */
    bool idempotent;                           /* asked for, not only by default */
    bool delivery;                             /* delivery.timeout.ms was set */
};

/* The defaults of Java's producer, for scripts that measure it. */
#define PRODUCER_OPTIONS_KAFKA                                                                     \
    ((struct producer_options){.acks = -1,                                                         \
                               .level = INT32_MIN,                                                 \
                               .timeout_ms = 30000,                                                \
                               .block_ms = 60000,                                                  \
                               .delivery_ms = 120000,                                              \
                               .retries = INT32_MAX,                                               \
                               .linger_ms = 5,                                                     \
                               .in_flight = 5,                                                     \
                               .batch_bytes = 16384,                                               \
                               .buffer_bytes = (size_t)32 << 20,                                   \
                               .record_bytes = (size_t)1 << 20})

void producer_config_init(struct producer_config *config, struct kafka_call *call,
                          const struct producer_options *defaults);

/* For kafka_properties() and kafka_each_property(), ctx: the config. False after a message when the
 * value is none, or when the property is one that this producer does not have and whose absence
 * would change what is done; one that it does not know is told of. */
bool producer_config_take(void *ctx, struct slice key, struct slice value);

/* What depends on several properties; false after a message when they contradict each other. */
bool producer_config_finish(struct producer_config *config);

#endif
