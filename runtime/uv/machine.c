/*
 * The real machine: a libuv loop for each shard.
 *
 * A turn is one iteration of the loop: timers, posts of this shard to itself, the end-of-turn phase
 * (uv_prepare), then the wait for sockets and for other threads, and their callbacks. Everything
 * that a turn asked for many times is done once in the end-of-turn phase: deferred calls, posts to
 * other shards (one lock and at most one wake-up for each), sends, and arming the one uv_timer that
 * stands for all timers of the shard. Nothing runs periodically: an idle shard sleeps in
 * epoll_wait.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/assert.h"
#include "base/memory.h"
#include "runtime/uv/net_internal.h"

static const int SIGNALS[MACHINE_SIGNAL_COUNT] = {SIGTERM, SIGINT, SIGHUP};

static _Thread_local struct shard *current_shard;

struct shard_core *shard_core(struct shard *shard) {
    return &shard->core;
}

/* ---- Posts ----------------------------------------------------------------------------------- */

static void queue_append(struct post_queue *queue, struct post *first, struct post *last) {
    if (queue->head == NULL) {
        queue->head = first;
    } else {
        queue->tail->next = first;
    }
    queue->tail = last;
}

static void queue_run(struct post_queue queue) {
    struct post *post = queue.head;
    while (post != NULL) {
        struct post *next = post->next;
        post->fn(post);
        post = next;
    }
}

static void inbox_append(struct shard *shard, struct post *first, struct post *last) {
    pthread_mutex_lock(&shard->inbox_lock);
    queue_append(&shard->inbox, first, last);
    bool signal = !shard->inbox_signalled;
    shard->inbox_signalled = true;
    pthread_mutex_unlock(&shard->inbox_lock);
    if (signal) {
        uv_async_send(&shard->wake);
    }
}

static void on_local(uv_idle_t *idle) {
    struct shard *shard = idle->data;
    struct post_queue queue = shard->local_posts;
    shard->local_posts = (struct post_queue){0};
    uv_idle_stop(idle);
    queue_run(queue);
}

void shard_post(struct shard *shard, struct post *post, void (*fn)(struct post *post)) {
    post->fn = fn;
    post->next = NULL;
    struct shard *from = current_shard;
    if (from == NULL || from->machine != shard->machine) {
        inbox_append(shard, post, post);
    } else if (from == shard) {
        queue_append(&shard->local_posts, post, post);
        uv_idle_start(&shard->local, on_local);
    } else {
        queue_append(&from->outboxes[shard->index], post, post);
    }
}

static void send_outboxes(struct shard *shard) {
    for (int i = 0; i < shard->machine->shard_count; i++) {
        struct post_queue *outbox = &shard->outboxes[i];
        if (outbox->head != NULL) {
            inbox_append(shard->machine->shards[i], outbox->head, outbox->tail);
            *outbox = (struct post_queue){0};
        }
    }
}

static void on_wake(uv_async_t *wake) {
    struct shard *shard = wake->data;
    pthread_mutex_lock(&shard->inbox_lock);
    struct post_queue queue = shard->inbox;
    shard->inbox = (struct post_queue){0};
    shard->inbox_signalled = false;
    pthread_mutex_unlock(&shard->inbox_lock);
    queue_run(queue);
    if (atomic_load(&shard->machine->stopping)) {
        uv_stop(&shard->loop);
    }
}

