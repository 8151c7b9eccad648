#include "tools/bench/member.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "protocol/generated/consumer_protocol_assignment.h"
#include "protocol/generated/consumer_protocol_subscription.h"
#include "protocol/generated/find_coordinator_request.h"
#include "protocol/generated/find_coordinator_response.h"
#include "protocol/generated/heartbeat_request.h"
#include "protocol/generated/heartbeat_response.h"
#include "protocol/generated/join_group_request.h"
#include "protocol/generated/join_group_response.h"
#include "protocol/generated/sync_group_request.h"
#include "protocol/generated/sync_group_response.h"
#include "tools/bench/conn.h"
#include "tools/client/consumer_protocol.h"

#define FIND_COORDINATOR 10
#define JOIN_GROUP       11
#define HEARTBEAT        12
#define SYNC_GROUP       14

/* As Kafka's consumers have them by default. */
#define SESSION_TIMEOUT_MS    45000
#define REBALANCE_TIMEOUT_MS  300000
#define HEARTBEAT_INTERVAL_NS INT64_C(3000000000)

#define TRIES   600
#define WAIT_MS 100

struct member {
    struct bench_conn conn;
    struct bench *bench;
    struct buffer frame; /* a heartbeat, with its length */
    int16_t version;     /* of the heartbeat */
    int32_t correlation_id;
    int64_t due_ns; /* the next heartbeat */
    struct arena arena;
};

/* What is known while joining. */
struct joining {
    struct rpc rpc; /* to the coordinator */
    char group[64];
    struct slice member_id;
    int32_t generation_id;
    struct arena arena;
};

