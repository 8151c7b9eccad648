#include "tests/sim/quorum_world.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/controller/controller_internal.h"
#include "broker/node.h"
#include "broker/quorum/metadata_snapshot.h"
#include "broker/server/server.h"
#include "tests/sim/sim_node.h"

/* ---- The client ------------------------------------------------------------------------------ */

static uint64_t hash_of(uint64_t hash, struct slice value) {
    for (size_t i = 0; i < value.len; i++) {
        hash = (hash ^ value.data[i]) * UINT64_C(0x100000001b3);
    }
    return hash + 1;
}

static void check_applied(struct quorum_node *node) {
    struct quorum_world *world = node->world;
    cr_assert_lt(node->applied, QUORUM_VALUES_MAX);
    uint64_t *known = &world->hashes[node->applied];
    cr_assert(*known == 0 || *known == node->hash, "node %d has other values up to %" PRId64,
              node->id, node->applied);
    *known = node->hash;
    world->most = node->applied > world->most ? node->applied : world->most;
}

static void on_committed(void *ctx, struct quorum_batch *batch) {
    struct quorum_node *node = ctx;
    if (batch->snapshot) {
        cr_assert_eq(batch->count, 1);
        char text[64];
        snprintf(text, sizeof(text), "%.*s", SLICE_ARG(batch->values[0]));
        cr_assert_eq(sscanf(text, "%" SCNd64 " %" SCNu64, &node->applied, &node->hash), 2);
        node->snapshots++;
        check_applied(node);
    } else {
        cr_assert_eq(batch->base_offset, node->last_offset + 1, "a gap at node %d", node->id);
        for (int i = 0; i < batch->count; i++) {
            node->hash = hash_of(node->hash, batch->values[i]);
            node->applied++;
            check_applied(node);
        }
    }
    node->last_offset = batch->last_offset;
    node->last_epoch = batch->epoch;
    quorum_batch_free(batch);
}

static void on_leading(void *ctx, int32_t epoch) {
    struct quorum_node *node = ctx;
    for (int i = 0; i < node->world->count; i++) {
        const struct quorum_node *other = &node->world->nodes[i];
        cr_assert(other == node || !other->leading || other->epoch != epoch,
                  "two leaders of epoch %d", epoch);
    }
    cr_assert(node->caught_up);
    node->leading = true;
    node->epoch = epoch;
}

static void on_caught_up(void *ctx) {
    ((struct quorum_node *)ctx)->caught_up = true;
}

static void on_lost(void *ctx) {
    ((struct quorum_node *)ctx)->leading = false;
}

