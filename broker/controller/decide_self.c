/* What this node's own broker asks of the controller beside it: the same decisions. */
#include "broker/controller/decision.h"
#include "broker/metadata/features.h"
#include "protocol/generated/allocate_producer_ids_request.h"
#include "protocol/generated/allocate_producer_ids_response.h"
#include "protocol/generated/broker_heartbeat_request.h"
#include "protocol/generated/broker_heartbeat_response.h"
#include "protocol/generated/broker_registration_request.h"
#include "protocol/generated/broker_registration_response.h"
#include "protocol/message.h"

static void fill_features(struct arena *arena, struct broker_registration_request *request) {
    while (supported_features[request->features_count].name != NULL) {
        request->features_count++;
    }
    request->features = (struct broker_registration_request_feature *)arena_array(
        arena, (size_t)request->features_count, sizeof(*request->features));
    for (int32_t i = 0; i < request->features_count; i++) {
        request->features[i] = (struct broker_registration_request_feature){
            .name = slice_str(supported_features[i].name),
            .min_supported_version = supported_features[i].min_level,
            .max_supported_version = supported_features[i].max_level,
        };
    }
}

static void fill_listeners(struct arena *arena, const struct broker_registration *registration,
                           struct broker_registration_request *request) {
    request->listeners_count = registration->endpoint_count;
    request->listeners = (struct broker_registration_request_listener *)arena_array(
        arena, (size_t)registration->endpoint_count, sizeof(*request->listeners));
    for (int i = 0; i < registration->endpoint_count; i++) {
        request->listeners[i] = (struct broker_registration_request_listener){
            .name = registration->endpoints[i].name,
            .host = registration->endpoints[i].host,
            .port = registration->endpoints[i].port,
            .security_protocol = registration->endpoints[i].security_protocol,
        };
    }
}

void decide_register_broker(struct decision *d, const struct broker_registration *registration) {
    const struct image_broker *known = image_broker(d->image, d->node_id);
    struct broker_registration_request request;
    struct broker_registration_response response;
    message_init(&broker_registration_request_desc, &request);
    request.broker_id = d->node_id;
    request.cluster_id = d->cluster_id;
    request.incarnation_id = registration->incarnation_id;
    request.rack = registration->rack;
    request.previous_broker_epoch = known == NULL ? -1 : known->epoch;
    request.log_dirs_count = registration->log_dir_count;
    request.log_dirs = (struct uuid *)arena_array(
        d->records.arena, (size_t)registration->log_dir_count, sizeof(struct uuid));
    for (int i = 0; i < registration->log_dir_count; i++) {
        request.log_dirs[i] = registration->log_dirs[i];
    }
    fill_features(d->records.arena, &request);
    fill_listeners(d->records.arena, registration, &request);
    decide_broker_registration(d, &request, &response);
}

void decide_unfence_broker(struct decision *d) {
    const struct image_broker *broker = image_broker(d->image, d->node_id);
    if (broker == NULL) {
        return;
    }
    struct broker_heartbeat_request request;
    struct broker_heartbeat_response response;
    message_init(&broker_heartbeat_request_desc, &request);
    request.broker_id = broker->id;
    request.broker_epoch = broker->epoch;
    request.current_metadata_offset = broker->epoch;
    decide_broker_heartbeat(d, &request, &response);
}

void decide_producer_ids(struct decision *d, int64_t *first) {
    const struct image_broker *broker = image_broker(d->image, d->node_id);
    struct allocate_producer_ids_request request = {
        .broker_id = d->node_id, .broker_epoch = broker == NULL ? -1 : broker->epoch};
    struct allocate_producer_ids_response response;
    decide_allocate_producer_ids(d, &request, &response);
    *first = response.error_code == ERROR_NONE ? response.producer_id_start : -1;
}
