/*
 * ListOffsets (2): where the log begins and ends, and what offset a moment has (KIP-79, KIP-734).
 *
 * Look-ups by time read indexes and records, so they run on workers. Who asks for the end after
 * acks=1 expects its records to be there, so what waits for nothing but this node's own sync is
 * waited for; all else is answered at once.
 * Version 0 wants a list of offsets, newest first: it gets what version 1 would say, and the log's
 * start behind its end where the client has room for two.
 */
#include "base/hmap.h"
#include "broker/api/api.h"
#include "broker/api/scatter.h"
#include "broker/api/topics_merge.h"
#include "broker/metadata/image.h"
#include "broker/replica/partition.h"
#include "broker/server/request.h"
#include "protocol/generated/list_offsets_request.h"
#include "protocol/generated/list_offsets_response.h"

#define TIMESTAMP_LATEST           (-1)
#define TIMESTAMP_EARLIEST         (-2)
#define TIMESTAMP_MAX              (-3)
#define TIMESTAMP_EARLIEST_LOCAL   (-4)
#define TIMESTAMP_LATEST_TIERED    (-5)
#define TIMESTAMP_EARLIEST_PENDING (-6)

#define VERSION_OFFSET_NOT_AVAILABLE 5
#define VERSION_LEADER_EPOCH         4

#define REPLICA_ID_CONSUMER (-1)

static const struct topics_layout list_offsets_layout =
    TOPICS_LAYOUT(struct list_offsets_request_topic, name, TOPICS_NO_ID, partitions,
                  struct list_offsets_request_partition, partition_index);

struct list_offsets_item {
    struct scatter_item item;
    struct hmap_node node; /* while duplicates are looked for */
    struct scatter_part *part;
    struct slice topic;
    struct uuid topic_id;
    const struct list_offsets_request_partition *wanted;
    struct log_lookup lookup;
    struct partition_append syncing; /* waits for what was appended when the request came */
    struct list_offsets_response_partition_response *out;

    enum kafka_error error;
    int64_t timestamp;
    int64_t offset;
    int64_t start; /* of the log; for version 0 */
    bool behind;   /* a new leader does not know yet how much was committed before it */
    int32_t leader_epoch;
};

struct list_offsets_op {
    struct scatter scatter;
    struct request *request;
    struct list_offsets_response response;
    bool consumer; /* not a replica: sees what is committed */
    enum fetch_limit limit;
};

/* What a part waits for. */
struct list_offsets_part {
    int pending;
};

/* ---- On the owner shards --------------------------------------------------------------------- */

static void part_ended(struct scatter_part *part) {
    struct list_offsets_part *state = part->state;
    if (--state->pending == 0) {
        scatter_part_done(part);
    }
}

static void lookup_done(struct log_lookup *lookup, int result) {
    struct list_offsets_item *item = CONTAINER_OF(lookup, struct list_offsets_item, lookup);
    if (result != 0) {
        item->error = ERROR_KAFKA_STORAGE_ERROR;
    } else if (lookup->found_offset >= 0) {
        item->offset = lookup->found_offset;
        item->timestamp = lookup->found_timestamp;
        item->leader_epoch = lookup->found_epoch;
    } else if (item->behind) {
        item->error = ERROR_OFFSET_NOT_AVAILABLE;
    }
    part_ended(item->part);
}

static void look_up(struct list_offsets_item *item, struct log *log, int64_t limit) {
    struct list_offsets_part *state = item->part->state;
    state->pending++;
    if (item->wanted->timestamp == TIMESTAMP_MAX) {
        log_find_max_timestamp(log, &item->lookup, limit, lookup_done);
    } else {
        log_find_timestamp(log, &item->lookup, item->wanted->timestamp, limit, lookup_done);
    }
}

/* The partition, when this node leads it in the epoch that the client knows; else the error. */
static struct partition *find_partition(struct list_offsets_item *item) {
    struct partition *partition = replica_leader(item->part->shard->replicas, item->topic_id,
                                                 item->wanted->partition_index, &item->error);
    if (partition == NULL) {
        return NULL;
    }
    item->error = partition_check_epoch(partition, item->wanted->current_leader_epoch);
    return item->error == ERROR_NONE ? partition : NULL;
}

static void answer_item(const struct list_offsets_op *op, struct list_offsets_item *item) {
    struct partition *partition = find_partition(item);
    if (partition == NULL) {
        return;
    }
    struct log *log = partition_log(partition);
    int64_t limit = partition_fetch_limit(partition, op->limit);
    item->start = log_start_offset(log);
    item->behind = op->consumer && partition->epoch_start > log_high_watermark(log);
    switch (item->wanted->timestamp) {
    case TIMESTAMP_LATEST:
        if (item->behind) {
            item->error = ERROR_OFFSET_NOT_AVAILABLE;
            return;
        }
        item->offset = limit;
        item->leader_epoch = partition_leader_epoch(partition);
        break;
    case TIMESTAMP_EARLIEST:
    case TIMESTAMP_EARLIEST_LOCAL:
        item->offset = item->start;
        item->leader_epoch = log_epoch_of_offset(log, item->offset);
        break;
    case TIMESTAMP_LATEST_TIERED:
    case TIMESTAMP_EARLIEST_PENDING:
        break; /* nothing is tiered: no such offset */
    default:
        look_up(item, log, limit);
        break;
    }
}

