/*
 * Loading the logs at start: the metadata image says what there has to be, the dirs' contents what
 * there is. Each partition of the image that this node replicates becomes a job; jobs run on the
 * workers, several at a time, and are then handed to their shards one by one. What lies in the dirs
 * and belongs to no job is set aside as stray, or removed when it was being deleted.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/metadata/image.h"
#include "broker/replica/log_manager_internal.h"
#include "runtime/file.h"
#include "runtime/log.h"

/* One log to load, or one directory to clear away (then `topic_id` is zero). */
struct load_job {
    struct list link; /* log_manager.jobs */
    struct log_manager *manager;
    struct work work;
    struct post post;
    struct slice topic; /* of the image, or of the dir's arena */
    struct uuid topic_id;
    int32_t partition;
    int dir;
    const struct log_dir_entry *entry; /* to clear away */
    struct log_options options;
    char *path;
    struct log *log;
    struct errmsg errmsg;
    int result;
};

void log_options_of(struct log_manager *manager, struct slice topic, struct uuid topic_id, int dir,
                    struct log_options *out) {
    struct node_shard *shard = &manager->node->shards[0];
    struct topic_config config;
    topic_config_effective(shard->config, shard->image, topic, &config);
    *out = (struct log_options){
        .machine = manager->node->machine,
        .config = config.log,
        .topic_id = topic_id,
        .clean = manager->dirs[dir].clean,
        .log_start_offset = -1,
        .high_watermark = -1,
        .on_failure = on_log_failure,
        .ctx = &manager->dirs[dir],
    };
}

int log_dir_pick(const struct log_manager *manager, struct uuid wanted) {
    int best = -1;
    for (int i = 0; i < manager->dir_count; i++) {
        const struct log_dir *dir = &manager->dirs[i];
        if (!dir->online) {
            continue;
        }
        if (!uuid_is_zero(wanted) && uuid_equal(dir->id, wanted)) {
            return i;
        }
        if (best < 0 || dir->partition_count < manager->dirs[best].partition_count) {
            best = i;
        }
    }
    return best;
}

/* ---- The end --------------------------------------------------------------------------------- */

static void job_free(struct load_job *job) {
    list_remove(&job->link);
    log_free(job->log);
    free(job->path);
    free(job);
}

void log_manager_jobs_free(struct log_manager *manager) {
    LIST_FOREACH_SAFE(it, &manager->jobs) {
        job_free(CONTAINER_OF(it, struct load_job, link));
    }
}

static void forget_start(struct log_manager *manager) {
    for (int i = 0; i < manager->all_dir_count; i++) {
        struct log_dir *dir = &manager->dirs[i];
        hmap_release(&dir->offsets);
        arena_release(&dir->arena);
        dir->entries = NULL;
        dir->entry_count = 0;
        dir->clean = false; /* what is made from now on was never shut down */
    }
}

static void on_all_told(struct post *post) {
    struct log_manager *manager = CONTAINER_OF(post, struct log_manager, loaded_post);
    forget_start(manager);
    manager->done(manager->ctx, 0);
}

/* Visits one shard after another. */
static void tell_loaded(struct post *post) {
    struct log_manager *manager = CONTAINER_OF(post, struct log_manager, loaded_post);
    struct node *node = manager->node;
    replica_manager_set_loaded(node->shards[manager->loaded_shard].replicas);
    manager->loaded_shard++;
    bool more = manager->loaded_shard < node->shard_count;
    shard_post(node->shards[more ? manager->loaded_shard : 0].shard, post,
               more ? tell_loaded : on_all_told);
}

static void submit_jobs(struct log_manager *manager, bool clearing);

/* All jobs of this phase are done. */
static void phase_end(struct log_manager *manager, bool clearing) {
    if (clearing) {
        submit_jobs(manager, false);
    } else {
        manager->loaded_shard = 0;
        shard_post(manager->node->shards[0].shard, &manager->loaded_post, tell_loaded);
    }
}

static void job_end(struct load_job *job) {
    struct log_manager *manager = job->manager;
    bool clearing = job->entry != NULL;
    job_free(job);
    ASSERT(manager->jobs_left > 0);
    manager->jobs_left--;
    if (manager->jobs_left == 0) {
        phase_end(manager, clearing);
    }
}

/* ---- Jobs ------------------------------------------------------------------------------------ */

static void on_handed_over(struct post *post) {
    job_end(CONTAINER_OF(post, struct load_job, post));
}

