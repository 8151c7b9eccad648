/* Scenarios about topics, their configuration and groups, as an administrator sees them. */
#include "matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sends a request by `send(queue)`, waits for its answer. */
#define ANSWER(client, event, send)                                                                \
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);                                          \
    send;                                                                                          \
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TIMEOUT_MS);                              \
    if (event == NULL) {                                                                           \
        fail("there is no answer");                                                                \
    }                                                                                              \
    rd_kafka_queue_destroy(queue)

static rd_kafka_resp_err_t worst(const rd_kafka_topic_result_t **results, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (rd_kafka_topic_result_error(results[i]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return rd_kafka_topic_result_error(results[i]);
        }
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t create_topics(rd_kafka_t *client, const char *const *names, size_t count,
                                  int partitions, int replicas, options config) {
    rd_kafka_NewTopic_t **topics = calloc(count, sizeof(*topics));
    char why[512];

    if (topics == NULL) {
        fail("no memory");
    }
    for (size_t i = 0; i < count; i++) {
        topics[i] = rd_kafka_NewTopic_new(names[i], partitions, replicas, why, sizeof(why));
        if (topics[i] == NULL) {
            fail("%s", why);
        }
        for (size_t c = 0; config != NULL && config[c] != NULL; c += 2) {
            rd_kafka_NewTopic_set_config(topics[i], config[c], config[c + 1]);
        }
    }
    ANSWER(client, event, rd_kafka_CreateTopics(client, topics, count, NULL, queue));
    rd_kafka_NewTopic_destroy_array(topics, count);
    free(topics);
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        size_t answers;
        const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(event), &answers);
        error = worst(results, answers);
    }
    rd_kafka_event_destroy(event);
    return error;
}

rd_kafka_resp_err_t delete_topics(rd_kafka_t *client, const char *const *names, size_t count) {
    rd_kafka_DeleteTopic_t **topics = calloc(count, sizeof(*topics));

    if (topics == NULL) {
        fail("no memory");
    }
    for (size_t i = 0; i < count; i++) {
        topics[i] = rd_kafka_DeleteTopic_new(names[i]);
    }
    ANSWER(client, event, rd_kafka_DeleteTopics(client, topics, count, NULL, queue));
    rd_kafka_DeleteTopic_destroy_array(topics, count);
    free(topics);
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        size_t answers;
        const rd_kafka_topic_result_t **results = rd_kafka_DeleteTopics_result_topics(
            rd_kafka_event_DeleteTopics_result(event), &answers);
        error = worst(results, answers);
    }
    rd_kafka_event_destroy(event);
    return error;
}

rd_kafka_resp_err_t delete_records(rd_kafka_t *client, const char *topic, int partition,
                                   int64_t before) {
    rd_kafka_topic_partition_list_t *list = at(topic, partition, before);
    rd_kafka_DeleteRecords_t *request = rd_kafka_DeleteRecords_new(list);

    rd_kafka_topic_partition_list_destroy(list);
    ANSWER(client, event, rd_kafka_DeleteRecords(client, &request, 1, NULL, queue));
    rd_kafka_DeleteRecords_destroy(request);
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        error = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event))
                    ->elems[0]
                    .err;
    }
    rd_kafka_event_destroy(event);
    return error;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* How many of the names are topics. */
static size_t listed(rd_kafka_t *client, const char *const *names, size_t count) {
    const struct rd_kafka_metadata *metadata;
    size_t found = 0;

    expect_error(rd_kafka_metadata(client, 1, NULL, &metadata, TIMEOUT_MS),
                 RD_KAFKA_RESP_ERR_NO_ERROR, "listing topics");
    const char **there = calloc((size_t)metadata->topic_cnt + 1, sizeof(*there));
    if (there == NULL) {
        fail("no memory");
    }
    for (int i = 0; i < metadata->topic_cnt; i++) {
        there[i] = metadata->topics[i].topic;
    }
    qsort(there, (size_t)metadata->topic_cnt, sizeof(*there), compare_names);
    for (size_t i = 0; i < count; i++) {
        found += bsearch(&names[i], there, (size_t)metadata->topic_cnt, sizeof(*there),
                         compare_names) != NULL;
    }
    free(there);
    rd_kafka_metadata_destroy(metadata);
    return found;
}

void wait_for_topics(rd_kafka_t *client, const char *const *names, size_t count, bool there) {
    const int64_t deadline = now_ms() + 150000;

    while (listed(client, names, count) != (there ? count : 0)) {
        if (now_ms() > deadline) {
            fail("waited in vain for topics to be there, or not");
        }
        sleep_ms(50);
    }
}

static int partitions_of(rd_kafka_t *client, const char *topic) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);

    expect_error(rd_kafka_metadata(client, 0, handle, &metadata, TIMEOUT_MS),
                 RD_KAFKA_RESP_ERR_NO_ERROR, "describing a topic");
    int count = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    return count;
}

