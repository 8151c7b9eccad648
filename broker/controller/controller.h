/*
 * The controller: decides metadata records; replay (image_apply) is the only writer of state.
 *
 * It runs on shard 0. A decision looks at shard 0's image, returns records and a response; the
 * records are appended to the metadata log as one atomic batch, committed by the quorum, synced,
 * applied to every shard's image, and then the request is answered. Decisions are made one at a
 * time in order of arrival, each on the image that contains all before it.
 */
#ifndef BROKER_CONTROLLER_CONTROLLER_H
#define BROKER_CONTROLLER_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "base/slice.h"
#include "protocol/errors.h"

struct node;
struct node_shard;
struct controller;

struct controller *controller_new(struct node *node);
void controller_free(struct controller *controller);

/* Opens (and on a new node bootstraps) the metadata log in `metadata_dir`, replays it into every
 * shard's image, becomes leader. done(ctx, 0), or done(ctx, negative errno) with errmsg filled. */
void controller_start(struct controller *controller, const char *metadata_dir,
                      struct errmsg *errmsg, void (*done)(void *ctx, int result), void *ctx);

/* Registers this broker (new incarnation) and unfences it; then ensures the topics that the
 * configuration declares. done(ctx, 0) when committed and applied everywhere. */
void controller_register_broker(struct controller *controller, struct errmsg *errmsg,
                                void (*done)(void *ctx, int result), void *ctx);

/* Syncs and closes the metadata log (writes a snapshot when due). */
void controller_stop(struct controller *controller, void (*done)(void *ctx), void *ctx);

/*
 * Any shard, fire and forget: creates a missing topic as auto-creation does (internal topics with
 * their own settings). The topic appears in the image later, or not; the client asks again.
 */
void controller_auto_create_topic(struct node_shard *from, struct slice name);

/*
 * Any shard. Allocates a producer id: fn(ctx, error, producer_id) on `from`.
 */
void controller_next_producer_id(struct node_shard *from,
                                 void (*fn)(void *ctx, enum kafka_error error, int64_t producer_id),
                                 void *ctx);

#endif
