/* kafka-e2e-latency */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "tools/admin/offsets.h"
#include "tools/kafka/consumer_config.h"
#include "tools/kafka/perf.h"
#include "tools/kafka/producer_config.h"

#define TIMEOUT_MS  60000 /* for a record to come */
#define SETTLE_MS   100   /* between questions for a topic that is new */
#define TELL_EACH   1000
#define HEADERS_MAX 100000

const struct option_spec kafka_e2e_latency_options[] = {
    {"bootstrap-server", OPTION_VALUE, "bootstrap-server", "The brokers (required)."},
    {"command-config", OPTION_VALUE, "config-file", "Properties for producer and consumer."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"num-headers", OPTION_VALUE, "count", "How many headers each record has; 0."},
    {"num-records", OPTION_VALUE, "count", "How many records (required)."},
    {"producer-acks", OPTION_VALUE, "producer-acks", "1 or all (required)."},
    {"record-header-key-size", OPTION_VALUE, "bytes", "Of keys of headers; 0."},
    {"record-header-size", OPTION_VALUE, "bytes", "Of values of headers; -1: null; 0."},
    {"record-key-size", OPTION_VALUE, "bytes", "Of keys; 0: none."},
    {"record-size", OPTION_VALUE, "bytes", "Of values (required)."},
    {"topic", OPTION_VALUE, "topic-name", "The topic, which is made (required)."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

struct latency {
    struct kafka_call *call;
    const char *bootstrap, *topic, *acks, *file;
    int64_t num_records, record_size, key_size, header_key_size, header_size, num_headers;
    struct producer_config produce;
    struct consumer_config consume;
    struct producer producer;
    struct consumer consumer;
    const struct outgoing *sent; /* the record that is on its way */
    bool arrived;
    const char *wrong; /* what is not as it was sent */
    uint64_t random;
};

/* ---- Options --------------------------------------------------------------------------------- */

/* The arguments in their old order, without names; false when they are too few or too many. */
static bool take_positional(struct latency *l, const char **acks, const char **num_records,
                            const char **record_size) {
    const struct options *options = &l->call->options;
    if (options->arg_count != 5 && options->arg_count != 6) {
        fprintf(stderr,
                "Invalid number of arguments. Expected 5 or 6 positional arguments, but got %zu. "
                "Usage: bootstrap-server topic num-records producer-acks record-size [optional] "
                "command-config\n",
                options->arg_count);
        return false;
    }
    puts("WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka "
         "5.0. Please use named arguments instead: --bootstrap-server, --topic, --num-records, "
         "--producer-acks, --record-size, --command-config");
    l->bootstrap = options->args[0];
    l->topic = options->args[1];
    *num_records = options->args[2];
    *acks = options->args[3];
    *record_size = options->args[4];
    l->file = options->arg_count == 6 ? options->args[5] : NULL;
    return true;
}

static bool take_count(const char *name, const char *text, int64_t *out) {
    if (!slice_parse_i64(slice_str(text), out) || *out > INT32_MAX || *out < INT32_MIN) {
        fprintf(stderr, "Cannot parse argument '%s' of option %s\n", text, name);
        return false;
    }
    return true;
}

static bool check(struct latency *l) {
    const char *wrong =
        strcmp(l->acks, "1") != 0 && strcmp(l->acks, "all") != 0
            ? "Invalid value for --producer-acks. Latency testing requires synchronous "
              "acknowledgement. Please use '1' or 'all'."
        : l->num_records <= 0 ? "Value for --num-records must be a positive integer."
        : l->record_size < 0  ? "Value for --record-size must be a non-negative integer."
        : l->key_size < 0     ? "Value for --record-key-size must be a non-negative integer."
        : l->header_key_size < 0
            ? "Value for --record-header-key-size must be a non-negative integer."
        : l->header_size < -1
            ? "Value for --record-header-size must be a non-negative integer or -1 for null header "
              "value."
        : l->num_headers < 0 || l->num_headers > HEADERS_MAX
            ? "Value for --num-headers must be a non-negative integer."
            : NULL;
    if (wrong != NULL) {
        kafka_usage(l->call, "%s", wrong);
    }
    return wrong == NULL;
}

static bool take_options(struct latency *l) {
    static const char *const required[] = {"bootstrap-server", "topic",       "num-records",
                                           "producer-acks",    "record-size", NULL};
    const struct options *options = &l->call->options;
    const char *num_records, *record_size;
    if (options->given_count == 0) {
        if (!take_positional(l, &l->acks, &num_records, &record_size)) {
            return false;
        }
    } else {
        if (!kafka_require(l->call, required)) {
            return false;
        }
        l->bootstrap = options_get(options, "bootstrap-server", "");
        l->topic = options_get(options, "topic", "");
        l->acks = options_get(options, "producer-acks", "");
        l->file = options_get(options, "command-config", NULL);
        num_records = options_get(options, "num-records", "");
        record_size = options_get(options, "record-size", "");
    }
    return take_count("num-records", num_records, &l->num_records) &&
           take_count("record-size", record_size, &l->record_size) &&
           options_i64(options, "record-key-size", &l->key_size) &&
           options_i64(options, "record-header-key-size", &l->header_key_size) &&
           options_i64(options, "record-header-size", &l->header_size) &&
           options_i64(options, "num-headers", &l->num_headers) && check(l);
}

/* The file is for both: each takes what is its own, and what only the other knows is for that. */
static bool configure(struct latency *l) {
    struct kafka_call *call = l->call;
    producer_config_init(&l->produce, call, &PRODUCER_OPTIONS_KAFKA);
    consumer_config_init(&l->consume, call);
    l->produce.quiet = l->consume.quiet = true;
    call->client.bootstrap = l->bootstrap;
    if (l->file != NULL && (!kafka_properties(call, l->file, producer_config_take, &l->produce) ||
                            !kafka_properties(call, l->file, consumer_config_take, &l->consume))) {
        return false;
    }
    l->produce.options.linger_ms = 0;
    l->produce.options.block_ms = INT64_MAX / 2;
    l->consume.options.wait_ms = 0;
    return producer_config_take(&l->produce, SLICE_LIT("acks"), slice_str(l->acks)) &&
           producer_config_finish(&l->produce) && kafka_connect(call, l->bootstrap, NULL);
}

/* ---- The topic ------------------------------------------------------------------------------- */

static bool fail(const struct latency *l, int16_t code) {
    fflush(stdout);
    fprintf(stderr, "%s: %s\n",
            code > 0 ? kafka_exception(&l->call->arena, code)
                     : "org.apache.kafka.common.errors.TimeoutException",
            l->call->client.error.text);
    return false;
}

/* Makes it where it is not there. */
static bool have_topic(struct latency *l) {
    struct client *client = &l->call->client;
    struct topic_list all;
    if (!topics_all(client, &all)) {
        return fail(l, -1);
    }
    if (topic_find(&all, slice_str(l->topic)) != NULL) {
        return true;
    }
    printf("Topic \"%s\" does not exist. Will create topic with 1 partition(s) and replication "
           "factor = 1\n",
           l->topic);
    struct topic_plan plan = {
        .name = slice_str(l->topic), .partitions = 1, .replication_factor = 1};
    struct outcome outcome;
    if (!topic_create(client, &plan, &outcome)) {
        return fail(l, -1);
    }
    if (outcome.code != ERROR_NONE) {
        printf("Creation of topic %s failed\n", l->topic);
        client_fail(client, outcome.code, outcome.text);
        return fail(l, outcome.code);
    }
    return true;
}

/* Reads all partitions from their ends on. */
static bool start_consumer(struct latency *l) {
    struct client *client = &l->call->client;
    struct slice name = arena_dup(&l->call->arena, slice_str(l->topic));
    for (int attempt = 0;;) {
        struct topic_list list;
        if (!topics_describe(client, &name, 1, 0, &list)) {
            return fail(l, -1);
        }
        const struct topic_info *topic = topic_find(&list, name);
        int16_t code = topic == NULL ? ERROR_UNKNOWN_TOPIC_OR_PARTITION : topic->code;
        for (int32_t i = 0; code == ERROR_NONE && i < topic->partition_count; i++) {
            consumer_add(&l->consumer, name, topic->partitions[i].index, OFFSET_LATEST);
        }
        code = code == ERROR_NONE ? consumer_start(&l->consumer) : code;
        if (code == ERROR_NONE) {
            return true;
        }
        consumer_release(&l->consumer);
        if (!error_retriable(code) || !client_retry(&attempt)) {
            return fail(l, code);
        }
    }
}

/* ---- Measuring ------------------------------------------------------------------------------- */

/* xorshift */
static struct slice random_bytes(struct latency *l, struct arena *arena, int64_t len) {
    uint8_t *bytes = arena_alloc(arena, (size_t)len + 1);
    for (int64_t i = 0; i < len; i++) {
        l->random ^= l->random << 13;
        l->random ^= l->random >> 7;
        l->random ^= l->random << 17;
        bytes[i] = (uint8_t)('A' + (l->random >> 33) % 26);
    }
    return slice_make(bytes, (size_t)len);
}

static struct outgoing make_record(struct latency *l, struct arena *arena) {
    struct outgoing record = {.key = SLICE_NULL, .partition = -1, .timestamp = NO_TIMESTAMP};
    record.value = random_bytes(l, arena, l->record_size);
    if (l->key_size > 0) {
        record.key = random_bytes(l, arena, l->key_size);
    }
    record.headers = arena_array(arena, (size_t)l->num_headers + 1, sizeof(*record.headers));
    record.header_count = (int32_t)l->num_headers;
    for (int64_t i = 0; i < l->num_headers; i++) {
        record.headers[i].key = random_bytes(l, arena, l->header_key_size);
        record.headers[i].value =
            l->header_size < 0 ? SLICE_NULL : random_bytes(l, arena, l->header_size);
    }
    return record;
}

static bool same(struct slice a, struct slice b) {
    return slice_is_null(a) == slice_is_null(b) && slice_equal(a, b);
}

static bool take(void *ctx, const struct incoming *incoming) {
    struct latency *l = ctx;
    const struct record *record = incoming->record;
    l->wrong = l->arrived                             ? "Only one record was expected"
               : !same(record->key, l->sent->key)     ? "The message's key is not as sent"
               : !same(record->value, l->sent->value) ? "The message read is not as sent"
               : record->header_count != l->sent->header_count
                   ? "Header count mismatch between sent and received messages"
                   : NULL;
    l->arrived = true;
    return l->wrong == NULL;
}

static void refused(void *ctx, const struct outgoing *record, int16_t code, struct slice text) {
    struct latency *l = ctx;
    l->wrong = arena_printf(&l->call->arena, "%s: %.*s", kafka_exception(&l->call->arena, code),
                            SLICE_ARG(text));
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Sends a record and waits until it is read; its latency in ns, -1 after a message. */
static int64_t measure(struct latency *l, const struct outgoing *record) {
    int64_t begin = now_ns(), until_ms = client_ticks_ms() + TIMEOUT_MS;
    l->sent = record;
    l->arrived = false;
    if (!producer_add(&l->producer, record) || !producer_flush(&l->producer)) {
        (void)fail(l, -1);
        return -1;
    }
    int16_t code = ERROR_NONE;
    while (!l->arrived && l->wrong == NULL && client_ticks_ms() < until_ms) {
        if (consumer_poll(&l->consumer, &code) < 0 && code != ERROR_NONE) {
            (void)fail(l, code);
            return -1;
        }
    }
    if (!l->arrived && l->wrong == NULL) {
        l->wrong = "poll() timed out before finding a result (timeout:[60000ms])";
    }
    if (l->wrong != NULL) {
        fflush(stdout);
        fprintf(stderr, "%s\n", l->wrong);
        return -1;
    }
    return now_ns() - begin;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print_results(const struct latency *l, double total_ns, int64_t *latencies_ms) {
    size_t count = (size_t)l->num_records;
    qsort(latencies_ms, count, sizeof(*latencies_ms), ascending);
    printf("Avg latency: %.4f ms\n", total_ns / (double)count / 1000 / 1000);
    printf("Percentiles: 50th = %" PRId64 ", 99th = %" PRId64 ", 99.9th = %" PRId64 "\n",
           latencies_ms[(size_t)((double)count * 0.5)],
           latencies_ms[(size_t)((double)count * 0.99)],
           latencies_ms[(size_t)((double)count * 0.999)]);
}

static bool run(struct latency *l) {
    int64_t *latencies_ms = xcalloc((size_t)l->num_records, sizeof(*latencies_ms));
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    double total_ns = 0;
    bool good = true;
    for (int64_t i = 0; good && i < l->num_records; i++) {
        struct outgoing record = make_record(l, &arena);
        int64_t ns = measure(l, &record);
        good = ns >= 0;
        total_ns += (double)ns;
        latencies_ms[i] = ns / 1000000;
        if (good && i % TELL_EACH == 0) {
            printf("%" PRId64 "\t%s\n", i, perf_number((double)ns / 1000 / 1000, 6).text);
            fflush(stdout);
        }
        arena_reset(&arena);
    }
    if (good) {
        print_results(l, total_ns, latencies_ms);
    }
    arena_release(&arena);
    free(latencies_ms);
    return good;
}

int kafka_e2e_latency(struct kafka_call *call) {
    struct latency l = {.call = call, .random = UINT64_C(0x9e3779b97f4a7c15)};
    if (!take_options(&l) || !configure(&l)) {
        return EXIT_FAILED;
    }
    consumer_init(&l.consumer, &call->client, &l.consume.options);
    l.consumer.record = take;
    l.consumer.ctx = &l;
    bool good = have_topic(&l) && start_consumer(&l);
    if (good) {
        int16_t code =
            producer_init(&l.producer, &call->client, slice_str(l.topic), &l.produce.options);
        l.producer.refused = refused;
        l.producer.ctx = &l;
        good = code == ERROR_NONE ? run(&l) : fail(&l, code);
    }
    producer_release(&l.producer);
    consumer_release(&l.consumer);
    return good ? 0 : EXIT_FAILED;
}
