/*
 * OffsetFetch (9). Versions 1 to 7 ask about one group, 8 and later about several; inside, all are
 * the same. With RequireStable the answer includes every commit that was under way when the
 * request came, so that a partition's next owner starts where the last one got to.
 */
#include "broker/api/api.h"
#include "broker/group/group_request.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "protocol/generated/offset_fetch_request.h"
#include "protocol/generated/offset_fetch_response.h"

struct fetch_state {
    struct group_tour tour; /* first */
    const struct offset_fetch_request_group *groups;
    struct offset_fetch_response_group *out;
};

struct stable_wait {
    struct coordinator_wait wait;
    struct request *request;
    int32_t index;
};

static struct fetch_state *state_of(struct request *request) {
    return CONTAINER_OF((struct group_tour *)request->context, struct fetch_state, tour);
}

static bool require_stable(const struct request *request) {
    return ((const struct offset_fetch_request *)request->body)->require_stable;
}

/* ---- One partition, one topic ---------------------------------------------------------------- */

static struct offset_fetch_response_partitions nothing(int32_t partition, enum kafka_error error) {
    return (struct offset_fetch_response_partitions){
        .partition_index = partition,
        .committed_offset = -1,
        .committed_leader_epoch = -1,
        .metadata = SLICE_LIT(""),
        .error_code = (int16_t)error,
    };
}

static struct offset_fetch_response_partitions answer(struct request *request,
                                                      const struct coordinator *coordinator,
                                                      const struct group *group, struct slice topic,
                                                      int32_t partition) {
    if (group == NULL || group->state == GROUP_DEAD) {
        return nothing(partition, ERROR_NONE);
    }
    if (require_stable(request) &&
        group_table_unstable(&coordinator->table, group->id, topic, partition)) {
        return nothing(partition, ERROR_UNSTABLE_OFFSET_COMMIT);
    }
    const struct group_offset *offset = offset_store_find(&group->offsets, topic, partition);
    if (offset == NULL) {
        return nothing(partition, ERROR_NONE);
    }
    return (struct offset_fetch_response_partitions){
        .partition_index = partition,
        .committed_offset = offset->offset,
        .committed_leader_epoch = offset->leader_epoch,
        .metadata = arena_dup(&request->arena, offset->metadata),
    };
}

static void fetch_named(struct request *request, const struct coordinator *coordinator,
                        const struct group *group, const struct offset_fetch_request_topics *topic,
                        struct offset_fetch_response_topics *out) {
    struct slice name = topic->name;
    bool known = true;
    if (request->version >= 10) {
        const struct image_topic *found = image_topic_by_id(request->at->image, topic->topic_id);
        known = found != NULL;
        name = known ? found->name : SLICE_LIT("");
    }
    out->name = topic->name;
    out->topic_id = topic->topic_id;
    out->partitions_count = topic->partition_indexes_count;
    out->partitions = arena_array(&request->arena, (size_t)topic->partition_indexes_count + 1,
                                  sizeof(*out->partitions));
    for (int32_t i = 0; i < topic->partition_indexes_count; i++) {
        int32_t partition = topic->partition_indexes[i];
        out->partitions[i] = known ? answer(request, coordinator, group, name, partition)
                                   : nothing(partition, ERROR_UNKNOWN_TOPIC_ID);
    }
}

static void fetch_all(struct request *request, const struct coordinator *coordinator,
                      const struct group *group, struct offset_fetch_response_group *out) {
    out->topics =
        arena_array(&request->arena, group->offsets.topics.count + 1, sizeof(*out->topics));
    HMAP_FOREACH(it, &group->offsets.topics) {
        const struct offset_topic *topic = CONTAINER_OF(it, struct offset_topic, node);
        const struct image_topic *found = image_topic_by_name(request->at->image, topic->name);
        if (request->version >= 10 && found == NULL) {
            continue; /* without an id it cannot be told */
        }
        struct offset_fetch_response_topics *to = &out->topics[out->topics_count++];
        to->name = arena_dup(&request->arena, topic->name);
        to->topic_id = found != NULL ? found->id : UUID_ZERO;
        to->partitions_count = topic->count;
        to->partitions =
            arena_array(&request->arena, (size_t)topic->count, sizeof(*to->partitions));
        for (int32_t i = 0; i < topic->count; i++) {
            to->partitions[i] =
                answer(request, coordinator, group, topic->name, topic->entries[i].partition);
        }
    }
}

/* ---- One group ------------------------------------------------------------------------------- */

static void fetch_group(struct request *request, int32_t index, struct coordinator *coordinator,
                        enum kafka_error error) {
    struct fetch_state *state = state_of(request);
    const struct offset_fetch_request_group *asked = &state->groups[index];
    struct offset_fetch_response_group *out = &state->out[index];
    out->error_code = (int16_t)error;
    if (coordinator == NULL) {
        return;
    }
    const struct group *group = group_table_find(&coordinator->table, asked->group_id);
    if (asked->topics_count < 0) {
        if (group != NULL && group->state != GROUP_DEAD) {
            fetch_all(request, coordinator, group, out);
        }
        return;
    }
    out->topics_count = asked->topics_count;
    out->topics =
        arena_array(&request->arena, (size_t)asked->topics_count + 1, sizeof(*out->topics));
    for (int32_t i = 0; i < asked->topics_count; i++) {
        fetch_named(request, coordinator, group, &asked->topics[i], &out->topics[i]);
    }
}

