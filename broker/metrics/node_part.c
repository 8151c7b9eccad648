#include "broker/metrics/node_part.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/controller/controller.h"
#include "broker/controller/controller_request.h"
#include "broker/metadata/image.h"
#include "broker/metrics/text.h"
#include "broker/node.h"
#include "broker/replica/log_manager.h"
#include "broker/telemetry/telemetry.h"

/* Rates are measured over at least this. */
#define RATE_SPAN_NS INT64_C(500000000)

static void collect_quorum(const struct node *node, struct node_part *part,
                           struct node_part_before *before) {
    const struct quorum *quorum = controller_quorum(node);
    part->has_quorum = quorum != NULL && quorum_status(quorum, &part->quorum);
    if (!part->has_quorum) {
        return;
    }
    const struct quorum_counts *now = &part->quorum.counts;
    const struct quorum_counts *then = &before->counts;
    int64_t now_ns = clock_now_ns(node->machine);
    double span = (double)(now_ns - before->at_ns) / 1e9;
    if (before->at_ns == 0) {
        *before = (struct node_part_before){.at_ns = now_ns, .counts = *now, .commit_ms = NAN};
        if (now->commits > 0) {
            before->commit_ms = (double)now->commit_ms / (double)now->commits;
        }
    } else if (now_ns - before->at_ns >= RATE_SPAN_NS) {
        uint64_t commits = now->commits - then->commits;
        before->appended_per_second =
            (double)(now->appended_records - then->appended_records) / span;
        before->fetched_per_second = (double)(now->fetched_records - then->fetched_records) / span;
        if (commits > 0) {
            before->commit_ms = (double)(now->commit_ms - then->commit_ms) / (double)commits;
        }
        before->at_ns = now_ns;
        before->counts = *now;
    }
    part->appended_per_second = before->appended_per_second;
    part->fetched_per_second = before->fetched_per_second;
    part->commit_ms = before->commit_ms;
}

static void collect_brokers(const struct image *image, struct node_part *part) {
    int32_t count = 0;
    LIST_FOREACH(it, &image->brokers) {
        count++;
    }
    part->brokers = arena_array(&part->arena, (size_t)count, sizeof(*part->brokers));
    LIST_FOREACH(it, &image->brokers) {
        const struct image_broker *broker = CONTAINER_OF(it, struct image_broker, link);
        part->fenced_brokers += broker->fenced;
        part->active_brokers += !broker->fenced;
        if (broker->fenced || !part->active) {
            continue;
        }
        struct node_broker *out = &part->brokers[part->broker_count++];
        out->id = broker->id;
        if (broker->endpoint_count > 0) {
            out->host = arena_dup(&part->arena, broker->endpoints[0].host);
            out->port = broker->endpoints[0].port;
        }
    }
}

static void add_orphan(struct node_part *part, const struct image_topic *topic, int32_t index) {
    const struct image_partition *partition = &topic->partitions[index];
    struct node_orphan *orphan = ARENA_NEW(&part->arena, struct node_orphan);
    *orphan = (struct node_orphan){
        .next = part->orphans,
        .topic = arena_dup(&part->arena, topic->name),
        .index = index,
        .replicas = partition->replica_count,
        .isr = partition->isr_count,
    };
    part->orphans = orphan;
}

static void add_topic(struct node_part *part, const struct image_topic *topic) {
    struct node_topic *out = ARENA_NEW(&part->arena, struct node_topic);
    *out = (struct node_topic){
        .next = part->topics,
        .name = arena_dup(&part->arena, topic->name),
        .partitions = topic->partition_count,
    };
    part->topics = out;
}

static void look_at_topic(struct node_part *part, const struct image_topic *topic) {
    int32_t leader = topic->partition_count > 0 ? topic->partitions[0].leader : -1;
    if (leader == part->id || (leader < 0 && part->active)) {
        add_topic(part, topic);
    }
    part->topic_total++;
    part->partition_total += topic->partition_count;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        const struct image_partition *partition = &topic->partitions[i];
        part->offline_partitions += partition->leader < 0;
        part->not_preferred +=
            partition->replica_count > 0 && partition->leader != partition->replicas[0];
        if (partition->leader < 0 && part->active) {
            add_orphan(part, topic, i);
        }
    }
}

