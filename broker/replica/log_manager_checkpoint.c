/*
 * Checkpoints and the other periodic tasks.
 *
 * Shards mark that something changed (log_manager_mark_dirty); the first mark starts the timers of
 * the three checkpoints, each with Kafka's interval. When one is due, every shard is asked for the
 * offsets of its partitions, one after another, and a worker writes the files. An idle node has no
 * timer running but that of retention, which is rare.
 *
 * A recovery point is what the log says was synced, so a checkpoint can never be ahead of the disk.
 * A checkpoint that cannot be written is tried again at the next interval; the old one stays valid.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/replica/log_manager_internal.h"
#include "runtime/log.h"

static const struct {
    const char *file;
    enum config_id interval;
} kinds[CHECKPOINT_KIND_COUNT] = {
    [CHECKPOINT_KIND_RECOVERY_POINT] = {CHECKPOINT_RECOVERY_POINT,
                                        CONFIG_LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS},
    [CHECKPOINT_KIND_LOG_START] = {CHECKPOINT_LOG_START,
                                   CONFIG_LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS},
    [CHECKPOINT_KIND_HIGH_WATERMARK] = {CHECKPOINT_HIGH_WATERMARK,
                                        CONFIG_REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS},
};

static struct shard *first_shard(const struct log_manager *manager) {
    return manager->node->shards[0].shard;
}

static int64_t setting(const struct log_manager *manager, enum config_id id) {
    return config_int(manager->node->config, id);
}

/* ---- Marks ----------------------------------------------------------------------------------- */

static void start_timers(struct log_manager *manager) {
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT; kind++) {
        if (!timer_running(&manager->checkpoint_timers[kind])) {
            timer_start(&manager->checkpoint_timers[kind], setting(manager, kinds[kind].interval));
        }
    }
}

static void on_dirty(struct post *post) {
    struct log_manager *manager = CONTAINER_OF(post, struct shard_task, dirty_post)->manager;
    if (!manager->stopping) {
        start_timers(manager);
    }
}

void log_manager_mark_dirty(struct node_shard *shard) {
    struct shard_task *task = &shard->node->log_manager->tasks[shard->index];
    if (!task->dirty) {
        task->dirty = true;
        shard_post(shard->node->shards[0].shard, &task->dirty_post, on_dirty);
    }
}

/* ---- Collecting ------------------------------------------------------------------------------ */

static void write_files(struct log_manager *manager);

static void on_collected(struct post *post) {
    struct log_manager *manager = CONTAINER_OF(post, struct shard_task, post)->manager;
    manager->tasks_left--;
    if (manager->tasks_left == 0) {
        write_files(manager);
    }
}

static void collect(struct post *post) {
    struct shard_task *task = CONTAINER_OF(post, struct shard_task, post);
    /* The other checkpoints' timers are still running and will see what this mark stood for. */
    task->dirty = false;
    arena_release(&task->arena);
    replica_manager_offsets(task->shard->replicas, &task->arena, &task->offsets,
                            &task->offset_count);
    shard_post(first_shard(task->manager), post, on_collected);
}

static void checkpoint_begin(struct log_manager *manager) {
    manager->checkpoint_running = true;
    list_splice(&manager->checkpoint_waited, &manager->checkpoint_waiting);
    memcpy(manager->checkpoint_writing, manager->checkpoint_due,
           sizeof(manager->checkpoint_writing));
    memset(manager->checkpoint_due, 0, sizeof(manager->checkpoint_due));
    int shard_count = manager->node->shard_count;
    manager->tasks_left = shard_count;
    for (int i = 0; i < shard_count; i++) {
        struct shard_task *task = &manager->tasks[i];
        shard_post(task->shard->shard, &task->post, collect);
    }
}

static void on_checkpoint_timer(struct log_manager *manager, enum checkpoint_kind kind) {
    manager->checkpoint_due[kind] = true;
    if (!manager->checkpoint_running) {
        checkpoint_begin(manager);
    }
}

/* ---- Waiting for one ------------------------------------------------------------------------- */

static void wait_over(struct post *post) {
    struct checkpoint_wait *wait = CONTAINER_OF(post, struct checkpoint_wait, post);
    wait->fn(wait);
}

static void tell_waits(struct list *waits) {
    while (!list_empty(waits)) {
        struct checkpoint_wait *wait = LIST_FIRST(waits, struct checkpoint_wait, link);
        list_remove(&wait->link);
        shard_post(wait->from->shard, &wait->post, wait_over);
    }
}

static void wait_begin(struct post *post) {
    struct checkpoint_wait *wait = CONTAINER_OF(post, struct checkpoint_wait, post);
    struct log_manager *manager = wait->from->node->log_manager;
    if (manager->stopping && !manager->checkpoint_running) {
        shard_post(wait->from->shard, post, wait_over); /* all are written at the end */
        return;
    }
    list_append(&manager->checkpoint_waiting, &wait->link);
    if (wait->all) {
        manager->checkpoint_due[CHECKPOINT_KIND_LOG_START] = true;
        manager->checkpoint_due[CHECKPOINT_KIND_HIGH_WATERMARK] = true;
    }
    on_checkpoint_timer(manager, CHECKPOINT_KIND_RECOVERY_POINT);
}

