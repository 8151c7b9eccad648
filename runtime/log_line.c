#include "runtime/log_line.h"

#include <stdio.h>
#include <time.h>

#include "base/assert.h"

static const char *const LEVEL_NAMES[LOG_LEVEL_COUNT] = {"DEBUG", "INFO", "WARN", "ERROR"};

/* Adds what snprintf said it wrote, or would have. */
static size_t advance(size_t len, int written) {
    if (written > 0) {
        len += (size_t)written;
    }
    return len < LOG_LINE_MAX - 1 ? len : LOG_LINE_MAX - 1;
}

size_t log_line_format(char out[LOG_LINE_MAX], int64_t wall_ms, const char *node,
                       enum log_level level, const char *component, const char *event,
                       const char *format, va_list args) {
    ASSERT(level >= 0 && level < LOG_LEVEL_COUNT);
    int64_t seconds = wall_ms / 1000;
    int millis = (int)(wall_ms % 1000);
    if (millis < 0) {
        millis += 1000;
        seconds--;
    }
    time_t when = (time_t)seconds;
    struct tm utc = {0};
    gmtime_r(&when, &utc);
    size_t len =
        advance(0, snprintf(out, LOG_LINE_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %-5s %-8s %s",
                            utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                            utc.tm_min, utc.tm_sec, millis, LEVEL_NAMES[level], component, event));
    if (node != NULL) {
        len = advance(len, snprintf(out + len, LOG_LINE_MAX - len, " node=%s", node));
    }
    if (format[0] != '\0') {
        len = advance(len, snprintf(out + len, LOG_LINE_MAX - len, " "));
        len = advance(len, vsnprintf(out + len, LOG_LINE_MAX - len, format, args));
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f) {
            out[i] = '?';
        }
    }
    out[len++] = '\n';
    return len;
}
