/* The text of a log line (runtime/log.h). Private to runtime/. */
#ifndef RUNTIME_LOG_LINE_H
#define RUNTIME_LOG_LINE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/log.h"

#define LOG_LINE_MAX 4096

/*
 * Writes one line with its newline (and no NUL) to out and returns its length. Control characters
 * become '?', so that what a peer sent cannot forge lines; what does not fit is cut. `node` may be
 * NULL.
 */
size_t log_line_format(char out[LOG_LINE_MAX], int64_t wall_ms, const char *node,
                       enum log_level level, const char *component, const char *event,
                       const char *format, va_list args) __attribute__((format(printf, 7, 0)));

#endif
