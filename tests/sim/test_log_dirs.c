/*
 * Three nodes with two log dirs each, while the second dir of one of them fails: it alone is taken
 * out. The node serves the partitions of the other dir, all partitions have leaders, also after a
 * restart on the failed disk; when the disk is back and the node starts anew, everything is whole.
 * And replicas, leaders and followers, move between the two while nodes die.
 *
 *     SIM_SEEDS=200 build/tests/sim/test_sim_log_dirs
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/partition_move.h"
#include "tests/sim/cluster_client.h"
#include "tests/sim/cluster_world.h"

#define START_MS 30000
#define MOVE_MS  30000
#define HEAL_MS  60000

static const char *const overrides[] = {"log.dirs=data," CLUSTER_SECOND_DIR};

static uint64_t seed_count(uint64_t usual) {
    const char *seeds = getenv("SIM_SEEDS");
    return seeds != NULL ? (uint64_t)atoi(seeds) : usual;
}

static int64_t wanted;

static bool enough(struct cluster_world *world) {
    return cluster_client_acknowledged(world->client) >= wanted;
}

/* More records are acknowledged, on all partitions: the client writes to them in turns. */
static bool goes_on(struct cluster_world *world, const char *what) {
    wanted = cluster_client_acknowledged(world->client) + 40;
    return cluster_world_until(world, what, MOVE_MS, enough);
}

static bool is_whole(struct cluster_world *world) {
    return cluster_client_idle(world->client) && cluster_client_in_sync(world->client);
}

static struct cluster_world *start(uint64_t seed, int shards) {
    struct cluster_world *world = cluster_world_new(seed, shards, overrides, 1);
    world->disks_fail = true;
    for (int i = 0; i < CLUSTER_NODES; i++) {
        cluster_world_start(world, i);
    }
    cluster_client_start(world->client);
    wanted = 10;
    cluster_world_until(world, "the first records", START_MS, enough);
    return world;
}

static void end(struct cluster_world *world, uint64_t seed) {
    if (world->trouble[0] == '\0') {
        cluster_world_heal(world);
        cluster_client_pause(world->client, true);
        if (cluster_world_until(world, "the whole cluster", HEAL_MS, is_whole)) {
            cluster_world_run(world, 1000);
            cluster_world_audit(world);
        }
    }
    cr_assert_eq(world->trouble[0], '\0', "seed %d: %s", (int)seed, world->trouble);
    cluster_world_free(world);
}

static void fail_dir(struct cluster_world *world, int node, uint64_t after, const char *under) {
    const struct sim_disk_fault fault = {
        .after = after, .count = UINT64_MAX, .error = -EIO, .under = under};
    sim_disk_fault(world->nodes[node].machine, &fault);
}

/* Not even its directory can be read. */
static void break_dir(struct cluster_world *world, int node, int error) {
    int result = sim_disk_break(world->nodes[node].machine, CLUSTER_SECOND_DIR, error, error);
    ASSERT(result == 0);
}

static bool second_dir_online(const struct cluster_world *world, int node) {
    return log_manager_dir_online(world->nodes[node].node->log_manager, 1);
}

static int failing;

static bool is_out(struct cluster_world *world) {
    return !second_dir_online(world, failing);
}

static void run_seed(uint64_t seed) {
    struct cluster_world *world = start(seed, seed % 2 == 0 ? 2 : 1);
    failing = (int)cluster_random(world, CLUSTER_NODES);
    cluster_tell(world, "the second log dir of node %d fails", failing + 1);
    fail_dir(world, failing, cluster_random(world, 100), CLUSTER_SECOND_DIR);
    if (world->trouble[0] == '\0' &&
        cluster_world_until(world, "the failed dir's end", MOVE_MS, is_out) &&
        goes_on(world, "records without the dir")) {
        cluster_world_kill(world, failing,
                           cluster_random(world, 2) ? SIM_CRASH_POWER : SIM_CRASH_PROCESS);
        fail_dir(world, failing, 0, CLUSTER_SECOND_DIR); /* a restart heals the disk */
        break_dir(world, failing, seed % 3 == 0 ? 0 : -EIO);
        cluster_world_start(world, failing);
        if (goes_on(world, "records after a start on the failed disk") &&
            world->nodes[failing].started) {
            if (second_dir_online(world, failing)) {
                cluster_trouble(world, "the failed dir is online after the start");
            }
        }
    }
    if (world->trouble[0] == '\0') {
        cluster_world_kill(world, failing, SIM_CRASH_PROCESS);
        break_dir(world, failing, 0);
        cluster_world_start(world, failing);
        goes_on(world, "records with the dir again");
    }
    end(world, seed);
}

