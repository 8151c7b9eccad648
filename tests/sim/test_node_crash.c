/*
 * A whole node in the simulated world: it is formatted, serves a client, is killed at each of its
 * disk operations in turn, is killed again while it recovers or serves, comes back on what its disk
 * kept, and must still have everything that it acknowledged: records at their offsets, committed
 * group offsets, the topics of its configuration.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "protocol/generated/find_coordinator_request.h"
#include "protocol/generated/find_coordinator_response.h"
#include "protocol/generated/offset_commit_request.h"
#include "protocol/generated/offset_commit_response.h"
#include "protocol/generated/offset_fetch_request.h"
#include "protocol/generated/offset_fetch_response.h"
#include "protocol/generated/produce_request.h"
#include "protocol/generated/produce_response.h"
#include "protocol/records.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_node.h"

#define BROKER_HOST "10.0.0.1"
#define CLIENT_HOST "10.0.0.2"
#define PORT        9092
#define TOPIC       "learning.requests"
#define GROUP       "triage"
#define RECORDS     8 /* produced and committed, one by one, in a life */
#define RETRY_MS    10
#define LIFE_MS     60000

/* What the client was told, over all lives of the node. */
struct ledger {
    int64_t offsets[64]; /* by number of the record; -1: not acknowledged */
    int next;            /* number of the next record */
    int64_t committed;   /* last acknowledged commit of the group */
};

struct world {
    struct sim *sim;
    struct sim_node node;
    struct machine *client_machine;
    struct sim_client client;
    struct timer retry;
    void (*again)(struct world *world);
    void (*then)(struct world *world); /* once there is a coordinator */
    struct ledger ledger;
    int goal; /* the life ends when ledger.next gets here */
    bool done;
    int64_t fetched;    /* offsets below were read back */
    int64_t found[256]; /* number of the record at each offset */
    int64_t found_committed;
    char label[64]; /* which run this is, to run it again */
};

/* ---- The client ------------------------------------------------------------------------------ */

static void on_retry(struct timer *timer) {
    struct world *world = CONTAINER_OF(timer, struct world, retry);
    world->again(world);
}

static void later(struct world *world, void (*again)(struct world *world)) {
    world->again = again;
    timer_start(&world->retry, RETRY_MS);
}

static void produce_next(struct world *world);
static void commit(struct world *world);
static void fetch_next(struct world *world);

static void committed(void *ctx, const void *answer) {
    struct world *world = ctx;
    const struct offset_commit_response *response = answer;
    if (response == NULL || response->topics[0].partitions[0].error_code != ERROR_NONE) {
        later(world, commit);
        return;
    }
    world->ledger.committed = world->ledger.next;
    world->done = world->ledger.next == world->goal;
    if (!world->done) {
        produce_next(world);
    }
}

static void commit(struct world *world) {
    struct offset_commit_request_partition partition = offset_commit_request_partition_defaults;
    partition.committed_offset = world->ledger.next;
    partition.committed_metadata = SLICE_LIT("sim");
    struct offset_commit_request_topic topic = {
        .name = SLICE_LIT(TOPIC), .partitions = &partition, .partitions_count = 1};
    struct offset_commit_request request;
    message_init(&offset_commit_request_desc, &request);
    request.group_id = SLICE_LIT(GROUP);
    request.topics = &topic;
    request.topics_count = 1;
    sim_client_call(&world->client, 8, 8, &request, committed, world);
}

static void produced(void *ctx, const void *answer) {
    struct world *world = ctx;
    const struct produce_response *response = answer;
    struct ledger *ledger = &world->ledger;
    if (response == NULL) {
        ledger->next++; /* it may be there or not, and is not sent again */
        later(world, produce_next);
        return;
    }
    const struct produce_response_partition_produce_response *partition =
        &response->responses[0].partition_responses[0];
    if (partition->error_code != ERROR_NONE) {
        later(world, produce_next);
        return;
    }
    ledger->offsets[ledger->next++] = partition->base_offset;
    commit(world);
}

