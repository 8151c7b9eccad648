#include "replica_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/api/api.h"
#include "broker/api/fetch_op.h"
#include "broker/metrics/meters.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/partition_move.h"
#include "broker/replica/replica_internal.h"
#include "broker/replica/replica_manager.h"
#include "protocol/generated/alter_partition_response.h"
#include "protocol/generated/fetch_response.h"
#include "protocol/generated/produce_request.h"
#include "protocol/generated/produce_response.h"
#include "runtime/file.h"
#include "runtime/log.h"
#include "storage/log_dir.h"

struct world world;

/* ---- The machine ----------------------------------------------------------------------------- */

int64_t clock_wall_ms(const struct machine *machine) {
    return WALL_MS + machine->now_ms;
}

int64_t shard_now_ms(const struct shard *shard) {
    return shard->machine->now_ms;
}

int64_t clock_now_ns(const struct machine *machine) {
    return world.machine.clock_ns += world.machine.clock_step_ns;
}

struct machine *shard_machine(const struct shard *shard) {
    return shard->machine;
}

int shard_index(const struct shard *shard) {
    return shard->index;
}

uint64_t random_below(struct machine *machine, uint64_t bound) {
    return ++machine->random % bound;
}

void shard_post(struct shard *shard, struct post *post, void (*fn)(struct post *post)) {
    for (struct post *p = world.machine.post_head; p != NULL; p = p->next) {
        ASSERT(p != post);
    }
    post->next = NULL;
    post->fn = fn;
    if (world.machine.post_head == NULL) {
        world.machine.post_head = post;
    } else {
        world.machine.post_tail->next = post;
    }
    world.machine.post_tail = post;
    world.machine.posts++;
}

void timer_init(struct timer *timer, struct shard *shard, void (*fn)(struct timer *timer)) {
    *timer = (struct timer){.shard = shard, .fn = fn};
}

void timer_start(struct timer *timer, int64_t delay_ms) {
    timer_stop(timer);
    timer->due_ms = world.machine.now_ms + delay_ms;
    for (size_t i = 1; i < WORLD_TIMERS_MAX; i++) {
        if (world.machine.timers[i] == NULL) {
            world.machine.timers[i] = timer;
            timer->heap_index = i;
            return;
        }
    }
    ASSERT(false);
}

void timer_stop(struct timer *timer) {
    if (timer->heap_index != 0) {
        world.machine.timers[timer->heap_index] = NULL;
        timer->heap_index = 0;
    }
}

bool timer_running(const struct timer *timer) {
    return timer->heap_index != 0;
}

void deferred_init(struct deferred *deferred, struct shard *shard,
                   void (*fn)(struct deferred *deferred)) {
    *deferred = (struct deferred){.shard = shard, .fn = fn};
    list_init(&deferred->link);
}

void deferred_schedule(struct deferred *deferred) {
    if (!list_linked(&deferred->link)) {
        list_append(&world.machine.deferred, &deferred->link);
    }
}

void deferred_cancel(struct deferred *deferred) {
    list_remove(&deferred->link);
}

void work_submit(struct shard *shard, struct work *work, void (*run)(struct work *work),
                 void (*done)(struct work *work)) {
    work->shard = shard;
    work->run = run;
    work->done = done;
    list_append(&world.machine.work, &work->link);
}

void work_give_way(void) {
}

void work_submit_computing(struct shard *shard, struct work *work, void (*run)(struct work *work),
                           void (*done)(struct work *work)) {
    work_submit(shard, work, run, done);
}

void work_submit_slow(struct shard *shard, struct work *work, void (*run)(struct work *work),
                      void (*done)(struct work *work)) {
    work_submit(shard, work, run, done);
}

void world_settle(void) {
    struct machine *machine = &world.machine;
    for (;;) {
        if (!list_empty(&machine->deferred)) {
            struct deferred *deferred = LIST_FIRST(&machine->deferred, struct deferred, link);
            list_remove(&deferred->link);
            deferred->fn(deferred);
        } else if (machine->post_head != NULL) {
            struct post *post = machine->post_head;
            machine->post_head = post->next;
            post->fn(post);
        } else if (!list_empty(&machine->work) && !machine->work_held) {
            struct work *work = LIST_FIRST(&machine->work, struct work, link);
            list_remove(&work->link);
            work->run(work);
            work->done(work);
        } else {
            return;
        }
    }
}

