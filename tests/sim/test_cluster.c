/*
 * Three whole nodes under faults: processes that are killed and come back, power cuts, stops, cuts
 * of the network, several at once. Producers and consumers go on all the while; afterwards
 * everything is healed, must become whole again, and nothing that was acknowledged or read may be
 * missing, doubled, moved or different on any disk.
 *
 *     SIM_SEEDS=1000 build/tests/sim/test_sim_cluster     more seeds
 *     SIM_SEED=17 SIM_LOG=1 ...                           one seed, and what happens in it
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "tests/sim/cluster_client.h"
#include "tests/sim/cluster_world.h"

#define START_MS 30000
#define HEAL_MS  60000

static uint64_t seed_count(uint64_t usual) {
    const char *seeds = getenv("SIM_SEEDS");
    return seeds != NULL ? (uint64_t)atoi(seeds) : usual;
}

static bool serves(struct cluster_world *world) {
    return cluster_client_acknowledged(world->client) >= 10;
}

static struct cluster_world *start_world(uint64_t seed, int shards, const char *const *overrides,
                                         int override_count) {
    struct cluster_world *world = cluster_world_new(seed, shards, overrides, override_count);
    for (int i = 0; i < CLUSTER_NODES; i++) {
        cluster_world_start(world, i);
    }
    cluster_client_start(world->client);
    cluster_world_until(world, "the first records", START_MS, serves);
    return world;
}

static bool is_whole(struct cluster_world *world) {
    return cluster_client_idle(world->client) && cluster_client_in_sync(world->client);
}

/* Heals, waits, looks at the disks, and ends the world. */
static void end_world(struct cluster_world *world, const char *what, uint64_t seed) {
    int64_t acknowledged = cluster_client_acknowledged(world->client);
    if (world->trouble[0] == '\0') {
        cluster_world_heal(world);
        cluster_client_pause(world->client, true);
        if (cluster_world_until(world, "the whole cluster", HEAL_MS, is_whole)) {
            cluster_world_run(world, 1000); /* what is on its way to followers */
            cluster_world_audit(world);
        }
    }
    cr_assert_eq(world->trouble[0], '\0', "%s, seed %d: %s", what, (int)seed, world->trouble);
    cr_assert_geq(acknowledged, 10);
    cluster_world_free(world);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

struct mix {
    const char *name;
    int kill; /* of 100 faults */
    int power;
    int stop;
    int cut;
    int all; /* every node at once */
    int shards;
    bool page_cache;
};

static int random_node(struct cluster_world *world) {
    return (int)cluster_random(world, CLUSTER_NODES);
}

static int nodes_up(const struct cluster_world *world) {
    int count = 0;
    for (int i = 0; i < CLUSTER_NODES; i++) {
        count += cluster_world_up(world, i);
    }
    return count;
}

static void fault(struct cluster_world *world, const struct mix *mix) {
    int draw = (int)cluster_random(world, 100);
    int node = random_node(world);
    if ((draw -= mix->all) < 0) {
        for (int i = 0; i < CLUSTER_NODES; i++) {
            if (cluster_world_up(world, i)) {
                cluster_world_kill(world, i, mix->power ? SIM_CRASH_POWER : SIM_CRASH_PROCESS);
            }
        }
    } else if ((draw -= mix->cut) < 0) {
        cluster_world_cut(world, node, random_node(world), true);
    } else if (!cluster_world_up(world, node)) {
        return;
    } else if ((draw -= mix->kill) < 0) {
        cluster_world_kill(world, node, SIM_CRASH_PROCESS);
    } else if ((draw -= mix->power) < 0) {
        cluster_world_kill(world, node, SIM_CRASH_POWER);
    } else if (nodes_up(world) == CLUSTER_NODES && world->nodes[node].started) {
        cluster_world_stop(world, node);
    }
}

/* What is broken is mended after a while, one thing at a time. */
static void mend(struct cluster_world *world) {
    int node = random_node(world);
    int other = random_node(world);
    if (!cluster_world_up(world, node)) {
        cluster_world_start(world, node);
    }
    cluster_world_cut(world, node, other, false);
}

static void run_seed(const struct mix *mix, uint64_t seed) {
    static const char *const page_cache[] = {"log.durability=page-cache"};
    struct cluster_world *world = start_world(seed, mix->shards, page_cache, mix->page_cache);
    for (int round = 0; round < 30 && world->trouble[0] == '\0'; round++) {
        if (cluster_random(world, 2) == 0) {
            fault(world, mix);
        } else {
            mend(world);
        }
        cluster_world_run(world,
                          (int64_t)cluster_random(world, cluster_random(world, 3) ? 300 : 4000));
    }
    end_world(world, mix->name, seed);
}

static void run_mix(const struct mix *mix, uint64_t usual) {
    const char *one = getenv("SIM_SEED");
    if (one != NULL) {
        run_seed(mix, (uint64_t)atoll(one));
        return;
    }
    for (uint64_t seed = 1; seed <= seed_count(usual); seed++) {
        run_seed(mix, seed);
    }
}

/* ---- Tests ----------------------------------------------------------------------------------- */

Test(cluster, three_nodes_serve_and_agree, .timeout = 600) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct cluster_world *world = start_world(seed, 1 + (int)seed % 2, NULL, 0);
        cluster_world_run(world, 2000);
        end_world(world, "no faults", seed);
    }
}

