/*
 * Which coordinators a shard has follows from its image and its partitions: those partitions of
 * __consumer_offsets that it owns and this node leads. A partition's log may be opened later than
 * the image says so; then the coordinator starts with the first request, or the next change.
 */
#include "broker/group/group_manager.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/metadata/image.h"
#include "broker/node.h"

static void expiry_fired(struct timer *timer);

static int32_t clamp_i32(int64_t value) {
    return value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

struct group_manager *group_manager_new(struct node_shard *shard) {
    struct group_manager *manager = NEW(struct group_manager);
    const struct broker_config *config = shard->config;
    manager->shard = shard;
    manager->limits = (struct group_limits){
        .session_timeout_min_ms =
            clamp_i32(broker_config_int(config, CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS)),
        .session_timeout_max_ms =
            clamp_i32(broker_config_int(config, CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS)),
        .initial_delay_ms =
            clamp_i32(broker_config_int(config, CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS)),
        .size_max = clamp_i32(broker_config_int(config, CONFIG_GROUP_MAX_SIZE)),
    };
    list_init(&manager->coordinators);
    timer_init(&manager->expiry, shard->shard, expiry_fired);
    return manager;
}

void group_manager_free(struct group_manager *manager) {
    if (manager == NULL) {
        return;
    }
    timer_stop(&manager->expiry);
    LIST_FOREACH_SAFE(it, &manager->coordinators) {
        coordinator_free(CONTAINER_OF(it, struct coordinator, link));
    }
    free(manager->by_partition);
    free(manager);
}

/* ---- Who is in charge ------------------------------------------------------------------------ */

/* The value of one UTF-8 sequence; `*s` moves behind it. Damaged input counts byte by byte. */
static uint32_t next_code_point(struct slice *s) {
    const uint8_t *p = s->data;
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len == 1 || len > s->len) {
        *s = slice_make(p + 1, s->len - 1);
        return p[0];
    }
    uint32_t value = p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        value = value << 6 | (p[i] & 0x3f);
    }
    *s = slice_make(p + len, s->len - len);
    return value;
}

