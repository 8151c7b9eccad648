/* What a fetcher asks its leader, and how the answers are spread over its partitions. */
#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/replica/fetch_session.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_fetcher.h"
#include "broker/replica/replica_manager.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "protocol/generated/list_offsets_request.h"
#include "protocol/generated/list_offsets_response.h"

#define FETCH_VERSION_MIN     13 /* topic ids */
#define FETCH_VERSION_MAX     18
#define VERSION_REPLICA_STATE 15

#define OFFSETS_VERSION_MIN 5
#define OFFSETS_VERSION_MAX 9
#define TIMESTAMP_LATEST    (-1)
#define TIMESTAMP_EARLIEST  (-2)

static int64_t setting(const struct replica_fetcher *fetcher, enum config_id id) {
    return config_int(fetcher->manager->shard->node->config, id);
}

/* ---- The session ----------------------------------------------------------------------------- */

void fetcher_clear_forgotten(struct replica_fetcher *fetcher) {
    while (!list_empty(&fetcher->forgotten)) {
        struct forgotten *forgotten = LIST_FIRST(&fetcher->forgotten, struct forgotten, link);
        list_remove(&forgotten->link);
        free(forgotten);
    }
}

/* The next fetch closes the old session, if there is one, and opens another. */
void fetcher_forget_session(struct replica_fetcher *fetcher) {
    fetcher->session_epoch = FETCH_SESSION_EPOCH_INITIAL;
    fetcher_clear_forgotten(fetcher);
    LIST_FOREACH(it, &fetcher->followings) {
        struct following *following = CONTAINER_OF(it, struct following, link);
        following->in_session = false;
        following->asked = false;
    }
}

static void session_answered(struct replica_fetcher *fetcher, int32_t session_id) {
    if (session_id == 0) {
        fetcher->session_id = 0;
        fetcher->session_epoch = FETCH_SESSION_EPOCH_INITIAL;
        return;
    }
    fetcher->session_id = session_id;
    fetcher->session_epoch = fetcher->session_epoch == INT32_MAX ? 1 : fetcher->session_epoch + 1;
}

/* ---- Fetch ----------------------------------------------------------------------------------- */

/* Notes what is asked; false when the leader knows it from the session. */
static bool following_ask(struct following *following) {
    const struct partition *partition = following->partition;
    const struct log *log = partition->log;
    bool known = following->in_session && following->sent_offset == log_end_offset(log) &&
                 following->sent_log_start == log_start_offset(log) &&
                 following->sent_epoch == partition->leader_epoch &&
                 following->sent_last_epoch == log_latest_epoch(log);
    following->asked = true;
    following->in_session = true;
    following->sent_offset = log_end_offset(log);
    following->sent_log_start = log_start_offset(log);
    following->sent_epoch = partition->leader_epoch;
    following->sent_last_epoch = log_latest_epoch(log);
    return !known;
}

static void fill_topics(struct replica_fetcher *fetcher, struct fetch_request *body, size_t count) {
    struct fetch_request_topic *topic = NULL;
    struct fetch_request_partition *next = arena_array(&fetcher->arena, count, sizeof(*next));
    body->topics = arena_array(&fetcher->arena, count, sizeof(*body->topics));
    LIST_FOREACH(it, &fetcher->followings) {
        struct following *following = CONTAINER_OF(it, struct following, link);
        if (following->state != FOLLOWING_READY || !following_ask(following)) {
            continue;
        }
        const struct partition *partition = following->partition;
        if (topic == NULL || !uuid_equal(topic->topic_id, partition->topic_id)) {
            topic = &body->topics[body->topics_count++];
            *topic =
                (struct fetch_request_topic){.topic_id = partition->topic_id, .partitions = next};
        }
        topic->partitions_count++;
        *next++ = (struct fetch_request_partition){
            .partition = partition->index,
            .current_leader_epoch = following->sent_epoch,
            .fetch_offset = following->sent_offset,
            .last_fetched_epoch = following->sent_last_epoch,
            .log_start_offset = following->sent_log_start,
            .partition_max_bytes = (int32_t)setting(fetcher, CONFIG_REPLICA_FETCH_MAX_BYTES),
            .high_watermark = INT64_MAX,
        };
    }
}

