/* Logs made at run time, for replica managers of any shard; and the failure of a log dir. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/lifecycle/lifecycle.h"
#include "broker/replica/log_manager_internal.h"
#include "runtime/file.h"
#include "runtime/log.h"

#define WISHES_MAX 1000 /* remembered for replicas that may never come */

/* ---- Making a log ---------------------------------------------------------------------------- */

/* What log_create.state points to. */
struct creation {
    struct list link; /* log_manager.creations */
    struct log_create *create;
    struct log_options options;
    struct errmsg errmsg;
    char *path;
    struct log *log; /* until the asker gets it */
    int result;
};

static void creation_free(struct creation *creation) {
    list_remove(&creation->link);
    log_free(creation->log);
    free(creation->path);
    free(creation);
}

void log_manager_creations_free(struct log_manager *manager) {
    LIST_FOREACH_SAFE(it, &manager->creations) {
        creation_free(CONTAINER_OF(it, struct creation, link));
    }
}

static void tell_owner(struct post *post) {
    struct log_create *create = CONTAINER_OF(post, struct log_create, post);
    int result = (int)(intptr_t)create->state;
    create->state = NULL;
    create->fn(create, result);
}

static void finish(struct log_create *create, int result) {
    create->state = (void *)(intptr_t)result;
    shard_post(create->owner->shard, &create->post, tell_owner);
}

static void on_created(struct work *work) {
    struct log_create *create = CONTAINER_OF(work, struct log_create, work);
    struct creation *creation = create->state;
    struct log_manager *manager = create->owner->node->log_manager;
    int result = creation->result;
    if (result == 0) {
        create->log = creation->log;
        creation->log = NULL;
    } else if (result != -ESTALE) {
        LOG_ERROR(manager->node->machine, "storage", "log cannot be created",
                  "dir=%s reason=\"%s\"", creation->path,
                  creation->errmsg.text[0] != '\0' ? creation->errmsg.text : strerror(-result));
        if (log_dir_error_is_of_disk(result)) {
            log_dir_fail(&manager->dirs[create->dir], result);
        }
    }
    if (result != 0) {
        manager->dirs[create->dir].partition_count--;
    }
    creation_free(creation);
    finish(create, result);
}

/* The directory was that of a deleted topic, and was set aside meanwhile (replica_remove.c). */
static bool was_set_aside(const struct creation *creation) {
    struct log_create *create = creation->create;
    struct log_manager *manager = create->owner->node->log_manager;
    enum path_kind kind = PATH_OTHER;
    enum path_kind parent = PATH_OTHER;
    return create->future == NULL &&
           path_kind(manager->node->machine, creation->path, &kind) == 0 && kind == PATH_MISSING &&
           path_kind(manager->node->machine, manager->dirs[create->dir].path, &parent) == 0 &&
           parent == PATH_DIRECTORY;
}

static void run_create(struct work *work) {
    struct log_create *create = CONTAINER_OF(work, struct log_create, work);
    struct creation *creation = create->state;
    creation->result = log_load(&creation->options, &creation->log, &creation->errmsg);
    if (creation->result == -ENOENT && was_set_aside(creation)) {
        creation->result = -ESTALE;
    }
}

/* Of two topics of one name that come one after the other, both would take the directory for their
 * own, and the end of the first would be the end of the second. */
static bool is_being_made(const struct log_manager *manager, const struct log_create *create) {
    LIST_FOREACH(it, &manager->creations) {
        const struct log_create *other = CONTAINER_OF(it, struct creation, link)->create;
        if (other->future == NULL && create->future == NULL &&
            other->partition == create->partition && slice_equal(other->topic, create->topic)) {
            return true;
        }
    }
    return false;
}

/* A copy goes where it was asked for, or nowhere. What was wished for a partition before it came
 * counts more than where the metadata has it. */
static int pick_dir(struct log_manager *manager, const struct log_create *create) {
    int wished = -1;
    if (create->future == NULL) {
        wished = log_manager_take_wish(manager, create->topic, create->partition);
    }
    int dir = wished >= 0 && manager->dirs[wished].online
                  ? wished
                  : log_dir_pick(manager, create->directory_id);
    bool wanted = create->future == NULL ||
                  (dir >= 0 && uuid_equal(manager->dirs[dir].id, create->directory_id));
    return wanted ? dir : -1;
}

static char *path_in(const char *parent, const struct log_create *create) {
    size_t size = strlen(parent) + 1 + LOG_DIR_NAME_SIZE;
    char *path = xmalloc(size);
    if (create->future != NULL) {
        snprintf(path, size, "%s/%s", parent, create->future);
    } else {
        snprintf(path, size, "%s/%.*s-%" PRId32, parent, SLICE_ARG(create->topic),
                 create->partition);
    }
    return path;
}

static void begin_create(struct post *post) {
    struct log_create *create = CONTAINER_OF(post, struct log_create, post);
    struct log_manager *manager = create->owner->node->log_manager;
    create->log = NULL;
    if (manager->checkpoint_running) {
        /* It may be about a partition of the same name that is gone, and must look older than what
         * is made now (log_manager_plan.c). */
        create->state = manager->waiting_creations;
        manager->waiting_creations = create;
        return;
    }
    if (is_being_made(manager, create)) {
        finish(create, -ESTALE);
        return;
    }
    create->dir = pick_dir(manager, create);
    if (create->dir < 0) {
        finish(create, -EIO);
        return;
    }
    struct creation *creation = NEW(struct creation);
    creation->create = create;
    creation->path = path_in(manager->dirs[create->dir].path, create);
    log_options_of(manager, create->topic, create->topic_id, create->dir, &creation->options);
    creation->options.clean = false;
    if (create->future != NULL) {
        creation->options.log_start_offset = create->future_start;
        creation->options.start_is_sure = true;
    }
    creation->options.directory = creation->path;
    list_append(&manager->creations, &creation->link);
    manager->dirs[create->dir].partition_count++; /* those that come with it go elsewhere */
    create->state = creation;
    work_submit_slow(manager->node->shards[0].shard, &create->work, run_create, on_created);
}

