/* What the commands of barnabasctl have in common: words, options, a client, tables or JSON. */
#ifndef TOOLS_CTL_CTL_H
#define TOOLS_CTL_CTL_H

#include <jansson.h>

#include "tools/admin/configs.h"
#include "tools/admin/topics.h"
#include "tools/cli/options.h"
#include "tools/cli/table.h"

#define CTL_FAILS 1
#define CTL_USAGE 2

/* At the end of the options of a command that talks to brokers. */
#define CTL_OPTIONS                                                                                \
    {"bootstrap|b", OPTION_VALUE, "HOST:PORT,...",                                                 \
     "brokers to ask first; else $BARNABAS_BOOTSTRAP, else localhost:9092"},                       \
        {"X", OPTION_VALUE, "key=value", "a client's property, as kcat has them"},                 \
        {"json|J", OPTION_FLAG, NULL, "JSON, for scripts"}, {"help", OPTION_FLAG, NULL, "this"}, { \
        NULL                                                                                       \
    }

struct ctl {
    const char *command; /* "topic list" */
    struct options options;
    struct client client;
    struct arena arena;
    bool json;

    /* Takes -X key=value; may be NULL. False when the key is not known. */
    bool (*property)(void *ctx, struct slice key, const char *value);
    void *ctx;
};

/* Reads the command line; ctl_close() is due in any case. False when the command is over: then
 * *exit_code is set. usage: what stands behind the command. */
bool ctl_open(struct ctl *ctl, const char *command, const char *usage,
              const struct option_spec *specs, int argc, char **argv, int *exit_code);
void ctl_close(struct ctl *ctl);

/* "barnabasctl topic list": what the second word may be. */
struct ctl_action {
    const char *name;    /* "list" */
    const char *command; /* "topic list" */
    const char *usage;   /* what stands behind it */
    int (*run)(struct ctl *ctl);
    const struct option_spec *options;
    const char *named; /* "name a topic": it is an error to name none; NULL: it is not */
};

/* Runs the action that argv[0] names; returns the exit code. usage: "topic list|describe ...". */
int ctl_run(const char *usage, const struct ctl_action *actions, size_t count, int argc,
            char **argv);

/* "barnabasctl COMMAND: text" on stderr; returns the exit code. */
int ctl_fail(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);
int ctl_fail_client(const struct ctl *ctl); /* the client's error */
int ctl_usage(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);

/* Prints one JSON document and frees it. */
void ctl_json(json_t *json);
json_t *ctl_json_ids(struct int_list list);

/* Prints the rows as --json or its absence has it, and releases the table; returns 0. */
int ctl_rows(const struct ctl *ctl, struct table *table);

/* The changes that --config key=value and --unset key ask for; -1 after a message. In the arena. */
int32_t ctl_changes(struct ctl *ctl, const struct config_change **out);

/* "1,2,3", in the arena. */
const char *ctl_ids(struct ctl *ctl, struct int_list list);

/* The commands. */
int topic_main(int argc, char **argv);
int group_main(int argc, char **argv);
int config_main(int argc, char **argv);
int cluster_main(int argc, char **argv);
int quorum_main(int argc, char **argv);
int produce_main(int argc, char **argv);
int consume_main(int argc, char **argv);

#endif
