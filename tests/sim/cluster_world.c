#include "tests/sim/cluster_world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/uuid.h"
#include "broker/metadata/features.h"
#include "protocol/records.h"
#include "tests/sim/cluster_client.h"
#include "tools/format_checkpoint.h"

#define CONTROLLER_PORT 9093
#define CLUSTER_ID      "c2ltdWxhdGVkLWNsdXN0ZQ"
#define CLIENT_HOST     "10.0.0.9"
#define STOP_MS         60000
#define STEP_MS         5

/* ---- Trouble --------------------------------------------------------------------------------- */

void cluster_trouble(struct cluster_world *world, const char *format, ...) {
    if (world->trouble[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    int len = snprintf(world->trouble, sizeof(world->trouble),
                       "at %" PRId64 " ms: ", sim_now_us(world->sim) / 1000);
    vsnprintf(world->trouble + len, sizeof(world->trouble) - (size_t)len, format, args);
    va_end(args);
}

void cluster_tell(struct cluster_world *world, const char *format, ...) {
    if (!world->tell) {
        return;
    }
    va_list args;
    va_start(args, format);
    fprintf(stderr, "==== %" PRId64 " ms: ", sim_now_us(world->sim) / 1000);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

uint64_t cluster_random(struct cluster_world *world, uint64_t bound) {
    uint64_t z = world->random += 0x9e3779b97f4a7c15; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % bound;
}

/* ---- Making it ------------------------------------------------------------------------------- */

const char *cluster_host(int node) {
    static const char *const hosts[CLUSTER_NODES] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};
    return hosts[node];
}

static struct uuid directory_id(int node) {
    return uuid_from_halves(0x1122334455667788, 0x99aabbcc00 + (uint64_t)node);
}

static void write_file(struct machine *machine, const char *path, struct slice content) {
    int result = sim_disk_write(machine, path, content);
    ASSERT(result == 0);
}

/* As `barnabasctl format --initial-controllers` leaves the directory. */
static void format_disk(struct cluster_world *world, int node) {
    struct machine *machine = world->nodes[node].machine;
    struct format_voter voters[CLUSTER_NODES];
    for (int i = 0; i < CLUSTER_NODES; i++) {
        voters[i] = (struct format_voter){
            .id = i + 1,
            .directory_id = directory_id(i),
            .listener = SLICE_LIT("CONTROLLER"),
            .host = slice_str(cluster_host(i)),
            .port = CONTROLLER_PORT,
        };
    }
    struct format_feature feature = {FEATURE_METADATA_VERSION, METADATA_VERSION_LATEST};
    struct buffer bytes;
    buffer_init(&bytes, 1 << 20);
    int result = sim_disk_mkdir(machine, "data");
    ASSERT(result == 0);
    result = sim_disk_mkdir(machine, "data/__cluster_metadata-0");
    ASSERT(result == 0);
    checkpoint_of_features(&feature, 1, 1700000000000, &bytes);
    write_file(machine, "data/bootstrap.checkpoint", buffer_slice(&bytes));
    buffer_reset(&bytes);
    checkpoint_of_voters(voters, CLUSTER_NODES, 1700000000000, &bytes);
    write_file(machine, "data/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint",
               buffer_slice(&bytes));
    buffer_reset(&bytes);
    char text[UUID_TEXT_LEN + 1];
    buffer_printf(&bytes, "cluster.id=" CLUSTER_ID "\ndirectory.id=%s\nnode.id=%d\nversion=1\n",
                  uuid_format(directory_id(node), text), node + 1);
    write_file(machine, "data/meta.properties", buffer_slice(&bytes));
    buffer_release(&bytes);
}

struct cluster_world *cluster_world_new(uint64_t seed, int shard_count,
                                        const char *const *overrides, int override_count) {
    struct cluster_world *world = NEW(struct cluster_world);
    struct sim_options options = sim_node_options(seed, &world->log);
    options.net_delay_max_us = 500;
    options.sync_delay_max_us = 3000;
    world->sim = sim_new(&options);
    world->random = seed * 0x2545f4914f6cdd1d;
    world->overrides = (struct sim_overrides){overrides, override_count};
    world->tell = getenv("SIM_LOG") != NULL || getenv("SIM_SEED") != NULL;
    for (int i = 0; i < CLUSTER_NODES; i++) {
        world->nodes[i].machine = sim_machine_new(world->sim, cluster_host(i), shard_count);
        format_disk(world, i);
    }
    world->client_machine = sim_machine_new(world->sim, CLIENT_HOST, 1);
    world->client = cluster_client_new(world);
    return world;
}

void cluster_world_free(struct cluster_world *world) {
    cluster_client_free(world->client);
    for (int i = 0; i < CLUSTER_NODES; i++) {
        if (world->nodes[i].node != NULL) {
            cluster_world_kill(world, i, SIM_CRASH_PROCESS);
        }
    }
    sim_free(world->sim);
    free(world);
}

/* ---- Processes ------------------------------------------------------------------------------- */

bool cluster_world_up(const struct cluster_world *world, int node) {
    return world->nodes[node].node != NULL;
}

void cluster_world_start(struct cluster_world *world, int index) {
    char id[32], listeners[128];
    snprintf(id, sizeof(id), "node.id=%d", index + 1);
    snprintf(listeners, sizeof(listeners), "listeners=PLAINTEXT://%s:%d,CONTROLLER://%s:%d",
             cluster_host(index), CLUSTER_PORT, cluster_host(index), CONTROLLER_PORT);
    const char *const all[] = {
        id,
        listeners,
        "process.roles=broker,controller",
        "controller.listener.names=CONTROLLER",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.bootstrap.servers=10.0.0.1:9093,10.0.0.2:9093,10.0.0.3:9093",
        "log.dirs=data",
        "default.replication.factor=3",
        "min.insync.replicas=2",
        "offsets.topic.num.partitions=2",
        "barnabas.topics=" CLUSTER_TOPIC ":2:3",
    };
    cluster_tell(world, "node %d starts", index + 1);
    sim_node_start(world->sim, &world->nodes[index], (struct sim_overrides){all, ARRAY_LEN(all)},
                   world->overrides);
}

void cluster_world_kill(struct cluster_world *world, int index, enum sim_crash kind) {
    struct sim_node *node = &world->nodes[index];
    ASSERT(node->node != NULL);
    cluster_tell(world, "node %d %s", index + 1,
                 kind == SIM_CRASH_POWER ? "loses power" : "is killed");
    sim_node_crash(node, kind);
    sim_node_bury(node);
}

static bool has_started(struct cluster_world *world) {
    return world->nodes[world->stopping].started;
}

static bool has_stopped(struct cluster_world *world) {
    return world->nodes[world->stopping].stopped;
}

void cluster_world_stop(struct cluster_world *world, int index) {
    struct sim_node *node = &world->nodes[index];
    world->stopping = index;
    /* As broker/main.c has it: a stop waits for the start. */
    if (!cluster_world_until(world, "the start of a node that is to stop", STOP_MS, has_started)) {
        return;
    }
    cluster_tell(world, "node %d stops", index + 1);
    sim_node_stop(world->sim, node);
    if (cluster_world_until(world, "the stop of a node", STOP_MS, has_stopped)) {
        cluster_tell(world, "node %d has stopped", index + 1);
        sim_node_bury(node);
    }
}

/* ---- Network and time ------------------------------------------------------------------------ */

void cluster_world_cut(struct cluster_world *world, int a, int b, bool cut) {
    if (a != b && world->cut[a][b] != cut) {
        cluster_tell(world, "nodes %d and %d are %s", a + 1, b + 1, cut ? "cut apart" : "joined");
        world->cut[a][b] = cut;
        world->cut[b][a] = cut;
        sim_partition(world->nodes[a].machine, world->nodes[b].machine, cut);
    }
}

bool cluster_world_run(struct cluster_world *world, int64_t ms) {
    sim_run(world->sim, ms, NULL);
    for (int i = 0; i < CLUSTER_NODES; i++) {
        const struct sim_node *node = &world->nodes[i];
        if (node->node != NULL && node->started && node->exit_code != 0) {
            cluster_trouble(world, "node %d does not start: exit code %d; %s", i + 1,
                            node->exit_code, world->log.last_error);
        }
        if (node->node != NULL && machine_exit_code(node->machine) != 0) {
            cluster_trouble(world, "node %d has ended by itself with %d: %s", i + 1,
                            machine_exit_code(node->machine), world->log.last_error);
        }
    }
    return world->trouble[0] == '\0';
}

bool cluster_world_until(struct cluster_world *world, const char *what, int64_t ms,
                         bool (*done)(struct cluster_world *world)) {
    int64_t deadline_us = sim_now_us(world->sim) + ms * 1000;
    while (!done(world)) {
        if (sim_now_us(world->sim) > deadline_us) {
            cluster_trouble(world, "%s did not come within %" PRId64 " s", what, ms / 1000);
        }
        if (!cluster_world_run(world, STEP_MS)) {
            return false;
        }
    }
    return true;
}

void cluster_world_heal(struct cluster_world *world) {
    for (int a = 0; a < CLUSTER_NODES; a++) {
        for (int b = 0; b < a; b++) {
            cluster_world_cut(world, a, b, false);
        }
    }
    for (int i = 0; i < CLUSTER_NODES; i++) {
        if (!cluster_world_up(world, i)) {
            cluster_world_start(world, i);
        }
    }
}

/* ---- The disks ------------------------------------------------------------------------------- */

#define RECORDS_MAX 4096

/* A partition as a disk has it: the number of the record at each offset. */
struct copy {
    int64_t numbers[RECORDS_MAX];
    int64_t end;
    bool torn;
};

static void take_batch(struct copy *copy, struct slice bytes, const struct batch *batch) {
    struct record_iterator *iterator = record_iterator_new(bytes, batch, 4096);
    struct record record;
    while (record_iterator_next(iterator, &record) == 1) {
        int64_t number;
        if (record.offset != copy->end || copy->end == RECORDS_MAX ||
            !slice_parse_i64(record.value, &number)) {
            copy->torn = true;
            break;
        }
        copy->numbers[copy->end++] = number;
    }
    record_iterator_free(iterator);
}

static void read_copy(struct cluster_world *world, int node, int partition, struct copy *copy) {
    char path[128];
    snprintf(path, sizeof(path), "data/" CLUSTER_TOPIC "-%d/00000000000000000000.log", partition);
    copy->end = 0;
    copy->torn = false;
    struct slice bytes;
    if (sim_disk_read(world->nodes[node].machine, path, &bytes) != 0) {
        snprintf(path, sizeof(path),
                 CLUSTER_SECOND_DIR "/" CLUSTER_TOPIC "-%d/00000000000000000000.log", partition);
        if (sim_disk_read(world->nodes[node].machine, path, &bytes) != 0) {
            return;
        }
    }
    struct batch batch;
    while (bytes.len > 0 && !copy->torn && batch_parse(bytes, &batch) == BATCH_OK &&
           batch_size(&batch) <= bytes.len) {
        struct slice whole = slice_make(bytes.data, batch_size(&batch));
        copy->torn = !batch_crc_valid(whole);
        if (!copy->torn) {
            take_batch(copy, whole, &batch);
        }
        bytes = slice_make(bytes.data + whole.len, bytes.len - whole.len);
    }
}

static void audit_copy(struct cluster_world *world, int node, int partition,
                       const struct copy *copy) {
    if (copy->torn) {
        cluster_trouble(world, "node %d: partition %d has no record %" PRId64, node + 1, partition,
                        copy->end);
    }
    int64_t last = -1;
    for (int64_t offset = 0; offset < copy->end; offset++) {
        if (copy->numbers[offset] <= last) {
            cluster_trouble(world,
                            "node %d: partition %d has %" PRId64 " at offset %" PRId64
                            " after %" PRId64 ": %s",
                            node + 1, partition, copy->numbers[offset], offset, last,
                            copy->numbers[offset] == last ? "duplicated" : "reordered");
        }
        last = copy->numbers[offset];
    }
    cluster_client_check_copy(world->client, node, partition, copy->numbers, copy->end);
}

bool cluster_world_audit(struct cluster_world *world) {
    struct copy *copies = xcalloc(2, sizeof(*copies));
    for (int partition = 0; partition < CLUSTER_PARTITIONS; partition++) {
        for (int node = 0; node < CLUSTER_NODES; node++) {
            struct copy *copy = &copies[node == 0 ? 0 : 1];
            read_copy(world, node, partition, copy);
            audit_copy(world, node, partition, copy);
            if (copies[0].end != copy->end ||
                memcmp(copies[0].numbers, copy->numbers,
                       (size_t)copy->end * sizeof(copy->numbers[0])) != 0) {
                cluster_trouble(world,
                                "partition %d has %" PRId64 " records on node 1 and %" PRId64
                                " on node %d, or others",
                                partition, copies[0].end, copy->end, node + 1);
            }
        }
    }
    free(copies);
    return world->trouble[0] == '\0';
}
