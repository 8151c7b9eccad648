#include "broker/metrics/remote_ends.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/peer/peer.h"
#include "protocol/generated/list_offsets_request.h"
#include "protocol/generated/list_offsets_response.h"

#define API_KEY_LIST_OFFSETS 2
#define VERSION_MIN          1
#define VERSION_MAX          9
#define TIMESTAMP_LATEST     (-1)

#define TIMEOUT_MS   2000
#define RESPONSE_MAX ((size_t)8 * 1024 * 1024)

/* Of one leader; more stay unknown. */
#define ASKED_MAX 50000

/* ---- What has to be asked for ---------------------------------------------------------------- */

static uint64_t name_hash(struct slice topic, int32_t index) {
    return hash_combine(hash_bytes(topic), (uint64_t)(uint32_t)index);
}

static struct remote_end *find(const struct hmap *map, struct slice topic, int32_t index) {
    HMAP_FOREACH_HASH(node, map, name_hash(topic, index)) {
        struct remote_end *end = CONTAINER_OF(node, struct remote_end, node);
        if (end->index == index && slice_equal(end->topic, topic)) {
            return end;
        }
    }
    return NULL;
}

static void add(struct hmap *map, struct remote_end *end, struct slice topic, int32_t index) {
    end->topic = topic;
    end->index = index;
    end->high_watermark = -1;
    hmap_insert(map, &end->node, name_hash(topic, index));
}

/* The partitions that this node replicates itself. */
static void own_fill(struct hmap *own, struct metrics_part **parts, int part_count,
                     struct arena *arena) {
    for (int i = 0; i < part_count; i++) {
        const struct metrics_part *part = parts[i];
        struct remote_end *ends = arena_array(arena, (size_t)part->partition_count, sizeof(*ends));
        for (const struct part_partition *p = part->partitions; p != NULL; p = p->next) {
            if (p->online) {
                add(own, ends++, p->topic, p->index);
            }
        }
    }
}

static size_t offsets_count(struct metrics_part **parts, int part_count) {
    size_t count = 0;
    for (int i = 0; i < part_count; i++) {
        for (const struct part_group *g = parts[i]->groups; g != NULL; g = g->next) {
            count += (size_t)g->offset_count;
        }
    }
    return count;
}

static void find_in_topic(struct remote_ends *ends, const struct hmap *own,
                          const struct part_group_topic *topic) {
    for (int32_t i = 0; i < topic->offset_count; i++) {
        int32_t partition = topic->offsets[i].partition;
        if (find(own, topic->name, partition) == NULL &&
            find(&ends->by_name, topic->name, partition) == NULL) {
            add(&ends->by_name, &ends->items[ends->count++], topic->name, partition);
        }
    }
}

void remote_ends_find(struct remote_ends *ends, struct metrics_part **parts, int part_count,
                      struct arena *arena) {
    size_t most = offsets_count(parts, part_count);
    hmap_init(&ends->by_name);
    ends->count = 0;
    if (most == 0) {
        return;
    }
    struct hmap own;
    hmap_init(&own);
    own_fill(&own, parts, part_count, arena);
    ends->items = arena_array(arena, most, sizeof(*ends->items));
    for (int i = 0; i < part_count; i++) {
        for (const struct part_group *g = parts[i]->groups; g != NULL; g = g->next) {
            for (const struct part_group_topic *t = g->topics; t != NULL; t = t->next) {
                find_in_topic(ends, &own, t);
            }
        }
    }
    hmap_release(&own);
}

void remote_ends_release(struct remote_ends *ends) {
    hmap_release(&ends->by_name);
}