int node_part_collect(struct node_part *part, const struct image *image, int most) {
    int looked_at = 0;
    while (looked_at < most && !part->whole) {
        struct hmap_node *node = hmap_scan(&image->topics_by_name, &part->cursor);
        looked_at++;
        for (; node != NULL; node = node->next) {
            const struct image_topic *topic = CONTAINER_OF(node, struct image_topic, by_name);
            look_at_topic(part, topic);
            looked_at += 1 + topic->partition_count;
        }
        part->whole = part->cursor == 0;
    }
    return looked_at;
}

static void collect_dirs(const struct node *node, struct node_part *part) {
    int count = log_manager_dir_count(node->log_manager);
    part->dirs = arena_array(&part->arena, (size_t)count, sizeof(*part->dirs));
    for (int i = 0; i < count; i++) {
        struct slice path = slice_str(log_manager_dir_path(node->log_manager, i));
        part->dirs[part->dir_count++] = (struct node_dir){
            .path = (const char *)arena_dup(&part->arena, path).data,
            .online = log_manager_dir_online(node->log_manager, i),
        };
    }
}

/* ---- Telemetry of clients -------------------------------------------------------------------- */

/* A page has at most so many: each is copied on shard 0. */
#define CLIENT_SERIES_MAX 10000

struct client_gathering {
    struct node_part *part;
    struct buffer labels; /* of the client */
};

/* kafka_client_<name>, of letters, digits and '_'. */
static const char *client_family(struct arena *arena, struct slice name) {
    char *out = arena_printf(arena, "kafka_client_%.*s", SLICE_ARG(name));
    for (char *c = out; *c != '\0'; c++) {
        bool plain =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        *c = plain ? *c : '_';
    }
    return out;
}

static void gather_client(void *ctx, const struct telemetry_client *client,
                          const struct telemetry_series *series) {
    struct client_gathering *g = ctx;
    struct arena *arena = &g->part->arena;
    const struct slice *values = client->attributes->values;
    if (series == NULL) {
        buffer_reset(&g->labels);
        text_label(&g->labels, "client_instance_id", values[CLIENT_INSTANCE_ID]);
        text_label(&g->labels, "client_id", values[CLIENT_ID]);
        text_label(&g->labels, "client_software_name", values[CLIENT_SOFTWARE_NAME]);
        text_label(&g->labels, "client_software_version", values[CLIENT_SOFTWARE_VERSION]);
        return;
    }
    if (g->part->client_series_count == CLIENT_SERIES_MAX) {
        g->part->client_series_left_out++;
        return;
    }
    const char *comma = series->labels.len > 0 ? "," : "";
    struct slice own = buffer_slice(&g->labels);
    g->part->client_series[g->part->client_series_count++] = (struct node_client_series){
        .family = client_family(arena, series->name),
        .labels = slice_str(
            arena_printf(arena, "%.*s%s%.*s", SLICE_ARG(own), comma, SLICE_ARG(series->labels))),
        .value = series->value,
        .counter = series->counter,
    };
}

static void collect_telemetry(const struct node *node, struct node_part *part) {
    struct client_gathering g = {.part = part};
    buffer_init(&g.labels, SIZE_MAX);
    part->telemetry_clients = telemetry_client_count(node->telemetry);
    int32_t most = telemetry_series_count(node->telemetry);
    most = most < CLIENT_SERIES_MAX ? most : CLIENT_SERIES_MAX;
    part->client_series = arena_array(&part->arena, (size_t)most + 1, sizeof(*part->client_series));
    telemetry_each(node->telemetry, gather_client, &g);
    buffer_release(&g.labels);
}

struct node_part *node_part_new(struct node *node, struct node_part_before *before) {
    struct node_part *part = NEW(struct node_part);
    const struct image *image = node->shards[0].image;
    arena_init(&part->arena, SIZE_MAX);
    part->id = node->id;
    part->is_broker = config_is_broker(node->config);
    part->is_controller = config_is_controller(node->config);
    part->each_partition = config_bool(node->config, CONFIG_METRICS_PER_PARTITION);
    part->shard_count = node->shard_count;
    part->active = controller_active(node->controller);
    part->unclean_elections = controller_unclean_elections(node->controller);
    part->applied_offset = controller_applied_offset(node->controller);
    collect_quorum(node, part, before);
    collect_brokers(image, part);
    collect_dirs(node, part);
    collect_telemetry(node, part);
    return part;
}

void node_part_free(struct node_part *part) {
    if (part != NULL) {
        arena_release(&part->arena);
        free(part);
    }
}
