/*
 * A call is `waiting` to be tried, `sent` to the leader over the peer, handled here (`local`), or
 * `ended` and about to be told. All lists are shard 0's; calls of other shards come and go by
 * posts.
 */
#include "broker/controller/controller_channel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "broker/api/api.h"
#include "broker/api/api_error.h"
#include "broker/config/config.h"
#include "broker/controller/controller_request.h"
#include "broker/node.h"
#include "broker/peer/wire.h"
#include "broker/server/request.h"
#include "raft/quorum.h"

/* Between two tries while the leader is unknown, or refuses. */
#define RETRY_MS 25

/* A try that takes longer is given up and made again: the connection may be dead. */
#define TRY_MS 30000

#define REQUEST_SIZE_MAX ((size_t)100 * 1024 * 1024)

struct controller_channel {
    struct node *node;
    struct peer *peer; /* NULL until another node leads */
    struct list waiting;
    struct list sent;
    struct list local;  /* struct local_try.link */
    struct list ended;  /* struct telling.link, as the next */
    struct list abroad; /* being told on another shard, or back from there */
    struct timer timer; /* the next deadline or try */
    struct deferred deferred;
    bool closed;
};

/* A call that a handler of this node has; outlives the call when that is given up. */
struct local_try {
    struct list link;
    struct controller_channel *channel;
    struct controller_call *call; /* NULL: given up */
    int16_t version;
};

/* What a call ended with. Not in the call, whose owner may be freed before the channel is when the
 * machine dies, while a post has it. */
struct telling {
    struct list link;
    struct post post;
    struct controller_call *call;
    enum kafka_error error;
    struct frame *answer; /* may be NULL */
};

static void channel_arm(struct controller_channel *channel);

static int64_t now_ms(const struct controller_channel *channel) {
    return shard_now_ms(channel->node->shards[0].shard);
}

/* ---- Telling --------------------------------------------------------------------------------- */

static void telling_free(struct telling *telling) {
    list_remove(&telling->link);
    frame_unref(telling->answer);
    free(telling);
}

/* On the call's shard. The call is its owner's again. */
static void call_tell(struct controller_call *call, enum kafka_error error,
                      const struct frame *frame) {
    struct arena arena;
    void *response = NULL;
    arena_init(&arena, frame != NULL ? message_decode_limit(frame->len) : 0);
    if (frame != NULL &&
        !wire_decode_response(call->api_key, call->peer.version,
                              slice_make(frame->data, frame->len), &arena, &response)) {
        error = ERROR_UNKNOWN_SERVER_ERROR; /* cannot be: it was decoded before */
        response = NULL;
    }
    call->fn(call, error, call->peer.version, response);
    arena_release(&arena);
}

static void told(struct post *post) {
    telling_free(CONTAINER_OF(post, struct telling, post));
}

static void tell_abroad(struct post *post) {
    struct telling *telling = CONTAINER_OF(post, struct telling, post);
    struct controller_call *call = telling->call;
    struct shard *back = call->from->node->shards[0].shard;
    call_tell(call, telling->error, telling->answer);
    shard_post(back, &telling->post, told);
}

/* Takes a reference of `answer`. The call must be in no list. */
static void call_end(struct controller_call *call, enum kafka_error error, struct frame *answer) {
    struct controller_channel *channel = call->channel;
    struct telling *telling = NEW(struct telling);
    telling->call = call;
    telling->error = error;
    telling->answer = frame_ref(answer);
    if (call->from->index != 0) {
        list_append(&channel->abroad, &telling->link);
        shard_post(call->from->shard, &telling->post, tell_abroad);
        return;
    }
    list_append(&channel->ended, &telling->link);
    deferred_schedule(&channel->deferred);
}

static void call_wait(struct controller_call *call, int64_t delay_ms) {
    struct controller_channel *channel = call->channel;
    call->try_from_ms = now_ms(channel) + delay_ms;
    list_append(&channel->waiting, &call->link);
    deferred_schedule(&channel->deferred);
}

/* ---- Here ------------------------------------------------------------------------------------ */