static void produce_next(struct world *world) {
    char value[32];
    snprintf(value, sizeof(value), "%d", world->ledger.next);
    struct batch_builder builder;
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    batch_builder_init(&builder, &options, 4096);
    batch_builder_add(&builder, clock_wall_ms(world->client_machine), SLICE_NULL, slice_str(value),
                      NULL, 0);
    struct buffer batch;
    buffer_init(&batch, 4096);
    cr_assert(batch_builder_finish(&builder, &batch));
    struct produce_request_partition_produce_data data = {
        .records = {.data = batch.data, .len = batch.len}};
    struct produce_request_topic_produce_data topic = {
        .name = SLICE_LIT(TOPIC), .partition_data = &data, .partition_data_count = 1};
    struct produce_request request;
    message_init(&produce_request_desc, &request);
    request.acks = -1;
    request.timeout_ms = 1000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    sim_client_call(&world->client, 0, 9, &request, produced, world);
    buffer_release(&batch);
    batch_builder_release(&builder);
}

static void find_coordinator(struct world *world);

static void coordinator_found(void *ctx, const void *answer) {
    struct world *world = ctx;
    const struct find_coordinator_response *response = answer;
    if (response == NULL || response->coordinators[0].error_code != ERROR_NONE) {
        later(world, find_coordinator);
        return;
    }
    world->then(world);
}

static void find_coordinator(struct world *world) {
    struct slice key = SLICE_LIT(GROUP);
    struct find_coordinator_request request;
    message_init(&find_coordinator_request_desc, &request);
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    sim_client_call(&world->client, 10, 4, &request, coordinator_found, world);
}

/* ---- Reading back ---------------------------------------------------------------------------- */

static void read_batches(struct world *world, struct slice records) {
    while (records.len > 0) {
        struct batch batch;
        if (batch_parse(records, &batch) != BATCH_OK) {
            return; /* cut off at the byte limit */
        }
        struct slice bytes = slice_make(records.data, batch_size(&batch));
        cr_assert(batch_crc_valid(bytes));
        struct record_iterator *iterator = record_iterator_new(bytes, &batch, 4096);
        struct record record;
        int got;
        while ((got = record_iterator_next(iterator, &record)) == 1) {
            if (record.offset >= world->fetched) {
                cr_assert_eq(record.offset, world->fetched, "a hole in the log");
                int64_t number;
                cr_assert(slice_parse_i64(record.value, &number));
                world->found[world->fetched++] = number;
            }
        }
        cr_assert_eq(got, 0);
        record_iterator_free(iterator);
        records = slice_make(records.data + bytes.len, records.len - bytes.len);
    }
}

static void fetched(void *ctx, const void *answer) {
    struct world *world = ctx;
    const struct fetch_response *response = answer;
    if (response == NULL || response->error_code != ERROR_NONE ||
        response->responses[0].partitions[0].error_code != ERROR_NONE) {
        later(world, fetch_next);
        return;
    }
    const struct fetch_response_partition_data *partition = &response->responses[0].partitions[0];
    read_batches(world, slice_make(partition->records.data, partition->records.len));
    world->done = world->fetched >= partition->high_watermark;
    if (!world->done) {
        fetch_next(world);
    }
}

static void fetch_next(struct world *world) {
    struct fetch_request_partition partition = fetch_request_partition_defaults;
    partition.fetch_offset = world->fetched;
    partition.partition_max_bytes = 256;
    struct fetch_request_topic topic = {
        .topic = SLICE_LIT(TOPIC), .partitions = &partition, .partitions_count = 1};
    struct fetch_request request;
    message_init(&fetch_request_desc, &request);
    request.max_wait_ms = 0;
    request.topics = &topic;
    request.topics_count = 1;
    sim_client_call(&world->client, 1, 12, &request, fetched, world);
}

static void fetch_offsets(struct world *world);

static void offsets_fetched(void *ctx, const void *answer) {
    struct world *world = ctx;
    const struct offset_fetch_response *response = answer;
    if (response == NULL || response->error_code != ERROR_NONE) {
        later(world, fetch_offsets);
        return;
    }
    world->found_committed = response->topics[0].partitions[0].committed_offset;
    fetch_next(world);
}

