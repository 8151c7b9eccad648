/*
 * The worker pool: threads that take work in the order of submission, of each kind, and post its
 * completion back.
 * Our own and not libuv's, whose pool is one for the process and sized by the environment.
 *
 * A worker that keeps its CPU may keep a loop waiting until the kernel's next tick, 4 ms: who wakes
 * and has had its share does not get the CPU at once (EEVDF). So work gives way: slow work after
 * each call that changes a directory, other work by itself, and what cannot is interrupted.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "runtime/uv/internal.h"

#define SLICE_NS      100000  /* of what others wait for: the shortest there is */
#define LONG_SLICE_NS 1000000 /* of what is patient: who yields waits until others had as much */
#define YIELD_NS      250000  /* of computing, until it is interrupted: that costs 20 us */

/* Not one that anybody sends to the process; a computing worker has it sent to itself. */
#define YIELD_SIGNAL SIGRTMIN

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
static void take_slices(uint64_t ns) {
    static _Thread_local uint64_t taken_ns;
    struct scheduling scheduling = {.size = sizeof(scheduling)};
    if (ns == taken_ns) {
        return;
    }
    taken_ns = ns;
    if (syscall(SYS_sched_getattr, 0, &scheduling, sizeof(scheduling), 0) == 0 &&
        scheduling.policy == SCHED_OTHER) {
        scheduling.runtime_ns = ns;
        (void)syscall(SYS_sched_setattr, 0, &scheduling, 0);
    }
}

/* ---- Giving way ------------------------------------------------------------------------------ */

static _Thread_local bool yields; /* the work of this thread is slow */

void work_give_way(void) {
    sched_yield();
}

void worker_give_way(void) {
    if (yields) {
        sched_yield();
    }
}

static void on_yield_signal(int signum) {
    sched_yield();
}

static void catch_yield_signal(void) {
    struct sigaction action = {.sa_handler = on_yield_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    ASSERT(sigaction(YIELD_SIGNAL, &action, NULL) == 0);
}

/* Of the calling thread. Without one, for which the system has a limit, nothing is interrupted. */
static bool yield_timer_create(timer_t *timer) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = YIELD_SIGNAL};
    event._sigev_un._tid = gettid();
    return timer_create(CLOCK_MONOTONIC, &event, timer) == 0;
}

static void yield_timer_set(timer_t timer, long interval_ns) {
    const struct timespec interval = {.tv_nsec = interval_ns};
    const struct itimerspec spec = {.it_interval = interval, .it_value = interval};
    timer_settime(timer, 0, &spec, NULL);
}

static void run_computing(struct work *work) {
    timer_t timer;
    bool timed = yield_timer_create(&timer);
    if (timed) {
        yield_timer_set(timer, YIELD_NS);
    }
    work->run(work);
    if (timed) {
        timer_delete(timer);
    }
}

static void run_work(struct work *work) {
    take_slices(work->kind == WORK_BRIEF ? SLICE_NS : LONG_SLICE_NS);
    yields = work->kind == WORK_SLOW;
    if (work->kind == WORK_COMPUTING) {
        run_computing(work);
    } else {
        work->run(work);
    }
    take_slices(SLICE_NS); /* for the moment in which it wakes up again */
}

/* ---- Running --------------------------------------------------------------------------------- */

static void *worker_thread(void *arg) {
    struct workers *workers = arg;
    take_slices(SLICE_NS);
    pthread_mutex_lock(&workers->lock);
    while (!workers->stopping) {
        struct work *work = take(workers);
        if (work == NULL) {
            pthread_cond_wait(&workers->wake, &workers->lock);
            continue;
        }
        pthread_mutex_unlock(&workers->lock);
        bool slow = work->kind == WORK_SLOW;
        run_work(work);
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
    catch_yield_signal();
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

/* ---- Submitting ------------------------------------------------------------------------------ */

static void submit(struct shard *shard, struct work *work, enum work_kind kind,
                   void (*run)(struct work *work), void (*done)(struct work *work)) {
    struct workers *workers = &shard_machine(shard)->workers;
    work->shard = shard;
    work->kind = kind;
    work->run = run;
    work->done = done;
    pthread_mutex_lock(&workers->lock);
    list_append(kind == WORK_SLOW ? &workers->slow_queue : &workers->queue, &work->link);
    pthread_mutex_unlock(&workers->lock);
    pthread_cond_signal(&workers->wake); /* not under the lock, for which it would wait at once */
}

void work_submit(struct shard *shard, struct work *work, void (*run)(struct work *work),
                 void (*done)(struct work *work)) {
    submit(shard, work, WORK_BRIEF, run, done);
}

void work_submit_slow(struct shard *shard, struct work *work, void (*run)(struct work *work),
                      void (*done)(struct work *work)) {
    submit(shard, work, WORK_SLOW, run, done);
}

void work_submit_computing(struct shard *shard, struct work *work, void (*run)(struct work *work),
                           void (*done)(struct work *work)) {
    submit(shard, work, WORK_COMPUTING, run, done);
}
