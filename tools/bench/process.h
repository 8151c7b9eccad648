/*
 * What the kernel knows about a process on this machine: CPU time and memory; and how busy the
 * machine is.
 */
#ifndef TOOLS_BENCH_PROCESS_H
#define TOOLS_BENCH_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/* The process that listens on a TCP port of this machine; 0 when there is none, or it belongs to
 * somebody whose files this user may not see. */
pid_t process_listening_on(uint16_t port);

/* CPU time, in user and kernel, of all threads there are and were, in ns; negative errno. */
int64_t process_cpu_ns(pid_t pid);

/* Resident memory in bytes (VmRSS); negative errno. */
int64_t process_rss(pid_t pid);

/* The proportional share of it (Pss of smaps_rollup), in bytes; negative errno. Costs the reader,
 * not the process, a walk through its page tables. */
int64_t process_pss(pid_t pid);

/* Seconds of all CPUs since boot. */
struct machine_cpu {
    double busy;  /* neither idle nor stolen nor waiting */
    double steal; /* taken by the hypervisor */
    double total;
};

/* All zero when /proc/stat cannot be read. */
struct machine_cpu machine_cpu_now(void);

#endif