void world_advance(int64_t ms) {
    int64_t until = world.machine.now_ms + ms;
    for (;;) {
        struct timer *first = NULL;
        for (int i = 1; i < WORLD_TIMERS_MAX; i++) {
            struct timer *timer = world.machine.timers[i];
            if (timer != NULL && timer->due_ms <= until &&
                (first == NULL || timer->due_ms < first->due_ms)) {
                first = timer;
            }
        }
        if (first == NULL) {
            break;
        }
        world.machine.now_ms = first->due_ms;
        timer_stop(first);
        first->fn(first);
        world_settle();
    }
    world.machine.now_ms = until;
}

bool log_enabled(const struct machine *machine, enum log_level level) {
    return false;
}

void log_write(struct machine *machine, enum log_level level, const char *component,
               const char *event, const char *format, ...) {
}

struct file *file_ref(struct file *file) {
    file->refs++;
    return file;
}

void file_unref(struct file *file) {
    if (file != NULL) {
        ASSERT(file->refs > 1);
        file->refs--;
    }
}

int disk_usage(struct machine *machine, const char *path, int64_t *total, int64_t *usable) {
    *total = 1000;
    *usable = 400;
    return 0;
}

/* ---- Log dirs -------------------------------------------------------------------------------- */

int log_dir_set_aside(struct machine *machine, const char *dir, const char *name,
                      const char *suffix, char **new_path) {
    *new_path = xstrdup(name);
    return 0;
}

int log_dir_remove_tree(struct machine *machine, const char *path) {
    world.removed++;
    return 0;
}

/* ---- The rest of the broker ------------------------------------------------------------------ */

int64_t config_int(const struct config *config, enum config_id id) {
    return 1000;
}

const char *config_inter_broker_listener(const struct config *config) {
    return "INSIDE";
}

struct slice config_string(const struct config *config, enum config_id id) {
    return SLICE_NULL;
}

int64_t broker_config_int(const struct broker_config *config, enum config_id id) {
    return id == CONFIG_NUM_REPLICA_FETCHERS ? world.fetchers : 1 << 20;
}

void topic_config_effective(const struct broker_config *broker, const struct image *image,
                            struct slice topic, struct topic_config *out) {
    *out = (struct topic_config){
        .log = {.durable = world.durable,
                .cleanup_delete = !slice_equal_str(topic, "compact"),
                .cleanup_compact = slice_equal_str(topic, "compact"),
                .file_delete_delay_ms = 60000},
        .max_message_bytes = 1000,
        .min_insync_replicas = world.min_insync,
        .message_timestamp_before_max_ms = INT64_MAX,
        .message_timestamp_after_max_ms = INT64_MAX,
        .compression = COMPRESSION_PRODUCER,
        .compression_level = INT32_MIN,
    };
}

bool topic_config_throttles(const struct broker_config *broker, const struct image *image,
                            struct slice topic, int32_t partition, bool leader) {
    return world.throttled;
}

int64_t broker_config_throttled_rate(const struct broker_config *config, const struct image *image,
                                     bool leader) {
    return world.throttled_rate;
}

int64_t broker_config_moving_rate(const struct broker_config *config, const struct image *image) {
    return INT64_MAX;
}

struct image_topic *image_topic_by_name(const struct image *image, struct slice name) {
    for (int i = 0; i < WORLD_TOPICS; i++) {
        if (slice_equal(world.topics[i].name, name) && !world.deleted[i]) {
            return &world.topics[i];
        }
    }
    return NULL;
}

struct image_topic *image_topic_by_id(const struct image *image, struct uuid id) {
    for (int i = 0; i < WORLD_TOPICS; i++) {
        if (uuid_equal(world.topics[i].id, id) && !world.deleted[i]) {
            return &world.topics[i];
        }
    }
    return NULL;
}

struct image_partition *image_partition(const struct image_topic *topic, int32_t index) {
    return index >= 0 && index < topic->partition_count ? &topic->partitions[index] : NULL;
}

struct image_broker *image_broker(const struct image *image, int32_t id) {
    return id >= 1 && id <= WORLD_BROKERS ? &world.brokers[id - 1] : NULL;
}

