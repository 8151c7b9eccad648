/*
 * Whatever brokers and operators do, in whatever order, the metadata stays sane: ISR and ELR are
 * distinct replicas and have nothing in common, the ELR is empty while enough are in sync, nobody
 * fenced is in sync, the leader is in sync, and epochs only grow.
 */
#include <criterion/criterion.h>

#include "decision_world.h"

#define BROKERS  4
#define TOPICS   3
#define STEPS    400
#define ROUNDS   200
#define REPLICAS 3

static const char *const names[TOPICS] = {"t", "u", "v"};

/* Splitmix64: the same sequence for the same round. */
static uint64_t below(struct decision_world *world, uint64_t n) {
    uint64_t z = (world->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

struct epochs {
    int32_t leader[TOPICS];
    int32_t partition[TOPICS];
    int32_t led_by[TOPICS];
};

static bool subset(const int32_t *ids, int32_t count, const struct image_partition *partition) {
    for (int32_t i = 0; i < count; i++) {
        if (!ids_contain(partition->replicas, partition->replica_count, ids[i]) ||
            ids_contain(ids, i, ids[i])) {
            return false;
        }
    }
    return true;
}

static void check_partition(const struct decision_world *world, int topic, struct epochs *epochs) {
    const struct image_partition *p = world_partition(world, names[topic]);
    int64_t min_isr = topic_min_insync_replicas(&world->d, slice_str(names[topic]));
    int32_t needed = min_isr < p->replica_count ? (int32_t)min_isr : p->replica_count;
    cr_assert(subset(p->isr, p->isr_count, p), "the ISR has distinct replicas");
    cr_assert(subset(p->elr, p->elr_count, p), "the ELR has distinct replicas");
    for (int32_t i = 0; i < p->isr_count; i++) {
        cr_assert(!ids_contain(p->elr, p->elr_count, p->isr[i]), "ISR and ELR are disjoint");
        cr_assert(broker_is_active(world->image, p->isr[i]), "who is in sync is active");
    }
    cr_assert(p->isr_count < needed || p->elr_count == 0, "no ELR while enough are in sync");
    cr_assert(p->leader == -1 || ids_contain(p->isr, p->isr_count, p->leader),
              "the leader is in sync");
    cr_assert(p->leader != -1 || p->isr_count == 0, "who is in sync can lead");
    cr_assert(!partition_is_moving(p) || p->replica_count > 1);
    cr_assert_geq(p->leader_epoch, epochs->leader[topic]);
    cr_assert_geq(p->partition_epoch, epochs->partition[topic]);
    cr_assert(p->leader == epochs->led_by[topic] || p->leader_epoch > epochs->leader[topic],
              "another leader is another epoch");
    epochs->leader[topic] = p->leader_epoch;
    epochs->partition[topic] = p->partition_epoch;
    epochs->led_by[topic] = p->leader;
}

static int32_t draw_broker(struct decision_world *world) {
    return 1 + (int32_t)below(world, BROKERS);
}

/* Distinct brokers. */
static int32_t draw_brokers(struct decision_world *world, int32_t *out) {
    int32_t count = 1 + (int32_t)below(world, REPLICAS);
    int32_t first = draw_broker(world);
    for (int32_t i = 0; i < count; i++) {
        out[i] = 1 + (first + i) % BROKERS;
    }
    return count;
}

/* The leader's wish: its replicas, each in or out, itself first. */
static void alter_isr(struct decision_world *world, const char *topic) {
    const struct image_partition *p = world_partition(world, topic);
    int32_t isr[8];
    int32_t count = 0;
    if (p->leader < 0) {
        return;
    }
    isr[count++] = p->leader;
    for (int32_t i = 0; i < p->replica_count; i++) {
        if (p->replicas[i] != p->leader && below(world, 3) > 0 &&
            image_broker(world->image, p->replicas[i]) != NULL) {
            isr[count++] = p->replicas[i];
        }
    }
    (void)world_alter_isr(world, topic, isr, count);
}

static void step(struct decision_world *world) {
    const char *topic = names[below(world, TOPICS)];
    int32_t broker = draw_broker(world);
    int32_t ids[REPLICAS];
    switch (below(world, 13)) {
    case 0:
        world_fence(world, broker);
        break;
    case 1:
        world_register(world, broker, image_broker(world->image, broker)->epoch);
        break;
    case 2:
        world_register(world, broker, -1);
        break;
    case 3:
    case 4:
    case 5:
        world_heartbeat(world, broker, below(world, 8) == 0, below(world, 8) == 0);
        break;
    case 6:
    case 7:
    case 8:
        alter_isr(world, topic);
        break;
    case 9: {
        int32_t count = draw_brokers(world, ids);
        (void)world_reassign(world, topic, ids, count);
        break;
    }
    case 10:
        (void)world_reassign(world, topic, NULL, -1);
        break;
    case 11:
        (void)world_elect(world, topic, (int8_t)below(world, 2));
        break;
    default:
        decide_preferred_leaders(&world->d);
        world_commit(world);
        break;
    }
}

static void change_config(struct decision_world *world) {
    const char *topic = names[below(world, TOPICS)];
    if (below(world, 2) == 0) {
        world_set_topic(world, topic, "min.insync.replicas", below(world, 2) == 0 ? "1" : "2");
    } else {
        world_set_topic(world, topic, "unclean.leader.election.enable",
                        below(world, 4) == 0 ? "true" : "false");
    }
}

Test(partition_invariants, hold_after_every_decision) {
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct decision_world world;
        struct epochs epochs = {0};
        world_start(&world, 1, NULL, 0);
        world.random = round;
        for (int32_t id = 1; id <= BROKERS; id++) {
            world_add_broker(&world, id);
        }
        for (int t = 0; t < TOPICS; t++) {
            (void)world_topic(&world, names[t], IDS(1, 2, 3));
            if (t > 0) {
                world_set_topic(&world, names[t], "durability", "page-cache");
            }
            epochs.led_by[t] = 1;
        }
        for (int i = 0; i < STEPS; i++) {
            if (below(&world, 20) == 0) {
                change_config(&world);
            } else {
                step(&world);
            }
            for (int t = 0; t < TOPICS; t++) {
                check_partition(&world, t, &epochs);
            }
        }
        world_stop(&world);
    }
}
