/*
 * Produce (0): appends batches of records (KIP-98; topic ids: KIP-516; leader hints: KIP-951).
 *
 * Each partition of the request is an item that goes to its owner shard. There the batch is checked
 * and appended from the bytes as they were received: the frame belongs to this request alone and is
 * stamped in place. With acks=-1 the part waits until the high watermarks have passed its batches,
 * at most as long as the client says. Items of one connection reach a shard in the order of their
 * requests, since posts do.
 */
#include "broker/api/api.h"
#include "broker/api/leader_hint.h"
#include "broker/api/scatter.h"
#include "broker/api/topics_merge.h"
#include "broker/metadata/image.h"
#include "broker/metrics/meters.h"
#include "broker/replica/partition.h"
#include "broker/replica/produce_task.h"
#include "broker/server/request.h"
#include "protocol/generated/produce_request.h"
#include "protocol/generated/produce_response.h"

#define VERSION_ZSTD     7
#define VERSION_HINTS    10
#define VERSION_TOPIC_ID 13

/* What follows the length field of the smallest message of the oldest format. */
#define BATCH_LENGTH_LEAST 14

/* The one client that may write to internal topics, as a last resort of their operators. */
#define ADMIN_CLIENT_ID "__admin_client"

static const struct topics_layout produce_layout =
    TOPICS_LAYOUT(struct produce_request_topic_produce_data, name,
                  offsetof(struct produce_request_topic_produce_data, topic_id), partition_data,
                  struct produce_request_partition_produce_data, index);

struct produce_item {
    struct scatter_item item;
    struct scatter_part *part;
    struct produce_task task;
    struct request_arena arena; /* the task's */
    struct partition_append append;
    struct partition_arrival arrival;
    struct produce_response_partition_produce_response *out;
};

struct produce_op {
    struct scatter scatter;
    struct request *request;
    struct produce_response response;
    int16_t acks;
    int32_t timeout_ms;
    enum kafka_error refused; /* the whole request, for what one of its batches is */
};

/* What a part waits for, on its shard. */
struct produce_wait {
    struct scatter_part *part;
    struct timer timer;
    int pending;
    bool expired; /* only checks of batches, which cannot be ended, are still waited for */
};

static void item_fail(struct produce_item *item, enum kafka_error error, const char *message) {
    item->task.produce.error = error;
    item->task.produce.message = message;
    item->task.produce.base_offset = -1;
}

/* ---- On the owner shards --------------------------------------------------------------------- */

static void produce_part_finish(struct produce_wait *wait) {
    timer_stop(&wait->timer);
    scatter_part_done(wait->part);
}

static void produce_item_finish(struct produce_item *item) {
    struct produce_wait *wait = item->part->state;
    if (--wait->pending == 0) {
        produce_part_finish(wait);
    }
}

static void produce_committed(struct partition_append *append, enum kafka_error error) {
    struct produce_item *item = CONTAINER_OF(append, struct produce_item, append);
    if (error != ERROR_NONE) {
        item_fail(item, error, NULL);
    }
    produce_item_finish(item);
}

/* The records stay: the client only learns that it does not know. */
static void produce_timed_out(struct timer *timer) {
    struct produce_wait *wait = CONTAINER_OF(timer, struct produce_wait, timer);
    wait->expired = true;
    LIST_FOREACH(it, &wait->part->items) {
        struct produce_item *item = CONTAINER_OF(it, struct produce_item, item.link);
        if (list_linked(&item->append.link)) {
            partition_append_cancel(&item->append);
            item_fail(item, ERROR_REQUEST_TIMED_OUT, NULL);
            wait->pending--;
        } else if (list_linked(&item->arrival.link)) { /* nothing was appended */
            list_remove(&item->arrival.link);
            item_fail(item, ERROR_NOT_LEADER_OR_FOLLOWER, NULL);
            wait->pending--;
        }
    }
    if (wait->pending == 0) {
        produce_part_finish(wait);
    }
}

/* What the part waits with; made with its first wait. */
static struct produce_wait *produce_wait_of(struct scatter_part *part) {
    struct produce_wait *wait = part->state;
    if (wait == NULL) {
        wait = ARENA_NEW(part->arena, struct produce_wait);
        wait->part = part;
        timer_init(&wait->timer, part->shard->shard, produce_timed_out);
        part->state = wait;
    }
    return wait;
}

