/* The real machine: turns, timers, posts, deferred calls, work, files. */
#include <criterion/criterion.h>
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "runtime/file.h"
#include "runtime/log.h"
#include "runtime/machine.h"

/* What a test's callbacks share; each test runs in a process of its own. */
static struct machine *machine;
static int fired[16];
static int fired_count;

static void note(int what) {
    cr_assert_lt(fired_count, 16);
    fired[fired_count++] = what;
}

/* ---- Timers ---------------------------------------------------------------------------------- */

struct named_timer {
    struct timer timer;
    int name;
};

static void on_named(struct timer *timer) {
    note(CONTAINER_OF(timer, struct named_timer, timer)->name);
}

static void on_stop(struct timer *timer) {
    machine_stop(machine);
}

static struct named_timer named[6];
static struct timer stopper;

static void start_timers(void *ctx) {
    struct shard *shard = machine_shard(machine, 0);
    for (int i = 0; i < 6; i++) {
        timer_init(&named[i].timer, shard, on_named);
        named[i].name = i;
    }
    timer_init(&stopper, shard, on_stop);
    timer_start(&named[0].timer, 20);
    timer_start(&named[1].timer, 5);
    timer_start(&named[2].timer, 5);
    timer_start(&named[3].timer, 1);
    timer_start(&named[4].timer, 1);
    timer_start(&named[4].timer, 10); /* a restart moves it */
    timer_start(&named[5].timer, 2);
    timer_stop(&named[5].timer);
    cr_assert(!timer_running(&named[5].timer));
    timer_start(&stopper, 25);
}

Test(uv_machine, timers_fire_by_due_time_then_by_order_of_start) {
    machine = machine_new(1, 1);
    machine_run(machine, start_timers, NULL);
    machine_free(machine);
    int expected[] = {3, 1, 2, 4, 0};
    cr_assert_eq(fired_count, 5);
    cr_assert_arr_eq(fired, expected, sizeof(expected));
}

static struct timer storm[1000];
static int64_t storm_last;
static int storm_count;

static void on_storm(struct timer *timer) {
    cr_assert_geq(timer->due_ms, storm_last);
    storm_last = timer->due_ms;
    storm_count++;
    if (storm_count == 500) {
        machine_stop(machine);
    }
}

static void start_storm(void *ctx) {
    for (int i = 0; i < 1000; i++) {
        timer_init(&storm[i], machine_shard(machine, 0), on_storm);
        timer_start(&storm[i], (int64_t)random_below(machine, 30));
    }
    for (int i = 0; i < 1000; i += 2) {
        timer_stop(&storm[i]);
    }
}

Test(uv_machine, a_thousand_timers_half_of_them_stopped_stay_in_order) {
    machine = machine_new(1, 1);
    machine_run(machine, start_storm, NULL);
    machine_free(machine);
    cr_assert_geq(storm_count, 500);
}

static void on_again(struct timer *timer) {
    note(1);
    if (fired_count < 5) {
        timer_start(timer, 0);
    } else {
        machine_stop(machine);
    }
}

static void start_again(void *ctx) {
    timer_init(&stopper, machine_shard(machine, 0), on_again);
    timer_start(&stopper, 0);
}

Test(uv_machine, a_timer_that_restarts_itself_with_no_delay_does_not_hang_the_turn) {
    machine = machine_new(1, 1);
    machine_run(machine, start_again, NULL);
    machine_free(machine);
    cr_assert_eq(fired_count, 5);
}

/* ---- Posts and deferred calls ---------------------------------------------------------------- */

#define POST_COUNT 2000

struct numbered_post {
    struct post post;
    int number;
};

static struct numbered_post there[POST_COUNT];
static struct numbered_post back[POST_COUNT];
static int there_next;
static int back_next;

static void on_back(struct post *post) {
    shard_assert_current(machine_shard(machine, 0));
    cr_assert_eq(CONTAINER_OF(post, struct numbered_post, post)->number, back_next);
    if (++back_next == POST_COUNT) {
        machine_stop(machine);
    }
}

static void on_there(struct post *post) {
    shard_assert_current(machine_shard(machine, 1));
    int number = CONTAINER_OF(post, struct numbered_post, post)->number;
    cr_assert_eq(number, there_next);
    there_next++;
    back[number].number = number;
    shard_post(machine_shard(machine, 0), &back[number].post, on_back);
}

static void start_posts(void *ctx) {
    for (int i = 0; i < POST_COUNT; i++) {
        there[i].number = i;
        shard_post(machine_shard(machine, 1), &there[i].post, on_there);
    }
}

