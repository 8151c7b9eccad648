/*
 * One connection, and the calls on it.
 *
 * A call is in one of three lists: `waiting` to be sent, `sent`, or `ended` (its fn has yet to be
 * called). What may call fn runs from the loop only: the deferred call, the timer, and what the
 * network tells; so fn is never called inside peer_call().
 */
#include "broker/peer/peer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "broker/node.h"
#include "broker/peer/wire.h"
#include "protocol/errors.h"
#include "protocol/generated/api_versions_request.h"
#include "protocol/generated/api_versions_response.h"
#include "protocol/message.h"
#include "runtime/log.h"
#include "runtime/net.h"

#define API_KEY_API_VERSIONS 18

#define REQUEST_SIZE_MAX           ((size_t)100 * 1024 * 1024)
#define RESPONSE_MAX_DEFAULT       ((size_t)100 * 1024 * 1024)
#define CONNECT_TIMEOUT_MS_DEFAULT 1000
#define BACKOFF_MS_DEFAULT         50
#define BACKOFF_MAX_MS_DEFAULT     1000

enum peer_state {
    PEER_IDLE,    /* no connection */
    PEER_DIALING, /* conn is set from here on */
    PEER_ASKING,  /* ApiVersions is under way */
    PEER_READY,
    PEER_CLOSED,
};

/* Versions of an API that the other side serves; max < min where it does not. */
struct version_range {
    int16_t min;
    int16_t max;
};

struct peer {
    struct peer_options options;
    struct shard *shard;
    struct machine *machine;
    char *host;
    int port;
    char client_id[64];

    enum peer_state state;
    struct conn *conn; /* its data is this peer, until it is given up */
    int64_t asking_until_ms;
    int16_t asking_version; /* of ApiVersions */
    struct version_range versions[API_KEY_MAX + 1];

    int64_t backoff_ms;   /* after the next failure */
    int64_t dial_from_ms; /* not earlier */
    bool failure_logged;  /* since it was ready last */

    struct list waiting;
    struct list sent;
    struct list ended;
    int32_t next_id;   /* of the next request; starts anew with each connection */
    int32_t answer_id; /* of the next answer */

    struct arena arena; /* of the answer being told */
    struct timer timer; /* the next deadline, or the next dial */
    struct deferred deferred;
};

static void peer_run(struct peer *peer);
static void peer_arm(struct peer *peer);

/* ---- Ending calls ---------------------------------------------------------------------------- */

static void call_end(struct peer *peer, struct peer_call *call, int result) {
    call->result = result;
    list_remove(&call->link);
    list_append(&peer->ended, &call->link);
}

static void calls_end(struct peer *peer, struct list *calls, int result) {
    while (!list_empty(calls)) {
        call_end(peer, LIST_FIRST(calls, struct peer_call, link), result);
    }
}

static void call_tell(struct peer_call *call, const struct peer_answer *answer) {
    list_remove(&call->link);
    call->peer = NULL;
    call->fn(call, answer);
}

/* From the loop only. */
static void tell_ended(struct peer *peer) {
    while (!list_empty(&peer->ended)) {
        struct peer_call *call = LIST_FIRST(&peer->ended, struct peer_call, link);
        struct peer_answer answer = {.result = call->result, .version = call->version};
        call_tell(call, &answer);
    }
}

/* ---- The connection -------------------------------------------------------------------------- */

/* Lets go of the connection: nothing is heard of it any more. */
static void conn_give_up(struct peer *peer, const char *reason) {
    if (peer->conn != NULL) {
        conn_set_data(peer->conn, NULL);
        conn_close(peer->conn, reason);
        peer->conn = NULL;
    }
    peer->state = PEER_IDLE;
}

/* When the next dial may be: never sooner than a backoff after the last one, which grows while they
 * fail. A fifth of it is drawn, so that nodes do not dial in step. */
