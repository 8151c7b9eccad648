#include "broker/replica/produce_task.h"

#include <stdlib.h>

#include "broker/node.h"
#include "broker/replica/replica_manager.h"

void produce_tasks_init(struct produce_tasks *tasks) {
    list_init(&tasks->pending);
    tasks->checking = false;
}

static struct produce_task *task_at(struct list *link) {
    return CONTAINER_OF(link, struct produce_task, link);
}

void produce_tasks_release(struct produce_tasks *tasks) {
    LIST_FOREACH(it, &tasks->pending) {
        free(task_at(it)->produce.rebuilt);
    }
}

/* ---- The partition --------------------------------------------------------------------------- */

static bool task_find(struct produce_task *task) {
    enum kafka_error error;
    task->partition = replica_leader(task->manager, task->topic_id, task->index, &error);
    if (task->partition == NULL) {
        partition_produce_fail(&task->produce, error, NULL);
    }
    return task->partition != NULL;
}

/* False when a worker has to check the batch first. */
static bool task_try(struct produce_task *task) {
    return !task_find(task) || partition_produce(task->partition, &task->produce);
}

/* What the partition was when the check began may be over. */
static void task_conclude(struct produce_task *task) {
    if (task_find(task)) {
        partition_produce_end(task->partition, &task->produce);
    }
    free(task->produce.rebuilt);
    task->produce.rebuilt = NULL;
}

/* ---- Order ----------------------------------------------------------------------------------- */

static bool same_order(const struct produce_task *a, const struct produce_task *b) {
    return a->connection_id == b->connection_id && a->index == b->index &&
           uuid_equal(a->topic_id, b->topic_id);
}

static struct produce_task *first_like(struct produce_tasks *tasks,
                                       const struct produce_task *task) {
    LIST_FOREACH(it, &tasks->pending) {
        if (same_order(task_at(it), task)) {
            return task_at(it);
        }
    }
    return NULL;
}

/* Ends what waited behind a task that is over, up to one that has to be checked itself. */
static void release_followers(struct produce_tasks *tasks, const struct produce_task *ended) {
    struct produce_task *task;
    while ((task = first_like(tasks, ended)) != NULL) {
        if (!task_try(task)) {
            task->state = PRODUCE_TO_CHECK;
            return;
        }
        list_remove(&task->link);
        task->fn(task);
    }
}

/* The others go first next time. */
static void send_back(struct produce_tasks *tasks, uint64_t connection_id) {
    struct list moved;
    list_init(&moved);
    LIST_FOREACH_SAFE(it, &tasks->pending) {
        if (task_at(it)->connection_id == connection_id) {
            list_remove(it);
            list_append(&moved, it);
        }
    }
    list_splice(&tasks->pending, &moved);
}

/* ---- Checking -------------------------------------------------------------------------------- */

static void check_run(struct work *work) {
    struct produce_task *task = CONTAINER_OF(work, struct produce_task, work);
    partition_produce_check(&task->produce);
}

static void check_done(struct work *work);

static void check_next(struct replica_manager *manager) {
    struct produce_tasks *tasks = &manager->produce_tasks;
    if (tasks->checking) {
        return;
    }
    LIST_FOREACH(it, &tasks->pending) {
        struct produce_task *task = task_at(it);
        if (task->state == PRODUCE_TO_CHECK) {
            task->state = PRODUCE_CHECKING;
            tasks->checking = true;
            work_submit(manager->shard->shard, &task->work, check_run, check_done);
            return;
        }
    }
}

static void check_done(struct work *work) {
    struct produce_task *task = CONTAINER_OF(work, struct produce_task, work);
    struct replica_manager *manager = task->manager;
    struct produce_tasks *tasks = &manager->produce_tasks;
    const struct produce_task key = {/* the task may be gone when its user was told */
                                     .connection_id = task->connection_id,
                                     .topic_id = task->topic_id,
                                     .index = task->index};
    tasks->checking = false;
    list_remove(&task->link);
    task_conclude(task);
    task->fn(task);
    release_followers(tasks, &key);
    send_back(tasks, key.connection_id);
    check_next(manager);
}

bool produce_task_start(struct replica_manager *manager, struct produce_task *task,
                        void (*fn)(struct produce_task *task)) {
    struct produce_tasks *tasks = &manager->produce_tasks;
    task->manager = manager;
    task->fn = fn;
    list_init(&task->link);
    if (!list_empty(&tasks->pending) && first_like(tasks, task) != NULL) {
        task->state = PRODUCE_BEHIND;
    } else if (task_try(task)) {
        return true;
    } else {
        task->state = PRODUCE_TO_CHECK;
    }
    list_append(&tasks->pending, &task->link);
    check_next(manager);
    return false;
}
