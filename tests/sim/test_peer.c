/* The connection to another node (broker/peer/peer.h) against a scripted server. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/errmsg.h"
#include "base/memory.h"
#include "broker/node.h"
#include "broker/peer/peer.h"
#include "protocol/errors.h"
#include "protocol/generated/api_versions_response.h"
#include "protocol/generated/end_quorum_epoch_request.h"
#include "protocol/generated/end_quorum_epoch_response.h"
#include "protocol/generated/request_header.h"
#include "protocol/generated/response_header.h"
#include "protocol/message.h"
#include "runtime/net.h"
#include "runtime/sim/sim.h"

#define KEY_API_VERSIONS 18
#define KEY_END_EPOCH    54
#define KEY_VOTE         52
#define PORT             9093
#define SERVER           "10.0.0.2"
#define CALLS            4

struct test_call {
    struct peer_call call;
    struct world *world;
    bool ended;
    int result;
    int16_t version;
    int16_t error_code; /* of the answer */
    int64_t ended_us;
    bool again; /* made once more from fn */
};

struct world {
    struct sim *sim;
    struct machine *server;
    struct machine *client;
    struct listener *listener;
    struct node node;
    struct peer *peer;
    struct test_call calls[CALLS];
    int disconnects;
    int last_disconnect;

    /* The server's script. */
    bool silent;  /* answers nothing but ApiVersions */
    bool old;     /* knows only version 0 of ApiVersions */
    bool garbage; /* answers cannot be decoded */
    bool wrong_id;
    bool only_vote;      /* does not serve EndQuorumEpoch */
    int16_t max_version; /* of EndQuorumEpoch */
    int requests;
    int versions_asked;
    int connections;
    char client_id[64];
    struct conn *conn;
};

/* ---- The server ------------------------------------------------------------------------------ */

static void answer(struct world *world, struct exchange *exchange, int16_t key, int16_t version,
                   int32_t id, const void *response) {
    struct buffer out;
    buffer_init(&out, 1 << 20);
    struct response_header header;
    message_init(&response_header_desc, &header);
    header.correlation_id = world->wrong_id && key != KEY_API_VERSIONS ? id + 1 : id;
    const struct api *api = api_by_key(key);
    cr_assert(message_encode(&response_header_desc, api_response_header_version(api, version),
                             &header, &out, NULL) == MESSAGE_OK);
    cr_assert(message_encode(api->response, version, response, &out, NULL) == MESSAGE_OK);
    if (world->garbage && key != KEY_API_VERSIONS) {
        out.len -= 1;
    }
    struct reply *reply = reply_new();
    reply_add_heap(reply, out.data, out.len);
    exchange_reply(exchange, reply);
}

static void answer_versions(struct world *world, struct exchange *exchange, int16_t version,
                            int32_t id) {
    world->versions_asked++;
    struct api_versions_response_api_version keys[2];
    memset(keys, 0, sizeof(keys));
    keys[0].api_key = KEY_API_VERSIONS;
    keys[1].api_key = world->only_vote ? KEY_VOTE : KEY_END_EPOCH;
    keys[1].max_version = world->max_version;
    struct api_versions_response response;
    message_init(&api_versions_response_desc, &response);
    response.api_keys = keys;
    response.api_keys_count = 2;
    if (world->old && version > 0) {
        response.error_code = ERROR_UNSUPPORTED_VERSION;
        version = 0;
    }
    answer(world, exchange, KEY_API_VERSIONS, version, id, &response);
}

static void server_frame(struct conn *conn, struct exchange *exchange, struct frame *frame,
                         void *ctx) {
    struct world *world = ctx;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct slice in = slice_make(frame->data, frame->len);
    int16_t key = (int16_t)load_be16(in.data);
    int16_t version = (int16_t)load_be16(in.data + 2);
    const struct api *api = api_by_key(key);
    struct request_header header;
    size_t header_len;
    cr_assert(message_decode(&request_header_desc, api_request_header_version(api, version), in,
                             &arena, &header, &header_len) == MESSAGE_OK);
    snprintf(world->client_id, sizeof(world->client_id), "%.*s", SLICE_ARG(header.client_id));
    void *body = arena_alloc(&arena, message_size(api->request));
    cr_assert(message_decode(api->request, version,
                             slice_make(in.data + header_len, in.len - header_len), &arena, body,
                             NULL) == MESSAGE_OK);
    if (key == KEY_API_VERSIONS) {
        answer_versions(world, exchange, version, header.correlation_id);
    } else {
        world->requests++;
        struct end_quorum_epoch_response response;
        message_init(&end_quorum_epoch_response_desc, &response);
        response.error_code = (int16_t)world->requests;
        if (world->silent) {
            exchange_done(exchange);
        } else {
            answer(world, exchange, key, version, header.correlation_id, &response);
        }
    }
    arena_release(&arena);
    frame_unref(frame);
}

