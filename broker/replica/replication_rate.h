/*
 * How fast a node replicates what is throttled, in one direction: Kafka's ReplicationQuotaManager.
 * Bytes are counted in windows of time (replication.quota.window.size.seconds), of which the newest
 * ones count (replication.quota.window.num); the rate is what is in them over the time since the
 * oldest began, one window at least. So what was once too much is paid for by waiting.
 *
 * The node has one of each direction, whose counts all shards share without a lock. The limit is a
 * dynamic configuration, which each shard takes from its own image.
 */
#ifndef BROKER_REPLICA_REPLICATION_RATE_H
#define BROKER_REPLICA_REPLICATION_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define REPLICATION_RATE_WINDOWS_MAX 1024

struct replication_rate;

/* At most REPLICATION_RATE_WINDOWS_MAX windows are kept. */
struct replication_rate *replication_rate_new(int64_t windows, int64_t window_ms);
void replication_rate_free(struct replication_rate *rate); /* NULL is allowed */

/* Any shard. `now_ms` is shard_now_ms(), of any of them. */
void replication_rate_add(struct replication_rate *rate, int64_t now_ms, int64_t bytes);

/* Whether it is above `limit` bytes a second. */
bool replication_rate_exceeds(const struct replication_rate *rate, int64_t now_ms, int64_t limit);

#endif