Test(uv_machine, posts_between_two_shards_arrive_in_order_both_ways) {
    machine = machine_new(2, 1);
    machine_run(machine, start_posts, NULL);
    machine_free(machine);
    cr_assert_eq(back_next, POST_COUNT);
}

static struct post self_post;
static struct post other_post;
static struct deferred first_deferred;
static struct deferred second_deferred;

static void on_self_post(struct post *post) {
    note(3);
}

static void on_other_post(struct post *post) {
    note(4);
    machine_stop(machine);
}

static void on_second(struct deferred *deferred) {
    note(2);
}

static void on_first(struct deferred *deferred) {
    note(1);
    deferred_schedule(&second_deferred);
}

static void start_self_post(void *ctx) {
    struct shard *shard = machine_shard(machine, 0);
    deferred_init(&first_deferred, shard, on_first);
    deferred_init(&second_deferred, shard, on_second);
    shard_post(shard, &self_post, on_self_post);
    shard_post(shard, &other_post, on_other_post);
    deferred_schedule(&first_deferred);
    deferred_schedule(&first_deferred);
    note(0);
}

Test(uv_machine, posts_to_the_own_shard_wait_for_a_later_turn_and_deferred_calls_do_not) {
    machine = machine_new(1, 1);
    machine_run(machine, start_self_post, NULL);
    machine_free(machine);
    int expected[] = {0, 1, 2, 3, 4};
    cr_assert_eq(fired_count, 5);
    cr_assert_arr_eq(fired, expected, sizeof(expected));
}

static void cancel_deferred(void *ctx) {
    deferred_init(&first_deferred, machine_shard(machine, 0), on_first);
    deferred_schedule(&first_deferred);
    deferred_cancel(&first_deferred);
    timer_init(&stopper, machine_shard(machine, 0), on_stop);
    timer_start(&stopper, 0);
}

Test(uv_machine, a_cancelled_deferred_call_does_not_run) {
    machine = machine_new(1, 1);
    machine_run(machine, cancel_deferred, NULL);
    machine_free(machine);
    cr_assert_eq(fired_count, 0);
}

/* ---- Work ------------------------------------------------------------------------------------ */

static struct work jobs[64];
static atomic_int jobs_run;
static int jobs_done;

static void run_job(struct work *work) {
    atomic_fetch_add(&jobs_run, 1);
}

static void job_done(struct work *work) {
    shard_assert_current(machine_shard(machine, 1));
    if (++jobs_done == 64) {
        machine_set_exit_code(machine, 7);
        machine_stop(machine);
    }
}

static void submit_jobs(struct post *post) {
    for (int i = 0; i < 64; i++) {
        work_submit(machine_shard(machine, 1), &jobs[i], run_job, job_done);
    }
}

static void start_jobs(void *ctx) {
    shard_post(machine_shard(machine, 1), &other_post, submit_jobs);
}

Test(uv_machine, work_runs_on_workers_and_completes_on_its_shard) {
    machine = machine_new(2, 3);
    machine_run(machine, start_jobs, NULL);
    cr_assert_eq(machine_exit_code(machine), 7);
    machine_free(machine);
    cr_assert_eq(jobs_run, 64);
    cr_assert_eq(jobs_done, 64);
}

static sem_t gate; /* what slow jobs wait for */
static atomic_int slow_run;

static void run_slow(struct work *work) {
    atomic_fetch_add(&slow_run, 1);
    cr_assert_eq(sem_wait(&gate), 0);
}

static void open_gate(void) {
    for (int i = 0; i < 64; i++) {
        cr_assert_eq(sem_post(&gate), 0);
    }
}

/* Of 32 jobs of each kind those that are not slow are done first, as no slow one can end. */
static void mixed_done(struct work *work) {
    jobs_done++;
    if (jobs_done == 32) {
        cr_assert_eq(jobs_run, 32);
        cr_assert_leq(slow_run, 3);
        open_gate();
    } else if (jobs_done == 64) {
        machine_stop(machine);
    }
}

static void submit_mixed(void *ctx) {
    for (int i = 0; i < 32; i++) {
        work_submit_slow(machine_shard(machine, 0), &jobs[i], run_slow, mixed_done);
    }
    for (int i = 32; i < 64; i++) {
        work_submit(machine_shard(machine, 0), &jobs[i], run_job, mixed_done);
    }
}

Test(uv_machine, slow_work_leaves_a_worker_to_other_work) {
    cr_assert_eq(sem_init(&gate, 0, 0), 0);
    machine = machine_new(1, 4);
    machine_run(machine, submit_mixed, NULL);
    machine_free(machine);
    cr_assert_eq(slow_run, 32);
    cr_assert_eq(jobs_done, 64);
}

static void run_gated(struct work *work) {
    cr_assert_eq(sem_wait(&gate), 0);
    atomic_fetch_add(&jobs_run, 1);
}

