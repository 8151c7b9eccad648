/*
 * Kafka's command-line tools under their own names: the options, output and exit codes of
 * Kafka 4.3. One file for one tool; kafka.c knows them all.
 */
#ifndef TOOLS_KAFKA_KAFKA_H
#define TOOLS_KAFKA_KAFKA_H

#include "tools/admin/topics.h"
#include "tools/cli/options.h"

#define EXIT_FAILED 1

/* A tool that was called. */
struct kafka_call {
    const char *tool;   /* "kafka-topics" */
    const char *logger; /* the class in log lines: "org.apache.kafka.tools.TopicCommand" */
    struct options options;
    struct client client;
    struct arena arena; /* lives as long as the call */
    int argc;           /* as they were given, without the program */
    char **argv;
    bool argparse; /* how wrong options are told of: kafka_argument_error(), else kafka_usage() */
};

/* A tool by the name of a program, with or without a path and ".sh"; false when it is none.
 * *exit_code is set then. */
bool kafka_main(const char *program, int argc, char **argv, int *exit_code);

/* Points the client to these brokers, with what the file of properties (or NULL) says. False with a
 * message on stderr. */
bool kafka_connect(struct kafka_call *call, const char *bootstrap, const char *config_file);

/* The same with --bootstrap-server and --command-config. */
bool kafka_connect_given(struct kafka_call *call);

/* Reads a file of properties; `take` gets each. False with a message on stderr. */
bool kafka_properties(struct kafka_call *call, const char *path,
                      bool (*take)(void *ctx, struct slice key, struct slice value), void *ctx);

/* For clients' properties: takes client.id, refuses what would weaken safety, ignores the rest.
 * ctx: the call. */
bool kafka_client_property(void *ctx, struct slice key, struct slice value);

/* A property of a client's that the script itself does not take: those of the connection as
 * kafka_client_property(); one of `not_served` is refused where it is set; any but those of
 * `without_meaning` is told of, unless `quiet`. The lists end with NULL; a name that ends in a dot
 * stands for all that begin with it. */
bool kafka_other_property(struct kafka_call *call, const char *const *not_served,
                          const char *const *without_meaning, bool quiet, struct slice key,
                          struct slice value);

/* Says on stderr, in Java's form and behind `before`, why a value is refused. False. */
bool kafka_refuse_value(const char *before, const char *format, ...) PRINTF_LIKE(2, 3);

/* All "key=value" of an option that may be given several times. */
bool kafka_each_property(const struct kafka_call *call, const char *option, void *ctx,
                         bool (*take)(void *ctx, struct slice key, struct slice value));

/* Says on stdout that an option was given by its old name, if it was: "Option --x is deprecated",
 * or what else that tool begins with. */
void kafka_warn_of_old(const struct kafka_call *call, const char *begin, const char *old,
                       const char *name);

/* Message and table of options on stderr; returns the exit code. */
int kafka_usage(const struct kafka_call *call, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same as Kafka's tools with another parser have it, the message behind the options. */
int kafka_argument_error(const struct kafka_call *call, const char *format, ...) PRINTF_LIKE(2, 3);

/* An integer of Java's type for such a tool; false after its words. Leaves *out alone when it was
 * not given. */
bool kafka_argument_integer(const struct kafka_call *call, const char *name, const char *type,
                            int64_t max, int64_t *out);

/* Whether an option was given by just this one of its names. */
bool kafka_given(const struct kafka_call *call, const char *name);

/* What Java's machine puts before an exception that nobody catches. */
#define KAFKA_UNCAUGHT "Exception in thread \"main\" "

/* Options that belong together; these say so on stderr and return false. NULL ends the list of
 * names. */
bool kafka_require(const struct kafka_call *call, const char *const *names);
bool kafka_exclude(const struct kafka_call *call, const char *name, const char *const *others);

/* A line of Kafka's log on stderr: "[time] LEVEL text (logger)". */
void kafka_log(const char *level, const char *logger, const char *format, ...) PRINTF_LIKE(3, 4);

/* The class of Java's clients for an error: "org.apache.kafka.common.errors.TimeoutException", in
 * the arena. */
const char *kafka_exception(struct arena *arena, int16_t code);

/* Whether a whole name matches Java's regular expression, or any of a comma-separated list. */
bool kafka_matches(const char *pattern, struct slice name);

/* The tools. */
int kafka_topics(struct kafka_call *call);
int kafka_console_producer(struct kafka_call *call);
int kafka_console_consumer(struct kafka_call *call);
int kafka_consumer_groups(struct kafka_call *call);
int kafka_groups(struct kafka_call *call);
int kafka_configs(struct kafka_call *call);
int kafka_client_metrics(struct kafka_call *call);
int kafka_get_offsets(struct kafka_call *call);
int kafka_delete_records(struct kafka_call *call);
int kafka_log_dirs(struct kafka_call *call);
int kafka_broker_api_versions(struct kafka_call *call);
int kafka_cluster(struct kafka_call *call);
int kafka_metadata_quorum(struct kafka_call *call);
int kafka_features(struct kafka_call *call);
int kafka_storage(struct kafka_call *call);
int kafka_dump_log(struct kafka_call *call);
int kafka_leader_election(struct kafka_call *call);
int kafka_reassign_partitions(struct kafka_call *call);
int kafka_streams_application_reset(struct kafka_call *call);
int kafka_e2e_latency(struct kafka_call *call);
int kafka_verifiable_producer(struct kafka_call *call);
int kafka_verifiable_consumer(struct kafka_call *call);
int kafka_producer_perf_test(struct kafka_call *call);
int kafka_consumer_perf_test(struct kafka_call *call);

extern const struct option_spec kafka_topics_options[];
extern const struct option_spec kafka_console_producer_options[];
extern const struct option_spec kafka_console_consumer_options[];
extern const struct option_spec kafka_consumer_groups_options[];
extern const struct option_spec kafka_groups_options[];
extern const struct option_spec kafka_configs_options[];
extern const struct option_spec kafka_client_metrics_options[];
extern const struct option_spec kafka_get_offsets_options[];
extern const struct option_spec kafka_delete_records_options[];
extern const struct option_spec kafka_log_dirs_options[];
extern const struct option_spec kafka_broker_api_versions_options[];
extern const struct option_spec kafka_cluster_options[];
extern const struct option_spec kafka_metadata_quorum_options[];
extern const struct option_spec kafka_features_options[];
extern const struct option_spec kafka_dump_log_options[];
extern const struct option_spec kafka_leader_election_options[];
extern const struct option_spec kafka_reassign_partitions_options[];
extern const struct option_spec kafka_streams_application_reset_options[];
extern const struct option_spec kafka_e2e_latency_options[];
extern const struct option_spec kafka_verifiable_producer_options[];
extern const struct option_spec kafka_verifiable_consumer_options[];
extern const struct option_spec kafka_producer_perf_test_options[];
extern const struct option_spec kafka_consumer_perf_test_options[];

#endif