void log_manager_resume_creations(struct log_manager *manager) {
    struct log_create *create = manager->waiting_creations;
    manager->waiting_creations = NULL;
    while (create != NULL) {
        struct log_create *next = create->state;
        begin_create(&create->post);
        create = next;
    }
}

void log_manager_create_log(struct node_shard *owner, struct log_create *create) {
    create->owner = owner;
    shard_post(owner->node->shards[0].shard, &create->post, begin_create);
}

/* ---- Wishes ---------------------------------------------------------------------------------- */

struct wish {
    struct list link; /* log_manager.wishes */
    char *topic;
    int32_t partition;
    int dir;
};

static struct wish *find_wish(const struct log_manager *manager, struct slice topic,
                              int32_t partition) {
    LIST_FOREACH(it, &manager->wishes) {
        struct wish *wish = CONTAINER_OF(it, struct wish, link);
        if (wish->partition == partition && slice_equal_str(topic, wish->topic)) {
            return wish;
        }
    }
    return NULL;
}

static void wish_free(struct wish *wish) {
    list_remove(&wish->link);
    free(wish->topic);
    free(wish);
}

void log_manager_wish_dir(struct log_manager *manager, struct slice topic, int32_t partition,
                          int dir) {
    struct wish *wish = find_wish(manager, topic, partition);
    if (wish == NULL) {
        wish = NEW(struct wish);
        wish->topic = slice_to_cstr(topic);
        wish->partition = partition;
        list_append(&manager->wishes, &wish->link);
        manager->wish_count++;
    }
    wish->dir = dir;
    if (manager->wish_count > WISHES_MAX) {
        wish_free(LIST_FIRST(&manager->wishes, struct wish, link));
        manager->wish_count--;
    }
}

int log_manager_take_wish(struct log_manager *manager, struct slice topic, int32_t partition) {
    struct wish *wish = find_wish(manager, topic, partition);
    if (wish == NULL) {
        return -1;
    }
    int dir = wish->dir;
    wish_free(wish);
    manager->wish_count--;
    return dir;
}

void log_manager_wishes_free(struct log_manager *manager) {
    LIST_FOREACH_SAFE(it, &manager->wishes) {
        wish_free(CONTAINER_OF(it, struct wish, link));
    }
}

/* ---- Failure --------------------------------------------------------------------------------- */

static void tell_shard(struct post *post) {
    struct log_dir *dir = CONTAINER_OF(post, struct log_dir, failure_post);
    struct node *node = dir->manager->node;
    replica_manager_fail_dir(node->shards[dir->failure_shard].replicas, dir->index);
    dir->failure_shard++;
    if (dir->failure_shard < node->shard_count) {
        shard_post(node->shards[dir->failure_shard].shard, post, tell_shard);
    }
}

bool log_dir_error_is_of_disk(int err) {
    switch (-err) {
    case EIO:
    case EROFS:
    case ENODEV:
    case ENXIO:
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EPERM:
        return true;
    default:
        return false;
    }
}

bool log_dirs_any_online(const struct log_manager *manager) {
    for (int i = 0; i < manager->dir_count; i++) {
        if (manager->dirs[i].online) {
            return true;
        }
    }
    return false;
}

static void on_failure_reported(struct post *post) {
    struct log_dir *dir = CONTAINER_OF(post, struct log_dir, failure_post);
    struct log_manager *manager = dir->manager;
    dir->online = false;
    LOG_ERROR(manager->node->machine, "storage", "log dir offline", "dir=%s reason=\"%s\"",
              dir->path, strerror(-dir->failure_error));
    if (dir->index == manager->metadata_dir || !log_dirs_any_online(manager)) {
        node_fail(manager->node, "the log dir of the metadata, or the last one, has failed");
        return;
    }
    lifecycle_dir_failed(manager->node->lifecycle);
    dir->failure_shard = 0;
    shard_post(manager->node->shards[0].shard, post, tell_shard);
}

void log_dir_fail(struct log_dir *dir, int error) {
    if (!atomic_exchange(&dir->failed, true)) {
        dir->failure_error = error;
        shard_post(dir->manager->node->shards[0].shard, &dir->failure_post, on_failure_reported);
    }
}

void log_manager_fail_dir(struct log_manager *manager, int dir, int error) {
    log_dir_fail(&manager->dirs[dir], error);
}

bool log_manager_dir_failed(const struct log_manager *manager, int dir) {
    return atomic_load(&manager->dirs[dir].failed);
}

void log_manager_options_in(struct log_manager *manager, int dir, struct log_options *options) {
    options->machine = manager->node->machine;
    options->on_failure = on_log_failure;
    options->ctx = &manager->dirs[dir];
}

void on_log_failure(struct log *log, int error, void *ctx) {
    log_dir_fail(ctx, error);
}
