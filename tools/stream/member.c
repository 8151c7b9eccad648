#include "tools/stream/member.h"

#include <stdlib.h>

#include "base/memory.h"
#include "protocol/generated/consumer_protocol_assignment.h"
#include "protocol/generated/consumer_protocol_subscription.h"
#include "protocol/generated/heartbeat_request.h"
#include "protocol/generated/heartbeat_response.h"
#include "protocol/generated/join_group_request.h"
#include "protocol/generated/join_group_response.h"
#include "protocol/generated/leave_group_request.h"
#include "protocol/generated/sync_group_request.h"
#include "protocol/generated/sync_group_response.h"
#include "tools/client/consumer_protocol.h"

#define SESSION_TIMEOUT_MS   45000
#define REBALANCE_TIMEOUT_MS 50000 /* below the time that an answer may take */
#define HEARTBEAT_MS         3000
#define COMMIT_MS            5000

void member_init(struct member *member, struct client *client, struct slice group,
                 const struct slice *topics, int32_t topic_count) {
    *member = (struct member){.client = client,
                              .group = group,
                              .topics = topics,
                              .topic_count = topic_count,
                              .member_id = SLICE_LIT(""),
                              .generation = -1,
                              .session_ms = SESSION_TIMEOUT_MS,
                              .commit_ms = COMMIT_MS};
    arena_init(&member->arena, SIZE_MAX);
}

void member_release(struct member *member) {
    arena_release(&member->arena);
}

/* A third of the session, or less. */
static int64_t heartbeat_ms(const struct member *m) {
    return m->session_ms / 3 < HEARTBEAT_MS ? m->session_ms / 3 : HEARTBEAT_MS;
}

/* Asks the coordinator; NULL without answer. */
static const void *ask(struct member *m, int16_t api, int16_t version, const void *request) {
    int32_t node = client_coordinator(m->client, m->group, NULL);
    return node < 0 ? NULL : client_call(m->client, node, api, version, request, NULL);
}

/* ---- Assigning ------------------------------------------------------------------------------- */

/* A member as the leader sees it. */
struct seat {
    struct slice member_id;
    struct consumer_protocol_subscription subscription;
    struct consumer_protocol_assignment assignment;
};

static int by_member(const void *a, const void *b) {
    return slice_compare(((const struct seat *)a)->member_id, ((const struct seat *)b)->member_id);
}

static bool subscribes(const struct seat *seat, struct slice topic) {
    for (int32_t i = 0; i < seat->subscription.topics_count; i++) {
        if (slice_equal(seat->subscription.topics[i], topic)) {
            return true;
        }
    }
    return false;
}

/* Gives the partitions of a topic to those who want it, in runs. */
static void assign_topic(struct arena *arena, struct seat *seats, int32_t count, struct slice topic,
                         int32_t partitions) {
    int32_t takers = 0;
    for (int32_t i = 0; i < count; i++) {
        takers += subscribes(&seats[i], topic);
    }
    int32_t next = 0, taker = 0;
    for (int32_t i = 0; i < count; i++) {
        if (!subscribes(&seats[i], topic)) {
            continue;
        }
        int32_t share = partitions / takers + (taker++ < partitions % takers);
        if (share == 0) {
            continue;
        }
        struct consumer_protocol_assignment *a = &seats[i].assignment;
        struct consumer_protocol_assignment_topic_partition *t =
            &a->assigned_partitions[a->assigned_partitions_count++];
        t->topic = topic;
        t->partitions = arena_array(arena, (size_t)share, sizeof(int32_t));
        t->partitions_count = share;
        for (int32_t j = 0; j < share; j++) {
            t->partitions[j] = next++;
        }
    }
}

/* All topics of all seats, once. */
static int32_t all_topics(struct arena *arena, const struct seat *seats, int32_t count,
                          struct slice **out) {
    size_t cap = 0;
    for (int32_t i = 0; i < count; i++) {
        cap += (size_t)seats[i].subscription.topics_count;
    }
    *out = arena_array(arena, cap + 1, sizeof(**out));
    int32_t n = 0;
    for (int32_t i = 0; i < count; i++) {
        for (int32_t j = 0; j < seats[i].subscription.topics_count; j++) {
            struct slice topic = seats[i].subscription.topics[j];
            bool known = false;
            for (int32_t k = 0; k < n && !known; k++) {
                known = slice_equal((*out)[k], topic);
            }
            if (!known) {
                (*out)[n++] = topic;
            }
        }
    }
    return n;
}