Test(cluster, nodes_that_are_killed_lose_nothing, .timeout = 600) {
    static const struct mix mix = {.name = "kills", .kill = 95, .all = 5, .shards = 1};
    run_mix(&mix, 3);
}

Test(cluster, nor_do_nodes_that_lose_power, .timeout = 600) {
    static const struct mix mix = {.name = "power", .power = 90, .all = 10, .shards = 1};
    run_mix(&mix, 3);
}

Test(cluster, nor_does_a_cluster_whose_network_is_cut, .timeout = 600) {
    static const struct mix mix = {.name = "cuts", .cut = 100, .shards = 1};
    run_mix(&mix, 3);
}

Test(cluster, nor_with_everything_at_once, .timeout = 600) {
    static const struct mix mix = {.name = "everything",
                                   .kill = 25,
                                   .power = 25,
                                   .stop = 15,
                                   .cut = 30,
                                   .all = 5,
                                   .shards = 2};
    run_mix(&mix, 3);
}

Test(cluster, nor_without_syncs_while_processes_die, .timeout = 600) {
    static const struct mix mix = {
        .name = "page cache", .kill = 60, .stop = 20, .cut = 20, .shards = 1, .page_cache = true};
    run_mix(&mix, 2);
}

/* ---- The moment after an acknowledgement ------------------------------------------------------
 *
 * What is acknowledged must lie on the disks of all in-sync replicas already. One node's disk is
 * slow, the leader's or a follower's, and the power of all nodes goes with the event that brings
 * the client its answer. Then the slow node comes back as the second of two: the controller, which
 * takes the others for gone in the end, lets it lead with what its disk has kept.
 */

#define ROUNDS   8
#define SLOW_US  50000
#define FENCE_MS 15000 /* above broker.session.timeout.ms */

static bool in_sync(struct cluster_world *world) {
    return cluster_client_in_sync(world->client);
}

static void cut_all_with_next_ack(struct cluster_world *world) {
    int64_t acknowledged = cluster_client_acknowledged(world->client);
    int64_t deadline_us = sim_now_us(world->sim) + START_MS * INT64_C(1000);
    while (cluster_client_acknowledged(world->client) == acknowledged && sim_step(world->sim)) {
        if (sim_now_us(world->sim) > deadline_us) {
            cluster_trouble(world, "nothing is acknowledged");
            return;
        }
    }
    for (int i = 0; i < CLUSTER_NODES; i++) {
        cluster_world_kill(world, i, SIM_CRASH_POWER);
    }
}

static void start_again(struct cluster_world *world, int slow) {
    int first = (slow + 1 + (int)cluster_random(world, CLUSTER_NODES - 1)) % CLUSTER_NODES;
    cluster_client_pause(world->client, true);
    cluster_world_start(world, first);
    cluster_world_run(world, (int64_t)cluster_random(world, 500));
    cluster_world_start(world, slow);
    cluster_world_run(world, FENCE_MS);
    cluster_world_start(world, CLUSTER_NODES - first - slow);
    cluster_client_pause(world->client, false); /* asks anew who is in sync */
    cluster_world_until(world, "the in-sync replicas", HEAL_MS, in_sync);
}

