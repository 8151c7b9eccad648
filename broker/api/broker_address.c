#include "broker/api/broker_address.h"

#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/server/request.h"

bool broker_address(const struct request *request, const struct image_broker *broker,
                    struct broker_address *out) {
    const struct node *node = request->at->node;
    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        const struct image_endpoint *endpoint = &broker->endpoints[i];
        if (!slice_equal_str(endpoint->name, request->listener_name)) {
            continue;
        }
        *out = (struct broker_address){.host = endpoint->host, .port = endpoint->port};
        if (broker->id != node->id) {
            return true;
        }
        if (endpoint->port == 0) {
            /* A port of the system's choice, which was not known at registration. */
            out->port = node_listener_port(node, request->listener_name);
        }
        if (!slice_is_null(request->told_host)) {
            out->host = request->told_host;
        }
        return true;
    }
    return false;
}
