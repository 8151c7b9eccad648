#include "tools/admin/offsets.h"

#include <stdlib.h>

#include "base/memory.h"
#include "protocol/generated/list_offsets_request.h"
#include "protocol/generated/list_offsets_response.h"

#define UNASKED    INT16_MIN
#define TIMEOUT_MS 30000

/* The newest version that knows what is asked for; the broker refuses what it does not know. */
static int16_t version_for(int64_t timestamp) {
    return timestamp >= OFFSET_EARLIEST ? 10 : VERSION_MAX;
}

/* By topic, so that those of one topic stand together. */
static int by_topic(const void *a, const void *b) {
    const struct offset_query *x = *(struct offset_query *const *)a;
    const struct offset_query *y = *(struct offset_query *const *)b;
    int order = slice_compare(x->topic, y->topic);
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static void take_answers(const struct list_offsets_response *response,
                         struct offset_query **queries, size_t count) {
    for (int32_t i = 0; i < response->topics_count; i++) {
        for (int32_t j = 0; j < response->topics[i].partitions_count; j++) {
            const struct list_offsets_response_partition_response *p =
                &response->topics[i].partitions[j];
            for (size_t k = 0; k < count; k++) {
                struct offset_query *q = queries[k];
                if (q->partition == p->partition_index &&
                    slice_equal(q->topic, response->topics[i].name)) {
                    q->code = p->error_code;
                    q->offset = p->offset;
                    q->offset_timestamp = p->timestamp;
                    q->leader_epoch = p->leader_epoch;
                }
            }
        }
    }
}

/* Asks one leader; the queries are sorted by topic. */
static bool ask(struct client *client, int32_t leader, struct offset_query **queries, size_t count,
                bool read_committed) {
    struct list_offsets_request request;
    message_init(&list_offsets_request_desc, &request);
    request.replica_id = -1;
    request.isolation_level = read_committed;
    request.timeout_ms = TIMEOUT_MS;
    request.topics = MESSAGE_ARRAY(&client->answers, list_offsets_request_topic, count);
    int16_t version = 10;
    for (size_t i = 0; i < count; i++) {
        struct offset_query *q = queries[i];
        q->code = ERROR_UNKNOWN_SERVER_ERROR;
        if (i == 0 || !slice_equal(q->topic, queries[i - 1]->topic)) {
            struct list_offsets_request_topic *t = &request.topics[request.topics_count++];
            t->name = q->topic;
            t->partitions =
                MESSAGE_ARRAY(&client->answers, list_offsets_request_partition, count - i);
        }
        struct list_offsets_request_topic *t = &request.topics[request.topics_count - 1];
        t->partitions[t->partitions_count].partition_index = q->partition;
        t->partitions[t->partitions_count++].timestamp = q->timestamp;
        if (version_for(q->timestamp) > version) {
            version = version_for(q->timestamp);
        }
    }
    const struct list_offsets_response *response =
        client_call(client, leader, API_LIST_OFFSETS, version, &request, NULL);
    if (response == NULL) {
        return false;
    }
    take_answers(response, queries, count);
    return true;
}

/* The leader of a partition, -1 with *code where there is none. */
static int32_t leader_of(const struct metadata_response *metadata, const struct offset_query *q,
                         int16_t *code) {
    *code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    for (int32_t i = 0; i < metadata->topics_count; i++) {
        const struct metadata_response_topic *t = &metadata->topics[i];
        if (!slice_equal(t->name, q->topic)) {
            continue;
        }
        if (t->error_code != ERROR_NONE) {
            *code = t->error_code;
            return -1;
        }
        for (int32_t j = 0; j < t->partitions_count; j++) {
            if (t->partitions[j].partition_index == q->partition) {
                *code = ERROR_LEADER_NOT_AVAILABLE;
                return t->partitions[j].leader_id;
            }
        }
    }
    return -1;
}

static bool to_be_asked(const struct offset_query *q) {
    return q->code == UNASKED || q->code == ERROR_NOT_LEADER_OR_FOLLOWER ||
           q->code == ERROR_LEADER_NOT_AVAILABLE || q->code == ERROR_OFFSET_NOT_AVAILABLE;
}

/* One round: finds the leaders, asks each once. *silent: one did not answer, it may have died and
 * the metadata not know yet; its queries are still to be asked. */
static bool ask_all(struct client *client, struct offset_query *queries, size_t count,
                    bool read_committed, bool *silent) {
    struct slice *names = arena_array(&client->answers, count, sizeof(*names));
    int32_t name_count = 0;
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (int32_t j = name_count - 1; j >= 0 && !known; j--) {
            known = slice_equal(names[j], queries[i].topic);
        }
        if (!known) {
            names[name_count++] = queries[i].topic;
        }
    }
    const struct metadata_response *metadata = client_metadata(client, names, name_count);
    if (metadata == NULL) {
        return false;
    }
    int32_t *leaders = arena_array(&client->answers, count, sizeof(*leaders));
    for (size_t i = 0; i < count; i++) {
        int16_t code;
        leaders[i] = to_be_asked(&queries[i]) ? leader_of(metadata, &queries[i], &code) : -1;
        if (leaders[i] < 0 && to_be_asked(&queries[i])) {
            queries[i].code = code;
        }
    }
    struct offset_query **group =
        arena_array(&client->answers, count, sizeof(struct offset_query *));
    for (int32_t b = 0; b < metadata->brokers_count; b++) {
        size_t n = 0;
        for (size_t i = 0; i < count; i++) {
            if (leaders[i] == metadata->brokers[b].node_id) {
                group[n++] = &queries[i];
            }
        }
        if (n == 0) {
            continue;
        }
        qsort(group, n, sizeof(struct offset_query *), by_topic);
        if (!ask(client, metadata->brokers[b].node_id, group, n, read_committed)) {
            *silent = true;
            for (size_t i = 0; i < n; i++) {
                group[i]->code = UNASKED;
            }
        }
    }
    return true;
}

bool offsets_list(struct client *client, struct offset_query *queries, size_t count,
                  bool read_committed) {
    for (size_t i = 0; i < count; i++) {
        queries[i].code = UNASKED;
        queries[i].offset = -1;
    }
    int attempt = 0;
    bool silent = false;
    for (bool again = count > 0; again;) {
        silent = false;
        if (!ask_all(client, queries, count, read_committed, &silent)) {
            return false;
        }
        again = false;
        for (size_t i = 0; i < count; i++) {
            again = again || to_be_asked(&queries[i]);
        }
        again = again && client_retry(&attempt);
    }
    for (size_t i = 0; i < count; i++) {
        if (queries[i].code == UNASKED) {
            queries[i].code = ERROR_LEADER_NOT_AVAILABLE;
        }
    }
    return !silent;
}
