/*
 * Requests that the active controller answers.
 *
 * Here, while this node leads. Else a client's request travels to the leader in an Envelope, as it
 * came, and the answer comes back the same way; a request that came to a controller's listener, or
 * in an Envelope, is told NOT_CONTROLLER, so that who sent it looks for the leader. A client never
 * sees NOT_CONTROLLER: its request is tried again until its time is up, then it gets
 * REQUEST_TIMED_OUT, both in the form of its API.
 */
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

/* The same for a request that is only answered, from what the active controller knows: `answer`
 * ends it, on shard 0. */
void controller_query(struct request *request, void (*answer)(struct request *request));

/* Ends a request that this node, on shard 0, cannot answer because it does not lead (any more):
 * passes it on or refuses it, as above. */
void controller_forward(struct request *request);

/* The metadata quorum; NULL before it is opened. Shard 0. */
struct quorum *controller_quorum(const struct node *node);

#endif
