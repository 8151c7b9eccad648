#include "base/hmap.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/assert.h"
#include "base/memory.h"

#define HMAP_BUCKETS_MIN 8

void hmap_init(struct hmap *map) {
    *map = (struct hmap){0};
}

void hmap_release(struct hmap *map) {
    free(map->buckets);
    hmap_init(map);
}

static struct hmap_node **hmap_bucket(const struct hmap *map, uint64_t hash) {
    return &map->buckets[hash & (map->bucket_count - 1)];
}

static void hmap_resize(struct hmap *map, size_t bucket_count) {
    struct hmap grown = {
        .buckets = xcalloc(bucket_count, sizeof(*grown.buckets)),
        .bucket_count = bucket_count,
        .count = map->count,
    };
    for (size_t i = 0; i < map->bucket_count; i++) {
        struct hmap_node *node = map->buckets[i];
        while (node != NULL) {
            struct hmap_node *next = node->next;
            struct hmap_node **bucket = hmap_bucket(&grown, node->hash);
            node->next = *bucket;
            *bucket = node;
            node = next;
        }
    }
    free(map->buckets);
    *map = grown;
}

void hmap_insert(struct hmap *map, struct hmap_node *node, uint64_t hash) {
    if (map->count >= map->bucket_count) {
        hmap_resize(map, map->bucket_count == 0 ? HMAP_BUCKETS_MIN : map->bucket_count * 2);
    }
    struct hmap_node **bucket = hmap_bucket(map, hash);
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    map->count++;
}

void hmap_remove(struct hmap *map, struct hmap_node *node) {
    struct hmap_node **link = hmap_bucket(map, node->hash);
    while (*link != node) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    map->count--;
}

static struct hmap_node *skip_to_hash(struct hmap_node *node, uint64_t hash) {
    while (node != NULL && node->hash != hash) {
        node = node->next;
    }
    return node;
}

struct hmap_node *hmap_first_with_hash(const struct hmap *map, uint64_t hash) {
    return map->count == 0 ? NULL : skip_to_hash(*hmap_bucket(map, hash), hash);
}

struct hmap_node *hmap_next_with_hash(const struct hmap_node *node) {
    return skip_to_hash(node->next, node->hash);
}

static struct hmap_node *first_from_bucket(const struct hmap *map, size_t index) {
    for (; index < map->bucket_count; index++) {
        if (map->buckets[index] != NULL) {
            return map->buckets[index];
        }
    }
    return NULL;
}

struct hmap_node *hmap_first(const struct hmap *map) {
    return first_from_bucket(map, 0);
}

struct hmap_node *hmap_next(const struct hmap *map, const struct hmap_node *node) {
    if (node->next != NULL) {
        return node->next;
    }
    return first_from_bucket(map, (node->hash & (map->bucket_count - 1)) + 1);
}

/*
 * Buckets are met in the order of their reversed numbers: 0, 4, 2, 6, 1, ... When the map doubles,
 * a bucket is divided into two that are neighbours in this order, so that what is before the cursor
 * stays before it.
 */
struct hmap_node *hmap_scan(const struct hmap *map, uint64_t *cursor) {
    if (map->bucket_count == 0) {
        *cursor = 0;
        return NULL;
    }
    uint64_t at = *cursor & (map->bucket_count - 1);
    uint64_t bit = map->bucket_count >> 1;
    struct hmap_node *first = map->buckets[at];
    for (; (at & bit) != 0; bit >>= 1) {
        at &= ~bit;
    }
    *cursor = at | bit;
    return first;
}

uint64_t hash_bytes(struct slice s) {
    return XXH3_64bits(s.data, s.len);
}
