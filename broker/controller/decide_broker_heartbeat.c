/*
 * BrokerHeartbeat, and fencing: what a broker is, and what it may become.
 *
 *   fenced              -> unfenced when it has applied the metadata up to its own registration
 *   unfenced            -> fenced when it wishes, or is not heard of
 *                       -> in controlled shutdown when it wishes to stop and leads something
 *   controlled shutdown -> may stop when it leads nothing and all others know
 */
#include "broker/controller/broker_sessions.h"
#include "broker/controller/partition_change.h"
#include "protocol/generated/broker_heartbeat_request.h"
#include "protocol/generated/broker_heartbeat_response.h"
#include "protocol/generated/broker_registration_change_record.h"
#include "protocol/message.h"

enum broker_state { FENCED, UNFENCED, STOPPING, MAY_STOP };

enum kafka_error check_broker_epoch(const struct image *image, int32_t id, int64_t epoch) {
    const struct image_broker *broker = image_broker(image, id);
    return broker != NULL && broker->epoch == epoch ? ERROR_NONE : ERROR_STALE_BROKER_EPOCH;
}

static void add_change(struct decision *d, const struct broker_registration_change_record *record) {
    record_list_add(&d->records, RECORD_BROKER_REGISTRATION_CHANGE,
                    broker_registration_change_record_version(d->metadata_version),
                    &broker_registration_change_record_desc, record);
}

static void change_of(const struct image_broker *broker,
                      struct broker_registration_change_record *record) {
    message_init(&broker_registration_change_record_desc, record);
    record->broker_id = broker->id;
    record->broker_epoch = broker->epoch;
}

static void fence(struct decision *d, const struct image_broker *broker) {
    if (broker->fenced) {
        return;
    }
    struct broker_registration_change_record record;
    change_of(broker, &record);
    record.fenced = 1;
    partitions_without_broker(d, broker->id);
    add_change(d, &record);
}

static void unfence(struct decision *d, const struct image_broker *broker) {
    struct broker_registration_change_record record;
    change_of(broker, &record);
    record.fenced = -1;
    add_change(d, &record);
    partitions_led_by_newcomer(d, broker->id);
}

static void begin_stop(struct decision *d, const struct image_broker *broker) {
    if (!broker->in_controlled_shutdown) {
        struct broker_registration_change_record record;
        change_of(broker, &record);
        record.in_controlled_shutdown = 1;
        add_change(d, &record);
    }
    partitions_without_broker(d, broker->id);
}

void decide_fence_broker(struct decision *d, int32_t id) {
    const struct image_broker *broker = image_broker(d->image, id);
    if (broker != NULL) {
        fence(d, broker);
    }
}

/* ---- Log dirs -------------------------------------------------------------------------------- */

static bool contains(const struct uuid *dirs, int32_t count, struct uuid directory) {
    for (int32_t i = 0; i < count; i++) {
        if (uuid_equal(dirs[i], directory)) {
            return true;
        }
    }
    return false;
}

static void lose_directories(struct decision *d, const struct image_broker *broker,
                             const struct broker_heartbeat_request *request) {
    size_t count = (size_t)broker->log_dir_count;
    struct uuid *online =
        (struct uuid *)arena_array(d->records.arena, count + 1, sizeof(struct uuid));
    struct uuid *lost =
        (struct uuid *)arena_array(d->records.arena, count + 1, sizeof(struct uuid));
    int32_t online_count = 0;
    int32_t lost_count = 0;
    for (int32_t i = 0; i < broker->log_dir_count; i++) {
        if (contains(request->offline_log_dirs, request->offline_log_dirs_count,
                     broker->log_dirs[i])) {
            lost[lost_count++] = broker->log_dirs[i];
        } else {
            online[online_count++] = broker->log_dirs[i];
        }
    }
    /* A broker that has lost all of them stops by itself; a record cannot say "none". */
    if (lost_count == 0 || online_count == 0 ||
        broker_registration_change_record_version(d->metadata_version) < 2) {
        return;
    }
    struct broker_registration_change_record record;
    change_of(broker, &record);
    record.log_dirs = online;
    record.log_dirs_count = online_count;
    add_change(d, &record);
    partitions_off_directories(d, broker->id, lost, lost_count);
}

