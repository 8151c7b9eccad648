/*
 * Connections that send without waiting for answers, as clients do and sim_client.h does not:
 * members of one group that join, sync, commit and leave in any order, and in between requests that
 * wait for the disk or for records. Each connection gets an answer to each request, in the order of
 * the requests, and nothing that one of them sends behind another holds up the node.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "broker/peer/wire.h"
#include "protocol/errors.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/heartbeat_request.h"
#include "protocol/generated/heartbeat_response.h"
#include "protocol/generated/join_group_request.h"
#include "protocol/generated/join_group_response.h"
#include "protocol/generated/leave_group_request.h"
#include "protocol/generated/metadata_request.h"
#include "protocol/generated/offset_commit_request.h"
#include "protocol/generated/produce_request.h"
#include "protocol/generated/sync_group_request.h"
#include "protocol/generated/sync_group_response.h"
#include "protocol/records.h"
#include "runtime/sim/random.h"
#include "tests/sim/node_script.h"
#include "tests/sim/node_world.h"

#define SEEDS      300
#define PEERS      4
#define STEPS      300
#define BURST_MAX  5
#define UNDER_WAY  24 /* requests of a connection */
#define SESSION_MS 300
#define FRAME_MAX  ((size_t)1 << 20)
#define BROKER     "10.0.0.1"
#define GROUP      SLICE_LIT("group")
#define MEMBER_MAX 128

enum {
    KEY_PRODUCE = 0,
    KEY_FETCH = 1,
    KEY_METADATA = 3,
    KEY_OFFSET_COMMIT = 8,
    KEY_JOIN_GROUP = 11,
    KEY_HEARTBEAT = 12,
    KEY_LEAVE_GROUP = 13,
    KEY_SYNC_GROUP = 14,
};

static const char *const overrides[] = {
    "group.min.session.timeout.ms=10",
    "group.initial.rebalance.delay.ms=0",
};

struct crowd;

struct peer {
    struct crowd *crowd;
    struct conn *conn;
    bool connected;
    int16_t keys[UNDER_WAY]; /* what is under way, the oldest first */
    int16_t versions[UNDER_WAY];
    int count;
    int32_t next_sent;
    int32_t next_answered;
    char member[MEMBER_MAX]; /* as the last JoinGroup was answered; "" after another start */
    int32_t generation;
    bool leads;
    int16_t due; /* what a member would send now: JoinGroup, SyncGroup or a heartbeat */
};

struct crowd {
    struct node_world *world;
    struct random_stream random;
    struct peer peers[PEERS];
    struct arena arena;
    struct buffer batch;
    int answered;
    int synced; /* SyncGroups that succeeded */
    int under_way_max;
};

/* ---- Answers --------------------------------------------------------------------------------- */

static void joined(struct peer *peer, const struct join_group_response *response) {
    if (response->error_code == ERROR_NONE) {
        cr_assert_lt(response->member_id.len, MEMBER_MAX);
        memcpy(peer->member, response->member_id.data, response->member_id.len);
        peer->member[response->member_id.len] = '\0';
        peer->generation = response->generation_id;
        peer->leads = slice_equal(response->leader, response->member_id);
        peer->due = KEY_SYNC_GROUP;
    } else {
        peer->member[0] = '\0';
        peer->due = KEY_JOIN_GROUP;
    }
}

static void synced(struct peer *peer, bool done) {
    peer->crowd->synced += done;
    peer->due = done ? KEY_HEARTBEAT : KEY_JOIN_GROUP;
}

static void on_frame(struct conn *conn, struct frame *frame, void *ctx) {
    struct peer *peer = ctx;
    struct crowd *crowd = peer->crowd;
    cr_assert_gt(peer->count, 0, "an answer to nothing");
    cr_assert_eq((int32_t)load_be32(frame->data), peer->next_answered, "an answer out of order");
    int16_t key = peer->keys[0];
    void *response = NULL;
    arena_reset(&crowd->arena);
    cr_assert(wire_decode_response(key, peer->versions[0], slice_make(frame->data, frame->len),
                                   &crowd->arena, &response));
    if (key == KEY_JOIN_GROUP) {
        joined(peer, response);
    }
    if (key == KEY_SYNC_GROUP) {
        synced(peer, ((const struct sync_group_response *)response)->error_code == ERROR_NONE);
    } else if (key == KEY_HEARTBEAT &&
               ((const struct heartbeat_response *)response)->error_code != ERROR_NONE) {
        peer->due = KEY_JOIN_GROUP;
    }
    crowd->answered++;
    peer->next_answered++;
    peer->count--;
    memmove(peer->keys, peer->keys + 1, (size_t)peer->count * sizeof(peer->keys[0]));
    memmove(peer->versions, peer->versions + 1, (size_t)peer->count * sizeof(peer->versions[0]));
    frame_unref(frame);
}

