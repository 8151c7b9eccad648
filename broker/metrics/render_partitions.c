/* Partitions: sums of this node, and where it is wanted a few series of each. */
#include <stdlib.h>

#include "broker/metrics/render.h"
#include "broker/metrics/text.h"

/* A partition with its labels. */
struct line {
    const struct part_partition *partition;
    struct slice labels;
};

struct lines {
    struct line *items;
    int32_t count;
};

static struct lines lines_new(struct render *render) {
    struct lines lines = {.items = NULL};
    struct buffer labels;
    size_t most = 0;
    for (int i = 0; i < render->part_count; i++) {
        most += (size_t)render->parts[i]->partition_count;
    }
    lines.items = arena_array(render->arena, most, sizeof(*lines.items));
    buffer_init(&labels, SIZE_MAX);
    for (int i = 0; i < render->part_count; i++) {
        const struct metrics_part *part = render->parts[i];
        for (const struct part_partition *p = part->partitions; p != NULL; p = p->next) {
            buffer_reset(&labels);
            text_label(&labels, "topic", p->topic);
            text_label_int(&labels, "partition", p->index);
            lines.items[lines.count++] = (struct line){
                .partition = p,
                .labels = arena_dup(render->arena, buffer_slice(&labels)),
            };
        }
    }
    buffer_release(&labels);
    return lines;
}

/* ---- Families -------------------------------------------------------------------------------- */

struct family {
    const char *name;
    const char *help;
    bool (*tells)(const struct part_partition *partition);
    int64_t (*value)(const struct part_partition *partition);
};

static void render_family(struct render *render, const struct lines *lines,
                          const struct family *family) {
    text_family(render->out, family->name, "gauge", family->help);
    for (int32_t i = 0; i < lines->count && render_has_room(render); i++) {
        const struct part_partition *partition = lines->items[i].partition;
        if (family->tells(partition)) {
            text_int(render->out, family->name, lines->items[i].labels, family->value(partition));
        }
    }
}

static bool is_led(const struct part_partition *p) {
    return p->leads;
}
static bool is_led_online(const struct part_partition *p) {
    return p->leads && p->online;
}
static bool is_online(const struct part_partition *p) {
    return p->online;
}

#define VALUE(name, expression)                                                                    \
    static int64_t name(const struct part_partition *p) {                                          \
        return expression;                                                                         \
    }
VALUE(value_bytes, p->bytes)
VALUE(value_segments, p->segments)
VALUE(value_log_start, p->log_start)
VALUE(value_log_end, p->log_end)
VALUE(value_high_watermark, p->high_watermark)
VALUE(value_stable_lag, p->high_watermark - p->stable_offset)
VALUE(value_replicas, p->replicas)
VALUE(value_isr, p->isr)
VALUE(value_under_replicated, p->under_replicated)
VALUE(value_under_min_isr, p->under_min_isr)
VALUE(value_at_min_isr, p->at_min_isr)
VALUE(value_preferred, p->leader_preferred)

static const struct family families[] = {
    {"kafka_log_log_size", "Bytes of a replica's segments.", is_online, value_bytes},
    {"kafka_log_log_logstartoffset", "First offset of a replica.", is_online, value_log_start},
    {"kafka_log_log_logendoffset", "Next offset of a replica.", is_online, value_log_end},
    {"kafka_log_log_numlogsegments", "Segments of a replica.", is_online, value_segments},
    {"kafka_cluster_partition_replicascount", "Replicas of a partition, told by its leader.",
     is_led, value_replicas},
    {"kafka_cluster_partition_insyncreplicascount", "Replicas in sync, told by the leader.", is_led,
     value_isr},
    {"kafka_cluster_partition_underreplicated", "1 when not all replicas are in sync.", is_led,
     value_under_replicated},
    {"kafka_cluster_partition_underminisr", "1 when fewer than min.insync.replicas are in sync.",
     is_led, value_under_min_isr},
    {"kafka_cluster_partition_atminisr", "1 when just min.insync.replicas are in sync.", is_led,
     value_at_min_isr},
    {"kafka_cluster_partition_laststableoffsetlag",
     "High watermark less last stable offset, told by the leader.", is_led_online,
     value_stable_lag},
    {"kafka_topic_partition_current_offset", "High watermark, told by the leader.", is_led_online,
     value_high_watermark},
    {"kafka_topic_partition_oldest_offset", "First offset, told by the leader.", is_led_online,
     value_log_start},
    {"kafka_topic_partition_leader_is_preferred", "1 when the first replica leads.", is_led,
     value_preferred},
};