static void checkpoint_wait(struct node_shard *from, struct checkpoint_wait *wait, bool all,
                            void (*fn)(struct checkpoint_wait *wait)) {
    wait->from = from;
    wait->all = all;
    wait->fn = fn;
    list_init(&wait->link);
    shard_post(from->node->shards[0].shard, &wait->post, wait_begin);
}

void log_manager_checkpoint(struct node_shard *from, struct checkpoint_wait *wait,
                            void (*fn)(struct checkpoint_wait *wait)) {
    checkpoint_wait(from, wait, false, fn);
}

void log_manager_checkpoint_all(struct node_shard *from, struct checkpoint_wait *wait,
                                void (*fn)(struct checkpoint_wait *wait)) {
    checkpoint_wait(from, wait, true, fn);
}

/* ---- Timers ---------------------------------------------------------------------------------- */

static void on_recovery_point_timer(struct timer *timer) {
    on_checkpoint_timer(
        CONTAINER_OF(timer, struct log_manager, checkpoint_timers[CHECKPOINT_KIND_RECOVERY_POINT]),
        CHECKPOINT_KIND_RECOVERY_POINT);
}

static void on_log_start_timer(struct timer *timer) {
    on_checkpoint_timer(
        CONTAINER_OF(timer, struct log_manager, checkpoint_timers[CHECKPOINT_KIND_LOG_START]),
        CHECKPOINT_KIND_LOG_START);
}

static void on_high_watermark_timer(struct timer *timer) {
    on_checkpoint_timer(
        CONTAINER_OF(timer, struct log_manager, checkpoint_timers[CHECKPOINT_KIND_HIGH_WATERMARK]),
        CHECKPOINT_KIND_HIGH_WATERMARK);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static int64_t offset_of(const struct replica_offsets *offsets, int kind) {
    switch (kind) {
    case CHECKPOINT_KIND_RECOVERY_POINT:
        return offsets->recovery_point;
    case CHECKPOINT_KIND_LOG_START:
        return offsets->log_start;
    default:
        return offsets->high_watermark;
    }
}

/* Log starts of 0 say nothing and are left out, as in Kafka. */
static int gather(struct log_manager *manager, int dir, int kind,
                  struct checkpoint_entry *entries) {
    int count = 0;
    for (int i = 0; i < manager->node->shard_count; i++) {
        const struct shard_task *task = &manager->tasks[i];
        for (int j = 0; j < task->offset_count; j++) {
            const struct replica_offsets *offsets = &task->offsets[j];
            int64_t offset = offset_of(offsets, kind);
            if (offsets->dir != dir || (kind == CHECKPOINT_KIND_LOG_START && offset == 0)) {
                continue;
            }
            entries[count++] = (struct checkpoint_entry){
                .topic = offsets->topic,
                .partition = offsets->partition,
                .offset = offset,
            };
        }
    }
    return count;
}

static void run_write(struct work *work) {
    struct log_manager *manager = CONTAINER_OF(work, struct log_manager, checkpoint_work);
    size_t most = 1;
    for (int i = 0; i < manager->node->shard_count; i++) {
        most += (size_t)manager->tasks[i].offset_count;
    }
    struct checkpoint_entry *entries = xcalloc(most, sizeof(*entries));
    for (int i = 0; i < manager->dir_count; i++) {
        for (int kind = 0; kind < CHECKPOINT_KIND_COUNT; kind++) {
            if (!manager->checkpoint_writing[kind] || manager->dir_errors[i] != 0) {
                continue;
            }
            int count = gather(manager, i, kind, entries);
            manager->dir_errors[i] = checkpoint_write(manager->node->machine, manager->dirs[i].path,
                                                      kinds[kind].file, entries, count);
        }
    }
    free(entries);
}

static void count_partitions(struct log_manager *manager) {
    for (int i = 0; i < manager->dir_count; i++) {
        manager->dirs[i].partition_count = 0;
    }
    for (int i = 0; i < manager->node->shard_count; i++) {
        const struct shard_task *task = &manager->tasks[i];
        for (int j = 0; j < task->offset_count; j++) {
            manager->dirs[task->offsets[j].dir].partition_count++;
        }
    }
}

static void on_written(struct work *work) {
    struct log_manager *manager = CONTAINER_OF(work, struct log_manager, checkpoint_work);
    count_partitions(manager);
    manager->checkpoint_running = false;
    log_manager_resume_creations(manager);
    for (int i = 0; i < manager->dir_count; i++) {
        int err = manager->dir_errors[i];
        if (err != -ENODEV && log_dir_error_is_of_disk(err)) {
            log_dir_fail(&manager->dirs[i], err);
        } else if (err != 0 && err != -ENODEV) {
            LOG_WARN(manager->node->machine, "storage", "checkpoint not written",
                     "dir=%s reason=\"%s\"", manager->dirs[i].path, strerror(-err));
        }
    }
    tell_waits(&manager->checkpoint_waited);
    if (manager->checkpoint_done != NULL) {
        tell_waits(&manager->checkpoint_waiting);
        manager->checkpoint_done(manager);
        return;
    }
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT; kind++) {
        if (manager->checkpoint_due[kind]) {
            checkpoint_begin(manager);
            return;
        }
    }
    for (int i = 0; i < manager->node->shard_count; i++) {
        manager->tasks[i].offset_count = 0;
        arena_release(&manager->tasks[i].arena);
    }
}