static void on_connect(struct conn *conn, void *ctx) {
    ((struct peer *)ctx)->connected = true;
}

static void on_close(struct conn *conn, const char *reason, void *ctx) {
    struct peer *peer = ctx;
    peer->conn = NULL;
    peer->connected = false;
}

/* ---- Requests -------------------------------------------------------------------------------- */

static int draw(struct crowd *crowd, int below) {
    return (int)random_stream_range(&crowd->random, 0, below - 1);
}

static void send(struct peer *peer, int16_t key, int16_t version, const void *request) {
    if (peer->count == UNDER_WAY) {
        return;
    }
    struct buffer out;
    buffer_init(&out, FRAME_MAX);
    cr_assert(wire_encode_request(key, version, peer->next_sent, SLICE_LIT("sim"), request, &out));
    struct reply *frame = reply_new();
    reply_add_heap(frame, out.data, out.len);
    conn_send(peer->conn, frame);
    peer->keys[peer->count] = key;
    peer->versions[peer->count] = version;
    peer->count++;
    peer->next_sent++;
    if (peer->count > peer->crowd->under_way_max) {
        peer->crowd->under_way_max = peer->count;
    }
}

static void send_join(struct peer *peer) {
    struct join_group_request_protocol protocol = join_group_request_protocol_defaults;
    protocol.name = SLICE_LIT("range");
    protocol.metadata = SLICE_LIT("");
    struct join_group_request request = join_group_request_defaults;
    request.group_id = GROUP;
    request.member_id = slice_str(peer->member);
    request.protocol_type = SLICE_LIT("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    request.session_timeout_ms = SESSION_MS;
    request.rebalance_timeout_ms = SESSION_MS;
    send(peer, KEY_JOIN_GROUP, 2, &request);
}

static void send_sync(struct peer *peer) {
    struct sync_group_request_assignment assignment = sync_group_request_assignment_defaults;
    assignment.member_id = slice_str(peer->member);
    assignment.assignment = SLICE_LIT("all");
    struct sync_group_request request = sync_group_request_defaults;
    request.group_id = GROUP;
    request.member_id = slice_str(peer->member);
    request.generation_id = peer->generation;
    request.assignments = &assignment;
    request.assignments_count = peer->leads;
    send(peer, KEY_SYNC_GROUP, 1, &request);
}

static void send_heartbeat(struct peer *peer) {
    struct heartbeat_request request = heartbeat_request_defaults;
    request.group_id = GROUP;
    request.member_id = slice_str(peer->member);
    request.generation_id = peer->generation;
    send(peer, KEY_HEARTBEAT, 1, &request);
}

static void send_leave(struct peer *peer) {
    struct leave_group_request request = leave_group_request_defaults;
    request.group_id = GROUP;
    request.member_id = slice_str(peer->member);
    send(peer, KEY_LEAVE_GROUP, 1, &request);
}

static void send_commit(struct peer *peer) {
    struct offset_commit_request_partition partition = offset_commit_request_partition_defaults;
    partition.committed_offset = 1;
    struct offset_commit_request_topic topic = offset_commit_request_topic_defaults;
    topic.name = SLICE_LIT("topic");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct offset_commit_request request = offset_commit_request_defaults;
    request.group_id = GROUP;
    request.member_id = slice_str(peer->member);
    request.generation_id_or_member_epoch = peer->generation;
    request.topics = &topic;
    request.topics_count = 1;
    send(peer, KEY_OFFSET_COMMIT, 2, &request);
}

static void send_produce(struct peer *peer) {
    const struct buffer *batch = &peer->crowd->batch;
    struct produce_request_partition_produce_data data =
        produce_request_partition_produce_data_defaults;
    data.records = (struct message_records){.data = batch->data, .len = batch->len};
    struct produce_request_topic_produce_data topic = produce_request_topic_produce_data_defaults;
    topic.name = SLICE_LIT("topic");
    topic.partition_data = &data;
    topic.partition_data_count = 1;
    struct produce_request request = produce_request_defaults;
    request.acks = -1;
    request.timeout_ms = 1000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    send(peer, KEY_PRODUCE, 7, &request);
}

/* Often one that waits for a record that does not come. */
static void send_fetch(struct peer *peer) {
    struct fetch_request_partition partition = fetch_request_partition_defaults;
    partition.partition_max_bytes = 1000;
    struct fetch_request_topic topic = fetch_request_topic_defaults;
    topic.topic = SLICE_LIT("topic");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct fetch_request request = fetch_request_defaults;
    request.max_wait_ms = 50;
    request.min_bytes = draw(peer->crowd, 2) * 100000;
    request.max_bytes = 100000;
    request.topics = &topic;
    request.topics_count = 1;
    send(peer, KEY_FETCH, 4, &request);
}

static void send_metadata(struct peer *peer) {
    struct metadata_request request = metadata_request_defaults;
    send(peer, KEY_METADATA, 1, &request);
}

static void send_due(struct peer *peer) {
    if (peer->due == KEY_SYNC_GROUP) {
        send_sync(peer);
    } else if (peer->due == KEY_HEARTBEAT) {
        send_heartbeat(peer);
    } else {
        send_join(peer);
    }
}

static void send_any(struct peer *peer) {
    static void (*const all[])(struct peer *) = {
        send_join,    send_sync,  send_leave,    send_commit,
        send_produce, send_fetch, send_metadata, send_heartbeat,
    };
    all[draw(peer->crowd, (int)ARRAY_LEN(all))](peer);
}

/* ---- A run ----------------------------------------------------------------------------------- */

static void dial(struct peer *peer) {
    static const struct dialer_handler handler = {on_connect, on_frame, on_close};
    const struct dialer_options options = {
        .host = BROKER, .port = 9092, .frame_max = FRAME_MAX, .connect_timeout_ms = 100};
    peer->count = 0;
    peer->next_answered = peer->next_sent;
    peer->conn =
        conn_dial(machine_shard(peer->crowd->world->client_machine, 0), &options, &handler, peer);
}

static void step(void *ctx) {
    struct crowd *crowd = ctx;
    struct peer *peer = &crowd->peers[draw(crowd, PEERS)];
    if (peer->conn == NULL) {
        dial(peer);
    } else if (draw(crowd, 40) == 0) {
        conn_close(peer->conn, "a peer that has enough");
    } else if (peer->connected) {
        send_due(peer);
        for (int i = draw(crowd, 2) * draw(crowd, BURST_MAX); i > 0; i--) {
            send_any(peer);
        }
    }
}

static void close_all(void *ctx) {
    struct crowd *crowd = ctx;
    for (int i = 0; i < PEERS; i++) {
        if (crowd->peers[i].conn != NULL) {
            conn_close(crowd->peers[i].conn, "done");
        }
    }
}

static void make_batch(struct buffer *out) {
    struct batch_builder builder;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    buffer_init(out, 1000);
    batch_builder_init(&builder, &options, 1000);
    batch_builder_add(&builder, 1700000000000, SLICE_NULL, SLICE_LIT("value"), NULL, 0);
    cr_assert(batch_builder_finish(&builder, out));
    batch_builder_release(&builder);
}

static void crowd_run(struct crowd *crowd, uint64_t seed) {
    *crowd = (struct crowd){0};
    crowd->world = node_world_new(seed, 1 + (int)(seed % 2), overrides, (int)ARRAY_LEN(overrides));
    random_stream_init(&crowd->random, seed, 100);
    arena_init(&crowd->arena, SIZE_MAX);
    make_batch(&crowd->batch);
    struct node_world *world = crowd->world;
    cr_assert_eq(node_world_start(world), 0);
    cr_assert(script_create_topic(world, "topic", 1));
    cr_assert(script_commit(world, "other", "topic", 0)); /* the coordinator serves */
    for (int i = 0; i < PEERS; i++) {
        crowd->peers[i].crowd = crowd;
    }
    for (int i = 0; i < STEPS; i++) {
        sim_call(world->sim, machine_shard(world->client_machine, 0), step, crowd);
        node_world_wait(world, draw(crowd, 4) == 0 ? draw(crowd, 400) : draw(crowd, 5));
    }
    node_world_wait(world, 20000);
    for (int i = 0; i < PEERS; i++) {
        const struct peer *peer = &crowd->peers[i];
        cr_assert(!peer->connected || peer->count == 0, "seed %d: %d requests without an answer",
                  (int)seed, peer->count);
    }
    sim_call(world->sim, machine_shard(world->client_machine, 0), close_all, crowd);
    node_world_wait(world, 10);
    cr_assert(node_world_alive(world));
    cr_assert_eq(world->log.error_lines, 0, "%s", world->log.last_error);
    cr_assert(node_world_stop(world));
    node_world_free(world);
    arena_release(&crowd->arena);
    buffer_release(&crowd->batch);
}

Test(pipelining, answers_come_in_order_whatever_is_sent_behind_what) {
    const char *one = getenv("SIM_SEED");
    const char *many = getenv("SIM_SEEDS");
    uint64_t seeds = many != NULL ? strtoull(many, NULL, 10) : SEEDS;
    int answered = 0;
    int synced = 0;
    int under_way_max = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct crowd crowd;
        seed = one != NULL ? strtoull(one, NULL, 10) : seed;
        crowd_run(&crowd, seed);
        answered += crowd.answered;
        synced += crowd.synced;
        under_way_max = crowd.under_way_max > under_way_max ? crowd.under_way_max : under_way_max;
        if (one != NULL) {
            break;
        }
    }
    printf("pipelining: %d answers, %d of them to members that synced, up to %d under way\n",
           answered, synced, under_way_max);
    cr_assert_gt(synced, answered / 100);
    cr_assert_gt(under_way_max, BURST_MAX);
}