static void produce_arrived(struct partition_arrival *arrival);

/* What was appended may have to be committed too. */
static void produce_item_appended(struct produce_item *item) {
    const struct produce_op *op = CONTAINER_OF(item->part->scatter, struct produce_op, scatter);
    const struct partition_produce *produce = &item->task.produce;
    const struct node_shard *shard = item->part->shard;
    meters_produce_request(shard->meters, shard->image, item->task.topic_id,
                           produce->error != ERROR_NONE);
    if (produce->error != ERROR_NONE || op->acks != -1) {
        return;
    }
    struct produce_wait *wait = produce_wait_of(item->part);
    if (wait->expired) {
        item_fail(item, ERROR_REQUEST_TIMED_OUT, NULL);
        return;
    }
    wait->pending++;
    item->append.next_offset = produce->next_offset;
    partition_await(item->task.partition, &item->append, produce_committed);
}

static void produce_checked(struct produce_task *task) {
    struct produce_item *item = CONTAINER_OF(task, struct produce_item, task);
    produce_item_appended(item);
    produce_item_finish(item);
}

static void produce_run_item(struct scatter_part *part, struct produce_item *item) {
    struct replica_manager *manager = part->shard->replicas;
    struct produce_task *task = &item->task;
    if (!produce_task_start(manager, task, produce_checked)) {
        produce_wait_of(part)->pending++;
    } else if (task->partition == NULL && partition_await_log(manager, task->topic_id, task->index,
                                                              &item->arrival, produce_arrived)) {
        produce_wait_of(part)->pending++;
    } else {
        produce_item_appended(item);
    }
}

/* The log of a new partition is there, or will not come. */
static void produce_arrived(struct partition_arrival *arrival) {
    struct produce_item *item = CONTAINER_OF(arrival, struct produce_item, arrival);
    produce_run_item(item->part, item);
    produce_item_finish(item);
}

static void produce_run(struct scatter_part *part) {
    const struct produce_op *op = CONTAINER_OF(part->scatter, struct produce_op, scatter);
    int32_t timeout_ms = op->timeout_ms;
    LIST_FOREACH(it, &part->items) {
        produce_run_item(part, CONTAINER_OF(it, struct produce_item, item.link));
    }
    struct produce_wait *wait = part->state;
    if (wait == NULL) {
        scatter_part_done(part);
    } else {
        timer_start(&wait->timer, timeout_ms > 0 ? timeout_ms : 0);
    }
}

/* ---- The answer ------------------------------------------------------------------------------ */

static void add_endpoint(struct produce_op *op, const struct leader_hint *hint) {
    struct produce_response *response = &op->response;
    for (int32_t i = 0; i < response->node_endpoints_count; i++) {
        if (response->node_endpoints[i].node_id == hint->leader) {
            return;
        }
    }
    /* This node knows of few brokers: growing by one is rare. */
    struct produce_response_node_endpoint *grown =
        arena_array(&op->request->arena, (size_t)response->node_endpoints_count + 1,
                    sizeof(*response->node_endpoints));
    for (int32_t i = 0; i < response->node_endpoints_count; i++) {
        grown[i] = response->node_endpoints[i];
    }
    grown[response->node_endpoints_count] = (struct produce_response_node_endpoint){
        .host = hint->host, .rack = hint->rack, .node_id = hint->leader, .port = hint->port};
    response->node_endpoints = grown;
    response->node_endpoints_count++;
}

static void fill_record_errors(struct produce_op *op, const struct produce_item *item) {
    const struct partition_produce *produce = &item->task.produce;
    if (produce->record_error_count == 0) {
        return;
    }
    item->out->record_errors = arena_array(&op->request->arena, (size_t)produce->record_error_count,
                                           sizeof(*item->out->record_errors));
    for (int32_t i = 0; i < produce->record_error_count; i++) {
        item->out->record_errors[i] = (struct produce_response_batch_index_and_error_message){
            .batch_index = produce->record_errors[i].batch_index,
            .batch_index_error_message = slice_str(produce->record_errors[i].message),
        };
    }
    item->out->record_errors_count = produce->record_error_count;
}

