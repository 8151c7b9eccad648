/* What the handlers of group APIs share: finding the coordinator's shard, and visiting several. */
#ifndef BROKER_GROUP_GROUP_REQUEST_H
#define BROKER_GROUP_GROUP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "broker/group/coordinator.h"
#include "broker/server/request.h"
#include "protocol/errors.h"

/* Moves the request to the shard that owns the group, and calls `fn` there; where nobody on this
 * node does, `fn` is called here, and group_request_coordinator() tells. */
void group_request_route(struct request *request, struct slice group_id,
                         void (*fn)(struct request *request));

/* The group's coordinator, on its shard; else NULL and *error. */
struct coordinator *group_request_coordinator(struct request *request, struct slice group_id,
                                              enum kafka_error *error);

/*
 * A request about several groups goes from shard to shard; on each it deals with the groups that
 * live there. Since only one shard has it at a time, everybody may write into its arena; what goes
 * into the response must be copied there.
 */
struct group_tour {
    int32_t count;
    const struct slice *ids;
    bool *visited; /* count of them */
    int32_t waits; /* visits that have not ended */
    /* coordinator is NULL with an error. A visit that ends later takes group_tour_wait() and gives
     * group_tour_ended(). */
    void (*visit)(struct request *request, int32_t index, struct coordinator *coordinator,
                  enum kafka_error error);
    void (*finish)(struct request *request);
};

/* request->context must point to the tour, which is in the arena. `ids` likewise. */
void group_tour_start(struct request *request, const struct slice *ids, int32_t count);
void group_tour_wait(struct request *request);
void group_tour_ended(struct request *request);

/* As Kafka answers AuthorizedOperations of groups where nothing is forbidden: READ, DELETE,
 * DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS. */
#define GROUP_AUTHORIZED_OPERATIONS ((1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11))

#endif
