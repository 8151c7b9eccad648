#include "broker/replica/replica_fetcher.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/metadata/image.h"
#include "broker/node.h"
#include "broker/replica/lost_leaders.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager.h"
#include "runtime/log.h"

#define BACKOFF_MAX_MS 500

/* Above response.max.bytes: a batch that is larger is sent all the same. */
#define RESPONSE_EXTRA ((size_t)128 * 1024 * 1024)

/* Partitions that join are gathered for a moment, and not at each one's call is the connection
 * begun anew. */
#define HURRY_MS         5
#define HURRY_AT_MOST_MS 100

static void fetcher_step(struct deferred *deferred);
static void on_timer(struct timer *timer);
static void on_hurry(struct timer *timer);

static int64_t now_ms(const struct replica_fetcher *fetcher) {
    return shard_now_ms(fetcher->manager->shard->shard);
}

/* ---- The connection -------------------------------------------------------------------------- */

/* The leader's endpoint for brokers; NULL while it is not known. */
static const struct image_endpoint *leader_endpoint(const struct replica_fetcher *fetcher) {
    const struct node_shard *shard = fetcher->manager->shard;
    const struct image_broker *broker = image_broker(shard->image, fetcher->leader);
    const char *listener = config_inter_broker_listener(shard->node->config);
    for (int32_t i = 0; broker != NULL && listener != NULL && i < broker->endpoint_count; i++) {
        if (slice_equal_str(broker->endpoints[i].name, listener)) {
            return &broker->endpoints[i];
        }
    }
    return NULL;
}

static void fetcher_disconnect(struct replica_fetcher *fetcher) {
    peer_cancel(&fetcher->fetch);
    peer_cancel(&fetcher->ends);
    peer_cancel(&fetcher->starts);
    fetcher->fetching = false;
    fetcher->asking = false;
    if (fetcher->peer != NULL) {
        peer_close(fetcher->peer);
        peer_free(fetcher->peer);
        fetcher->peer = NULL;
    }
    fetcher_forget_session(fetcher);
}

static void on_disconnect(void *ctx, int result) {
    const struct replica_fetcher *fetcher = ctx;
    if (result == -ECONNRESET || result == -ECONNREFUSED) {
        leader_lost(fetcher->manager->shard, fetcher->leader);
    }
}

