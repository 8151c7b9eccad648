/* The insides of the simulated world, shared by the files of runtime/sim/. */
#ifndef RUNTIME_SIM_INTERNAL_H
#define RUNTIME_SIM_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "runtime/log_levels.h"
#include "runtime/machine.h"
#include "runtime/shard_core.h"
#include "runtime/sim/random.h"
#include "runtime/sim/sim.h"

struct disk;
struct conn;

/* Something that happens at a time. Owned by the world. */
struct event {
    int64_t at_us;
    uint64_t sequence;    /* events of one time happen in the order they were made */
    struct shard *shard;  /* runs as a turn of this shard; NULL for events of the world */
    uint64_t incarnation; /* of the shard's machine: a restarted one does not run old events */
    void (*fn)(void *arg);
    void *arg;
    void (*drop)(void *arg); /* instead of fn when it is not run; may be NULL */
};

struct shard {
    struct machine *machine;
    int index;
    struct shard_core core;
    int64_t tick_at_us; /* of the event that runs the timers; INT64_MAX when there is none */
    int64_t
        post_last_us[SHARD_COUNT_MAX + 1]; /* arrival of the last post, by sender: keeps order */
    struct list dirty;                     /* by conn.dirty_link */
    struct list closing;                   /* by conn.closing_link */
};

struct machine {
    struct list link; /* sim->machines */
    struct sim *sim;
    char *host;
    uint64_t id;
    uint64_t incarnation;
    int shard_count;
    struct shard *shards;
    bool crashed;
    bool stopped;
    int exit_code;
    struct log_levels log_levels;
    int64_t wall_delta_ms;
    void (*on_signal)(void *ctx, int signum);
    void *signal_ctx;

    struct random_stream program; /* what random_fill() draws from */
    struct random_stream timing;  /* of posts and work */
    struct random_stream faults;  /* of the disk */

    int64_t work_delay_max_us;
    int64_t work_last_us;      /* work starts in order, */
    int64_t slow_work_last_us; /* and so does slow work */
    int64_t work_extra_us;     /* what the running work has waited for */

    struct disk *disk;
    struct disk *survivor; /* of a crash; becomes the disk at restart */
    uint64_t disk_operations;
    uint64_t crash_at; /* of disk_operations; 0 for never */
    enum sim_crash crash_kind;
    struct sim_disk_fault fault;
    uint64_t fault_from; /* of disk_operations; what fault.after means */
    void (*on_disk_operation)(void *ctx, const char *what);
    void *disk_ctx;

    struct list listeners;
    struct list conns;
    struct list exchanges; /* open ones whose connection is gone */
};

struct sim {
    struct sim_options options;
    int64_t now_us;
    uint64_t sequence;
    uint64_t hash;
    struct event *events; /* a binary heap by (at_us, sequence) */
    size_t event_count;
    size_t event_cap;
    struct list machines;
    struct list cuts; /* of struct cut (net) */
    uint64_t machine_count;
    struct random_stream net;
    struct shard *current;  /* whose turn it is */
    struct machine *worker; /* whose work runs */
};

/* ---- world.c ---- */

/* shard may be NULL (an event of the world), drop may be NULL. */
void sim_schedule(struct sim *sim, int64_t at_us, struct shard *shard, void (*fn)(void *arg),
                  void *arg, void (*drop)(void *arg));

/* Mixes something observable into the history. */
void sim_note(struct sim *sim, uint64_t value);
void sim_note_bytes(struct sim *sim, const void *data, size_t len);

/* Whether what the machine does can be seen. */
bool machine_alive(const struct machine *machine);

/* The crash itself: fixes what survives and breaks connections. */
void machine_crash(struct machine *machine);

/* ---- net.c ---- */

bool net_turn_end(struct shard *shard);

/* The connections of a machine break, as seen by its peers. */
void net_machine_gone(struct machine *machine);

/* Frees connections, listeners and exchanges of a machine's old program. */
void net_machine_release(struct machine *machine);
void net_sim_release(struct sim *sim);

#endif
