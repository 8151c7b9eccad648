/* The metadata quorum, as the brokers tell of it. */
#ifndef TOOLS_ADMIN_QUORUM_H
#define TOOLS_ADMIN_QUORUM_H

#include "protocol/generated/describe_quorum_response.h"
#include "tools/client/client.h"

/* NULL with the client's error; *out is the state of the metadata log, part of the response. */
const struct describe_quorum_response *
quorum_describe(struct client *client, const struct describe_quorum_response_partition_data **out);

#endif
