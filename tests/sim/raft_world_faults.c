/* Faults, and the operator who changes voters and replaces disks. */
#include <string.h>

#include "tests/sim/raft_world_internal.h"

#define FAULTS_EVERY_MS 50

static struct node *any_node(struct world *world) {
    return &world->nodes[random_stream_range(&world->faults, 0, world->node_count - 1)];
}

struct node *world_leader(struct world *world) {
    struct node *found = NULL;
    for (int i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (node->raft != NULL && raft_role(node->raft) == RAFT_LEADER &&
            (found == NULL || raft_epoch(node->raft) > raft_epoch(found->raft))) {
            found = node;
        }
    }
    return found;
}

/* ---- Voters ---------------------------------------------------------------------------------- */

static bool is_voter(const struct raft_voters *voters, struct raft_key key) {
    for (int i = 0; i < voters->count; i++) {
        if (raft_key_matches(voters->keys[i], key)) {
            return true;
        }
    }
    return false;
}

/* Whether a majority of these voters is on the disks that there are, `without` one. */
static bool can_elect(const struct world *world, const struct raft_voters *voters,
                      const struct node *without) {
    int there = 0;
    for (int i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        there += node != without && is_voter(voters, node->disk.key);
    }
    return there >= voters->count / 2 + 1;
}

/* A voter whose disk is gone. */
static bool lost_voter(const struct world *world, const struct raft_voters *voters,
                       struct raft_key *out) {
    for (int i = 0; i < voters->count; i++) {
        bool lives = false;
        for (int j = 0; j < world->node_count; j++) {
            lives = lives || raft_key_matches(voters->keys[i], world->nodes[j].disk.key);
        }
        if (!lives) {
            *out = voters->keys[i];
            return true;
        }
    }
    return false;
}

static void write_same_voters(struct world *world, struct node *leads, bool make_known,
                              enum kafka_error *error) {
    struct raft_voters voters = *raft_voters(leads->raft);
    for (int i = 0; make_known && i < voters.count; i++) {
        for (int j = 0; j < world->node_count; j++) {
            if (world->nodes[j].id == voters.keys[i].id) {
                voters.keys[i] = world->nodes[j].disk.key;
            }
        }
    }
    *error = raft_change_voters(leads->raft, world->now_ms, ++world->next_value, &voters);
}

static void add_or_remove(struct world *world, struct node *leads, enum kafka_error *error) {
    struct raft_voters voters = *raft_voters(leads->raft);
    struct node *chosen = any_node(world);
    struct raft_key key = chosen->disk.key;
    bool lost = lost_voter(world, &voters, &key);
    if (!lost && !is_voter(&voters, key)) {
        *error = raft_add_voter(leads->raft, world->now_ms, ++world->next_value, key);
        return;
    }
    if (!lost && voters.count <= 3 && random_stream_chance(&world->faults, 800)) {
        return;
    }
    for (int i = 0; i < voters.count; i++) {
        if (raft_key_matches(voters.keys[i], key)) {
            key = voters.keys[i];
            voters.keys[i] = voters.keys[--voters.count];
            break;
        }
    }
    if (voters.count > 0 && can_elect(world, &voters, NULL)) {
        *error = raft_remove_voter(leads->raft, world->now_ms, ++world->next_value, key);
    }
}

static void change_voters(struct world *world) {
    struct node *leads = world_leader(world);
    if (leads == NULL || world->set_count > SETS_MAX - 64) {
        return;
    }
    enum kafka_error error = ERROR_UNKNOWN_SERVER_ERROR; /* not asked for */
    int64_t choice = random_stream_range(&world->faults, 0, 9);
    if (choice < 2) {
        write_same_voters(world, leads, choice == 0, &error);
    } else {
        add_or_remove(world, leads, &error);
    }
    if (error == ERROR_NONE) {
        TRACE(world, "node %d changes the voters", leads->id);
        if (leads->change != 0) {
            world_fail(world, "node %d makes two changes of voters at once", leads->id);
        }
        leads->change = world->next_value;
    }
    node_settle(world, leads, NULL);
}

/* A disk may go when in every voter set that may come into force enough others are left: those
 * committed last, and the newer ones on any disk. */
static bool can_lose(const struct world *world, const struct node *node) {
    if (!can_elect(world, &world->sets[world->committed_set], node)) {
        return false;
    }
    for (int i = 0; i < world->node_count; i++) {
        const struct node *other = &world->nodes[i];
        const struct disk *disk = &other->disk;
        if (other->raft != NULL && other->queued > 0) {
            return false;
        }
        for (int64_t j = world->committed_end; j < disk->end; j++) {
            if (disk->entries[j].set != NO_SET &&
                !can_elect(world, &world->sets[disk->entries[j].set], node)) {
                return false;
            }
        }
    }
    return true;
}

/*
 * Whether everybody goes by voters that a new disk is none of. A new disk itself goes by those of
 * the configuration, sets[1], and then by what the log has from its beginning: of none that takes
 * any disk for the voter must it be the only one.
 */
