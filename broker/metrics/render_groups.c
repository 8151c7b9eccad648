/*
 * Consumer groups, told by the node that coordinates them. The lag of a partition is its high
 * watermark less the committed offset. The high watermark is known where this node replicates the
 * partition: exact as its leader, else as of its last fetch; other leaders were asked.
 */
#include <stdlib.h>

#include "broker/metrics/render.h"
#include "broker/metrics/text.h"

/* A partition by its name. */
struct mark {
    struct hmap_node node;
    const struct part_partition *partition;
};

struct offset_line {
    struct slice labels;
    int64_t offset;
    int64_t lag; /* -1: not known */
};

/* Of a group and one of its topics. */
struct topic_line {
    struct slice labels;
    int64_t offset_sum;
    int64_t lag_sum;
    bool lag_known;
};

struct group_lines {
    struct hmap marks;
    struct offset_line *offsets;
    int32_t offset_count;
    struct topic_line *topics;
    int32_t topic_count;
};

static uint64_t mark_hash(struct slice topic, int32_t index) {
    return hash_combine(hash_bytes(topic), (uint64_t)(uint32_t)index);
}

static void marks_fill(struct render *render, struct hmap *marks) {
    hmap_init(marks);
    for (int i = 0; i < render->part_count; i++) {
        const struct metrics_part *part = render->parts[i];
        struct mark *items =
            arena_array(render->arena, (size_t)part->partition_count, sizeof(*items));
        struct mark *next = items;
        for (const struct part_partition *p = part->partitions; p != NULL; p = p->next) {
            if (p->online) {
                next->partition = p;
                hmap_insert(marks, &next->node, mark_hash(p->topic, p->index));
                next++;
            }
        }
    }
}

static int64_t lag_of(const struct render *render, const struct hmap *marks, struct slice topic,
                      const struct part_offset *offset) {
    HMAP_FOREACH_HASH(node, marks, mark_hash(topic, offset->partition)) {
        const struct part_partition *partition = CONTAINER_OF(node, struct mark, node)->partition;
        if (partition->index == offset->partition && slice_equal(partition->topic, topic)) {
            int64_t lag = partition->high_watermark - offset->offset;
            return lag < 0 ? 0 : lag;
        }
    }
    int64_t end = remote_ends_lookup(render->remote, topic, offset->partition);
    int64_t lag = end - offset->offset;
    return end < 0 ? -1 : lag < 0 ? 0 : lag;
}

static void add_group_topic(struct render *render, struct group_lines *lines, struct slice group,
                            const struct part_group_topic *of) {
    struct topic_line *topic = &lines->topics[lines->topic_count++];
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    text_label(&labels, "consumergroup", group);
    text_label(&labels, "topic", of->name);
    *topic = (struct topic_line){
        .labels = arena_dup(render->arena, buffer_slice(&labels)),
        .lag_known = true,
    };
    for (int32_t i = 0; i < of->offset_count; i++) {
        const struct part_offset *offset = &of->offsets[i];
        buffer_reset(&labels);
        buffer_append_slice(&labels, topic->labels);
        text_label_int(&labels, "partition", offset->partition);
        int64_t lag = lag_of(render, &lines->marks, of->name, offset);
        lines->offsets[lines->offset_count++] = (struct offset_line){
            .labels = arena_dup(render->arena, buffer_slice(&labels)),
            .offset = offset->offset,
            .lag = lag,
        };
        topic->offset_sum += offset->offset;
        topic->lag_sum += lag > 0 ? lag : 0;
        topic->lag_known = topic->lag_known && lag >= 0;
    }
    buffer_release(&labels);
}