Test(log_dirs, one_that_fails_is_taken_out_alone_and_comes_back, .timeout = 600) {
    const char *one = getenv("SIM_SEED");
    if (one != NULL) {
        run_seed((uint64_t)atoll(one));
        return;
    }
    for (uint64_t seed = 1; seed <= seed_count(12); seed++) {
        run_seed(seed);
    }
}

/* ---- Replicas that move ---------------------------------------------------------------------- */

struct moving {
    struct replica_manager *replicas;
    struct uuid topic_id;
    int32_t partition;
    int dir;
};

static void move(void *ctx) {
    const struct moving *moving = ctx;
    (void)replica_manager_move(moving->replicas, moving->topic_id, moving->partition, moving->dir);
}

static void move_one(struct cluster_world *world, int node) {
    struct node *broker = world->nodes[node].started ? world->nodes[node].node : NULL;
    if (broker == NULL || sim_crashed(world->nodes[node].machine)) {
        return;
    }
    const struct image_topic *topic =
        image_topic_by_name(broker->shards[0].image, slice_str(CLUSTER_TOPIC));
    if (topic == NULL) {
        return;
    }
    struct moving moving = {.topic_id = topic->id,
                            .partition = (int32_t)cluster_random(world, CLUSTER_PARTITIONS),
                            .dir = (int)cluster_random(world, 2)};
    int shard = node_partition_shard(broker, topic->id, moving.partition);
    moving.replicas = broker->shards[shard].replicas;
    cluster_tell(world, "partition %d of node %d moves to dir %d", (int)moving.partition, node + 1,
                 moving.dir);
    sim_call(world->sim, machine_shard(world->nodes[node].machine, shard), move, &moving);
    cluster_world_run(world, 0);
}

static void run_moves(uint64_t seed) {
    struct cluster_world *world = start(seed, seed % 2 == 0 ? 2 : 1);
    for (int round = 0; round < 25 && world->trouble[0] == '\0'; round++) {
        move_one(world, (int)cluster_random(world, CLUSTER_NODES));
        cluster_world_run(world, (int64_t)cluster_random(world, 60));
        int victim = (int)cluster_random(world, CLUSTER_NODES);
        if (round % 5 == 4 && cluster_world_up(world, victim)) {
            cluster_world_kill(world, victim,
                               cluster_random(world, 2) ? SIM_CRASH_POWER : SIM_CRASH_PROCESS);
            cluster_world_run(world, (int64_t)cluster_random(world, 500));
            cluster_world_start(world, victim);
        }
        if (round % 5 == 2) {
            goes_on(world, "records while replicas move");
        }
    }
    end(world, seed);
}

Test(log_dirs, replicas_that_move_between_them_lose_nothing, .timeout = 600) {
    const char *one = getenv("SIM_SEED");
    if (one != NULL) {
        run_moves((uint64_t)atoll(one));
        return;
    }
    for (uint64_t seed = 1; seed <= seed_count(12); seed++) {
        run_moves(seed);
    }
}

/* ---- The metadata's dir ---------------------------------------------------------------------- */

/* The metadata lies in the first. */
static bool has_ended(struct cluster_world *world) {
    return machine_exit_code(world->nodes[failing].machine) == NODE_EXIT_FAILED;
}

Test(log_dirs, a_node_whose_metadata_dir_fails_ends, .timeout = 600) {
    struct cluster_world *world = start(1, 1);
    failing = 0;
    fail_dir(world, failing, 0, "data");
    for (int i = 0; i < 2000 && !has_ended(world); i++) {
        sim_run(world->sim, 5, NULL);
    }
    cr_assert(has_ended(world));
    cr_assert(second_dir_online(world, failing));
    cluster_world_free(world);
}