/* Fills the assignments of a leader's SyncGroup; false without answer. */
static bool assign(struct member *m, const struct join_group_response *joined,
                   struct sync_group_request *request) {
    struct arena *arena = &m->client->answers;
    int32_t count = joined->members_count;
    struct seat *seats = arena_array(arena, (size_t)count, sizeof(*seats));
    for (int32_t i = 0; i < count; i++) {
        seats[i].member_id = joined->members[i].member_id;
        message_init(&consumer_protocol_assignment_desc, &seats[i].assignment);
        if (!consumer_protocol_decode(&consumer_protocol_subscription_desc,
                                      joined->members[i].metadata, arena, &seats[i].subscription)) {
            seats[i].subscription.topics_count = 0;
        }
    }
    qsort(seats, (size_t)count, sizeof(*seats), by_member);
    struct slice *topics;
    int32_t topic_count = all_topics(arena, seats, count, &topics);
    for (int32_t i = 0; i < count; i++) {
        seats[i].assignment.assigned_partitions = MESSAGE_ARRAY(
            arena, consumer_protocol_assignment_topic_partition, (size_t)topic_count + 1);
    }
    const struct metadata_response *metadata = client_metadata(m->client, topics, topic_count);
    if (metadata == NULL) {
        return false;
    }
    for (int32_t i = 0; i < metadata->topics_count; i++) {
        assign_topic(arena, seats, count, metadata->topics[i].name,
                     metadata->topics[i].partitions_count);
    }
    request->assignments = MESSAGE_ARRAY(arena, sync_group_request_assignment, (size_t)count);
    request->assignments_count = count;
    for (int32_t i = 0; i < count; i++) {
        request->assignments[i].member_id = seats[i].member_id;
        request->assignments[i].assignment = consumer_protocol_encode(
            &consumer_protocol_assignment_desc, &seats[i].assignment, arena);
    }
    return true;
}

/* ---- Joining --------------------------------------------------------------------------------- */