/* ---- The turn -------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer) {
    struct shard *shard = timer->data;
    shard_core_run_timers(&shard->core, shard_now_ms(shard));
}

static void arm_timer(struct shard *shard) {
    struct timer *first = timer_heap_first(&shard->core.timers);
    if (first == NULL) {
        uv_timer_stop(&shard->timer);
        return;
    }
    int64_t delay_ms = first->due_ms - shard_now_ms(shard);
    uv_timer_start(&shard->timer, on_timer, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

static void settle(struct shard *shard) {
    bool more = true;
    while (more) {
        more = shard_core_run_deferred(&shard->core);
        send_outboxes(shard);
        more = net_shard_turn_end(shard->net) || more;
    }
}

static void finish_turn(struct shard *shard) {
    net_shard_turn_begin(shard->net);
    settle(shard);
    if (net_shard_receive_in_line(shard->net)) {
        settle(shard);
    }
    arm_timer(shard);
}

static void on_turn_end(uv_prepare_t *prepare) {
    finish_turn(prepare->data);
}

/* ---- Shards ---------------------------------------------------------------------------------- */

static struct shard *shard_new(struct machine *machine, int index) {
    struct shard *shard = NEW(struct shard);
    shard->machine = machine;
    shard->index = index;
    shard_core_init(&shard->core);
    pthread_mutex_init(&shard->inbox_lock, NULL);
    ASSERT(uv_loop_init(&shard->loop) == 0);
    shard->loop.data = shard;
    ASSERT(uv_async_init(&shard->loop, &shard->wake, on_wake) == 0);
    shard->wake.data = shard;
    uv_timer_init(&shard->loop, &shard->timer);
    shard->timer.data = shard;
    uv_prepare_init(&shard->loop, &shard->turn_end);
    shard->turn_end.data = shard;
    uv_prepare_start(&shard->turn_end, on_turn_end);
    uv_idle_init(&shard->loop, &shard->local);
    shard->local.data = shard;
    shard->net = net_shard_new(shard);
    return shard;
}

static void shard_free(struct shard *shard) {
    uv_prepare_stop(&shard->turn_end);
    uv_close((uv_handle_t *)&shard->wake, NULL);
    uv_close((uv_handle_t *)&shard->timer, NULL);
    uv_close((uv_handle_t *)&shard->turn_end, NULL);
    uv_close((uv_handle_t *)&shard->local, NULL);
    uv_run(&shard->loop, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&shard->loop) == 0);
    net_shard_free(shard->net);
    shard_core_release(&shard->core);
    pthread_mutex_destroy(&shard->inbox_lock);
    free(shard);
}

static void run_loop(struct shard *shard) {
    uv_run(&shard->loop, UV_RUN_DEFAULT);
    finish_turn(shard);
}

static void *shard_thread(void *arg) {
    current_shard = arg;
    run_loop(arg);
    current_shard = NULL;
    return NULL;
}

int shard_index(const struct shard *shard) {
    return shard->index;
}

struct machine *shard_machine(const struct shard *shard) {
    return shard->machine;
}

/* While the machine does not run, the thread that holds it stands for all shards. */
void shard_assert_current(const struct shard *shard) {
    ASSERT(current_shard == shard || !atomic_load(&shard->machine->running));
}

int64_t shard_now_ms(const struct shard *shard) {
    return (int64_t)uv_now(&shard->loop);
}

/* ---- The machine ----------------------------------------------------------------------------- */

static sigset_t our_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < MACHINE_SIGNAL_COUNT; i++) {
        sigaddset(&set, SIGNALS[i]);
    }
    return set;
}

/* Service managers start programs with a low soft limit for the sake of select(), which we do not
 * use: take what we may have. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* refused: what we have must do */
    }
}

struct machine *machine_new(int shard_count, int worker_count) {
    ASSERT(shard_count >= 1 && shard_count <= SHARD_COUNT_MAX);
    ASSERT(worker_count >= 1);
    struct machine *machine = NEW(struct machine);
    machine->shard_count = shard_count;
    list_init(&machine->listeners);
    log_levels_init(&machine->log_levels);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    sigset_t ours = our_signals();
    pthread_sigmask(SIG_BLOCK, &ours, &machine->mask_before);
    for (int i = 0; i < shard_count; i++) {
        machine->shards[i] = shard_new(machine, i);
    }
    workers_start(&machine->workers, worker_count);
    current_shard = machine->shards[0];
    return machine;
}

