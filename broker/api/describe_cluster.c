/* DescribeCluster (60): brokers, or on a controller's listener the controllers (KIP-919). */
#include "broker/api/api.h"
#include "broker/api/cluster_view.h"
#include "broker/controller/controller_request.h"
#include "broker/node.h"
#include "broker/quorum/quorum_requests.h"
#include "broker/server/request.h"
#include "protocol/generated/describe_cluster_request.h"
#include "protocol/generated/describe_cluster_response.h"
#include "raft/quorum.h"

enum { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

static void init_response(const struct request *request, int8_t type,
                          struct describe_cluster_response *response) {
    message_init(&describe_cluster_response_desc, response);
    response->cluster_id = slice_str(request->at->node->cluster_id);
    response->endpoint_type = type;
}

static void add_operations(const struct describe_cluster_request *body,
                           struct describe_cluster_response *response) {
    if (body->include_cluster_authorized_operations) {
        response->cluster_authorized_operations = CLUSTER_OPERATIONS_ALL;
    }
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
        if ((broker->fenced && !fenced_too) || !broker_address(request, broker, &address)) {
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

/* Where a voter is reached: by the listener of the request's name, else by its first. */
static const struct metadata_endpoint *endpoint_of(const struct voter *voter,
                                                   const char *listener) {
    for (int i = 0; i < voter->endpoint_count; i++) {
        if (slice_equal_str(voter->endpoints[i].name, listener)) {
            return &voter->endpoints[i];
        }
    }
    return voter->endpoint_count > 0 ? &voter->endpoints[0] : NULL;
}

/* The voters of the quorum, this node as it is configured; on shard 0. */
static void respond_controllers(struct request *request) {
    const struct describe_cluster_request *body = request->body;
    const struct quorum *quorum = controller_quorum(request->at->node);
    const struct voter_set *voters = quorum != NULL ? quorum_voters(quorum) : NULL;
    int count = voters != NULL ? voters->count : 0;
    struct describe_cluster_response response;
    init_response(request, ENDPOINT_CONTROLLERS, &response);
    response.controller_id = quorum != NULL ? quorum_leader(quorum) : -1;
    response.brokers =
        MESSAGE_ARRAY(&request->arena, describe_cluster_response_broker, (size_t)count);
    for (int i = 0; i < count; i++) {
        bool self = voters->voters[i].key.id == request->at->node->id;
        const struct voter *voter = self ? quorum_self(quorum) : &voters->voters[i];
        const struct metadata_endpoint *endpoint = endpoint_of(voter, request->listener_name);
        if (endpoint != NULL) {
            struct describe_cluster_response_broker *out =
                &response.brokers[response.brokers_count++];
            out->broker_id = voter->key.id;
            out->host = endpoint->host;
            out->port = endpoint->port;
        }
    }
    add_operations(body, &response);
    request_respond(request, &response);
}

static void respond_brokers(struct request *request) {
    const struct describe_cluster_request *body = request->body;
    struct describe_cluster_response response;
    init_response(request, ENDPOINT_BROKERS, &response);
    add_brokers(request, body->include_fenced_brokers, &request->arena, &response);
    response.controller_id = any_alive_broker(request);
    add_operations(body, &response);
    request_respond(request, &response);
}

static void refuse(struct request *request) {
    const struct describe_cluster_request *body = request->body;
    struct describe_cluster_response response;
    init_response(request, ENDPOINT_BROKERS, &response);
    bool known =
        body->endpoint_type == ENDPOINT_BROKERS || body->endpoint_type == ENDPOINT_CONTROLLERS;
    response.error_code = request->version == 0 ? ERROR_INVALID_REQUEST
                          : known               ? ERROR_MISMATCHED_ENDPOINT_TYPE
                                                : ERROR_UNSUPPORTED_ENDPOINT_TYPE;
    response.error_message = SLICE_LIT("This listener does not serve that endpoint type");
    request_respond(request, &response);
}

void api_describe_cluster(struct request *request) {
    const struct describe_cluster_request *body = request->body;
    bool controllers = request->scope == API_SCOPE_CONTROLLER;
    if (body->endpoint_type != (controllers ? ENDPOINT_CONTROLLERS : ENDPOINT_BROKERS)) {
        refuse(request);
    } else if (controllers) {
        request_move(request, &request->at->node->shards[0], respond_controllers);
    } else {
        respond_brokers(request);
    }
}
