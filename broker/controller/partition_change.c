/* One change of a partition. The steps and their order are those of Kafka's controller. */
#include "broker/controller/partition_change.h"

#include <string.h>

#include "broker/config/config.h"
#include "broker/metadata/features.h"
#include "protocol/generated/partition_change_record.h"
#include "protocol/message.h"

#define LEADER_UNCHANGED (-2)

/* From 3.7-IV2 on partitions know the log dirs of their replicas; from 3.6-IV0 on a smaller ISR
 * does not start a leader epoch. */
#define METADATA_VERSION_DIRECTORIES     17
#define METADATA_VERSION_NO_EPOCH_SHRINK 12

static bool has(struct ids ids, int32_t id) {
    return ids_contain(ids.ids, ids.count, id);
}

static bool has_all(struct ids ids, struct ids wanted) {
    for (int32_t i = 0; i < wanted.count; i++) {
        if (!has(ids, wanted.ids[i])) {
            return false;
        }
    }
    return true;
}

static bool same(struct ids a, struct ids b) {
    return a.count == b.count &&
           (a.count == 0 || memcmp(a.ids, b.ids, (size_t)a.count * sizeof(int32_t)) == 0);
}

/* Those of `ids` that are not in `others`. */
static struct ids minus(const struct partition_change *change, struct ids ids, struct ids others) {
    int32_t *out =
        (int32_t *)arena_array(change->d->records.arena, (size_t)ids.count + 1, sizeof(int32_t));
    int32_t count = 0;
    for (int32_t i = 0; i < ids.count; i++) {
        if (!has(others, ids.ids[i])) {
            out[count++] = ids.ids[i];
        }
    }
    return (struct ids){out, count};
}

static struct ids one(const struct partition_change *change, int32_t id) {
    int32_t *out = ARENA_NEW(change->d->records.arena, int32_t);
    *out = id;
    return (struct ids){out, 1};
}

bool partition_is_moving(const struct image_partition *partition) {
    return partition->adding_replica_count > 0 || partition->removing_replica_count > 0;
}

struct uuid partition_directory(const struct image_partition *partition, int32_t broker) {
    for (int32_t i = 0; i < partition->replica_count && partition->directories != NULL; i++) {
        if (partition->replicas[i] == broker) {
            return partition->directories[i];
        }
    }
    return DIRECTORY_MIGRATING;
}

bool elr_enabled(const struct image *image) {
    return image_feature_level(image, FEATURE_ELR) > 0;
}

void partition_change_init(struct partition_change *change, struct decision *d,
                           const struct image_topic *topic,
                           const struct image_partition *partition) {
    *change = (struct partition_change){
        .d = d,
        .topic = topic,
        .partition = partition,
        .isr = {partition->isr, partition->isr_count},
        .replicas = {partition->replicas, partition->replica_count},
        .removing = {partition->removing_replicas, partition->removing_replica_count},
        .adding = {partition->adding_replicas, partition->adding_replica_count},
        .elr = {partition->elr, partition->elr_count},
        .recovery = partition->leader_recovery_state,
        .election = topic_unclean_election(d, topic->name) ? ELECT_UNCLEAN : ELECT_CLEAN,
        .never = NO_BROKER,
        .as_active = NO_BROKER,
        .unclean = NO_BROKER,
        .moved = NO_BROKER,
    };
}

void partition_change_leave(struct partition_change *change, int32_t broker) {
    change->isr = minus(change, change->isr, (struct ids){&broker, 1});
}

/* ---- Reassignment ---------------------------------------------------------------------------- */

/* Done when all that are added are in sync, and where more go than come, all that stay. */
static void complete_reassignment(struct partition_change *change) {
    if (change->adding.count == 0 && change->removing.count == 0) {
        return;
    }
    struct ids isr = minus(change, change->isr, change->removing);
    struct ids replicas = minus(change, change->replicas, change->removing);
    if (replicas.count == 0 || (change->removing.count > 0 && isr.count == 0) ||
        !has_all(isr, change->adding) ||
        (change->adding.count < change->removing.count && !has_all(isr, replicas))) {
        return;
    }
    change->isr = isr;
    change->replicas = replicas;
    change->removing = (struct ids){NULL, 0};
    change->adding = (struct ids){NULL, 0};
}

/* ---- Eligible leader replicas ---------------------------------------------------------------- */

static int64_t min_isr(const struct partition_change *change) {
    int64_t min = topic_min_insync_replicas(change->d, change->topic->name);
    return min < change->replicas.count ? min : change->replicas.count;
}

