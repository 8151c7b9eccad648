/* kafka-verifiable-producer */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/interrupt.h"
#include "tools/kafka/event.h"
#include "tools/kafka/perf.h"
#include "tools/kafka/producer_config.h"

#define PAUSE_MS 100 /* after which an interrupt is seen */

const struct option_spec kafka_verifiable_producer_options[] = {
    {"acks", OPTION_VALUE, "ACKS", "0, 1 or -1 (all); -1."},
    {"bootstrap-server", OPTION_VALUE, "HOST1:PORT1[,HOST2:PORT2[...]]", "The brokers (required)."},
    {"command-config|producer.config", OPTION_VALUE, "CONFIG-FILE", "Properties for the producer."},
    {"help|h", OPTION_FLAG, NULL, "Prints this."},
    {"max-messages", OPTION_VALUE, "MAX-MESSAGES", "How many; -1: until it is interrupted."},
    {"message-create-time", OPTION_VALUE, "CREATE-TIME", "The time of the first record, in ms."},
    {"repeating-keys", OPTION_VALUE, "REPEATING-KEYS", "Keys are 0, 1 ... up to this, and again."},
    {"throughput", OPTION_VALUE, "THROUGHPUT", "Records a second at most; -1: no limit."},
    {"topic", OPTION_VALUE, "TOPIC", "Where to (required)."},
    {"value-prefix", OPTION_VALUE, "VALUE-PREFIX", "A number and a dot before each value."},
    {NULL},
};

struct verifiable {
    struct kafka_call *call;
    struct producer_config config;
    struct producer producer;
    bool ready; /* the producer has its topic */
    int64_t max, throughput, create_ms, prefix, keys, next_key;
    bool prefixed, keyed;
    int64_t sent, acked;
    int64_t start_ms; /* client_now_ms() */
};

/* ---- Options --------------------------------------------------------------------------------- */

static bool take_integer(const struct verifiable *v, const char *name, int64_t max, int64_t *out) {
    return kafka_argument_integer(v->call, name, max == INT32_MAX ? "Integer" : "Long", max, out);
}

static bool configure(struct verifiable *v) {
    struct kafka_call *call = v->call;
    const struct options *options = &call->options;
    static const char *const required[] = {"topic", "bootstrap-server"};
    for (size_t i = 0; i < ARRAY_LEN(required); i++) {
        if (!options_has(options, required[i])) {
            kafka_argument_error(call, "argument --%s is required", required[i]);
            return false;
        }
    }
    int64_t acks = -1;
    if (!take_integer(v, "max-messages", INT32_MAX, &v->max) ||
        !take_integer(v, "throughput", INT32_MAX, &v->throughput) ||
        !take_integer(v, "acks", INT32_MAX, &acks) ||
        !take_integer(v, "message-create-time", INT64_MAX, &v->create_ms) ||
        !take_integer(v, "value-prefix", INT32_MAX, &v->prefix) ||
        !take_integer(v, "repeating-keys", INT32_MAX, &v->keys)) {
        return false;
    }
    if (acks < -1 || acks > 1) {
        kafka_argument_error(call, "argument --acks: invalid choice: '%lld' (choose from {0,1,-1})",
                             (long long)acks);
        return false;
    }
    if (kafka_given(call, "producer.config") && kafka_given(call, "command-config")) {
        kafka_argument_error(call, "Options --producer.config and --command-config are mutually "
                                   "exclusive.");
        return false;
    }
    if (kafka_given(call, "producer.config")) {
        puts("Option --producer.config has been deprecated and will be removed in a future "
             "version. Use --command-config instead.");
    }
    v->prefixed = options_has(options, "value-prefix");
    v->keyed = options_has(options, "repeating-keys");
    v->config.options.acks = (int16_t)acks;
    v->config.options.retries = 0; /* no record may be written twice */
    call->client.bootstrap = options_get(options, "bootstrap-server", "");
    const char *file = options_get(options, "command-config", NULL);
    return (file == NULL || kafka_properties(call, file, producer_config_take, &v->config)) &&
           producer_config_finish(&v->config) && kafka_connect(call, call->client.bootstrap, NULL);
}

/* ---- Telling --------------------------------------------------------------------------------- */

static void tell_success(void *ctx, const struct outgoing *record, int64_t offset) {
    struct verifiable *v = ctx;
    v->acked++;
    json_t *event = kafka_event("producer_send_success");
    json_object_set_new(event, "key", kafka_event_text(record->key));
    json_object_set_new(event, "value", kafka_event_text(record->value));
    json_object_set_new(event, "offset", json_integer(offset));
    json_object_set_new(event, "topic", json_string(options_get(&v->call->options, "topic", "")));
    json_object_set_new(event, "partition", json_integer(record->partition));
    kafka_event_print(event);
}

