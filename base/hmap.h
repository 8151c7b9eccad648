/*
 * An intrusive hash map: nodes are members of the mapped structs, which keep their own keys.
 *
 * A look-up walks the nodes of one hash and compares keys itself:
 *
 *     HMAP_FOREACH_HASH(node, &topics, hash_bytes(name)) {
 *         struct topic *topic = CONTAINER_OF(node, struct topic, by_name);
 *         if (slice_equal(topic->name, name)) return topic;
 *     }
 */
#ifndef BASE_HMAP_H
#define BASE_HMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct hmap_node {
    struct hmap_node *next;
    uint64_t hash;
};

struct hmap {
    struct hmap_node **buckets; /* heap; private */
    size_t bucket_count;        /* 0 or a power of two */
    size_t count;
};

void hmap_init(struct hmap *map);

/* Frees the buckets, not the nodes; the map is empty then. */
void hmap_release(struct hmap *map);

/* Duplicate keys are the caller's to prevent. */
void hmap_insert(struct hmap *map, struct hmap_node *node, uint64_t hash);

/* The node must be in the map. */
void hmap_remove(struct hmap *map, struct hmap_node *node);

/* The first node with this hash, or NULL. */
struct hmap_node *hmap_first_with_hash(const struct hmap *map, uint64_t hash);

/* The next node with the same hash as `node`, or NULL. */
struct hmap_node *hmap_next_with_hash(const struct hmap_node *node);

/* Iteration over all, in no order. The successor must be fetched before a node is removed; nothing
 * may be inserted meanwhile. */
struct hmap_node *hmap_first(const struct hmap *map);
struct hmap_node *hmap_next(const struct hmap *map, const struct hmap_node *node);

/*
 * Iteration in pieces, between which the map may change: what is in the map all the time is met
 * once, what comes or goes meanwhile at most once (unless the map is released in between).
 * *cursor is 0 at the beginning, and again when all was met. Returns the first node of the next
 * bucket, or NULL where that is empty; the others are node->next. A bucket has few nodes.
 */
struct hmap_node *hmap_scan(const struct hmap *map, uint64_t *cursor);

/* XXH3 of the bytes. */
uint64_t hash_bytes(struct slice s);

/* Each bit of the value changes half of the hash's (the finalizer of MurmurHash3). */
static inline uint64_t hash_u64(uint64_t value) {
    value = (value ^ (value >> 33)) * 0xff51afd7ed558ccdu;
    value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53u;
    return value ^ (value >> 33);
}

/* For keys made of several parts. */
static inline uint64_t hash_combine(uint64_t a, uint64_t b) {
    return hash_u64(a ^ (b * 0x9e3779b97f4a7c15u));
}

#define HMAP_FOREACH_HASH(it, map, h)                                                              \
    for (struct hmap_node *it = hmap_first_with_hash((map), (h)); it != NULL;                      \
         it = hmap_next_with_hash(it))

/* The body may remove (and free) `it`. */
#define HMAP_FOREACH(it, map)                                                                      \
    for (struct hmap_node *it = hmap_first(map), *it##_next = it ? hmap_next((map), it) : NULL;    \
         it != NULL; it = it##_next, it##_next = it ? hmap_next((map), it) : NULL)

#endif
