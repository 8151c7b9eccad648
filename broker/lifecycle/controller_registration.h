/*
 * What this controller tells the active one about itself (KIP-919): where its listeners are and
 * which features it supports, so that no feature goes up to a level that a controller does not
 * know. Kafka's ControllerRegistrationManager.
 *
 * Once in the life of a process, as soon as the finalized metadata.version has such records; asked
 * again until it is written. A node without listeners for controllers has nothing to tell.
 *
 * On shard 0.
 */
#ifndef BROKER_LIFECYCLE_CONTROLLER_REGISTRATION_H
#define BROKER_LIFECYCLE_CONTROLLER_REGISTRATION_H

struct node;
struct controller_registration;

struct controller_registration *controller_registration_new(struct node *node);
void controller_registration_free(struct controller_registration *registration); /* memory only */

void controller_registration_start(struct controller_registration *registration);

/* No more requests; before the channel to the controller closes. */
void controller_registration_stop(struct controller_registration *registration);

#endif
