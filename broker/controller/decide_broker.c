/* BrokerRegistration, UnregisterBroker, AllocateProducerIds. */
#include "broker/controller/broker_sessions.h"
#include "broker/controller/partition_change.h"
#include "broker/metadata/features.h"
#include "protocol/generated/allocate_producer_ids_request.h"
#include "protocol/generated/allocate_producer_ids_response.h"
#include "protocol/generated/broker_registration_request.h"
#include "protocol/generated/broker_registration_response.h"
#include "protocol/generated/producer_ids_record.h"
#include "protocol/generated/register_broker_record.h"
#include "protocol/generated/unregister_broker_record.h"
#include "protocol/generated/unregister_broker_request.h"
#include "protocol/generated/unregister_broker_response.h"
#include "protocol/message.h"

/* From 3.7-IV2 on brokers say which log dirs they have. */
#define METADATA_VERSION_DIRECTORIES 17

/* ---- Registration ---------------------------------------------------------------------------- */

static bool owned_by_another(const struct image *image, int32_t id, struct uuid directory) {
    LIST_FOREACH(it, &image->brokers) {
        const struct image_broker *broker = CONTAINER_OF(it, struct image_broker, link);
        for (int32_t i = 0; i < broker->log_dir_count && broker->id != id; i++) {
            if (uuid_equal(broker->log_dirs[i], directory)) {
                return true;
            }
        }
    }
    return false;
}

static struct verdict check_directories(const struct decision *d,
                                        const struct broker_registration_request *request) {
    if (d->metadata_version < METADATA_VERSION_DIRECTORIES) {
        return VERDICT_OK;
    }
    if (request->log_dirs_count <= 0) {
        return verdict(ERROR_INVALID_REGISTRATION, "The broker names no log dirs");
    }
    for (int32_t i = 0; i < request->log_dirs_count; i++) {
        struct uuid directory = request->log_dirs[i];
        if (uuid_is_reserved(directory)) {
            return verdict(ERROR_INVALID_REGISTRATION, "The id of a log dir is a reserved one");
        }
        for (int32_t j = 0; j < i; j++) {
            if (uuid_equal(request->log_dirs[j], directory)) {
                return verdict(ERROR_INVALID_REGISTRATION, "A log dir is named twice");
            }
        }
        if (owned_by_another(d->image, request->broker_id, directory)) {
            return verdict(ERROR_INVALID_REGISTRATION, "A log dir belongs to another broker");
        }
    }
    return VERDICT_OK;
}

static const struct broker_registration_request_feature *
feature_of(const struct broker_registration_request *request, struct slice name) {
    for (int32_t i = 0; i < request->features_count; i++) {
        if (slice_equal(request->features[i].name, name)) {
            return &request->features[i];
        }
    }
    return NULL;
}

/* Of a directory that Apache Kafka has formatted: a feature that this release does not serve, and
 * that is without effect here. */
static bool is_known(struct slice name) {
    for (const struct supported_feature *it = supported_features; it->name != NULL; it++) {
        if (slice_equal_str(name, it->name)) {
            return true;
        }
    }
    return false;
}

/* Each finalized feature must be in the broker's ranges. */
static struct verdict check_features(const struct decision *d,
                                     const struct broker_registration_request *request) {
    if (feature_of(request, SLICE_LIT(FEATURE_METADATA_VERSION)) == NULL) {
        return verdict(ERROR_INVALID_REGISTRATION,
                       "The broker does not say which metadata.version it supports");
    }
    LIST_FOREACH(it, &d->image->features) {
        const struct image_feature *feature = CONTAINER_OF(it, struct image_feature, link);
        const struct broker_registration_request_feature *range =
            feature_of(request, feature->name);
        bool supported = range == NULL ? !is_known(feature->name)
                                       : feature->level >= range->min_supported_version &&
                                             feature->level <= range->max_supported_version;
        if (!supported) {
            return verdict(ERROR_UNSUPPORTED_VERSION,
                           "The broker does not support a finalized feature");
        }
    }
    return VERDICT_OK;
}

static struct verdict check_registration(const struct decision *d,
                                         const struct broker_registration_request *request) {
    const struct image_broker *known = image_broker(d->image, request->broker_id);
    if (!slice_is_null(d->cluster_id) && !slice_equal(request->cluster_id, d->cluster_id)) {
        return verdict(ERROR_INCONSISTENT_CLUSTER_ID, "The broker is of another cluster");
    }
    if (request->broker_id < 0) {
        return verdict(ERROR_INVALID_REGISTRATION, "A broker's id is not negative");
    }
    if (known != NULL && !uuid_equal(known->incarnation_id, request->incarnation_id) &&
        !known->in_controlled_shutdown && d->sessions != NULL &&
        broker_sessions_alive(d->sessions, known->id, known->epoch, d->now_ms)) {
        return verdict(ERROR_DUPLICATE_BROKER_REGISTRATION, "Another broker with this id is alive");
    }
    if (request->is_migrating_zk_broker) {
        return verdict(ERROR_INVALID_REGISTRATION, "There is no migration from ZooKeeper");
    }
    struct verdict ok = check_directories(d, request);
    return ok.error == ERROR_NONE ? check_features(d, request) : ok;
}

