/*
 * Appending, and what follows from it. Order: the log calls back in the order of the appends, and
 * replay ignores records that are older than what they would replace, so the table always agrees
 * with the log's order.
 */
#include "broker/group/coordinator.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/group/group_manager.h"
#include "broker/node.h"
#include "runtime/log.h"

/* ---- Life ------------------------------------------------------------------------------------ */

static void persist_group(struct group_env *env, struct group *group, struct group_write *write);
static void tell_refused(struct deferred *deferred);

struct coordinator *coordinator_new(struct group_manager *manager, struct node_shard *shard,
                                    const struct group_limits *limits, struct uuid topic_id,
                                    int32_t partition, int32_t leader_epoch) {
    struct coordinator *coordinator = NEW(struct coordinator);
    coordinator->manager = manager;
    coordinator->shard = shard;
    coordinator->topic_id = topic_id;
    coordinator->partition = partition;
    coordinator->leader_epoch = leader_epoch;
    coordinator->state = COORDINATOR_LOADING;
    coordinator->env = (struct group_env){
        .machine = shard->node->machine,
        .shard = shard->shard,
        .limits = limits,
        .persist = persist_group,
    };
    list_init(&coordinator->link);
    list_init(&coordinator->appends);
    list_init(&coordinator->refused);
    list_init(&coordinator->tombstones);
    deferred_init(&coordinator->tell, shard->shard, tell_refused);
    group_table_init(&coordinator->table, &coordinator->env);
    return coordinator;
}

static void append_free(struct coordinator_append *append) {
    list_remove(&append->link);
    buffer_release(&append->batch);
    if (append->write != NULL) {
        group_write_free(append->write);
    }
    free(append);
}

void coordinator_free(struct coordinator *coordinator) {
    deferred_cancel(&coordinator->tell);
    group_table_release(&coordinator->table); /* first: groups are in lists of appends */
    LIST_FOREACH_SAFE(it, &coordinator->appends) {
        append_free(CONTAINER_OF(it, struct coordinator_append, link));
    }
    LIST_FOREACH_SAFE(it, &coordinator->refused) {
        append_free(CONTAINER_OF(it, struct coordinator_append, link));
    }
    LIST_FOREACH_SAFE(it, &coordinator->tombstones) {
        tombstones_abandon(it);
    }
    coordinator_load_free(coordinator->load);
    list_remove(&coordinator->link);
    free(coordinator);
}

static void free_when_idle(struct coordinator *coordinator) {
    if (coordinator->closed && coordinator->load == NULL && coordinator->append_count == 0) {
        coordinator_free(coordinator);
    }
}

void coordinator_close(struct coordinator *coordinator, enum kafka_error error) {
    ASSERT(!coordinator->closed);
    coordinator->closed = true;
    if (coordinator->state == COORDINATOR_ACTIVE) {
        HMAP_FOREACH(it, &coordinator->table.groups) {
            group_fail_waits(CONTAINER_OF(it, struct group, node), error);
        }
    }
    free_when_idle(coordinator);
}

void coordinator_loaded(struct coordinator *coordinator, bool ok) {
    coordinator_load_free(coordinator->load);
    coordinator->load = NULL;
    if (coordinator->closed) {
        free_when_idle(coordinator);
        return;
    }
    if (!ok) {
        coordinator->state = COORDINATOR_FAILED;
        return;
    }
    coordinator->state = COORDINATOR_ACTIVE;
    HMAP_FOREACH(it, &coordinator->table.groups) {
        group_loaded(CONTAINER_OF(it, struct group, node));
    }
    coordinator_forget_missing(coordinator, coordinator->shard->image);
    group_manager_changed(coordinator->manager);
}

enum kafka_error coordinator_available(const struct coordinator *coordinator) {
    switch (coordinator->state) {
    case COORDINATOR_LOADING:
        return ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    case COORDINATOR_ACTIVE:
        return ERROR_NONE;
    default:
        return ERROR_NOT_COORDINATOR;
    }
}

/* ---- Appending ------------------------------------------------------------------------------- */

/* What an append's failure means for who asked. */
static enum kafka_error coordinator_append_error(enum kafka_error error) {
    switch (error) {
    case ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case ERROR_UNKNOWN_TOPIC_ID:
    case ERROR_NOT_ENOUGH_REPLICAS:
    case ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case ERROR_REQUEST_TIMED_OUT:
        return ERROR_COORDINATOR_NOT_AVAILABLE;
    case ERROR_NOT_LEADER_OR_FOLLOWER:
    case ERROR_KAFKA_STORAGE_ERROR:
        return ERROR_NOT_COORDINATOR;
    case ERROR_MESSAGE_TOO_LARGE:
    case ERROR_RECORD_LIST_TOO_LARGE:
    case ERROR_INVALID_FETCH_SIZE:
        return ERROR_UNKNOWN_SERVER_ERROR;
    default:
        return error;
    }
}

