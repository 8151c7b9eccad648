/*
 * The committed offsets of one group, by topic and partition. Plain memory: who may see what, and
 * when, is the coordinator's business.
 */
#ifndef BROKER_GROUP_OFFSET_STORE_H
#define BROKER_GROUP_OFFSET_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hmap.h"
#include "base/slice.h"
#include "base/uuid.h"

struct group_offset {
    int32_t partition;
    int32_t leader_epoch; /* -1: unknown */
    int64_t offset;
    int64_t commit_timestamp;
    int64_t expire_timestamp; /* -1: by the broker's retention */
    int64_t record_offset;    /* of its record in __consumer_offsets */
    struct slice metadata;    /* never null */
    struct uuid topic_id;     /* zero: unknown */
};

struct offset_topic {
    struct hmap_node node; /* offset_store.topics */
    struct slice name;
    struct group_offset *entries; /* by partition */
    int32_t count;
    int32_t cap;
};

struct offset_store {
    struct hmap topics; /* struct offset_topic; none is empty */
    size_t count;       /* of all entries */
};

void offset_store_init(struct offset_store *store);
void offset_store_release(struct offset_store *store);

struct offset_topic *offset_store_topic(const struct offset_store *store, struct slice topic);
const struct group_offset *offset_store_find(const struct offset_store *store, struct slice topic,
                                             int32_t partition);

/* Keeps a copy, unless what is there comes from a later record. */
void offset_store_put(struct offset_store *store, struct slice topic,
                      const struct group_offset *offset);

/* Whether it was there and older than `record_offset`. */
bool offset_store_remove(struct offset_store *store, struct slice topic, int32_t partition,
                         int64_t record_offset);

#endif