static void keep_eligible(struct partition_change *change, bool enabled) {
    const struct image_partition *partition = change->partition;
    if (!enabled || change->isr.count >= min_isr(change)) {
        change->elr = (struct ids){NULL, 0};
        return;
    }
    struct ids gone = {&change->unclean, 1};
    struct ids old = minus(change, (struct ids){partition->elr, partition->elr_count}, change->isr);
    struct ids left =
        minus(change, (struct ids){partition->isr, partition->isr_count}, change->isr);
    int32_t *out = (int32_t *)arena_array(
        change->d->records.arena, (size_t)old.count + (size_t)left.count + 1, sizeof(int32_t));
    int32_t count = 0;
    for (int32_t i = 0; i < old.count + left.count; i++) {
        int32_t id = i < old.count ? old.ids[i] : left.ids[i - old.count];
        /* A replica that a reassignment takes away is none any more. */
        if (!has(gone, id) && has(change->replicas, id) && !ids_contain(out, count, id)) {
            out[count++] = id;
        }
    }
    change->elr = (struct ids){out, count};
}

/* ---- Election -------------------------------------------------------------------------------- */

static bool can_lead(const struct partition_change *change, int32_t id) {
    const struct image *image = change->d->image;
    if (id < 0 || id == change->never || id == change->unclean ||
        (id != change->as_active && !broker_is_active(image, id))) {
        return false;
    }
    struct uuid directory =
        id == change->moved ? change->directory : partition_directory(change->partition, id);
    return broker_has_directory(image, id, directory);
}

static bool can_lead_cleanly(const struct partition_change *change, int32_t id) {
    return (has(change->isr, id) || (change->isr.count == 0 && has(change->elr, id))) &&
           can_lead(change, id);
}

/* Only whoever led last is known to have been in sync: it is asked when nobody else is left. */
static int32_t last_known_leader(const struct partition_change *change, bool enabled) {
    const struct image_partition *partition = change->partition;
    bool possible = enabled && change->isr.count == 0 && change->elr.count == 0 &&
                    partition->last_known_elr_count == 1 &&
                    has(change->replicas, partition->last_known_elr[0]) &&
                    can_lead(change, partition->last_known_elr[0]);
    return possible ? partition->last_known_elr[0] : NO_LEADER;
}

static int32_t elect(const struct partition_change *change, bool enabled, bool *unclean) {
    int32_t first = change->replicas.ids[0];
    *unclean = false;
    if (change->election == ELECT_PREFERRED && can_lead_cleanly(change, first)) {
        return first;
    }
    if (can_lead_cleanly(change, change->partition->leader)) {
        return change->partition->leader;
    }
    for (int32_t i = 0; i < change->replicas.count; i++) {
        if (can_lead_cleanly(change, change->replicas.ids[i])) {
            return change->replicas.ids[i];
        }
    }
    *unclean = true;
    int32_t last = last_known_leader(change, enabled);
    if (last != NO_LEADER) {
        return last;
    }
    for (int32_t i = 0; i < change->replicas.count && change->election == ELECT_UNCLEAN; i++) {
        if (can_lead(change, change->replicas.ids[i])) {
            return change->replicas.ids[i];
        }
    }
    *unclean = false;
    return NO_LEADER;
}

static void try_election(struct partition_change *change, bool enabled) {
    bool unclean;
    int32_t leader = elect(change, enabled, &unclean);
    if (leader == change->partition->leader) {
        return;
    }
    change->leader = leader;
    if (unclean) {
        change->d->unclean_elections++;
        change->isr = one(change, leader);
        change->elr = (struct ids){NULL, 0};
        change->recovery = LEADER_RECOVERING;
    } else if (has(change->elr, leader)) {
        change->isr = one(change, leader);
        change->elr = minus(change, change->elr, change->isr);
    }
}

/* ---- The record ------------------------------------------------------------------------------ */

/* Encoders take arrays that they do not write to as if they might. */
static int32_t *array(const struct partition_change *change, struct ids ids) {
    int32_t *copy =
        (int32_t *)arena_array(change->d->records.arena, (size_t)ids.count + 1, sizeof(int32_t));
    if (ids.count > 0) {
        memcpy(copy, ids.ids, (size_t)ids.count * sizeof(int32_t));
    }
    return copy;
}

static bool put(const struct partition_change *change, struct ids target, const int32_t *now,
                int32_t now_count, int32_t **out, int32_t *out_count) {
    if (same(target, (struct ids){now, now_count})) {
        return false;
    }
    *out = array(change, target);
    *out_count = target.count;
    return true;
}

