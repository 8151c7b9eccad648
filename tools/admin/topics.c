#include "tools/admin/topics.h"

#include <stdlib.h>

#include "protocol/generated/create_partitions_request.h"
#include "protocol/generated/create_partitions_response.h"
#include "protocol/generated/create_topics_request.h"
#include "protocol/generated/create_topics_response.h"
#include "protocol/generated/delete_topics_request.h"
#include "protocol/generated/delete_topics_response.h"
#include "protocol/generated/describe_topic_partitions_request.h"
#include "protocol/generated/describe_topic_partitions_response.h"

#define TIMEOUT_MS   60000
#define PAGE_DEFAULT 2000

struct slice outcome_text(const struct outcome *outcome) {
    return outcome->text.len > 0 ? outcome->text : slice_str(error_message(outcome->code));
}

/* ---- What there is --------------------------------------------------------------------------- */

static int by_index(const void *a, const void *b) {
    int32_t x = ((const struct partition_info *)a)->index;
    int32_t y = ((const struct partition_info *)b)->index;
    return (x > y) - (x < y);
}

static int by_name(const void *a, const void *b) {
    return slice_compare(((const struct topic_info *)a)->name,
                         ((const struct topic_info *)b)->name);
}

static void sort(struct topic_list *list) {
    for (int32_t i = 0; i < list->count; i++) {
        struct topic_info *topic = &list->items[i];
        if (topic->partition_count > 0) {
            qsort(topic->partitions, (size_t)topic->partition_count, sizeof(*topic->partitions),
                  by_index);
        }
    }
    if (list->count > 0) {
        qsort(list->items, (size_t)list->count, sizeof(*list->items), by_name);
    }
}

static void take_metadata(struct client *client, const struct metadata_response *response,
                          struct topic_list *out) {
    out->count = response->topics_count;
    out->items = arena_array(&client->answers, (size_t)out->count, sizeof(*out->items));
    for (int32_t i = 0; i < out->count; i++) {
        const struct metadata_response_topic *t = &response->topics[i];
        struct topic_info *topic = &out->items[i];
        *topic = (struct topic_info){.name = t->name,
                                     .id = t->topic_id,
                                     .internal = t->is_internal,
                                     .code = t->error_code,
                                     .partition_count = t->partitions_count};
        topic->partitions =
            arena_array(&client->answers, (size_t)t->partitions_count, sizeof(*topic->partitions));
        for (int32_t j = 0; j < t->partitions_count; j++) {
            const struct metadata_response_partition *p = &t->partitions[j];
            topic->partitions[j] = (struct partition_info){
                .index = p->partition_index,
                .leader = p->leader_id,
                .leader_epoch = p->leader_epoch,
                .code = p->error_code,
                .replicas = {p->replica_nodes, p->replica_nodes_count},
                .isr = {p->isr_nodes, p->isr_nodes_count},
                .elr = {NULL, -1},
                .last_elr = {NULL, -1},
                .offline = {p->offline_replicas, p->offline_replicas_count},
            };
        }
    }
    sort(out);
}

bool topics_all(struct client *client, struct topic_list *out) {
    const struct metadata_response *response = client_metadata(client, NULL, 0);
    if (response == NULL) {
        return false;
    }
    take_metadata(client, response, out);
    return true;
}

static void take_partition(const struct describe_topic_partitions_response_partition *p,
                           struct partition_info *out) {
    *out = (struct partition_info){
        .index = p->partition_index,
        .leader = p->leader_id,
        .leader_epoch = p->leader_epoch,
        .code = p->error_code,
        .replicas = {p->replica_nodes, p->replica_nodes_count},
        .isr = {p->isr_nodes, p->isr_nodes_count},
        .elr = {p->eligible_leader_replicas, p->eligible_leader_replicas_count},
        .last_elr = {p->last_known_elr, p->last_known_elr_count},
        .offline = {p->offline_replicas, p->offline_replicas_count},
    };
}