bool topic_is_internal(struct slice name) {
    return slice_equal_str(name, "__consumer_offsets");
}

int node_listener_port(const struct node *node, const char *listener_name) {
    (void)node;
    (void)listener_name;
    return 0;
}

int node_partition_shard(const struct node *node, struct uuid topic_id, int32_t partition) {
    return partition % node->shard_count;
}

void log_manager_mark_dirty(struct node_shard *shard) {
}

void log_manager_close_failed(struct node_shard *from, int dir) {
}

const char *log_manager_dir_path(const struct log_manager *manager, int index) {
    return "/data";
}

struct uuid log_manager_dir_id(const struct log_manager *manager, int index) {
    return uuid_from_halves(9, (uint64_t)index);
}

int log_manager_dir_count(const struct log_manager *manager) {
    return 1;
}

bool log_manager_dir_online(const struct log_manager *manager, int index) {
    return true;
}

/* There is one dir: nothing moves (tests/sim/test_move_dirs.c). */
void partition_move_cut(struct partition *partition) {
}

bool partition_move_abandon(struct partition *partition) {
    return false;
}

void partition_move_dir_failed(struct partition *partition, int dir) {
}

bool partition_move_stop(struct partition *partition) {
    return false;
}

bool partition_moves(const struct partition *partition, int *dir, const struct log **copy) {
    return false;
}

void partition_moves_free(struct replica_manager *manager) {
}

static void create_now(struct log_create *create) {
    if (world.create_result != 0) {
        create->fn(create, world.create_result);
        return;
    }
    for (int i = 0; i < WORLD_TOPICS; i++) {
        if (uuid_equal(world.topics[i].id, create->topic_id)) {
            create->log = world_make_log(i, create->partition);
            create->dir = 0;
            create->fn(create, 0);
            return;
        }
    }
}

void log_manager_create_log(struct node_shard *owner, struct log_create *create) {
    if (world.create_held) {
        world.held = create;
    } else {
        create_now(create);
    }
}

void world_create_held(void) {
    struct log_create *create = world.held;
    world.held = NULL;
    create_now(create);
    world_settle();
}

/* ---- The world ------------------------------------------------------------------------------- */

static void make_topic(int index, const char *name, int32_t partitions) {
    struct image_topic *topic = &world.topics[index];
    *topic = (struct image_topic){
        .id = uuid_from_halves(1, (uint64_t)index + 1),
        .name = slice_str(name),
        .partitions = world.partitions[index],
        .partition_count = partitions,
    };
    for (int32_t i = 0; i < partitions; i++) {
        world.isrs[index][i][0] = 1;
        world.partitions[index][i] = (struct image_partition){
            .index = i,
            .replicas = world.replicas,
            .replica_count = 1,
            .isr = world.isrs[index][i],
            .isr_count = 1,
            .leader = 1,
            .leader_epoch = 5,
        };
    }
    hmap_insert(&world.image.topics_by_id, &topic->by_id, uuid_hash(topic->id));
}

void world_init(int shards, bool durable) {
    memset(&world, 0, sizeof(world));
    list_init(&world.machine.deferred);
    list_init(&world.machine.work);
    world.durable = durable;
    world.duplicate_of = -1;
    world.min_insync = 1;
    world.fetchers = 1;
    world.throttled_rate = INT64_MAX;
    for (int32_t i = 0; i < WORLD_BROKERS; i++) {
        world.replicas[i] = i + 1;
    }
    world.endpoint = (struct image_endpoint){
        .name = SLICE_LIT("PLAINTEXT"), .host = SLICE_LIT("here"), .port = 9092};
    for (int32_t i = 0; i < WORLD_BROKERS; i++) {
        world.inside[i] = (struct image_endpoint){
            .name = SLICE_LIT("INSIDE"), .host = SLICE_LIT("there"), .port = (uint16_t)(i + 1)};
        world.brokers[i] = (struct image_broker){.id = i + 1,
                                                 .epoch = 100 * (i + 1),
                                                 .endpoints = &world.inside[i],
                                                 .endpoint_count = 1};
    }
    list_init(&world.peers);
    world.brokers[0].endpoints = &world.endpoint;
    world.brokers[0].endpoint_count = 1;
    hmap_init(&world.image.topics_by_id);
    make_topic(TOPIC_A, "a", 4);
    make_topic(TOPIC_B, "b", 4);
    make_topic(TOPIC_COMPACT, "compact", 1);
    make_topic(TOPIC_INTERNAL, "__consumer_offsets", 1);
    world.node.machine = &world.machine;
    world.node.id = 1;
    world.node.shard_count = shards;
    for (int i = 0; i < shards; i++) {
        world.machine.shards[i] = (struct shard){.machine = &world.machine, .index = i};
        struct node_shard *shard = &world.node.shards[i];
        shard->node = &world.node;
        shard->shard = &world.machine.shards[i];
        shard->meters = meters_new();
        shard->index = i;
        shard->image = &world.image;
        shard->replicas = replica_manager_new(shard);
        replica_manager_set_loaded(shard->replicas);
    }
    world_settle();
}

