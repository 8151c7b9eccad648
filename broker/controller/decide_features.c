/*
 * UpdateFeatures (KIP-584): the finalized levels of features, up and down. And
 * ControllerRegistration (KIP-919), by which the controllers say which levels they support.
 */
#include "broker/config/config.h"
#include "broker/controller/partition_change.h"
#include "broker/metadata/features.h"
#include "protocol/generated/controller_registration_request.h"
#include "protocol/generated/controller_registration_response.h"
#include "protocol/generated/feature_level_record.h"
#include "protocol/generated/register_controller_record.h"
#include "protocol/generated/update_features_request.h"
#include "protocol/generated/update_features_response.h"
#include "protocol/message.h"

/* Updates in one request; there are not that many features. */
#define FEATURES_MAX 1000

enum upgrade_type { UPGRADE = 1, SAFE_DOWNGRADE = 2, UNSAFE_DOWNGRADE = 3 };

typedef struct update_features_request_feature_update_key feature_update;

/* ---- Who supports what ----------------------------------------------------------------------- */

static bool supported_by_broker(const struct image_broker *broker, struct slice name,
                                int16_t level) {
    for (int32_t i = 0; i < broker->feature_count; i++) {
        if (slice_equal(broker->features[i].name, name)) {
            return level >= broker->features[i].min_level && level <= broker->features[i].max_level;
        }
    }
    return level == 0;
}

/* A registration that cannot be read says nothing against the level. */
static bool supported_by_controller(struct arena *arena, struct slice value, struct slice name,
                                    int16_t level) {
    struct register_controller_record record;
    int type;
    int16_t version;
    struct slice body;
    if (!metadata_record_parse(value, &type, &version, &body) ||
        message_decode(&register_controller_record_desc, version, body, arena, &record, NULL) !=
            MESSAGE_OK) {
        return true;
    }
    for (int32_t i = 0; i < record.features_count; i++) {
        if (slice_equal(record.features[i].name, name)) {
            return level >= record.features[i].min_supported_version &&
                   level <= record.features[i].max_supported_version;
        }
    }
    return level == 0;
}

static struct verdict check_support(const struct decision *d, struct slice name, int16_t level) {
    if (!feature_supported(name, level)) {
        return verdict_printf(d, ERROR_INVALID_UPDATE_VERSION,
                              "Level %d of feature %.*s is not supported by this controller", level,
                              SLICE_ARG(name));
    }
    LIST_FOREACH(it, &d->image->brokers) {
        const struct image_broker *broker = CONTAINER_OF(it, struct image_broker, link);
        if (level != 0 && !supported_by_broker(broker, name, level)) {
            return verdict_printf(d, ERROR_INVALID_UPDATE_VERSION,
                                  "Broker %d does not support level %d of feature %.*s", broker->id,
                                  level, SLICE_ARG(name));
        }
    }
    struct slice *records;
    int count = image_controllers(d->image, d->records.arena, &records);
    for (int i = 0; i < count && level != 0; i++) {
        if (!supported_by_controller(d->records.arena, records[i], name, level)) {
            return verdict_printf(d, ERROR_INVALID_UPDATE_VERSION,
                                  "A controller does not support level %d of feature %.*s", level,
                                  SLICE_ARG(name));
        }
    }
    return VERDICT_OK;
}

/* ---- Update ---------------------------------------------------------------------------------- */

/* The level that a feature has when the request is carried out. */
static int16_t level_after(const struct decision *d, const struct update_features_request *request,
                           const char *name) {
    for (int32_t i = request->feature_updates_count - 1; i >= 0; i--) {
        if (slice_equal_str(request->feature_updates[i].feature, name)) {
            return request->feature_updates[i].max_version_level;
        }
    }
    return image_feature_level(d->image, name);
}

static struct verdict check_dependencies(const struct decision *d,
                                         const struct update_features_request *request) {
    bool met = level_after(d, request, FEATURE_ELR) == 0 ||
               level_after(d, request, FEATURE_METADATA_VERSION) >= METADATA_VERSION_ELR;
    return met ? VERDICT_OK
               : verdict_printf(d, ERROR_INVALID_UPDATE_VERSION, "%s needs metadata.version %d",
                                FEATURE_ELR, METADATA_VERSION_ELR);
}

