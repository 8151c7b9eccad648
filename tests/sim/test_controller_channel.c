/*
 * The channel to the active controller, and the forwarding of clients' requests on it, against
 * scripted controllers. The quorum, the server and the table of APIs are stand-ins of this file.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errmsg.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/controller/controller_channel.h"
#include "broker/controller/controller_request.h"
#include "broker/node.h"
#include "broker/peer/wire.h"
#include "broker/server/request.h"
#include "protocol/generated/api_versions_response.h"
#include "protocol/generated/create_topics_request.h"
#include "protocol/generated/create_topics_response.h"
#include "protocol/generated/envelope_request.h"
#include "protocol/generated/envelope_response.h"
#include "protocol/generated/request_header.h"
#include "protocol/generated/response_header.h"
#include "protocol/generated/unregister_broker_request.h"
#include "protocol/generated/unregister_broker_response.h"
#include "raft/quorum.h"
#include "runtime/net.h"
#include "runtime/sim/sim.h"

#define PORT  9093
#define NODES 3 /* 0 is the one under test, whose id is 1 */

enum { KEY_API_VERSIONS = 18, KEY_CREATE_TOPICS = 19, KEY_ENVELOPE = 58, KEY_UNREGISTER = 64 };

static const char *const hosts[NODES] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};

struct controller_script {
    struct world *world;
    struct machine *machine;
    struct listener *listener;
    bool silent;
    int16_t error; /* of UnregisterBroker, or of the Envelope */
    int16_t topic_error;
    int asked;
};

struct world {
    struct sim *sim;
    struct machine *machine;
    struct controller_script controllers[NODES];
    struct config *config;
    struct node node;
    struct controller_call call;
    struct unregister_broker_request unregister;
    struct request request; /* a client's, to be forwarded */
    struct create_topics_request body;
    struct create_topics_request_creatable_topic topic;

    bool ended;
    enum kafka_error error;
    int32_t throttle; /* of the answer: who gave it */
    int16_t topic_error;
    bool closed_client;
    int submitted;
    bool local_refuses;

    /* What was in the last Envelope. */
    uint8_t data[256];
    size_t data_len;
    uint8_t principal[64];
    size_t principal_len;
    uint8_t address[16];
    size_t address_len;
};

/* The stand-ins find the one world of the process. */
static struct world *the_world;
static int32_t leader_id;

/* ---- Stand-ins ------------------------------------------------------------------------------- */

struct quorum *controller_quorum(const struct node *node) {
    return (struct quorum *)(uintptr_t)node;
}

int32_t quorum_leader(const struct quorum *quorum) {
    return leader_id;
}

bool quorum_leader_address(const struct quorum *quorum, const char **host, int *port) {
    *host = hosts[leader_id - 1];
    *port = PORT;
    return true;
}

const struct api_handler *api_handler(int16_t key, enum api_scope scope) {
    static const struct api_handler served = {
        .key = KEY_UNREGISTER, .max_version = 0, .forwardable = true};
    return key == KEY_UNREGISTER ? &served : NULL;
}

static struct frame *encode_answer(int16_t key, int16_t version, int32_t id, const void *message) {
    struct buffer out;
    buffer_init(&out, 1 << 20);
    const struct api *api = api_by_key(key);
    struct response_header header;
    message_init(&response_header_desc, &header);
    header.correlation_id = id;
    cr_assert(message_encode(&response_header_desc, api_response_header_version(api, version),
                             &header, &out, NULL) == MESSAGE_OK);
    cr_assert(message_encode(api->response, version, message, &out, NULL) == MESSAGE_OK);
    struct frame *frame = frame_new(out.len);
    memcpy(frame->data, out.data, out.len);
    buffer_release(&out);
    return frame;
}

bool request_submit(struct node_shard *home, struct frame *frame,
                    const struct request_origin *origin,
                    void (*ended)(void *ctx, struct frame *answer), void *ctx) {
    struct world *world = the_world;
    world->submitted++;
    frame_unref(frame);
    struct unregister_broker_response response;
    message_init(&unregister_broker_response_desc, &response);
    response.throttle_time_ms = 1;
    response.error_code = world->local_refuses ? ERROR_NOT_CONTROLLER : ERROR_NONE;
    struct frame *answer = encode_answer(KEY_UNREGISTER, 0, 0, &response);
    ended(ctx, answer);
    frame_unref(answer);
    return true;
}