void machine_free(struct machine *machine) {
    if (machine == NULL) {
        return;
    }
    ASSERT(!atomic_load(&machine->running));
    workers_stop(&machine->workers);
    workers_release(&machine->workers);
    if (machine->signals_open) {
        for (int i = 0; i < MACHINE_SIGNAL_COUNT; i++) {
            uv_close((uv_handle_t *)&machine->signals[i], NULL);
        }
    }
    if (current_shard != NULL && current_shard->machine == machine) {
        current_shard = NULL;
    }
    listeners_abandon(machine);
    for (int i = 0; i < machine->shard_count; i++) {
        net_shard_abandon(machine->shards[i]->net);
    }
    for (int i = 0; i < machine->shard_count; i++) {
        shard_free(machine->shards[i]);
    }
    listeners_free(machine);
    pthread_sigmask(SIG_SETMASK, &machine->mask_before, NULL);
    free(machine);
}

struct start {
    struct post post;
    void (*fn)(void *ctx);
    void *ctx;
};

static void run_start(struct post *post) {
    struct start *start = CONTAINER_OF(post, struct start, post);
    start->fn(start->ctx);
}

void machine_run(struct machine *machine, void (*start)(void *ctx), void *ctx) {
    struct shard *first = machine->shards[0];
    current_shard = first;
    struct start start_post = {.post.fn = run_start, .fn = start, .ctx = ctx};
    /* In front of what was posted while the program was being built. */
    start_post.post.next = first->local_posts.head;
    first->local_posts.head = &start_post.post;
    if (first->local_posts.tail == NULL) {
        first->local_posts.tail = &start_post.post;
    }
    uv_idle_start(&first->local, on_local);

    atomic_store(&machine->running, true);
    for (int i = 1; i < machine->shard_count; i++) {
        struct shard *shard = machine->shards[i];
        ASSERT(pthread_create(&shard->thread, NULL, shard_thread, shard) == 0);
    }
    sigset_t ours = our_signals();
    pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
    run_loop(first);
    pthread_sigmask(SIG_BLOCK, &ours, NULL);
    for (int i = 1; i < machine->shard_count; i++) {
        pthread_join(machine->shards[i]->thread, NULL);
    }
    /* The program frees what its work used next. */
    workers_stop(&machine->workers);
    atomic_store(&machine->running, false);
}

void machine_stop(struct machine *machine) {
    atomic_store(&machine->stopping, true);
    for (int i = 0; i < machine->shard_count; i++) {
        uv_async_send(&machine->shards[i]->wake);
    }
}

void machine_set_exit_code(struct machine *machine, int code) {
    atomic_store(&machine->exit_code, code);
}

int machine_exit_code(const struct machine *machine) {
    return atomic_load(&machine->exit_code);
}

int machine_shard_count(const struct machine *machine) {
    return machine->shard_count;
}

struct shard *machine_shard(struct machine *machine, int index) {
    ASSERT(index >= 0 && index < machine->shard_count);
    return machine->shards[index];
}

static void on_uv_signal(uv_signal_t *handle, int signum) {
    struct machine *machine = handle->data;
    machine->on_signal(machine->signal_ctx, signum);
}

void machine_on_signal(struct machine *machine, void (*on_signal)(void *ctx, int signum),
                       void *ctx) {
    shard_assert_current(machine->shards[0]);
    machine->on_signal = on_signal;
    machine->signal_ctx = ctx;
    if (machine->signals_open) {
        return;
    }
    machine->signals_open = true;
    for (int i = 0; i < MACHINE_SIGNAL_COUNT; i++) {
        uv_signal_t *handle = &machine->signals[i];
        ASSERT(uv_signal_init(&machine->shards[0]->loop, handle) == 0);
        handle->data = machine;
        ASSERT(uv_signal_start(handle, on_uv_signal, SIGNALS[i]) == 0);
    }
}
