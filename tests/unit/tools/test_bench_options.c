#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>

#include "tools/bench/options.h"

#define ARGS_MAX 16

/* Parses words separated by blanks. */
static int parse(const char *line, struct bench_options *options) {
    static char text[512];
    char *argv[ARGS_MAX + 1] = {NULL};
    int argc = 0;
    snprintf(text, sizeof(text), "%s", line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    bool help;
    return bench_options_parse(argc, argv, options, &help);
}

static void silence(void) {
    cr_redirect_stderr();
    cr_redirect_stdout();
}

TestSuite(bench_options, .init = silence);

Test(bench_options, sizes_have_binary_units) {
    int64_t size;
    cr_assert(bench_parse_size("64k", &size) && size == 65536);
    cr_assert(bench_parse_size("1.5M", &size) && size == 1572864);
    cr_assert(bench_parse_size("2G", &size) && size == INT64_C(2) << 30);
    cr_assert(bench_parse_size("0", &size) && size == 0);
    static const char *const bad[] = {"", "k", "-1", "1kk", "1x", "nan", "1e30G", "1 k"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_not(bench_parse_size(bad[i], &size), "'%s'", bad[i]);
    }
}

Test(bench_options, a_whole_command_line) {
    struct bench_options o;
    cr_assert_eq(parse("e2e -b example:19092 -r 2500.5 -s 2k -c 3 -a 1 -p 6 --codec lz4", &o), 0);
    cr_assert_eq(o.mode, BENCH_E2E);
    cr_assert_str_eq(o.host, "example");
    cr_assert_eq(o.port, 19092);
    cr_assert_eq(o.rate_milli, 2500500);
    cr_assert_eq(o.record_size, 2048);
    cr_assert_eq(o.connections, 3);
    cr_assert_eq(o.acks, 1);
    cr_assert_eq(o.partitions, 6);
    cr_assert_eq(o.codec, COMPRESSION_LZ4);
}

Test(bench_options, batch_bytes_become_records_that_fit) {
    struct bench_options o;
    cr_assert_eq(parse("produce -s 1k --batch-bytes 64k", &o), 0);
    cr_assert_eq(o.batch_records, (65536 - 61) / (1024 + 8));
    cr_assert_eq(parse("produce -s 1M --batch-bytes 64k", &o), 0);
    cr_assert_eq(o.batch_records, 1);
}

Test(bench_options, what_makes_no_sense_is_refused) {
    static const char *const bad[] = {
        "produce -r 0",
        "produce -r x",
        "produce -c 0",
        "produce -a 2",
        "produce -b 127.0.0.1",
        "produce -b :9092",
        "produce -b host:0",
        "produce --codec brotli",
        "produce --topic-config retention.ms",
        "produce -d 0",
        "produce surplus",
        "produce --idempotent -a 1",
        "produce --idempotent -i 6",
        "e2e -a 0",
        "consume --fill 0",
        "ping --raw",
        "nothing",
        "produce --no-such-option",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bench_options o;
        cr_assert_eq(parse(bad[i], &o), 2, "'%s'", bad[i]);
    }
}