static void write_files(struct log_manager *manager) {
    for (int i = 0; i < manager->dir_count; i++) {
        manager->dir_errors[i] = manager->dirs[i].online ? 0 : -ENODEV;
    }
    work_submit(first_shard(manager), &manager->checkpoint_work, run_write, on_written);
}

/* ---- Retention and producers ----------------------------------------------------------------- */

static void visit_shard(struct post *post) {
    struct shard_round *round = CONTAINER_OF(post, struct shard_round, post);
    struct node *node = round->manager->node;
    if (round->next == node->shard_count) {
        round->running = false;
        return;
    }
    round->fn(node->shards[round->next].replicas, clock_wall_ms(node->machine));
    round->next++;
    shard_post(node->shards[round->next % node->shard_count].shard, post, visit_shard);
}

/* One shard after another; the last step is back on shard 0. */
static void round_begin(struct log_manager *manager, struct shard_round *round,
                        void (*fn)(struct replica_manager *replicas, int64_t now_ms)) {
    if (!round->running) {
        *round = (struct shard_round){.manager = manager, .fn = fn, .running = true};
        shard_post(first_shard(manager), &round->post, visit_shard);
    }
}

static void on_retention_timer(struct timer *timer) {
    struct log_manager *manager = CONTAINER_OF(timer, struct log_manager, retention_timer);
    round_begin(manager, &manager->retention_round, replica_manager_apply_retention);
    timer_start(timer, setting(manager, CONFIG_LOG_RETENTION_CHECK_INTERVAL_MS));
}

static void on_producer_timer(struct timer *timer) {
    struct log_manager *manager = CONTAINER_OF(timer, struct log_manager, producer_timer);
    round_begin(manager, &manager->producer_round, replica_manager_expire_producers);
    timer_start(timer, setting(manager, CONFIG_PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS));
}

/* ---- Lifecycle ------------------------------------------------------------------------------- */

void checkpoints_init(struct log_manager *manager) {
    struct node *node = manager->node;
    list_init(&manager->checkpoint_waiting);
    list_init(&manager->checkpoint_waited);
    manager->tasks = xcalloc((size_t)node->shard_count, sizeof(*manager->tasks));
    manager->dir_errors = xcalloc((size_t)manager->all_dir_count, sizeof(*manager->dir_errors));
    for (int i = 0; i < node->shard_count; i++) {
        manager->tasks[i].manager = manager;
        manager->tasks[i].shard = &node->shards[i];
        arena_init(&manager->tasks[i].arena, SIZE_MAX);
    }
    struct timer *timers = manager->checkpoint_timers;
    struct shard *shard = first_shard(manager);
    timer_init(&timers[CHECKPOINT_KIND_RECOVERY_POINT], shard, on_recovery_point_timer);
    timer_init(&timers[CHECKPOINT_KIND_LOG_START], shard, on_log_start_timer);
    timer_init(&timers[CHECKPOINT_KIND_HIGH_WATERMARK], shard, on_high_watermark_timer);
    timer_init(&manager->retention_timer, shard, on_retention_timer);
    timer_init(&manager->producer_timer, shard, on_producer_timer);
}

void checkpoints_start(struct log_manager *manager) {
    int64_t first_ms = setting(manager, CONFIG_LOG_INITIAL_TASK_DELAY_MS);
    timer_start(&manager->retention_timer, first_ms);
    timer_start(&manager->producer_timer,
                setting(manager, CONFIG_PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS));
}

void checkpoints_stop(struct log_manager *manager) {
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT; kind++) {
        timer_stop(&manager->checkpoint_timers[kind]);
    }
    timer_stop(&manager->retention_timer);
    timer_stop(&manager->producer_timer);
}

void checkpoints_write_all(struct log_manager *manager, void (*done)(struct log_manager *manager)) {
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT; kind++) {
        manager->checkpoint_due[kind] = true;
    }
    manager->checkpoint_done = done;
    checkpoint_begin(manager);
}

void checkpoints_release(struct log_manager *manager) {
    for (int i = 0; i < manager->node->shard_count; i++) {
        arena_release(&manager->tasks[i].arena);
    }
    free(manager->tasks);
    free(manager->dir_errors);
}
