/* kafka-verifiable-consumer */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "tools/cli/interrupt.h"
#include "tools/kafka/consumer_config.h"
#include "tools/kafka/event.h"

#define RELOOK_MS 100 /* between questions for a topic that is not there yet */
#define WAIT_MS   250 /* of a fetch, after which an interrupt is seen */

const struct option_spec kafka_verifiable_consumer_options[] = {
    {"assignment-strategy", OPTION_VALUE, "ASSIGNMENT-STRATEGY", "Only RangeAssignor is served."},
    {"bootstrap-server", OPTION_VALUE, "HOST1:PORT1[,HOST2:PORT2[...]]", "The brokers (required)."},
    {"command-config|consumer.config", OPTION_VALUE, "CONFIG-FILE", "Properties for the consumer."},
    {"enable-autocommit", OPTION_FLAG, NULL, "Commits now and then, not behind each event."},
    {"group-id", OPTION_VALUE, "GROUP-ID", "The group (required)."},
    {"group-instance-id", OPTION_VALUE, "GROUP-INSTANCE-ID", "Not served yet."},
    {"group-protocol", OPTION_VALUE, "GROUP-PROTOCOL", "Only classic is served."},
    {"group-remote-assignor", OPTION_VALUE, "GROUP-REMOTE-ASSIGNOR", "Not served yet."},
    {"help|h", OPTION_FLAG, NULL, "Prints this."},
    {"max-messages", OPTION_VALUE, "MAX-MESSAGES", "How many; -1: until it is interrupted."},
    {"reset-policy", OPTION_VALUE, "RESET-POLICY", "earliest or latest; earliest."},
    {"session-timeout", OPTION_VALUE, "TIMEOUT-MS", "Of the session; 45000."},
    {"topic", OPTION_VALUE, "TOPIC", "The topic (required)."},
    {"verbose", OPTION_FLAG, NULL, "Tells of each record."},
    {NULL},
};

/* What a poll brought of one partition. */
struct summary {
    struct slice topic;
    int32_t partition;
    int64_t count, first, last;
};

struct verifiable {
    struct kafka_call *call;
    struct consumer_config config;
    struct subscription subscription;
    struct consumer consumer;
    struct member member;
    bool verbose, auto_commit;
    int64_t max, taken;        /* max -1: no limit */
    int64_t polled;            /* of one poll */
    struct summary *summaries; /* of one poll, by source; heap */
    json_t *assigned;          /* what was told of last; NULL: nothing */
};

/* ---- Options --------------------------------------------------------------------------------- */

static bool refuse(const char *what) {
    fprintf(stderr, "%s is not served yet by this tool.\n", what);
    return false;
}

/* What there is no other of. */
static bool check_served(const struct options *options) {
    static const char *const not_served[] = {"group-instance-id", "group-remote-assignor"};
    for (size_t i = 0; i < ARRAY_LEN(not_served); i++) {
        if (options_has(options, not_served[i])) {
            return refuse(not_served[i]);
        }
    }
    const char *strategy = options_get(options, "assignment-strategy", "RangeAssignor");
    size_t len = strlen(strategy), range = strlen("RangeAssignor");
    return (len >= range && strcmp(strategy + len - range, "RangeAssignor") == 0) ||
           refuse(strategy);
}

static bool check_arguments(const struct verifiable *v) {
    struct kafka_call *call = v->call;
    static const char *const required[] = {"topic", "group-id", "bootstrap-server"};
    for (size_t i = 0; i < ARRAY_LEN(required); i++) {
        if (!options_has(&call->options, required[i])) {
            kafka_argument_error(call, "argument --%s is required", required[i]);
            return false;
        }
    }
    const char *protocol = options_get(&call->options, "group-protocol", "classic");
    if (strcasecmp(protocol, "classic") != 0 && strcasecmp(protocol, "consumer") != 0) {
        char upper[64];
        size_t len = 0;
        for (; protocol[len] != '\0' && len + 1 < sizeof(upper); len++) {
            upper[len] = (char)toupper((unsigned char)protocol[len]);
        }
        upper[len] = '\0';
        fprintf(stderr,
                KAFKA_UNCAUGHT "java.lang.IllegalArgumentException: No enum constant "
                               "org.apache.kafka.clients.consumer.GroupProtocol.%s\n",
                upper);
        return false;
    }
    if (kafka_given(call, "consumer.config") && kafka_given(call, "command-config")) {
        kafka_argument_error(call, "Options --consumer.config and --command-config are mutually "
                                   "exclusive.");
        return false;
    }
    if (kafka_given(call, "consumer.config")) {
        puts("Option --consumer.config has been deprecated and will be removed in a future "
             "version. Use --command-config instead.");
    }
    return true;
}

