/*
 * The metadata log as a quorum of several nodes: each runs the quorum and the listener of its
 * controllers, and nothing else of a broker. What is told as committed must be the same everywhere,
 * and stay.
 */
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
#include "broker/quorum/quorum_requests.h"
#include "broker/server/server.h"
#include "runtime/file.h"
#include "runtime/sim/sim.h"

#define NODES_MAX  5
#define VALUES_MAX 20000
#define DIR        "data"
#define LOG_DIR    DIR "/__cluster_metadata-0"

struct world;

struct quorum_node {
    struct world *world;
    int id;
    struct machine *machine;
    struct config *config;
    struct node *node;
    struct quorum *quorum; /* NULL while it is down */
    struct errmsg errmsg;
    bool opened;
    int result;
    bool closed;
    bool caught_up;
    bool leading;
    int32_t epoch;
    int64_t applied; /* values, in order */
    uint64_t hash;   /* of them */
    int64_t last_offset;
    int32_t last_epoch;
    int snapshots; /* told */
    uint8_t directory;

    /* A call on the node's shard. */
    void (*fn)(struct quorum_node *node);
    bool called;
    bool refused;
    int64_t snapshot_at;
    int change_id;
    struct raft_key change_key;
    const char *change_host; /* NULL: that of the node */
    struct quorum_change change;
    bool changed;
    enum kafka_error change_error;
};

struct world {
    struct sim *sim;
    int count;  /* machines */
    int voters; /* the first ones */
    bool dynamic;
    bool joins; /* by themselves */
    bool small; /* pieces of what is fetched */
    bool keeps; /* old snapshots and the log below them */
    bool ages;  /* ... for five seconds */
    struct quorum_node nodes[NODES_MAX];
    uint64_t hashes[VALUES_MAX]; /* after so many values; 0: not known yet */
    int64_t most;                /* applied anywhere */
    uint64_t proposed;
};

/* ---- The client ------------------------------------------------------------------------------ */

static uint64_t hash_of(uint64_t hash, struct slice value) {
    for (size_t i = 0; i < value.len; i++) {
        hash = (hash ^ value.data[i]) * UINT64_C(0x100000001b3);
    }
    return hash + 1;
}

static void check_applied(struct quorum_node *node) {
    struct world *world = node->world;
    cr_assert_lt(node->applied, VALUES_MAX);
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
    node->result = result;
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
        .metadata_dir = DIR,
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
    const struct world *world = node->world;
    char id[32];
    char listener[64];
    char quorum[256];
    bool voter = node->id <= world->voters;
    int len = snprintf(quorum, sizeof(quorum), "controller.quorum.%s",
                       world->dynamic ? "bootstrap.servers" : "voters");
    for (int i = 1; i <= world->voters; i++) {
        char address[32];
        char name[16] = "";
        if (!world->dynamic) {
            snprintf(name, sizeof(name), "%d@", i);
        }
        snprintf(address, sizeof(address), "10.0.0.%d:9093", i);
        len += snprintf(quorum + len, sizeof(quorum) - (size_t)len, "%s%s%s", i == 1 ? "=" : ",",
                        name, address);
    }
    snprintf(id, sizeof(id), "node.id=%d", node->id);
    bool controller = voter || world->dynamic;
    snprintf(listener, sizeof(listener), "listeners=%s://10.0.0.%d:909%d",
             controller ? "CONTROLLER" : "PLAINTEXT", node->id, controller ? 3 : 2);
    const char *overrides[] = {
        id,
        listener,
        quorum,
        "log.dirs=" DIR,
        controller ? "process.roles=controller" : "process.roles=broker",
        "controller.listener.names=CONTROLLER",
        world->small ? "controller.quorum.fetch.max.bytes=150"
                     : "controller.quorum.fetch.max.bytes=1048576",
        world->small ? "controller.quorum.fetch.snapshot.max.bytes=50"
                     : "controller.quorum.fetch.snapshot.max.bytes=1048576",
        world->keeps ? "metadata.max.retention.bytes=100000000" : "metadata.max.retention.bytes=0",
        world->ages ? "metadata.max.retention.ms=5000" : "metadata.max.retention.ms=-1",
        world->joins ? "controller.quorum.auto.join.enable=true"
                     : "controller.quorum.auto.join.enable=false",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,"
        "CONTROLLER:PLAINTEXT"};
    cr_assert_eq(config_load(node->machine, NULL, overrides, (int)ARRAY_LEN(overrides),
                             &node->config, &node->errmsg),
                 0, "%s", node->errmsg.text);
}

