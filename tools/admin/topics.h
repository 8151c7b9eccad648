/* Topics: what there is, and changes to it. Memory is that of the client's answers. */
#ifndef TOOLS_ADMIN_TOPICS_H
#define TOOLS_ADMIN_TOPICS_H

#include "base/uuid.h"
#include "tools/client/client.h"

/* What became of one thing that was asked for. */
struct outcome {
    int16_t code; /* of enum kafka_error */
    struct slice text;
};

/* The broker's text, or ours for the code. */
struct slice outcome_text(const struct outcome *outcome);

/* What became of the one thing that a request was about: to *outcome, and true; false when response
 * is NULL. `results` is the response's array of results, which each API has of its own type. */
#define OUTCOME_OF_ONE(response, results, outcome)                                                 \
    ((response) != NULL &&                                                                         \
     (*(outcome) = (response)->results##_count == 1                                                \
                       ? (struct outcome){(response)->results[0].error_code,                       \
                                          (response)->results[0].error_message}                    \
                       : (struct outcome){ERROR_UNKNOWN_SERVER_ERROR, SLICE_NULL},                 \
      true))

struct int_list {
    const int32_t *items;
    int32_t count; /* -1: not told */
};

struct partition_info {
    int32_t index;
    int32_t leader; /* -1: none */
    int32_t leader_epoch;
    int16_t code;
    struct int_list replicas, isr, elr, last_elr, offline;
};

struct topic_info {
    struct slice name;
    struct uuid id;
    bool internal;
    int16_t code;
    struct partition_info *partitions; /* by index */
    int32_t partition_count;
};

struct topic_list {
    struct topic_info *items; /* by name */
    int32_t count;
};

/* All topics, with their partitions. False with the client's error. */
bool topics_all(struct client *client, struct topic_list *out);

/* Those of these names; a topic that does not exist has a code. As told by DescribeTopicPartitions
 * where it is served. page: partitions in an answer; 0: as Kafka has it. */
bool topics_describe(struct client *client, const struct slice *names, int32_t count, int32_t page,
                     struct topic_list *out);

struct topic_info *topic_find(const struct topic_list *list, struct slice name);

struct topic_plan {
    struct slice name;
    int32_t partitions;         /* -1: as the broker has it */
    int16_t replication_factor; /* -1: as the broker has it */
    const char *assignment; /* "1:2,2:3": replicas of each partition; NULL: the broker's choice */
    const char *const *configs; /* "key=value" */
    int32_t config_count;
    bool validate_only;
};

/* False with the client's error where no answer came; else see *outcome. */
bool topic_create(struct client *client, const struct topic_plan *plan, struct outcome *outcome);
bool topic_delete_named(struct client *client, struct slice name, struct outcome *outcome);

/* Adds partitions, up to `count` in all. The first `skip` of the assignment, those that exist, are
 * not sent. */
bool topic_grow(struct client *client, struct slice name, int32_t count, const char *assignment,
                int32_t skip, struct outcome *outcome);

/* Whether "1:2,2:3" is well-formed, and for how many partitions. */
bool assignment_valid(const char *text, int32_t *partitions);

#endif