static const char *controller_listener(const struct node *node) {
    for (int i = 0; i < config_listener_count(node->config); i++) {
        const struct config_listener *listener = config_listener_at(node->config, i);
        if (listener->controller) {
            return listener->name;
        }
    }
    return "CONTROLLER";
}

static bool says_not_controller(const struct controller_call *call, struct frame *answer) {
    struct arena arena;
    void *response;
    arena_init(&arena, message_decode_limit(answer->len));
    bool decoded = wire_decode_response(call->api_key, call->peer.version,
                                        slice_make(answer->data, answer->len), &arena, &response);
    bool refused = !decoded || api_response_error(call->api_key, response) == ERROR_NOT_CONTROLLER;
    arena_release(&arena);
    return refused;
}

static void local_ended(void *ctx, struct frame *answer) {
    struct local_try *attempt = ctx;
    struct controller_call *call = attempt->call;
    list_remove(&attempt->link);
    if (call != NULL) {
        call->peer.version = attempt->version;
        if (answer == NULL || says_not_controller(call, answer)) {
            call_wait(call, RETRY_MS);
        } else {
            call_end(call, ERROR_NONE, answer);
        }
    }
    free(attempt);
}

static struct frame *encode(struct controller_call *call, int16_t version) {
    struct buffer out;
    struct frame *frame = NULL;
    buffer_init(&out, REQUEST_SIZE_MAX);
    const void *message = call->build(call, version);
    if (wire_encode_request(call->api_key, version, 0, SLICE_LIT("controller"), message, &out)) {
        frame = frame_new(out.len);
        ASSERT(frame != NULL);
        memcpy(frame->data, out.data, out.len);
    }
    buffer_release(&out);
    return frame;
}

static void try_here(struct controller_call *call) {
    struct controller_channel *channel = call->channel;
    struct node *node = channel->node;
    const struct api_handler *handler = api_handler(call->api_key, API_SCOPE_CONTROLLER);
    int16_t version = -1;
    if (handler != NULL) {
        version =
            call->version_max < handler->max_version ? call->version_max : handler->max_version;
    }
    if (handler == NULL || version < call->version_min || version < handler->min_version) {
        call_end(call, ERROR_UNSUPPORTED_VERSION, NULL);
        return;
    }
    struct frame *frame = encode(call, version);
    if (frame == NULL) {
        call_end(call, ERROR_INVALID_REQUEST, NULL);
        return;
    }
    struct request_origin origin = {
        .listener_name = controller_listener(node),
        .peer_host = SLICE_LIT("127.0.0.1"),
        .scope = API_SCOPE_CONTROLLER,
    };
    struct local_try *attempt = NEW(struct local_try);
    *attempt = (struct local_try){.channel = channel, .call = call, .version = version};
    list_append(&channel->local, &attempt->link);
    if (!request_submit(&node->shards[0], frame, &origin, local_ended, attempt)) {
        list_remove(&attempt->link);
        free(attempt);
        call_end(call, ERROR_INVALID_REQUEST, NULL);
    }
}

/* ---- Elsewhere ------------------------------------------------------------------------------- */

static const void *peer_build(struct peer_call *peer, int16_t version) {
    struct controller_call *call = CONTAINER_OF(peer, struct controller_call, peer);
    return call->build(call, version);
}

static void peer_answered(struct peer_call *peer, const struct peer_answer *answer) {
    struct controller_call *call = CONTAINER_OF(peer, struct controller_call, peer);
    list_remove(&call->link);
    switch (answer->result) {
    case 0:
        if (api_response_error(call->api_key, answer->response) == ERROR_NOT_CONTROLLER) {
            call_wait(call, RETRY_MS);
        } else {
            call_end(call, ERROR_NONE, answer->frame);
        }
        break;
    case -ECANCELED:
        call_end(call, ERROR_REQUEST_TIMED_OUT, NULL);
        break;
    case -EPROTONOSUPPORT:
        call_end(call, ERROR_UNSUPPORTED_VERSION, NULL);
        break;
    case -EMSGSIZE:
        call_end(call, ERROR_INVALID_REQUEST, NULL);
        break;
    default:
        call_wait(call, 0); /* the peer waits between its dials */
        break;
    }
}

