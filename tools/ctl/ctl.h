/* What the commands of barnabasctl have in common: options, a client, tables or JSON. */
#ifndef TOOLS_CTL_CTL_H
#define TOOLS_CTL_CTL_H

#include <jansson.h>

#include "tools/admin/topics.h"
#include "tools/cli/options.h"

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

/* "barnabasctl COMMAND: text" on stderr; returns the exit code. */
int ctl_fail(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);
int ctl_fail_client(const struct ctl *ctl); /* the client's error */
int ctl_usage(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);

/* Prints one JSON document and frees it. */
void ctl_json(json_t *json);
json_t *ctl_json_slice(struct slice text); /* null: null */
json_t *ctl_json_ids(struct int_list list);

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