/* Whether the partition that was forgotten is asked for here again. */
static bool back_again(const struct replica_fetcher *fetcher, const struct forgotten *forgotten) {
    const struct partition *partition =
        replica_manager_find(fetcher->manager, forgotten->topic_id, forgotten->partition);
    return partition != NULL && partition->following != NULL &&
           partition->following->fetcher == fetcher && partition->following->asked;
}

static void forget(struct replica_fetcher *fetcher, struct fetch_request *body,
                   struct uuid topic_id, int32_t index) {
    int32_t *partitions = arena_array(&fetcher->arena, 1, sizeof(*partitions));
    *partitions = index;
    body->forgotten_topics_data[body->forgotten_topics_data_count++] =
        (struct fetch_request_forgotten_topic){
            .topic_id = topic_id, .partitions = partitions, .partitions_count = 1};
}

/* What the session still has and is not asked for now. */
static void fill_forgotten(struct replica_fetcher *fetcher, struct fetch_request *body,
                           size_t count) {
    LIST_FOREACH(it, &fetcher->forgotten) {
        count++;
    }
    body->forgotten_topics_data =
        arena_array(&fetcher->arena, count, sizeof(*body->forgotten_topics_data));
    LIST_FOREACH(it, &fetcher->forgotten) {
        const struct forgotten *forgotten = CONTAINER_OF(it, struct forgotten, link);
        if (!back_again(fetcher, forgotten)) {
            forget(fetcher, body, forgotten->topic_id, forgotten->partition);
        }
    }
    LIST_FOREACH(it, &fetcher->followings) {
        struct following *following = CONTAINER_OF(it, struct following, link);
        if (following->in_session && !following->asked) {
            following->in_session = false;
            forget(fetcher, body, following->partition->topic_id, following->partition->index);
        }
    }
    fetcher_clear_forgotten(fetcher);
}

/* Not longer than until a partition that was delayed is to be asked for again. */
static int32_t fetch_wait_ms(const struct replica_fetcher *fetcher) {
    int64_t wait = setting(fetcher, CONFIG_REPLICA_FETCH_WAIT_MAX_MS);
    int64_t now = shard_now_ms(fetcher->manager->shard->shard);
    LIST_FOREACH(it, &fetcher->followings) {
        const struct following *following = CONTAINER_OF(it, struct following, link);
        if (following->state == FOLLOWING_DELAYED && following->due_ms - now < wait) {
            wait = following->due_ms - now;
        }
    }
    return (int32_t)(wait > 0 ? wait : 0);
}

static const void *fetch_build(struct peer_call *call, int16_t version) {
    struct replica_fetcher *fetcher = CONTAINER_OF(call, struct replica_fetcher, fetch);
    const struct node_shard *shard = fetcher->manager->shard;
    const struct image_broker *self = replica_manager_self(fetcher->manager);
    arena_reset(&fetcher->arena);
    struct fetch_request *body = ARENA_NEW(&fetcher->arena, struct fetch_request);
    message_init(&fetch_request_desc, body);
    if (version >= VERSION_REPLICA_STATE) {
        body->replica_state.replica_id = shard->node->id;
        body->replica_state.replica_epoch = self != NULL ? self->epoch : -1;
    } else {
        body->replica_id = shard->node->id;
    }
    body->max_wait_ms = fetch_wait_ms(fetcher);
    body->min_bytes = (int32_t)setting(fetcher, CONFIG_REPLICA_FETCH_MIN_BYTES);
    body->max_bytes = (int32_t)setting(fetcher, CONFIG_REPLICA_FETCH_RESPONSE_MAX_BYTES);
    body->session_id = fetcher->session_id;
    body->session_epoch = fetcher->session_epoch;
    fetcher->sent = true;
    size_t count = 0;
    LIST_FOREACH(it, &fetcher->followings) {
        struct following *following = CONTAINER_OF(it, struct following, link);
        following->asked = false;
        if (fetcher->session_epoch == FETCH_SESSION_EPOCH_INITIAL) {
            following->in_session = false;
        }
        count++;
    }
    fill_topics(fetcher, body, count);
    if (fetcher->session_epoch == FETCH_SESSION_EPOCH_INITIAL) {
        fetcher_clear_forgotten(fetcher);
    } else {
        fill_forgotten(fetcher, body, count);
    }
    return body;
}

