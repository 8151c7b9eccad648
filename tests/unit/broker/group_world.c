#include "group_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/api/api.h"
#include "broker/config/config.h"
#include "broker/controller/controller.h"
#include "broker/replica/partition.h"
#include "protocol/generated/delete_groups_request.h"
#include "protocol/generated/delete_groups_response.h"
#include "protocol/generated/heartbeat_request.h"
#include "protocol/generated/heartbeat_response.h"
#include "protocol/generated/join_group_request.h"
#include "protocol/generated/join_group_response.h"
#include "protocol/generated/leave_group_request.h"
#include "protocol/generated/leave_group_response.h"
#include "protocol/generated/offset_commit_request.h"
#include "protocol/generated/offset_commit_response.h"
#include "protocol/generated/offset_delete_response.h"
#include "protocol/generated/offset_fetch_request.h"
#include "protocol/generated/offset_fetch_response.h"
#include "protocol/generated/sync_group_request.h"
#include "protocol/generated/sync_group_response.h"
#include "runtime/file.h"
#include "storage/log.h"

struct world world;

/* ---- The node -------------------------------------------------------------------------------- */

static void make_topics(void) {
    static const char *const names[TOPIC_COUNT] = {TOPIC_CONSUMER_OFFSETS, "t", "u"};
    static const int32_t counts[TOPIC_COUNT] = {1, 4, 2};
    for (int i = 0; i < TOPIC_COUNT; i++) {
        struct image_topic *topic = &world.topics[i];
        topic->name = slice_str(names[i]);
        topic->id.bytes[0] = (uint8_t)(i + 1);
        topic->partitions = world.partitions[i];
        topic->partition_count = counts[i];
        for (int32_t p = 0; p < counts[i]; p++) {
            world.partitions[i][p] = (struct image_partition){.index = p, .leader = 1};
        }
    }
}

void world_init(void) {
    memset(&world, 0, sizeof(world));
    machine_reset(&world.machine);
    make_topics();
    world.endpoint = (struct image_endpoint){
        .name = SLICE_LIT("PLAINTEXT"), .host = SLICE_LIT("broker.example"), .port = 9092};
    world.broker =
        (struct image_broker){.id = 1, .endpoints = &world.endpoint, .endpoint_count = 1};
    world.broker_known = true;
    world.retention_minutes = 10080;
    world.load_buffer = 300; /* a few batches: loads take several pieces */
    world.leads = true;
    buffer_init(&world.log, (size_t)1 << 30);
    list_init(&world.pending);
    world.node.machine = &world.machine;
    world.node.id = 1;
    world.node.shard_count = 1;
    struct node_shard *shard = &world.node.shards[0];
    shard->node = &world.node;
    shard->shard = &world.machine.shard;
    shard->groups = group_manager_new(shard);
    group_manager_start(shard->groups);
    machine_settle(&world.machine);
}

void world_free(void) {
    group_manager_free(world.node.shards[0].groups);
    buffer_release(&world.log);
}

void world_restart(bool settle) {
    struct node_shard *shard = &world.node.shards[0];
    group_manager_close(shard->groups);
    world_commit();
    group_manager_free(shard->groups);
    shard->groups = group_manager_new(shard);
    group_manager_start(shard->groups);
    if (settle) {
        machine_settle(&world.machine);
    }
}

void world_advance(int64_t ms) {
    machine_advance(&world.machine, ms);
}

void world_delete_topic(int index) {
    world.topic_deleted[index] = true;
    struct image_change change = {.kind = IMAGE_TOPIC_DELETED,
                                  .topic_id = world.topics[index].id,
                                  .topic_name = world.topics[index].name};
    struct image_delta delta = {.changes = &change, .count = 1};
    group_manager_apply(world.node.shards[0].groups, &delta);
    machine_settle(&world.machine);
}

struct group *world_group(const char *id) {
    struct coordinator *coordinator = world.node.shards[0].groups->by_partition[0];
    return group_table_find(&coordinator->table, slice_str(id));
}

/* ---- What groups need of other parts --------------------------------------------------------- */