/* Synced, or not any more its business: a partition that is gone is found to be so. */
static void item_synced(struct partition_append *append, enum kafka_error error) {
    struct list_offsets_item *item = CONTAINER_OF(append, struct list_offsets_item, syncing);
    struct scatter_part *part = item->part;
    answer_item(CONTAINER_OF(part->scatter, struct list_offsets_op, scatter), item);
    part_ended(part);
}

static bool asks_for_end(const struct list_offsets_item *item) {
    int64_t timestamp = item->wanted->timestamp;
    return timestamp == TIMESTAMP_LATEST || timestamp == TIMESTAMP_MAX || timestamp >= 0;
}

static void run_item(const struct list_offsets_op *op, struct list_offsets_item *item) {
    struct partition *partition = find_partition(item);
    if (partition == NULL) {
        return;
    }
    if (op->consumer && asks_for_end(item) && partition_syncing(partition)) {
        struct list_offsets_part *state = item->part->state;
        state->pending++;
        item->syncing.next_offset = log_end_offset(partition_log(partition));
        partition_await(partition, &item->syncing, item_synced);
        return;
    }
    answer_item(op, item);
}

static void list_offsets_run(struct scatter_part *part) {
    const struct list_offsets_op *op = CONTAINER_OF(part->scatter, struct list_offsets_op, scatter);
    struct list_offsets_part *state = ARENA_NEW(part->arena, struct list_offsets_part);
    part->state = state;
    state->pending = 1; /* until all were begun */
    LIST_FOREACH(it, &part->items) {
        run_item(op, CONTAINER_OF(it, struct list_offsets_item, item.link));
    }
    part_ended(part);
}

/* ---- The answer ------------------------------------------------------------------------------ */

static int16_t error_for_version(enum kafka_error error, int16_t version) {
    if (error == ERROR_UNKNOWN_TOPIC_ID) {
        error = ERROR_UNKNOWN_TOPIC_OR_PARTITION; /* deleted since the name was found */
    }
    if (error == ERROR_OFFSET_NOT_AVAILABLE && version < VERSION_OFFSET_NOT_AVAILABLE) {
        error = ERROR_LEADER_NOT_AVAILABLE;
    }
    return (int16_t)error;
}

static void fill_old_style(struct list_offsets_op *op, const struct list_offsets_item *item) {
    struct list_offsets_response_partition_response *out = item->out;
    int64_t *offsets = arena_array(&op->request->arena, 2, sizeof(*offsets));
    int32_t count = 0;
    if (item->error == ERROR_NONE && item->offset >= 0 && item->wanted->max_num_offsets > 0) {
        offsets[count++] = item->offset;
        if (item->wanted->max_num_offsets > 1 && item->start < item->offset) {
            offsets[count++] = item->start;
        }
    }
    out->old_style_offsets = offsets;
    out->old_style_offsets_count = count;
}

static void fill_result(struct list_offsets_op *op, const struct list_offsets_item *item) {
    struct list_offsets_response_partition_response *out = item->out;
    out->error_code = error_for_version(item->error, op->request->version);
    if (op->request->version == 0) {
        fill_old_style(op, item);
        return;
    }
    if (item->error == ERROR_NONE) {
        out->timestamp = item->timestamp;
        out->offset = item->offset;
        out->leader_epoch = op->request->version >= VERSION_LEADER_EPOCH ? item->leader_epoch : -1;
    }
}

static void list_offsets_done(struct scatter *scatter) {
    struct list_offsets_op *op = CONTAINER_OF(scatter, struct list_offsets_op, scatter);
    struct scatter_part *part = NULL;
    while ((part = scatter_next_part(scatter, part)) != NULL) {
        LIST_FOREACH(it, &part->items) {
            fill_result(op, CONTAINER_OF(it, struct list_offsets_item, item.link));
        }
    }
    request_respond(scatter->request, &op->response);
}

/* ---- The request ----------------------------------------------------------------------------- */

/* The special timestamps came one by one. */
static bool timestamp_known(int64_t timestamp, int16_t version) {
    static const int16_t since[] = {
        [-TIMESTAMP_LATEST] = 0,        [-TIMESTAMP_EARLIEST] = 0,
        [-TIMESTAMP_MAX] = 7,           [-TIMESTAMP_EARLIEST_LOCAL] = 8,
        [-TIMESTAMP_LATEST_TIERED] = 9, [-TIMESTAMP_EARLIEST_PENDING] = 11,
    };
    return timestamp >= 0 ||
           (timestamp >= TIMESTAMP_EARLIEST_PENDING && version >= since[-timestamp]);
}

static uint64_t item_hash(struct slice topic, int32_t index) {
    return hash_combine(hash_bytes(topic), (uint64_t)(uint32_t)index);
}

