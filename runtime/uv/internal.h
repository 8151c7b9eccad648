/* The insides of the real machine, shared by the files of runtime/uv/. */
#ifndef RUNTIME_UV_INTERNAL_H
#define RUNTIME_UV_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/list.h"
#include "runtime/log_levels.h"
#include "runtime/machine.h"
#include "runtime/shard_core.h"

struct net_shard;

/* First in, first out; intrusive. */
struct post_queue {
    struct post *head;
    struct post *tail;
};

struct shard {
    struct machine *machine;
    int index;
    struct shard_core core;
    pthread_t thread; /* of shards other than 0, while running */

    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t timer; /* armed to the first of core.timers at the end of each turn */
    uv_prepare_t turn_end;
    uv_idle_t local; /* active while local_posts is not empty: the loop does not block then */

    pthread_mutex_t inbox_lock;
    struct post_queue inbox; /* under inbox_lock, as the next */
    bool inbox_signalled;

    struct post_queue local_posts;               /* from this shard to itself */
    struct post_queue outboxes[SHARD_COUNT_MAX]; /* to others; leave at the end of the turn */
    struct net_shard *net;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list queue;      /* of struct work */
    struct list slow_queue; /* the same, of work_submit_slow() */
    int slow_running;
    bool stopping;
    int count;
    pthread_t *threads;
};

#define MACHINE_SIGNAL_COUNT 3

struct machine {
    int shard_count;
    struct shard *shards[SHARD_COUNT_MAX];
    struct workers workers;
    struct log_levels log_levels;
    atomic_bool stopping;
    atomic_bool running;
    atomic_int exit_code;

    void (*on_signal)(void *ctx, int signum);
    void *signal_ctx;
    uv_signal_t signals[MACHINE_SIGNAL_COUNT];
    bool signals_open;
    sigset_t mask_before; /* of the thread that made the machine */

    struct list listeners; /* of struct listener; on shard 0 */

    /* Announced bytes of frames that are not answered yet, over all listeners. */
    _Atomic size_t frame_memory;
    /* How many shards have connections waiting for frame_memory to fall. */
    atomic_int frame_memory_waiters;
};

/* worker.c */
void workers_start(struct workers *workers, int count);
/* After what is running; drops what is queued. Work may still be submitted, and is never run. */
void workers_stop(struct workers *workers);
void workers_release(struct workers *workers);
/* After a call that may have kept the CPU: others first, if this is a worker that does slow work.
 */
void worker_give_way(void);

/* net_shard.c: the network's part of a shard. */
struct net_shard *net_shard_new(struct shard *shard);

/* Before the first net_shard_turn_end() of a turn. */
void net_shard_turn_begin(struct net_shard *net);

/* At the end of a turn: sends, resumes and closes what the turn asked for; whether there was any.
 */
bool net_shard_turn_end(struct net_shard *net);

/* After that: receives for connections that wait for it, as far as the turn has room; whether there
 * were any. */
bool net_shard_receive_in_line(struct net_shard *net);

/* Starts closing all that is left, without callbacks; the loop must run before net_shard_free(). */
void net_shard_abandon(struct net_shard *net);
void net_shard_free(struct net_shard *net);

#endif
