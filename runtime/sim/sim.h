/*
 * The simulated world: virtual time, an in-memory network and disks, one seed.
 *
 * A world holds machines. Everything in it happens on the caller's thread, inside sim_step(), in an
 * order that the seed decides; the same seed and the same calls give the same run. The machines'
 * programs use the ordinary headers of runtime/.
 *
 * Crashes. sim_crash_after() arms a machine to die at its n-th disk operation from now (open with
 * create, write, truncate, sync, rename, unlink, mkdir, rmdir, directory sync). At that operation
 * the state of the disk that survives is fixed, and from then on nothing the machine does can be
 * seen from outside: its output is dropped, its connections break, and sim_step() no longer runs
 * it. Its program is torn down by its owner (node_free and the like, which do no I/O), and a new
 * program started on the same machine after sim_machine_restart() finds the surviving disk.
 */
#ifndef RUNTIME_SIM_SIM_H
#define RUNTIME_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/machine.h"

struct sim;

/* What of a disk survives a crash. */
enum sim_crash {
    SIM_CRASH_PROCESS, /* kill -9: everything written, synced or not */
    SIM_CRASH_POWER,   /* a power cut: what was synced, and an allowed part of the rest, drawn from
                          the seed: per file a prefix of its unsynced writes with the last one
                          possibly torn at a 512-byte boundary, sizes and data possibly apart;
                          names since the last directory sync kept or lost, each */
};

/* Rates are in 1/1000 of the operations of that kind; all zero is a perfect world. */
struct sim_options {
    uint64_t seed;
    int64_t wall_start_ms;    /* the wall clock of all machines at virtual time 0 */
    int64_t net_delay_min_us; /* one way */
    int64_t net_delay_max_us;
    int64_t sync_delay_min_us; /* of file_sync and directory_sync, on a worker */
    int64_t sync_delay_max_us;
    int disk_fail_write;    /* -EIO */
    int disk_fail_sync;     /* -EIO, and what it covered is clean but lost */
    int64_t disk_bytes_max; /* per machine; -ENOSPC above it; 0 for no limit */
    bool log_to_stderr;
};

struct sim *sim_new(const struct sim_options *options);
void sim_free(struct sim *sim);

/* `host` is the machine's address for listeners and dialers ("10.0.0.1"), and its name in logs. */
struct machine *sim_machine_new(struct sim *sim, const char *host, int shard_count);

/* Runs `fn` on a shard of the machine, as an event of its own: how programs are started, and how a
 * test calls functions that must run on a shard. */
void sim_call(struct sim *sim, struct shard *shard, void (*fn)(void *ctx), void *ctx);

/* Runs the next event; false when there is none. */
bool sim_step(struct sim *sim);

/* Steps until the time is reached (events remain), or until *flag becomes true; returns *flag.
 * flag may be NULL. */
bool sim_run(struct sim *sim, int64_t duration_ms, const bool *flag);

int64_t sim_now_us(const struct sim *sim);

/* Disk operations of the kinds named above that a machine has done since it was made. */
uint64_t sim_disk_operations(const struct machine *machine);

/* Dies at its n-th disk operation from now: n = 1 is the next one, which does not happen any more.
 * n = 0 dies at once. */
void sim_crash_after(struct machine *machine, uint64_t n, enum sim_crash kind);
bool sim_crashed(const struct machine *machine);

/* A fresh process on the same disk and address; timers, work, posts, connections and files of the
 * old one are gone. The machine must have crashed or its program must be stopped and torn down. */
void sim_machine_restart(struct machine *machine);

/* Delivers a signal to the machine's handler (machine_on_signal) on shard 0, as an event. Without a
 * handler nothing happens. */
void sim_signal(struct machine *machine, int signum);

/* Cuts or heals the network between two machines, in both directions; connections between them
 * stall and, when cut longer than 30 virtual seconds, break. */
void sim_partition(struct machine *a, struct machine *b, bool cut);

/* Moves the wall clock of one machine. */
void sim_wall_jump(struct machine *machine, int64_t delta_ms);

/* A hash over everything observable that has happened: equal for equal seeds. */
uint64_t sim_history_hash(const struct sim *sim);

/* Direct access to a disk, for damage and for looks. */
int sim_disk_flip(struct machine *machine, const char *path, int64_t pos, uint8_t mask);

#endif