static void run_late(struct work *work) {
    slow_run = jobs_run;
}

static void gated_done(struct work *work) {
    if (++jobs_done == 64) {
        machine_stop(machine);
    }
}

/* No worker has ended its first job when the slow one comes. */
static void submit_gated(void *ctx) {
    for (int i = 0; i < 63; i++) {
        work_submit(machine_shard(machine, 0), &jobs[i], run_gated, gated_done);
    }
    work_submit_slow(machine_shard(machine, 0), &jobs[63], run_late, gated_done);
    open_gate();
}

Test(uv_machine, slow_work_does_not_wait_until_there_is_no_other) {
    cr_assert_eq(sem_init(&gate, 0, 0), 0);
    slow_run = -1;
    machine = machine_new(1, 2);
    machine_run(machine, submit_gated, NULL);
    machine_free(machine);
    cr_assert_geq(slow_run, 0);
    cr_assert_leq(slow_run, 3);
}

static int interruptions;

/* The worker's own handler never sees the signal; it would only yield. */
static void run_computing(struct work *work) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    const struct timespec wait = {.tv_sec = 20};
    siginfo_t info;
    while (interruptions < 3 && sigtimedwait(&set, &info, &wait) == SIGRTMIN) {
        interruptions += info.si_code == SI_TIMER;
    }
}

/* The timer is gone, so that nothing interrupts what else the worker does. */
static void run_uninterrupted(struct work *work) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    const struct timespec none = {0};
    while (sigtimedwait(&set, NULL, &none) == SIGRTMIN) {} /* what came before it went */
    const struct timespec wait = {.tv_nsec = 20 * 1000 * 1000};
    cr_assert_eq(sigtimedwait(&set, NULL, &wait), -1);
}

static void on_uninterrupted(struct work *work) {
    machine_stop(machine);
}

static void on_computed(struct work *work) {
    work_submit(machine_shard(machine, 0), &jobs[1], run_uninterrupted, on_uninterrupted);
}

static void submit_computing(void *ctx) {
    work_submit_computing(machine_shard(machine, 0), &jobs[0], run_computing, on_computed);
}

Test(uv_machine, what_computes_is_interrupted_so_that_others_may_have_its_cpu) {
    machine = machine_new(1, 1);
    machine_run(machine, submit_computing, NULL);
    machine_free(machine);
    cr_assert_eq(interruptions, 3);
}

Test(uv_machine, what_is_pending_when_the_machine_is_freed_is_dropped) {
    machine = machine_new(2, 1);
    struct shard *shard = machine_shard(machine, 1);
    shard_post(shard, &self_post, on_self_post);
    timer_init(&stopper, shard, on_stop);
    timer_start(&stopper, 1000);
    deferred_init(&first_deferred, shard, on_first);
    deferred_schedule(&first_deferred);
    machine_free(machine);
    cr_assert_eq(fired_count, 0);
}

static void on_signal(void *ctx, int signum) {
    note(signum);
    if (signum == SIGTERM) {
        machine_stop(machine);
    }
}

static void start_signals(void *ctx) {
    machine_on_signal(machine, on_signal, NULL);
    kill(getpid(), SIGHUP);
    timer_init(&stopper, machine_shard(machine, 0), on_stop);
    kill(getpid(), SIGTERM);
}

Test(uv_machine, signals_are_callbacks_on_the_first_shard) {
    machine = machine_new(2, 1);
    machine_run(machine, start_signals, NULL);
    machine_free(machine);
    cr_assert_eq(fired_count, 2);
    cr_assert_eq(fired[0], SIGHUP);
    cr_assert_eq(fired[1], SIGTERM);
}

/* ---- Clocks and randomness ------------------------------------------------------------------- */

Test(uv_machine, clocks_advance_and_random_numbers_stay_below_their_bound) {
    machine = machine_new(1, 1);
    int64_t before = clock_now_ns(machine);
    cr_assert_geq(clock_now_ns(machine), before);
    cr_assert_gt(clock_wall_ms(machine), 1700000000000);
    int seen[7] = {0};
    for (int i = 0; i < 2000; i++) {
        uint64_t value = random_below(machine, 7);
        cr_assert_lt(value, 7);
        seen[value]++;
    }
    for (int i = 0; i < 7; i++) {
        cr_assert_gt(seen[i], 150);
    }
    cr_assert_eq(random_below(machine, 1), 0);
    uint8_t big[1024] = {0};
    random_fill(machine, big, sizeof(big));
    cr_assert(big[1000] != 0 || big[1001] != 0 || big[1002] != 0 || big[1003] != 0);
    machine_free(machine);
}
