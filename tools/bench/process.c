#include "tools/bench/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATH_LEN 300

/* ---- Who listens ----------------------------------------------------------------------------- */

#define TCP_LISTEN 0x0a

/* The inode of the listening socket in a table of /proc/net; 0 when it is not there. */
static uint64_t listener_inode(const char *table, uint16_t port) {
    FILE *file = fopen(table, "r");
    if (file == NULL) {
        return 0;
    }
    char line[512];
    uint64_t found = 0;
    while (found == 0 && fgets(line, sizeof(line), file) != NULL) {
        unsigned local_port, state;
        uint64_t inode;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %" SCNu64,
                   &local_port, &state, &inode) == 3 &&
            local_port == port && state == TCP_LISTEN) {
            found = inode;
        }
    }
    fclose(file);
    return found;
}

static bool holds_socket(const char *pid, uint64_t inode) {
    char path[PATH_LEN];
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return false;
    }
    bool found = false;
    struct dirent *entry;
    while (!found && (entry = readdir(dir)) != NULL) {
        char target[64];
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        if (len > 0) {
            target[len] = '\0';
            found = strcmp(target, wanted) == 0;
        }
    }
    closedir(dir);
    return found;
}

pid_t process_listening_on(uint16_t port) {
    uint64_t inode = listener_inode("/proc/net/tcp", port);
    if (inode == 0) {
        inode = listener_inode("/proc/net/tcp6", port);
    }
    DIR *dir = inode == 0 ? NULL : opendir("/proc");
    if (dir == NULL) {
        return 0;
    }
    pid_t pid = 0;
    struct dirent *entry;
    while (pid == 0 && (entry = readdir(dir)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) && holds_socket(entry->d_name, inode)) {
            pid = (pid_t)strtol(entry->d_name, NULL, 10);
        }
    }
    closedir(dir);
    return pid;
}

/* ---- One process ----------------------------------------------------------------------------- */

/* The clock of a process counts in ns what utime and stime of /proc count in hundredths. */
int64_t process_cpu_ns(pid_t pid) {
    clockid_t clock;
    int error = clock_getcpuclockid(pid, &clock);
    if (error != 0) {
        return -error;
    }
    struct timespec time;
    if (clock_gettime(clock, &time) != 0) {
        return -errno;
    }
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The value in KiB behind `key` in a file below /proc/PID, in bytes. */
static int64_t read_kib(pid_t pid, const char *name, const char *key) {
    char path[PATH_LEN];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return -errno;
    }
    char line[256];
    int64_t value = -ENOENT;
    size_t len = strlen(key);
    while (value < 0 && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, len) == 0) {
            value = strtoll(line + len, NULL, 10) * 1024;
        }
    }
    fclose(file);
    return value;
}

int64_t process_rss(pid_t pid) {
    return read_kib(pid, "status", "VmRSS:");
}

int64_t process_pss(pid_t pid) {
    return read_kib(pid, "smaps_rollup", "Pss:");
}

/* ---- The machine ----------------------------------------------------------------------------- */

struct machine_cpu machine_cpu_now(void) {
    struct machine_cpu cpu = {0};
    FILE *file = fopen("/proc/stat", "r");
    if (file == NULL) {
        return cpu;
    }
    double user, nice, system, idle, iowait, irq, softirq, steal;
    if (fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &system, &idle, &iowait,
               &irq, &softirq, &steal) == 8) {
        double hertz = (double)sysconf(_SC_CLK_TCK);
        cpu.busy = (user + nice + system + irq + softirq) / hertz;
        cpu.steal = steal / hertz;
        cpu.total = cpu.busy + cpu.steal + (idle + iowait) / hertz;
    }
    fclose(file);
    return cpu;
}