int64_t broker_config_int(const struct broker_config *config, enum config_id id) {
    switch ((int)id) {
    case CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS:
        return 6000;
    case CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS:
        return 1800000;
    case CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS:
        return 3000;
    case CONFIG_GROUP_MAX_SIZE:
        return INT32_MAX;
    case CONFIG_OFFSETS_RETENTION_MINUTES:
        return world.retention_minutes;
    case CONFIG_OFFSETS_RETENTION_CHECK_INTERVAL_MS:
        return 600000;
    case CONFIG_OFFSETS_LOAD_BUFFER_SIZE:
        return world.load_buffer;
    case CONFIG_OFFSET_METADATA_MAX_BYTES:
        return 4096;
    default:
        return 0;
    }
}

struct image_topic *image_topic_by_name(const struct image *image, struct slice name) {
    for (int i = 0; i < TOPIC_COUNT; i++) {
        if (!world.topic_deleted[i] && slice_equal(world.topics[i].name, name)) {
            return &world.topics[i];
        }
    }
    return NULL;
}

struct image_topic *image_topic_by_id(const struct image *image, struct uuid id) {
    for (int i = 0; i < TOPIC_COUNT; i++) {
        if (!world.topic_deleted[i] && uuid_equal(world.topics[i].id, id)) {
            return &world.topics[i];
        }
    }
    return NULL;
}

struct image_partition *image_partition(const struct image_topic *topic, int32_t index) {
    return index < 0 || index >= topic->partition_count ? NULL : &topic->partitions[index];
}

struct image_broker *image_broker(const struct image *image, int32_t id) {
    return world.broker_known && id == 1 ? &world.broker : NULL;
}

int node_listener_port(const struct node *node, const char *listener_name) {
    (void)node;
    (void)listener_name;
    return 0;
}

int node_partition_shard(const struct node *node, struct uuid topic_id, int32_t partition) {
    return 0;
}

void controller_auto_create_topic(struct node_shard *from, struct slice name) {
    world.created_topics++;
}

struct partition *replica_leader(struct replica_manager *manager, struct uuid topic_id,
                                 int32_t index, enum kafka_error *error) {
    *error = world.leads ? ERROR_NONE : ERROR_NOT_LEADER_OR_FOLLOWER;
    return world.leads ? (struct partition *)&world : NULL;
}

bool partition_await_log(struct replica_manager *manager, struct uuid topic_id, int32_t index,
                         struct partition_arrival *arrival,
                         void (*fn)(struct partition_arrival *arrival)) {
    return false;
}

/* ---- The log --------------------------------------------------------------------------------- */

struct log *partition_log(const struct partition *partition) {
    return (struct log *)&world;
}

int64_t log_start_offset(const struct log *log) {
    return 0;
}

int64_t log_end_offset(const struct log *log) {
    return world.batch_count == 0 ? 0 : world.batches[world.batch_count - 1].next_offset;
}

int log_read(struct log *log, int64_t offset, int64_t limit, size_t max_bytes, bool at_least_one,
             struct log_range *out) {
    *out = (struct log_range){0};
    for (int i = 0; i < world.batch_count; i++) {
        const struct stored_batch *batch = &world.batches[i];
        if (batch->next_offset <= offset || batch->next_offset > limit) {
            continue;
        }
        if (out->len == 0) {
            out->file = (struct file *)&world;
            out->pos = (int64_t)batch->pos;
            out->first_offset = batch->base_offset;
        } else if (out->len + batch->len > max_bytes) {
            break;
        }
        out->len += batch->len;
        out->next_offset = batch->next_offset;
    }
    return 0;
}

int64_t file_read_at(struct file *file, void *out, size_t len, int64_t pos) {
    memcpy(out, world.log.data + pos, len);
    return (int64_t)len;
}

void file_unref(struct file *file) {
}