static void set_backoff(struct peer *peer, bool failed) {
    int64_t base = failed ? peer->backoff_ms : peer->options.backoff_ms;
    int64_t spread = base / 5;
    int64_t jitter = (int64_t)random_below(peer->machine, (uint64_t)(2 * spread + 1)) - spread;
    peer->dial_from_ms = shard_now_ms(peer->shard) + base + jitter;
    if (failed) {
        int64_t doubled = peer->backoff_ms * 2;
        int64_t max = peer->options.backoff_max_ms;
        peer->backoff_ms = doubled < max ? doubled : max;
    } else {
        peer->backoff_ms = peer->options.backoff_ms;
    }
}

static void log_disconnect(struct peer *peer, int result, const char *reason) {
    bool was_ready = peer->state == PEER_READY;
    if (peer->failure_logged && !was_ready) {
        return;
    }
    peer->failure_logged = true;
    LOG_INFO(peer->machine, "peer", was_ready ? "disconnected" : "cannot connect",
             "purpose=%s host=%s port=%d error=\"%s\" reason=\"%s\"", peer->options.name,
             peer->host, peer->port, strerror(-result), reason);
}

/* The connection is gone or given up because of `result`. From the loop only. */
static void disconnected(struct peer *peer, int result, const char *reason) {
    log_disconnect(peer, result, reason);
    bool was_ready = peer->state == PEER_READY;
    conn_give_up(peer, reason);
    if (!was_ready) {
        set_backoff(peer, true);
        calls_end(peer, &peer->waiting, result);
    }
    calls_end(peer, &peer->sent, result);
    tell_ended(peer);
    if (peer->state != PEER_CLOSED && peer->options.on_disconnect != NULL) {
        peer->options.on_disconnect(peer->options.ctx, result);
    }
    peer_run(peer);
}

static bool send_message(struct peer *peer, int16_t key, int16_t version, int32_t correlation_id,
                         const void *message) {
    struct buffer out;
    buffer_init(&out, REQUEST_SIZE_MAX);
    if (!wire_encode_request(key, version, correlation_id, slice_str(peer->client_id), message,
                             &out)) {
        buffer_release(&out);
        return false;
    }
    if (peer->options.counts != NULL) {
        peer->options.counts->requests++;
        peer->options.counts->bytes_out += out.len;
    }
    struct reply *frame = reply_new();
    reply_add_heap(frame, out.data, out.len);
    conn_send(peer->conn, frame);
    return true;
}

static void ask_versions(struct peer *peer, int16_t version) {
    struct api_versions_request request;
    message_init(&api_versions_request_desc, &request);
    if (version >= 3) {
        request.client_software_name = SLICE_LIT("barnabas");
        request.client_software_version = SLICE_LIT(BARNABAS_VERSION);
    }
    peer->asking_version = version;
    bool encoded = send_message(peer, API_KEY_API_VERSIONS, version, peer->next_id++, &request);
    ASSERT(encoded);
}

static void on_connect(struct conn *conn, void *ctx) {
    struct peer *peer = conn_data(conn);
    if (peer == NULL) {
        return;
    }
    peer->state = PEER_ASKING;
    ask_versions(peer, message_max_version(&api_versions_request_desc));
}

static bool decode(struct peer *peer, int16_t key, int16_t version, struct slice in, void **out) {
    arena_reset(&peer->arena);
    peer->arena.limit = message_decode_limit(in.len);
    return wire_decode_response(key, version, in, &peer->arena, out);
}

/* Correlation id, then the error code, whatever the version. */
#define VERSIONS_ERROR_LEN 6

