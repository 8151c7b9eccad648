/* kafka-consumer-groups in its parts. */
#ifndef TOOLS_KAFKA_CONSUMER_GROUPS_H
#define TOOLS_KAFKA_CONSUMER_GROUPS_H

#include "tools/admin/reset.h"
#include "tools/kafka/kafka.h"

/* The groups of --group and --all-groups; false without answer. */
bool chosen_groups(struct kafka_call *call, struct slice **out, size_t *count);

/* "Error: ... failed due to ..." on stdout, the exception on stderr; returns the exit code, 0. */
int groups_fail(struct kafka_call *call, const char *exception, const char *text);
int groups_fail_client(struct kafka_call *call);

/* Kafka's sentence for an error where its tools print it alone. */
const char *groups_message(int16_t code);

/* Adds the rows of a file, topic,partition,offset, with the group in front where several are meant:
 * then those of this one. False after a message. */
bool reset_plan_take(struct kafka_call *call, const char *path, struct slice group, bool several,
                     struct reset_list *list);

int groups_describe(struct kafka_call *call);
int groups_reset(struct kafka_call *call);

#endif
