#include "tools/admin/reset.h"

#include <stdlib.h>

#include "tools/admin/offsets.h"

static void add(struct client *client, struct reset_list *list, struct slice topic,
                int32_t partition) {
    if ((list->count & (list->count - 1)) == 0) {
        size_t cap = list->count == 0 ? 1 : list->count * 2;
        struct reset_row *items = arena_array(&client->answers, cap, sizeof(*items));
        for (size_t i = 0; i < list->count; i++) {
            items[i] = list->items[i];
        }
        list->items = items;
    }
    list->items[list->count++] =
        (struct reset_row){.topic = topic, .partition = partition, .asked = -1, .offset = -1};
}

/* Adds the numbers behind the colon; those that do not exist are named in the error. */
static int16_t add_some(struct client *client, struct slice topic, const char *numbers,
                        int32_t partition_count, struct reset_list *list) {
    const char *missing = NULL;
    while (*numbers != '\0') {
        char *end;
        long number = strtol(numbers, &end, 10);
        if (end == numbers || (*end != ',' && *end != '\0')) {
            errmsg_set(&client->error, "'%s' is no list of partitions", numbers);
            return ERROR_INVALID_PARTITIONS;
        }
        if (number < 0 || number >= partition_count) {
            missing = arena_printf(&client->answers, "%s%s%.*s-%ld", missing != NULL ? missing : "",
                                   missing != NULL ? "," : "", SLICE_ARG(topic), number);
        } else {
            add(client, list, topic, (int32_t)number);
        }
        numbers = *end == ',' ? end + 1 : end;
    }
    if (missing != NULL) {
        errmsg_set(&client->error, "The partitions \"%s\" do not exist", missing);
        return ERROR_INVALID_PARTITIONS;
    }
    return ERROR_NONE;
}

int16_t reset_add_topic(struct client *client, const char *scope, struct reset_list *list) {
    const char *colon = strrchr(scope, ':');
    struct slice topic = slice_make(scope, colon != NULL ? (size_t)(colon - scope) : strlen(scope));
    const struct metadata_response *metadata = client_metadata(client, &topic, 1);
    if (metadata == NULL) {
        return -1;
    }
    if (metadata->topics_count != 1 || metadata->topics[0].error_code != ERROR_NONE) {
        errmsg_set(&client->error, "there is no topic %.*s", SLICE_ARG(topic));
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    int32_t count = metadata->topics[0].partitions_count;
    if (colon != NULL) {
        return add_some(client, topic, colon + 1, count, list);
    }
    for (int32_t i = 0; i < count; i++) {
        add(client, list, topic, i);
    }
    return ERROR_NONE;
}

int16_t reset_add_committed(struct client *client, struct slice group, struct reset_list *list) {
    struct committed_list committed;
    int16_t code;
    if (!group_committed(client, group, &committed, &code)) {
        return -1;
    }
    for (size_t i = 0; i < committed.count && code == ERROR_NONE; i++) {
        add(client, list, committed.items[i].topic, committed.items[i].partition);
    }
    return code;
}

/* Asks one timestamp of all rows. */
static bool ask(struct client *client, const struct reset_list *list, int64_t timestamp,
                struct offset_query **out) {
    *out = arena_array(&client->answers, list->count + 1, sizeof(**out));
    for (size_t i = 0; i < list->count; i++) {
        (*out)[i] = (struct offset_query){.topic = list->items[i].topic,
                                          .partition = list->items[i].partition,
                                          .timestamp = timestamp};
    }
    return offsets_list(client, *out, list->count, false);
}

/* What the group has for each row, as `asked`. */
static int16_t take_committed(struct client *client, struct slice group, struct reset_list *list) {
    struct committed_list committed;
    int16_t code;
    if (!group_committed(client, group, &committed, &code)) {
        return -1;
    }
    for (size_t i = 0; i < list->count && code == ERROR_NONE; i++) {
        for (size_t j = 0; j < committed.count; j++) {
            if (committed.items[j].partition == list->items[i].partition &&
                slice_equal(committed.items[j].topic, list->items[i].topic)) {
                list->items[i].asked = committed.items[j].offset;
            }
        }
    }
    return code;
}

static void cut(struct reset_row *row, int64_t start, int64_t end) {
    row->note = row->asked > end     ? RESET_ABOVE_END
                : row->asked < start ? RESET_BELOW_START
                                     : RESET_AS_ASKED;
    row->offset = row->asked > end ? end : row->asked < start ? start : row->asked;
}

static void compute_row(struct reset_row *row, enum reset_to to, int64_t value, int64_t start,
                        int64_t end, const struct offset_query *of_time) {
    switch (to) {
    case RESET_TO_EARLIEST:
        row->offset = start;
        break;
    case RESET_TO_LATEST:
        row->offset = end;
        break;
    case RESET_TO_CURRENT:
        if (row->asked < 0) {
            row->offset = end;
        } else {
            cut(row, start, end);
        }
        break;
    case RESET_TO_OFFSET:
        row->asked = value;
        cut(row, start, end);
        break;
    case RESET_BY_SHIFT:
        if (row->asked < 0) {
            row->note = RESET_NO_OFFSET;
        } else if (!__builtin_add_overflow(row->asked, value, &row->asked)) {
            cut(row, start, end);
        } else {
            row->asked = value > 0 ? INT64_MAX : INT64_MIN;
            cut(row, start, end);
        }
        break;
    case RESET_TO_TIME:
        row->note = of_time->offset < 0 ? RESET_NO_RECORD : RESET_AS_ASKED;
        row->offset = of_time->offset < 0 ? end : of_time->offset;
        break;
    case RESET_TO_ITEMS:
        row->asked = row->offset;
        cut(row, start, end);
        break;
    }
}

int16_t reset_compute(struct client *client, struct slice group, enum reset_to to, int64_t value,
                      struct reset_list *list) {
    struct offset_query *starts, *ends, *times = NULL;
    if (!ask(client, list, OFFSET_EARLIEST, &starts) || !ask(client, list, OFFSET_LATEST, &ends) ||
        (to == RESET_TO_TIME && !ask(client, list, value, &times))) {
        return -1;
    }
    if (to == RESET_TO_CURRENT || to == RESET_BY_SHIFT) {
        int16_t code = take_committed(client, group, list);
        if (code != ERROR_NONE) {
            return code;
        }
    }
    for (size_t i = 0; i < list->count; i++) {
        int16_t code = starts[i].code != ERROR_NONE ? starts[i].code : ends[i].code;
        if (code != ERROR_NONE) {
            client_fail(client, code, SLICE_NULL);
            return code;
        }
        compute_row(&list->items[i], to, value, starts[i].offset, ends[i].offset,
                    times != NULL ? &times[i] : NULL);
    }
    return ERROR_NONE;
}

int16_t reset_commit(struct client *client, struct slice group, const struct reset_list *list) {
    struct committed *items = arena_array(&client->answers, list->count + 1, sizeof(*items));
    for (size_t i = 0; i < list->count; i++) {
        items[i] = (struct committed){.topic = list->items[i].topic,
                                      .partition = list->items[i].partition,
                                      .offset = list->items[i].offset,
                                      .metadata = SLICE_LIT("")};
    }
    int16_t code = ERROR_NONE;
    if (list->count > 0 && !group_commit(client, group, NO_MEMBER, items, list->count, &code)) {
        return -1;
    }
    if (code != ERROR_NONE) {
        client_fail(client, code, SLICE_NULL);
    }
    return code;
}