static int64_t store(const uint8_t *data, size_t len) {
    struct batch batch;
    ASSERT(batch_parse(slice_make(data, len), &batch) == BATCH_OK && batch_size(&batch) == len);
    int64_t base_offset = log_end_offset(NULL);
    struct stored_batch *stored = &world.batches[world.batch_count++];
    *stored = (struct stored_batch){
        .pos = world.log.len,
        .len = len,
        .base_offset = base_offset,
        .next_offset = base_offset + batch.last_offset_delta + 1,
    };
    buffer_append(&world.log, data, len);
    batch_set_base_offset(world.log.data + stored->pos, base_offset);
    return base_offset;
}

void world_append_raw(const uint8_t *batch, size_t len) {
    (void)store(batch, len);
}

void world_commit(void) {
    while (!list_empty(&world.pending)) {
        struct partition_append *append = LIST_FIRST(&world.pending, struct partition_append, link);
        list_remove(&append->link);
        append->fn(append,
                   append->next_offset < 0 ? (enum kafka_error) - append->next_offset : ERROR_NONE);
    }
    machine_settle(&world.machine);
}

static void commit_soon(struct deferred *deferred) {
    world_commit();
}

void partition_append_own(struct partition *partition, uint8_t *batch, size_t len,
                          struct partition_append *append,
                          void (*fn)(struct partition_append *append, enum kafka_error error)) {
    static struct deferred soon;
    append->fn = fn;
    append->next_offset = 0;
    list_append(&world.pending, &append->link);
    if (world.append_error != ERROR_NONE) {
        append->next_offset = -world.append_error;
    } else {
        append->base_offset = store(batch, len);
    }
    if (!world.hold) {
        deferred_init(&soon, &world.machine.shard, commit_soon);
        deferred_schedule(&soon);
    }
}

/* ---- Requests -------------------------------------------------------------------------------- */

void call_start(struct call *call, void (*handler)(struct request *request), int16_t api_key,
                int16_t version, const void *body) {
    memset(call, 0, sizeof(*call));
    arena_init(&call->arena, SIZE_MAX);
    buffer_init(&call->bytes, (size_t)1 << 26);
    struct request *request = &call->request;
    request->home = request->at = &world.node.shards[0];
    request->api_key = api_key;
    request->version = version;
    request->client_id = SLICE_LIT("client");
    request->peer_host = SLICE_LIT("127.0.0.1");
    request->listener_name = "PLAINTEXT";
    request->body = body;
    arena_init(&request->arena, SIZE_MAX);
    handler(request);
    machine_settle(&world.machine);
}

void call_free(struct call *call) {
    arena_release(&call->request.arena);
    arena_release(&call->arena);
    buffer_release(&call->bytes);
}

void request_move(struct request *request, struct node_shard *to,
                  void (*fn)(struct request *request)) {
    request->at = to;
    fn(request);
}

void request_respond(struct request *request, const void *response) {
    struct call *call = CONTAINER_OF(request, struct call, request);
    const struct message_desc *desc = api_by_key(request->api_key)->response;
    ASSERT(!call->done);
    call->done = true;
    enum message_error encoded =
        message_encode(desc, request->version, response, &call->bytes, NULL);
    ASSERT(encoded == MESSAGE_OK);
    call->response = arena_alloc(&call->arena, message_size(desc));
    message_init(desc, call->response);
    enum message_error decoded = message_decode(desc, request->version, buffer_slice(&call->bytes),
                                                &call->arena, call->response, NULL);
    ASSERT(decoded == MESSAGE_OK);
    /* As the server does: nothing of the request may be used any more. */
    arena_release(&request->arena);
}

void request_respond_error(struct request *request, enum kafka_error error) {
    struct offset_delete_response response;
    message_init(&offset_delete_response_desc, &response);
    response.error_code = (int16_t)error;
    request_respond(request, &response);
}

/* ---- Shorthands ------------------------------------------------------------------------------ */