static void tell_error(void *ctx, const struct outgoing *record, int16_t code, struct slice text) {
    struct verifiable *v = ctx;
    const char *class = kafka_exception(&v->call->arena, code);
    json_t *event = kafka_event("producer_send_error");
    json_object_set_new(event, "topic", json_string(options_get(&v->call->options, "topic", "")));
    json_object_set_new(event, "key", kafka_event_text(record->key));
    json_object_set_new(event, "value", kafka_event_text(record->value));
    json_object_set_new(event, "exception", json_sprintf("class %s", class));
    json_object_set_new(event, "message", kafka_event_text(text));
    kafka_event_print(event);
}

static void tell_end(const struct verifiable *v) {
    kafka_event_print(kafka_event("shutdown_complete"));
    double elapsed_ms = (double)(client_now_ms() - v->start_ms);
    json_t *event = kafka_event("tool_data");
    json_object_set_new(event, "sent", json_integer(v->sent));
    json_object_set_new(event, "acked", json_integer(v->acked));
    json_object_set_new(event, "target_throughput", json_integer(v->throughput));
    json_object_set_new(event, "avg_throughput",
                        json_real(elapsed_ms > 0 ? 1000.0 * (double)v->acked / elapsed_ms : 0));
    kafka_event_print(event);
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* Waits for the topic, which each record does anew as with Kafka's. */
static bool have_topic(struct verifiable *v, const struct outgoing *record) {
    if (v->ready) {
        return true;
    }
    const char *topic = options_get(&v->call->options, "topic", "");
    int16_t code =
        producer_init(&v->producer, &v->call->client, slice_str(topic), &v->config.options);
    v->producer.written = tell_success;
    v->producer.refused = tell_error;
    v->producer.ctx = v;
    v->ready = code == ERROR_NONE;
    if (!v->ready) {
        producer_release(&v->producer);
        v->producer = (struct producer){0};
        bool invalid = code == ERROR_INVALID_TOPIC_EXCEPTION;
        const char *text = invalid ? arena_printf(&v->call->arena, "Invalid topics: [%s]", topic)
                                   : arena_printf(&v->call->arena,
                                                  "Topic %s not present in metadata after %lld ms.",
                                                  topic, (long long)v->config.options.block_ms);
        tell_error(v, record, invalid ? code : ERROR_REQUEST_TIMED_OUT, slice_str(text));
    }
    return v->ready;
}

static void send_one(struct verifiable *v, int64_t i) {
    char key[24], value[48];
    struct outgoing record = {.key = SLICE_NULL, .partition = -1, .timestamp = NO_TIMESTAMP};
    int len = v->prefixed ? snprintf(value, sizeof(value), "%" PRId64 ".%" PRId64, v->prefix, i)
                          : snprintf(value, sizeof(value), "%" PRId64, i);
    record.value = slice_make(value, (size_t)len);
    if (v->keyed) {
        len = snprintf(key, sizeof(key), "%" PRId64, v->next_key++);
        record.key = slice_make(key, (size_t)len);
        v->next_key = v->next_key == v->keys ? 0 : v->next_key;
    }
    if (v->create_ms >= 0) { /* it drifts by what has passed with each record, as Kafka's does */
        record.timestamp = v->create_ms;
        v->create_ms += client_now_ms() - v->start_ms;
    }
    v->sent++;
    if (have_topic(v, &record)) {
        (void)producer_add(&v->producer, &record);
    }
}

/* Sends and takes answers until the next record is due; false when somebody interrupts. */
static bool pause_until(struct verifiable *v, int64_t due_ms) {
    int64_t left;
    do {
        left = due_ms - client_ticks_ms();
        int64_t wait = left < 0 ? 0 : left < PAUSE_MS ? left : PAUSE_MS;
        if (v->ready) {
            (void)producer_poll(&v->producer, wait);
        } else {
            client_pause_ms(wait);
        }
        if (interrupted()) {
            return false;
        }
    } while (left > 0);
    return true;
}

int kafka_verifiable_producer(struct kafka_call *call) {
    struct verifiable v = {.call = call, .max = -1, .throughput = -1, .create_ms = -1};
    call->client.client_id = "producer-1";
    producer_config_init(&v.config, call, &PRODUCER_OPTIONS_KAFKA);
    v.config.before = KAFKA_UNCAUGHT;
    if (!configure(&v)) {
        return EXIT_FAILED;
    }
    v.config.options.tell_unanswered = true;
    interrupt_hold();
    v.start_ms = client_now_ms();
    int64_t start_ms = client_ticks_ms();
    kafka_event_print(kafka_event("startup_complete"));
    for (int64_t i = 0; v.max < 0 || i < v.max; i++) {
        send_one(&v, i);
        if (!pause_until(&v, perf_due((double)v.throughput, start_ms, i + 1))) {
            break;
        }
    }
    if (v.ready) {
        (void)producer_flush(&v.producer);
        producer_release(&v.producer);
    }
    tell_end(&v);
    return 0;
}