Test(cluster, what_is_acknowledged_is_on_all_disks, .timeout = 600) {
    const char *one = getenv("SIM_SEED");
    uint64_t first = one != NULL ? (uint64_t)atoll(one) : 1;
    uint64_t last = one != NULL ? first : seed_count(4);
    for (uint64_t seed = first; seed <= last; seed++) {
        struct cluster_world *world = start_world(seed, 1, NULL, 0);
        cluster_world_until(world, "the in-sync replicas", HEAL_MS, in_sync);
        for (int round = 0; round < ROUNDS && world->trouble[0] == '\0'; round++) {
            int slow = random_node(world);
            sim_slow_workers(world->nodes[slow].machine, SLOW_US);
            cluster_world_run(world, (int64_t)cluster_random(world, 200));
            cut_all_with_next_ack(world);
            sim_slow_workers(world->nodes[slow].machine, 0);
            if (world->trouble[0] == '\0') {
                start_again(world, slow);
            }
        }
        end_world(world, "power cut with an ack", seed);
    }
}

/* ---- All at once ----------------------------------------------------------------------------- */

#define STOP_ALL_MS 2000 /* of virtual time; below the 3 s that a lost controller is waited for */

static bool all_stopped(struct cluster_world *world) {
    for (int i = 0; i < CLUSTER_NODES; i++) {
        if (!world->nodes[i].stopped) {
            return false;
        }
    }
    return true;
}

Test(cluster, nodes_that_are_all_stopped_do_not_wait_for_one_another, .timeout = 600) {
    const char *one = getenv("SIM_SEED");
    uint64_t first = one != NULL ? (uint64_t)atoll(one) : 1;
    uint64_t last = one != NULL ? first : seed_count(10);
    for (uint64_t seed = first; seed <= last; seed++) {
        struct cluster_world *world = start_world(seed, 1 + (int)(seed % 2), NULL, 0);
        cluster_world_until(world, "the in-sync replicas", HEAL_MS, in_sync);
        for (int i = 0; i < CLUSTER_NODES; i++) {
            sim_node_stop(world->sim, &world->nodes[i]);
            cluster_world_run(world, (int64_t)cluster_random(world, 100));
        }
        cluster_world_until(world, "the stop of all nodes", STOP_ALL_MS, all_stopped);
        for (int i = 0; i < CLUSTER_NODES && world->trouble[0] == '\0'; i++) {
            sim_node_bury(&world->nodes[i]);
        }
        end_world(world, "a stop of all", seed);
    }
}

static bool controllers_registered(struct cluster_world *world) {
    bool all = true;
    for (int i = 0; i < CLUSTER_NODES; i++) {
        struct arena arena;
        struct slice *records = NULL;
        arena_init(&arena, SIZE_MAX);
        const struct image *image = world->nodes[i].node->shards[0].image;
        all = all && image_controllers(image, &arena, &records) == CLUSTER_NODES;
        arena_release(&arena);
    }
    return all;
}

Test(cluster, each_controller_registers, .timeout = 600) {
    struct cluster_world *world = start_world(1, 1, NULL, 0);
    cluster_world_until(world, "the registration of all controllers", HEAL_MS,
                        controllers_registered);
    end_world(world, "registering", 1);
}

Test(cluster, the_same_seed_is_the_same_run, .timeout = 600) {
    uint64_t hashes[2];
    for (int i = 0; i < 2; i++) {
        struct cluster_world *world = start_world(7, 2, NULL, 0);
        cluster_world_kill(world, 1, SIM_CRASH_POWER);
        cluster_world_run(world, 3000);
        hashes[i] = sim_history_hash(world->sim);
        cr_assert_eq(world->trouble[0], '\0', "%s", world->trouble);
        cluster_world_free(world);
    }
    cr_assert_eq(hashes[0], hashes[1]);
}
