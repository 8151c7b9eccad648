/*
 * The server: listeners, the order of requests on a connection, dispatch to API handlers.
 *
 * Requests of one connection are handled one after another, as Kafka does, with one exception:
 * Produce requests that follow one another are handled together, so that acks=all can pipeline.
 */
#ifndef BROKER_SERVER_SERVER_H
#define BROKER_SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "broker/api/api.h"

struct node;
struct server;
struct server_shard;

/* Also makes node->shards[i].server. No I/O. */
struct server *server_new(struct node *node);

/* Frees everything, also requests that nobody ended; no I/O. */
void server_free(struct server *server);

/* Opens the node's listeners of one scope. On shard 0. 0, or a negative errno and one line in
 * errmsg; the caller then calls server_close() for those that did open. */
MUST_CHECK int server_open(struct server *server, enum api_scope scope, struct errmsg *errmsg);

/* Stops accepting and closes all connections; done on shard 0. Requests that are still being
 * handled end later, unseen. */
void server_close(struct server *server, void (*done)(void *ctx), void *ctx);

/*
 * fn(ctx, request.connection_id) on shard 0 when a connection that a handler watches
 * (request_watch_connection) has closed: after everything that its requests moved to shard 0
 * before. Also while the server closes. Before any listener opens.
 */
void server_on_connection_closed(struct server *server,
                                 void (*fn)(void *ctx, uint64_t connection_id), void *ctx);

/* The port the listener of that name is bound to; -1 when it is not open. */
int server_listener_port(const struct server *server, const char *name);

/* The broker's configuration on shard 0 has changed. */
void server_config_changed(struct server *server);

/* Connections of the node's listener of that index (config_listener_at) on this shard. */
int server_shard_connections(const struct server_shard *shard, int listener);

#endif
