/* What several metadata APIs tell of brokers and partitions. */
#ifndef BROKER_API_CLUSTER_VIEW_H
#define BROKER_API_CLUSTER_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "broker/api/broker_address.h"
#include "broker/metadata/image.h"
#include "protocol/errors.h"

struct node;
struct request;

/* Bit fields of allowed operations (KIP-430), as Kafka answers without an authorizer: all that a
 * topic, or the cluster, has; and for those who did not ask. */
#define TOPIC_OPERATIONS_ALL   3576
#define CLUSTER_OPERATIONS_ALL 8096
#define OPERATIONS_NOT_ASKED   INT32_MIN

/* Who is named to clients as the controller, since any broker forwards what is asked of it: this
 * one, which the client reaches, else a random alive one. Kafka names a random one always, which
 * may have died a moment ago, and clients that wait for it wait for long. -1 when there is none. */
int32_t any_alive_broker(const struct request *request);

/* The state of a partition as clients see it. */
struct partition_view {
    enum kafka_error error;
    int32_t leader;
    int32_t *offline; /* in the request's arena */
    int32_t offline_count;
};
struct partition_view partition_view(struct request *request,
                                     const struct image_partition *partition);

#endif