enum kafka_error commit_at(const char *group, const char *member, int32_t generation,
                           const char *topic, int32_t partition, int64_t offset) {
    struct offset_commit_request_partition p = {.partition_index = partition,
                                                .committed_offset = offset,
                                                .committed_leader_epoch = 5,
                                                .commit_timestamp = -1,
                                                .committed_metadata = SLICE_LIT("note")};
    struct offset_commit_request_topic t = {
        .name = slice_str(topic), .partitions = &p, .partitions_count = 1};
    struct offset_commit_request body = {.group_id = slice_str(group),
                                         .member_id = slice_str(member),
                                         .generation_id_or_member_epoch = generation,
                                         .retention_time_ms = -1,
                                         .topics = &t,
                                         .topics_count = 1};
    struct call call;
    call_start(&call, api_offset_commit, 8, 9, &body);
    ASSERT(call.done);
    const struct offset_commit_response *response = call.response;
    enum kafka_error error = (enum kafka_error)response->topics[0].partitions[0].error_code;
    call_free(&call);
    return error;
}

enum kafka_error commit_simple(const char *group, const char *topic, int32_t partition,
                               int64_t offset) {
    return commit_at(group, "", -1, topic, partition, offset);
}

int64_t fetch_offset(const char *group, const char *topic, int32_t partition) {
    struct offset_fetch_request_topic t = {
        .name = slice_str(topic), .partition_indexes = &partition, .partition_indexes_count = 1};
    struct offset_fetch_request body = {
        .group_id = slice_str(group), .topics = &t, .topics_count = 1};
    struct call call;
    call_start(&call, api_offset_fetch, 9, 5, &body);
    ASSERT(call.done);
    const struct offset_fetch_response *response = call.response;
    ASSERT(response->error_code == ERROR_NONE);
    int64_t offset = response->topics[0].partitions[0].committed_offset;
    call_free(&call);
    return offset;
}

void join_alone(const char *group, const char *topic, struct member *out) {
    uint8_t subscription[64];
    struct buffer metadata;
    buffer_init(&metadata, sizeof(subscription));
    buffer_put_be16(&metadata, 0);
    buffer_put_be32(&metadata, 1);
    buffer_put_be16(&metadata, (uint16_t)strlen(topic));
    buffer_append_str(&metadata, topic);
    buffer_put_be32(&metadata, UINT32_MAX);
    struct join_group_request_protocol protocol = {SLICE_LIT("range"), buffer_slice(&metadata)};
    struct join_group_request join = {.group_id = slice_str(group),
                                      .session_timeout_ms = 10000,
                                      .rebalance_timeout_ms = 20000,
                                      .member_id = SLICE_LIT(""),
                                      .protocol_type = SLICE_LIT("consumer"),
                                      .protocols = &protocol,
                                      .protocols_count = 1};
    struct call call;
    call_start(&call, api_join_group, 11, 3, &join);
    world_advance(3000);
    ASSERT(call.done);
    const struct join_group_response *joined = call.response;
    ASSERT(joined->error_code == ERROR_NONE);
    (void)snprintf(out->id, sizeof(out->id), "%.*s", SLICE_ARG(joined->member_id));
    out->generation = joined->generation_id;
    call_free(&call);
    buffer_release(&metadata);
    struct sync_group_request_assignment assignment = {slice_str(out->id), SLICE_LIT("assigned")};
    struct sync_group_request sync = {.group_id = slice_str(group),
                                      .generation_id = out->generation,
                                      .member_id = slice_str(out->id),
                                      .assignments = &assignment,
                                      .assignments_count = 1};
    call_start(&call, api_sync_group, 14, 3, &sync);
    ASSERT(call.done);
    const struct sync_group_response *synced = call.response;
    ASSERT(slice_equal_str(synced->assignment, "assigned"));
    call_free(&call);
}

enum kafka_error heartbeat_of(const char *group, const struct member *member) {
    struct heartbeat_request body = {.group_id = slice_str(group),
                                     .generation_id = member->generation,
                                     .member_id = slice_str(member->id)};
    struct call call;
    call_start(&call, api_heartbeat, 12, 3, &body);
    ASSERT(call.done);
    enum kafka_error error =
        (enum kafka_error)((const struct heartbeat_response *)call.response)->error_code;
    call_free(&call);
    return error;
}

