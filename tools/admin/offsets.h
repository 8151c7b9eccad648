/* Offsets of partitions, asked of their leaders. */
#ifndef TOOLS_ADMIN_OFFSETS_H
#define TOOLS_ADMIN_OFFSETS_H

#include "tools/client/client.h"

#define OFFSET_LATEST   (-1) /* as timestamps of a question */
#define OFFSET_EARLIEST (-2)

struct offset_query {
    struct slice topic;
    int32_t partition;
    int64_t timestamp; /* in ms, or one of Kafka's negative numbers */

    int16_t code;   /* the answer */
    int64_t offset; /* -1: none */
    int64_t offset_timestamp;
    int32_t leader_epoch;
};

/* Answers all; a partition that cannot be asked has a code. False with the client's error where a
 * broker does not answer. */
bool offsets_list(struct client *client, struct offset_query *queries, size_t count,
                  bool read_committed);

#endif
