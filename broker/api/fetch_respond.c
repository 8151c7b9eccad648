/* The answer to a fetch: what of the items is told, in which form, and to which session. */
#include "broker/api/fetch_op.h"
#include "broker/api/leader_hint.h"
#include "broker/metrics/meters.h"
#include "broker/node.h"
#include "broker/replica/replica_manager.h"
#include "protocol/generated/fetch_response.h"
#include "runtime/file.h"

/* ---- Sessions -------------------------------------------------------------------------------- */

static bool session_tells(struct fetch_session *session, const struct fetch_item *item,
                          bool is_new) {
    struct fetch_cached *cached = fetch_session_find(session, item->wanted.topic_id,
                                                     item->wanted.topic, item->wanted.partition);
    if (cached == NULL) {
        return true; /* forgotten by another request: the client sorts it out */
    }
    const struct fetch_told told = {
        .error = item->error,
        .high_watermark = item->high_watermark,
        .log_start = item->log_start,
        .has_records = item->range.len > 0 && !is_new, /* turns begin with the next answer */
    };
    bool tell = fetch_session_tell(session, cached, &told);
    return tell || item->diverging || item->preferred_replica >= 0;
}

/* A session for what a full fetch named. */
static struct fetch_session *session_create(struct fetch_op *op) {
    struct request *request = op->request;
    struct fetch_wanted *wanted =
        arena_array(&request->arena, (size_t)op->item_count, sizeof(*wanted));
    for (int32_t i = 0; i < op->item_count; i++) {
        wanted[i] = op->items[i].wanted;
    }
    return fetch_session_create(request->at->replicas->sessions, shard_now_ms(request->at->shard),
                                request->version >= FETCH_VERSION_TOPIC_ID, op->replica_id >= 0,
                                wanted, op->item_count);
}

/* ---- Partitions ------------------------------------------------------------------------------ */

