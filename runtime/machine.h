/*
 * The machine a node runs on: its shards, its workers, its clocks, its randomness and its log.
 *
 * Everything nondeterministic enters the program through the headers of runtime/. They are
 * implemented twice and chosen at link time: runtime/uv/ is the real machine on libuv, runtime/sim/
 * a simulated one (runtime/sim/sim.h), of which several live in one process and one thread.
 *
 * A shard is a thread with an event loop (in the simulation: a queue of events). Code inside a
 * shard is single-threaded. Unless a comment says otherwise, a function of runtime/ is called on
 * the shard that owns its object, and callbacks come on that shard.
 *
 * Functions that can fail return 0 or a negative errno.
 */
#ifndef RUNTIME_MACHINE_H
#define RUNTIME_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/uuid.h"

struct machine;
struct shard;

#define SHARD_COUNT_MAX 64

/*
 * The machine that carries the caller's program; not for simulated ones (sim_machine_new).
 * 1 <= shard_count <= SHARD_COUNT_MAX, worker_count >= 1. Never fails on sane limits; aborts
 * otherwise. Blocks SIGTERM, SIGINT and SIGHUP in all threads but shard 0's loop; ignores SIGPIPE.
 */
struct machine *machine_new(int shard_count, int worker_count);

/* After machine_run() returned (or before it was called). Frees what the runtime still holds;
 * pending timers, work and posts are dropped without their callbacks. */
void machine_free(struct machine *machine);

/*
 * Runs shard 0 on the calling thread and the other shards on threads of their own; returns when
 * machine_stop() was called and all shards and workers have stopped. `start` is the first thing
 * that runs, on shard 0.
 */
void machine_run(struct machine *machine, void (*start)(void *ctx), void *ctx);

/* Any thread. Lets every shard finish its current turn and end. */
void machine_stop(struct machine *machine);

/* How the process ends (main's return value); 0 unless set. Any thread, before machine_stop(). */
void machine_set_exit_code(struct machine *machine, int code);
int machine_exit_code(const struct machine *machine);

/* CPUs that this process may use; not of simulated machines. */
int machine_cpu_count(void);

int machine_shard_count(const struct machine *machine);
struct shard *machine_shard(struct machine *machine, int index);

/* `on_signal` is called on shard 0 for SIGTERM and SIGINT (stop) and SIGHUP (reopen). */
void machine_on_signal(struct machine *machine, void (*on_signal)(void *ctx, int signum),
                       void *ctx);

int shard_index(const struct shard *shard);
struct machine *shard_machine(const struct shard *shard);

/* Aborts unless called on this shard's thread: the paired check of "called on shard x". */
void shard_assert_current(const struct shard *shard);

/* ---- Clocks ---------------------------------------------------------------------------------- */

/* Monotonic time since an arbitrary start; any thread. */
int64_t clock_now_ns(const struct machine *machine);

/* Milliseconds since the Unix epoch; may jump either way. Any thread. */
int64_t clock_wall_ms(const struct machine *machine);

/* Monotonic milliseconds as of the start of this turn of the loop: cheap. */
int64_t shard_now_ms(const struct shard *shard);

/* CPU time that the shard's thread has used; 0 in the simulation. */
int64_t shard_cpu_ns(const struct shard *shard);

/* ---- The process ----------------------------------------------------------------------------- */

/* What the system says of this process; 0 where it does not say. */
struct process_usage {
    double cpu_seconds;
    double start_seconds; /* since the Unix epoch */
    int64_t resident_bytes;
    int64_t virtual_bytes;
    int64_t open_fds;
    int64_t max_fds;
    int64_t disk_read_bytes; /* of storage, not of the page cache */
    int64_t disk_write_bytes;
    int64_t threads;
};

/* Blocks: on a worker. All 0 in the simulation. */
void process_usage(struct machine *machine, struct process_usage *out);

/* ---- Randomness ------------------------------------------------------------------------------ */

