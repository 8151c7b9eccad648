#include "broker/lifecycle/lifecycle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/controller/controller.h"
#include "broker/controller/controller_channel.h"
#include "broker/controller/controller_request.h"
#include "broker/metadata/features.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/quorum/quorum_requests.h"
#include "broker/replica/log_manager.h"
#include "protocol/generated/broker_heartbeat_request.h"
#include "protocol/generated/broker_heartbeat_response.h"
#include "protocol/generated/broker_registration_request.h"
#include "protocol/generated/broker_registration_response.h"
#include "protocol/message.h"
#include "runtime/log.h"

#define API_BROKER_REGISTRATION 62
#define API_BROKER_HEARTBEAT    63

/* Between two tries to register: the registration of the process before may have to run out. */
#define REGISTER_RETRY_MS 100

/* Between two heartbeats that ask for something the controller has to do first. */
#define ASK_AGAIN_MS 50

/* How long a controlled shutdown waits for an answer, and for all leaderships to have moved. */
#define SHUT_DOWN_ANSWER_MS 3000
#define SHUT_DOWN_MS        30000

/* A broker that leaves looks so often whether there is a quorum that could let it go; where there
 * is none twice in a row, it goes: all nodes are being stopped, or nobody could take over anyway.
 */
#define SHUT_DOWN_LOOK_MS 100

enum lifecycle_state {
    LIFECYCLE_NEW,
    LIFECYCLE_REGISTERING,
    LIFECYCLE_REGISTERED,
    LIFECYCLE_RUNNING, /* wants to be unfenced: heartbeats */
    LIFECYCLE_LEAVING, /* wants to shut down */
    LIFECYCLE_STOPPED,
};

struct lifecycle {
    struct node *node;
    enum lifecycle_state state;
    int64_t broker_epoch;
    bool registering_anew; /* while RUNNING: the controller did not know the epoch */
    bool send_again;       /* as soon as the request under way has ended */
    enum kafka_error last_error;

    struct controller_call call;
    bool calling;
    struct arena arena; /* of the request under way */
    struct timer timer; /* of the next request */
    struct timer deadline;
    struct timer look; /* at the quorum, while this broker leaves */
    bool stranded;     /* at the last look */

    struct errmsg *errmsg;
    void (*registered)(void *ctx, int result);
    void *registered_ctx;
    void (*unfenced)(void *ctx);
    void *unfenced_ctx;
    void (*gone)(void *ctx);
    void *gone_ctx;
    int64_t leaving_since_ms;
    int64_t answered_ms;
};

static void send_registration(struct lifecycle *lifecycle);
static void send_heartbeat(struct lifecycle *lifecycle);

static void timer_fired(struct timer *timer) {
    struct lifecycle *lifecycle = CONTAINER_OF(timer, struct lifecycle, timer);
    if (lifecycle->state == LIFECYCLE_REGISTERING || lifecycle->registering_anew) {
        send_registration(lifecycle);
    } else {
        send_heartbeat(lifecycle);
    }
}

static void deadline_fired(struct timer *timer);
static void look_fired(struct timer *timer);

struct lifecycle *lifecycle_new(struct node *node) {
    struct lifecycle *lifecycle = NEW(struct lifecycle);
    lifecycle->node = node;
    lifecycle->broker_epoch = -1;
    arena_init(&lifecycle->arena, SIZE_MAX);
    timer_init(&lifecycle->timer, node->shards[0].shard, timer_fired);
    timer_init(&lifecycle->deadline, node->shards[0].shard, deadline_fired);
    timer_init(&lifecycle->look, node->shards[0].shard, look_fired);
    return lifecycle;
}

void lifecycle_free(struct lifecycle *lifecycle) {
    if (lifecycle == NULL) {
        return;
    }
    timer_stop(&lifecycle->timer);
    timer_stop(&lifecycle->deadline);
    timer_stop(&lifecycle->look);
    arena_release(&lifecycle->arena);
    free(lifecycle);
}

int64_t lifecycle_broker_epoch(const struct lifecycle *lifecycle) {
    return lifecycle->broker_epoch;
}

static int64_t now_ms(const struct lifecycle *lifecycle) {
    return shard_now_ms(lifecycle->node->shards[0].shard);
}

static const struct image_broker *own_registration(const struct lifecycle *lifecycle) {
    const struct node *node = lifecycle->node;
    return image_broker(node->shards[0].image, node->id);
}

