/* What the system says of this process and its threads. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "runtime/uv/internal.h"

int64_t shard_cpu_ns(const struct shard *shard) {
    shard_assert_current(shard);
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* A small file of /proc, NUL-terminated; empty when it cannot be read. */
static void read_small(const char *path, char *out, size_t size) {
    out[0] = '\0';
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        size_t len = fread(out, 1, size - 1, file);
        out[len] = '\0';
        fclose(file);
    }
}

/* The number behind "name:" in lines of such; 0 when there is none. */
static int64_t field(const char *text, const char *name) {
    const char *found = strstr(text, name);
    return found != NULL ? strtoll(found + strlen(name), NULL, 10) : 0;
}

/* /proc/self/stat behind the command, which may contain anything: field 3 is the first. */
static void usage_of_stat(struct process_usage *out) {
    char text[1024];
    read_small("/proc/self/stat", text, sizeof(text));
    const char *at = strrchr(text, ')');
    double ticks = (double)sysconf(_SC_CLK_TCK);
    for (int number = 2; at != NULL; number++) {
        double value = strtod(at + 1, NULL);
        switch (number) {
        case 14: /* utime */
        case 15: /* stime */
            out->cpu_seconds += value / ticks;
            break;
        case 20:
            out->threads = (int64_t)value;
            break;
        case 22: /* ticks after the boot of the system */
            out->start_seconds = value / ticks;
            break;
        case 23:
            out->virtual_bytes = (int64_t)value;
            break;
        case 24:
            out->resident_bytes = (int64_t)value * sysconf(_SC_PAGESIZE);
            break;
        default:
            break;
        }
        at = strchr(at + 1, ' ');
    }
}

static int64_t count_fds(void) {
    int64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) {
        return 0;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count - 1; /* the directory itself */
}

void process_usage(struct machine *machine, struct process_usage *out) {
    char text[1024];
    struct timespec now;
    struct timespec since_boot;
    struct rlimit limit;
    *out = (struct process_usage){0};
    usage_of_stat(out);
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    out->start_seconds +=
        (double)(now.tv_sec - since_boot.tv_sec) + (double)(now.tv_nsec - since_boot.tv_nsec) / 1e9;
    out->open_fds = count_fds();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        out->max_fds = (int64_t)limit.rlim_cur;
    }
    read_small("/proc/self/io", text, sizeof(text));
    out->disk_read_bytes = field(text, "read_bytes:");
    out->disk_write_bytes = field(text, "\nwrite_bytes:");
}
