/*
 * OffsetCommit (8). All partitions of a request become one batch; the answer waits until it is
 * committed, and only then others can see the offsets.
 */
#include "broker/api/api.h"
#include "broker/api/topics_merge.h"
#include "broker/config/config.h"
#include "broker/group/bytes.h"
#include "broker/group/group_manager.h"
#include "broker/group/group_request.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "protocol/generated/offset_commit_request.h"
#include "protocol/generated/offset_commit_response.h"

static const struct topics_layout commit_layout =
    TOPICS_LAYOUT(struct offset_commit_request_topic, name,
                  offsetof(struct offset_commit_request_topic, topic_id), partitions,
                  struct offset_commit_request_partition, partition_index);

/* request->context: the answer as far as it is known, and what names and ids stand for. */
struct commit_state {
    struct offset_commit_response response;
    struct slice *names; /* by topic */
    struct uuid *ids;
    bool any; /* something is left to be committed */
};

/* What waits for the append; on the heap, since it may outlive the request at a close. */
struct commit {
    struct coordinator_append append; /* first */
    struct request *request;
};

/* ---- On the connection's shard --------------------------------------------------------------- */

static const struct image_topic *resolve(struct request *request,
                                         const struct offset_commit_request_topic *topic) {
    return request->version >= 10 ? image_topic_by_id(request->at->image, topic->topic_id)
                                  : image_topic_by_name(request->at->image, topic->name);
}

static void prepare_topic(struct request *request, struct commit_state *state, int32_t index) {
    const struct offset_commit_request *body = request->body;
    const struct offset_commit_request_topic *topic = &body->topics[index];
    struct offset_commit_response_topic *out = &state->response.topics[index];
    const struct image_topic *found = resolve(request, topic);
    out->name = topic->name;
    out->topic_id = topic->topic_id;
    out->partitions_count = topic->partitions_count;
    out->partitions =
        arena_array(&request->arena, (size_t)topic->partitions_count + 1, sizeof(*out->partitions));
    if (found != NULL) {
        /* The image may change while the request is on its way. */
        state->names[index] =
            request->version >= 10 ? arena_dup(&request->arena, found->name) : topic->name;
        state->ids[index] = found->id;
    }
    enum kafka_error missing =
        request->version >= 10 ? ERROR_UNKNOWN_TOPIC_ID : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        int32_t partition = topic->partitions[i].partition_index;
        out->partitions[i].partition_index = partition;
        if (found == NULL) {
            out->partitions[i].error_code = (int16_t)missing;
        } else if (image_partition(found, partition) == NULL) {
            out->partitions[i].error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        } else {
            state->any = true;
        }
    }
}

static void at_coordinator(struct request *request);

/* Whether the answer has errors of its own, beside the coordinator's. */
static bool any_unknown(struct request *request, const struct offset_commit_request *body) {
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct image_topic *topic = resolve(request, &body->topics[i]);
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
static const struct offset_commit_request *merge_body(struct request *request) {
    struct offset_commit_request *body = ARENA_NEW(&request->arena, struct offset_commit_request);
    *body = *(const struct offset_commit_request *)request->body;
    void *topics = body->topics;
    body->topics_count =
        topics_merge(&request->arena, &commit_layout,
                     any_unknown(request, body) ? REPEATS_KEEP_PARTITIONS : REPEATS_KEEP, &topics,
                     body->topics_count);
    body->topics = topics;
    request->body = body;
    return body;
}

void api_offset_commit(struct request *request) {
    const struct offset_commit_request *body = merge_body(request);
    struct commit_state *state = ARENA_NEW(&request->arena, struct commit_state);
    size_t count = (size_t)body->topics_count + 1;
    message_init(&offset_commit_response_desc, &state->response);
    state->response.topics_count = body->topics_count;
    state->response.topics = arena_array(&request->arena, count, sizeof(*state->response.topics));
    state->names = arena_array(&request->arena, count, sizeof(*state->names));
    state->ids = arena_array(&request->arena, count, sizeof(*state->ids));
    for (int32_t i = 0; i < body->topics_count; i++) {
        prepare_topic(request, state, i);
    }
    request->context = state;
    if (!state->any) {
        request_respond(request, &state->response);
        return;
    }
    group_request_route(request, body->group_id, at_coordinator);
}

/* ---- On the coordinator's shard -------------------------------------------------------------- */

/* The error of the whole commit, for every partition that has none of its own. */
static void respond(struct request *request, enum kafka_error error) {
    struct commit_state *state = request->context;
    for (int32_t t = 0; t < state->response.topics_count; t++) {
        struct offset_commit_response_topic *topic = &state->response.topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            if (topic->partitions[p].error_code == ERROR_NONE) {
                topic->partitions[p].error_code = (int16_t)error;
            }
        }
    }
    request_respond(request, &state->response);
}

