/*
 * A connection to another node, for this node's own requests.
 *
 * It is dialled when the first call needs it, and again after it broke, at most every
 * reconnect.backoff (growing, with jitter). Names are resolved anew at every dial. After connecting
 * ApiVersions is asked, so each request goes out in the highest version that both know.
 *
 * Calls are sent in the order in which they were made and answered in that order. When the
 * connection breaks, or an answer is overdue (then it is broken by this side), every call that was
 * sent ends with an error, at once: whether the other node carried it out is not known. A call that
 * was not sent yet ends with an error too when the dial fails, so that who calls decides whether to
 * ask elsewhere; a call that is made between two dials waits for the next.
 *
 * One shard. Nothing of it is shared between shards.
 */
#ifndef BROKER_PEER_PEER_H
#define BROKER_PEER_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"
#include "runtime/machine.h"

struct node_shard;
struct peer;

/* What has gone over connections; only grows. */
struct peer_counts {
    uint64_t requests;
    uint64_t bytes_out;
    uint64_t answers;
    uint64_t bytes_in;
};

struct peer_options {
    struct node_shard *shard;
    const char *name; /* for logs: "quorum", "controller", "replica"; constant */
    const char *host; /* copied */
    int port;
    size_t response_max;        /* a longer answer closes the connection; 0: 100 MiB */
    int64_t connect_timeout_ms; /* and of ApiVersions behind it; 0: 1 s */
    int64_t backoff_ms;         /* between two dials; doubles up to backoff_max_ms; 0: 50 ms */
    int64_t backoff_max_ms;     /* 0: 1 s */
    /* The connection broke or could not be made: `result` as in peer_answer. May be NULL. Called
     * after the calls were ended, not for peer_close() and peer_set_address(); must not free the
     * peer. */
    void (*on_disconnect)(void *ctx, int result);
    void *ctx;
    struct peer_counts *counts; /* added to; may be NULL; outlives the peer */
};

struct peer *peer_new(const struct peer_options *options);

/* Ends all calls (result -ECANCELED) and closes; a call made from then on ends so too. The peer may
 * be freed right afterwards, but not from inside a call's fn. */
void peer_close(struct peer *peer);

/* Memory only, without a call to anybody: after peer_close(), or with a machine that has stopped or
 * crashed. */
void peer_free(struct peer *peer);

/* Where to dial from now on; a connection to another address is closed. Calls that were sent there
 * end with -ECONNRESET (not before this returns); those that were not go to the new address, at
 * once. */
void peer_set_address(struct peer *peer, const char *host, int port);

struct frame;

struct peer_answer {
    /*
     * 0: `response` is the decoded answer; it, its strings and records are valid during the call.
     *
     * Of the connection: -ECONNREFUSED (it could not be made: nobody listens, no such host),
     * -ECONNRESET (it broke), -ETIMEDOUT (no answer, or no connection, in time), -EBADMSG (the
     * answer could not be decoded; the connection is closed).
     *
     * -EPROTONOSUPPORT: there is no version that both know, or the other side does not serve the
     * API. -EMSGSIZE: the request cannot be encoded. Neither goes away by itself: to try again at
     * once is to loop. -ECANCELED: peer_close().
     */
    int result;
    int16_t version;
    const void *response; /* the API's response struct (protocol/generated) */

    /* What the response's slices point into: with a reference of it, records stay valid after the
     * call (not the response struct and its arrays). */
    struct frame *frame;
};

/* Embedded in what asks; must stay valid until fn was called or peer_cancel(). May then be used for
 * another call, also from inside fn. */
struct peer_call {
    struct list link; /* private up to here, with the next five */
    struct peer *peer;
    int64_t deadline_ms;
    int32_t correlation_id;
    int16_t version;
    int result;

    int16_t api_key; /* given, as all below */
    int16_t version_min;
    int16_t version_max; /* of the versions that this side can build */
    int64_t timeout_ms;  /* from peer_call() to the answer, dialling included */

    /* The request in this version; encoded before build's caller goes on, so it may live in memory
     * that is reused at once. Called once at most, when the call is about to be sent. Makes no
     * calls. */
    const void *(*build)(struct peer_call *call, int16_t version);

    /* Once, never before peer_call() returns. May make calls and cancel others. */
    void (*fn)(struct peer_call *call, const struct peer_answer *answer);
};

/* Sends it at the end of this turn, or when there is a connection. */
void peer_call(struct peer *peer, struct peer_call *call);

/* fn will not be called; an answer that still comes is dropped. Safe on a call that has ended or
 * was never made (zeroed). */
void peer_cancel(struct peer_call *call);

#endif
