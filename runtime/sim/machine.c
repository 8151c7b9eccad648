/* machine.h and log.h for simulated machines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "runtime/log_line.h"
#include "runtime/sim/internal.h"

#define POST_DELAY_MAX_US 60 /* what waking a thread may cost */
#define WORK_DELAY_MAX_US 200

struct shard_core *shard_core(struct shard *shard) {
    return &shard->core;
}

void machine_stop(struct machine *machine) {
    machine->stopped = true;
}

void machine_set_exit_code(struct machine *machine, int code) {
    machine->exit_code = code;
}

int machine_exit_code(const struct machine *machine) {
    return machine->exit_code;
}

int machine_shard_count(const struct machine *machine) {
    return machine->shard_count;
}

struct shard *machine_shard(struct machine *machine, int index) {
    ASSERT(index >= 0 && index < machine->shard_count);
    return &machine->shards[index];
}

int shard_index(const struct shard *shard) {
    return shard->index;
}

struct machine *shard_machine(const struct shard *shard) {
    return shard->machine;
}

/* Between events the caller of the simulation stands for all shards. */
void shard_assert_current(const struct shard *shard) {
    const struct sim *sim = shard->machine->sim;
    ASSERT(sim->current == shard || (sim->current == NULL && sim->worker == NULL));
}

/* ---- Signals --------------------------------------------------------------------------------- */

void machine_on_signal(struct machine *machine, void (*on_signal)(void *ctx, int signum),
                       void *ctx) {
    machine->on_signal = on_signal;
    machine->signal_ctx = ctx;
}

struct signal_event {
    struct machine *machine;
    int signum;
};

static void deliver_signal(void *arg) {
    struct signal_event event = *(struct signal_event *)arg;
    free(arg);
    if (event.machine->on_signal != NULL) {
        event.machine->on_signal(event.machine->signal_ctx, event.signum);
    }
}

void sim_signal(struct machine *machine, int signum) {
    struct signal_event *event = NEW(struct signal_event);
    *event = (struct signal_event){.machine = machine, .signum = signum};
    sim_schedule(machine->sim, machine->sim->now_us, &machine->shards[0], deliver_signal, event,
                 free);
}

/* ---- Clocks and randomness ------------------------------------------------------------------- */

int64_t clock_now_ns(const struct machine *machine) {
    return machine->sim->now_us * 1000;
}

int64_t clock_wall_ms(const struct machine *machine) {
    const struct sim *sim = machine->sim;
    return sim->options.wall_start_ms + machine->wall_delta_ms + sim->now_us / 1000;
}

int64_t shard_now_ms(const struct shard *shard) {
    return shard->machine->sim->now_us / 1000;
}

int64_t shard_cpu_ns(const struct shard *shard) {
    return 0;
}

void process_usage(struct machine *machine, struct process_usage *out) {
    *out = (struct process_usage){0};
}

void random_fill(struct machine *machine, void *out, size_t len) {
    uint8_t *to = out;
    while (len > 0) {
        uint64_t value = random_stream_next(&machine->program);
        size_t step = len < sizeof(value) ? len : sizeof(value);
        memcpy(to, &value, step);
        to += step;
        len -= step;
    }
}

/* ---- Posts and work -------------------------------------------------------------------------- */

static void run_post(void *arg) {
    struct post *post = arg;
    post->fn(post);
}

void shard_post(struct shard *shard, struct post *post, void (*fn)(struct post *post)) {
    struct machine *machine = shard->machine;
    struct sim *sim = machine->sim;
    post->fn = fn;
    const struct shard *from = sim->current;
    bool local = from == NULL || from->machine != machine;
    int64_t *last_us = &shard->post_last_us[local ? SHARD_COUNT_MAX : from->index];
    int64_t at_us = sim->now_us + random_stream_range(&machine->timing, 1, POST_DELAY_MAX_US);
    at_us = at_us > *last_us ? at_us : *last_us;
    *last_us = at_us;
    sim_schedule(sim, at_us, shard, run_post, post, NULL);
}

void sim_slow_workers(struct machine *machine, int64_t delay_max_us) {
    machine->work_delay_max_us = delay_max_us;
}

static void work_finished(void *arg) {
    struct work *work = arg;
    work->done(work);
}

/* `run` happens at one instant, as a turn in which no shard is current; `done` when the time has
 * passed that its syncs took. What a sync made durable is so from the start of that time: a crash
 * in between finds more than was acknowledged, never less. It is not so before: work_delay_max_us
 * makes that time long. */
static void work_start(void *arg) {
    struct work *work = arg;
    struct shard *shard = work->shard;
    struct machine *machine = shard->machine;
    struct sim *sim = machine->sim;
    sim->current = NULL;
    sim->worker = machine;
    machine->work_extra_us = 0;
    work->run(work);
    sim->worker = NULL;
    sim->current = shard;
    int64_t took_us = machine->work_extra_us;
    took_us += random_stream_range(&machine->timing, 1, WORK_DELAY_MAX_US);
    sim_schedule(sim, sim->now_us + took_us, shard, work_finished, work, NULL);
}

/* Each kind of work starts in the order of submission, `last_us` its newest so far. */
static void submit(struct shard *shard, struct work *work, int64_t *last_us) {
    struct machine *machine = shard->machine;
    struct sim *sim = machine->sim;
    work->shard = shard;
    int64_t at_us = sim->now_us + random_stream_range(&machine->timing, 1, WORK_DELAY_MAX_US);
    if (machine->work_delay_max_us > 0) {
        at_us += random_stream_range(&machine->timing, 0, machine->work_delay_max_us);
    }
    at_us = at_us > *last_us ? at_us : *last_us;
    *last_us = at_us;
    sim_schedule(sim, at_us, shard, work_start, work, NULL);
}

void work_submit(struct shard *shard, struct work *work, void (*run)(struct work *work),
                 void (*done)(struct work *work)) {
    work->run = run;
    work->done = done;
    submit(shard, work, &shard->machine->work_last_us);
}

void work_submit_slow(struct shard *shard, struct work *work, void (*run)(struct work *work),
                      void (*done)(struct work *work)) {
    work->run = run;
    work->done = done;
    submit(shard, work, &shard->machine->slow_work_last_us);
}

void work_give_way(void) {
}

void work_submit_computing(struct shard *shard, struct work *work, void (*run)(struct work *work),
                           void (*done)(struct work *work)) {
    work_submit(shard, work, run, done);
}

/* ---- Log ------------------------------------------------------------------------------------- */

void log_set_level(struct machine *machine, enum log_level level) {
    log_levels_set(&machine->log_levels, -1, level);
}

struct log_levels *log_levels(struct machine *machine) {
    return &machine->log_levels;
}

bool log_enabled(const struct machine *machine, enum log_level level) {
    return (int)level >= atomic_load(&machine->log_levels.least);
}

void log_write(struct machine *machine, enum log_level level, const char *component,
               const char *event, const char *format, ...) {
    if (!log_levels_allow(&machine->log_levels, level, component) || machine->crashed) {
        return;
    }
    char line[LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    size_t len = log_line_format(line, clock_wall_ms(machine), machine->host, level, component,
                                 event, format, args);
    va_end(args);
    sim_note_bytes(machine->sim, line, len);
    const struct sim_options *options = &machine->sim->options;
    if (options->log_to_stderr) {
        fwrite(line, 1, len, stderr);
    }
    if (options->on_log != NULL) {
        options->on_log(options->log_ctx, level, line, len);
    }
}