static rd_kafka_resp_err_t add_partitions(rd_kafka_t *client, const char *topic, size_t total) {
    char why[512];
    rd_kafka_NewPartitions_t *request = rd_kafka_NewPartitions_new(topic, total, why, sizeof(why));
    size_t answers;

    ANSWER(client, event, rd_kafka_CreatePartitions(client, &request, 1, NULL, queue));
    rd_kafka_NewPartitions_destroy(request);
    const rd_kafka_topic_result_t **results = rd_kafka_CreatePartitions_result_topics(
        rd_kafka_event_CreatePartitions_result(event), &answers);
    rd_kafka_resp_err_t error = worst(results, answers);
    rd_kafka_event_destroy(event);
    return error;
}

static void expect_config(rd_kafka_t *client, const char *topic, const char *name,
                          const char *value) {
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    size_t resources, entries;

    ANSWER(client, event, rd_kafka_DescribeConfigs(client, &resource, 1, NULL, queue));
    rd_kafka_ConfigResource_destroy(resource);
    const rd_kafka_ConfigResource_t **found = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event), &resources);
    const rd_kafka_ConfigEntry_t **entry = rd_kafka_ConfigResource_configs(found[0], &entries);
    for (size_t i = 0; i < entries; i++) {
        if (strcmp(rd_kafka_ConfigEntry_name(entry[i]), name) == 0) {
            if (strcmp(rd_kafka_ConfigEntry_value(entry[i]), value) != 0) {
                fail("%s is %s", name, rd_kafka_ConfigEntry_value(entry[i]));
            }
            rd_kafka_event_destroy(event);
            return;
        }
    }
    fail("%s is not described", name);
}

static rd_kafka_resp_err_t set_config(rd_kafka_t *client, const char *topic, const char *name,
                                      const char *value) {
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    size_t count;

    rd_kafka_ConfigResource_set_config(resource, name, value);
    ANSWER(client, event, rd_kafka_AlterConfigs(client, &resource, 1, NULL, queue));
    rd_kafka_ConfigResource_destroy(resource);
    const rd_kafka_ConfigResource_t **found =
        rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &count);
    rd_kafka_resp_err_t error = rd_kafka_ConfigResource_error(found[0]);
    rd_kafka_event_destroy(event);
    return error;
}

static void topics(rd_kafka_t *client, const char *name) {
    char long_name[251];
    const char *other = joined(name, "-not");
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = 0;
    const struct {
        rd_kafka_resp_err_t wanted;
        const char *name;
        int replicas;
        const char *key, *value;
    } cases[] = {
        {RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, name, 1, NULL, NULL},
        {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "a/b", 1, NULL, NULL},
        {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, long_name, 1, NULL, NULL},
        {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, other, 5, NULL, NULL},
        {RD_KAFKA_RESP_ERR_INVALID_CONFIG, other, 1, "no.such.key", "1"},
        {RD_KAFKA_RESP_ERR_INVALID_CONFIG, other, 1, "retention.ms", "long"},
    };

    options config = {"retention.ms", "7200000", NULL};
    expect_error(create_topics(client, &name, 1, 3, 1, config), RD_KAFKA_RESP_ERR_NO_ERROR,
                 "creating");
    wait_for_topics(client, &name, 1, true);
    expect_number(partitions_of(client, name), 3, "partitions");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_error(create_topics(client, &cases[i].name, 1, 1, cases[i].replicas,
                                   (options){cases[i].key, cases[i].value, NULL}),
                     cases[i].wanted, cases[i].name);
    }
    expect_number((int64_t)listed(client, &other, 1), 0, "topics that were refused");
    expect_error(add_partitions(client, name, 5), RD_KAFKA_RESP_ERR_NO_ERROR, "more partitions");
    const int64_t deadline = now_ms() + TIMEOUT_MS;
    while (partitions_of(client, name) != 5 && now_ms() < deadline) {
        sleep_ms(50);
    }
    expect_number(partitions_of(client, name), 5, "partitions");
    expect_error(add_partitions(client, name, 2), RD_KAFKA_RESP_ERR_INVALID_PARTITIONS,
                 "fewer partitions");
}

