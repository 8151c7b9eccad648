#include "broker/metrics/health.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/controller/controller_request.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/replica/log_manager.h"
#include "raft/quorum.h"
#include "runtime/http.h"

/* One that asks whether the node is live. */
struct waiter {
    struct list link;
    struct http_exchange *exchange;
};

/* A question to a shard's loop; on its way while `out`. */
struct probe {
    struct post post;
    struct health *health;
    int shard;
    bool out;
};

struct health {
    struct node *node;
    struct probe probes[SHARD_COUNT_MAX];
    int out; /* probes that are on their way */
    struct list waiters;
    struct timer timer;
    bool caught_up; /* all replicas were in sync once */
    bool closed;
};

static void live_late(struct timer *timer);

struct health *health_new(struct node *node) {
    struct health *health = NEW(struct health);
    health->node = node;
    list_init(&health->waiters);
    timer_init(&health->timer, node->shards[0].shard, live_late);
    for (int i = 0; i < node->shard_count; i++) {
        health->probes[i].health = health;
        health->probes[i].shard = i;
    }
    return health;
}

/* ---- Live ------------------------------------------------------------------------------------ */

static void answer_all(struct health *health, int status, const char *text) {
    timer_stop(&health->timer);
    LIST_FOREACH_SAFE(it, &health->waiters) {
        struct waiter *waiter = CONTAINER_OF(it, struct waiter, link);
        struct http_exchange *exchange = waiter->exchange;
        list_remove(&waiter->link);
        free(waiter);
        http_reply(exchange, http_page_text(status, text));
    }
}

static void live_late(struct timer *timer) {
    struct health *health = CONTAINER_OF(timer, struct health, timer);
    struct buffer text;
    buffer_init(&text, 4096);
    buffer_append_str(&text, "these loops do not come round:");
    for (int i = 0; i < health->node->shard_count; i++) {
        if (health->probes[i].out) {
            buffer_printf(&text, " %d", i);
        }
    }
    buffer_append(&text, "\n", 2);
    answer_all(health, 503, (const char *)text.data);
    buffer_release(&text);
}

static void probe_back(struct post *post) {
    struct probe *probe = CONTAINER_OF(post, struct probe, post);
    struct health *health = probe->health;
    probe->out = false;
    if (--health->out == 0) {
        answer_all(health, 200, "ok\n");
    }
}

static void probe_there(struct post *post) {
    struct probe *probe = CONTAINER_OF(post, struct probe, post);
    shard_post(probe->health->node->shards[0].shard, post, probe_back);
}

void health_answer_live(struct health *health, struct http_exchange *exchange) {
    struct waiter *waiter = NEW(struct waiter);
    waiter->exchange = exchange;
    list_append(&health->waiters, &waiter->link);
    if (!timer_running(&health->timer)) {
        timer_start(&health->timer, HEALTH_LIVE_MS);
    }
    if (health->out > 0) {
        return;
    }
    for (int i = 0; i < health->node->shard_count; i++) {
        health->probes[i].out = true;
        health->out++;
        shard_post(health->node->shards[i].shard, &health->probes[i].post, probe_there);
    }
}

void health_close(struct health *health) {
    health->closed = true;
    answer_all(health, 503, "stopping\n");
}

void health_free(struct health *health) {
    if (health != NULL) {
        health_close(health);
        free(health);
    }
}

/* ---- Ready ----------------------------------------------------------------------------------- */

/* Whether this replica's log dir is one that can be written. */
static bool dir_works(const struct node *node, const struct image_partition *partition,
                      int32_t replica) {
    for (int i = 0; partition->directories != NULL && i < log_manager_dir_count(node->log_manager);
         i++) {
        if (uuid_equal(partition->directories[replica], log_manager_dir_id(node->log_manager, i))) {
            return log_manager_dir_online(node->log_manager, i);
        }
    }
    return true;
}

static bool is_behind(const struct node *node, const struct image_partition *partition) {
    for (int32_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i] == node->id) {
            return partition->leader >= 0 && dir_works(node, partition, i) &&
                   !ids_contain(partition->isr, partition->isr_count, node->id);
        }
    }
    return false;
}

static bool any_behind(const struct node *node) {
    HMAP_FOREACH(it, &node->shards[0].image->topics_by_name) {
        const struct image_topic *topic = CONTAINER_OF(it, struct image_topic, by_name);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (is_behind(node, &topic->partitions[i])) {
                return true;
            }
        }
    }
    return false;
}

const char *health_unready(struct health *health) {
    const struct node *node = health->node;
    const struct quorum *quorum = controller_quorum(node);
    const char *reason = node_not_running(node);
    if (reason != NULL) {
        return reason;
    }
    if (!config_is_broker(node->config)) {
        return quorum == NULL || quorum_leader(quorum) < 0 ? "the metadata quorum has no leader"
                                                           : NULL;
    }
    const struct image_broker *self = image_broker(node->shards[0].image, node->id);
    if (self == NULL || !uuid_equal(self->incarnation_id, node->incarnation_id) || self->fenced) {
        return "this broker is fenced";
    }
    if (!health->caught_up && any_behind(node)) {
        return "replicas of this broker are not in sync yet";
    }
    health->caught_up = true;
    return NULL;
}

void health_answer_ready(struct health *health, struct http_exchange *exchange) {
    const char *reason = health_unready(health);
    if (reason == NULL) {
        http_reply(exchange, http_page_text(200, "ready\n"));
        return;
    }
    struct buffer text;
    buffer_init(&text, 4096);
    buffer_printf(&text, "not ready: %s\n", reason);
    buffer_append(&text, "", 1);
    http_reply(exchange, http_page_text(503, (const char *)text.data));
    buffer_release(&text);
}
