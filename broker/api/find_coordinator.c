/*
 * FindCoordinator (10): which broker to ask about a group. Answered from the image.
 *
 * Transactions and share groups are not served: their key types are refused with an error that
 * clients do not retry.
 */
#include "broker/api/api.h"
#include "broker/api/broker_address.h"
#include "broker/controller/controller.h"
#include "broker/group/group.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "protocol/generated/find_coordinator_request.h"
#include "protocol/generated/find_coordinator_response.h"

enum coordinator_key_type { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2 };

struct found {
    enum kafka_error error;
    const char *message;
    int32_t node_id;
    struct slice host;
    int32_t port;
};

static struct found not_found(enum kafka_error error, const char *message) {
    return (struct found){
        .error = error, .message = message, .node_id = -1, .host = SLICE_LIT(""), .port = -1};
}

static struct found find_group(struct request *request, struct slice key) {
    const struct image *image = request->at->image;
    const struct image_topic *topic = image_topic_by_name(image, SLICE_LIT(TOPIC_CONSUMER_OFFSETS));
    if (topic == NULL || topic->partition_count == 0) {
        controller_auto_create_topic(request->at, SLICE_LIT(TOPIC_CONSUMER_OFFSETS));
        return not_found(ERROR_COORDINATOR_NOT_AVAILABLE, "The coordinator is not available.");
    }
    const struct image_partition *partition =
        image_partition(topic, coordinator_partition(key, topic->partition_count));
    const struct image_broker *broker = image_broker(image, partition->leader);
    struct broker_address address;
    if (broker != NULL && !broker->fenced && broker_address(request, broker, &address)) {
        return (struct found){.error = ERROR_NONE,
                              .message = request->version < 4 ? "NONE" : "",
                              .node_id = broker->id,
                              .host = address.host,
                              .port = address.port};
    }
    return not_found(ERROR_COORDINATOR_NOT_AVAILABLE, "The coordinator is not available.");
}

static struct found find(struct request *request, int8_t key_type, struct slice key) {
    switch (key_type) {
    case KEY_GROUP:
        return find_group(request, key);
    case KEY_TRANSACTION:
        return not_found(ERROR_UNSUPPORTED_VERSION, "Transactions are not supported.");
    case KEY_SHARE:
        return not_found(ERROR_INVALID_REQUEST, "Share groups are not supported.");
    default:
        return not_found(ERROR_INVALID_REQUEST, "Unknown coordinator key type.");
    }
}

void api_find_coordinator(struct request *request) {
    const struct find_coordinator_request *body = request->body;
    struct find_coordinator_response response;
    message_init(&find_coordinator_response_desc, &response);
    if (request->version < 4) {
        struct found found = find(request, body->key_type, body->key);
        response.error_code = (int16_t)found.error;
        response.error_message = slice_str(found.message);
        response.node_id = found.node_id;
        response.host = found.host;
        response.port = found.port;
        request_respond(request, &response);
        return;
    }
    response.coordinators_count = body->coordinator_keys_count;
    response.coordinators = arena_array(&request->arena, (size_t)body->coordinator_keys_count + 1,
                                        sizeof(*response.coordinators));
    for (int32_t i = 0; i < body->coordinator_keys_count; i++) {
        struct slice key = body->coordinator_keys[i];
        struct found found = find(request, body->key_type, key);
        response.coordinators[i] = (struct find_coordinator_response_coordinator){
            .key = key,
            .error_code = (int16_t)found.error,
            .error_message = slice_str(found.message),
            .node_id = found.node_id,
            .host = found.host,
            .port = found.port,
        };
    }
    request_respond(request, &response);
}
