#include "tests/sim/cluster_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "protocol/errors.h"
#include "protocol/generated/fetch_request.h"
#include "protocol/generated/fetch_response.h"
#include "protocol/generated/init_producer_id_request.h"
#include "protocol/generated/init_producer_id_response.h"
#include "protocol/generated/metadata_request.h"
#include "protocol/generated/metadata_response.h"
#include "protocol/generated/produce_request.h"
#include "protocol/generated/produce_response.h"
#include "protocol/records.h"
#include "tests/sim/cluster_world.h"
#include "tests/sim/sim_client.h"

#define RECORDS_MAX 4096
#define RETRY_MS    10
#define ANSWER_MS   2000 /* then the connection is given up */
#define PAUSE_MS    5    /* between records, and between looks of an idle consumer */
#define LOOK_MS     100  /* between looks of the watcher */
#define BATCH_MAX   4096
#define FETCH_MAX   (64 << 10)
#define UNKNOWN     (-1)
#define NOT_SENT    (-2)

enum role { PRODUCER, CONSUMER, WATCHER };

/* One client with a connection to each node, and one request at a time. */
struct lane {
    struct cluster_client *owner;
    enum role role;
    int partition;
    struct sim_client nodes[CLUSTER_NODES];
    int target;
    bool waiting;
    struct timer timer; /* the next step, or the end of patience */
    bool knows_leader;
    int leader;
    int32_t leader_epoch; /* the latest that was heard of: a node that was cut off may tell an old
                             one (KIP-320) */
    int64_t producer_id;  /* -1: not yet */
    int64_t next;         /* number of the record under way, or offset to fetch */
    bool resting;         /* paused, with nothing on its way */
    int64_t values[RECORDS_MAX]; /* producer: offset by number; consumer: number by offset */
};

struct cluster_client {
    struct cluster_world *world;
    bool started;
    bool paused;
    bool in_sync;
    struct lane producers[CLUSTER_PARTITIONS];
    struct lane consumers[CLUSTER_PARTITIONS];
    struct lane watcher;
};

static void step(struct lane *lane);

/* ---- One request ----------------------------------------------------------------------------- */

static void later(struct lane *lane, int64_t ms) {
    lane->waiting = false;
    timer_start(&lane->timer, ms);
}

/* No answer, or one that says to look elsewhere. */
static void look_elsewhere(struct lane *lane) {
    lane->knows_leader = false;
    lane->target = (lane->target + 1) % CLUSTER_NODES;
    later(lane, RETRY_MS);
}

static void on_timer(struct timer *timer) {
    struct lane *lane = CONTAINER_OF(timer, struct lane, timer);
    if (!lane->waiting) {
        step(lane);
        return;
    }
    struct sim_client *node = &lane->nodes[lane->target];
    bool sent = node->sent;
    node->waiting = false;
    if (sent && node->conn != NULL) {
        conn_close(node->conn, "no answer");
    }
    look_elsewhere(lane);
}

static void ask(struct lane *lane, int16_t key, int16_t version, const void *request,
                void (*answered)(void *ctx, const void *response)) {
    lane->waiting = true;
    timer_start(&lane->timer, ANSWER_MS);
    sim_client_call(&lane->nodes[lane->target], key, version, request, answered, lane);
}

/* Errors that a client tries again after; others are trouble. */
static bool may_pass(struct lane *lane, int16_t error, const char *what) {
    if (error == ERROR_KAFKA_STORAGE_ERROR && lane->owner->world->disks_fail) {
        return true;
    }
    switch (error) {
    case ERROR_NOT_LEADER_OR_FOLLOWER:
    case ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case ERROR_REQUEST_TIMED_OUT:
    case ERROR_NOT_ENOUGH_REPLICAS:
    case ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case ERROR_LEADER_NOT_AVAILABLE:
    case ERROR_NETWORK_EXCEPTION:
    case ERROR_FENCED_LEADER_EPOCH:
    case ERROR_UNKNOWN_LEADER_EPOCH:
    case ERROR_OFFSET_NOT_AVAILABLE:
    case ERROR_COORDINATOR_NOT_AVAILABLE:
    case ERROR_COORDINATOR_LOAD_IN_PROGRESS:
    case ERROR_BROKER_NOT_AVAILABLE:
    case ERROR_NOT_CONTROLLER:
        return true;
    default:
        cluster_trouble(lane->owner->world, "%s of partition %d, record %" PRId64 ": %s", what,
                        lane->partition, lane->next, error_name(error));
        return false;
    }
}

