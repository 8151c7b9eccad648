/* The invariants of consensus. */
#include <stdarg.h>
#include <stdlib.h>

#include "base/uuid.h"
#include "tests/sim/raft_world_internal.h"

void world_fail(struct world *world, const char *format, ...) {
    if (world->out->failed) {
        return;
    }
    world->out->failed = true;
    va_list args;
    va_start(args, format);
    vsnprintf(world->out->what, sizeof(world->out->what), format, args);
    va_end(args);
    TRACE(world, "FAILED: %s", world->out->what);
    for (int i = 0; world->trace && i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        if (node->raft != NULL) {
            TRACE(world,
                  "node %d: role %d, epoch %d, leader %d, log end %" PRId64
                  ", high watermark %" PRId64 ", effects that wait %d, requests under way %d",
                  i, (int)raft_role(node->raft), raft_epoch(node->raft), raft_leader_id(node->raft),
                  raft_end_offset(node->raft), raft_high_watermark(node->raft), node->queued,
                  node->sent_count);
        }
    }
}

static bool same_entry(const struct entry *a, const struct entry *b) {
    return a->epoch == b->epoch && a->value == b->value && a->set == b->set;
}

/* Log matching, for one record that is new: by induction that is enough. */
void check_appended(struct world *world, const struct node *node, int64_t offset) {
    const struct entry *entries = node->disk.entries;
    for (int i = 0; i < world->node_count; i++) {
        const struct disk *other = &world->nodes[i].disk;
        if (&world->nodes[i] == node || offset >= other->end || offset < other->start.offset ||
            other->entries[offset].epoch != entries[offset].epoch) {
            continue;
        }
        bool before = offset > other->start.offset && offset > node->disk.start.offset;
        if (!same_entry(&entries[offset], &other->entries[offset]) ||
            (before && !same_entry(&entries[offset - 1], &other->entries[offset - 1]))) {
            world_fail(world, "log matching: nodes %d and %d differ at %" PRId64, node->id, i,
                       offset);
        }
    }
    if (offset < world->committed_end && !same_entry(&entries[offset], &world->committed[offset]) &&
        entries[offset].epoch >= world->committed_in[offset]) {
        world_fail(world, "node %d appends another record at %" PRId64 " than is committed",
                   node->id, offset);
    }
}

static void check_committed_on(struct world *world, const struct node *node, int64_t from,
                               int64_t to, const char *why) {
    for (int64_t i = from; i < to; i++) {
        if (i >= node->disk.end || !same_entry(&node->disk.entries[i], &world->committed[i])) {
            world_fail(world, "%s: node %d has not the committed record at %" PRId64, why, node->id,
                       i);
            return;
        }
    }
}

/* How many of these voters have synced the log up to `end`; nodes that are down count with their
 * disks, and disks that were lost with what they had. */
static int synced_voters(const struct world *world, const struct raft_voters *voters, int64_t end) {
    int count = 0;
    for (int i = 0; i < voters->count; i++) {
        for (int j = 0; j < world->node_count; j++) {
            const struct disk *disk = &world->nodes[j].disk;
            count += raft_key_matches(voters->keys[i], disk->key) && disk->synced >= end &&
                     same_entry(&disk->entries[end - 1], &world->committed[end - 1]);
        }
        for (int j = 0; j < world->lost_count; j++) {
            count += raft_key_matches(voters->keys[i], world->lost[j].key) &&
                     world->lost[j].synced >= end;
        }
    }
    return count;
}

void check_high_watermark(struct world *world, struct node *node, int64_t offset) {
    if (offset < node->high_watermark) {
        world_fail(world, "the high watermark of node %d goes back", node->id);
    }
    if (offset > node->disk.end) {
        world_fail(world, "node %d commits what it has not", node->id);
        return;
    }
    for (int64_t i = world->committed_end; i < offset; i++) {
        world->committed[i] = node->disk.entries[i];
        world->committed_in[i] = raft_epoch(node->raft);
        if (world->committed[i].set != NO_SET) {
            world->out->upgrades += !voters_known(&world->sets[world->committed_set]) &&
                                    voters_known(&world->sets[world->committed[i].set]);
            world->committed_set = world->committed[i].set;
        }
    }
    if (offset > world->committed_end) {
        TRACE(world, "node %d commits up to %" PRId64, node->id, offset);
        world->out->committed += (uint64_t)(offset - world->committed_end);
        world->committed_end = offset;
        const struct raft_voters *voters = raft_voters(node->raft);
        if (synced_voters(world, voters, offset) < voters->count / 2 + 1) {
            world_fail(world, "records up to %" PRId64 " are committed without a majority", offset);
        }
    }
    int64_t from = node->high_watermark > node->disk.start.offset ? node->high_watermark
                                                                  : node->disk.start.offset;
    check_committed_on(world, node, from, offset, "state machine safety");
    node->high_watermark = offset;
}

