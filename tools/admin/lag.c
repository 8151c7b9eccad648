#include "tools/admin/lag.h"

#include <stdlib.h>

#include "tools/admin/offsets.h"

static int by_place(const void *a, const void *b) {
    const struct lag_row *x = a;
    const struct lag_row *y = b;
    int order = (x->member == NULL) - (y->member == NULL);
    order = order != 0 ? order : slice_compare(x->topic, y->topic);
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static struct lag_row *find(const struct lag_list *list, struct slice topic, int32_t partition) {
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].partition == partition && slice_equal(list->items[i].topic, topic)) {
            return &list->items[i];
        }
    }
    return NULL;
}

static void add_assigned(struct client *client,
                         const struct describe_groups_response_described_group *group,
                         struct lag_list *list, size_t cap) {
    for (int32_t i = 0; i < group->members_count; i++) {
        struct member_partition *partitions;
        size_t count = group_assignment(client, &group->members[i], &partitions);
        for (size_t j = 0; j < count && list->count < cap; j++) {
            list->items[list->count++] = (struct lag_row){
                partitions[j].topic, partitions[j].partition, -1, -1, partitions[j].member};
        }
    }
}

bool group_lag(struct client *client, const struct describe_groups_response_described_group *group,
               struct lag_list *out, int16_t *code) {
    struct committed_list committed;
    if (!group_committed(client, group->group_id, &committed, code) || *code != ERROR_NONE) {
        return *code != ERROR_NONE;
    }
    size_t cap = committed.count;
    for (int32_t i = 0; i < group->members_count; i++) {
        struct member_partition *partitions;
        cap += group_assignment(client, &group->members[i], &partitions);
    }
    *out = (struct lag_list){arena_array(&client->answers, cap + 1, sizeof(struct lag_row)), 0};
    add_assigned(client, group, out, cap);
    for (size_t i = 0; i < committed.count; i++) {
        const struct committed *c = &committed.items[i];
        struct lag_row *row = find(out, c->topic, c->partition);
        if (row == NULL && out->count < cap) {
            row = &out->items[out->count++];
            *row = (struct lag_row){c->topic, c->partition, -1, -1, NULL};
        }
        if (row != NULL) {
            row->committed = c->offset;
        }
    }
    struct offset_query *ends =
        arena_array(&client->answers, out->count + 1, sizeof(struct offset_query));
    for (size_t i = 0; i < out->count; i++) {
        ends[i] = (struct offset_query){.topic = out->items[i].topic,
                                        .partition = out->items[i].partition,
                                        .timestamp = OFFSET_LATEST};
    }
    if (!offsets_list(client, ends, out->count, false)) {
        return false;
    }
    for (size_t i = 0; i < out->count; i++) {
        out->items[i].end = ends[i].code == ERROR_NONE ? ends[i].offset : -1;
    }
    if (out->count > 0) {
        qsort(out->items, out->count, sizeof(*out->items), by_place);
    }
    return true;
}

int64_t lag_of(const struct lag_row *row) {
    return row->committed < 0 || row->end < 0 ? -1 : row->end - row->committed;
}