void request_respond(struct request *request, const void *response) {
    const struct create_topics_response *created = response;
    the_world->topic_error = created->topics[0].error_code;
    the_world->ended = true;
}

void request_respond_bytes(struct request *request, struct slice bytes) {
    void *response;
    cr_assert(wire_decode_response(KEY_CREATE_TOPICS, request->version, bytes, &request->arena,
                                   &response));
    request_respond(request, response);
}

void request_respond_close(struct request *request, const char *reason) {
    the_world->closed_client = true;
    the_world->ended = true;
}

/* ---- Scripted controllers -------------------------------------------------------------------- */

static struct frame *answer_envelope(struct controller_script *script, int32_t id,
                                     const struct envelope_request *request) {
    struct world *world = script->world;
    world->data_len = request->request_data.len;
    memcpy(world->data, request->request_data.data, request->request_data.len);
    world->principal_len = request->request_principal.len;
    memcpy(world->principal, request->request_principal.data, request->request_principal.len);
    world->address_len = request->client_host_address.len;
    memcpy(world->address, request->client_host_address.data, request->client_host_address.len);
    struct create_topics_response created;
    struct create_topics_response_creatable_topic_result topic =
        create_topics_response_creatable_topic_result_defaults;
    message_init(&create_topics_response_desc, &created);
    topic.name = SLICE_LIT("made");
    topic.error_code = script->topic_error;
    created.topics = &topic;
    created.topics_count = 1;
    int32_t inner_id = (int32_t)load_be32(request->request_data.data + 4);
    struct frame *inner = encode_answer(KEY_CREATE_TOPICS, 5, inner_id, &created);
    struct envelope_response response;
    message_init(&envelope_response_desc, &response);
    response.error_code = script->error;
    if (script->error == 0) {
        response.response_data = slice_make(inner->data, inner->len);
    }
    struct frame *frame = encode_answer(KEY_ENVELOPE, 0, id, &response);
    frame_unref(inner);
    return frame;
}

static struct frame *answer_versions(int16_t version, int32_t id) {
    struct api_versions_response_api_version keys[] = {{.api_key = KEY_ENVELOPE},
                                                       {.api_key = KEY_UNREGISTER}};
    struct api_versions_response response;
    message_init(&api_versions_response_desc, &response);
    response.api_keys = keys;
    response.api_keys_count = 2;
    return encode_answer(KEY_API_VERSIONS, version, id, &response);
}

static struct frame *answer_unregister(const struct controller_script *script, int32_t id) {
    struct unregister_broker_response response;
    message_init(&unregister_broker_response_desc, &response);
    response.error_code = script->error;
    response.throttle_time_ms = (int32_t)(script - script->world->controllers) + 1;
    return encode_answer(KEY_UNREGISTER, 0, id, &response);
}

static void on_frame(struct conn *conn, struct exchange *exchange, struct frame *frame, void *ctx) {
    struct controller_script *script = ctx;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct slice in = slice_make(frame->data, frame->len);
    int16_t key = (int16_t)load_be16(in.data);
    int16_t version = (int16_t)load_be16(in.data + 2);
    const struct api *api = api_by_key(key);
    struct request_header header;
    size_t header_len;
    void *body = arena_alloc(&arena, message_size(api->request));
    cr_assert(message_decode(&request_header_desc, api_request_header_version(api, version), in,
                             &arena, &header, &header_len) == MESSAGE_OK);
    cr_assert(message_decode(api->request, version,
                             slice_make(in.data + header_len, in.len - header_len), &arena, body,
                             NULL) == MESSAGE_OK);
    struct frame *answer;
    script->asked += key != KEY_API_VERSIONS;
    if (key == KEY_API_VERSIONS) {
        answer = answer_versions(version, header.correlation_id);
    } else if (key == KEY_ENVELOPE) {
        answer = answer_envelope(script, header.correlation_id, body);
    } else {
        answer = answer_unregister(script, header.correlation_id);
    }
    if (script->silent && key != KEY_API_VERSIONS) {
        frame_unref(answer);
        exchange_done(exchange);
    } else {
        struct reply *reply = reply_new();
        reply_add_frame(reply, answer, answer->data, answer->len);
        exchange_reply(exchange, reply);
    }
    arena_release(&arena);
    frame_unref(frame);
}

