#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/hmap.h"
#include "base/memory.h"

struct item {
    struct hmap_node node;
    uint64_t key;
};

static struct item *find(const struct hmap *map, uint64_t key, uint64_t hash) {
    HMAP_FOREACH_HASH(node, map, hash) {
        struct item *item = CONTAINER_OF(node, struct item, node);
        if (item->key == key) {
            return item;
        }
    }
    return NULL;
}

static struct item *insert(struct hmap *map, uint64_t key, uint64_t hash) {
    struct item *item = NEW(struct item);
    item->key = key;
    hmap_insert(map, &item->node, hash);
    return item;
}

static void drop_all(struct hmap *map) {
    HMAP_FOREACH(node, map) {
        hmap_remove(map, node);
        free(CONTAINER_OF(node, struct item, node));
    }
    cr_assert_eq(map->count, 0);
    hmap_release(map);
}

Test(hmap, an_empty_map_finds_nothing) {
    struct hmap map;
    hmap_init(&map);
    cr_assert_null(hmap_first_with_hash(&map, 1));
    cr_assert_null(hmap_first(&map));
    hmap_release(&map);
    hmap_release(&map);
}

Test(hmap, everything_inserted_is_found_until_it_is_removed) {
    struct hmap map;
    hmap_init(&map);
    for (uint64_t key = 0; key < 5000; key++) {
        insert(&map, key, hash_u64(key));
    }
    cr_assert_eq(map.count, 5000);
    for (uint64_t key = 0; key < 5000; key += 2) {
        struct item *item = find(&map, key, hash_u64(key));
        cr_assert_not_null(item);
        hmap_remove(&map, &item->node);
        free(item);
    }
    for (uint64_t key = 0; key < 5000; key++) {
        cr_assert_eq(find(&map, key, hash_u64(key)) != NULL, key % 2 == 1);
    }
    drop_all(&map);
}

Test(hmap, equal_hashes_are_told_apart_by_the_caller) {
    struct hmap map;
    hmap_init(&map);
    for (uint64_t key = 0; key < 100; key++) {
        insert(&map, key, 42);
        insert(&map, 1000 + key, 42 + 8 * (key + 1)); /* the same bucket of eight */
    }
    size_t same = 0;
    HMAP_FOREACH_HASH(node, &map, 42) {
        same++;
    }
    cr_assert_eq(same, 100);
    cr_assert_not_null(find(&map, 99, 42));
    cr_assert_null(find(&map, 100, 42));
    drop_all(&map);
}

Test(hmap, iteration_meets_each_node_once_and_may_remove) {
    struct hmap map;
    hmap_init(&map);
    bool seen[1000] = {false};
    for (uint64_t key = 0; key < 1000; key++) {
        insert(&map, key, hash_u64(key));
    }
    HMAP_FOREACH(node, &map) {
        struct item *item = CONTAINER_OF(node, struct item, node);
        cr_assert_not(seen[item->key]);
        seen[item->key] = true;
        if (item->key % 3 == 0) {
            hmap_remove(&map, node);
            free(item);
        }
    }
    for (size_t i = 0; i < 1000; i++) {
        cr_assert(seen[i]);
    }
    cr_assert_eq(map.count, 666);
    drop_all(&map);
}

Test(hmap, pieces_of_a_map_that_changes_meet_what_stays_once) {
    enum { STAYS = 500, ALL = 20000 };
    static int seen[ALL];
    struct hmap map;
    uint64_t cursor = 0;
    uint64_t key = 0;
    size_t pieces = 0;
    hmap_init(&map);
    cr_assert_null(hmap_scan(&map, &cursor));
    cr_assert_eq(cursor, 0);
    for (; key < STAYS; key++) {
        insert(&map, key, hash_u64(key));
    }
    do {
        struct hmap_node *node = hmap_scan(&map, &cursor);
        for (; node != NULL; node = node->next) {
            seen[CONTAINER_OF(node, struct item, node)->key]++;
        }
        for (int i = 0; i < 4 && key < ALL; i++, key++) {
            insert(&map, key, hash_u64(key));
        }
        if (key > STAYS + 100 && key < ALL) {
            struct item *gone = find(&map, key - 100, hash_u64(key - 100));
            hmap_remove(&map, &gone->node);
            free(gone);
        }
        pieces++;
    } while (cursor != 0);
    cr_assert_geq(map.bucket_count, 8 * STAYS, "it has grown more than once");
    cr_assert_leq(pieces, map.bucket_count);
    for (size_t i = 0; i < ALL; i++) {
        cr_assert_leq(seen[i], 1);
        cr_assert(i >= STAYS || seen[i] == 1);
    }
    drop_all(&map);
}

Test(hmap, hashes_of_parts_depend_on_their_order) {
    uint64_t a = hash_bytes(SLICE_LIT("a"));
    uint64_t b = hash_bytes(SLICE_LIT("b"));
    cr_assert_neq(a, b);
    cr_assert_neq(hash_combine(a, b), hash_combine(b, a));
}