static struct group_lines lines_new(struct render *render) {
    struct group_lines lines = {.offset_count = 0};
    size_t most = 0;
    for (int i = 0; i < render->part_count; i++) {
        for (const struct part_group *g = render->parts[i]->groups; g != NULL; g = g->next) {
            most += (size_t)g->offset_count;
        }
    }
    lines.offsets = arena_array(render->arena, most, sizeof(*lines.offsets));
    lines.topics = arena_array(render->arena, most, sizeof(*lines.topics));
    if (most == 0) {
        hmap_init(&lines.marks);
        return lines;
    }
    marks_fill(render, &lines.marks);
    for (int i = 0; i < render->part_count; i++) {
        for (const struct part_group *g = render->parts[i]->groups; g != NULL; g = g->next) {
            for (const struct part_group_topic *t = g->topics; t != NULL; t = t->next) {
                add_group_topic(render, &lines, g->id, t);
            }
        }
    }
    return lines;
}

/* ---- Families -------------------------------------------------------------------------------- */

static void render_offsets(struct render *render, const struct group_lines *lines) {
    static const char offset_name[] = "kafka_consumergroup_current_offset";
    static const char lag_name[] = "kafka_consumergroup_lag";
    text_family(render->out, offset_name, "gauge", "Committed offset of a group.");
    for (int32_t i = 0; i < lines->offset_count && render_has_room(render); i++) {
        text_int(render->out, offset_name, lines->offsets[i].labels, lines->offsets[i].offset);
    }
    text_family(render->out, lag_name, "gauge",
                "Records behind the committed offset that consumers may read.");
    for (int32_t i = 0; i < lines->offset_count && render_has_room(render); i++) {
        if (lines->offsets[i].lag >= 0) {
            text_int(render->out, lag_name, lines->offsets[i].labels, lines->offsets[i].lag);
        }
    }
}

static void render_topic_sums(struct render *render, const struct group_lines *lines) {
    static const char offset_name[] = "kafka_consumergroup_current_offset_sum";
    static const char lag_name[] = "kafka_consumergroup_lag_sum";
    text_family(render->out, offset_name, "gauge", "Committed offsets of a group in a topic.");
    for (int32_t i = 0; i < lines->topic_count && render_has_room(render); i++) {
        text_int(render->out, offset_name, lines->topics[i].labels, lines->topics[i].offset_sum);
    }
    text_family(render->out, lag_name, "gauge",
                "Lag of a group in a topic; only where it is known of all partitions.");
    for (int32_t i = 0; i < lines->topic_count && render_has_room(render); i++) {
        if (lines->topics[i].lag_known) {
            text_int(render->out, lag_name, lines->topics[i].labels, lines->topics[i].lag_sum);
        }
    }
}

static void render_members(struct render *render) {
    static const char name[] = "kafka_consumergroup_members";
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    text_family(render->out, name, "gauge", "Members of a group.");
    for (int i = 0; i < render->part_count; i++) {
        const struct metrics_part *part = render->parts[i];
        for (const struct part_group *g = part->groups; g != NULL && render_has_room(render);
             g = g->next) {
            buffer_reset(&labels);
            text_label(&labels, "consumergroup", g->id);
            text_int(render->out, name, buffer_slice(&labels), g->members);
        }
    }
    buffer_release(&labels);
}

static void render_states(struct render *render) {
    int64_t counts[GROUP_STATE_COUNT] = {0};
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    for (int i = 0; i < render->part_count; i++) {
        for (const struct part_group *g = render->parts[i]->groups; g != NULL; g = g->next) {
            counts[g->state]++;
        }
    }
    text_family(render->out, "barnabas_groups", "gauge",
                "Groups that this node coordinates, by state.");
    for (int state = 0; state < GROUP_STATE_COUNT; state++) {
        buffer_reset(&labels);
        text_label(&labels, "state", slice_str(group_state_name((enum group_state)state)));
        text_int(render->out, "barnabas_groups", buffer_slice(&labels), counts[state]);
    }
    buffer_release(&labels);
}

void render_groups(struct render *render) {
    if (!render->node->is_broker) {
        return;
    }
    render_states(render);
    render_members(render);
    if (!render->node->each_partition) {
        return;
    }
    struct group_lines lines = lines_new(render);
    render_offsets(render, &lines);
    render_topic_sums(render, &lines);
    hmap_release(&lines.marks);
}
