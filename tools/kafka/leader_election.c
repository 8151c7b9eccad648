/* kafka-leader-election */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "protocol/generated/elect_leaders_request.h"
#include "protocol/generated/elect_leaders_response.h"
#include "tools/kafka/kafka.h"

#define PREFERRED 0
#define UNCLEAN   1

const struct option_spec kafka_leader_election_options[] = {
    {"all-topic-partitions", OPTION_FLAG, NULL,
     "All partitions that it would change something for."},
    {"bootstrap-server", OPTION_VALUE, "host:port", "The brokers (required)."},
    {"command-config|admin.config", OPTION_VALUE, "config file", "Properties for the client."},
    {"election-type", OPTION_VALUE, "type", "preferred or unclean (required)."},
    {"help", OPTION_FLAG, NULL, "Prints this."},
    {"partition", OPTION_VALUE, "partition id", "The partition, with --topic."},
    {"path-to-json-file", OPTION_VALUE, "path",
     "{\"partitions\": [{\"topic\": \"foo\", \"partition\": 1}]}"},
    {"topic", OPTION_VALUE, "topic name", "The topic, with --partition."},
    {"version", OPTION_FLAG, NULL, "Prints the version."},
    {NULL},
};

static int fail(const char *text) {
    fflush(stdout);
    fprintf(stderr, "%s\norg.apache.kafka.tools.AdminCommandFailedException: %s\n", text, text);
    return EXIT_FAILED;
}

/* ---- What is asked for ----------------------------------------------------------------------- */

static void add(struct kafka_call *call, struct elect_leaders_request *request, const char *topic,
                int32_t partition) {
    struct elect_leaders_request_topic_partitions *t =
        &request->topic_partitions[request->topic_partitions_count++];
    t->topic = arena_dup(&call->arena, slice_str(topic));
    t->partitions = arena_array(&call->arena, 1, sizeof(int32_t));
    t->partitions[0] = partition;
    t->partitions_count = 1;
}

/* The partitions of the file; false after a message. */
static bool take_file(struct kafka_call *call, const char *path,
                      struct elect_leaders_request *request) {
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error), *item;
    json_t *partitions = json_object_get(json, "partitions");
    bool good = json_is_array(partitions);
    request->topic_partitions = MESSAGE_ARRAY(&call->arena, elect_leaders_request_topic_partitions,
                                              json_array_size(partitions) + 1);
    size_t i;
    json_array_foreach(partitions, i, item) {
        const char *topic = json_string_value(json_object_get(item, "topic"));
        json_t *partition = json_object_get(item, "partition");
        good = good && topic != NULL && json_is_integer(partition);
        if (good) {
            add(call, request, topic, (int32_t)json_integer_value(partition));
        }
    }
    json_decref(json);
    if (!good) {
        fail("Replica election data is empty");
    }
    return good;
}

/* False after a message. */
static bool take_partitions(struct kafka_call *call, struct elect_leaders_request *request) {
    const struct options *options = &call->options;
    const char *topic = options_get(options, "topic", NULL);
    const char *file = options_get(options, "path-to-json-file", NULL);
    bool all = options_has(options, "all-topic-partitions");
    int64_t partition = -1;
    if ((topic != NULL) + (file != NULL) + all != 1) {
        fail("One and only one of the following options is required: all-topic-partitions, topic, "
             "path-to-json-file");
        return false;
    }
    if (all) {
        request->topic_partitions_count = -1;
        return true;
    }
    if (file != NULL) {
        return take_file(call, file, request);
    }
    if (!options_has(options, "partition")) {
        fail("Missing required option(s): partition");
        return false;
    }
    if (!options_i64(options, "partition", &partition)) {
        return false;
    }
    request->topic_partitions =
        MESSAGE_ARRAY(&call->arena, elect_leaders_request_topic_partitions, 1);
    add(call, request, topic, (int32_t)partition);
    return true;
}

/* ---- What came of it ------------------------------------------------------------------------- */

static void print_all(const struct elect_leaders_response *response, int16_t code,
                      const char *title) {
    bool first = true;
    for (int32_t i = 0; i < response->replica_election_results_count; i++) {
        const struct elect_leaders_response_replica_election_result *t =
            &response->replica_election_results[i];
        for (int32_t j = 0; j < t->partition_result_count; j++) {
            if (t->partition_result[j].error_code == code) {
                printf("%s%.*s-%d", first ? title : ", ", SLICE_ARG(t->topic),
                       t->partition_result[j].partition_id);
                first = false;
            }
        }
    }
    if (!first) {
        putchar('\n');
    }
}

/* Those that failed; returns how many. */
static int print_failed(struct kafka_call *call, const struct elect_leaders_response *response,
                        const char *type) {
    int count = 0;
    for (int32_t i = 0; i < response->replica_election_results_count; i++) {
        const struct elect_leaders_response_replica_election_result *t =
            &response->replica_election_results[i];
        for (int32_t j = 0; j < t->partition_result_count; j++) {
            const struct elect_leaders_response_partition_result *p = &t->partition_result[j];
            if (p->error_code == ERROR_NONE || p->error_code == ERROR_ELECTION_NOT_NEEDED) {
                continue;
            }
            struct outcome outcome = {p->error_code, p->error_message};
            struct slice text = outcome_text(&outcome);
            printf("Error completing leader election (%s) for partition: %.*s-%d: %s: %.*s\n", type,
                   SLICE_ARG(t->topic), p->partition_id,
                   kafka_exception(&call->arena, p->error_code), SLICE_ARG(text));
            count++;
        }
    }
    return count;
}

int kafka_leader_election(struct kafka_call *call) {
    const struct options *options = &call->options;
    const char *type = options_get(options, "election-type", NULL);
    struct elect_leaders_request request;
    message_init(&elect_leaders_request_desc, &request);
    if (!options_has(options, "bootstrap-server") || type == NULL) {
        return fail(type == NULL ? "Missing required option(s): election-type"
                                 : "Missing required option(s): bootstrap-server");
    }
    if (strcasecmp(type, "preferred") != 0 && strcasecmp(type, "unclean") != 0) {
        return fail("The election type is preferred or unclean");
    }
    request.election_type = strcasecmp(type, "unclean") == 0 ? UNCLEAN : PREFERRED;
    type = request.election_type == UNCLEAN ? "UNCLEAN" : "PREFERRED";
    if (!take_partitions(call, &request) || !kafka_connect_given(call)) {
        return EXIT_FAILED;
    }
    const struct elect_leaders_response *response =
        client_call(&call->client, CLIENT_ANY, API_ELECT_LEADERS, VERSION_MAX, &request, NULL);
    if (response == NULL) {
        return fail(call->client.error.text);
    }
    if (response->error_code != ERROR_NONE) {
        return fail(error_message(response->error_code));
    }
    print_all(response, ERROR_NONE,
              arena_printf(&call->arena,
                           "Successfully completed leader election (%s) for partitions ", type));
    print_all(response, ERROR_ELECTION_NOT_NEEDED, "Valid replica already elected for partitions ");
    int failed = print_failed(call, response, type);
    return failed == 0
               ? 0
               : fail(arena_printf(&call->arena, "%d replica(s) could not be elected", failed));
}