static void begin_call(struct lifecycle *lifecycle, int16_t api_key, int16_t version_max,
                       const void *(*build)(struct controller_call *call, int16_t version),
                       void (*fn)(struct controller_call *call, enum kafka_error error,
                                  int16_t version, const void *response)) {
    ASSERT(!lifecycle->calling);
    timer_stop(&lifecycle->timer);
    lifecycle->calling = true;
    lifecycle->send_again = false;
    lifecycle->call = (struct controller_call){
        .from = &lifecycle->node->shards[0],
        .api_key = api_key,
        .version_min = 0,
        .version_max = version_max,
        .timeout_ms = config_int(lifecycle->node->config, CONFIG_BROKER_SESSION_TIMEOUT_MS) / 2,
        .build = build,
        .fn = fn,
    };
    controller_call(&lifecycle->call);
}

static void end_call(struct lifecycle *lifecycle) {
    lifecycle->calling = false;
    arena_reset(&lifecycle->arena);
}

/* ---- Registration ---------------------------------------------------------------------------- */

static void describe_listeners(struct lifecycle *lifecycle,
                               struct broker_registration_request *request) {
    const struct config *config = lifecycle->node->config;
    int count = config_listener_count(config);
    request->listeners = (struct broker_registration_request_listener *)arena_array(
        &lifecycle->arena, (size_t)count, sizeof(*request->listeners));
    for (int i = 0; i < count; i++) {
        const struct config_listener *told = config_advertised(config, i);
        if (config_listener_at(config, i)->controller) {
            continue;
        }
        request->listeners[request->listeners_count++] =
            (struct broker_registration_request_listener){
                .name = slice_str(told->name),
                .host = slice_str(told->host),
                .port = (uint16_t)told->port,
                .security_protocol = told->security_protocol,
            };
    }
}

static void describe_features(struct lifecycle *lifecycle,
                              struct broker_registration_request *request) {
    while (supported_features[request->features_count].name != NULL) {
        request->features_count++;
    }
    request->features = (struct broker_registration_request_feature *)arena_array(
        &lifecycle->arena, (size_t)request->features_count, sizeof(*request->features));
    for (int32_t i = 0; i < request->features_count; i++) {
        request->features[i] = (struct broker_registration_request_feature){
            .name = slice_str(supported_features[i].name),
            .min_supported_version = supported_features[i].min_level,
            .max_supported_version = supported_features[i].max_level,
        };
    }
}

static void describe_dirs(struct lifecycle *lifecycle,
                          struct broker_registration_request *request) {
    const struct log_manager *dirs = lifecycle->node->log_manager;
    int count = log_manager_dir_count(dirs);
    request->log_dirs =
        (struct uuid *)arena_array(&lifecycle->arena, (size_t)count, sizeof(struct uuid));
    for (int i = 0; i < count; i++) {
        if (log_manager_dir_online(dirs, i)) {
            request->log_dirs[request->log_dirs_count++] = log_manager_dir_id(dirs, i);
        }
    }
}

static const void *build_registration(struct controller_call *call, int16_t version) {
    struct lifecycle *lifecycle = CONTAINER_OF(call, struct lifecycle, call);
    const struct node *node = lifecycle->node;
    struct broker_registration_request *request =
        (struct broker_registration_request *)arena_alloc(&lifecycle->arena, sizeof(*request));
    (void)version;
    message_init(&broker_registration_request_desc, request);
    request->broker_id = node->id;
    request->cluster_id = slice_str(node->cluster_id);
    request->incarnation_id = node->incarnation_id;
    request->rack = config_string(node->config, CONFIG_BROKER_RACK);
    request->previous_broker_epoch = log_manager_previous_broker_epoch(node->log_manager);
    describe_listeners(lifecycle, request);
    describe_features(lifecycle, request);
    describe_dirs(lifecycle, request);
    return request;
}

static void registration_end(struct lifecycle *lifecycle, int result) {
    void (*registered)(void *ctx, int result) = lifecycle->registered;
    timer_stop(&lifecycle->timer);
    timer_stop(&lifecycle->deadline);
    lifecycle->registered = NULL;
    lifecycle->state = result == 0 ? LIFECYCLE_REGISTERED : LIFECYCLE_STOPPED;
    registered(lifecycle->registered_ctx, result);
}