static void hand_over(struct post *post) {
    struct load_job *job = CONTAINER_OF(post, struct load_job, post);
    struct node *node = job->manager->node;
    int owner = node_partition_shard(node, job->topic_id, job->partition);
    struct replica_manager *replicas = node->shards[owner].replicas;
    if (job->log != NULL) {
        replica_manager_add_log(replicas, job->topic_id, job->partition, job->dir, job->log);
        job->log = NULL;
    } else {
        replica_manager_add_failed(replicas, job->topic_id, job->partition, job->dir);
    }
    shard_post(node->shards[0].shard, post, on_handed_over);
}

static void on_loaded(struct work *work) {
    struct load_job *job = CONTAINER_OF(work, struct load_job, work);
    struct node *node = job->manager->node;
    if (job->result != 0) {
        LOG_ERROR(node->machine, "storage", "log cannot be loaded",
                  "topic=%.*s partition=%" PRId32 " dir=%s reason=\"%s\"", SLICE_ARG(job->topic),
                  job->partition, job->path,
                  job->errmsg.text[0] != '\0' ? job->errmsg.text : strerror(-job->result));
        if (job->result == -EIO) {
            log_dir_fail(&job->manager->dirs[job->dir], job->result);
        }
    }
    int owner = node_partition_shard(node, job->topic_id, job->partition);
    shard_post(node->shards[owner].shard, &job->post, hand_over);
}

static void run_load(struct work *work) {
    struct load_job *job = CONTAINER_OF(work, struct load_job, work);
    job->options.directory = job->path;
    job->result = log_load(&job->options, &job->log, &job->errmsg);
}

static void on_cleared(struct work *work) {
    struct load_job *job = CONTAINER_OF(work, struct load_job, work);
    struct machine *machine = job->manager->node->machine;
    bool stray = job->entry->kind == LOG_DIR_PARTITION;
    if (job->result != 0) {
        LOG_ERROR(machine, "storage", "directory cannot be cleared away", "dir=%s reason=\"%s\"",
                  job->path, strerror(-job->result));
    } else if (stray) {
        LOG_WARN(machine, "storage", "stray partition set aside", "dir=%s", job->path);
    } else {
        LOG_INFO(machine, "storage", "deleted partition removed", "dir=%s", job->path);
    }
    job_end(job);
}

static void run_clear(struct work *work) {
    struct load_job *job = CONTAINER_OF(work, struct load_job, work);
    struct machine *machine = job->manager->node->machine;
    if (job->entry->kind == LOG_DIR_DELETED) {
        job->result = log_dir_remove_tree(machine, job->path);
        return;
    }
    char *new_path = NULL;
    job->result = log_dir_set_aside(machine, job->manager->dirs[job->dir].path, job->entry->name,
                                    "-stray", &new_path);
    free(new_path);
}

static struct load_job *job_new(struct log_manager *manager, int dir, const char *name) {
    struct load_job *job = NEW(struct load_job);
    const char *parent = manager->dirs[dir].path;
    size_t size = strlen(parent) + 1 + strlen(name) + 1;
    job->path = xmalloc(size);
    snprintf(job->path, size, "%s/%s", parent, name);
    job->manager = manager;
    job->dir = dir;
    list_append(&manager->jobs, &job->link);
    return job;
}

/* ---- What is to be done ---------------------------------------------------------------------- */

static bool replicated_here(const struct node *node, const struct image_partition *partition,
                            struct uuid *directory) {
    for (int32_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i] == node->id) {
            *directory = partition->directories == NULL ? UUID_ZERO : partition->directories[i];
            return true;
        }
    }
    return false;
}

/* Whether the image wants what lies in this directory; clears away what nobody wants. */
static bool entry_wanted(struct log_manager *manager, const struct log_dir_entry *entry) {
    const struct node *node = manager->node;
    if (entry->kind != LOG_DIR_PARTITION || uuid_is_zero(entry->topic_id)) {
        return false;
    }
    const struct image_topic *topic = image_topic_by_id(node->shards[0].image, entry->topic_id);
    struct uuid directory;
    return topic != NULL && slice_equal(topic->name, entry->topic) &&
           entry->partition < topic->partition_count &&
           replicated_here(node, image_partition(topic, entry->partition), &directory);
}

/* The partition directories of all dirs, by topic id and partition. */
struct found {
    struct hmap_node node;
    const struct log_dir_entry *entry;
    int dir;
};

static uint64_t found_hash(struct uuid topic_id, int32_t partition) {
    return hash_combine(uuid_hash(topic_id), (uint64_t)(uint32_t)partition);
}

static const struct found *find(const struct hmap *map, struct uuid topic_id, int32_t partition) {
    HMAP_FOREACH_HASH(node, map, found_hash(topic_id, partition)) {
        const struct found *found = CONTAINER_OF(node, struct found, node);
        if (found->entry->partition == partition && uuid_equal(found->entry->topic_id, topic_id)) {
            return found;
        }
    }
    return NULL;
}