static const struct join_group_response *join_once(struct member *m) {
    struct consumer_protocol_subscription subscription;
    message_init(&consumer_protocol_subscription_desc, &subscription);
    subscription.topics = (struct slice *)(uintptr_t)m->topics;
    subscription.topics_count = m->topic_count;
    struct join_group_request_protocol protocol = join_group_request_protocol_defaults;
    protocol.name = SLICE_LIT("range");
    protocol.metadata = consumer_protocol_encode(&consumer_protocol_subscription_desc,
                                                 &subscription, &m->client->answers);
    struct join_group_request request;
    message_init(&join_group_request_desc, &request);
    request.group_id = m->group;
    request.member_id = m->member_id;
    request.session_timeout_ms = m->session_ms;
    request.rebalance_timeout_ms = REBALANCE_TIMEOUT_MS;
    request.protocol_type = SLICE_LIT("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    return ask(m, API_JOIN_GROUP, 5, &request);
}

/* The generation's assignment; a code, or -1 without answer. */
static int16_t sync_once(struct member *m, const struct join_group_response *joined,
                         struct slice *assignment) {
    struct sync_group_request request;
    message_init(&sync_group_request_desc, &request);
    request.group_id = m->group;
    request.member_id = m->member_id;
    request.generation_id = m->generation;
    if (slice_equal(joined->leader, joined->member_id) && !assign(m, joined, &request)) {
        return -1;
    }
    const struct sync_group_response *response = ask(m, API_SYNC_GROUP, 3, &request);
    if (response == NULL) {
        return -1;
    }
    *assignment = response->assignment;
    return response->error_code;
}

/* Whether joining may be tried again; forgets an id that is no longer known. */
static bool again(struct member *m, int16_t code, int *attempt) {
    if (code == ERROR_MEMBER_ID_REQUIRED) {
        return true;
    }
    if (code == ERROR_UNKNOWN_MEMBER_ID || code == ERROR_ILLEGAL_GENERATION) {
        m->member_id = SLICE_LIT("");
        return client_retry(attempt);
    }
    return (code == ERROR_REBALANCE_IN_PROGRESS || error_retriable(code)) && client_retry(attempt);
}

/* Makes the assignment the consumer's sources. */
static int16_t take(struct member *m, struct slice bytes, struct consumer *consumer,
                    int64_t start) {
    struct consumer_protocol_assignment assignment;
    consumer_release(consumer);
    if (!consumer_protocol_decode(&consumer_protocol_assignment_desc, bytes, &m->client->answers,
                                  &assignment)) {
        return ERROR_NONE; /* nothing */
    }
    struct committed_list committed;
    int16_t code;
    if (!group_committed(m->client, m->group, &committed, &code) || code != ERROR_NONE) {
        return code != ERROR_NONE ? code : -1;
    }
    for (int32_t i = 0; i < assignment.assigned_partitions_count; i++) {
        const struct consumer_protocol_assignment_topic_partition *t =
            &assignment.assigned_partitions[i];
        for (int32_t j = 0; j < t->partitions_count; j++) {
            int64_t offset = start;
            for (size_t k = 0; k < committed.count; k++) {
                if (committed.items[k].partition == t->partitions[j] &&
                    slice_equal(committed.items[k].topic, t->topic)) {
                    offset = committed.items[k].offset;
                }
            }
            consumer_add(consumer, arena_dup(&m->arena, t->topic), t->partitions[j], offset);
        }
    }
    return consumer_start(consumer);
}

int16_t member_join(struct member *m, struct consumer *consumer, int64_t start) {
    for (int attempt = 0;;) {
        const struct join_group_response *joined = join_once(m);
        if (joined == NULL) {
            return -1;
        }
        int16_t code = joined->error_code;
        if (code == ERROR_NONE || code == ERROR_MEMBER_ID_REQUIRED) {
            m->member_id = arena_dup(&m->arena, joined->member_id);
            m->generation = joined->generation_id;
        }
        struct slice assignment = SLICE_NULL;
        if (code == ERROR_NONE) {
            code = sync_once(m, joined, &assignment);
        }
        if (code == ERROR_NONE) {
            m->heartbeat_due = client_ticks_ms() + heartbeat_ms(m);
            m->commit_due = client_ticks_ms() + m->commit_ms;
            return take(m, assignment, consumer, start);
        }
        if (code < 0 || !again(m, code, &attempt)) {
            client_fail(m->client, code, SLICE_NULL);
            return code;
        }
    }
}

/* ---- Afterwards ------------------------------------------------------------------------------ */

int16_t member_commit(struct member *m, const struct consumer *consumer) {
    m->commit_due = client_ticks_ms() + m->commit_ms;
    struct committed *items = xcalloc(consumer->count + 1, sizeof(*items));
    for (size_t i = 0; i < consumer->count; i++) {
        items[i] = (struct committed){.topic = consumer->sources[i].topic,
                                      .partition = consumer->sources[i].partition,
                                      .offset = consumer->sources[i].offset,
                                      .metadata = SLICE_LIT("")};
    }
    int16_t code = ERROR_NONE;
    bool answered =
        consumer->count == 0 ||
        group_commit(m->client, m->group, (struct committer){m->member_id, m->generation}, items,
                     consumer->count, &code);
    free(items);
    return answered ? code : -1;
}

int16_t member_keep(struct member *m, struct consumer *consumer, int64_t start, bool commit) {
    if (commit && client_ticks_ms() >= m->commit_due) {
        (void)member_commit(m, consumer);
    }
    if (client_ticks_ms() < m->heartbeat_due) {
        return ERROR_NONE;
    }
    m->heartbeat_due = client_ticks_ms() + heartbeat_ms(m);
    struct heartbeat_request request;
    message_init(&heartbeat_request_desc, &request);
    request.group_id = m->group;
    request.member_id = m->member_id;
    request.generation_id = m->generation;
    const struct heartbeat_response *response = ask(m, API_HEARTBEAT, 3, &request);
    if (response == NULL || response->error_code == ERROR_NONE ||
        response->error_code == ERROR_COORDINATOR_LOAD_IN_PROGRESS ||
        response->error_code == ERROR_NOT_COORDINATOR) {
        return ERROR_NONE; /* the next one may come through */
    }
    if (commit && response->error_code == ERROR_REBALANCE_IN_PROGRESS) {
        (void)member_commit(m, consumer);
    }
    return member_join(m, consumer, start);
}

void member_leave(struct member *m) {
    if (m->member_id.len == 0) {
        return;
    }
    struct leave_group_request request;
    message_init(&leave_group_request_desc, &request);
    struct leave_group_request_member_identity identity =
        leave_group_request_member_identity_defaults;
    identity.member_id = m->member_id;
    request.group_id = m->group;
    request.member_id = m->member_id;
    if (client_serves(m->client, CLIENT_ANY, API_LEAVE_GROUP, 3)) {
        request.member_id = SLICE_LIT("");
        request.members = &identity;
        request.members_count = 1;
    }
    (void)ask(m, API_LEAVE_GROUP, VERSION_MAX, &request);
    m->member_id = SLICE_LIT("");
}
