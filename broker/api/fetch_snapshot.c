/* FetchSnapshot (59): a piece of a snapshot of the metadata log, in any split (KIP-630). */
#include <errno.h>

#include "broker/api/api.h"
#include "broker/api/quorum_answer.h"
#include "broker/node.h"
#include "protocol/generated/fetch_snapshot_request.h"
#include "protocol/generated/fetch_snapshot_response.h"
#include "runtime/file.h"

#define PIECE_MAX (INT64_C(8) << 20)

static enum kafka_error read_piece(struct request *request, struct quorum *quorum,
                                   const struct fetch_snapshot_request_partition_snapshot *asked,
                                   struct fetch_snapshot_response_partition_snapshot *out) {
    const struct fetch_snapshot_request *body = request->body;
    enum kafka_error error = quorum_check_leader(quorum, asked->current_leader_epoch);
    if (error != ERROR_NONE) {
        return error;
    }
    struct file *file;
    int64_t size;
    int result = quorum_snapshot_open(quorum, asked->snapshot_id.end_offset,
                                      asked->snapshot_id.epoch, &file, &size);
    if (result != 0) {
        return result == -ENOENT ? ERROR_SNAPSHOT_NOT_FOUND : ERROR_UNKNOWN_SERVER_ERROR;
    }
    if (asked->position < 0 || asked->position >= size) {
        file_unref(file);
        return ERROR_POSITION_OUT_OF_RANGE;
    }
    int64_t len = size - asked->position;
    len = len < PIECE_MAX ? len : PIECE_MAX;
    len = body->max_bytes > 0 && body->max_bytes < len ? body->max_bytes : len;
    struct response_records *records = ARENA_NEW(&request->arena, struct response_records);
    *records = (struct response_records){.file = file, .pos = asked->position};
    out->size = size;
    out->position = asked->position;
    out->unaligned_records = (struct message_records){.len = (size_t)len, .external = records};
    quorum_snapshot_fetched(quorum, (struct raft_key){.id = body->replica_id,
                                                      .directory_id = asked->replica_directory_id});
    return ERROR_NONE;
}

static void add_endpoint(struct request *request, const struct quorum *quorum,
                         struct fetch_snapshot_response *response) {
    const char *host;
    int port;
    int32_t leader = quorum_leader(quorum);
    if (request->version < 1 || !quorum_node_address(quorum, leader, &host, &port)) {
        return;
    }
    response->node_endpoints =
        ARENA_NEW(&request->arena, struct fetch_snapshot_response_node_endpoint);
    response->node_endpoints_count = 1;
    *response->node_endpoints = (struct fetch_snapshot_response_node_endpoint){
        .node_id = leader,
        .host = arena_dup(&request->arena, slice_str(host)),
        .port = (uint16_t)port,
    };
}

static void run(struct request *request) {
    const struct fetch_snapshot_request *body = request->body;
    if (!quorum_question_ok(request, body->cluster_id)) {
        return;
    }
    if (body->topics_count != 1 || body->topics->partitions_count != 1) {
        request_respond_error(request, ERROR_INVALID_REQUEST);
        return;
    }
    struct quorum *quorum = request_quorum(request);
    const struct fetch_snapshot_request_partition_snapshot *asked = body->topics->partitions;
    struct fetch_snapshot_response response;
    struct fetch_snapshot_response_partition_snapshot partition = {
        .index = asked->partition,
        .snapshot_id = {.end_offset = asked->snapshot_id.end_offset,
                        .epoch = asked->snapshot_id.epoch},
        .current_leader = {.leader_id = quorum_leader(quorum),
                           .leader_epoch = quorum_epoch(quorum)},
        .unaligned_records = {.data = (const uint8_t *)""},
    };
    struct fetch_snapshot_response_topic_snapshot topic = {
        .name = body->topics->name, .partitions = &partition, .partitions_count = 1};
    message_init(&fetch_snapshot_response_desc, &response);
    response.topics = &topic;
    response.topics_count = 1;
    bool known = is_metadata_topic(body->topics->name) && asked->partition == 0;
    enum kafka_error error =
        known ? read_piece(request, quorum, asked, &partition) : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    partition.error_code = (int16_t)error;
    add_endpoint(request, quorum, &response);
    request_respond(request, &response);
}

void api_fetch_snapshot(struct request *request) {
    request_move(request, &request->at->node->shards[0], run);
}