static void now_stable(struct coordinator_wait *wait) {
    struct stable_wait *stable = CONTAINER_OF(wait, struct stable_wait, wait);
    struct request *request = stable->request;
    enum kafka_error error;
    struct coordinator *coordinator = group_request_coordinator(
        request, state_of(request)->groups[stable->index].group_id, &error);
    fetch_group(request, stable->index, coordinator, error);
    group_tour_ended(request);
}

static void visit(struct request *request, int32_t index, struct coordinator *coordinator,
                  enum kafka_error error) {
    if (coordinator != NULL && require_stable(request)) {
        struct stable_wait *stable = ARENA_NEW(&request->arena, struct stable_wait);
        stable->wait.fn = now_stable;
        stable->request = request;
        stable->index = index;
        if (coordinator_after_appends(coordinator, &stable->wait)) {
            group_tour_wait(request);
            return;
        }
    }
    fetch_group(request, index, coordinator, error);
}

/* ---- Request and response -------------------------------------------------------------------- */

/* The form of versions 1 to 7. */
static void fill_old_response(struct request *request, const struct fetch_state *state,
                              struct offset_fetch_response *response) {
    const struct offset_fetch_response_group *group = &state->out[0];
    const struct offset_fetch_request_group *asked = &state->groups[0];
    bool spread = request->version < 2 && group->error_code != ERROR_NONE;
    int32_t count = spread ? asked->topics_count : group->topics_count;
    response->error_code = group->error_code;
    response->topics_count = count;
    response->topics = arena_array(&request->arena, (size_t)count + 1, sizeof(*response->topics));
    for (int32_t t = 0; t < count; t++) {
        int32_t partitions =
            spread ? asked->topics[t].partition_indexes_count : group->topics[t].partitions_count;
        struct offset_fetch_response_topic *to = &response->topics[t];
        to->name = spread ? asked->topics[t].name : group->topics[t].name;
        to->partitions_count = partitions;
        to->partitions =
            arena_array(&request->arena, (size_t)partitions + 1, sizeof(*to->partitions));
        for (int32_t p = 0; p < partitions; p++) {
            /* Version 1 has no other place for the group's error. */
            struct offset_fetch_response_partitions from =
                spread ? nothing(asked->topics[t].partition_indexes[p],
                                 (enum kafka_error)group->error_code)
                       : group->topics[t].partitions[p];
            to->partitions[p] = (struct offset_fetch_response_partition){
                .partition_index = from.partition_index,
                .committed_offset = from.committed_offset,
                .committed_leader_epoch = from.committed_leader_epoch,
                .metadata = from.metadata,
                .error_code = from.error_code,
            };
        }
    }
}

static void finish(struct request *request) {
    struct fetch_state *state = state_of(request);
    struct offset_fetch_response response;
    message_init(&offset_fetch_response_desc, &response);
    if (request->version < 8) {
        fill_old_response(request, state, &response);
    } else {
        response.groups = state->out;
        response.groups_count = state->tour.count;
    }
    request_respond(request, &response);
}

static struct offset_fetch_request_group *old_request(struct request *request) {
    const struct offset_fetch_request *body = request->body;
    struct offset_fetch_request_group *group =
        ARENA_NEW(&request->arena, struct offset_fetch_request_group);
    group->group_id = body->group_id;
    group->topics_count = body->topics_count;
    group->topics =
        arena_array(&request->arena, (size_t)(body->topics_count < 0 ? 0 : body->topics_count) + 1,
                    sizeof(*group->topics));
    for (int32_t i = 0; i < body->topics_count; i++) {
        group->topics[i] = (struct offset_fetch_request_topics){
            .name = body->topics[i].name,
            .partition_indexes = body->topics[i].partition_indexes,
            .partition_indexes_count = body->topics[i].partition_indexes_count,
        };
    }
    return group;
}

void api_offset_fetch(struct request *request) {
    const struct offset_fetch_request *body = request->body;
    struct fetch_state *state = ARENA_NEW(&request->arena, struct fetch_state);
    bool old = request->version < 8;
    int32_t count = old ? 1 : body->groups_count;
    state->groups = old ? old_request(request) : body->groups;
    state->out = arena_array(&request->arena, (size_t)count + 1, sizeof(*state->out));
    struct slice *ids = arena_array(&request->arena, (size_t)count + 1, sizeof(*ids));
    for (int32_t i = 0; i < count; i++) {
        ids[i] = state->groups[i].group_id;
        state->out[i].group_id = ids[i];
    }
    state->tour.visit = visit;
    state->tour.finish = finish;
    request->context = &state->tour;
    group_tour_start(request, ids, count);
}
