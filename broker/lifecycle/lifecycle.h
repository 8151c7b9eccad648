/*
 * This broker's life as the controller sees it: registration, heartbeats, the way out.
 *
 *     lifecycle_register()   registered, fenced: nobody is sent here
 *     lifecycle_unfence()    heartbeats begin; unfenced as soon as the controller says so
 *     lifecycle_shut_down()  asks to go until the leaderships have moved away
 *
 * One request is under way at a time. A heartbeat follows the one before in
 * broker.heartbeat.interval.ms, and at once when the controller is another one: it knows nothing of
 * this broker yet but what the log says. A controller that does not know this broker's epoch any
 * more makes it register again.
 *
 * On shard 0.
 */
#ifndef BROKER_LIFECYCLE_LIFECYCLE_H
#define BROKER_LIFECYCLE_LIFECYCLE_H

#include <stdint.h>

#include "base/errmsg.h"

struct node;
struct lifecycle;

struct lifecycle *lifecycle_new(struct node *node);
void lifecycle_free(struct lifecycle *lifecycle); /* memory only */

/* Registers and waits until this node's image has the registration. done(ctx, 0), or done(ctx,
 * negative errno) with errmsg: refused for good, or not within
 * initial.broker.registration.timeout.ms. */
void lifecycle_register(struct lifecycle *lifecycle, struct errmsg *errmsg,
                        void (*done)(void *ctx, int result), void *ctx);

/* Begins the heartbeats; `done` when the image says that this broker is not fenced. */
void lifecycle_unfence(struct lifecycle *lifecycle, void (*done)(void *ctx), void *ctx);

/* Controlled shutdown where the configuration wants it and others could take over; `done` when the
 * controller lets this broker go, or does not answer in time. Ends what register and unfence wait
 * for, without telling. */
void lifecycle_shut_down(struct lifecycle *lifecycle, void (*done)(void *ctx), void *ctx);

/* No more requests; before the channel to the controller closes. */
void lifecycle_stop(struct lifecycle *lifecycle);

/* The metadata quorum has another leader. */
void lifecycle_controller_changed(struct lifecycle *lifecycle);

/* The brokers of shard 0's image have changed. */
void lifecycle_brokers_changed(struct lifecycle *lifecycle);

/* A log dir has failed: told with the next heartbeat, which is sent at once. NULL is
 * nobody to tell. */
void lifecycle_dir_failed(struct lifecycle *lifecycle);

/* The epoch of this broker's registration; -1 before. */
int64_t lifecycle_broker_epoch(const struct lifecycle *lifecycle);

#endif