static bool as_property(struct verifiable *v, const char *option, const char *property,
                        const char *otherwise) {
    const char *value = options_get(&v->call->options, option, otherwise);
    return value == NULL || consumer_config_take(&v->config, slice_str(property), slice_str(value));
}

static bool configure(struct verifiable *v) {
    struct kafka_call *call = v->call;
    const struct options *options = &call->options;
    const char *file = options_get(options, "command-config", NULL);
    if (!check_arguments(v) || !check_served(options) ||
        !kafka_argument_integer(call, "max-messages", "Integer", INT32_MAX, &v->max) ||
        (file != NULL && !kafka_properties(call, file, consumer_config_take, &v->config)) ||
        !as_property(v, "group-protocol", "group.protocol", NULL) ||
        !as_property(v, "group-id", "group.id", NULL) ||
        !as_property(v, "session-timeout", "session.timeout.ms", NULL) ||
        !as_property(v, "reset-policy", "auto.offset.reset", "earliest")) {
        return false;
    }
    v->verbose = options_has(options, "verbose");
    v->auto_commit = options_has(options, "enable-autocommit");
    v->subscription = (struct subscription){.topic = options_get(options, "topic", NULL),
                                            .create = v->config.create};
    if (v->config.options.wait_ms > WAIT_MS) {
        v->config.options.wait_ms = WAIT_MS;
    }
    return kafka_connect(call, options_get(options, "bootstrap-server", ""), NULL);
}

/* ---- Telling --------------------------------------------------------------------------------- */

static json_t *partition_json(struct slice topic, int32_t partition) {
    json_t *object = json_object();
    json_object_set_new(object, "topic", kafka_event_text(topic));
    json_object_set_new(object, "partition", json_integer(partition));
    return object;
}

/* The sources that the member has no more, and those that it has now. */
static void tell_revoked(struct verifiable *v) {
    if (v->assigned != NULL) {
        json_t *event = kafka_event("partitions_revoked");
        json_object_set_new(event, "partitions", v->assigned);
        kafka_event_print(event);
        v->assigned = NULL;
    }
}

static void tell_assigned(struct verifiable *v) {
    v->assigned = json_array();
    for (size_t i = 0; i < v->consumer.count; i++) {
        json_array_append_new(v->assigned, partition_json(v->consumer.sources[i].topic,
                                                          v->consumer.sources[i].partition));
    }
    json_t *event = kafka_event("partitions_assigned");
    json_object_set(event, "partitions", v->assigned);
    kafka_event_print(event);
}

static void tell_consumed(const struct verifiable *v) {
    json_t *partitions = json_array();
    for (size_t i = 0; i < v->consumer.count; i++) {
        const struct summary *summary = &v->summaries[i];
        if (summary->count == 0) {
            continue;
        }
        json_t *object = partition_json(summary->topic, summary->partition);
        json_object_set_new(object, "count", json_integer(summary->count));
        json_object_set_new(object, "minOffset", json_integer(summary->first));
        json_object_set_new(object, "maxOffset", json_integer(summary->last));
        json_array_append_new(partitions, object);
    }
    json_t *event = kafka_event("records_consumed");
    json_object_set_new(event, "count", json_integer(v->polled));
    json_object_set_new(event, "partitions", partitions);
    kafka_event_print(event);
}

static void tell_committed(const struct verifiable *v, int16_t code) {
    json_t *offsets = json_array();
    for (size_t i = 0; i < v->consumer.count; i++) {
        const struct summary *summary = &v->summaries[i];
        if (summary->count > 0) {
            json_t *object = partition_json(summary->topic, summary->partition);
            json_object_set_new(object, "offset", json_integer(summary->last + 1));
            json_array_append_new(offsets, object);
        }
    }
    json_t *event = kafka_event("offsets_committed");
    json_object_set_new(event, "offsets", offsets);
    if (code != ERROR_NONE) {
        json_object_set_new(
            event, "error",
            json_string(code > 0 ? error_message(code) : v->call->client.error.text));
    }
    json_object_set_new(event, "success", json_boolean(code == ERROR_NONE));
    kafka_event_print(event);
}

