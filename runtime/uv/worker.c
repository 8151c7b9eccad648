/*
 * The worker pool: threads that take work in the order of submission, of each kind, and post its
 * completion back.
 * Our own and not libuv's, whose pool is one for the process and sized by the environment.
 */
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "runtime/uv/internal.h"

#define SLICE_NS 100000 /* the shortest there is */

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

/* As in linux/sched/types.h, which glibc's headers do not go together with. */
struct scheduling {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns;
    uint64_t deadline_ns;
    uint64_t period_ns;
};

/*
 * What waits for a disk has little to do whenever it wakes. With short slices it is done at once,
 * also where the loop has the CPU and much to do (EEVDF, Linux 6.12); others ignore it.
 */
static void take_short_slices(void) {
    struct scheduling scheduling = {.size = sizeof(scheduling)};
    if (syscall(SYS_sched_getattr, 0, &scheduling, sizeof(scheduling), 0) == 0 &&
        scheduling.policy == SCHED_OTHER) {
        scheduling.runtime_ns = SLICE_NS;
        (void)syscall(SYS_sched_setattr, 0, &scheduling, 0);
    }
}

static void *worker_thread(void *arg) {
    struct workers *workers = arg;
    take_short_slices();
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
    pthread_mutex_unlock(&workers->lock);
    pthread_cond_signal(&workers->wake); /* not under the lock, for which it would wait at once */
}

void work_give_way(void) {
    sched_yield();
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
