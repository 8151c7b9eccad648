#include "broker/metrics/part.h"

#include <stdlib.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/group/group_manager.h"
#include "broker/node.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager.h"
#include "broker/server/server.h"

/* Idleness is measured over at least this. */
#define IDLE_SPAN_NS INT64_C(500000000)

/* ---- Counters -------------------------------------------------------------------------------- */

/* The share of time since the last question that the loop's thread did not use a CPU. */
static double idle_share(struct node_shard *shard) {
    struct meters *meters = shard->meters;
    int64_t now_ns = clock_now_ns(shard->node->machine);
    int64_t cpu_ns = shard_cpu_ns(shard->shard);
    int64_t span_ns = now_ns - meters->asked_ns;
    if (meters->asked_ns == 0) {
        meters->idle = 1;
    } else if (span_ns >= IDLE_SPAN_NS) {
        double busy = (double)(cpu_ns - meters->asked_cpu_ns) / (double)span_ns;
        meters->idle = busy < 0 ? 1 : busy > 1 ? 0 : 1 - busy;
    }
    if (meters->asked_ns == 0 || span_ns >= IDLE_SPAN_NS) {
        meters->asked_ns = now_ns;
        meters->asked_cpu_ns = cpu_ns;
    }
    return meters->idle;
}

static void collect_counters(struct node_shard *shard, struct metrics_part *part) {
    struct meters *meters = shard->meters;
    int64_t now_ms = shard_now_ms(shard->shard);
    part->all = meters->all;
    part->replication_bytes_in = meters->replication_bytes_in;
    part->replication_bytes_out = meters->replication_bytes_out;
    part->topics = arena_array(&part->arena, meters->topics.count, sizeof(*part->topics));
    HMAP_FOREACH(node, &meters->topics) {
        const struct topic_meter *topic = CONTAINER_OF(node, struct topic_meter, node);
        part->topics[part->topic_count++] = (struct part_topic){
            .name = arena_dup(&part->arena, topic->name),
            .counts = topic->counts,
        };
    }
    part->requests = arena_array(&part->arena, METER_KINDS, sizeof(*part->requests));
    for (int kind = 0; kind < METER_KINDS; kind++) {
        struct request_meter *meter = meters->requests[kind];
        const char *name = meter_kind_name(kind);
        if (meter == NULL || name == NULL) {
            continue;
        }
        durations_turn(&meter->total, now_ms);
        struct part_request *request = &part->requests[part->request_count++];
        request->name = name;
        memcpy(request->by_version, meter->by_version, sizeof(request->by_version));
        request->total = meter->total;
    }
}

static void collect_listeners(struct node_shard *shard, struct metrics_part *part) {
    int count = config_listener_count(shard->node->config);
    part->listeners = arena_array(&part->arena, (size_t)count, sizeof(*part->listeners));
    for (int i = 0; i < count; i++) {
        part->listeners[part->listener_count++] = (struct part_listener){
            .name = slice_str(config_listener_at(shard->node->config, i)->name),
            .connections = server_shard_connections(shard->server, i),
        };
    }
}

/* ---- Partitions ------------------------------------------------------------------------------ */

static void collect_leadership(const struct partition *partition, struct part_partition *out) {
    int64_t min_isr = partition->config.min_insync_replicas;
    min_isr = min_isr > partition->replica_count ? partition->replica_count : min_isr;
    out->under_replicated = partition->isr_count < partition->replica_count;
    out->under_min_isr = partition->isr_count < min_isr;
    out->at_min_isr = partition->isr_count == min_isr;
    out->leader_preferred = partition->leader_preferred;
}

static void collect_partition(const struct partition *partition, struct arena *arena,
                              struct part_partition *out) {
    const struct log *log = partition->log;
    *out = (struct part_partition){
        .topic = arena_dup(arena, partition->topic),
        .index = partition->index,
        .leads = partition->leader == partition->manager->shard->node->id,
        .online = partition->state == PARTITION_ONLINE && log != NULL,
        .replicas = partition->replica_count,
        .isr = partition->isr_count,
    };
    if (out->leads) {
        collect_leadership(partition, out);
    }
    if (out->online) {
        out->log_start = log_start_offset(log);
        out->high_watermark = log_high_watermark(log);
        out->stable_offset = log_last_stable_offset(log);
        out->log_end = log_end_offset(log);
        out->bytes = log_bytes(log);
        out->segments = log_segment_count(log);
    }
}

static void collect_partitions(struct node_shard *shard, struct metrics_part *part) {
    const struct hmap *partitions = &shard->replicas->partitions;
    part->partitions = arena_array(&part->arena, partitions->count, sizeof(*part->partitions));
    HMAP_FOREACH(node, partitions) {
        collect_partition(CONTAINER_OF(node, struct partition, node), &part->arena,
                          &part->partitions[part->partition_count++]);
    }
}

/* ---- Groups ---------------------------------------------------------------------------------- */

static void collect_group(const struct group *group, struct arena *arena, struct part_group *out) {
    const struct offset_store *store = &group->offsets;
    *out = (struct part_group){
        .id = arena_dup(arena, group->id),
        .state = group->state,
        .members = group->member_count,
        .offsets = arena_array(arena, store->count, sizeof(*out->offsets)),
    };
    HMAP_FOREACH(node, &store->topics) {
        const struct offset_topic *topic = CONTAINER_OF(node, struct offset_topic, node);
        struct slice name = arena_dup(arena, topic->name);
        for (int32_t i = 0; i < topic->count; i++) {
            out->offsets[out->offset_count++] = (struct part_offset){
                .topic = name,
                .partition = topic->entries[i].partition,
                .offset = topic->entries[i].offset,
            };
        }
    }
}

/* A table that is being loaded belongs to a worker. */
static bool coordinator_tells(const struct coordinator *coordinator) {
    return coordinator->state == COORDINATOR_ACTIVE && !coordinator->closed;
}

static void collect_groups(struct node_shard *shard, struct metrics_part *part) {
    size_t count = 0;
    LIST_FOREACH(it, &shard->groups->coordinators) {
        const struct coordinator *coordinator = CONTAINER_OF(it, struct coordinator, link);
        count += coordinator_tells(coordinator) ? coordinator->table.groups.count : 0;
    }
    part->groups = arena_array(&part->arena, count, sizeof(*part->groups));
    LIST_FOREACH(it, &shard->groups->coordinators) {
        const struct coordinator *coordinator = CONTAINER_OF(it, struct coordinator, link);
        if (!coordinator_tells(coordinator)) {
            continue;
        }
        HMAP_FOREACH(node, &coordinator->table.groups) {
            collect_group(CONTAINER_OF(node, struct group, node), &part->arena,
                          &part->groups[part->group_count++]);
        }
    }
}

/* ---- The whole ------------------------------------------------------------------------------- */

struct metrics_part *part_collect(struct node_shard *shard) {
    struct metrics_part *part = NEW(struct metrics_part);
    arena_init(&part->arena, SIZE_MAX);
    part->shard = shard->index;
    part->idle = idle_share(shard);
    collect_counters(shard, part);
    collect_listeners(shard, part);
    collect_partitions(shard, part);
    collect_groups(shard, part);
    return part;
}

void part_free(struct metrics_part *part) {
    if (part != NULL) {
        arena_release(&part->arena);
        free(part);
    }
}
