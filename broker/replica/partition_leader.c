/* What a leader knows of its followers, and what follows from it. */
#include <stdlib.h>

#include "base/memory.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager.h"
#include "broker/replica/replication_rate.h"

struct partition_follower *partition_find_follower(const struct partition *partition, int32_t id) {
    for (int32_t i = 0; i < partition->follower_count; i++) {
        if (partition->followers[i].id == id) {
            return &partition->followers[i];
        }
    }
    return NULL;
}

static int64_t now_ms(const struct partition *partition) {
    return shard_now_ms(partition->manager->shard->shard);
}

/* ---- Following the image --------------------------------------------------------------------- */

static void follower_forget(struct partition_follower *follower, int64_t now) {
    follower->fetched = false;
    follower->end = -1;
    follower->log_start = -1;
    follower->leader_end = -1;
    follower->fetched_ms = 0;
    follower->broker_epoch = -1;
    follower->caught_up_ms = follower->in_isr ? now : 0;
}

void partition_take_followers(struct partition *partition, const int32_t *replicas, int32_t count) {
    int32_t self = partition->manager->shard->node->id;
    struct partition_follower *old = partition->followers;
    struct partition_follower *followers =
        count > 1 ? xcalloc((size_t)count, sizeof(*followers)) : NULL;
    int32_t taken = 0;
    for (int32_t i = 0; i < count && followers != NULL; i++) {
        if (replicas[i] == self) {
            continue;
        }
        const struct partition_follower *known = partition_find_follower(partition, replicas[i]);
        if (known != NULL) {
            followers[taken++] = *known;
        } else {
            followers[taken].id = replicas[i];
            follower_forget(&followers[taken++], 0);
        }
    }
    free(old);
    partition->followers = followers;
    partition->follower_count = taken;
    partition->replica_count = count;
}

void partition_take_isr(struct partition *partition, const int32_t *isr, int32_t count) {
    partition_drop_isr_change(partition);
    for (int32_t i = 0; i < partition->follower_count; i++) {
        struct partition_follower *follower = &partition->followers[i];
        bool was_in = follower->in_isr;
        follower->in_isr = ids_contain(isr, count, follower->id);
        if (follower->in_isr && !was_in && !follower->fetched) {
            follower->caught_up_ms = now_ms(partition); /* its time begins now */
        }
    }
    partition->isr_count = count;
    partition->sole_isr = count == 1 && isr[0] == partition->manager->shard->node->id;
}

void partition_forget_visits(struct partition *partition, bool of_isr_too) {
    for (int32_t i = 0; i < partition->follower_count; i++) {
        struct partition_follower *follower = &partition->followers[i];
        if (of_isr_too || !follower->in_isr) {
            follower_forget(follower, now_ms(partition));
        }
    }
}

/* ---- The high watermark ---------------------------------------------------------------------- */

/* Caught up and about to be let in: it is waited for, or it would fall behind the high watermark
 * again and again. */
static bool about_to_join(const struct partition *partition,
                          const struct partition_follower *follower) {
    if (!follower->fetched) {
        return false;
    }
    const struct node *node = partition->manager->shard->node;
    int64_t lag_max_ms = config_int(node->config, CONFIG_REPLICA_LAG_TIME_MAX_MS);
    return (follower->end == log_end_offset(partition->log) ||
            now_ms(partition) - follower->caught_up_ms <= lag_max_ms) &&
           partition_follower_eligible(partition, follower);
}

int64_t partition_replicated(const struct partition *partition, int64_t own) {
    int64_t least = own;
    for (int32_t i = 0; i < partition->follower_count; i++) {
        const struct partition_follower *follower = &partition->followers[i];
        if (follower->end < least &&
            (follower->in_isr || follower->joining || about_to_join(partition, follower))) {
            least = follower->end;
        }
    }
    return least;
}

/* ---- Fetches of followers -------------------------------------------------------------------- */

