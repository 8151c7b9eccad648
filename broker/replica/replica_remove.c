/*
 * The end of a deleted partition's log: closed, set aside under a name that no start takes for a
 * partition, and removed after file.delete.delay.ms. A response that is still sending a segment
 * holds its file open.
 *
 *     CLOSING -> SETTING_ASIDE -> WAITING -> REMOVING
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/replica_manager.h"
#include "runtime/log.h"
#include "storage/log_dir.h"

struct log_removal {
    struct list link; /* replica_manager.removals */
    struct replica_manager *manager;
    struct log *log; /* NULL once closed */
    struct work work;
    struct timer delay;
    char *dir;
    char *name;
    char *aside; /* where it is now; NULL while it has its old name */
    int64_t delay_ms;
    int result;
};

static void removal_free(struct log_removal *removal) {
    timer_stop(&removal->delay);
    list_remove(&removal->link);
    if (removal->log != NULL) {
        log_free(removal->log);
    }
    free(removal->dir);
    free(removal->name);
    free(removal->aside);
    free(removal);
}

/* Ends a step of the removal; true when the manager is closing and no further one is begun. */
static bool removal_step_ended(struct log_removal *removal) {
    struct replica_manager *manager = removal->manager;
    manager->closing_logs--;
    if (!manager->closing) {
        return false;
    }
    removal_free(removal);
    replica_manager_check_closed(manager);
    return true;
}

static void removal_warn(const struct log_removal *removal, const char *what) {
    LOG_WARN(removal->manager->shard->node->machine, "replica", what, "dir=%s/%s reason=\"%s\"",
             removal->dir, removal->name, strerror(-removal->result));
}

static void run_remove(struct work *work) {
    struct log_removal *removal = CONTAINER_OF(work, struct log_removal, work);
    removal->result = log_dir_remove_tree(removal->manager->shard->node->machine, removal->aside);
}

static void on_removed(struct work *work) {
    struct log_removal *removal = CONTAINER_OF(work, struct log_removal, work);
    if (removal->result != 0) {
        removal_warn(removal, "deleted log could not be removed; the next start tries again");
    }
    if (!removal_step_ended(removal)) {
        removal_free(removal);
    }
}

static void on_delay(struct timer *timer) {
    struct log_removal *removal = CONTAINER_OF(timer, struct log_removal, delay);
    removal->manager->closing_logs++;
    work_submit_slow(removal->manager->shard->shard, &removal->work, run_remove, on_removed);
}

static void run_set_aside(struct work *work) {
    struct log_removal *removal = CONTAINER_OF(work, struct log_removal, work);
    removal->result = log_dir_set_aside(removal->manager->shard->node->machine, removal->dir,
                                        removal->name, "-delete", &removal->aside);
}

static void on_set_aside(struct work *work) {
    struct log_removal *removal = CONTAINER_OF(work, struct log_removal, work);
    if (removal->result != 0) {
        removal_warn(removal, "deleted log could not be set aside; the next start tries again");
    }
    if (removal_step_ended(removal)) {
        return;
    }
    if (removal->result != 0) {
        removal_free(removal);
        return;
    }
    timer_start(&removal->delay, removal->delay_ms);
}

/* On a manager that is closing too: a start must not take the directory for a live one. */
static void removal_log_closed(struct log *log, int result, void *ctx) {
    struct log_removal *removal = ctx;
    removal->log = NULL;
    log_free(log);
    work_submit_slow(removal->manager->shard->shard, &removal->work, run_set_aside, on_set_aside);
}

void log_remove(struct replica_manager *manager, struct log *log, int dir) {
    struct log_removal *removal = NEW(struct log_removal);
    removal->manager = manager;
    removal->log = log;
    removal->dir = xstrdup(log_manager_dir_path(manager->shard->node->log_manager, dir));
    const char *name = strrchr(log_directory(log), '/');
    removal->name = xstrdup(name != NULL ? name + 1 : log_directory(log));
    removal->delay_ms = log_config(log)->file_delete_delay_ms;
    timer_init(&removal->delay, manager->shard->shard, on_delay);
    list_append(&manager->removals, &removal->link);
    manager->closing_logs++;
    log_close(log, false, removal_log_closed, removal);
}

void log_remove_aside(struct replica_manager *manager, int dir, char *path, int64_t delay_ms) {
    if (manager->closing) {
        free(path); /* the next start removes it */
        return;
    }
    struct log_removal *removal = NEW(struct log_removal);
    removal->manager = manager;
    removal->dir = xstrdup(log_manager_dir_path(manager->shard->node->log_manager, dir));
    removal->name = xstrdup(strrchr(path, '/') + 1);
    removal->aside = path;
    removal->delay_ms = delay_ms;
    timer_init(&removal->delay, manager->shard->shard, on_delay);
    list_append(&manager->removals, &removal->link);
    timer_start(&removal->delay, delay_ms);
}

void log_removals_stop(struct replica_manager *manager) {
    LIST_FOREACH_SAFE(it, &manager->removals) {
        struct log_removal *removal = CONTAINER_OF(it, struct log_removal, link);
        if (timer_running(&removal->delay)) {
            removal_free(removal);
        }
    }
}

void log_removals_free(struct replica_manager *manager) {
    LIST_FOREACH_SAFE(it, &manager->removals) {
        removal_free(CONTAINER_OF(it, struct log_removal, link));
    }
}