static void fetch_offsets(struct world *world) {
    int32_t index = 0;
    struct offset_fetch_request_topic topic = {
        .name = SLICE_LIT(TOPIC), .partition_indexes = &index, .partition_indexes_count = 1};
    struct offset_fetch_request request;
    message_init(&offset_fetch_request_desc, &request);
    request.group_id = SLICE_LIT(GROUP);
    request.topics = &topic;
    request.topics_count = 1;
    sim_client_call(&world->client, 9, 5, &request, offsets_fetched, world);
}

/* ---- A life ---------------------------------------------------------------------------------- */

static struct world *world_new(uint64_t seed, int shard_count) {
    struct world *world = calloc(1, sizeof(*world));
    struct sim_options options = sim_node_options(seed, NULL);
    options.log_to_stderr = getenv("SIM_RUN") != NULL;
    world->sim = sim_new(&options);
    world->node.machine = sim_machine_new(world->sim, BROKER_HOST, shard_count);
    world->client_machine = sim_machine_new(world->sim, CLIENT_HOST, 1);
    for (size_t i = 0; i < ARRAY_LEN(world->ledger.offsets); i++) {
        world->ledger.offsets[i] = -1;
    }
    world->ledger.committed = -1;
    return world;
}

static void world_free(struct world *world) {
    sim_free(world->sim);
    free(world);
}

static void connect_client(void *ctx) {
    struct world *world = ctx;
    struct shard *shard = machine_shard(world->client_machine, 0);
    timer_init(&world->retry, shard, on_retry);
    sim_client_init(&world->client, shard, BROKER_HOST, PORT);
    world->again(world);
}

static void disconnect_client(void *ctx) {
    struct world *world = ctx;
    timer_stop(&world->retry);
    sim_client_stop(&world->client);
}

static void start_node(struct world *world) {
    static const char *const overrides[] = {
        "listeners=PLAINTEXT://" BROKER_HOST ":9092",
        "log.dirs=data",
        "barnabas.topics=" TOPIC ":1,progress.events:2",
        "offsets.topic.num.partitions=2",
        "offsets.topic.replication.factor=1",
    };
    sim_node_start(world->sim, &world->node,
                   (struct sim_overrides){overrides, ARRAY_LEN(overrides)},
                   (struct sim_overrides){NULL, 0});
}

/* Starts the node and lets the client do `what` until it is done or the node has crashed. */
static void live(struct world *world, void (*what)(struct world *world)) {
    const struct machine *machine = world->node.machine;
    world->done = false;
    world->again = find_coordinator;
    world->then = what;
    start_node(world);
    sim_call(world->sim, machine_shard(world->client_machine, 0), connect_client, world);
    int64_t deadline_us = sim_now_us(world->sim) + (int64_t)LIFE_MS * 1000;
    while (!world->done && !sim_crashed(machine) && sim_now_us(world->sim) < deadline_us &&
           sim_step(world->sim)) {}
    cr_assert_eq(world->node.exit_code, 0, "%s: the node does not start: exit code %d",
                 world->label, world->node.exit_code);
    cr_assert(world->done || sim_crashed(machine), "%s: the node hangs", world->label);
    sim_call(world->sim, machine_shard(world->client_machine, 0), disconnect_client, world);
    sim_run(world->sim, 1, NULL);
    sim_client_release(&world->client);
}

static void check_ledger(const struct world *world) {
    const struct ledger *ledger = &world->ledger;
    int64_t last = -1;
    for (int64_t offset = 0; offset < world->fetched; offset++) {
        cr_assert_gt(world->found[offset], last, "%s: reordered or duplicated at %d", world->label,
                     (int)offset);
        last = world->found[offset];
    }
    for (int number = 0; number < ledger->next; number++) {
        int64_t offset = ledger->offsets[number];
        if (offset >= 0) {
            cr_assert_lt(offset, world->fetched, "%s: record %d is lost", world->label, number);
            cr_assert_eq(world->found[offset], number, "%s: record %d has moved", world->label,
                         number);
        }
    }
    cr_assert_geq(world->found_committed, ledger->committed, "%s: a committed offset went back",
                  world->label);
}

/* A life that dies at its n-th disk operation, or is killed when the client is done. Whether the
 * operation was reached. */
static bool die(struct world *world, uint64_t n, enum sim_crash kind) {
    world->ledger.next++; /* the record on its way when the life before ended is not sent again */
    world->goal = world->ledger.next + RECORDS;
    sim_crash_after(world->node.machine, n, kind);
    live(world, produce_next);
    bool crashed = sim_crashed(world->node.machine);
    sim_node_crash(&world->node, kind);
    sim_node_bury(&world->node);
    return crashed;
}