static void start(struct world *world, int id) {
    struct quorum_node *node = &world->nodes[id - 1];
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
    list_init(&node->change.link);
    sim_call(world->sim, machine_shard(node->machine, 0), open_node, node);
    sim_run(world->sim, 1, NULL);
}

static void forget(struct quorum_node *node) {
    node_free(node->node);
    config_free(node->config);
    node->node = NULL;
    node->quorum = NULL;
    node->leading = false;
    sim_machine_restart(node->machine);
}

static void kill_node(struct world *world, int id, enum sim_crash how) {
    struct quorum_node *node = &world->nodes[id - 1];
    if (!sim_crashed(node->machine)) {
        sim_crash_after(node->machine, 0, how);
        sim_run(world->sim, 1, NULL);
    }
    forget(node);
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

static void stop(struct world *world, int id) {
    struct quorum_node *node = &world->nodes[id - 1];
    sim_call(world->sim, machine_shard(node->machine, 0), close_node, node);
    for (int ms = 0; ms < 5000 && !node->closed && !sim_crashed(node->machine); ms++) {
        sim_run(world->sim, 1, NULL);
    }
    cr_assert(node->closed || sim_crashed(node->machine), "node %d does not stop", id);
    if (!sim_crashed(node->machine)) {
        sim_crash_after(node->machine, 0, SIM_CRASH_PROCESS);
        sim_run(world->sim, 1, NULL);
    }
    forget(node);
}

/* ---- The world ------------------------------------------------------------------------------- */

static struct uuid directory_id(int id, int life) {
    return uuid_from_halves(1000 + (uint64_t)id, 1000 + (uint64_t)life);
}

static void put(struct quorum_node *node, const char *name, struct slice content) {
    cr_assert_eq(sim_disk_write(node->machine, name, content), 0);
}

static void format_node(struct world *world, int id) {
    struct quorum_node *node = &world->nodes[id - 1];
    char text[256];
    char uuid[UUID_TEXT_LEN + 1];
    cr_assert_eq(sim_disk_mkdir(node->machine, DIR), 0);
    cr_assert_eq(sim_disk_mkdir(node->machine, LOG_DIR), 0);
    snprintf(text, sizeof(text), "version=1\ncluster.id=c\nnode.id=%d\ndirectory.id=%s\n", id,
             uuid_format(directory_id(id, node->directory), uuid));
    put(node, DIR "/meta.properties", slice_str(text));
    if (!world->dynamic || id > world->voters || node->directory > 0) {
        return;
    }
    struct voter_set *voters = voter_set_new();
    for (int i = 1; i <= world->voters; i++) {
        snprintf(text, sizeof(text), "10.0.0.%d", i);
        struct metadata_endpoint endpoint = {SLICE_LIT("CONTROLLER"), slice_str(text), 9093};
        struct voter voter = {.key = {.id = i, .directory_id = directory_id(i, 0)},
                              .endpoints = &endpoint,
                              .endpoint_count = 1,
                              .kraft_version_max = 1};
        voter_set_add(voters, &voter);
    }
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    snapshot_build(NULL, 0, SNAPSHOT_BOOTSTRAP, 1700000000000, voters, &bytes);
    char *path = snapshot_path(LOG_DIR, SNAPSHOT_BOOTSTRAP);
    put(node, path, buffer_slice(&bytes));
    free(path);
    buffer_release(&bytes);
    voter_set_free(voters);
}

static struct world *world_new(uint64_t seed, int voters, int observers, bool dynamic) {
    struct world *world = NEW(struct world);
    struct sim_options options = {
        .seed = seed,
        .wall_start_ms = 1700000000000,
        .net_delay_min_us = 50,
        .net_delay_max_us = 300,
        .sync_delay_min_us = 100,
        .sync_delay_max_us = 2000,
        .log_to_stderr = getenv("SIM_LOG") != NULL,
    };
    world->sim = sim_new(&options);
    world->count = voters + observers;
    world->voters = voters;
    world->dynamic = dynamic;
    for (int i = 0; i < world->count; i++) {
        struct quorum_node *node = &world->nodes[i];
        char host[32];
        snprintf(host, sizeof(host), "10.0.0.%d", i + 1);
        node->world = world;
        node->id = i + 1;
        node->machine = sim_machine_new(world->sim, host, 1);
        format_node(world, i + 1);
    }
    return world;
}

static void world_free(struct world *world) {
    for (int i = 1; i <= world->count; i++) {
        if (world->nodes[i - 1].node != NULL) {
            kill_node(world, i, SIM_CRASH_PROCESS);
        }
    }
    sim_free(world->sim);
    free(world);
}

static int leader(const struct world *world) {
    int found = 0;
    int32_t epoch = -1;
    for (int i = 0; i < world->count; i++) {
        if (world->nodes[i].leading && world->nodes[i].epoch > epoch) {
            found = i + 1;
            epoch = world->nodes[i].epoch;
        }
    }
    return found;
}

/* Steps until a node leads that is not `other`; returns how long it took, in ms. */
static int64_t elect(struct world *world, int other) {
    int64_t from = sim_now_us(world->sim);
    while (leader(world) == 0 || leader(world) == other) {
        cr_assert_lt(sim_now_us(world->sim) - from, 20000000, "nobody leads");
        sim_run(world->sim, 1, NULL);
    }
    return (sim_now_us(world->sim) - from) / 1000;
}

static void run_call(void *ctx) {
    struct quorum_node *node = ctx;
    node->fn(node);
    node->called = true;
}

static void call(struct quorum_node *node, void (*fn)(struct quorum_node *node)) {
    node->fn = fn;
    node->called = false;
    sim_call(node->world->sim, machine_shard(node->machine, 0), run_call, node);
    sim_run(node->world->sim, 100, &node->called);
}

static void do_propose(struct quorum_node *node) {
    char text[32];
    snprintf(text, sizeof(text), "value %" PRIu64, node->world->proposed++);
    struct slice value = slice_str(text);
    int64_t offset;
    node->refused = quorum_propose(node->quorum, &value, 1, &offset) != 0;
}

/* Proposes so many values to whoever leads, and waits until all that run have them. */
static void propose(struct world *world, int count) {
    int64_t target = world->most + count;
    for (int i = 0; i < count; i++) {
        call(&world->nodes[elect(world, 0) >= 0 ? leader(world) - 1 : 0], do_propose);
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

static void start_all(struct world *world) {
    for (int i = 1; i <= world->count; i++) {
        start(world, i);
    }
}

static void do_snapshot(struct quorum_node *node) {
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

/* ---- Tests ----------------------------------------------------------------------------------- */

static void agree(bool dynamic) {
    struct world *world = world_new(1, 3, 1, dynamic);
    start_all(world);
    cr_assert_lt(elect(world, 0), 1000);
    propose(world, 50);
    for (int i = 0; i < 4; i++) {
        cr_assert(world->nodes[i].caught_up && world->nodes[i].opened);
        cr_assert_eq(world->nodes[i].result, 0);
        cr_assert_eq(world->nodes[i].applied, 50);
    }
    world_free(world);
}

Test(quorum, static_voters_and_an_observer_agree) {
    agree(false);
}

Test(quorum, voters_of_the_log_and_an_observer_agree) {
    agree(true);
}

Test(quorum, a_killed_leader_is_followed_soon_and_loses_nothing) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *world = world_new(seed, 3, 0, seed % 2 == 0);
        start_all(world);
        elect(world, 0);
        propose(world, 10);
        int killed = leader(world);
        kill_node(world, killed, SIM_CRASH_POWER);
        int64_t took = elect(world, killed);
        cr_assert_lt(took, 600, "seed %" PRIu64 ": %" PRId64 " ms", seed, took);
        propose(world, 10);
        start(world, killed);
        propose(world, 10);
        cr_assert_eq(world->most, 30);
        world_free(world);
    }
}

Test(quorum, a_leader_that_stops_hands_over) {
    struct world *world = world_new(3, 3, 0, true);
    start_all(world);
    elect(world, 0);
    propose(world, 5);
    int stopped = leader(world);
    stop(world, stopped);
    cr_assert_lt(elect(world, stopped), 300);
    propose(world, 5);
    start(world, stopped);
    propose(world, 5);
    world_free(world);
}

Test(quorum, all_that_stopped_start_again_with_what_they_had) {
    struct world *world = world_new(4, 3, 0, false);
    start_all(world);
    elect(world, 0);
    propose(world, 20);
    for (int i = 1; i <= 3; i++) {
        stop(world, i);
    }
    start_all(world);
    cr_assert_lt(elect(world, 0), 1000);
    propose(world, 1);
    cr_assert_eq(world->most, 21);
    world_free(world);
}

Test(quorum, without_a_majority_nothing_is_committed_nor_told) {
    struct world *world = world_new(5, 3, 0, true);
    start_all(world);
    elect(world, 0);
    propose(world, 5);
    int first = leader(world);
    for (int i = 1; i <= 3; i++) {
        if (i != first) {
            kill_node(world, i, SIM_CRASH_POWER);
        }
    }
    call(&world->nodes[first - 1], do_propose);
    sim_run(world->sim, 10000, NULL);
    cr_assert_eq(world->nodes[first - 1].applied, 5);
    cr_assert_not(world->nodes[first - 1].leading, "a leader that nobody hears resigns");
    world_free(world);
}

static void snapshot_all(struct world *world) {
    for (int i = 0; i < world->count; i++) {
        if (world->nodes[i].quorum != NULL) {
            call(&world->nodes[i], do_snapshot);
        }
    }
    sim_run(world->sim, 100, NULL);
}

static int64_t log_start(const struct world *world) {
    return quorum_log_start(world->nodes[leader(world) - 1].quorum);
}

static int snapshot_files(struct world *world) {
    char **names;
    size_t count;
    struct machine *machine = world->nodes[leader(world) - 1].machine;
    cr_assert_eq(directory_list(machine, LOG_DIR, &names, &count), 0);
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        found += strstr(names[i], ".checkpoint") != NULL;
    }
    free(names);
    return found;
}

Test(quorum, what_retention_keeps_is_fetched_from_the_log) {
    struct world *world = world_new(14, 3, 0, true);
    world->keeps = true;
    start_all(world);
    elect(world, 0);
    propose(world, 5);
    int away = leader(world) % 3 + 1;
    kill_node(world, away, SIM_CRASH_POWER);
    for (int i = 0; i < 3; i++) {
        propose(world, 50);
        snapshot_all(world);
    }
    snapshot_all(world); /* nothing new: none */
    cr_assert_eq(log_start(world), 0);
    cr_assert_eq(snapshot_files(world), 1 + 3);
    start(world, away);
    propose(world, 1);
    cr_assert_eq(world->nodes[away - 1].snapshots, 0);
    world_free(world);
}

Test(quorum, what_is_too_large_goes_but_for_the_last_snapshot) {
    struct world *world = world_new(15, 3, 0, true);
    start_all(world);
    elect(world, 0);
    propose(world, 50);
    snapshot_all(world);
    cr_assert_eq(log_start(world), 0, "it is the only one");
    int64_t first = quorum_high_watermark(world->nodes[leader(world) - 1].quorum);
    propose(world, 50);
    snapshot_all(world);
    cr_assert_gt(log_start(world), first);
    cr_assert_eq(snapshot_files(world), 1 + 1);
    world_free(world);
}

Test(quorum, what_is_too_old_goes_but_for_the_last_snapshot) {
    struct world *world = world_new(16, 3, 0, true);
    world->keeps = true;
    world->ages = true;
    start_all(world);
    elect(world, 0);
    propose(world, 50);
    snapshot_all(world);
    propose(world, 50);
    snapshot_all(world);
    cr_assert_eq(log_start(world), 0);
    sim_run(world->sim, 6000, NULL);
    propose(world, 1);
    snapshot_all(world);
    cr_assert_geq(log_start(world), 101);
    cr_assert_eq(snapshot_files(world), 1 + 1);
    world_free(world);
}

Test(quorum, who_was_away_for_long_gets_the_snapshot) {
    for (int dynamic = 0; dynamic < 2; dynamic++) {
        struct world *world = world_new(6, 3, 0, dynamic != 0);
        start_all(world);
        elect(world, 0);
        propose(world, 5);
        int away = leader(world) % 3 + 1;
        kill_node(world, away, SIM_CRASH_POWER);
        propose(world, 100);
        snapshot_all(world);
        propose(world, 100);
        snapshot_all(world);
        propose(world, 3);
        start(world, away);
        propose(world, 3);
        cr_assert_eq(world->nodes[away - 1].snapshots, 1);
        kill_node(world, away, SIM_CRASH_POWER);
        start(world, away);
        propose(world, 3);
        cr_assert_eq(world->most, 214);
        world_free(world);
    }
}

static void on_changed(struct quorum_change *change, enum kafka_error error) {
    struct quorum_node *node = CONTAINER_OF(change, struct quorum_node, change);
    node->changed = true;
    node->change_error = error;
}

static void do_remove(struct quorum_node *node) {
    node->changed = false;
    quorum_remove_voter(node->quorum, &node->change, node->change_key, on_changed);
}

static void do_add(struct quorum_node *node) {
    char host[32];
    snprintf(host, sizeof(host), "10.0.0.%d", node->change_key.id);
    const char *given = node->change_host != NULL ? node->change_host : host;
    struct metadata_endpoint endpoint = {SLICE_LIT("CONTROLLER"), slice_str(given), 9093};
    struct voter voter = {.key = node->change_key, .endpoints = &endpoint, .endpoint_count = 1};
    node->changed = false;
    quorum_add_voter(node->quorum, &node->change, &voter, true, on_changed);
}

static enum kafka_error change(struct world *world, void (*fn)(struct quorum_node *node), int id,
                               int life) {
    elect(world, 0);
    struct quorum_node *at = &world->nodes[leader(world) - 1];
    at->change_key = (struct raft_key){.id = id, .directory_id = directory_id(id, life)};
    call(at, fn);
    cr_assert(sim_run(world->sim, 10000, &at->changed));
    return at->change_error;
}

Test(quorum, a_voter_that_lost_its_disk_is_another_one) {
    struct world *world = world_new(7, 3, 0, true);
    start_all(world);
    elect(world, 0);
    propose(world, 10);
    int lost = leader(world) % 3 + 1;
    kill_node(world, lost, SIM_CRASH_POWER);
    cr_assert_eq(sim_disk_remove(world->nodes[lost - 1].machine, DIR), 0);
    world->nodes[lost - 1].directory = 1;
    format_node(world, lost);
    start(world, lost);
    propose(world, 5);
    cr_assert_eq(quorum_voters(world->nodes[lost - 1].quorum)->count, 3);
    /* It has the records, but its vote and its disk do not count. */
    int led = leader(world);
    for (int i = 1; i <= 3; i++) {
        if (i != lost && i != led) {
            kill_node(world, i, SIM_CRASH_POWER);
            sim_run(world->sim, 8000, NULL);
            cr_assert_eq(leader(world), 0, "one voter of three leads");
            start(world, i);
        }
    }
    elect(world, 0);
    cr_assert_eq(change(world, do_add, lost, 1), ERROR_DUPLICATE_VOTER);
    cr_assert_eq(change(world, do_remove, lost, 0), ERROR_NONE);
    propose(world, 1);
    cr_assert_eq(change(world, do_add, lost, 1), ERROR_NONE);
    propose(world, 1);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(quorum_voters(world->nodes[i].quorum)->count, 3);
    }
    world_free(world);
}