int64_t remote_ends_lookup(const struct remote_ends *ends, struct slice topic, int32_t index) {
    const struct remote_end *end = find(&ends->by_name, topic, index);
    return end != NULL ? end->high_watermark : -1;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

/* Another broker. */
struct leader {
    struct list link; /* remote_asker.leaders */
    struct remote_asker *asker;
    int32_t id;
    struct peer *peer;
    struct peer_call call;
    struct remote_end *first; /* those that are asked for */
    int32_t count;
    struct arena arena; /* of the request */
};

struct remote_asker {
    struct node *node;
    struct list leaders;
    struct remote_ends *ends;
    int left; /* calls, and one while they are being made */
    bool closed;
    void (*done)(void *ctx);
    void *ctx;
};

struct remote_asker *remote_asker_new(struct node *node) {
    struct remote_asker *asker = NEW(struct remote_asker);
    asker->node = node;
    list_init(&asker->leaders);
    return asker;
}

void remote_asker_close(struct remote_asker *asker) {
    asker->closed = true;
    LIST_FOREACH(it, &asker->leaders) {
        struct leader *leader = CONTAINER_OF(it, struct leader, link);
        if (leader->peer != NULL) {
            peer_cancel(&leader->call);
            peer_close(leader->peer);
        }
    }
}

void remote_asker_free(struct remote_asker *asker) {
    if (asker == NULL) {
        return;
    }
    LIST_FOREACH_SAFE(it, &asker->leaders) {
        struct leader *leader = CONTAINER_OF(it, struct leader, link);
        if (leader->peer != NULL) {
            peer_free(leader->peer);
        }
        arena_release(&leader->arena);
        free(leader);
    }
    free(asker);
}

static void one_less(struct remote_asker *asker) {
    if (--asker->left == 0) {
        asker->done(asker->ctx);
    }
}

/* NULL where the broker is not known. */
static const struct image_endpoint *endpoint_of(const struct node *node, int32_t id) {
    const struct image_broker *broker = image_broker(node->shards[0].image, id);
    const char *listener = config_inter_broker_listener(node->config);
    for (int32_t i = 0; broker != NULL && listener != NULL && i < broker->endpoint_count; i++) {
        if (slice_equal_str(broker->endpoints[i].name, listener)) {
            return &broker->endpoints[i];
        }
    }
    return NULL;
}

static struct leader *leader_of(struct remote_asker *asker, int32_t id) {
    LIST_FOREACH(it, &asker->leaders) {
        struct leader *leader = CONTAINER_OF(it, struct leader, link);
        if (leader->id == id) {
            return leader;
        }
    }
    struct leader *leader = NEW(struct leader);
    leader->asker = asker;
    leader->id = id;
    arena_init(&leader->arena, SIZE_MAX);
    list_append(&asker->leaders, &leader->link);
    return leader;
}

static const void *build(struct peer_call *call, int16_t version) {
    struct leader *leader = CONTAINER_OF(call, struct leader, call);
    struct arena *arena = &leader->arena;
    arena_reset(arena);
    struct list_offsets_request *body = ARENA_NEW(arena, struct list_offsets_request);
    message_init(&list_offsets_request_desc, body);
    body->topics = arena_array(arena, (size_t)leader->count, sizeof(*body->topics));
    struct list_offsets_request_partition *next =
        arena_array(arena, (size_t)leader->count, sizeof(*next));
    struct list_offsets_request_topic *topic = NULL;
    for (const struct remote_end *end = leader->first; end != NULL; end = end->next) {
        if (topic == NULL || !slice_equal(topic->name, end->topic)) {
            topic = &body->topics[body->topics_count++];
            *topic = (struct list_offsets_request_topic){.name = end->topic, .partitions = next};
        }
        *next = list_offsets_request_partition_defaults;
        next->partition_index = end->index;
        next->timestamp = TIMESTAMP_LATEST;
        next++;
        topic->partitions_count++;
    }
    return body;
}

static void answered(struct peer_call *call, const struct peer_answer *answer) {
    struct leader *leader = CONTAINER_OF(call, struct leader, call);
    const struct list_offsets_response *response = answer->result == 0 ? answer->response : NULL;
    for (int32_t t = 0; response != NULL && t < response->topics_count; t++) {
        const struct list_offsets_response_topic_response *topic = &response->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            struct remote_end *end = find(&leader->asker->ends->by_name, topic->name,
                                          topic->partitions[p].partition_index);
            if (end != NULL && topic->partitions[p].error_code == 0) {
                end->high_watermark = topic->partitions[p].offset;
            }
        }
    }
    leader->first = NULL;
    leader->count = 0;
    one_less(leader->asker);
}

/* False where it cannot be asked. */
static bool ask(struct remote_asker *asker, struct leader *leader) {
    const struct image_endpoint *endpoint = endpoint_of(asker->node, leader->id);
    if (endpoint == NULL) {
        return false;
    }
    char *host = slice_to_cstr(endpoint->host);
    if (leader->peer != NULL) {
        peer_set_address(leader->peer, host, endpoint->port);
    } else {
        struct peer_options options = {
            .shard = &asker->node->shards[0],
            .name = "metrics",
            .host = host,
            .port = endpoint->port,
            .response_max = RESPONSE_MAX,
        };
        leader->peer = peer_new(&options);
    }
    free(host);
    leader->call = (struct peer_call){
        .api_key = API_KEY_LIST_OFFSETS,
        .version_min = VERSION_MIN,
        .version_max = VERSION_MAX,
        .timeout_ms = TIMEOUT_MS,
        .build = build,
        .fn = answered,
    };
    asker->left++;
    peer_call(leader->peer, &leader->call);
    return true;
}

void remote_asker_ask(struct remote_asker *asker, struct remote_ends *ends, void (*done)(void *ctx),
                      void *ctx) {
    const struct image *image = asker->node->shards[0].image;
    ASSERT(asker->left == 0);
    asker->ends = ends;
    asker->done = done;
    asker->ctx = ctx;
    asker->left = 1;
    for (int32_t i = ends->count - 1; i >= 0 && !asker->closed;
         i--) { /* in front: in their order */
        struct remote_end *end = &ends->items[i];
        const struct image_topic *topic = image_topic_by_name(image, end->topic);
        const struct image_partition *partition =
            topic != NULL ? image_partition(topic, end->index) : NULL;
        if (partition == NULL || partition->leader < 0 || partition->leader == asker->node->id) {
            continue;
        }
        struct leader *leader = leader_of(asker, partition->leader);
        if (leader->count < ASKED_MAX) {
            end->next = leader->first;
            leader->first = end;
            leader->count++;
        }
    }
    LIST_FOREACH(it, &asker->leaders) {
        struct leader *leader = CONTAINER_OF(it, struct leader, link);
        if (leader->count > 0 && !ask(asker, leader)) {
            leader->first = NULL;
            leader->count = 0;
        }
    }
    one_less(asker);
}
