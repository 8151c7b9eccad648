#include "broker/metrics/meters.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/metadata/image.h"
#include "protocol/message.h"

struct meters *meters_new(void) {
    struct meters *meters = NEW(struct meters);
    hmap_init(&meters->topics);
    return meters;
}

static void topic_meter_free(struct meters *meters, struct topic_meter *topic) {
    if (meters->last == topic) {
        meters->last = NULL;
    }
    hmap_remove(&meters->topics, &topic->node);
    free((void *)(uintptr_t)topic->name.data);
    free(topic);
}

void meters_free(struct meters *meters) {
    if (meters == NULL) {
        return;
    }
    HMAP_FOREACH(node, &meters->topics) {
        topic_meter_free(meters, CONTAINER_OF(node, struct topic_meter, node));
    }
    hmap_release(&meters->topics);
    for (int i = 0; i < METER_KINDS; i++) {
        free(meters->requests[i]);
    }
    free(meters);
}

/* ---- Topics ---------------------------------------------------------------------------------- */

static struct topic_meter *topic_find(struct meters *meters, struct uuid id) {
    HMAP_FOREACH_HASH(node, &meters->topics, uuid_hash(id)) {
        struct topic_meter *topic = CONTAINER_OF(node, struct topic_meter, node);
        if (uuid_equal(topic->id, id)) {
            return topic;
        }
    }
    return NULL;
}

/* NULL for a topic that the image does not have. The same topic is often asked for again. */
static struct topic_meter *topic_meter(struct meters *meters, const struct image *image,
                                       struct uuid id) {
    if (meters->last != NULL && uuid_equal(meters->last->id, id)) {
        return meters->last;
    }
    struct topic_meter *topic = topic_find(meters, id);
    if (topic == NULL) {
        const struct image_topic *known = image_topic_by_id(image, id);
        if (known == NULL) {
            return NULL;
        }
        topic = NEW(struct topic_meter);
        topic->id = id;
        topic->name = slice_make(slice_to_cstr(known->name), known->name.len);
        hmap_insert(&meters->topics, &topic->node, uuid_hash(id));
    }
    meters->last = topic;
    return topic;
}

void meters_apply(struct meters *meters, const struct image_delta *delta) {
    for (int i = 0; i < delta->count; i++) {
        if (delta->changes[i].kind == IMAGE_TOPIC_DELETED) {
            struct topic_meter *topic = topic_find(meters, delta->changes[i].topic_id);
            if (topic != NULL) {
                topic_meter_free(meters, topic);
            }
        }
    }
}

void meters_appended(struct meters *meters, const struct image *image, struct uuid topic_id,
                     size_t bytes, int32_t records) {
    struct topic_meter *topic = topic_meter(meters, image, topic_id);
    meters->all.bytes_in += bytes;
    meters->all.messages_in += (uint64_t)records;
    if (topic != NULL) {
        topic->counts.bytes_in += bytes;
        topic->counts.messages_in += (uint64_t)records;
    }
}

void meters_sent(struct meters *meters, const struct image *image, struct uuid topic_id,
                 size_t bytes) {
    struct topic_meter *topic = topic_meter(meters, image, topic_id);
    meters->all.bytes_out += bytes;
    if (topic != NULL) {
        topic->counts.bytes_out += bytes;
    }
}

void meters_produce_request(struct meters *meters, const struct image *image, struct uuid topic_id,
                            bool failed) {
    struct topic_meter *topic = topic_meter(meters, image, topic_id);
    meters->all.produce_requests++;
    meters->all.failed_produce_requests += failed;
    if (topic != NULL) {
        topic->counts.produce_requests++;
        topic->counts.failed_produce_requests += failed;
    }
}

void meters_fetch_request(struct meters *meters, const struct image *image, struct uuid topic_id,
                          bool failed) {
    struct topic_meter *topic = topic_meter(meters, image, topic_id);
    meters->all.fetch_requests++;
    meters->all.failed_fetch_requests += failed;
    if (topic != NULL) {
        topic->counts.fetch_requests++;
        topic->counts.failed_fetch_requests += failed;
    }
}

/* ---- Requests -------------------------------------------------------------------------------- */

void meters_request(struct meters *meters, int kind, int16_t version, int64_t took_ns) {
    if (kind < 0 || kind >= METER_KINDS) {
        return;
    }
    if (meters->requests[kind] == NULL) {
        meters->requests[kind] = NEW(struct request_meter);
    }
    struct request_meter *meter = meters->requests[kind];
    int at = version < 0 ? 0 : version >= METER_VERSIONS ? METER_VERSIONS - 1 : version;
    meter->by_version[at]++;
    durations_record(&meter->total, took_ns);
}

const char *meter_kind_name(int kind) {
    if (kind == METER_FETCH_CONSUMER) {
        return "FetchConsumer";
    }
    if (kind == METER_FETCH_FOLLOWER) {
        return "FetchFollower";
    }
    const struct api *api = api_by_key((int16_t)kind);
    return api != NULL ? api->name : NULL;
}