static void on_versions(struct peer *peer, struct slice in) {
    void *message = NULL;
    bool refused = in.len >= VERSIONS_ERROR_LEN &&
                   load_be16(in.data + 4) == (uint16_t)ERROR_UNSUPPORTED_VERSION;
    if (refused && peer->asking_version > 0) {
        ask_versions(peer, 0);
        return;
    }
    if (!decode(peer, API_KEY_API_VERSIONS, peer->asking_version, in, &message)) {
        disconnected(peer, -EBADMSG, "malformed answer to ApiVersions");
        return;
    }
    const struct api_versions_response *response = message;
    if (response->error_code != ERROR_NONE) {
        disconnected(peer, -EPROTONOSUPPORT, "ApiVersions was refused");
        return;
    }
    for (int key = 0; key <= API_KEY_MAX; key++) {
        peer->versions[key] = (struct version_range){.min = 0, .max = -1};
    }
    for (int i = 0; i < response->api_keys_count; i++) {
        const struct api_versions_response_api_version *served = &response->api_keys[i];
        if (served->api_key >= 0 && served->api_key <= API_KEY_MAX) {
            peer->versions[served->api_key] = (struct version_range){
                .min = served->min_version,
                .max = served->max_version,
            };
        }
    }
    LOG_DEBUG(peer->machine, "peer", "connected", "purpose=%s host=%s port=%d", peer->options.name,
              peer->host, peer->port);
    peer->state = PEER_READY;
    peer->failure_logged = false;
    set_backoff(peer, false);
    peer_run(peer);
}

static void on_answer(struct peer *peer, struct frame *frame, int32_t correlation_id) {
    struct peer_call *call =
        list_empty(&peer->sent) ? NULL : LIST_FIRST(&peer->sent, struct peer_call, link);
    if (call == NULL || call->correlation_id != correlation_id) {
        return; /* it was cancelled */
    }
    struct peer_answer answer = {.version = call->version, .frame = frame};
    void *response = NULL;
    struct slice in = slice_make(frame->data, frame->len);
    if (!decode(peer, call->api_key, call->version, in, &response)) {
        LOG_WARN(peer->machine, "peer", "malformed answer", "host=%s port=%d api_key=%d version=%d",
                 peer->host, peer->port, call->api_key, call->version);
        disconnected(peer, -EBADMSG, "malformed answer");
        return;
    }
    answer.response = response;
    call_tell(call, &answer);
    peer_arm(peer);
}

static void on_frame(struct conn *conn, struct frame *frame, void *ctx) {
    struct peer *peer = conn_data(conn);
    if (peer == NULL) {
        frame_unref(frame);
        return;
    }
    struct slice in = slice_make(frame->data, frame->len);
    int32_t correlation_id = in.len < 4 ? -1 : (int32_t)load_be32(in.data);
    if (peer->options.counts != NULL) {
        peer->options.counts->answers++;
        peer->options.counts->bytes_in += in.len;
    }
    if (correlation_id < 0 || correlation_id != peer->answer_id ||
        peer->answer_id == peer->next_id) {
        disconnected(peer, -EBADMSG, "an answer to nothing that was asked");
    } else {
        peer->answer_id = peer->answer_id == INT32_MAX ? 0 : peer->answer_id + 1;
        if (peer->state == PEER_ASKING) {
            on_versions(peer, in);
        } else {
            on_answer(peer, frame, correlation_id);
        }
    }
    frame_unref(frame);
}

static void on_close(struct conn *conn, const char *reason, void *ctx) {
    struct peer *peer = conn_data(conn);
    if (peer != NULL) {
        peer->conn = NULL;
        int result = peer->state != PEER_DIALING                          ? -ECONNRESET
                     : shard_now_ms(peer->shard) >= peer->asking_until_ms ? -ETIMEDOUT
                                                                          : -ECONNREFUSED;
        disconnected(peer, result, reason);
    }
}

static const struct dialer_handler peer_handler = {
    .on_connect = on_connect,
    .on_frame = on_frame,
    .on_close = on_close,
};

static void dial(struct peer *peer) {
    struct dialer_options options = {
        .host = peer->host,
        .port = peer->port,
        .frame_max = peer->options.response_max,
        .connect_timeout_ms = peer->options.connect_timeout_ms,
    };
    peer->state = PEER_DIALING;
    peer->asking_until_ms = shard_now_ms(peer->shard) + peer->options.connect_timeout_ms;
    peer->next_id = 0;
    peer->answer_id = 0;
    peer->conn = conn_dial(peer->shard, &options, &peer_handler, NULL);
    conn_set_data(peer->conn, peer);
}

