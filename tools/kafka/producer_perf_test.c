/* kafka-producer-perf-test */
#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tools/kafka/perf.h"
#include "tools/kafka/producer_config.h"

#define PAYLOAD_FILE_MAX ((size_t)1 << 30)

const struct option_spec kafka_producer_perf_test_options[] = {
    {"bootstrap-server", OPTION_VALUE, "BOOTSTRAP-SERVER",
     "The brokers, over what properties say."},
    {"command-config", OPTION_VALUE, "CONFIG-FILE", "Properties for the producer."},
    {"command-property", OPTION_MANY, "PROP-NAME=PROP-VALUE",
     "Properties, over those of the file."},
    {"help|h", OPTION_FLAG, NULL, "Prints this."},
    {"num-records", OPTION_VALUE, "NUM-RECORDS", "How many records (required)."},
    {"payload-delimiter", OPTION_VALUE, "PAYLOAD-DELIMITER",
     "What is between payloads in the file; a regular expression, by default \\n."},
    {"payload-file", OPTION_VALUE, "PAYLOAD-FILE", "Payloads are chosen from this file at random."},
    {"payload-monotonic", OPTION_FLAG, NULL, "Payloads are 0, 1, 2 ..."},
    {"print-metrics", OPTION_FLAG, NULL, "Prints metrics of the producer at the end."},
    {"producer-props", OPTION_MANY, "PROP-NAME=PROP-VALUE", "Deprecated: --command-property."},
    {"producer.config", OPTION_VALUE, "CONFIG-FILE", "Deprecated: --command-config."},
    {"record-size", OPTION_VALUE, "RECORD-SIZE", "Payloads are so many random letters."},
    {"reporting-interval", OPTION_VALUE, "INTERVAL-MS", "Between lines of progress; 5000."},
    {"throughput", OPTION_VALUE, "THROUGHPUT",
     "Records a second at most; -1: no limit (required)."},
    {"topic", OPTION_VALUE, "TOPIC", "Where to (required)."},
    {"transaction-duration-ms", OPTION_VALUE, "TRANSACTION-DURATION", "Not served yet."},
    {"transactional-id", OPTION_VALUE, "TRANSACTIONAL-ID", "Not served yet."},
    {"warmup-records", OPTION_VALUE, "WARMUP-RECORDS",
     "So many records at first do not count for the steady state, which is told as well."},
    {NULL},
};

/* Statistics of all records, or of those behind the warm-up. */
struct stats {
    struct perf_stats total, window;
    struct histogram *latencies; /* in ms */
    bool steady;
    bool quiet; /* no progress */
};

struct perf {
    struct kafka_call *call;
    struct producer_config config;
    struct producer producer;
    int64_t num_records, warmup, record_size, interval_ms;
    double throughput;
    bool monotonic;
    struct slice *payloads; /* of the file; heap */
    size_t payload_count;
    uint64_t random;
    struct stats all, steady;
    bool is_steady;
};

/* ---- Options --------------------------------------------------------------------------------- */

static bool take_integer(const struct perf *perf, const char *name, const char *type, int64_t max,
                         int64_t *out) {
    return kafka_argument_integer(perf->call, name, type, max, out);
}

static bool take_throughput(struct perf *perf) {
    const char *text = options_get(&perf->call->options, "throughput", "");
    char *end;
    perf->throughput = strtod(text, &end);
    if (*text == '\0' || *end != '\0') {
        kafka_argument_error(perf->call,
                             "argument --throughput: could not convert '%s' to Double (For input "
                             "string: \"%s\")",
                             text, text);
        return false;
    }
    return true;
}

/* Whether exactly one of the payloads is asked for. */
static bool take_payload(struct perf *perf) {
    static const char *const names[] = {"record-size", "payload-file", "payload-monotonic"};
    const char *first = NULL;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!options_has(&perf->call->options, names[i])) {
            continue;
        }
        if (first != NULL) {
            kafka_argument_error(perf->call, "argument --%s: not allowed with argument --%s",
                                 names[i], first);
            return false;
        }
        first = names[i];
    }
    if (first == NULL) {
        kafka_argument_error(perf->call, "one of the arguments --record-size --payload-file "
                                         "--payload-monotonic is required");
    }
    return first != NULL;
}

