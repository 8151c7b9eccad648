/* Timers, deferred calls and random numbers: the parts of machine.h that do not differ. */
#include "runtime/shard_core.h"

#include "base/assert.h"
#include "runtime/machine.h"

void shard_core_init(struct shard_core *core) {
    *core = (struct shard_core){0};
    list_init(&core->deferred);
}

void shard_core_release(struct shard_core *core) {
    timer_heap_release(&core->timers);
    list_init(&core->deferred);
}

void shard_core_run_timers(struct shard_core *core, int64_t now_ms) {
    uint64_t sequence_end = core->timers.sequence;
    for (;;) {
        struct timer *timer = timer_heap_first(&core->timers);
        if (timer == NULL || timer->due_ms > now_ms || timer->sequence >= sequence_end) {
            return;
        }
        timer_heap_remove(&core->timers, timer);
        timer->fn(timer);
    }
}

bool shard_core_run_deferred(struct shard_core *core) {
    bool any = false;
    while (!list_empty(&core->deferred)) {
        struct deferred *deferred = LIST_FIRST(&core->deferred, struct deferred, link);
        list_remove(&deferred->link);
        deferred->fn(deferred);
        any = true;
    }
    return any;
}

void timer_init(struct timer *timer, struct shard *shard, void (*fn)(struct timer *timer)) {
    *timer = (struct timer){.shard = shard, .fn = fn};
}

void timer_start(struct timer *timer, int64_t delay_ms) {
    ASSERT(delay_ms >= 0);
    shard_assert_current(timer->shard);
    struct timer_heap *heap = &shard_core(timer->shard)->timers;
    if (timer->heap_index != 0) {
        timer_heap_remove(heap, timer);
    }
    int64_t now_ms = shard_now_ms(timer->shard);
    timer->due_ms = delay_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + delay_ms;
    timer_heap_insert(heap, timer);
}

void timer_stop(struct timer *timer) {
    if (timer->heap_index != 0) {
        shard_assert_current(timer->shard);
        timer_heap_remove(&shard_core(timer->shard)->timers, timer);
    }
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
    shard_assert_current(deferred->shard);
    if (!list_linked(&deferred->link)) {
        list_append(&shard_core(deferred->shard)->deferred, &deferred->link);
    }
}

void deferred_cancel(struct deferred *deferred) {
    list_remove(&deferred->link);
}

uint64_t random_u64(struct machine *machine) {
    uint64_t value;
    random_fill(machine, &value, sizeof(value));
    return value;
}

uint64_t random_below(struct machine *machine, uint64_t bound) {
    ASSERT(bound > 0);
    /* Redraws what would favour small values: 2^64 mod bound values at the low end. */
    uint64_t skip = (0 - bound) % bound;
    uint64_t value;
    do {
        value = random_u64(machine);
    } while (value < skip);
    return value % bound;
}
