/*
 * When a leader asks for a change of its ISR, and how it acts meanwhile: with the larger of the two
 * sets, so that no record is committed that one of them would not have.
 */
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/replica/isr_changes.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager.h"

static int64_t lag_max_ms(const struct node *node) {
    return config_int(node->config, CONFIG_REPLICA_LAG_TIME_MAX_MS);
}

bool partition_follower_eligible(const struct partition *partition,
                                 const struct partition_follower *follower) {
    const struct image_broker *broker =
        image_broker(partition->manager->shard->image, follower->id);
    return follower->fetched && broker != NULL && !broker->fenced &&
           !broker->in_controlled_shutdown &&
           (follower->broker_epoch == -1 || follower->broker_epoch == broker->epoch);
}

static void ask(struct partition *partition) {
    partition->isr_pending = true;
    isr_changes_add(&partition->manager->isr_changes, partition);
}

void partition_consider_joining(struct partition *partition,
                                const struct partition_follower *follower) {
    if (partition->isr_pending || follower->in_isr ||
        follower->end < log_high_watermark(partition->log) ||
        follower->end < partition->epoch_start ||
        !partition_follower_eligible(partition, follower)) {
        return;
    }
    partition_find_follower(partition, follower->id)->joining = true;
    partition->sole_isr = false;
    ask(partition);
}

void partition_consider_leaving(struct partition *partition) {
    if (partition->isr_pending || partition->state != PARTITION_ONLINE) {
        return;
    }
    const struct node_shard *shard = partition->manager->shard;
    int64_t now = shard_now_ms(shard->shard);
    int64_t end = log_end_offset(partition->log);
    bool leaving = false;
    for (int32_t i = 0; i < partition->follower_count; i++) {
        struct partition_follower *follower = &partition->followers[i];
        if (follower->in_isr && follower->end != end &&
            now - follower->caught_up_ms > lag_max_ms(shard->node)) {
            follower->leaving = true;
            leaving = true;
        }
    }
    if (leaving) {
        ask(partition);
    }
}

void partition_drop_isr_change(struct partition *partition) {
    for (int32_t i = 0; i < partition->follower_count; i++) {
        partition->followers[i].joining = false;
        partition->followers[i].leaving = false;
    }
    partition->isr_pending = false;
    partition->sole_isr = partition->isr_count == 1;
    list_remove(&partition->isr_link);
}

/* ---- Looking for followers that lag ---------------------------------------------------------- */

static void on_timer(struct timer *timer) {
    struct replica_manager *manager = CONTAINER_OF(timer, struct replica_manager, isr_timer);
    LIST_FOREACH(it, &manager->led) {
        partition_consider_leaving(CONTAINER_OF(it, struct partition, led));
    }
    if (!list_empty(&manager->led) && !manager->closing) {
        timer_start(timer, lag_max_ms(manager->shard->node) / 2);
    }
}

void replica_manager_watch_isr(struct partition *partition) {
    struct replica_manager *manager = partition->manager;
    if (partition->state != PARTITION_ONLINE || !partition_is_leader(partition) ||
        partition->follower_count == 0) {
        list_remove(&partition->led);
        return;
    }
    if (!list_linked(&partition->led)) {
        list_append(&manager->led, &partition->led);
    }
    if (!timer_running(&manager->isr_timer)) {
        timer_start(&manager->isr_timer, lag_max_ms(manager->shard->node) / 2);
    }
}

void replica_manager_isr_init(struct replica_manager *manager) {
    list_init(&manager->led);
    timer_init(&manager->isr_timer, manager->shard->shard, on_timer);
    isr_changes_init(&manager->isr_changes, manager);
}