static void count_closed(void *ctx) {
    (*(int *)ctx)++;
}

void world_free(void) {
    int closed = 0;
    for (int i = 0; i < world.node.shard_count; i++) {
        replica_manager_close(world.node.shards[i].replicas, true, count_closed, &closed);
    }
    world_settle();
    ASSERT(closed == world.node.shard_count);
    for (int i = 0; i < world.node.shard_count; i++) {
        replica_manager_free(world.node.shards[i].replicas);
        meters_free(world.node.shards[i].meters);
    }
    hmap_release(&world.image.topics_by_id);
}

struct partition *world_partition(int topic, int32_t index) {
    struct node_shard *shard =
        &world.node.shards[node_partition_shard(&world.node, world.topics[topic].id, index)];
    return replica_manager_find(shard->replicas, world.topics[topic].id, index);
}

void world_sync(int topic, int32_t index, int result) {
    struct log *log = world.logs[topic][index];
    if (result == 0) {
        log->synced = log->end;
    }
    struct list waiters;
    list_init(&waiters);
    list_splice(&waiters, &log->waiters);
    while (!list_empty(&waiters)) {
        struct log_waiter *waiter = LIST_FIRST(&waiters, struct log_waiter, link);
        list_remove(&waiter->link);
        waiter->fn(waiter, result);
    }
    world_settle();
}

static void tell_change(int topic, enum image_change_kind kind) {
    struct image_change change = {.kind = kind, .topic_id = world.topics[topic].id};
    struct image_delta delta = {.changes = &change, .count = 1};
    for (int i = 0; i < world.node.shard_count; i++) {
        replica_manager_apply(world.node.shards[i].replicas, &delta);
    }
    world_settle();
}

void world_delete_topic(int topic) {
    world.deleted[topic] = true;
    tell_change(topic, IMAGE_TOPIC_DELETED);
}

void world_throttle(int64_t rate) {
    world.throttled = rate < INT64_MAX;
    world.throttled_rate = rate;
    struct image_change change = {.kind = IMAGE_CONFIG_CHANGED,
                                  .config_type = CONFIG_RESOURCE_BROKER};
    struct image_delta delta = {.changes = &change, .count = 1};
    for (int i = 0; i < world.node.shard_count; i++) {
        replica_manager_apply(world.node.shards[i].replicas, &delta);
    }
    world_settle();
}

void world_brokers_changed(void) {
    tell_change(TOPIC_A, IMAGE_BROKERS_CHANGED);
}

void world_elect(int topic, int32_t index, int32_t leader) {
    struct image_partition *partition = &world.partitions[topic][index];
    partition->leader = leader;
    partition->leader_epoch++;
    partition->partition_epoch++;
    tell_change(topic, IMAGE_TOPIC_CREATED);
}

void world_replicate(int topic, int32_t index, int32_t leader, int isr_count) {
    struct image_partition *partition = &world.partitions[topic][index];
    partition->replica_count = WORLD_BROKERS;
    world_set_isr(topic, index, isr_count);
    world_elect(topic, index, leader);
}

void world_set_isr(int topic, int32_t index, int isr_count) {
    struct image_partition *partition = &world.partitions[topic][index];
    partition->isr_count = isr_count;
    for (int32_t i = 0; i < isr_count; i++) {
        partition->isr[i] = i + 1;
    }
    partition->partition_epoch++;
    tell_change(topic, IMAGE_TOPIC_CREATED);
}

/* ---- The controller -------------------------------------------------------------------------- */