enum kafka_error leave_of(const char *group, const struct member *member) {
    struct leave_group_request body = {.group_id = slice_str(group),
                                       .member_id = slice_str(member->id)};
    struct call call;
    call_start(&call, api_leave_group, 13, 1, &body);
    ASSERT(call.done);
    enum kafka_error error =
        (enum kafka_error)((const struct leave_group_response *)call.response)->error_code;
    call_free(&call);
    return error;
}

enum kafka_error delete_group_named(const char *group) {
    struct slice name = slice_str(group);
    struct delete_groups_request body = {.groups_names = &name, .groups_names_count = 1};
    struct call call;
    call_start(&call, api_delete_groups, 42, 2, &body);
    ASSERT(call.done);
    enum kafka_error error =
        (enum kafka_error)((const struct delete_groups_response *)call.response)
            ->results[0]
            .error_code;
    call_free(&call);
    return error;
}

/* ---- Dump ------------------------------------------------------------------------------------ */

static int compare_lines(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void dump_offsets(const struct group *group, char **lines, int *count) {
    HMAP_FOREACH(it, &group->offsets.topics) {
        const struct offset_topic *topic = CONTAINER_OF(it, struct offset_topic, node);
        for (int32_t i = 0; i < topic->count; i++) {
            const struct group_offset *o = &topic->entries[i];
            int n = asprintf(&lines[(*count)++],
                             "%.*s offset %.*s-%d %lld epoch %d '%.*s' at %lld until %lld #%lld %d",
                             SLICE_ARG(group->id), SLICE_ARG(topic->name), o->partition,
                             (long long)o->offset, o->leader_epoch, SLICE_ARG(o->metadata),
                             (long long)o->commit_timestamp, (long long)o->expire_timestamp,
                             (long long)o->record_offset, o->topic_id.bytes[0]);
            ASSERT(n > 0);
        }
    }
}

static void dump_members(const struct group *group, char **lines, int *count) {
    LIST_FOREACH(it, &group->members) {
        const struct group_member *m = CONTAINER_OF(it, struct group_member, link);
        struct slice metadata = group_member_metadata(group, m);
        int n = asprintf(&lines[(*count)++], "%.*s member %.*s '%.*s' %.*s %.*s %d %d %zu '%.*s'%s",
                         SLICE_ARG(group->id), SLICE_ARG(m->id), SLICE_ARG(m->instance_id),
                         SLICE_ARG(m->client_id), SLICE_ARG(m->client_host), m->session_timeout_ms,
                         m->rebalance_timeout_ms, metadata.len, SLICE_ARG(m->assignment),
                         group->leader == m ? " leads" : "");
        ASSERT(n > 0);
    }
}

char *world_dump(void) {
    static char *lines[65536];
    int count = 0;
    struct coordinator *coordinator = world.node.shards[0].groups->by_partition[0];
    HMAP_FOREACH(it, &coordinator->table.groups) {
        const struct group *group = CONTAINER_OF(it, struct group, node);
        dump_offsets(group, lines, &count);
        if (group->state != GROUP_STABLE && group->state != GROUP_EMPTY) {
            continue;
        }
        dump_members(group, lines, &count);
        if (slice_is_null(group->protocol_type)) {
            continue; /* there is nothing of it but its offsets */
        }
        int n = asprintf(&lines[count++], "%.*s is %s generation %d %.*s '%.*s' since %lld",
                         SLICE_ARG(group->id), group_state_name(group->state), group->generation,
                         SLICE_ARG(group->protocol_type), SLICE_ARG(group->protocol),
                         group->state == GROUP_EMPTY ? (long long)group->state_timestamp : 0LL);
        ASSERT(n > 0);
    }
    qsort(lines, (size_t)count, sizeof(*lines), compare_lines);
    struct buffer out;
    buffer_init(&out, (size_t)1 << 26);
    for (int i = 0; i < count; i++) {
        buffer_append_str(&out, lines[i]);
        buffer_append_str(&out, "\n");
        free(lines[i]);
    }
    buffer_put_u8(&out, 0);
    return (char *)out.data;
}
