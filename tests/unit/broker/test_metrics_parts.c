/* What a loop copies for a page of metrics: all of it, and little in any one turn. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/group/group_manager.h"
#include "broker/metadata/image.h"
#include "broker/metrics/node_part.h"
#include "broker/metrics/part.h"
#include "broker/node.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager.h"

#define PARTITIONS 10000
#define TOPICS     2000
#define GROUPS     300
#define MOST       100

/* Buckets are lists: of a few nodes, since hashes are good. */
#define BUCKET_MAX 12

/* ---- A shard with nothing but what is counted ------------------------------------------------ */

struct world {
    struct node node;
    struct node_shard *shard;
    struct replica_manager replicas;
    struct group_manager groups;
    struct coordinator coordinators[3];
    struct coordinator *by_partition[3];
    struct metrics_part part;
    int turns;
};

static struct slice name_of(const char *kind, int index) {
    char text[32];
    int len = snprintf(text, sizeof(text), "%s-%d", kind, index);
    return slice_make(slice_to_cstr(slice_str(text)), (size_t)len);
}

static int index_of(struct slice name) {
    return atoi(strchr((const char *)name.data, '-') + 1);
}

static struct world *world_new(void) {
    struct world *world = NEW(struct world);
    world->shard = &world->node.shards[0];
    world->node.id = 1;
    *world->shard = (struct node_shard){
        .node = &world->node,
        .meters = meters_new(),
        .replicas = &world->replicas,
        .groups = &world->groups,
    };
    world->replicas.shard = world->shard;
    hmap_init(&world->replicas.partitions);
    world->groups.by_partition = world->by_partition;
    world->groups.by_partition_count = 3;
    for (int i = 0; i < 3; i++) {
        world->coordinators[i].state = COORDINATOR_ACTIVE;
        group_table_init(&world->coordinators[i].table, NULL);
        world->by_partition[i] = &world->coordinators[i];
    }
    arena_init(&world->part.arena, SIZE_MAX);
    return world;
}

static void add_partition(struct world *world, int index) {
    struct partition *partition = NEW(struct partition);
    partition->manager = &world->replicas;
    partition->topic = name_of("topic", index / 10);
    partition->index = index;
    partition->leader = index % 2;
    hmap_insert(&world->replicas.partitions, &partition->node, hash_u64((uint64_t)index));
}

static void add_group(struct world *world, int index) {
    struct hmap *groups = &world->coordinators[index % 3].table.groups;
    struct group *group = NEW(struct group);
    group->id = name_of("group", index);
    group->member_count = index;
    offset_store_init(&group->offsets);
    for (int t = 0; t < 4; t++) {
        struct slice topic = name_of("topic", t);
        for (int32_t p = 0; p < 5; p++) {
            const struct group_offset offset = {
                .partition = p, .offset = 100 * t + p, .metadata = SLICE_LIT("")};
            offset_store_put(&group->offsets, topic, &offset);
        }
        free((void *)(uintptr_t)topic.data);
    }
    hmap_insert(groups, &group->node, hash_bytes(group->id));
}

static void add_meter(struct world *world, int index) {
    struct topic_meter *topic = NEW(struct topic_meter);
    topic->name = name_of("topic", index);
    topic->counts.bytes_in = (uint64_t)index;
    hmap_insert(&world->shard->meters->topics, &topic->node, hash_u64((uint64_t)index));
}

static void remove_partition(struct world *world, struct partition *partition) {
    hmap_remove(&world->replicas.partitions, &partition->node);
    free((void *)(uintptr_t)partition->topic.data);
    free(partition);
}

static void remove_group(struct coordinator *coordinator, struct group *group) {
    hmap_remove(&coordinator->table.groups, &group->node);
    offset_store_release(&group->offsets);
    free((void *)(uintptr_t)group->id.data);
    free(group);
}

static void world_free(struct world *world) {
    HMAP_FOREACH(node, &world->replicas.partitions) {
        remove_partition(world, CONTAINER_OF(node, struct partition, node));
    }
    hmap_release(&world->replicas.partitions);
    for (int i = 0; i < 3; i++) {
        HMAP_FOREACH(node, &world->coordinators[i].table.groups) {
            remove_group(&world->coordinators[i], CONTAINER_OF(node, struct group, node));
        }
        group_table_release(&world->coordinators[i].table);
    }
    meters_free(world->shard->meters);
    arena_release(&world->part.arena);
    free(world);
}

/* One turn, which is bounded; false when the part is whole. */
static bool turn(struct world *world) {
    int looked_at = part_collect(&world->part, world->shard, MOST);
    cr_assert_leq(looked_at, MOST + BUCKET_MAX * 6, "%d in turn %d", looked_at, world->turns);
    world->turns++;
    return !part_is_whole(&world->part);
}

static int count_met(const int *met, int count) {
    int found = 0;
    for (int i = 0; i < count; i++) {
        cr_assert_leq(met[i], 1, "%d is told %d times", i, met[i]);
        found += met[i];
    }
    return found;
}

static int partitions_told(const struct world *world, int *met, int count) {
    for (const struct part_partition *p = world->part.partitions; p != NULL; p = p->next) {
        cr_assert_eq(index_of(p->topic), p->index / 10);
        cr_assert_eq(p->leads, p->index % 2 == 1);
        met[p->index]++;
    }
    return count_met(met, count);
}

/* ---- Shards ---------------------------------------------------------------------------------- */