static bool same_directories(const struct image_broker *broker,
                             const struct broker_heartbeat_request *request) {
    if (broker->cordoned_log_dir_count != request->cordoned_log_dirs_count) {
        return false;
    }
    for (int32_t i = 0; i < request->cordoned_log_dirs_count; i++) {
        if (!contains(broker->cordoned_log_dirs, broker->cordoned_log_dir_count,
                      request->cordoned_log_dirs[i])) {
            return false;
        }
    }
    return true;
}

static void cordon_directories(struct decision *d, const struct image_broker *broker,
                               const struct broker_heartbeat_request *request) {
    if (request->cordoned_log_dirs_count < 0 || same_directories(broker, request) ||
        broker_registration_change_record_version(d->metadata_version) < 3) {
        return;
    }
    struct broker_registration_change_record record;
    change_of(broker, &record);
    record.cordoned_log_dirs = request->cordoned_log_dirs;
    record.cordoned_log_dirs_count = request->cordoned_log_dirs_count;
    add_change(d, &record);
}

/* ---- Heartbeat ------------------------------------------------------------------------------- */

static enum broker_state state_of(const struct image_broker *broker) {
    return broker->fenced ? FENCED : broker->in_controlled_shutdown ? STOPPING : UNFENCED;
}

static enum broker_state next_state(const struct decision *d, const struct image_broker *broker,
                                    const struct broker_heartbeat_request *request,
                                    bool caught_up) {
    switch (state_of(broker)) {
    case FENCED:
        if (request->want_shut_down) {
            return MAY_STOP;
        }
        /* Who has begun to stop comes back only with a new registration. */
        return request->want_fence || !caught_up || broker->in_controlled_shutdown ? FENCED
                                                                                   : UNFENCED;
    case UNFENCED:
        if (request->want_fence) {
            return request->want_shut_down ? MAY_STOP : FENCED;
        }
        if (request->want_shut_down) {
            return broker_leads_something(d->image, broker->id) ? STOPPING : MAY_STOP;
        }
        return UNFENCED;
    default:
        return broker_leads_something(d->image, broker->id) ||
                       (d->sessions != NULL &&
                        !broker_sessions_stop_seen(d->sessions, d->image, broker->id))
                   ? STOPPING
                   : MAY_STOP;
    }
}

void decide_broker_heartbeat(struct decision *d, const struct broker_heartbeat_request *request,
                             struct broker_heartbeat_response *response) {
    message_init(&broker_heartbeat_response_desc, response);
    enum kafka_error error =
        check_broker_epoch(d->image, request->broker_id, request->broker_epoch);
    if (error != ERROR_NONE) {
        response->error_code = (int16_t)error;
        return;
    }
    const struct image_broker *broker = image_broker(d->image, request->broker_id);
    bool caught_up = request->current_metadata_offset >= broker->epoch;
    enum broker_state next = next_state(d, broker, request, caught_up);
    if (next == UNFENCED && broker->fenced) {
        unfence(d, broker);
    } else if (next == STOPPING && !broker->in_controlled_shutdown) {
        begin_stop(d, broker);
    } else if (next == FENCED || next == MAY_STOP) {
        fence(d, broker);
    }
    if (next == UNFENCED || next == STOPPING) {
        /* A fenced broker has left every ISR already, or is leaving by the records above. */
        if (d->records.count == 0) {
            lose_directories(d, broker, request);
        }
        cordon_directories(d, broker, request);
    }
    response->is_caught_up = caught_up;
    response->is_fenced = next == FENCED || next == MAY_STOP;
    response->should_shut_down = next == MAY_STOP;
}