/* ---- Sending --------------------------------------------------------------------------------- */

static bool choose_version(const struct peer *peer, struct peer_call *call) {
    if (call->api_key < 0 || call->api_key > API_KEY_MAX || api_by_key(call->api_key) == NULL) {
        return false;
    }
    const struct version_range *served = &peer->versions[call->api_key];
    int16_t min = served->min > call->version_min ? served->min : call->version_min;
    int16_t max = served->max < call->version_max ? served->max : call->version_max;
    call->version = max;
    return min <= max;
}

static void send_waiting(struct peer *peer) {
    while (!list_empty(&peer->waiting)) {
        struct peer_call *call = LIST_FIRST(&peer->waiting, struct peer_call, link);
        if (!choose_version(peer, call)) {
            call_end(peer, call, -EPROTONOSUPPORT);
            continue;
        }
        const void *request = call->build(call, call->version);
        if (!send_message(peer, call->api_key, call->version, peer->next_id, request)) {
            call_end(peer, call, -EMSGSIZE);
            continue;
        }
        call->correlation_id = peer->next_id;
        peer->next_id = peer->next_id == INT32_MAX ? 0 : peer->next_id + 1;
        list_remove(&call->link);
        list_append(&peer->sent, &call->link);
    }
}

/* ---- Time ------------------------------------------------------------------------------------ */

static int64_t earliest_deadline(const struct list *calls, int64_t than_ms) {
    LIST_FOREACH(it, calls) {
        const struct peer_call *call = CONTAINER_OF(it, struct peer_call, link);
        than_ms = call->deadline_ms < than_ms ? call->deadline_ms : than_ms;
    }
    return than_ms;
}

static void peer_arm(struct peer *peer) {
    int64_t due_ms = earliest_deadline(&peer->waiting, INT64_MAX);
    due_ms = earliest_deadline(&peer->sent, due_ms);
    if (peer->state == PEER_ASKING && peer->asking_until_ms < due_ms) {
        due_ms = peer->asking_until_ms;
    }
    if (peer->state == PEER_IDLE && !list_empty(&peer->waiting) && peer->dial_from_ms < due_ms) {
        due_ms = peer->dial_from_ms;
    }
    if (due_ms == INT64_MAX) {
        timer_stop(&peer->timer);
    } else if (!timer_running(&peer->timer) || peer->timer.due_ms != due_ms) {
        int64_t now_ms = shard_now_ms(peer->shard);
        timer_start(&peer->timer, due_ms > now_ms ? due_ms - now_ms : 0);
    }
}

/* Ends those of `calls` that are overdue; whether there were any. */
static bool end_overdue(struct peer *peer, struct list *calls) {
    int64_t now_ms = shard_now_ms(peer->shard);
    bool any = false;
    LIST_FOREACH_SAFE(it, calls) {
        struct peer_call *call = CONTAINER_OF(it, struct peer_call, link);
        if (call->deadline_ms <= now_ms) {
            call_end(peer, call, -ETIMEDOUT);
            any = true;
        }
    }
    return any;
}

static void on_timer(struct timer *timer) {
    struct peer *peer = CONTAINER_OF(timer, struct peer, timer);
    end_overdue(peer, &peer->waiting);
    if (end_overdue(peer, &peer->sent)) {
        disconnected(peer, -ECONNRESET, "an answer is overdue");
    } else if (peer->state == PEER_ASKING && shard_now_ms(peer->shard) >= peer->asking_until_ms) {
        disconnected(peer, -ETIMEDOUT, "ApiVersions is not answered");
    } else {
        peer_run(peer);
    }
}

/* Does what can be done now. From the loop only. */
static void peer_run(struct peer *peer) {
    tell_ended(peer);
    if (peer->state == PEER_READY) {
        send_waiting(peer);
        if (!list_empty(&peer->ended)) {
            deferred_schedule(&peer->deferred);
        }
    } else if (peer->state == PEER_IDLE && !list_empty(&peer->waiting) &&
               shard_now_ms(peer->shard) >= peer->dial_from_ms) {
        dial(peer);
    }
    if (peer->state != PEER_CLOSED) {
        peer_arm(peer);
    }
}

