/* What the tools that ask about the whole cluster have in common. */
#ifndef TOOLS_KAFKA_CLUSTER_H
#define TOOLS_KAFKA_CLUSTER_H

#include "tools/kafka/kafka.h"

struct describe_cluster_response;

/* The word that says what to do, and the client for the brokers or controllers that were named;
 * false after a message. */
bool cluster_begin(struct kafka_call *call, const char **word);

/* The client's error on stderr; the exit code. */
int cluster_fail(struct kafka_call *call);

/* What was refused, as Kafka's tools tell of an exception; the exit code. */
int cluster_refused(struct kafka_call *call, int16_t code, struct slice message);

/* Its brokers, or with --bootstrap-controller its controllers, which the client then knows; fenced
 * ones too if asked for. NULL with the client's error. */
const struct describe_cluster_response *cluster_ask(struct kafka_call *call, bool fenced);

#endif
