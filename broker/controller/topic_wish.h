/*
 * The topics that the configuration declares, and what is left of auto-creations
 * (controller_auto_create_topic) at the end.
 */
#ifndef BROKER_CONTROLLER_TOPIC_WISH_H
#define BROKER_CONTROLLER_TOPIC_WISH_H

#include "base/errmsg.h"

struct node;
struct node_shard;
struct topic_ensure;

/* Memory only; the calls must have ended, or the machine. */
void topic_wishes_free(struct node_shard *shard);

/* On shard 0. */
struct topic_ensure *topic_ensure_new(struct node *node);
void topic_ensure_free(struct topic_ensure *ensure);

/* Has the configured topics created that are missing. done(ctx, 0), perhaps before this returns;
 * or done(ctx, -EINVAL) with errmsg when they are refused. In a cluster of several nodes it tries
 * on while brokers are missing. */
void topic_ensure_start(struct topic_ensure *ensure, struct errmsg *errmsg,
                        void (*done)(void *ctx, int result), void *ctx);

/* Tries no more, and does not tell. */
void topic_ensure_stop(struct topic_ensure *ensure);

#endif