Test(quorum, a_new_voter_is_asked_what_it_knows_before_it_is_added) {
    struct world *world = world_new(9, 3, 1, true);
    start_all(world);
    elect(world, 0);
    propose(world, 10);
    cr_assert_eq(change(world, do_add, 4, 0), ERROR_NONE);
    propose(world, 1);
    const struct voter_set *voters = quorum_voters(world->nodes[0].quorum);
    const struct voter *added = &voters->voters[voter_set_find(voters, 4)];
    cr_assert_eq(added->kraft_version_min, 0);
    cr_assert_eq(added->kraft_version_max, 1); /* as it says, nobody told us */
    world_free(world);
}

Test(quorum, a_new_voter_that_cannot_be_asked_or_lags_is_not_added) {
    struct world *world = world_new(10, 3, 1, true);
    start_all(world);
    elect(world, 0);
    propose(world, 10);
    struct quorum_node *led = &world->nodes[leader(world) - 1];
    led->change_host = "10.0.0.99";
    cr_assert_eq(change(world, do_add, 4, 0), ERROR_REQUEST_TIMED_OUT);
    cr_assert_not_null(led->change.reason);
    led->change_host = NULL;
    cr_assert_eq(change(world, do_add, 4, 7), ERROR_REQUEST_TIMED_OUT); /* it has never fetched */
    propose(world, 1);
    cr_assert_eq(quorum_voters(led->quorum)->count, 3);
    cr_assert_eq(change(world, do_add, 4, 0), ERROR_NONE);
    world_free(world);
}

