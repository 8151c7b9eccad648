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

static void collect_partition(struct metrics_part *part, const struct partition *partition) {
    struct part_partition *out = ARENA_NEW(&part->arena, struct part_partition);
    const struct log *log = partition->log;
    *out = (struct part_partition){
        .next = part->partitions,
        .topic = arena_dup(&part->arena, partition->topic),
        .index = partition->index,
        .leads = partition->leader == partition->manager->shard->node->id,
        .online = partition->state == PARTITION_ONLINE && log != NULL,
        .replicas = partition->replica_count,
        .isr = partition->isr_count,
    };
    part->partitions = out;
    part->partition_count++;
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

/* ---- Topics and groups ----------------------------------------------------------------------- */

static void collect_topic(struct metrics_part *part, const struct topic_meter *topic) {
    struct part_topic *out = ARENA_NEW(&part->arena, struct part_topic);
    *out = (struct part_topic){
        .next = part->topics,
        .name = arena_dup(&part->arena, topic->name),
        .counts = topic->counts,
    };
    part->topics = out;
}

static void collect_group(struct metrics_part *part, const struct group *group) {
    struct part_group *out = ARENA_NEW(&part->arena, struct part_group);
    *out = (struct part_group){
        .next = part->groups,
        .id = arena_dup(&part->arena, group->id),
        .coordinator = part->walk.coordinator,
        .state = group->state,
        .members = group->member_count,
    };
    part->groups = out;
}

static void collect_offsets(struct arena *arena, struct part_group *group,
                            const struct offset_topic *topic) {
    struct part_group_topic *out = ARENA_NEW(arena, struct part_group_topic);
    *out = (struct part_group_topic){
        .next = group->topics,
        .name = arena_dup(arena, topic->name),
        .offsets = arena_array(arena, (size_t)topic->count, sizeof(*out->offsets)),
        .offset_count = topic->count,
    };
    for (int32_t i = 0; i < topic->count; i++) {
        out->offsets[i] = (struct part_offset){
            .partition = topic->entries[i].partition,
            .offset = topic->entries[i].offset,
        };
    }
    group->topics = out;
    group->offset_count += topic->count;
}

/* The groups of a partition of __consumer_offsets; NULL where there is nobody who tells. A table
 * that is being loaded belongs to a worker. */
static const struct group_table *groups_at(const struct node_shard *shard, int32_t index) {
    const struct coordinator *coordinator = shard->groups->by_partition[index];
    bool tells =
        coordinator != NULL && coordinator->state == COORDINATOR_ACTIVE && !coordinator->closed;
    return tells ? &coordinator->table : NULL;
}

/* ---- Turns ----------------------------------------------------------------------------------- */

static void next_stage(struct part_walk *walk) {
    walk->stage++;
    walk->cursor = 0;
}

static int walk_topics(struct metrics_part *part, const struct node_shard *shard) {
    int looked_at = 1;
    struct hmap_node *node = hmap_scan(&shard->meters->topics, &part->walk.cursor);
    for (; node != NULL; node = node->next) {
        collect_topic(part, CONTAINER_OF(node, struct topic_meter, node));
        looked_at++;
    }
    if (part->walk.cursor == 0) {
        next_stage(&part->walk);
    }
    return looked_at;
}

static int walk_partitions(struct metrics_part *part, const struct node_shard *shard) {
    int looked_at = 1;
    struct hmap_node *node = hmap_scan(&shard->replicas->partitions, &part->walk.cursor);
    for (; node != NULL; node = node->next) {
        collect_partition(part, CONTAINER_OF(node, struct partition, node));
        looked_at++;
    }
    if (part->walk.cursor == 0) {
        next_stage(&part->walk);
    }
    return looked_at;
}

/* Without their offsets, which may be many of one group. */
static int walk_groups(struct metrics_part *part, const struct node_shard *shard) {
    struct part_walk *walk = &part->walk;
    int looked_at = 1;
    if (walk->coordinator >= shard->groups->by_partition_count) {
        walk->group = part->groups;
        next_stage(walk);
        return looked_at;
    }
    const struct group_table *table = groups_at(shard, walk->coordinator);
    struct hmap_node *node = table != NULL ? hmap_scan(&table->groups, &walk->cursor) : NULL;
    for (; node != NULL; node = node->next) {
        collect_group(part, CONTAINER_OF(node, struct group, node));
        looked_at++;
    }
    if (table == NULL || walk->cursor == 0) {
        walk->cursor = 0;
        walk->coordinator++;
    }
    return looked_at;
}

static const struct group *group_again(const struct node_shard *shard,
                                       const struct part_group *group) {
    const struct group_table *table = group->coordinator < shard->groups->by_partition_count
                                          ? groups_at(shard, group->coordinator)
                                          : NULL;
    return table != NULL ? group_table_find(table, group->id) : NULL;
}

static int walk_offsets(struct metrics_part *part, const struct node_shard *shard) {
    struct part_walk *walk = &part->walk;
    int looked_at = 1;
    if (walk->group == NULL) {
        next_stage(walk);
        return looked_at;
    }
    const struct group *group = group_again(shard, walk->group);
    struct hmap_node *node =
        group != NULL ? hmap_scan(&group->offsets.topics, &walk->cursor) : NULL;
    for (; node != NULL; node = node->next) {
        const struct offset_topic *topic = CONTAINER_OF(node, struct offset_topic, node);
        collect_offsets(&part->arena, walk->group, topic);
        looked_at += 1 + topic->count;
    }
    if (group == NULL || walk->cursor == 0) {
        walk->cursor = 0;
        walk->group = walk->group->next;
    }
    return looked_at;
}

int part_collect(struct metrics_part *part, struct node_shard *shard, int most) {
    static int (*const walks[])(struct metrics_part *, const struct node_shard *) = {
        [PART_TOPICS] = walk_topics,
        [PART_PARTITIONS] = walk_partitions,
        [PART_GROUPS] = walk_groups,
        [PART_OFFSETS] = walk_offsets,
    };
    int looked_at = 0;
    while (looked_at < most && part->walk.stage != PART_WHOLE) {
        looked_at += walks[part->walk.stage](part, shard);
    }
    return looked_at;
}

bool part_is_whole(const struct metrics_part *part) {
    return part->walk.stage == PART_WHOLE;
}

/* ---- The whole ------------------------------------------------------------------------------- */

struct metrics_part *part_new(struct node_shard *shard) {
    struct metrics_part *part = NEW(struct metrics_part);
    arena_init(&part->arena, SIZE_MAX);
    part->shard = shard->index;
    part->idle = idle_share(shard);
    collect_counters(shard, part);
    collect_listeners(shard, part);
    return part;
}

void part_free(struct metrics_part *part) {
    if (part != NULL) {
        arena_release(&part->arena);
        free(part);
    }
}