/* Adds one page; a topic that the page before broke off is continued. */
static void take_page(struct client *client,
                      const struct describe_topic_partitions_response *response,
                      struct topic_list *out, int32_t cap) {
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct describe_topic_partitions_response_topic *t = &response->topics[i];
        struct topic_info *topic = out->count > 0 ? &out->items[out->count - 1] : NULL;
        if (topic == NULL || !slice_equal(topic->name, t->name)) {
            if (out->count == cap) {
                return;
            }
            topic = &out->items[out->count++];
            *topic = (struct topic_info){.name = t->name,
                                         .id = t->topic_id,
                                         .internal = t->is_internal,
                                         .code = t->error_code};
        }
        size_t all = (size_t)topic->partition_count + (size_t)t->partitions_count;
        struct partition_info *partitions = arena_array(&client->answers, all, sizeof(*partitions));
        for (int32_t j = 0; j < topic->partition_count; j++) {
            partitions[j] = topic->partitions[j];
        }
        for (int32_t j = 0; j < t->partitions_count; j++) {
            take_partition(&t->partitions[j], &partitions[topic->partition_count + j]);
        }
        topic->partitions = partitions;
        topic->partition_count = (int32_t)all;
    }
}

bool topics_describe(struct client *client, const struct slice *names, int32_t count, int32_t page,
                     struct topic_list *out) {
    *out = (struct topic_list){NULL, 0};
    const struct metadata_response *metadata = client_metadata(client, names, count);
    if (metadata == NULL) {
        return false;
    }
    if (!client_serves(client, CLIENT_ANY, API_DESCRIBE_TOPIC_PARTITIONS, 0)) {
        take_metadata(client, metadata, out);
        return true;
    }
    struct describe_topic_partitions_request request;
    message_init(&describe_topic_partitions_request_desc, &request);
    request.topics = MESSAGE_ARRAY(&client->answers,
                                   describe_topic_partitions_request_topic_request, (size_t)count);
    request.topics_count = count;
    for (int32_t i = 0; i < count; i++) {
        request.topics[i].name = names[i];
    }
    request.response_partition_limit = page > 0 ? page : PAGE_DEFAULT;
    out->items = arena_array(&client->answers, (size_t)count, sizeof(*out->items));
    struct describe_topic_partitions_request_cursor cursor;
    for (;;) {
        const struct describe_topic_partitions_response *response = client_call(
            client, CLIENT_ANY, API_DESCRIBE_TOPIC_PARTITIONS, VERSION_MAX, &request, NULL);
        if (response == NULL) {
            return false;
        }
        take_page(client, response, out, count);
        if (response->next_cursor == NULL || response->topics_count == 0) {
            break;
        }
        cursor.topic_name = response->next_cursor->topic_name;
        cursor.partition_index = response->next_cursor->partition_index;
        request.cursor = &cursor;
    }
    sort(out);
    return true;
}

struct topic_info *topic_find(const struct topic_list *list, struct slice name) {
    for (int32_t i = 0; i < list->count; i++) {
        if (slice_equal(list->items[i].name, name)) {
            return &list->items[i];
        }
    }
    return NULL;
}

/* ---- Assignments ----------------------------------------------------------------------------- */

/* Cuts the brokers of one partition off; returns how many, or -1. ids may be NULL. */
static int32_t take_replicas(const char **text, int32_t *ids) {
    int32_t count = 0;
    for (;;) {
        char *end;
        long id = strtol(*text, &end, 10);
        if (end == *text || id < 0 || id > INT32_MAX) {
            return -1;
        }
        if (ids != NULL) {
            ids[count] = (int32_t)id;
        }
        count++;
        *text = end;
        if (*end != ':') {
            return *end == ',' || *end == '\0' ? count : -1;
        }
        (*text)++;
    }
}

bool assignment_valid(const char *text, int32_t *partitions) {
    *partitions = 0;
    for (;;) {
        if (take_replicas(&text, NULL) < 0) {
            return false;
        }
        (*partitions)++;
        if (*text == '\0') {
            return true;
        }
        text++;
    }
}

