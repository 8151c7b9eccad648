/*
 * Requests of this node to the active controller, wherever that is (Kafka's
 * NodeToControllerChannelManager).
 *
 * The channel follows the leader of the metadata quorum: when this node leads, the request is
 * handled here without a socket, by the same handler that a connection would reach; else it goes
 * over a connection to the leader's controller listener. NOT_CONTROLLER in an answer, a broken
 * connection, an unknown leader and a new one make it try again until the call's time is up: a
 * request may be carried out twice.
 */
#ifndef BROKER_CONTROLLER_CONTROLLER_CHANNEL_H
#define BROKER_CONTROLLER_CONTROLLER_CHANNEL_H

#include <stdint.h>

#include "base/list.h"
#include "broker/peer/peer.h"
#include "protocol/errors.h"
#include "runtime/machine.h"

struct node;
struct node_shard;
struct controller_channel;

struct controller_channel *controller_channel_new(struct node *node);

/* Ends all calls with REQUEST_TIMED_OUT, and those that are made from then on; before the shards'
 * parts go. On shard 0. */
void controller_channel_close(struct controller_channel *channel);
void controller_channel_free(struct controller_channel *channel); /* memory only */

/* Shard 0: the quorum has a leader, another one, or none. */
void controller_channel_leader_changed(struct controller_channel *channel);

/* Embedded in what asks; belongs to the channel from controller_call() to fn. */
struct controller_call {
    struct peer_call peer; /* private up to here, with the next six */
    struct post post;
    struct list link;
    struct controller_channel *channel;
    int64_t deadline_ms;
    int64_t try_from_ms;
    int32_t leader_id; /* that was asked last */

    struct node_shard *from; /* given, as all below */
    int16_t api_key;
    int16_t version_min;
    int16_t version_max;
    int64_t timeout_ms; /* INT64_MAX: until there is an answer or the node stops */

    /* As peer_call.build, on shard 0, perhaps more than once. */
    const void *(*build)(struct controller_call *call, int16_t version);

    /* Once, on `from`, in a later turn. NONE: `response` is the answer, whose own error codes are
     * the caller's to read (not NOT_CONTROLLER); valid during the call. REQUEST_TIMED_OUT: no
     * answer in time; whether it was carried out is not known. UNSUPPORTED_VERSION: the controller
     * does not serve it. INVALID_REQUEST: it cannot be encoded, or this node found it malformed. */
    void (*fn)(struct controller_call *call, enum kafka_error error, int16_t version,
               const void *response);
};

/* Any shard, fn on the same. */
void controller_call(struct controller_call *call);

#endif