static void on_open(struct conn *conn, void *ctx) {
}

static void on_close(struct conn *conn, const char *reason, void *ctx) {
}

static void listen_there(void *ctx) {
    struct controller_script *script = ctx;
    static const struct listener_handler handler = {
        .on_open = on_open, .on_frame = on_frame, .on_close = on_close};
    struct listener_options options = {.port = PORT,
                                       .frame_max = 1 << 20,
                                       .output_max = 1 << 20,
                                       .exchanges_max = 100,
                                       .idle_max_ms = -1};
    struct errmsg errmsg = {0};
    cr_assert(listener_open(script->machine, &options, &handler, script, &script->listener,
                            &errmsg) == 0);
}

/* ---- The world ------------------------------------------------------------------------------- */

static void open_channel(void *ctx) {
    struct world *world = ctx;
    world->node.controller_channel = controller_channel_new(&world->node);
}

static void close_channel(void *ctx) {
    struct world *world = ctx;
    controller_channel_close(world->node.controller_channel);
}

static void on_node(struct world *world, int shard, void (*fn)(void *ctx)) {
    sim_call(world->sim, machine_shard(world->machine, shard), fn, world);
}

static struct world *world_new(void) {
    struct world *world = NEW(struct world);
    struct sim_options options = {.seed = 1, .net_delay_min_us = 50, .net_delay_max_us = 500};
    the_world = world;
    leader_id = 2;
    world->sim = sim_new(&options);
    world->machine = sim_machine_new(world->sim, hosts[0], 2);
    static const char *const settings[] = {"listeners=PLAINTEXT://10.0.0.1:9092", "log.dirs=data"};
    struct errmsg errmsg;
    cr_assert(config_load(world->machine, NULL, settings, 2, &world->config, &errmsg) == 0);
    world->node.machine = world->machine;
    world->node.config = world->config;
    world->node.id = 1;
    world->node.shard_count = 2;
    for (int i = 0; i < 2; i++) {
        world->node.shards[i].node = &world->node;
        world->node.shards[i].shard = machine_shard(world->machine, i);
        world->node.shards[i].index = i;
    }
    for (int i = 1; i < NODES; i++) {
        struct controller_script *script = &world->controllers[i];
        script->world = world;
        script->machine = sim_machine_new(world->sim, hosts[i], 1);
        sim_call(world->sim, machine_shard(script->machine, 0), listen_there, script);
    }
    on_node(world, 0, open_channel);
    sim_run(world->sim, 1, NULL);
    return world;
}

static void world_free(struct world *world) {
    on_node(world, 0, close_channel);
    sim_run(world->sim, 100, NULL);
    controller_channel_free(world->node.controller_channel);
    arena_release(&world->request.arena);
    frame_unref(world->request.frame);
    config_free(world->config);
    sim_free(world->sim);
    free(world);
}

static const void *build(struct controller_call *call, int16_t version) {
    struct world *world = CONTAINER_OF(call, struct world, call);
    message_init(&unregister_broker_request_desc, &world->unregister);
    return &world->unregister;
}

static void ended(struct controller_call *call, enum kafka_error error, int16_t version,
                  const void *response) {
    struct world *world = CONTAINER_OF(call, struct world, call);
    shard_assert_current(call->from->shard);
    cr_assert(!world->ended);
    world->ended = true;
    world->error = error;
    if (error == ERROR_NONE) {
        world->throttle = ((const struct unregister_broker_response *)response)->throttle_time_ms;
    }
}

static void make_call(void *ctx) {
    struct world *world = ctx;
    controller_call(&world->call);
}

static void call_from(struct world *world, int shard, int64_t timeout_ms) {
    world->ended = false;
    world->call = (struct controller_call){.from = &world->node.shards[shard],
                                           .api_key = KEY_UNREGISTER,
                                           .timeout_ms = timeout_ms,
                                           .build = build,
                                           .fn = ended};
    on_node(world, shard, make_call);
}

