/* OffsetDelete (47): removes committed offsets of topics that nobody in the group reads. */
#include "broker/api/api.h"
#include "broker/api/topics_merge.h"
#include "broker/group/group_request.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "protocol/generated/offset_delete_request.h"
#include "protocol/generated/offset_delete_response.h"

static const struct topics_layout delete_layout =
    TOPICS_LAYOUT(struct offset_delete_request_topic, name, TOPICS_NO_ID, partitions,
                  struct offset_delete_request_partition, partition_index);

/* Whether the answer has errors of its own, beside the coordinator's. */
static bool any_unknown(struct request *request, const struct offset_delete_request *body) {
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct image_topic *topic =
            image_topic_by_name(request->at->image, body->topics[i].name);
        for (int32_t j = 0; j < body->topics[i].partitions_count; j++) {
            if (topic == NULL ||
                image_partition(topic, body->topics[i].partitions[j].partition_index) == NULL) {
                return true;
            }
        }
    }
    return false;
}

/* A topic that is named twice is one topic of the answer when some of it is not known, as in Kafka,
 * which then puts its answer together out of two. */
static const struct offset_delete_request *merge_body(struct request *request) {
    struct offset_delete_request *body = ARENA_NEW(&request->arena, struct offset_delete_request);
    *body = *(const struct offset_delete_request *)request->body;
    void *topics = body->topics;
    body->topics_count =
        topics_merge(&request->arena, &delete_layout,
                     any_unknown(request, body) ? REPEATS_KEEP_PARTITIONS : REPEATS_KEEP, &topics,
                     body->topics_count);
    body->topics = topics;
    request->body = body;
    return body;
}

/* Which topics exist is decided on the connection's shard; so the state is the response. */
static void prepare(struct request *request, struct offset_delete_response *response) {
    const struct offset_delete_request *body = request->body;
    message_init(&offset_delete_response_desc, response);
    response->topics_count = body->topics_count;
    response->topics =
        arena_array(&request->arena, (size_t)body->topics_count + 1, sizeof(*response->topics));
    for (int32_t t = 0; t < body->topics_count; t++) {
        const struct offset_delete_request_topic *topic = &body->topics[t];
        struct offset_delete_response_topic *out = &response->topics[t];
        const struct image_topic *known = image_topic_by_name(request->at->image, topic->name);
        out->name = topic->name;
        out->partitions_count = topic->partitions_count;
        out->partitions = arena_array(&request->arena, (size_t)topic->partitions_count + 1,
                                      sizeof(*out->partitions));
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            out->partitions[p] = (struct offset_delete_response_partition){
                .partition_index = topic->partitions[p].partition_index,
                .error_code =
                    known != NULL && image_partition(known, topic->partitions[p].partition_index)
                        ? ERROR_NONE
                        : ERROR_UNKNOWN_TOPIC_OR_PARTITION,
            };
        }
    }
}

static enum kafka_error check_group(const struct group *group) {
    if (group == NULL || group->state == GROUP_DEAD) {
        return ERROR_GROUP_ID_NOT_FOUND;
    }
    if (group->state != GROUP_EMPTY && !group_is_consumer(group)) {
        return ERROR_NON_EMPTY_GROUP; /* what its members read is not known */
    }
    return ERROR_NONE;
}

static void deleted(void *ctx, enum kafka_error error) {
    struct request *request = ctx;
    struct offset_delete_response *response = request->context;
    if (error != ERROR_NONE) {
        response->error_code = (int16_t)error;
        response->topics_count = 0;
    }
    request_respond(request, response);
}

static void at_coordinator(struct request *request) {
    const struct offset_delete_request *body = request->body;
    struct offset_delete_response *response = request->context;
    enum kafka_error error;
    struct coordinator *coordinator = group_request_coordinator(request, body->group_id, &error);
    const struct group *group = NULL;
    if (coordinator != NULL) {
        group = group_table_find(&coordinator->table, body->group_id);
        error = check_group(group);
    }
    if (error != ERROR_NONE) {
        request_respond_error(request, error);
        return;
    }
    struct tombstones *tombstones = tombstones_new(coordinator, deleted, request);
    for (int32_t t = 0; t < response->topics_count; t++) {
        struct offset_delete_response_topic *topic = &response->topics[t];
        bool subscribed = group_subscribes(group, topic->name);
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            if (topic->partitions[p].error_code != ERROR_NONE) {
                continue;
            }
            if (subscribed) {
                topic->partitions[p].error_code = ERROR_GROUP_SUBSCRIBED_TO_TOPIC;
            } else if (offset_store_find(&group->offsets, topic->name,
                                         topic->partitions[p].partition_index) != NULL) {
                tombstones_add_offset(tombstones, group->id, topic->name,
                                      topic->partitions[p].partition_index);
            }
        }
    }
    tombstones_send(tombstones);
}

void api_offset_delete(struct request *request) {
    const struct offset_delete_request *body = merge_body(request);
    if (body->group_id.len == 0) {
        request_respond_error(request, ERROR_INVALID_GROUP_ID);
        return;
    }
    request->context = ARENA_NEW(&request->arena, struct offset_delete_response);
    prepare(request, request->context);
    group_request_route(request, body->group_id, at_coordinator);
}