static void server_opened(struct conn *conn, void *ctx) {
    struct world *world = ctx;
    world->connections++;
    world->conn = conn;
}

static void server_closed(struct conn *conn, const char *reason, void *ctx) {
}

static void listen_there(void *ctx) {
    struct world *world = ctx;
    static const struct listener_handler handler = {
        .on_open = server_opened,
        .on_frame = server_frame,
        .on_close = server_closed,
    };
    struct listener_options options = {
        .port = PORT,
        .frame_max = 1 << 20,
        .output_max = 1 << 20,
        .exchanges_max = 100,
        .idle_max_ms = -1,
    };
    struct errmsg errmsg = {0};
    cr_assert(listener_open(world->server, &options, &handler, world, &world->listener, &errmsg) ==
              0);
}

static void kill_server(struct world *world) {
    sim_crash_after(world->server, 0, SIM_CRASH_PROCESS);
}

static void restart_server(struct world *world) {
    sim_machine_restart(world->server);
    sim_call(world->sim, machine_shard(world->server, 0), listen_there, world);
}

/* ---- The client ------------------------------------------------------------------------------ */

static void on_disconnect(void *ctx, int result) {
    struct world *world = ctx;
    world->disconnects++;
    world->last_disconnect = result;
}

static const void *build(struct peer_call *call, int16_t version) {
    static struct end_quorum_epoch_request request;
    message_init(&end_quorum_epoch_request_desc, &request);
    return &request;
}

static void ended(struct peer_call *call, const struct peer_answer *given) {
    struct test_call *own = CONTAINER_OF(call, struct test_call, call);
    cr_assert(!own->ended);
    own->ended = true;
    own->result = given->result;
    own->version = given->version;
    own->ended_us = sim_now_us(own->world->sim);
    if (given->result == 0) {
        own->error_code = ((const struct end_quorum_epoch_response *)given->response)->error_code;
    }
    if (own->again) {
        own->again = false;
        own->ended = false;
        peer_call(own->world->peer, call);
    }
}

static void ask_some(struct world *world, int first, int count, int64_t timeout_ms) {
    for (int i = first; i < first + count; i++) {
        struct test_call *own = &world->calls[i];
        bool again = own->again;
        *own = (struct test_call){.world = world, .again = again};
        own->call = (struct peer_call){
            .api_key = KEY_END_EPOCH,
            .version_max = 1,
            .timeout_ms = timeout_ms,
            .build = build,
            .fn = ended,
        };
        peer_call(world->peer, &own->call);
        cr_assert(!own->ended);
    }
}

static void ask_all(void *ctx) {
    ask_some(ctx, 0, CALLS, 500);
}

static void ask_one(void *ctx) {
    ask_some(ctx, 0, 1, 500);
}

static void cancel_first(void *ctx) {
    peer_cancel(&((struct world *)ctx)->calls[0].call);
}

static void open_peer(void *ctx) {
    struct world *world = ctx;
    world->node.machine = world->client;
    world->node.id = 7;
    world->node.shard_count = 1;
    world->node.shards[0].node = &world->node;
    world->node.shards[0].shard = machine_shard(world->client, 0);
    world->peer = peer_new(&(struct peer_options){
        .shard = &world->node.shards[0],
        .name = "quorum",
        .host = SERVER,
        .port = PORT,
        .on_disconnect = on_disconnect,
        .ctx = world,
    });
}

static void close_peer(void *ctx) {
    struct world *world = ctx;
    peer_close(world->peer);
    peer_free(world->peer);
    world->peer = NULL;
}

static void on_client(struct world *world, void (*fn)(void *ctx)) {
    if (fn == ask_one || fn == ask_all) {
        world->calls[0].ended = false; /* of the time before */
    }
    sim_call(world->sim, machine_shard(world->client, 0), fn, world);
}