Test(quorum, no_voters_are_changed_while_a_new_one_is_asked) {
    struct world *world = world_new(11, 3, 1, true);
    start_all(world);
    elect(world, 0);
    propose(world, 10);
    struct quorum_node *led = &world->nodes[leader(world) - 1];
    sim_partition(led->machine, world->nodes[3].machine, true);
    led->change_key = (struct raft_key){.id = 4, .directory_id = directory_id(4, 0)};
    call(led, do_add);
    sim_run(world->sim, 10, NULL);
    cr_assert_not(led->changed);
    struct quorum_node other = {.quorum = led->quorum, .world = world, .machine = led->machine};
    other.change_key = (struct raft_key){.id = led->id % 3 + 1};
    other.change_key.directory_id = directory_id(other.change_key.id, 0);
    call(&other, do_remove);
    cr_assert(other.changed);
    cr_assert_eq(other.change_error, ERROR_REQUEST_TIMED_OUT);
    cr_assert(sim_run(world->sim, 10000, &led->changed));
    cr_assert_eq(led->change_error, ERROR_REQUEST_TIMED_OUT);
    call(&other, do_remove);
    cr_assert(sim_run(world->sim, 10000, &other.changed));
    cr_assert_eq(other.change_error, ERROR_NONE);
    world_free(world);
}

