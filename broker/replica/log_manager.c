#include "broker/replica/log_manager.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/metadata/image.h"
#include "broker/replica/log_manager_internal.h"
#include "broker/replica/replica.h"
#include "runtime/file.h"
#include "runtime/log.h"

/* ---- Memory ---------------------------------------------------------------------------------- */

static void dirs_init(struct log_manager *manager) {
    const struct config *config = manager->node->config;
    manager->dir_count = config_log_dir_count(config);
    manager->metadata_dir = -1;
    manager->dirs = xcalloc((size_t)manager->dir_count + 1, sizeof(*manager->dirs));
    for (int i = 0; i < manager->dir_count; i++) {
        manager->dirs[i].path = config_log_dir(config, i);
        if (strcmp(manager->dirs[i].path, config_metadata_dir(config)) == 0) {
            manager->metadata_dir = i;
        }
    }
    manager->all_dir_count = manager->dir_count;
    if (manager->metadata_dir < 0) {
        manager->metadata_dir = manager->all_dir_count++;
        manager->dirs[manager->metadata_dir].path = config_metadata_dir(config);
    }
    for (int i = 0; i < manager->all_dir_count; i++) {
        struct log_dir *dir = &manager->dirs[i];
        dir->manager = manager;
        dir->index = i;
        arena_init(&dir->arena, SIZE_MAX);
        hmap_init(&dir->names);
        hmap_init(&dir->offsets);
        atomic_init(&dir->failed, false);
        atomic_init(&dir->unclean, false);
    }
}

struct log_manager *log_manager_new(struct node *node) {
    struct log_manager *manager = NEW(struct log_manager);
    manager->node = node;
    list_init(&manager->jobs);
    list_init(&manager->creations);
    list_init(&manager->wishes);
    dirs_init(manager);
    checkpoints_init(manager);
    return manager;
}

void log_manager_free(struct log_manager *manager) {
    if (manager == NULL) {
        return;
    }
    checkpoints_stop(manager);
    checkpoints_release(manager);
    log_manager_jobs_free(manager);
    log_manager_creations_free(manager);
    log_manager_wishes_free(manager);
    for (int i = 0; i < manager->all_dir_count; i++) {
        struct log_dir *dir = &manager->dirs[i];
        hmap_release(&dir->names);
        hmap_release(&dir->offsets);
        arena_release(&dir->arena);
        file_unref(dir->lock);
    }
    free(manager->dirs);
    free(manager);
}

/* ---- Start ----------------------------------------------------------------------------------- */

static void run_open(struct work *work) {
    struct log_manager *manager = CONTAINER_OF(work, struct log_manager, work);
    manager->result = log_dirs_open(manager, manager->errmsg);
}

static void on_opened(struct work *work) {
    struct log_manager *manager = CONTAINER_OF(work, struct log_manager, work);
    manager->done(manager->ctx, manager->result);
}

void log_manager_open(struct log_manager *manager, struct errmsg *errmsg,
                      void (*done)(void *ctx, int result), void *ctx) {
    manager->errmsg = errmsg;
    manager->done = done;
    manager->ctx = ctx;
    work_submit(manager->node->shards[0].shard, &manager->work, run_open, on_opened);
}

void log_manager_start(struct log_manager *manager) {
    checkpoints_start(manager);
}

int64_t log_manager_previous_broker_epoch(const struct log_manager *manager) {
    int64_t epoch = manager->dirs[0].broker_epoch;
    for (int i = 0; i < manager->dir_count; i++) {
        if (manager->dirs[i].broker_epoch != epoch) {
            return -1;
        }
    }
    return epoch;
}

/* ---- Stop ------------------------------------------------------------------------------------ */

static int64_t broker_epoch(const struct node *node) {
    const struct image_broker *broker = image_broker(node->shards[0].image, node->id);
    return broker == NULL ? -1 : broker->epoch;
}

void log_manager_close_failed(struct node_shard *from, int dir) {
    atomic_store(&from->node->log_manager->dirs[dir].unclean, true);
}