/* The partition of an answer, if it still waits for it. */
static struct following *asked_for(const struct replica_fetcher *fetcher, struct uuid topic_id,
                                   int32_t index) {
    const struct partition *partition = replica_manager_find(fetcher->manager, topic_id, index);
    struct following *following = partition != NULL ? partition->following : NULL;
    return following != NULL && following->fetcher == fetcher && following->asked ? following
                                                                                  : NULL;
}

static void fetch_take(struct replica_fetcher *fetcher, const struct fetch_response *response) {
    session_answered(fetcher, response->session_id);
    for (int32_t i = 0; i < response->responses_count; i++) {
        const struct fetch_response_fetchable_topic_response *topic = &response->responses[i];
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            struct following *following =
                asked_for(fetcher, topic->topic_id, topic->partitions[j].partition_index);
            if (following != NULL) {
                following->asked = false;
                following_take(following, &topic->partitions[j]);
            }
        }
    }
}

/* Who follows here waits a little: something is wrong with more than one partition. */
static void delay_all(struct replica_fetcher *fetcher) {
    LIST_FOREACH(it, &fetcher->followings) {
        struct following *following = CONTAINER_OF(it, struct following, link);
        if (following->state == FOLLOWING_READY || following->state == FOLLOWING_LOST) {
            following_delay(following);
        }
    }
}

static void fetch_answered(struct peer_call *call, const struct peer_answer *answer) {
    struct replica_fetcher *fetcher = CONTAINER_OF(call, struct replica_fetcher, fetch);
    const struct fetch_response *response = answer->response;
    fetcher->fetching = false;
    if (answer->result == 0 && response->error_code == ERROR_NONE) {
        fetch_take(fetcher, response);
    } else {
        fetcher_forget_session(fetcher);
        bool of_session =
            answer->result == 0 && (response->error_code == ERROR_FETCH_SESSION_ID_NOT_FOUND ||
                                    response->error_code == ERROR_INVALID_FETCH_SESSION_EPOCH ||
                                    response->error_code == ERROR_FETCH_SESSION_TOPIC_ID_ERROR);
        /* Between two dials the connection waits by itself. */
        bool of_connection = answer->result == -ECONNREFUSED || answer->result == -ECONNRESET ||
                             answer->result == -ETIMEDOUT;
        if (!of_session && !of_connection) {
            delay_all(fetcher);
        }
    }
    deferred_schedule(&fetcher->step);
}

void fetcher_send_fetch(struct replica_fetcher *fetcher) {
    fetcher->fetching = true;
    fetcher->sent = false;
    fetcher->fetch.api_key = 1;
    fetcher->fetch.version_min = FETCH_VERSION_MIN;
    fetcher->fetch.version_max = FETCH_VERSION_MAX;
    fetcher->fetch.timeout_ms = setting(fetcher, CONFIG_REPLICA_FETCH_WAIT_MAX_MS) +
                                setting(fetcher, CONFIG_REPLICA_SOCKET_TIMEOUT_MS);
    fetcher->fetch.build = fetch_build;
    fetcher->fetch.fn = fetch_answered;
    peer_call(fetcher->peer, &fetcher->fetch);
}

/* ---- ListOffsets ----------------------------------------------------------------------------- */

static const void *offsets_build(struct replica_fetcher *fetcher, int64_t timestamp) {
    struct arena *arena = &fetcher->arena;
    size_t count = 0;
    LIST_FOREACH(it, &fetcher->followings) {
        count++;
    }
    struct list_offsets_request *body = ARENA_NEW(arena, struct list_offsets_request);
    message_init(&list_offsets_request_desc, body);
    body->replica_id = fetcher->manager->shard->node->id;
    body->topics = arena_array(arena, count, sizeof(*body->topics));
    struct list_offsets_request_partition *next = arena_array(arena, count, sizeof(*next));
    LIST_FOREACH(it, &fetcher->followings) {
        const struct following *following = CONTAINER_OF(it, struct following, link);
        if (following->state != FOLLOWING_LOST) {
            continue;
        }
        *next = list_offsets_request_partition_defaults;
        next->partition_index = following->partition->index;
        next->current_leader_epoch = following->partition->leader_epoch;
        next->timestamp = timestamp;
        body->topics[body->topics_count++] = (struct list_offsets_request_topic){
            .name = following->partition->topic, .partitions = next++, .partitions_count = 1};
    }
    return body;
}