static void on_failed(void *ctx, int error) {
    cr_assert_fail("node %d failed: %s", ((struct quorum_node *)ctx)->id, strerror(-error));
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static void on_opened(void *ctx, int result) {
    struct quorum_node *node = ctx;
    node->opened = true;
    cr_assert_eq(result, 0, "node %d: %s", node->id, node->errmsg.text);
}

static void open_node(void *ctx) {
    struct quorum_node *node = ctx;
    struct errmsg errmsg;
    struct node_shard *shard = &node->node->shards[0];
    cr_assert_eq(server_open(node->node->server, API_SCOPE_CONTROLLER, &errmsg), 0, "%s",
                 errmsg.text);
    struct metadata_log_options options = {
        .shard = shard->shard,
        .node_shard = shard,
        .config = node->config,
        .node_id = node->id,
        .metadata_dir = QUORUM_DIR,
        .client = {.committed = on_committed,
                   .leading = on_leading,
                   .caught_up = on_caught_up,
                   .lost = on_lost,
                   .failed = on_failed,
                   .ctx = node},
    };
    node->quorum = metadata_log_open(&options, &node->errmsg, on_opened, node);
    node->node->controller->quorum = node->quorum;
}

static void load_config(struct quorum_node *node) {
    const struct quorum_world_options *options = &node->world->options;
    char id[32];
    char listener[64];
    char quorum[256];
    int len = snprintf(quorum, sizeof(quorum), "controller.quorum.%s",
                       options->static_voters ? "voters" : "bootstrap.servers");
    for (int i = 1; i <= QUORUM_VOTERS; i++) {
        char name[16] = "";
        if (options->static_voters) {
            snprintf(name, sizeof(name), "%d@", i);
        }
        len += snprintf(quorum + len, sizeof(quorum) - (size_t)len, "%s%s10.0.0.%d:9093",
                        i == 1 ? "=" : ",", name, i);
    }
    snprintf(id, sizeof(id), "node.id=%d", node->id);
    bool controller = node->id <= QUORUM_VOTERS || !options->static_voters;
    snprintf(listener, sizeof(listener), "listeners=%s://10.0.0.%d:909%d",
             controller ? "CONTROLLER" : "PLAINTEXT", node->id, controller ? 3 : 2);
    const char *overrides[] = {
        id,
        listener,
        quorum,
        "log.dirs=" QUORUM_DIR,
        controller ? "process.roles=controller" : "process.roles=broker",
        "controller.listener.names=CONTROLLER",
        options->small ? "controller.quorum.fetch.max.bytes=150"
                       : "controller.quorum.fetch.max.bytes=1048576",
        options->small ? "controller.quorum.fetch.snapshot.max.bytes=50"
                       : "controller.quorum.fetch.snapshot.max.bytes=1048576",
        options->keeps ? "metadata.max.retention.bytes=100000000"
                       : "metadata.max.retention.bytes=0",
        options->ages ? "metadata.max.retention.ms=5000" : "metadata.max.retention.ms=-1",
        options->joins ? "controller.quorum.auto.join.enable=true"
                       : "controller.quorum.auto.join.enable=false",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    };
    cr_assert_eq(config_load(node->machine, NULL, overrides, (int)ARRAY_LEN(overrides),
                             &node->config, &node->errmsg),
                 0, "%s", node->errmsg.text);
}

void quorum_node_start(struct quorum_node *node) {
    struct sim *sim = node->world->sim;
    load_config(node);
    node->node = node_new(node->machine, node->config);
    node->opened = false;
    node->closed = false;
    node->caught_up = false;
    node->leading = false;
    node->applied = 0;
    node->hash = 1;
    node->last_offset = -1;
    node->snapshots = 0;
    list_init(&node->change.change.link);
    sim_call(sim, machine_shard(node->machine, 0), open_node, node);
    sim_run(sim, 1, NULL);
}

/* The process is gone; the machine is ready for the next. */
static void end(struct quorum_node *node, enum sim_crash how) {
    if (!sim_crashed(node->machine)) {
        sim_crash_after(node->machine, 0, how);
        sim_run(node->world->sim, 1, NULL);
    }
    node_free(node->node);
    config_free(node->config);
    node->node = NULL;
    node->quorum = NULL;
    node->leading = false;
    sim_machine_restart(node->machine);
}

void quorum_node_kill(struct quorum_node *node) {
    end(node, SIM_CRASH_POWER);
}

static void on_closed(void *ctx) {
    ((struct quorum_node *)ctx)->closed = true;
}

static void on_server_closed(void *ctx) {
    struct quorum_node *node = ctx;
    metadata_log_close(node->quorum, on_closed, node);
}

static void close_node(void *ctx) {
    struct quorum_node *node = ctx;
    server_close(node->node->server, on_server_closed, node);
}

void quorum_node_stop(struct quorum_node *node) {
    struct sim *sim = node->world->sim;
    sim_call(sim, machine_shard(node->machine, 0), close_node, node);
    for (int ms = 0; ms < 5000 && !node->closed && !sim_crashed(node->machine); ms++) {
        sim_run(sim, 1, NULL);
    }
    cr_assert(node->closed || sim_crashed(node->machine), "node %d does not stop", node->id);
    end(node, SIM_CRASH_PROCESS);
}

bool quorum_node_up(const struct quorum_node *node) {
    return node->quorum != NULL && !sim_crashed(node->machine);
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static void run_call(void *ctx) {
    struct quorum_node *node = ctx;
    node->fn(node->ctx);
    node->called = true;
}

/* Runs `fn` on the node's shard. */
static void call(struct quorum_node *node, void (*fn)(void *ctx), void *ctx) {
    node->fn = fn;
    node->ctx = ctx;
    node->called = false;
    sim_call(node->world->sim, machine_shard(node->machine, 0), run_call, node);
    sim_run(node->world->sim, 100, &node->called);
}

static void propose(void *ctx) {
    struct quorum_node *node = ctx;
    char text[32];
    snprintf(text, sizeof(text), "value %" PRIu64, node->world->proposed++);
    struct slice value = slice_str(text);
    int64_t offset;
    int error = quorum_propose(node->quorum, &value, 1, &offset);
    (void)error; /* it may not lead any more */
}

struct upgrade {
    struct quorum *quorum;
    bool refused;
};

static void upgrade(void *ctx) {
    struct upgrade *upgrade = ctx;
    upgrade->refused = quorum_upgrade_refusal(upgrade->quorum) != NULL ||
                       quorum_upgrade(upgrade->quorum) != ERROR_NONE;
}

bool quorum_node_upgrade(struct quorum_node *node) {
    struct upgrade asked = {.quorum = node->quorum, .refused = true};
    call(node, upgrade, &asked);
    return !asked.refused;
}

void quorum_node_propose(struct quorum_node *node) {
    call(node, propose, node);
}

static void snapshot(void *ctx) {
    struct quorum_node *node = ctx;
    char text[64];
    struct arena arena;
    struct record_list values;
    arena_init(&arena, SIZE_MAX);
    record_list_init(&values, &arena);
    snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64, node->applied, node->hash);
    record_list_add_value(&values, slice_str(text));
    metadata_log_snapshot(node->quorum, &values, node->last_offset, node->last_epoch);
    arena_release(&arena);
}

void quorum_node_snapshot(struct quorum_node *node) {
    call(node, snapshot, node);
}

static void on_changed(struct quorum_change *quorum_change, enum kafka_error error) {
    struct voter_change *change = CONTAINER_OF(quorum_change, struct voter_change, change);
    change->ended = true;
    change->error = error;
}

static void add_voter(void *ctx) {
    struct voter_change *change = ctx;
    char host[32];
    snprintf(host, sizeof(host), "10.0.0.%d", change->key.id);
    struct metadata_endpoint endpoint = {
        SLICE_LIT("CONTROLLER"), slice_str(change->host != NULL ? change->host : host), 9093};
    struct voter voter = {.key = change->key, .endpoints = &endpoint, .endpoint_count = 1};
    quorum_add_voter(change->at->quorum, &change->change, &voter, true, on_changed);
}

static void remove_voter(void *ctx) {
    struct voter_change *change = ctx;
    quorum_remove_voter(change->at->quorum, &change->change, change->key, on_changed);
}

static void ask(struct voter_change *change, void (*fn)(void *ctx), struct quorum_node *at, int id,
                int life) {
    change->at = at;
    change->key = (struct raft_key){.id = id, .directory_id = quorum_directory_id(id, life)};
    change->ended = false;
    call(at, fn, change);
}

void voter_change_add(struct voter_change *change, struct quorum_node *at, int id, int life) {
    ask(change, add_voter, at, id, life);
}

void voter_change_remove(struct voter_change *change, struct quorum_node *at, int id, int life) {
    ask(change, remove_voter, at, id, life);
}

/* ---- Disks ----------------------------------------------------------------------------------- */

struct uuid quorum_directory_id(int id, int life) {
    return uuid_from_halves(1000 + (uint64_t)id, 1000 + (uint64_t)life);
}

static void put(struct quorum_node *node, const char *name, struct slice content) {
    cr_assert_eq(sim_disk_write(node->machine, name, content), 0);
}

/* The snapshot that a quorum whose voters are in its log begins with. */
static void put_voters(struct quorum_node *node) {
    struct voter_set *voters = voter_set_new();
    for (int i = 1; i <= QUORUM_VOTERS; i++) {
        char host[32];
        snprintf(host, sizeof(host), "10.0.0.%d", i);
        struct metadata_endpoint endpoint = {SLICE_LIT("CONTROLLER"), slice_str(host), 9093};
        struct voter voter = {.key = {.id = i, .directory_id = quorum_directory_id(i, 0)},
                              .endpoints = &endpoint,
                              .endpoint_count = 1,
                              .kraft_version_max = 1};
        voter_set_add(voters, &voter);
    }
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    snapshot_build(NULL, 0, SNAPSHOT_BOOTSTRAP, 1700000000000, voters, &bytes);
    char *path = snapshot_path(QUORUM_LOG_DIR, SNAPSHOT_BOOTSTRAP);
    put(node, path, buffer_slice(&bytes));
    free(path);
    buffer_release(&bytes);
    voter_set_free(voters);
}

static void format_disk(struct quorum_node *node) {
    char text[256];
    char uuid[UUID_TEXT_LEN + 1];
    cr_assert_eq(sim_disk_mkdir(node->machine, QUORUM_DIR), 0);
    cr_assert_eq(sim_disk_mkdir(node->machine, QUORUM_LOG_DIR), 0);
    snprintf(text, sizeof(text), "version=1\ncluster.id=c\nnode.id=%d\ndirectory.id=%s\n", node->id,
             uuid_format(quorum_directory_id(node->id, node->life), uuid));
    put(node, QUORUM_DIR "/meta.properties", slice_str(text));
    if (!node->world->options.static_voters && node->id <= QUORUM_VOTERS && node->life == 0) {
        put_voters(node);
    }
}

void quorum_node_lose_disk(struct quorum_node *node) {
    cr_assert_eq(sim_disk_remove(node->machine, QUORUM_DIR), 0);
    node->life = 1;
    format_disk(node);
}

/* ---- The world ------------------------------------------------------------------------------- */

struct quorum_world *quorum_world_new(const struct quorum_world_options *options) {
    struct quorum_world *world = NEW(struct quorum_world);
    struct sim_options sim_options = sim_node_options(options->seed, NULL);
    world->options = *options;
    world->sim = sim_new(&sim_options);
    world->count = QUORUM_VOTERS + options->observers;
    cr_assert_leq(world->count, QUORUM_NODES_MAX);
    for (int i = 0; i < world->count; i++) {
        struct quorum_node *node = &world->nodes[i];
        char host[32];
        snprintf(host, sizeof(host), "10.0.0.%d", i + 1);
        node->world = world;
        node->id = i + 1;
        node->machine = sim_machine_new(world->sim, host, 1);
        format_disk(node);
    }
    return world;
}

struct quorum_world *quorum_world_begin(const struct quorum_world_options *options, int values) {
    struct quorum_world *world = quorum_world_new(options);
    quorum_world_start(world);
    quorum_world_elect(world, NULL);
    quorum_world_propose(world, values);
    return world;
}

void quorum_world_free(struct quorum_world *world) {
    for (int i = 0; i < world->count; i++) {
        if (world->nodes[i].node != NULL) {
            end(&world->nodes[i], SIM_CRASH_PROCESS);
        }
    }
    sim_free(world->sim);
    free(world);
}

void quorum_world_start(struct quorum_world *world) {
    for (int i = 0; i < world->count; i++) {
        quorum_node_start(&world->nodes[i]);
    }
}

struct quorum_node *quorum_world_leader(struct quorum_world *world) {
    struct quorum_node *found = NULL;
    for (int i = 0; i < world->count; i++) {
        struct quorum_node *node = &world->nodes[i];
        if (node->leading && (found == NULL || node->epoch > found->epoch)) {
            found = node;
        }
    }
    return found;
}

struct quorum_node *quorum_world_follower(struct quorum_world *world) {
    return &world->nodes[quorum_world_leader(world)->id % QUORUM_VOTERS];
}

int64_t quorum_world_elect(struct quorum_world *world, const struct quorum_node *other) {
    int64_t from = sim_now_us(world->sim);
    struct quorum_node *leader;
    while ((leader = quorum_world_leader(world)) == NULL || leader == other) {
        cr_assert_lt(sim_now_us(world->sim) - from, 20000000, "nobody leads");
        sim_run(world->sim, 1, NULL);
    }
    return (sim_now_us(world->sim) - from) / 1000;
}

void quorum_world_propose(struct quorum_world *world, int count) {
    int64_t target = world->most + count;
    for (int i = 0; i < count; i++) {
        quorum_world_elect(world, NULL);
        quorum_node_propose(quorum_world_leader(world));
    }
    int64_t from = sim_now_us(world->sim);
    for (int i = 0; i < world->count; i++) {
        while (world->nodes[i].quorum != NULL && world->nodes[i].applied < target) {
            sim_run(world->sim, 1, NULL);
            cr_assert_lt(sim_now_us(world->sim) - from, 20000000,
                         "node %d has %" PRId64 " of %" PRId64 " values", i + 1,
                         world->nodes[i].applied, target);
        }
    }
}

struct quorum_node *quorum_world_lose_disk(struct quorum_world *world) {
    struct quorum_node *lost = quorum_world_follower(world);
    quorum_node_kill(lost);
    quorum_node_lose_disk(lost);
    quorum_node_start(lost);
    return lost;
}

void quorum_world_check_no_vote(struct quorum_world *world, const struct quorum_node *lost) {
    const struct quorum_node *led = quorum_world_leader(world);
    for (int i = 0; i < QUORUM_VOTERS; i++) {
        struct quorum_node *node = &world->nodes[i];
        if (node != lost && node != led) {
            quorum_node_kill(node);
            sim_run(world->sim, 8000, NULL);
            cr_assert_null(quorum_world_leader(world), "one voter of three leads");
            quorum_node_start(node);
        }
    }
}

void quorum_world_snapshot(struct quorum_world *world) {
    for (int i = 0; i < world->count; i++) {
        if (world->nodes[i].quorum != NULL) {
            quorum_node_snapshot(&world->nodes[i]);
        }
    }
    sim_run(world->sim, 100, NULL);
}

void quorum_world_kill_others(struct quorum_world *world, const struct quorum_node *but) {
    for (int i = 0; i < QUORUM_VOTERS; i++) {
        if (&world->nodes[i] != but) {
            quorum_node_kill(&world->nodes[i]);
        }
    }
}

static enum kafka_error change_of_leader(struct quorum_world *world, int id, int life,
                                         void (*ask_for)(struct voter_change *change,
                                                         struct quorum_node *at, int id,
                                                         int life)) {
    quorum_world_elect(world, NULL);
    struct voter_change *change = &quorum_world_leader(world)->change;
    ask_for(change, quorum_world_leader(world), id, life);
    cr_assert(sim_run(world->sim, 10000, &change->ended));
    return change->error;
}

enum kafka_error quorum_world_add_voter(struct quorum_world *world, int id, int life) {
    return change_of_leader(world, id, life, voter_change_add);
}

enum kafka_error quorum_world_remove_voter(struct quorum_world *world, int id, int life) {
    return change_of_leader(world, id, life, voter_change_remove);
}
