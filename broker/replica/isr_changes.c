#include "broker/replica/isr_changes.h"

#include <inttypes.h>

#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager.h"
#include "protocol/generated/alter_partition_response.h"
#include "runtime/log.h"

#define RETRY_MS 50

#define VERSION_MIN    2
#define VERSION_EPOCHS 3 /* KIP-903: the members' broker epochs are told */

static int64_t broker_epoch_of(const struct node_shard *shard, int32_t id) {
    const struct image_broker *broker = image_broker(shard->image, id);
    return broker != NULL ? broker->epoch : -1;
}

/* ---- The request ----------------------------------------------------------------------------- */

/* The wanted ISR in both forms; it has room for all replicas. */
static int32_t fill_isr(const struct partition *partition,
                        struct alter_partition_request_broker_state *members, int32_t *ids) {
    const struct node_shard *shard = partition->manager->shard;
    int32_t count = 0;
    members[count].broker_id = shard->node->id;
    members[count++].broker_epoch = broker_epoch_of(shard, shard->node->id);
    for (int32_t i = 0; i < partition->follower_count; i++) {
        const struct partition_follower *follower = &partition->followers[i];
        if ((follower->in_isr && !follower->leaving) || follower->joining) {
            members[count].broker_id = follower->id;
            members[count++].broker_epoch =
                follower->fetched ? follower->broker_epoch : broker_epoch_of(shard, follower->id);
        }
    }
    for (int32_t i = 0; i < count; i++) {
        ids[i] = members[i].broker_id;
    }
    return count;
}

static void fill_partition(struct isr_changes *changes, const struct partition *partition,
                           struct alter_partition_request_topic_data *by_epochs,
                           struct alter_partition_request_topic_data *by_ids) {
    struct arena *arena = &changes->arena;
    size_t most = (size_t)partition->follower_count + 1;
    struct alter_partition_request_partition_data *out = arena_array(arena, 2, sizeof(*out));
    out[0] = (struct alter_partition_request_partition_data){
        .partition_index = partition->index,
        .leader_epoch = partition->leader_epoch,
        .partition_epoch = partition->partition_epoch,
    };
    out[1] = out[0];
    struct alter_partition_request_broker_state *members =
        arena_array(arena, most, sizeof(*members));
    int32_t *ids = arena_array(arena, most, sizeof(*ids));
    int32_t count = fill_isr(partition, members, ids);
    out[0].new_isr_with_epochs = members;
    out[0].new_isr_with_epochs_count = count;
    out[1].new_isr = ids;
    out[1].new_isr_count = count;
    *by_epochs = (struct alter_partition_request_topic_data){
        .topic_id = partition->topic_id, .partitions = &out[0], .partitions_count = 1};
    *by_ids = (struct alter_partition_request_topic_data){
        .topic_id = partition->topic_id, .partitions = &out[1], .partitions_count = 1};
}

/* Each partition has a topic entry of its own. */
static void fill_request(struct isr_changes *changes) {
    const struct node_shard *shard = changes->manager->shard;
    size_t count = 0;
    LIST_FOREACH(it, &changes->waiting) {
        count++;
    }
    arena_release(&changes->arena);
    changes->by_epochs = (struct alter_partition_request){
        .broker_id = shard->node->id,
        .broker_epoch = broker_epoch_of(shard, shard->node->id),
        .topics = arena_array(&changes->arena, count, sizeof(*changes->by_epochs.topics)),
        .topics_count = (int32_t)count,
    };
    changes->by_ids = changes->by_epochs;
    changes->by_ids.topics =
        arena_array(&changes->arena, count, sizeof(*changes->by_epochs.topics));
    for (size_t i = 0; i < count; i++) {
        struct partition *partition = LIST_FIRST(&changes->waiting, struct partition, isr_link);
        list_remove(&partition->isr_link);
        fill_partition(changes, partition, &changes->by_epochs.topics[i],
                       &changes->by_ids.topics[i]);
    }
}

/* On shard 0; what is built from lies still until the answer. */
static const void *build(struct controller_call *call, int16_t version) {
    const struct isr_changes *changes = CONTAINER_OF(call, struct isr_changes, call);
    return version >= VERSION_EPOCHS ? &changes->by_epochs : &changes->by_ids;
}

static void answered(struct controller_call *call, enum kafka_error error, int16_t version,
                     const void *response);

static void send(struct deferred *deferred) {
    struct isr_changes *changes = CONTAINER_OF(deferred, struct isr_changes, send);
    if (changes->under_way || list_empty(&changes->waiting) || changes->manager->closing ||
        timer_running(&changes->retry)) {
        return;
    }
    if (replica_manager_self(changes->manager) == NULL) {
        timer_start(&changes->retry, RETRY_MS);
        return;
    }
    fill_request(changes);
    changes->under_way = true;
    changes->call = (struct controller_call){
        .from = changes->manager->shard,
        .api_key = 56,
        .version_min = VERSION_MIN,
        .version_max = VERSION_EPOCHS,
        .timeout_ms = INT64_MAX,
        .build = build,
        .fn = answered,
    };
    controller_call(&changes->call);
}

/* ---- The answer ------------------------------------------------------------------------------ */