void coordinator_writer(struct coordinator *coordinator, struct record_writer *writer) {
    int64_t codec =
        broker_config_int(coordinator->shard->config, CONFIG_OFFSETS_TOPIC_COMPRESSION_CODEC);
    record_writer_init(writer, clock_wall_ms(coordinator->env.machine), (enum compression)codec);
}

static void replay_own(struct coordinator_append *append) {
    struct coordinator *coordinator = append->coordinator;
    /* The log stamped the copy it wrote; ours gets the same offset. */
    batch_set_base_offset(append->batch.data, append->append.base_offset);
    struct errmsg errmsg;
    int result = group_table_replay(&coordinator->table, buffer_slice(&append->batch), &errmsg);
    ASSERT(result == 0);
}

static void end_append(struct coordinator_append *append) {
    struct coordinator *coordinator = append->coordinator;
    list_remove(&append->link);
    if (append->group != NULL && append->write == NULL) {
        ASSERT(append->group->writes > 0);
        append->group->writes--;
    }
    if (append->error == ERROR_NONE && append->replay && !coordinator->closed) {
        replay_own(append);
    }
    append->done(append);
    struct list after;
    list_init(&after);
    list_splice(&after, &append->after);
    append_free(append);
    LIST_FOREACH_SAFE(it, &after) {
        struct coordinator_wait *wait = CONTAINER_OF(it, struct coordinator_wait, link);
        list_remove(&wait->link);
        wait->fn(wait);
    }
    coordinator->append_count--;
    free_when_idle(coordinator);
}

static void appended(struct partition_append *partition_append, enum kafka_error error) {
    struct coordinator_append *append =
        CONTAINER_OF(partition_append, struct coordinator_append, append);
    append->error = coordinator_append_error(error);
    end_append(append);
}

static void tell_refused(struct deferred *deferred) {
    struct coordinator *coordinator = CONTAINER_OF(deferred, struct coordinator, tell);
    coordinator->append_count++; /* keeps it until the last one is told */
    while (!list_empty(&coordinator->refused)) {
        end_append(LIST_FIRST(&coordinator->refused, struct coordinator_append, link));
    }
    coordinator->append_count--;
    free_when_idle(coordinator);
}

static void refuse(struct coordinator *coordinator, struct coordinator_append *append,
                   enum kafka_error error) {
    append->error = coordinator_append_error(error);
    list_append(&coordinator->refused, &append->link);
    deferred_schedule(&coordinator->tell);
}

void coordinator_append(struct coordinator *coordinator, struct coordinator_append *append,
                        struct record_writer *writer, struct group *group,
                        void (*done)(struct coordinator_append *append)) {
    append->coordinator = coordinator;
    append->group = group;
    append->done = done;
    append->replay = append->write == NULL;
    list_init(&append->link);
    list_init(&append->after);
    buffer_init(&append->batch, SIZE_MAX / 2);
    coordinator->append_count++;
    if (group != NULL && append->write == NULL) {
        group->writes++;
    }
    bool built = record_writer_finish(writer, &append->batch);
    record_writer_release(writer);
    enum kafka_error error = ERROR_UNKNOWN_SERVER_ERROR;
    struct partition *partition = NULL;
    if (built) {
        partition = coordinator->closed
                        ? NULL
                        : replica_leader(coordinator->shard->replicas, coordinator->topic_id,
                                         coordinator->partition, &error);
        error = coordinator->closed ? ERROR_NOT_COORDINATOR : error;
    }
    if (partition == NULL) {
        refuse(coordinator, append, error);
        return;
    }
    list_append(&coordinator->appends, &append->link);
    partition_append_own(partition, append->batch.data, append->batch.len, &append->append,
                         appended);
}

bool coordinator_after_appends(struct coordinator *coordinator, struct coordinator_wait *wait) {
    struct list *busy =
        !list_empty(&coordinator->refused) ? &coordinator->refused : &coordinator->appends;
    if (list_empty(busy)) {
        return false;
    }
    struct coordinator_append *last = CONTAINER_OF(busy->prev, struct coordinator_append, link);
    list_append(&last->after, &wait->link);
    return true;
}

/* ---- Group metadata -------------------------------------------------------------------------- */

static void group_persisted(struct coordinator_append *append) {
    struct group_write *write = append->write;
    append->write = NULL;
    if (append->coordinator->closed) {
        append->group->writes--; /* all waits have ended, nothing may begin any more */
        group_write_free(write);
    } else {
        group_written(append->group, write, append->error);
    }
}

static void persist_group(struct group_env *env, struct group *group, struct group_write *write) {
    struct coordinator *coordinator = CONTAINER_OF(env, struct coordinator, env);
    struct coordinator_append *append = NEW(struct coordinator_append);
    append->write = write;
    struct record_writer writer;
    coordinator_writer(coordinator, &writer);
    record_write_group(&writer, group);
    coordinator_append(coordinator, append, &writer, group, group_persisted);
}
