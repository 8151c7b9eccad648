/* DescribeProducers (61): the producers that a partition's leader remembers (KIP-664). */
#include "broker/api/api.h"
#include "broker/api/scatter.h"
#include "broker/metadata/image.h"
#include "broker/replica/partition.h"
#include "broker/server/request.h"
#include "protocol/generated/describe_producers_request.h"
#include "protocol/generated/describe_producers_response.h"
#include "storage/log_dir.h"

struct producers_item {
    struct scatter_item item;
    struct uuid topic_id;
    int32_t index;
    struct describe_producers_response_partition_response *out;
};

struct producers_op {
    struct scatter scatter;
    struct describe_producers_response response;
};

static void fill_producers(struct scatter_part *part, struct log *log,
                           struct describe_producers_response_partition_response *out) {
    struct log_producer *producers;
    int count;
    log_producers(log, part->arena, &producers, &count);
    out->active_producers = arena_array(part->arena, (size_t)count, sizeof(*out->active_producers));
    out->active_producers_count = count;
    for (int i = 0; i < count; i++) {
        out->active_producers[i] = (struct describe_producers_response_producer_state){
            .producer_id = producers[i].producer_id,
            .producer_epoch = producers[i].producer_epoch,
            .last_sequence = producers[i].last_sequence,
            .last_timestamp = producers[i].last_timestamp,
            .coordinator_epoch = producers[i].coordinator_epoch,
            .current_txn_start_offset = producers[i].current_txn_start_offset,
        };
    }
}

static void producers_run(struct scatter_part *part) {
    LIST_FOREACH(it, &part->items) {
        struct producers_item *item = CONTAINER_OF(it, struct producers_item, item.link);
        enum kafka_error error;
        struct partition *partition =
            replica_leader(part->shard->replicas, item->topic_id, item->index, &error);
        if (partition != NULL) {
            fill_producers(part, partition_log(partition), item->out);
        } else if (error == ERROR_UNKNOWN_TOPIC_ID) {
            error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        }
        item->out->error_code = (int16_t)error;
    }
    scatter_part_done(part);
}

static void producers_done(struct scatter *scatter) {
    request_respond(scatter->request,
                    &CONTAINER_OF(scatter, struct producers_op, scatter)->response);
}

static void add_topic(struct producers_op *op,
                      const struct describe_producers_request_topic_request *data,
                      struct describe_producers_response_topic_response *out) {
    struct request *request = op->scatter.request;
    struct node_shard *at = request->at;
    const struct image_topic *topic = image_topic_by_name(at->image, data->name);
    out->name = data->name;
    out->partitions_count = data->partition_indexes_count;
    out->partitions = arena_array(&request->arena, (size_t)data->partition_indexes_count,
                                  sizeof(*out->partitions));
    for (int32_t i = 0; i < data->partition_indexes_count; i++) {
        int32_t index = data->partition_indexes[i];
        out->partitions[i] =
            (struct describe_producers_response_partition_response){.partition_index = index};
        if (topic == NULL || image_partition(topic, index) == NULL) {
            enum kafka_error error = topic == NULL && !topic_name_valid(data->name)
                                         ? ERROR_INVALID_TOPIC_EXCEPTION
                                         : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            out->partitions[i].error_code = (int16_t)error;
            out->partitions[i].error_message =
                topic == NULL ? slice_str(error_message((int16_t)error)) : SLICE_NULL;
            continue;
        }
        struct producers_item *item = ARENA_NEW(&request->arena, struct producers_item);
        item->topic_id = topic->id;
        item->index = index;
        item->out = &out->partitions[i];
        scatter_add(&op->scatter, node_partition_shard(at->node, topic->id, index), &item->item);
    }
}

void api_describe_producers(struct request *request) {
    const struct describe_producers_request *body = request->body;
    struct producers_op *op = ARENA_NEW(&request->arena, struct producers_op);
    scatter_init(&op->scatter, request, producers_run, producers_done);
    message_init(&describe_producers_response_desc, &op->response);
    op->response.topics_count = body->topics_count;
    op->response.topics =
        arena_array(&request->arena, (size_t)body->topics_count, sizeof(*op->response.topics));
    for (int32_t i = 0; i < body->topics_count; i++) {
        add_topic(op, &body->topics[i], &op->response.topics[i]);
    }
    scatter_start(&op->scatter);
}