static struct verdict check_kraft_version(const struct decision *d, int16_t level, int16_t now) {
    if (level < now) {
        return verdict(ERROR_INVALID_UPDATE_VERSION, "kraft.version never goes down");
    }
    if (level > now && d->kraft_upgrade_refusal != NULL) {
        return verdict(ERROR_INVALID_UPDATE_VERSION, d->kraft_upgrade_refusal);
    }
    return VERDICT_OK;
}

static struct verdict check_update(const struct decision *d, const feature_update *update,
                                   int16_t now, int type) {
    int16_t level = update->max_version_level;
    if (type < UPGRADE || type > UNSAFE_DOWNGRADE) {
        return verdict(ERROR_INVALID_UPDATE_VERSION, "The type of the upgrade is not known");
    }
    if (level < 0) {
        return verdict(ERROR_INVALID_UPDATE_VERSION, "A level is not negative");
    }
    struct verdict ok = check_support(d, update->feature, level);
    if (ok.error != ERROR_NONE) {
        return ok;
    }
    if (level < now && type == UPGRADE) {
        return verdict(ERROR_INVALID_UPDATE_VERSION,
                       "A lower level needs the type safe or unsafe downgrade");
    }
    if (level > now && type != UPGRADE) {
        return verdict(ERROR_INVALID_UPDATE_VERSION, "A downgrade cannot go to a higher level");
    }
    if (slice_equal_str(update->feature, FEATURE_KRAFT_VERSION)) {
        return check_kraft_version(d, level, now);
    }
    if (slice_equal_str(update->feature, FEATURE_METADATA_VERSION) &&
        metadata_version_changed(level, now)) {
        /* No record is translated back, neither safely nor unsafely. */
        return verdict(ERROR_INVALID_UPDATE_VERSION,
                       "metadata.version cannot go down so far: metadata might be lost");
    }
    return VERDICT_OK;
}

void add_elr_records(struct decision *d) {
    const char *key = "min.insync.replicas";
    struct slice none = SLICE_LIT("");
    if (slice_is_null(image_config_value(d->image, CONFIG_RESOURCE_BROKER, none, key))) {
        char *value = arena_printf(d->records.arena, "%lld",
                                   (long long)config_int(d->config, CONFIG_MIN_INSYNC_REPLICAS));
        add_config_record(d, CONFIG_RESOURCE_BROKER, none, slice_str(key), slice_str(value));
    }
    HMAP_FOREACH(node, &d->image->configs) {
        const struct image_config_resource *resource =
            CONTAINER_OF(node, struct image_config_resource, node);
        if (resource->type == CONFIG_RESOURCE_BROKER && resource->name.len > 0 &&
            !slice_is_null(
                image_config_value(d->image, CONFIG_RESOURCE_BROKER, resource->name, key))) {
            add_config_record(d, CONFIG_RESOURCE_BROKER, resource->name, slice_str(key),
                              SLICE_NULL);
        }
    }
}

static struct verdict update_one(struct decision *d, const feature_update *update) {
    char *name = arena_printf(d->records.arena, "%.*s", SLICE_ARG(update->feature));
    int16_t now = slice_equal_str(update->feature, FEATURE_KRAFT_VERSION)
                      ? d->kraft_version
                      : image_feature_level(d->image, name);
    struct verdict ok = check_update(d, update, now, update->upgrade_type);
    if (ok.error != ERROR_NONE || update->max_version_level == now) {
        return ok;
    }
    if (slice_equal_str(update->feature, FEATURE_KRAFT_VERSION)) {
        d->kraft_upgrade = true;
        return VERDICT_OK;
    }
    struct feature_level_record record;
    message_init(&feature_level_record_desc, &record);
    record.name = update->feature;
    record.feature_level = update->max_version_level;
    record_list_add(&d->records, RECORD_FEATURE_LEVEL, 0, &feature_level_record_desc, &record);
    if (slice_equal_str(update->feature, FEATURE_ELR) && now == 0) {
        add_elr_records(d);
    }
    return VERDICT_OK;
}

/* Named again further on: the last counts. */
static bool comes_again(const struct update_features_request *request, int32_t index) {
    for (int32_t i = index + 1; i < request->feature_updates_count; i++) {
        if (slice_equal(request->feature_updates[i].feature,
                        request->feature_updates[index].feature)) {
            return true;
        }
    }
    return false;
}

