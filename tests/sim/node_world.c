#include "tests/sim/node_world.h"

#include <stdlib.h>

#include "base/memory.h"

#define BROKER_HOST "10.0.0.1"
#define CLIENT_HOST "10.0.0.2"
#define PORT        9092
#define START_MS    60000
#define ANSWER_MS   10000

struct node_world *node_world_new(uint64_t seed, int shard_count, const char *const *overrides,
                                  int override_count) {
    struct node_world *world = NEW(struct node_world);
    struct sim_options options = sim_node_options(seed, &world->log);
    world->sim = sim_new(&options);
    world->node.machine = sim_machine_new(world->sim, BROKER_HOST, shard_count);
    world->client_machine = sim_machine_new(world->sim, CLIENT_HOST, 1);
    world->answer_ms = ANSWER_MS;
    world->overrides = (struct sim_overrides){overrides, override_count};
    return world;
}

static void stop_client(void *ctx) {
    struct node_world *world = ctx;
    sim_client_stop(&world->client);
}

/* In a turn, at whose end the connection is gone: nothing of it reaches the next client. */
static void close_client(struct node_world *world) {
    if (world->client_open) {
        sim_call(world->sim, machine_shard(world->client_machine, 0), stop_client, world);
        sim_run(world->sim, 1, NULL);
        sim_client_release(&world->client);
        world->client_open = false;
    }
}

void node_world_free(struct node_world *world) {
    if (world->node.node != NULL) {
        node_world_kill(world);
    }
    sim_free(world->sim);
    free(world);
}

bool node_world_alive(const struct node_world *world) {
    return world->node.node != NULL && !sim_crashed(world->node.machine) &&
           machine_exit_code(world->node.machine) == 0;
}

/* Steps until *flag, or the node is dead, or the time is over. */
static void run_until(struct node_world *world, const bool *flag, int64_t ms) {
    int64_t deadline_us = sim_now_us(world->sim) + ms * 1000;
    while (!*flag && node_world_alive(world) && sim_now_us(world->sim) < deadline_us &&
           sim_step(world->sim)) {}
}

static void open_client(void *ctx) {
    struct node_world *world = ctx;
    sim_client_init(&world->client, machine_shard(world->client_machine, 0), BROKER_HOST, PORT);
}

void node_world_connect(struct node_world *world) {
    if (!world->client_open) {
        world->client_open = true;
        sim_call(world->sim, machine_shard(world->client_machine, 0), open_client, world);
        sim_run(world->sim, 0, NULL);
    }
}

static void launch(struct node_world *world) {
    static const char *const all[] = {"listeners=PLAINTEXT://" BROKER_HOST ":9092", "log.dirs=data",
                                      "offsets.topic.num.partitions=2",
                                      "offsets.topic.replication.factor=1"};
    world->log = (struct sim_node_log){0};
    sim_node_start(world->sim, &world->node, (struct sim_overrides){all, ARRAY_LEN(all)},
                   world->overrides);
}

bool node_world_begin(struct node_world *world, int steps) {
    launch(world);
    for (int i = 0; i < steps && !world->node.started && node_world_alive(world); i++) {
        sim_step(world->sim);
    }
    return !world->node.started && node_world_alive(world);
}

int node_world_start(struct node_world *world) {
    struct sim_node *node = &world->node;
    launch(world);
    run_until(world, &node->started, START_MS);
    if (!node->started) {
        return node_world_alive(world) ? NODE_WORLD_HANGS : NODE_WORLD_DIED;
    }
    if (node->exit_code == 0) {
        node_world_connect(world);
    }
    return node->exit_code;
}

bool node_world_stop(struct node_world *world) {
    struct sim_node *node = &world->node;
    close_client(world);
    sim_node_stop(world->sim, node);
    run_until(world, &node->stopped, START_MS);
    node->exit_code = machine_exit_code(node->machine);
    sim_node_bury(node);
    return node->stopped;
}

static void crash(struct node_world *world, enum sim_crash kind) {
    sim_node_crash(&world->node, kind);
    close_client(world);
    sim_node_bury(&world->node);
}

void node_world_kill(struct node_world *world) {
    crash(world, SIM_CRASH_PROCESS);
}

void node_world_cut_power(struct node_world *world) {
    crash(world, SIM_CRASH_POWER);
}

void node_world_wait(struct node_world *world, int64_t ms) {
    sim_run(world->sim, ms, NULL);
}

static void on_answer(void *ctx, const void *response) {
    struct node_world *world = ctx;
    world->answered = true;
    world->answer = response;
}

struct request {
    struct node_world *world;
    int16_t key;
    int16_t version;
    const void *message;
};

static void send_request(void *ctx) {
    const struct request *request = ctx;
    sim_client_call(&request->world->client, request->key, request->version, request->message,
                    on_answer, request->world);
}

const void *node_world_call(struct node_world *world, int16_t key, int16_t version,
                            const void *message) {
    struct request request = {world, key, version, message};
    world->answered = false;
    world->answer = NULL;
    if (!world->client_open) {
        return NULL;
    }
    sim_call(world->sim, machine_shard(world->client_machine, 0), send_request, &request);
    run_until(world, &world->answered, world->answer_ms);
    if (!world->answered) {
        sim_run(world->sim, 1, NULL); /* `request` has been read for sure */
        close_client(world);
        return NULL;
    }
    return world->answer;
}
