/* GetTelemetrySubscriptions (71, KIP-714): which metrics a client is to push, and how often. */
#include "broker/api/api.h"
#include "broker/api/telemetry_client.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "broker/telemetry/telemetry.h"
#include "protocol/compression.h"
#include "protocol/generated/get_telemetry_subscriptions_request.h"
#include "protocol/generated/get_telemetry_subscriptions_response.h"

static void get(struct request *request) {
    int8_t accepted[] = {COMPRESSION_ZSTD, COMPRESSION_LZ4, COMPRESSION_GZIP, COMPRESSION_SNAPPY};
    const struct get_telemetry_subscriptions_request *body = request->body;
    struct node *node = request->at->node;
    struct uuid id = uuid_is_zero(body->client_instance_id) ? random_uuid(node->machine)
                                                            : body->client_instance_id;
    struct client_attributes *client = request->context;
    telemetry_client_set_id(client, id, &request->arena);
    struct telemetry_subscription subscription;
    enum kafka_error error =
        telemetry_get(node->telemetry, id, client, &request->arena, &subscription);
    struct get_telemetry_subscriptions_response response;
    message_init(&get_telemetry_subscriptions_response_desc, &response);
    response.error_code = (int16_t)error;
    if (error == ERROR_NONE) {
        response.client_instance_id = id;
        response.subscription_id = subscription.id;
        response.accepted_compression_types = accepted;
        response.accepted_compression_types_count = (int32_t)ARRAY_LEN(accepted);
        response.push_interval_ms = subscription.interval_ms;
        response.telemetry_max_bytes = TELEMETRY_PUSH_MAX_BYTES;
        response.delta_temporality = true;
        response.requested_metrics = subscription.metrics;
        response.requested_metrics_count = subscription.metric_count;
    }
    request_respond(request, &response);
}

void api_get_telemetry_subscriptions(struct request *request) {
    request->context = telemetry_client_of(request);
    request_move(request, &request->at->node->shards[0], get);
}