static void fill_results(const struct decision *d, const struct update_features_request *request,
                         struct update_features_response *response) {
    response->results_count = request->feature_updates_count;
    response->results = (struct update_features_response_updatable_feature_result *)arena_array(
        d->arena, (size_t)request->feature_updates_count, sizeof(*response->results));
    for (int32_t i = 0; i < request->feature_updates_count; i++) {
        response->results[i].feature = request->feature_updates[i].feature;
        response->results[i].error_message = SLICE_LIT("NONE");
    }
}

/* The version 0 has a field that allows downgrades, which KRaft does not look at. */
void decide_update_features(struct decision *d, const struct update_features_request *request,
                            int16_t version, struct update_features_response *response) {
    message_init(&update_features_response_desc, response);
    struct verdict outcome = VERDICT_OK;
    if (request->feature_updates_count > FEATURES_MAX) {
        outcome = verdict(ERROR_POLICY_VIOLATION, "The request names more than 1000 features");
    }
    for (int32_t i = 0; i < request->feature_updates_count && outcome.error == ERROR_NONE; i++) {
        if (!comes_again(request, i)) {
            outcome = update_one(d, &request->feature_updates[i]);
        }
    }
    if (outcome.error == ERROR_NONE) {
        outcome = check_dependencies(d, request);
    }
    if (outcome.error != ERROR_NONE || request->validate_only) {
        decision_rewind(d, 0); /* all or nothing */
        d->kraft_upgrade = false;
    }
    response->error_code = (int16_t)outcome.error;
    response->error_message = outcome.message;
    if (outcome.error == ERROR_NONE && version <= 1) {
        fill_results(d, request, response);
    }
}

/* ---- Controllers ----------------------------------------------------------------------------- */

static struct verdict check_controller(const struct decision *d,
                                       const struct controller_registration_request *request) {
    if (d->metadata_version < METADATA_VERSION_CONTROLLERS) {
        return verdict(ERROR_UNSUPPORTED_VERSION,
                       "The metadata.version does not know registrations of controllers");
    }
    if (request->listeners_count <= 0) {
        return verdict(ERROR_INVALID_REGISTRATION, "The controller has no listener");
    }
    for (int32_t i = 0; i < request->features_count; i++) {
        const struct controller_registration_request_feature *feature = &request->features[i];
        if (slice_equal_str(feature->name, FEATURE_METADATA_VERSION) &&
            (d->metadata_version < feature->min_supported_version ||
             d->metadata_version > feature->max_supported_version)) {
            return verdict(ERROR_UNSUPPORTED_VERSION,
                           "The controller does not support the finalized metadata.version");
        }
    }
    return VERDICT_OK;
}

void decide_controller_registration(struct decision *d,
                                    const struct controller_registration_request *request,
                                    struct controller_registration_response *response) {
    message_init(&controller_registration_response_desc, response);
    response->error_message = SLICE_NULL;
    struct verdict outcome = check_controller(d, request);
    response->error_code = (int16_t)outcome.error;
    response->error_message = outcome.message;
    if (outcome.error != ERROR_NONE) {
        return;
    }
    struct register_controller_record record;
    message_init(&register_controller_record_desc, &record);
    record.controller_id = request->controller_id;
    record.incarnation_id = request->incarnation_id;
    record.zk_migration_ready = false;
    record.end_points_count = request->listeners_count;
    record.end_points = (struct register_controller_record_controller_endpoint *)arena_array(
        d->records.arena, (size_t)request->listeners_count, sizeof(*record.end_points));
    for (int32_t i = 0; i < request->listeners_count; i++) {
        record.end_points[i] = (struct register_controller_record_controller_endpoint){
            .name = request->listeners[i].name,
            .host = request->listeners[i].host,
            .port = request->listeners[i].port,
            .security_protocol = request->listeners[i].security_protocol,
        };
    }
    record.features_count = request->features_count;
    record.features = (struct register_controller_record_controller_feature *)arena_array(
        d->records.arena, (size_t)request->features_count, sizeof(*record.features));
    for (int32_t i = 0; i < request->features_count; i++) {
        record.features[i] = (struct register_controller_record_controller_feature){
            .name = request->features[i].name,
            .min_supported_version = request->features[i].min_supported_version,
            .max_supported_version = request->features[i].max_supported_version,
        };
    }
    record_list_add(&d->records, RECORD_REGISTER_CONTROLLER, 0, &register_controller_record_desc,
                    &record);
}
