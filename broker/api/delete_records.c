/*
 * DeleteRecords (21): moves the start of partitions forward (KIP-107), and waits until all living
 * replicas have followed, at most as long as the client says.
 */
#include "broker/api/api.h"
#include "broker/api/scatter.h"
#include "broker/api/topics_merge.h"
#include "broker/metadata/image.h"
#include "broker/replica/partition.h"
#include "broker/server/request.h"
#include "protocol/generated/delete_records_request.h"
#include "protocol/generated/delete_records_response.h"

#define OFFSET_HIGH_WATERMARK (-1)

static const struct topics_layout delete_layout =
    TOPICS_LAYOUT(struct delete_records_request_topic, name, TOPICS_NO_ID, partitions,
                  struct delete_records_request_partition, partition_index);

struct delete_item {
    struct scatter_item item;
    struct scatter_part *part;
    struct partition_deletion deletion;
    struct uuid topic_id;
    const struct delete_records_request_partition *wanted;
    struct delete_records_response_partition_result *out;
};

struct delete_op {
    struct scatter scatter;
    int32_t timeout_ms;
    struct delete_records_response response;
};

/* What a part waits for, on its shard. */
struct delete_wait {
    struct scatter_part *part;
    struct timer timer;
    int pending;
};

/* ---- On the owner shards --------------------------------------------------------------------- */

static void part_finish(struct delete_wait *wait) {
    timer_stop(&wait->timer);
    scatter_part_done(wait->part);
}

static void delete_ended(struct partition_deletion *deletion, enum kafka_error error,
                         int64_t low_watermark) {
    struct delete_item *item = CONTAINER_OF(deletion, struct delete_item, deletion);
    struct delete_wait *wait = item->part->state;
    item->out->error_code = (int16_t)error;
    item->out->low_watermark = low_watermark;
    if (--wait->pending == 0) {
        part_finish(wait);
    }
}

/* Here the records are gone; whether everywhere is not known. */
static void delete_timed_out(struct timer *timer) {
    struct delete_wait *wait = CONTAINER_OF(timer, struct delete_wait, timer);
    LIST_FOREACH(it, &wait->part->items) {
        struct delete_item *item = CONTAINER_OF(it, struct delete_item, item.link);
        if (list_linked(&item->deletion.link)) {
            list_remove(&item->deletion.link);
            item->out->error_code = ERROR_REQUEST_TIMED_OUT;
        }
    }
    part_finish(wait);
}

/* Raises the log start. *low_watermark is of all replicas, *target what it is to reach. */
static enum kafka_error delete_before(struct partition *partition, int64_t offset, int64_t *target,
                                      int64_t *low_watermark) {
    struct log *log = partition_log(partition);
    int64_t high_watermark = log_high_watermark(log);
    if (partition->config.log.cleanup_compact && !partition->config.log.cleanup_delete) {
        return ERROR_POLICY_VIOLATION;
    }
    if (offset == OFFSET_HIGH_WATERMARK) {
        offset = high_watermark;
    }
    if (offset < 0 || offset > high_watermark) {
        return ERROR_OFFSET_OUT_OF_RANGE;
    }
    if (offset > log_start_offset(log)) {
        if (log_raise_start(log, offset) != 0) {
            return ERROR_KAFKA_STORAGE_ERROR;
        }
        partition_mark_moved(partition);
    }
    *target = offset;
    *low_watermark = partition_low_watermark(partition);
    return ERROR_NONE;
}

static void run_item(struct delete_wait *wait, struct delete_item *item) {
    enum kafka_error error;
    int64_t target = 0;
    struct partition *partition = replica_leader(wait->part->shard->replicas, item->topic_id,
                                                 item->wanted->partition_index, &error);
    if (partition != NULL) {
        error = delete_before(partition, item->wanted->offset, &target, &item->out->low_watermark);
    } else if (error == ERROR_UNKNOWN_TOPIC_ID) {
        error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    item->out->error_code = (int16_t)error;
    if (error == ERROR_NONE && item->out->low_watermark < target) {
        wait->pending++;
        item->deletion.offset = target;
        partition_await_deletion(partition, &item->deletion, delete_ended);
    }
}

static void delete_run(struct scatter_part *part) {
    const struct delete_op *op = CONTAINER_OF(part->scatter, struct delete_op, scatter);
    struct delete_wait *wait = ARENA_NEW(part->arena, struct delete_wait);
    wait->part = part;
    timer_init(&wait->timer, part->shard->shard, delete_timed_out);
    part->state = wait;
    LIST_FOREACH(it, &part->items) {
        run_item(wait, CONTAINER_OF(it, struct delete_item, item.link));
    }
    if (wait->pending == 0) {
        scatter_part_done(part);
    } else {
        timer_start(&wait->timer, op->timeout_ms);
    }
}

/* ---- The request ----------------------------------------------------------------------------- */

static void delete_done(struct scatter *scatter) {
    request_respond(scatter->request, &CONTAINER_OF(scatter, struct delete_op, scatter)->response);
}

static void add_topic(struct delete_op *op, const struct delete_records_request_topic *data,
                      struct delete_records_response_topic_result *out) {
    struct request *request = op->scatter.request;
    struct node_shard *at = request->at;
    const struct image_topic *topic = image_topic_by_name(at->image, data->name);
    out->name = data->name;
    out->partitions_count = data->partitions_count;
    out->partitions =
        arena_array(&request->arena, (size_t)data->partitions_count, sizeof(*out->partitions));
    for (int32_t i = 0; i < data->partitions_count; i++) {
        int32_t index = data->partitions[i].partition_index;
        out->partitions[i] = (struct delete_records_response_partition_result){
            .partition_index = index, .low_watermark = -1};
        if (topic == NULL || image_partition(topic, index) == NULL) {
            out->partitions[i].error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        if (topic_is_internal(topic->name)) {
            out->partitions[i].error_code = ERROR_INVALID_TOPIC_EXCEPTION;
            continue;
        }
        struct delete_item *item = ARENA_NEW(&request->arena, struct delete_item);
        item->topic_id = topic->id;
        item->wanted = &data->partitions[i];
        item->out = &out->partitions[i];
        list_init(&item->deletion.link);
        item->part = scatter_add(&op->scatter, node_partition_shard(at->node, topic->id, index),
                                 &item->item);
    }
}

/* Of a partition that is named twice, the last offset counts, as in Kafka. */
static const struct delete_records_request *merge_body(struct request *request) {
    struct delete_records_request *body = ARENA_NEW(&request->arena, struct delete_records_request);
    *body = *(const struct delete_records_request *)request->body;
    void *topics = body->topics;
    body->topics_count =
        topics_merge(&request->arena, &delete_layout, REPEATS_MERGE, &topics, body->topics_count);
    body->topics = topics;
    request->body = body;
    return body;
}

void api_delete_records(struct request *request) {
    const struct delete_records_request *body = merge_body(request);
    struct delete_op *op = ARENA_NEW(&request->arena, struct delete_op);
    op->timeout_ms = body->timeout_ms > 0 ? body->timeout_ms : 0;
    scatter_init(&op->scatter, request, delete_run, delete_done);
    message_init(&delete_records_response_desc, &op->response);
    op->response.topics_count = body->topics_count;
    op->response.topics =
        arena_array(&request->arena, (size_t)body->topics_count, sizeof(*op->response.topics));
    for (int32_t i = 0; i < body->topics_count; i++) {
        add_topic(op, &body->topics[i], &op->response.topics[i]);
    }
    scatter_start(&op->scatter);
}
