/* Listeners and their scopes, Envelopes, and requests that come by no connection, on one node. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/buffer.h"
#include "broker/controller/controller_channel.h"
#include "broker/node.h"
#include "broker/peer/wire.h"
#include "protocol/errors.h"
#include "protocol/generated/api_versions_request.h"
#include "protocol/generated/api_versions_response.h"
#include "protocol/generated/create_topics_request.h"
#include "protocol/generated/create_topics_response.h"
#include "protocol/generated/envelope_request.h"
#include "protocol/generated/envelope_response.h"
#include "protocol/generated/metadata_request.h"
#include "tests/sim/node_world.h"

#define HOST            "10.0.0.1"
#define CONTROLLER_PORT 9093

enum {
    KEY_METADATA = 3,
    KEY_API_VERSIONS = 18,
    KEY_CREATE_TOPICS = 19,
    KEY_ENVELOPE = 58,
};

static const char *const overrides[] = {
    "listeners=PLAINTEXT://" HOST ":9092,CONTROLLER://" HOST ":9093",
    "advertised.listeners=PLAINTEXT://" HOST ":9092",
    "controller.listener.names=CONTROLLER",
    "process.roles=broker,controller",
};

struct fixture {
    struct node_world *world;
    struct sim_client controller; /* a connection to the controller's listener */
    bool answered;
    const void *answer;
    struct create_topics_request topics;
    struct create_topics_request_creatable_topic topic;
    struct controller_call call;
    enum kafka_error call_error;
    int16_t topic_error;
};

static void open_connection(void *ctx) {
    struct fixture *f = ctx;
    sim_client_init(&f->controller, machine_shard(f->world->client_machine, 0), HOST,
                    CONTROLLER_PORT);
}

static void start(struct fixture *f, int shard_count) {
    *f = (struct fixture){0};
    f->world = node_world_new(3, shard_count, overrides, (int)ARRAY_LEN(overrides));
    cr_assert_eq(node_world_start(f->world), 0);
    sim_call(f->world->sim, machine_shard(f->world->client_machine, 0), open_connection, f);
    node_world_wait(f->world, 20);
    message_init(&create_topics_request_desc, &f->topics);
    f->topic = create_topics_request_creatable_topic_defaults;
    f->topic.name = SLICE_LIT("made");
    f->topic.num_partitions = 1;
    f->topic.replication_factor = 1;
    f->topics.topics = &f->topic;
    f->topics.topics_count = 1;
}

static void close_connection(void *ctx) {
    sim_client_stop(&((struct fixture *)ctx)->controller);
}

static void stop(struct fixture *f) {
    sim_call(f->world->sim, machine_shard(f->world->client_machine, 0), close_connection, f);
    node_world_wait(f->world, 5);
    sim_client_release(&f->controller);
    cr_expect(node_world_stop(f->world));
    node_world_free(f->world);
}

static void on_answer(void *ctx, const void *response) {
    struct fixture *f = ctx;
    f->answered = true;
    f->answer = response;
}

struct ask {
    struct fixture *f;
    int16_t key;
    int16_t version;
    const void *request;
};

static void send_ask(void *ctx) {
    struct ask *ask = ctx;
    sim_client_call(&ask->f->controller, ask->key, ask->version, ask->request, on_answer, ask->f);
}

/* On the controller's listener; NULL when the connection was closed. */
static const void *ask_controller(struct fixture *f, int16_t key, int16_t version,
                                  const void *request) {
    struct ask ask = {f, key, version, request};
    f->answered = false;
    sim_call(f->world->sim, machine_shard(f->world->client_machine, 0), send_ask, &ask);
    cr_assert(sim_run(f->world->sim, 10000, &f->answered));
    return f->answer;
}

static bool lists(const struct api_versions_response *response, int16_t key) {
    for (int i = 0; i < response->api_keys_count; i++) {
        if (response->api_keys[i].api_key == key) {
            return true;
        }
    }
    return false;
}

Test(server, a_listener_tells_the_apis_of_its_scope) {
    struct fixture f;
    start(&f, 1);
    struct api_versions_request request;
    message_init(&api_versions_request_desc, &request);
    const struct api_versions_response *response =
        ask_controller(&f, KEY_API_VERSIONS, 0, &request);
    cr_expect(lists(response, KEY_ENVELOPE) && lists(response, KEY_CREATE_TOPICS));
    cr_expect(!lists(response, KEY_METADATA));
    response = node_world_call(f.world, KEY_API_VERSIONS, 0, &request);
    cr_expect(!lists(response, KEY_ENVELOPE) && lists(response, KEY_CREATE_TOPICS));
    cr_expect(lists(response, KEY_METADATA));
    stop(&f);
}

Test(server, an_api_of_the_other_scope_closes_the_connection) {
    struct fixture f;
    start(&f, 1);
    struct metadata_request metadata;
    message_init(&metadata_request_desc, &metadata);
    cr_expect_null(ask_controller(&f, KEY_METADATA, 9, &metadata));
    struct envelope_request envelope;
    message_init(&envelope_request_desc, &envelope);
    cr_expect_null(node_world_call(f.world, KEY_ENVELOPE, 0, &envelope));
    stop(&f);
}

/* ---- Envelopes ------------------------------------------------------------------------------- */

static const uint8_t principal[] = "\0\0\5User\012ANONYMOUS\0\0"; /* and one byte too many */

static struct envelope_request envelope_of(const struct buffer *data) {
    static const uint8_t address[4] = {10, 0, 0, 9};
    struct envelope_request request;
    message_init(&envelope_request_desc, &request);
    request.request_data = buffer_slice(data);
    request.request_principal = slice_make(principal, sizeof(principal) - 1);
    request.client_host_address = slice_make(address, sizeof(address));
    return request;
}