/* An item of the same partition that was seen before, or NULL. */
static struct list_offsets_item *find_duplicate(const struct hmap *seen, uint64_t hash,
                                                struct slice topic, int32_t index) {
    HMAP_FOREACH_HASH(node, seen, hash) {
        struct list_offsets_item *item = CONTAINER_OF(node, struct list_offsets_item, node);
        if (item->wanted->partition_index == index && slice_equal(item->topic, topic)) {
            return item;
        }
    }
    return NULL;
}

static enum kafka_error check_item(const struct request *request,
                                   const struct list_offsets_item *item) {
    if (!timestamp_known(item->wanted->timestamp, request->version)) {
        return ERROR_UNSUPPORTED_VERSION;
    }
    const struct image_topic *topic = image_topic_by_name(request->at->image, item->topic);
    if (topic == NULL || image_partition(topic, item->wanted->partition_index) == NULL) {
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return ERROR_NONE;
}

/* Says of each partition that is named again that the request is wrong. */
static void mark_duplicates(struct list_offsets_op *op, const struct list_offsets_request *body,
                            struct hmap *seen) {
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct list_offsets_request_topic *topic = &body->topics[i];
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            const struct list_offsets_request_partition *wanted = &topic->partitions[j];
            uint64_t hash = item_hash(topic->name, wanted->partition_index);
            struct list_offsets_item *earlier =
                find_duplicate(seen, hash, topic->name, wanted->partition_index);
            if (earlier != NULL) {
                earlier->error = ERROR_INVALID_REQUEST;
                continue;
            }
            struct list_offsets_item *item =
                ARENA_NEW(&op->request->arena, struct list_offsets_item);
            item->topic = topic->name;
            item->wanted = wanted;
            hmap_insert(seen, &item->node, hash);
        }
    }
}

/* The item of a partition of the answer. */
static struct list_offsets_item *take_item(struct list_offsets_op *op, const struct hmap *seen,
                                           struct slice topic,
                                           const struct list_offsets_request_partition *wanted,
                                           struct list_offsets_response_partition_response *out) {
    struct list_offsets_item *item = find_duplicate(seen, item_hash(topic, wanted->partition_index),
                                                    topic, wanted->partition_index);
    item->out = out;
    item->offset = -1;
    item->timestamp = -1;
    item->leader_epoch = -1;
    *out = (struct list_offsets_response_partition_response){
        .partition_index = wanted->partition_index,
        .timestamp = -1,
        .offset = -1,
        .leader_epoch = -1,
    };
    if (item->error == ERROR_NONE) {
        item->error = check_item(op->request, item);
    }
    return item;
}

/* Items without fault go to their shards, the others are done. */
static void dispatch_item(struct list_offsets_op *op, struct list_offsets_item *item) {
    if (item->error != ERROR_NONE) {
        fill_result(op, item);
        return;
    }
    struct node_shard *at = op->request->at;
    item->topic_id = image_topic_by_name(at->image, item->topic)->id;
    int shard = node_partition_shard(at->node, item->topic_id, item->wanted->partition_index);
    item->part = scatter_add(&op->scatter, shard, &item->item);
}

static void add_topics(struct list_offsets_op *op, const struct list_offsets_request *body) {
    struct arena *arena = &op->request->arena;
    struct hmap seen;
    hmap_init(&seen);
    mark_duplicates(op, body, &seen);
    void *merged = body->topics;
    int32_t count =
        topics_merge(arena, &list_offsets_layout, REPEATS_MERGE, &merged, body->topics_count);
    const struct list_offsets_request_topic *topics = merged;
    op->response.topics_count = count;
    op->response.topics = arena_array(arena, (size_t)count, sizeof(*op->response.topics));
    for (int32_t i = 0; i < count; i++) {
        const struct list_offsets_request_topic *topic = &topics[i];
        struct list_offsets_response_topic_response *out = &op->response.topics[i];
        out->name = topic->name;
        out->partitions_count = topic->partitions_count;
        out->partitions =
            arena_array(arena, (size_t)topic->partitions_count, sizeof(*out->partitions));
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            dispatch_item(
                op, take_item(op, &seen, topic->name, &topic->partitions[j], &out->partitions[j]));
        }
    }
    hmap_release(&seen);
}

void api_list_offsets(struct request *request) {
    const struct list_offsets_request *body = request->body;
    struct list_offsets_op *op = ARENA_NEW(&request->arena, struct list_offsets_op);
    op->request = request;
    op->consumer = body->replica_id == REPLICA_ID_CONSUMER;
    op->limit = !op->consumer                ? FETCH_TO_LOG_END
                : body->isolation_level == 1 ? FETCH_TO_STABLE_OFFSET
                                             : FETCH_TO_HIGH_WATERMARK;
    scatter_init(&op->scatter, request, list_offsets_run, list_offsets_done);
    message_init(&list_offsets_response_desc, &op->response);
    add_topics(op, body);
    scatter_start(&op->scatter);
}