Test(quorum, a_change_that_is_not_committed_in_time_is_answered) {
    struct world *world = world_new(12, 3, 1, true);
    start_all(world);
    elect(world, 0);
    propose(world, 10);
    struct quorum_node *led = &world->nodes[leader(world) - 1];
    for (int i = 1; i <= 3; i++) {
        if (i != led->id) {
            kill_node(world, i, SIM_CRASH_POWER);
        }
    }
    led->change_key = (struct raft_key){.id = 4, .directory_id = directory_id(4, 0)};
    call(led, do_add);
    cr_assert(sim_run(world->sim, 2900, &led->changed), "before check-quorum ends it");
    cr_assert_eq(led->change_error, ERROR_REQUEST_TIMED_OUT);
    world_free(world);
}

Test(quorum, a_node_stops_while_it_asks_a_new_voter) {
    struct world *world = world_new(13, 3, 1, true);
    start_all(world);
    elect(world, 0);
    propose(world, 10);
    struct quorum_node *led = &world->nodes[leader(world) - 1];
    sim_partition(led->machine, world->nodes[3].machine, true);
    led->change_key = (struct raft_key){.id = 4, .directory_id = directory_id(4, 0)};
    call(led, do_add);
    stop(world, led->id);
    cr_assert(led->changed);
    cr_assert_neq(led->change_error, ERROR_NONE);
    world_free(world);
}

