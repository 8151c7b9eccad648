/*
 * Requests that list topics and their partitions may name one of them twice. Kafka keeps such lists
 * in maps, so each topic and each partition is answered once, and a topic without partitions not at
 * all. This makes a list in which it is so.
 */
#ifndef BROKER_API_TOPICS_MERGE_H
#define BROKER_API_TOPICS_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

#define TOPICS_NO_ID SIZE_MAX

/* Where things stand in the decoded structs of one API. */
struct topics_layout {
    size_t topic_size;
    size_t name;     /* struct slice */
    size_t topic_id; /* struct uuid, or TOPICS_NO_ID */
    size_t partitions;
    size_t partitions_count; /* int32_t */
    size_t partition_size;
    size_t index; /* int32_t, in the partition */
};

/* The layout of a request's `topic_type` and its array of `partition_type`; for the id of topics
 * offsetof() or TOPICS_NO_ID. */
#define TOPICS_LAYOUT(topic_type, name_field, id_offset, partitions_field, partition_type,         \
                      index_field)                                                                 \
    {                                                                                              \
        .topic_size = sizeof(topic_type), .name = offsetof(topic_type, name_field),                \
        .topic_id = (id_offset), .partitions = offsetof(topic_type, partitions_field),             \
        .partitions_count = offsetof(topic_type, partitions_field##_count),                        \
        .partition_size = sizeof(partition_type), .index = offsetof(partition_type, index_field),  \
    }

/* What becomes of a topic or a partition that is named twice. */
enum topics_repeats {
    REPEATS_MERGE,           /* one of each: of a partition, what was said last counts */
    REPEATS_KEEP_PARTITIONS, /* one topic with both partitions */
    REPEATS_KEEP,            /* both topics; only those without partitions go */
};

/*
 * Merges `count` topics into a new array of the arena (or the old one, when nothing is to be done);
 * its length. Topics come in the order in which they are first named, partitions likewise. The old
 * array stays as it is.
 */
int32_t topics_merge(struct arena *arena, const struct topics_layout *layout,
                     enum topics_repeats repeats, void **topics, int32_t count);

#endif