/* What trying again does not help. */
static const char *refusal(enum kafka_error error) {
    switch (error) {
    case ERROR_INCONSISTENT_CLUSTER_ID:
        return "the controller belongs to another cluster";
    case ERROR_UNSUPPORTED_VERSION:
        return "the cluster uses features that this release does not serve";
    case ERROR_INVALID_REGISTRATION:
        return "the registration is not valid; a log dir of another broker, perhaps";
    default:
        return NULL;
    }
}

/* Behind the reason: those features, as far as the metadata tells them; in the arena. */
static const char *features_not_served(struct lifecycle *lifecycle, enum kafka_error error) {
    const char *text = "";
    LIST_FOREACH(it, &lifecycle->node->shards[0].image->features) {
        const struct image_feature *feature = CONTAINER_OF(it, struct image_feature, link);
        if (error == ERROR_UNSUPPORTED_VERSION && feature->level != 0 &&
            !feature_supported(feature->name, feature->level)) {
            text = arena_printf(&lifecycle->arena, "%s %.*s=%d", text, SLICE_ARG(feature->name),
                                feature->level);
        }
    }
    return text[0] == '\0' ? "" : arena_printf(&lifecycle->arena, ":%s", text);
}

static void registration_refused(struct lifecycle *lifecycle, enum kafka_error error) {
    if (error != lifecycle->last_error) {
        LOG_WARN(lifecycle->node->machine, "lifecycle", "not registered yet", "error=%d", error);
    }
    lifecycle->last_error = error;
    const char *reason = refusal(error);
    if (reason != NULL && lifecycle->state == LIFECYCLE_REGISTERING) {
        errmsg_set(lifecycle->errmsg, "this broker was not registered: %s%s (error %d)", reason,
                   features_not_served(lifecycle, error), error);
        arena_reset(&lifecycle->arena);
        registration_end(lifecycle, -EINVAL);
        return;
    }
    timer_start(&lifecycle->timer, REGISTER_RETRY_MS);
}

static void on_registered(struct controller_call *call, enum kafka_error error, int16_t version,
                          const void *answer) {
    struct lifecycle *lifecycle = CONTAINER_OF(call, struct lifecycle, call);
    const struct broker_registration_response *response = answer;
    (void)version;
    end_call(lifecycle);
    if (lifecycle->state == LIFECYCLE_STOPPED) {
        return;
    }
    if (lifecycle->state == LIFECYCLE_LEAVING) {
        send_heartbeat(lifecycle);
        return;
    }
    error = error == ERROR_NONE ? (enum kafka_error)response->error_code : error;
    if (error != ERROR_NONE) {
        registration_refused(lifecycle, error);
        return;
    }
    lifecycle->last_error = ERROR_NONE;
    lifecycle->broker_epoch = response->broker_epoch;
    LOG_INFO(lifecycle->node->machine, "lifecycle", "registered", "broker_epoch=%" PRId64,
             lifecycle->broker_epoch);
    if (lifecycle->registering_anew) {
        lifecycle->registering_anew = false;
        send_heartbeat(lifecycle);
    } else {
        lifecycle_brokers_changed(lifecycle);
    }
}

static void send_registration(struct lifecycle *lifecycle) {
    begin_call(lifecycle, API_BROKER_REGISTRATION, 4, build_registration, on_registered);
}

void lifecycle_register(struct lifecycle *lifecycle, struct errmsg *errmsg,
                        void (*done)(void *ctx, int result), void *ctx) {
    ASSERT(lifecycle->state == LIFECYCLE_NEW);
    lifecycle->state = LIFECYCLE_REGISTERING;
    lifecycle->errmsg = errmsg;
    lifecycle->registered = done;
    lifecycle->registered_ctx = ctx;
    timer_start(&lifecycle->deadline,
                config_int(lifecycle->node->config, CONFIG_INITIAL_BROKER_REGISTRATION_TIMEOUT_MS));
    send_registration(lifecycle);
}

/* The way out without the controller's leave. */
static void give_up_leave(struct lifecycle *lifecycle, const char *reason) {
    LOG_WARN(lifecycle->node->machine, "lifecycle", "controlled shutdown given up",
             "reason=\"%s\" waited_ms=%" PRId64, reason,
             now_ms(lifecycle) - lifecycle->leaving_since_ms);
    lifecycle_stop(lifecycle);
    lifecycle->gone(lifecycle->gone_ctx);
}

