#include "broker/replica/dir_reports.h"

#include <inttypes.h>

#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager.h"
#include "protocol/generated/assign_replicas_to_dirs_response.h"

#define RETRY_MS 500

static void answered(struct controller_call *call, enum kafka_error error, int16_t version,
                     const void *response);

/* On shard 0; what is built from lies still until the answer. */
static const void *build(struct controller_call *call, int16_t version) {
    (void)version;
    return &CONTAINER_OF(call, struct dir_reports, call)->request;
}

/* Each partition has an entry of its own. */
static void fill_request(struct dir_reports *reports, int64_t broker_epoch) {
    const struct node *node = reports->manager->shard->node;
    struct arena *arena = &reports->arena;
    size_t count = 0;
    LIST_FOREACH(it, &reports->waiting) {
        count++;
    }
    arena_reset(arena);
    reports->request = (struct assign_replicas_to_dirs_request){
        .broker_id = node->id,
        .broker_epoch = broker_epoch,
        .directories = arena_array(arena, count, sizeof(*reports->request.directories)),
    };
    while (!list_empty(&reports->waiting)) {
        struct partition *partition = LIST_FIRST(&reports->waiting, struct partition, dir_link);
        struct assign_replicas_to_dirs_request_partition_data *index =
            ARENA_NEW(arena, struct assign_replicas_to_dirs_request_partition_data);
        struct assign_replicas_to_dirs_request_topic_data *topic =
            ARENA_NEW(arena, struct assign_replicas_to_dirs_request_topic_data);
        index->partition_index = partition->index;
        *topic = (struct assign_replicas_to_dirs_request_topic_data){
            .topic_id = partition->topic_id, .partitions = index, .partitions_count = 1};
        reports->request.directories[reports->request.directories_count++] =
            (struct assign_replicas_to_dirs_request_directory_data){
                .id = log_manager_dir_id(node->log_manager, partition->dir),
                .topics = topic,
                .topics_count = 1,
            };
        list_remove(&partition->dir_link);
        list_append(&reports->reported, &partition->dir_link);
    }
}

static void send(struct deferred *deferred) {
    struct dir_reports *reports = CONTAINER_OF(deferred, struct dir_reports, send);
    struct node_shard *shard = reports->manager->shard;
    if (reports->under_way || list_empty(&reports->waiting) || reports->manager->closing ||
        timer_running(&reports->retry)) {
        return;
    }
    const struct image_broker *self = replica_manager_self(reports->manager);
    if (self == NULL) {
        timer_start(&reports->retry, RETRY_MS);
        return;
    }
    fill_request(reports, self->epoch);
    reports->under_way = true;
    reports->call = (struct controller_call){
        .from = shard,
        .api_key = 73,
        .timeout_ms = INT64_MAX,
        .build = build,
        .fn = answered,
    };
    controller_call(&reports->call);
}

static void answered(struct controller_call *call, enum kafka_error error, int16_t version,
                     const void *response) {
    (void)version;
    struct dir_reports *reports = CONTAINER_OF(call, struct dir_reports, call);
    const struct assign_replicas_to_dirs_response *answer = response;
    bool again = error == ERROR_REQUEST_TIMED_OUT ||
                 (error == ERROR_NONE && answer->error_code != ERROR_NONE &&
                  answer->error_code != ERROR_UNSUPPORTED_VERSION);
    reports->under_way = false;
    while (!list_empty(&reports->reported)) {
        struct list *link = reports->reported.next;
        list_remove(link);
        if (again) {
            list_append(&reports->waiting, link);
        }
    }
    if (again && !reports->manager->closing) {
        timer_start(&reports->retry, RETRY_MS);
    }
    if (!reports->manager->closing) {
        deferred_schedule(&reports->send);
    }
}

static void on_retry(struct timer *timer) {
    deferred_schedule(&CONTAINER_OF(timer, struct dir_reports, retry)->send);
}

void dir_reports_init(struct dir_reports *reports, struct replica_manager *manager) {
    reports->manager = manager;
    list_init(&reports->waiting);
    list_init(&reports->reported);
    deferred_init(&reports->send, manager->shard->shard, send);
    timer_init(&reports->retry, manager->shard->shard, on_retry);
    arena_init(&reports->arena, SIZE_MAX);
}

void dir_reports_free(struct dir_reports *reports) {
    deferred_cancel(&reports->send);
    timer_stop(&reports->retry);
    arena_release(&reports->arena);
}

void dir_reports_consider(struct partition *partition, const struct image_partition *image) {
    struct replica_manager *manager = partition->manager;
    const struct node *node = manager->shard->node;
    if (partition->state != PARTITION_ONLINE || image->directories == NULL ||
        list_linked(&partition->dir_link)) {
        return;
    }
    for (int32_t i = 0; i < image->replica_count; i++) {
        if (image->replicas[i] == node->id &&
            !uuid_equal(image->directories[i],
                        log_manager_dir_id(node->log_manager, partition->dir))) {
            list_append(&manager->dir_reports.waiting, &partition->dir_link);
            deferred_schedule(&manager->dir_reports.send);
        }
    }
}