/* Any thread. Of cryptographic quality on the real machine, from the seed in the simulation. */
void random_fill(struct machine *machine, void *out, size_t len);
uint64_t random_u64(struct machine *machine);

/* An id that Kafka could have drawn: version 4 and not reserved. */
struct uuid random_uuid(struct machine *machine);

/* Uniform in [0, bound); bound > 0. */
uint64_t random_below(struct machine *machine, uint64_t bound);

/* ---- Posts: from one shard to another -------------------------------------------------------- */

/* Embedded in what it is about; free for reuse when its function is called. */
struct post {
    struct post *next; /* private */
    void (*fn)(struct post *post);
};

/*
 * Any thread. Runs post->fn on `shard`, in a later turn, after everything that was posted to that
 * shard from this thread before (first in, first out between two threads). Posts of one turn wake
 * the other thread once.
 */
void shard_post(struct shard *shard, struct post *post, void (*fn)(struct post *post));

/* ---- Timers ---------------------------------------------------------------------------------- */

struct timer {
    struct shard *shard; /* all private */
    void (*fn)(struct timer *timer);
    int64_t due_ms;
    uint64_t sequence;
    size_t heap_index; /* 0 while not running */
};

/* Not running. The timer must be stopped before its memory goes. */
void timer_init(struct timer *timer, struct shard *shard, void (*fn)(struct timer *timer));

/* Once, in delay_ms (>= 0) from shard_now_ms(); restarts a running timer. Starting and stopping
 * cost O(log n) and no allocation or system call. Timers due at the same millisecond fire in the
 * order they were started. */
void timer_start(struct timer *timer, int64_t delay_ms);
void timer_stop(struct timer *timer);
bool timer_running(const struct timer *timer);

/* ---- Deferred calls -------------------------------------------------------------------------- */

/* Runs once at the end of this turn of the loop, before it waits again: the place to do once what a
 * turn asked for many times (one sync, one wake-up). */
struct deferred {
    struct list link; /* all private */
    struct shard *shard;
    void (*fn)(struct deferred *deferred);
};

void deferred_init(struct deferred *deferred, struct shard *shard,
                   void (*fn)(struct deferred *deferred));

/* Does nothing when already scheduled. A deferred call scheduled by another runs in this turn too.
 */
void deferred_schedule(struct deferred *deferred);
void deferred_cancel(struct deferred *deferred);

/* ---- Work: blocking things, off the loop ----------------------------------------------------- */

enum work_kind { WORK_BRIEF, WORK_SLOW, WORK_COMPUTING };

/* Embedded in what it is about; must stay valid until `done` was called. */
struct work {
    struct list link; /* all private */
    struct shard *shard;
    struct post post;
    void (*run)(struct work *work);
    void (*done)(struct work *work);
    enum work_kind kind; /* the real machine's */
};

/*
 * `run` on a worker thread, then `done` on `shard`. Work starts in the order of submission, several
 * at a time; whoever needs an order submits the next from `done`. `run` may call the blocking
 * functions of runtime/file.h, clocks, randomness and logging, nothing else of runtime/.
 */
void work_submit(struct shard *shard, struct work *work, void (*run)(struct work *work),
                 void (*done)(struct work *work));

/*
 * The same for what may take long while no producer waits for it: reading from the disk, making and
 * removing directories. When there is such work, one worker does it at least and all but one at
 * most, which take other work first when they are done; so a sync is not held up by the making of a
 * thousand partitions, nor the other way round.
 */
void work_submit_slow(struct shard *shard, struct work *work, void (*run)(struct work *work),
                      void (*done)(struct work *work));

/* From `run`, by what computes for long, every tenth of a millisecond or so: lets others have its
 * CPU, for which a loop may otherwise have to wait until the next tick of the kernel, 4 ms. */
void work_give_way(void);

/* The same as work_submit() for what makes no system calls to speak of, and cannot give way for
 * milliseconds: it is interrupted to do so. That costs a tenth of its CPU. */
void work_submit_computing(struct shard *shard, struct work *work, void (*run)(struct work *work),
                           void (*done)(struct work *work));

#endif