static void look_fired(struct timer *timer) {
    struct lifecycle *lifecycle = CONTAINER_OF(timer, struct lifecycle, look);
    struct quorum *quorum = controller_quorum(lifecycle->node);
    bool before = lifecycle->stranded;
    lifecycle->stranded = quorum != NULL && quorum_is_stranded(quorum);
    if (before && lifecycle->stranded) {
        give_up_leave(lifecycle, "the other controllers are gone");
    } else {
        timer_start(&lifecycle->look, SHUT_DOWN_LOOK_MS);
    }
}

static void deadline_fired(struct timer *timer) {
    struct lifecycle *lifecycle = CONTAINER_OF(timer, struct lifecycle, deadline);
    if (lifecycle->state == LIFECYCLE_REGISTERING) {
        errmsg_set(lifecycle->errmsg,
                   "this broker was not registered within initial.broker.registration.timeout.ms "
                   "(last error %d)",
                   lifecycle->last_error);
        registration_end(lifecycle, -ETIMEDOUT);
    } else if (lifecycle->state == LIFECYCLE_LEAVING) {
        give_up_leave(lifecycle, "no answer");
    }
}

void lifecycle_brokers_changed(struct lifecycle *lifecycle) {
    const struct image_broker *self = own_registration(lifecycle);
    if (self == NULL || self->epoch != lifecycle->broker_epoch) {
        return;
    }
    if (lifecycle->state == LIFECYCLE_REGISTERING && lifecycle->registered != NULL) {
        registration_end(lifecycle, 0);
    } else if (lifecycle->state == LIFECYCLE_RUNNING && self->fenced) {
        lifecycle_controller_changed(lifecycle); /* says that it is alive, at once */
    } else if (lifecycle->state == LIFECYCLE_RUNNING && lifecycle->unfenced != NULL) {
        void (*unfenced)(void *ctx) = lifecycle->unfenced;
        lifecycle->unfenced = NULL;
        /* Kafka's words: what starts a broker in a container waits for them. */
        LOG_INFO(lifecycle->node->machine, "lifecycle",
                 "The broker has been unfenced. Transitioning from RECOVERY to RUNNING.",
                 "broker_epoch=%" PRId64, lifecycle->broker_epoch);
        unfenced(lifecycle->unfenced_ctx);
    }
}

/* ---- Heartbeats ------------------------------------------------------------------------------ */

static const void *build_heartbeat(struct controller_call *call, int16_t version) {
    struct lifecycle *lifecycle = CONTAINER_OF(call, struct lifecycle, call);
    const struct node *node = lifecycle->node;
    const struct log_manager *dirs = node->log_manager;
    struct broker_heartbeat_request *request =
        (struct broker_heartbeat_request *)arena_alloc(&lifecycle->arena, sizeof(*request));
    (void)version;
    message_init(&broker_heartbeat_request_desc, request);
    request->broker_id = node->id;
    request->broker_epoch = lifecycle->broker_epoch;
    request->current_metadata_offset = controller_applied_offset(node->controller);
    request->want_shut_down = lifecycle->state == LIFECYCLE_LEAVING;
    int count = log_manager_dir_count(dirs);
    request->offline_log_dirs =
        (struct uuid *)arena_array(&lifecycle->arena, (size_t)count, sizeof(struct uuid));
    for (int i = 0; i < count; i++) {
        if (!log_manager_dir_online(dirs, i) && !uuid_is_zero(log_manager_dir_id(dirs, i))) {
            request->offline_log_dirs[request->offline_log_dirs_count++] =
                log_manager_dir_id(dirs, i);
        }
    }
    return request;
}

static void leave(struct lifecycle *lifecycle) {
    lifecycle_stop(lifecycle);
    LOG_INFO(lifecycle->node->machine, "lifecycle", "the controller lets this broker go",
             "took_ms=%" PRId64, now_ms(lifecycle) - lifecycle->leaving_since_ms);
    lifecycle->gone(lifecycle->gone_ctx);
}

static void take_answer(struct lifecycle *lifecycle,
                        const struct broker_heartbeat_response *response) {
    lifecycle->answered_ms = now_ms(lifecycle);
    if (lifecycle->state == LIFECYCLE_LEAVING) {
        if (response->should_shut_down) {
            leave(lifecycle);
            return;
        }
        int64_t left = SHUT_DOWN_MS - (lifecycle->answered_ms - lifecycle->leaving_since_ms);
        timer_start(&lifecycle->deadline, left < 0                     ? 0
                                          : left < SHUT_DOWN_ANSWER_MS ? left
                                                                       : SHUT_DOWN_ANSWER_MS);
        timer_start(&lifecycle->timer, ASK_AGAIN_MS);
        return;
    }
    bool waits = response->is_fenced || lifecycle->unfenced != NULL;
    timer_start(&lifecycle->timer,
                waits ? ASK_AGAIN_MS
                      : config_int(lifecycle->node->config, CONFIG_BROKER_HEARTBEAT_INTERVAL_MS));
}