static int16_t error_for_version(enum kafka_error error, int16_t version) {
    if (error == ERROR_UNKNOWN_TOPIC_ID && version < FETCH_VERSION_TOPIC_ID) {
        error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (error == ERROR_KAFKA_STORAGE_ERROR && version < FETCH_VERSION_STORAGE_ERROR) {
        error = ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    return (int16_t)error;
}

static void add_endpoint(struct fetch_op *op, struct fetch_response *response,
                         const struct leader_hint *hint) {
    for (int32_t i = 0; i < response->node_endpoints_count; i++) {
        if (response->node_endpoints[i].node_id == hint->leader) {
            return;
        }
    }
    struct fetch_response_node_endpoint *grown =
        arena_array(&op->request->arena, (size_t)response->node_endpoints_count + 1,
                    sizeof(*response->node_endpoints));
    for (int32_t i = 0; i < response->node_endpoints_count; i++) {
        grown[i] = response->node_endpoints[i];
    }
    grown[response->node_endpoints_count] = (struct fetch_response_node_endpoint){
        .host = hint->host, .rack = hint->rack, .node_id = hint->leader, .port = hint->port};
    response->node_endpoints = grown;
    response->node_endpoints_count++;
}

/* KIP-951: a client that came to the wrong place is told the right one. */
static void fill_hint(struct fetch_op *op, const struct fetch_item *item,
                      struct fetch_response *response, struct fetch_response_partition_data *out) {
    struct leader_hint hint;
    if (op->request->version < FETCH_VERSION_HINTS ||
        (item->error != ERROR_NOT_LEADER_OR_FOLLOWER && item->error != ERROR_FENCED_LEADER_EPOCH) ||
        !leader_hint(op->request, item->topic_id, item->wanted.partition, &hint)) {
        return;
    }
    out->current_leader.leader_id = hint.leader;
    out->current_leader.leader_epoch = hint.leader_epoch;
    if (hint.has_endpoint) {
        add_endpoint(op, response, &hint);
    }
}

static void count_sent(const struct fetch_op *op, const struct fetch_item *item) {
    const struct node_shard *at = op->request->at;
    if (op->replica_id >= 0) {
        at->meters->replication_bytes_out += item->range.len;
    } else {
        meters_sent(at->meters, at->image, item->topic_id, item->range.len);
    }
}

static void fill_records(struct fetch_op *op, struct fetch_item *item,
                         struct fetch_response_partition_data *out) {
    if (item->range.len == 0) {
        file_unref(item->range.file);
        out->records = (struct message_records){.data = (const uint8_t *)""};
    } else {
        struct response_records *records = ARENA_NEW(&op->request->arena, struct response_records);
        count_sent(op, item);
        *records = (struct response_records){.file = item->range.file, .pos = item->range.pos};
        out->records = (struct message_records){.len = item->range.len, .external = records};
    }
    item->range.file = NULL;
}

static void fill_aborted(struct fetch_op *op, const struct fetch_item *item,
                         struct fetch_response_partition_data *out) {
    if (item->error == ERROR_UNKNOWN_TOPIC_OR_PARTITION || item->error == ERROR_UNKNOWN_TOPIC_ID) {
        return; /* an empty list, as Kafka says it of what it does not know */
    }
    if (op->limit != FETCH_TO_STABLE_OFFSET || item->error != ERROR_NONE) {
        out->aborted_transactions_count = -1;
        return;
    }
    out->aborted_transactions_count = item->aborted_count;
    out->aborted_transactions = arena_array(&op->request->arena, (size_t)item->aborted_count,
                                            sizeof(*out->aborted_transactions));
    for (int i = 0; i < item->aborted_count; i++) {
        out->aborted_transactions[i] = (struct fetch_response_aborted_transaction){
            .producer_id = item->aborted[i].producer_id,
            .first_offset = item->aborted[i].first_offset,
        };
    }
}

static void fill_partition(struct fetch_op *op, struct fetch_item *item,
                           struct fetch_response *response,
                           struct fetch_response_partition_data *out) {
    *out = (struct fetch_response_partition_data){
        .partition_index = item->wanted.partition,
        .error_code = error_for_version(item->error, op->request->version),
        .high_watermark = item->high_watermark,
        .last_stable_offset = item->last_stable_offset,
        .log_start_offset = item->log_start,
        .diverging_epoch = {.epoch = -1, .end_offset = -1},
        .current_leader = {.leader_id = -1, .leader_epoch = -1},
        .snapshot_id = {.end_offset = -1, .epoch = -1},
        .preferred_read_replica = item->preferred_replica,
    };
    if (item->diverging) {
        out->diverging_epoch.epoch = item->diverging_epoch;
        out->diverging_epoch.end_offset = item->diverging_end;
    }
    fill_hint(op, item, response, out);
    fill_aborted(op, item, out);
    fill_records(op, item, out);
}

/* ---- The whole ------------------------------------------------------------------------------- */

static bool same_topic(const struct fetch_item *a, const struct fetch_item *b) {
    return uuid_equal(a->wanted.topic_id, b->wanted.topic_id) &&
           slice_equal(a->wanted.topic, b->wanted.topic);
}

/* Neighbours of one topic share its entry. */
static void fill_topics(struct fetch_op *op, struct fetch_item **told, int32_t count,
                        struct fetch_response *response) {
    struct arena *arena = &op->request->arena;
    struct fetch_response_partition_data *partitions =
        arena_array(arena, (size_t)count, sizeof(*partitions));
    response->responses = arena_array(arena, (size_t)count, sizeof(*response->responses));
    for (int32_t i = 0; i < count; i++) {
        struct fetch_item *item = told[i];
        fill_partition(op, item, response, &partitions[i]);
        if (i == 0 || !same_topic(told[i - 1], item)) {
            response->responses[response->responses_count++] =
                (struct fetch_response_fetchable_topic_response){
                    .topic = slice_is_null(item->wanted.topic) ? SLICE_LIT("") : item->wanted.topic,
                    .topic_id = item->wanted.topic_id,
                    .partitions = &partitions[i],
                };
        }
        response->responses[response->responses_count - 1].partitions_count++;
    }
}

void fetch_respond(struct fetch_op *op) {
    struct fetch_response response;
    message_init(&fetch_response_desc, &response);
    struct fetch_session *session = op->session;
    if (op->create_session) {
        session = session_create(op);
    }
    struct fetch_item **told =
        arena_array(&op->request->arena, (size_t)op->item_count, sizeof(struct fetch_item *));
    int32_t count = 0;
    for (int32_t i = 0; i < 2 * op->item_count; i++) { /* what is not known comes last */
        struct fetch_item *item = &op->items[i % op->item_count];
        if (item->scattered != (i < op->item_count)) {
            continue;
        }
        bool tell = session == NULL || session_tells(session, item, op->create_session);
        if (tell || op->session == NULL) {
            told[count++] = item;
        }
    }
    fill_topics(op, told, count, &response);
    if (session != NULL) {
        response.session_id = session->id;
        fetch_session_unref(session);
    }
    timer_stop(&op->timer);
    request_respond(op->request, &response);
}
