#include "broker/lifecycle/controller_registration.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/controller/controller_channel.h"
#include "broker/metadata/features.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "protocol/generated/controller_registration_request.h"
#include "protocol/generated/controller_registration_response.h"
#include "protocol/message.h"
#include "runtime/log.h"

#define API_CONTROLLER_REGISTRATION 70

/* Between two looks at the metadata.version, and between two tries. */
#define LOOK_MS 250

struct controller_registration {
    struct node *node;
    struct controller_call call;
    struct arena arena; /* of the request under way */
    struct timer timer;
    bool stopped;
    enum kafka_error last_error;
};

static void look(struct timer *timer);

struct controller_registration *controller_registration_new(struct node *node) {
    struct controller_registration *registration = NEW(struct controller_registration);
    registration->node = node;
    arena_init(&registration->arena, SIZE_MAX);
    timer_init(&registration->timer, node->shards[0].shard, look);
    return registration;
}

void controller_registration_free(struct controller_registration *registration) {
    if (registration == NULL) {
        return;
    }
    timer_stop(&registration->timer);
    arena_release(&registration->arena);
    free(registration);
}

/* ---- The request ----------------------------------------------------------------------------- */

static void describe_listeners(struct controller_registration *registration,
                               struct controller_registration_request *request) {
    const struct config *config = registration->node->config;
    int count = config_listener_count(config);
    request->listeners = (struct controller_registration_request_listener *)arena_array(
        &registration->arena, (size_t)count, sizeof(*request->listeners));
    for (int i = 0; i < count; i++) {
        const struct config_listener *told = config_advertised(config, i);
        if (!config_listener_at(config, i)->controller) {
            continue;
        }
        request->listeners[request->listeners_count++] =
            (struct controller_registration_request_listener){
                .name = slice_str(told->name),
                .host = slice_str(told->host),
                .port = (uint16_t)told->port,
                .security_protocol = told->security_protocol,
            };
    }
}

static void describe_features(struct controller_registration *registration,
                              struct controller_registration_request *request) {
    while (supported_features[request->features_count].name != NULL) {
        request->features_count++;
    }
    request->features = (struct controller_registration_request_feature *)arena_array(
        &registration->arena, (size_t)request->features_count, sizeof(*request->features));
    for (int32_t i = 0; i < request->features_count; i++) {
        request->features[i] = (struct controller_registration_request_feature){
            .name = slice_str(supported_features[i].name),
            .min_supported_version = supported_features[i].min_level,
            .max_supported_version = supported_features[i].max_level,
        };
    }
}

static const void *build(struct controller_call *call, int16_t version) {
    struct controller_registration *registration =
        CONTAINER_OF(call, struct controller_registration, call);
    const struct node *node = registration->node;
    struct controller_registration_request *request =
        ARENA_NEW(&registration->arena, struct controller_registration_request);
    (void)version;
    message_init(&controller_registration_request_desc, request);
    request->controller_id = node->id;
    request->incarnation_id = node->incarnation_id;
    describe_listeners(registration, request);
    describe_features(registration, request);
    return request;
}

static void on_answer(struct controller_call *call, enum kafka_error error, int16_t version,
                      const void *answer) {
    struct controller_registration *registration =
        CONTAINER_OF(call, struct controller_registration, call);
    const struct controller_registration_response *response = answer;
    struct machine *machine = registration->node->machine;
    (void)version;
    error = error == ERROR_NONE ? (enum kafka_error)response->error_code : error;
    arena_reset(&registration->arena);
    if (registration->stopped) {
        return;
    }
    if (error == ERROR_NONE) {
        LOG_INFO(machine, "lifecycle", "controller registered", "node_id=%d",
                 registration->node->id);
        return;
    }
    if (error != registration->last_error) {
        LOG_WARN(machine, "lifecycle", "controller not registered yet", "error=%d", error);
    }
    registration->last_error = error;
    timer_start(&registration->timer, LOOK_MS);
}

/* ---- When ------------------------------------------------------------------------------------ */

static bool has_listener(const struct config *config) {
    bool found = false;
    for (int i = 0; i < config_listener_count(config) && !found; i++) {
        found = config_listener_at(config, i)->controller;
    }
    return found;
}

static void look(struct timer *timer) {
    struct controller_registration *registration =
        CONTAINER_OF(timer, struct controller_registration, timer);
    struct node_shard *shard = &registration->node->shards[0];
    int16_t level = image_feature_level(shard->image, FEATURE_METADATA_VERSION);
    if (level < METADATA_VERSION_CONTROLLERS) {
        timer_start(timer, LOOK_MS);
        return;
    }
    registration->call = (struct controller_call){
        .from = shard,
        .api_key = API_CONTROLLER_REGISTRATION,
        .version_min = 0,
        .version_max = 0,
        .timeout_ms =
            config_int(registration->node->config, CONFIG_CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS),
        .build = build,
        .fn = on_answer,
    };
    controller_call(&registration->call);
}

void controller_registration_start(struct controller_registration *registration) {
    if (has_listener(registration->node->config)) {
        timer_start(&registration->timer, LOOK_MS);
    }
}

void controller_registration_stop(struct controller_registration *registration) {
    registration->stopped = true;
    timer_stop(&registration->timer);
}
