/* The offsets of a group in memory. */
#include <criterion/criterion.h>

#include "broker/group/offset_store.h"

static struct offset_store store;

static void setup(void) {
    offset_store_init(&store);
}

static void teardown(void) {
    offset_store_release(&store);
}

TestSuite(group_offset_store, .init = setup, .fini = teardown);

static void put(const char *topic, int32_t partition, int64_t offset, int64_t record_offset) {
    struct group_offset entry = {.partition = partition,
                                 .offset = offset,
                                 .record_offset = record_offset,
                                 .metadata = SLICE_LIT("m")};
    offset_store_put(&store, slice_str(topic), &entry);
}

static int64_t get(const char *topic, int32_t partition) {
    const struct group_offset *found = offset_store_find(&store, slice_str(topic), partition);
    return found == NULL ? -1 : found->offset;
}

Test(group_offset_store, partitions_are_found_whatever_the_order_they_came_in) {
    for (int32_t i = 0; i < 50; i++) {
        put("t", (i * 7) % 50, i, i);
    }
    for (int32_t i = 0; i < 50; i++) {
        cr_assert_eq(get("t", (i * 7) % 50), i);
    }
    cr_assert_eq(get("t", 50), -1);
    cr_assert_eq(get("u", 0), -1);
    cr_assert_eq(store.count, 50);
    const struct offset_topic *topic = offset_store_topic(&store, SLICE_LIT("t"));
    for (int32_t i = 0; i < 50; i++) {
        cr_assert_eq(topic->entries[i].partition, i);
    }
}

Test(group_offset_store, an_older_record_neither_replaces_nor_removes) {
    put("t", 0, 8, 20);
    put("t", 0, 7, 10);
    cr_assert_eq(get("t", 0), 8);
    cr_assert_not(offset_store_remove(&store, SLICE_LIT("t"), 0, 19));
    cr_assert_eq(get("t", 0), 8);
    cr_assert(offset_store_remove(&store, SLICE_LIT("t"), 0, 21));
    cr_assert_eq(get("t", 0), -1);
}

Test(group_offset_store, a_topic_goes_with_its_last_partition) {
    put("t", 0, 1, 1);
    put("t", 1, 1, 2);
    cr_assert(offset_store_remove(&store, SLICE_LIT("t"), 0, 3));
    cr_assert_not_null(offset_store_topic(&store, SLICE_LIT("t")));
    cr_assert(offset_store_remove(&store, SLICE_LIT("t"), 1, 4));
    cr_assert_null(offset_store_topic(&store, SLICE_LIT("t")));
    cr_assert_eq(store.count, 0);
}
