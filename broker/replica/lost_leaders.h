/*
 * Leaders that this node has just lost: the connection of a follower here broke, or was refused.
 *
 * Until the controller has fenced such a broker, the image still names it as leader. A client that
 * lost the same connection and asks for metadata at once would be sent back to it, and some clients
 * (librdkafka) then wait a second before they ask again. So answers that name leaders wait for the
 * controller's word a moment, and then say LEADER_NOT_AVAILABLE, as Kafka does of a leader that is
 * fenced.
 *
 * Each shard has its own; what one notices, the others are told.
 */
#ifndef BROKER_REPLICA_LOST_LEADERS_H
#define BROKER_REPLICA_LOST_LEADERS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/machine.h"

struct node_shard;

/* For so long after the last failure; a controller fences sooner. */
#define LOST_LEADER_MS 500

#define LOST_LEADERS_MAX 8

struct lost_leader {
    int32_t id;
    int64_t epoch;   /* of the broker; a restarted one is not lost */
    int64_t lost_ms; /* 0: none */
    bool again;      /* it had been lost shortly before, as another process */
};

struct lost_leaders {
    struct lost_leader recent[LOST_LEADERS_MAX]; /* all private */
    int next;
    struct post post; /* to the other shards, one after another */
    struct lost_leader telling;
    int tell_next;
    bool posted;
    struct node_shard *from;
};

/* A connection to this broker broke or was refused; on the shard that had it. */
void leader_lost(struct node_shard *shard, int32_t id);

/* Whether the broker was lost a moment ago, and the image of this shard does not know it yet: it is
 * neither fenced nor registered anew. */
bool leader_is_lost(const struct node_shard *shard, int32_t id);
bool some_leader_is_lost(const struct node_shard *shard);

/*
 * Whether the process that the image knows was lost within LOST_BROKER_LISTED_MS, fenced or not.
 * For so long clients are told its address still: librdkafka drops the partitions of a broker that
 * it is not told of any more, and takes a second to look for their leaders again, though the same
 * answer names them. Only in answers that waited for the new leaders: when the broker is told no
 * more, librdkafka forgets how often it was refused there; with that in mind it would let a node
 * that has come back and leads again wait for seconds.
 */
#define LOST_BROKER_LISTED_MS 800

/* One that is lost again within so long is not told any more at all, for the same reason. */
#define LOST_AGAIN_MS 30000
bool leader_was_lost(const struct node_shard *shard, int32_t id);

#endif
