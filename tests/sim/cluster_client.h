/*
 * The clients of a simulated cluster: for each partition an idempotent producer with acks=all, one
 * record at a time, sent again with its sequence until it is acknowledged, and a consumer that
 * follows. What must never happen is told as trouble (cluster_world.h).
 *
 * Values are the record's number as text, which is also its sequence.
 */
#ifndef TESTS_SIM_CLUSTER_CLIENT_H
#define TESTS_SIM_CLUSTER_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

struct cluster_client;
struct cluster_world;

struct cluster_client *cluster_client_new(struct cluster_world *world);
void cluster_client_free(struct cluster_client *client);

/* Begins (once), on the client's machine. */
void cluster_client_start(struct cluster_client *client);

/* Producers finish what is on its way and pause; consumers go on. */
void cluster_client_pause(struct cluster_client *client, bool paused);

/* Nothing is on its way, and consumers have all that was acknowledged. */
bool cluster_client_idle(const struct cluster_client *client);

/* Acknowledged records of all partitions. */
int64_t cluster_client_acknowledged(const struct cluster_client *client);

/* Whether all three replicas of every partition are in sync, as last told; asked again and again.
 */
bool cluster_client_in_sync(const struct cluster_client *client);

/* What was acknowledged and what was read must be in this copy at its offset. */
void cluster_client_check_copy(struct cluster_client *client, int node, int partition,
                               const int64_t *numbers, int64_t end);

#endif
