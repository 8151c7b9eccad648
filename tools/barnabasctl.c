/*
 * barnabasctl: looks at what a broker has, for people.
 *
 *     barnabasctl log dump [--records] FILE...
 */
#include <stdio.h>
#include <string.h>

#include "runtime/machine.h"
#include "tools/log_dump.h"

#define EXIT_OK    0
#define EXIT_FAILS 1
#define EXIT_USAGE 2

static const char usage[] =
    "usage: barnabasctl COMMAND\n"
    "\n"
    "  log dump [--records] FILE...   the batches (and records) of .log and .checkpoint files\n"
    "  --version                      the version\n"
    "  --help                         this\n";

static int log_dump(int argc, char **argv) {
    struct log_dump_options options = {.out = stdout};
    int first = 0;
    if (argc > 0 && strcmp(argv[0], "--records") == 0) {
        options.records = true;
        first = 1;
    }
    if (first == argc) {
        fputs("barnabasctl log dump: name at least one file\n", stderr);
        return EXIT_USAGE;
    }
    struct machine *machine = machine_new(1, 1);
    int exit_code = EXIT_OK;
    for (int i = first; i < argc; i++) {
        if (!log_dump_file(machine, argv[i], &options)) {
            exit_code = EXIT_FAILS;
        }
    }
    machine_free(machine);
    return exit_code;
}

int main(int argc, char **argv) {
    if (argc >= 3 && strcmp(argv[1], "log") == 0 && strcmp(argv[2], "dump") == 0) {
        return log_dump(argc - 3, argv + 3);
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("barnabasctl " BARNABAS_VERSION);
        return EXIT_OK;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_OK;
    }
    fputs(usage, stderr);
    return EXIT_USAGE;
}
