#include "tools/admin/groups.h"

#include <stdlib.h>

#include "protocol/generated/consumer_protocol_assignment.h"
#include "protocol/generated/delete_groups_request.h"
#include "protocol/generated/delete_groups_response.h"
#include "protocol/generated/describe_groups_request.h"
#include "protocol/generated/leave_group_request.h"
#include "protocol/generated/leave_group_response.h"
#include "protocol/generated/list_groups_request.h"
#include "protocol/generated/offset_commit_request.h"
#include "protocol/generated/offset_commit_response.h"
#include "protocol/generated/offset_delete_request.h"
#include "protocol/generated/offset_delete_response.h"
#include "protocol/generated/offset_fetch_request.h"
#include "protocol/generated/offset_fetch_response.h"
#include "tools/client/consumer_protocol.h"

#define OFFSET_FETCH_VERSION  7 /* the last of one group alone */
#define OFFSET_COMMIT_VERSION 9 /* the last with names of topics */

/* ---- Coordinators ---------------------------------------------------------------------------- */

/* Whether an answer means that the coordinator is elsewhere or not ready. */
static bool moved(int16_t code) {
    return code == ERROR_NOT_COORDINATOR || code == ERROR_COORDINATOR_LOAD_IN_PROGRESS ||
           code == ERROR_COORDINATOR_NOT_AVAILABLE;
}

/* Asks the coordinator; `code_of` finds the code in the answer that decides about asking again.
 * NULL with *code set, or 0 in it without answer. */
static const void *ask(struct client *client, struct slice group, int16_t api, int16_t version,
                       const void *request, int16_t (*code_of)(const void *response),
                       int32_t *coordinator, int16_t *code) {
    int attempt = 0;
    for (;;) {
        int32_t node = client_coordinator(client, group, code);
        if (node < 0) {
            *code = *code == ERROR_UNKNOWN_SERVER_ERROR ? ERROR_NONE : *code;
            return NULL;
        }
        *code = ERROR_NONE;
        const void *response = client_call(client, node, api, version, request, NULL);
        if (response == NULL) {
            return NULL;
        }
        if (coordinator != NULL) {
            *coordinator = node;
        }
        if (!moved(code_of(response)) || !client_retry(&attempt)) {
            return response;
        }
    }
}

/* ---- Listing --------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b) {
    return slice_compare(((const struct list_groups_response_listed_group *)a)->group_id,
                         ((const struct list_groups_response_listed_group *)b)->group_id);
}

bool groups_list(struct client *client, struct group_list *out) {
    *out = (struct group_list){NULL, 0};
    struct slice none = SLICE_LIT("");
    const struct metadata_response *metadata = client_metadata(client, &none, 0);
    if (metadata == NULL) {
        return false;
    }
    for (int32_t i = 0; i < metadata->brokers_count; i++) {
        struct list_groups_request request;
        message_init(&list_groups_request_desc, &request);
        const struct list_groups_response *response;
        int attempt = 0;
        do {
            response = client_call(client, metadata->brokers[i].node_id, API_LIST_GROUPS,
                                   VERSION_MAX, &request, NULL);
            if (response == NULL) {
                return false;
            }
        } while (moved(response->error_code) && client_retry(&attempt));
        if (response->error_code != ERROR_NONE) {
            client_fail(client, response->error_code, SLICE_NULL);
            return false;
        }
        size_t all = (size_t)out->count + (size_t)response->groups_count;
        struct list_groups_response_listed_group *items =
            MESSAGE_ARRAY(&client->answers, list_groups_response_listed_group, all);
        for (int32_t j = 0; j < out->count; j++) {
            items[j] = out->items[j];
        }
        for (int32_t j = 0; j < response->groups_count; j++) {
            items[out->count + j] = response->groups[j];
        }
        *out = (struct group_list){items, (int32_t)all};
    }
    if (out->count > 0) {
        qsort(out->items, (size_t)out->count, sizeof(*out->items), by_id);
    }
    return true;
}

/* ---- Describing ------------------------------------------------------------------------------ */

static int16_t describe_code(const void *response) {
    const struct describe_groups_response *r = response;
    return r->groups_count == 1 ? r->groups[0].error_code : (int16_t)ERROR_UNKNOWN_SERVER_ERROR;
}

const struct describe_groups_response_described_group *
group_describe(struct client *client, struct slice group, int32_t *coordinator, int16_t *code) {
    struct describe_groups_request request;
    message_init(&describe_groups_request_desc, &request);
    request.groups = &group;
    request.groups_count = 1;
    const struct describe_groups_response *response =
        ask(client, group, API_DESCRIBE_GROUPS, VERSION_MAX, &request, describe_code, coordinator,
            code);
    if (response == NULL) {
        return NULL;
    }
    *code = describe_code(response);
    if (*code == ERROR_NONE && slice_equal_str(response->groups[0].group_state, "Dead")) {
        *code = ERROR_GROUP_ID_NOT_FOUND;
    }
    if (*code != ERROR_NONE) {
        client_fail(client, *code, SLICE_NULL);
        return NULL;
    }
    return &response->groups[0];
}