static void try_there(struct controller_call *call, const char *host, int port) {
    struct controller_channel *channel = call->channel;
    if (channel->peer == NULL) {
        channel->peer = peer_new(&(struct peer_options){
            .shard = &channel->node->shards[0],
            .name = "controller",
            .host = host,
            .port = port,
        });
    }
    peer_set_address(channel->peer, host, port);
    int64_t left_ms = call->deadline_ms - now_ms(channel);
    call->peer = (struct peer_call){
        .api_key = call->api_key,
        .version_min = call->version_min,
        .version_max = call->version_max,
        .timeout_ms = left_ms < TRY_MS ? left_ms : TRY_MS,
        .build = peer_build,
        .fn = peer_answered,
    };
    list_append(&channel->sent, &call->link);
    peer_call(channel->peer, &call->peer);
}

/* ---- Trying ---------------------------------------------------------------------------------- */

static void try(struct controller_call *call) {
    struct controller_channel *channel = call->channel;
    const struct quorum *quorum = controller_quorum(channel->node);
    const char *host;
    int port;
    call->leader_id = quorum != NULL ? quorum_leader(quorum) : -1;
    if (call->leader_id >= 0 && call->leader_id == channel->node->id) {
        try_here(call);
    } else if (call->leader_id >= 0 && quorum_leader_address(quorum, &host, &port)) {
        try_there(call, host, port);
    } else {
        call_wait(call, RETRY_MS);
    }
}

static void end_overdue(struct controller_channel *channel) {
    int64_t now = now_ms(channel);
    LIST_FOREACH_SAFE(it, &channel->waiting) {
        struct controller_call *call = CONTAINER_OF(it, struct controller_call, link);
        if (call->deadline_ms <= now) {
            list_remove(&call->link);
            call_end(call, ERROR_REQUEST_TIMED_OUT, NULL);
        }
    }
    LIST_FOREACH(it, &channel->local) {
        struct local_try *attempt = CONTAINER_OF(it, struct local_try, link);
        if (attempt->call != NULL && attempt->call->deadline_ms <= now) {
            call_end(attempt->call, ERROR_REQUEST_TIMED_OUT, NULL);
            attempt->call = NULL;
        }
    }
}

static void try_waiting(struct controller_channel *channel) {
    int64_t now = now_ms(channel);
    struct list due;
    list_init(&due);
    LIST_FOREACH_SAFE(it, &channel->waiting) {
        struct controller_call *call = CONTAINER_OF(it, struct controller_call, link);
        if (call->try_from_ms <= now) {
            list_remove(&call->link);
            list_append(&due, &call->link);
        }
    }
    while (!list_empty(&due)) {
        struct controller_call *call = LIST_FIRST(&due, struct controller_call, link);
        list_remove(&call->link);
        try(call);
    }
}

static void tell_ended(struct controller_channel *channel) {
    while (!list_empty(&channel->ended)) {
        struct telling *telling = LIST_FIRST(&channel->ended, struct telling, link);
        list_remove(&telling->link); /* fn may come back to here */
        call_tell(telling->call, telling->error, telling->answer);
        telling_free(telling);
    }
}

static void channel_run(struct controller_channel *channel) {
    end_overdue(channel);
    if (!channel->closed) {
        try_waiting(channel);
    }
    tell_ended(channel);
    channel_arm(channel);
}

static void on_deferred(struct deferred *deferred) {
    channel_run(CONTAINER_OF(deferred, struct controller_channel, deferred));
}

static void on_timer(struct timer *timer) {
    channel_run(CONTAINER_OF(timer, struct controller_channel, timer));
}

static void channel_arm(struct controller_channel *channel) {
    int64_t due_ms = INT64_MAX;
    LIST_FOREACH(it, &channel->waiting) {
        const struct controller_call *call = CONTAINER_OF(it, struct controller_call, link);
        due_ms = call->try_from_ms < due_ms ? call->try_from_ms : due_ms;
        due_ms = call->deadline_ms < due_ms ? call->deadline_ms : due_ms;
    }
    LIST_FOREACH(it, &channel->local) {
        const struct local_try *attempt = CONTAINER_OF(it, struct local_try, link);
        if (attempt->call != NULL && attempt->call->deadline_ms < due_ms) {
            due_ms = attempt->call->deadline_ms;
        }
    }
    int64_t now = now_ms(channel);
    if (due_ms == INT64_MAX) {
        timer_stop(&channel->timer);
    } else if (!timer_running(&channel->timer) || channel->timer.due_ms != due_ms) {
        timer_start(&channel->timer, due_ms > now ? due_ms - now : 0);
    }
}

