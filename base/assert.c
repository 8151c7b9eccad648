#include "base/assert.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKTRACE_DEPTH 48

_Noreturn void assert_failed(const char *file, int line, const char *function, const char *expr) {
    fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, expr);
    void *frames[BACKTRACE_DEPTH];
    int depth = backtrace(frames, BACKTRACE_DEPTH);
    backtrace_symbols_fd(frames, depth, STDERR_FILENO);
    abort();
}
