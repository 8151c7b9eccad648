/* How far a group is: its partitions, what it committed, where they end. */
#ifndef TOOLS_ADMIN_LAG_H
#define TOOLS_ADMIN_LAG_H

#include "tools/admin/groups.h"

struct lag_row {
    struct slice topic;
    int32_t partition;
    int64_t committed;                                                    /* -1: nothing */
    int64_t end;                                                          /* -1: not known */
    const struct describe_groups_response_described_group_member *member; /* NULL: nobody's */
};

struct lag_list {
    struct lag_row *items; /* those of members first, by topic and partition */
    size_t count;
};

/* False with the client's error; *code of the coordinator, or 0. */
bool group_lag(struct client *client, const struct describe_groups_response_described_group *group,
               struct lag_list *out, int16_t *code);

/* committed to end; -1: not known. */
int64_t lag_of(const struct lag_row *row);

#endif
