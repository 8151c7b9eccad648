/* DescribeTopicPartitions (75): topics in order of names, in pages of partitions (KIP-966). */
#include <stdlib.h>

#include "broker/api/api.h"
#include "broker/api/cluster_view.h"
#include "broker/config/config.h"
#include "broker/node.h"
#include "broker/server/request.h"
#include "protocol/generated/describe_topic_partitions_request.h"
#include "protocol/generated/describe_topic_partitions_response.h"
#include "storage/log_dir.h"

struct page {
    struct request *request;
    struct describe_topic_partitions_response response;
    int32_t room; /* partitions that may still be added */
};

static int compare_names(const void *a, const void *b) {
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* The names that the request is about, sorted, each once; not below the cursor. */
static size_t collect(const struct request *request, struct arena *arena, struct slice **out) {
    const struct describe_topic_partitions_request *body = request->body;
    const struct image *image = request->at->image;
    size_t count =
        body->topics_count > 0 ? (size_t)body->topics_count : image->topics_by_name.count;
    struct slice *names = (struct slice *)arena_array(arena, count, sizeof(struct slice));
    size_t used = 0;
    for (int32_t i = 0; i < body->topics_count; i++) {
        names[used++] = body->topics[i].name;
    }
    if (body->topics_count <= 0) {
        HMAP_FOREACH(node, &image->topics_by_name) {
            names[used++] = CONTAINER_OF(node, struct image_topic, by_name)->name;
        }
    }
    if (used > 1) {
        qsort(names, used, sizeof(struct slice), compare_names);
    }
    size_t kept = 0;
    for (size_t i = 0; i < used; i++) {
        bool before = body->cursor != NULL && slice_compare(names[i], body->cursor->topic_name) < 0;
        if (!before && (kept == 0 || !slice_equal(names[kept - 1], names[i]))) {
            names[kept++] = names[i];
        }
    }
    *out = names;
    return kept;
}

static void set_cursor(struct page *page, struct slice topic, int32_t partition) {
    struct describe_topic_partitions_response_cursor *cursor =
        (struct describe_topic_partitions_response_cursor *)arena_alloc(&page->request->arena,
                                                                        sizeof(*cursor));
    cursor->topic_name = topic;
    cursor->partition_index = partition;
    page->response.next_cursor = cursor;
}

static struct describe_topic_partitions_response_topic *next_topic(struct page *page) {
    struct describe_topic_partitions_response_topic *topic =
        &page->response.topics[page->response.topics_count++];
    topic->topic_authorized_operations = TOPIC_OPERATIONS_ALL;
    return topic;
}

static void add_partition(struct page *page, const struct image_partition *partition,
                          struct describe_topic_partitions_response_partition *out) {
    struct partition_view view = partition_view(page->request, partition);
    *out = (struct describe_topic_partitions_response_partition){
        .error_code = (int16_t)view.error,
        .partition_index = partition->index,
        .leader_id = view.leader,
        .leader_epoch = partition->leader_epoch,
        .replica_nodes = partition->replicas,
        .replica_nodes_count = partition->replica_count,
        .isr_nodes = partition->isr,
        .isr_nodes_count = partition->isr_count,
        .eligible_leader_replicas = partition->elr,
        .eligible_leader_replicas_count = partition->elr_count,
        .last_known_elr = partition->last_known_elr,
        .last_known_elr_count = partition->last_known_elr_count,
        .offline_replicas = view.offline,
        .offline_replicas_count = view.offline_count,
    };
}

static void add_topic(struct page *page, const struct image_topic *topic, int32_t first) {
    int32_t left = first < topic->partition_count ? topic->partition_count - first : 0;
    int32_t count = left < page->room ? left : page->room;
    struct describe_topic_partitions_response_topic *out = next_topic(page);
    out->name = topic->name;
    out->topic_id = topic->id;
    out->is_internal = topic_is_internal(topic->name);
    out->partitions_count = count;
    out->partitions = (struct describe_topic_partitions_response_partition *)arena_array(
        &page->request->arena, (size_t)count, sizeof(*out->partitions));
    for (int32_t i = 0; i < count; i++) {
        add_partition(page, &topic->partitions[first + i], &out->partitions[i]);
    }
    page->room -= count;
    if (count < left) {
        set_cursor(page, topic->name, first + count);
    }
}

static void add_name(struct page *page, struct slice name) {
    const struct describe_topic_partitions_request *body = page->request->body;
    const struct image_topic *topic = image_topic_by_name(page->request->at->image, name);
    if (topic == NULL) {
        struct describe_topic_partitions_response_topic *out = next_topic(page);
        out->name = name;
        out->error_code = topic_name_valid(name) ? ERROR_UNKNOWN_TOPIC_OR_PARTITION
                                                 : ERROR_INVALID_TOPIC_EXCEPTION;
        return;
    }
    bool at_cursor = body->cursor != NULL && slice_equal(body->cursor->topic_name, name);
    add_topic(page, topic, at_cursor ? body->cursor->partition_index : 0);
}

/* A cursor continues an earlier answer: it names a partition of a topic that is asked for. */
static bool cursor_fits(const struct describe_topic_partitions_request *body) {
    if (body->cursor == NULL) {
        return true;
    }
    bool asked = body->topics_count <= 0;
    for (int32_t i = 0; i < body->topics_count; i++) {
        asked = asked || slice_equal(body->topics[i].name, body->cursor->topic_name);
    }
    return asked && body->cursor->partition_index >= 0;
}

/* The answer has no error of its own: each topic carries it. */
static void refuse(struct request *request, enum kafka_error error) {
    const struct describe_topic_partitions_request *body = request->body;
    struct describe_topic_partitions_response response;
    message_init(&describe_topic_partitions_response_desc, &response);
    int32_t count = body->topics_count > 0 ? body->topics_count : 0;
    response.topics_count = count;
    response.topics = (struct describe_topic_partitions_response_topic *)arena_array(
        &request->arena, (size_t)count, sizeof(*response.topics));
    for (int32_t i = 0; i < count; i++) {
        response.topics[i].name = body->topics[i].name;
        response.topics[i].error_code = (int16_t)error;
        response.topics[i].topic_authorized_operations = INT32_MIN;
    }
    request_respond(request, &response);
}

void api_describe_topic_partitions(struct request *request) {
    const struct describe_topic_partitions_request *body = request->body;
    if (!cursor_fits(body)) {
        refuse(request, ERROR_INVALID_REQUEST);
        return;
    }
    struct page page = {.request = request};
    message_init(&describe_topic_partitions_response_desc, &page.response);
    int64_t limit = config_int(request->at->node->config, CONFIG_MAX_REQUEST_PARTITION_SIZE_LIMIT);
    page.room =
        body->response_partition_limit < limit ? body->response_partition_limit : (int32_t)limit;
    page.room = page.room < 1 ? 1 : page.room;
    struct slice *names;
    size_t count = collect(request, &request->arena, &names);
    if (count > 0 && names[0].len == 0) {
        refuse(request, ERROR_UNKNOWN_SERVER_ERROR); /* so Kafka, which looks no such name up */
        return;
    }
    page.response.topics = (struct describe_topic_partitions_response_topic *)arena_array(
        &request->arena, count, sizeof(*page.response.topics));
    for (size_t i = 0; i < count && page.response.next_cursor == NULL; i++) {
        if (page.room == 0) {
            set_cursor(&page, names[i], 0);
        } else {
            add_name(&page, names[i]);
        }
    }
    request_respond(request, &page.response);
}
