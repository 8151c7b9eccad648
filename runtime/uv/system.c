/* CPUs, clocks, randomness and the log of the real machine. */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "runtime/log_line.h"
#include "runtime/uv/internal.h"

int machine_cpu_count(void) {
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) {
        return 1;
    }
    return CPU_COUNT(&cpus);
}

int64_t clock_now_ns(const struct machine *machine) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_wall_ms(const struct machine *machine) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Randomness ------------------------------------------------------------------------------ */

static void random_system(uint8_t *out, size_t len) {
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got < 0) {
            ASSERT(errno == EINTR);
            continue;
        }
        out += got;
        len -= (size_t)got;
    }
}

/* Small draws come out of a reserve, so that a random number is not a system call. */
#define RESERVE_SIZE 512

struct reserve {
    uint8_t bytes[RESERVE_SIZE];
    size_t left; /* the last `left` bytes are unused */
};

static _Thread_local struct reserve reserve;

void random_fill(struct machine *machine, void *out, size_t len) {
    if (len > RESERVE_SIZE / 4) {
        random_system(out, len);
        return;
    }
    if (len > reserve.left) {
        random_system(reserve.bytes, RESERVE_SIZE);
        reserve.left = RESERVE_SIZE;
    }
    uint8_t *from = reserve.bytes + RESERVE_SIZE - reserve.left;
    memcpy(out, from, len);
    memset(from, 0, len);
    reserve.left -= len;
}

/* ---- Log ------------------------------------------------------------------------------------- */

void log_set_level(struct machine *machine, enum log_level level) {
    log_levels_set(&machine->log_levels, -1, level);
}

struct log_levels *log_levels(struct machine *machine) {
    return &machine->log_levels;
}

bool log_enabled(const struct machine *machine, enum log_level level) {
    return (int)level >= atomic_load_explicit(&machine->log_levels.least, memory_order_relaxed);
}

/* One write for a line, so that lines of several threads do not mix. A log that cannot be written
 * must not stop the broker: errors are dropped. */
void log_write(struct machine *machine, enum log_level level, const char *component,
               const char *event, const char *format, ...) {
    if (!log_levels_allow(&machine->log_levels, level, component)) {
        return;
    }
    char line[LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    size_t len =
        log_line_format(line, clock_wall_ms(machine), NULL, level, component, event, format, args);
    va_end(args);
    for (size_t sent = 0; sent < len;) {
        ssize_t wrote = write(STDERR_FILENO, line + sent, len - sent);
        if (wrote < 0 && errno != EINTR) {
            return;
        }
        sent += wrote > 0 ? (size_t)wrote : 0;
    }
}
