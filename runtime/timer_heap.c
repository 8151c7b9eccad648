#include "runtime/timer_heap.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "runtime/machine.h"

#define HEAP_CAP_MIN 64

static bool fires_before(const struct timer *a, const struct timer *b) {
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->sequence < b->sequence;
}

static void place(struct timer_heap *heap, size_t index, struct timer *timer) {
    heap->slots[index] = timer;
    timer->heap_index = index;
}

/* Both move a hole instead of swapping: one store a level. */
static void sift_up(struct timer_heap *heap, size_t hole, struct timer *timer) {
    while (hole > 1 && fires_before(timer, heap->slots[hole / 2])) {
        place(heap, hole, heap->slots[hole / 2]);
        hole /= 2;
    }
    place(heap, hole, timer);
}

static void sift_down(struct timer_heap *heap, size_t hole, struct timer *timer) {
    for (;;) {
        size_t child = hole * 2;
        if (child > heap->count) {
            break;
        }
        if (child < heap->count && fires_before(heap->slots[child + 1], heap->slots[child])) {
            child++;
        }
        if (!fires_before(heap->slots[child], timer)) {
            break;
        }
        place(heap, hole, heap->slots[child]);
        hole = child;
    }
    place(heap, hole, timer);
}

void timer_heap_release(struct timer_heap *heap) {
    free(heap->slots);
    *heap = (struct timer_heap){0};
}

void timer_heap_insert(struct timer_heap *heap, struct timer *timer) {
    ASSERT(timer->heap_index == 0);
    if (heap->count + 1 >= heap->cap) {
        heap->cap = heap->cap == 0 ? HEAP_CAP_MIN : heap->cap * 2;
        heap->slots = xrealloc(heap->slots, heap->cap * sizeof(struct timer *));
    }
    timer->sequence = heap->sequence++;
    heap->count++;
    sift_up(heap, heap->count, timer);
}

void timer_heap_remove(struct timer_heap *heap, struct timer *timer) {
    size_t hole = timer->heap_index;
    ASSERT(hole > 0 && hole <= heap->count && heap->slots[hole] == timer);
    struct timer *last = heap->slots[heap->count];
    heap->count--;
    timer->heap_index = 0;
    if (last == timer) {
        return;
    }
    if (hole > 1 && fires_before(last, heap->slots[hole / 2])) {
        sift_up(heap, hole, last);
    } else {
        sift_down(heap, hole, last);
    }
}

struct timer *timer_heap_first(const struct timer_heap *heap) {
    return heap->count == 0 ? NULL : heap->slots[1];
}