size_t group_assignment(struct client *client,
                        const struct describe_groups_response_described_group_member *member,
                        struct member_partition **out) {
    struct consumer_protocol_assignment assignment;
    *out = NULL;
    if (!consumer_protocol_decode(&consumer_protocol_assignment_desc, member->member_assignment,
                                  &client->answers, &assignment)) {
        return 0;
    }
    size_t count = 0;
    for (int32_t i = 0; i < assignment.assigned_partitions_count; i++) {
        count += (size_t)assignment.assigned_partitions[i].partitions_count;
    }
    *out = arena_array(&client->answers, count, sizeof(**out));
    count = 0;
    for (int32_t i = 0; i < assignment.assigned_partitions_count; i++) {
        const struct consumer_protocol_assignment_topic_partition *t =
            &assignment.assigned_partitions[i];
        for (int32_t j = 0; j < t->partitions_count; j++) {
            (*out)[count++] = (struct member_partition){t->topic, t->partitions[j], member};
        }
    }
    return count;
}

/* ---- Offsets --------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b) {
    const struct committed *x = a;
    const struct committed *y = b;
    int order = slice_compare(x->topic, y->topic);
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static void committed_sort(struct committed_list *list) {
    if (list->count > 0) {
        qsort(list->items, list->count, sizeof(*list->items), by_place);
    }
}

static int16_t fetch_code(const void *response) {
    return ((const struct offset_fetch_response *)response)->error_code;
}

bool group_committed(struct client *client, struct slice group, struct committed_list *out,
                     int16_t *code) {
    *out = (struct committed_list){NULL, 0};
    struct offset_fetch_request request;
    message_init(&offset_fetch_request_desc, &request);
    request.group_id = group;
    request.topics_count = -1;
    const struct offset_fetch_response *response = ask(
        client, group, API_OFFSET_FETCH, OFFSET_FETCH_VERSION, &request, fetch_code, NULL, code);
    if (response == NULL) {
        return *code != ERROR_NONE;
    }
    *code = response->error_code;
    size_t count = 0;
    for (int32_t i = 0; i < response->topics_count; i++) {
        count += (size_t)response->topics[i].partitions_count;
    }
    out->items = arena_array(&client->answers, count, sizeof(*out->items));
    for (int32_t i = 0; i < response->topics_count; i++) {
        for (int32_t j = 0; j < response->topics[i].partitions_count; j++) {
            const struct offset_fetch_response_partition *p = &response->topics[i].partitions[j];
            if (p->error_code == ERROR_NONE && p->committed_offset >= 0) {
                out->items[out->count++] = (struct committed){
                    .topic = response->topics[i].name,
                    .partition = p->partition_index,
                    .offset = p->committed_offset,
                    .leader_epoch = p->committed_leader_epoch,
                    .metadata = p->metadata,
                };
            }
        }
    }
    committed_sort(out);
    return true;
}

static int16_t commit_code(const void *response) {
    const struct offset_commit_response *r = response;
    return r->topics_count > 0 && r->topics[0].partitions_count > 0
               ? r->topics[0].partitions[0].error_code
               : (int16_t)ERROR_NONE;
}

static struct committed *find(struct committed *items, size_t count, struct slice topic,
                              int32_t partition) {
    for (size_t i = 0; i < count; i++) {
        if (items[i].partition == partition && slice_equal(items[i].topic, topic)) {
            return &items[i];
        }
    }
    return NULL;
}

bool group_commit(struct client *client, struct slice group, struct committer committer,
                  struct committed *items, size_t count, int16_t *code) {
    struct committed_list sorted = {items, count};
    committed_sort(&sorted);
    struct offset_commit_request request;
    message_init(&offset_commit_request_desc, &request);
    request.group_id = group;
    request.member_id = committer.member_id;
    request.generation_id_or_member_epoch = committer.generation;
    request.topics = MESSAGE_ARRAY(&client->answers, offset_commit_request_topic, count);
    for (size_t i = 0; i < count; i++) {
        items[i].code = ERROR_NONE;
        struct offset_commit_request_topic *t = &request.topics[request.topics_count];
        if (i == 0 || !slice_equal(items[i].topic, items[i - 1].topic)) {
            t->name = items[i].topic;
            t->partitions =
                MESSAGE_ARRAY(&client->answers, offset_commit_request_partition, count - i);
            request.topics_count++;
        } else {
            t--;
        }
        struct offset_commit_request_partition *p = &t->partitions[t->partitions_count++];
        p->partition_index = items[i].partition;
        p->committed_offset = items[i].offset;
        p->committed_leader_epoch = -1;
        p->committed_metadata =
            slice_is_null(items[i].metadata) ? SLICE_LIT("") : items[i].metadata;
    }
    const struct offset_commit_response *response = ask(
        client, group, API_OFFSET_COMMIT, OFFSET_COMMIT_VERSION, &request, commit_code, NULL, code);
    if (response == NULL) {
        return *code != ERROR_NONE;
    }
    for (int32_t i = 0; i < response->topics_count; i++) {
        for (int32_t j = 0; j < response->topics[i].partitions_count; j++) {
            const struct offset_commit_response_partition *p = &response->topics[i].partitions[j];
            struct committed *item =
                find(items, count, response->topics[i].name, p->partition_index);
            if (item != NULL) {
                item->code = p->error_code;
            }
            *code = *code == ERROR_NONE ? p->error_code : *code;
        }
    }
    return true;
}

static int16_t offset_delete_code(const void *response) {
    return ((const struct offset_delete_response *)response)->error_code;
}

bool group_delete_offsets(struct client *client, struct slice group, struct committed *items,
                          size_t count, int16_t *code) {
    struct committed_list sorted = {items, count};
    committed_sort(&sorted);
    struct offset_delete_request request;
    message_init(&offset_delete_request_desc, &request);
    request.group_id = group;
    request.topics = MESSAGE_ARRAY(&client->answers, offset_delete_request_topic, count);
    for (size_t i = 0; i < count; i++) {
        items[i].code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        struct offset_delete_request_topic *t = &request.topics[request.topics_count];
        if (i == 0 || !slice_equal(items[i].topic, items[i - 1].topic)) {
            t->name = items[i].topic;
            t->partitions =
                MESSAGE_ARRAY(&client->answers, offset_delete_request_partition, count - i);
            request.topics_count++;
        } else {
            t--;
        }
        t->partitions[t->partitions_count++].partition_index = items[i].partition;
    }
    const struct offset_delete_response *response = ask(
        client, group, API_OFFSET_DELETE, VERSION_MAX, &request, offset_delete_code, NULL, code);
    if (response == NULL) {
        return *code != ERROR_NONE;
    }
    *code = response->error_code;
    for (int32_t i = 0; i < response->topics_count; i++) {
        for (int32_t j = 0; j < response->topics[i].partitions_count; j++) {
            struct committed *item = find(items, count, response->topics[i].name,
                                          response->topics[i].partitions[j].partition_index);
            if (item != NULL) {
                item->code = response->topics[i].partitions[j].error_code;
            }
        }
    }
    return true;
}

static int16_t leave_code(const void *response) {
    return ((const struct leave_group_response *)response)->error_code;
}

bool group_remove_members(struct client *client, struct slice group,
                          const struct describe_groups_response_described_group *described,
                          int16_t *code) {
    struct leave_group_request request;
    message_init(&leave_group_request_desc, &request);
    request.group_id = group;
    request.member_id = SLICE_LIT("");
    request.members = MESSAGE_ARRAY(&client->answers, leave_group_request_member_identity,
                                    (size_t)described->members_count);
    request.members_count = described->members_count;
    for (int32_t i = 0; i < described->members_count; i++) {
        request.members[i].member_id = described->members[i].member_id;
        request.members[i].group_instance_id = described->members[i].group_instance_id;
    }
    const struct leave_group_response *response =
        ask(client, group, API_LEAVE_GROUP, VERSION_MAX, &request, leave_code, NULL, code);
    if (response == NULL) {
        return *code != ERROR_NONE;
    }
    *code = response->error_code;
    for (int32_t i = 0; i < response->members_count; i++) {
        *code = *code == ERROR_NONE ? response->members[i].error_code : *code;
    }
    return true;
}

static int16_t delete_code(const void *response) {
    const struct delete_groups_response *r = response;
    return r->results_count == 1 ? r->results[0].error_code : (int16_t)ERROR_UNKNOWN_SERVER_ERROR;
}

bool group_delete(struct client *client, struct slice group, int16_t *code) {
    struct delete_groups_request request;
    message_init(&delete_groups_request_desc, &request);
    request.groups_names = &group;
    request.groups_names_count = 1;
    const struct delete_groups_response *response =
        ask(client, group, API_DELETE_GROUPS, VERSION_MAX, &request, delete_code, NULL, code);
    if (response == NULL) {
        return *code != ERROR_NONE;
    }
    *code = delete_code(response);
    return true;
}
