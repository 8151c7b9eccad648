/* OffsetForLeaderEpoch (23): where an epoch ended, so that a consumer or follower finds out what of
 * its log is not ours (KIP-101, KIP-279, KIP-320). */
#include "broker/api/api.h"
#include "broker/api/scatter.h"
#include "broker/metadata/image.h"
#include "broker/replica/partition.h"
#include "broker/server/request.h"
#include "protocol/generated/offset_for_leader_epoch_request.h"
#include "protocol/generated/offset_for_leader_epoch_response.h"

struct epoch_item {
    struct scatter_item item;
    struct uuid topic_id;
    const struct offset_for_leader_epoch_request_offset_for_leader_partition *wanted;
    struct offset_for_leader_epoch_response_epoch_end_offset *out;
};

struct epoch_op {
    struct scatter scatter;
    struct offset_for_leader_epoch_response response;
};

static void run_item(struct scatter_part *part, struct epoch_item *item) {
    enum kafka_error error;
    struct partition *partition =
        replica_leader(part->shard->replicas, item->topic_id, item->wanted->partition, &error);
    if (partition != NULL) {
        error = partition_check_epoch(partition, item->wanted->current_leader_epoch);
    }
    if (error == ERROR_UNKNOWN_TOPIC_ID) {
        error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    item->out->error_code = (int16_t)error;
    if (error == ERROR_NONE) {
        log_end_of_epoch(partition_log(partition), item->wanted->leader_epoch,
                         &item->out->leader_epoch, &item->out->end_offset);
    }
}

static void epoch_run(struct scatter_part *part) {
    LIST_FOREACH(it, &part->items) {
        run_item(part, CONTAINER_OF(it, struct epoch_item, item.link));
    }
    scatter_part_done(part);
}

static void epoch_done(struct scatter *scatter) {
    request_respond(scatter->request, &CONTAINER_OF(scatter, struct epoch_op, scatter)->response);
}

static void add_topic(struct epoch_op *op,
                      const struct offset_for_leader_epoch_request_offset_for_leader_topic *data,
                      struct offset_for_leader_epoch_response_offset_for_leader_topic_result *out) {
    struct request *request = op->scatter.request;
    struct node_shard *at = request->at;
    const struct image_topic *topic = image_topic_by_name(at->image, data->topic);
    out->topic = data->topic;
    out->partitions_count = data->partitions_count;
    out->partitions =
        arena_array(&request->arena, (size_t)data->partitions_count, sizeof(*out->partitions));
    for (int32_t i = 0; i < data->partitions_count; i++) {
        int32_t index = data->partitions[i].partition;
        out->partitions[i] = (struct offset_for_leader_epoch_response_epoch_end_offset){
            .partition = index, .leader_epoch = -1, .end_offset = -1};
        if (topic == NULL || image_partition(topic, index) == NULL) {
            out->partitions[i].error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        struct epoch_item *item = ARENA_NEW(&request->arena, struct epoch_item);
        item->topic_id = topic->id;
        item->wanted = &data->partitions[i];
        item->out = &out->partitions[i];
        scatter_add(&op->scatter, node_partition_shard(at->node, topic->id, index), &item->item);
    }
}

void api_offset_for_leader_epoch(struct request *request) {
    const struct offset_for_leader_epoch_request *body = request->body;
    struct epoch_op *op = ARENA_NEW(&request->arena, struct epoch_op);
    scatter_init(&op->scatter, request, epoch_run, epoch_done);
    message_init(&offset_for_leader_epoch_response_desc, &op->response);
    op->response.topics_count = body->topics_count;
    op->response.topics =
        arena_array(&request->arena, (size_t)body->topics_count, sizeof(*op->response.topics));
    for (int32_t i = 0; i < body->topics_count; i++) {
        add_topic(op, &body->topics[i], &op->response.topics[i]);
    }
    scatter_start(&op->scatter);
}