static const void *ends_build(struct peer_call *call, int16_t version) {
    struct replica_fetcher *fetcher = CONTAINER_OF(call, struct replica_fetcher, ends);
    arena_reset(&fetcher->arena);
    return offsets_build(fetcher, TIMESTAMP_LATEST);
}

static const void *starts_build(struct peer_call *call, int16_t version) {
    struct replica_fetcher *fetcher = CONTAINER_OF(call, struct replica_fetcher, starts);
    arena_reset(&fetcher->arena);
    return offsets_build(fetcher, TIMESTAMP_EARLIEST);
}

/* What the leader says of a partition; NULL when it does not. */
static const struct list_offsets_response_partition_response *
offset_of(const struct list_offsets_response *response, const struct partition *partition) {
    for (int32_t i = 0; response != NULL && i < response->topics_count; i++) {
        const struct list_offsets_response_topic_response *topic = &response->topics[i];
        for (int32_t j = 0;
             slice_equal(topic->name, partition->topic) && j < topic->partitions_count; j++) {
            if (topic->partitions[j].partition_index == partition->index) {
                return &topic->partitions[j];
            }
        }
    }
    return NULL;
}

static void ends_answered(struct peer_call *call, const struct peer_answer *answer) {
    struct replica_fetcher *fetcher = CONTAINER_OF(call, struct replica_fetcher, ends);
    const struct list_offsets_response *response = answer->result == 0 ? answer->response : NULL;
    LIST_FOREACH(it, &fetcher->followings) {
        struct following *following = CONTAINER_OF(it, struct following, link);
        if (following->state != FOLLOWING_LOST) {
            continue;
        }
        const struct list_offsets_response_partition_response *found =
            offset_of(response, following->partition);
        following->leader_end =
            found != NULL && found->error_code == ERROR_NONE ? found->offset : -1;
    }
}

/* The leader's log ends below ours: ours is cut. It begins above our end: ours begins anew there.
 * Else our end is in its range, now. */
static void find_way(struct following *following,
                     const struct list_offsets_response_partition_response *start) {
    const struct log *log = following->partition->log;
    int64_t end = log_end_offset(log);
    if (following->leader_end < 0 || start == NULL || start->error_code != ERROR_NONE) {
        following_delay(following);
    } else if (following->leader_end < end) {
        following_cut(following, following->leader_end, false);
    } else if (start->offset > end) {
        following_cut(following, start->offset, true);
    } else {
        following_delay(following); /* it was not a moment ago */
    }
}

static void starts_answered(struct peer_call *call, const struct peer_answer *answer) {
    struct replica_fetcher *fetcher = CONTAINER_OF(call, struct replica_fetcher, starts);
    const struct list_offsets_response *response = answer->result == 0 ? answer->response : NULL;
    fetcher->asking = false;
    LIST_FOREACH(it, &fetcher->followings) {
        struct following *following = CONTAINER_OF(it, struct following, link);
        if (following->state == FOLLOWING_LOST) {
            find_way(following, offset_of(response, following->partition));
        }
    }
    deferred_schedule(&fetcher->step);
}

static void offsets_ask(struct replica_fetcher *fetcher, struct peer_call *call) {
    call->api_key = 2;
    call->version_min = OFFSETS_VERSION_MIN;
    call->version_max = OFFSETS_VERSION_MAX;
    call->timeout_ms = setting(fetcher, CONFIG_REPLICA_SOCKET_TIMEOUT_MS);
    peer_call(fetcher->peer, call);
}

void fetcher_ask_offsets(struct replica_fetcher *fetcher) {
    fetcher->asking = true;
    fetcher->ends.build = ends_build;
    fetcher->ends.fn = ends_answered;
    fetcher->starts.build = starts_build;
    fetcher->starts.fn = starts_answered;
    offsets_ask(fetcher, &fetcher->ends);
    offsets_ask(fetcher, &fetcher->starts);
}