Test(metrics_parts, a_turn_is_bounded_and_the_turns_tell_everything) {
    struct world *world = world_new();
    static int partitions[PARTITIONS];
    static int topics[TOPICS];
    static int groups[GROUPS];
    for (int i = 0; i < PARTITIONS; i++) {
        add_partition(world, i);
    }
    for (int i = 0; i < TOPICS; i++) {
        add_meter(world, i);
    }
    for (int i = 0; i < GROUPS; i++) {
        add_group(world, i);
    }
    while (turn(world)) {}
    cr_assert_geq(world->turns, (PARTITIONS + TOPICS + 21 * GROUPS) / (MOST + BUCKET_MAX * 6));
    cr_assert_eq(partitions_told(world, partitions, PARTITIONS), PARTITIONS);
    cr_assert_eq(world->part.partition_count, PARTITIONS);
    for (const struct part_topic *t = world->part.topics; t != NULL; t = t->next) {
        cr_assert_eq(t->counts.bytes_in, (uint64_t)index_of(t->name));
        topics[index_of(t->name)]++;
    }
    cr_assert_eq(count_met(topics, TOPICS), TOPICS);
    for (const struct part_group *g = world->part.groups; g != NULL; g = g->next) {
        cr_assert_eq(g->members, index_of(g->id));
        cr_assert_eq(g->offset_count, 20);
        int told = 0;
        for (const struct part_group_topic *t = g->topics; t != NULL; t = t->next) {
            cr_assert_eq(t->offset_count, 5);
            for (int32_t p = 0; p < 5; p++) {
                cr_assert_eq(t->offsets[p].offset, 100 * index_of(t->name) + p);
                told++;
            }
        }
        cr_assert_eq(told, 20);
        groups[index_of(g->id)]++;
    }
    cr_assert_eq(count_met(groups, GROUPS), GROUPS);
    world_free(world);
}

Test(metrics_parts, what_stays_is_told_once_while_others_come_and_go) {
    struct world *world = world_new();
    static int met[4 * PARTITIONS];
    int next = 1000;
    for (int i = 0; i < next; i++) {
        add_partition(world, i);
    }
    while (turn(world)) {
        for (int i = 0; i < 100 && next < 4 * PARTITIONS; i++, next++) {
            add_partition(world, next); /* the map grows under the walk */
        }
        int removed = 0;
        HMAP_FOREACH(node, &world->replicas.partitions) {
            struct partition *partition = CONTAINER_OF(node, struct partition, node);
            if (partition->index >= 1000 && removed < 50) {
                remove_partition(world, partition);
                removed++;
            }
        }
    }
    (void)partitions_told(world, met, 4 * PARTITIONS);
    cr_assert_gt(next, 2000, "the map has grown");
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(met[i], 1, "%d was there all the time", i);
    }
    world_free(world);
}

Test(metrics_parts, groups_that_go_between_two_turns_are_left_out) {
    struct world *world = world_new();
    for (int i = 0; i < GROUPS; i++) {
        add_group(world, i);
    }
    while (world->part.walk.stage != PART_OFFSETS && turn(world)) {}
    cr_assert(turn(world));
    HMAP_FOREACH(node, &world->coordinators[0].table.groups) {
        remove_group(&world->coordinators[0], CONTAINER_OF(node, struct group, node));
    }
    world->by_partition[1] = NULL;
    world->groups.by_partition_count = 2;
    while (turn(world)) {}
    int whole = 0;
    for (const struct part_group *g = world->part.groups; g != NULL; g = g->next) {
        whole += g->offset_count == 20;
    }
    cr_assert_lt(whole, GROUPS / 2);
    world_free(world);
}

/* ---- The cluster ----------------------------------------------------------------------------- */

Test(metrics_parts, the_topics_of_a_cluster_are_looked_at_in_turns) {
    struct image image = {.offset = 0};
    struct image_topic *topics = xcalloc(TOPICS, sizeof(*topics));
    struct image_partition partitions[5] = {
        {.leader = 1}, {.leader = -1}, {.leader = 2}, {.leader = 1}, {.leader = 1}};
    int32_t replicas[2] = {1, 2};
    for (int i = 0; i < 5; i++) {
        partitions[i].replicas = replicas;
        partitions[i].replica_count = 2;
        partitions[i].isr_count = 1;
    }
    hmap_init(&image.topics_by_name);
    for (int i = 0; i < TOPICS; i++) {
        topics[i].name = name_of("topic", i);
        topics[i].partitions = partitions;
        topics[i].partition_count = 5;
        hmap_insert(&image.topics_by_name, &topics[i].by_name, hash_bytes(topics[i].name));
    }
    struct node_part part = {.id = 1, .active = true};
    static int told[TOPICS];
    static int orphans[TOPICS];
    int turns = 0;
    arena_init(&part.arena, SIZE_MAX);
    for (; !part.whole; turns++) {
        cr_assert_leq(node_part_collect(&part, &image, MOST), MOST + BUCKET_MAX * 6);
    }
    cr_assert_geq(turns, TOPICS * 6 / (MOST + BUCKET_MAX * 6));
    cr_assert_eq(part.topic_total, TOPICS);
    cr_assert_eq(part.partition_total, TOPICS * 5);
    cr_assert_eq(part.offline_partitions, TOPICS);
    cr_assert_eq(part.not_preferred, TOPICS * 2);
    for (const struct node_topic *topic = part.topics; topic != NULL; topic = topic->next) {
        told[index_of(topic->name)]++;
    }
    cr_assert_eq(count_met(told, TOPICS), TOPICS);
    for (const struct node_orphan *orphan = part.orphans; orphan != NULL; orphan = orphan->next) {
        cr_assert_eq(orphan->index, 1);
        orphans[index_of(orphan->topic)]++;
    }
    cr_assert_eq(count_met(orphans, TOPICS), TOPICS);
    for (int i = 0; i < TOPICS; i++) {
        free((void *)(uintptr_t)topics[i].name.data);
    }
    free(topics);
    hmap_release(&image.topics_by_name);
    arena_release(&part.arena);
}
