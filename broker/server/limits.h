/*
 * The limits of connections, kept as the configuration says: max.connections,
 * max.connections.per.ip with its overrides, max.connection.creation.rate, and what is set for
 * single listeners. All may change while the broker runs. On shard 0.
 */
#ifndef BROKER_SERVER_LIMITS_H
#define BROKER_SERVER_LIMITS_H

struct server;
struct server_limits;
struct conn_limits;

struct server_limits *server_limits_new(struct server *server);
void server_limits_free(struct server_limits *limits);

/* Takes over the configuration of shard 0. Overrides of names count when they were looked up, which
 * a worker does. */
void server_limits_apply(struct server_limits *limits);

/* What the listeners share; listener i of the server is listener i of it. */
struct conn_limits *server_limits_shared(const struct server_limits *limits);

#endif
