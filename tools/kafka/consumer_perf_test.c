/* kafka-consumer-perf-test */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/kafka/consumer_config.h"
#include "tools/kafka/perf.h"

#define RELOOK_MS 100 /* between questions for topics that are not there yet */
#define MIB       (1024.0 * 1024.0)

const struct option_spec kafka_consumer_perf_test_options[] = {
    {"bootstrap-server", OPTION_VALUE, "server to connect to", "The brokers (required)."},
    {"command-config|consumer.config", OPTION_VALUE, "config file", "Properties for the consumer."},
    {"command-property", OPTION_VALUE, "prop1=val1", "A property, over those of the file."},
    {"date-format", OPTION_VALUE, "date format",
     "As Java's SimpleDateFormat; yyyy-MM-dd HH:mm:ss:SSS."},
    {"fetch-size", OPTION_VALUE, "size", "Bytes of one partition in an answer; 1048576."},
    {"from-latest", OPTION_FLAG, NULL, "Starts at the end where there is no offset."},
    {"group", OPTION_VALUE, "gid", "The group; by default one of its own."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"hide-header", OPTION_FLAG, NULL, "Without the titles of the columns."},
    {"include", OPTION_VALUE, "Java regex (String)", "The topics by a regular expression."},
    {"num-records|messages", OPTION_VALUE, "count", "How many records (required)."},
    {"print-metrics", OPTION_FLAG, NULL, "Prints metrics of the consumer at the end."},
    {"reporting-interval", OPTION_VALUE, "interval_ms", "Between detailed lines; 5000."},
    {"show-detailed-stats", OPTION_FLAG, NULL,
     "A line for each interval, in place of one at the end."},
    {"socket-buffer-size", OPTION_VALUE, "size", "Accepted; the system sizes it."},
    {"timeout", OPTION_MAYBE, "milliseconds", "Gives up when no record comes for so long; 10000."},
    {"topic", OPTION_VALUE, "topic", "The topic."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

struct perf {
    struct kafka_call *call;
    struct consumer_config config;
    struct subscription subscription;
    struct consumer consumer;
    struct member member;
    const char *date_format;
    int64_t num_records, timeout_ms, interval_ms;
    bool detailed;

    /* Times are client_now_ms(). */
    int64_t records, bytes;
    int64_t start_ms, now_ms, last_ms;                               /* last: when records came */
    int64_t join_start_ms, join_ms;                                  /* spent in rebalances */
    int64_t report_ms, report_records, report_bytes, report_join_ms; /* of the last line */
    uint64_t polls;
};

/* ---- Options --------------------------------------------------------------------------------- */

/* The message, and behind it what stands for Java's stack. */
static bool fail_as(const char *exception, const char *text) {
    fflush(stdout);
    fprintf(stderr, "%s\n%s: %s\n\n", text, exception, text);
    return false;
}

static bool given_once(const struct perf *perf, const char *a, const char *b, size_t count) {
    if (count != 1) {
        kafka_usage(perf->call, "Exactly one of the following arguments is required: [%s], [%s]", a,
                    b);
    }
    return count == 1;
}

static bool check(const struct perf *perf) {
    static const char *const required[] = {"bootstrap-server", NULL};
    const struct kafka_call *call = perf->call;
    bool old = kafka_given(call, "messages");
    if (!kafka_require(call, required) ||
        !given_once(perf, "messages", "num-records", old + kafka_given(call, "num-records")) ||
        !given_once(perf, "topic", "include",
                    options_has(&call->options, "topic") +
                        options_has(&call->options, "include"))) {
        return false;
    }
    if (kafka_given(call, "consumer.config") && kafka_given(call, "command-config")) {
        kafka_usage(call, "Option \"[command-config]\" can't be used with option "
                          "\"[consumer.config]\"");
        return false;
    }
    if (old) {
        puts("Warning: --messages is deprecated. Use --num-records instead.");
    }
    if (kafka_given(call, "consumer.config")) {
        puts("Warning: --consumer.config is deprecated. Use --command-config instead.");
    }
    return true;
}

static void print_header(const struct perf *perf) {
    if (!options_has(&perf->call->options, "hide-header")) {
        printf("%s, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, "
               "rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n",
               perf->detailed ? "time, threadId" : "start.time, end.time");
    }
}

static bool take_numbers(struct perf *perf) {
    const struct options *options = &perf->call->options;
    int64_t fetch = 1 << 20, socket = 0;
    if (!options_i64(options, "num-records", &perf->num_records) ||
        !options_i64(options, "timeout", &perf->timeout_ms) ||
        !options_i64(options, "fetch-size", &fetch) ||
        !options_i64(options, "socket-buffer-size", &socket) ||
        !options_i64(options, "reporting-interval", &perf->interval_ms)) {
        return false;
    }
    if (perf->interval_ms <= 0) {
        return fail_as("java.lang.IllegalArgumentException",
                       "Reporting interval must be greater than 0.");
    }
    if (fetch < 0 || fetch > INT32_MAX) {
        fprintf(stderr, "Cannot parse argument '%lld' of option fetch-size\n", (long long)fetch);
        return false;
    }
    perf->config.options.fetch_bytes = (int32_t)fetch;
    return true;
}

static bool check_date_format(const struct perf *perf) {
    char text[256], illegal, message[64];
    if (perf_date(text, sizeof(text), perf->date_format, 0, &illegal)) {
        return true;
    }
    snprintf(message, sizeof(message), "Illegal pattern character '%c'", illegal);
    return fail_as("java.lang.IllegalArgumentException", message);
}

/* Options stand above properties, as with Kafka's. */
static bool configure(struct perf *perf) {
    struct kafka_call *call = perf->call;
    const struct options *options = &call->options;
    const char *file = options_get(options, "command-config", NULL);
    perf->config.before = "";
    if (!check_date_format(perf) ||
        (file != NULL && !kafka_properties(call, file, consumer_config_take, &perf->config)) ||
        !kafka_each_property(call, "command-property", &perf->config, consumer_config_take) ||
        !take_numbers(perf)) {
        return false;
    }
    const char *reset = options_has(options, "from-latest") ? "latest" : "earliest";
    perf->config.group = options_get(options, "group", NULL);
    if (perf->config.group == NULL) {
        perf->config.group =
            arena_printf(&call->arena, "perf-consumer-%d", (int)(client_now_ms() % 100000));
    }
    perf->subscription = (struct subscription){.topic = options_get(options, "topic", NULL),
                                               .include = options_get(options, "include", NULL),
                                               .create = perf->config.create};
    if (perf->timeout_ms >= 0 && perf->timeout_ms < perf->config.options.wait_ms) {
        perf->config.options.wait_ms = (int32_t)perf->timeout_ms;
    }
    return consumer_config_take(&perf->config, SLICE_LIT("auto.offset.reset"), slice_str(reset)) &&
           kafka_connect(call, options_get(options, "bootstrap-server", ""), NULL);
}

/* ---- Reports --------------------------------------------------------------------------------- */

static double per_second(double amount, int64_t ms) {
    return amount / ((double)ms / 1000);
}

/* A line for what came since the last. */
static void report(struct perf *perf) {
    char now[256], illegal;
    int64_t elapsed_ms = perf->now_ms - perf->report_ms;
    int64_t join_ms = perf->join_ms - perf->report_join_ms;
    int64_t fetch_ms = elapsed_ms - join_ms;
    double records = (double)(perf->records - perf->report_records);
    double mib = (double)(perf->bytes - perf->report_bytes) / MIB;
    (void)perf_date(now, sizeof(now), perf->date_format, perf->now_ms, &illegal);
    printf("%s, 0, %.4f, %s, %" PRId64 ", %s, %" PRId64 ", %" PRId64 ", %s, %s\n", now,
           (double)perf->bytes / MIB, perf_number(per_second(mib, elapsed_ms), 4).text,
           perf->records, perf_number(per_second(records, elapsed_ms), 4).text, join_ms, fetch_ms,
           perf_number(fetch_ms <= 0 ? 0 : per_second(mib, fetch_ms), 4).text,
           perf_number(fetch_ms <= 0 ? 0 : per_second(records, fetch_ms), 4).text);
    fflush(stdout);
}

static void print_total(const struct perf *perf) {
    char start[256], end[256], illegal;
    int64_t end_ms = client_now_ms();
    int64_t elapsed_ms = end_ms - perf->start_ms, fetch_ms = elapsed_ms - perf->join_ms;
    double mib = (double)perf->bytes / MIB, records = (double)perf->records;
    (void)perf_date(start, sizeof(start), perf->date_format, perf->start_ms, &illegal);
    (void)perf_date(end, sizeof(end), perf->date_format, end_ms, &illegal);
    printf("%s, %s, %.4f, %s, %" PRId64 ", %s, %" PRId64 ", %" PRId64 ", %s, %s\n", start, end, mib,
           perf_number(per_second(mib, elapsed_ms), 4).text, perf->records,
           perf_number(per_second(records, elapsed_ms), 4).text, perf->join_ms, fetch_ms,
           perf_number(per_second(mib, fetch_ms), 4).text,
           perf_number(per_second(records, fetch_ms), 4).text);
}

static void print_metrics(const struct perf *perf) {
    double seconds = (double)(perf->now_ms - perf->start_ms) / 1000;
    const struct perf_metric metrics[] = {
        {"bytes-consumed-rate", (double)perf->bytes / seconds},
        {"bytes-consumed-total", (double)perf->bytes},
        {"fetch-total", (double)perf->polls},
        {"records-consumed-rate", (double)perf->records / seconds},
        {"records-consumed-total", (double)perf->records},
        {"records-per-request-avg", (double)perf->records / (double)perf->polls},
    };
    perf_metrics_print("consumer-fetch-manager-metrics", perf->call->client.client_id, metrics,
                       ARRAY_LEN(metrics), stdout);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static bool take(void *ctx, const struct incoming *incoming) {
    struct perf *perf = ctx;
    if (perf->records % perf->config.poll_records == 0) {
        perf->now_ms = client_now_ms();
        perf->last_ms = perf->now_ms;
    }
    perf->records++;
    perf->bytes += (int64_t)(incoming->record->key.len + incoming->record->value.len);
    if (perf->now_ms - perf->report_ms >= perf->interval_ms) {
        if (perf->detailed) {
            report(perf);
        }
        perf->report_ms = perf->now_ms;
        perf->report_records = perf->records;
        perf->report_bytes = perf->bytes;
        perf->report_join_ms = perf->join_ms;
    }
    return perf->records < perf->num_records;
}

/* Joins the group once there is a topic; false with a code that ends it. */
static bool join(struct perf *perf, int16_t *code) {
    *code = subscription_look_up(&perf->subscription, perf->call);
    if (*code != ERROR_NONE) {
        return false;
    }
    if (perf->subscription.topic_count == 0) {
        client_pause_ms(RELOOK_MS);
        client_forget(&perf->call->client);
        return true;
    }
    member_init(&perf->member, &perf->call->client, slice_str(perf->config.group),
                perf->subscription.topics, perf->subscription.topic_count);
    consumer_config_member(&perf->config, &perf->member);
    *code = member_join(&perf->member, &perf->consumer, perf->config.start);
    perf->join_ms += client_now_ms() - perf->join_start_ms;
    return *code == ERROR_NONE;
}

/* Keeps alive, and counts the time in which the group joins again. */
static bool keep(struct perf *perf, int16_t *code) {
    int32_t generation = perf->member.generation;
    int64_t before_ms = client_now_ms();
    *code = member_keep(&perf->member, &perf->consumer, perf->config.start, perf->config.commit);
    if (perf->member.generation != generation) {
        perf->join_ms += client_now_ms() - before_ms;
    }
    return *code == ERROR_NONE;
}

/* Until all came, or none for too long; 0, or a code with the client's error, or -1. */
static int16_t consume(struct perf *perf) {
    int16_t code = ERROR_NONE;
    bool joined = false;
    perf->join_start_ms = perf->start_ms = perf->last_ms = perf->report_ms = client_now_ms();
    perf->now_ms = perf->start_ms;
    while (perf->records < perf->num_records && perf->now_ms - perf->last_ms <= perf->timeout_ms) {
        if (!joined ? !join(perf, &code) : !keep(perf, &code)) {
            return code;
        }
        joined = perf->member.member_id.len > 0;
        if (joined) {
            perf->polls++;
            if (consumer_poll(&perf->consumer, &code) < 0 && code != ERROR_NONE) {
                return code;
            }
        }
        perf->now_ms = client_now_ms();
    }
    return ERROR_NONE;
}

static int tell_failure(const struct perf *perf, int16_t code) {
    const struct client *client = &perf->call->client;
    if (code == ERROR_INVALID_TOPIC_EXCEPTION && perf->subscription.topic != NULL) {
        const char *topic = perf->subscription.topic;
        char who[256], text[320];
        snprintf(who, sizeof(who), "[Consumer clientId=%s, groupId=%s]", client->client_id,
                 perf->config.group);
        kafka_log("WARN", "org.apache.kafka.clients.NetworkClient",
                  "%s The metadata response from the cluster reported a recoverable issue with "
                  "correlation id 1 : {%s=%s}",
                  who, topic, error_name(code));
        kafka_log("ERROR", "org.apache.kafka.clients.Metadata",
                  "%s Metadata response reported invalid topics [%s]", who, topic);
        snprintf(text, sizeof(text), "Invalid topics: [%s]", topic);
        fail_as(kafka_exception(&perf->call->arena, code), text);
        return EXIT_FAILED;
    }
    fail_as(code > 0 ? kafka_exception(&perf->call->arena, code)
                     : "org.apache.kafka.common.errors.TimeoutException",
            client->error.text);
    return EXIT_FAILED;
}

static int run(struct perf *perf) {
    consumer_init(&perf->consumer, &perf->call->client, &perf->config.options);
    perf->consumer.record = take;
    perf->consumer.ctx = perf;
    int16_t code = consume(perf);
    int exit_code = code == ERROR_NONE ? 0 : tell_failure(perf, code);
    if (exit_code == 0 && perf->records < perf->num_records) {
        printf("WARNING: Exiting before consuming the expected number of records: timeout (%" PRId64
               " ms) exceeded. You can use the --timeout option to increase the timeout.\n",
               perf->timeout_ms);
    }
    if (exit_code == 0 && !perf->detailed) {
        print_total(perf);
    }
    if (exit_code == 0 && options_has(&perf->call->options, "print-metrics")) {
        print_metrics(perf);
    }
    if (perf->member.member_id.len > 0) {
        if (perf->config.commit) {
            (void)member_commit(&perf->member, &perf->consumer);
        }
        member_leave(&perf->member);
    }
    member_release(&perf->member);
    consumer_release(&perf->consumer);
    return exit_code;
}

int kafka_consumer_perf_test(struct kafka_call *call) {
    struct perf perf = {
        .call = call,
        .date_format = options_get(&call->options, "date-format", "yyyy-MM-dd HH:mm:ss:SSS"),
        .timeout_ms = 10000,
        .interval_ms = 5000,
        .detailed = options_has(&call->options, "show-detailed-stats"),
    };
    call->client.client_id = "perf-consumer-client";
    consumer_config_init(&perf.config, call);
    if (!check(&perf)) {
        return EXIT_FAILED;
    }
    print_header(&perf);
    return configure(&perf) ? run(&perf) : EXIT_FAILED;
}
