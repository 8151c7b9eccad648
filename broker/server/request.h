/*
 * A request on its way through the node.
 *
 * The server decodes it on the connection's shard (`home`) and calls its API's handler there
 * (api/api.h). The handler, or whatever it started, ends it exactly once with one of the
 * request_respond functions, at once or later. A request belongs to one shard at a time:
 * request_move() hands it over, and from then on only that shard touches it. Everything of the
 * request lives in its arena until it is ended.
 */
#ifndef BROKER_SERVER_REQUEST_H
#define BROKER_SERVER_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/slice.h"
#include "broker/api/api.h"
#include "protocol/errors.h"
#include "protocol/message.h"
#include "runtime/frame.h"
#include "runtime/machine.h"
#include "runtime/net.h"

struct node_shard;

/* More memory of a request, for work on other shards; lies in the request's own arena. */
struct request_arena {
    struct arena arena;
    struct request_arena *next;
};

struct request {
    struct node_shard *home; /* the connection's shard */
    struct node_shard *at;   /* the shard that has the request now */
    const struct api_handler *handler;
    int16_t api_key;
    int16_t version;
    int32_t correlation_id;
    struct slice client_id;    /* may be null */
    struct slice peer_host;    /* numeric address, in the arena */
    struct slice told_host;    /* of this node, to this client; null: as it is registered */
    const char *listener_name; /* "PLAINTEXT"; outlives the request */
    enum api_scope scope;      /* of the listener */
    uint64_t connection_id;    /* of the node's connections; 0: none */
    int64_t received_ms;       /* shard_now_ms() of home */
    int64_t begun_ns;          /* clock_now_ns(); 0 for request_submit() */
    int meter;                 /* what else it is counted as (meters.h); 0: nothing */
    struct frame *frame;       /* the received bytes; `body` points into it */
    const void *body;          /* the decoded request struct */
    struct arena arena;
    void *context; /* the handler's own, for its steps; NULL at first; in the arena */

    struct request_arena *arenas; /* request_add_arena() */

    struct exchange *exchange; /* the rest is private to the server; NULL: request_submit() */
    void (*ended)(void *ctx, struct frame *answer);
    void *ended_ctx;
    struct frame *answer; /* for ended() */
    struct list link;
    struct post post;
    void (*fn)(struct request *request);
    struct reply *reply;
    bool close;
};

/*
 * Encodes `response` (the API's response struct; may live on the stack) in the request's version,
 * sends it in the connection's order and frees the request. On the shard that has it.
 *
 * Records fields with `external` set must point to a struct response_records, whose file reference
 * passes to the reply.
 */
void request_respond(struct request *request, const void *response);

struct response_records {
    struct file *file; /* one reference */
    int64_t pos;
};

/* The same for a failed request: the response's defaults with `error` in its top-level error_code.
 * Only for APIs whose response has one. */
void request_respond_error(struct request *request, enum kafka_error error);

/* The same with a whole response as bytes, header included, that somebody else has made for this
 * request. */
void request_respond_bytes(struct request *request, struct slice bytes);

/* Ends without an answer: Produce with acks=0. */
void request_respond_nothing(struct request *request);

/* Ends by closing the connection; `reason` is constant text for the log. */
void request_respond_close(struct request *request, const char *reason);

/* Lets an arena end with the request: it is released when the request is, answered or not. `extra`
 * lies in the request's arena. Only on the shard that has the request. */
void request_add_arena(struct request *request, struct request_arena *extra);

/* Calls fn(request) on the other shard: directly when it is this one, else by a post. */
void request_move(struct request *request, struct node_shard *to,
                  void (*fn)(struct request *request));

/* On home, inside the API's handler: the server tells when this request's connection has closed
 * (server_on_connection_closed). */
void request_watch_connection(struct request *request);

/* What a client said of itself in ApiVersions (KIP-511), and its port. */
struct request_software {
    struct slice name; /* "" when it did not say, or after that connection is gone */
    struct slice version;
    int peer_port;
};

/* Kept for the connection's later requests, as far as it is not too long. On home. */
void request_set_software(struct request *request, struct slice name, struct slice version);

/* In the request's arena. On home. */
void request_software(struct request *request, struct request_software *out);

/* ---- Requests without a connection ----------------------------------------------------------- */

struct request_origin {
    const char *listener_name; /* outlives the request */
    struct slice peer_host;    /* copied */
    enum api_scope scope;
};

/*
 * Handles a request that came by no connection: one of this node, or one out of an Envelope.
 * `frame` holds header and body, and passes to the request. ended(ctx, answer) follows on `home`,
 * perhaps before this returns; `answer` is the response with its header, valid during the call, or
 * NULL when a connection would have been closed. False, without that, when the request is
 * malformed, or not served in this scope or version. On home.
 */
bool request_submit(struct node_shard *home, struct frame *frame,
                    const struct request_origin *origin,
                    void (*ended)(void *ctx, struct frame *answer), void *ctx);

/* The client's connection is gone: whatever is computed for it will not be seen. Only on home. */
bool request_abandoned(const struct request *request);

#endif