static void fill_lists(const struct decision *d, const struct broker_registration_request *request,
                       int16_t version, struct register_broker_record *record) {
    struct arena *arena = d->records.arena;
    record->end_points_count = request->listeners_count;
    record->end_points = (struct register_broker_record_broker_endpoint *)arena_array(
        arena, (size_t)request->listeners_count, sizeof(*record->end_points));
    for (int32_t i = 0; i < request->listeners_count; i++) {
        record->end_points[i] = (struct register_broker_record_broker_endpoint){
            .name = request->listeners[i].name,
            .host = request->listeners[i].host,
            .port = request->listeners[i].port,
            .security_protocol = request->listeners[i].security_protocol,
        };
    }
    record->features_count = request->features_count;
    record->features = (struct register_broker_record_broker_feature *)arena_array(
        arena, (size_t)request->features_count, sizeof(*record->features));
    for (int32_t i = 0; i < request->features_count; i++) {
        record->features[i] = (struct register_broker_record_broker_feature){
            .name = request->features[i].name,
            .min_supported_version = request->features[i].min_supported_version,
            .max_supported_version = request->features[i].max_supported_version,
        };
    }
    if (version >= 3) {
        record->log_dirs = request->log_dirs;
        record->log_dirs_count = request->log_dirs_count;
    }
}

void decide_broker_registration(struct decision *d,
                                const struct broker_registration_request *request,
                                struct broker_registration_response *response) {
    message_init(&broker_registration_response_desc, response);
    struct verdict ok = check_registration(d, request);
    response->error_code = (int16_t)ok.error;
    if (ok.error != ERROR_NONE) {
        return;
    }
    const struct image_broker *known = image_broker(d->image, request->broker_id);
    bool same = known != NULL && uuid_equal(known->incarnation_id, request->incarnation_id);
    int16_t version = register_broker_record_version(d->metadata_version);
    struct register_broker_record record;
    message_init(&register_broker_record_desc, &record);
    record.broker_id = request->broker_id;
    record.incarnation_id = request->incarnation_id;
    record.rack = request->rack;
    record.broker_epoch = same ? known->epoch : d->next_offset;
    record.fenced = !same || known->fenced;
    record.in_controlled_shutdown = same && known->in_controlled_shutdown;
    fill_lists(d, request, version, &record);
    /* First of its batch: the broker's epoch is the offset of this record. */
    record_list_add(&d->records, RECORD_REGISTER_BROKER, version, &register_broker_record_desc,
                    &record);
    if (!same && known != NULL) {
        if (elr_enabled(d->image) && request->previous_broker_epoch != known->epoch) {
            partitions_of_unclean_broker(d, known->id, request->log_dirs, request->log_dirs_count);
        } else {
            partitions_without_broker(d, known->id);
        }
    }
    response->broker_epoch = record.broker_epoch;
}

/* ---- Unregistration -------------------------------------------------------------------------- */

void decide_unregister_broker(struct decision *d, const struct unregister_broker_request *request,
                              struct unregister_broker_response *response) {
    message_init(&unregister_broker_response_desc, response);
    response->error_message = SLICE_NULL;
    const struct image_broker *broker = image_broker(d->image, request->broker_id);
    if (broker == NULL) {
        struct verdict unknown = verdict_printf(d, ERROR_BROKER_ID_NOT_REGISTERED,
                                                "No broker has the id %d", request->broker_id);
        response->error_code = (int16_t)unknown.error;
        response->error_message = unknown.message;
        return;
    }
    partitions_of_unclean_broker(d, broker->id, NULL, 0);
    struct unregister_broker_record record;
    message_init(&unregister_broker_record_desc, &record);
    record.broker_id = broker->id;
    record.broker_epoch = broker->epoch;
    record_list_add(&d->records, RECORD_UNREGISTER_BROKER, 0, &unregister_broker_record_desc,
                    &record);
}

/* ---- Producer ids ---------------------------------------------------------------------------- */

void decide_allocate_producer_ids(struct decision *d,
                                  const struct allocate_producer_ids_request *request,
                                  struct allocate_producer_ids_response *response) {
    message_init(&allocate_producer_ids_response_desc, response);
    enum kafka_error error =
        check_broker_epoch(d->image, request->broker_id, request->broker_epoch);
    int64_t first = d->image->next_producer_id;
    if (error == ERROR_NONE && first > INT64_MAX - PRODUCER_ID_BLOCK) {
        error = ERROR_UNKNOWN_SERVER_ERROR;
    }
    if (error != ERROR_NONE) {
        response->error_code = (int16_t)error;
        return;
    }
    struct producer_ids_record record;
    message_init(&producer_ids_record_desc, &record);
    record.broker_id = request->broker_id;
    record.broker_epoch = request->broker_epoch;
    record.next_producer_id = first + PRODUCER_ID_BLOCK;
    record_list_add(&d->records, RECORD_PRODUCER_IDS, 0, &producer_ids_record_desc, &record);
    response->producer_id_start = first;
    response->producer_id_len = PRODUCER_ID_BLOCK;
}
