/* kafka-get-offsets */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/admin/offsets.h"
#include "tools/kafka/kafka.h"

const struct option_spec kafka_get_offsets_options[] = {
    {"bootstrap-server|broker-list", OPTION_VALUE, "HOST1:PORT1,...", "The brokers (required)."},
    {"command-config", OPTION_VALUE, "config file", "Properties for the client."},
    {"exclude-internal-topics", OPTION_FLAG, NULL, "Leaves internal topics out."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"partitions", OPTION_VALUE, "partition ids", "Only these: 0,2,4."},
    {"time", OPTION_VALUE, "<timestamp> / -1 or latest / -2 or earliest / ...", "Which offsets."},
    {"topic", OPTION_VALUE, "topic", "The topics, a regular expression."},
    {"topic-partitions", OPTION_VALUE, "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3",
     "The topics with ranges of partitions."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

static int fail(const char *text) {
    fprintf(stderr, "Error occurred: %s\n", text);
    return EXIT_FAILED;
}

/* The timestamp of --time; false when it is none. */
static bool take_time(const char *text, int64_t *out) {
    static const struct {
        const char *name;
        int64_t value;
    } names[] = {{"latest", -1},         {"earliest", -2},      {"max-timestamp", -3},
                 {"earliest-local", -4}, {"latest-tiered", -5}, {"earliest-pending-upload", -6}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i].name) == 0) {
            *out = names[i].value;
            return true;
        }
    }
    return slice_parse_i64(slice_str(text), out);
}

/* Whether one piece of --topic-partitions has the partition: TOPIC[:N|:N-|:N-M|:-M]; N-M is without
 * M. */
static bool piece_has(const char *piece, size_t len, struct slice topic, int32_t partition) {
    const char *colon = memrchr(piece, ':', len);
    size_t name_len = colon != NULL ? (size_t)(colon - piece) : len;
    char name[512];
    snprintf(name, sizeof(name), "%.*s", (int)name_len, piece);
    if (name_len > 0 && !kafka_matches(name, topic)) {
        return false;
    }
    if (colon == NULL || (size_t)(colon + 1 - piece) == len) {
        return true;
    }
    char range[64];
    snprintf(range, sizeof(range), "%.*s", (int)(len - name_len - 1), colon + 1);
    char *dash = strchr(range, '-');
    if (dash == NULL) {
        return partition == atoi(range);
    }
    bool above = dash == range || partition >= atoi(range);
    return above && (dash[1] == '\0' || partition < atoi(dash + 1));
}

static bool wanted(const struct kafka_call *call, const struct topic_info *topic,
                   int32_t partition) {
    const struct options *options = &call->options;
    const char *pieces = options_get(options, "topic-partitions", NULL);
    const char *pattern = options_get(options, "topic", NULL);
    const char *partitions = options_get(options, "partitions", NULL);
    if (topic->internal && options_has(options, "exclude-internal-topics")) {
        return false;
    }
    for (; pieces != NULL && *pieces != '\0';) {
        size_t len = strcspn(pieces, ",");
        if (piece_has(pieces, len, topic->name, partition)) {
            return true;
        }
        pieces += len + (pieces[len] == ',');
        if (*pieces == '\0') {
            return false;
        }
    }
    if (pattern != NULL && !kafka_matches(pattern, topic->name)) {
        return false;
    }
    for (; partitions != NULL && *partitions != '\0';) {
        if (atoi(partitions) == partition) {
            return true;
        }
        partitions += strcspn(partitions, ",");
        if (*partitions == '\0') {
            return false;
        }
        partitions++;
    }
    return true;
}

static void print(struct kafka_call *call, const struct offset_query *q) {
    if (q->code == ERROR_NONE) {
        if (q->offset >= 0) {
            printf("%.*s:%d:%" PRId64 "\n", SLICE_ARG(q->topic), q->partition, q->offset);
        }
        return;
    }
    kafka_log("ERROR", "org.apache.kafka.clients.admin.internals.ListOffsetsHandler",
              "[AdminClient clientId=GetOffsetShell] ListOffsets request for topic partition "
              "%.*s-%d failed due to an unexpected error %s",
              SLICE_ARG(q->topic), q->partition, error_name(q->code));
    fprintf(stderr, "Skip getting offsets for topic-partition %.*s-%d due to error: %s: %s\n",
            SLICE_ARG(q->topic), q->partition, kafka_exception(&call->arena, q->code),
            error_message(q->code));
}

int kafka_get_offsets(struct kafka_call *call) {
    static const char *const required[] = {"bootstrap-server", NULL};
    const char *time = options_get(&call->options, "time", "latest");
    int64_t when;
    struct topic_list topics;
    if (!kafka_require(call, required) || !kafka_connect_given(call)) {
        return EXIT_FAILED;
    }
    if (!take_time(time, &when)) {
        return fail(arena_printf(
            &call->arena,
            "Malformed time argument %s. Please use -1 or latest / -2 or earliest / -3 or "
            "max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or "
            "earliest-pending-upload, or a specified long format timestamp",
            time));
    }
    if (!topics_all(&call->client, &topics)) {
        return fail(call->client.error.text);
    }
    size_t count = 0, cap = 0;
    for (int32_t i = 0; i < topics.count; i++) {
        cap += (size_t)topics.items[i].partition_count;
    }
    struct offset_query *queries = arena_array(&call->arena, cap + 1, sizeof(*queries));
    for (int32_t i = 0; i < topics.count; i++) {
        for (int32_t j = 0; j < topics.items[i].partition_count; j++) {
            int32_t partition = topics.items[i].partitions[j].index;
            if (wanted(call, &topics.items[i], partition)) {
                queries[count++] = (struct offset_query){
                    .topic = topics.items[i].name, .partition = partition, .timestamp = when};
            }
        }
    }
    if (count == 0) {
        return fail("Could not match any topic-partitions with the specified filters");
    }
    if (!offsets_list(&call->client, queries, count, false)) {
        return fail(call->client.error.text);
    }
    for (size_t i = 0; i < count; i++) {
        print(call, &queries[i]);
    }
    return 0;
}