static void on_heartbeat(struct controller_call *call, enum kafka_error error, int16_t version,
                         const void *answer) {
    struct lifecycle *lifecycle = CONTAINER_OF(call, struct lifecycle, call);
    const struct broker_heartbeat_response *response = answer;
    (void)version;
    end_call(lifecycle);
    if (lifecycle->state == LIFECYCLE_STOPPED) {
        return;
    }
    error = error == ERROR_NONE ? (enum kafka_error)response->error_code : error;
    if (error != ERROR_NONE && error != lifecycle->last_error) {
        LOG_WARN(lifecycle->node->machine, "lifecycle", "heartbeat failed", "error=%d", error);
    }
    lifecycle->last_error = error;
    if (error == ERROR_NONE) {
        take_answer(lifecycle, response);
    } else if (error == ERROR_STALE_BROKER_EPOCH || error == ERROR_BROKER_ID_NOT_REGISTERED) {
        if (lifecycle->state == LIFECYCLE_LEAVING) {
            leave(lifecycle);
            return;
        }
        lifecycle->registering_anew = true;
        timer_start(&lifecycle->timer, ASK_AGAIN_MS);
    } else {
        timer_start(&lifecycle->timer, ASK_AGAIN_MS);
    }
    if (lifecycle->send_again && lifecycle->state != LIFECYCLE_STOPPED) {
        timer_start(&lifecycle->timer, 0);
    }
}

static void send_heartbeat(struct lifecycle *lifecycle) {
    begin_call(lifecycle, API_BROKER_HEARTBEAT, 1, build_heartbeat, on_heartbeat);
}

/* As soon as may be. */
static void beat_now(struct lifecycle *lifecycle) {
    if (lifecycle->calling) {
        lifecycle->send_again = true;
    } else if (!lifecycle->registering_anew) {
        send_heartbeat(lifecycle);
    }
}

void lifecycle_unfence(struct lifecycle *lifecycle, void (*done)(void *ctx), void *ctx) {
    ASSERT(lifecycle->state == LIFECYCLE_REGISTERED);
    lifecycle->state = LIFECYCLE_RUNNING;
    lifecycle->unfenced = done;
    lifecycle->unfenced_ctx = ctx;
    beat_now(lifecycle);
}

void lifecycle_controller_changed(struct lifecycle *lifecycle) {
    if (lifecycle->state == LIFECYCLE_RUNNING || lifecycle->state == LIFECYCLE_LEAVING) {
        beat_now(lifecycle);
    }
}

void lifecycle_dir_failed(struct lifecycle *lifecycle) {
    if (lifecycle != NULL) {
        lifecycle_controller_changed(lifecycle);
    }
}

/* ---- The way out ----------------------------------------------------------------------------- */

void lifecycle_shut_down(struct lifecycle *lifecycle, void (*done)(void *ctx), void *ctx) {
    const struct config *config = lifecycle->node->config;
    bool controlled = lifecycle->state == LIFECYCLE_RUNNING && !config_is_alone(config) &&
                      config_bool(config, CONFIG_CONTROLLED_SHUTDOWN_ENABLE);
    lifecycle->registered = NULL;
    lifecycle->unfenced = NULL;
    timer_stop(&lifecycle->timer);
    if (!controlled) {
        lifecycle->state = LIFECYCLE_STOPPED;
        timer_stop(&lifecycle->deadline);
        done(ctx);
        return;
    }
    lifecycle->state = LIFECYCLE_LEAVING;
    lifecycle->registering_anew = false;
    lifecycle->gone = done;
    lifecycle->gone_ctx = ctx;
    lifecycle->leaving_since_ms = now_ms(lifecycle);
    timer_start(&lifecycle->deadline, SHUT_DOWN_ANSWER_MS);
    timer_start(&lifecycle->look, SHUT_DOWN_LOOK_MS);
    beat_now(lifecycle);
}

void lifecycle_stop(struct lifecycle *lifecycle) {
    lifecycle->state = LIFECYCLE_STOPPED;
    timer_stop(&lifecycle->timer);
    timer_stop(&lifecycle->deadline);
    timer_stop(&lifecycle->look);
}