static void pause_ms(long ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* ---- Joining --------------------------------------------------------------------------------- */

/* Opens joining->rpc; an error code, or -1 when the connection failed (said on stderr). */
static int16_t find_coordinator(struct bench *bench, struct joining *joining) {
    int16_t version = rpc_version(&bench->rpc, FIND_COORDINATOR, 3);
    struct find_coordinator_request request;
    message_init(&find_coordinator_request_desc, &request);
    request.key = slice_str(joining->group);
    const struct find_coordinator_response *response =
        version < 0 ? NULL : rpc_call(&bench->rpc, FIND_COORDINATOR, version, &request);
    if (response == NULL || response->error_code != ERROR_NONE) {
        return response == NULL ? -1 : response->error_code;
    }
    char *host = slice_to_cstr(response->host);
    bool open = rpc_open(&joining->rpc, host, (uint16_t)response->port);
    free(host);
    return open ? ERROR_NONE : -1;
}

static int16_t join(struct bench *bench, struct joining *joining) {
    int16_t version = rpc_version(&joining->rpc, JOIN_GROUP, 5);
    if (version < 0) {
        return -1;
    }
    struct consumer_protocol_subscription subscription;
    message_init(&consumer_protocol_subscription_desc, &subscription);
    struct slice topic = slice_str(bench->topic.name);
    subscription.topics = &topic;
    subscription.topics_count = 1;
    struct join_group_request_protocol protocol = join_group_request_protocol_defaults;
    protocol.name = SLICE_LIT("range");
    protocol.metadata = consumer_protocol_encode(&consumer_protocol_subscription_desc,
                                                 &subscription, &joining->arena);
    struct join_group_request request;
    message_init(&join_group_request_desc, &request);
    request.group_id = slice_str(joining->group);
    request.member_id = joining->member_id;
    request.session_timeout_ms = SESSION_TIMEOUT_MS;
    request.rebalance_timeout_ms = REBALANCE_TIMEOUT_MS;
    request.protocol_type = SLICE_LIT("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    const struct join_group_response *response =
        rpc_call(&joining->rpc, JOIN_GROUP, version, &request);
    if (response == NULL) {
        return -1;
    }
    joining->member_id = arena_dup(&joining->arena, response->member_id);
    joining->generation_id = response->generation_id;
    return response->error_code;
}

/* The only member is the leader, and gives itself everything. */
static int16_t sync_group(struct bench *bench, struct joining *joining) {
    int16_t version = rpc_version(&joining->rpc, SYNC_GROUP, 3);
    if (version < 0) {
        return -1;
    }
    size_t count = (size_t)bench->topic.partition_count;
    struct consumer_protocol_assignment_topic_partition all =
        consumer_protocol_assignment_topic_partition_defaults;
    all.topic = slice_str(bench->topic.name);
    all.partitions = arena_array(&joining->arena, count, sizeof(int32_t));
    all.partitions_count = bench->topic.partition_count;
    for (int32_t i = 0; i < bench->topic.partition_count; i++) {
        all.partitions[i] = i;
    }
    struct consumer_protocol_assignment assignment;
    message_init(&consumer_protocol_assignment_desc, &assignment);
    assignment.assigned_partitions = &all;
    assignment.assigned_partitions_count = 1;
    struct sync_group_request_assignment own = sync_group_request_assignment_defaults;
    own.member_id = joining->member_id;
    own.assignment =
        consumer_protocol_encode(&consumer_protocol_assignment_desc, &assignment, &joining->arena);
    struct sync_group_request request;
    message_init(&sync_group_request_desc, &request);
    request.group_id = slice_str(joining->group);
    request.member_id = joining->member_id;
    request.generation_id = joining->generation_id;
    request.assignments = &own;
    request.assignments_count = 1;
    const struct sync_group_response *response =
        rpc_call(&joining->rpc, SYNC_GROUP, version, &request);
    return response == NULL ? -1 : response->error_code;
}

/* One step after the other, each again while the coordinator is not ready. */
static bool join_group(struct bench *bench, struct joining *joining) {
    int16_t (*const steps[])(struct bench *, struct joining *) = {find_coordinator, join,
                                                                  sync_group};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int16_t error = steps[i](bench, joining);
        for (int n = 0; n < TRIES && error != ERROR_NONE; n++) {
            if (error == -1 || (error != ERROR_MEMBER_ID_REQUIRED && !error_retriable(error))) {
                break;
            }
            if (error != ERROR_MEMBER_ID_REQUIRED) {
                pause_ms(WAIT_MS);
            }
            error = steps[i](bench, joining);
        }
        if (error != ERROR_NONE) {
            fprintf(stderr, "bench: group %s cannot be joined: %s\n", joining->group,
                    error_name(error));
            return false;
        }
    }
    return true;
}

/* ---- Heartbeats ------------------------------------------------------------------------------ */

static void on_frame(struct bench_conn *conn, struct slice frame, int64_t received_ns) {
    struct member *member = CONTAINER_OF(conn, struct member, conn);
    const struct heartbeat_response *response =
        frame_response(frame, HEARTBEAT, member->version, &member->arena);
    if (response == NULL) {
        member->bench->faults.malformed++;
    } else if (!bench_count_error(member->bench, response->error_code, "Heartbeat")) {
        member->bench->totals.heartbeats++;
    }
    arena_reset(&member->arena);
}

static void on_drained(struct bench_conn *conn) {
}

static void on_close(struct bench_conn *conn, const char *reason) {
    struct member *member = CONTAINER_OF(conn, struct member, conn);
    member->bench->faults.lost_connections++;
    member->bench->faults.detail = reason;
}

static const struct bench_conn_handler handler = {
    .on_frame = on_frame,
    .on_drained = on_drained,
    .on_close = on_close,
};

static void encode_heartbeat(struct member *member, const struct joining *joining) {
    struct heartbeat_request request;
    message_init(&heartbeat_request_desc, &request);
    request.group_id = slice_str(joining->group);
    request.member_id = joining->member_id;
    request.generation_id = joining->generation_id;
    frame_request(&member->frame, HEARTBEAT, member->version, 0, &request, NULL);
}

int64_t members_dispatch(struct bench *bench, int64_t now_ns) {
    int64_t next = INT64_MAX;
    for (int i = 0; i < bench->member_count; i++) {
        struct member *member = &bench->members[i];
        if (member->due_ns <= now_ns && !member->conn.closed) {
            member->due_ns += HEARTBEAT_INTERVAL_NS;
            size_t len = member->frame.len;
            uint8_t *out = bench_conn_put(&member->conn, len);
            memcpy(out, member->frame.data, len);
            store_be32(out + 8, (uint32_t)member->correlation_id++);
            bench_conn_flush(&member->conn);
        }
        next = member->due_ns < next ? member->due_ns : next;
    }
    return next;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static bool open_member(struct bench *bench, struct member *member, int index) {
    struct joining joining = {.rpc = {.fd = -1}, .member_id = SLICE_LIT("")};
    arena_init(&joining.arena, SIZE_MAX);
    snprintf(joining.group, sizeof(joining.group), "bench-%" PRIx64 "-%d", bench->run_id, index);
    bool good = join_group(bench, &joining);
    member->version = good ? rpc_version(&joining.rpc, HEARTBEAT, 3) : -1;
    if (member->version >= 0) {
        encode_heartbeat(member, &joining);
        bench_conn_init(&member->conn, joining.rpc.fd, bench->epoll, &handler);
        joining.rpc.fd = -1; /* taken over */
    }
    rpc_close(&joining.rpc);
    arena_release(&joining.arena);
    return member->version >= 0;
}

bool members_open(struct bench *bench) {
    bench->member_count = bench->options->consumers;
    bench->members = xcalloc((size_t)bench->member_count, sizeof(struct member));
    for (int i = 0; i < bench->member_count; i++) {
        struct member *member = &bench->members[i];
        member->bench = bench;
        buffer_init(&member->frame, SIZE_MAX);
        arena_init(&member->arena, SIZE_MAX);
        if (!open_member(bench, member, i)) {
            return false;
        }
    }
    int64_t now = bench_now_ns();
    for (int i = 0; i < bench->member_count; i++) {
        /* Spread over the interval, as those of independent clients are. */
        bench->members[i].due_ns = now + HEARTBEAT_INTERVAL_NS * i / bench->member_count;
    }
    return true;
}

void members_close(struct bench *bench) {
    for (int i = 0; i < bench->member_count; i++) {
        struct member *member = &bench->members[i];
        bench_conn_release(&member->conn);
        buffer_release(&member->frame);
        arena_release(&member->arena);
    }
    free(bench->members);
    bench->members = NULL;
    bench->member_count = 0;
}