/* ---- For those who ask ----------------------------------------------------------------------- */

struct controller_channel *controller_channel_new(struct node *node) {
    struct controller_channel *channel = NEW(struct controller_channel);
    channel->node = node;
    list_init(&channel->waiting);
    list_init(&channel->sent);
    list_init(&channel->local);
    list_init(&channel->ended);
    list_init(&channel->abroad);
    timer_init(&channel->timer, node->shards[0].shard, on_timer);
    deferred_init(&channel->deferred, node->shards[0].shard, on_deferred);
    return channel;
}

void controller_channel_close(struct controller_channel *channel) {
    channel->closed = true;
    if (channel->peer != NULL) {
        peer_close(channel->peer); /* ends what was sent */
    }
    while (!list_empty(&channel->waiting)) {
        struct controller_call *call = LIST_FIRST(&channel->waiting, struct controller_call, link);
        list_remove(&call->link);
        call_end(call, ERROR_REQUEST_TIMED_OUT, NULL);
    }
    LIST_FOREACH(it, &channel->local) {
        struct local_try *attempt = CONTAINER_OF(it, struct local_try, link);
        if (attempt->call != NULL) {
            call_end(attempt->call, ERROR_REQUEST_TIMED_OUT, NULL);
            attempt->call = NULL;
        }
    }
    timer_stop(&channel->timer);
    tell_ended(channel);
}

void controller_channel_free(struct controller_channel *channel) {
    if (channel == NULL) {
        return;
    }
    LIST_FOREACH_SAFE(it, &channel->local) {
        free(CONTAINER_OF(it, struct local_try, link));
    }
    LIST_FOREACH_SAFE(it, &channel->ended) {
        telling_free(CONTAINER_OF(it, struct telling, link));
    }
    LIST_FOREACH_SAFE(it, &channel->abroad) {
        telling_free(CONTAINER_OF(it, struct telling, link));
    }
    timer_stop(&channel->timer);
    deferred_cancel(&channel->deferred);
    peer_free(channel->peer);
    free(channel);
}

/* What was sent to the leader of before is asked of the new one: the old may never answer. */
static void leave_old_leader(struct controller_channel *channel, int32_t leader_id) {
    LIST_FOREACH_SAFE(it, &channel->sent) {
        struct controller_call *call = CONTAINER_OF(it, struct controller_call, link);
        if (call->leader_id != leader_id) {
            peer_cancel(&call->peer);
            list_remove(&call->link);
            call_wait(call, 0);
        }
    }
}

void controller_channel_leader_changed(struct controller_channel *channel) {
    const struct quorum *quorum = controller_quorum(channel->node);
    int32_t leader_id = quorum != NULL ? quorum_leader(quorum) : -1;
    if (leader_id < 0 || channel->closed) {
        return;
    }
    leave_old_leader(channel, leader_id);
    LIST_FOREACH(it, &channel->waiting) {
        CONTAINER_OF(it, struct controller_call, link)->try_from_ms = now_ms(channel);
    }
    deferred_schedule(&channel->deferred);
}

static void call_arrived(struct post *post) {
    struct controller_call *call = CONTAINER_OF(post, struct controller_call, post);
    struct controller_channel *channel = call->channel;
    int64_t now = now_ms(channel);
    call->deadline_ms = call->timeout_ms >= INT64_MAX - now ? INT64_MAX : now + call->timeout_ms;
    if (channel->closed) {
        call_end(call, ERROR_REQUEST_TIMED_OUT, NULL);
    } else {
        call_wait(call, 0);
    }
}

void controller_call(struct controller_call *call) {
    struct node *node = call->from->node;
    call->channel = node->controller_channel;
    call->peer = (struct peer_call){0};
    list_init(&call->link);
    shard_post(node->shards[0].shard, &call->post, call_arrived);
}