/* ---- Who leads ------------------------------------------------------------------------------- */

static const struct metadata_response_topic *topic_of(const struct metadata_response *response) {
    return response != NULL && response->topics_count == 1 &&
                   response->topics[0].error_code == ERROR_NONE
               ? &response->topics[0]
               : NULL;
}

static void ask_metadata(struct lane *lane, void (*answered)(void *ctx, const void *response)) {
    struct metadata_request_topic topic = {.name = SLICE_LIT(CLUSTER_TOPIC)};
    struct metadata_request request;
    message_init(&metadata_request_desc, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    ask(lane, 3, 9, &request, answered);
}

static void leader_told(void *ctx, const void *answer) {
    struct lane *lane = ctx;
    const struct metadata_response_topic *topic = topic_of(answer);
    for (int32_t i = 0; topic != NULL && i < topic->partitions_count; i++) {
        const struct metadata_response_partition *partition = &topic->partitions[i];
        if (partition->partition_index == lane->partition && partition->leader_id >= 1 &&
            partition->leader_id <= CLUSTER_NODES &&
            partition->leader_epoch >= lane->leader_epoch) {
            lane->leader_epoch = partition->leader_epoch;
            lane->knows_leader = true;
            lane->leader = partition->leader_id - 1;
            lane->target = lane->leader;
            later(lane, 0);
            return;
        }
    }
    look_elsewhere(lane);
}

static void watched(void *ctx, const void *answer) {
    struct lane *lane = ctx;
    const struct metadata_response_topic *topic = topic_of(answer);
    bool in_sync = topic != NULL && topic->partitions_count == CLUSTER_PARTITIONS;
    for (int32_t i = 0; topic != NULL && i < topic->partitions_count; i++) {
        in_sync = in_sync && topic->partitions[i].isr_nodes_count == CLUSTER_NODES;
    }
    lane->owner->in_sync = in_sync;
    lane->target = (lane->target + 1) % CLUSTER_NODES;
    later(lane, LOOK_MS);
}

/* ---- Producing ------------------------------------------------------------------------------- */

static void id_told(void *ctx, const void *answer) {
    struct lane *lane = ctx;
    const struct init_producer_id_response *response = answer;
    if (response == NULL || response->error_code != ERROR_NONE) {
        if (response != NULL) {
            may_pass(lane, response->error_code, "InitProducerId");
        }
        look_elsewhere(lane);
        return;
    }
    lane->producer_id = response->producer_id;
    later(lane, 0);
}

static void acknowledged(struct lane *lane, int64_t offset) {
    lane->values[lane->next++] = offset;
    lane->values[lane->next] = NOT_SENT;
    later(lane, PAUSE_MS);
}

static void produced(void *ctx, const void *answer) {
    struct lane *lane = ctx;
    const struct produce_response *response = answer;
    if (response == NULL) {
        look_elsewhere(lane);
        return;
    }
    const struct produce_response_partition_produce_response *partition =
        &response->responses[0].partition_responses[0];
    if (partition->error_code == ERROR_NONE) {
        acknowledged(lane, partition->base_offset);
    } else if (partition->error_code == ERROR_DUPLICATE_SEQUENCE_NUMBER) {
        acknowledged(lane, UNKNOWN);
    } else {
        may_pass(lane, partition->error_code, "Produce");
        look_elsewhere(lane);
    }
}

static void produce(struct lane *lane) {
    char value[32];
    snprintf(value, sizeof(value), "%" PRId64, lane->next);
    struct batch_options options = BATCH_OPTIONS_DEFAULT;
    options.producer_id = lane->producer_id;
    options.producer_epoch = 0;
    options.base_sequence = (int32_t)lane->next;
    struct batch_builder builder;
    batch_builder_init(&builder, &options, BATCH_MAX);
    batch_builder_add(&builder, clock_wall_ms(lane->owner->world->client_machine), SLICE_NULL,
                      slice_str(value), NULL, 0);
    struct buffer batch;
    buffer_init(&batch, BATCH_MAX);
    bool ok = batch_builder_finish(&builder, &batch);
    ASSERT(ok);
    struct produce_request_partition_produce_data data = {
        .index = lane->partition, .records = {.data = batch.data, .len = batch.len}};
    struct produce_request_topic_produce_data topic = {
        .name = SLICE_LIT(CLUSTER_TOPIC), .partition_data = &data, .partition_data_count = 1};
    struct produce_request request;
    message_init(&produce_request_desc, &request);
    request.acks = -1;
    request.timeout_ms = ANSWER_MS / 2;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    lane->values[lane->next] = UNKNOWN; /* from here on it may be in the log */
    ask(lane, 0, 9, &request, produced);
    buffer_release(&batch);
    batch_builder_release(&builder);
}

static void produce_step(struct lane *lane) {
    bool between = lane->values[lane->next] == NOT_SENT;
    lane->resting = between && (lane->owner->paused || lane->next == RECORDS_MAX - 1);
    if (lane->resting) {
        later(lane, PAUSE_MS);
    } else if (lane->producer_id < 0) {
        struct init_producer_id_request request;
        message_init(&init_producer_id_request_desc, &request);
        request.transactional_id = SLICE_NULL;
        ask(lane, 22, 4, &request, id_told);
    } else if (!lane->knows_leader) {
        ask_metadata(lane, leader_told);
    } else {
        produce(lane);
    }
}

/* ---- Consuming ------------------------------------------------------------------------------- */

static void take_records(struct lane *lane, struct slice bytes) {
    struct batch batch;
    while (bytes.len > 0 && batch_parse(bytes, &batch) == BATCH_OK) {
        struct slice whole = slice_make(bytes.data, batch_size(&batch));
        struct record_iterator *iterator = record_iterator_new(whole, &batch, BATCH_MAX);
        struct record record;
        while (record_iterator_next(iterator, &record) == 1 && lane->next < RECORDS_MAX) {
            if (record.offset < lane->next) {
                continue;
            }
            if (record.offset > lane->next ||
                !slice_parse_i64(record.value, &lane->values[lane->next])) {
                cluster_trouble(lane->owner->world,
                                "a consumer of partition %d got offset %" PRId64
                                " instead of %" PRId64,
                                lane->partition, record.offset, lane->next);
            }
            lane->next++;
        }
        record_iterator_free(iterator);
        bytes = slice_make(bytes.data + whole.len, bytes.len - whole.len);
    }
}

static void fetched(void *ctx, const void *answer) {
    struct lane *lane = ctx;
    const struct fetch_response *response = answer;
    if (response == NULL || response->error_code != ERROR_NONE || response->responses_count == 0) {
        look_elsewhere(lane);
        return;
    }
    const struct fetch_response_partition_data *partition = &response->responses[0].partitions[0];
    if (partition->error_code != ERROR_NONE) {
        may_pass(lane, partition->error_code, "Fetch");
        look_elsewhere(lane);
        return;
    }
    int64_t before = lane->next;
    take_records(lane, slice_make(partition->records.data, partition->records.len));
    later(lane, lane->next > before ? 0 : PAUSE_MS);
}

static void consume_step(struct lane *lane) {
    if (!lane->knows_leader) {
        ask_metadata(lane, leader_told);
        return;
    }
    struct fetch_request_partition partition = fetch_request_partition_defaults;
    partition.partition = lane->partition;
    partition.fetch_offset = lane->next;
    partition.partition_max_bytes = FETCH_MAX;
    struct fetch_request_topic topic = {
        .topic = SLICE_LIT(CLUSTER_TOPIC), .partitions = &partition, .partitions_count = 1};
    struct fetch_request request;
    message_init(&fetch_request_desc, &request);
    request.max_wait_ms = 100;
    request.min_bytes = 1;
    request.topics = &topic;
    request.topics_count = 1;
    ask(lane, 1, 12, &request, fetched);
}

/* ---- All lanes ------------------------------------------------------------------------------- */

static void step(struct lane *lane) {
    if (lane->role == PRODUCER) {
        produce_step(lane);
    } else if (lane->role == CONSUMER) {
        consume_step(lane);
    } else {
        ask_metadata(lane, watched);
    }
}

static void lane_start(struct lane *lane, struct cluster_client *owner, enum role role,
                       int partition) {
    struct shard *shard = machine_shard(owner->world->client_machine, 0);
    lane->owner = owner;
    lane->role = role;
    lane->partition = partition;
    lane->target = partition % CLUSTER_NODES;
    lane->leader = -1;
    lane->producer_id = -1;
    lane->values[0] = NOT_SENT;
    timer_init(&lane->timer, shard, on_timer);
    for (int i = 0; i < CLUSTER_NODES; i++) {
        sim_client_init(&lane->nodes[i], shard, cluster_host(i), CLUSTER_PORT);
        lane->nodes[i].impatient = true;
    }
    step(lane);
}

static void start(void *ctx) {
    struct cluster_client *client = ctx;
    for (int i = 0; i < CLUSTER_PARTITIONS; i++) {
        lane_start(&client->producers[i], client, PRODUCER, i);
        lane_start(&client->consumers[i], client, CONSUMER, i);
    }
    lane_start(&client->watcher, client, WATCHER, 0);
}

struct cluster_client *cluster_client_new(struct cluster_world *world) {
    struct cluster_client *client = NEW(struct cluster_client);
    client->world = world;
    return client;
}

void cluster_client_start(struct cluster_client *client) {
    client->started = true;
    sim_call(client->world->sim, machine_shard(client->world->client_machine, 0), start, client);
    sim_run(client->world->sim, 0, NULL);
}

static void lane_stop(struct lane *lane) {
    timer_stop(&lane->timer);
    for (int i = 0; i < CLUSTER_NODES; i++) {
        sim_client_stop(&lane->nodes[i]);
    }
}

static void lane_release(struct lane *lane) {
    for (int i = 0; i < CLUSTER_NODES; i++) {
        sim_client_release(&lane->nodes[i]);
    }
}

static void stop(void *ctx) {
    struct cluster_client *client = ctx;
    for (int i = 0; i < CLUSTER_PARTITIONS; i++) {
        lane_stop(&client->producers[i]);
        lane_stop(&client->consumers[i]);
    }
    lane_stop(&client->watcher);
}

void cluster_client_free(struct cluster_client *client) {
    if (client->started) {
        sim_call(client->world->sim, machine_shard(client->world->client_machine, 0), stop, client);
        sim_run(client->world->sim, 1, NULL);
        for (int i = 0; i < CLUSTER_PARTITIONS; i++) {
            lane_release(&client->producers[i]);
            lane_release(&client->consumers[i]);
        }
        lane_release(&client->watcher);
    }
    free(client);
}

void cluster_client_pause(struct cluster_client *client, bool paused) {
    client->paused = paused;
    client->in_sync = false; /* asked anew */
}

bool cluster_client_idle(const struct cluster_client *client) {
    for (int i = 0; i < CLUSTER_PARTITIONS; i++) {
        if (!client->producers[i].resting ||
            client->consumers[i].next < client->producers[i].next) {
            return false;
        }
    }
    return true;
}

int64_t cluster_client_acknowledged(const struct cluster_client *client) {
    int64_t sum = 0;
    for (int i = 0; i < CLUSTER_PARTITIONS; i++) {
        sum += client->producers[i].next;
    }
    return sum;
}

bool cluster_client_in_sync(const struct cluster_client *client) {
    return client->in_sync;
}

void cluster_client_check_copy(struct cluster_client *client, int node, int partition,
                               const int64_t *numbers, int64_t end) {
    const struct lane *producer = &client->producers[partition];
    int64_t at = 0;
    for (int64_t number = 0; number < producer->next; number++) {
        int64_t offset = producer->values[number];
        if (offset == UNKNOWN) { /* the answer to a repetition did not say it */
            while (at < end && numbers[at] < number) {
                at++;
            }
            offset = at;
        }
        if (offset >= end || numbers[offset] != number) {
            cluster_trouble(client->world,
                            "node %d: record %" PRId64 " of partition %d, acknowledged at offset "
                            "%" PRId64 " of %" PRId64 ", is lost",
                            node + 1, number, partition, offset, end);
        }
    }
    const struct lane *consumer = &client->consumers[partition];
    for (int64_t offset = 0; offset < consumer->next; offset++) {
        if (offset >= end || numbers[offset] != consumer->values[offset]) {
            cluster_trouble(client->world,
                            "node %d: offset %" PRId64 " of partition %d was read as record "
                            "%" PRId64 " and is another now",
                            node + 1, offset, partition, consumer->values[offset]);
        }
    }
}