/* Runs until the call has ended; how many virtual milliseconds that took. */
static int64_t wait_for_end(struct world *world) {
    int64_t from_us = sim_now_us(world->sim);
    cr_assert(sim_run(world->sim, 100000, &world->ended));
    return (sim_now_us(world->sim) - from_us) / 1000;
}

static void tell_leader(void *ctx) {
    struct world *world = ctx;
    controller_channel_leader_changed(world->node.controller_channel);
}

static void new_leader(struct world *world, int32_t id) {
    leader_id = id;
    on_node(world, 0, tell_leader);
}

/* ---- The channel ----------------------------------------------------------------------------- */

Test(controller_channel, the_leader_answers) {
    struct world *world = world_new();
    for (int shard = 0; shard < 2; shard++) {
        call_from(world, shard, 1000);
        cr_expect_leq(wait_for_end(world), 10);
        cr_expect_eq(world->error, ERROR_NONE);
        cr_expect_eq(world->throttle, 2);
    }
    world_free(world);
}

Test(controller_channel, a_leader_that_does_not_lead_yet_is_asked_again) {
    struct world *world = world_new();
    world->controllers[1].error = ERROR_NOT_CONTROLLER;
    call_from(world, 0, 10000);
    sim_run(world->sim, 200, NULL);
    cr_expect(!world->ended);
    cr_expect_geq(world->controllers[1].asked, 3);
    cr_expect_leq(world->controllers[1].asked, 9);
    world->controllers[1].error = 0;
    cr_expect_leq(wait_for_end(world), 40);
    cr_expect_eq(world->error, ERROR_NONE);
    world_free(world);
}

Test(controller_channel, a_killed_leader_costs_no_more_than_the_election) {
    struct world *world = world_new();
    world->controllers[1].silent = true;
    call_from(world, 1, 10000);
    sim_run(world->sim, 50, NULL);
    sim_crash_after(world->controllers[1].machine, 0, SIM_CRASH_PROCESS);
    sim_run(world->sim, 300, NULL);
    cr_expect(!world->ended);
    new_leader(world, 3);
    cr_expect_leq(wait_for_end(world), 5);
    cr_expect_eq(world->error, ERROR_NONE);
    cr_expect_eq(world->throttle, 3);
    world_free(world);
}

Test(controller_channel, a_leader_that_is_cut_off_is_left_for_the_new_one) {
    struct world *world = world_new();
    call_from(world, 0, 10000);
    wait_for_end(world);
    sim_partition(world->machine, world->controllers[1].machine, true);
    call_from(world, 0, 10000);
    sim_run(world->sim, 300, NULL);
    cr_expect(!world->ended);
    new_leader(world, 3);
    cr_expect_leq(wait_for_end(world), 5);
    cr_expect_eq(world->throttle, 3);
    world_free(world);
}

Test(controller_channel, without_a_leader_a_call_ends_when_its_time_is_up) {
    struct world *world = world_new();
    leader_id = -1;
    call_from(world, 0, 400);
    int64_t took_ms = wait_for_end(world);
    cr_expect(took_ms >= 399 && took_ms <= 430);
    cr_expect_eq(world->error, ERROR_REQUEST_TIMED_OUT);
    world_free(world);
}

Test(controller_channel, this_node_answers_while_it_leads) {
    struct world *world = world_new();
    leader_id = 1;
    world->local_refuses = true;
    call_from(world, 1, 10000);
    sim_run(world->sim, 100, NULL);
    cr_expect(!world->ended, "it does not lead yet");
    world->local_refuses = false;
    cr_expect_leq(wait_for_end(world), 40);
    cr_expect_eq(world->error, ERROR_NONE);
    cr_expect_eq(world->throttle, 1);
    cr_expect_eq(world->controllers[1].asked, 0);
    world_free(world);
}

Test(controller_channel, closing_ends_calls) {
    struct world *world = world_new();
    world->controllers[1].silent = true;
    call_from(world, 1, INT64_MAX);
    sim_run(world->sim, 20, NULL);
    on_node(world, 0, close_channel);
    wait_for_end(world);
    cr_expect_eq(world->error, ERROR_REQUEST_TIMED_OUT);
    call_from(world, 0, INT64_MAX);
    wait_for_end(world);
    cr_expect_eq(world->error, ERROR_REQUEST_TIMED_OUT);
    world_free(world);
}