static struct world *world_new(void) {
    struct world *world = NEW(struct world);
    struct sim_options options = {.seed = 1, .net_delay_min_us = 50, .net_delay_max_us = 500};
    world->sim = sim_new(&options);
    world->server = sim_machine_new(world->sim, SERVER, 1);
    world->client = sim_machine_new(world->sim, "10.0.0.1", 1);
    world->max_version = 1;
    sim_call(world->sim, machine_shard(world->server, 0), listen_there, world);
    on_client(world, open_peer);
    sim_run(world->sim, 1, NULL);
    return world;
}

static void world_free(struct world *world) {
    if (world->peer != NULL) {
        on_client(world, close_peer);
        sim_run(world->sim, 100, NULL);
    }
    sim_free(world->sim);
    free(world);
}

/* Runs until call i has ended; how many virtual milliseconds that took. */
static int64_t wait_for(struct world *world, int i) {
    int64_t from_us = sim_now_us(world->sim);
    cr_assert(sim_run(world->sim, 60000, &world->calls[i].ended), "call %d does not end", i);
    return (sim_now_us(world->sim) - from_us) / 1000;
}

/* ---- Claims ---------------------------------------------------------------------------------- */

Test(peer, calls_are_pipelined_and_answered_in_order) {
    struct world *world = world_new();
    on_client(world, ask_all);
    for (int i = 0; i < CALLS; i++) {
        wait_for(world, i);
        cr_expect_eq(world->calls[i].result, 0);
        cr_expect_eq(world->calls[i].error_code, i + 1);
        cr_expect_eq(world->calls[i].version, 1);
    }
    cr_expect_eq(world->connections, 1);
    cr_expect_str_eq(world->client_id, "node-7:quorum");
    world_free(world);
}

Test(peer, the_highest_version_of_both_is_used) {
    struct world *world = world_new();
    world->max_version = 0;
    on_client(world, ask_one);
    wait_for(world, 0);
    cr_expect_eq(world->calls[0].result, 0);
    cr_expect_eq(world->calls[0].version, 0);
    world_free(world);
}

Test(peer, an_old_server_is_asked_for_its_versions_in_version_0) {
    struct world *world = world_new();
    world->old = true;
    on_client(world, ask_one);
    wait_for(world, 0);
    cr_expect_eq(world->calls[0].result, 0);
    cr_expect_eq(world->versions_asked, 2);
    world_free(world);
}

Test(peer, an_api_that_is_not_served_is_told) {
    struct world *world = world_new();
    world->only_vote = true;
    on_client(world, ask_one);
    wait_for(world, 0);
    cr_expect_eq(world->calls[0].result, -EPROTONOSUPPORT);
    cr_expect_eq(world->requests, 0);
    world_free(world);
}

Test(peer, a_refused_connection_ends_all_calls_at_once) {
    struct world *world = world_new();
    kill_server(world);
    on_client(world, ask_all);
    for (int i = 0; i < CALLS; i++) {
        cr_expect_leq(wait_for(world, i), 5);
        cr_expect_eq(world->calls[i].result, -ECONNREFUSED);
    }
    cr_expect_eq(world->disconnects, 1);
    cr_expect_eq(world->last_disconnect, -ECONNREFUSED);
    world_free(world);
}

Test(peer, a_killed_server_ends_what_was_sent_at_once) {
    struct world *world = world_new();
    world->silent = true;
    on_client(world, ask_all);
    sim_run(world->sim, 20, NULL);
    cr_assert_eq(world->requests, CALLS);
    kill_server(world);
    for (int i = 0; i < CALLS; i++) {
        cr_expect_leq(wait_for(world, i), 5);
        cr_expect_eq(world->calls[i].result, -ECONNRESET);
    }
    cr_expect_eq(world->last_disconnect, -ECONNRESET);
    world_free(world);
}

Test(peer, a_connection_that_broke_is_made_again_without_waiting) {
    struct world *world = world_new();
    on_client(world, ask_one);
    wait_for(world, 0);
    sim_run(world->sim, 200, NULL);
    kill_server(world);
    sim_run(world->sim, 20, NULL);
    restart_server(world);
    sim_run(world->sim, 20, NULL);
    on_client(world, ask_one);
    cr_expect_leq(wait_for(world, 0), 10);
    cr_expect_eq(world->calls[0].result, 0);
    world_free(world);
}

