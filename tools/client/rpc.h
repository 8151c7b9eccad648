/*
 * Requests one at a time over a blocking connection, for programs that have nothing else to do
 * meanwhile.
 */
#ifndef TOOLS_CLIENT_RPC_H
#define TOOLS_CLIENT_RPC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/errmsg.h"
#include "protocol/message.h"

struct rpc {
    int fd;
    int32_t correlation_id;
    int16_t min_version[API_KEY_MAX + 1]; /* of the broker; max < 0: not served */
    int16_t max_version[API_KEY_MAX + 1];
    struct arena arena; /* of the last response */
    struct buffer frame;
    const char *client_id;
    bool quiet; /* what fails is told in `error` alone, not on stderr */
    struct errmsg error;
};

#define RPC_CLIENT_ID "barnabasctl"

/* A blocking TCP connection without Nagle's delay; -1, with the reason on stderr unless `silent`.
 */
int tcp_connect(const char *host, uint16_t port, bool silent);

/* Connects and asks which versions the broker serves; false with the reason on stderr. */
bool rpc_open(struct rpc *rpc, const char *host, uint16_t port);

/* The same, quietly, for as long as the connection lives. client_id must outlive it. */
bool rpc_open_quietly(struct rpc *rpc, const char *host, uint16_t port, const char *client_id);
void rpc_close(struct rpc *rpc);

/* The highest version that both sides and `highest` allow; -1, with a message, when there is none.
 */
int16_t rpc_version(struct rpc *rpc, int16_t api_key, int16_t highest);

/* Sends and waits. The response is valid until the next call; NULL, with the reason on stderr, when
 * the connection or the bytes fail. Errors inside the response are the caller's. */
const void *rpc_call(struct rpc *rpc, int16_t api_key, int16_t version, const void *request);

/* The same with the response, and the bytes it points into, in an arena of the caller. */
const void *rpc_call_into(struct rpc *rpc, int16_t api_key, int16_t version, const void *request,
                          struct arena *arena);

/* The two halves of rpc_call_into(), for questions to several brokers at once, or several to one:
 * answers come in the order of the questions. */
bool rpc_send(struct rpc *rpc, int16_t api_key, int16_t version, const void *request);
const void *rpc_receive(struct rpc *rpc, int16_t api_key, int16_t version, struct arena *arena);

/* Appends header and body of a request, with its length in front. */
void frame_request(struct buffer *out, int16_t api_key, int16_t version, int32_t correlation_id,
                   const void *request, const struct message_external *external);

/* Skips the header of a response and decodes its body into the arena; NULL when it is malformed. */
const void *frame_response(struct slice frame, int16_t api_key, int16_t version,
                           struct arena *arena);

#endif
