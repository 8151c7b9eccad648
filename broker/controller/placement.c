/* Where replicas of new partitions go. */
#include <limits.h>

#include "broker/controller/partition_change.h"
#include "protocol/generated/partition_record.h"
#include "protocol/message.h"
#include "runtime/machine.h"

static bool same_rack(const struct image_broker *a, const struct image_broker *b) {
    return slice_equal(a->rack, b->rack);
}

/* How many brokers of the same rack and state are before `broker`: its turn within the rack. */
static int turn_in_rack(const struct image *image, const struct image_broker *broker) {
    int turn = 0;
    LIST_FOREACH(it, &image->brokers) {
        const struct image_broker *other = CONTAINER_OF(it, struct image_broker, link);
        if (other == broker) {
            break;
        }
        turn += other->fenced == broker->fenced && same_rack(other, broker);
    }
    return turn;
}

/* Whether new replicas may go to the broker: some log dir of it takes them. */
static bool takes_replicas(const struct image_broker *broker) {
    return !broker->in_controlled_shutdown &&
           (broker->log_dir_count == 0 || broker->cordoned_log_dir_count < broker->log_dir_count);
}

/* Ids of the brokers in the order they get replicas: the first of each rack, the second of each
 * rack, and so on. */
static int in_turn(const struct image *image, bool fenced, int32_t *out) {
    int count = 0;
    for (int turn = 0, found = 1; found > 0; turn++) {
        found = 0;
        LIST_FOREACH(it, &image->brokers) {
            const struct image_broker *broker = CONTAINER_OF(it, struct image_broker, link);
            if (takes_replicas(broker) && broker->fenced == fenced &&
                turn_in_rack(image, broker) == turn) {
                out[count++] = broker->id;
                found++;
            }
        }
    }
    return count;
}

/* How many of the chosen brokers are in the rack of `id`. */
static int used_in_rack(const struct image *image, const int32_t *chosen, int count, int32_t id) {
    const struct image_broker *broker = image_broker(image, id);
    int used = 0;
    for (int i = 0; i < count; i++) {
        used += same_rack(image_broker(image, chosen[i]), broker);
    }
    return used;
}

/* The replicas of one partition: from `start` on in the order, those first whose rack has fewest;
 * behind the active brokers the fenced ones. */
static void place_one(const struct image *image, const int32_t *order, int active, uint64_t start,
                      int count, int32_t *chosen) {
    for (int r = 0; r < count; r++) {
        int fewest = INT_MAX;
        for (int i = 0; i < active && r < active && fewest > 0; i++) {
            int32_t id = order[(start + (uint64_t)i) % (uint64_t)active];
            int used = used_in_rack(image, chosen, r, id);
            if (used < fewest && !ids_contain(chosen, r, id)) {
                fewest = used;
                chosen[r] = id;
            }
        }
        if (r >= active) {
            chosen[r] = order[r];
        }
    }
}

struct verdict place_replicas(struct decision *d, int32_t partition_count,
                              int16_t replication_factor, int32_t **replicas) {
    int registered = 0;
    LIST_FOREACH(it, &d->image->brokers) {
        registered++;
    }
    int32_t *order = (int32_t *)arena_array(d->arena, (size_t)(registered + 1), sizeof(int32_t));
    int active = in_turn(d->image, false, order);
    int usable = active + in_turn(d->image, true, order + active);
    if (replication_factor > usable) {
        return verdict_printf(
            d, ERROR_INVALID_REPLICATION_FACTOR,
            "Replication factor %d is more than the %d brokers that take replicas",
            replication_factor, usable);
    }
    if (active == 0) {
        return verdict(ERROR_INVALID_REPLICATION_FACTOR, "All brokers are fenced");
    }
    size_t total = (size_t)partition_count * (size_t)replication_factor;
    *replicas = (int32_t *)arena_array(d->arena, total, sizeof(int32_t));
    uint64_t start = random_below(d->machine, (uint64_t)active);
    for (int32_t p = 0; p < partition_count; p++) {
        int32_t *of = *replicas + (size_t)p * (size_t)replication_factor;
        place_one(d->image, order, active, start + (uint64_t)p, replication_factor, of);
    }
    return VERDICT_OK;
}

bool add_new_partition(struct decision *d, struct uuid topic_id, int32_t index,
                       const int32_t *replicas, int32_t replica_count) {
    struct partition_record record;
    int16_t version = partition_record_version(d->metadata_version);
    struct arena scratch;
    arena_init(&scratch, SIZE_MAX);
    size_t count = (size_t)replica_count;
    message_init(&partition_record_desc, &record);
    record.topic_id = topic_id;
    record.partition_id = index;
    record.replicas = (int32_t *)arena_array(&scratch, count, sizeof(int32_t));
    record.isr = (int32_t *)arena_array(&scratch, count, sizeof(int32_t));
    record.directories = (struct uuid *)arena_array(&scratch, count, sizeof(struct uuid));
    record.replicas_count = replica_count;
    record.directories_count = version >= 1 ? replica_count : 0;
    for (int32_t i = 0; i < replica_count; i++) {
        record.replicas[i] = replicas[i];
        record.directories[i] = broker_default_directory(d->image, replicas[i]);
        if (broker_is_active(d->image, replicas[i])) {
            record.isr[record.isr_count++] = replicas[i];
        }
    }
    bool ok = record.isr_count > 0;
    if (ok) {
        record.leader = record.isr[0];
        record.leader_epoch = 0;
        record.partition_epoch = 0;
        record_list_add(&d->records, RECORD_PARTITION, version, &partition_record_desc, &record);
    }
    arena_release(&scratch);
    return ok;
}

struct verdict check_assignment(const struct decision *d, const int32_t *brokers, int32_t count,
                                int32_t expected) {
    if (count <= 0) {
        return verdict(ERROR_INVALID_REPLICA_ASSIGNMENT,
                       "A manual assignment must name at least one broker");
    }
    for (int32_t i = 0; i < count; i++) {
        if (image_broker(d->image, brokers[i]) == NULL) {
            return verdict_printf(d, ERROR_INVALID_REPLICA_ASSIGNMENT,
                                  "Broker %d of the manual assignment is not registered",
                                  brokers[i]);
        }
        for (int32_t j = 0; j < i; j++) {
            if (brokers[j] == brokers[i]) {
                return verdict_printf(d, ERROR_INVALID_REPLICA_ASSIGNMENT,
                                      "Broker %d is named twice in the manual assignment",
                                      brokers[i]);
            }
        }
    }
    if (expected >= 0 && count != expected) {
        return verdict_printf(d, ERROR_INVALID_REPLICA_ASSIGNMENT,
                              "A partition with %d replicas where others have %d", count, expected);
    }
    return VERDICT_OK;
}
