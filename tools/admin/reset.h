/* New offsets for a group: where they are to be, and what that comes to. */
#ifndef TOOLS_ADMIN_RESET_H
#define TOOLS_ADMIN_RESET_H

#include "tools/admin/groups.h"

enum reset_to {
    RESET_TO_EARLIEST,
    RESET_TO_LATEST,
    RESET_TO_CURRENT, /* what is committed; the end where nothing is */
    RESET_TO_OFFSET,
    RESET_BY_SHIFT, /* from what is committed */
    RESET_TO_TIME,
    RESET_TO_ITEMS, /* the offsets that the rows have already */
};

/* Why an offset is another than was asked for. */
enum reset_note {
    RESET_AS_ASKED,
    RESET_ABOVE_END,
    RESET_BELOW_START,
    RESET_NO_RECORD, /* none of this time or later: the end */
    RESET_NO_OFFSET, /* nothing committed that could be shifted: not possible */
};

struct reset_row {
    struct slice topic;
    int32_t partition;
    int64_t asked;  /* what was asked for, before it was cut; -1: nothing */
    int64_t offset; /* the new one */
    enum reset_note note;
};

struct reset_list {
    struct reset_row *items;
    size_t count;
};

/* The partitions of "topic", or of "topic:0,1,2": appended to the list. 0, -1 with the client's
 * error without answer, UNKNOWN_TOPIC_OR_PARTITION when there is no such topic, or
 * INVALID_PARTITIONS with the client's error naming those that do not exist. */
int16_t reset_add_topic(struct client *client, const char *scope, struct reset_list *list);

/* All that the group has committed. */
int16_t reset_add_committed(struct client *client, struct slice group, struct reset_list *list);

/* Computes the new offsets; `value` is an offset, a shift, or a time in ms. 0, -1 with the client's
 * error, or a code of Kafka. */
int16_t reset_compute(struct client *client, struct slice group, enum reset_to to, int64_t value,
                      struct reset_list *list);

/* Commits them. As reset_compute(). */
int16_t reset_commit(struct client *client, struct slice group, const struct reset_list *list);

#endif
