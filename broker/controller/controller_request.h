/* Requests that the controller decides. */
#ifndef BROKER_CONTROLLER_CONTROLLER_REQUEST_H
#define BROKER_CONTROLLER_CONTROLLER_REQUEST_H

struct decision;
struct quorum;
struct request;
struct node;

/*
 * Moves the request to shard 0, lets `decide` fill the decision's records and return the response
 * (in d->arena), and responds when the records are committed and applied on every shard.
 */
void controller_request(struct request *request,
                        void *(*decide)(struct decision *d, const struct request *request));

/* The metadata quorum; NULL before it is opened. Shard 0. */
struct quorum *controller_quorum(const struct node *node);

#endif