/* What has to be there, and what the numbers have to be. */
static bool check(struct perf *perf) {
    static const char *const required[] = {"topic", "num-records", "throughput"};
    const struct options *options = &perf->call->options;
    for (size_t i = 0; i < ARRAY_LEN(required); i++) {
        if (!options_has(options, required[i])) {
            kafka_argument_error(perf->call, "argument --%s is required", required[i]);
            return false;
        }
    }
    if (!take_integer(perf, "num-records", "Long", INT64_MAX, &perf->num_records) ||
        !take_integer(perf, "warmup-records", "Long", INT64_MAX, &perf->warmup) ||
        !take_integer(perf, "record-size", "Integer", INT32_MAX, &perf->record_size) ||
        !take_integer(perf, "reporting-interval", "Long", INT64_MAX, &perf->interval_ms) ||
        !take_throughput(perf) || !take_payload(perf)) {
        return false;
    }
    bool props = options_has(options, "producer-props");
    bool file = options_has(options, "producer.config");
    const char *wrong =
        perf->num_records <= 0 ? "--num-records should be greater than zero."
        : perf->warmup >= perf->num_records
            ? "The value for --warmup-records must be strictly fewer than the number of records in "
              "the test, --num-records."
        : perf->record_size <= 0 ? "--record-size should be greater than zero."
        : !props && !file && !options_has(options, "bootstrap-server") &&
                !options_has(options, "command-property") && !options_has(options, "command-config")
            ? "At least one of --bootstrap-server, --command-property, --producer-props, "
              "--producer.config or --command-config must be specified."
        : props && options_has(options, "command-property")
            ? "--command-property and --producer-props cannot be specified together."
        : file && options_has(options, "command-config")
            ? "--command-config and --producer.config cannot be specified together."
        : perf->interval_ms <= 0 ? "--reporting-interval should be greater than zero."
                                 : NULL;
    if (wrong != NULL) {
        kafka_argument_error(perf->call, "%s", wrong);
    }
    return wrong == NULL;
}

static bool take_properties(struct perf *perf, const char *option, const char *file_option) {
    const struct options *options = &perf->call->options;
    const char *file = options_get(options, file_option, NULL);
    if (file != NULL && !kafka_properties(perf->call, file, producer_config_take, &perf->config)) {
        return false;
    }
    const char *text;
    for (size_t i = 0; (text = options_nth(options, option, i)) != NULL; i++) {
        if (strchr(text, '=') == NULL) {
            fprintf(stderr,
                    KAFKA_UNCAUGHT "java.lang.IllegalArgumentException: Invalid property: %s\n",
                    text);
            return false;
        }
    }
    return kafka_each_property(perf->call, option, &perf->config, producer_config_take);
}

static bool configure(struct perf *perf) {
    const struct options *options = &perf->call->options;
    if (options_has(options, "transactional-id") ||
        options_has(options, "transaction-duration-ms")) {
        fputs("Transactions are not served yet by this tool.\n", stderr);
        return false;
    }
    bool old = options_has(options, "producer-props");
    bool old_file = options_has(options, "producer.config");
    if (old) {
        puts("Option --producer-props has been deprecated and will be removed in a future version. "
             "Use --command-property instead.");
    }
    if (old_file) {
        puts("Option --producer.config has been deprecated and will be removed in a future "
             "version. Use --command-config instead.");
    }
    perf->call->client.bootstrap = options_get(options, "bootstrap-server", NULL);
    if (!take_properties(perf, old ? "producer-props" : "command-property",
                         old_file ? "producer.config" : "command-config") ||
        !producer_config_finish(&perf->config)) {
        return false;
    }
    if (perf->call->client.bootstrap == NULL) {
        fputs(KAFKA_UNCAUGHT "org.apache.kafka.common.config.ConfigException: No bootstrap.servers "
                             "are given.\n",
              stderr);
        return false;
    }
    return kafka_connect(perf->call, perf->call->client.bootstrap, NULL);
}

/* ---- Payloads -------------------------------------------------------------------------------- */

/* The expression with \n, \r and \t as the characters that they mean. */
static char *delimiter(struct arena *arena, const char *text) {
    char *out = arena_alloc(arena, strlen(text) + 1);
    char *at = out;
    for (; *text != '\0'; text++) {
        bool escape = text[0] == '\\' && (text[1] == 'n' || text[1] == 'r' || text[1] == 't');
        *at++ = (char)(!escape ? *text : text[1] == 'n' ? '\n' : text[1] == 'r' ? '\r' : '\t');
        text += escape;
    }
    return out;
}

static void add_payload(struct perf *perf, const char *text, size_t len) {
    perf->payloads = xrealloc(perf->payloads, (perf->payload_count + 1) * sizeof(*perf->payloads));
    perf->payloads[perf->payload_count++] = slice_make(text, len);
}

/* Cuts the text; behind a delimiter at its end is nothing more. */
static bool split(struct perf *perf, const char *text) {
    struct arena *arena = &perf->call->arena;
    const char *between = options_get(&perf->call->options, "payload-delimiter", "\\n");
    regex_t regex;
    if (*between == '\0' || regcomp(&regex, delimiter(arena, between), REG_EXTENDED) != 0) {
        fprintf(stderr, "'%s' is no regular expression that can be between payloads.\n", between);
        return false;
    }
    regmatch_t match;
    while (regexec(&regex, text, 1, &match, 0) == 0 && match.rm_eo > match.rm_so) {
        add_payload(perf, text, (size_t)match.rm_so);
        text += match.rm_eo;
    }
    if (*text != '\0') {
        add_payload(perf, text, strlen(text));
    }
    regfree(&regex);
    return true;
}

