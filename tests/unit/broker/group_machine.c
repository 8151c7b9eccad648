#include "group_machine.h"

#include <stdarg.h>
#include <string.h>

#include "base/assert.h"
#include "runtime/log.h"

void machine_reset(struct machine *machine) {
    memset(machine, 0, sizeof(*machine));
    machine->shard.machine = machine;
    list_init(&machine->deferred);
    list_init(&machine->work);
}

static struct timer *first_due(const struct machine *machine, int64_t until_ms) {
    struct timer *first = NULL;
    for (size_t i = 1; i <= machine->timer_count; i++) {
        struct timer *timer = machine->timers[i];
        if (timer->due_ms <= until_ms &&
            (first == NULL || timer->due_ms < first->due_ms ||
             (timer->due_ms == first->due_ms && timer->sequence < first->sequence))) {
            first = timer;
        }
    }
    return first;
}

void machine_settle(struct machine *machine) {
    for (;;) {
        if (!list_empty(&machine->deferred)) {
            struct deferred *deferred = LIST_FIRST(&machine->deferred, struct deferred, link);
            list_remove(&deferred->link);
            deferred->fn(deferred);
        } else if (!list_empty(&machine->work)) {
            struct work *work = LIST_FIRST(&machine->work, struct work, link);
            list_remove(&work->link);
            work->run(work);
            work->done(work);
        } else {
            return;
        }
    }
}

void machine_advance(struct machine *machine, int64_t ms) {
    int64_t until_ms = machine->now_ms + ms;
    machine_settle(machine);
    struct timer *timer;
    while ((timer = first_due(machine, until_ms)) != NULL) {
        machine->now_ms = timer->due_ms > machine->now_ms ? timer->due_ms : machine->now_ms;
        timer_stop(timer);
        timer->fn(timer);
        machine_settle(machine);
    }
    machine->now_ms = until_ms;
}

/* ---- runtime/machine.h ----------------------------------------------------------------------- */

int64_t clock_now_ns(const struct machine *machine) {
    return machine->now_ms * 1000000;
}

int64_t clock_wall_ms(const struct machine *machine) {
    return WALL_START_MS + machine->now_ms;
}

int64_t shard_now_ms(const struct shard *shard) {
    return shard->machine->now_ms;
}

int shard_index(const struct shard *shard) {
    return 0;
}

struct machine *shard_machine(const struct shard *shard) {
    return shard->machine;
}

void random_fill(struct machine *machine, void *out, size_t len) {
    memset(out, ++machine->random, len);
}

void timer_init(struct timer *timer, struct shard *shard, void (*fn)(struct timer *timer)) {
    *timer = (struct timer){.shard = shard, .fn = fn};
}

void timer_start(struct timer *timer, int64_t delay_ms) {
    struct machine *machine = timer->shard->machine;
    ASSERT(delay_ms >= 0);
    timer_stop(timer);
    ASSERT(machine->timer_count < TIMERS_MAX);
    timer->due_ms = machine->now_ms + delay_ms;
    timer->sequence = machine->sequence++;
    timer->heap_index = ++machine->timer_count;
    machine->timers[timer->heap_index] = timer;
}

void timer_stop(struct timer *timer) {
    if (timer->heap_index == 0) {
        return;
    }
    struct machine *machine = timer->shard->machine;
    struct timer *last = machine->timers[machine->timer_count--];
    machine->timers[timer->heap_index] = last;
    last->heap_index = timer->heap_index;
    timer->heap_index = 0;
}

bool timer_running(const struct timer *timer) {
    return timer->heap_index != 0;
}

void deferred_init(struct deferred *deferred, struct shard *shard,
                   void (*fn)(struct deferred *deferred)) {
    *deferred = (struct deferred){.shard = shard, .fn = fn};
    list_init(&deferred->link);
}

void deferred_schedule(struct deferred *deferred) {
    if (!list_linked(&deferred->link)) {
        list_append(&deferred->shard->machine->deferred, &deferred->link);
    }
}

void deferred_cancel(struct deferred *deferred) {
    list_remove(&deferred->link);
}

void work_submit(struct shard *shard, struct work *work, void (*run)(struct work *work),
                 void (*done)(struct work *work)) {
    work->shard = shard;
    work->run = run;
    work->done = done;
    list_append(&shard->machine->work, &work->link);
}

void work_submit_slow(struct shard *shard, struct work *work, void (*run)(struct work *work),
                      void (*done)(struct work *work)) {
    work_submit(shard, work, run, done);
}

/* ---- runtime/log.h --------------------------------------------------------------------------- */

bool log_enabled(const struct machine *machine, enum log_level level) {
    return true;
}

void log_write(struct machine *machine, enum log_level level, const char *component,
               const char *event, const char *format, ...) {
    machine->warnings += level == LOG_LEVEL_WARN;
    machine->errors += level == LOG_LEVEL_ERROR;
}