void controller_call(struct controller_call *call) {
    ASSERT(world.asked == NULL);
    world.asked = call;
}

const struct alter_partition_request *world_isr_asked(void) {
    return world.asked == NULL ? NULL : world.asked->build(world.asked, 3);
}

void world_isr_answer(enum kafka_error error) {
    const struct alter_partition_request *request = world_isr_asked();
    struct controller_call *call = world.asked;
    const struct alter_partition_request_partition_data *asked = request->topics[0].partitions;
    int32_t isr[WORLD_BROKERS];
    for (int32_t i = 0; i < asked->new_isr_with_epochs_count; i++) {
        isr[i] = asked->new_isr_with_epochs[i].broker_id;
    }
    struct alter_partition_response_partition_data partition = {
        .partition_index = asked->partition_index,
        .error_code = (int16_t)error,
        .leader_id = 1,
        .leader_epoch = asked->leader_epoch,
        .isr = isr,
        .isr_count = asked->new_isr_with_epochs_count,
        .partition_epoch = asked->partition_epoch + 1,
    };
    struct alter_partition_response_topic_data topic = {
        .topic_id = request->topics[0].topic_id,
        .partitions = &partition,
        .partitions_count = 1,
    };
    struct alter_partition_response response = {.topics = &topic, .topics_count = 1};
    world.asked = NULL;
    call->fn(call, ERROR_NONE, 3, &response);
    world_settle();
}

void world_create_topic(int topic) {
    world.deleted[topic] = false;
    tell_change(topic, IMAGE_TOPIC_CREATED);
}

/* ---- Requests -------------------------------------------------------------------------------- */

void call_start(struct call *call, void (*handler)(struct request *request), int16_t api_key,
                int16_t version, const void *body) {
    struct frame *frame = call->request.frame;
    memset(call, 0, sizeof(*call));
    arena_init(&call->arena, SIZE_MAX);
    buffer_init(&call->bytes, (size_t)1 << 24);
    struct request *request = &call->request;
    request->home = request->at = &world.node.shards[0];
    request->api_key = api_key;
    request->version = version;
    request->connection_id = world.connection_id;
    request->client_id = SLICE_LIT("client");
    request->listener_name = "PLAINTEXT";
    request->received_ms = world.machine.now_ms;
    request->frame = frame;
    request->body = body;
    arena_init(&request->arena, SIZE_MAX);
    handler(request);
    world_settle();
}

void call_free(struct call *call) {
    ASSERT(call->done);
    arena_release(&call->arena);
    buffer_release(&call->bytes);
}

void request_move(struct request *request, struct node_shard *to,
                  void (*fn)(struct request *request)) {
    request->at = to;
    fn(request);
}

bool request_abandoned(const struct request *request) {
    return false;
}

void request_add_arena(struct request *request, struct request_arena *extra) {
    arena_init(&extra->arena, SIZE_MAX);
    extra->next = request->arenas;
    request->arenas = extra;
}

static void request_release(struct request *request) {
    for (struct request_arena *extra = request->arenas; extra != NULL; extra = extra->next) {
        arena_release(&extra->arena);
    }
    arena_release(&request->arena);
}

static struct call *call_end(struct request *request) {
    struct call *call = CONTAINER_OF(request, struct call, request);
    ASSERT(!call->done);
    call->done = true;
    return call;
}

struct insertion {
    struct call *call;
    struct buffer encoded;
    size_t taken;
};

/* The logs' files are told apart by their address. */
static void insert_range(void *ctx, size_t at, const void *external, size_t len) {
    struct insertion *insertion = ctx;
    const struct response_records *records = external;
    struct log *log = CONTAINER_OF(records->file, struct log, file);
    buffer_append(&insertion->call->bytes, insertion->encoded.data + insertion->taken,
                  at - insertion->taken);
    buffer_append(&insertion->call->bytes, log->bytes.data + records->pos, len);
    insertion->taken = at;
    file_unref(records->file);
}

