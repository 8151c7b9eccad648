/*
 * What probes are told.
 *
 * Live: every shard's loop comes round within HEALTH_LIVE_MS of being asked to. Nothing is watched
 * in between. A node that recovers its logs or waits for its quorum is live: that is work of
 * others.
 *
 * Ready: clients may be sent here. Of a broker: the start is over and no stop was asked for, it is
 * not fenced, and since its start each of its partitions that has a leader has been in sync once,
 * all at the same time. So a rolling restart that waits for readiness takes no second replica away
 * while the first is behind; and a replica that falls behind later, or a log that cannot be read,
 * sends nobody away. Of a controller alone: it knows the leader of the quorum.
 *
 * On shard 0.
 */
#ifndef BROKER_METRICS_HEALTH_H
#define BROKER_METRICS_HEALTH_H

struct health;
struct http_exchange;
struct node;

#define HEALTH_LIVE_MS 2000

struct health *health_new(struct node *node);

/* Ends the exchanges that wait. */
void health_free(struct health *health);
void health_close(struct health *health);

/* Each leads to one http_reply(). */
void health_answer_live(struct health *health, struct http_exchange *exchange);
void health_answer_ready(struct health *health, struct http_exchange *exchange);

/* Why this node is not ready; NULL when it is. */
const char *health_unready(struct health *health);

#endif
