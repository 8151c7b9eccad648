/* Connections to other brokers, in the place of broker/peer/: the test is the other side. */
#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/replica/replica_internal.h"
#include "replica_world.h"

struct peer {
    struct list link;
    struct list calls;
    int port; /* the broker's id */
    void (*on_disconnect)(void *ctx, int result);
    void *ctx;
};

struct peer *peer_new(const struct peer_options *options) {
    struct peer *peer = NEW(struct peer);
    list_init(&peer->calls);
    peer->port = options->port;
    peer->on_disconnect = options->on_disconnect;
    peer->ctx = options->ctx;
    list_append(&world.peers, &peer->link);
    world.peers_made++;
    return peer;
}

void peer_set_address(struct peer *peer, const char *host, int port) {
    peer->port = port;
}

void peer_close(struct peer *peer) {
    while (!list_empty(&peer->calls)) {
        struct peer_call *call = LIST_FIRST(&peer->calls, struct peer_call, link);
        struct peer_answer answer = {.result = -ECANCELED};
        list_remove(&call->link);
        call->fn(call, &answer);
    }
}

void peer_free(struct peer *peer) {
    list_remove(&peer->link);
    free(peer);
}

void peer_call(struct peer *peer, struct peer_call *call) {
    call->peer = peer;
    list_append(&peer->calls, &call->link);
}

void peer_cancel(struct peer_call *call) {
    if (call->peer != NULL) {
        list_remove(&call->link);
    }
}

struct peer_call *world_call(int32_t broker, int16_t api_key) {
    LIST_FOREACH(it, &world.peers) {
        struct peer *peer = CONTAINER_OF(it, struct peer, link);
        LIST_FOREACH(c, &peer->calls) {
            struct peer_call *call = CONTAINER_OF(c, struct peer_call, link);
            if (peer->port == broker && call->api_key == api_key) {
                return call;
            }
        }
    }
    return NULL;
}

const void *world_send(struct peer_call *call, int16_t version) {
    ASSERT(version >= call->version_min && version <= call->version_max);
    return call->build(call, version);
}

void world_answer(struct peer_call *call, int16_t version, int result, const void *response) {
    struct peer_answer answer = {.result = result, .version = version, .response = response};
    list_remove(&call->link);
    call->fn(call, &answer);
    world_settle();
}

void world_break(int32_t broker, int result) {
    LIST_FOREACH(it, &world.peers) {
        struct peer *peer = CONTAINER_OF(it, struct peer, link);
        if (peer->port == broker && peer->on_disconnect != NULL) {
            peer->on_disconnect(peer->ctx, result);
        }
    }
    world_settle();
}

/* ---- Checkpoints ----------------------------------------------------------------------------- */

static void checkpointed(struct post *post) {
    struct checkpoint_wait *wait = CONTAINER_OF(post, struct checkpoint_wait, post);
    wait->fn(wait);
}

void log_manager_checkpoint(struct node_shard *from, struct checkpoint_wait *wait,
                            void (*fn)(struct checkpoint_wait *wait)) {
    wait->fn = fn;
    if (world.checkpoint_held) {
        ASSERT(world.checkpoint == NULL);
        world.checkpoint = wait;
    } else {
        shard_post(from->shard, &wait->post, checkpointed);
    }
}

void world_checkpointed(void) {
    struct checkpoint_wait *wait = world.checkpoint;
    world.checkpoint = NULL;
    wait->fn(wait);
    world_settle();
}