/* Of what has no leader the active controller tells. */
struct orphan_family {
    const char *name;
    const char *help;
    int64_t (*value)(const struct part_partition *partition); /* of leaders; NULL: this node's id */
    int64_t (*orphan)(const struct node_orphan *orphan);
};

static int64_t orphan_replicas(const struct node_orphan *orphan) {
    return orphan->replicas;
}
static int64_t orphan_isr(const struct node_orphan *orphan) {
    return orphan->isr;
}
static int64_t orphan_leader(const struct node_orphan *orphan) {
    return -1;
}
static int64_t orphan_under_replicated(const struct node_orphan *orphan) {
    return 1;
}

static const struct orphan_family orphan_families[] = {
    {"kafka_topic_partition_leader", "Node that leads; -1: none.", NULL, orphan_leader},
    {"kafka_topic_partition_replicas", "Replicas.", value_replicas, orphan_replicas},
    {"kafka_topic_partition_in_sync_replica", "Replicas in sync.", value_isr, orphan_isr},
    {"kafka_topic_partition_under_replicated_partition", "1 when not all replicas are in sync.",
     value_under_replicated, orphan_under_replicated},
};

static void render_orphan_family(struct render *render, const struct lines *lines,
                                 const struct orphan_family *family) {
    const struct node_part *node = render->node;
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    text_family(render->out, family->name, "gauge", family->help);
    for (int32_t i = 0; i < lines->count && render_has_room(render); i++) {
        const struct part_partition *partition = lines->items[i].partition;
        if (partition->leads) {
            text_int(render->out, family->name, lines->items[i].labels,
                     family->value != NULL ? family->value(partition) : node->id);
        }
    }
    for (const struct node_orphan *orphan = node->orphans;
         orphan != NULL && render_has_room(render); orphan = orphan->next) {
        buffer_reset(&labels);
        text_label(&labels, "topic", orphan->topic);
        text_label_int(&labels, "partition", orphan->index);
        text_int(render->out, family->name, buffer_slice(&labels), family->orphan(orphan));
    }
    buffer_release(&labels);
}

/* ---- Sums ------------------------------------------------------------------------------------ */

static void render_sums(struct render *render) {
    int64_t count = 0;
    int64_t led = 0;
    int64_t offline = 0;
    int64_t under_replicated = 0;
    int64_t under_min_isr = 0;
    int64_t at_min_isr = 0;
    for (int i = 0; i < render->part_count; i++) {
        const struct metrics_part *part = render->parts[i];
        for (const struct part_partition *p = part->partitions; p != NULL; p = p->next) {
            count++;
            led += p->leads;
            offline += !p->online;
            under_replicated += p->under_replicated;
            under_min_isr += p->under_min_isr;
            at_min_isr += p->at_min_isr;
        }
    }
    struct buffer *out = render->out;
    text_single(out, "kafka_server_replicamanager_partitioncount", "gauge",
                "Partitions that this node replicates.", (double)count);
    text_single(out, "kafka_server_replicamanager_leadercount", "gauge",
                "Partitions that this node leads.", (double)led);
    text_single(out, "kafka_server_replicamanager_underreplicatedpartitions", "gauge",
                "Led partitions of which not all replicas are in sync.", (double)under_replicated);
    text_single(out, "kafka_server_replicamanager_underminisrpartitioncount", "gauge",
                "Led partitions of which fewer than min.insync.replicas are in sync.",
                (double)under_min_isr);
    text_single(out, "kafka_server_replicamanager_atminisrpartitioncount", "gauge",
                "Led partitions of which just min.insync.replicas are in sync.",
                (double)at_min_isr);
    text_single(out, "kafka_server_replicamanager_offlinereplicacount", "gauge",
                "Replicas of this node without a log that can be used.", (double)offline);
}

void render_partitions(struct render *render) {
    if (render->node->is_broker) {
        render_sums(render);
    }
    if (!render->node->each_partition) {
        return;
    }
    struct lines lines = lines_new(render);
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        render_family(render, &lines, &families[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(orphan_families); i++) {
        render_orphan_family(render, &lines, &orphan_families[i]);
    }
}