static bool read_payloads(struct perf *perf) {
    const char *path = options_get(&perf->call->options, "payload-file", NULL);
    if (path == NULL) {
        return true;
    }
    char *real = realpath(path, NULL);
    printf("Reading payloads from: %s\n", real != NULL ? real : path);
    free(real);
    FILE *file = fopen(path, "re");
    struct buffer text;
    buffer_init(&text, PAYLOAD_FILE_MAX);
    char block[65536];
    size_t got;
    while (file != NULL && (got = fread(block, 1, sizeof(block), file)) > 0) {
        buffer_append(&text, block, got);
    }
    if (file != NULL) {
        fclose(file);
    }
    bool empty = text.len == 0;
    if (empty) {
        fputs(KAFKA_UNCAUGHT
              "java.lang.IllegalArgumentException: File does not exist or empty file "
              "provided.\n",
              stderr);
    }
    buffer_put_u8(&text, '\0');
    char *copy = arena_alloc(&perf->call->arena, text.len);
    memcpy(copy, text.data, text.len);
    buffer_release(&text);
    if (empty || !split(perf, copy)) {
        return false;
    }
    printf("Number of records read: %zu\n", perf->payload_count);
    if (perf->payload_count == 0) {
        fputs("There is no payload in it.\n", stderr);
    }
    return perf->payload_count > 0;
}

/* xorshift; the same numbers in each run. */
static uint32_t draw(struct perf *perf, uint32_t below) {
    perf->random ^= perf->random << 13;
    perf->random ^= perf->random >> 7;
    perf->random ^= perf->random << 17;
    return (uint32_t)(((perf->random >> 32) * below) >> 32);
}

/* The payload of the i-th record; `room` is of record_size or, for numbers, 24 bytes. */
static struct slice payload(struct perf *perf, int64_t i, char *room) {
    if (perf->payloads != NULL) {
        return perf->payloads[draw(perf, (uint32_t)perf->payload_count)];
    }
    if (perf->monotonic) {
        return slice_make(room, (size_t)snprintf(room, 24, "%" PRId64, i));
    }
    for (int64_t j = 0; j < perf->record_size; j++) {
        room[j] = (char)('A' + draw(perf, 26));
    }
    return slice_make(room, (size_t)perf->record_size);
}

/* ---- Statistics ------------------------------------------------------------------------------ */

static void stats_begin(struct stats *stats, bool steady) {
    stats->latencies = NEW(struct histogram);
    stats->steady = steady;
    stats->total.start_ms = stats->window.start_ms = client_now_ms();
}

static void stats_record(struct perf *perf, struct stats *stats, int64_t latency_ms, size_t bytes,
                         int64_t now_ms) {
    perf_stats_record(&stats->total, latency_ms, bytes);
    perf_stats_record(&stats->window, latency_ms, bytes);
    histogram_record(stats->latencies, latency_ms);
    if (now_ms - stats->window.start_ms < perf->interval_ms) {
        return;
    }
    if (stats->steady && stats->total.count == stats->window.count) {
        puts("In steady state.");
    }
    if (!stats->quiet) {
        perf_stats_print_window(&stats->window, now_ms, stdout);
        fflush(stdout);
    }
    stats->window = (struct perf_stats){.start_ms = now_ms};
}

/* What a record carries along: when it was sent, and whether behind the warm-up. */
static int64_t mark(int64_t now_ms, bool steady) {
    return now_ms * 2 + steady;
}

static void written(void *ctx, const struct outgoing *record, int64_t offset) {
    struct perf *perf = ctx;
    int64_t now_ms = client_now_ms();
    int64_t latency_ms = now_ms - record->mark / 2;
    latency_ms = latency_ms > 0 ? latency_ms : 0;
    stats_record(perf, &perf->all, latency_ms, record->value.len, now_ms);
    if (record->mark % 2 != 0) {
        stats_record(perf, &perf->steady, latency_ms, record->value.len, now_ms);
    }
}

static void refused(void *ctx, const struct outgoing *record, int16_t code, struct slice text) {
    struct perf *perf = ctx;
    fflush(stdout);
    fprintf(stderr, "%s: %.*s\n", kafka_exception(&perf->call->arena, code), SLICE_ARG(text));
}

static void print_totals(struct perf *perf) {
    perf_stats_print_total(&perf->all.total, perf->all.latencies, "", client_now_ms(), stdout);
    if (perf->is_steady) {
        perf_stats_print_total(&perf->steady.total, perf->steady.latencies, " steady state",
                               client_now_ms(), stdout);
    }
}

