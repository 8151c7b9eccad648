/*
 * Removing: tombstones, what has expired, what belongs to topics that are gone.
 *
 * When offsets expire (KIP-211, as Kafka 4.x does it). Retention counts
 *
 *     a group with a protocol type, EMPTY    from when it became empty; from the commit, if unknown
 *     consumers, STABLE                      from the commit, for topics that nobody subscribes to
 *     a simple group                         from the commit
 *
 * and in all other states nothing expires. An offset with an expiry of its own uses that instead.
 * An EMPTY group whose last offset has expired goes too.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/group/coordinator.h"
#include "broker/metadata/image.h"
#include "broker/node.h"

/* Half of the default max.message.bytes: a batch stays well below what a topic may be set to. */
#define TOMBSTONE_BATCH_BYTES ((size_t)512 << 10)

struct tombstones {
    struct list link; /* coordinator.tombstones */
    struct coordinator *coordinator;
    struct record_writer writer; /* valid while `batch` is not NULL */
    struct tombstone_batch *batch;
    int under_way;
    bool sent;
    enum kafka_error error;
    void (*done)(void *ctx, enum kafka_error error);
    void *ctx;
};

struct tombstone_batch {
    struct coordinator_append append; /* first */
    struct tombstones *tombstones;
    struct list groups; /* struct group; those that replay has freed are gone from it */
};

struct tombstones *tombstones_new(struct coordinator *coordinator,
                                  void (*done)(void *ctx, enum kafka_error error), void *ctx) {
    struct tombstones *tombstones = NEW(struct tombstones);
    tombstones->coordinator = coordinator;
    tombstones->done = done;
    tombstones->ctx = ctx;
    list_append(&coordinator->tombstones, &tombstones->link);
    return tombstones;
}

void tombstones_abandon(struct list *link) {
    struct tombstones *tombstones = CONTAINER_OF(link, struct tombstones, link);
    ASSERT(tombstones->batch == NULL);
    list_remove(&tombstones->link);
    free(tombstones);
}

static void maybe_end(struct tombstones *tombstones) {
    if (!tombstones->sent || tombstones->under_way > 0) {
        return;
    }
    void (*done)(void *ctx, enum kafka_error error) = tombstones->done;
    void *ctx = tombstones->ctx;
    enum kafka_error error = tombstones->error;
    list_remove(&tombstones->link);
    free(tombstones);
    if (done != NULL) {
        done(ctx, error);
    }
}

static void batch_ended(struct coordinator_append *append) {
    struct tombstone_batch *batch = CONTAINER_OF(append, struct tombstone_batch, append);
    struct tombstones *tombstones = batch->tombstones;
    LIST_FOREACH_SAFE(it, &batch->groups) {
        struct group *group = CONTAINER_OF(it, struct group, dying);
        list_remove(it);
        if (group->state == GROUP_DEAD) {
            group_set_dead(group, false);
        }
    }
    if (tombstones->error == ERROR_NONE) {
        tombstones->error = append->error;
    }
    tombstones->under_way--;
    maybe_end(tombstones);
}

static void flush(struct tombstones *tombstones) {
    struct tombstone_batch *batch = tombstones->batch;
    if (batch == NULL) {
        return;
    }
    tombstones->batch = NULL;
    tombstones->under_way++;
    coordinator_append(tombstones->coordinator, &batch->append, &tombstones->writer, NULL,
                       batch_ended);
}

static void need_batch(struct tombstones *tombstones) {
    if (tombstones->batch != NULL &&
        record_writer_len(&tombstones->writer) > TOMBSTONE_BATCH_BYTES) {
        flush(tombstones);
    }
    if (tombstones->batch == NULL) {
        tombstones->batch = NEW(struct tombstone_batch);
        tombstones->batch->tombstones = tombstones;
        list_init(&tombstones->batch->groups);
        coordinator_writer(tombstones->coordinator, &tombstones->writer);
    }
}

void tombstones_add_offset(struct tombstones *tombstones, struct slice group_id, struct slice topic,
                           int32_t partition) {
    need_batch(tombstones);
    record_write_offset_tombstone(&tombstones->writer, group_id, topic, partition);
}

static void tombstones_add_group(struct tombstones *tombstones, struct group *group) {
    ASSERT(group->state == GROUP_EMPTY && group->writes == 0);
    need_batch(tombstones);
    record_write_group_tombstone(&tombstones->writer, group->id);
    group_set_dead(group, true);
    list_append(&tombstones->batch->groups, &group->dying);
}

void tombstones_add_whole_group(struct tombstones *tombstones, struct group *group) {
    HMAP_FOREACH(it, &group->offsets.topics) {
        const struct offset_topic *topic = CONTAINER_OF(it, struct offset_topic, node);
        for (int32_t i = 0; i < topic->count; i++) {
            tombstones_add_offset(tombstones, group->id, topic->name, topic->entries[i].partition);
        }
    }
    tombstones_add_group(tombstones, group);
}

