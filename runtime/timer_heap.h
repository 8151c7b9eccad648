/*
 * The running timers of one shard: a binary heap ordered by (due, order of starting). Shared by
 * both machines; private to runtime/.
 */
#ifndef RUNTIME_TIMER_HEAP_H
#define RUNTIME_TIMER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer;

struct timer_heap {
    struct timer **slots; /* heap; slots[0] is unused, so that heap_index 0 means "not running" */
    size_t count;
    size_t cap;
    uint64_t sequence; /* of the next start */
};

/* All zero is an empty heap. Timers that still run are forgotten, not touched. */
void timer_heap_release(struct timer_heap *heap);

/* The timer must not be in a heap; due_ms is set by the caller. */
void timer_heap_insert(struct timer_heap *heap, struct timer *timer);
void timer_heap_remove(struct timer_heap *heap, struct timer *timer);

/* The next one to fire, or NULL. */
struct timer *timer_heap_first(const struct timer_heap *heap);

#endif
