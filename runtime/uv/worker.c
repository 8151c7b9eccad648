/*
 * The worker pool: threads that take work in the order of submission and post its completion back.
 * Our own and not libuv's, whose pool is one for the process and sized by the environment.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "runtime/uv/internal.h"

static void work_done(struct post *post) {
    struct work *work = CONTAINER_OF(post, struct work, post);
    work->done(work);
}

static void *worker_thread(void *arg) {
    struct workers *workers = arg;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (list_empty(&workers->queue) && !workers->stopping) {
            pthread_cond_wait(&workers->wake, &workers->lock);
        }
        if (workers->stopping) {
            break;
        }
        struct work *work = LIST_FIRST(&workers->queue, struct work, link);
        list_remove(&work->link);
        pthread_mutex_unlock(&workers->lock);
        work->run(work);
        shard_post(work->shard, &work->post, work_done);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

void workers_start(struct workers *workers, int count) {
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wake, NULL);
    list_init(&workers->queue);
    workers->count = count;
    workers->threads = xcalloc((size_t)count, sizeof(*workers->threads));
    for (int i = 0; i < count; i++) {
        ASSERT(pthread_create(&workers->threads[i], NULL, worker_thread, workers) == 0);
    }
}

void workers_stop(struct workers *workers) {
    if (workers->threads == NULL) {
        return;
    }
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
    for (int i = 0; i < workers->count; i++) {
        pthread_join(workers->threads[i], NULL);
    }
    free(workers->threads);
    workers->threads = NULL;
}

void workers_release(struct workers *workers) {
    ASSERT(workers->threads == NULL);
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->lock);
}

void work_submit(struct shard *shard, struct work *work, void (*run)(struct work *work),
                 void (*done)(struct work *work)) {
    struct workers *workers = &shard_machine(shard)->workers;
    work->shard = shard;
    work->run = run;
    work->done = done;
    pthread_mutex_lock(&workers->lock);
    list_append(&workers->queue, &work->link);
    pthread_cond_signal(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
}