void tombstones_send(struct tombstones *tombstones) {
    flush(tombstones);
    tombstones->sent = true;
    maybe_end(tombstones);
}

/* ---- Expiry ---------------------------------------------------------------------------------- */

enum expiry_base { EXPIRY_NEVER, EXPIRY_SINCE_EMPTY, EXPIRY_SINCE_COMMIT };

static enum expiry_base expiry_base(const struct group *group) {
    if (slice_is_null(group->protocol_type)) {
        return EXPIRY_SINCE_COMMIT;
    }
    if (group->state == GROUP_EMPTY) {
        return group->state_timestamp >= 0 ? EXPIRY_SINCE_EMPTY : EXPIRY_SINCE_COMMIT;
    }
    return group->state == GROUP_STABLE && group_is_consumer(group) ? EXPIRY_SINCE_COMMIT
                                                                    : EXPIRY_NEVER;
}

static bool expired(const struct group *group, const struct group_offset *offset,
                    enum expiry_base base, int64_t now_ms, int64_t retention_ms) {
    if (offset->expire_timestamp >= 0) {
        return now_ms >= offset->expire_timestamp;
    }
    int64_t since = base == EXPIRY_SINCE_EMPTY ? group->state_timestamp : offset->commit_timestamp;
    return now_ms - since >= retention_ms;
}

/* Whether no offset of the group is left behind. */
static bool expire_offsets(struct coordinator *coordinator, struct group *group,
                           struct tombstones *tombstones, int64_t now_ms, int64_t retention_ms) {
    enum expiry_base base = expiry_base(group);
    if (base == EXPIRY_NEVER) {
        return false;
    }
    bool all = true;
    HMAP_FOREACH(it, &group->offsets.topics) {
        const struct offset_topic *topic = CONTAINER_OF(it, struct offset_topic, node);
        bool keep = group_subscribes(group, topic->name);
        for (int32_t i = 0; i < topic->count; i++) {
            const struct group_offset *offset = &topic->entries[i];
            if (keep || !expired(group, offset, base, now_ms, retention_ms) ||
                group_table_unstable(&coordinator->table, group->id, topic->name,
                                     offset->partition)) {
                all = false;
                continue;
            }
            tombstones_add_offset(tombstones, group->id, topic->name, offset->partition);
        }
    }
    return all;
}

void coordinator_expire(struct coordinator *coordinator, int64_t now_ms, int64_t retention_ms) {
    ASSERT(coordinator->state == COORDINATOR_ACTIVE);
    struct tombstones *tombstones = tombstones_new(coordinator, NULL, NULL);
    HMAP_FOREACH(it, &coordinator->table.groups) {
        struct group *group = CONTAINER_OF(it, struct group, node);
        /* With a record under way an offset may be about to be renewed; next time, then. */
        if (group->writes > 0 || group->state == GROUP_DEAD) {
            continue;
        }
        bool all = expire_offsets(coordinator, group, tombstones, now_ms, retention_ms);
        if (all && group->state == GROUP_EMPTY && list_empty(&group->pending)) {
            tombstones_add_group(tombstones, group);
        }
    }
    tombstones_send(tombstones);
}

/* ---- Topics that are gone -------------------------------------------------------------------- */

void coordinator_forget_topic(struct coordinator *coordinator, struct slice topic) {
    struct tombstones *tombstones = tombstones_new(coordinator, NULL, NULL);
    HMAP_FOREACH(it, &coordinator->table.groups) {
        const struct group *group = CONTAINER_OF(it, struct group, node);
        const struct offset_topic *found = offset_store_topic(&group->offsets, topic);
        for (int32_t i = 0; found != NULL && i < found->count; i++) {
            tombstones_add_offset(tombstones, group->id, topic, found->entries[i].partition);
        }
    }
    tombstones_send(tombstones);
}

void coordinator_forget_missing(struct coordinator *coordinator, const struct image *image) {
    struct tombstones *tombstones = tombstones_new(coordinator, NULL, NULL);
    HMAP_FOREACH(g, &coordinator->table.groups) {
        const struct group *group = CONTAINER_OF(g, struct group, node);
        HMAP_FOREACH(it, &group->offsets.topics) {
            const struct offset_topic *topic = CONTAINER_OF(it, struct offset_topic, node);
            for (int32_t i = 0; i < topic->count; i++) {
                const struct group_offset *offset = &topic->entries[i];
                if (!uuid_is_zero(offset->topic_id) &&
                    image_topic_by_id(image, offset->topic_id) == NULL) {
                    tombstones_add_offset(tombstones, group->id, topic->name, offset->partition);
                }
            }
        }
    }
    tombstones_send(tombstones);
}