static void fill_result(struct produce_op *op, const struct produce_item *item) {
    struct produce_response_partition_produce_response *out = item->out;
    const struct partition_produce *produce = &item->task.produce;
    enum kafka_error error = produce->error;
    if (error == ERROR_UNKNOWN_TOPIC_ID && op->request->version < VERSION_TOPIC_ID) {
        error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    out->error_code = (int16_t)error;
    out->error_message = slice_str(produce->message);
    out->base_offset = produce->base_offset;
    /* Kafka tells the start also of a log that refused the records for what is in them. */
    bool refused = error == ERROR_INVALID_TIMESTAMP || error == ERROR_INVALID_RECORD ||
                   error == ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER ||
                   error == ERROR_INVALID_PRODUCER_EPOCH;
    if (error == ERROR_NONE || refused) {
        out->log_start_offset = produce->log_start_offset;
    }
    if (error == ERROR_NONE) {
        out->log_append_time_ms = produce->append_time_ms;
        return;
    }
    fill_record_errors(op, item);
    struct leader_hint hint;
    if (error == ERROR_NOT_LEADER_OR_FOLLOWER && op->request->version >= VERSION_HINTS &&
        leader_hint(op->request, item->task.topic_id, item->task.index, &hint)) {
        out->current_leader.leader_id = hint.leader;
        out->current_leader.leader_epoch = hint.leader_epoch;
        if (hint.has_endpoint) {
            add_endpoint(op, &hint);
        }
    }
}

static bool response_has_error(const struct produce_response *response) {
    for (int32_t i = 0; i < response->responses_count; i++) {
        for (int32_t j = 0; j < response->responses[i].partition_responses_count; j++) {
            if (response->responses[i].partition_responses[j].error_code != ERROR_NONE) {
                return true;
            }
        }
    }
    return false;
}

static void produce_done(struct scatter *scatter) {
    struct produce_op *op = CONTAINER_OF(scatter, struct produce_op, scatter);
    struct scatter_part *part = NULL;
    while ((part = scatter_next_part(scatter, part)) != NULL) {
        LIST_FOREACH(it, &part->items) {
            fill_result(op, CONTAINER_OF(it, struct produce_item, item.link));
        }
    }
    if (op->acks != 0) {
        request_respond(scatter->request, &op->response);
        return;
    }
    /* Nobody reads an answer: closing is how such a client learns that records were refused. */
    if (response_has_error(&op->response)) {
        request_respond_close(scatter->request, "a produce request without acknowledgement failed");
    } else {
        request_respond_nothing(scatter->request);
    }
}

/* ---- The request ----------------------------------------------------------------------------- */

static const struct image_topic *find_topic(const struct request *request,
                                            const struct produce_request_topic_produce_data *data) {
    const struct image *image = request->at->image;
    return request->version >= VERSION_TOPIC_ID ? image_topic_by_id(image, data->topic_id)
                                                : image_topic_by_name(image, data->name);
}

/* What a batch does to the whole request: transactional records need a transactional id, and what
 * cannot be a batch of any format spoils all others. */
static enum kafka_error refuses_all(const struct produce_request *body,
                                    const struct message_records *records) {
    struct batch batch;
    if (records->data == NULL) {
        return ERROR_NONE;
    }
    enum batch_parse parsed = batch_parse(slice_make(records->data, records->len), &batch);
    if (parsed == BATCH_OK && (batch.attributes & BATCH_ATTR_TRANSACTIONAL) != 0 &&
        slice_is_null(body->transactional_id)) {
        return ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    }
    if (parsed == BATCH_CORRUPT &&
        (batch.length < BATCH_LENGTH_LEAST || batch.magic < 0 || batch.magic > 2)) {
        return ERROR_CORRUPT_MESSAGE;
    }
    return ERROR_NONE;
}

static enum kafka_error find_refusal(const struct produce_request *body) {
    for (int32_t t = 0; t < body->topic_data_count; t++) {
        for (int32_t p = 0; p < body->topic_data[t].partition_data_count; p++) {
            enum kafka_error error =
                refuses_all(body, &body->topic_data[t].partition_data[p].records);
            if (error != ERROR_NONE) {
                return error;
            }
        }
    }
    return ERROR_NONE;
}

/* What can be said of a partition before its owner is asked. */
static enum kafka_error check_partition(const struct produce_op *op,
                                        const struct image_topic *topic,
                                        const struct produce_request_partition_produce_data *data,
                                        const char **message) {
    const struct request *request = op->request;
    const struct produce_request *body = request->body;
    if (op->refused != ERROR_NONE) {
        *message = error_message((int16_t)op->refused);
        return op->refused;
    }
    if (topic == NULL) {
        return request->version >= VERSION_TOPIC_ID ? ERROR_UNKNOWN_TOPIC_ID
                                                    : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (image_partition(topic, data->index) == NULL) {
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (data->records.data == NULL || data->records.len == 0) {
        *message = "There must be exactly one batch.";
        return ERROR_INVALID_RECORD;
    }
    if (body->acks < -1 || body->acks > 1) {
        return ERROR_INVALID_REQUIRED_ACKS;
    }
    if (topic_is_internal(topic->name) && !slice_equal_str(request->client_id, ADMIN_CLIENT_ID)) {
        return ERROR_INVALID_TOPIC_EXCEPTION;
    }
    return ERROR_NONE;
}

static void add_item(struct produce_op *op, const struct image_topic *topic,
                     const struct produce_request_partition_produce_data *data,
                     struct produce_response_partition_produce_response *out) {
    struct request *request = op->request;
    struct produce_item *item = ARENA_NEW(&request->arena, struct produce_item);
    list_init(&item->append.link);
    list_init(&item->arrival.link);
    request_add_arena(request, &item->arena);
    item->out = out;
    item->task.connection_id = request->connection_id;
    item->task.topic_id = topic->id;
    item->task.index = data->index;
    /* The frame is this request's alone, so its bytes may be stamped. */
    item->task.produce = (struct partition_produce){
        .records = slice_make(data->records.data, data->records.len),
        .data = request->frame->data + (data->records.data - request->frame->data),
        .acks = op->acks,
        .zstd_allowed = request->version >= VERSION_ZSTD,
        .arena = &item->arena.arena,
    };
    int shard = node_partition_shard(request->at->node, topic->id, data->index);
    item->part = scatter_add(&op->scatter, shard, &item->item);
}

static void add_topic(struct produce_op *op, const struct produce_request_topic_produce_data *data,
                      struct produce_response_topic_produce_response *out) {
    struct arena *arena = &op->request->arena;
    const struct image_topic *topic = find_topic(op->request, data);
    out->name = data->name;
    out->topic_id = data->topic_id;
    out->partition_responses_count = data->partition_data_count;
    out->partition_responses =
        arena_array(arena, (size_t)data->partition_data_count, sizeof(*out->partition_responses));
    for (int32_t i = 0; i < data->partition_data_count; i++) {
        const char *message = NULL;
        enum kafka_error error = check_partition(op, topic, &data->partition_data[i], &message);
        out->partition_responses[i] = (struct produce_response_partition_produce_response){
            .index = data->partition_data[i].index,
            .error_code = (int16_t)error,
            .error_message = slice_str(message),
            .base_offset = -1,
            .log_append_time_ms = -1,
            .log_start_offset = -1,
            .current_leader = {.leader_id = -1, .leader_epoch = -1},
        };
        if (error == ERROR_NONE) {
            add_item(op, topic, &data->partition_data[i], &out->partition_responses[i]);
        }
    }
}

/* Of a partition that is named twice, the last records count, as in Kafka. */
static const struct produce_request *merge_body(struct request *request) {
    struct produce_request *body = ARENA_NEW(&request->arena, struct produce_request);
    *body = *(const struct produce_request *)request->body;
    void *topics = body->topic_data;
    body->topic_data_count = topics_merge(&request->arena, &produce_layout, REPEATS_MERGE, &topics,
                                          body->topic_data_count);
    body->topic_data = topics;
    request->body = body;
    return body;
}

void api_produce(struct request *request) {
    const struct produce_request *body = merge_body(request);
    struct produce_op *op = ARENA_NEW(&request->arena, struct produce_op);
    op->request = request;
    op->acks = body->acks;
    op->timeout_ms = body->timeout_ms;
    op->refused = find_refusal(body);
    scatter_init(&op->scatter, request, produce_run, produce_done);
    message_init(&produce_response_desc, &op->response);
    op->response.responses_count = body->topic_data_count;
    op->response.responses = arena_array(&request->arena, (size_t)body->topic_data_count,
                                         sizeof(*op->response.responses));
    for (int32_t i = 0; i < body->topic_data_count; i++) {
        add_topic(op, &body->topic_data[i], &op->response.responses[i]);
    }
    scatter_start(&op->scatter);
}
