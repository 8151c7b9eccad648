/*
 * The log of the process: lines of logfmt on stderr.
 *
 *     2026-11-23T09:26:57.123Z INFO  storage  segment rolled dir=/data/a-0 base_offset=42
 *
 * An event is a constant text, its fields are key=value in `format`; values with blanks are quoted
 * by the caller (%s of a path is fine). Any thread. In the simulation lines carry virtual time and
 * the machine's name, and go to the simulation's sink.
 */
#ifndef RUNTIME_LOG_H
#define RUNTIME_LOG_H

#include <stdbool.h>

#include "base/assert.h"

struct machine;

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_COUNT
};

/* Lines below this level are dropped, unless their component has a level of its own
 * (runtime/log_levels.h); INFO at start. Any thread. */
void log_set_level(struct machine *machine, enum log_level level);

/* Whether any component's lines of this level are written. */
bool log_enabled(const struct machine *machine, enum log_level level);

/* `component` is the module or folder (at most 12 characters); format may be "". */
void log_write(struct machine *machine, enum log_level level, const char *component,
               const char *event, const char *format, ...) PRINTF_LIKE(5, 6);

/* LOG_INFO(machine, "storage", "segment rolled", "dir=%s base_offset=%" PRId64, dir, offset) */
#define LOG_AT(machine, level, component, event, ...)                                              \
    (log_enabled((machine), (level))                                                               \
         ? log_write((machine), (level), (component), (event), __VA_ARGS__)                        \
         : (void)0)
#define LOG_DEBUG(machine, component, event, ...)                                                  \
    LOG_AT(machine, LOG_LEVEL_DEBUG, component, event, __VA_ARGS__)
#define LOG_INFO(machine, component, event, ...)                                                   \
    LOG_AT(machine, LOG_LEVEL_INFO, component, event, __VA_ARGS__)
#define LOG_WARN(machine, component, event, ...)                                                   \
    LOG_AT(machine, LOG_LEVEL_WARN, component, event, __VA_ARGS__)
#define LOG_ERROR(machine, component, event, ...)                                                  \
    LOG_AT(machine, LOG_LEVEL_ERROR, component, event, __VA_ARGS__)

#endif