/* Counted when the leader's first record is written: what led and crashed before its ballot was
 * durable never led for anybody. It has all that leaders of earlier epochs committed. */
void check_elected(struct world *world, const struct node *node, int32_t epoch) {
    world->out->elections++;
    TRACE(world, "node %d leads epoch %d", node->id, epoch);
    if (epoch >= EPOCHS_MAX) {
        world_fail(world, "too many epochs");
        return;
    }
    if (world->leader_of[epoch] >= 0) {
        world_fail(world, "two leaders in epoch %d: %d and %d", epoch, world->leader_of[epoch],
                   node->id);
    }
    world->leader_of[epoch] = node->id;
    world->epoch_most = epoch > world->epoch_most ? epoch : world->epoch_most;
    int64_t end = node->disk.start.offset;
    while (end < world->committed_end && world->committed_in[end] < epoch) {
        end++;
    }
    check_committed_on(world, node, node->disk.start.offset, end, "leader completeness");
}

void check_leading(struct world *world, const struct node *node, int32_t epoch) {
    int64_t end = node->high_watermark;
    if (end < world->committed_end && world->committed_in[end] < epoch) {
        world_fail(world, "node %d leads, and does not know what was committed before", node->id);
    }
    if (end == 0 || node->disk.entries[end - 1].epoch != epoch) {
        world_fail(world, "node %d leads and has committed nothing of its own", node->id);
    }
}

void check_vote(struct world *world, struct node *node, struct raft_key candidate, int32_t epoch) {
    struct disk *disk = &node->disk;
    if (epoch < disk->voted_epoch) {
        return; /* an answer that was on its way for long */
    }
    if (epoch == disk->voted_epoch && !raft_key_matches(disk->voted, candidate)) {
        world_fail(world, "node %d votes for %d and %d in epoch %d", node->id, disk->voted.id,
                   candidate.id, epoch);
    }
    disk->voted_epoch = epoch;
    disk->voted = candidate;
}

bool voters_known(const struct raft_voters *voters) {
    for (int i = 0; i < voters->count; i++) {
        if (uuid_is_zero(voters->keys[i].directory_id)) {
            return false;
        }
    }
    return true;
}

static bool same_voters(const struct raft_voters *a, const struct raft_voters *b) {
    if (a->count != b->count) {
        return false;
    }
    for (int i = 0; i < a->count; i++) {
        if (a->keys[i].id != b->keys[i].id ||
            !uuid_equal(a->keys[i].directory_id, b->keys[i].directory_id)) {
            return false;
        }
    }
    return true;
}

static bool role_possible(const struct world *world, const struct node *node) {
    const struct raft *raft = node->raft;
    int32_t leader = raft_leader_id(raft);
    switch (raft_role(raft)) {
    case RAFT_UNATTACHED:
    case RAFT_CANDIDATE:
        return leader == -1;
    case RAFT_PROSPECTIVE:
        return true;
    case RAFT_FOLLOWER:
        return leader >= 0 && leader != node->id && leader < world->node_count;
    case RAFT_LEADER:
    case RAFT_RESIGNED:
        return leader == node->id;
    }
    return false;
}

void check_node(struct world *world, struct node *node) {
    const struct raft *raft = node->raft;
    if (!role_possible(world, node)) {
        world_fail(world, "node %d: role %d with leader %d", node->id, (int)raft_role(raft),
                   raft_leader_id(raft));
    }
    if (raft_epoch(raft) < node->disk.ballot.epoch) {
        world_fail(world, "the epoch of node %d goes back", node->id);
    }
    if (node->queued > 0) {
        return; /* its disk is behind */
    }
    struct disk *disk = &node->disk;
    if (raft_epoch(raft) != disk->ballot.epoch && world->canary != RAFT_CANARY_VOTES) {
        world_fail(world, "node %d is in epoch %d and its disk is not", node->id, raft_epoch(raft));
    }
    if (raft_end_offset(raft) != disk->end) {
        world_fail(world, "node %d: the log ends at %" PRId64 " on its disk, not at %" PRId64,
                   node->id, disk->end, raft_end_offset(raft));
    }
    if (!same_voters(raft_voters(raft), &world->sets[disk_set(disk)])) {
        world_fail(world, "node %d does not go by the newest voters in its log", node->id);
    }
    if (raft_high_watermark(raft) < node->high_watermark) {
        world_fail(world, "the high watermark in node %d goes back", node->id);
    }
}