/* -EINVAL when one partition lies in two dirs: nobody can tell which is the right one. */
static int index_entries(struct log_manager *manager, struct hmap *map, struct errmsg *errmsg) {
    for (int i = 0; i < manager->dir_count; i++) {
        struct log_dir *dir = &manager->dirs[i];
        for (int j = 0; j < dir->entry_count; j++) {
            const struct log_dir_entry *entry = &dir->entries[j];
            if (entry->kind != LOG_DIR_PARTITION || uuid_is_zero(entry->topic_id)) {
                continue;
            }
            const struct found *other = find(map, entry->topic_id, entry->partition);
            if (other != NULL) {
                errmsg_set(errmsg, "%s lies in two log dirs, %s and %s", entry->name,
                           manager->dirs[other->dir].path, dir->path);
                return -EINVAL;
            }
            struct found *found = ARENA_NEW(&dir->arena, struct found);
            *found = (struct found){.entry = entry, .dir = i};
            hmap_insert(map, &found->node, found_hash(entry->topic_id, entry->partition));
        }
    }
    return 0;
}

static void plan_partition(struct log_manager *manager, const struct hmap *entries,
                           const struct image_topic *topic, int32_t partition) {
    struct uuid directory;
    if (!replicated_here(manager->node, image_partition(topic, partition), &directory)) {
        return;
    }
    const struct found *found = find(entries, topic->id, partition);
    bool exists = found != NULL;
    int dir = exists ? found->dir : log_dir_pick(manager, directory);
    ASSERT(dir >= 0); /* the metadata dir, or one beside it, is online */
    char name[256 + 12];
    snprintf(name, sizeof(name), "%.*s-%" PRId32, SLICE_ARG(topic->name), partition);
    struct load_job *job = job_new(manager, dir, name);
    job->topic = topic->name;
    job->topic_id = topic->id;
    job->partition = partition;
    log_options_of(manager, topic->name, topic->id, dir, &job->options);
    job->options.clean &= exists;
    const struct known_offsets *known =
        log_dir_offsets(&manager->dirs[dir], topic->name, partition);
    if (exists && known != NULL) {
        job->options.recovery_point = known->recovery_point;
        job->options.log_start_offset = known->log_start;
        job->options.high_watermark = known->high_watermark;
    }
    manager->dirs[dir].partition_count++;
}

static void plan_clearing(struct log_manager *manager, int dir) {
    for (int i = 0; i < manager->dirs[dir].entry_count; i++) {
        const struct log_dir_entry *entry = &manager->dirs[dir].entries[i];
        bool clear = entry->kind == LOG_DIR_DELETED ||
                     (entry->kind == LOG_DIR_PARTITION && !entry_wanted(manager, entry));
        if (clear) {
            job_new(manager, dir, entry->name)->entry = entry;
        }
    }
}

static int plan(struct log_manager *manager, struct errmsg *errmsg) {
    struct hmap entries;
    hmap_init(&entries);
    int err = index_entries(manager, &entries, errmsg);
    for (int i = 0; err == 0 && i < manager->dir_count; i++) {
        plan_clearing(manager, i);
    }
    const struct image *image = manager->node->shards[0].image;
    HMAP_FOREACH(it, &image->topics_by_id) {
        const struct image_topic *topic = CONTAINER_OF(it, struct image_topic, by_id);
        for (int32_t p = 0; err == 0 && p < topic->partition_count; p++) {
            plan_partition(manager, &entries, topic, p);
        }
    }
    hmap_release(&entries);
    return err;
}

/* Clearing away comes first, all of it: a new log may need the name. */
static void submit_jobs(struct log_manager *manager, bool clearing) {
    struct shard *shard = manager->node->shards[0].shard;
    LIST_FOREACH(it, &manager->jobs) {
        struct load_job *job = CONTAINER_OF(it, struct load_job, link);
        if ((job->entry != NULL) == clearing) {
            manager->jobs_left++;
            work_submit(shard, &job->work, clearing ? run_clear : run_load,
                        clearing ? on_cleared : on_loaded);
        }
    }
    if (manager->jobs_left == 0) {
        phase_end(manager, clearing);
    }
}

void log_manager_load(struct log_manager *manager, struct errmsg *errmsg,
                      void (*done)(void *ctx, int result), void *ctx) {
    manager->done = done;
    manager->ctx = ctx;
    int err = plan(manager, errmsg);
    if (err != 0) {
        done(ctx, err);
        return;
    }
    submit_jobs(manager, true);
}
