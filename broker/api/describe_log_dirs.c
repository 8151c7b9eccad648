/*
 * DescribeLogDirs (35): what lies in which log dir, and how full its disk is (KIP-113, KIP-827).
 *
 * Runs on shard 0, where the log manager is; each shard lists its own partitions.
 */
#include <stdlib.h>

#include "broker/api/api.h"
#include "broker/api/scatter.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/partition_move.h"
#include "broker/replica/replica_manager.h"
#include "broker/server/request.h"
#include "protocol/generated/describe_log_dirs_request.h"
#include "protocol/generated/describe_log_dirs_response.h"
#include "runtime/file.h"

/* A partition as its shard found it; strings in the part's arena. */
struct dir_entry {
    struct slice topic;
    int32_t partition;
    int dir;
    int64_t bytes;
    int64_t lag;
    bool future;
};

/* One for each shard. */
struct dirs_item {
    struct scatter_item item;
    struct dir_entry *entries;
    int count;
};

struct dirs_op {
    struct scatter scatter;
    struct request *request;
    struct dirs_item *items;
};

static bool topic_wanted(const struct describe_log_dirs_request *body, struct slice topic,
                         int32_t partition) {
    if (body->topics_count < 0) {
        return true;
    }
    for (int32_t i = 0; i < body->topics_count; i++) {
        if (!slice_equal(body->topics[i].topic, topic)) {
            continue;
        }
        for (int32_t j = 0; j < body->topics[i].partitions_count; j++) {
            if (body->topics[i].partitions[j] == partition) {
                return true;
            }
        }
    }
    return false;
}

/* The log, and its copy while it moves to another dir: Kafka's "future" replica. */
static void add_partition(const struct scatter_part *part, const struct partition *partition,
                          struct dirs_item *item) {
    int64_t end = log_end_offset(partition->log);
    int64_t lag = log_high_watermark(partition->log) - end;
    struct dir_entry entry = {
        .topic = arena_dup(part->arena, partition->topic),
        .partition = partition->index,
        .dir = partition->dir,
        .bytes = log_bytes(partition->log),
        .lag = lag > 0 ? lag : 0,
    };
    item->entries[item->count++] = entry;
    const struct log *copy = NULL;
    if (partition_moves(partition, &entry.dir, &copy)) {
        bool complete = partition->state == PARTITION_MOVING;
        entry.future = true;
        entry.bytes = copy != NULL ? log_bytes(copy) : complete ? entry.bytes : 0;
        entry.lag = copy != NULL ? end - log_end_offset(copy) : complete ? 0 : end;
        item->entries[item->count++] = entry;
    }
}

static void dirs_run(struct scatter_part *part) {
    const struct dirs_op *op = CONTAINER_OF(part->scatter, struct dirs_op, scatter);
    struct replica_manager *manager = part->shard->replicas;
    struct dirs_item *item = LIST_FIRST(&part->items, struct dirs_item, item.link);
    item->entries =
        arena_array(part->arena, manager->partitions.count * 2 + 1, sizeof(*item->entries));
    HMAP_FOREACH(node, &manager->partitions) {
        const struct partition *partition = CONTAINER_OF(node, struct partition, node);
        bool online = partition->state == PARTITION_ONLINE || partition->state == PARTITION_MOVING;
        if (online && topic_wanted(op->request->body, partition->topic, partition->index)) {
            add_partition(part, partition, item);
        }
    }
    scatter_part_done(part);
}

static int compare_entries(const void *a, const void *b) {
    const struct dir_entry *left = a;
    const struct dir_entry *right = b;
    if (left->dir != right->dir) {
        return left->dir < right->dir ? -1 : 1;
    }
    int order = slice_compare(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

/* entries: those of one dir, sorted. */
static void fill_topics(struct arena *arena, const struct dir_entry *entries, int count,
                        struct describe_log_dirs_response_result *out) {
    struct describe_log_dirs_response_partition *partitions =
        arena_array(arena, (size_t)count, sizeof(*partitions));
    out->topics = arena_array(arena, (size_t)count, sizeof(*out->topics));
    for (int i = 0; i < count; i++) {
        partitions[i] = (struct describe_log_dirs_response_partition){
            .partition_index = entries[i].partition,
            .partition_size = entries[i].bytes,
            .offset_lag = entries[i].lag,
            .is_future_key = entries[i].future,
        };
        if (i == 0 || !slice_equal(entries[i].topic, entries[i - 1].topic)) {
            out->topics[out->topics_count++] = (struct describe_log_dirs_response_topic){
                .name = entries[i].topic, .partitions = &partitions[i]};
        }
        out->topics[out->topics_count - 1].partitions_count++;
    }
}

static void fill_dir(struct dirs_op *op, int dir, const struct dir_entry *entries, int count,
                     struct describe_log_dirs_response_result *out) {
    struct node *node = op->request->at->node;
    const char *path = log_manager_dir_path(node->log_manager, dir);
    *out = (struct describe_log_dirs_response_result){
        .log_dir = slice_str(path), .total_bytes = -1, .usable_bytes = -1};
    if (!log_manager_dir_online(node->log_manager, dir)) {
        out->error_code = ERROR_KAFKA_STORAGE_ERROR;
        return;
    }
    if (disk_usage(node->machine, path, &out->total_bytes, &out->usable_bytes) != 0) {
        out->total_bytes = -1;
        out->usable_bytes = -1;
    }
    fill_topics(&op->request->arena, entries, count, out);
}

static void dirs_done(struct scatter *scatter) {
    struct dirs_op *op = CONTAINER_OF(scatter, struct dirs_op, scatter);
    struct arena *arena = &op->request->arena;
    struct node *node = op->request->at->node;
    int count = 0;
    for (int i = 0; i < node->shard_count; i++) {
        count += op->items[i].count;
    }
    struct dir_entry *all = arena_array(arena, (size_t)count + 1, sizeof(*all));
    count = 0;
    for (int i = 0; i < node->shard_count; i++) {
        for (int j = 0; j < op->items[i].count; j++) {
            all[count++] = op->items[i].entries[j];
        }
    }
    qsort(all, (size_t)count, sizeof(*all), compare_entries);

    struct describe_log_dirs_response response;
    message_init(&describe_log_dirs_response_desc, &response);
    response.results_count = log_manager_dir_count(node->log_manager);
    response.results =
        arena_array(arena, (size_t)response.results_count, sizeof(*response.results));
    int from = 0;
    for (int dir = 0; dir < response.results_count; dir++) {
        int to = from;
        while (to < count && all[to].dir == dir) {
            to++;
        }
        fill_dir(op, dir, &all[from], to - from, &response.results[dir]);
        from = to;
    }
    request_respond(scatter->request, &response);
}

static void dirs_begin(struct request *request) {
    int shard_count = request->at->node->shard_count;
    struct dirs_op *op = ARENA_NEW(&request->arena, struct dirs_op);
    op->request = request;
    op->items = arena_array(&request->arena, (size_t)shard_count, sizeof(*op->items));
    scatter_init(&op->scatter, request, dirs_run, dirs_done);
    for (int i = 0; i < shard_count; i++) {
        scatter_add(&op->scatter, i, &op->items[i].item);
    }
    scatter_start(&op->scatter);
}

void api_describe_log_dirs(struct request *request) {
    request_move(request, &request->at->node->shards[0], dirs_begin);
}