static void encode(struct buffer *out, int16_t key, int16_t version, const void *message) {
    buffer_init(out, 1 << 20);
    cr_assert(wire_encode_request(key, version, 77, SLICE_LIT("client"), message, out));
}

Test(server, an_envelope_is_answered_with_the_answer_of_what_is_in_it) {
    for (int shards = 1; shards <= 3; shards += 2) {
        struct fixture f;
        struct buffer data;
        start(&f, shards);
        encode(&data, KEY_CREATE_TOPICS, 5, &f.topics);
        struct envelope_request request = envelope_of(&data);
        const struct envelope_response *response = ask_controller(&f, KEY_ENVELOPE, 0, &request);
        cr_assert_not_null(response);
        cr_expect_eq(response->error_code, 0);
        cr_expect_eq(load_be32(response->response_data.data), 77);
        struct arena arena;
        void *inner;
        arena_init(&arena, SIZE_MAX);
        cr_assert(
            wire_decode_response(KEY_CREATE_TOPICS, 5, response->response_data, &arena, &inner));
        const struct create_topics_response *created = inner;
        cr_expect_eq(created->topics_count, 1);
        cr_expect_eq(created->topics[0].error_code, 0);
        arena_release(&arena);
        buffer_release(&data);
        stop(&f);
    }
}

static int16_t envelope_error(struct fixture *f, const struct envelope_request *request) {
    const struct envelope_response *response = ask_controller(f, KEY_ENVELOPE, 0, request);
    cr_assert_not_null(response);
    cr_expect(slice_is_null(response->response_data));
    return response->error_code;
}

Test(server, an_envelope_with_what_brokers_do_not_pass_on_is_refused) {
    struct fixture f;
    struct buffer data;
    start(&f, 1);
    struct api_versions_request versions;
    message_init(&api_versions_request_desc, &versions);
    encode(&data, KEY_API_VERSIONS, 0, &versions);
    struct envelope_request request = envelope_of(&data);
    cr_expect_eq(envelope_error(&f, &request), ERROR_INVALID_REQUEST);

    struct buffer nested;
    encode(&nested, KEY_ENVELOPE, 0, &request);
    request = envelope_of(&nested);
    cr_expect_eq(envelope_error(&f, &request), ERROR_INVALID_REQUEST);
    buffer_release(&nested);
    buffer_release(&data);
    stop(&f);
}

Test(server, a_malformed_envelope_is_refused) {
    struct fixture f;
    struct buffer data;
    start(&f, 1);
    encode(&data, KEY_CREATE_TOPICS, 5, &f.topics);
    struct envelope_request request = envelope_of(&data);
    request.client_host_address.len = 3;
    cr_expect_eq(envelope_error(&f, &request), ERROR_INVALID_REQUEST);

    request = envelope_of(&data);
    request.request_principal.len = 6;
    cr_expect_eq(envelope_error(&f, &request), ERROR_PRINCIPAL_DESERIALIZATION_FAILURE);
    request.request_principal = SLICE_NULL;
    cr_expect_eq(envelope_error(&f, &request), ERROR_PRINCIPAL_DESERIALIZATION_FAILURE);

    request = envelope_of(&data);
    for (size_t len = 0; len < data.len; len++) {
        request.request_data = slice_make(data.data, len);
        int16_t error = envelope_error(&f, &request);
        cr_expect(error == ERROR_INVALID_REQUEST || error == ERROR_UNSUPPORTED_VERSION);
    }
    store_be16(data.data + 2, 99);
    request = envelope_of(&data);
    cr_expect_eq(envelope_error(&f, &request), ERROR_UNSUPPORTED_VERSION);
    buffer_release(&data);
    stop(&f);
}

/* ---- The channel, while this node leads ------------------------------------------------------ */

static const void *build(struct controller_call *call, int16_t version) {
    return &CONTAINER_OF(call, struct fixture, call)->topics;
}

static void ended(struct controller_call *call, enum kafka_error error, int16_t version,
                  const void *response) {
    struct fixture *f = CONTAINER_OF(call, struct fixture, call);
    shard_assert_current(call->from->shard);
    f->call_error = error;
    if (error == ERROR_NONE) {
        f->topic_error = ((const struct create_topics_response *)response)->topics[0].error_code;
    }
    f->answered = true;
}

static void make_call(void *ctx) {
    struct fixture *f = ctx;
    controller_call(&f->call);
    cr_expect(!f->answered);
}

static void call_from(struct fixture *f, int shard, int16_t key, int16_t version) {
    struct node *node = f->world->node.node;
    f->call = (struct controller_call){
        .from = &node->shards[shard],
        .api_key = key,
        .version_min = version,
        .version_max = version,
        .timeout_ms = 5000,
        .build = build,
        .fn = ended,
    };
    f->answered = false;
    sim_call(f->world->sim, node->shards[shard].shard, make_call, f);
    cr_assert(sim_run(f->world->sim, 10000, &f->answered));
}

Test(server, the_controller_of_this_node_is_asked_without_a_connection) {
    struct fixture f;
    start(&f, 3);
    call_from(&f, 0, KEY_CREATE_TOPICS, 5);
    cr_expect_eq(f.call_error, ERROR_NONE);
    cr_expect_eq(f.topic_error, ERROR_NONE);
    call_from(&f, 2, KEY_CREATE_TOPICS, 5);
    cr_expect_eq(f.call_error, ERROR_NONE);
    cr_expect_eq(f.topic_error, ERROR_TOPIC_ALREADY_EXISTS);
    call_from(&f, 0, KEY_METADATA, 5);
    cr_expect_eq(f.call_error, ERROR_UNSUPPORTED_VERSION);
    stop(&f);
}
