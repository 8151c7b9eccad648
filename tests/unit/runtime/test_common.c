/* What both machines share: frames, replies, log lines. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/log_line.h"
#include "runtime/net.h"

static size_t format_line(char *out, int64_t wall_ms, const char *node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static size_t format_line(char *out, int64_t wall_ms, const char *node, const char *format, ...) {
    va_list args;
    va_start(args, format);
    size_t len = log_line_format(out, wall_ms, node, LOG_LEVEL_INFO, "storage", "segment rolled",
                                 format, args);
    va_end(args);
    out[len] = '\0';
    return len;
}

Test(common, a_log_line_is_logfmt_with_time_level_and_component) {
    char line[LOG_LINE_MAX + 1];
    format_line(line, 1795425417123, NULL, "dir=%s base_offset=%d", "/data/a-0", 42);
    cr_assert_str_eq(line, "2026-11-23T09:16:57.123Z INFO  storage  segment rolled "
                           "dir=/data/a-0 base_offset=42\n");
    format_line(line, -1, "10.0.0.1", "");
    cr_assert_str_eq(line,
                     "1969-12-31T23:59:59.999Z INFO  storage  segment rolled node=10.0.0.1\n");
}

Test(common, a_log_line_cannot_be_forged_or_grow_without_end) {
    char line[LOG_LINE_MAX + 1];
    format_line(line, 0, NULL, "peer=%s", "x\n2026 ERROR\x1b[0m");
    cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1);
    cr_assert_null(strchr(line, 0x1b));
    char *big = xcalloc(1, 10000);
    memset(big, 'y', 9999);
    cr_assert_eq(format_line(line, 0, NULL, "peer=%s", big), LOG_LINE_MAX);
    cr_assert_eq(line[LOG_LINE_MAX - 1], '\n');
    free(big);
}

Test(common, a_reply_grows_beyond_its_inline_parts_and_frees_what_it_owns) {
    struct reply *reply = reply_new();
    struct frame *frame = frame_new(100);
    cr_assert_not_null(frame);
    for (int i = 0; i < 50; i++) {
        reply_add_heap(reply, xcalloc(1, 10), 10);
        reply_add_frame(reply, frame_ref(frame), frame->data + i, (size_t)(100 - i));
    }
    size_t expected = 50 * 10;
    for (size_t i = 0; i < 50; i++) {
        expected += 100 - i;
    }
    cr_assert_eq(reply_len(reply), expected);
    reply_free(reply);
    cr_assert_eq(atomic_load(&frame->refs), 1);
    frame_unref(frame);
    frame_unref(NULL);
    reply_free(NULL);
}

Test(common, a_frame_of_impossible_size_is_refused) {
    cr_assert_null(frame_new(SIZE_MAX));
    cr_assert_null(frame_new((size_t)INT32_MAX + 1));
}