Test(quorum, controllers_join_by_themselves) {
    struct world *world = world_new(8, 3, 1, true);
    world->joins = true;
    start_all(world);
    elect(world, 0);
    propose(world, 10);
    int lost = leader(world) % 3 + 1;
    kill_node(world, lost, SIM_CRASH_POWER);
    cr_assert_eq(sim_disk_remove(world->nodes[lost - 1].machine, DIR), 0);
    world->nodes[lost - 1].directory = 1;
    format_node(world, lost);
    start(world, lost);
    sim_run(world->sim, 10000, NULL);
    propose(world, 1);
    for (int i = 0; i < 4; i++) {
        const struct voter_set *voters = quorum_voters(world->nodes[i].quorum);
        cr_assert_eq(voters->count, 4);
        int at = voter_set_find(voters, lost);
        cr_assert(uuid_equal(voters->voters[at].key.directory_id, directory_id(lost, 1)));
    }
    world_free(world);
}

static bool up(const struct quorum_node *node) {
    return node->quorum != NULL && !sim_crashed(node->machine);
}

static void heal(struct world *world) {
    for (int i = 0; i < world->count; i++) {
        for (int j = 0; j < i; j++) {
            sim_partition(world->nodes[i].machine, world->nodes[j].machine, false);
        }
    }
}