/* The brokers of the next partition, in the arena. */
static struct int_list next_replicas(struct client *client, const char **text) {
    const char *ahead = *text;
    int32_t count = take_replicas(&ahead, NULL);
    int32_t *ids = arena_array(&client->answers, (size_t)count, sizeof(*ids));
    take_replicas(text, ids);
    *text += **text == ',';
    return (struct int_list){ids, count};
}

/* ---- Changes --------------------------------------------------------------------------------- */

static void fill_assignment(struct client *client, const char *text,
                            struct create_topics_request_creatable_topic *topic) {
    int32_t partitions;
    bool valid = assignment_valid(text, &partitions);
    ASSERT(valid);
    topic->num_partitions = -1;
    topic->replication_factor = -1;
    topic->assignments = MESSAGE_ARRAY(
        &client->answers, create_topics_request_creatable_replica_assignment, (size_t)partitions);
    topic->assignments_count = partitions;
    for (int32_t i = 0; i < partitions; i++) {
        struct int_list replicas = next_replicas(client, &text);
        topic->assignments[i].partition_index = i;
        topic->assignments[i].broker_ids = (int32_t *)(uintptr_t)replicas.items;
        topic->assignments[i].broker_ids_count = replicas.count;
    }
}

bool topic_create(struct client *client, const struct topic_plan *plan, struct outcome *outcome) {
    struct create_topics_request_creatable_topic topic =
        create_topics_request_creatable_topic_defaults;
    topic.name = plan->name;
    topic.num_partitions = plan->partitions;
    topic.replication_factor = plan->replication_factor;
    if (plan->assignment != NULL) {
        fill_assignment(client, plan->assignment, &topic);
    }
    topic.configs = MESSAGE_ARRAY(&client->answers, create_topics_request_creatable_topic_config,
                                  (size_t)plan->config_count);
    topic.configs_count = plan->config_count;
    for (int32_t i = 0; i < plan->config_count; i++) {
        const char *equals = strchrnul(plan->configs[i], '=');
        topic.configs[i].name = slice_make(plan->configs[i], (size_t)(equals - plan->configs[i]));
        topic.configs[i].value = slice_str(*equals == '=' ? equals + 1 : equals);
    }
    struct create_topics_request request;
    message_init(&create_topics_request_desc, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    request.validate_only = plan->validate_only;
    const struct create_topics_response *response =
        client_call(client, CLIENT_ANY, API_CREATE_TOPICS, VERSION_MAX, &request, NULL);
    return OUTCOME_OF_ONE(response, topics, outcome);
}

bool topic_delete_named(struct client *client, struct slice name, struct outcome *outcome) {
    struct delete_topics_request request;
    message_init(&delete_topics_request_desc, &request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    const struct delete_topics_response *response =
        client_call(client, CLIENT_ANY, API_DELETE_TOPICS, 5, &request, NULL);
    return OUTCOME_OF_ONE(response, responses, outcome);
}

bool topic_grow(struct client *client, struct slice name, int32_t count, const char *assignment,
                int32_t skip, struct outcome *outcome) {
    struct create_partitions_request_topic topic = create_partitions_request_topic_defaults;
    topic.name = name;
    topic.count = count;
    topic.assignments_count = -1;
    int32_t assigned = 0;
    if (assignment != NULL && assignment_valid(assignment, &assigned)) {
        topic.assignments_count = assigned > skip ? assigned - skip : 0;
        topic.assignments = MESSAGE_ARRAY(&client->answers, create_partitions_request_assignment,
                                          (size_t)topic.assignments_count);
        for (int32_t i = 0; i < assigned; i++) {
            struct int_list replicas = next_replicas(client, &assignment);
            if (i >= skip) {
                topic.assignments[i - skip].broker_ids = (int32_t *)(uintptr_t)replicas.items;
                topic.assignments[i - skip].broker_ids_count = replicas.count;
            }
        }
    }
    struct create_partitions_request request;
    message_init(&create_partitions_request_desc, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    const struct create_partitions_response *response =
        client_call(client, CLIENT_ANY, API_CREATE_PARTITIONS, VERSION_MAX, &request, NULL);
    return OUTCOME_OF_ONE(response, results, outcome);
}
