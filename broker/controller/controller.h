/*
 * The controller: decides metadata records; replay (image_apply) is the only writer of state.
 *
 * It runs on shard 0 of every node and follows the metadata log; it decides while this node leads
 * the metadata quorum. A decision looks at an image, returns records and a response; the records
 * are appended to the metadata log as one atomic batch, committed by the quorum, applied to every
 * shard's image, and then the request is answered. Decisions are made one at a time in order of
 * arrival, each on the image that contains all before it.
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

/*
 * Opens the metadata log in `metadata_dir`, joins the quorum and fills every shard's image with
 * what was committed when this node first heard from a leader: that may take for ever. done(ctx, 0)
 * then, or done(ctx, negative errno) with errmsg. Requests of other controllers may come as soon as
 * this has returned.
 */
void controller_start(struct controller *controller, const char *metadata_dir,
                      struct errmsg *errmsg, void (*done)(void *ctx, int result), void *ctx);

/* Everything up to here is applied on every shard. */
int64_t controller_applied_offset(const struct controller *controller);

/* Whether this node is the active controller. */
bool controller_active(const struct controller *controller);

/* Decided by this node since the start of the process. */
uint64_t controller_unclean_elections(const struct controller *controller);

/* Hands over what this node leads, syncs and closes the metadata log. Also during the start, whose
 * `done` is not called then. */
void controller_stop(struct controller *controller, void (*done)(void *ctx), void *ctx);

/*
 * Any shard, fire and forget: has the controller create a missing topic as auto-creation does
 * (internal topics with their own settings). The topic appears in the image later, or not; the
 * client asks again.
 */
void controller_auto_create_topic(struct node_shard *from, struct slice name);

/*
 * Any shard. Allocates a producer id: fn(ctx, error, producer_id) on `from`.
 */
void controller_next_producer_id(struct node_shard *from,
                                 void (*fn)(void *ctx, enum kafka_error error, int64_t producer_id),
                                 void *ctx);

#endif
