/*
 * barnabas [server.properties | --environment[=DIALECT]] [--override key=value]...
 *
 * The configuration is read and checked before anything else happens, on a small machine of its
 * own, since it says how many shards the real one has.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/config/config_docs.h"
#include "broker/config/environment.h"
#include "broker/node.h"
#include "runtime/log.h"
#include "runtime/machine.h"

/* Blocking work at a time: syncs of several partitions, recovery, cold reads; besides one for the
 * checks of each shard (produce_task.h), and with one that slow work leaves free. */
#define WORKER_COUNT 4

static const char usage[] =
    "usage: barnabas [server.properties] [--override key=value]...\n"
    "       barnabas --environment[=DIALECT] [--override key=value]...\n"
    "\n"
    "Starts a broker with Apache Kafka's configuration keys; without a file, with its defaults.\n"
    "\n"
    "  --override key=value   sets a key over the file; may be repeated\n"
    "  --environment[=DIALECT]\n"
    "                         reads KAFKA_... variables and what is mounted as an image does:\n"
    "                         bitnami, apache, confluent, or auto, the default\n"
    "  --print-properties     prints the server.properties that --environment makes, and exits\n"
    "  --print-config-docs    prints docs/configuration.md and exits\n"
    "  --version              prints the version and exits\n"
    "  --help                 prints this and exits\n"
    "\n"
    "Exit codes: 0 clean stop, 1 configuration, 2 log directory, 3 metadata, 4 listener, 5 failed "
    "disk.\n";

struct command_line {
    const char *path;
    const char **overrides;
    int override_count;
    const char *const *variables; /* of the environment */
    bool environment;
    enum environment_dialect dialect;
    bool print_properties;
};

struct process {
    struct machine *machine;
    struct node *node;
    bool stopping;
};

/* ---- Start and stop -------------------------------------------------------------------------- */

static void on_stopped(void *ctx) {
    struct process *process = ctx;
    machine_stop(process->machine);
}

static void stop(struct process *process) {
    if (!process->stopping) {
        process->stopping = true;
        node_stop(process->node, on_stopped, process);
    }
}

static void on_started(void *ctx, int exit_code) {
    struct process *process = ctx;
    if (exit_code != NODE_EXIT_OK) {
        machine_set_exit_code(process->machine, exit_code);
        machine_stop(process->machine);
    }
}

static void on_signal(void *ctx, int signum) {
    struct process *process = ctx;
    if (signum != SIGHUP) {
        stop(process);
    }
}

static void start(void *ctx) {
    struct process *process = ctx;
    node_start(process->node, on_started, process);
}

static int run(const struct config *config, int shard_count) {
    struct process process = {.machine = machine_new(shard_count, WORKER_COUNT + shard_count)};
    config_log_warnings(config, process.machine);
    process.node = node_new(process.machine, config);
    machine_on_signal(process.machine, on_signal, &process);
    machine_run(process.machine, start, &process);
    int exit_code = machine_exit_code(process.machine);
    node_free(process.node);
    machine_free(process.machine);
    return exit_code;
}

/* ---- The command line ------------------------------------------------------------------------ */

static void print_config_docs(void) {
    struct buffer text;
    buffer_init(&text, SIZE_MAX);
    config_docs(&text);
    fwrite(text.data, 1, text.len, stdout);
    buffer_release(&text);
}

/* -1 to go on, else the exit code. */
static int parse_command_line(int argc, char **argv, struct command_line *out) {
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            fputs(usage, stdout);
            return NODE_EXIT_OK;
        }
        if (strcmp(arg, "--version") == 0) {
            puts("barnabas " BARNABAS_VERSION);
            return NODE_EXIT_OK;
        }
        if (strcmp(arg, "--print-config-docs") == 0) {
            print_config_docs();
            return NODE_EXIT_OK;
        }
        if (strcmp(arg, "--environment") == 0) {
            out->environment = true;
        } else if (strncmp(arg, "--environment=", strlen("--environment=")) == 0 &&
                   environment_dialect_find(arg + strlen("--environment="), &out->dialect)) {
            out->environment = true;
        } else if (strcmp(arg, "--print-properties") == 0) {
            out->print_properties = true;
        } else if (strcmp(arg, "--override") == 0 && i + 1 < argc) {
            out->overrides[out->override_count++] = argv[++i];
        } else if (strncmp(arg, "--override=", strlen("--override=")) == 0) {
            out->overrides[out->override_count++] = arg + strlen("--override=");
        } else if (arg[0] != '-' && out->path == NULL) {
            out->path = arg;
        } else {
            fprintf(stderr, "barnabas: what is \"%s\"?\n%s", arg, usage);
            return NODE_EXIT_CONFIG;
        }
    }
    if ((out->environment && out->path != NULL) || (out->print_properties && !out->environment)) {
        fprintf(stderr, "barnabas: %s\n%s",
                out->path != NULL ? "a file and --environment exclude one another"
                                  : "--print-properties wants --environment",
                usage);
        return NODE_EXIT_CONFIG;
    }
    return -1;
}

/* The configuration of a container; or, when it was only asked for, nothing but its text. */
static int load_environment(struct machine *machine, const struct command_line *line,
                            struct config **out, struct errmsg *errmsg) {
    struct buffer text;
    buffer_init(&text, SIZE_MAX);
    int err = environment_properties(machine, line->variables, line->dialect, "", &text, errmsg);
    if (err == 0 && line->print_properties) {
        fwrite(text.data, 1, text.len, stdout);
    } else if (err == 0) {
        err = config_load_text(machine, buffer_slice(&text), line->overrides, line->override_count,
                               out, errmsg);
    }
    buffer_release(&text);
    return err;
}

static int load(struct machine *machine, const struct command_line *line, struct config **out,
                struct errmsg *errmsg) {
    return line->environment ? load_environment(machine, line, out, errmsg)
                             : config_load(machine, line->path, line->overrides,
                                           line->override_count, out, errmsg);
}

/* Shards for a machine of this size: clients, workers and the kernel want CPUs as well, and two
 * shards that wake one another cost more than one that does not (docs/architecture.md). */
static int default_shard_count(void) {
    int half = machine_cpu_count() / 2;
    return half < 1 ? 1 : half > SHARD_COUNT_MAX ? SHARD_COUNT_MAX : half;
}

int main(int argc, char **argv, char **variables) {
    struct command_line line = {.overrides = xcalloc((size_t)argc, sizeof(char *)),
                                .variables = (const char *const *)variables};
    int exit_code = parse_command_line(argc, argv, &line);
    if (exit_code >= 0) {
        free(line.overrides);
        return exit_code;
    }
    struct machine *machine = machine_new(1, 1);
    struct config *config = NULL;
    struct errmsg errmsg = {{0}};
    int err = load(machine, &line, &config, &errmsg);
    if (err != 0) {
        LOG_ERROR(machine, "config", "configuration refused", "reason=\"%s\"", errmsg.text);
    }
    machine_free(machine);
    free(line.overrides);
    if (config == NULL) {
        return err == 0 ? NODE_EXIT_OK : NODE_EXIT_CONFIG;
    }
    int shard_count = config_is_set(config, CONFIG_NUM_SHARDS)
                          ? (int)config_int(config, CONFIG_NUM_SHARDS)
                          : default_shard_count();
    exit_code = run(config, shard_count);
    config_free(config);
    return exit_code;
}
