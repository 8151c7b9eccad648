/*
 * Fetch (1) on a controller's listener: voters and observers read the metadata log (KIP-595). The
 * waiting is done by consensus; where the fetch reads says what the replica has on its disk.
 */
#include "broker/api/fetch_op.h"
#include "broker/api/quorum_answer.h"
#include "broker/node.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "runtime/file.h"

/* The longest wait: the connection may be gone meanwhile, and nobody would see it. */
#define WAIT_MAX_MS 30000
#define RECORDS_MAX ((size_t)8 << 20)
#define STATE_SINCE 15 /* the version from which on the replica names itself in another place */

static enum kafka_error add_records(struct quorum_question *question,
                                    const struct raft_reply *reply,
                                    struct fetch_response_partition_data *out) {
    struct request *request = question->request;
    const struct fetch_request *body = request->body;
    size_t most = body->topics->partitions->partition_max_bytes > 0
                      ? (size_t)body->topics->partitions->partition_max_bytes
                      : 0;
    struct log_range range;
    int result = quorum_read(question->quorum, reply->position.offset, reply->end_offset,
                             most < RECORDS_MAX ? most : RECORDS_MAX, &range);
    if (result != 0) {
        return ERROR_UNKNOWN_SERVER_ERROR;
    }
    if (range.len == 0) {
        file_unref(range.file);
        return ERROR_NONE;
    }
    struct response_records *records = ARENA_NEW(&request->arena, struct response_records);
    *records = (struct response_records){.file = range.file, .pos = range.pos};
    out->records = (struct message_records){.len = range.len, .external = records};
    return ERROR_NONE;
}

static void fill(struct quorum_question *question, const struct raft_reply *reply,
                 struct fetch_response_partition_data *out) {
    *out = (struct fetch_response_partition_data){
        .error_code = (int16_t)reply->error,
        .high_watermark = reply->high_watermark,
        .last_stable_offset = -1,
        .log_start_offset = quorum_log_start(question->quorum),
        .diverging_epoch = {.epoch = -1, .end_offset = -1},
        .current_leader = {.leader_id = reply->leader_id, .leader_epoch = reply->epoch},
        .snapshot_id = {.end_offset = -1, .epoch = -1},
        .preferred_read_replica = -1,
        .records = {.data = (const uint8_t *)""},
    };
    if (reply->error != ERROR_NONE) {
        return;
    }
    switch (reply->fetch) {
    case RAFT_FETCH_DIVERGING:
        out->diverging_epoch.epoch = reply->position.epoch;
        out->diverging_epoch.end_offset = reply->position.offset;
        break;
    case RAFT_FETCH_SNAPSHOT:
        out->snapshot_id.epoch = reply->position.epoch;
        out->snapshot_id.end_offset = reply->position.offset;
        break;
    case RAFT_FETCH_RECORDS:
        out->error_code = (int16_t)add_records(question, reply, out);
        break;
    }
}

static void respond(struct quorum_question *question, const struct raft_reply *reply) {
    struct request *request = question->request;
    const struct fetch_request *body = request->body;
    struct fetch_response response;
    struct fetch_response_partition_data partition;
    struct fetch_response_fetchable_topic_response topic = {
        .topic = body->topics->topic,
        .topic_id = body->topics->topic_id,
        .partitions = &partition,
        .partitions_count = 1,
    };
    struct fetch_response_node_endpoint endpoint = {.node_id = reply->leader_id};
    message_init(&fetch_response_desc, &response);
    fill(question, reply, &partition);
    response.responses = &topic;
    response.responses_count = 1;
    if (request->version >= FETCH_VERSION_HINTS &&
        quorum_question_leader(question, reply->leader_id, &endpoint.host, &endpoint.port)) {
        response.node_endpoints = &endpoint;
        response.node_endpoints_count = 1;
    }
    request_respond(request, &response);
}

static bool is_the_log(const struct request *request, const struct fetch_request *body) {
    return body->topics_count == 1 &&
           (request->version >= FETCH_VERSION_TOPIC_ID
                ? uuid_equal(body->topics->topic_id, METADATA_TOPIC_ID)
                : is_metadata_topic(body->topics->topic)) &&
           body->topics->partitions_count == 1 && body->topics->partitions->partition == 0;
}

static void run(struct request *request) {
    const struct fetch_request *body = request->body;
    if (!quorum_question_ok(request, body->cluster_id)) {
        return;
    }
    if (!is_the_log(request, body)) {
        request_respond_error(request, ERROR_INVALID_REQUEST);
        return;
    }
    const struct fetch_request_partition *asked = body->topics->partitions;
    struct raft_request message = {
        .kind = RAFT_FETCH,
        .fetch = {.replica = {.id = request->version >= STATE_SINCE ? body->replica_state.replica_id
                                                                    : body->replica_id,
                              .directory_id = asked->replica_directory_id},
                  .epoch = asked->current_leader_epoch,
                  .from = {.offset = asked->fetch_offset, .epoch = asked->last_fetched_epoch},
                  .max_wait_ms = body->max_wait_ms < WAIT_MAX_MS ? body->max_wait_ms : WAIT_MAX_MS},
    };
    quorum_question_ask(request, &message, respond);
}

void fetch_metadata(struct request *request) {
    request_move(request, &request->at->node->shards[0], run);
}