/* The partition that still waits for what was asked for in this entry; else NULL. */
static struct partition *asker(const struct isr_changes *changes,
                               const struct alter_partition_request_topic_data *asked) {
    const struct alter_partition_request_partition_data *entry = &asked->partitions[0];
    struct partition *partition =
        replica_manager_find(changes->manager, asked->topic_id, entry->partition_index);
    return partition != NULL && partition->isr_pending && !list_linked(&partition->isr_link) &&
                   partition->leader_epoch == entry->leader_epoch &&
                   partition->partition_epoch == entry->partition_epoch
               ? partition
               : NULL;
}

static void log_outcome(const struct partition *partition, enum kafka_error error) {
    LOG_INFO(partition->manager->shard->node->machine, "replica", "isr change",
             "topic=%.*s partition=%" PRId32 " members=%" PRId32 " error=%d",
             SLICE_ARG(partition->topic), partition->index, partition->isr_count, (int)error);
}

static void take(struct partition *partition,
                 const struct alter_partition_response_partition_data *answer) {
    if (answer->leader_epoch != partition->leader_epoch ||
        answer->partition_epoch < partition->partition_epoch) {
        return; /* the metadata is on its way */
    }
    partition->partition_epoch = answer->partition_epoch;
    partition_take_isr(partition, answer->isr, answer->isr_count);
    partition_forget_visits(partition, false);
    partition_advance(partition);
    partition_mark_moved(partition);
    log_outcome(partition, ERROR_NONE);
}

/* One partition's answer. What is left pending is settled by the metadata. */
static void settle(struct isr_changes *changes, struct partition *partition,
                   const struct alter_partition_response_partition_data *answer) {
    switch (answer->error_code) {
    case ERROR_NONE:
        take(partition, answer);
        return;
    case ERROR_INELIGIBLE_REPLICA:
    case ERROR_OPERATION_NOT_ATTEMPTED:
        /* A member was fenced or started anew meanwhile: it has to fetch again first. */
        partition_drop_isr_change(partition);
        partition_forget_visits(partition, false);
        log_outcome(partition, (enum kafka_error)answer->error_code);
        return;
    case ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case ERROR_UNKNOWN_TOPIC_ID:
    case ERROR_FENCED_LEADER_EPOCH:
    case ERROR_INVALID_UPDATE_VERSION:
    case ERROR_INVALID_REQUEST:
    case ERROR_NEW_LEADER_ELECTED:
        log_outcome(partition, (enum kafka_error)answer->error_code);
        return; /* what is there is newer, or something else: the metadata tells */
    default:
        list_append(&changes->waiting, &partition->isr_link);
        timer_start(&changes->retry, RETRY_MS);
        return;
    }
}

static const struct alter_partition_response_partition_data *
find_answer(const struct alter_partition_response *response,
            const struct alter_partition_request_topic_data *asked) {
    for (int32_t i = 0; response != NULL && i < response->topics_count; i++) {
        const struct alter_partition_response_topic_data *topic = &response->topics[i];
        for (int32_t j = 0;
             uuid_equal(topic->topic_id, asked->topic_id) && j < topic->partitions_count; j++) {
            if (topic->partitions[j].partition_index == asked->partitions[0].partition_index) {
                return &topic->partitions[j];
            }
        }
    }
    return NULL;
}

static void answered(struct controller_call *call, enum kafka_error error, int16_t version,
                     const void *response) {
    (void)version;
    struct isr_changes *changes = CONTAINER_OF(call, struct isr_changes, call);
    const struct alter_partition_response *answer = error == ERROR_NONE ? response : NULL;
    if (answer != NULL && answer->error_code != ERROR_NONE) {
        answer = NULL;
    }
    changes->under_way = false;
    for (int32_t i = 0; i < changes->by_epochs.topics_count; i++) {
        const struct alter_partition_request_topic_data *asked = &changes->by_epochs.topics[i];
        struct partition *partition = asker(changes, asked);
        const struct alter_partition_response_partition_data *found = find_answer(answer, asked);
        if (partition == NULL) {
            continue; /* overtaken */
        }
        if (found != NULL) {
            settle(changes, partition, found);
        } else {
            list_append(&changes->waiting, &partition->isr_link);
            timer_start(&changes->retry, RETRY_MS);
        }
    }
    if (!changes->manager->closing) {
        deferred_schedule(&changes->send);
    }
}

static void on_retry(struct timer *timer) {
    deferred_schedule(&CONTAINER_OF(timer, struct isr_changes, retry)->send);
}

/* ---- Life ------------------------------------------------------------------------------------ */

void isr_changes_init(struct isr_changes *changes, struct replica_manager *manager) {
    changes->manager = manager;
    list_init(&changes->waiting);
    deferred_init(&changes->send, manager->shard->shard, send);
    timer_init(&changes->retry, manager->shard->shard, on_retry);
    arena_init(&changes->arena, SIZE_MAX);
}

void isr_changes_free(struct isr_changes *changes) {
    deferred_cancel(&changes->send);
    timer_stop(&changes->retry);
    arena_release(&changes->arena);
}

void isr_changes_add(struct isr_changes *changes, struct partition *partition) {
    list_append(&changes->waiting, &partition->isr_link);
    deferred_schedule(&changes->send);
}