/* Removes a voter or adds who is none, as far as that is possible now; nobody waits for it. */
static void change_somehow(struct world *world, int led, int id) {
    struct quorum_node *at = &world->nodes[led - 1];
    if (!world->dynamic || !list_empty(&at->change.link)) {
        return;
    }
    const struct voter_set *voters = quorum_voters(at->quorum);
    at->change_key = (struct raft_key){.id = id, .directory_id = directory_id(id, 0)};
    if (voter_set_find(voters, id) < 0) {
        call(at, do_add);
    } else if (voters->count > 2) {
        call(at, do_remove);
    }
}

static void random_step(struct world *world, struct machine *dice) {
    int id = (int)random_below(dice, 4) + 1;
    int other = (int)random_below(dice, 4) + 1;
    struct quorum_node *node = &world->nodes[id - 1];
    int led = leader(world);
    switch (random_below(dice, 12)) {
    case 0:
        if (up(node)) {
            kill_node(world, id, SIM_CRASH_POWER);
        }
        break;
    case 1:
        if (up(node)) {
            sim_crash_after(node->machine, random_below(dice, 40) + 1, SIM_CRASH_POWER);
        }
        break;
    case 2:
        if (id != other) {
            sim_partition(node->machine, world->nodes[other - 1].machine, true);
        }
        break;
    case 3:
        if (up(node) && node->caught_up) {
            call(node, do_snapshot);
        }
        break;
    case 4:
        heal(world);
        break;
    case 5:
        if (led > 0 && up(&world->nodes[led - 1])) {
            change_somehow(world, led, id);
        }
        break;
    case 6:
        if (up(node) && node->opened) {
            stop(world, id);
        }
        break;
    default:
        for (uint64_t i = random_below(dice, 10); i > 0 && led > 0; i--) {
            if (up(&world->nodes[led - 1])) {
                call(&world->nodes[led - 1], do_propose);
            }
        }
        break;
    }
    sim_run(world->sim, (int64_t)random_below(dice, 1000), NULL);
}

static void bury_the_dead(struct world *world) {
    for (int i = 0; i < world->count; i++) {
        if (world->nodes[i].node != NULL && sim_crashed(world->nodes[i].machine)) {
            forget(&world->nodes[i]);
        }
    }
}

Test(quorum, a_random_life_keeps_what_was_committed) {
    int seeds = getenv("SIM_SEEDS") != NULL ? atoi(getenv("SIM_SEEDS")) : 20;
    uint64_t first = getenv("SIM_SEED") != NULL ? strtoull(getenv("SIM_SEED"), NULL, 10) : 100;
    for (uint64_t seed = first; seed < first + (uint64_t)seeds; seed++) {
        struct world *world = world_new(seed, 3, 1, seed % 2 == 0);
        struct machine *dice = world->nodes[0].machine;
        world->small = seed % 3 == 0;
        world->keeps = seed % 4 < 2;
        start_all(world);
        for (int step = 0; step < 60; step++) {
            random_step(world, dice);
            bury_the_dead(world);
            for (int i = 1; i <= 4; i++) {
                if (world->nodes[i - 1].node == NULL && random_below(dice, 2) == 0) {
                    start(world, i);
                }
            }
        }
        heal(world);
        sim_run(world->sim, 5000, NULL);
        bury_the_dead(world);
        for (int i = 1; i <= 4; i++) {
            sim_crash_after(world->nodes[i - 1].machine, UINT64_MAX, SIM_CRASH_POWER);
            if (world->nodes[i - 1].node == NULL) {
                start(world, i);
            }
        }
        sim_run(world->sim, 5000, NULL);
        propose(world, 1);
        if (getenv("SIM_SEED") != NULL) {
            fprintf(stderr, "seed %" PRIu64 ": %" PRId64 " values\n", seed, world->most);
        }
        world_free(world);
    }
}
