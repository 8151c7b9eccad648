/*
 * The world: one queue of events, ordered by virtual time, and the machines that they happen to.
 *
 * An event of a shard is a turn: its function, then what the turn deferred. Events of a machine
 * that crashed, stopped or was restarted meanwhile are dropped when their time comes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hmap.h"
#include "base/memory.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/internal.h"

enum { CONCERN_NET = 1, CONCERN_PROGRAM, CONCERN_TIMING, CONCERN_FAULTS, CONCERN_COUNT };

#define US_PER_MS 1000

/* ---- The queue of events --------------------------------------------------------------------- */

static bool before(const struct event *a, const struct event *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

static void push(struct sim *sim, struct event event) {
    if (sim->event_count == sim->event_cap) {
        sim->event_cap = sim->event_cap == 0 ? 256 : sim->event_cap * 2;
        sim->events = xrealloc(sim->events, sim->event_cap * sizeof(struct event));
    }
    size_t hole = sim->event_count++;
    while (hole > 0 && before(&event, &sim->events[(hole - 1) / 2])) {
        sim->events[hole] = sim->events[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    sim->events[hole] = event;
}

static struct event pop(struct sim *sim) {
    struct event first = sim->events[0];
    struct event last = sim->events[--sim->event_count];
    size_t hole = 0;
    for (;;) {
        size_t child = hole * 2 + 1;
        if (child >= sim->event_count) {
            break;
        }
        if (child + 1 < sim->event_count && before(&sim->events[child + 1], &sim->events[child])) {
            child++;
        }
        if (!before(&sim->events[child], &last)) {
            break;
        }
        sim->events[hole] = sim->events[child];
        hole = child;
    }
    sim->events[hole] = last;
    return first;
}

void sim_schedule(struct sim *sim, int64_t at_us, struct shard *shard, void (*fn)(void *arg),
                  void *arg, void (*drop)(void *arg)) {
    ASSERT(at_us >= sim->now_us);
    push(sim, (struct event){
                  .at_us = at_us,
                  .sequence = sim->sequence++,
                  .shard = shard,
                  .incarnation = shard == NULL ? 0 : shard->machine->incarnation,
                  .fn = fn,
                  .arg = arg,
                  .drop = drop,
              });
}

void sim_note(struct sim *sim, uint64_t value) {
    sim->hash = hash_combine(sim->hash, value);
}

void sim_note_bytes(struct sim *sim, const void *data, size_t len) {
    sim_note(sim, hash_bytes(slice_make(data, len)));
}

bool machine_alive(const struct machine *machine) {
    return !machine->crashed && !machine->stopped;
}

static bool runnable(const struct event *event) {
    return event->shard == NULL || (machine_alive(event->shard->machine) &&
                                    event->incarnation == event->shard->machine->incarnation);
}

/* ---- Turns ----------------------------------------------------------------------------------- */

static void on_tick(void *arg) {
    struct shard *shard = arg;
    shard->tick_at_us = INT64_MAX;
    shard_core_run_timers(&shard->core, shard_now_ms(shard));
}

static void arm_tick(struct shard *shard) {
    struct timer *first = timer_heap_first(&shard->core.timers);
    struct sim *sim = shard->machine->sim;
    if (first == NULL || first->due_ms > INT64_MAX / US_PER_MS) {
        return;
    }
    /* A timer that came due in this turn waits for the next. */
    int64_t at_us = first->due_ms * US_PER_MS;
    at_us = at_us > sim->now_us ? at_us : sim->now_us + 1;
    if (at_us < shard->tick_at_us) {
        /* A later tick that was scheduled before is not taken back: it finds nothing to do. */
        shard->tick_at_us = at_us;
        sim_schedule(sim, at_us, shard, on_tick, shard, NULL);
    }
}

static void run_turn(struct sim *sim, const struct event *event) {
    struct shard *shard = event->shard;
    sim->current = shard;
    event->fn(event->arg);
    bool more = true;
    while (more && machine_alive(shard->machine)) {
        more = shard_core_run_deferred(&shard->core);
        more = net_turn_end(shard) || more;
    }
    sim->current = NULL;
    arm_tick(shard);
}

static void run_event(struct sim *sim, const struct event *event) {
    sim->now_us = event->at_us;
    sim_note(sim, (uint64_t)event->at_us);
    if (event->shard == NULL) {
        event->fn(event->arg);
        return;
    }
    sim_note(sim, (event->shard->machine->id << 8) + (uint64_t)event->shard->index);
    run_turn(sim, event);
}

static void drop_event(const struct event *event) {
    if (event->drop != NULL) {
        event->drop(event->arg);
    }
}

/* Drops events that will not run until the first is one that will; false when there is none. */
static bool settle(struct sim *sim) {
    while (sim->event_count > 0) {
        if (runnable(&sim->events[0])) {
            return true;
        }
        struct event stale = pop(sim);
        drop_event(&stale);
    }
    return false;
}

bool sim_step(struct sim *sim) {
    ASSERT(sim->current == NULL && sim->worker == NULL);
    if (!settle(sim)) {
        return false;
    }
    struct event event = pop(sim);
    run_event(sim, &event);
    return true;
}

bool sim_run(struct sim *sim, int64_t duration_ms, const bool *flag) {
    int64_t end_us = sim->now_us + duration_ms * US_PER_MS;
    for (;;) {
        if (flag != NULL && *flag) {
            return true;
        }
        if (!settle(sim) || sim->events[0].at_us > end_us) {
            sim->now_us = end_us;
            return false;
        }
        sim_step(sim);
    }
}

int64_t sim_now_us(const struct sim *sim) {
    return sim->now_us;
}

uint64_t sim_history_hash(const struct sim *sim) {
    return sim->hash;
}

struct call {
    void (*fn)(void *ctx);
    void *ctx;
};

static void run_call(void *arg) {
    struct call call = *(struct call *)arg;
    free(arg);
    call.fn(call.ctx);
}

void sim_call(struct sim *sim, struct shard *shard, void (*fn)(void *ctx), void *ctx) {
    struct call *call = NEW(struct call);
    *call = (struct call){.fn = fn, .ctx = ctx};
    sim_schedule(sim, sim->now_us, shard, run_call, call, free);
}

/* ---- Worlds and machines --------------------------------------------------------------------- */

struct sim *sim_new(const struct sim_options *options) {
    ASSERT(options->net_delay_min_us >= 0 &&
           options->net_delay_min_us <= options->net_delay_max_us);
    ASSERT(options->sync_delay_min_us >= 0 &&
           options->sync_delay_min_us <= options->sync_delay_max_us);
    struct sim *sim = NEW(struct sim);
    sim->options = *options;
    sim->hash = hash_u64(options->seed);
    list_init(&sim->machines);
    list_init(&sim->cuts);
    random_stream_init(&sim->net, options->seed, CONCERN_NET);
    return sim;
}

static void shards_init(struct machine *machine) {
    for (int i = 0; i < machine->shard_count; i++) {
        struct shard *shard = &machine->shards[i];
        *shard = (struct shard){.machine = machine, .index = i, .tick_at_us = INT64_MAX};
        shard_core_init(&shard->core);
        list_init(&shard->dirty);
        list_init(&shard->closing);
    }
}

static void machine_release(struct machine *machine) {
    net_machine_release(machine);
    for (int i = 0; i < machine->shard_count; i++) {
        shard_core_release(&machine->shards[i].core);
    }
}

void sim_free(struct sim *sim) {
    if (sim == NULL) {
        return;
    }
    while (sim->event_count > 0) {
        struct event event = pop(sim);
        drop_event(&event);
    }
    LIST_FOREACH(it, &sim->machines) {
        machine_release(CONTAINER_OF(it, struct machine, link));
    }
    net_sim_release(sim);
    LIST_FOREACH_SAFE(it, &sim->machines) {
        struct machine *machine = CONTAINER_OF(it, struct machine, link);
        disk_unref(machine->disk);
        disk_unref(machine->survivor);
        free(machine->shards);
        free(machine->host);
        free(machine);
    }
    free(sim->events);
    free(sim);
}

struct machine *sim_machine_new(struct sim *sim, const char *host, int shard_count) {
    ASSERT(shard_count >= 1 && shard_count <= SHARD_COUNT_MAX);
    struct machine *machine = NEW(struct machine);
    machine->sim = sim;
    machine->host = xstrdup(host);
    machine->id = ++sim->machine_count;
    machine->shard_count = shard_count;
    machine->shards = xcalloc((size_t)shard_count, sizeof(struct shard));
    log_levels_init(&machine->log_levels);
    list_append(&sim->machines, &machine->link);
    list_init(&machine->listeners);
    list_init(&machine->conns);
    list_init(&machine->exchanges);
    uint64_t base = machine->id * CONCERN_COUNT;
    random_stream_init(&machine->program, sim->options.seed, base + CONCERN_PROGRAM);
    random_stream_init(&machine->timing, sim->options.seed, base + CONCERN_TIMING);
    random_stream_init(&machine->faults, sim->options.seed, base + CONCERN_FAULTS);
    shards_init(machine);
    machine->disk = disk_new();
    return machine;
}

struct drawn_choices {
    struct disk_choices choices;
    struct random_stream *stream;
};

static int64_t draw(struct disk_choices *choices, int64_t bound) {
    return random_stream_range(CONTAINER_OF(choices, struct drawn_choices, choices)->stream, 0,
                               bound - 1);
}

void machine_crash(struct machine *machine) {
    ASSERT(!machine->crashed);
    struct drawn_choices drawn = {.choices = {.pick = draw}, .stream = &machine->faults};
    machine->crashed = true;
    machine->crash_at = 0;
    machine->survivor = machine->crash_kind == SIM_CRASH_POWER
                            ? disk_after_power_cut(machine->disk, &drawn.choices)
                            : disk_copy(machine->disk);
    sim_note(machine->sim, machine->disk_operations);
    net_machine_gone(machine);
}

void sim_crash_after(struct machine *machine, uint64_t n, enum sim_crash kind) {
    machine->crash_kind = kind;
    if (n == 0) {
        machine_crash(machine);
    } else {
        machine->crash_at = machine->disk_operations + n;
    }
}

bool sim_crashed(const struct machine *machine) {
    return machine->crashed;
}

uint64_t sim_disk_operations(const struct machine *machine) {
    return machine->disk_operations;
}

void sim_machine_restart(struct machine *machine) {
    struct sim *sim = machine->sim;
    ASSERT(sim->current == NULL && sim->worker == NULL);
    if (!machine->crashed) {
        net_machine_gone(machine);
    }
    machine_release(machine);
    machine->incarnation++;
    shards_init(machine);
    if (machine->survivor != NULL) {
        disk_unref(machine->disk);
        machine->disk = machine->survivor;
        machine->survivor = NULL;
    }
    machine->crashed = false;
    machine->stopped = false;
    machine->crash_at = 0;
    machine->fault = (struct sim_disk_fault){0};
    machine->exit_code = 0;
    machine->on_signal = NULL;
    log_levels_init(&machine->log_levels);
    machine->work_last_us = 0;
    machine->slow_work_last_us = 0;
}

void sim_wall_jump(struct machine *machine, int64_t delta_ms) {
    machine->wall_delta_ms += delta_ms;
}