/* The group, if the commit is allowed; else NULL and *error. */
static struct group *check_group(struct request *request, struct coordinator *coordinator,
                                 enum kafka_error *error) {
    const struct offset_commit_request *body = request->body;
    struct group *group = group_table_find(&coordinator->table, body->group_id);
    if (group == NULL && body->generation_id_or_member_epoch >= 0) {
        *error = request->version >= 9 ? ERROR_GROUP_ID_NOT_FOUND : ERROR_ILLEGAL_GENERATION;
        return NULL;
    }
    if (group == NULL) {
        group = group_table_create(&coordinator->table, body->group_id);
        group_manager_changed(coordinator->manager);
    }
    *error = group_check_commit(group, body->member_id, body->group_instance_id,
                                body->generation_id_or_member_epoch);
    return *error == ERROR_NONE ? group : NULL;
}

static struct group_offset make_offset(const struct offset_commit_request *body,
                                       const struct offset_commit_request_partition *partition,
                                       struct uuid topic_id, int64_t now_ms) {
    int64_t retention_ms = body->retention_time_ms;
    int64_t expires = -1;
    if (retention_ms >= 0) {
        expires = retention_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + retention_ms;
    }
    return (struct group_offset){
        .partition = partition->partition_index,
        .leader_epoch = partition->committed_leader_epoch,
        .offset = partition->committed_offset,
        .commit_timestamp = partition->commit_timestamp >= 0 ? partition->commit_timestamp : now_ms,
        .expire_timestamp = expires,
        .metadata = bytes_or_empty(partition->committed_metadata),
        .topic_id = topic_id,
    };
}

/* How many records were written. */
static int32_t write_offsets(struct request *request, struct coordinator *coordinator,
                             struct record_writer *writer) {
    const struct offset_commit_request *body = request->body;
    struct commit_state *state = request->context;
    size_t metadata_max =
        (size_t)broker_config_int(request->at->config, CONFIG_OFFSET_METADATA_MAX_BYTES);
    int64_t now_ms = clock_wall_ms(coordinator->env.machine);
    int32_t written = 0;
    for (int32_t t = 0; t < body->topics_count; t++) {
        for (int32_t p = 0; p < body->topics[t].partitions_count; p++) {
            const struct offset_commit_request_partition *partition =
                &body->topics[t].partitions[p];
            int16_t *error = &state->response.topics[t].partitions[p].error_code;
            if (*error != ERROR_NONE) {
                continue;
            }
            if (partition->committed_metadata.len > metadata_max) {
                *error = ERROR_OFFSET_METADATA_TOO_LARGE;
                continue;
            }
            struct group_offset offset = make_offset(body, partition, state->ids[t], now_ms);
            record_write_offset(writer, body->group_id, state->names[t], &offset);
            written++;
        }
    }
    return written;
}

static void committed(struct coordinator_append *append) {
    struct commit *commit = CONTAINER_OF(append, struct commit, append);
    respond(commit->request, append->error);
}

static void at_coordinator(struct request *request) {
    const struct offset_commit_request *body = request->body;
    enum kafka_error error;
    struct coordinator *coordinator = group_request_coordinator(request, body->group_id, &error);
    struct group *group = coordinator == NULL ? NULL : check_group(request, coordinator, &error);
    if (group == NULL) {
        respond(request, error);
        return;
    }
    struct record_writer writer;
    coordinator_writer(coordinator, &writer);
    if (write_offsets(request, coordinator, &writer) == 0) {
        record_writer_release(&writer);
        respond(request, ERROR_NONE);
        return;
    }
    struct commit *commit = NEW(struct commit);
    commit->request = request;
    coordinator_append(coordinator, &commit->append, &writer, group, committed);
}
