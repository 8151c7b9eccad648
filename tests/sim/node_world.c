#include "tests/sim/node_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/node.h"

#define BROKER_HOST "10.0.0.1"
#define CLIENT_HOST "10.0.0.2"
#define PORT        9092
#define START_MS    60000
#define ANSWER_MS   10000

static void on_log(void *ctx, enum log_level level, const char *line, size_t len) {
    struct node_world *world = ctx;
    world->error_lines += level == LOG_LEVEL_ERROR;
    world->warning_lines += level == LOG_LEVEL_WARN;
    if (level == LOG_LEVEL_ERROR) {
        snprintf(world->last_error, sizeof(world->last_error), "%.*s", len > 0 ? (int)len - 1 : 0,
                 line);
    }
}

struct node_world *node_world_new(uint64_t seed, int shard_count, const char *const *overrides,
                                  int override_count) {
    struct node_world *world = NEW(struct node_world);
    struct sim_options options = {
        .seed = seed,
        .wall_start_ms = 1700000000000,
        .net_delay_min_us = 50,
        .net_delay_max_us = 300,
        .sync_delay_min_us = 100,
        .sync_delay_max_us = 2000,
        .log_to_stderr = getenv("SIM_LOG") != NULL,
        .on_log = on_log,
        .log_ctx = world,
    };
    world->sim = sim_new(&options);
    world->broker = sim_machine_new(world->sim, BROKER_HOST, shard_count);
    world->client_machine = sim_machine_new(world->sim, CLIENT_HOST, 1);
    world->overrides = overrides;
    world->override_count = override_count;
    return world;
}

static void close_client(struct node_world *world) {
    if (world->client_open) {
        sim_client_stop(&world->client);
        sim_run(world->sim, 1, NULL);
        sim_client_release(&world->client);
        world->client_open = false;
    }
}

static void free_node(struct node_world *world) {
    node_free(world->node);
    config_free(world->config);
    world->node = NULL;
    world->config = NULL;
}

void node_world_free(struct node_world *world) {
    if (world->node != NULL) {
        node_world_kill(world);
    }
    sim_free(world->sim);
    free(world);
}

bool node_world_alive(const struct node_world *world) {
    return world->node != NULL && !sim_crashed(world->broker) &&
           machine_exit_code(world->broker) == 0;
}

static void on_started(void *ctx, int exit_code) {
    struct node_world *world = ctx;
    world->started = true;
    world->exit_code = exit_code;
}

static void start(void *ctx) {
    struct node_world *world = ctx;
    node_start(world->node, on_started, world);
}

/* Steps until *flag, or the node is dead, or the time is over. */
static void run_until(struct node_world *world, const bool *flag, int64_t ms) {
    int64_t deadline_us = sim_now_us(world->sim) + ms * 1000;
    while (!*flag && node_world_alive(world) && sim_now_us(world->sim) < deadline_us &&
           sim_step(world->sim)) {}
}

static void load_config(struct node_world *world) {
    static const char *const fixed[] = {"listeners=PLAINTEXT://" BROKER_HOST ":9092",
                                        "log.dirs=data", "offsets.topic.num.partitions=2",
                                        "offsets.topic.replication.factor=1"};
    int count = (int)ARRAY_LEN(fixed) + world->override_count;
    const char **all = xcalloc((size_t)count, sizeof(*all));
    memcpy(all, fixed, sizeof(fixed));
    for (int i = 0; i < world->override_count; i++) {
        all[(int)ARRAY_LEN(fixed) + i] = world->overrides[i];
    }
    struct errmsg errmsg;
    int error = config_load(world->broker, NULL, all, count, &world->config, &errmsg);
    if (error != 0) {
        fprintf(stderr, "%s\n", errmsg.text);
        abort();
    }
    free(all);
}

static void open_client(void *ctx) {
    struct node_world *world = ctx;
    sim_client_init(&world->client, machine_shard(world->client_machine, 0), BROKER_HOST, PORT);
}

int node_world_start(struct node_world *world) {
    load_config(world);
    world->started = false;
    world->error_lines = 0;
    world->warning_lines = 0;
    world->last_error[0] = '\0';
    world->node = node_new(world->broker, world->config);
    sim_call(world->sim, machine_shard(world->broker, 0), start, world);
    run_until(world, &world->started, START_MS);
    if (!world->started) {
        return node_world_alive(world) ? NODE_WORLD_HANGS : NODE_WORLD_DIED;
    }
    if (world->exit_code == 0) {
        world->client_open = true;
        sim_call(world->sim, machine_shard(world->client_machine, 0), open_client, world);
        sim_run(world->sim, 0, NULL);
    }
    return world->exit_code;
}

static void on_stopped(void *ctx) {
    struct node_world *world = ctx;
    world->stopped = true;
}

static void stop(void *ctx) {
    struct node_world *world = ctx;
    node_stop(world->node, on_stopped, world);
}

bool node_world_stop(struct node_world *world) {
    close_client(world);
    world->stopped = false;
    sim_call(world->sim, machine_shard(world->broker, 0), stop, world);
    run_until(world, &world->stopped, START_MS);
    bool stopped = world->stopped;
    world->exit_code = machine_exit_code(world->broker);
    free_node(world);
    sim_machine_restart(world->broker);
    return stopped;
}

static void crash(struct node_world *world, enum sim_crash kind) {
    if (!sim_crashed(world->broker)) {
        sim_crash_after(world->broker, 0, kind);
    }
    close_client(world);
    free_node(world);
    sim_machine_restart(world->broker);
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
    run_until(world, &world->answered, ANSWER_MS);
    if (!world->answered) {
        sim_run(world->sim, 1, NULL); /* `request` has been read for sure */
        close_client(world);
        return NULL;
    }
    return world->answer;
}