static bool put_directories(const struct partition_change *change,
                            struct partition_change_record *record) {
    const struct image_partition *partition = change->partition;
    int32_t count = change->replicas.count;
    if (change->d->metadata_version < METADATA_VERSION_DIRECTORIES) {
        return false;
    }
    struct uuid *dirs =
        (struct uuid *)arena_array(change->d->records.arena, (size_t)count, sizeof(struct uuid));
    bool changed = count != partition->replica_count;
    for (int32_t i = 0; i < count; i++) {
        int32_t id = change->replicas.ids[i];
        dirs[i] = id == change->moved ? change->directory
                  : ids_contain(partition->replicas, partition->replica_count, id)
                      ? partition_directory(partition, id)
                      : broker_default_directory(change->d->image, id);
        changed = changed || partition->replicas[i] != id ||
                  !uuid_equal(dirs[i], partition_directory(partition, id));
    }
    if (changed) {
        record->directories = dirs;
        record->directories_count = count;
    }
    return changed;
}

static void start_epoch_where_due(struct partition_change *change) {
    const struct image_partition *partition = change->partition;
    struct ids isr = {partition->isr, partition->isr_count};
    struct ids replicas = {partition->replicas, partition->replica_count};
    bool shrinks = change->d->metadata_version < METADATA_VERSION_NO_EPOCH_SHRINK &&
                   !has_all(change->isr, isr);
    if (change->leader == LEADER_UNCHANGED && (shrinks || !has_all(change->replicas, replicas))) {
        change->leader = partition->leader;
    }
}

static bool put_last_known(const struct partition_change *change,
                           struct partition_change_record *record, bool enabled) {
    const struct image_partition *partition = change->partition;
    if (enabled && change->leader == NO_LEADER && partition->last_known_elr_count == 0 &&
        partition->leader != NO_LEADER) {
        record->last_known_elr = array(change, one(change, partition->leader));
        record->last_known_elr_count = 1;
        return true;
    }
    if (partition->last_known_elr_count > 0 && (!enabled || change->leader >= 0)) {
        record->last_known_elr = array(change, (struct ids){NULL, 0});
        record->last_known_elr_count = 0;
        return true;
    }
    return false;
}

static bool fill(struct partition_change *change, struct partition_change_record *record,
                 bool enabled, int16_t version) {
    const struct image_partition *partition = change->partition;
    bool changed = put(change, change->isr, partition->isr, partition->isr_count, &record->isr,
                       &record->isr_count);
    changed |= put_directories(change, record);
    changed |= put(change, change->replicas, partition->replicas, partition->replica_count,
                   &record->replicas, &record->replicas_count);
    changed |= put(change, change->removing, partition->removing_replicas,
                   partition->removing_replica_count, &record->removing_replicas,
                   &record->removing_replicas_count);
    changed |=
        put(change, change->adding, partition->adding_replicas, partition->adding_replica_count,
            &record->adding_replicas, &record->adding_replicas_count);
    if (version >= 2) {
        changed |= put(change, change->elr, partition->elr, partition->elr_count,
                       &record->eligible_leader_replicas, &record->eligible_leader_replicas_count);
        changed |= put_last_known(change, record, enabled);
    }
    if (change->recovery != partition->leader_recovery_state) {
        record->leader_recovery_state = change->recovery;
        changed = true;
    }
    if (change->leader != LEADER_UNCHANGED) {
        record->leader = change->leader;
        changed = true;
    }
    return changed;
}

bool partition_change_emit(struct partition_change *change) {
    const struct image_partition *partition = change->partition;
    bool enabled = elr_enabled(change->d->image);
    int16_t version = partition_record_version(change->d->metadata_version);
    struct partition_change_record record;
    message_init(&partition_change_record_desc, &record);
    record.topic_id = change->topic->id;
    record.partition_id = partition->index;
    change->leader = LEADER_UNCHANGED;
    complete_reassignment(change);
    keep_eligible(change, enabled);
    try_election(change, enabled);
    if (change->isr.count == 0 && !enabled) {
        /* Somebody has to be told to be in sync, else nobody could ever lead again. */
        change->isr = (struct ids){partition->isr, partition->isr_count};
    }
    start_epoch_where_due(change);
    bool changed = fill(change, &record, enabled, version);
    if (changed) {
        record_list_add(&change->d->records, RECORD_PARTITION_CHANGE, version,
                        &partition_change_record_desc, &record);
    }
    change->leader_epoch = partition->leader_epoch + (change->leader != LEADER_UNCHANGED);
    change->partition_epoch = partition->partition_epoch + (changed ? 1 : 0);
    if (change->leader == LEADER_UNCHANGED) {
        change->leader = partition->leader;
    }
    return changed;
}