static void on_deferred(struct deferred *deferred) {
    peer_run(CONTAINER_OF(deferred, struct peer, deferred));
}

/* ---- For those who ask ----------------------------------------------------------------------- */

struct peer *peer_new(const struct peer_options *options) {
    struct peer *peer = NEW(struct peer);
    peer->options = *options;
    struct peer_options *own = &peer->options;
    own->host = NULL;
    own->response_max = own->response_max > 0 ? own->response_max : RESPONSE_MAX_DEFAULT;
    own->connect_timeout_ms =
        own->connect_timeout_ms > 0 ? own->connect_timeout_ms : CONNECT_TIMEOUT_MS_DEFAULT;
    own->backoff_ms = own->backoff_ms > 0 ? own->backoff_ms : BACKOFF_MS_DEFAULT;
    own->backoff_max_ms = own->backoff_max_ms > 0 ? own->backoff_max_ms : BACKOFF_MAX_MS_DEFAULT;
    peer->shard = options->shard->shard;
    peer->machine = options->shard->node->machine;
    peer->host = xstrdup(options->host);
    peer->port = options->port;
    snprintf(peer->client_id, sizeof(peer->client_id), "node-%" PRId32 ":%s",
             options->shard->node->id, options->name);
    peer->backoff_ms = own->backoff_ms;
    peer->dial_from_ms = INT64_MIN;
    list_init(&peer->waiting);
    list_init(&peer->sent);
    list_init(&peer->ended);
    arena_init(&peer->arena, SIZE_MAX);
    timer_init(&peer->timer, peer->shard, on_timer);
    deferred_init(&peer->deferred, peer->shard, on_deferred);
    return peer;
}

void peer_close(struct peer *peer) {
    conn_give_up(peer, "closed");
    peer->state = PEER_CLOSED;
    timer_stop(&peer->timer);
    calls_end(peer, &peer->ended, -ECANCELED);
    calls_end(peer, &peer->sent, -ECANCELED);
    calls_end(peer, &peer->waiting, -ECANCELED);
    tell_ended(peer);
    deferred_cancel(&peer->deferred);
}

void peer_free(struct peer *peer) {
    if (peer == NULL) {
        return;
    }
    timer_stop(&peer->timer); /* after a crash: others are still in these lists */
    deferred_cancel(&peer->deferred);
    arena_release(&peer->arena);
    free(peer->host);
    free(peer);
}

void peer_set_address(struct peer *peer, const char *host, int port) {
    if (peer->state == PEER_CLOSED || (peer->port == port && strcmp(peer->host, host) == 0)) {
        return;
    }
    char *old = peer->host;
    peer->host = xstrdup(host);
    free(old);
    peer->port = port;
    conn_give_up(peer, "the other node is reached elsewhere now");
    calls_end(peer, &peer->sent, -ECONNRESET);
    peer->backoff_ms = peer->options.backoff_ms;
    peer->dial_from_ms = INT64_MIN;
    peer->failure_logged = false;
    deferred_schedule(&peer->deferred);
}

void peer_call(struct peer *peer, struct peer_call *call) {
    ASSERT(call->peer == NULL && call->fn != NULL && call->build != NULL);
    int64_t now_ms = shard_now_ms(peer->shard);
    call->peer = peer;
    call->deadline_ms =
        call->timeout_ms >= INT64_MAX - now_ms ? INT64_MAX : now_ms + call->timeout_ms;
    call->version = -1;
    if (peer->state == PEER_CLOSED) {
        call->result = -ECANCELED;
        list_append(&peer->ended, &call->link);
    } else {
        list_append(&peer->waiting, &call->link);
    }
    deferred_schedule(&peer->deferred);
}

void peer_cancel(struct peer_call *call) {
    if (call->peer != NULL) {
        list_remove(&call->link);
        call->peer = NULL;
    }
}