static void print_metrics(const struct perf *perf) {
    const struct producer *p = &perf->producer;
    double requests = (double)p->request_count;
    const struct perf_metric metrics[] = {
        {"batch-size-avg", (double)p->request_bytes / requests},
        {"record-error-total", (double)p->refused_count},
        {"record-retry-total", (double)p->retried_count},
        {"record-send-total", (double)p->sent_count},
        {"record-size-avg", (double)perf->all.total.bytes / (double)perf->all.total.count},
        {"records-per-request-avg", (double)p->sent_count / requests},
        {"request-total", requests},
    };
    perf_metrics_print("producer-metrics", perf->call->client.client_id, metrics,
                       ARRAY_LEN(metrics), stdout);
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* Sends and takes answers until the time comes; false when no broker answers. */
static bool pause_until(struct perf *perf, int64_t due_ms) {
    int64_t left;
    while ((left = due_ms - client_ticks_ms()) > 0) {
        if (!producer_poll(&perf->producer, left)) {
            return false;
        }
    }
    return true;
}

static bool send_all(struct perf *perf, char *room) {
    int64_t start_ms = client_ticks_ms(), polled_ms = start_ms;
    for (int64_t i = 0; i < perf->num_records; i++) {
        struct outgoing record = {.key = SLICE_NULL, .partition = -1, .timestamp = NO_TIMESTAMP};
        record.value = payload(perf, i, room);
        if (perf->warmup > 0 && i == perf->warmup) {
            stats_begin(&perf->steady, true);
            perf->is_steady = true;
            perf->all.quiet = true;
        }
        record.mark = mark(client_now_ms(), perf->is_steady);
        if (!producer_add(&perf->producer, &record)) {
            return false;
        }
        int64_t due_ms = perf_due(perf->throughput, start_ms, i + 1), now_ms = client_ticks_ms();
        if (due_ms > 0 ? !pause_until(perf, due_ms)
                       : (now_ms != polled_ms || perf->config.options.linger_ms == 0) &&
                             !producer_poll(&perf->producer, 0)) {
            return false;
        }
        polled_ms = now_ms;
    }
    return producer_flush(&perf->producer);
}

/* The topic is not to be had. */
static void tell_without_topic(struct perf *perf, int16_t code) {
    const char *topic = options_get(&perf->call->options, "topic", "");
    const char *exception = kafka_exception(&perf->call->arena, code);
    if (code == ERROR_INVALID_TOPIC_EXCEPTION) {
        fprintf(stderr, "%s: Invalid topics: [%s]\n", exception, topic);
    } else {
        fprintf(stderr,
                "org.apache.kafka.common.errors.TimeoutException: Topic %s not present in metadata "
                "after %lld ms.\n",
                topic, (long long)perf->config.options.block_ms);
    }
}

static void run(struct perf *perf) {
    struct kafka_call *call = perf->call;
    int16_t code =
        producer_init(&perf->producer, &call->client,
                      slice_str(options_get(&call->options, "topic", "")), &perf->config.options);
    perf->producer.written = written;
    perf->producer.refused = refused;
    perf->producer.ctx = perf;
    if (perf->warmup > 0) {
        printf("Warmup first %" PRId64
               " records. Steady state results will print after the complete test summary.\n",
               perf->warmup);
    }
    stats_begin(&perf->all, false);
    size_t size = perf->record_size > 24 ? (size_t)perf->record_size : 24;
    char *room = xmalloc(size);
    if (code != ERROR_NONE) {
        tell_without_topic(perf, code);
    } else if (!send_all(perf, room)) {
        fflush(stdout);
        fprintf(stderr, "org.apache.kafka.common.errors.TimeoutException: %s\n",
                call->client.error.text);
    }
    free(room);
    print_totals(perf);
    if (options_has(&call->options, "print-metrics")) {
        print_metrics(perf);
    }
    producer_release(&perf->producer);
}

int kafka_producer_perf_test(struct kafka_call *call) {
    struct perf perf = {
        .call = call,
        .record_size = 1, /* where it is not asked for */
        .interval_ms = 5000,
        .monotonic = options_has(&call->options, "payload-monotonic"),
        .random = UINT64_C(0x9e3779b97f4a7c15),
    };
    call->client.client_id = "perf-producer-client";
    producer_config_init(&perf.config, call, &PRODUCER_OPTIONS_KAFKA);
    perf.config.before = KAFKA_UNCAUGHT;
    perf.config.options.tell_unanswered = true;
    int exit_code = EXIT_FAILED;
    if (check(&perf) && read_payloads(&perf) && configure(&perf)) {
        run(&perf);
        exit_code = 0;
    }
    free(perf.payloads);
    free(perf.all.latencies);
    free(perf.steady.latencies);
    return exit_code;
}