int32_t coordinator_partition(struct slice key, int32_t partition_count) {
    ASSERT(partition_count > 0);
    uint32_t hash = 0; /* of the UTF-16 units, as Java's String.hashCode() */
    while (key.len > 0) {
        uint32_t c = next_code_point(&key);
        if (c >= 0x10000) {
            hash = 31 * hash + (0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        hash = 31 * hash + c;
    }
    int32_t value = (int32_t)hash;
    int32_t magnitude = value == INT32_MIN ? 0 : abs(value);
    return magnitude % partition_count;
}

static const struct image_topic *offsets_topic(const struct node_shard *shard) {
    return image_topic_by_name(shard->image, SLICE_LIT(TOPIC_CONSUMER_OFFSETS));
}

struct node_shard *group_owner(struct node_shard *asking, struct slice group_id) {
    const struct image_topic *topic = offsets_topic(asking);
    if (topic == NULL || topic->partition_count == 0) {
        return NULL;
    }
    int32_t index = coordinator_partition(group_id, topic->partition_count);
    const struct image_partition *partition = image_partition(topic, index);
    if (partition == NULL || partition->leader != asking->node->id) {
        return NULL;
    }
    return &asking->node->shards[node_partition_shard(asking->node, topic->id, index)];
}

static struct coordinator *loaded_for(struct group_manager *manager, int32_t partition) {
    return partition < manager->by_partition_count ? manager->by_partition[partition] : NULL;
}

static void make_room(struct group_manager *manager, int32_t count) {
    if (count <= manager->by_partition_count) {
        return;
    }
    manager->by_partition =
        xrealloc(manager->by_partition, (size_t)count * sizeof(*manager->by_partition));
    for (int32_t i = manager->by_partition_count; i < count; i++) {
        manager->by_partition[i] = NULL;
    }
    manager->by_partition_count = count;
}

static void drop(struct group_manager *manager, struct coordinator *coordinator) {
    manager->by_partition[coordinator->partition] = NULL;
    coordinator_close(coordinator, ERROR_NOT_COORDINATOR);
}

/*
 * Makes the coordinator of a partition be there exactly when it should, for the leader epoch that
 * is now: between two epochs another node may have led, and written, even when this node leads in
 * both. A load of an old epoch is abandoned.
 */
static void review(struct group_manager *manager, const struct image_topic *topic, int32_t index) {
    struct node *node = manager->shard->node;
    const struct image_partition *partition = image_partition(topic, index);
    struct coordinator *coordinator = loaded_for(manager, index);
    bool leads = partition != NULL && partition->leader == node->id &&
                 node_partition_shard(node, topic->id, index) == manager->shard->index;
    if (coordinator != NULL && (!leads || !uuid_equal(coordinator->topic_id, topic->id) ||
                                coordinator->leader_epoch != partition->leader_epoch)) {
        drop(manager, coordinator);
        coordinator = NULL;
    }
    enum kafka_error error;
    if (!leads || coordinator != NULL ||
        replica_leader(manager->shard->replicas, topic->id, index, &error) == NULL) {
        return;
    }
    make_room(manager, index + 1);
    coordinator = coordinator_new(manager, manager->shard, &manager->limits, topic->id, index,
                                  partition->leader_epoch);
    manager->by_partition[index] = coordinator;
    list_append(&manager->coordinators, &coordinator->link);
    coordinator_load_start(coordinator);
}

void group_manager_start(struct group_manager *manager) {
    const struct image_topic *topic = offsets_topic(manager->shard);
    if (topic == NULL || manager->closed) {
        return;
    }
    for (int32_t i = 0; i < topic->partition_count; i++) {
        review(manager, topic, i);
    }
}

struct coordinator *group_manager_coordinator(struct group_manager *manager, struct slice group_id,
                                              enum kafka_error *error) {
    *error = ERROR_NOT_COORDINATOR;
    if (manager->closed) {
        *error = ERROR_COORDINATOR_NOT_AVAILABLE;
        return NULL;
    }
    const struct image_topic *topic = offsets_topic(manager->shard);
    if (topic == NULL || topic->partition_count == 0) {
        return NULL;
    }
    int32_t index = coordinator_partition(group_id, topic->partition_count);
    struct coordinator *coordinator = loaded_for(manager, index);
    if (coordinator == NULL) {
        review(manager, topic, index);
        coordinator = loaded_for(manager, index);
    }
    if (coordinator == NULL) {
        return NULL;
    }
    *error = coordinator_available(coordinator);
    return *error == ERROR_NONE ? coordinator : NULL;
}

/* ---- Changes --------------------------------------------------------------------------------- */

static void forget_topic(struct group_manager *manager, const struct image_change *change) {
    for (int32_t i = 0; i < manager->by_partition_count; i++) {
        struct coordinator *coordinator = manager->by_partition[i];
        if (coordinator == NULL) {
            continue;
        }
        if (uuid_equal(coordinator->topic_id, change->topic_id)) {
            drop(manager, coordinator); /* __consumer_offsets itself */
        } else if (coordinator->state == COORDINATOR_ACTIVE) {
            coordinator_forget_topic(coordinator, change->topic_name);
        }
    }
}

void group_manager_apply(struct group_manager *manager, const struct image_delta *delta) {
    if (manager->closed) {
        return;
    }
    const struct image_topic *topic = offsets_topic(manager->shard);
    for (int i = 0; i < delta->count; i++) {
        const struct image_change *change = &delta->changes[i];
        bool ours = topic != NULL && uuid_equal(change->topic_id, topic->id);
        switch (change->kind) {
        case IMAGE_TOPIC_DELETED:
            forget_topic(manager, change);
            break;
        case IMAGE_TOPIC_CREATED:
            if (ours) {
                group_manager_start(manager);
            }
            break;
        case IMAGE_PARTITION_CREATED:
        case IMAGE_PARTITION_CHANGED:
            if (ours) {
                review(manager, topic, change->partition);
            }
            break;
        default:
            break;
        }
    }
}

void group_manager_close(struct group_manager *manager) {
    manager->closed = true;
    timer_stop(&manager->expiry);
    for (int32_t i = 0; i < manager->by_partition_count; i++) {
        struct coordinator *coordinator = manager->by_partition[i];
        manager->by_partition[i] = NULL;
        if (coordinator != NULL) {
            coordinator_close(coordinator, ERROR_COORDINATOR_NOT_AVAILABLE);
        }
    }
}

/* ---- Expiry ---------------------------------------------------------------------------------- */

static bool any_group(const struct group_manager *manager) {
    LIST_FOREACH(it, &manager->coordinators) {
        const struct coordinator *coordinator = CONTAINER_OF(it, struct coordinator, link);
        if (coordinator->state == COORDINATOR_ACTIVE && coordinator->table.groups.count > 0) {
            return true;
        }
    }
    return false;
}

void group_manager_changed(struct group_manager *manager) {
    if (!manager->closed && !timer_running(&manager->expiry) && any_group(manager)) {
        timer_start(
            &manager->expiry,
            broker_config_int(manager->shard->config, CONFIG_OFFSETS_RETENTION_CHECK_INTERVAL_MS));
    }
}

static void expiry_fired(struct timer *timer) {
    struct group_manager *manager = CONTAINER_OF(timer, struct group_manager, expiry);
    int64_t now_ms = clock_wall_ms(manager->shard->node->machine);
    int64_t retention_ms =
        broker_config_int(manager->shard->config, CONFIG_OFFSETS_RETENTION_MINUTES) * 60 * 1000;
    for (int32_t i = 0; i < manager->by_partition_count; i++) {
        struct coordinator *coordinator = manager->by_partition[i];
        if (coordinator != NULL && coordinator->state == COORDINATOR_ACTIVE) {
            coordinator_expire(coordinator, now_ms, retention_ms);
        }
    }
    group_manager_changed(manager);
}