/* Makes the connection to where the leader is now. */
static void fetcher_connect(struct replica_fetcher *fetcher) {
    const struct image_endpoint *endpoint = leader_endpoint(fetcher);
    if (endpoint == NULL) {
        return;
    }
    const struct node_shard *shard = fetcher->manager->shard;
    char *host = slice_to_cstr(endpoint->host);
    if (fetcher->peer != NULL) {
        peer_set_address(fetcher->peer, host, endpoint->port);
    } else {
        int64_t most = config_int(shard->node->config, CONFIG_REPLICA_FETCH_RESPONSE_MAX_BYTES);
        struct peer_options options = {
            .shard = fetcher->manager->shard,
            .name = "replica",
            .host = host,
            .port = endpoint->port,
            .response_max = (size_t)most + RESPONSE_EXTRA,
            .backoff_max_ms = BACKOFF_MAX_MS,
            .on_disconnect = on_disconnect,
            .ctx = fetcher,
        };
        fetcher->peer = peer_new(&options);
    }
    free(host);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static struct replica_fetcher *fetcher_new(struct replica_manager *manager, int32_t leader,
                                           int64_t number) {
    struct replica_fetcher *fetcher = NEW(struct replica_fetcher);
    struct shard *shard = manager->shard->shard;
    fetcher->manager = manager;
    fetcher->leader = leader;
    fetcher->number = number;
    list_init(&fetcher->followings);
    list_init(&fetcher->forgotten);
    deferred_init(&fetcher->step, shard, fetcher_step);
    timer_init(&fetcher->timer, shard, on_timer);
    timer_init(&fetcher->hurry, shard, on_hurry);
    fetcher->hurried_ms = -HURRY_AT_MOST_MS;
    arena_init(&fetcher->arena, SIZE_MAX);
    list_append(&manager->fetchers, &fetcher->link);
    fetcher_connect(fetcher);
    return fetcher;
}

/* Memory only. */
static void fetcher_free(struct replica_fetcher *fetcher) {
    if (fetcher->peer != NULL) {
        peer_free(fetcher->peer);
    }
    deferred_cancel(&fetcher->step);
    timer_stop(&fetcher->timer);
    timer_stop(&fetcher->hurry);
    fetcher_clear_forgotten(fetcher);
    arena_release(&fetcher->arena);
    list_remove(&fetcher->link);
    free(fetcher);
}

/* Which of its leader's fetchers a partition belongs to. Not by the hash that spreads partitions
 * over shards: on one shard all of them would have the same. */
static int64_t fetcher_number(const struct partition *partition) {
    int64_t count =
        broker_config_int(partition->manager->shard->config, CONFIG_NUM_REPLICA_FETCHERS);
    uint64_t topic = uuid_hash(partition->topic_id) >> 32;
    return (int64_t)((topic + (uint64_t)partition->index) % (uint64_t)count);
}

static struct replica_fetcher *fetcher_for(const struct partition *partition) {
    struct replica_manager *manager = partition->manager;
    int64_t number = fetcher_number(partition);
    LIST_FOREACH(it, &manager->fetchers) {
        struct replica_fetcher *fetcher = CONTAINER_OF(it, struct replica_fetcher, link);
        if (fetcher->leader == partition->leader && fetcher->number == number) {
            return fetcher;
        }
    }
    return fetcher_new(manager, partition->leader, number);
}

/* A leader works on one fetch of a connection at a time, and this one may wait for long: those that
 * joined fetch at once, over a new connection. */
static void on_hurry(struct timer *timer) {
    struct replica_fetcher *fetcher = CONTAINER_OF(timer, struct replica_fetcher, hurry);
    bool left_out = false;
    LIST_FOREACH(it, &fetcher->followings) {
        const struct following *following = CONTAINER_OF(it, struct following, link);
        left_out |= following->state == FOLLOWING_READY && !following->asked;
    }
    if (!fetcher->fetching || !fetcher->sent || !left_out) {
        return;
    }
    fetcher->hurried_ms = now_ms(fetcher);
    fetcher_disconnect(fetcher);
    fetcher_connect(fetcher);
    deferred_schedule(&fetcher->step);
}

static void fetcher_hurry(struct replica_fetcher *fetcher) {
    if (fetcher->sent && !timer_running(&fetcher->hurry)) {
        int64_t wait = fetcher->hurried_ms + HURRY_AT_MOST_MS - now_ms(fetcher);
        timer_start(&fetcher->hurry, wait > HURRY_MS ? wait : HURRY_MS);
    }
}

/* ---- What is next ---------------------------------------------------------------------------- */

/* What the partitions of a fetcher wait for. */
struct fetcher_outlook {
    bool ready;
    bool busy; /* a fetch now would say too little of one */
    bool lost;
    int64_t due_ms; /* INT64_MAX for none */
};

static void look_at(struct following *following, int64_t now, struct fetcher_outlook *outlook) {
    if (following->state == FOLLOWING_CUTTING && following->due_ms <= now) {
        following_try_cut(following);
    } else if (following->state == FOLLOWING_DELAYED && following->due_ms <= now) {
        following_settle(following);
    }
    switch (following->state) {
    case FOLLOWING_READY:
        outlook->ready = true;
        break;
    case FOLLOWING_LOST:
        outlook->lost = true;
        break;
    case FOLLOWING_SYNCING:
    case FOLLOWING_CHECKPOINTING:
        outlook->busy = true;
        break;
    case FOLLOWING_CUTTING:
    case FOLLOWING_DELAYED:
        outlook->busy |= following->state == FOLLOWING_CUTTING;
        if (following->due_ms < outlook->due_ms) {
            outlook->due_ms = following->due_ms;
        }
        break;
    case FOLLOWING_STOPPED:
        break;
    }
}

static void fetcher_step(struct deferred *deferred) {
    struct replica_fetcher *fetcher = CONTAINER_OF(deferred, struct replica_fetcher, step);
    if (list_empty(&fetcher->followings)) {
        fetcher_disconnect(fetcher);
        fetcher_free(fetcher);
        return;
    }
    if (fetcher->fetching) {
        fetcher_hurry(fetcher);
        return;
    }
    if (fetcher->asking || fetcher->manager->closing) {
        return;
    }
    struct fetcher_outlook outlook = {.due_ms = INT64_MAX};
    int64_t now = now_ms(fetcher);
    LIST_FOREACH(it, &fetcher->followings) {
        look_at(CONTAINER_OF(it, struct following, link), now, &outlook);
    }
    if (outlook.due_ms != INT64_MAX) {
        timer_start(&fetcher->timer, outlook.due_ms - now);
    }
    if (outlook.busy || fetcher->peer == NULL || replica_manager_self(fetcher->manager) == NULL) {
        return;
    }
    if (outlook.lost) {
        fetcher_ask_offsets(fetcher);
    } else if (outlook.ready) {
        fetcher_send_fetch(fetcher);
    }
}

static void on_timer(struct timer *timer) {
    deferred_schedule(&CONTAINER_OF(timer, struct replica_fetcher, timer)->step);
}

/* ---- For partitions -------------------------------------------------------------------------- */

void partition_follow(struct partition *partition) {
    struct replica_manager *manager = partition->manager;
    ASSERT(partition->following == NULL && partition->state == PARTITION_ONLINE);
    if (partition->leader < 0 || manager->closing) {
        return;
    }
    struct following *following = NEW(struct following);
    following->manager = manager;
    following->partition = partition;
    following->fetcher = fetcher_for(partition);
    following->leader_end = -1;
    partition->following = following;
    list_append(&manager->followings, &following->all);
    list_append(&following->fetcher->followings, &following->link);
    struct log *log = partition->log;
    if (log_latest_epoch(log) < 0 && log_end_offset(log) > log_high_watermark(log)) {
        following_cut(following, log_high_watermark(log), false); /* from before epochs */
    } else {
        following_settle(following);
    }
    deferred_schedule(&following->fetcher->step);
}

void partition_unfollow(struct partition *partition) {
    struct following *following = partition->following;
    if (following == NULL) {
        return;
    }
    struct replica_fetcher *fetcher = following->fetcher;
    partition->following = NULL;
    if (following->waiting) {
        log_waiter_cancel(&following->waiter);
        following->waiting = false;
    }
    if (following->in_session) {
        struct forgotten *forgotten = NEW(struct forgotten);
        forgotten->topic_id = partition->topic_id;
        forgotten->partition = partition->index;
        list_append(&fetcher->forgotten, &forgotten->link);
    }
    following->partition = NULL;
    following->fetcher = NULL;
    list_remove(&following->link);
    if (!following->checkpointing) {
        following_free(following);
    }
    deferred_schedule(&fetcher->step);
}

void replica_fetchers_reconfigure(struct replica_manager *manager) {
    struct list followings;
    list_init(&followings);
    list_splice(&followings, &manager->followings);
    while (!list_empty(&followings)) {
        struct following *following = LIST_FIRST(&followings, struct following, all);
        struct partition *partition = following->partition;
        list_remove(&following->all);
        list_append(&manager->followings, &following->all);
        if (partition != NULL && partition->state == PARTITION_ONLINE &&
            following->fetcher->number != fetcher_number(partition)) {
            partition_unfollow(partition);
            partition_follow(partition);
        }
    }
}

void replica_fetchers_refresh(struct replica_manager *manager) {
    LIST_FOREACH(it, &manager->fetchers) {
        struct replica_fetcher *fetcher = CONTAINER_OF(it, struct replica_fetcher, link);
        fetcher_connect(fetcher);
        deferred_schedule(&fetcher->step);
    }
}

void replica_fetchers_close(struct replica_manager *manager) {
    LIST_FOREACH_SAFE(it, &manager->followings) {
        struct following *following = CONTAINER_OF(it, struct following, all);
        if (following->partition != NULL) {
            partition_unfollow(following->partition);
        }
    }
    LIST_FOREACH_SAFE(it, &manager->fetchers) {
        struct replica_fetcher *fetcher = CONTAINER_OF(it, struct replica_fetcher, link);
        fetcher_disconnect(fetcher);
        fetcher_free(fetcher);
    }
}

void replica_fetchers_free(struct replica_manager *manager) {
    LIST_FOREACH_SAFE(it, &manager->followings) {
        following_free(CONTAINER_OF(it, struct following, all));
    }
    LIST_FOREACH_SAFE(it, &manager->fetchers) {
        fetcher_free(CONTAINER_OF(it, struct replica_fetcher, link));
    }
}