static void groups(rd_kafka_t *client, const char *topic, const char *group) {
    static const struct {
        const char *state;
        int members;
        rd_kafka_resp_err_t deleting;
    } steps[] = {
        {"Stable", 1, RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP},
        {"Empty", 0, RD_KAFKA_RESP_ERR_NO_ERROR},
        {NULL, 0, RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND},
    };
    rd_kafka_t *member = new_consumer(group, NULL);
    rd_kafka_topic_partition_list_t *list = at(topic, RD_KAFKA_PARTITION_UA, 0);

    rd_kafka_subscribe(member, list);
    rd_kafka_topic_partition_list_destroy(list);
    expect_numbers(member, 15, 5);
    expect_error(commit(member, topic, 0, 17), RD_KAFKA_RESP_ERR_NO_ERROR, "committing");
    for (int i = 0; i < 3; i++) {
        const struct rd_kafka_group_list *found;
        expect_error(
            rd_kafka_list_groups(client, steps[i].state ? group : NULL, &found, TIMEOUT_MS),
            RD_KAFKA_RESP_ERR_NO_ERROR, "listing groups");
        const struct rd_kafka_group_info *info = NULL;
        for (int g = 0; g < found->group_cnt; g++) {
            info = strcmp(found->groups[g].group, group) == 0 ? &found->groups[g] : info;
        }
        if ((info == NULL) != (steps[i].state == NULL) ||
            (info != NULL && strcmp(info->state, steps[i].state) != 0)) {
            fail("the group is %s", info != NULL ? info->state : "not there");
        }
        expect_number(info != NULL ? info->member_cnt : 0, steps[i].members, "members");
        rd_kafka_group_list_destroy(found);

        rd_kafka_DeleteGroup_t *request = rd_kafka_DeleteGroup_new(group);
        size_t count;
        ANSWER(client, event, rd_kafka_DeleteGroups(client, &request, 1, NULL, queue));
        rd_kafka_DeleteGroup_destroy(request);
        const rd_kafka_group_result_t **results =
            rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event), &count);
        const rd_kafka_error_t *error = rd_kafka_group_result_error(results[0]);
        expect_error(error != NULL ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR,
                     steps[i].deleting, "deleting the group");
        rd_kafka_event_destroy(event);
        if (i == 0) {
            close_consumer(member);
        }
    }
}

void admin(const char *topic, const char *group) {
    rd_kafka_t *client = new_producer(NULL), *reader = new_consumer(group, NULL);
    const char *name = joined(topic, "-made");
    int64_t low, high;

    topics(client, name);
    expect_config(client, name, "retention.ms", "7200000");
    expect_config(client, name, "segment.bytes", "1073741824");
    expect_error(set_config(client, name, "retention.ms", "3600000"), RD_KAFKA_RESP_ERR_NO_ERROR,
                 "altering");
    sleep_ms(500);
    expect_config(client, name, "retention.ms", "3600000");
    expect_error(set_config(client, name, "retention.ms", "soon"), RD_KAFKA_RESP_ERR_INVALID_CONFIG,
                 "altering to a bad value");
    fill(name, (int[]){20}, 1, 0);
    expect_error(delete_records(client, name, 0, 15), RD_KAFKA_RESP_ERR_NO_ERROR,
                 "deleting records");
    bounds(reader, name, 0, &low, &high);
    expect_number(low, 15, "the first offset");
    expect_number(high, 20, "the end");
    rd_kafka_destroy(reader);
    groups(client, name, group);
    expect_error(delete_topics(client, &name, 1), RD_KAFKA_RESP_ERR_NO_ERROR, "deleting");
    wait_for_topics(client, &name, 1, false);
    expect_error(delete_topics(client, &name, 1), RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                 "deleting again");
    rd_kafka_destroy(client);
}

void many_topics(const char *topic, const char *group) {
    enum { COUNT = 2000, AT_ONCE = 100 };
    static char names[COUNT][300];
    static const char *name[COUNT];
    static bool seen[COUNT];
    rd_kafka_t *producer = new_producer(NULL), *consumer = new_consumer(group, NULL);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(COUNT);

    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof(names[i]), "%s-%d", topic, i);
        name[i] = names[i];
        rd_kafka_topic_partition_list_add(list, name[i], 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    for (int i = 0; i < COUNT; i += AT_ONCE) {
        expect_error(create_topics(producer, &name[i], AT_ONCE, 1, 1, NULL),
                     RD_KAFKA_RESP_ERR_NO_ERROR, "creating");
    }
    wait_for_topics(producer, name, COUNT, true);
    char text[16];
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "%d", i);
        produce_text(producer, name[i], 0, text);
    }
    expect_error(flush(producer), RD_KAFKA_RESP_ERR_NO_ERROR, "producing");
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    for (int count = 0; count < COUNT; count++) {
        rd_kafka_message_t *message = next_record(consumer, TIMEOUT_MS);
        if (message == NULL) {
            fail("only %d records came", count);
        }
        int i = number_of(message);
        if (seen[i] || strcmp(rd_kafka_topic_name(message->rkt), name[i]) != 0) {
            fail("record %d is in %s, or came again", i, rd_kafka_topic_name(message->rkt));
        }
        seen[i] = true;
        rd_kafka_message_destroy(message);
    }
    close_consumer(consumer);
    for (int i = 0; i < COUNT; i += AT_ONCE) {
        expect_error(delete_topics(producer, &name[i], AT_ONCE), RD_KAFKA_RESP_ERR_NO_ERROR,
                     "deleting");
    }
    rd_kafka_destroy(producer);
}
