/*
 * The worker pool: threads that take work in the order of submission, of each kind, and post its
 * completion back.
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

/* NULL when there is none to be begun now. */
static struct work *take(struct workers *workers) {
    int slow_max = workers->count > 1 ? workers->count - 1 : 1;
    bool may_slow = !list_empty(&workers->slow_queue) && workers->slow_running < slow_max;
    bool must_slow = may_slow && workers->slow_running == 0 && workers->count > 1;
    bool slow = must_slow || (may_slow && list_empty(&workers->queue));
    struct list *queue = slow ? &workers->slow_queue : &workers->queue;
    if (list_empty(queue)) {
        return NULL;
    }
    struct work *work = LIST_FIRST(queue, struct work, link);
    list_remove(&work->link);
    workers->slow_running += slow;
    return work;
}

static void *worker_thread(void *arg) {
    struct workers *workers = arg;
    pthread_mutex_lock(&workers->lock);
    while (!workers->stopping) {
        struct work *work = take(workers);
        if (work == NULL) {
            pthread_cond_wait(&workers->wake, &workers->lock);
            continue;
        }
        pthread_mutex_unlock(&workers->lock);
        bool slow = work->slow;
        work->run(work);
        shard_post(work->shard, &work->post, work_done); /* it may be gone now */
        pthread_mutex_lock(&workers->lock);
        workers->slow_running -= slow;
        if (slow && !list_empty(&workers->slow_queue)) {
            pthread_cond_signal(&workers->wake); /* this one may take something else */
        }
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

void workers_start(struct workers *workers, int count) {
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wake, NULL);
    list_init(&workers->queue);
    list_init(&workers->slow_queue);
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

static void submit(struct shard *shard, struct work *work, struct list *queue) {
    struct workers *workers = &shard_machine(shard)->workers;
    work->shard = shard;
    pthread_mutex_lock(&workers->lock);
    list_append(queue, &work->link);
    pthread_cond_signal(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
}

void work_submit(struct shard *shard, struct work *work, void (*run)(struct work *work),
                 void (*done)(struct work *work)) {
    work->run = run;
    work->done = done;
    work->slow = false;
    submit(shard, work, &shard_machine(shard)->workers.queue);
}

void work_submit_slow(struct shard *shard, struct work *work, void (*run)(struct work *work),
                      void (*done)(struct work *work)) {
    work->run = run;
    work->done = done;
    work->slow = true;
    submit(shard, work, &shard_machine(shard)->workers.slow_queue);
}