/* A first life that dies at its n-th disk operation, a second that dies somewhere too, most likely
 * while it recovers, and a third that is read back and stopped. Whether the first one died. */
static bool crash_at(uint64_t seed, uint64_t n, enum sim_crash first, enum sim_crash second,
                     int shard_count) {
    struct world *world = world_new(seed, shard_count);
    world->found_committed = -1;
    snprintf(world->label, sizeof(world->label), "seed %d, operation %d", (int)seed, (int)n);
    bool crashed = die(world, n, first);
    die(world, 1 + n * 31 % 97, second);

    live(world, fetch_offsets);
    cr_assert(!sim_crashed(world->node.machine));
    check_ledger(world);
    sim_node_stop(world->sim, &world->node);
    cr_assert(sim_run(world->sim, LIFE_MS, &world->node.stopped), "the node does not stop");
    sim_node_bury(&world->node);
    world_free(world);
    return crashed;
}

static void crash_everywhere(uint64_t seed, enum sim_crash first, enum sim_crash second,
                             int shard_count, uint64_t step) {
    uint64_t n = 1;
    while (crash_at(seed, n, first, second, shard_count)) {
        n += step;
    }
    cr_log_info("%d crash points", (int)(n / step));
    cr_assert_gt(n, 100, "there were hardly any disk operations");
}

/* SIM_RUN="seed operation power power shards" runs one case with its log; power: 0 or 1, for the
 * first and the second death. */
Test(node_crash, the_run_that_was_asked_for) {
    const char *run = getenv("SIM_RUN");
    int seed, n, first, second, shards;
    if (run == NULL || sscanf(run, "%d %d %d %d %d", &seed, &n, &first, &second, &shards) != 5) {
        cr_skip_test("SIM_RUN is not set");
    }
    crash_at((uint64_t)seed, (uint64_t)n, first ? SIM_CRASH_POWER : SIM_CRASH_PROCESS,
             second ? SIM_CRASH_POWER : SIM_CRASH_PROCESS, shards);
}

/* SIM_SEEDS: how many, for longer runs. */
static uint64_t seed_count(uint64_t usual) {
    const char *seeds = getenv("SIM_SEEDS");
    return seeds != NULL ? (uint64_t)atoi(seeds) : usual;
}

Test(node_crash, a_killed_node_loses_nothing_that_it_acknowledged, .timeout = 3600) {
    for (uint64_t seed = 1; seed <= seed_count(3); seed++) {
        crash_everywhere(seed, SIM_CRASH_PROCESS, SIM_CRASH_PROCESS, 1, 1);
    }
}

Test(node_crash, a_power_cut_loses_nothing_that_was_acknowledged, .timeout = 3600) {
    for (uint64_t seed = 1; seed <= seed_count(20); seed++) {
        crash_everywhere(seed, SIM_CRASH_POWER, SIM_CRASH_POWER, 1, 1);
    }
}

Test(node_crash, nor_does_a_power_cut_while_a_killed_node_comes_back, .timeout = 3600) {
    for (uint64_t seed = 1; seed <= seed_count(20); seed++) {
        crash_everywhere(seed, SIM_CRASH_PROCESS, SIM_CRASH_POWER, 1, 1);
    }
}

Test(node_crash, nor_with_two_shards, .timeout = 3600) {
    for (uint64_t seed = 1; seed <= seed_count(3); seed++) {
        crash_everywhere(seed, SIM_CRASH_POWER, SIM_CRASH_POWER, 2, 3);
    }
}

Test(node_crash, the_same_seed_is_the_same_run) {
    uint64_t hashes[2];
    for (int i = 0; i < 2; i++) {
        struct world *world = world_new(9, 1);
        world->goal = RECORDS;
        live(world, produce_next);
        hashes[i] = sim_history_hash(world->sim);
        sim_node_crash(&world->node, SIM_CRASH_PROCESS);
        sim_node_bury(&world->node);
        world_free(world);
    }
    cr_assert_eq(hashes[0], hashes[1]);
}
