/* The messages of the consumer protocol, which members of a group send each other inside of
 * JoinGroup and SyncGroup: their version stands in front. */
#ifndef TOOLS_CLIENT_CONSUMER_PROTOCOL_H
#define TOOLS_CLIENT_CONSUMER_PROTOCOL_H

#include "protocol/message.h"

/* False when it is none. */
bool consumer_protocol_decode(const struct message_desc *desc, struct slice in, struct arena *arena,
                              void *message);

/* In version 0, in the arena. */
struct slice consumer_protocol_encode(const struct message_desc *desc, const void *message,
                                      struct arena *arena);

#endif
