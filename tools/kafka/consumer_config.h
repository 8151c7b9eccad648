/* Properties of Java's consumer for the scripts that measure and check consumers. */
#ifndef TOOLS_KAFKA_CONSUMER_CONFIG_H
#define TOOLS_KAFKA_CONSUMER_CONFIG_H

#include "tools/kafka/kafka.h"
#include "tools/stream/consumer.h"
#include "tools/stream/member.h"

struct consumer_config {
    struct kafka_call *call;
    struct consumer_options options;
    bool quiet;         /* about properties that are not known: another may know them */
    const char *before; /* what stands before the exception's name when a value is refused */
    const char *group;  /* NULL: not given */
    int64_t start;      /* where there is no offset: of offsets.h */
    bool commit;        /* enable.auto.commit */
    bool create;        /* allow.auto.create.topics */
    int32_t session_ms, commit_ms;
    int32_t poll_records; /* max.poll.records */
};

/* The defaults of Java's consumer. */
void consumer_config_init(struct consumer_config *config, struct kafka_call *call);

/* For kafka_properties() and kafka_each_property(), ctx: the config; as producer_config_take(). */
bool consumer_config_take(void *ctx, struct slice key, struct slice value);

/* Takes over what concerns the member, before it joins. */
void consumer_config_member(const struct consumer_config *config, struct member *member);

/* Topics of a subscription. */
struct subscription {
    const char *topic, *include; /* one of them is NULL */
    bool create;                 /* the topic, where the broker makes topics */
    struct slice *topics;        /* those that are there, in the call's arena */
    int32_t topic_count;
};

/* Looks which topics there are. 0, a code that ends it, or -1 with the client's error; nothing
 * found is no error: it may come. */
int16_t subscription_look_up(struct subscription *subscription, struct kafka_call *call);

#endif
