/*
 * Requests one at a time over a blocking connection: what surrounds a measurement, where time does
 * not matter.
 */
#ifndef TOOLS_BENCH_RPC_H
#define TOOLS_BENCH_RPC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "protocol/message.h"

struct rpc {
    int fd;
    int32_t correlation_id;
    int16_t min_version[API_KEY_MAX + 1]; /* of the broker; max < 0: not served */
    int16_t max_version[API_KEY_MAX + 1];
    struct arena arena; /* of the last response */
    struct buffer frame;
};

#define BENCH_CLIENT_ID "barnabasctl-bench"

/* A blocking TCP connection without Nagle's delay; -1, with the reason on stderr unless `silent`.
 */
int tcp_connect(const char *host, uint16_t port, bool silent);

/* Connects and asks which versions the broker serves; false with the reason on stderr. */
bool rpc_open(struct rpc *rpc, const char *host, uint16_t port);
void rpc_close(struct rpc *rpc);

/* The highest version that both sides and `highest` allow; -1, with a message, when there is none.
 */
int16_t rpc_version(const struct rpc *rpc, int16_t api_key, int16_t highest);

/* Sends and waits. The response is valid until the next call; NULL, with the reason on stderr, when
 * the connection or the bytes fail. Errors inside the response are the caller's. */
const void *rpc_call(struct rpc *rpc, int16_t api_key, int16_t version, const void *request);

/* Appends header and body of a request, with its length in front. */
void frame_request(struct buffer *out, int16_t api_key, int16_t version, int32_t correlation_id,
                   const void *request, const struct message_external *external);

/* Skips the header of a response and decodes its body into the arena; NULL when it is malformed. */
const void *frame_response(struct slice frame, int16_t api_key, int16_t version,
                           struct arena *arena);

#endif
