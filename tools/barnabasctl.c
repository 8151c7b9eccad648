/*
 * barnabasctl: formats a broker's directories, looks at what it has, and what it costs, for people.
 *
 *     barnabasctl topic|group|produce|consume|config|cluster|quorum ...
 *     barnabasctl log dump [--records] FILE...
 *     barnabasctl bench MODE [options]
 *     barnabasctl format|info|random-uuid [options]
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "runtime/machine.h"
#include "tools/bench/bench.h"
#include "tools/ctl/ctl.h"
#include "tools/format.h"
#include "tools/kafka/kafka.h"
#include "tools/log_dump.h"

#define EXIT_OK    0
#define EXIT_FAILS 1
#define EXIT_USAGE 2

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

/* A command is one word or two; what follows them is given to `run`, which returns the exit code.
 */
static const struct command {
    const char *words[2]; /* the second may be NULL */
    int (*run)(int argc, char **argv);
    const char *usage;
    const char *help;
} commands[] = {
    {{"topic", NULL},
     topic_main,
     "topic list|describe|create|delete|alter|offsets",
     "topics, their partitions and configurations"},
    {{"group", NULL},
     group_main,
     "group list|describe|reset-offsets|delete",
     "consumer groups, their members and lag"},
    {{"produce", NULL}, produce_main, "produce TOPIC [FILE...]", "records from lines or files"},
    {{"consume", NULL}, consume_main, "consume TOPIC", "records of a topic, in any format"},
    {{"config", NULL},
     config_main,
     "config describe|alter KIND NAME",
     "of topics, brokers, groups and client metrics"},
    {{"cluster", NULL}, cluster_main, "cluster", "its brokers"},
    {{"log", "dump"},
     log_dump,
     "log dump [--records] FILE...",
     "the batches (and records) of .log and .checkpoint files"},
    {{"bench", NULL},
     bench_main,
     "bench MODE [options]",
     "what a broker can do and what it costs; bench --help"},
    {{"format", NULL},
     format_main,
     "format -c FILE -t CLUSTER [options]",
     "makes log directories for a node of a cluster; format --help"},
    {{"info", NULL}, info_main, "info -c FILE", "whose the log directories are"},
    {{"random-uuid", NULL}, random_uuid_main, "random-uuid", "an id for a cluster or a directory"},
    {{"quorum", NULL},
     quorum_main,
     "quorum",
     "who leads the metadata quorum, and how far its voters are"},
};

static void print_usage(FILE *out) {
    fputs("usage: barnabasctl COMMAND\n\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        fprintf(out, "  %-48s %s\n", commands[i].usage, commands[i].help);
    }
    fprintf(out, "  %-48s %s\n  %-48s %s\n", "--version", "the version", "--help", "this");
}

int main(int argc, char **argv) {
    int exit_code;
    if (argc > 0 && kafka_main(argv[0], argc - 1, argv + 1, &exit_code)) {
        return exit_code;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const struct command *command = &commands[i];
        int words = command->words[1] == NULL ? 1 : 2;
        if (argc > words && strcmp(argv[1], command->words[0]) == 0 &&
            (words == 1 || strcmp(argv[2], command->words[1]) == 0)) {
            return command->run(argc - 1 - words, argv + 1 + words);
        }
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("barnabasctl " BARNABAS_VERSION);
        return EXIT_OK;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return EXIT_OK;
    }
    print_usage(stderr);
    return EXIT_USAGE;
}
