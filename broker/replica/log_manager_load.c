/*
 * Loading the logs at start. What there is to do (log_manager_plan.c) is a list of jobs; they run
 * on the workers, several at a time. A loaded log is handed to its shard.
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
#include "broker/replica/partition_move.h"
#include "runtime/file.h"
#include "runtime/log.h"

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
    image_forget_removed(manager->node->shards[0].image);
    for (int i = 0; i < manager->all_dir_count; i++) {
        struct log_dir *dir = &manager->dirs[i];
        hmap_release(&dir->names);
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
    manager->loaded = true;
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

/*
 * What takes a name away comes first: a new log may need it. What was deleted is removed last: as
 * long as it is there, it tells whose the lines of the checkpoints are, also to the next start if
 * this one does not get to the end.
 */
enum load_phase { PHASE_SET_ASIDE, PHASE_LOAD, PHASE_REMOVE, PHASE_COUNT };

static enum load_phase job_phase(const struct load_job *job) {
    if (job->entry == NULL) {
        return PHASE_LOAD;
    }
    return job->entry->kind == LOG_DIR_PARTITION ? PHASE_SET_ASIDE : PHASE_REMOVE;
}

static void submit_jobs(struct log_manager *manager, enum load_phase phase);

/* All jobs of this phase are done. */
static void phase_end(struct log_manager *manager, enum load_phase phase) {
    if (phase + 1 < PHASE_COUNT) {
        submit_jobs(manager, phase + 1);
    } else {
        manager->loaded_shard = 0;
        shard_post(manager->node->shards[0].shard, &manager->loaded_post, tell_loaded);
    }
}

static void job_end(struct load_job *job) {
    struct log_manager *manager = job->manager;
    enum load_phase phase = job_phase(job);
    job_free(job);
    ASSERT(manager->jobs_left > 0);
    manager->jobs_left--;
    if (manager->jobs_left == 0) {
        phase_end(manager, phase);
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
        if (job->move_to >= 0) {
            (void)replica_manager_move(replicas, job->topic_id, job->partition, job->move_to);
        }
    } else {
        const struct log_options *options = &job->options;
        const struct replica_offsets known = {
            .dir = job->dir,
            .recovery_point = options->recovery_point,
            .log_start = options->log_start_offset > 0 ? options->log_start_offset : 0,
            .high_watermark = options->high_watermark > 0 ? options->high_watermark : 0,
        };
        replica_manager_add_failed(replicas, job->topic_id, job->partition, &known);
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
        /* A clean shutdown vouches for every log of the dir; this one is as clean as it was. */
        if (!job->options.clean) {
            atomic_store(&job->manager->dirs[job->dir].unclean, true);
        }
        if (job->result == -EIO) {
            log_dir_fail(&job->manager->dirs[job->dir], job->result);
        }
    }
    int owner = node_partition_shard(node, job->topic_id, job->partition);
    shard_post(node->shards[owner].shard, &job->post, hand_over);
}

static void run_load(struct work *work) {
    struct load_job *job = CONTAINER_OF(work, struct load_job, work);
    if (job->result != 0) {
        return; /* the plan has refused it */
    }
    job->options.directory = job->path;
    if (job->promoted != NULL) {
        /* The process before may have been killed before it synced that name. */
        job->result = directory_sync(job->manager->node->machine,
                                     job->manager->dirs[job->promoted_from].path);
    }
    if (job->promoted != NULL && job->result == 0) {
        job->result =
            log_dir_promote(job->manager->node->machine, job->manager->dirs[job->dir].path,
                            job->promoted->name, strrchr(job->path, '/') + 1);
    }
    if (job->result != 0) {
        return;
    }
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
        LOG_INFO(machine, "storage",
                 job->entry->kind == LOG_DIR_FUTURE ? "unfinished copy of a partition removed"
                                                    : "deleted partition removed",
                 "dir=%s", job->path);
    }
    job_end(job);
}

static void run_clear(struct work *work) {
    struct load_job *job = CONTAINER_OF(work, struct load_job, work);
    struct machine *machine = job->manager->node->machine;
    if (job->entry->kind != LOG_DIR_PARTITION) {
        job->result = log_dir_remove_tree(machine, job->path);
        return;
    }
    char *new_path = NULL;
    job->result = log_dir_set_aside(machine, job->manager->dirs[job->dir].path, job->entry->name,
                                    "-stray", &new_path);
    free(new_path);
}

static void submit_jobs(struct log_manager *manager, enum load_phase phase) {
    struct shard *shard = manager->node->shards[0].shard;
    bool load = phase == PHASE_LOAD;
    LIST_FOREACH(it, &manager->jobs) {
        struct load_job *job = CONTAINER_OF(it, struct load_job, link);
        if (job_phase(job) == phase) {
            manager->jobs_left++;
            work_submit(shard, &job->work, load ? run_load : run_clear,
                        load ? on_loaded : on_cleared);
        }
    }
    if (manager->jobs_left == 0) {
        phase_end(manager, phase);
    }
}

void log_manager_load(struct log_manager *manager, struct errmsg *errmsg,
                      void (*done)(void *ctx, int result), void *ctx) {
    manager->done = done;
    manager->ctx = ctx;
    int err = log_manager_plan(manager, errmsg);
    if (err != 0) {
        done(ctx, err);
        return;
    }
    submit_jobs(manager, PHASE_SET_ASIDE);
}