/* ---- Forwarding ------------------------------------------------------------------------------ */

static void forward(void *ctx) {
    struct world *world = ctx;
    controller_forward(&world->request);
}

/* A CreateTopics of a client, forwarded. */
static void forward_request(struct world *world, int32_t timeout_ms) {
    static const struct api_handler handler = {.key = KEY_CREATE_TOPICS, .forwardable = true};
    struct request *request = &world->request;
    message_init(&create_topics_request_desc, &world->body);
    world->topic = create_topics_request_creatable_topic_defaults;
    world->topic.name = SLICE_LIT("made");
    world->body.topics = &world->topic;
    world->body.topics_count = 1;
    world->body.timeout_ms = timeout_ms;
    struct buffer out;
    buffer_init(&out, 1000);
    cr_assert(wire_encode_request(KEY_CREATE_TOPICS, 5, 77, SLICE_LIT("c"), &world->body, &out));
    *request = (struct request){
        .home = &world->node.shards[0],
        .at = &world->node.shards[0],
        .handler = &handler,
        .api_key = KEY_CREATE_TOPICS,
        .version = 5,
        .correlation_id = 77,
        .peer_host = SLICE_LIT("192.168.1.9"),
        .scope = API_SCOPE_BROKER,
        .received_ms = sim_now_us(world->sim) / 1000,
        .frame = frame_new(out.len),
        .body = &world->body,
    };
    memcpy(request->frame->data, out.data, out.len);
    arena_init(&request->arena, SIZE_MAX);
    buffer_release(&out);
    on_node(world, 0, forward);
}

Test(controller_channel, a_request_travels_as_it_came_and_so_does_its_answer) {
    struct world *world = world_new();
    world->controllers[1].topic_error = ERROR_TOPIC_ALREADY_EXISTS;
    forward_request(world, 5000);
    wait_for_end(world);
    cr_expect_eq(world->topic_error, ERROR_TOPIC_ALREADY_EXISTS);
    cr_expect_eq(world->data_len, world->request.frame->len);
    cr_expect_eq(memcmp(world->data, world->request.frame->data, world->data_len), 0);
    static const uint8_t principal[] = "\0\0\5User\012ANONYMOUS\0";
    cr_expect_eq(world->principal_len, sizeof(principal));
    cr_expect_eq(memcmp(world->principal, principal, sizeof(principal)), 0);
    static const uint8_t address[] = {192, 168, 1, 9};
    cr_expect_eq(world->address_len, sizeof(address));
    cr_expect_eq(memcmp(world->address, address, sizeof(address)), 0);
    world_free(world);
}

Test(controller_channel, a_client_never_sees_that_the_controller_was_another) {
    struct world *world = world_new();
    world->controllers[1].error = ERROR_NOT_CONTROLLER;
    forward_request(world, 500);
    int64_t took_ms = wait_for_end(world);
    cr_expect(took_ms >= 450 && took_ms <= 550);
    cr_expect_eq(world->topic_error, ERROR_REQUEST_TIMED_OUT);
    world_free(world);
}

Test(controller_channel, other_errors_of_an_envelope_are_unknown_ones) {
    struct world *world = world_new();
    world->controllers[1].error = ERROR_INVALID_REQUEST;
    forward_request(world, 500);
    wait_for_end(world);
    cr_expect_eq(world->topic_error, ERROR_UNKNOWN_SERVER_ERROR);
    cr_expect(!world->closed_client);
    world_free(world);
}

Test(controller_channel, a_version_that_the_controller_does_not_know_closes_the_connection) {
    struct world *world = world_new();
    world->controllers[1].error = ERROR_UNSUPPORTED_VERSION;
    forward_request(world, 500);
    wait_for_end(world);
    cr_expect(world->closed_client);
    world_free(world);
}

Test(controller_channel, what_came_to_a_controller_is_told_not_forwarded) {
    struct world *world = world_new();
    forward_request(world, 500);
    world->request.scope = API_SCOPE_CONTROLLER;
    wait_for_end(world);
    cr_expect_eq(world->topic_error, ERROR_NOT_CONTROLLER);
    cr_expect_eq(world->controllers[1].asked, 0);
    world_free(world);
}