static void tell_record(const struct incoming *incoming) {
    const struct record *record = incoming->record;
    json_t *event = kafka_event("record_data");
    json_object_set_new(event, "key", kafka_event_text(record->key));
    json_object_set_new(event, "value", kafka_event_text(record->value));
    json_object_set_new(event, "topic", kafka_event_text(incoming->source->topic));
    json_object_set_new(event, "partition", json_integer(incoming->source->partition));
    json_object_set_new(event, "offset", json_integer(record->offset));
    kafka_event_print(event);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static bool finished(const struct verifiable *v) {
    return v->max >= 0 && v->taken >= v->max;
}

static bool take(void *ctx, const struct incoming *incoming) {
    struct verifiable *v = ctx;
    struct summary *summary = &v->summaries[incoming->source - v->consumer.sources];
    if (summary->count == 0) {
        *summary = (struct summary){.topic = incoming->source->topic,
                                    .partition = incoming->source->partition,
                                    .first = incoming->record->offset};
    }
    summary->count++;
    summary->last = incoming->record->offset;
    v->taken++;
    v->polled++;
    if (v->verbose) {
        tell_record(incoming);
    }
    return !finished(v) && v->polled < v->config.poll_records;
}

/* Becomes a member, or stays one, and tells what is assigned anew. 0, or a code that ends it. */
static int16_t keep(struct verifiable *v) {
    struct client *client = &v->call->client;
    int32_t generation = v->member.generation;
    int16_t code;
    if (v->member.client == NULL) {
        code = subscription_look_up(&v->subscription, v->call);
        if (code != ERROR_NONE || v->subscription.topic_count == 0) {
            client_pause_ms(code == ERROR_NONE ? RELOOK_MS : 0);
            return code;
        }
        member_init(&v->member, client, slice_str(v->config.group), v->subscription.topics,
                    v->subscription.topic_count);
        consumer_config_member(&v->config, &v->member);
        generation = -1;
        code = member_join(&v->member, &v->consumer, v->config.start);
    } else {
        code = member_keep(&v->member, &v->consumer, v->config.start, v->auto_commit);
    }
    if (code == ERROR_NONE && v->member.generation != generation) {
        tell_revoked(v);
        tell_assigned(v);
        free(v->summaries);
        v->summaries = xcalloc(v->consumer.count + 1, sizeof(*v->summaries));
    }
    return code;
}

/* One round; 0, or a code that ends it. */
static int16_t poll_once(struct verifiable *v) {
    int16_t code = keep(v);
    if (code != ERROR_NONE || v->member.client == NULL) {
        return code;
    }
    memset(v->summaries, 0, (v->consumer.count + 1) * sizeof(*v->summaries));
    v->polled = 0;
    (void)consumer_poll(&v->consumer, &code);
    if (v->polled > 0) {
        tell_consumed(v);
        if (!v->auto_commit) {
            tell_committed(v, member_commit(&v->member, &v->consumer));
        }
    }
    return code;
}

static void tell_failure(const struct verifiable *v, int16_t code) {
    kafka_log("ERROR", v->call->logger, "%s",
              "Error during processing, terminating consumer process: ");
    fprintf(stderr, "%s: %s\n",
            code > 0 ? kafka_exception(&v->call->arena, code)
                     : "org.apache.kafka.common.KafkaException",
            v->call->client.error.text);
}

int kafka_verifiable_consumer(struct kafka_call *call) {
    struct verifiable v = {.call = call, .max = -1};
    call->client.client_id = "consumer-1";
    consumer_config_init(&v.config, call);
    v.config.before = KAFKA_UNCAUGHT;
    if (!configure(&v)) {
        return EXIT_FAILED;
    }
    consumer_init(&v.consumer, &call->client, &v.config.options);
    v.consumer.record = take;
    v.consumer.ctx = &v;
    interrupt_hold();
    kafka_event_print(kafka_event("startup_complete"));
    bool asked = false;
    int16_t code = ERROR_NONE;
    while (!finished(&v) && code == ERROR_NONE && !(asked = interrupted())) {
        code = poll_once(&v);
    }
    if (code != ERROR_NONE) {
        tell_failure(&v, code);
    }
    if (asked) {
        kafka_event_print(kafka_event("shutdown_requested"));
    }
    if (v.member.client != NULL) {
        if (v.auto_commit) {
            (void)member_commit(&v.member, &v.consumer);
        }
        tell_revoked(&v);
        member_leave(&v.member);
        member_release(&v.member);
    }
    consumer_release(&v.consumer);
    free(v.summaries);
    kafka_event_print(kafka_event("shutdown_complete"));
    if (!asked) {
        kafka_event_print(kafka_event("shutdown_requested"));
    }
    return 0;
}