static bool all_known(struct world *world) {
    bool known = voters_known(&world->sets[world->committed_set]);
    for (int i = 1; i < world->set_count && known && !world->known; i++) {
        known = voters_known(&world->sets[i]) || world->sets[i].count > 1;
    }
    for (int i = 0; i < world->node_count && known && !world->known; i++) {
        struct node *node = &world->nodes[i];
        known = node->queued == 0 && voters_known(&world->sets[disk_set(&node->disk)]);
    }
    return known;
}

/* ---- Faults ---------------------------------------------------------------------------------- */

void world_crash(struct world *world, struct node *node, int64_t down_ms) {
    node_crash(world, node);
    if (random_stream_chance(&world->faults, world->rates.refused)) {
        net_reset(world, NULL, node->id); /* the process died, the machine lives */
    }
    schedule(world, event_new(EVENT_RESTART, node), down_ms);
}

/* A node that votes is a good time for it to go, and to be back before the other candidate asks. */
void world_crash_soon(struct world *world, const struct node *node, int64_t delay_ms) {
    if (random_stream_chance(&world->faults, world->rates.crash_voting)) {
        schedule(world, event_new(EVENT_CRASH, node), delay_ms);
    }
}

static void crash_one(struct world *world, struct node *node) {
    if (node->raft == NULL) {
        return;
    }
    world_crash(world, node, random_stream_range(&world->faults, 1, world->rates.down_max_ms));
    if (random_stream_chance(&world->faults, world->rates.wipe) && all_known(world) &&
        can_lose(world, node)) {
        node_wipe(world, node);
    }
}

static void crash_all(struct world *world) {
    for (int i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (node->raft != NULL) {
            world_crash(world, node,
                        random_stream_range(&world->faults, 1, world->rates.down_max_ms));
        }
    }
}

static void change_cuts(struct world *world) {
    for (int i = 0; i < world->node_count; i++) {
        for (int j = 0; j < world->node_count; j++) {
            world->cut[i][j] = i != j && random_stream_chance(&world->faults, world->rates.cut) &&
                               random_stream_chance(&world->faults, 300);
            world->refuses[i][j] = i != j &&
                                   random_stream_chance(&world->faults, world->rates.refuse) &&
                                   random_stream_chance(&world->faults, 300);
        }
    }
}

/* Nothing reaches the leader, or nothing leaves it, or both: its newest records stay its own. */
static void isolate_leader(struct world *world) {
    const struct node *node = world_leader(world);
    if (node == NULL) {
        return;
    }
    int64_t way = random_stream_range(&world->faults, 0, 2);
    for (int i = 0; i < world->node_count; i++) {
        if (i != node->id) {
            world->cut[node->id][i] = way != 0;
            world->cut[i][node->id] = way != 1;
        }
    }
}

static void take_snapshot(struct world *world, struct node *node) {
    struct disk *disk = &node->disk;
    if (node->raft == NULL || node->queued > 0 || node->high_watermark <= disk->start.offset) {
        return;
    }
    int64_t offset =
        random_stream_range(&world->faults, disk->start.offset + 1, node->high_watermark);
    for (int64_t i = disk->start.offset; i < offset; i++) {
        if (disk->entries[i].set != NO_SET) {
            disk->start_set = disk->entries[i].set;
        }
    }
    disk->start =
        (struct raft_position){.offset = offset, .epoch = disk->entries[offset - 1].epoch};
    disk->synced = disk->synced > offset ? disk->synced : offset; /* the snapshot is synced */
    raft_log_started(node->raft, disk->start);
    world->out->snapshots++;
    node_settle(world, node, NULL);
}

static void resign(struct world *world) {
    struct node *node = world_leader(world);
    if (node != NULL) {
        world->out->resigns++;
        raft_resign(node->raft, world->now_ms);
        node_settle(world, node, NULL);
    }
}

void world_faults(struct world *world) {
    const struct rates *rates = &world->rates;
    struct random_stream *random = &world->faults;
    if (random_stream_chance(random, rates->crash)) {
        crash_one(world, any_node(world));
    }
    if (random_stream_chance(random, rates->crash_all)) {
        crash_all(world);
    }
    if (random_stream_chance(random, 50)) {
        change_cuts(world);
    }
    if (random_stream_chance(random, rates->isolate)) {
        isolate_leader(world);
    }
    if (random_stream_chance(random, rates->reset)) {
        net_reset(world, any_node(world), any_node(world)->id);
    }
    if (random_stream_chance(random, rates->pause)) {
        world->out->pauses++;
        any_node(world)->paused_until =
            world->now_ms + random_stream_range(random, 1, 4 * rates->timeout_ms);
    }
    if (random_stream_chance(random, rates->slow_disk)) {
        any_node(world)->slow_until =
            world->now_ms + random_stream_range(random, 1, 4 * rates->timeout_ms);
    }
    if (random_stream_chance(random, rates->snapshot)) {
        take_snapshot(world, any_node(world));
    }
    if (random_stream_chance(random, rates->change)) {
        change_voters(world);
    }
    if (random_stream_chance(random, rates->resign)) {
        resign(world);
    }
    schedule(world, event_new(EVENT_FAULT, &world->nodes[0]), FAULTS_EVERY_MS);
}
