/*
 * Logs of partitions that appear while the node runs. The log manager makes them on a worker. A
 * directory that still belongs to a deleted topic of the same name is waited for: its removal is
 * under way on whatever shard owned it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/metadata/image.h"
#include "broker/replica/replica_internal.h"
#include "broker/replica/replica_manager.h"
#include "runtime/log.h"

#define CREATE_RETRY_MS 20

struct partition_creation {
    struct list link; /* replica_manager.creations */
    struct replica_manager *manager;
    struct partition *partition; /* NULL when it is no longer wanted */
    struct log_create create;
    struct timer retry;
    char *topic;
};

static void creation_free(struct partition_creation *creation) {
    timer_stop(&creation->retry);
    list_remove(&creation->link);
    if (creation->partition != NULL) {
        creation->partition->creation = NULL;
    }
    free(creation->topic);
    free(creation);
}

/* The log came too late for its partition. */
static void creation_discard(struct partition_creation *creation) {
    struct replica_manager *manager = creation->manager;
    struct log *log = creation->create.log;
    if (log != NULL && manager->closing) {
        log_free(log);
    } else if (log != NULL) {
        log_start_on(log, manager->shard->shard);
        log_remove(manager, log, creation->create.dir);
    }
    creation_free(creation);
}

static void creation_step(struct log_create *create, int result) {
    struct partition_creation *creation = CONTAINER_OF(create, struct partition_creation, create);
    struct partition *partition = creation->partition;
    if (result != 0) {
        create->log = NULL;
    }
    if (partition == NULL) {
        creation_discard(creation);
    } else if (result == -ESTALE) {
        timer_start(&creation->retry, CREATE_RETRY_MS);
    } else if (result != 0) {
        partition->state = PARTITION_OFFLINE;
        partition->dir = create->dir;
        LOG_ERROR(creation->manager->shard->node->machine, "replica", "partition has no log",
                  "topic=%s partition=%" PRId32 " errno=%d", creation->topic, partition->index,
                  -result);
        creation_free(creation);
        partition_arrivals_tell(&partition->arrivals);
    } else {
        struct log *log = create->log;
        int dir = create->dir;
        creation_free(creation);
        partition_set_log(partition, log, dir);
        partition_arrivals_tell(&partition->arrivals);
    }
}

static void creation_done(struct log_create *create, int result) {
    struct replica_manager *manager =
        CONTAINER_OF(create, struct partition_creation, create)->manager;
    creation_step(create, result);
    manager->closing_logs--;
    replica_manager_check_closed(manager);
}

/* A manager that closes waits for what is on its way. */
static void creation_submit(struct partition_creation *creation) {
    creation->manager->closing_logs++;
    log_manager_create_log(creation->manager->shard, &creation->create);
}

static void creation_retry(struct timer *timer) {
    creation_submit(CONTAINER_OF(timer, struct partition_creation, retry));
}

/* Where the controller placed this node's replica; zero when it did not say. */
static struct uuid wanted_directory(const struct partition *partition) {
    const struct node_shard *shard = partition->manager->shard;
    const struct image_topic *topic = image_topic_by_id(shard->image, partition->topic_id);
    const struct image_partition *image =
        topic != NULL ? image_partition(topic, partition->index) : NULL;
    for (int32_t i = 0; image != NULL && i < image->replica_count; i++) {
        if (image->replicas[i] == shard->node->id && image->directories != NULL) {
            return image->directories[i];
        }
    }
    return UUID_ZERO;
}

void partition_create_log(struct partition *partition) {
    struct partition_creation *creation = NEW(struct partition_creation);
    struct replica_manager *manager = partition->manager;
    creation->manager = manager;
    creation->partition = partition;
    creation->topic = slice_to_cstr(partition->topic);
    creation->create.owner = manager->shard;
    creation->create.topic_id = partition->topic_id;
    creation->create.topic = slice_str(creation->topic);
    creation->create.partition = partition->index;
    creation->create.directory_id = wanted_directory(partition);
    creation->create.fn = creation_done;
    timer_init(&creation->retry, manager->shard->shard, creation_retry);
    list_append(&manager->creations, &creation->link);
    partition->creation = creation;
    creation_submit(creation);
}

void partition_creation_abandon(struct partition *partition) {
    struct partition_creation *creation = partition->creation;
    if (creation == NULL) {
        return;
    }
    partition->creation = NULL;
    creation->partition = NULL;
    if (timer_running(&creation->retry)) {
        creation_free(creation);
    }
}

bool partition_await_log(struct replica_manager *manager, struct uuid topic_id, int32_t index,
                         struct partition_arrival *arrival,
                         void (*fn)(struct partition_arrival *arrival)) {
    struct partition *partition = replica_manager_find(manager, topic_id, index);
    if (partition == NULL ||
        (partition->creation == NULL && partition->state != PARTITION_MOVING)) {
        return false;
    }
    arrival->fn = fn;
    list_append(&partition->arrivals, &arrival->link);
    return true;
}

void partition_arrivals_tell(struct list *arrivals) {
    struct list told;
    list_init(&told);
    list_splice(&told, arrivals);
    while (!list_empty(&told)) {
        struct partition_arrival *arrival = LIST_FIRST(&told, struct partition_arrival, link);
        list_remove(&arrival->link);
        arrival->fn(arrival);
    }
}

void partition_creations_free(struct replica_manager *manager) {
    LIST_FOREACH_SAFE(it, &manager->creations) {
        struct partition_creation *creation = CONTAINER_OF(it, struct partition_creation, link);
        log_free(creation->create.log); /* made, but its owner was not told any more */
        creation_free(creation);
    }
}
