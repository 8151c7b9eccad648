#include "broker/replica/produce_task.h"

#include <stdlib.h>

#include "broker/node.h"
#include "broker/replica/replica_manager.h"

/* A check that ended in refusal is followed by this many times its duration, at most the limit,
 * without another one of a connection that is not in good standing. */
#define PACE_TIMES  9
#define PACE_MS_MAX 1000

static void pace_over(struct timer *timer);

void produce_tasks_init(struct produce_tasks *tasks, struct shard *shard) {
    *tasks = (struct produce_tasks){.checking = false};
    list_init(&tasks->pending);
    timer_init(&tasks->pace, shard, pace_over);
}

static struct produce_task *task_at(struct list *link) {
    return CONTAINER_OF(link, struct produce_task, link);
}

void produce_tasks_release(struct produce_tasks *tasks) {
    timer_stop(&tasks->pace);
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

static enum produce_standing standing_of(const struct produce_tasks *tasks,
                                         uint64_t connection_id) {
    size_t at = connection_id % PRODUCE_STANDINGS;
    return tasks->standings[at].connection_id == connection_id ? tasks->standings[at].standing
                                                               : STANDING_UNKNOWN;
}

/* Who had a batch refused stays so: a good batch is cheap to send between bombs. */
static void standing_set(struct produce_tasks *tasks, uint64_t connection_id, bool refused) {
    if (refused || standing_of(tasks, connection_id) == STANDING_UNKNOWN) {
        size_t at = connection_id % PRODUCE_STANDINGS;
        tasks->standings[at].connection_id = connection_id;
        tasks->standings[at].standing = refused ? STANDING_REFUSED : STANDING_ACCEPTED;
    }
}

/* What the check of `task` says of its connection, and when others like it may be checked. */
static void draw_conclusions(struct produce_tasks *tasks, const struct produce_task *task) {
    bool refused = task->produce.verdict.error != ERROR_NONE;
    standing_set(tasks, task->connection_id, refused);
    if (refused) {
        int64_t pace_ms = task->check_ns * PACE_TIMES / 1000000;
        timer_start(&tasks->pace, pace_ms < PACE_MS_MAX ? pace_ms : PACE_MS_MAX);
    }
}

static void check_run(struct work *work) {
    struct produce_task *task = CONTAINER_OF(work, struct produce_task, work);
    struct machine *machine = shard_machine(work->shard);
    int64_t began_ns = clock_now_ns(machine);
    task->produce.rules.give_way = work_give_way;
    partition_produce_check(&task->produce);
    task->check_ns = clock_now_ns(machine) - began_ns;
}

static void check_done(struct work *work);

/* NULL when none may be checked now. */
static struct produce_task *find_next(struct produce_tasks *tasks) {
    struct produce_task *first[STANDING_ACCEPTED + 1] = {NULL};
    LIST_FOREACH(it, &tasks->pending) {
        struct produce_task *task = task_at(it);
        enum produce_standing standing = standing_of(tasks, task->connection_id);
        if (task->state == PRODUCE_TO_CHECK && first[standing] == NULL) {
            first[standing] = task;
        }
    }
    if (!timer_running(&tasks->pace) && first[STANDING_UNKNOWN] != NULL) {
        return first[STANDING_UNKNOWN];
    }
    if (!timer_running(&tasks->pace) && first[STANDING_REFUSED] != NULL) {
        return first[STANDING_REFUSED];
    }
    return first[STANDING_ACCEPTED];
}

/* Up to some MiB in one call of a library, within which nobody can give way. */
static bool decodes_in_blocks(const struct partition_produce *produce) {
    struct batch head;
    if (batch_parse(produce->records, &head) != BATCH_OK) {
        return false;
    }
    return batch_codec(&head) == COMPRESSION_LZ4 || batch_codec(&head) == COMPRESSION_SNAPPY;
}

static void check_next(struct produce_tasks *tasks, struct shard *shard) {
    if (tasks->checking) {
        return;
    }
    struct produce_task *task = find_next(tasks);
    if (task != NULL) {
        task->state = PRODUCE_CHECKING;
        tasks->checking = true;
        if (decodes_in_blocks(&task->produce)) {
            work_submit_computing(shard, &task->work, check_run, check_done);
        } else {
            work_submit(shard, &task->work, check_run, check_done);
        }
    }
}

static void pace_over(struct timer *timer) {
    check_next(CONTAINER_OF(timer, struct produce_tasks, pace), timer->shard);
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
    draw_conclusions(tasks, task);
    list_remove(&task->link);
    task_conclude(task);
    task->fn(task);
    release_followers(tasks, &key);
    send_back(tasks, key.connection_id);
    check_next(tasks, manager->shard->shard);
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
    check_next(tasks, manager->shard->shard);
    return false;
}
