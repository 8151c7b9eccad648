/* What subscriptions tell clients apart by; for the two APIs of KIP-714. */
#ifndef BROKER_API_TELEMETRY_CLIENT_H
#define BROKER_API_TELEMETRY_CLIENT_H

#include "base/uuid.h"
#include "broker/config/client_match.h"

struct arena;
struct request;

/* Of the request's connection, in its arena, without the id; on its home. */
struct client_attributes *telemetry_client_of(struct request *request);

void telemetry_client_set_id(struct client_attributes *client, struct uuid id, struct arena *arena);

#endif
