/* What server.c and request.c share. Private to broker/server/. */
#ifndef BROKER_SERVER_SERVER_INTERNAL_H
#define BROKER_SERVER_SERVER_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"
#include "broker/config/config.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "broker/server/server.h"
#include "broker/server/turn.h"

/* Ended requests kept for reuse, for each shard. */
#define REQUEST_CACHE_MAX 256

/* Of one encoded response without its records. */
#define RESPONSE_SIZE_MAX ((size_t)256 * 1024 * 1024)

/* Bad requests that are logged in one second, on each shard: a log must not be what fills the disk.
 */
#define REFUSALS_LOGGED_MAX 10

/* Of a client's name and version, each. */
#define SOFTWARE_MAX ((size_t)128)

/* The scratch buffer shrinks back to nothing above this. */
#define SCRATCH_KEEP_MAX ((size_t)1024 * 1024)

struct server_listener {
    struct server *server;
    const struct config_listener *config;
    enum api_scope scope;
    struct listener *listener; /* NULL while not open */
};

struct server {
    struct node *node;
    struct server_listener *listeners;
    int listener_count;
    atomic_uint_fast64_t last_connection_id;
    void (*connection_closed)(void *ctx, uint64_t connection_id);
    void *connection_closed_ctx;
    struct server_limits *limits;
    int closing; /* listeners that have yet to close */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

struct server_shard {
    struct node_shard *owner;
    struct list clients;  /* struct client.link */
    struct list requests; /* struct request.link: those whose home is here, not ended yet */
    struct list cache;    /* struct request.link: for reuse */
    int cache_count;
    struct buffer scratch; /* responses are encoded here */

    struct turn turn;         /* whose requests are handled when */
    struct deferred turn_end; /* serves those who wait in line */
    struct post turn_next;    /* begins the turn after one that left some waiting */
    bool turn_next_posted;

    /* Bad requests of this second, of which REFUSALS_LOGGED_MAX are logged. */
    int64_t refusals_from_ms;
    int refusal_count;
};

/* A frame that waits until the requests before it are answered. */
struct queued_frame {
    struct queued_frame *next;
    struct exchange *exchange;
    struct frame *frame;
};

/* The server's side of a connection. */
struct client {
    struct list link; /* server_shard.clients */
    struct conn *conn;
    struct server_listener *listener;
    struct server_shard *shard;
    uint64_t id;                       /* of the connection; never 0 */
    char told_host[HOST_ADDRESS_SIZE]; /* of this node, instead of the registered one; or empty */
    struct post post;                  /* after closing: to shard 0, which is told, and back */
    bool watched;
    char *software_name;             /* heap; NULL until ApiVersions says it */
    char *software_version;          /* heap */
    struct turn_member member;       /* while it waits in line, the connection is paused */
    struct queued_frame *queue_head; /* frames in order of arrival */
    struct queued_frame *queue_tail;
    int in_flight;          /* requests being handled */
    bool in_flight_produce; /* all of them are Produce */
    bool dispatching;       /* client_dispatch() is on the stack */
    bool closing;
};

/* A request that was being handled has ended. */
void client_request_ended(struct client *client);

/* Key and version, which stand at the start of every request header, and the correlation id. */
#define HEADER_FIXED_LEN 8

/*
 * Decodes header and body of request->frame. False when the connection has to be closed, with the
 * reason in *reason; the request is to be recycled then. True with a reason: ApiVersions in a
 * version that is not served.
 */
bool request_decode(struct request *request, const char **reason);

/* A fresh request in shard's list, its arena empty. */
struct request *request_take(struct server_shard *shard);

/* Releases what the request holds and keeps or frees it. The exchange is not touched. */
void request_recycle(struct request *request);

/* Frees a request that nobody will end, or that is kept for reuse. The exchange is not touched. */
void request_free(struct request *request);

/* Answers ApiVersions in a version that is not served (KIP-511). */
void request_respond_unsupported_api_versions(struct request *request);

#endif
