/* What changes for partitions when a broker, or a log dir of one, comes or goes. */
#include "broker/controller/partition_change.h"

static bool in_isr(const struct image_partition *partition, int32_t broker) {
    return ids_contain(partition->isr, partition->isr_count, broker);
}

void partitions_without_broker(struct decision *d, int32_t broker) {
    HMAP_FOREACH(node, &d->image->topics_by_id) {
        const struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_id);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (in_isr(&topic->partitions[i], broker)) {
                struct partition_change change;
                partition_change_init(&change, d, topic, &topic->partitions[i]);
                partition_change_leave(&change, broker);
                change.never = broker;
                (void)partition_change_emit(&change);
            }
        }
    }
}

static bool lies_in(const struct image_partition *partition, int32_t broker,
                    const struct uuid *dirs, int32_t count) {
    struct uuid directory = partition_directory(partition, broker);
    for (int32_t i = 0; i < count; i++) {
        if (uuid_equal(dirs[i], directory)) {
            return true;
        }
    }
    return false;
}

void partitions_of_unclean_broker(struct decision *d, int32_t broker, const struct uuid *dirs,
                                  int32_t count) {
    HMAP_FOREACH(node, &d->image->topics_by_id) {
        const struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_id);
        bool durable = topic_is_durable(d, topic->name, broker);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            const struct image_partition *partition = &topic->partitions[i];
            if (!in_isr(partition, broker) &&
                !ids_contain(partition->elr, partition->elr_count, broker)) {
                continue;
            }
            struct partition_change change;
            partition_change_init(&change, d, topic, partition);
            partition_change_leave(&change, broker);
            change.never = broker;
            if (!durable || !lies_in(partition, broker, dirs, count)) {
                change.unclean = broker;
            }
            (void)partition_change_emit(&change);
        }
    }
}

void partitions_led_by_newcomer(struct decision *d, int32_t broker) {
    HMAP_FOREACH(node, &d->image->topics_by_id) {
        const struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_id);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (topic->partitions[i].leader == NO_LEADER &&
                topic->partitions[i].replica_count > 0) {
                struct partition_change change;
                partition_change_init(&change, d, topic, &topic->partitions[i]);
                change.as_active = broker;
                (void)partition_change_emit(&change);
            }
        }
    }
}

void partitions_off_directories(struct decision *d, int32_t broker, const struct uuid *dirs,
                                int32_t count) {
    HMAP_FOREACH(node, &d->image->topics_by_id) {
        const struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_id);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            const struct image_partition *partition = &topic->partitions[i];
            if (in_isr(partition, broker) && lies_in(partition, broker, dirs, count)) {
                struct partition_change change;
                partition_change_init(&change, d, topic, partition);
                partition_change_leave(&change, broker);
                change.never = broker;
                (void)partition_change_emit(&change);
            }
        }
    }
}

bool broker_leads_something(const struct image *image, int32_t broker) {
    HMAP_FOREACH(node, &image->topics_by_id) {
        const struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_id);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (topic->partitions[i].leader == broker) {
                return true;
            }
        }
    }
    return false;
}