void request_respond(struct request *request, const void *response) {
    struct call *call = call_end(request);
    const struct message_desc *desc = api_by_key(request->api_key)->response;
    struct insertion insertion = {.call = call};
    buffer_init(&insertion.encoded, (size_t)1 << 24);
    struct message_external external = {.fn = insert_range, .ctx = &insertion};
    enum message_error encoded =
        message_encode(desc, request->version, response, &insertion.encoded, &external);
    ASSERT(encoded == MESSAGE_OK);
    buffer_append(&call->bytes, insertion.encoded.data + insertion.taken,
                  insertion.encoded.len - insertion.taken);
    buffer_release(&insertion.encoded);
    call->response = arena_alloc(&call->arena, message_size(desc));
    message_init(desc, call->response);
    enum message_error decoded = message_decode(desc, request->version, buffer_slice(&call->bytes),
                                                &call->arena, call->response, NULL);
    ASSERT(decoded == MESSAGE_OK);
    request_release(request);
}

/* Only Fetch has an error at the top among the APIs tested here. */
void request_respond_error(struct request *request, enum kafka_error error) {
    struct fetch_response response;
    ASSERT(request->api_key == 1);
    message_init(&fetch_response_desc, &response);
    response.error_code = (int16_t)error;
    request_respond(request, &response);
}

void request_respond_nothing(struct request *request) {
    call_end(request)->nothing = true;
    request_release(request);
}

void request_respond_close(struct request *request, const char *reason) {
    call_end(request)->closed = true;
    request_release(request);
}

/* ---- Produce --------------------------------------------------------------------------------- */

struct batch_options world_batch_options(void) {
    return BATCH_OPTIONS_DEFAULT;
}

void world_batch(struct buffer *out, const struct batch_options *options, const char *key,
                 const char *value) {
    struct batch_builder builder;
    batch_builder_init(&builder, options, 1 << 20);
    batch_builder_add(&builder, WALL_MS, slice_str(key), slice_str(value), NULL, 0);
    bool built = batch_builder_finish(&builder, out);
    ASSERT(built);
    batch_builder_release(&builder);
}

void produce_start(struct produce_call *produce, int16_t version, int16_t acks, int topic,
                   int32_t index, struct slice records) {
    produce->frame = frame_new(records.len + 1);
    memcpy(produce->frame->data, records.data, records.len);
    struct produce_request_partition_produce_data *partition =
        NEW(struct produce_request_partition_produce_data);
    partition->index = index;
    partition->records = (struct message_records){.data = produce->frame->data, .len = records.len};
    struct produce_request_topic_produce_data *data =
        NEW(struct produce_request_topic_produce_data);
    data->name = world.topics[topic].name;
    data->topic_id = world.topics[topic].id;
    data->partition_data = partition;
    data->partition_data_count = 1;
    struct produce_request *body = NEW(struct produce_request);
    body->acks = acks;
    body->timeout_ms = 1000;
    body->topic_data = data;
    body->topic_data_count = 1;
    produce->body = body;
    produce->topic = data;
    produce->partition = partition;
    produce->call.request.frame = produce->frame;
    call_start(&produce->call, api_produce, 0, version, body);
}

static const struct produce_response_partition_produce_response *
produce_result(const struct produce_call *produce) {
    ASSERT(produce->call.done);
    const struct produce_response *response = produce->call.response;
    return &response->responses[0].partition_responses[0];
}

int16_t produce_error(const struct produce_call *produce) {
    return produce_result(produce)->error_code;
}

int64_t produce_offset(const struct produce_call *produce) {
    return produce_result(produce)->base_offset;
}

void produce_free(struct produce_call *produce) {
    call_free(&produce->call);
    frame_unref(produce->frame);
    free(produce->body);
    free(produce->topic);
    free(produce->partition);
}

void world_put(int topic, int32_t index, const char *value) {
    struct produce_call produce;
    struct buffer batch;
    struct batch_options options = world_batch_options();
    buffer_init(&batch, 1 << 20);
    world_batch(&batch, &options, NULL, value);
    produce_start(&produce, 9, 1, topic, index, buffer_slice(&batch));
    ASSERT(produce_error(&produce) == ERROR_NONE);
    produce_free(&produce);
    buffer_release(&batch);
    world_sync(topic, index, 0);
}

/* Stands in for storage/log_dir.c, which needs files: any name but the empty one is good here. */
bool topic_name_valid(struct slice name) {
    return name.len > 0;
}

/* The metadata log is not part of this world. */
void fetch_metadata(struct request *request) {
    (void)request;
    UNREACHABLE();
}
