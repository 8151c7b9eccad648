/*
 * AlterReplicaLogDirs (34, KIP-113): replicas of this broker move to other log dirs of it. It is
 * answered when the moves have begun; DescribeLogDirs shows how far they are.
 *
 * Begins on shard 0, where the log manager is; each shard moves its own partitions.
 */
#include <stdlib.h>

#include "broker/api/api.h"
#include "broker/api/scatter.h"
#include "broker/metadata/image.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/partition_move.h"
#include "broker/server/request.h"
#include "protocol/generated/alter_replica_log_dirs_request.h"
#include "protocol/generated/alter_replica_log_dirs_response.h"
#include "storage/log_dir.h"

typedef struct alter_replica_log_dirs_response_alter_replica_log_dir_partition_result
    partition_result;
typedef struct alter_replica_log_dirs_response_alter_replica_log_dir_topic_result topic_result;

struct move_item {
    struct scatter_item item;
    struct uuid topic_id;
    struct slice topic;
    int dir;
    partition_result *out;
};

struct move_op {
    struct scatter scatter;
    struct alter_replica_log_dirs_response response;
};

static void move_run(struct scatter_part *part) {
    LIST_FOREACH(it, &part->items) {
        struct move_item *item = CONTAINER_OF(it, struct move_item, item.link);
        item->out->error_code = (int16_t)replica_manager_move(
            part->shard->replicas, item->topic_id, item->out->partition_index, item->dir);
    }
    scatter_part_done(part);
}

/* What is not here yet is to lie in that dir when it comes. */
static void move_done(struct scatter *scatter) {
    struct move_op *op = CONTAINER_OF(scatter, struct move_op, scatter);
    struct log_manager *logs = scatter->request->at->node->log_manager;
    struct scatter_part *part = NULL;
    while ((part = scatter_next_part(scatter, part)) != NULL) {
        LIST_FOREACH(it, &part->items) {
            const struct move_item *item = CONTAINER_OF(it, struct move_item, item.link);
            if (item->out->error_code == ERROR_REPLICA_NOT_AVAILABLE) {
                log_manager_wish_dir(logs, item->topic, item->out->partition_index, item->dir);
            }
        }
    }
    request_respond(scatter->request, &op->response);
}

/* -1: none of the configured ones has that path. */
static int find_dir(const struct node *node, struct slice path) {
    for (int i = 0; i < log_manager_dir_count(node->log_manager); i++) {
        if (slice_equal_str(path, log_manager_dir_path(node->log_manager, i))) {
            return i;
        }
    }
    return -1;
}

/* In Kafka's order. */
static enum kafka_error check(const struct node *node, struct slice name, int32_t partition,
                              const struct image_topic *topic, int dir) {
    if (!log_dir_future_fits(name, partition)) {
        return ERROR_INVALID_TOPIC_EXCEPTION;
    }
    if (dir < 0) {
        return ERROR_LOG_DIR_NOT_FOUND;
    }
    if (!log_manager_dir_online(node->log_manager, dir)) {
        return ERROR_KAFKA_STORAGE_ERROR;
    }
    bool known = topic != NULL && image_partition(topic, partition) != NULL;
    return known ? ERROR_NONE : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
}

static void add_item(struct move_op *op, struct slice name, const struct image_topic *topic,
                     int dir, partition_result *out) {
    struct request *request = op->scatter.request;
    const struct node *node = request->at->node;
    enum kafka_error error = check(node, name, out->partition_index, topic, dir);
    out->error_code = (int16_t)error;
    if (error != ERROR_NONE) {
        return;
    }
    struct move_item *item = ARENA_NEW(&request->arena, struct move_item);
    item->topic_id = topic->id;
    item->topic = arena_dup(&request->arena, topic->name);
    item->dir = dir;
    item->out = out;
    scatter_add(&op->scatter, node_partition_shard(node, topic->id, out->partition_index),
                &item->item);
}

/* A partition as it stands in the request. */
struct asked {
    struct slice topic;
    int32_t partition;
    int dir;
    size_t order;
};

static int compare_asked(const void *a, const void *b) {
    const struct asked *left = a;
    const struct asked *right = b;
    int order = slice_compare(left->topic, right->topic);
    if (order == 0) {
        order = (left->partition > right->partition) - (left->partition < right->partition);
    }
    return order != 0 ? order : (left->order > right->order) - (left->order < right->order);
}

static bool same_partition(const struct asked *a, const struct asked *b) {
    return a->partition == b->partition && slice_equal(a->topic, b->topic);
}

/* All of the request by topic and partition. Of a partition that is named twice the last dir
 * counts, as in Kafka. */
static size_t gather(struct request *request, struct asked **out) {
    const struct alter_replica_log_dirs_request *body = request->body;
    size_t count = 0;
    for (int32_t i = 0; i < body->dirs_count; i++) {
        for (int32_t t = 0; t < body->dirs[i].topics_count; t++) {
            count += (size_t)body->dirs[i].topics[t].partitions_count;
        }
    }
    struct asked *all = arena_array(&request->arena, count + 1, sizeof(*all));
    count = 0;
    for (int32_t i = 0; i < body->dirs_count; i++) {
        int dir = find_dir(request->at->node, body->dirs[i].path);
        for (int32_t t = 0; t < body->dirs[i].topics_count; t++) {
            for (int32_t p = 0; p < body->dirs[i].topics[t].partitions_count; p++) {
                all[count] = (struct asked){.topic = body->dirs[i].topics[t].name,
                                            .partition = body->dirs[i].topics[t].partitions[p],
                                            .dir = dir,
                                            .order = count};
                count++;
            }
        }
    }
    qsort(all, count, sizeof(*all), compare_asked);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        kept -= kept > 0 && same_partition(&all[kept - 1], &all[i]);
        all[kept++] = all[i];
    }
    *out = all;
    return kept;
}

static void move_begin(struct request *request) {
    struct move_op *op = ARENA_NEW(&request->arena, struct move_op);
    struct asked *all = NULL;
    size_t count = gather(request, &all);
    message_init(&alter_replica_log_dirs_response_desc, &op->response);
    op->response.results = arena_array(&request->arena, count + 1, sizeof(*op->response.results));
    partition_result *partitions = arena_array(&request->arena, count + 1, sizeof(*partitions));
    scatter_init(&op->scatter, request, move_run, move_done);
    const struct image_topic *topic = NULL;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !slice_equal(all[i].topic, all[i - 1].topic)) {
            topic = image_topic_by_name(request->at->image, all[i].topic);
            op->response.results[op->response.results_count++] =
                (topic_result){.topic_name = all[i].topic, .partitions = &partitions[i]};
        }
        op->response.results[op->response.results_count - 1].partitions_count++;
        partitions[i] = (partition_result){.partition_index = all[i].partition};
        add_item(op, all[i].topic, topic, all[i].dir, &partitions[i]);
    }
    scatter_start(&op->scatter);
}

void api_alter_replica_log_dirs(struct request *request) {
    request_move(request, &request->at->node->shards[0], move_begin);
}