Test(peer, a_server_that_came_back_is_found_within_the_longest_backoff) {
    struct world *world = world_new();
    kill_server(world);
    for (int i = 0; i < 20; i++) {
        on_client(world, ask_one);
        wait_for(world, 0);
        cr_expect_neq(world->calls[0].result, 0);
    }
    int64_t before_us = sim_now_us(world->sim);
    cr_expect_gt(before_us, 5 * 1000 * 1000, "the backoff has grown");
    restart_server(world);
    do {
        on_client(world, ask_one);
        wait_for(world, 0);
    } while (world->calls[0].result != 0);
    cr_expect_leq(sim_now_us(world->sim) - before_us, 1300 * 1000);
    world_free(world);
}

Test(peer, an_overdue_answer_breaks_the_connection) {
    struct world *world = world_new();
    world->silent = true;
    on_client(world, ask_all);
    cr_expect_leq(wait_for(world, 0), 501);
    cr_expect_eq(world->calls[0].result, -ETIMEDOUT);
    world->silent = false;
    on_client(world, ask_one);
    wait_for(world, 0);
    cr_expect_eq(world->calls[0].result, 0);
    cr_expect_eq(world->connections, 2);
    world_free(world);
}

Test(peer, an_answer_that_cannot_be_decoded_closes_the_connection) {
    struct world *world = world_new();
    world->garbage = true;
    on_client(world, ask_one);
    wait_for(world, 0);
    cr_expect_eq(world->calls[0].result, -EBADMSG);
    cr_expect_eq(world->last_disconnect, -EBADMSG);
    world_free(world);
}

Test(peer, an_answer_to_nothing_asked_closes_the_connection) {
    struct world *world = world_new();
    world->wrong_id = true;
    on_client(world, ask_one);
    wait_for(world, 0);
    cr_expect_eq(world->calls[0].result, -EBADMSG);
    world_free(world);
}

Test(peer, the_answer_of_a_cancelled_call_is_dropped) {
    struct world *world = world_new();
    on_client(world, ask_all);
    on_client(world, cancel_first);
    sim_run(world->sim, 10, NULL);
    cr_expect(!world->calls[0].ended);
    for (int i = 1; i < CALLS; i++) {
        wait_for(world, i);
        cr_expect_eq(world->calls[i].result, 0);
    }
    sim_run(world->sim, 1000, NULL);
    cr_expect(!world->calls[0].ended);
    cr_expect_eq(world->disconnects, 0);
    world_free(world);
}

Test(peer, a_call_may_be_made_again_from_its_end) {
    struct world *world = world_new();
    world->calls[0].again = true;
    on_client(world, ask_one);
    wait_for(world, 0);
    cr_expect_eq(world->calls[0].error_code, 2);
    world_free(world);
}

static void ask_patiently(void *ctx) {
    ask_some(ctx, 0, CALLS, INT64_MAX);
}

Test(peer, closing_ends_calls_and_may_come_at_any_time) {
    for (int events = 0; events < 30; events++) {
        struct world *world = world_new();
        world->silent = true;
        on_client(world, ask_patiently);
        sim_step(world->sim);
        for (int i = 0; i < events; i++) {
            sim_step(world->sim);
        }
        on_client(world, close_peer);
        sim_run(world->sim, 100, NULL);
        for (int i = 0; i < CALLS; i++) {
            cr_expect(world->calls[i].ended);
            cr_expect_eq(world->calls[i].result, -ECANCELED);
        }
        world_free(world);
    }
}

static void move_away(void *ctx) {
    peer_set_address(((struct world *)ctx)->peer, "10.0.0.3", PORT);
}

Test(peer, another_address_ends_what_was_sent_to_the_old_one) {
    struct world *world = world_new();
    world->silent = true;
    on_client(world, ask_one);
    sim_run(world->sim, 20, NULL);
    on_client(world, move_away);
    cr_expect_leq(wait_for(world, 0), 5);
    cr_expect_eq(world->calls[0].result, -ECONNRESET);
    on_client(world, ask_one);
    wait_for(world, 0);
    cr_expect_eq(world->calls[0].result, -ECONNREFUSED);
    world_free(world);
}

Test(peer, a_silent_network_ends_calls_when_their_time_is_up) {
    struct world *world = world_new();
    on_client(world, ask_one);
    wait_for(world, 0);
    sim_partition(world->server, world->client, true);
    on_client(world, ask_one);
    cr_expect_leq(wait_for(world, 0), 501);
    cr_expect_eq(world->calls[0].result, -ETIMEDOUT);
    world_free(world);
}