static void run_mark_clean(struct work *work) {
    struct log_manager *manager = CONTAINER_OF(work, struct log_manager, work);
    struct machine *machine = manager->node->machine;
    int64_t epoch = broker_epoch(manager->node); /* shard 0 waits for this and changes nothing */
    for (int i = 0; i < manager->all_dir_count; i++) {
        const struct log_dir *dir = &manager->dirs[i];
        bool mark = dir->online && !atomic_load(&dir->unclean);
        int err = mark ? clean_shutdown_write(machine, dir->path, epoch) : 0;
        if (err != 0) {
            LOG_WARN(machine, "storage", "clean shutdown not marked: the next start recovers",
                     "dir=%s reason=\"%s\"", dir->path, strerror(-err));
        }
    }
}

static void on_marked_clean(struct work *work) {
    struct log_manager *manager = CONTAINER_OF(work, struct log_manager, work);
    manager->stopped(manager->ctx);
}

/* A dir whose checkpoints could not be written is not marked clean. */
static void mark_clean(struct log_manager *manager) {
    for (int i = 0; i < manager->dir_count; i++) {
        if (manager->dir_errors[i] != 0) {
            manager->dirs[i].online = false;
        }
    }
    work_submit(manager->node->shards[0].shard, &manager->work, run_mark_clean, on_marked_clean);
}

static void on_shard_closed(struct post *post) {
    struct log_manager *manager = CONTAINER_OF(post, struct shard_task, post)->manager;
    manager->closes_left--;
    if (manager->closes_left == 0) {
        checkpoints_write_all(manager, mark_clean);
    }
}

static void on_replicas_closed(void *ctx) {
    struct shard_task *task = ctx;
    shard_post(task->manager->node->shards[0].shard, &task->post, on_shard_closed);
}

static void close_replicas(struct post *post) {
    struct shard_task *task = CONTAINER_OF(post, struct shard_task, post);
    replica_manager_close(task->shard->replicas, true, on_replicas_closed, task);
}

static void close_logs(struct log_manager *manager) {
    struct node *node = manager->node;
    manager->closes_left = node->shard_count;
    for (int i = 0; i < node->shard_count; i++) {
        shard_post(node->shards[i].shard, &manager->tasks[i].post, close_replicas);
    }
}

/* No log was opened: what was clean still is. */
static void run_restore_marks(struct work *work) {
    struct log_manager *manager = CONTAINER_OF(work, struct log_manager, work);
    for (int i = 0; i < manager->all_dir_count; i++) {
        const struct log_dir *dir = &manager->dirs[i];
        if (dir->online && dir->clean &&
            clean_shutdown_write(manager->node->machine, dir->path, dir->broker_epoch) != 0) {
            LOG_WARN(manager->node->machine, "storage", "the next start recovers", "dir=%s",
                     dir->path);
        }
    }
}

void log_manager_stop(struct log_manager *manager, void (*done)(void *ctx), void *ctx) {
    manager->stopped = done;
    manager->ctx = ctx;
    manager->stopping = true;
    if (!manager->loaded) {
        work_submit(manager->node->shards[0].shard, &manager->work, run_restore_marks,
                    on_marked_clean);
        return;
    }
    checkpoints_stop(manager);
    if (manager->checkpoint_running) {
        manager->checkpoint_done = close_logs;
    } else {
        close_logs(manager);
    }
}

/* ---- Directories ----------------------------------------------------------------------------- */

const char *log_manager_metadata_dir(const struct log_manager *manager) {
    return manager->dirs[manager->metadata_dir].path;
}

int log_manager_dir_count(const struct log_manager *manager) {
    return manager->dir_count;
}

const char *log_manager_dir_path(const struct log_manager *manager, int index) {
    ASSERT(index >= 0 && index < manager->dir_count);
    return manager->dirs[index].path;
}

struct uuid log_manager_dir_id(const struct log_manager *manager, int index) {
    ASSERT(index >= 0 && index < manager->dir_count);
    return manager->dirs[index].id;
}

bool log_manager_dir_online(const struct log_manager *manager, int index) {
    ASSERT(index >= 0 && index < manager->dir_count);
    return manager->dirs[index].online;
}
