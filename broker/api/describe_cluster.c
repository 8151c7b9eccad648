/* DescribeCluster (60): brokers, or on a controller's listener the controllers (KIP-919). */
#include <string.h>

#include "broker/api/api.h"
#include "broker/api/cluster_view.h"
#include "broker/config/config.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "protocol/generated/describe_cluster_request.h"
#include "protocol/generated/describe_cluster_response.h"

enum { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

static const struct config_listener *listener_of(const struct request *request, int *index) {
    const struct config *config = request->at->node->config;
    for (int i = 0; i < config_listener_count(config); i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        if (strcmp(listener->name, request->listener_name) == 0) {
            *index = i;
            return listener;
        }
    }
    return NULL;
}

static void add_brokers(const struct request *request, bool fenced_too, struct arena *arena,
                        struct describe_cluster_response *out) {
    const struct image *image = request->at->image;
    size_t count = 0;
    LIST_FOREACH(it, &image->brokers) {
        count++;
    }
    out->brokers =
        (struct describe_cluster_response_broker *)arena_array(arena, count, sizeof(*out->brokers));
    LIST_FOREACH(it, &image->brokers) {
        const struct image_broker *broker = CONTAINER_OF(it, struct image_broker, link);
        struct broker_address address;
        if ((broker->fenced && !fenced_too) ||
            !broker_address(request->at->node, broker, request->listener_name, &address)) {
            continue;
        }
        out->brokers[out->brokers_count++] = (struct describe_cluster_response_broker){
            .broker_id = broker->id,
            .host = address.host,
            .port = address.port,
            .rack = broker->rack,
            .is_fenced = broker->fenced,
        };
    }
}

/* This node is the only controller. */
static void add_controller(const struct request *request, int listener, struct arena *arena,
                           struct describe_cluster_response *out) {
    const struct node *node = request->at->node;
    const struct config_listener *told = config_advertised(node->config, listener);
    if (told == NULL) {
        told = config_listener_at(node->config, listener);
    }
    out->brokers =
        (struct describe_cluster_response_broker *)arena_array(arena, 1, sizeof(*out->brokers));
    out->brokers_count = 1;
    out->brokers[0] = (struct describe_cluster_response_broker){
        .broker_id = node->id,
        .host = slice_str(told->host),
        .port = told->port > 0 ? told->port : node_listener_port(node, request->listener_name),
    };
    out->controller_id = node->id;
}

void api_describe_cluster(struct request *request) {
    const struct describe_cluster_request *body = request->body;
    struct describe_cluster_response response;
    int index = -1;
    const struct config_listener *listener = listener_of(request, &index);
    int8_t type =
        listener != NULL && listener->controller ? ENDPOINT_CONTROLLERS : ENDPOINT_BROKERS;
    message_init(&describe_cluster_response_desc, &response);
    response.cluster_id = slice_str(request->at->node->cluster_id);
    response.endpoint_type = type;
    if (body->endpoint_type != type) {
        bool known =
            body->endpoint_type == ENDPOINT_BROKERS || body->endpoint_type == ENDPOINT_CONTROLLERS;
        response.endpoint_type = 1;
        response.error_code = request->version == 0 ? ERROR_INVALID_REQUEST
                              : known               ? ERROR_MISMATCHED_ENDPOINT_TYPE
                                                    : ERROR_UNSUPPORTED_ENDPOINT_TYPE;
        response.error_message = SLICE_LIT("This listener does not serve that endpoint type");
        request_respond(request, &response);
        return;
    }
    if (type == ENDPOINT_CONTROLLERS) {
        add_controller(request, index, &request->arena, &response);
    } else {
        add_brokers(request, body->include_fenced_brokers, &request->arena, &response);
        response.controller_id = any_alive_broker(request);
    }
    if (body->include_cluster_authorized_operations) {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS_ALL;
    }
    request_respond(request, &response);
}
