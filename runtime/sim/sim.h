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

#include "base/slice.h"
#include "runtime/log.h"
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
    int64_t
        work_delay_max_us;  /* workers begin up to that much later: syncs have no effect before */
    int disk_fail_write;    /* -EIO */
    int disk_fail_sync;     /* -EIO, and what it covered is clean but lost */
    int64_t disk_bytes_max; /* per machine; -ENOSPC above it; 0 for no limit */
    bool log_to_stderr;
    void (*on_log)(void *ctx, enum log_level level, const char *line, size_t len); /* or NULL */
    void *log_ctx;
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

/* Workers of the machine begin up to that much later; what they sync is not durable before. */
void sim_slow_workers(struct machine *machine, int64_t delay_max_us);

/* Moves the wall clock of one machine. */
void sim_wall_jump(struct machine *machine, int64_t delta_ms);

/* A hash over everything observable that has happened: equal for equal seeds. */
uint64_t sim_history_hash(const struct sim *sim);

/* ---- Disks -----------------------------------------------------------------------------------
 *
 * Direct access, for damage and for looks. Changes made this way are durable, are no operations of
 * the machine, and return 0 or a negative errno. */

int sim_disk_flip(struct machine *machine, const char *path, int64_t pos, uint8_t mask);

/* The bytes of a file; valid until it changes. */
int sim_disk_read(struct machine *machine, const char *path, struct slice *out);

/* Makes or replaces a file. The directory must exist. */
int sim_disk_write(struct machine *machine, const char *path, struct slice content);

/* A file, or a directory with all that is in it. */
int sim_disk_remove(struct machine *machine, const char *path);
int sim_disk_rename(struct machine *machine, const char *from, const char *to);
int sim_disk_mkdir(struct machine *machine, const char *path);

/* From now on opening (listing, for a directory) or reading the file fails; 0 heals. */
int sim_disk_break(struct machine *machine, const char *path, int open_error, int read_error);

/* Calls fn for each name below the root, directories before what is in them. */
void sim_disk_walk(struct machine *machine,
                   void (*fn)(void *ctx, const char *path, bool directory, struct slice content),
                   void *ctx);

/*
 * Saved states. A copy of the disk as it is, with what is not durable yet; any number of machines,
 * of other worlds too, can start from it. sim_disk_restore() replaces the disk of a machine whose
 * program does not run; with `choices` by what a power cut would leave of it, which they decide.
 */
struct disk;
struct disk_choices; /* disk.h */
struct disk *sim_disk_save(const struct machine *machine);
void sim_disk_restore(struct machine *machine, const struct disk *saved,
                      struct disk_choices *choices);
void sim_disk_free(struct disk *saved);

/* `fn` is told of each disk operation of the kinds above before it happens; it may save the disk.
 */
void sim_on_disk_operation(struct machine *machine, void (*fn)(void *ctx, const char *what),
                           void *ctx);

/* Operations that fail: the `count` ones that follow on the next `after`. A full disk (-ENOSPC)
 * spares those that free space. */
struct sim_disk_fault {
    uint64_t after;
    uint64_t count;    /* 0: none; UINT64_MAX: all from then on */
    int error;         /* negative errno */
    bool partial;      /* a write leaves the first half of its bytes */
    const char *under; /* only operations in this directory; kept by reference; NULL: all */
};
void sim_disk_fault(struct machine *machine, const struct sim_disk_fault *fault);

#endif
