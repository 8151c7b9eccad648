/* kafka-delete-records and kafka-log-dirs */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/generated/delete_records_request.h"
#include "protocol/generated/delete_records_response.h"
#include "protocol/generated/describe_log_dirs_request.h"
#include "protocol/generated/describe_log_dirs_response.h"
#include "tools/kafka/kafka.h"

#define TIMEOUT_MS 60000

const struct option_spec kafka_delete_records_options[] = {
    {"bootstrap-server", OPTION_VALUE, "server to connect to", "The brokers (required)."},
    {"command-config", OPTION_VALUE, "config file", "Properties for the client."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"offset-json-file", OPTION_VALUE, "path",
     "{\"partitions\":[{\"topic\":\"foo\",\"partition\":1,"
     "\"offset\":1}],\"version\":1} (required)."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

const struct option_spec kafka_log_dirs_options[] = {
    {"bootstrap-server", OPTION_VALUE, "server to connect to", "The brokers (required)."},
    {"broker-list", OPTION_VALUE, "broker list", "Only these: 0,1,2."},
    {"command-config", OPTION_VALUE, "config file", "Properties for the client."},
    {"describe", OPTION_FLAG, NULL, "Describes the log directories (required)."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"topic-list", OPTION_VALUE, "topic list", "Only these: topic1,topic2."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

/* ---- Deleting records ------------------------------------------------------------------------ */

static int fail_as(const char *exception, const char *text) {
    fflush(stdout);
    fprintf(stderr, "%s\n%s: %s\n", text, exception, text);
    return EXIT_FAILED;
}

/* One partition of the file. */
struct cut {
    struct slice topic;
    int32_t partition;
    int64_t offset;
    int32_t leader; /* -1: none */
};

/* The partitions of the file, in the call's arena; -1 after a message. */
static int64_t take_cuts(struct kafka_call *call, json_t *json, struct cut **out) {
    json_t *partitions = json_object_get(json, "partitions"), *item;
    size_t i;
    *out = arena_array(&call->arena, json_array_size(partitions) + 1, sizeof(**out));
    const char *twice = NULL;
    json_array_foreach(partitions, i, item) {
        const char *topic = json_string_value(json_object_get(item, "topic"));
        json_t *partition = json_object_get(item, "partition");
        json_t *offset = json_object_get(item, "offset");
        if (topic == NULL || !json_is_integer(partition) || !json_is_integer(offset) ||
            json_integer_value(partition) < 0 || json_integer_value(partition) > INT32_MAX) {
            fail_as("org.apache.kafka.tools.AdminOperationException",
                    "The input string is not a valid JSON");
            return -1;
        }
        struct cut cut = {arena_dup(&call->arena, slice_str(topic)),
                          (int32_t)json_integer_value(partition), json_integer_value(offset), -1};
        for (size_t j = 0; j < i && twice == NULL; j++) {
            if ((*out)[j].partition == cut.partition && slice_equal((*out)[j].topic, cut.topic)) {
                twice = arena_printf(&call->arena, "%s-%d", topic, cut.partition);
            }
        }
        (*out)[i] = cut;
    }
    if (twice != NULL) {
        fail_as("org.apache.kafka.tools.AdminCommandFailedException",
                arena_printf(&call->arena,
                             "Offset json file contains duplicate topic partitions: %s", twice));
        return -1;
    }
    return (int64_t)json_array_size(partitions);
}

/* Asks the leader of one partition; false without answer. */
static bool delete_one(struct client *client, const struct cut *cut, int16_t *code,
                       int64_t *low_watermark) {
    struct delete_records_request_partition partition = delete_records_request_partition_defaults;
    partition.partition_index = cut->partition;
    partition.offset = cut->offset;
    struct delete_records_request_topic topic = delete_records_request_topic_defaults;
    topic.name = cut->topic;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct delete_records_request request;
    message_init(&delete_records_request_desc, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    const struct delete_records_response *response =
        client_call(client, cut->leader, API_DELETE_RECORDS, VERSION_MAX, &request, NULL);
    if (response == NULL || response->topics_count != 1 ||
        response->topics[0].partitions_count != 1) {
        return false;
    }
    *code = response->topics[0].partitions[0].error_code;
    *low_watermark = response->topics[0].partitions[0].low_watermark;
    return true;
}

static int delete_all(struct kafka_call *call, struct cut *cuts, size_t count) {
    struct topic_list topics;
    if (!topics_all(&call->client, &topics)) {
        return fail_as("org.apache.kafka.common.errors.TimeoutException", call->client.error.text);
    }
    puts("Executing records delete operation");
    puts("Records delete operation completed:");
    for (size_t i = 0; i < count; i++) {
        struct topic_info *topic = topic_find(&topics, cuts[i].topic);
        bool known = topic != NULL && cuts[i].partition < topic->partition_count;
        cuts[i].leader = known ? topic->partitions[cuts[i].partition].leader : -1;
        int16_t code = known ? ERROR_LEADER_NOT_AVAILABLE : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        int64_t low_watermark = -1;
        if (cuts[i].leader >= 0 && !delete_one(&call->client, &cuts[i], &code, &low_watermark)) {
            code = ERROR_NETWORK_EXCEPTION;
        }
        if (code == ERROR_NONE) {
            printf("partition: %.*s-%d\tlow_watermark: %" PRId64 "\n", SLICE_ARG(cuts[i].topic),
                   cuts[i].partition, low_watermark);
            continue;
        }
        kafka_log("ERROR", "org.apache.kafka.clients.admin.internals.DeleteRecordsHandler",
                  "[AdminClient clientId=adminclient-1] DeleteRecords request for topic partition "
                  "%.*s-%d failed due to an unexpected error %s",
                  SLICE_ARG(cuts[i].topic), cuts[i].partition, error_name(code));
        printf("partition: %.*s-%d\terror: %s: %s\n", SLICE_ARG(cuts[i].topic), cuts[i].partition,
               kafka_exception(&call->arena, code), error_message(code));
    }
    return 0;
}

int kafka_delete_records(struct kafka_call *call) {
    static const char *const required[] = {"bootstrap-server", "offset-json-file", NULL};
    if (!kafka_require(call, required) || !kafka_connect_given(call)) {
        return EXIT_FAILED;
    }
    json_error_t error;
    json_t *json = json_load_file(options_get(&call->options, "offset-json-file", ""), 0, &error);
    if (json == NULL || !json_is_array(json_object_get(json, "partitions"))) {
        json_decref(json);
        return fail_as("org.apache.kafka.tools.AdminOperationException",
                       "The input string is not a valid JSON");
    }
    struct cut *cuts;
    int64_t count = take_cuts(call, json, &cuts);
    json_decref(json);
    return count < 0 ? EXIT_FAILED : delete_all(call, cuts, (size_t)count);
}

/* ---- Log directories ------------------------------------------------------------------------- */

/* Whether a comma-separated list has the word; NULL has all. */
static bool listed(const char *list, struct slice word) {
    for (; list != NULL && *list != '\0';) {
        size_t len = strcspn(list, ",");
        if (len == word.len && memcmp(list, word.data, len) == 0) {
            return true;
        }
        list += len + (list[len] == ',');
        if (*list == '\0') {
            return false;
        }
    }
    return true;
}

static json_t *directory_json(const struct describe_log_dirs_response_result *dir,
                              const char *topics) {
    json_t *partitions = json_array();
    for (int32_t i = 0; i < dir->topics_count; i++) {
        const struct describe_log_dirs_response_topic *t = &dir->topics[i];
        for (int32_t j = 0; j < t->partitions_count && listed(topics, t->name); j++) {
            const struct describe_log_dirs_response_partition *p = &t->partitions[j];
            json_array_append_new(
                partitions,
                json_pack("{s:o,s:I,s:I,s:b}", "partition",
                          json_sprintf("%.*s-%d", SLICE_ARG(t->name), p->partition_index), "size",
                          (json_int_t)p->partition_size, "offsetLag", (json_int_t)p->offset_lag,
                          "isFuture", p->is_future_key));
        }
    }
    return json_pack("{s:o,s:o,s:o}", "partitions", partitions, "error",
                     dir->error_code == ERROR_NONE ? json_null()
                                                   : json_string(error_message(dir->error_code)),
                     "logDir", json_sprintf("%.*s", SLICE_ARG(dir->log_dir)));
}

/* The brokers of --broker-list, or all; false after a message. */
static bool take_brokers(struct kafka_call *call, int32_t **out, size_t *count) {
    const char *list = options_get(&call->options, "broker-list", NULL);
    struct slice none = SLICE_LIT("");
    const struct metadata_response *metadata = client_metadata(&call->client, &none, 0);
    if (metadata == NULL) {
        fail_as("org.apache.kafka.common.errors.TimeoutException", call->client.error.text);
        return false;
    }
    const char *all = "", *missing = "";
    *count = 0;
    *out = arena_array(&call->arena, (size_t)metadata->brokers_count + 1, sizeof(**out));
    for (int32_t i = 0; i < metadata->brokers_count; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", metadata->brokers[i].node_id);
        all = arena_printf(&call->arena, "%s%s%s", all, i > 0 ? "," : "", id);
        if (listed(list, slice_str(id))) {
            (*out)[(*count)++] = metadata->brokers[i].node_id;
        }
    }
    while (list != NULL && *list != '\0') {
        size_t len = strcspn(list, ",");
        if (!listed(all, slice_make(list, len))) {
            missing = arena_printf(&call->arena, "%s%s%.*s", missing, *missing != '\0' ? "," : "",
                                   (int)len, list);
        }
        list += len + (list[len] == ',');
    }
    if (*missing != '\0') {
        fprintf(stderr,
                "ERROR: The given brokers do not exist from --broker-list: %s. Current existent "
                "brokers: %s\n",
                missing, all);
        return false;
    }
    return true;
}

int kafka_log_dirs(struct kafka_call *call) {
    static const char *const required[] = {"bootstrap-server", "describe", NULL};
    int32_t *brokers;
    size_t count;
    if (!kafka_require(call, required) || !kafka_connect_given(call) ||
        !take_brokers(call, &brokers, &count)) {
        return EXIT_FAILED;
    }
    puts("Querying brokers for log directories information");
    json_t *array = json_array();
    const char *ids = "";
    for (size_t i = 0; i < count; i++) {
        struct describe_log_dirs_request request;
        message_init(&describe_log_dirs_request_desc, &request);
        request.topics_count = -1;
        const struct describe_log_dirs_response *response = client_call(
            &call->client, brokers[i], API_DESCRIBE_LOG_DIRS, VERSION_MAX, &request, NULL);
        if (response == NULL) {
            json_decref(array);
            return fail_as("org.apache.kafka.common.errors.TimeoutException",
                           call->client.error.text);
        }
        json_t *dirs = json_array();
        for (int32_t j = 0; j < response->results_count; j++) {
            json_array_append_new(dirs,
                                  directory_json(&response->results[j],
                                                 options_get(&call->options, "topic-list", NULL)));
        }
        json_array_append_new(array, json_pack("{s:i,s:o}", "broker", brokers[i], "logDirs", dirs));
        ids = arena_printf(&call->arena, "%s%s%d", ids, i > 0 ? "," : "", brokers[i]);
    }
    printf("Received log directory information from brokers %s\n", ids);
    json_t *json = json_pack("{s:o,s:i}", "brokers", array, "version", 1);
    json_dumpf(json, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(json);
    return 0;
}