enum kafka_error partition_visit_check(const struct partition *partition,
                                       const struct partition_visit *visit) {
    if (partition_find_follower(partition, visit->replica_id) == NULL) {
        /* It may know of an assignment that has not come here yet. */
        return visit->leader_epoch >= 0 ? ERROR_UNKNOWN_LEADER_EPOCH : ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    const struct image_broker *broker =
        image_broker(partition->manager->shard->image, visit->replica_id);
    bool restarted =
        visit->broker_epoch >= 0 && broker != NULL && broker->epoch > visit->broker_epoch;
    return restarted ? ERROR_NOT_LEADER_OR_FOLLOWER : ERROR_NONE;
}

void partition_visited(struct partition *partition, const struct partition_visit *visit) {
    struct partition_follower *follower = partition_find_follower(partition, visit->replica_id);
    if (follower == NULL || visit->leader_epoch != partition->leader_epoch) {
        return; /* what another epoch's fetch says of its log may not be so any more */
    }
    int64_t now = now_ms(partition);
    int64_t end = log_end_offset(partition->log);
    if (visit->offset >= end) {
        follower->caught_up_ms = now;
    } else if (follower->fetched && visit->offset >= follower->leader_end &&
               follower->fetched_ms > follower->caught_up_ms) {
        follower->caught_up_ms = follower->fetched_ms;
    }
    bool moved = follower->end != visit->offset;
    if (follower->log_start != visit->log_start) {
        partition_mark_moved(partition); /* deletions may wait for it */
    }
    follower->fetched = true;
    follower->end = visit->offset;
    follower->log_start = visit->log_start;
    follower->leader_end = end > follower->leader_end ? end : follower->leader_end;
    follower->fetched_ms = now;
    follower->broker_epoch = visit->broker_epoch;
    partition_consider_joining(partition, follower);
    if (moved) {
        partition_advance(partition);
    }
}

/* ---- Questions ------------------------------------------------------------------------------- */

static const struct image_broker *living_broker(const struct partition *partition, int32_t id) {
    const struct image_broker *broker = image_broker(partition->manager->shard->image, id);
    return broker != NULL && !broker->fenced ? broker : NULL;
}

int64_t partition_low_watermark(const struct partition *partition) {
    int64_t lowest = log_start_offset(partition->log);
    for (int32_t i = 0; i < partition->follower_count; i++) {
        const struct partition_follower *follower = &partition->followers[i];
        if (follower->log_start < lowest && living_broker(partition, follower->id) != NULL) {
            lowest = follower->log_start;
        }
    }
    return lowest;
}

void partition_await_deletion(struct partition *partition, struct partition_deletion *deletion,
                              void (*fn)(struct partition_deletion *deletion,
                                         enum kafka_error error, int64_t low_watermark)) {
    deletion->fn = fn;
    list_append(&partition->deletions, &deletion->link);
    partition_mark_moved(partition);
}

void partition_complete_deletions(struct partition *partition) {
    if (list_empty(&partition->deletions)) {
        return;
    }
    int64_t low_watermark = partition_low_watermark(partition);
    struct list waiting;
    list_init(&waiting);
    list_splice(&waiting, &partition->deletions);
    while (!list_empty(&waiting)) {
        struct partition_deletion *deletion = LIST_FIRST(&waiting, struct partition_deletion, link);
        list_remove(&deletion->link);
        if (deletion->offset <= low_watermark) {
            deletion->fn(deletion, ERROR_NONE, low_watermark);
        } else {
            list_append(&partition->deletions, &deletion->link);
        }
    }
}

void partition_end_deletions(struct partition *partition, enum kafka_error error) {
    while (!list_empty(&partition->deletions)) {
        struct partition_deletion *deletion =
            LIST_FIRST(&partition->deletions, struct partition_deletion, link);
        list_remove(&deletion->link);
        deletion->fn(deletion, error, -1);
    }
}

int32_t partition_preferred_replica(const struct partition *partition, struct slice rack,
                                    int64_t offset) {
    int32_t self = partition->manager->shard->node->id;
    const struct image_broker *own = living_broker(partition, self);
    if (rack.len == 0 || (own != NULL && slice_equal(own->rack, rack))) {
        return -1;
    }
    const struct partition_follower *best = NULL;
    for (int32_t i = 0; i < partition->follower_count; i++) {
        const struct partition_follower *follower = &partition->followers[i];
        const struct image_broker *broker = living_broker(partition, follower->id);
        if (broker == NULL || !slice_equal(broker->rack, rack) || !follower->in_isr ||
            follower->end < offset || follower->log_start > offset) {
            continue;
        }
        if (best == NULL || follower->end > best->end ||
            (follower->end == best->end && follower->caught_up_ms > best->caught_up_ms)) {
            best = follower;
        }
    }
    return best == NULL ? -1 : best->id;
}

bool partition_holds_back(const struct partition *partition, int32_t replica_id) {
    const struct replica_manager *manager = partition->manager;
    if (!partition->throttled_sending || manager->sending_limit == INT64_MAX) {
        return false;
    }
    const struct partition_follower *follower = partition_find_follower(partition, replica_id);
    return (follower == NULL || !follower->in_isr) &&
           replication_rate_exceeds(manager->sending, shard_now_ms(manager->shard->shard),
                                    manager->sending_limit);
}
