#include "broker/replica/lost_leaders.h"

#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/replica/replica_manager.h"

static void tell_next(struct lost_leaders *lost);

static struct lost_leaders *lost_of(struct node_shard *shard) {
    return &shard->replicas->lost;
}

/* Its place in the list, or that of the oldest. */
static void note(struct node_shard *shard, struct lost_leader leader) {
    struct lost_leaders *lost = lost_of(shard);
    int at = lost->next;
    for (int i = 0; i < LOST_LEADERS_MAX; i++) {
        if (lost->recent[i].lost_ms > 0 && lost->recent[i].id == leader.id) {
            at = i;
        }
    }
    if (at == lost->next) {
        lost->next = (lost->next + 1) % LOST_LEADERS_MAX;
    }
    const struct lost_leader *before = &lost->recent[at];
    leader.lost_ms = shard_now_ms(shard->shard);
    if (before->lost_ms > 0 && before->id == leader.id) {
        leader.again = before->epoch == leader.epoch
                           ? before->again
                           : leader.lost_ms - before->lost_ms < LOST_AGAIN_MS;
    }
    lost->recent[at] = leader;
}

static void on_told(struct post *post) {
    struct lost_leaders *lost = CONTAINER_OF(post, struct lost_leaders, post);
    struct node *node = lost->from->node;
    note(&node->shards[lost->tell_next - 1], lost->telling);
    tell_next(lost);
}

static void on_back(struct post *post) {
    CONTAINER_OF(post, struct lost_leaders, post)->posted = false;
}

static void tell_next(struct lost_leaders *lost) {
    struct node *node = lost->from->node;
    if (lost->tell_next == lost->from->index) {
        lost->tell_next++;
    }
    if (lost->tell_next >= node->shard_count) {
        shard_post(lost->from->shard, &lost->post, on_back);
        return;
    }
    struct node_shard *to = &node->shards[lost->tell_next++];
    shard_post(to->shard, &lost->post, on_told);
}

void leader_lost(struct node_shard *shard, int32_t id) {
    const struct image_broker *broker = image_broker(shard->image, id);
    if (broker == NULL || broker->fenced) {
        return; /* clients are not sent there anyway */
    }
    struct lost_leader leader = {.id = id, .epoch = broker->epoch};
    struct lost_leaders *lost = lost_of(shard);
    note(shard, leader);
    if (shard->node->shard_count > 1 && !lost->posted) {
        lost->posted = true;
        lost->from = shard;
        lost->telling = leader;
        lost->tell_next = 0;
        tell_next(lost);
    }
}

/* The broker, when that process was lost within so long; else NULL. */
static const struct image_broker *lost_within(const struct node_shard *shard,
                                              const struct lost_leader *leader, int64_t ms) {
    if (leader->lost_ms == 0 || shard_now_ms(shard->shard) - leader->lost_ms >= ms) {
        return NULL;
    }
    const struct image_broker *broker = image_broker(shard->image, leader->id);
    return broker != NULL && broker->epoch == leader->epoch ? broker : NULL;
}

static bool is_lost(const struct node_shard *shard, const struct lost_leader *leader) {
    const struct image_broker *broker = lost_within(shard, leader, LOST_LEADER_MS);
    return broker != NULL && !broker->fenced;
}

bool leader_is_lost(const struct node_shard *shard, int32_t id) {
    const struct lost_leaders *lost = &shard->replicas->lost;
    for (int i = 0; i < LOST_LEADERS_MAX; i++) {
        if (lost->recent[i].id == id && is_lost(shard, &lost->recent[i])) {
            return true;
        }
    }
    return false;
}

bool some_leader_is_lost(const struct node_shard *shard) {
    const struct lost_leaders *lost = &shard->replicas->lost;
    for (int i = 0; i < LOST_LEADERS_MAX; i++) {
        if (is_lost(shard, &lost->recent[i])) {
            return true;
        }
    }
    return false;
}

bool leader_was_lost(const struct node_shard *shard, int32_t id) {
    const struct lost_leaders *lost = &shard->replicas->lost;
    for (int i = 0; i < LOST_LEADERS_MAX; i++) {
        if (lost->recent[i].id == id && !lost->recent[i].again &&
            lost_within(shard, &lost->recent[i], LOST_BROKER_LISTED_MS) != NULL) {
            return true;
        }
    }
    return false;
}
