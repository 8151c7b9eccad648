/*
 * What a shard is on both machines: timers and deferred calls. Private to runtime/; each machine
 * embeds a struct shard_core in its struct shard.
 */
#ifndef RUNTIME_SHARD_CORE_H
#define RUNTIME_SHARD_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "runtime/timer_heap.h"

struct shard;

struct shard_core {
    struct timer_heap timers;
    struct list deferred; /* of struct deferred, in the order of scheduling */
};

void shard_core_init(struct shard_core *core);
void shard_core_release(struct shard_core *core);

/* Fires the timers that are due at now_ms, in order; a timer started meanwhile with delay 0 waits
 * for the next turn. */
void shard_core_run_timers(struct shard_core *core, int64_t now_ms);

/* Runs deferred calls until none is left; whether there was any. */
bool shard_core_run_deferred(struct shard_core *core);

/* Implemented by each machine. */
struct shard_core *shard_core(struct shard *shard);

#endif
